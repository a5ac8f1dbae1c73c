/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SQLite driver. One writer in WAL mode with synchronous=FULL: a commit returns after the log is synced. 8 KB
 * pages. The log is moved into the file by store_maintain, between transactions and after the answers are out, not
 * inside a commit; SQLite's own automatic checkpoint is off because it hides a failed sync. With `background` a thread
 * moves most of it, and what was committed meanwhile follows here, so that the log begins anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/sqlite/log_file.h"
#include "store/sqlite/mover.h"
#include "store/sqlite/place.h"
#include "store/store_int.h"

#define LOG_PAGES_MOST ((int)(STORE_LOG_MOST / 8192)) /* but for what readers hold back */
#define CHECKPOINT_PAGES (LOG_PAGES_MOST / 4)
#define PAGES_MEANWHILE                                                                                                \
    (LOG_PAGES_MOST - CHECKPOINT_PAGES) /* committed while the mover is at it: then it is waited for */
enum { LOCK_TRIES = 40 };               /* 50 ms apart */

struct sq {
    struct store base;
    sqlite3 *db;
    sqlite3_stmt *begin, *begin_read, *commit, *rollback;
    int log_pages, asked_at; /* asked_at: as it was when the mover was asked */
    int lock_fd;
    struct store_mover *mover; /* NULL: the log is moved by who calls */
    struct store_place place;
    bool fresh;  /* there was a commit since the log was moved last */
    bool moving; /* it was asked, and what is left has not been moved */
    bool broken; /* moving the log has failed: nothing may be moved any more */
};

struct sq_stmt {
    struct store_stmt base;
    struct sq *sq;
    sqlite3_stmt *st;
};

static enum tl_rc sq_rc(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return TL_OK;
    case SQLITE_CONSTRAINT:
        return TL_EXISTS;
    case SQLITE_FULL:
        return TL_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return TL_BUSY;
    case SQLITE_NOTADB:
        return TL_CONFIG;
    case SQLITE_CORRUPT:
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL:
        return TL_IO;
    default:
        return TL_BUG;
    }
}

static bool is_full(sqlite3 *db, int rc, int extended)
{
    int code = db ? sqlite3_system_errno(db) : 0;

    return (rc & 0xff) == SQLITE_FULL || (extended == SQLITE_IOERR_SHMSIZE && code == 0) ||
           ((rc & 0xff) == SQLITE_IOERR && (code == ENOSPC || code == EDQUOT));
}

/* What a person can do about it; SQLite's own words say only what. */
enum tl_rc store__sqlite_fail(sqlite3 *db, int rc, const char *what, struct tl_err *err)
{
    const char *path = db ? sqlite3_db_filename(db, "main") : NULL;
    int extended = db ? sqlite3_extended_errcode(db) : rc, code = rc & 0xff;

    path = path && path[0] ? path : what;
    if (is_full(db, rc, extended))
        return tl_fail(err, TL_FULL,
                       "%s: the disk that holds %s is full: make room there; what was acknowledged is kept", what,
                       path);
    if (code == SQLITE_NOTADB)
        return tl_fail(err, TL_CONFIG, "%s is not a ledger: name another directory, or put the right file there", path);
    if (code == SQLITE_CANTOPEN)
        return tl_fail(err, TL_IO, "cannot open %s: %s; its directory must be there and belong to this user", path,
                       db && sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db)) : sqlite3_errstr(rc));
    if (code == SQLITE_CORRUPT)
        return tl_fail(err, TL_IO, "%s is damaged (%d): put a snapshot in its place, the damaged file aside", path,
                       extended);
    if (code == SQLITE_IOERR)
        return tl_fail(
            err, TL_IO, "%s: %s cannot be read or written: %s (%d): see what the system's log says of its disk", what,
            path, db && sqlite3_system_errno(db) ? strerror(sqlite3_system_errno(db)) : sqlite3_errstr(rc), extended);
    return tl_fail(err, sq_rc(rc), "%s: %s (%d)", what, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), extended);
}

