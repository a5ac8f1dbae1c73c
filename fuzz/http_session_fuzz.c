/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's side of HTTP/2: what a client sends behind its preface, over a real socket. The first byte cuts the rest
 * into writes; whatever it was, afterwards the connection is gone and nothing of it is held.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct async_loop *loop;
static struct http_server *server;

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Not a finding: this machine has something against it. */
static void check_call(const char *what, bool ok)
{
    if (!ok)
        perror(what);
    check(ok);
}

static enum tl_rc echo(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task, (void)arg, (void)err;
    check(req->authority.p && http_header_count(req->headers, "host") == 1 && req->path.p[0] == '/');
    for (size_t i = 0; i < req->headers->n; i++)
        check(http_is_token(req->headers->v[i].name) && http_is_field_value(req->headers->v[i].value));
    http_res_set(res, 200, "text/plain", req->body);
    return TL_OK;
}

static enum tl_rc pieces(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    enum tl_rc rc = http_res_stream_begin(task, res, err);
    struct tl_sv piece = TL_SV_NULL;

    (void)arg;
    do {
        if (rc == TL_OK)
            rc = http_req_body_next(task, req, &piece, err);
        if (rc == TL_OK)
            rc = http_res_stream_write(task, res, piece, err);
    } while (rc == TL_OK && piece.n);
    return rc;
}

static void begin(void)
{
    struct http_router *router = http_router_new();
    struct http_cidr here;
    struct http_server_options opt = {.body_limit = 100000, .trusted_proxies = &here, .n_trusted_proxies = 1};

    check(http_cidr_parse(TL_SV("127.0.0.1"), &here) && async_loop_new(1000, NULL, &loop, NULL) == TL_OK);
    check(http_router_add(router, &(struct http_route){.methods = "*", .pattern = "/echo", .handler = echo}, NULL) ==
          TL_OK);
    check(http_router_add(
              router,
              &(struct http_route){.methods = "*", .pattern = "/pieces", .handler = pieces, .stream_body = true},
              NULL) == TL_OK);
    check(http_server_new(&loop, 1, &opt, router, &server, NULL) == TL_OK);
    check(http_server_listen(server, &(struct http_listen){.host = "127.0.0.1"}, NULL) == TL_OK);
}

static int client(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(server, 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

    check_call("socket", fd >= 0);
    do /* the fuzzer's own timer may come in between */
        rc = connect(fd, (struct sockaddr *)&in, sizeof in);
    while (rc != 0 && (errno == EINTR || errno == EALREADY));
    check_call("connect", rc == 0 || errno == EISCONN);
    return fd;
}

static void drink(int fd)
{
    char waste[16384];

    for (int i = 0; i < 4; i++)
        async_loop_poll(loop);
    while (recv(fd, waste, sizeof waste, MSG_DONTWAIT) > 0)
        ;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    struct linger at_once = {.l_onoff = 1};
    struct http_server_stats st;
    size_t step;
    int fd;

    if (!server)
        begin();
    if (size == 0)
        return 0;
    step = data[0] < 64 ? data[0] + 1U : 65536;
    fd = client();
    check_call("send", send(fd, magic, sizeof magic - 1, MSG_NOSIGNAL) == sizeof magic - 1);
    for (size_t at = 1; at < size; at += step) {
        if (send(fd, data + at, size - at < step ? size - at : step, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            break;
        drink(fd);
    }
    drink(fd);
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* a reset: no port waits for its time */
    (void)close(fd);
    for (int i = 0; i < 20000; i++) {
        async_loop_poll(loop);
        http_server_stats(server, &st);
        if (st.active == 0)
            break;
        if (i > 1000) /* on a machine with much to do even loopback takes its time */
            (void)usleep(500);
    }
    if (st.active != 0 || st.body_memory != 0 || async_loop_tasks(loop) != 0)
        (void)fprintf(stderr, "left: %llu connections, %llu bytes of bodies, %zu tasks\n",
                      (unsigned long long)st.active, (unsigned long long)st.body_memory, async_loop_tasks(loop));
    check(st.active == 0 && st.body_memory == 0 && async_loop_tasks(loop) == 0);
    return 0;
}
