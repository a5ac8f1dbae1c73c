/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hook.c - a webhook from its request to its answer.
 * Order: handshake, signature, body, key and order, ledger; the 2xx comes after the commit. What is refused before the
 * ledger is the sender's to mend; what is verified is ours to keep, even if it does not parse.
 */
#include "flow/flow_int.h"
#include "http/codec.h"

struct hook {
    struct flow *f;
    struct http_req *req;
    struct webhook_request wr;
    struct webhook_verdict verdict;
    struct webhook_answer answer;
    bool answered, refused, unparsed, coded; /* coded: refused for its Content-Encoding */
    enum webhook_body_kind kind;
    struct json body;
    struct queue_put put, *many; /* many: a request of several events; NULL: one */
    size_t n_many;
    struct tl_err dead, no_key, *err; /* no_key: why an event has no key or order of the flow's own */
    struct mapping_turn *turn;
    enum tl_rc rc;
    int64_t now_ms;
    struct flow_times times;
};

/* From the stored text, as every attempt will see it: there a header that is not UTF-8 has U+FFFD in its place. */
static enum tl_rc eval_keys(struct hook *h, struct queue_put *put, struct json body)
{
    const struct flow *f = h->f;
    struct flow_event event = {.received_ms = h->now_ms};
    struct json envelope, meta;
    enum tl_rc rc;

    if (!f->key && !f->order_by)
        return TL_OK;
    rc = json_parse(h->req->arena, put->meta, 0, NULL, &meta, h->err);
    if (rc != TL_OK)
        return rc;
    envelope = flow__envelope(h->req->arena, f->name, meta, body, JSON_NOTHING, &event);
    flow__own_keys(f, h->req->arena, envelope, h->turn, put, &h->no_key);
    return TL_OK;
}

static void take_key(const struct hook *h, struct queue_put *put, struct tl_sv delivery_id)
{
    if (!h->f->key && !h->f->no_key && delivery_id.n)
        put->key = delivery_id;
    if (put->key.n == 0)
        put->key = TL_SV_NULL;
}

enum { CE_ATTRIBUTES = 1 << 17 }; /* of headers, at most */

/* One of several events: its body is what the scheme made of its part of the request. */
static enum tl_rc examine_part(struct hook *h, const struct webhook_event *e, struct queue_put *put)
{
    struct tl_arena *a = h->req->arena;
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    enum tl_rc rc;

    tl_buf_init(&b, 6 * h->req->body.n + CE_ATTRIBUTES); /* each byte of a text may become \u0000 */
    *put = (struct queue_put){.flow = h->f->id, .source = tl_sv_str(h->f->name), .body = e->raw};
    if (!e->raw.n)
        put->body = json_write(&b, e->body, 0) ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV_NULL;
    if (!put->body.p)
        return tl_fail(h->err, TL_LIMIT, "the request needs more memory than it may have");
    h->verdict.delivery_id = e->delivery_id;
    h->verdict.event_type = e->event_type;
    rc = flow__meta_write(a, h->req, WEBHOOK_JSON, &h->verdict, h->f->verifier, &put->meta, h->err);
    if (rc == TL_OK && !e->fault)
        rc = eval_keys(h, put, e->body);
    if (e->fault) {
        (void)tl_fail(&h->dead, TL_PARSE, "%s", e->fault); /* in binary mode it is the only event */
        put->dead = &h->dead;
    }
    take_key(h, put, e->delivery_id);
    return rc;
}

static void examine_many(struct hook *h)
{
    struct tl_arena *a = h->req->arena;
    struct webhook_event *events;

    if (!webhook_events(h->f->verifier, a, &h->wr, &h->verdict, &events, &h->n_many)) {
        h->refused = true;
        return;
    }
    h->many = tl_arena_zalloc(a, (h->n_many + 1) * sizeof *h->many);
    if (!h->many)
        h->rc = tl_fail(h->err, TL_LIMIT, "the request needs more memory than it may have");
    for (size_t i = 0; h->rc == TL_OK && i < h->n_many; i++)
        h->rc = examine_part(h, &events[i], &h->many[i]);
}

/* RFC 9110 8.4: what a proof covers, and a mapping reads, is the content itself. Nobody here undoes a coding (a small
 * body could become a huge one), and the sender can leave it out. */