static void sq_close(struct store *s)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    struct tl_err err;

    if (q->mover) {
        store__mover_wait(q->mover);
        q->broken = q->broken || store__mover_result(q->mover, &err) != TL_OK;
    }
    store__mover_free(q->mover);
    if (q->broken && q->db) /* see sq_maintain */
        (void)sqlite3_db_config(q->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    sqlite3_finalize(q->begin);
    sqlite3_finalize(q->begin_read);
    sqlite3_finalize(q->commit);
    sqlite3_finalize(q->rollback);
    sqlite3_close(q->db);
    if (q->lock_fd >= 0)
        (void)close(q->lock_fd);
    store__place_done(&q->place);
    tl_free(q);
}

static enum tl_rc sq_simple(struct sq *q, sqlite3_stmt *st, const char *what, struct tl_err *err)
{
    int rc = sqlite3_step(st);
    enum tl_rc r = TL_OK;

    if (rc != SQLITE_DONE)
        r = store__sqlite_fail(q->db, rc, what, err);
    (void)sqlite3_reset(st);
    return r;
}

static enum tl_rc sq_begin(struct store *s, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);

    return sq_simple(q, q->begin, "starting a transaction", err);
}

static enum tl_rc sq_begin_read(struct store *s, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);

    return sq_simple(q, q->begin_read, "starting to read", err);
}

static enum tl_rc sq_commit(struct store *s, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);

    return sq_simple(q, q->commit, "writing to the ledger", err);
}

static void sq_rollback(struct store *s)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    sqlite3_file *log = NULL;

    /* After SQLITE_FULL or an I/O error SQLite may have rolled back by itself. */
    if (!sqlite3_get_autocommit(q->db)) {
        (void)sqlite3_step(q->rollback);
        (void)sqlite3_reset(q->rollback);
    }
    if (sqlite3_file_control(q->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, (void *)&log) == SQLITE_OK)
        store__log_file_forget(log);
}

static int sq_wal_hook(void *arg, sqlite3 *db, const char *name, int pages)
{
    struct sq *q = arg;

    (void)db;
    (void)name;
    q->log_pages = pages;
    q->fresh = true;
    return SQLITE_OK;
}

/* False: the mover is at it. What is committed while it works is little, and left to the caller. */
static bool take_from_mover(struct sq *q, bool everything, enum tl_rc *ret_rc, struct tl_err *err)
{
    if (!q->moving && !everything) {
        if (!q->fresh) /* see mover.h */
            return false;
        q->asked_at = q->log_pages;
        q->moving = true;
        q->fresh = false;
        store__mover_ask(q->mover);
        return false;
    }
    if (!everything && q->log_pages - q->asked_at < PAGES_MEANWHILE && !store__mover_is_done(q->mover))
        return false;
    store__mover_wait(q->mover);
    q->moving = false;
    *ret_rc = store__mover_result(q->mover, err);
    return true;
}

/* SQLite syncs the file only when all of the log has been moved, and takes what was moved before for written: a sync
 * that fails may have lost pages that it will not move again. The next process moves the log from its beginning. */
static enum tl_rc sq_maintain(struct store *s, bool everything, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    enum tl_rc rc = TL_OK;

    if (q->broken)
        return tl_fail(err, TL_IO, "moving the log into the ledger file: it has failed before; start anew");

    if (!everything && !q->moving && q->log_pages < CHECKPOINT_PAGES)
        return TL_OK;
    if (q->mover && !take_from_mover(q, everything, &rc, err))
        return TL_OK;
    q->fresh = false;
    if (rc == TL_OK)
        rc = store__move_log(q->db, everything ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &q->log_pages,
                             err);
    q->broken = rc != TL_OK;
    return rc;
}

