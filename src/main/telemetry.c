/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry.c - from the block `telemetry` to a sender of spans and metrics. */
#include "main/telemetry.h"

#include <unistd.h>

enum { HEADERS = 16 };

static void report(void *arg, const char *text)
{
    if (text)
        TL_LOG(arg, TL_WARN, "telemetry.not_sent", text,
               KV_STR("what", "events go on; spans beyond the queue are dropped"));
    else
        TL_LOG(arg, TL_INFO, "telemetry.sent", "the collector takes what we send", KV_BOOL("ok", true));
}

enum tl_rc main_telemetry_new(const struct flow_telemetry_conf *c, struct secret_box *secrets, struct metrics *metrics,
                              struct tl_log *log, struct otlp **ret, struct tl_err *err)
{
    struct http_header headers[HEADERS];
    struct secret *values[HEADERS] = {0};
    char host[256] = "";
    struct otlp_options o = {.url = c->url,
                             .headers = headers,
                             .service = c->service,
                             .instance = host,
                             .traces = c->traces,
                             .sample = c->sample,
                             .traces_ms = c->interval_ms,
                             .metrics_ms = c->metrics_ms,
                             .metrics = metrics,
                             .report = report,
                             .report_arg = log};
    enum tl_rc rc = TL_OK;

    *ret = NULL;
    if (!c->url)
        return TL_OK;
    (void)gethostname(host, sizeof host - 1);
    for (size_t i = 0; i < c->headers.n && i < HEADERS && rc == TL_OK; i++) {
        const struct config_secret *s = c->headers.entries[i].value;

        headers[i] = (struct http_header){tl_sv_str(c->headers.entries[i].key), tl_sv_str(s->name)};
        if (s->kind != CONFIG_SECRET_LITERAL) {
            rc = secret_get(secrets, s, &values[i], NULL, err);
            if (rc == TL_OK)
                headers[i].value = tl_sv_trim(secret_view(values[i]));
        }
        o.n_headers++;
    }
    if (rc == TL_OK)
        *ret = otlp_new(&o);
    else
        rc = tl_err_prefix(err, "telemetry: headers");
    for (size_t i = 0; i < HEADERS; i++)
        secret_unrefp(&values[i]);
    return rc;
}
