/* SPDX-License-Identifier: Apache-2.0 */
/* grpc.c - messages with their length before them, and the status behind them. */
#include "http/grpc.h"

#include <stdio.h>

enum { METADATA = 24, TEXT = 250 };

/* ---- pure ---- */
static const struct {
    const char *name;
    enum tl_rc rc;
} codes[] = {
    {"OK", TL_OK},
    {"CANCELLED", TL_UPSTREAM},
    {"UNKNOWN", TL_UPSTREAM},
    {"INVALID_ARGUMENT", TL_INVALID},
    {"DEADLINE_EXCEEDED", TL_TIMEOUT},
    {"NOT_FOUND", TL_NOT_FOUND},
    {"ALREADY_EXISTS", TL_EXISTS},
    {"PERMISSION_DENIED", TL_FORBIDDEN},
    {"RESOURCE_EXHAUSTED", TL_RATE_LIMITED},
    {"FAILED_PRECONDITION", TL_CONFIG},
    {"ABORTED", TL_CONFLICT},
    {"OUT_OF_RANGE", TL_INVALID},
    {"UNIMPLEMENTED", TL_UNSUPPORTED},
    {"INTERNAL", TL_UPSTREAM},
    {"UNAVAILABLE", TL_UPSTREAM},
    {"DATA_LOSS", TL_UPSTREAM},
    {"UNAUTHENTICATED", TL_AUTH},
};

enum tl_rc http_grpc_rc(int code)
{
    return code >= 0 && (size_t)code < TL_COUNT(codes) ? codes[code].rc : TL_UPSTREAM;
}

const char *http_grpc_code_name(int code)
{
    return code >= 0 && (size_t)code < TL_COUNT(codes) ? codes[code].name : "status";
}

enum http_grpc_step http_grpc_next(struct tl_sv in, size_t max, struct tl_sv *ret_message, struct tl_err *err)
{
    const uint8_t *p = (const uint8_t *)in.p;
    size_t n;

    if (in.n < HTTP_GRPC_PREFIX)
        return HTTP_GRPC_MORE;
    n = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] != 0) {
        (void)tl_fail(err, TL_UNSUPPORTED, "a compressed message came, although none was asked for");
        return HTTP_GRPC_BAD;
    }
    if (n > max) {
        (void)tl_fail(err, TL_LIMIT, "a message of %zu bytes came; at most %zu are taken", n, max);
        return HTTP_GRPC_BAD;
    }
    if (in.n - HTTP_GRPC_PREFIX < n)
        return HTTP_GRPC_MORE;
    *ret_message = tl_sv(in.p + HTTP_GRPC_PREFIX, n);
    return HTTP_GRPC_MESSAGE;
}

void http_grpc_prefix(size_t n, char out[HTTP_GRPC_PREFIX])
{
    out[0] = 0;
    for (int i = 0; i < 4; i++)
        out[1 + i] = (char)(uint8_t)(n >> (24 - 8 * i));
}

/* grpc-message is percent-encoded; what it holds is for people, so one line without controls. */
static void put_text(struct tl_sv message, char out[TEXT])
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text = message;

    tl_buf_init(&b, 8 << 10);
    if (tl_percent_decode(&b, message, false) && b.n > 0)
        text = tl_buf_view(&b);
    (void)snprintf(out, TEXT, "%.*s", TL_SV_ARG(text));
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
}

static struct tl_sv first_of(const struct http_headers *trailers, const struct http_headers *head, const char *name)
{
    struct tl_sv v = http_header_get(trailers, name);

    return v.p ? v : http_header_get(head, name);
}

enum tl_rc http_grpc_verdict(int http_status, const struct http_headers *head, const struct http_headers *trailers,
                             int *ret_code, struct tl_err *err)
{
    struct tl_sv status = first_of(trailers, head, "grpc-status");
    char text[TEXT];
    uint64_t code;
    enum tl_rc rc;

    *ret_code = -1;
    if (!status.p || !tl_sv_u64(status, &code) || code > 9999) {
        rc = http_status == 200 ? TL_UPSTREAM : http_status_rc(http_status);
        return tl_fail(err, rc == TL_OK ? TL_UPSTREAM : rc, "no gRPC status came (HTTP %d)", http_status);
    }
    *ret_code = (int)code;
    if (code == 0)
        return TL_OK;
    put_text(first_of(trailers, head, "grpc-message"), text);
    return tl_fail(err, http_grpc_rc((int)code), "%s%s%s", http_grpc_code_name((int)code), text[0] ? ": " : "", text);
}

/* ---- calls ---- */
uint32_t http_grpc_window(size_t max)
{
    return (uint32_t)max + HTTP_GRPC_PREFIX + (64 << 10);
}