static enum tl_rc sq_exec(struct store *s, const char *sql, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    int rc = sqlite3_exec(q->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? TL_OK : store__sqlite_fail(q->db, rc, "ledger", err);
}

static enum tl_rc sq_copy(struct store *s, const char *path, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    sqlite3_stmt *st = NULL;
    int rc;

    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600); /* payloads: for nobody else */

    if (fd < 0 && errno == EEXIST)
        return tl_fail(err, TL_EXISTS, "%s is there already: name another file", path);
    if (fd < 0)
        return tl_fail(err, TL_IO, "cannot make %s: %s", path, strerror(errno));
    (void)close(fd);
    /* It writes nothing to this database, yet query_only would refuse it; a reader's file is opened read-only anyway.
     */
    rc = sqlite3_exec(q->db, "PRAGMA query_only=0", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(q->db, "VACUUM INTO ?", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(st, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc != SQLITE_DONE) {
        enum tl_rc r = store__sqlite_fail(q->db, rc, "copying the ledger", err);

        sqlite3_finalize(st);
        (void)unlink(path); /* half a copy is none */
        return r;
    }
    sqlite3_finalize(st);
    return TL_OK;
}

static uint64_t sq_log_pages(const struct store *s)
{
    const struct sq *q = (const struct sq *)(const void *)s;

    return q->log_pages > 0 ? (uint64_t)q->log_pages : 0;
}

static enum tl_rc sq_prepare(struct store *s, const char *sql, struct store_stmt **ret_stmt, struct tl_err *err)
{
    struct sq *q = TL_CONTAINER(s, struct sq, base);
    struct sq_stmt *st;
    sqlite3_stmt *raw = NULL;
    int rc = sqlite3_prepare_v3(q->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, NULL);

    if (rc != SQLITE_OK)
        return store__sqlite_fail(q->db, rc, "preparing a statement", err);
    st = tl_zalloc(sizeof(*st));
    st->base.driver = s->driver;
    st->sq = q;
    st->st = raw;
    *ret_stmt = &st->base;
    return TL_OK;
}

static void sq_stmt_free(struct store_stmt *base)
{
    struct sq_stmt *st = TL_CONTAINER(base, struct sq_stmt, base);

    sqlite3_finalize(st->st);
    tl_free(st);
}

static int sq_bind(sqlite3_stmt *st, const struct store_val *p, size_t n)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < n && rc == SQLITE_OK; i++) {
        int at = (int)i + 1;

        switch (p[i].type) {
        case STORE_INT:
            rc = sqlite3_bind_int64(st, at, p[i].i);
            break;
        case STORE_TEXT:
            rc = sqlite3_bind_text64(st, at, p[i].s.p, p[i].s.n, SQLITE_STATIC, SQLITE_UTF8);
            break;
        case STORE_BLOB:
            rc = sqlite3_bind_blob64(st, at, p[i].s.p, p[i].s.n, SQLITE_STATIC);
            break;
        case STORE_NULL:
        default:
            rc = sqlite3_bind_null(st, at);
            break;
        }
    }
    return rc;
}

static enum tl_rc sq_query(struct store_stmt *base, const struct store_val *p, size_t n, struct tl_err *err)
{
    struct sq_stmt *st = TL_CONTAINER(base, struct sq_stmt, base);
    int rc = sq_bind(st->st, p, n);

    return rc == SQLITE_OK ? TL_OK : store__sqlite_fail(st->sq->db, rc, "binding", err);
}

static enum tl_rc sq_run(struct store_stmt *base, const struct store_val *p, size_t n, uint64_t *ret_changed,
                         struct tl_err *err)
{
    struct sq_stmt *st = TL_CONTAINER(base, struct sq_stmt, base);
    int rc = sq_bind(st->st, p, n);
    enum tl_rc r = TL_OK;

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st->st);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        r = store__sqlite_fail(st->sq->db, rc, "ledger", err);
    else if (ret_changed)
        *ret_changed = (uint64_t)sqlite3_changes(st->sq->db);
    (void)sqlite3_reset(st->st);
    return r;
}

static enum tl_rc sq_next(struct store_stmt *base, struct store_val *row, size_t n, bool *ret_row, struct tl_err *err)
{
    struct sq_stmt *st = TL_CONTAINER(base, struct sq_stmt, base);
    int rc = sqlite3_step(st->st);

    if (rc == SQLITE_DONE) {
        *ret_row = false;
        return TL_OK;
    }
    if (rc != SQLITE_ROW)
        return store__sqlite_fail(st->sq->db, rc, "reading the ledger", err);
    for (int i = 0; i < (int)n; i++) {
        int type = sqlite3_column_type(st->st, i);

        row[i] = store_null();
        if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
            row[i] = store_int(sqlite3_column_int64(st->st, i));
        } else if (type != SQLITE_NULL) {
            row[i].type = type == SQLITE_TEXT ? STORE_TEXT : STORE_BLOB;
            row[i].s.p =
                type == SQLITE_TEXT ? (const char *)sqlite3_column_text(st->st, i) : sqlite3_column_blob(st->st, i);
            row[i].s.n = (size_t)sqlite3_column_bytes(st->st, i);
            if (!row[i].s.p)
                row[i].s.p = "";
        }
    }
    *ret_row = true;
    return TL_OK;
}

