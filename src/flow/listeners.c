/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listeners.c - checks of a configuration that look beyond its text: the files of a listener's certificate, and how
 * long a webhook's sender goes on retrying.
 */
#include "flow/flow_int.h"

#include <string.h>

#include "http/tls.h"

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

static void check_pair(const struct flow_plan *p, struct config_errors *e, const char *block,
                       const struct flow_tls_conf *c)
{
    const struct config_node *listener = config_get(p->node, block);
    const struct config_node *node = listener ? config_get(listener, "tls") : NULL;
    struct http_tls_cert certs[FLOW_CERTIFICATES];
    struct http_tls_options o;
    struct http_tls *tls = NULL;
    struct tl_err err = {0};

    if (!c || !node)
        return;
    flow_tls_options(c, certs, &o);
    if (http_tls_new(&o, NULL, tl_clock_system(), &tls, &err) != TL_OK)
        config_error(e, place_of(node, err.text), remedy(err.text), "%s.tls: %s", block, err.text);
    http_tls_unref(tls);
}

void flow__check_tls(const struct flow_plan *p, struct config_errors *e)
{
    check_pair(p, e, "server", p->project->server.tls);
    if (!p->project->admin.off)
        check_pair(p, e, "admin", p->project->admin.server.tls);
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

    for (size_t i = 0; i < p->n_flows; i++) {
        const struct flow *f = &p->flows[i];
        const struct flow_webhook_conf *w = f->conf->from.conf;
        const char *span;

        if (f->source != FLOW_WEBHOOK || !w->verify.variant || f->no_key ||
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
