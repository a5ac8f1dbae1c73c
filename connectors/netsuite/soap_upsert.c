/* SPDX-License-Identifier: Apache-2.0 */
/* soap_upsert.c - upsertList: many records a request, a verdict for each of them. */
#include "netsuite/soap_int.h"

enum { LONGEST_ID = 200 };

struct upsert { /* compiled */
    const struct netsuite_soap_type *type;
    struct connector_expression *external_id;
    char *taken_out;
};

void netsuite__soap_upsert_release(void *prepared)
{
    struct upsert *u = prepared;

    if (!u)
        return;
    connector_expression_free(u->external_id);
    tl_free(u->taken_out);
    tl_free(u);
}

void *netsuite__soap_upsert_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_soap_upsert *conf = operation;
    struct upsert *u = tl_zalloc(sizeof *u);

    netsuite__soap_check(connection, &conf->record, e);
    u->type = conf->record.text ? netsuite__soap_type(conf->record.text) : NULL;
    u->external_id = connector_key_new(&conf->external_id, e);
    u->taken_out = netsuite__is_plain_name(conf->external_id.text) ? tl_strdup(conf->external_id.text) : NULL;
    return u;
}

void netsuite__soap_upsert_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct netsuite_soap_upsert *conf = operation;

    (void)connection;
    *ret = (struct connector_facilities){.batch_count = (uint32_t)conf->batch,
                                         .batch_bytes = 16 << 20, /* NetSuite takes 100 MB; XML is several times JSON */
                                         .idempotency = CONNECTOR_IDEMPOTENT_UPSERT};
}

/* ---- what is sent ---- */

struct work {
    struct connector_call *call;
    const struct netsuite_soap_upsert *conf;
    const struct upsert *u;
    struct tl_sv *ids; /* one for each record; .p NULL: refused already */
    size_t n;          /* that are sent */
    struct json body, reply;
};

static void refuse(struct connector_verdict *v, enum tl_rc rc, const char *text)
{
    *v = (struct connector_verdict){.end = CONNECTOR_FAILED, .rc = rc, .text = tl_sv_str(text ? text : "")};
}

static void key_of(struct task *task, struct work *w, size_t i)
{
    const struct connector_record *r = &w->call->records[i];
    struct connector_verdict *v = &w->call->verdicts[i];
    struct json key = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc;

    if (r->value.type != JSON_OBJECT) {
        refuse(v, TL_INVALID, "a record of NetSuite is an object");
        return;
    }
    rc = connector_expression_run(task, w->u->external_id, w->call, r->value, &key, &err);
    if (rc != TL_OK) {
        refuse(v, rc, tl_arena_printf(w->call->arena, "external_id: %s", err.text));
        return;
    }
    w->ids[i] = netsuite__text(w->call->arena, key);
    if (w->ids[i].n == 0 || w->ids[i].n > LONGEST_ID) {
        w->ids[i] = TL_SV_NULL;
        refuse(v, TL_INVALID, "the record has no value for external_id, or one that is longer than 200 bytes");
        return;
    }
    w->n++;
}

static void make_body(void *arg)
{
    struct work *w = arg;
    struct tl_arena *a = w->call->arena;
    struct json_builder b, list;

    json_array_begin(&list, a, w->n);
    for (size_t i = 0; i < w->call->n; i++)
        if (w->ids[i].p)
            (void)json_push(&list, netsuite__to_soap(a, w->u->type, w->call->records[i].value, w->u->taken_out,
                                                     w->ids[i], w->conf->lines != NETSUITE_LINES_KEYED));
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "platformMsgs:record", json_end(&list));
    w->body = json_end(&b);
}

/* ---- what came back ---- */

static void one_verdict(struct work *w, size_t i, struct json response)
{
    struct netsuite_refusal r = netsuite__soap_status(w->call, json_gets(response, "status"));
    struct connector_verdict *v = &w->call->verdicts[i];

    if (r.rc == TL_OK)
        *v = (struct connector_verdict){
            .end = CONNECTOR_DONE,
            .status = w->call->status,
            .answer = json_text(json_gets(json_gets(response, "baseRef"), "@internalId"), TL_SV_NULL)};
    else
        *v = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                        .rc = r.rc,
                                        .cls = r.rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                                        .status = w->call->status,
                                        .retry_after_ms = r.retry_after_ms,
                                        .text = r.text};
}

/* Which of several is the bad one? In half the company it will be found. */
static void all_refused(struct work *w, const struct netsuite_refusal *no)
{
    for (size_t i = 0; i < w->call->n; i++)
        if (w->ids[i].p)
            w->call->verdicts[i] = (struct connector_verdict){
                .end = w->n > 1 && tl_rc_class(no->rc) == TL_CLASS_DATA ? CONNECTOR_INNOCENT : CONNECTOR_FAILED,
                .rc = no->rc,
                .cls = no->rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                .status = w->call->status,
                .text = no->text};
}

static void judge(struct work *w)
{
    struct json list = json_gets(w->reply, "writeResponseList"), responses = json_gets(list, "writeResponse");
    struct netsuite_refusal no;
    size_t at = 0;

    if (xml_count(responses) == 0 && json_gets(list, "status").type == JSON_OBJECT) {
        no = netsuite__soap_status(w->call, json_gets(list, "status"));
        if (no.rc != TL_OK)
            all_refused(w, &no);
        return;
    }
    if (xml_count(responses) != w->n)
        return; /* whose are they? No verdict is an unknown outcome, and an upsert does no harm twice */
    for (size_t i = 0; i < w->call->n; i++)
        if (w->ids[i].p)
            one_verdict(w, i, xml_at(responses, at++));
}

enum tl_rc netsuite__soap_upsert(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct work w = {.call = call, .conf = call->operation, .u = call->prepared};
    struct netsuite_soap request = {.action = "upsertList", .timeout_ms = w.conf->timeout_ms};
    struct netsuite_refusal no;
    enum tl_rc rc;

    w.ids = tl_arena_zalloc(call->arena, (call->n + 1) * sizeof *w.ids);
    if (!w.ids)
        return tl_fail(err, TL_LIMIT, "the records need more memory than a call may have");
    for (size_t i = 0; i < call->n; i++)
        key_of(task, &w, i);
    if (w.n == 0) {
        call->not_sent = true;
        return TL_OK;
    }
    task_on_main_stack(task, make_body, &w);
    request.body = w.body;
    rc = netsuite__soap(task, call, &request, &w.reply, &no, err);
    if (rc != TL_OK)
        return rc;
    if (no.rc != TL_OK)
        all_refused(&w, &no);
    else
        judge(&w);
    return TL_OK;
}