static void sq_reset(struct store_stmt *base)
{
    struct sq_stmt *st = TL_CONTAINER(base, struct sq_stmt, base);

    (void)sqlite3_reset(st->st);
}

static size_t sq_columns(const struct store_stmt *base)
{
    return (size_t)sqlite3_column_count(((const struct sq_stmt *)(const void *)base)->st);
}

static const char *sq_column_name(const struct store_stmt *base, size_t i)
{
    return sqlite3_column_name(((const struct sq_stmt *)(const void *)base)->st, (int)i);
}

static enum tl_rc sq_in_place(const struct store *s, struct tl_err *err)
{
    return store__place_check(&((const struct sq *)(const void *)s)->place, err);
}

static const struct store_driver sqlite_driver = {
    .close = sq_close,
    .begin = sq_begin,
    .begin_read = sq_begin_read,
    .commit = sq_commit,
    .rollback = sq_rollback,
    .maintain = sq_maintain,
    .exec = sq_exec,
    .copy = sq_copy,
    .in_place = sq_in_place,
    .log_pages = sq_log_pages,
    .prepare = sq_prepare,
    .stmt_free = sq_stmt_free,
    .run = sq_run,
    .query = sq_query,
    .next = sq_next,
    .reset = sq_reset,
    .columns = sq_columns,
    .column_name = sq_column_name,
};

