/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.c - records as sObject collections: 200 a call, allOrNone false, one verdict a record.
 *
 * Two records of one call must not have the same external id: the vendor refuses both. So a call is made of waves: the
 * second of a kind goes with the next wave, after the first, which also keeps their order.
 */
#include "salesforce/bulk.h"

enum how { CREATE, UPDATE, UPSERT, DELETE };

struct work {
    struct connector_call *call;
    const struct sf_target *t;
    enum how how;
    struct tl_sv *ids; /* of each record: external id or Id; .p NULL: has none */
    size_t *which;     /* the records of this wave */
    size_t n;
    struct tl_buf body;
    bool too_large;
};

/* ---- verdicts ---- */

void sf_reject(struct connector_call *call, struct connector_verdict *v, enum tl_rc rc, const char *text)
{
    struct tl_sv kept = tl_arena_sv(call->arena, tl_sv_str(text));

    *v = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                    .rc = rc,
                                    .cls = tl_rc_class(rc) == TL_CLASS_AUTH ? TL_CLASS_DATA : TL_CLASS_NONE,
                                    .status = call->status,
                                    .text = kept.p ? kept : TL_SV("")};
}

struct tl_sv sf_text(struct tl_arena *a, struct json v)
{
    if (v.type == JSON_STRING || v.type == JSON_DECIMAL)
        return json_view(v);
    if (v.type == JSON_INT)
        return tl_sv_str(tl_arena_printf(a, "%lld", (long long)v.u.i));
    return TL_SV_NULL;
}

/* A platform event's success carries {statusCode: OPERATION_ENQUEUED, message: its uuid}. */
static struct tl_sv answer_of(struct json result)
{
    struct json e = json_at(json_gets(result, "errors"), 0);

    if (tl_sv_eqs(json_text(json_gets(e, "statusCode"), TL_SV("")), "OPERATION_ENQUEUED"))
        return json_text(json_gets(e, "message"), TL_SV_NULL);
    return json_text(json_gets(result, "id"), TL_SV_NULL);
}

/* The verdict on a record from a result {id, success, errors}. */
static void verdict(struct connector_call *call, struct json result, struct connector_verdict *v)
{
    struct json success = json_gets(result, "success"), e = json_at(json_gets(result, "errors"), 0);
    struct tl_sv code = json_text(json_gets(e, "statusCode"), TL_SV(""));
    struct sf_meaning m;

    if (success.type != JSON_BOOL)
        return; /* no verdict: an unknown outcome */
    if (success.u.b) {
        *v = (struct connector_verdict){.end = CONNECTOR_DONE, .status = call->status, .answer = answer_of(result)};
        return;
    }
    m = sf_meaning_of(code, json_text(json_gets(e, "message"), TL_SV("")), 200);
    *v = (struct connector_verdict){.end = m.innocent ? CONNECTOR_INNOCENT : CONNECTOR_FAILED,
                                    .rc = m.rc,
                                    .cls = m.cls,
                                    .status = call->status,
                                    .retry_after_ms = m.retry_after_ms,
                                    .text = sf_error_text(call, e)};
    if (tl_rc_class(m.rc) == TL_CLASS_AUTH)
        v->cls = TL_CLASS_DATA;
    if (v->text.n == 0)
        v->text = TL_SV("the record was refused without a reason");
}

enum tl_rc sf_fail_records(struct connector_call *call, const size_t *which, size_t n, enum tl_rc rc,
                           const struct tl_err *err)
{
    if (tl_rc_class(rc) != TL_CLASS_DATA)
        return rc;
    for (size_t i = 0; i < n; i++) {
        sf_reject(call, &call->verdicts[which[i]], rc, err ? err->text : "");
        if (n > 1)
            call->verdicts[which[i]].end = CONNECTOR_INNOCENT;
    }
    return TL_OK;
}

/* ---- bodies ---- */

static void put_record(struct work *w, struct json v)
{
    static const char *const skip[] = {"attributes"};

    (void)tl_buf_puts(&w->body, "{\"attributes\":{\"type\":\"");
    (void)tl_buf_puts(&w->body, w->t->object);
    (void)tl_buf_puts(&w->body, "\"}");
    for (uint32_t i = 0; i < v.n; i++) {
        struct json_member *m = &v.u.members[i];

        if (m->value.type == JSON_UNDEFINED || tl_sv_eqs(json_view(m->key), skip[0]))
            continue;
        (void)tl_buf_putc(&w->body, ',');
        (void)json_write(&w->body, m->key, 0);
        (void)tl_buf_putc(&w->body, ':');
        (void)json_write(&w->body, m->value, 0);
    }
    (void)tl_buf_putc(&w->body, '}');
}

