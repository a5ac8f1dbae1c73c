/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/mover.h"

#include <pthread.h>

struct store_mover {
    char *path, *vfs;
    bool no_sync;
    pthread_t thread;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool asked, stop; /* asked: until it is done */
    enum tl_rc rc;
    struct tl_err err;
};

/* BUSY: a reader holds the log back; the next time will do. FULL: the log keeps what the file has no room for. */
enum tl_rc store__move_log(sqlite3 *db, int mode, int *ret_left, struct tl_err *err)
{
    int log = 0, moved = 0, rc = sqlite3_wal_checkpoint_v2(db, NULL, mode, &log, &moved);

    if (rc == SQLITE_OK && log >= 0 && ret_left)
        *ret_left = log - moved;
    if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED || (rc & 0xff) == SQLITE_FULL)
        return TL_OK;
    return store__sqlite_fail(db, rc, "moving the log into the ledger file", err);
}

/* NULL: there is no descriptor to be had, or no memory. Then the writer moves the log, and the next time may do. */
static sqlite3 *open_own(const struct store_mover *m)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(m->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, m->vfs);

    if (rc == SQLITE_OK) /* what it moves is synced as the writer's commits are */
        rc = sqlite3_exec(db,
                          m->no_sync ? "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=OFF"
                                     : "PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return db;
    sqlite3_close(db);
    return NULL;
}

static void *work(void *arg)
{
    struct store_mover *m = arg;
    sqlite3 *db = NULL;

    (void)pthread_setname_np(pthread_self(), "tieline-mover");
    (void)pthread_mutex_lock(&m->lock);
    for (;;) {
        struct tl_err err = {0};
        enum tl_rc rc = TL_OK;

        while (!m->asked && !m->stop)
            (void)pthread_cond_wait(&m->changed, &m->lock);
        if (!m->asked)
            break;
        (void)pthread_mutex_unlock(&m->lock);
        if (!db)
            db = open_own(m);
        if (db)
            rc = store__move_log(db, SQLITE_CHECKPOINT_PASSIVE, NULL, &err);
        (void)pthread_mutex_lock(&m->lock);
        m->rc = rc;
        m->err = err;
        m->asked = false;
        (void)pthread_cond_broadcast(&m->changed);
    }
    (void)pthread_mutex_unlock(&m->lock);
    sqlite3_close(db);
    return NULL;
}

enum tl_rc store__mover_new(const char *path, const char *vfs, bool no_sync, struct store_mover **ret_mover,
                            struct tl_err *err)
{
    struct store_mover *m = tl_zalloc(sizeof(*m));

    m->path = tl_strdup(path);
    m->vfs = vfs ? tl_strdup(vfs) : NULL;
    m->no_sync = no_sync;
    (void)pthread_mutex_init(&m->lock, NULL);
    (void)pthread_cond_init(&m->changed, NULL);
    if (pthread_create(&m->thread, NULL, work, m) != 0) {
        (void)pthread_mutex_destroy(&m->lock);
        (void)pthread_cond_destroy(&m->changed);
        tl_free(m->path);
        tl_free(m->vfs);
        tl_free(m);
        return tl_fail(err, TL_BUSY, "cannot start the thread that moves the ledger's log");
    }
    *ret_mover = m;
    return TL_OK;
}

void store__mover_ask(struct store_mover *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->asked = true;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
}

bool store__mover_is_done(struct store_mover *m)
{
    bool done;

    (void)pthread_mutex_lock(&m->lock);
    done = !m->asked;
    (void)pthread_mutex_unlock(&m->lock);
    return done;
}

void store__mover_wait(struct store_mover *m)
{
    (void)pthread_mutex_lock(&m->lock);
    while (m->asked)
        (void)pthread_cond_wait(&m->changed, &m->lock);
    (void)pthread_mutex_unlock(&m->lock);
}

enum tl_rc store__mover_result(struct store_mover *m, struct tl_err *err)
{
    enum tl_rc rc;

    (void)pthread_mutex_lock(&m->lock);
    rc = m->rc;
    if (rc != TL_OK)
        *err = m->err;
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

void store__mover_free(struct store_mover *m)
{
    if (!m)
        return;
    store__mover_wait(m);
    (void)pthread_mutex_lock(&m->lock);
    m->stop = true;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->thread, NULL);
    (void)pthread_mutex_destroy(&m->lock);
    (void)pthread_cond_destroy(&m->changed);
    tl_free(m->path);
    tl_free(m->vfs);
    tl_free(m);
}
