/* SPDX-License-Identifier: Apache-2.0 */
/* notice.c - for connectors that send one document a record: the post, the verdict; and the shape of a notice. */
#include <stdio.h>

#include "connector/connector_int.h"

enum { POST_MAX = 1 << 20 };

/* ---- one document ---- */
struct writing {
    struct json v;
    struct tl_buf text;
    bool ok;
};
static void write_json(void *arg)
{
    struct writing *w = arg;

    w->ok = json_write(&w->text, w->v, 0);
}

enum tl_rc connector_post_json(struct task *task, struct connector_call *call, struct tl_sv url,
                               const struct http_header *headers, size_t n_headers, struct json body,
                               int64_t timeout_ms, struct http_reply *reply, struct tl_err *err)
{
    struct http_header *all = tl_arena_alloc(call->arena, (n_headers + 1) * sizeof *all);
    struct http_request_out req = {.method = TL_SV("POST"), .url = url, .headers = all, .n_headers = n_headers + 1};
    struct writing w = {.v = body};
    enum tl_rc rc;

    tl_buf_init(&w.text, POST_MAX);
    task_on_main_stack(task, write_json, &w);
    if (!w.ok || !all) {
        tl_buf_done(&w.text);
        call->not_sent = true;
        return tl_fail(err, TL_LIMIT, "the document is larger than 1 MB");
    }
    for (size_t i = 0; i < n_headers; i++)
        all[i] = headers[i];
    all[n_headers] = (struct http_header){TL_SV("content-type"), TL_SV("application/json")};
    req.body = tl_buf_view(&w.text);
    req.timeout_ms = (uint32_t)timeout_ms;
    rc = connector_http(task, call, &req, reply, err);
    tl_buf_done(&w.text);
    return rc;
}

const struct http_egress *connector_egress(const struct connector_call *call)
{
    return http_client_egress(call->host->opt.client, call->arena);
}

enum tl_rc connector_settle(struct connector_call *call, enum tl_rc rc, struct tl_sv answer, struct tl_err *err)
{
    struct tl_sv text;

    if (rc == TL_OK) {
        call->verdicts[0] = (struct connector_verdict){.end = CONNECTOR_DONE, .status = call->status, .answer = answer};
        return TL_OK;
    }
    if (tl_rc_class(rc) != TL_CLASS_DATA)
        return rc;
    text = tl_arena_sv(call->arena, tl_sv_str(err->text));
    call->verdicts[0] = (struct connector_verdict){
        .end = CONNECTOR_FAILED, .rc = rc, .status = call->status, .text = text.p ? text : TL_SV("refused")};
    return TL_OK;
}

/* ---- notices ---- */
static struct tl_sv text(struct json v, const char *name)
{
    return json_text(json_gets(v, name), TL_SV(""));
}

enum tl_rc connector_notice_read(struct json v, struct connector_notice *ret, struct tl_err *err)
{
    struct connector_notice n = {.record = v,
                                 .key = text(v, "key"),
                                 .rule = text(v, "rule"),
                                 .kind = text(v, "kind"),
                                 .subject = text(v, "subject"),
                                 .summary = text(v, "summary"),
                                 .cause = text(v, "cause"),
                                 .fix = text(v, "fix"),
                                 .owner = text(v, "owner"),
                                 .runbook = text(v, "runbook"),
                                 .link = text(v, "link"),
                                 .drain = text(v, "drain"),
                                 .at = text(v, "at"),
                                 .since = text(v, "since")};
    struct tl_sv state = text(v, "state");

    if (!n.key.n || !n.summary.n || !(tl_sv_eqs(state, "firing") || tl_sv_eqs(state, "resolved")))
        return tl_fail(err, TL_INVALID,
                       "the record is no notice: it needs state (firing or resolved), key and summary");
    n.resolved = tl_sv_eqs(state, "resolved");
    n.page = tl_sv_eqs(text(v, "severity"), "page");
    (void)json_int64(json_gets(v, "held"), &n.held);
    *ret = n;
    return TL_OK;
}

static bool line(struct tl_buf *b, const char *name, struct tl_sv s)
{
    return !s.n || tl_buf_printf(b, "%s: %.*s\n", name, TL_SV_ARG(s));
}

bool connector_notice_lines(const struct connector_notice *n, struct tl_buf *b)
{
    char waiting[100];

    (void)snprintf(waiting, sizeof waiting, "%lld deliveries%s%.*s", (long long)n->held,
                   n->drain.n ? ", drained in " : "", TL_SV_ARG(n->drain));
    return line(b, "Cause", n->cause) && line(b, "What to do", n->fix) && line(b, "Owner", n->owner) &&
           line(b, "Waiting", n->held > 0 ? tl_sv_str(waiting) : TL_SV("")) && line(b, "Since", n->since) &&
           line(b, "Runbook", n->runbook) && line(b, "Open", n->link);
}