static void write_body(void *arg)
{
    struct work *w = arg;

    (void)tl_buf_puts(&w->body, "{\"allOrNone\":false,\"records\":[");
    for (size_t i = 0; i < w->n; i++) {
        (void)tl_buf_puts(&w->body, i ? "," : "");
        put_record(w, w->call->records[w->which[i]].value);
    }
    (void)tl_buf_puts(&w->body, "]}");
    w->too_large = w->body.failed;
}

/* ---- one wave: one call ---- */

static char *path_of(struct work *w)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (w->how == UPSERT)
        return tl_arena_printf(w->call->arena, "/composite/sobjects/%s/%s", w->t->object, w->t->external_id);
    if (w->how != DELETE)
        return tl_arena_strdup(w->call->arena, "/composite/sobjects");
    tl_buf_init(&b, 16 << 10);
    (void)tl_buf_puts(&b, "/composite/sobjects?allOrNone=false&ids=");
    for (size_t i = 0; i < w->n; i++) {
        (void)tl_buf_puts(&b, i ? "," : "");
        (void)tl_percent_encode(&b, w->ids[w->which[i]]);
    }
    return b.failed ? NULL : tl_arena_strndup(w->call->arena, b.p, b.n);
}

/* To delete what is deleted already is no failure: it may have been us, before an answer got lost. */
static void judge(struct work *w, struct json result, struct connector_verdict *v)
{
    struct json e = json_at(json_gets(result, "errors"), 0);

    verdict(w->call, result, v);
    if (w->how == DELETE && v->end == CONNECTOR_FAILED &&
        tl_sv_eqs(json_text(json_gets(e, "statusCode"), TL_SV("")), "ENTITY_IS_DELETED"))
        v->end = CONNECTOR_SKIPPED;
}

static enum tl_rc send_wave(struct task *task, struct work *w, struct tl_err *err)
{
    static const char *const methods[] = {
        [CREATE] = "POST", [UPDATE] = "PATCH", [UPSERT] = "PATCH", [DELETE] = "DELETE"};
    struct sf_request req = {
        .method = methods[w->how], .idempotent = w->how != CREATE, .target = w->t, .timeout_ms = w->t->timeout_ms};
    struct sf_reply reply;
    enum tl_rc rc;

    if (w->how != DELETE)
        task_on_main_stack(task, write_body, w);
    req.path = path_of(w);
    if (w->too_large || !req.path) {
        for (size_t i = 0; i < w->n; i++) {
            sf_reject(w->call, &w->call->verdicts[w->which[i]], TL_LIMIT, "the records are larger than 48 MB");
            if (w->n > 1)
                w->call->verdicts[w->which[i]].end = CONNECTOR_INNOCENT;
        }
        return TL_OK;
    }
    req.body = tl_buf_view(&w->body);
    rc = sf_http(task, w->call, &req, &reply, err);
    if (rc != TL_OK)
        return sf_fail_records(w->call, w->which, w->n, rc, err);
    if (reply.body.type != JSON_ARRAY || reply.body.n != w->n)
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "HTTP %d, but the answer does not have a result for each record",
                       reply.http.status);
    for (size_t i = 0; i < w->n; i++)
        judge(w, json_at(reply.body, i), &w->call->verdicts[w->which[i]]);
    return TL_OK;
}

/* ---- waves ---- */

/* The value that tells records apart, or a verdict where there is none. */
static bool read_id(struct work *w, size_t i)
{
    struct connector_call *call = w->call;
    const char *name = w->how == UPSERT ? w->t->external_id : "Id";
    struct json v = call->records[i].value;

    if (v.type != JSON_OBJECT) {
        sf_reject(call, &call->verdicts[i], TL_INVALID,
                  tl_arena_printf(call->arena, "the record is %s; an object of fields is needed", json_type_name(v)));
        return false;
    }
    if (w->how == CREATE)
        return true;
    w->ids[i] = sf_text(call->arena, json_gets(v, name));
    if (w->ids[i].n > 0)
        return true;
    sf_reject(call, &call->verdicts[i], TL_INVALID,
              tl_arena_printf(call->arena, "the record has no %s: map it, every %s needs one", name,
                              w->how == UPSERT   ? "upsert"
                              : w->how == UPDATE ? "update"
                                                 : "delete"));
    return false;
}

static bool in_wave(const struct work *w, size_t i)
{
    for (size_t k = 0; k < w->n && w->how != CREATE; k++)
        if (tl_sv_eqi(w->ids[w->which[k]], w->ids[i]))
            return true;
    return false;
}

