/* SPDX-License-Identifier: Apache-2.0 */
/* client_io.c - what libcurl calls during a transfer: body out, headers and body in, sockets. */
#include <sys/socket.h>
#include <unistd.h>

#include "http/client_int.h"

size_t http__on_read(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    const struct http_request_out *req = call->req;
    size_t room = size * n, got = 0;

    if (room > call->source_left)
        room = (size_t)call->source_left;
    if (room > 0 && req->source(req->source_arg, p, room, &got, &call->own) != TL_OK)
        return CURL_READFUNC_ABORT;
    assert(got <= room);
    if (got == 0 && call->source_left > 0 && req->source_bytes != UINT64_MAX) {
        (void)tl_fail(&call->own, TL_IO, "the body to send ended %llu bytes early",
                      (unsigned long long)call->source_left);
        return CURL_READFUNC_ABORT;
    }
    if (call->source_left != UINT64_MAX)
        call->source_left -= got;
    return got;
}

/* A source cannot be read twice. */
int http__on_seek(void *arg, curl_off_t offset, int origin)
{
    (void)arg, (void)offset, (void)origin;
    return CURL_SEEKFUNC_FAIL;
}

/* libcurl asks before every request, also before one that it sends a second time by itself, because the connection that
 * it had kept ended without an answer. The second one goes out only if the target would recognise it, or if nothing of
 * the first has left. Measured with 7.88.1. */
int http__on_request(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    struct http_call *call = arg;
    long sent = 0;

    (void)remote, (void)local, (void)remote_port, (void)local_port;
    if (call->idempotent && !call->req->once)
        return CURL_PREREQFUNC_OK;
    (void)curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    if (sent == 0)
        return CURL_PREREQFUNC_OK;
    (void)tl_fail(&call->own, call->idempotent ? TL_UPSTREAM : TL_UNKNOWN_OUTCOME,
                  "the connection ended after the request was sent; it is not sent twice");
    return CURL_PREREQFUNC_ABORT;
}

static bool add_header(struct http_call *call, struct tl_sv name, struct tl_sv value)
{
    struct http_headers *h = &call->reply->headers;
    char *copy = tl_arena_alloc_unaligned(call->arena, name.n + value.n);

    if (!copy)
        return false;
    if (h->n == call->header_cap) {
        size_t cap = call->header_cap ? call->header_cap * 2 : 16;

        h->v = tl_arena_grow(call->arena, h->v, call->header_cap * sizeof *h->v, cap * sizeof *h->v);
        if (!h->v)
            return false;
        call->header_cap = cap;
    }
    for (size_t i = 0; i < name.n; i++)
        copy[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
    if (value.n > 0)
        memcpy(copy + name.n, value.p, value.n);
    h->v[h->n++] = (struct http_header){tl_sv(copy, name.n), tl_sv(copy + name.n, value.n)};
    return true;
}

bool http__take_header(struct http_call *call, struct tl_sv name, struct tl_sv value)
{
    if (add_header(call, name, value))
        return true;
    call->reply->headers.n = 0;
    (void)tl_fail(&call->own, TL_LIMIT, "the reply does not fit into the memory of the call");
    return false;
}

size_t http__on_header(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    struct tl_sv line = tl_sv(p, size * n);
    size_t colon;

    call->header_bytes += line.n;
    if (call->header_bytes > call->max_headers) {
        (void)tl_fail(&call->own, TL_LIMIT, "the reply has more than %zu bytes of headers", call->max_headers);
        return 0;
    }
    if (tl_sv_starts(line, TL_SV("HTTP/"))) { /* a new head: what came before was a 1xx */
        call->reply->headers.n = 0;
        return line.n;
    }
    colon = tl_sv_find(line, ':');
    if (colon == line.n || colon == 0)
        return line.n;
    return http__take_header(call, tl_sv(line.p, colon), tl_sv_trim(tl_sv_from(line, colon + 1))) ? line.n : 0;
}

static bool too_large(struct http_call *call)
{
    (void)tl_fail(&call->own, TL_LIMIT, "the reply is larger than %llu bytes", (unsigned long long)call->max_body);
    return false;
}

static bool room_for(struct http_call *call, size_t n, int64_t announced)
{
    size_t cap = call->body_cap ? call->body_cap : 4096;
    char *grown;

    if (call->body && call->body_n + n <= call->body_cap)
        return true;
    if (!call->body) {
        if (announced > 0 && (uint64_t)announced > call->max_body)
            return too_large(call);
        if (announced > 0 && announced < 1024 * 1024)
            cap = (size_t)announced;
    }
    while (cap < call->body_n + n)
        cap *= 2;
    grown = tl_arena_grow(call->arena, call->body, call->body_cap, cap);
    if (!grown) {
        (void)tl_fail(&call->own, TL_LIMIT, "the reply does not fit into the memory of the call");
        return false;
    }
    call->body = grown;
    call->body_cap = cap;
    return true;
}

bool http__take_body(struct http_call *call, struct tl_sv piece, long status, int64_t announced)
{
    if (piece.n > call->max_body - call->body_n)
        return too_large(call);
    if (call->req->sink && status >= 200 && status < 300) {
        if (call->req->sink(call->req->sink_arg, piece, &call->own) != TL_OK)
            return false;
    } else if (piece.n > 0) {
        if (!room_for(call, piece.n, announced))
            return false;
        memcpy(call->body + call->body_n, piece.p, piece.n);
        call->reply->body = tl_sv(call->body, (size_t)call->body_n + piece.n);
    }
    call->body_n += piece.n;
    return true;
}

size_t http__on_body(char *p, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    curl_off_t announced = -1;
    long status = 0;

    (void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (!call->body)
        (void)curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    return http__take_body(call, tl_sv(p, size * n), status, announced) ? size * n : 0;
}

/* The last gate: whatever libcurl made of the URL, it reaches only an address that was checked. */
curl_socket_t http__on_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_call *call = arg;
    struct http_addr a = {.family = 0};
    int fd;

    (void)purpose;
    if (address->family == AF_INET) {
        a.ip[10] = a.ip[11] = 0xff;
        memcpy(a.ip + 12, (const char *)&address->addr + 4, 4);
    } else if (address->family == AF_INET6) {
        memcpy(a.ip, (const char *)&address->addr + 8, 16);
    } else {
        return CURL_SOCKET_BAD;
    }
    for (size_t i = 0; i < call->addrs.n; i++) {
        if (memcmp(call->addrs.v[i].ip, a.ip, sizeof a.ip) != 0)
            continue;
        fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
        if (fd >= 0)
            http__socket_is_new(call->client, fd);
        return fd < 0 ? CURL_SOCKET_BAD : fd;
    }
    (void)tl_fail(&call->own, TL_CONFIG, "a connection to an address that was not checked is refused");
    return CURL_SOCKET_BAD;
}
