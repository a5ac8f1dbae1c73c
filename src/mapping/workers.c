/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers.c - the parent's side of jq and xslt: one child for each language, one request at a time.
 *
 * libjq aborts when memory runs out and libxslt can be made to work for hours, so both run in a re-executed copy of
 * this program with an address-space limit, without environment and without further file descriptors. A child that is
 * late is killed; a child that died is started again by the next request.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <fcntl.h>

#include "mapping/mapping_int.h"

#define DEFAULT_MEMORY (1ull << 30)
#define DEFAULT_TIME 10000u
#define DEFAULT_REPLY (64u << 20)

struct child {
    pthread_mutex_t lock; /* held for a whole request */
    pid_t pid;            /* 0: not running */
    int fd;
};

struct mapping_workers {
    struct mapping_workers_options options;
    char *program;
    struct child children[MAPPING_KIND_COUNT];
};

struct mapping_workers *mapping_workers_new(const struct mapping_workers_options *options)
{
    struct mapping_workers *w = tl_zalloc(sizeof(*w));

    if (options)
        w->options = *options;
    if (w->options.memory_bytes == 0)
        w->options.memory_bytes = DEFAULT_MEMORY;
    if (w->options.time_ms == 0)
        w->options.time_ms = DEFAULT_TIME;
    if (w->options.max_reply_bytes == 0)
        w->options.max_reply_bytes = DEFAULT_REPLY;
    w->program = tl_strdup(w->options.program ? w->options.program : "/proc/self/exe");
    for (int i = 0; i < MAPPING_KIND_COUNT; i++)
        (void)pthread_mutex_init(&w->children[i].lock, NULL);
    return w;
}

/* End the child; returns the signal that it died of by itself, or 0. */
static int reap(struct child *c)
{
    int status = 0;

    if (c->pid == 0)
        return 0;
    (void)close(c->fd);
    (void)kill(c->pid, SIGKILL);
    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    c->pid = 0;
    return WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL ? WTERMSIG(status) : 0;
}

void mapping_workers_free(struct mapping_workers *w)
{
    if (!w)
        return;
    for (int i = 0; i < MAPPING_KIND_COUNT; i++) {
        (void)reap(&w->children[i]);
        (void)pthread_mutex_destroy(&w->children[i].lock);
    }
    tl_free(w->program);
    tl_free(w);
}

static enum tl_rc spawn(struct mapping_workers *w, enum mapping_kind kind, struct child *c, struct tl_err *err)
{
    char memory[32], name[16];
    char self[] = "tieline", verb[] = "_worker", zone[] = "TZ=UTC";
    char *argv[] = {self, verb, name, memory, NULL}, *envp[] = {zone, NULL};
    posix_spawn_file_actions_t actions;
    int fds[2], rc;

    (void)snprintf(memory, sizeof(memory), "%llu", (unsigned long long)w->options.memory_bytes);
    (void)snprintf(name, sizeof(name), "%s", mapping_kind_name(kind));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return tl_fail(err, TL_BUSY, "mapping worker: no socket pair (errno %d)", errno);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], 0);
    (void)posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
    (void)posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    rc = posix_spawn(&c->pid, w->program, &actions, NULL, argv, envp);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    if (rc != 0) {
        (void)close(fds[0]);
        c->pid = 0;
        return tl_fail(err, TL_BUSY, "mapping worker: can't start %s (errno %d)", w->program, rc);
    }
    c->fd = fds[0];
    return TL_OK;
}

/* ---- one request ---- */

static int left_ms(uint64_t deadline)
{
    uint64_t now = tl_clock_mono_ms(tl_clock_system());

    return now >= deadline ? 0 : (int)(deadline - now);
}

static enum tl_rc late(struct tl_err *err)
{
    return tl_fail(err, TL_BUDGET, "the mapping took longer than its time limit");
}

/* Wait until the child reads or writes; *ret_events says which. */
static enum tl_rc wait_for(const struct child *c, short events, uint64_t deadline, short *ret_events,
                           struct tl_err *err)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int n = poll(&p, 1, left_ms(deadline));

    if (n == 0)
        return late(err);
    *ret_events = n < 0 ? 0 : p.revents;
    return n < 0 && errno != EINTR ? tl_fail(err, TL_IO, "mapping worker: poll failed (errno %d)", errno) : TL_OK;
}

/* Sends out and gathers the reply, whichever the child is ready for, until a whole frame is there. *ret_died: it ended.
 */
