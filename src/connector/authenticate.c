/* SPDX-License-Identifier: Apache-2.0 */
/* authenticate.c - src/auth behind the port that connectors' hosts use. */
#include "connector/connector_int.h"

struct bound_auth {
    struct connector_auth base;
    struct auth *auth;
};

static enum tl_rc apply(struct connector_auth *base, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);
    struct auth_request r = {
        .arena = call->arena, .method = req->method, .url = req->url, .body = req->body, .passport = call->passport};
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
    if (rc != TL_OK)
        return rc;
    _Static_assert(sizeof ticket <= sizeof call->auth_note, "a ticket fits into the call");
    memcpy(call->auth_note, &ticket, sizeof ticket);
    req->url = r.url;
    req->headers = r.headers;
    req->n_headers = r.n_headers;
    req->once |= r.once;
    if (r.tls)
        req->tls = r.tls;
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
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);

    if (!base)
        return;
    auth_free(b->auth);
    tl_free(b);
}
