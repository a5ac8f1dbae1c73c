/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - looking at events, deliveries and attempts. Reads run on worker threads. */
#include "admin/admin_int.h"

#include <stdio.h>

#include "http/http.h"

enum { MAX_BODY = 1 << 20, MAX_LIMIT = 1000 };

/* ---- rows ---- */
static bool hides_key(const struct admin_names *names, uint32_t flow)
{
    for (size_t i = 0; names->key_hidden && i < names->n; i++)
        if (names->flows[i].id == flow)
            return names->key_hidden[i];
    return false;
}

struct json admin__row_json(struct tl_arena *a, const struct admin_names *names, const struct queue_row *r)
{
    const struct flow_target_info *t = admin__target(names, r->target);
    const struct queue_target_name *known = t ? NULL : admin__known_target(names, r->target);
    const char *name = t       ? t->name
                       : known ? known->name
                               : NULL,
               *connection = t       ? t->connection
                             : known ? known->connection
                                     : NULL;
    struct json_builder b;

    json_object_begin(&b, a, 36);
    json_adds(&b, "id", admin__id_json(a, r->delivery));
    json_adds(&b, "event", admin__id_json(a, r->event));
    json_adds(&b, "flow", json_str(admin__flow_name(names, r->flow)));
    if (name)
        json_adds(&b, "target", json_str(name));
    if (connection)
        json_adds(&b, "connection", json_str(connection));
    json_adds(&b, "key", !r->key.p ? json_null() : hides_key(names, r->flow) ? json_str(FLOW_MASK) : json_sv(r->key));
    json_adds(&b, "status", r->status ? json_int(r->status) : json_null());
    json_adds(&b, "latency_ms", r->attempts ? json_int(r->latency_ms) : json_null());
    json_adds(&b, "state", json_str(queue_state_name(r->state)));
    json_adds(&b, "received_at", admin__time_json(a, r->received_ms));
    json_adds(&b, "updated_at", admin__time_json(a, r->updated_ms));
    json_adds(&b, "next_at", admin__time_json(a, r->next_at_ms));
    json_adds(&b, "attempts", json_int(r->attempts));
    json_adds(&b, "attempts_used", json_int(r->attempts_used));
    json_adds(&b, "item", json_int(r->item));
    json_adds(&b, "revision", json_int(r->revision));
    json_adds(&b, "bytes", json_int((int64_t)r->bytes));
    json_adds(&b, "expanded", json_bool(r->expanded));
    json_adds(&b, "blocks_key", json_bool(r->blocks));
    if (r->cls != TL_CLASS_NONE) {
        json_adds(&b, "class", json_str(tl_class_name(r->cls)));
        json_adds(&b, "error", json_str(tl_rc_name(r->rc)));
        json_adds(&b, "fingerprint", admin__id_json(a, r->fingerprint));
    }
    json_adds(&b, "reason",
              r->expanded && r->state == QUEUE_DEAD && !r->text[0] ? json_str("deliveries of it are dead")
                                                                   : json_str_copy(a, tl_sv_str(r->text)));
    json_adds(&b, "running", json_bool(r->running));
    if (r->job) {
        struct json_builder job;

        json_object_begin(&job, a, 3);
        json_adds(&job, "name", json_str_copy(a, tl_sv_str(r->text)));
        json_adds(&job, "polled_at", admin__time_json(a, r->updated_ms));
        json_adds(&job, "next_poll_at", admin__time_json(a, r->next_at_ms));
        json_adds(&b, "job", json_end(&job));
    }
    json_adds(&b, "held", r->held != QUEUE_HELD_NONE ? json_str(queue_held_name(r->held)) : json_null());
    if (r->held_text[0])
        json_adds(&b, "held_reason", json_str_copy(a, tl_sv_str(r->held_text)));
    if (r->held == QUEUE_HELD_EVENT) {
        json_adds(&b, "held_by", json_str_copy(a, tl_sv_str(r->held_by)));
        json_adds(&b, "held_at", admin__time_json(a, r->held_at_ms));
    }
    json_adds(&b, "ahead", admin__id_json(a, r->ahead));
    json_adds(&b, "cause", admin__id_json(a, r->cause));
    json_adds(&b, "replay_of", admin__id_json(a, r->replay_of));
    return json_end(&b);
}

/* ---- GET /v1/events ---- */
enum { LOOK_MS = 80 }; /* for what no index leads to */

static enum tl_rc list_rows(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    if (l->key.p) {
        enum tl_rc rc = queue_find_key(r, l->source, l->key, &l->filter.event, err);

        if (rc == TL_NOT_FOUND) {
            l->page = (struct queue_page){.n = 0};
            return TL_OK;
        }
        if (rc != TL_OK)
            return rc;
    }
    return queue_list(r, l->arena, &l->filter, l->cursor, l->limit, &l->page, err);
}

