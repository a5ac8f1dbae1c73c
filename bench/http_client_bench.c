/* SPDX-License-Identifier: Apache-2.0 */
/* Calls a second and CPU microseconds a call of the HTTP client: http_client_bench URL [tasks] [calls] [body bytes]. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "http/client.h"

struct bench {
    struct http_client *client;
    struct tl_sv url, body;
    uint64_t left, failed;
    char text[420];
};

static enum tl_rc caller(struct task *t, void *arg, struct tl_err *err)
{
    struct bench *b = arg;
    struct tl_arena *arena = tl_arena_new(1024 * 1024);

    while (b->left > 0) {
        struct http_request_out req = {.url = b->url, .body = b->body};
        struct http_reply reply;

        b->left--;
        if (http_client_call(t, b->client, &req, arena, &reply, err) != TL_OK || reply.status >= 400) {
            b->failed++;
            (void)snprintf(b->text, sizeof b->text, "%d %s", reply.status, err->text);
        }
        tl_arena_reset(arena);
    }
    tl_arena_free(arena);
    return TL_OK;
}

static double cpu_us(void)
{
    struct rusage u;

    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int main(int argc, char **argv)
{
    struct http_client_options opt = {.egress.allow_private = true};
    uint64_t tasks = 64, calls = 200000, bytes = 1024, begin;
    struct async_loop *loop;
    struct bench b = {0};
    double cpu, wall;
    char *body;

    if (argc < 2 || (argc > 2 && !tl_sv_u64(tl_sv_str(argv[2]), &tasks)) ||
        (argc > 3 && !tl_sv_u64(tl_sv_str(argv[3]), &calls)) || (argc > 4 && !tl_sv_u64(tl_sv_str(argv[4]), &bytes))) {
        (void)fprintf(stderr, "usage: http_client_bench URL [tasks] [calls] [body bytes]\n");
        return 2;
    }
    if (async_loop_new(20000, NULL, &loop, NULL) != TL_OK || http_client_new(loop, &opt, &b.client, NULL) != TL_OK)
        return 1;
    body = tl_zalloc(bytes + 1);
    memset(body, 'x', bytes);
    b.body = tl_sv(body, bytes);
    b.url = tl_sv_str(argv[1]);
    b.left = calls;
    begin = async_loop_now(loop);
    cpu = cpu_us();
    for (uint64_t i = 0; i < tasks; i++)
        if (task_start(loop, "caller", 0, caller, &b, NULL, NULL, NULL) != TL_OK)
            return 1;
    async_loop_run(loop);
    wall = (double)(async_loop_now(loop) - begin) / 1e9;
    cpu = cpu_us() - cpu;
    (void)printf("%llu calls, %llu at once: %.0f calls/s, %.1f us CPU a call, %llu failed %s\n",
                 (unsigned long long)calls, (unsigned long long)tasks, (double)calls / wall, cpu / (double)calls,
                 (unsigned long long)b.failed, b.text);
    http_client_free(b.client);
    async_loop_free(loop);
    tl_free(body);
    return b.failed > 0;
}
