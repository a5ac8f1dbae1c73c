/* SPDX-License-Identifier: Apache-2.0 */
/* seed.c - records the org begins with, from CSV and JSON files named after their objects. */
#include "salesforce/sim/sim_int.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { COLUMNS = 500, FILE_MOST = 512 << 20, FILES = 200 };

struct seed {
    struct sfsim *s;
    const struct sfsim_object *o;
    const char *path;
    struct tl_arena *a;
    uint64_t row;
};

static enum tl_rc add(struct seed *d, struct json record, struct tl_err *err)
{
    struct sfsim_req req = {
        .sim = d->s, .arena = d->a, .method = TL_SV("POST"), .version = 60, .allow_duplicates = true};
    struct sfsim_saved saved;

    sfsim_create(&req, d->o, record, &saved);
    if (saved.ok)
        return TL_OK;
    return tl_fail(err, TL_INVALID, "%s, record %llu: %s: %.*s", d->path, (unsigned long long)d->row, saved.fault.code,
                   TL_SV_ARG(saved.fault.message));
}

static enum tl_rc from_json(struct seed *d, struct tl_sv text, struct tl_err *err)
{
    struct tl_arena *whole = tl_arena_new((size_t)FILE_MOST * 2);
    struct json v;
    enum tl_rc rc = json_parse(whole, text, 0, &(struct json_limits){.max_bytes = FILE_MOST}, &v, err);

    for (uint32_t i = 0; rc == TL_OK && v.type == JSON_ARRAY && i < v.n; i++) {
        tl_arena_reset(d->a);
        d->row = i + 1;
        rc = add(d, v.u.items[i], err);
    }
    tl_arena_free(whole);
    return rc == TL_OK && v.type != JSON_ARRAY ? tl_fail(err, TL_INVALID, "%s is not an array of records", d->path)
                                               : rc;
}

/* "Account.ERP_Id__c" in a header names a parent by its external id. */
static void put_cell(struct seed *d, struct json_builder *b, struct tl_sv name, struct tl_sv value)
{
    size_t dot = tl_sv_find(name, '.');
    struct json_builder parent;

    if (value.n == 0)
        return;
    if (dot == name.n) {
        (void)json_add(b, name, json_sv(value));
        return;
    }
    json_object_begin(&parent, d->a, 1);
    (void)json_add(&parent, tl_sv_from(name, dot + 1), json_sv(value));
    (void)json_add(b, tl_sv(name.p, dot), json_end(&parent));
}

static enum tl_rc from_csv(struct seed *d, struct tl_sv text, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) struct tl_sv *names = tl_alloc(COLUMNS * sizeof *names);
    TL_CLEANUP(tl_freep) struct tl_sv *cells = tl_alloc(COLUMNS * sizeof *cells);
    struct tl_arena *head = tl_arena_new(1 << 20);
    size_t n_names, n;
    struct tl_csv c;
    enum tl_rc rc;

    tl_csv_init(&c, text, ',');
    rc = tl_csv_row(&c, head, names, COLUMNS, &n_names, err);
    while (rc == TL_OK) {
        struct json_builder b;

        tl_arena_reset(d->a);
        rc = tl_csv_row(&c, d->a, cells, COLUMNS, &n, err);
        if (rc != TL_OK || n == 0)
            break;
        json_object_begin(&b, d->a, n);
        for (size_t i = 0; i < n && i < n_names; i++)
            put_cell(d, &b, names[i], cells[i]);
        d->row = c.row;
        rc = add(d, json_end(&b), err);
    }
    tl_arena_free(head);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", d->path);
}

static enum tl_rc read_whole(const char *path, struct tl_buf *b, struct tl_err *err)
{
    FILE *f = fopen(path, "rbe");
    size_t n = 1;

    if (!f)
        return tl_fail(err, TL_CONFIG, "cannot open %s", path);
    while (n > 0) {
        char *to = tl_buf_reserve(b, 1 << 16);

        n = to ? fread(to, 1, 1 << 16, f) : 0;
        tl_buf_added(b, n);
    }
    (void)fclose(f);
    return b->failed ? tl_fail(err, TL_LIMIT, "%s is larger than 512 MB", path) : TL_OK;
}

static enum tl_rc seed_file(struct sfsim *s, const char *path, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    const char *base = slash ? slash + 1 : path;
    struct seed d = {.s = s, .path = path};
    bool csv = dot && strcmp(dot, ".csv") == 0;
    enum tl_rc rc;

    if (!dot || dot < base || (!csv && strcmp(dot, ".json") != 0))
        return tl_fail(err, TL_INVALID, "%s: seed files are named OBJECT.csv or OBJECT.json", path);
    d.o = sfsim_object(s->schema, tl_sv(base, (size_t)(dot - base)));
    if (!d.o)
        return tl_fail(err, TL_INVALID, "%s: there is no object %.*s; add it with --schema", path, (int)(dot - base),
                       base);
    tl_buf_init(&text, FILE_MOST);
    rc = read_whole(path, &text, err);
    if (rc != TL_OK)
        return rc;
    d.a = tl_arena_new(64 << 20);
    if (!sfsim_begin(s->db))
        rc = tl_fail(err, TL_IO, "the simulator cannot write its store");
    if (rc == TL_OK)
        rc = csv ? from_csv(&d, tl_buf_view(&text), err) : from_json(&d, tl_buf_view(&text), err);
    if (rc == TL_OK)
        (void)sfsim_commit(s->db);
    else
        sfsim_rollback(s->db);
    tl_arena_free(d.a);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A folder's files in order of their names: Account.csv before Contact.csv. */
static enum tl_rc seed_folder(struct sfsim *s, DIR *dir, const char *path, struct tl_err *err)
{
    char *names[FILES];
    size_t n = 0;
    enum tl_rc rc = TL_OK;

    for (struct dirent *e; n < FILES && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            names[n++] = tl_sprintf("%s/%s", path, e->d_name);
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++) {
        if (rc == TL_OK)
            rc = seed_file(s, names[i], err);
        tl_free(names[i]);
    }
    return rc;
}

enum tl_rc sfsim_seed(struct sfsim *s, const char *path, struct tl_err *err)
{
    DIR *dir = opendir(path);
    enum tl_rc rc;

    if (!dir)
        return seed_file(s, path, err);
    rc = seed_folder(s, dir, path, err);
    (void)closedir(dir);
    return rc;
}
