/* SPDX-License-Identifier: Apache-2.0 */
/* records.c - records in SQLite: load, save, remove. One row a record; ids and external ids are unique within a group.
 */
#include "netsuite/sim/views.h"

#include <stdio.h>

struct nsim_sql {
    struct store_stmt *by_id, *by_ext, *next, *put, *remove, *gone, *dump, *taken;
};

static const struct store_migration migrations[] = {
    {1,
     "CREATE TABLE record(grp TEXT NOT NULL,id INTEGER NOT NULL,type TEXT NOT NULL,ext TEXT COLLATE NOCASE,"
     "body TEXT NOT NULL,created INTEGER NOT NULL,modified INTEGER NOT NULL,PRIMARY KEY(grp,id));"
     "CREATE UNIQUE INDEX record_ext ON record(grp,ext) WHERE ext IS NOT NULL;"
     "CREATE INDEX record_type ON record(type,modified,id);CREATE INDEX record_id ON record(type,id);"
     "CREATE TABLE seq(grp TEXT PRIMARY KEY,last INTEGER NOT NULL);"
     "CREATE TABLE deleted(type TEXT,id INTEGER,ext TEXT,at INTEGER);"
     "CREATE TABLE job(id INTEGER PRIMARY KEY,key TEXT UNIQUE,done_at INTEGER,status INTEGER,location TEXT,body TEXT)"},
    {2, "CREATE TABLE task(job INTEGER,no INTEGER,status INTEGER,body TEXT,PRIMARY KEY(job,no))"},
    {3, "ALTER TABLE task ADD location TEXT;INSERT OR IGNORE INTO task(job,no,status,body,location) "
        "SELECT id,1,status,body,location FROM job WHERE status>0"},
};
enum { APPLICATION = 0x544c4e53, LATE = 1000 };

static const char *group_of(const struct nsim_type *t)
{
    static const char *const names[] = {"entity", "item", "transaction", "event"};

    return t->group == NSIM_OTHER ? t->name : names[t->group];
}

enum tl_rc nsim_records_open(struct nsim *s, struct tl_err *err)
{
    const struct store_options o = {.path = s->opt.data ? s->opt.data : ":memory:",
                                    .busy_ms = LATE,
                                    .application_id = APPLICATION,
                                    .migrations = migrations,
                                    .n_migrations = TL_COUNT(migrations)};
    struct nsim_sql *q = tl_zalloc(sizeof *q);
    const struct {
        struct store_stmt **st;
        const char *sql;
    } rows[] = {
        {&q->by_id, "SELECT type,id,ext,body,created,modified FROM record WHERE grp=? AND id=?"},
        {&q->by_ext, "SELECT type,id,ext,body,created,modified FROM record WHERE grp=? AND ext=?"},
        {&q->next, "INSERT INTO seq VALUES(?,1) ON CONFLICT(grp) DO UPDATE SET last=last+1 RETURNING last"},
        {&q->put, "INSERT INTO record VALUES(?,?,?,?,?,?,?) ON CONFLICT(grp,id) DO UPDATE SET ext=excluded.ext,"
                  "body=excluded.body,modified=excluded.modified"},
        {&q->remove, "DELETE FROM record WHERE grp=? AND id=?"},
        {&q->gone, "INSERT INTO deleted VALUES(?,?,?,?)"},
        {&q->dump, "SELECT type,id,ext,body,created,modified FROM record WHERE type=? ORDER BY id"},
        {&q->taken, "SELECT id FROM record WHERE grp='entity' AND id<>? AND json_extract(body,'$.entityId')=?"},
    };
    enum tl_rc rc;

    s->sql = q;
    rc = store_open(&o, &s->db, err);
    for (size_t i = 0; i < TL_COUNT(rows) && rc == TL_OK; i++)
        rc = store_prepare(s->db, rows[i].sql, rows[i].st, err);
    return rc == TL_OK ? nsim_views(s->db, err) : rc;
}

void nsim_records_close(struct nsim *s)
{
    struct nsim_sql *q = s->sql;

    if (q) {
        struct store_stmt *const all[] = {q->by_id, q->by_ext, q->next, q->put, q->remove, q->gone, q->dump, q->taken};

        for (size_t i = 0; i < TL_COUNT(all); i++)
            store_stmt_free(all[i]);
    }
    if (s->db) {
        struct tl_err err = {0};

        if (store_maintain(s->db, true, &err) != TL_OK) /* the log beside the file has it all */
            (void)fprintf(stderr, "tieline sim netsuite: %s\n", err.text);
        store_close(s->db);
    }
    tl_free(q);
}

