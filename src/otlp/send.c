/* SPDX-License-Identifier: Apache-2.0 */
/*
 * send.c - the task that sends. A batch that the collector is too busy for (429, 502, 503, 504: the retryable ones of
 * the specification) or that did not reach it is sent again a few times, meanwhile the queue fills; any other refusal
 * is final.
 */
#include "otlp/otlp_int.h"

#include <stdio.h>

enum { TIMEOUT_MS = 10000, PIECE_MS = 200, TRIES = 5, BODY_MAX = 32 << 20, MEMORY = 256 << 20, LAST_MS = 2000 };

struct batch {
    struct otlp *o;
    struct tl_arena *arena;
    bool metrics, ok;
    size_t n;
    struct tl_buf text;
};

static void make(void *arg)
{
    struct batch *b = arg;
    struct json v =
        b->metrics ? otlp_metrics_json(b->o, b->arena) : otlp_traces_json(b->o, b->arena, OTLP_BATCH, &b->n);

    b->ok = v.type != JSON_UNDEFINED && json_write(&b->text, v, 0);
}

static void report(struct otlp *o, const char *text)
{
    if (o->failing == (text != NULL))
        return;
    o->failing = text != NULL;
    if (o->opt.report)
        o->opt.report(o->opt.report_arg, text);
}

static bool retryable(int status)
{
    return status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
}

static enum tl_rc rest(struct task *task, const struct otlp_sender *s, uint64_t ms, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (uint64_t gone = 0; gone < ms && rc == TL_OK && !*s->stopping; gone += PIECE_MS)
        rc = task_sleep_ms(task, PIECE_MS, err);
    return rc;
}

/* *ret_status: 0 when no answer came. */
static enum tl_rc post(struct task *task, struct otlp_sender *s, struct batch *b, int *ret_status,
                       uint64_t *ret_wait_ms, struct tl_err *err)
{
    struct otlp *o = s->otlp;
    struct http_header headers[OTLP_HEADERS + 1] = {{TL_SV("content-type"), TL_SV("application/json")}};
    struct http_request_out req = {.method = TL_SV("POST"),
                                   .headers = headers,
                                   .n_headers = 1,
                                   .body = tl_buf_view(&b->text),
                                   .idempotent = true, /* a doubled span has the same id */
                                   .timeout_ms = *s->stopping ? LAST_MS : TIMEOUT_MS};
    struct http_reply reply;
    char text[440];
    enum tl_rc rc;

    *ret_status = 0;
    *ret_wait_ms = 0;
    if (o->opt.headers && o->opt.headers(o->opt.headers_arg, b->arena, headers + 1, &req.n_headers, err) != TL_OK) {
        report(o, err->text);
        return TL_OK;
    }
    req.n_headers += o->opt.headers != NULL;
    req.url = tl_sv_str(tl_arena_printf(b->arena, "%s/v1/%s", o->opt.url, b->metrics ? "metrics" : "traces"));
    rc = http_client_call(task, s->client, &req, b->arena, &reply, err);
    *ret_status = reply.status;
    if (rc == TL_CANCELED)
        return rc;
    (void)http_retry_after_ms(http_header_get(&reply.headers, "retry-after"), (int64_t)(otlp__now_ns() / 1000000),
                              ret_wait_ms);
    if (reply.status >= 200 && reply.status < 300) {
        report(o, NULL);
        return TL_OK;
    }
    if (reply.status)
        (void)snprintf(text, sizeof text, "the collector answers HTTP %d", reply.status);
    else
        (void)snprintf(text, sizeof text, "the collector cannot be reached: %s", err->text);
    report(o, text);
    return TL_OK;
}

static enum tl_rc deliver(struct task *task, struct otlp_sender *s, struct batch *b, struct tl_err *err)
{
    uint64_t wait = 0;
    int status = 0;
    enum tl_rc rc = TL_OK;

    for (int i = 0; i < TRIES; i++) {
        rc = post(task, s, b, &status, &wait, err);
        if (rc != TL_OK || (status >= 200 && status < 300) || !retryable(status) || *s->stopping)
            break;
        if (wait < (UINT64_C(1000) << i))
            wait = UINT64_C(1000) << i;
        rc = rest(task, s, wait < 60000 ? wait : 60000, err);
        if (rc != TL_OK)
            break;
    }
    metrics_add(status >= 200 && status < 300 ? s->otlp->sent : s->otlp->refused, b->n);
    return rc;
}

static enum tl_rc send_one(struct task *task, struct otlp_sender *s, bool metrics, size_t *ret_n, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(MEMORY);
    struct batch b = {.o = s->otlp, .arena = arena, .metrics = metrics};
    enum tl_rc rc;

    tl_buf_init(&b.text, BODY_MAX);
    rc = task_blocking(task, make, &b, NULL, err); /* gauges may look into the ledger */
    if (rc == TL_OK && b.ok)
        rc = deliver(task, s, &b, err);
    tl_buf_done(&b.text);
    *ret_n = b.n;
    return rc;
}

static size_t waiting(struct otlp *o)
{
    size_t n;

    (void)pthread_mutex_lock(&o->lock);
    n = o->n;
    (void)pthread_mutex_unlock(&o->lock);
    return n;
}

enum tl_rc otlp_task(struct task *task, void *sender, struct tl_err *err)
{
    struct otlp_sender *s = sender;
    const struct otlp_options *opt = &s->otlp->opt;
    uint64_t now = async_loop_now(task_loop(task)), spans_due = now, metrics_due = now;
    enum tl_rc rc = TL_OK;
    size_t n = 0;

    while (rc == TL_OK && !*s->stopping) {
        now = async_loop_now(task_loop(task));
        if (opt->traces && (waiting(s->otlp) >= OTLP_BATCH || now >= spans_due)) {
            spans_due = now + (uint64_t)opt->traces_ms * 1000000u;
            rc = send_one(task, s, false, &n, err);
        }
        if (rc == TL_OK && opt->metrics_ms && now >= metrics_due) {
            metrics_due = now + (uint64_t)opt->metrics_ms * 1000000u;
            rc = send_one(task, s, true, &n, err);
        }
        if (rc == TL_OK)
            rc = task_sleep_ms(task, PIECE_MS, err);
    }
    return TL_OK;
}

void otlp_flush(struct task *task, struct otlp_sender *s)
{
    size_t n = 1;
    struct tl_err err = {0};

    while (s->otlp && s->otlp->opt.traces && !s->otlp->failing && n > 0 && waiting(s->otlp) > 0) {
        if (send_one(task, s, false, &n, &err) != TL_OK)
            break;
    }
}
