/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listeners.c - checks of the listeners, and what looks beyond the text of a configuration: the files of a listener's
 * certificate, and how long a webhook's sender goes on retrying.
 */
#include "flow/flow_int.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "http/tls.h"
#include "http/url.h"
#include "store/store.h"

static struct config_place at_key(const struct config_node *map, const char *key)
{
    const struct config_node *n = config_get(map, key);

    return n ? n->at : map ? map->at : (struct config_place){.file = NULL};
}

static void check_listen(const struct flow_plan *p, struct config_errors *e, const char *block,
                         const struct flow_server_conf *s)
{
    const struct config_node *node = config_get(p->node, block);
    bool covered = s->tls || s->behind_proxy.n || config_is_faulty(e, config_get(node, "tls")) ||
                   config_is_faulty(e, config_get(node, "behind_proxy"));

    if (s->listen.text && !s->listen.loopback && !covered)
        config_error(e, at_key(node, "listen"), "Set `tls`, or name the proxy in `behind_proxy`.",
                     "%s.listen is %s: beyond loopback, requests and secrets would travel in the clear", block,
                     s->listen.text);
}

/* Codes and tokens travel to these addresses: over TLS, or not beyond this machine. */
static void check_oidc_url(struct config_errors *e, const struct config_node *node, const char *name, const char *url)
{
    struct http_url u;

    if (!url || (http_url_parse(tl_sv_str(url), &u, NULL) == TL_OK &&
                 (u.tls || tl_sv_eqs(u.host, "127.0.0.1") || tl_sv_eqs(u.host, "::1") ||
                  tl_sv_eqi(u.host, TL_SV("localhost")))))
        return;
    config_error(e, at_key(node, name), "Write it with https://; http is for this machine alone.",
                 "admin.oidc.%s is not an https address", name);
}

static void check_oidc(struct config_errors *e, const struct config_node *node, const struct flow_admin_oidc_conf *o)
{
    const struct tl_sv end = TL_SV("/v1/session/oidc/callback");
    struct tl_sv uri = o->redirect_uri ? tl_sv_str(o->redirect_uri) : end;

    check_oidc_url(e, node, "issuer", o->issuer);
    check_oidc_url(e, node, "redirect_uri", o->redirect_uri);
    if (uri.n < end.n || !tl_sv_eq(tl_sv_from(uri, uri.n - end.n), end))
        config_error(e, at_key(node, "redirect_uri"), "It is the console's address and then that path.",
                     "admin.oidc.redirect_uri does not end with /v1/session/oidc/callback");
    if (o->roles[0].n + o->roles[1].n + o->roles[2].n == 0 && !config_is_faulty(e, node))
        config_error(e, node->at, "Name at least one value under `viewer`, `operator` or `admin`.",
                     "admin.oidc gives nobody a role");
}

static void check_admin(const struct flow_plan *p, struct config_errors *e)
{
    const struct flow_admin_conf *a = &p->project->admin;
    const struct config_node *node = config_get(p->node, "admin");

    if (a->off)
        return;
    if (a->oidc)
        check_oidc(e, config_get(node, "oidc"), a->oidc);
    check_listen(p, e, "admin", &a->server);
    if (a->certificates.n && (!a->server.tls || !a->server.tls->client_ca) &&
        !config_is_faulty(e, config_get(node, "tls")))
        config_error(e, at_key(node, "certificates"), "Set admin.tls.client_ca to the authority that signs them.",
                     "admin.certificates names client certificates, but nobody is asked for one");
}

void flow__check_listeners(const struct flow_plan *p, struct config_errors *e)
{
    check_listen(p, e, "server", &p->project->server);
    check_admin(p, e);
}

/* Where in the configuration the file stands that a sentence of http_tls_new begins with. */
static struct config_place place_of(const struct config_node *tls, const char *sentence)
{
    const char *key = strncmp(sentence, "key file", 8) == 0              ? "key"
                      : strncmp(sentence, "client authorities", 18) == 0 ? "client_ca"
                                                                         : "certificate";
    const struct config_node *at = config_get(tls, key);

    return at ? at->at : tls->at;
}

static const char *remedy(const char *sentence)
{
    if (strstr(sentence, "expired"))
        return "Put the renewed certificate and its chain into that file.";
    if (strstr(sentence, "not the key of"))
        return "Name the key that this certificate was asked for with.";
    if (strncmp(sentence, "key file", 8) == 0)
        return "It must be a private key in PEM (-----BEGIN PRIVATE KEY-----), without a pass phrase, readable for us.";
    return "It must be PEM (-----BEGIN CERTIFICATE-----), the server's own certificate first, readable for us.";
}

void flow_tls_options(const struct flow_tls_conf *c, struct http_tls_cert certs[FLOW_CERTIFICATES],
                      struct http_tls_options *ret)
{
    certs[0] = (struct http_tls_cert){.cert_file = c->certificate, .key_file = c->key};
    for (size_t i = 0; i < c->others.n && i + 1 < FLOW_CERTIFICATES; i++) {
        const struct flow_certificate_conf *o = CONFIG_AT(c->others, struct flow_certificate_conf, i);

        certs[i + 1] = (struct http_tls_cert){.cert_file = o->certificate, .key_file = o->key};
    }
    *ret = (struct http_tls_options){.certs = certs,
                                     .n_certs = 1 + c->others.n,
                                     .client = c->client_ca ? HTTP_TLS_CLIENT_OPTIONAL : HTTP_TLS_CLIENT_NONE,
                                     .client_ca_file = c->client_ca};
}