static bool is_coded(const struct http_req *req)
{
    for (size_t i = 0; i < req->headers->n; i++) {
        struct tl_sv rest = req->headers->v[i].value, coding;

        if (!tl_sv_eqi(req->headers->v[i].name, TL_SV("content-encoding")))
            continue;
        while (rest.n && tl_sv_cut(&rest, ',', &coding))
            if (!tl_sv_eqi(tl_sv_trim(coding), TL_SV("identity")))
                return true;
    }
    return false;
}

static void refuse_coding(struct hook *h)
{
    h->refused = h->coded = true;
    h->verdict = (struct webhook_verdict){
        .status = 415, .reason = "the body has a Content-Encoding: send it without", .why = "Content-Encoding"};
}

/* None, whatever its type would be: no malformed one. Where a method is there to bring one, a sender that names a type
 * and sends nothing of it has a fault, and is told so by a dead event. */
static bool may_lack_body(struct tl_sv method)
{
    return tl_sv_eqs(method, "GET") || tl_sv_eqs(method, "DELETE");
}

/* Everything between the request and the ledger that is pure. */
static void examine(struct hook *h)
{
    const struct flow *f = h->f;
    struct tl_arena *a = h->req->arena;

    h->verdict = (struct webhook_verdict){.ok = true};
    if (f->verifier && webhook_handshake(f->verifier, a, &h->wr, h->now_ms, &h->answer)) {
        h->answered = true;
        return;
    }
    if (!http_methods_have(webhook_methods(f->verifier), h->req->method_text)) {
        h->answer = (struct webhook_answer){
            .status = 405, .headers = {{TL_SV("Allow"), webhook_methods(f->verifier)}}, .n_headers = 1};
        h->answered = true;
        return;
    }
    if (is_coded(h->req)) {
        refuse_coding(h);
        return;
    }
    if (f->verifier) {
        webhook_verify(f->verifier, a, &h->wr, h->now_ms, &h->verdict);
        if (!h->verdict.ok) {
            h->refused = true;
            return;
        }
    }
    if (webhook_is_many(f->verifier, &h->wr)) {
        examine_many(h);
        return;
    }
    h->kind = webhook_body_kind(http_req_header(h->req, "content-type"), h->req->body);
    if (h->kind == WEBHOOK_XML && ((const struct flow_webhook_conf *)f->conf->from.conf)->xml == FLOW_XML_TEXT)
        h->kind = WEBHOOK_RAW;
    if (h->req->body.n == 0 && h->kind != WEBHOOK_FORM && may_lack_body(h->req->method_text))
        h->kind = WEBHOOK_RAW;
    if (webhook_body_parse(a, h->kind, h->req->body, &h->body, &h->dead) != TL_OK)
        h->unparsed = true;
    if (f->verifier && (!h->unparsed || webhook_proof_is_body(f->verifier))) { /* what does not parse proves nothing */
        if (!webhook_verify_body(f->verifier, h->body, &h->verdict)) {
            h->refused = true;
            return;
        }
        if (webhook_handshake_body(f->verifier, a, h->body, &h->answer)) {
            h->answered = true;
            return;
        }
        webhook_identify(f->verifier, a, h->body, &h->verdict);
    }
    h->rc = flow__meta_write(a, h->req, h->kind, &h->verdict, f->verifier, &h->put.meta, h->err);
    if (h->rc == TL_OK && !h->unparsed)
        h->rc = eval_keys(h, &h->put, h->body);
    h->put.same = h->verdict.same_body;
    take_key(h, &h->put, h->verdict.delivery_id);
}

struct examination {
    struct hook *h;
    const struct hook begin; /* for a second time */
};
static void examine_once(void *arg, struct mapping_turn *turn)
{
    struct examination *x = arg;

    *x->h = x->begin;
    x->h->turn = turn;
    examine(x->h);
}

static void give_answer(const struct webhook_answer *a, struct http_res *res)
{
    struct tl_err ignored;

    http_res_set(res, a->status, a->content_type, a->body);
    for (size_t i = 0; i < a->n_headers; i++)
        (void)http_res_header(res, a->headers[i].name, a->headers[i].value, &ignored);
}

