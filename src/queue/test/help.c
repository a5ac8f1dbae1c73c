/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void on_dispatch(void *arg, unsigned loop, struct queue_work *first)
{
    struct bench *b = arg;

    (void)loop;
    *b->tail = first;
    for (; first; first = first->next) {
        b->n_works++;
        b->tail = &first->next;
    }
}

static void on_notice(void *arg, const char *what, struct tl_sv flow, struct tl_sv connection, const char *text)
{
    struct bench *b = arg;

    (void)flow;
    (void)connection;
    assert_true(text && text[0]); /* somebody reads it in a log */
    b->notices++;
    (void)snprintf(b->last_notice, sizeof(b->last_notice), "%s", what);
}

static bool on_tells(void *arg, bool failed)
{
    const struct bench *b = arg;

    return b->hears && (failed || !b->hears_failures_only);
}

static void on_told(void *arg, struct queue_told *first)
{
    struct bench *b = arg;

    *b->told_tail = first;
    while (*b->told_tail)
        b->told_tail = &(*b->told_tail)->next;
}

static void on_fatal(void *arg, const struct tl_err *err)
{
    struct bench *b = arg;

    (void)err;
    b->fatals++;
}

static bool on_disk(void *arg, uint64_t *ret_free, uint64_t *ret_total)
{
    struct bench *b = arg;
    void (*meanwhile)(struct bench *) = b->meanwhile;

    b->meanwhile = NULL;
    if (meanwhile)
        meanwhile(b);
    *ret_total = 100ull << 30;
    *ret_free = b->disk_left ? b->disk_left : b->disk_low ? 1 << 20 : 50ull << 30;
    return true;
}

void help_init(struct bench *b)
{
    const char *tmp = getenv("TMPDIR");

    memset(b, 0, sizeof(*b));
    tl_fake_clock_init(&b->clock, 1700000000000);
    (void)snprintf(b->dir, sizeof(b->dir), "%s/tlqXXXXXX", tmp && strlen(tmp) < 50 ? tmp : "/tmp");
    assert_non_null(mkdtemp(b->dir));
    b->tail = &b->first;
    b->told_tail = &b->told;
    b->retry = (struct guard_retry){.attempts = 3, .base_ms = 100, .most_ms = 10000, .jitter = GUARD_JITTER_NONE};
    b->guard = (struct guard_conf){.concurrency = 1000, .fixed = true, .no_breaker = true};
    b->targets[0] =
        (struct queue_target_def){.name = TL_SV("t"), .connection = TL_SV("c"), .retry = &b->retry, .idempotent = true};
    b->flows[0] = (struct queue_flow_def){.name = TL_SV("f"), .targets = b->targets, .n_targets = 1};
    b->connections[0] = (struct queue_connection_def){.name = TL_SV("c"), .identity = 7, .guard = &b->guard};
    b->config =
        (struct queue_config){.flows = b->flows, .n_flows = 1, .connections = b->connections, .n_connections = 1};
}

void help_open(struct bench *b)
{
    struct queue_options o = {.path = b->dir,
                              .clock = &b->clock.base,
                              .n_loops = 2,
                              .key_generation = b->key_generation,
                              .line_generation = b->line_generation,
                              .window = b->window,
                              .window_per_flow = b->window,
                              .inline_max = b->inline_max,
                              .keep_final_ms = b->keep_final_ms,
                              .vfs = b->vfs,
                              .keys = b->keys,
                              .n_keys = b->n_keys,
                              .unsafe_no_sync = b->no_sync,
                              .manual = true,
                              .dispatch = on_dispatch,
                              .notice = on_notice,
                              .tells = on_tells,
                              .told = on_told,
                              .fatal = on_fatal,
                              .disk_free = on_disk,
                              .arg = b};
    struct tl_err err;

    if (queue_open(&o, &b->q, &err) != TL_OK)
        fail_msg("open: %s", err.text);
    b->first = NULL;
    b->tail = &b->first;
    b->n_works = 0;
    if (queue_configure(b->q, NULL, &b->config, false, NULL, &err) != TL_OK)
        fail_msg("configure: %s", err.text);
    help_turn(b);
}

void help_close(struct bench *b)
{
    queue_close(b->q);
    b->q = NULL;
}

void help_done(struct bench *b)
{
    DIR *d;
    struct dirent *e;
    char path[400];

    if (b->q)
        help_close(b);
    queue_told_free(b->told);
    d = opendir(b->dir);
    while (d && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, e->d_name);
        if (e->d_name[0] != '.')
            (void)unlink(path);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(b->dir);
}

void help_turn(struct bench *b)
{
    for (int i = 0; i < 10000 && queue_turn(b->q); i++)
        ;
}

void help_after(struct bench *b, int64_t ms)
{
    tl_fake_clock_advance_ms(&b->clock, ms);
    help_turn(b);
}

uint64_t help_put(struct bench *b, const char *key, const char *order_by, const char *body)
{
    struct queue_put put = {.flow = b->flows[0].ret_id,
                            .source = TL_SV("s"),
                            .key = tl_sv_str(key),
                            .order_by = tl_sv_str(order_by),
                            .meta = TL_SV("{}"),
                            .body = tl_sv_str(body)};
    struct tl_err err;

    if (queue_put(b->q, NULL, &put, &err) != TL_OK)
        fail_msg("put: %s", err.text);
    return put.ret_event;
}

struct queue_work *help_take(struct bench *b)
{
    struct queue_work *w = b->first;

    if (!w)
        return NULL;
    b->first = w->next;
    if (!b->first)
        b->tail = &b->first;
    b->n_works--;
    return w;
}

void help_finish(struct bench *b, struct queue_work *w, enum queue_end end, enum tl_rc rc, const char *text)
{
    for (size_t i = 0; i < w->n; i++)
        w->claims[i].outcome = (struct queue_outcome){.end = end, .rc = rc, .text = tl_sv_str(text)};
    queue_finish(b->q, w);
    help_turn(b);
}

void help_row(struct bench *b, uint64_t id, struct queue_row *ret_row)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_reader *r = NULL;
    struct queue_detail d;
    struct tl_err err;

    if (queue_reader_open(b->q, &r, &err) != TL_OK || queue_show(r, arena, id, 0, &d, &err) != TL_OK)
        fail_msg("show: %s", err.text);
    *ret_row = d.row;
    queue_reader_close(r);
    tl_arena_free(arena);
}

int help_setup(void **state)
{
    struct bench *b = tl_zalloc(sizeof(*b));

    help_init(b);
    *state = b;
    return 0;
}

int help_teardown(void **state)
{
    help_done(*state);
    tl_free(*state);
    return 0;
}

struct queue_job help_job(struct bench *b, struct queue_plan *plan)
{
    struct queue_reader *r = NULL;
    struct queue_job job;
    struct tl_err err;
    uint64_t id;

    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_plan(r, plan, &err), TL_OK);
    queue_reader_close(r);
    assert_int_equal(queue_job_start(b->q, NULL, plan, &id, &err), TL_OK);
    help_turn(b);
    assert_int_equal(queue_job_get(b->q, NULL, id, &job, &err), TL_OK);
    assert_true(job.ended);
    return job;
}

uint64_t help_count(struct bench *b, enum queue_state s)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_stat stat;
    struct tl_err err;
    uint64_t n = 0;

    assert_int_equal(queue_stats(b->q, NULL, arena, &stat, &err), TL_OK);
    for (size_t i = 0; i < stat.n_flows; i++)
        n += stat.flows[i].count[s];
    tl_arena_free(arena);
    return n;
}
