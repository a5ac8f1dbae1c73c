/* SPDX-License-Identifier: Apache-2.0 */
/* duplex.c - streams of a connection: the address is checked and the credentials are put on, as host.c does for HTTP.
 */
#include "connector/connector_int.h"

enum { METADATA = 10, HEADERS = METADATA + 8, UNAUTHENTICATED = 16 };

static enum tl_rc credentials(struct task *task, struct connector_call *call, struct tl_sv url, const char *path,
                              struct http_request_out *out, struct tl_err *err)
{
    struct tl_sv whole;
    enum tl_rc rc = connector__address(call, url, &whole, err);
    char *text;

    if (rc != TL_OK)
        return rc;
    if (call->host->opt.dry)
        return tl_fail(err, TL_CANCELED, "a look at what would be sent: nothing was");
    while (whole.n > 0 && whole.p[whole.n - 1] == '/')
        whole.n--;
    text = tl_arena_printf(call->arena, "%.*s%s", TL_SV_ARG(whole), path);
    if (!text)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    *out = (struct http_request_out){.method = TL_SV("POST"), .url = tl_sv_str(text)};
    return connector__authenticate(task, call, out, err);
}

enum tl_rc connector_duplex_connect(struct task *task, struct connector_call *call, struct tl_sv url,
                                    const struct http_h2_options *options, struct http_h2 **ret, struct tl_err *err)
{
    struct http_h2_options o = options ? *options : (struct http_h2_options){0};
    struct http_request_out out;
    enum tl_rc rc = credentials(task, call, url, "", &out, err);

    if (rc != TL_OK)
        return rc;
    o.tls = out.tls;
    if (!call->view->sent)
        call->not_sent = true;
    return http_h2_connect(task, call->host->opt.client, out.url, &o, ret, err);
}

/* Authorization as it is, or the token of "Bearer x" under a name of its own; names in HTTP/2 are in lower case. */
static enum tl_rc add_header(struct connector_call *call, const struct http_header *h, const char *token_name,
                             struct http_header *ret, struct tl_err *err)
{
    char *name = tl_arena_strndup(call->arena, h->name.p, h->name.n);

    if (!name)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    for (char *p = name; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p | 0x20);
    *ret = (struct http_header){tl_sv_str(name), h->value};
    if (!token_name || strcmp(name, "authorization") != 0)
        return TL_OK;
    if (!tl_sv_starts_i(h->value, TL_SV("bearer ")))
        return tl_fail(err, TL_CONFIG, "this service takes a token; the connection's auth gives something else");
    *ret = (struct http_header){tl_sv_str(token_name), tl_sv_trim(tl_sv_from(h->value, 7))};
    return TL_OK;
}

enum tl_rc connector_grpc_open(struct task *task, struct connector_call *call, struct http_h2 *conn,
                               const struct connector_grpc_call *what, struct http_grpc *ret, struct tl_err *err)
{
    struct http_header all[HEADERS];
    struct http_request_out out;
    size_t n = 0;
    enum tl_rc rc = credentials(task, call, what->url, what->path, &out, err);

    *ret = (struct http_grpc){.code = -1};
    if (rc != TL_OK)
        return rc;
    if (what->n_metadata > METADATA || out.n_headers > HEADERS - METADATA)
        return tl_fail(err, TL_BUG, "a call over a stream has more headers than it may");
    for (size_t i = 0; i < what->n_metadata; i++)
        all[n++] = what->metadata[i];
    for (size_t i = 0; i < out.n_headers && rc == TL_OK; i++)
        rc = add_header(call, &out.headers[i], what->token_name, &all[n++], err);
    if (rc == TL_OK)
        rc = http_grpc_open(conn, tl_sv_str(what->path), all, n, what->max ? what->max : HTTP_GRPC_MAX, ret, err);
    if (rc != TL_OK)
        return rc;
    call->view->sent = true;
    call->not_sent = false;
    return TL_OK;
}

bool connector_grpc_ended(struct task *task, struct connector_call *call, const struct http_grpc *g)
{
    struct connector_auth *auth = call->host->opt.auth;
    int status = g->stream ? http_h2_status(g->stream) : 0;
    struct http_reply reply = {.status = g->code == UNAUTHENTICATED ? 401 : status};

    if (status == 0) /* it says nothing about the credentials */
        return false;
    call->status = (uint32_t)reply.status;
    reply.headers = *http_h2_head(g->stream);
    return auth && auth->answered && auth->answered(auth, task, call, &reply, reply.status == 401) &&
           reply.status == 401;
}