static enum tl_rc waves(struct task *task, struct work *w, bool *left, struct tl_err *err)
{
    struct connector_call *call = w->call;
    size_t waiting = 0;
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < call->n; i++)
        waiting += left[i];
    while (waiting > 0 && rc == TL_OK) {
        w->n = 0;
        tl_buf_clear(&w->body);
        for (size_t i = 0; i < call->n && w->n < SF_COLLECTION; i++) {
            if (!left[i] || in_wave(w, i))
                continue;
            left[i] = false;
            w->which[w->n++] = i;
        }
        waiting -= w->n;
        rc = send_wave(task, w, err);
    }
    return rc;
}

static enum tl_rc write_records(struct task *task, struct connector_call *call, enum how how, struct tl_err *err)
{
    struct work w = {.call = call, .t = call->operation, .how = how};
    bool *left = tl_arena_zalloc(call->arena, call->n * sizeof *left);
    bool any = false;
    enum tl_rc rc;

    w.ids = tl_arena_zalloc(call->arena, call->n * sizeof *w.ids);
    w.which = tl_arena_zalloc(call->arena, call->n * sizeof *w.which);
    if (!left || !w.ids || !w.which)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    for (size_t i = 0; i < call->n; i++)
        any |= left[i] = read_id(&w, i);
    call->endpoint = tl_sv_str(w.t->object);
    if (!any) {
        call->not_sent = true;
        return TL_OK;
    }
    tl_buf_init(&w.body, SF_BODY_MAX);
    rc = waves(task, &w, left, err);
    tl_buf_done(&w.body);
    return rc;
}

/* Few records go as collections also where jobs are allowed. */
static bool as_job(const struct connector_call *call)
{
    const struct sf_target *t = call->operation;

    return t->mode == SF_MODE_BULK || (t->mode == SF_MODE_AUTO && call->n > SF_BULK_FROM);
}

enum tl_rc sf_create(struct task *task, struct connector_call *call, struct tl_err *err)
{
    if (as_job(call))
        return sf_bulk_start(task, call, SF_BULK_INSERT, err);
    return write_records(task, call, CREATE, err);
}

enum tl_rc sf_publish(struct task *task, struct connector_call *call, struct tl_err *err)
{
    if (((const struct sf_target *)call->operation)->publish_via == SF_VIA_PUBSUB)
        return sf_pubsub_publish(task, call, err);
    return write_records(task, call, CREATE, err);
}

enum tl_rc sf_update(struct task *task, struct connector_call *call, struct tl_err *err)
{
    if (((const struct sf_target *)call->operation)->external_id)
        return sf_by_external_id(task, call, false, err);
    if (as_job(call))
        return sf_bulk_start(task, call, SF_BULK_UPDATE, err);
    return write_records(task, call, UPDATE, err);
}

enum tl_rc sf_upsert(struct task *task, struct connector_call *call, struct tl_err *err)
{
    if (as_job(call))
        return sf_bulk_start(task, call, SF_BULK_UPSERT, err);
    return write_records(task, call, UPSERT, err);
}

enum tl_rc sf_delete(struct task *task, struct connector_call *call, struct tl_err *err)
{
    if (((const struct sf_target *)call->operation)->external_id)
        return sf_by_external_id(task, call, true, err);
    if (as_job(call))
        return sf_bulk_start(task, call, SF_BULK_DELETE, err);
    return write_records(task, call, DELETE, err);
}

/* ---- facilities ---- */

static void facilities(const struct sf_target *t, enum connector_idempotency how, bool composite,
                       struct connector_facilities *ret)
{
    uint32_t most = composite ? SF_COMPOSITE : SF_COLLECTION;

    *ret = (struct connector_facilities){
        .idempotency = how, .batch_count = t->batch < most ? (uint32_t)t->batch : most, .batch_bytes = 8 << 20};
    if (t->mode == SF_MODE_REST || composite)
        return;
    ret->batch_count = (uint32_t)t->job_rows;
    ret->batch_bytes = 32 << 20;
}

void sf_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection;
    facilities(operation, CONNECTOR_IDEMPOTENT_UPSERT, false, ret);
}

void sf_facilities_by_key(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection;
    facilities(operation, CONNECTOR_IDEMPOTENT_UPSERT, ((const struct sf_target *)operation)->external_id != NULL, ret);
}

void sf_facilities_create(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection;
    facilities(operation, CONNECTOR_IDEMPOTENT_NONE, false, ret);
}
