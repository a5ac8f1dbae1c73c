/* SPDX-License-Identifier: Apache-2.0 */
/*
 * composite.c - updates and deletes by external id. Collections know Ids only, so these are single requests, 25 of them
 * in one composite call: the vendor counts it as one.
 */
#include "salesforce/salesforce_int.h"

struct composite {
    struct connector_call *call;
    const struct sf_target *t;
    bool remove;
    size_t *which;
    struct tl_sv *ids;
    size_t n;
    struct tl_buf body;
};

/* The fields of a record, without what names it. */
static void put_fields(struct composite *c, size_t k)
{
    struct json v = c->call->records[c->which[k]].value;
    bool first = true;

    (void)tl_buf_putc(&c->body, '{');
    for (uint32_t i = 0; i < v.n; i++) {
        struct json_member *m = &v.u.members[i];

        if (m->value.type == JSON_UNDEFINED || tl_sv_eqs(json_view(m->key), "attributes") ||
            tl_sv_eqs(json_view(m->key), "Id") || tl_sv_eqi(json_view(m->key), tl_sv_str(c->t->external_id)))
            continue;
        (void)tl_buf_puts(&c->body, first ? "" : ",");
        first = false;
        (void)json_write(&c->body, m->key, 0);
        (void)tl_buf_putc(&c->body, ':');
        (void)json_write(&c->body, m->value, 0);
    }
    (void)tl_buf_putc(&c->body, '}');
}

static void put_one(struct composite *c, size_t k)
{
    const struct sf_connection *conn = c->call->connection;

    (void)tl_buf_printf(
        &c->body, "%s{\"method\":\"%s\",\"referenceId\":\"r%zu\",\"url\":\"/services/data/v%s/sobjects/%s/%s/",
        k ? "," : "", c->remove ? "DELETE" : "PATCH", k, conn->version, c->t->object, c->t->external_id);
    (void)tl_percent_encode(&c->body, c->ids[k]);
    if (c->remove) {
        (void)tl_buf_puts(&c->body, "\"}");
        return;
    }
    (void)tl_buf_puts(&c->body, "?updateOnly=true\",\"body\":");
    put_fields(c, k);
    (void)tl_buf_putc(&c->body, '}');
}

static void write_body(void *arg)
{
    struct composite *c = arg;

    (void)tl_buf_puts(&c->body, "{\"allOrNone\":false,\"compositeRequest\":[");
    for (size_t k = 0; k < c->n; k++)
        put_one(c, k);
    (void)tl_buf_puts(&c->body, "]}");
}

static void judge(struct composite *c, size_t k, int64_t status, struct json body)
{
    struct connector_call *call = c->call;
    struct connector_verdict *v = &call->verdicts[c->which[k]];
    struct json e = sf_first_error(body);
    struct tl_sv code = json_text(json_gets(e, "errorCode"), TL_SV(""));
    struct sf_meaning m;

    if (status >= 200 && status < 300) {
        *v = (struct connector_verdict){
            .end = CONNECTOR_DONE, .status = (uint32_t)status, .answer = json_text(json_gets(body, "id"), TL_SV_NULL)};
        return;
    }
    if (status == 300) {
        sf_reject(call, v, TL_EXISTS,
                  tl_arena_printf(call->arena, "%s %.*s is not unique: %u records have it", c->t->external_id,
                                  TL_SV_ARG(c->ids[k]), body.n));
        return;
    }
    m = sf_meaning_of(code, json_text(json_gets(e, "message"), TL_SV("")), (int)status);
    *v = (struct connector_verdict){.end = m.innocent ? CONNECTOR_INNOCENT : CONNECTOR_FAILED,
                                    .rc = m.rc,
                                    .cls = tl_rc_class(m.rc) == TL_CLASS_AUTH ? TL_CLASS_DATA : m.cls,
                                    .status = (uint32_t)status,
                                    .retry_after_ms = m.retry_after_ms,
                                    .text = sf_error_text(call, e)};
    if (c->remove && status == 404)
        v->end = CONNECTOR_SKIPPED;
}

