/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.c - post, put, patch and delete: one request a record or a batch, and what its reply says of each record.
 *
 * What decides about the record alone is a verdict; what says something about the connection (time-outs, 5xx, 429, 401)
 * is the result of the call.
 */
#include "http/httpc_int.h"

enum { BODY_MAX = 64 << 20, REPLY_MAX = 4 << 20 };

struct target {
    const char *method;
    struct httpc_address address;
    struct connector_expression *body, *success, *answer, *verdicts;
    bool no_body; /* delete without `body` */
};

/* ---- once a reload ---- */

void httpc__write_release(void *prepared)
{
    struct target *t = prepared;

    if (!t)
        return;
    httpc__address_done(&t->address);
    connector_expression_free(t->body);
    connector_expression_free(t->success);
    connector_expression_free(t->answer);
    connector_expression_free(t->verdicts);
    tl_free(t);
}

static void *compile(const char *method, const struct httpc_target *conf, struct config_errors *e)
{
    struct target *t = tl_zalloc(sizeof *t);

    t->method = method;
    t->no_body = strcmp(method, "DELETE") == 0 && !conf->body.text;
    httpc__address_compile(&t->address, &conf->path, &conf->headers, e);
    t->body = connector_expression_new(&conf->body, e);
    t->success = connector_expression_new(&conf->success, e);
    t->answer = connector_expression_new(&conf->answer, e);
    if (conf->batch) {
        t->verdicts = connector_expression_new(&conf->batch->verdicts, e);
        if (t->address.path && !t->address.constant)
            config_error(e, conf->path.at, "Move what differs into the body, or drop `batch`.",
                         "a batch is one request, so its path and headers cannot depend on a record");
    }
    return t;
}

void *httpc__post_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile("POST", operation, e);
}
void *httpc__put_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile("PUT", operation, e);
}
void *httpc__patch_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile("PATCH", operation, e);
}
void *httpc__delete_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile("DELETE", operation, e);
}

void httpc__facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct httpc_target *conf = operation;

    (void)connection;
    *ret = (struct connector_facilities){.batch_count = 1};
    if (conf->idempotent)
        ret->idempotency = CONNECTOR_IDEMPOTENT_UPSERT;
    else if (!conf->batch && *conf->idempotency_header)
        ret->idempotency = CONNECTOR_IDEMPOTENT_KEY;
    if (conf->batch) {
        ret->batch_count = (uint32_t)conf->batch->count;
        ret->batch_bytes = conf->batch->bytes;
    }
}

/* ---- the body ---- */

struct work {
    struct connector_call *call;
    const struct httpc_target *conf;
    const struct target *t;
    struct json *bodies; /* of the records that are sent */
    size_t *which;       /* their indices */
    size_t n;
    const char *content_type;
    struct tl_buf body;
    bool too_large;
};

static struct tl_sv kept_text(struct connector_call *call, const char *text)
{
    struct tl_sv s = tl_arena_sv(call->arena, tl_sv_str(text));

    return s.p ? s : TL_SV("");
}

static void fail_record(struct connector_call *call, size_t i, enum tl_rc rc, enum tl_class cls, const char *text)
{
    call->verdicts[i] = (struct connector_verdict){
        .end = CONNECTOR_FAILED, .rc = rc, .cls = cls, .status = call->status, .text = kept_text(call, text)};
}

/* The body of each record; one whose expression fails is left out, with its own verdict. */
static enum tl_rc make_bodies(struct task *task, struct work *w, struct tl_err *err)
{
    struct connector_call *call = w->call;

    w->bodies = tl_arena_alloc(call->arena, call->n * sizeof *w->bodies);
    w->which = tl_arena_alloc(call->arena, call->n * sizeof *w->which);
    if (!w->bodies || !w->which)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    for (size_t i = 0; i < call->n; i++) {
        struct json v = call->records[i].value;
        struct tl_err own = {0};

        if (w->t->body) {
            enum tl_rc rc = connector_expression_run(task, w->t->body, call, call->records[i].envelope, &v, &own);

            if (rc == TL_OK && v.type == JSON_UNDEFINED) /* a renamed member; nobody would look at an empty request */
                rc = tl_fail(&own, TL_INVALID, "it finds nothing in this event");
            if (rc == TL_OK && v.type == JSON_STRING && v.n == 0 && !w->conf->batch)
                v = JSON_NOTHING;
            if (rc != TL_OK) {
                fail_record(call, i, rc, TL_CLASS_NONE, tl_arena_printf(call->arena, "body: %s", own.text));
                continue;
            }
        }
        w->bodies[w->n] = w->t->no_body ? JSON_NOTHING : v;
        w->which[w->n++] = i;
    }
    return TL_OK;
}

