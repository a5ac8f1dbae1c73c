/* SPDX-License-Identifier: Apache-2.0 */
/* account.c - an account comes into being: keys, certificates, records to begin with. */
#include "netsuite/sim/sim_int.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { NONCES = 1000000, FILE_MAX = 64 << 20 };

static enum tl_rc read_file(const char *path, struct tl_buf *b, struct tl_err *err)
{
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;

    if (!f)
        return tl_fail(err, TL_CONFIG, "cannot read %s: %s", path, strerror(errno));
    tl_buf_init(b, FILE_MAX);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        (void)tl_buf_put(b, piece, n);
    (void)fclose(f);
    return b->failed ? tl_fail(err, TL_CONFIG, "%s is longer than 64 MB", path) : TL_OK;
}

static enum tl_rc one_certificate(struct nsim *s, struct tl_sv text, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf pem = {0};
    TL_CLEANUP(tl_freep) char *path = NULL;
    size_t eq = tl_sv_find(text, '=');
    struct nsim_certificate *c = &s->certificates[s->n_certificates];
    enum tl_rc rc;

    if (eq == 0 || eq >= text.n || s->n_certificates == NSIM_KEYS)
        return tl_fail(err, TL_CONFIG, "--certificates takes KID=FILE,KID=FILE, at most %d", NSIM_KEYS);
    path = tl_strndup(text.p + eq + 1, text.n - eq - 1);
    rc = read_file(path, &pem, err);
    if (rc == TL_OK)
        rc = crypto_cert_from_pem(s->crypto, tl_buf_view(&pem), &c->cert, err);
    if (rc != TL_OK)
        return rc;
    if (!crypto_cert_key(c->cert)) {
        crypto_cert_free(c->cert);
        return tl_fail(err, TL_CONFIG, "%s: a certificate needs an RSA or EC key", path);
    }
    c->kid = tl_strndup(text.p, eq);
    s->n_certificates++;
    return TL_OK;
}

static enum tl_rc certificates(struct nsim *s, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_str(s->opt.certificates), one;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && rest.n > 0 && tl_sv_cut(&rest, ',', &one))
        rc = one_certificate(s, one, err);
    return rc;
}

static enum tl_rc token_key(struct nsim *s, struct tl_err *err)
{
    struct crypto_key *key = NULL;
    uint8_t secret[32];
    enum tl_rc rc;

    tl_random(secret, sizeof secret);
    rc = crypto_key_from_secret(s->crypto, tl_sv((const char *)secret, sizeof secret), CRYPTO_HS256, &key, err);
    if (rc == TL_OK)
        s->token_keys = crypto_keys_of(&key, 1);
    crypto_key_unref(key);
    return rc;
}

/* ---- records to begin with ---- */

enum { COLUMNS = 500, FILES = 200 };

/* "entity.externalId" in a header is a reference by external id, "entity.id" by id. Numbers and truths are read by what
 * the field is. */
static struct json cell(struct tl_arena *a, const struct nsim_type *type, struct tl_sv name, struct tl_sv text,
                        struct tl_sv *ret_field)
{
    size_t dot = tl_sv_find(name, '.');
    const struct nsim_field *f = nsim_field_find(type->fields, type->n_fields, tl_sv(name.p, dot));
    struct json_builder b;
    double number;

    *ret_field = tl_sv(name.p, dot);
    if (dot < name.n) {
        json_object_begin(&b, a, 1);
        (void)json_add(&b, tl_sv_from(name, dot + 1), json_sv(text));
        return json_end(&b);
    }
    if (f && f->kind == NSIM_BOOL)
        return json_bool(tl_sv_eqs(text, "true") || tl_sv_eqs(text, "T"));
    if (f && (f->kind == NSIM_NUMBER || f->kind == NSIM_INTEGER) && tl_sv_double(text, &number))
        return json_double(number);
    if (f && (f->kind == NSIM_REF || f->kind == NSIM_ENUM)) {
        json_object_begin(&b, a, 1);
        (void)json_adds(&b, "id", json_sv(text));
        return json_end(&b);
    }
    return json_sv(text);
}

static enum tl_rc rows_of(struct tl_arena *a, const struct nsim_type *type, struct tl_sv text, struct json *ret,
                          struct tl_err *err)
{
    struct tl_sv *names = tl_arena_must(a, COLUMNS * sizeof *names), *cells = tl_arena_must(a, COLUMNS * sizeof *cells);
    struct json_builder list;
    struct tl_csv c;
    size_t n_names, n = 1;
    enum tl_rc rc;