static bool pick(struct composite *c)
{
    struct connector_call *call = c->call;

    c->which = tl_arena_alloc(call->arena, (call->n + 1) * sizeof *c->which);
    c->ids = tl_arena_alloc(call->arena, (call->n + 1) * sizeof *c->ids);
    for (size_t i = 0; c->which && c->ids && i < call->n; i++) {
        struct tl_sv id = sf_text(call->arena, json_gets(call->records[i].value, c->t->external_id));

        if (id.n == 0) {
            sf_reject(call, &call->verdicts[i], TL_INVALID,
                      tl_arena_printf(call->arena, "the record has no %s: map it", c->t->external_id));
            continue;
        }
        c->which[c->n] = i;
        c->ids[c->n++] = id;
    }
    return c->which && c->ids;
}

struct one {
    struct composite *c;
    size_t k;
};
static void write_one(void *arg)
{
    struct one *o = arg;

    tl_buf_clear(&o->c->body);
    put_fields(o->c, o->k);
}

/* In a composite @{...} means a result of another part, and nothing escapes it: values that hold it go alone. */
static enum tl_rc one_by_one(struct task *task, struct composite *c, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t k = 0; k < c->n && rc == TL_OK; k++) {
        struct sf_request req = {.method = "PATCH", .idempotent = true, .target = c->t, .timeout_ms = c->t->timeout_ms};
        struct sf_reply reply;

        task_on_main_stack(task, write_one, &(struct one){c, k});
        req.path = tl_arena_printf(c->call->arena, "/sobjects/%s/%s/%.*s?updateOnly=true", c->t->object,
                                   c->t->external_id, TL_SV_ARG(sf_encoded(c->call->arena, c->ids[k])));
        req.body = tl_buf_view(&c->body);
        rc = sf_http(task, c->call, &req, &reply, err);
        if (rc != TL_OK && reply.http.status != 300 && (tl_rc_class(rc) != TL_CLASS_DATA || reply.http.status < 400))
            return rc; /* those that have their verdicts keep them */
        judge(c, k, reply.http.status, reply.body);
        rc = TL_OK;
    }
    return rc;
}

enum tl_rc sf_by_external_id(struct task *task, struct connector_call *call, bool remove, struct tl_err *err)
{
    struct composite c = {.call = call, .t = call->operation, .remove = remove};
    struct sf_request req = {.method = "POST", .path = "/composite", .idempotent = true, .target = c.t};
    struct sf_reply reply;
    struct json responses;
    enum tl_rc rc;

    call->endpoint = tl_sv_str(c.t->object);
    if (!pick(&c))
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    if (c.n == 0) {
        call->not_sent = true;
        return TL_OK;
    }
    tl_buf_init(&c.body, SF_BODY_MAX);
    task_on_main_stack(task, write_body, &c);
    if (!remove && tl_sv_find_sv(tl_buf_view(&c.body), TL_SV("@{")) < c.body.n) {
        rc = one_by_one(task, &c, err);
        tl_buf_done(&c.body);
        return rc;
    }
    req.body = tl_buf_view(&c.body);
    req.timeout_ms = c.t->timeout_ms;
    rc = c.body.failed ? tl_fail(err, TL_LIMIT, "the records are larger than 48 MB")
                       : sf_http(task, call, &req, &reply, err);
    tl_buf_done(&c.body);
    if (rc != TL_OK)
        return sf_fail_records(call, c.which, c.n, rc, err);
    responses = json_gets(reply.body, "compositeResponse");
    if (responses.type != JSON_ARRAY || responses.n != c.n)
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "HTTP %d, but the answer does not have a result for each record",
                       reply.http.status);
    for (size_t k = 0; k < c.n; k++) {
        int64_t status;

        if (json_int64(json_gets(json_at(responses, k), "httpStatusCode"), &status)) /* else: an unknown outcome */
            judge(&c, k, status, json_gets(json_at(responses, k), "body"));
    }
    return TL_OK;
}