static bool put_form(struct tl_buf *b, struct json v)
{
    for (uint32_t i = 0; i < v.n; i++) {
        struct json value = v.u.members[i].value;
        TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

        if (value.type == JSON_UNDEFINED || value.type == JSON_NULL)
            continue;
        tl_buf_init(&text, BODY_MAX);
        if (value.type == JSON_STRING ? !tl_buf_sv(&text, json_view(value)) : !json_write(&text, value, 0))
            return false;
        if (b->n > 0)
            tl_buf_putc(b, '&');
        tl_percent_encode(b, json_view(v.u.members[i].key));
        tl_buf_putc(b, '=');
        tl_percent_encode(b, tl_buf_view(&text));
    }
    return !b->failed;
}

static bool is_json(const char *content_type)
{
    struct tl_sv type = tl_sv_str(content_type);

    type = tl_sv_trim(tl_sv(type.p, tl_sv_find(type, ';')));
    return tl_sv_eqi(type, TL_SV("application/json")) || tl_sv_ends(type, TL_SV("+json"));
}

static void put_one(struct work *w, struct json v)
{
    bool form = tl_sv_starts_i(tl_sv_str(w->content_type), TL_SV("application/x-www-form-urlencoded"));

    if (v.type == JSON_UNDEFINED)
        return;
    if (form && v.type == JSON_OBJECT)
        w->too_large = !put_form(&w->body, v);
    else if (v.type == JSON_STRING && !is_json(w->content_type))
        w->too_large = !tl_buf_sv(&w->body, json_view(v));
    else
        w->too_large = !json_write(&w->body, v, 0);
}

static void write_body(void *arg)
{
    struct work *w = arg;
    bool lines = w->conf->batch && w->conf->batch->as == HTTPC_NDJSON;

    if (!w->conf->batch) {
        put_one(w, w->bodies[0]);
        return;
    }
    for (size_t i = 0; i < w->n && !w->too_large; i++) {
        struct json v = w->bodies[i].type == JSON_UNDEFINED ? json_null() : w->bodies[i];

        if (!lines)
            tl_buf_putc(&w->body, i == 0 ? '[' : ',');
        w->too_large = !json_write(&w->body, v, 0);
        if (lines)
            tl_buf_putc(&w->body, '\n');
    }
    if (!lines)
        tl_buf_putc(&w->body, ']');
    w->too_large |= w->body.failed;
}

/* ---- the reply ---- */

static void fail_all(struct work *w, enum tl_rc rc, enum tl_class cls, const char *text)
{
    for (size_t i = 0; i < w->n; i++) {
        fail_record(w->call, w->which[i], rc, cls, text);
        /* Which of several is the bad one? In half the company it will be found. */
        if (w->n > 1 && (cls == TL_CLASS_NONE ? tl_rc_class(rc) : cls) == TL_CLASS_DATA)
            w->call->verdicts[w->which[i]].end = CONNECTOR_INNOCENT;
    }
}

static struct tl_sv usual_answer(const struct http_reply *reply, struct tl_arena *a, struct json doc)
{
    struct json id = json_gets(json_gets(doc, "body"), "id");
    struct tl_sv location = http_header_get(&reply->headers, "location");

    if (id.type == JSON_STRING || json_is_number(id))
        return httpc__kept(a, id);
    return location;
}

