/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - what a connector may ask of the host: HTTP with authentication, the ledger's ports, worker threads, secrets.
 * One struct connector_host a connection and loop, so nothing here is shared between threads.
 */
#include "connector/connector_int.h"

enum {
    TICKET_MAX = 256 << 10, /* as the ledger's */
    SECRET_MAX = 64 << 10,
    REPLY_DEFAULT = 10 << 20,
    REPLY_MAX = 64 << 20, /* held in the arena; larger ones go to a sink */
    BODY_MAX = 64 << 20   /* of a request that is made with a passport */
};

struct connector_host *connector_host_new(const struct connector_host_options *options)
{
    struct connector_host *h = tl_zalloc(sizeof *h);

    h->opt = *options;
    h->name = tl_strdup(options->name ? options->name : "");
    return h;
}

void connector_host_free(struct connector_host *h)
{
    if (!h)
        return;
    tl_free(h->name);
    tl_free(h);
}

const char *connector_host_name(const struct connector_host *h)
{
    return h->name;
}

int64_t connector_host_skew_ms(const struct connector_host *h)
{
    return h->skew_ms;
}

const struct tl_clock *connector_clock(const struct connector_host *h)
{
    return h && h->opt.clock ? h->opt.clock : tl_clock_system();
}

void connector_call_begin(struct connector_call *call, struct connector_host *h, const struct connector_ledger *ledger)
{
    call->host = h;
    call->ledger = ledger;
    call->view = tl_arena_must(call->arena, sizeof *call->view);
    *call->view = (struct connector_view){0};
}

/* ---- HTTP ---- */

static bool has_header(const struct http_request_out *out, const char *name)
{
    for (size_t i = 0; i < out->n_headers; i++) {
        if (tl_sv_eqi(out->headers[i].name, tl_sv_str(name)))
            return true;
    }
    return false;
}

/* What the event brought along goes on with each call that carries this one event; a batch is many traces, so it has
 * none. A header that the configuration sets itself stays as it is. */
static enum tl_rc add_trace(struct connector_call *call, struct http_request_out *out, struct connector_exchange *x,
                            struct tl_err *err)
{
    struct json headers;
    struct connector_trace *t;
    struct http_header *all;

    if (call->n != 1 || !call->records)
        return TL_OK;
    headers = json_gets(call->records[0].envelope, "headers");
    t = tl_arena_alloc(call->arena, sizeof *t);
    all = tl_arena_alloc(call->arena, (out->n_headers + 3) * sizeof *all);
    if (!t || !all)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    connector_trace_of(json_text(json_gets(headers, "traceparent"), TL_SV_NULL),
                       json_text(json_gets(headers, "tracestate"), TL_SV_NULL),
                       json_text(json_gets(headers, "x-request-id"), TL_SV_NULL), call->records[0].event,
                       call->records[0].origin, t);
    x->trace = tl_sv_str(t->id);
    x->request_id = tl_sv_str(t->request_id);
    if (out->n_headers > 0)
        memcpy(all, out->headers, out->n_headers * sizeof *all);
    if (!has_header(out, "traceparent")) {
        /* 3.2.2: version, trace-id, parent-id (this call), flags */
        char *parent;

        x->span = tl_random_u64() | 1;
        parent = tl_arena_printf(call->arena, "00-%s-%016llx-%s", t->id, (unsigned long long)x->span, t->flags);

        all[out->n_headers++] = (struct http_header){TL_SV("traceparent"), tl_sv_str(parent)};
        if (t->state.p)
            all[out->n_headers++] = (struct http_header){TL_SV("tracestate"), t->state};
    }
    out->headers = all;
    if (!has_header(out, "x-request-id"))
        all[out->n_headers++] = (struct http_header){TL_SV("x-request-id"), x->request_id};
    return TL_OK;
}

static bool has_pair(struct tl_sv query, struct tl_sv name, struct tl_sv value)
{
    struct http_query_iter it = http_query_iter(query);
    struct tl_sv n, v;

    while (http_query_next(&it, &n, &v))
        if (tl_sv_eq(n, name) && tl_sv_eq(v, value))
            return true;
    return false;
}

/* As it is sent and as it is meant. */
static void hide_both(struct connector_call *call, struct tl_sv value)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf plain = {0};

    connector__hide(call, value);
    tl_buf_init(&plain, value.n + 1);
    if (tl_percent_decode(&plain, value, true) && !tl_sv_eq(tl_buf_view(&plain), value))
        connector__hide(call, tl_arena_sv(call->arena, tl_buf_view(&plain)));
}

