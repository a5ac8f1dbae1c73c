/* SPDX-License-Identifier: Apache-2.0 */
/* authenticate.c - src/auth behind the port that connectors' hosts use. */
#include "connector/connector_int.h"

#include <stdio.h>

struct bound_auth {
    struct connector_auth base;
    struct auth *auth;
};

/* The token's answer says where the API is: path and query stay, the host is that one. Asked anew for each token, so an
 * org that moves takes its connection along. */
static enum tl_rc rebase(struct connector_call *call, struct tl_sv base, struct auth_request *r, struct tl_err *err)
{
    const struct connector *c = call->host->opt.connector;
    const void *connection = call->host->opt.connection;
    const char *configured = c && c->base_url ? c->base_url(connection) : NULL;
    size_t host = tl_sv_find_sv(r->url, TL_SV("://")) + 3, path;
    enum tl_rc rc;

    if (!configured || connector__same_origin(configured, r->url, NULL) != TL_OK)
        return TL_OK; /* another of the system's addresses */
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    rc = c->base_allowed ? c->base_allowed(connection, base, err)
                         : tl_fail(err, TL_CONFIG, "the token's answer names an address of its own: %.*s",
                                   (int)(base.n < 100 ? base.n : 100), base.p);
    if (rc != TL_OK)
        return rc;
    for (path = host; path < r->url.n && r->url.p[path] != '/' && r->url.p[path] != '?'; path++)
        ;
    r->url = tl_sv_str(tl_arena_printf(call->arena, "%.*s%.*s", TL_SV_ARG(base), TL_SV_ARG(tl_sv_from(r->url, path))));
    (void)snprintf(call->view->base, sizeof call->view->base, "%.*s", TL_SV_ARG(base));
    call->base = tl_sv_str(call->view->base); /* the arena may be given back page by page */
    return r->url.p ? TL_OK : tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
}

/* The client's certificate is of the auth block; whom we trust is of the connection. */
static const struct http_client_tls *with_certificate(struct connector_call *call, const struct http_client_tls *tls,
                                                      const struct http_client_tls *proof)
{
    struct http_client_tls *both = tl_arena_must(call->arena, sizeof *both);

    if (!tls)
        return proof;
    *both = *tls;
    both->cert_file = proof->cert_file;
    both->key_file = proof->key_file;
    both->cert_pem = both->key_pem = TL_SV_NULL;
    return both;
}

/* What tells a repetition of this request from another: the delivery's key; of a batch, those of all its members. */
static struct tl_sv key_of(struct connector_call *call)
{
    uint64_t a = 1, b = 2;

    if (call->n <= 1)
        return call->n ? call->records[0].key : TL_SV_NULL;
    for (size_t i = 0; i < call->n; i++) {
        struct tl_sv key = call->records[i].key;

        if (!key.n)
            return TL_SV_NULL;
        a = tl_hash64(key.p, key.n, a);
        b = tl_hash64(key.p, key.n, b);
    }
    return tl_sv_str(tl_arena_printf(call->arena, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b));
}

static enum tl_rc apply(struct connector_auth *base, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);
    struct auth_request r = {.arena = call->arena,
                             .method = req->method,
                             .url = req->url,
                             .body = req->body,
                             .passport = call->passport,
                             .key = key_of(call)};
    struct auth_ticket ticket = {0};
    enum tl_rc rc;

    for (size_t i = 0; i < req->n_headers; i++) {
        if (tl_sv_eqi(req->headers[i].name, TL_SV("content-type")))
            r.content_type = req->headers[i].value;
        if (!auth_request_header(&r, "", req->headers[i].value))
            return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
        r.headers[r.n_headers - 1].name = req->headers[i].name;
    }
    if (r.method.n == 0)
        r.method = r.body.n ? TL_SV("POST") : TL_SV("GET");
    rc = auth_apply(task, b->auth, &r, &ticket, err);
    if (rc == TL_OK && r.base.n > 0)
        rc = rebase(call, r.base, &r, err);
    if (rc != TL_OK)
        return rc;
    _Static_assert(sizeof ticket <= sizeof call->auth_note, "a ticket fits into the call");
    memcpy(call->auth_note, &ticket, sizeof ticket);
    for (size_t i = 0; i < r.n_plain; i++)
        connector__plain(call, r.plain[i]);
    req->url = r.url;
    req->headers = r.headers;
    req->n_headers = r.n_headers;
    req->once |= r.once;
    if (r.tls)
        req->tls = with_certificate(call, req->tls, r.tls);
    return TL_OK;
}

static bool answered(struct connector_auth *base, struct task *task, struct connector_call *call,
                     const struct http_reply *reply, bool refused)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);
    struct auth_ticket ticket;
    bool again = false;

    memcpy(&ticket, call->auth_note, sizeof ticket);
    if (refused)
        again = auth_rejected(b->auth, &ticket, http_header_get(&reply->headers, "date"));
    else
        auth_accepted(b->auth, &ticket, http_header_get(&reply->headers, "date"));
    /* When the disk refuses, a restart may cost one attempt more: no reason to fail the call. */
    return (again || auth_remember(task, b->auth, NULL) == TL_OK) && again;
}

struct connector_auth *connector_auth_new(const struct auth_world *world, const struct connector *c, const char *name,
                                          const void *connection, struct tl_err *err)
{
    struct auth_defaults defaults = {.rsa_alg = CRYPTO_ALG_UNSET};
    const struct config_choice *choice;
    struct bound_auth *b;

    if (!c->auth)
        return NULL;
    choice = (const struct config_choice *)(const void *)((const char *)connection + c->auth_offset);
    if (!choice->variant)
        return NULL;
    b = tl_zalloc(sizeof *b);
    b->base = (struct connector_auth){.apply = apply, .answered = answered};
    if (c->auth_defaults)
        c->auth_defaults(connection, &defaults);
    if (auth_new(world, name, choice->name, choice->conf, &defaults, &b->auth, err) == TL_OK)
        return &b->base;
    tl_free(b);
    return NULL;
}

struct auth *connector_auth_of(struct connector_auth *base)
{
    return base != NULL && base->apply == apply ? TL_CONTAINER(base, struct bound_auth, base)->auth : NULL;
}

void connector_auth_free(struct connector_auth *base)
{
    struct bound_auth *b;

    if (!base)
        return;
    b = TL_CONTAINER(base, struct bound_auth, base);
    auth_free(b->auth);
    tl_free(b);
}