static void give_refusal(const struct hook *h, struct http_res *res)
{
    const struct webhook_verdict *v = &h->verdict;

    if (h->coded) /* RFC 9110 12.5.3: what would be taken */
        (void)http_res_header_static(res, TL_SV("Accept-Encoding"), TL_SV("identity"), NULL);
    http_res_error(res, v->status ? v->status : 401,
                   h->coded  ? "unsupported"
                   : v->code ? v->code
                             : "not_verified",
                   v->sentence ? v->sentence : v->reason);
}

static char *event_text(const struct queue_put *put, struct http_res *res)
{
    char id[14];

    return tl_arena_printf(res->arena, "{\"id\":\"%s\",\"duplicate\":%s}", tl_id32_format(put->ret_event, id),
                           put->ret_duplicate ? "true" : "false");
}

/* {"events": [...]} in the order of the batch. */
static char *events_text(const struct hook *h, struct http_res *res)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16 << 20);
    (void)tl_buf_puts(&b, "{\"events\":[");
    for (size_t i = 0; i < h->n_many; i++)
        (void)tl_buf_printf(&b, "%s%s", i > 0 ? "," : "", event_text(&h->many[i], res));
    (void)tl_buf_puts(&b, "]}");
    return tl_arena_printf(res->arena, "%.*s", TL_SV_ARG(tl_buf_view(&b)));
}

static void give_event(const struct hook *h, struct http_res *res)
{
    const struct flow_webhook_conf *w = h->f->conf->from.conf;
    struct webhook_answer receipt;

    if (h->f->verifier && webhook_receipt(h->f->verifier, &receipt)) {
        give_answer(&receipt, res);
        return;
    }
    if (w->status == 204) {
        http_res_set(res, 204, NULL, TL_SV(""));
        return;
    }
    http_res_set(
        res, (int)w->status, "application/json",
        tl_sv_str(h->many && h->n_many != 1 ? events_text(h, res) : event_text(h->many ? h->many : &h->put, res)));
}

/* ---- keys of the sender ---- */
struct needing {
    struct hook *h;
    struct webhook_need need;
    bool needs;
};
static void look_for_need(void *arg)
{
    struct needing *n = arg;

    n->needs = webhook_need(n->h->f->verifier, n->h->req->arena, &n->h->wr, &n->need);
}

/* False: the keys cannot be had now, and the sender was told to come again. */
static bool get_keys(struct task *task, struct hook *h, struct http_res *res, struct flow_material *m)
{
    struct needing n = {.h = h};
    struct tl_err err = {0};

    if (!h->f->verifier)
        return true;
    task_on_main_stack(task, look_for_need, &n);
    if (!n.needs)
        return true;
    if (flow__fetch_keys(h->f, task, &n.need, m, &err) != TL_OK) {
        flow__log_no_keys(h->f, err.text);
        http_res_error(res, 503, "not_ready", "the keys that prove this sender cannot be had now; send again later");
        (void)http_res_header_static(res, TL_SV("Retry-After"), TL_SV("10"), &err);
        return false;
    }
    h->wr.material = (struct webhook_material){m->keys, flow__material_cert(m)};
    return true;
}

/* SNS: the address was signed and is Amazon's; only after it was asked is the subscription ours. */
static enum tl_rc confirm(struct task *task, struct hook *h, struct http_res *res, struct tl_err *err)
{
    const struct http_request_out req = {.url = h->verdict.confirm_url, .timeout_ms = 10000, .max_body = 64 << 10};
    struct http_reply reply;
    enum tl_rc rc = TL_OK;

    if (h->verdict.confirm_url.n) {
        rc = http_client_call(task, flow__client(h->f, task), &req, h->req->arena, &reply, err);
        if (rc == TL_OK && reply.status != 200)
            rc = tl_fail(err, TL_UPSTREAM, "HTTP %d", reply.status);
    }
    flow__log_subscription(h->f, h->verdict.event_type, rc, rc == TL_OK ? "" : err->text);
    if (rc == TL_OK)
        http_res_set(res, 200, "text/plain", TL_SV("ok\n"));
    return rc;
}

static void give_peer(struct hook *h, struct webhook_peer *peer)
{
    const struct http_tls_peer *p = h->req->tls_peer;

    if (!p)
        return;
    *peer = (struct webhook_peer){.subject = p->subject, .common_name = p->common_name, .san = p->san};
    memcpy(peer->sha256, p->sha256, sizeof peer->sha256);
    h->wr.peer = peer;
}