/* The parts of OAuth realm="...", oauth_signature="...": whoever repeats them may have put them into other quotes. */
static void hide_quoted(struct connector_call *call, struct tl_sv value)
{
    enum { LONG = 16 }; /* signatures are; names and versions are not */
    struct tl_sv part;

    for (bool inside = false; value.n > 0 && tl_sv_cut(&value, '"', &part); inside = !inside) {
        if (inside && part.n >= LONG)
            hide_both(call, part);
    }
}

/* A key in the query. */
static void hide_query(struct connector_call *call, struct tl_sv before, struct tl_sv after)
{
    struct tl_sv old = tl_sv_from(before, tl_sv_find(before, '?') + 1), name, value;
    struct http_query_iter it = http_query_iter(tl_sv_from(after, tl_sv_find(after, '?') + 1));

    while (http_query_next(&it, &name, &value)) {
        if (!has_pair(old, name, value))
            hide_both(call, value);
    }
}

static bool is_plain(const struct connector_view *v, struct tl_sv value)
{
    for (size_t i = 0; i < v->n_plain; i++)
        if (tl_sv_eq(v->plain[i], value))
            return true;
    return false;
}

/* What authentication added is a secret, unless it says that it is none: "Bearer x" as a whole and x alone. An id that
 * the other side repeats may be the record's from then on. */
static void hide_added(struct connector_call *call, const struct http_request_out *before,
                       const struct http_request_out *after)
{
    for (size_t i = 0; i < after->n_headers; i++) {
        const struct http_header *h = &after->headers[i];
        bool old = false;

        for (size_t k = 0; k < before->n_headers && !old; k++)
            old = tl_sv_eqi(before->headers[k].name, h->name) && tl_sv_eq(before->headers[k].value, h->value);
        if (old || is_plain(call->view, h->value))
            continue;
        connector__hide(call, h->value);
        connector__hide(call, tl_sv_from(h->value, tl_sv_find(h->value, ' ') + 1));
        hide_quoted(call, h->value);
    }
    hide_query(call, before->url, after->url);
}

enum tl_rc connector__authenticate(struct task *task, struct connector_call *call, struct http_request_out *out,
                                   struct tl_err *err)
{
    struct connector_auth *auth = call->host->opt.auth;
    struct http_request_out before = *out;
    enum tl_rc rc;

    if (!auth)
        return TL_OK;
    call->view->n_plain = 0;
    rc = auth->apply(auth, task, call, out, err);
    if (rc == TL_OK)
        hide_added(call, &before, out);
    return rc;
}

static void note(struct connector_call *call, const struct http_reply *reply)
{
    struct tl_sv date = http_header_get(&reply->headers, "date");
    int64_t theirs;

    call->status = (uint32_t)reply->status;
    call->latency_us += reply->total_us;
    call->view->sent |= reply->sent;
    call->not_sent = !call->view->sent;
    if (date.p && tl_http_date_parse(date, &theirs)) {
        int64_t skew = theirs - tl_clock_wall_ms(connector_clock(call->host));

        /* a Date has whole seconds: a smaller difference says nothing */
        call->host->skew_ms = skew > -2000 && skew < 2000 ? 0 : skew;
    }
}

/* sent: the address that it went to, of which only the host is told: the rest may hold a key. */
static void observe(struct connector_call *call, struct connector_exchange *x, const struct http_request_out *req,
                    struct tl_sv sent, const struct http_reply *reply, enum tl_rc rc, const struct tl_err *err)
{
    const struct connector_host_options *o = &call->host->opt;
    size_t from = tl_sv_find(sent, '/') + 2; /* behind "https://" */

    if (!o->observe)
        return;
    x->connection = call->host->name;
    x->request = req;
    x->reply = reply;
    x->host = from < sent.n ? tl_sv_from(sent, from) : TL_SV("");
    x->host.n = tl_sv_find(x->host, '/');
    x->rc = rc;
    x->text = rc == TL_OK ? "" : err->text;
    o->observe(o->observe_arg, call, x);
}

enum tl_rc connector__address(struct connector_call *call, struct tl_sv url, struct tl_sv *ret_url, struct tl_err *err)
{
    const struct connector *c = call->host->opt.connector;
    const void *connection = call->host->opt.connection;
    const char *other;

