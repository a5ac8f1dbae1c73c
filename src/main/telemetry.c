/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry.c - from the block `telemetry` to a sender of spans and metrics. */
#include "main/telemetry.h"

#include <string.h>
#include <unistd.h>

struct main_telemetry {
    struct otlp *otlp;
    struct secret_box *secrets;
    struct tl_log *log;
    struct {
        char *name, *secret, *key; /* of the configuration that held at the start */
        enum config_secret_kind kind;
    } headers[OTLP_HEADERS];
    size_t n;
};

static void report(void *arg, const char *text)
{
    const struct main_telemetry *t = arg;

    if (text)
        TL_LOG(t->log, TL_WARN, "telemetry.not_sent", text,
               KV_STR("what", "events go on; spans beyond the queue are dropped"));
    else
        TL_LOG(t->log, TL_INFO, "telemetry.sent", "the collector takes what we send", KV_BOOL("ok", true));
}

static enum tl_rc headers(void *arg, struct tl_arena *a, struct http_header ret[OTLP_HEADERS], size_t *ret_n,
                          struct tl_err *err)
{
    const struct main_telemetry *t = arg;

    for (size_t i = 0; i < t->n; i++) {
        const struct config_secret ref = {
            .kind = t->headers[i].kind, .name = t->headers[i].secret, .key = t->headers[i].key};
        TL_CLEANUP(secret_unrefp) struct secret *value = NULL;

        ret[i] = (struct http_header){tl_sv_str(t->headers[i].name), tl_sv_str(ref.name)};
        if (ref.kind == CONFIG_SECRET_LITERAL)
            continue;
        if (secret_get(t->secrets, &ref, &value, NULL, err) != TL_OK)
            return tl_err_prefix(err, "telemetry: headers");
        ret[i].value = tl_sv_trim(tl_arena_sv(a, secret_view(value)));
    }
    *ret_n = t->n;
    return TL_OK;
}

static void take_headers(struct main_telemetry *t, const struct config_map *from)
{
    for (; t->n < from->n && t->n < OTLP_HEADERS; t->n++) {
        const struct config_secret *s = from->entries[t->n].value;

        t->headers[t->n].name = tl_strdup(from->entries[t->n].key);
        t->headers[t->n].secret = tl_strdup(s->name);
        t->headers[t->n].key = s->key ? tl_strdup(s->key) : NULL;
        t->headers[t->n].kind = s->kind;
    }
}

enum tl_rc main_telemetry_new(const struct flow_telemetry_conf *c, struct secret_box *secrets, struct metrics *metrics,
                              struct tl_log *log, struct main_telemetry **ret, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = NULL;
    struct http_header unused[OTLP_HEADERS];
    char host[256] = "";
    struct main_telemetry *t;
    struct otlp_options o = {.url = c->url,
                             .headers = headers,
                             .service = c->service,
                             .instance = host,
                             .traces = c->traces,
                             .sample = c->sample,
                             .traces_ms = c->interval_ms,
                             .metrics_ms = c->metrics_ms,
                             .metrics = metrics,
                             .report = report};
    size_t n;
    enum tl_rc rc;

    *ret = NULL;
    if (!c->url)
        return TL_OK;
    a = tl_arena_new(2 << 20);
    t = o.headers_arg = o.report_arg = tl_zalloc(sizeof *t);
    t->secrets = secrets;
    t->log = log;
    take_headers(t, &c->headers);
    (void)gethostname(host, sizeof host - 1);
    rc = headers(t, a, unused, &n, err);
    if (rc != TL_OK && rc != TL_BUSY) {
        main_telemetry_free(t);
        return rc;
    }
    if (rc == TL_BUSY)
        TL_LOG(log, TL_WARN, "telemetry.waits", err->text, KV_STR("what", "nothing is sent until it comes"));
    tl_err_clear(err);
    t->otlp = otlp_new(&o);
    *ret = t;
    return TL_OK;
}

void main_telemetry_free(struct main_telemetry *t)
{
    if (!t)
        return;
    otlp_free(t->otlp);
    for (size_t i = 0; i < t->n; i++) {
        tl_free(t->headers[i].name);
        tl_wipe(t->headers[i].secret, strlen(t->headers[i].secret)); /* a literal is the value itself */
        tl_free(t->headers[i].secret);
        tl_free(t->headers[i].key);
    }
    tl_free(t);
}

struct otlp *main_telemetry_otlp(const struct main_telemetry *t)
{
    return t ? t->otlp : NULL;
}
