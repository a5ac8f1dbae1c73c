/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static enum tl_rc echo(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct rig *r = arg;

    (void)task, (void)err;
    r->hits++;
    http_res_set(res, 200, "text/plain", req->body);
    return TL_OK;
}

/* Length of the body and of the trailers, after reading it in pieces. */
static enum tl_rc stream_in(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    struct rig *r = arg;
    struct tl_sv piece;
    size_t n = 0;
    enum tl_rc rc;

    r->hits++;
    do {
        rc = http_req_body_next(task, req, &piece, err);
        if (rc != TL_OK)
            return rc;
        n += piece.n;
    } while (piece.n);
    http_res_set(res, 200, "text/plain",
                 tl_sv_str(tl_arena_printf(req->arena, "%zu bytes, %zu trailers", n, req->trailers->n)));
    return TL_OK;
}

static enum tl_rc refuse_unread(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                                struct tl_err *err)
{
    (void)task, (void)req, (void)res, (void)arg;
    return tl_fail(err, TL_AUTH, "no");
}

static enum tl_rc stream_out(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                             struct tl_err *err)
{
    struct rig *r = arg;
    enum tl_rc rc = http_res_stream_begin(task, res, err);
    char big[4096];

    memset(big, 'x', sizeof big);
    for (int i = 0; i < 3 && rc == TL_OK; i++)
        rc = http_res_stream_write(task, res, TL_SV("data: x\n\n"), err);
    if (tl_sv_eqs(req->query, "endless"))
        while (rc == TL_OK) {
            rc = http_res_stream_write(task, res, tl_sv(big, sizeof big), err);
            r->seen = rc == TL_OK ? r->seen + 1 : -(int)rc;
        }
    if (tl_sv_eqs(req->query, "broken"))
        return tl_fail(err, TL_BUG, "broken");
    return rc;
}

static enum tl_rc hold(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct rig *r = arg;
    enum tl_rc rc = TL_OK;

    (void)req;
    r->hits++;
    while (r->hold && rc == TL_OK)
        rc = task_sleep_ms(task, 2, err);
    if (rc != TL_OK)
        r->seen = -(int)rc;
    http_res_set(res, 200, "text/plain", TL_SV("held"));
    return rc;
}

/* "name: value|" of each header. */
static enum tl_rc headers(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct tl_sv all = TL_SV("");

    (void)task, (void)arg, (void)err;
    for (size_t i = 0; i < req->headers->n; i++)
        all = tl_sv_str(tl_arena_printf(req->arena, "%.*s%.*s: %.*s|", TL_SV_ARG(all),
                                        TL_SV_ARG(req->headers->v[i].name), TL_SV_ARG(req->headers->v[i].value)));
    http_res_set(res, 200, "text/plain", all);
    return TL_OK;
}

static enum tl_rc big(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    char *p = tl_arena_must(req->arena, 8 << 20);

    (void)task, (void)arg, (void)err;
    memset(p, 'b', 8 << 20);
    http_res_set(res, 200, "text/plain", tl_sv(p, 8 << 20));
    return TL_OK;
}

static enum tl_rc who(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    char peer[HTTP_ADDR_TEXT], client[HTTP_ADDR_TEXT];

    (void)task, (void)arg, (void)err;
    http_res_set(res, 200, "text/plain",
                 tl_sv_str(tl_arena_printf(req->arena, "peer=%s client=%s secure=%d uid=%d sni=%.*s cn=%.*s",
                                           http_addr_format(&req->peer, peer), http_addr_format(&req->client, client),
                                           req->secure, (int)req->peer_uid, TL_SV_ARG(req->tls_name),
                                           TL_SV_ARG(req->tls_peer ? req->tls_peer->common_name : TL_SV_NULL))));
    return TL_OK;
}

static void add(struct rig *r, struct http_route route)
{
    struct tl_err err;

    route.arg = r;
    if (http_router_add(r->router, &route, &err) != TL_OK)
        fail_msg("%s", err.text);
}

static void add_routes(struct rig *r)
{
    struct http_cidr elsewhere;

    assert_true(http_cidr_parse(TL_SV("192.0.2.0/24"), &elsewhere));
    r->router = http_router_new();
    add(r, (struct http_route){.methods = "*", .pattern = "/echo", .handler = echo});
    add(r, (struct http_route){.methods = "POST", .pattern = "/small", .handler = echo, .body_limit = 10});
    add(r,
        (struct http_route){
            .methods = "POST", .pattern = "/stream", .handler = stream_in, .stream_body = true, .body_limit = 1 << 20});
    add(r, (struct http_route){.methods = "POST", .pattern = "/unread", .handler = refuse_unread, .stream_body = true});
    add(r, (struct http_route){.methods = "GET", .pattern = "/sse", .handler = stream_out, .timeout_ms = UINT32_MAX});
    add(r, (struct http_route){.methods = "GET", .pattern = "/hold", .handler = hold});
    add(r, (struct http_route){.methods = "POST", .pattern = "/sit", .handler = hold, .stream_body = true});
    add(r, (struct http_route){.methods = "GET", .pattern = "/short", .handler = hold, .timeout_ms = 20});
    add(r, (struct http_route){.methods = "GET", .pattern = "/big", .handler = big});
    add(r, (struct http_route){.methods = "GET", .pattern = "/headers", .handler = headers});
    add(r, (struct http_route){.methods = "GET", .pattern = "/who", .handler = who});
    add(r, (struct http_route){.methods = "GET", .pattern = "/ready", .handler = who, .health = true});
    add(r, (struct http_route){.methods = "GET", .pattern = "/mtls", .handler = who, .require_client_cert = true});
    add(r, (struct http_route){
               .methods = "POST", .pattern = "/elsewhere", .handler = echo, .allow = &elsewhere, .n_allow = 1});
}