static void judge_one(struct work *w, size_t i, struct json v)
{
    struct connector_call *call = w->call;
    struct connector_verdict *out = &call->verdicts[w->which[i]];
    bool again = connector_truth(json_gets(v, "retry"));
    struct tl_sv text;

    if (v.type != JSON_OBJECT)
        return; /* no verdict: an unknown outcome */
    if (connector_truth(json_gets(v, "ok"))) {
        *out = (struct connector_verdict){
            .end = CONNECTOR_DONE, .status = call->status, .answer = httpc__kept(call->arena, json_gets(v, "id"))};
        return;
    }
    text = connector_mask(call, httpc__kept(call->arena, json_gets(v, "error")));
    *out = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                      .rc = again ? TL_CONFLICT : TL_INVALID,
                                      .status = call->status,
                                      .text = text.n > 0 ? text : TL_SV("the target refused this record of the batch")};
}

static enum tl_rc judge_each(struct task *task, struct work *w, struct json doc, struct tl_err *err)
{
    struct json v;
    struct tl_err failed = {0};

    if (connector_expression_run(task, w->t->verdicts, w->call, doc, &v, &failed) != TL_OK)
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "`verdicts` failed on the reply: %.300s", failed.text);
    if (v.type != JSON_ARRAY)
        judge_one(w, 0, v); /* JSONata makes one of a list of one */
    for (size_t i = 0; v.type == JSON_ARRAY && i < v.n && i < w->n; i++)
        judge_one(w, i, v.u.items[i]);
    return TL_OK;
}

/* The target has the record, but a step goes on with the answer. */
static enum tl_rc no_answer(const struct work *w, const struct http_reply *reply, const struct tl_err *broken,
                            struct tl_err *err)
{
    return tl_fail(err, TL_UNKNOWN_OUTCOME,
                   "%s %.100s: HTTP %d, but the answer %s. If it does not matter, say what does: `answer: status`, or "
                   "`answer: body` for its text",
                   w->t->method, w->t->address.text, reply->status, broken->text);
}

/* broken: why the answer is not what it says it is. Where `success` holds, the answer was understood. */
static enum tl_rc accept_all(struct task *task, struct work *w, const struct http_reply *reply, struct json doc,
                             const struct tl_err *broken, struct tl_err *err)
{
    bool must_read = w->call->input.type != JSON_UNDEFINED && broken->rc == TL_PARSE && !w->t->success;
    struct tl_sv answer = TL_SV_NULL;

    if (w->t->answer && w->n == 1) {
        struct json v = JSON_NOTHING;
        struct tl_err ignored = {0};

        /* The target has the record; that its id is not where we look changes nothing about that. */
        if (connector_expression_run(task, w->t->answer, w->call, doc, &v, &ignored) == TL_OK)
            answer = httpc__kept(w->call->arena, v);
        if (must_read && v.type == JSON_UNDEFINED)
            return no_answer(w, reply, broken, err);
        w->call->output = v;
    } else if (must_read) {
        return no_answer(w, reply, broken, err);
    } else if (w->n == 1) {
        answer = usual_answer(reply, w->call->arena, doc);
        w->call->output = json_gets(doc, "body");
    }
    for (size_t i = 0; i < w->n; i++)
        w->call->verdicts[w->which[i]] =
            (struct connector_verdict){.end = CONNECTOR_DONE, .status = w->call->status, .answer = answer};
    return TL_OK;
}

static enum tl_rc judge(struct task *task, struct work *w, const struct http_reply *reply, struct tl_err *err)
{
    struct connector_call *call = w->call;
    struct tl_err own = {0}, broken = {0};
    enum tl_rc rc = connector_classify(call, reply, &own);
    struct json doc = httpc__reply_doc(task, call->arena, reply, JSON_NOTHING, &broken), v;
    bool ok = reply->status >= 200 && reply->status < 300, usual = ok;

    if (w->t->success) {
        struct tl_err failed = {0};

        ok = connector_expression_run(task, w->t->success, call, doc, &v, &failed) == TL_OK && connector_truth(v);
        if (failed.rc != TL_OK && usual)
            return tl_fail(err, TL_UNKNOWN_OUTCOME, "`success` failed on the reply: %.300s", failed.text);
    }
    if (ok)
        return w->t->verdicts ? judge_each(task, w, doc, err) : accept_all(task, w, reply, doc, &broken, err);
    if (usual) {
        struct tl_sv words = connector_reply_text(call, reply);

        fail_all(w, TL_INVALID, TL_CLASS_NONE,
                 tl_arena_printf(call->arena, "HTTP %d, but `success` does not hold: %.*s", reply->status,
                                 TL_SV_ARG(words)));
        return TL_OK;
    }
    if (httpc__has_status(&w->conf->reject, reply->status))
        rc = own.rc = TL_INVALID;
    if (rc != TL_OK && httpc__is_of_record(rc, reply)) {
        fail_all(w, rc, TL_CLASS_DATA, own.text);
        return TL_OK;
    }
    if (rc == TL_OK) /* 304: nothing of ours asks for it */
        rc = tl_fail(&own, TL_CONFIG, "HTTP %d", reply->status);
    if (err)
        *err = own;
    return rc;
}