    json_array_begin(&list, a, 64);
    tl_csv_init(&c, text, ',');
    rc = tl_csv_row(&c, a, names, COLUMNS, &n_names, err);
    while (rc == TL_OK && n > 0) {
        struct json_builder b;

        rc = tl_csv_row(&c, a, cells, COLUMNS, &n, err);
        json_object_begin(&b, a, n_names);
        for (size_t i = 0; rc == TL_OK && i < n && i < n_names; i++) {
            struct tl_sv field;
            struct json v = cell(a, type, names[i], cells[i], &field);

            if (cells[i].n > 0)
                (void)json_add(&b, field, v);
        }
        if (rc == TL_OK && n > 0)
            (void)json_push(&list, json_end(&b));
    }
    *ret = json_end(&list);
    return rc;
}

/* The type that the file is named after; NULL: it is not. */
static const struct nsim_type *type_of(const char *path, const char **ret_suffix)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');

    *ret_suffix = dot ? dot : "";
    return dot ? nsim_type_find(tl_sv(base, (size_t)(dot - base))) : NULL;
}

static enum tl_rc records_file(struct nsim *s, const char *path, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(512 << 20);
    struct nsim_fault f = {0};
    struct json all;
    const char *suffix;
    const struct nsim_type *type = type_of(path, &suffix);
    enum tl_rc rc = read_file(path, &text, err);

    if (rc == TL_OK && strcmp(suffix, ".csv") == 0)
        rc = type ? rows_of(a, type, tl_buf_view(&text), &all, err)
                  : tl_fail(err, TL_CONFIG, "a CSV file is named after its record type: customer.csv");
    else if (rc == TL_OK)
        rc = json_parse(a, tl_buf_view(&text), 0, NULL, &all, err);
    if (rc == TL_OK && all.type == JSON_ARRAY && type) {
        struct json_builder b;

        json_object_begin(&b, a, 1);
        (void)json_adds(&b, type->name, all);
        all = json_end(&b);
    }
    if (rc == TL_OK && !nsim_seed(s, all, &f))
        rc = tl_fail(err, TL_CONFIG, "%s (%s)", f.text, f.where);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", path);
}

/* Subsidiaries, then entities, items, transactions: what others refer to comes before them. */
static int rank(const char *path)
{
    static const int ranks[] = {
        [NSIM_OTHER] = 1, [NSIM_ENTITY] = 2, [NSIM_ITEM] = 3, [NSIM_TRANSACTION] = 4, [NSIM_EVENT] = 5};
    const char *suffix;
    const struct nsim_type *type = type_of(path, &suffix);

    return type ? ranks[type->group] : 0;
}

static int by_rank(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;

    return rank(x) != rank(y) ? rank(x) - rank(y) : strcmp(x, y);
}

static enum tl_rc first_records(struct nsim *s, struct tl_err *err)
{
    DIR *d = opendir(s->opt.records);
    char *paths[FILES];
    size_t n = 0;
    enum tl_rc rc = TL_OK;

    if (!d)
        return records_file(s, s->opt.records, err);
    for (struct dirent *e = readdir(d); e && n < FILES; e = readdir(d))
        if (e->d_name[0] != '.')
            paths[n++] = tl_sprintf("%s/%s", s->opt.records, e->d_name);
    (void)closedir(d);
    qsort(paths, n, sizeof *paths, by_rank);
    for (size_t i = 0; i < n; i++) {
        if (rc == TL_OK)
            rc = records_file(s, paths[i], err);
        tl_free(paths[i]);
    }
    return rc;
}

enum tl_rc nsim_new(const struct nsim_options *options, const struct tl_clock *clock, struct nsim **ret,
                    struct tl_err *err)
{
    struct nsim *s = tl_zalloc(sizeof *s);
    enum tl_rc rc;

    s->opt = *options;
    s->clock = clock;
    s->started_ns = tl_clock_mono_ns(clock);
    s->random = connector_sim_seed(options->seed);
    connector_sim_set_init(&s->nonces, NONCES);
    rc = crypto_new(&s->crypto, err);
    if (rc == TL_OK)
        rc = token_key(s, err);
    if (rc == TL_OK)
        rc = certificates(s, err);
    if (rc == TL_OK)
        rc = nsim_records_open(s, err);
    if (rc == TL_OK && options->records)
        rc = first_records(s, err);
    if (rc != TL_OK) {
        nsim_free(s);
        return rc;
    }
    *ret = s;
    return TL_OK;
}

void nsim_free(struct nsim *s)
{
    if (!s)
        return;
    nsim_records_close(s);
    for (size_t i = 0; i < s->n_certificates; i++) {
        tl_free(s->certificates[i].kid);
        crypto_cert_free(s->certificates[i].cert);
    }
    for (size_t i = 0; i < NSIM_SEARCHES; i++) {
        tl_free(s->searches[i].ids);
        tl_free(s->searches[i].types);
    }
    for (size_t i = 0; i < NSIM_AUDIT; i++)
        tl_free(s->audit[i]);
    crypto_keys_unref(s->token_keys);
    crypto_free(s->crypto);
    connector_sim_set_done(&s->nonces);
    tl_free(s);
}