static enum tl_rc get_events(struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = list_rows};
    struct tl_sv sender = admin__query(c, "sender_id");
    struct admin_names names;
    struct json_builder rows, b;
    enum tl_rc rc = admin__page(c, &l, err);

    if (rc == TL_OK)
        rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__event_filter(c, &names, &l.filter, err);
    if (rc != TL_OK)
        return rc;
    l.filter.details = true;
    l.filter.budget_ms = LOOK_MS;
    if (sender.n) {
        l.key = sender;
        l.source = tl_sv_str(l.filter.flow ? admin__flow_name(&names, l.filter.flow) : "");
        if (!l.filter.flow)
            return tl_fail(err, TL_INVALID, "name the flow too: a sender's id is known within its flow");
    }
    rc = admin__read(c, &l, err);
    if (rc == TL_OK)
        rc = queue_why(c->admin->queue, c->task, l.page.rows, l.page.n, err);
    if (rc != TL_OK)
        return rc;
    json_array_begin(&rows, c->arena, l.page.n);
    for (size_t i = 0; i < l.page.n; i++)
        json_push(&rows, admin__row_json(c->arena, &names, &l.page.rows[i]));
    json_object_begin(&b, c->arena, 4);
    json_adds(&b, "events", json_end(&rows));
    json_adds(&b, "cursor", l.page.more ? admin__id_json(c->arena, l.page.cursor) : json_null());
    json_adds(&b, "looked", json_int((int64_t)l.page.looked));
    json_adds(&b, "looked_until", admin__time_json(c->arena, l.page.looked_ms));
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- GET /v1/events/{id} ---- */
static enum tl_rc show_row(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_show(r, l->arena, l->id, MAX_BODY, &l->detail, err);
}

static const char *end_word(const struct queue_attempt_row *t)
{
    if (t->unknown)
        return "unknown outcome";
    switch (t->end) {
    case QUEUE_END_DONE:
        return "delivered";
    case QUEUE_END_SKIP:
        return "skipped";
    case QUEUE_END_FAILED:
        return "failed";
    case QUEUE_END_INNOCENT:
        return "rolled back with others";
    case QUEUE_END_CANCELED:
    case QUEUE_END_WAITED:
        return "not started";
    case QUEUE_END_PENDING:
        return "pending";
    case QUEUE_END_NONE:
        break;
    }
    return t->ended_ms ? "unknown outcome" : "running";
}

static struct json attempt_json(struct tl_arena *a, const struct queue_attempt_row *t)
{
    struct json_builder b;

    json_object_begin(&b, a, 14);
    json_adds(&b, "attempt", json_int(t->number));
    json_adds(&b, "started_at", admin__time_json(a, t->started_ms));
    json_adds(&b, "ended_at", admin__time_json(a, t->ended_ms));
    json_adds(&b, "outcome", json_str(end_word(t)));
    json_adds(&b, "counted", json_bool(t->counted));
    json_adds(&b, "status", t->status ? json_int(t->status) : json_null());
    json_adds(&b, "latency_ms", json_int(t->latency_ms));
    if (t->cls != TL_CLASS_NONE) {
        json_adds(&b, "class", json_str(tl_class_name(t->cls)));
        json_adds(&b, "error", json_str(tl_rc_name(t->rc)));
    }
    json_adds(&b, "reason", json_sv(t->text));
    json_adds(&b, "answer", json_sv(t->answer));
    admin__add_body(&b, a, "asked", t->asked);
    if (t->call) {
        json_adds(&b, "call", admin__id_json(a, t->call));
        json_adds(&b, "call_members", json_int(t->call_members));
    }
    return json_end(&b);
}

void admin__add_body(struct json_builder *b, struct tl_arena *a, const char *name, struct tl_sv body)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json v;

    if (!body.p)
        return;
    if (json_parse(a, body, 0, NULL, &v, NULL) == TL_OK) {
        json_adds(b, name, v);
    } else if (tl_utf8_valid(body) == body.n) {
        json_adds(b, name, json_sv(body));
    } else {
        struct json_builder o;

        tl_buf_init(&text, 2 * MAX_BODY);
        tl_base64_encode(&text, body.p, body.n);
        json_object_begin(&o, a, 1);
        json_adds(&o, "base64", json_str_copy(a, tl_buf_view(&text)));
        json_adds(b, name, json_end(&o));
    }
}