static bool read_row(struct tl_arena *a, const struct store_val *v, struct nsim_record *ret)
{
    struct tl_sv body = tl_arena_sv(a, v[3].s);

    *ret =
        (struct nsim_record){.type = nsim_type_find(v[0].s), .id = v[1].i, .created_ms = v[4].i, .modified_ms = v[5].i};
    if (v[2].type == STORE_TEXT)
        ret->external_id = tl_arena_sv(a, v[2].s);
    return ret->type && json_parse(a, body, 0, NULL, &ret->body, NULL) == TL_OK;
}

bool nsim_load(struct nsim *s, struct tl_arena *a, const struct nsim_type *type, int64_t id, struct tl_sv external_id,
               struct nsim_record *ret)
{
    struct store_stmt *st = external_id.p ? s->sql->by_ext : s->sql->by_id;
    const struct store_val p[] = {store_text(tl_sv_str(group_of(type))),
                                  external_id.p ? store_text(external_id) : store_int(id)};
    struct store_val row[6];
    bool there = false;

    if (store_query(st, p, 2, NULL) == TL_OK && store_next(st, row, 6, &there, NULL) == TL_OK && there)
        there = read_row(a, row, ret);
    store_reset(st);
    return there;
}

static bool failed(struct nsim_fault *f, enum tl_rc rc, const struct nsim_record *r)
{
    if (rc == TL_EXISTS)
        return nsim_wrong(f, 400, "DUP_RCRD", "o:errorPath", TL_SV("externalId"),
                          "This record already exists: another record of this group has the external ID %.*s.",
                          TL_SV_ARG(r->external_id));
    return nsim_wrong(f, 500, "UNEXPECTED_ERROR", NULL, TL_SV_NULL, "An unexpected error occurred. Error ID: store");
}

bool nsim_save(struct nsim *s, struct nsim_record *r, struct nsim_fault *f)
{
    const struct store_val group = store_text(tl_sv_str(group_of(r->type)));
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct store_val last;
    bool there = true;
    enum tl_rc rc = TL_OK;

    r->modified_ms = nsim_now_ms(s);
    if (r->id == 0) {
        rc = store_one(s->sql->next, &group, 1, &last, 1, &there, NULL);
        r->id = last.i;
        r->created_ms = r->modified_ms;
    }
    tl_buf_init(&body, 16 << 20);
    if (rc != TL_OK || !json_write(&body, r->body, 0))
        return failed(f, TL_LIMIT, r);
    rc = store_run(s->sql->put,
                   (const struct store_val[]){group, store_int(r->id), store_text(tl_sv_str(r->type->name)),
                                              store_text(r->external_id), store_text(tl_buf_view(&body)),
                                              store_int(r->created_ms), store_int(r->modified_ms)},
                   7, NULL, NULL);
    return rc == TL_OK || failed(f, rc, r);
}

bool nsim_remove(struct nsim *s, const struct nsim_record *r, struct nsim_fault *f)
{
    const struct store_val p[] = {store_text(tl_sv_str(group_of(r->type))), store_int(r->id)};
    const struct store_val d[] = {store_text(tl_sv_str(r->type->name)), store_int(r->id), store_text(r->external_id),
                                  store_int(nsim_now_ms(s))};
    enum tl_rc rc = store_run(s->sql->remove, p, 2, NULL, NULL);

    if (rc == TL_OK)
        rc = store_run(s->sql->gone, d, 4, NULL, NULL);
    return rc == TL_OK || failed(f, rc, r);
}

bool nsim_name_taken(struct nsim *s, int64_t id, struct tl_sv entity_id)
{
    const struct store_val p[] = {store_int(id), store_text(entity_id)};
    struct store_val row;
    bool there = false;

    return store_one(s->sql->taken, p, 2, &row, 1, &there, NULL) == TL_OK && there;
}

struct json nsim_dump(struct nsim *s, struct tl_arena *a, const struct nsim_type *type)
{
    const struct store_val p = store_text(tl_sv_str(type->name));
    struct store_val row[6];
    struct json_builder list;
    bool there = true;

    json_array_begin(&list, a, 64);
    if (store_query(s->sql->dump, &p, 1, NULL) != TL_OK)
        return json_end(&list);
    while (store_next(s->sql->dump, row, 6, &there, NULL) == TL_OK && there) {
        struct nsim_record r;

        if (read_row(a, row, &r))
            (void)json_push(&list, nsim_show(a, &r, TL_SV(""), true, TL_SV_NULL));
    }
    store_reset(s->sql->dump);
    return json_end(&list);
}

bool nsim_forget(struct nsim *s)
{
    return store_exec(s->db,
                      "DELETE FROM record; DELETE FROM seq; DELETE FROM deleted; DELETE FROM job; DELETE FROM task",
                      NULL) == TL_OK;
}
