/* SPDX-License-Identifier: Apache-2.0 */
/*
 * records.c - the org's records in SQLite: one row a record, its fields as JSON; external ids in a table of their own.
 * Times are milliseconds, so that a query compares numbers. Deleted rows stay (queryAll, getDeleted).
 */
#include "salesforce/sim/sim_int.h"

#include <ctype.h>
#include <stdio.h>

static const struct store_migration migrations[] = {
    {1, "CREATE TABLE record(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL,"
        " deleted INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, modified INTEGER NOT NULL, body TEXT NOT NULL);"
        "CREATE INDEX record_by_time ON record(type, modified, id);"
        "CREATE TABLE ext(type TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL, id TEXT NOT NULL);"
        "CREATE INDEX ext_by_value ON ext(type, field, value);"
        "CREATE INDEX ext_by_id ON ext(id);"
        "CREATE TABLE event(replay INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, at INTEGER NOT NULL, body "
        "TEXT NOT NULL);"
        "CREATE INDEX event_by_channel ON event(channel, replay);"
        "CREATE TABLE job(id TEXT PRIMARY KEY, at INTEGER NOT NULL, body TEXT NOT NULL);"
        "CREATE TABLE part(job TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY(job, name));"},
};

enum {
    GET,
    FIND,
    INSERT,
    UPDATE,
    EXT_ADD,
    EXT_CLEAR,
    EVENT_ADD,
    EVENT_LAST,
    EVENTS_OF,
    EVENTS_DATA,
    JOB_PUT,
    JOB_GET,
    JOB_DEL,
    PART_PUT,
    PART_GET,
    STATEMENTS
};
static const char *const statements[] = {
    [GET] = "SELECT id,type,deleted,created,modified,body FROM record WHERE id=?",
    [FIND] = "SELECT id FROM ext WHERE type=? AND field=? AND value=? LIMIT ?",
    [INSERT] = "INSERT INTO record(id,type,deleted,created,modified,body) VALUES(?,?,?,?,?,?)",
    [UPDATE] = "UPDATE record SET deleted=?,modified=?,body=? WHERE id=?",
    [EXT_ADD] = "INSERT INTO ext(type,field,value,id) VALUES(?,?,?,?)",
    [EXT_CLEAR] = "DELETE FROM ext WHERE id=?",
    [EVENT_ADD] = "INSERT INTO event(channel,at,body) VALUES(?,?,?)",
    [JOB_PUT] = "INSERT OR REPLACE INTO job(id,at,body) VALUES(?,0,?)",
    [JOB_GET] = "SELECT body FROM job WHERE id=?",
    [JOB_DEL] = "DELETE FROM job WHERE id=?",
    [PART_PUT] = "INSERT OR REPLACE INTO part(job,name,body) VALUES(?,?,?)",
    [PART_GET] = "SELECT body FROM part WHERE job=? AND name=?",
    [EVENT_LAST] = "SELECT coalesce(max(replay),0) FROM event",
    [EVENTS_OF] = "SELECT replay,channel,body FROM event WHERE channel=? AND replay>? ORDER BY replay",
    [EVENTS_DATA] =
        "SELECT replay,channel,body FROM event WHERE substr(channel,1,6)='/data/' AND replay>? ORDER BY replay",
};

struct sfsim_db {
    struct store *store;
    struct store_stmt *st[STATEMENTS];
    struct sfsim_schema *schema;
    const struct tl_clock *clock;
    uint64_t next; /* for ids */
};

/* ---- ids: three groups of five, a character of check bits each ---- */

bool sfsim_id18(struct tl_sv s, char out[SFSIM_ID18 + 1])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

    if (s.n != 15 && s.n != 18)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]))
            return false;
    memcpy(out, s.p, 15);
    for (int g = 0; g < 3; g++) {
        unsigned bits = 0;

        for (int i = 0; i < 5; i++)
            if (isupper((unsigned char)s.p[g * 5 + i]))
                bits |= 1u << i;
        out[15 + g] = alphabet[bits];
    }
    out[SFSIM_ID18] = '\0';
    return true;
}

void sfsim_new_id(struct sfsim_db *db, const char prefix[4], char out[SFSIM_ID18 + 1])
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    char id[16];
    uint64_t n = ++db->next;

    (void)snprintf(id, sizeof id, "%.3s5i0", prefix);
    for (int i = 14; i >= 6; i--) {
        id[i] = digits[n % 62];
        n /= 62;
    }
    (void)sfsim_id18(tl_sv(id, 15), out);
}