static enum tl_rc exchange(struct child *c, struct tl_sv out, struct tl_buf *in, uint64_t deadline, bool *ret_died,
                           struct tl_err *err)
{
    for (;;) {
        short ready = 0;
        const uint8_t *head = (const uint8_t *)in->p;
        enum tl_rc rc;
        ssize_t n;
        char *to;

        if (in->n >= 4 && in->n >= 4 + ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]))
            return TL_OK;
        rc = wait_for(c, out.n > 0 ? POLLIN | POLLOUT : POLLIN, deadline, &ready, err);
        if (rc != TL_OK)
            return rc;
        if (ready & POLLIN) {
            to = tl_buf_reserve(in, 65536);
            if (!to)
                return tl_fail(err, TL_BUDGET, "the mapping's result is larger than its limit");
            n = recv(c->fd, to, 65536, MSG_DONTWAIT);
            if (n > 0) {
                tl_buf_added(in, (size_t)n);
                continue;
            }
            *ret_died = n == 0 || (errno != EAGAIN && errno != EINTR);
        } else if (ready & POLLOUT) {
            n = send(c->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n > 0)
                out = tl_sv_from(out, (size_t)n);
            *ret_died = n < 0 && errno != EAGAIN && errno != EINTR;
        } else if (ready & (POLLHUP | POLLERR)) {
            *ret_died = true;
        }
        if (*ret_died)
            return TL_BUDGET;
    }
}

static bool put_frame(struct tl_buf *b, struct json v)
{
    uint8_t head[4] = {0};
    size_t n;

    if (!tl_buf_put(b, head, 4) || !json_write(b, v, 0))
        return false;
    n = b->n - 4;
    for (int i = 0; i < 4; i++)
        b->p[i] = (char)(uint8_t)(n >> (24 - 8 * i));
    return true;
}

/* {"value": ...} or {"error": "invalid", "text": ..., "line": n}. */
static enum tl_rc read_reply(struct tl_arena *a, struct tl_sv text, struct json *ret, struct tl_err *err)
{
    struct json_limits limits = {.max_bytes = text.n, .max_depth = 2000};
    struct json reply;
    struct tl_sv copy = tl_arena_sv(a, text);
    enum tl_rc rc;
    int64_t line = 0;

    if (!copy.p)
        return tl_fail(err, TL_BUDGET, "the mapping's result is larger than the memory limit");
    rc = json_parse(a, copy, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, &limits, &reply, err);
    if (rc != TL_OK)
        return tl_fail(err, TL_BUG, "mapping worker: the reply is not JSON");
    if (json_gets(reply, "error").type == JSON_STRING) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%.*s", TL_SV_ARG(json_view(json_gets(reply, "error"))));
        if (!tl_rc_parse(name, &rc) || rc == TL_OK)
            rc = TL_BUG;
        (void)json_int64(json_gets(reply, "line"), &line);
        return tl_fail_at(err, rc, (int32_t)line, 0, "%.*s", TL_SV_ARG(json_text(json_gets(reply, "text"), TL_SV(""))));
    }
    *ret = json_gets(reply, "value");
    return TL_OK;
}

static enum tl_rc ask_child(struct mapping_workers *w, enum mapping_kind kind, struct tl_sv request, uint64_t deadline,
                            struct tl_arena *a, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf in = {0};
    struct child *c = &w->children[kind];
    bool died = false;
    enum tl_rc rc = TL_OK;
    int signal;

    tl_buf_init(&in, w->options.max_reply_bytes + 65536 + 4);
    if (c->pid == 0)
        rc = spawn(w, kind, c, err);
    if (rc != TL_OK)
        return rc;
    rc = exchange(c, request, &in, deadline, &died, err);
    if (rc == TL_OK)
        return read_reply(a, tl_sv_from(tl_buf_view(&in), 4), ret, err);
    signal = reap(c);
    if (died)
        return tl_fail(err, TL_BUDGET, "the mapping used up its memory or crashed its worker (signal %d)", signal);
    return rc;
}

enum tl_rc mapping_workers_ask(struct mapping_workers *w, enum mapping_kind kind, struct json request, uint32_t time_ms,
                               struct tl_arena *a, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf out = {0};
    uint64_t deadline;
    struct timespec until;
    enum tl_rc rc;

    if (time_ms == 0 || time_ms > w->options.time_ms)
        time_ms = w->options.time_ms;
    deadline = tl_clock_mono_ms(tl_clock_system()) + time_ms;
    until = (struct timespec){(time_t)(deadline / 1000), (long)(deadline % 1000) * 1000000};
    tl_buf_init(&out, FRAME_MAX);
    if (!put_frame(&out, request))
        return tl_fail(err, TL_LIMIT, "the input of the mapping is too large for a worker");
    if (pthread_mutex_clocklock(&w->children[kind].lock, CLOCK_MONOTONIC, &until) != 0)
        return tl_fail(err, TL_BUSY, "the mapping's worker is busy");
    rc = ask_child(w, kind, tl_buf_view(&out), deadline, a, ret, err);
    (void)pthread_mutex_unlock(&w->children[kind].lock);
    return rc;
}