enum tl_rc http_grpc_open(struct http_h2 *c, struct tl_sv path, const struct http_header *metadata, size_t n,
                          size_t max, struct http_grpc *ret, struct tl_err *err)
{
    static const struct http_header own[] = {
        {{"te", 2}, {"trailers", 8}},
        {{"content-type", 12}, {"application/grpc", 16}},
        {{"user-agent", 10}, {"tieline/" TIELINE_VERSION, sizeof TIELINE_VERSION + 7}},
        {{"grpc-accept-encoding", 20}, {"identity", 8}}};
    struct http_header all[TL_COUNT(own) + METADATA];

    if (n > METADATA)
        return tl_fail(err, TL_INVALID, "a call has at most %d headers of its own", METADATA);
    memcpy(all, own, sizeof own);
    if (n > 0)
        memcpy(all + TL_COUNT(own), metadata, n * sizeof *all);
    *ret = (struct http_grpc){.max = max, .code = -1};
    return http_h2_open(c, TL_SV("POST"), path, all, TL_COUNT(own) + n, &ret->stream, err);
}

void http_grpc_free(struct http_grpc *g)
{
    http_h2_free(g->stream);
    *g = (struct http_grpc){.code = -1};
}

enum tl_rc http_grpc_send(struct task *t, struct http_grpc *g, struct tl_sv message, bool last, uint64_t until_ns,
                          struct tl_err *err)
{
    char prefix[HTTP_GRPC_PREFIX];
    enum tl_rc rc;

    http_grpc_prefix(message.n, prefix);
    rc = http_h2_send(t, g->stream, tl_sv(prefix, sizeof prefix), last && message.n == 0, until_ns, err);
    if (rc == TL_OK && message.n > 0)
        rc = http_h2_send(t, g->stream, message, last, until_ns, err);
    return rc;
}

enum tl_rc http_grpc_send_end(struct task *t, struct http_grpc *g, struct tl_err *err)
{
    return http_h2_send(t, g->stream, TL_SV_NULL, true, UINT64_MAX, err);
}

static enum tl_rc at_end(struct http_grpc *g, size_t left, struct tl_sv *ret_message, struct tl_err *err)
{
    struct http_h2_stream *s = g->stream;
    enum tl_rc rc = TL_OK;

    if (http_h2_status(s) > 0)
        rc = http_grpc_verdict(http_h2_status(s), http_h2_head(s), http_h2_trailers(s), &g->code, err);
    if (rc == TL_OK && left > 0)
        rc = tl_fail(err, TL_UPSTREAM, "the stream ended in the middle of a message");
    *ret_message = TL_SV_NULL;
    return rc;
}

enum tl_rc http_grpc_recv(struct task *t, struct http_grpc *g, uint64_t until_ns, struct tl_sv *ret_message,
                          struct tl_err *err)
{
    struct tl_sv in = TL_SV_NULL;

    http_h2_consume(g->stream, g->used);
    g->used = 0;
    for (size_t have = 0;; have = in.n) {
        enum tl_rc rc = http_h2_recv(t, g->stream, have, until_ns, &in, err);

        if (rc != TL_OK)
            return rc;
        switch (http_grpc_next(in, g->max, ret_message, err)) {
        case HTTP_GRPC_MESSAGE:
            g->used = HTTP_GRPC_PREFIX + ret_message->n;
            return TL_OK;
        case HTTP_GRPC_BAD:
            return err ? err->rc : TL_UPSTREAM;
        case HTTP_GRPC_MORE:
        default:
            if (in.n <= have)
                return at_end(g, in.n, ret_message, err);
        }
    }
}

bool http_grpc_has_more(const struct http_grpc *g)
{
    struct tl_sv in = http_h2_unread(g->stream), message;

    return http_grpc_next(tl_sv_from(in, g->used), g->max, &message, NULL) == HTTP_GRPC_MESSAGE;
}

enum tl_rc http_grpc_unary(struct task *t, struct http_grpc *g, struct tl_sv request, uint64_t until_ns,
                           struct tl_sv *ret_answer, struct tl_err *err)
{
    enum tl_rc rc = http_grpc_send(t, g, request, true, until_ns, err);

    /* A refusal may overtake the request: what it says is worth more than that it could not be sent. */
    if (rc == TL_OK || rc == TL_UPSTREAM)
        rc = http_grpc_recv(t, g, until_ns, ret_answer, err);
    if (rc == TL_OK && !ret_answer->p)
        return tl_fail(err, TL_UPSTREAM, "the call ended without an answer");
    return rc;
}

/* ---- the server's side ---- */
enum tl_rc http_grpc_accept(struct http_h2_stream *s, size_t max, struct http_grpc *ret, struct tl_err *err)
{
    static const struct http_header type = {{"content-type", 12}, {"application/grpc", 16}};

    *ret = (struct http_grpc){.stream = s, .max = max, .code = -1};
    return http_h2_respond(s, 200, &type, 1, false, err);
}

enum tl_rc http_grpc_end(struct http_grpc *g, int code, const char *message, const struct http_header *more, size_t n,
                         struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct http_header all[2 + METADATA];
    char number[12];
    size_t k = 0;

    if (n > METADATA)
        return tl_fail(err, TL_INVALID, "too many trailers");
    (void)snprintf(number, sizeof number, "%d", code);
    tl_buf_init(&text, 8 << 10);
    all[k++] = (struct http_header){TL_SV("grpc-status"), tl_sv_str(number)};
    if (message && tl_percent_encode(&text, tl_sv_str(message)))
        all[k++] = (struct http_header){TL_SV("grpc-message"), tl_buf_view(&text)};
    for (size_t i = 0; i < n; i++)
        all[k++] = more[i];
    return http_h2_finish(g->stream, all, k, err);
}