void admin__add_veiled(struct json_builder *b, struct flow_veil *veil, const char *name, struct tl_sv body)
{
    struct json v;

    if (!body.p || !veil->plan) {
        admin__add_body(b, veil->arena, name, body);
    } else if (json_parse(veil->arena, body, 0, NULL, &v, NULL) == TL_OK) {
        json_adds(b, name, flow_veil_json(veil, v));
    } else { /* where its fields are, nobody knows */
        veil->masked = true;
        json_adds(b, name, json_str(FLOW_MASK));
    }
}

/* The other side's words may repeat what they were sent. */
static void veil_attempt(struct flow_veil *veil, struct queue_attempt_row *t)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json v;

    t->text = flow_veil_text(veil, t->text);
    if (t->answer.n && json_parse(veil->arena, t->answer, 0, NULL, &v, NULL) == TL_OK &&
        (v.type == JSON_OBJECT || v.type == JSON_ARRAY)) {
        tl_buf_init(&b, 1 << 20);
        if (json_write(&b, flow_veil_json(veil, v), 0))
            t->answer = tl_arena_sv(veil->arena, tl_buf_view(&b));
    }
    t->answer = flow_veil_text(veil, t->answer);
}

static void veil_row(struct flow_veil *veil, struct queue_row *r)
{
    (void)snprintf(r->text, sizeof r->text, "%.*s",
                   TL_SV_ARG(flow_veil_text(veil, tl_arena_sv(veil->arena, tl_sv_str(r->text)))));
    r->key = flow_veil_text(veil, r->key);
}

/* A step found it, and the delivery wrote it again. */
static bool is_listed(struct json list, struct json pair)
{
    static const char *const names[] = {"model", "from", "from_id", "to", "to_id"};

    for (uint32_t i = 0; i < list.n; i++) {
        size_t same = 0;

        while (same < TL_COUNT(names) &&
               json_equal(json_gets(json_at(list, i), names[same]), json_gets(pair, names[same])))
            same++;
        if (same == TL_COUNT(names))
            return true;
    }
    return false;
}

static void add_pairs(struct flow_veil *veil, struct json_builder *list, uint64_t delivery, uint32_t attempt,
                      struct tl_sv pairs)
{
    struct json all, x;
    struct json_builder b;

    if (!pairs.n || json_parse(veil->arena, pairs, 0, NULL, &all, NULL) != TL_OK || all.type != JSON_ARRAY)
        return;
    for (uint32_t i = 0; i < all.n; i++) {
        x = flow_veil_texts(veil, json_at(all, i));
        if (is_listed(json_end(list), x))
            continue;
        json_object_begin(&b, veil->arena, 7);
        for (uint32_t k = 0; x.type == JSON_OBJECT && k < x.n; k++)
            json_add(&b, json_view(x.u.members[k].key), x.u.members[k].value);
        json_adds(&b, "by", admin__id_json(veil->arena, delivery));
        json_adds(&b, "attempt", json_int(attempt));
        json_push(list, json_end(&b));
    }
}

/* The cross-references that it wrote, and its deliveries. */
static struct json xrefs_json(struct flow_veil *veil, const struct queue_detail *d)
{
    struct json_builder list;

    json_array_begin(&list, veil->arena, 4);
    for (size_t i = 0; i < d->n_attempts; i++)
        add_pairs(veil, &list, d->row.delivery, d->attempts[i].number, d->attempts[i].pairs);
    for (size_t i = 0; i < d->n_wrote; i++)
        add_pairs(veil, &list, d->wrote[i].delivery, d->wrote[i].attempt, d->wrote[i].pairs);
    return json_end(&list);
}

static struct json order_by_json(struct flow_veil *veil, const struct admin_names *names, const struct queue_detail *d)
{
    if (!d->order_by.p)
        return json_null();
    if (veil->plan && hides_key(names, d->row.flow)) {
        veil->masked = true;
        return json_str(FLOW_MASK);
    }
    return json_sv(flow_veil_text(veil, d->order_by));
}

/* It is kept with short names. */
static struct json request_json(struct flow_veil *veil, struct json meta)
{
    static const char *const names[][2] = {{"m", "method"},  {"p", "path"},   {"q", "query"},
                                           {"h", "headers"}, {"k", "format"}, {"t", "type"}};
    struct json_builder b;

    json_object_begin(&b, veil->arena, TL_COUNT(names));
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        struct json v = json_gets(meta, names[i][0]);

        if (v.type != JSON_UNDEFINED)
            json_adds(&b, names[i][1], flow_veil_texts(veil, v));
    }
    return json_end(&b);
}

static struct json detail_json(struct flow_veil *veil, const struct admin_names *all, struct queue_detail *d)
{
    struct tl_arena *a = veil->arena;
    struct json_builder b, list, ignored;
    struct json meta;
    struct admin_names whole = *all;
    const struct admin_names *names = &whole;