int64_t sfsim_now(struct sfsim_db *db)
{
    return tl_clock_wall_ms(db->clock) / 1000 * 1000;
}

/* ---- times ---- */

struct json sfsim_datetime(struct tl_arena *a, int64_t ms)
{
    char text[TL_TIME_TEXT];

    (void)tl_time_format(ms, text); /* ...123Z */
    return json_printf(a, "%.23s+0000", text);
}

bool sfsim_datetime_read(struct tl_sv s, int64_t *ret_ms)
{
    char text[40];
    struct tl_sv head = s;

    if (s.n == 10) { /* a date: its midnight */
        (void)snprintf(text, sizeof text, "%.10sT00:00:00Z", s.p);
        return tl_time_parse(tl_sv_str(text), ret_ms);
    }
    /* +0000 -> +00:00 */
    if (s.n > 5 && s.n < 35 && (s.p[s.n - 5] == '+' || s.p[s.n - 5] == '-')) {
        head.n = s.n - 2;
        (void)snprintf(text, sizeof text, "%.*s:%.2s", TL_SV_ARG(head), s.p + s.n - 2);
        return tl_time_parse(tl_sv_str(text), ret_ms);
    }
    return tl_time_parse(s, ret_ms);
}

/* ---- opening ---- */

static bool last_seq(void *arg, struct tl_sv text)
{
    (void)tl_sv_u64(text, arg);
    return false;
}

enum tl_rc sfsim_db_open(const char *path, struct sfsim_schema *schema, const struct tl_clock *clock,
                         struct sfsim_db **ret, struct tl_err *err)
{
    const bool file = strcmp(path, ":memory:") != 0;
    const struct store_options o = {.path = path,
                                    .exclusive = file,
                                    .busy_ms = 1000,
                                    .application_id = 0x5346,
                                    .migrations = migrations,
                                    .n_migrations = TL_COUNT(migrations)};
    struct sfsim_db *db = tl_zalloc(sizeof *db);
    enum tl_rc rc = store_open(&o, &db->store, err);

    db->schema = schema;
    db->clock = clock;
    /* What is simulated is not worth a sync for each request. */
    if (rc == TL_OK)
        rc = store_exec(db->store, "PRAGMA synchronous=NORMAL", err);
    for (size_t i = 0; i < STATEMENTS && rc == TL_OK; i++)
        rc = store_prepare(db->store, statements[i], &db->st[i], err);
    if (rc == TL_OK)
        rc = sfsim_texts(db, "SELECT CAST(coalesce(max(seq),0)+(SELECT count(*) FROM job) AS TEXT) FROM record",
                         last_seq, &db->next, err);
    if (rc != TL_OK) {
        sfsim_db_close(db);
        return rc;
    }
    *ret = db;
    return TL_OK;
}

void sfsim_db_close(struct sfsim_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < STATEMENTS; i++)
        if (db->st[i])
            store_stmt_free(db->st[i]);
    if (db->store)
        store_close(db->store);
    tl_free(db);
}

struct store *sfsim_db_store(struct sfsim_db *db)
{
    return db->store;
}

bool sfsim_begin(struct sfsim_db *db)
{
    return store_begin(db->store, NULL) == TL_OK;
}

bool sfsim_commit(struct sfsim_db *db)
{
    bool ok = store_commit(db->store, NULL) == TL_OK;

    return store_maintain(db->store, false, NULL) == TL_OK && ok;
}

void sfsim_rollback(struct sfsim_db *db)
{
    store_rollback(db->store);
}

/* ---- rows ---- */

static bool read_row(struct sfsim_db *db, struct tl_arena *a, const struct store_val row[6], struct sfsim_record *ret)
{
    struct tl_sv body = tl_arena_sv(a, row[5].s);

    *ret = (struct sfsim_record){.deleted = row[2].i != 0, .created_ms = row[3].i, .modified_ms = row[4].i};
    (void)snprintf(ret->id, sizeof ret->id, "%.*s", TL_SV_ARG(row[0].s));
    ret->type = sfsim_object(db->schema, row[1].s);
    return ret->type && body.p && json_parse(a, body, 0, NULL, &ret->fields, NULL) == TL_OK;
}

bool sfsim_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv id, struct sfsim_record *ret)
{
    struct store_val row[6], param;
    char id18[SFSIM_ID18 + 1];
    bool there = false;

    if (!sfsim_id18(id, id18))
        return false;
    param = store_text(tl_sv_str(id18));
    if (store_query(db->st[GET], &param, 1, NULL) == TL_OK && store_next(db->st[GET], row, 6, &there, NULL) == TL_OK &&
        there)
        there = read_row(db, a, row, ret);
    store_reset(db->st[GET]);
    return there;
}

