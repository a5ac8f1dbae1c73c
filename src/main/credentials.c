/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.c - certificates named in the configuration: every field `certificate` of a connection, at any depth; and
 * what its authentication says of its tokens. */
#include "main/credentials.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"

enum { EVERY_MS = 600000, FILE_MAX = 1 << 20, DEPTH_MAX = 8, MOST = 1000, TOKENS = 3 };

struct owned {
    char *connection; /* "" : ours */
    struct alert_credential credential;
};
struct end { /* of a token, as the family shows it */
    char *connection;
    const char *what;
};
struct main_credentials {
    struct metrics_family *family;
    const struct crypto *crypto;
    uint64_t version;
    int64_t read_ms;
    pthread_mutex_t lock; /* guards what follows */
    struct owned *list;   /* those of one connection stand together */
    size_t n;
    struct end *ends;
    size_t n_ends;
};

struct main_credentials *main_credentials_new(struct metrics *metrics, const struct crypto *crypto)
{
    struct main_credentials *c = tl_zalloc(sizeof *c);
    size_t n;

    c->family = metrics_family(metrics, &alert_metrics(&n)[0]);
    c->crypto = crypto;
    (void)pthread_mutex_init(&c->lock, NULL);
    return c;
}

static void set(struct main_credentials *c, const char *connection, const char *what, double v)
{
    const char *labels[] = {*connection ? connection : "server", what};

    metrics_set(metrics_series(c->family, labels), v);
}

static void clear(struct main_credentials *c)
{
    for (size_t i = 0; i < c->n; i++) {
        char *what = (char *)(uintptr_t)c->list[i].credential.what; /* ours */

        set(c, c->list[i].connection, what, (double)NAN);
        tl_free(c->list[i].connection);
        tl_free(what);
    }
    tl_freep(&c->list);
    c->n = 0;
}

static void forget_end(struct main_credentials *c, size_t i)
{
    set(c, c->ends[i].connection, c->ends[i].what, (double)NAN);
    tl_free(c->ends[i].connection);
    c->ends[i] = c->ends[--c->n_ends];
}

static bool has_end(const struct alert_credential *k)
{
    return k->expires_ms && !k->renews;
}

static size_t find_end(const struct main_credentials *c, const char *connection, const char *what)
{
    size_t i = 0;

    while (i < c->n_ends && (strcmp(c->ends[i].connection, connection) != 0 || strcmp(c->ends[i].what, what) != 0))
        i++;
    return i;
}

/* What its tokens, all n of them, say now; the end of one that is gone, or that says none any more, goes. */
static void show_ends(struct main_credentials *c, const char *connection, const struct alert_credential *list, size_t n)
{
    for (size_t i = c->n_ends; i-- > 0;) {
        bool said = false;

        for (size_t k = 0; k < n; k++)
            said = said || (has_end(&list[k]) && strcmp(list[k].what, c->ends[i].what) == 0);
        if (!said && strcmp(c->ends[i].connection, connection) == 0)
            forget_end(c, i);
    }
    for (size_t k = 0; k < n; k++) {
        if (!has_end(&list[k]))
            continue;
        set(c, connection, list[k].what, (double)list[k].expires_ms / 1000);
        if (find_end(c, connection, list[k].what) < c->n_ends)
            continue;
        c->ends = tl_reallocarray(c->ends, c->n_ends + 1, sizeof *c->ends);
        c->ends[c->n_ends++] = (struct end){tl_strdup(connection), list[k].what};
    }
}

void main_credentials_free(struct main_credentials *c)
{
    if (!c)
        return;
    clear(c);
    while (c->n_ends)
        forget_end(c, c->n_ends - 1);
    tl_free(c->ends);
    (void)pthread_mutex_destroy(&c->lock);
    tl_free(c);
}

static bool read_file(const char *path, struct tl_buf *b)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = -1;

    tl_buf_init(b, FILE_MAX);
    while (fd >= 0) {
        char *p = tl_buf_reserve(b, 8192);

        n = p ? read(fd, p, 8192) : -1;
        if (n <= 0)
            break;
        tl_buf_added(b, (size_t)n);
    }
    if (fd >= 0)
        (void)close(fd);
    return n == 0;
}

static void add(struct main_credentials *c, const char *connection, const char *path)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf pem = {0};
    TL_CLEANUP(crypto_cert_freep) struct crypto_cert *cert = NULL;
    const char *name = strrchr(path, '/');
    struct tl_err err;

    if (c->n == MOST || !read_file(path, &pem) ||
        crypto_cert_from_pem(c->crypto, tl_buf_view(&pem), &cert, &err) != TL_OK)
        return;
    c->list = tl_reallocarray(c->list, c->n + 1, sizeof *c->list);
    c->list[c->n++] = (struct owned){.connection = tl_strdup(connection),
                                     .credential = {.what = tl_sprintf("certificate %s", name ? name + 1 : path),
                                                    .expires_ms = crypto_cert_not_after_ms(cert),
                                                    .since_ms = crypto_cert_not_before_ms(cert)}};
}

