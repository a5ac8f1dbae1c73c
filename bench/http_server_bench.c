/* SPDX-License-Identifier: Apache-2.0 */
/* http_server_bench.c - the server with one handler that answers 20 bytes to a POST: what bench/http.sh runs beside
 * nginx. Usage: http_server_bench [port [loops]]; stops at SIGTERM or end of input. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "http/http.h"

enum { LOOPS_MAX = 64 };

static enum tl_rc answer(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    (void)task, (void)arg, (void)err;
    http_res_set(res, 200, "application/json",
                 req->body.n ? TL_SV("{\"status\":\"queued\"}\n") : TL_SV("{\"status\":\"empty!\"}\n"));
    return TL_OK;
}

static void *run(void *loop)
{
    async_loop_run(loop);
    return NULL;
}

int main(int argc, char **argv)
{
    struct http_server_options opt = {.requests_per_connection = UINT32_MAX, .connections_per_address = 100000};
    struct http_cidr here;
    uint64_t port = 0, n = 1;
    struct async_loop *loops[LOOPS_MAX];
    struct http_router *router = http_router_new();
    struct http_server *server;
    pthread_t threads[LOOPS_MAX];
    struct tl_err err;

    if ((argc > 1 && !tl_sv_u64(tl_sv_str(argv[1]), &port)) || (argc > 2 && !tl_sv_u64(tl_sv_str(argv[2]), &n)) ||
        port > 65535 || n < 1 || n > LOOPS_MAX) {
        (void)fprintf(stderr, "usage: http_server_bench [port [loops]]\n");
        return 2;
    }
    if (!http_cidr_parse(TL_SV("127.0.0.1"), &here))
        return 1;
    opt.trusted_proxies = &here; /* so that it takes HTTP/2 without TLS */
    opt.n_trusted_proxies = 1;
    for (size_t i = 0; i < n; i++) {
        if (async_loop_new(10000, NULL, &loops[i], &err) != TL_OK)
            return 1;
        async_loop_keep(loops[i], true);
    }
    if (http_router_add(router,
                        &(struct http_route){.methods = "POST,GET", .pattern = "/hooks/{name}", .handler = answer},
                        &err) != TL_OK ||
        http_server_new(loops, n, &opt, router, &server, &err) != TL_OK ||
        http_server_listen(server, &(struct http_listen){.host = "127.0.0.1", .port = (uint16_t)port}, &err) != TL_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    (void)printf("listening on %u with %u loops\n", http_server_port(server, 0), (unsigned)n);
    (void)fflush(stdout);
    for (size_t i = 1; i < n; i++)
        (void)pthread_create(&threads[i], NULL, run, loops[i]);
    run(loops[0]);
    return 0;
}