/* One pair alone, so that each that is wrong is told in its place. */
static void check_pair(struct config_errors *e, const char *where, const struct config_node *node,
                       const struct http_tls_options *o)
{
    struct http_tls *tls = NULL;
    struct tl_err err = {0};

    if (http_tls_new(o, NULL, tl_clock_system(), &tls, &err) != TL_OK)
        config_error(e, place_of(node, err.text), remedy(err.text), "%s: %s", where, err.text);
    http_tls_unref(tls);
}

static void check_pairs(const struct flow_plan *p, struct config_errors *e, const char *block,
                        const struct flow_tls_conf *c)
{
    const struct config_node *node = config_get(config_get(p->node, block), "tls"),
                             *others = config_get(node, "others");
    struct http_tls_cert certs[FLOW_CERTIFICATES];
    struct http_tls_options all, one;
    char where[40];

    if (!c || !node || config_is_faulty(e, node))
        return;
    flow_tls_options(c, certs, &all);
    for (size_t i = 0; i < all.n_certs; i++) {
        const struct config_node *at = i == 0 ? node : others->kind == CONFIG_NODE_LIST ? others->items[i - 1] : others;

        one = (struct http_tls_options){.certs = &certs[i], .n_certs = 1};
        if (i == 0) {
            one.client = all.client;
            one.client_ca_file = all.client_ca_file;
        }
        (void)snprintf(where, sizeof where, i == 0 ? "%s.tls" : "%s.tls.others[%zu]", block, i - 1);
        check_pair(e, where, at, &one);
    }
}

void flow__check_tls(const struct flow_plan *p, struct config_errors *e)
{
    check_pairs(p, e, "server", p->project->server.tls);
    if (!p->project->admin.off)
        check_pairs(p, e, "admin", p->project->admin.server.tls);
}

static const char *span_text(struct tl_arena *a, int64_t ms)
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};

    for (size_t i = 0; i < TL_COUNT(units); i++)
        if (ms >= units[i].ms && ms % units[i].ms == 0)
            return tl_arena_printf(a, "%lld%c", (long long)(ms / units[i].ms), units[i].unit);
    return tl_arena_printf(a, "%lldms", (long long)ms);
}

void flow__check_spans(const struct flow_plan *p, struct config_errors *e)
{
    const struct config_node *store = config_get(p->node, "store");
    const struct config_node *keep = store ? config_get(store, "keep_keys") : NULL;
    int64_t kept = p->project->store.keep_keys_ms;

    if (store && store->kind != CONFIG_NODE_MAP)
        return;
    for (size_t i = 0; i < p->n_flows; i++) {
        const struct flow *f = &p->flows[i];
        const struct flow_webhook_conf *w = f->conf->from.conf;
        const char *span;

        if (f->source != FLOW_WEBHOOK || !w || !w->verify.variant || f->no_key || config_is_faulty(e, keep) ||
            webhook_retry_span_ms(w->verify.name) <= kept)
            continue;
        span = span_text(p->arena, webhook_retry_span_ms(w->verify.name));
        config_warn(e, keep ? keep->at : w->verify.at,
                    tl_arena_printf(p->arena, "Set store.keep_keys to %s or more; the default is 7d.", span),
                    "flow '%s': a sender of the scheme %s repeats a delivery for up to %s, but its key is forgotten "
                    "after %s, and a repetition after that is taken for a new event",
                    f->name, w->verify.name, span, span_text(p->arena, kept));
    }
}

/* Of the volume that the ledger is or will be on. */
static bool volume_size(const char *path, struct tl_arena *a, uint64_t *ret_total)
{
    char *at = tl_arena_strdup(a, path), *slash;
    struct statvfs s;
    int rc = statvfs(at, &s);

    while (rc != 0 && (slash = strrchr(at, '/')) != NULL) {
        *slash = '\0';
        rc = statvfs(*at ? at : "/", &s);
    }
    if (rc != 0)
        rc = statvfs(".", &s);
    if (rc == 0)
        *ret_total = (uint64_t)s.f_blocks * s.f_frsize;
    return rc == 0;
}

void flow__check_reserve(const struct flow_plan *p, struct config_errors *e)
{
    const struct config_node *store = config_get(p->node, "store");
    uint64_t reserve = p->project->store.reserve, total = 0, mb = 1 << 20;

    if (store && config_is_faulty(e, store))
        return;
    if (reserve == 0 && (!p->project->store.path || !volume_size(p->project->store.path, p->arena, &total)))
        return;
    if (reserve == 0)
        reserve = total / 20 < 1024 * mb ? total / 20 : 1024 * mb;
    if (reserve < STORE_LOG_MOST)
        config_warn(
            e, store ? at_key(store, "reserve") : p->node->at,
            tl_arena_printf(p->arena, "Set store.reserve to %lluMB or more, or give the ledger a larger volume.",
                            (unsigned long long)((STORE_LOG_MOST + mb - 1) / mb)),
            "the reserve on the ledger's volume is %llu MB, but its log alone may take %llu MB: outcomes may find "
            "the disk full",
            (unsigned long long)(reserve / mb), (unsigned long long)(STORE_LOG_MOST / mb));
}
