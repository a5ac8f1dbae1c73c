/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp.h - spans and metrics to a collector: OTLP/HTTP with JSON (opentelemetry.io/docs/specs/otlp, 1.x).
 *
 * Promises: giving a span never waits and never fails the caller: it is copied into a bounded queue, and what does not
 * fit is counted and dropped. A batch is sent by one task; a collector that is away costs memory for one queue, no
 * more. Everything takes NULL for "off".
 */
#ifndef TL_OTLP_OTLP_H
#define TL_OTLP_OTLP_H

#include "http/client.h"
#include "json/json.h"
#include "metrics/metrics.h"

enum { OTLP_HEADERS = 16 };
struct otlp;
struct otlp_options {
    const char *url; /* of the collector: /v1/traces and /v1/metrics are added */
    /* Headers of a request, asked for before each, on the loop of the task: values may be secrets, which come late and
     * change; they stand in no text. A failure is reported, and the request tried again later. May be NULL. */
    enum tl_rc (*headers)(void *arg, struct tl_arena *a, struct http_header ret[OTLP_HEADERS], size_t *ret_n,
                          struct tl_err *err);
    void *headers_arg;
    const char *service, *instance; /* service.name, service.instance.id; copied */
    bool traces;
    double sample;           /* of traces that nobody has decided about, 0 to 1 */
    int64_t traces_ms;       /* a batch goes out at least so often */
    int64_t metrics_ms;      /* 0: no metrics */
    struct metrics *metrics; /* what is sent, and where our own counters are */
    size_t queue;            /* spans kept; 0: 4096 */
    /* The collector does not take what we send (text), or does again (NULL); told on a change only. May be NULL. */
    void (*report)(void *arg, const char *text);
    void *report_arg;
};
struct otlp *otlp_new(const struct otlp_options *options) TL_MUST_CHECK;
void otlp_free(struct otlp *o);                         /* its task must have ended; NULL allowed */
const struct metrics_desc *otlp_metrics(size_t *ret_n); /* for the reference page */

/* ---- spans ---- */
enum otlp_kind { OTLP_INTERNAL = 1, OTLP_SERVER, OTLP_CLIENT, OTLP_PRODUCER, OTLP_CONSUMER };
enum { OTLP_TEXT = 64, OTLP_ATTRIBUTES = 8 };
struct otlp_span {
    uint8_t trace[16];
    uint64_t id, parent; /* parent 0: none */
    const char *name;    /* a literal */
    enum otlp_kind kind;
    uint64_t start_ns, end_ns; /* since 1970 */
    bool failed;
    char text[2 * OTLP_TEXT]; /* of a failure */
    struct otlp_attribute {
        const char *key; /* a literal */
        bool is_text;
        int64_t number;
        char text[OTLP_TEXT];
    } attributes[OTLP_ATTRIBUTES];
    size_t n_attributes;
};
void otlp_text(struct otlp_span *s, const char *key, struct tl_sv value); /* cut; past the last place: left out */
void otlp_number(struct otlp_span *s, const char *key, int64_t value);
/* Shall this trace be recorded? `decided`: a sender said so, or not (`sampled`); else the share of `sample`, the same
 * answer for the same trace. False when off. Any thread. */
bool otlp_sampled(const struct otlp *o, const uint8_t trace[16], bool decided, bool sampled);
void otlp_give(struct otlp *o, const struct otlp_span *s); /* any thread; copies */
/* A monotonic time (of async_loop_now) as nanoseconds since 1970. */
uint64_t otlp_unix_ns(const struct otlp *o, uint64_t mono_ns);

/* ---- sending: one task, on the loop of the client ---- */
struct otlp_sender {
    struct otlp *otlp;
    struct http_client *client;
    const bool *stopping;
};
enum tl_rc otlp_task(struct task *task, void *sender, struct tl_err *err); /* until *stopping */
void otlp_flush(struct task *task,
                struct otlp_sender *s); /* what is left, when stopping; unless the collector is away */

/* The bodies, for tests: up to `most` spans, which leave the queue; all metrics. JSON_UNDEFINED: there are none. */
struct json otlp_traces_json(struct otlp *o, struct tl_arena *a, size_t most, size_t *ret_n);
struct json otlp_metrics_json(struct otlp *o, struct tl_arena *a);

#endif