/* Values compare as the field says: upper and lower case are one, unless it is case-sensitive. */
static struct tl_sv folded(const struct sfsim_field *f, struct tl_sv value, char *out, size_t size)
{
    size_t n = value.n < size ? value.n : size;

    if (f->case_sensitive)
        return value;
    for (size_t i = 0; i < n; i++)
        out[i] = (char)tolower((unsigned char)value.p[i]);
    return tl_sv(out, n);
}

size_t sfsim_find(struct sfsim_db *db, const struct sfsim_object *o, const struct sfsim_field *f, struct tl_sv value,
                  char (*ids)[SFSIM_ID18 + 1], size_t most)
{
    char lower[300];
    struct store_val row, params[] = {store_text(o->name), store_text(f->name),
                                      store_text(folded(f, value, lower, sizeof lower)), store_int((int64_t)most)};
    size_t n = 0;
    bool there = true;

    if (store_query(db->st[FIND], params, 4, NULL) != TL_OK)
        there = false;
    while (there && n < most && store_next(db->st[FIND], &row, 1, &there, NULL) == TL_OK && there)
        (void)snprintf(ids[n++], SFSIM_ID18 + 1, "%.*s", TL_SV_ARG(row.s));
    store_reset(db->st[FIND]);
    return n;
}

static bool put_ext(struct sfsim_db *db, const struct sfsim_record *r)
{
    struct store_val id = store_text(tl_sv_str(r->id));

    if (store_run(db->st[EXT_CLEAR], &id, 1, NULL, NULL) != TL_OK)
        return false;
    for (size_t i = 0; i < r->type->n_fields && !r->deleted; i++) {
        const struct sfsim_field *f = &r->type->fields[i];
        struct json v = f->external || f->unique ? json_get(r->fields, f->name) : JSON_NOTHING;
        char lower[300], number[32];
        struct tl_sv text;

        if (v.type == JSON_INT) {
            (void)snprintf(number, sizeof number, "%lld", (long long)v.u.i);
            text = tl_sv_str(number);
        } else if (v.type == JSON_STRING || v.type == JSON_DECIMAL) {
            text = json_view(v);
        } else {
            continue;
        }
        if (store_run(db->st[EXT_ADD],
                      (const struct store_val[]){store_text(r->type->name), store_text(f->name),
                                                 store_text(folded(f, text, lower, sizeof lower)), id},
                      4, NULL, NULL) != TL_OK)
            return false;
    }
    return true;
}

bool sfsim_put(struct sfsim_db *db, const struct sfsim_record *r, bool is_new)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct store_val id = store_text(tl_sv_str(r->id)), deleted = store_int(r->deleted), text;
    enum tl_rc rc;

    tl_buf_init(&body, 16 << 20);
    if (!json_write(&body, r->fields, 0))
        return false;
    text = store_text(tl_buf_view(&body));
    if (is_new)
        rc = store_run(db->st[INSERT],
                       (const struct store_val[]){id, store_text(r->type->name), deleted, store_int(r->created_ms),
                                                  store_int(r->modified_ms), text},
                       6, NULL, NULL);
    else
        rc = store_run(db->st[UPDATE], (const struct store_val[]){deleted, store_int(r->modified_ms), text, id}, 4,
                       NULL, NULL);
    return rc == TL_OK && put_ext(db, r);
}

enum tl_rc sfsim_rows(struct sfsim_db *db, struct tl_arena *a, const char *sql, sfsim_row_fn *fn, void *arg,
                      struct tl_err *err)
{
    struct store_stmt *st;
    struct store_val row[6];
    bool there = true;
    enum tl_rc rc = store_prepare(db->store, sql, &st, err);

    if (rc != TL_OK)
        return rc;
    rc = store_query(st, NULL, 0, err);
    while (rc == TL_OK && there) {
        struct sfsim_record r;

        rc = store_next(st, row, 6, &there, err);
        if (rc == TL_OK && there && read_row(db, a, row, &r) && !fn(arg, &r))
            break;
    }
    store_stmt_free(st);
    return rc;
}

enum tl_rc sfsim_texts(struct sfsim_db *db, const char *sql, sfsim_text_fn *fn, void *arg, struct tl_err *err)
{
    struct store_stmt *st;
    struct store_val row;
    bool there = true;
    enum tl_rc rc = store_prepare(db->store, sql, &st, err);