    json_object_begin(&ignored, a, 2); /* first what the payload holds, then the texts that may repeat it */
    admin__add_veiled(&ignored, veil, "body", d->body);
    admin__add_veiled(&ignored, veil, "original_body", d->original_body);
    veil_row(veil, &d->row);
    for (size_t i = 0; i < d->n_deliveries; i++)
        veil_row(veil, &d->deliveries[i]);
    if (!veil->plan) /* revealed */
        whole.key_hidden = NULL;
    json_object_begin(&b, a, 11);
    json_adds(&b, "event", admin__row_json(a, names, &d->row));
    json_array_begin(&list, a, d->n_attempts);
    for (size_t i = 0; i < d->n_attempts; i++) {
        if (veil->plan)
            veil_attempt(veil, &d->attempts[i]);
        json_push(&list, attempt_json(a, &d->attempts[i]));
    }
    json_adds(&b, "attempts", json_end(&list));
    json_array_begin(&list, a, d->n_deliveries);
    for (size_t i = 0; i < d->n_deliveries; i++)
        json_push(&list, admin__row_json(a, names, &d->deliveries[i]));
    json_adds(&b, "deliveries", json_end(&list));
    json_adds(&b, "xrefs", xrefs_json(veil, d));
    json_adds(&b, "order_by", order_by_json(veil, names, d));
    json_adds(&b, "ahead", admin__id_json(a, d->row.ahead));
    if (d->meta.n && json_parse(a, d->meta, 0, NULL, &meta, NULL) == TL_OK)
        json_adds(&b, "request", request_json(veil, meta));
    if (d->body.p)
        json_adds(&b, "body", json_gets(ignored.v, "body"));
    if (d->row.revision && d->original_body.p)
        json_adds(&b, "original_body", json_gets(ignored.v, "original_body"));
    json_adds(&b, "masked", json_bool(veil->masked));
    return json_end(&b);
}

static enum tl_rc answer_event(struct admin_call *c, bool veiled, struct tl_err *err)
{
    struct admin__read l = {.fn = show_row};
    struct admin_names names;
    struct flow_plan *p;
    struct flow_veil veil;
    struct json v;
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &l.id, err);

    if (rc == TL_OK)
        rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc == TL_OK)
        rc = queue_why(c->admin->queue, c->task, &l.detail.row, 1, err);
    if (rc == TL_OK)
        rc = queue_why(c->admin->queue, c->task, l.detail.deliveries, l.detail.n_deliveries, err);
    if (rc == TL_OK && !veiled)
        rc = admin__act(c, err, "event %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
    if (rc != TL_OK)
        return rc;
    p = veiled ? admin__plan(c->admin) : NULL;
    flow_veil_begin(&veil, p, c->arena);
    flow_plan_unref(p);
    v = detail_json(&veil, &names, &l.detail);
    flow_veil_end(&veil);
    return admin__answer(c, 200, v, err);
}

static enum tl_rc get_event(struct admin_call *c, struct tl_err *err)
{
    return answer_event(c, true, err);
}

enum tl_rc admin__may_reveal(struct admin_call *c, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    enum admin_role least = p ? (enum admin_role)(ADMIN_OPERATOR + flow_plan_project(p)->admin.reveal) : ADMIN_ADMIN;

    flow_plan_unref(p);
    return c->caller.role >= least
               ? TL_OK
               : tl_fail(err, TL_FORBIDDEN, "%s is %s; to see what is masked needs the role %s (admin.reveal)",
                         c->caller.who, admin__role_name(c->caller.role), admin__role_name(least));
}

static enum tl_rc post_reveal(struct admin_call *c, struct tl_err *err)
{
    enum tl_rc rc = admin__may_reveal(c, err);

    return rc == TL_OK ? answer_event(c, false, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/events",
     .fn = get_events,
     .doc = "Events and deliveries, newest first.",
     .query =
         (const struct admin__field[]){ADMIN__FILTER_QUERY,
                                       {"sender_id", "string", "With flow: the id that the sender gave it.", false},
                                       {"limit", "integer", "1 to 1000; 50 when absent.", false},
                                       {"cursor", "string", "The `cursor` of the page before.", false},
                                       {0}},
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/events/{id}",
     .fn = get_event,
     .doc = "One event or delivery with its attempts; fields that a model marks with `pii` are masked.",
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/events/{id}/reveal",
     .fn = post_reveal,
     .doc = "The same without masks.",
     .body = admin__no_fields,
     .act = "reveal",
     .role = ADMIN_OPERATOR},
};
const struct admin__table admin__event_table = {routes, TL_COUNT(routes)};