static enum tl_rc sq_number(struct sq *q, const char *pragma, int64_t *ret, struct tl_err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(q->db, pragma, -1, &st, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? TL_OK : store__sqlite_fail(q->db, rc, "opening the ledger", err);
}

/* All in one transaction: a ledger is as it was or as this version wants it, and a new one waits for one sync. */
static enum tl_rc sq_steps(struct sq *q, const struct store_options *o, int64_t version, struct tl_err *err)
{
    char sql[96];
    enum tl_rc rc = sq_begin(&q->base, err);

    for (size_t i = 0; i < o->n_migrations && rc == TL_OK; i++) {
        if (o->migrations[i].number <= version)
            continue;
        (void)snprintf(sql, sizeof(sql), "PRAGMA application_id=%u; PRAGMA user_version=%u", o->application_id,
                       o->migrations[i].number);
        rc = sq_exec(&q->base, o->migrations[i].sql, err);
        if (rc == TL_OK)
            rc = sq_exec(&q->base, sql, err);
        if (rc != TL_OK)
            (void)tl_err_prefix(err, "schema step %u", o->migrations[i].number);
    }
    if (rc == TL_OK)
        rc = sq_commit(&q->base, err);
    if (rc != TL_OK)
        sq_rollback(&q->base);
    return rc;
}

static enum tl_rc sq_migrate(struct sq *q, const struct store_options *o, struct tl_err *err)
{
    int64_t version = 0, app = 0;
    uint32_t newest = o->n_migrations ? o->migrations[o->n_migrations - 1].number : 0;
    enum tl_rc rc = sq_number(q, "PRAGMA user_version", &version, err);

    if (rc == TL_OK)
        rc = sq_number(q, "PRAGMA application_id", &app, err);
    if (rc != TL_OK)
        return rc;
    if ((version != 0 || app != 0) && (uint32_t)app != o->application_id)
        return tl_fail(err, TL_CONFIG, "%s is not a ledger of ours", o->path);
    if (version > (int64_t)newest)
        return tl_fail(err, TL_CONFIG, "%s was written by a newer version (schema %lld, this one knows %u)", o->path,
                       (long long)version, newest);
    return o->read_only || version == (int64_t)newest ? TL_OK : sq_steps(q, o, version, err);
}

/* A command of the operator holds it for an instant only: a server that starts meanwhile must not give up. */
static bool flock_soon(int fd)
{
    const struct timespec pause = {.tv_nsec = 50000000};

    for (int tries = 0; flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
        if (tries == LOCK_TRIES)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

/* Against a second process: a lock on a file of its own, because SQLite's locks must stay free for readers. */
static enum tl_rc sq_lock(struct sq *q, const char *path, struct tl_err *err)
{
    char *name = tl_sprintf("%s.lock", path);
    enum tl_rc rc = TL_OK;

    q->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (q->lock_fd < 0)
        rc = tl_fail(err, TL_IO, "cannot open %s: %s; its directory must be there and belong to this user", name,
                     strerror(errno));
    else if (!flock_soon(q->lock_fd))
        rc = tl_fail(err, TL_BUSY,
                     "another process uses this ledger (%s is locked): stop it first, or use another directory", name);
    tl_free(name);
    return rc;
}

static enum tl_rc sq_setup(struct sq *q, const struct store_options *o, struct tl_err *err)
{
    enum tl_rc rc;
    int r;

    (void)sqlite3_extended_result_codes(q->db, 1);
    (void)sqlite3_busy_timeout(q->db, (int)o->busy_ms);
    rc = sq_exec(&q->base,
                 o->read_only ? "PRAGMA query_only=1; PRAGMA cache_size=-2000; PRAGMA temp_store=2"
                              : "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                "PRAGMA cache_size=-16000; PRAGMA temp_store=2; PRAGMA journal_size_limit=67108864;"
                                "PRAGMA wal_autocheckpoint=0",
                 err);
    if (rc == TL_OK && o->no_sync)
        rc = sq_exec(&q->base, "PRAGMA synchronous=OFF", err);
    if (rc != TL_OK)
        return rc;
    (void)sqlite3_wal_hook(q->db, sq_wal_hook, q);
    r = sqlite3_prepare_v3(q->db, o->read_only ? "BEGIN" : "BEGIN IMMEDIATE", -1, SQLITE_PREPARE_PERSISTENT, &q->begin,
                           NULL);
    if (r == SQLITE_OK)
        r = sqlite3_prepare_v3(q->db, "BEGIN", -1, SQLITE_PREPARE_PERSISTENT, &q->begin_read, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_prepare_v3(q->db, "COMMIT", -1, SQLITE_PREPARE_PERSISTENT, &q->commit, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_prepare_v3(q->db, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT, &q->rollback, NULL);
    if (r != SQLITE_OK)
        return store__sqlite_fail(q->db, r, "opening the ledger", err);
    return sq_migrate(q, o, err);
}

/* A store holds payloads: nobody but its owner reads it, whatever the umask and however an older version made it.
 * SQLite gives its log the same rights. */
static enum tl_rc sq_private(const char *path, struct tl_err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat st;
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && ((st.st_mode & 077) == 0 || fchmod(fd, 0600) == 0);
    int why = errno;

    if (fd >= 0)
        (void)close(fd);
    return ok ? TL_OK
              : tl_fail(err, why == ENOSPC ? TL_FULL : TL_IO,
                        "cannot open %s: %s; its directory must be there and belong to this user", path, strerror(why));
}

enum tl_rc store_sqlite_open(const struct store_options *o, struct store **ret_store, struct tl_err *err)
{
    struct sq *q = tl_zalloc(sizeof(*q));
    int flags = o->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    const char *vfs = NULL;
    enum tl_rc rc = TL_OK;
    int r;

    /* SQLite's own memory figures cost a mutex an allocation. Refused, and harmless, once the library is in use. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    q->base.driver = &sqlite_driver;
    q->lock_fd = -1;
    if (o->exclusive)
        rc = sq_lock(q, o->path, err);
    if (rc == TL_OK && !o->read_only && !o->vfs && o->path[0] != ':') /* ":memory:" is no file */
        rc = sq_private(o->path, err);
    if (rc == TL_OK) {
        if (!o->read_only && !o->no_sync)
            vfs = store__log_file_vfs(o->vfs);
        /* NOMUTEX: one thread at a time, as store.h says. */
        r = sqlite3_open_v2(o->path, &q->db, flags | SQLITE_OPEN_NOMUTEX, vfs ? vfs : o->vfs);
        rc = r == SQLITE_OK ? sq_setup(q, o, err) : store__sqlite_fail(q->db, r, o->path, err);
    }
    if (rc == TL_OK && !o->read_only && !o->vfs)
        store__place_note(&q->place, o->path);
    if (rc == TL_OK && o->background)
        rc = store__mover_new(o->path, o->vfs, o->no_sync, &q->mover, err);
    if (rc != TL_OK) {
        sq_close(&q->base);
        return rc;
    }
    *ret_store = &q->base;
    return TL_OK;
}
