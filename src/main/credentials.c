/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.c - certificates named in the configuration: every field `certificate` of a connection, at any depth. */
#include "main/credentials.h"

#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { EVERY_MS = 600000, FILE_MAX = 1 << 20, DEPTH_MAX = 8, MOST = 1000 };

struct owned {
    char *connection; /* "" : ours */
    struct alert_credential credential;
};
struct main_credentials {
    struct metrics_family *family;
    const struct crypto *crypto;
    uint64_t version;
    int64_t read_ms;
    struct owned *list;
    struct alert_credential *flat; /* in the same order: those of one connection stand together */
    size_t n;
};

struct main_credentials *main_credentials_new(struct metrics *metrics, const struct crypto *crypto)
{
    struct main_credentials *c = tl_zalloc(sizeof *c);
    size_t n;

    c->family = metrics_family(metrics, &alert_metrics(&n)[0]);
    c->crypto = crypto;
    return c;
}

static void set(struct main_credentials *c, const struct owned *o, double v)
{
    const char *labels[] = {*o->connection ? o->connection : "server", o->credential.what};

    metrics_set(metrics_series(c->family, labels), v);
}

static void clear(struct main_credentials *c)
{
    for (size_t i = 0; i < c->n; i++) {
        char *what = (char *)(uintptr_t)c->list[i].credential.what; /* ours */

        set(c, &c->list[i], (double)NAN);
        tl_free(c->list[i].connection);
        tl_free(what);
    }
    tl_freep(&c->list);
    tl_freep(&c->flat);
    c->n = 0;
}

void main_credentials_free(struct main_credentials *c)
{
    if (!c)
        return;
    clear(c);
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
    c->list[c->n++] = (struct owned){
        .connection = tl_strdup(connection),
        .credential = {tl_sprintf("certificate %s", name ? name + 1 : path), crypto_cert_not_after_ms(cert)}};
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
    clear(c);
    if (p->server.tls)
        add(c, "", p->server.tls->certificate);
    if (p->admin.server.tls)
        add(c, "", p->admin.server.tls->certificate);
    for (size_t i = 0; i < p->connections.n; i++) {
        const struct flow_connection_conf *k = p->connections.entries[i].value;

        if (k->type.variant && k->type.variant->spec)
            walk(c, p->connections.entries[i].key, k->type.variant->spec, k->type.conf, 0);
    }
    c->flat = tl_zalloc((c->n + 1) * sizeof *c->flat);
    for (size_t i = 0; i < c->n; i++) {
        c->flat[i] = c->list[i].credential;
        set(c, &c->list[i], (double)c->list[i].credential.expires_ms / 1000);
    }
}

void main_credentials_of(const struct main_credentials *c, const char *connection, const struct alert_credential **ret,
                         size_t *ret_n)
{
    size_t from = 0, to;

    while (from < c->n && strcmp(c->list[from].connection, connection) != 0)
        from++;
    for (to = from; to < c->n && strcmp(c->list[to].connection, connection) == 0;)
        to++;
    *ret = c->flat + from;
    *ret_n = to - from;
}
