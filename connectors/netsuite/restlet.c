/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restlet.c - records to a script in the account: one a request to any script, or in batches to the script that comes
 * with this connector (suitescript/tieline_restlet.js), which says of each record what became of it.
 */
#include "netsuite/netsuite_int.h"

struct restlet {
    char *path;
};

void *netsuite__restlet_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_connection *c = connection;
    const struct netsuite_restlet *conf = operation;
    struct restlet *r = tl_zalloc(sizeof *r);
    struct tl_buf b;

    (void)e;
    tl_buf_init(&b, 4096);
    (void)tl_buf_printf(&b, "%s/app/site/hosting/restlet.nl?script=", c->restlets);
    (void)tl_percent_encode(&b, tl_sv_str(conf->script));
    (void)tl_buf_puts(&b, "&deploy=");
    (void)tl_percent_encode(&b, tl_sv_str(conf->deploy));
    r->path = tl_strdup(b.p ? b.p : "");
    tl_buf_done(&b);
    return r;
}

void netsuite__restlet_release(void *prepared)
{
    struct restlet *r = prepared;

    if (!r)
        return;
    tl_free(r->path);
    tl_free(r);
}

void netsuite__restlet_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct netsuite_restlet *conf = operation;

    (void)connection;
    *ret = (struct connector_facilities){
        .batch_count = conf->batch > 0 ? (uint32_t)conf->batch : 1,
        .batch_bytes = 8 << 20, /* a RESTlet takes 10 MB */
        .idempotency = conf->batch > 0 || conf->idempotent ? CONNECTOR_IDEMPOTENT_UPSERT : CONNECTOR_IDEMPOTENT_NONE};
}

static struct json body_of(struct connector_call *call, bool batch)
{
    struct json_builder b, list;

    if (!batch)
        return call->records[0].value;
    json_array_begin(&list, call->arena, call->n);
    for (size_t i = 0; i < call->n; i++)
        (void)json_push(&list, call->records[i].value);
    json_object_begin(&b, call->arena, 1);
    (void)json_adds(&b, "records", json_end(&list));
    return json_end(&b);
}

static void one_result(struct connector_call *call, size_t i, struct json v)
{
    struct connector_verdict *out = &call->verdicts[i];
    struct netsuite_refusal r;

    if (connector_truth(json_gets(v, "ok"))) {
        *out = (struct connector_verdict){
            .end = CONNECTOR_DONE, .status = call->status, .answer = netsuite__text(call->arena, json_gets(v, "id"))};
        return;
    }
    if (v.type != JSON_OBJECT)
        return; /* no verdict: an unknown outcome */
    r = netsuite__judge_code(call, json_text(json_gets(v, "code"), TL_SV("")),
                             json_text(json_gets(v, "message"), TL_SV("")));
    *out = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                      .rc = connector_truth(json_gets(v, "retry")) ? TL_CONFLICT : r.rc,
                                      .cls = r.rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                                      .status = call->status,
                                      .text = r.text};
}

static void judge_reply(struct task *task, struct connector_call *call, const struct http_reply *reply, bool batch)
{
    struct json v = netsuite__parsed(task, call, reply);
    struct json results = json_gets(v, "results");

    if (!batch) {
        call->verdicts[0] = (struct connector_verdict){
            .end = CONNECTOR_DONE, .status = call->status, .answer = netsuite__text(call->arena, json_gets(v, "id"))};
        return;
    }
    for (size_t i = 0; results.type == JSON_ARRAY && i < call->n && i < results.n; i++)
        one_result(call, i, results.u.items[i]);
}

enum tl_rc netsuite__restlet(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct netsuite_restlet *conf = call->operation;
    const struct restlet *r = call->prepared;
    bool batch = conf->batch > 0, repeatable = batch || conf->idempotent;
    const struct netsuite_request req = {.method = "POST",
                                         .path = tl_sv_str(r->path),
                                         .body = body_of(call, batch),
                                         .endpoint = "/app/site/hosting/restlet.nl",
                                         .idempotent = repeatable,
                                         .timeout_ms = conf->timeout_ms};
    struct http_reply reply;
    struct netsuite_refusal no;
    enum tl_rc rc = netsuite__send(task, call, &req, &reply, err);

    if (rc != TL_OK) {
        if (rc == TL_UPSTREAM && reply.sent && err)
            err->rc = TL_UNKNOWN_OUTCOME;
        return rc == TL_UPSTREAM && reply.sent ? TL_UNKNOWN_OUTCOME : rc;
    }
    no = netsuite__judge(task, call, &reply, repeatable);
    if (no.rc == TL_OK) {
        judge_reply(task, call, &reply, batch);
        return TL_OK;
    }
    if (!no.of_record)
        return netsuite__fail(&no, err);
    for (size_t i = 0; i < call->n; i++) /* which of several is the bad one? In half the company it will be found */
        call->verdicts[i] = (struct connector_verdict){
            .end = call->n > 1 && tl_rc_class(no.rc) == TL_CLASS_DATA ? CONNECTOR_INNOCENT : CONNECTOR_FAILED,
            .rc = no.rc,
            .cls = no.rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
            .status = call->status,
            .text = no.text};
    return TL_OK;
}