    for (size_t i = 0; c && c->other_url && (other = c->other_url(connection, i)) != NULL; i++) {
        if (tl_sv_starts_i(url, TL_SV("http")) && connector__same_origin(other, url, NULL) == TL_OK) {
            *ret_url = url;
            return TL_OK;
        }
    }
    return connector__url(call->arena, c && c->base_url ? c->base_url(connection) : NULL, url, ret_url, err);
}

static bool is_false_401(const struct connector_host *h, const struct http_reply *reply)
{
    const struct connector *c = h->opt.connector;

    return reply->status == 401 && c && c->false_401 && c->false_401(h->opt.connection, reply);
}

static bool is_refused(const struct connector_host *h, const struct http_reply *reply)
{
    const struct connector *c = h->opt.connector;

    return reply->status == 401 || (c && c->refused_login && c->refused_login(h->opt.connection, reply));
}

struct maker { /* of bodies with a passport */
    connector_body_fn *make;
    void *arg;
    const char *account;
};

/* Authenticates by header, or by a body with a passport in it. */
static enum tl_rc ready(struct task *task, struct connector_call *call, const struct maker *m, struct tl_buf *body,
                        struct http_request_out *out, struct tl_err *err)
{
    struct auth_passport passport = {.account = tl_sv_str(m ? m->account : NULL)};
    enum tl_rc rc;

    call->passport = m ? &passport : NULL;
    rc = connector__authenticate(task, call, out, err);
    call->passport = NULL;
    if (rc != TL_OK || !m)
        return rc;
    connector__hide(call, passport.signature);
    tl_buf_clear(body);
    rc = m->make(m->arg, &passport, body, err);
    if (rc == TL_OK && body->failed)
        rc = tl_fail(err, TL_LIMIT, "the request is larger than %zu bytes", body->max);
    out->body = tl_buf_view(body);
    return rc;
}

/* The body for people to look at: nothing of the credentials is in it. */
static enum tl_rc show(const struct maker *m, struct tl_buf *body, struct tl_err *err)
{
    const struct tl_sv hidden = TL_SV("***");
    const struct auth_passport none = {tl_sv_str(m->account), hidden, hidden, hidden, hidden, hidden};

    return m->make(m->arg, &none, body, err);
}

static enum tl_rc send_it(struct task *task, struct connector_call *call, const struct http_request_out *req,
                          const struct maker *m, struct http_reply *reply, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct connector_host *h = call->host;
    struct http_request_out plain = *req;
    struct connector_exchange x = {0};
    enum tl_rc rc;

    memset(reply, 0, sizeof *reply);
    tl_buf_init(&body, BODY_MAX);
    if (!call->view->sent)
        call->not_sent = true;
    rc = connector__address(call, req->url, &plain.url, err);
    if (rc == TL_OK)
        rc = add_trace(call, &plain, &x, err);
    if (rc != TL_OK)
        return rc;
    if (!plain.sink)
        plain.max_body = plain.max_body == 0 ? REPLY_DEFAULT : plain.max_body > REPLY_MAX ? REPLY_MAX : plain.max_body;
    if (h->opt.dry) {
        if (m && show(m, &body, err) == TL_OK)
            plain.body = tl_buf_view(&body);
        rc = tl_fail(err, TL_CANCELED, "a look at what would be sent: nothing was");
        observe(call, &x, &plain, plain.url, reply, rc, err);
        return rc;
    }
    for (bool again = false;; again = true) {
        struct http_request_out out = plain;

        if (call->ledger && call->ledger->request)
            rc = call->ledger->request(call->ledger->arg, task, call, err);
        if (rc != TL_OK)
            return rc;
        rc = ready(task, call, m, &body, &out, err);
        if (rc != TL_OK)
            return rc;
        /* Each counts over there, or is an attempt: then the ledger alone sends again, and shows it. What only looks
         * (at what is there before a write, after a job) is none. */
        out.once |= h->opt.counted || (call->n > 0 && !http_client_is_safe(&out));
        rc = http_client_call(task, h->opt.client, &out, call->arena, reply, err);
        note(call, reply);
        observe(call, &x, &plain, out.url, reply, rc, err);
        if (rc != TL_OK || !h->opt.auth || !h->opt.auth->answered || is_false_401(h, reply))
            return rc;
        /* A 401 says that the request was not carried out, so once more is safe; a streamed body is gone, though. */
        if (!h->opt.auth->answered(h->opt.auth, task, call, reply, is_refused(h, reply)) || again || plain.source)
            return rc;
    }
}