/* The call did not bring a whole reply. */
static enum tl_rc broken(struct work *w, enum tl_rc rc, const struct http_reply *reply, struct tl_err *err)
{
    bool accepted = reply->status >= 200 && reply->status < 300;

    if (rc == TL_UPSTREAM && reply->sent)
        rc = TL_UNKNOWN_OUTCOME;
    if (rc == TL_LIMIT && accepted) { /* the reply is too long to keep, but its status came */
        if (!w->t->success && !w->t->verdicts) {
            for (size_t i = 0; i < w->n; i++)
                w->call->verdicts[w->which[i]] =
                    (struct connector_verdict){.end = CONNECTOR_DONE, .status = w->call->status};
            return TL_OK;
        }
        rc = TL_UNKNOWN_OUTCOME;
    }
    if (rc == TL_LIMIT && reply->status != 0)
        rc = http_status_rc(reply->status);
    if (err)
        err->rc = rc;
    return rc;
}

/* ---- one call ---- */

static enum tl_rc fill(struct task *task, struct work *w, struct httpc_request *r, bool *ret_of_record,
                       struct tl_err *err)
{
    const struct httpc_target *conf = w->conf;
    const struct connector_record *first = &w->call->records[w->which[0]];
    enum tl_rc rc;

    r->out.method = tl_sv_str(w->t->method);
    r->out.body = tl_buf_view(&w->body);
    r->out.idempotent = conf->idempotent;
    r->out.max_body = REPLY_MAX;
    rc = httpc__request(task, w->call, &w->t->address, first->envelope, conf->timeout_ms, r, ret_of_record, err);
    if (rc == TL_OK && w->body.n > 0)
        rc = httpc__header(r, TL_SV("Content-Type"), tl_sv_str(w->content_type), err);
    if (rc == TL_OK && !conf->batch && *conf->idempotency_header && first->key.n > 0)
        rc = httpc__header(r, tl_sv_str(conf->idempotency_header), first->key, err);
    return rc;
}

static enum tl_rc send_it(struct task *task, struct work *w, struct tl_err *err)
{
    struct httpc_request *r = tl_arena_zalloc(w->call->arena, sizeof *r);
    struct http_reply reply;
    bool of_record = false;
    enum tl_rc rc;

    if (!r)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    task_on_main_stack(task, write_body, w);
    if (w->too_large) {
        w->call->not_sent = true;
        fail_all(w, TL_LIMIT, TL_CLASS_NONE, "the body is larger than 64 MB");
        return TL_OK;
    }
    rc = fill(task, w, r, &of_record, err);
    if (rc != TL_OK) {
        w->call->not_sent = true;
        if (!of_record)
            return rc;
        fail_all(w, rc, TL_CLASS_NONE, err ? err->text : "");
        return TL_OK;
    }
    rc = connector_http(task, w->call, &r->out, &reply, err);
    return rc == TL_OK ? judge(task, w, &reply, err) : broken(w, rc, &reply, err);
}

enum tl_rc httpc__write(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct work w = {.call = call, .conf = call->operation, .t = call->prepared};
    enum tl_rc rc;

    assert(call->n == 1 || w.conf->batch);
    w.content_type = w.conf->content_type                                 ? w.conf->content_type
                     : w.conf->batch && w.conf->batch->as == HTTPC_NDJSON ? "application/x-ndjson"
                                                                          : "application/json";
    rc = make_bodies(task, &w, err);
    if (rc != TL_OK || w.n == 0) {
        call->not_sent = true;
        return rc;
    }
    tl_buf_init(&w.body, BODY_MAX);
    rc = send_it(task, &w, err);
    tl_buf_done(&w.body);
    return rc;
}