/* Whatever the connector, its fields are in a table. */
static void walk(struct main_credentials *c, const char *connection, const struct config_spec *spec, const void *conf,
                 int depth);

static void look_at(struct main_credentials *c, const char *connection, const struct config_field *f, const void *at,
                    int depth)
{
    const struct config_choice *choice = at;
    const char *path;

    switch ((int)f->type) {
    case CONFIG_FILE:
        path = *(const char *const *)at;
        if (path && strcmp(f->name, "certificate") == 0)
            add(c, connection, path);
        break;
    case CONFIG_OBJECT:
        walk(c, connection, f->spec, at, depth + 1);
        break;
    case CONFIG_OBJECT_REF:
        walk(c, connection, f->spec, *(const void *const *)at, depth + 1);
        break;
    case CONFIG_ONE_OF:
        if (choice->variant && choice->variant->spec)
            walk(c, connection, choice->variant->spec, choice->conf, depth + 1);
        break;
    default:
        break;
    }
}

static void walk(struct main_credentials *c, const char *connection, const struct config_spec *spec, const void *conf,
                 int depth)
{
    if (!conf || depth > DEPTH_MAX)
        return;
    for (size_t i = 0; i < spec->n_fields; i++)
        look_at(c, connection, &spec->fields[i], (const char *)conf + spec->fields[i].offset, depth);
}

void main_credentials_read(struct main_credentials *c, const struct flow_plan *plan, int64_t wall_ms)
{
    const struct flow_project *p = flow_plan_project(plan);

    if (c->read_ms && c->version == flow_plan_version(plan) && wall_ms - c->read_ms < EVERY_MS && wall_ms >= c->read_ms)
        return;
    c->read_ms = wall_ms;
    c->version = flow_plan_version(plan);
    (void)pthread_mutex_lock(&c->lock);
    clear(c);
    for (size_t i = c->n_ends; i-- > 0;)
        if (!config_map_get(&p->connections, c->ends[i].connection))
            forget_end(c, i);
    if (p->server.tls)
        add(c, "", p->server.tls->certificate);
    if (p->admin.server.tls)
        add(c, "", p->admin.server.tls->certificate);
    for (size_t i = 0; i < p->connections.n; i++) {
        const struct flow_connection_conf *k = p->connections.entries[i].value;

        if (k->type.variant && k->type.variant->spec)
            walk(c, p->connections.entries[i].key, k->type.variant->spec, k->type.conf, 0);
    }
    for (size_t i = 0; i < c->n; i++)
        set(c, c->list[i].connection, c->list[i].credential.what, (double)c->list[i].credential.expires_ms / 1000);
    (void)pthread_mutex_unlock(&c->lock);
}

static void add_tokens(struct flow_engine *engine, const char *connection, struct alert_credential *list, size_t *n)
{
    struct flow_connection_info info;
    struct auth_status s;

    if (flow_engine_connection(engine, tl_sv_str(connection), &info, NULL) != TL_OK)
        return;
    if (info.auth) {
        auth_get_status(info.auth, &s);
        if (s.since_ms || s.expires_ms)
            list[(*n)++] = (struct alert_credential){"access token", s.expires_ms, s.since_ms, true};
        if (s.grant_since_ms || s.grant_expires_ms)
            list[(*n)++] = (struct alert_credential){"refresh token", s.grant_expires_ms, s.grant_since_ms, false};
        if (s.fixed_since_ms || s.fixed_expires_ms)
            list[(*n)++] = (struct alert_credential){"token", s.fixed_expires_ms, s.fixed_since_ms, false};
    }
    flow_plan_unref(info.plan);
}

void main_credentials_of(struct main_credentials *c, struct flow_engine *engine, const char *connection,
                         struct tl_arena *arena, const struct alert_credential **ret, size_t *ret_n)
{
    struct alert_credential *list;
    size_t n = 0, from;

    (void)pthread_mutex_lock(&c->lock);
    list = tl_arena_must(arena, (c->n + TOKENS) * sizeof *list);
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->list[i].connection, connection) != 0)
            continue;
        list[n] = c->list[i].credential;
        list[n++].what = tl_arena_strdup(arena, c->list[i].credential.what);
    }
    (void)pthread_mutex_unlock(&c->lock);
    from = n;
    if (*connection)
        add_tokens(engine, connection, list, &n);
    (void)pthread_mutex_lock(&c->lock);
    show_ends(c, connection, list + from, n - from);
    (void)pthread_mutex_unlock(&c->lock);
    *ret = list;
    *ret_n = n;
}