static void *run_loop(void *arg)
{
    async_loop_run(arg);
    return NULL;
}

static void keep_loop(void *arg)
{
    async_loop_keep(arg, true);
}

void rig_start(struct rig *r, const struct http_server_options *options, const struct http_listen *listen)
{
    struct http_listen l = listen ? *listen : (struct http_listen){.host = NULL};
    struct tl_err err = {.rc = TL_OK};

    memset(r, 0, sizeof *r);
    if (!l.unix_path && !l.host)
        l.host = "127.0.0.1";
    for (int i = 0; i < RIG_LOOPS; i++) {
        assert_int_equal(async_loop_new(1000, NULL, &r->loops[i], &err), TL_OK);
        async_loop_post(r->loops[i], keep_loop, r->loops[i]);
    }
    add_routes(r);
    assert_int_equal(http_server_new(r->loops, RIG_LOOPS, options, r->router, &r->server, &err), TL_OK);
    if (http_server_listen(r->server, &l, &err) != TL_OK)
        fail_msg("%s", err.text);
    r->port = http_server_port(r->server, 0);
    for (int i = 0; i < RIG_LOOPS; i++)
        assert_int_equal(pthread_create(&r->threads[i], NULL, run_loop, r->loops[i]), 0);
}

static enum tl_rc stop_task(struct task *task, void *arg, struct tl_err *err)
{
    struct rig *r = arg;

    (void)err;
    http_server_stop(task, r->server);
    http_server_free(r->server);
    return TL_OK;
}

static void stopped(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct rig *r = arg;

    (void)rc, (void)err;
    for (int i = 0; i < RIG_LOOPS; i++)
        async_loop_stop(r->loops[i]);
}

static void begin_stop(void *arg)
{
    struct rig *r = arg;

    if (task_start(r->loops[0], "stop", 0, stop_task, r, stopped, NULL, NULL) != TL_OK)
        abort();
}

void rig_stop(struct rig *r)
{
    async_loop_post(r->loops[0], begin_stop, r);
    for (int i = 0; i < RIG_LOOPS; i++)
        (void)pthread_join(r->threads[i], NULL);
    for (int i = 0; i < RIG_LOOPS; i++) {
        async_loop_keep(r->loops[i], false);
        async_loop_free(r->loops[i]);
    }
    http_router_unref(r->router);
}

struct http_server_stats rig_stats(const struct rig *r)
{
    struct http_server_stats st;

    http_server_stats(r->server, &st);
    return st;
}

void rig_pause(void)
{
    (void)nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* ---- the client ---- */

int rig_connect(const struct rig *r)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(r->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval tv = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

void rig_send_n(int fd, const void *p, size_t n)
{
    size_t at = 0;

    while (at < n) {
        ssize_t sent = send(fd, (const char *)p + at, n - at, MSG_NOSIGNAL);

        if (sent <= 0)
            return; /* the server may have closed: the test looks at what it said */
        at += (size_t)sent;
    }
}

void rig_send(int fd, const char *text)
{
    rig_send_n(fd, text, strlen(text));
}

static __thread char answer[65536];

const char *rig_read_all(int fd)
{
    size_t n = 0;

    for (;;) {
        ssize_t got = recv(fd, answer + n, sizeof answer - 1 - n, 0);

        if (got < 0 && errno == EAGAIN)
            fail_msg("the server neither answers nor closes; so far: %.*s", (int)n, answer);
        if (got <= 0)
            break;
        n += (size_t)got;
        if (n == sizeof answer - 1)
            n = sizeof answer / 2; /* only the start matters of more than that */
    }
    answer[n] = '\0';
    return answer;
}

const char *rig_response(int fd)
{
    size_t n = 0, want = SIZE_MAX;

    while (n < want) {
        ssize_t got = recv(fd, answer + n, 1, 0);
        const char *end, *len;

        if (got <= 0)
            fail_msg("no whole response: %.*s", (int)n, answer);
        answer[++n] = '\0';
        if (want != SIZE_MAX || n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0)
            continue;
        end = answer + n;
        len = strstr(answer, "Content-Length: ");
        want = n + (len && len < end ? strtoul(len + 16, NULL, 10) : 0);
    }
    return answer;
}

bool rig_at_eof(int fd)
{
    char c;

    return recv(fd, &c, 1, 0) <= 0 && errno != EAGAIN;
}

const char *rig_talk(const struct rig *r, const char *text)
{
    int fd = rig_connect(r);

    rig_send(fd, text);
    (void)rig_read_all(fd);
    (void)close(fd);
    return answer;
}