    if (rc != TL_OK)
        return rc;
    rc = store_query(st, NULL, 0, err);
    while (rc == TL_OK && there) {
        rc = store_next(st, &row, 1, &there, err);
        if (rc == TL_OK && there && !fn(arg, row.s))
            break;
    }
    store_stmt_free(st);
    return rc;
}

/* ---- fields as the API shows them ---- */

static struct json system_value(struct tl_arena *a, const struct sfsim_record *r, struct tl_sv name)
{
    if (tl_sv_eqs(name, "Id"))
        return json_sv(tl_arena_sv(a, tl_sv_str(r->id)));
    if (tl_sv_eqs(name, "IsDeleted"))
        return json_bool(r->deleted);
    if (tl_sv_eqs(name, "CreatedDate"))
        return sfsim_datetime(a, r->created_ms);
    if (tl_sv_eqs(name, "SystemModstamp") || tl_sv_eqs(name, "LastModifiedDate"))
        return sfsim_datetime(a, r->modified_ms);
    return json_null();
}

struct json sfsim_value(struct tl_arena *a, const struct sfsim_record *r, const struct sfsim_field *f)
{
    struct json v;

    if (f->system && !(f->type == SFSIM_REFERENCE))
        return system_value(a, r, f->name);
    v = json_get(r->fields, f->name);
    if (v.type == JSON_UNDEFINED)
        return f->type == SFSIM_BOOLEAN ? json_bool(false) : json_null();
    return v;
}

/* ---- events ---- */

bool sfsim_event_add(struct sfsim_db *db, const char *channel, struct tl_sv body)
{
    return store_run(db->st[EVENT_ADD],
                     (const struct store_val[]){store_text(tl_sv_str(channel)), store_int(tl_clock_wall_ms(db->clock)),
                                                store_text(body)},
                     3, NULL, NULL) == TL_OK;
}

int64_t sfsim_last_event(struct sfsim_db *db)
{
    struct store_val row = {0};
    bool there;

    return store_one(db->st[EVENT_LAST], NULL, 0, &row, 1, &there, NULL) == TL_OK && there ? row.i : 0;
}

void sfsim_events_since(struct sfsim_db *db, const char *channel, int64_t replay, sfsim_event_fn *fn, void *arg)
{
    bool all = strcmp(channel, "/data/ChangeEvents") == 0, there = true;
    struct store_stmt *st = db->st[all ? EVENTS_DATA : EVENTS_OF];
    struct store_val row[3], params[] = {store_text(tl_sv_str(channel)), store_int(replay)};

    if (store_query(st, all ? params + 1 : params, all ? 1 : 2, NULL) != TL_OK)
        there = false;
    while (there && store_next(st, row, 3, &there, NULL) == TL_OK && there)
        there = fn(arg, row[0].i, row[1].s, row[2].s);
    store_reset(st);
}

/* ---- jobs ---- */

static struct tl_sv first_text(struct store_stmt *st, struct tl_arena *a, const struct store_val *params, size_t n)
{
    struct store_val row;
    struct tl_sv text = TL_SV_NULL;
    bool there = false;

    if (store_query(st, params, n, NULL) == TL_OK && store_next(st, &row, 1, &there, NULL) == TL_OK && there)
        text = tl_arena_sv(a, row.s);
    store_reset(st);
    return text;
}

bool sfsim_job_put(struct sfsim_db *db, struct tl_sv id, struct tl_sv body)
{
    return store_run(db->st[JOB_PUT], (const struct store_val[]){store_text(id), store_text(body)}, 2, NULL, NULL) ==
           TL_OK;
}

struct tl_sv sfsim_job_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv id)
{
    struct store_val param = store_text(id);

    return first_text(db->st[JOB_GET], a, &param, 1);
}

void sfsim_job_delete(struct sfsim_db *db, struct tl_sv id)
{
    struct store_val param = store_text(id);

    (void)!store_run(db->st[JOB_DEL], &param, 1, NULL, NULL);
}

bool sfsim_part_put(struct sfsim_db *db, struct tl_sv job, const char *name, struct tl_sv body)
{
    return store_run(db->st[PART_PUT],
                     (const struct store_val[]){store_text(job), store_text(tl_sv_str(name)),
                                                store_blob(body.p ? body : TL_SV(""))},
                     3, NULL, NULL) == TL_OK;
}

struct tl_sv sfsim_part_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv job, const char *name)
{
    return first_text(db->st[PART_GET], a, (const struct store_val[]){store_text(job), store_text(tl_sv_str(name))}, 2);
}