/* On disk when it returns: one event, or all of a request in one transaction. */
static enum tl_rc store(struct task *task, struct hook *h, struct tl_err *err)
{
    struct flow *f = h->f;
    struct queue_put *puts = h->many ? h->many : &h->put;
    size_t n = h->many ? h->n_many : 1;
    struct queue_emit all = {.puts = puts, .n = n};

    for (size_t i = 0; h->rc == TL_OK && i < n; i++)
        h->rc = flow__upload(f, task, &puts[i], err);
    if (h->rc == TL_OK && n > 0)
        h->rc = h->many ? queue_emit(flow__queue(f), task, &all, err) : queue_put(flow__queue(f), task, puts, err);
    for (size_t i = 0; i < n; i++)
        flow__upload_end(f, &puts[i], h->rc);
    if (h->rc != TL_OK)
        return h->rc;
    h->times.committed = async_loop_now(task_loop(task));
    flow__told_no_key(f, &h->no_key, puts, n);
    for (size_t i = 0; i < n; i++) {
        flow__received(f, &puts[i]);
        flow__log_received(f, h->req, &puts[i]);
    }
    return TL_OK;
}

static enum tl_rc answer_with(struct task *task, struct http_req *req, struct http_res *res, struct flow *f,
                              uint64_t began, struct flow_material *m, struct tl_err *err)
{
    struct hook h = {.f = f, .req = req, .err = err, .times.began = began};
    struct webhook_header *headers = tl_arena_alloc(req->arena, (req->headers->n + 1) * sizeof *headers);
    struct webhook_peer peer;
    enum tl_rc rc;

    if (f->waits) {
        flow__log_waits(f);
        http_res_error(res, 503, "not_ready", "the secret that proves this sender is not here yet; send again later");
        return http_res_header_static(res, TL_SV("Retry-After"), TL_SV("10"), err);
    }

    if (!headers)
        return tl_fail(err, TL_LIMIT, "the request needs more memory than it may have");
    h.wr = (struct webhook_request){
        .method = req->method_text, .target = req->target, .headers = headers, .body = req->body};
    for (size_t i = 0; i < req->headers->n; i++) /* as many as server.limits lets in */
        headers[h.wr.n_headers++] = (struct webhook_header){req->headers->v[i].name, req->headers->v[i].value};
    give_peer(&h, &peer);
    if (!get_keys(task, &h, res, m))
        return TL_OK;
    h.now_ms = tl_clock_wall_ms(flow__clock(f));
    h.put = (struct queue_put){.flow = f->id, .source = tl_sv_str(f->name), .body = req->body};
    rc = mapping_run(task, req->body.n > FLOW_LARGE_BODY, examine_once, &(struct examination){&h, h}, err);
    if (rc != TL_OK)
        return rc;
    if (h.answered) {
        if (h.answer.refused)
            flow__refused(f, req, &(struct webhook_verdict){.reason = h.answer.refused, .why = "handshake"});
        give_answer(&h.answer, res);
        return TL_OK;
    }
    if (h.refused) {
        flow__refused(f, req, &h.verdict);
        give_refusal(&h, res);
        return TL_OK;
    }
    if (h.rc != TL_OK)
        return h.rc;
    if (h.verdict.no_event)
        return confirm(task, &h, res, err);
    if (h.unparsed)
        h.put.dead = &h.dead;
    h.times.verified = async_loop_now(task_loop(task));
    if (store(task, &h, err) != TL_OK)
        return h.rc;
    give_event(&h, res);
    h.times.ended = async_loop_now(task_loop(task));
    for (size_t i = 0; i < (h.many ? h.n_many : 1); i++)
        flow__trace_received(f, req, h.many ? &h.many[i] : &h.put, res->status, &h.times);
    return TL_OK;
}

static enum tl_rc answer(struct task *task, struct http_req *req, struct http_res *res, struct flow *f, uint64_t began,
                         struct tl_err *err)
{
    struct flow_material m = {NULL, NULL};
    enum tl_rc rc = answer_with(task, req, res, f, began, &m, err);

    flow__material_done(&m);
    return rc;
}

enum tl_rc flow__hook(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct async_loop *loop = task_loop(task);
    uint64_t began = async_loop_now(loop);
    enum tl_rc rc = answer(task, req, res, arg, began, err);

    flow__hook_ended(arg, rc == TL_OK ? res->status : tl_rc_http(rc), (async_loop_now(loop) - began) / 1000);
    return rc;
}