enum tl_rc connector_http(struct task *task, struct connector_call *call, const struct http_request_out *req,
                          struct http_reply *reply, struct tl_err *err)
{
    return send_it(task, call, req, NULL, reply, err);
}

enum tl_rc connector_http_passport(struct task *task, struct connector_call *call, const struct http_request_out *req,
                                   const char *account, connector_body_fn *make, void *make_arg,
                                   struct http_reply *reply, struct tl_err *err)
{
    const struct maker m = {make, make_arg, account};

    return send_it(task, call, req, &m, reply, err);
}

/* ---- the ledger's ports ---- */

enum tl_rc connector_checkpoint(struct task *task, struct connector_call *call, struct tl_sv ticket, struct tl_err *err)
{
    if (ticket.n > TICKET_MAX)
        return tl_fail(err, TL_BUG, "a ticket has %zu bytes; at most %d are kept", ticket.n, TICKET_MAX);
    if (!call->ledger || !call->ledger->checkpoint)
        return tl_fail(err, TL_UNSUPPORTED, "a long job cannot be started here");
    return call->ledger->checkpoint(call->ledger->arg, task, ticket, err);
}

enum tl_rc connector_emit(struct task *task, struct connector_call *call, const struct connector_incoming *records,
                          size_t n, struct tl_sv position, struct tl_err *err)
{
    if (position.n > CONNECTOR_POSITION_MAX)
        return tl_fail(err, TL_LIMIT, "a position has %zu bytes; at most %d are kept", position.n,
                       CONNECTOR_POSITION_MAX);
    if (!call->ledger || !call->ledger->emit)
        return tl_fail(err, TL_UNSUPPORTED, "records cannot be taken in here");
    records = connector__clean_records(task, call, records, n);
    return call->ledger->emit(call->ledger->arg, task, records, n, position, err);
}

enum tl_rc connector_blocking(struct task *task, struct connector_call *call, void (*fn)(void *arg), void *arg,
                              struct tl_err *err)
{
    (void)call;
    return task_blocking(task, fn, arg, NULL, err);
}

struct connector_scratch connector_scratch_begin(struct connector_call *call)
{
    return (struct connector_scratch){tl_arena_mark(call->arena), call->view->n_masks};
}

void connector_scratch_end(struct connector_call *call, struct connector_scratch s)
{
    call->view->n_masks = s.notes; /* they point into what is given back */
    tl_arena_rewind(call->arena, s.mark);
}

/* ---- secrets ---- */

struct wiped {
    char *p;
    size_t n;
};
static void wipe(void *arg)
{
    struct wiped *w = arg;

    tl_wipe(w->p, w->n);
}

static enum tl_rc keep(struct connector_call *call, struct tl_sv value, struct tl_sv *ret_value, struct tl_err *err)
{
    struct wiped *w = tl_arena_alloc(call->arena, sizeof *w);
    char *copy = tl_arena_strndup(call->arena, value.p ? value.p : "", value.n);

    if (!w || !copy)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    *w = (struct wiped){copy, value.n};
    tl_arena_on_free(call->arena, wipe, w);
    *ret_value = tl_sv(copy, value.n);
    connector__hide(call, *ret_value);
    return TL_OK;
}

enum tl_rc connector_secret(struct task *task, struct connector_call *call, const struct config_secret *ref,
                            struct tl_sv *ret_value, struct tl_err *err)
{
    const struct connector_host_options *opt = &call->host->opt;
    struct tl_buf value;
    enum tl_rc rc;

    if (ref->kind == CONFIG_SECRET_NONE)
        return tl_fail(err, TL_CONFIG, "a secret of connection %s is not set", call->host->name);
    if (ref->kind == CONFIG_SECRET_LITERAL) {
        *ret_value = tl_sv_str(ref->name);
        connector__hide(call, *ret_value);
        return TL_OK;
    }
    if (!opt->secret)
        return tl_fail(err, TL_UNSUPPORTED, "secrets cannot be resolved here");
    tl_buf_init(&value, SECRET_MAX);
    rc = opt->secret(opt->secret_arg, task, ref, &value, err);
    if (rc == TL_OK)
        rc = keep(call, tl_buf_view(&value), ret_value, err);
    if (value.p)
        tl_wipe(value.p, value.n);
    tl_buf_done(&value);
    return rc;
}
