/* SPDX-License-Identifier: Apache-2.0 */
/* xref.c - which ids on two systems are one thing: looking, and forgetting what is wrong. */
#include "admin/admin_int.h"
#include "http/http.h"

struct look {
    struct admin__read read;
    struct queue_xref_page page;
};

static enum tl_rc list_rows(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    struct look *k = l->arg;

    k->page.before = l->cursor;
    k->page.limit = l->limit;
    return queue_xref_list(r, l->arena, &k->page, err);
}

/* An id that a model marks with pii is shown to nobody in a list; who looks for it knows it. */
static struct json shown(const struct flow_plan *p, enum flow_hides what, struct tl_sv model, struct tl_sv connection,
                         struct tl_sv text)
{
    if (!text.n)
        return json_null();
    return flow_plan_hides(p, what, model, connection) ? json_str(FLOW_MASK) : json_sv(text);
}

static struct json row_json(struct tl_arena *a, const struct flow_plan *p, const struct queue_xref_row *x)
{
    const struct queue_xref *y = &x->xref;
    struct json_builder b;

    json_object_begin(&b, a, 8);
    json_adds(&b, "xref", admin__id_json(a, x->id));
    json_adds(&b, "model", json_sv(x->xref.model));
    json_adds(&b, "from", json_sv(x->xref.connection_a));
    json_adds(&b, "from_id", shown(p, FLOW_HIDES_ID, y->model, y->connection_a, y->id_a));
    json_adds(&b, "to", json_sv(x->xref.connection_b));
    json_adds(&b, "to_id", shown(p, FLOW_HIDES_ID, y->model, y->connection_b, y->id_b));
    json_adds(&b, "mark", shown(p, FLOW_HIDES_MARK, y->model, y->connection_b, y->mark));
    json_adds(&b, "at", admin__time_json(a, x->at_ms));
    return json_end(&b);
}

static enum tl_rc get_xrefs(struct admin_call *c, struct tl_err *err)
{
    struct look k = {.read = {.fn = list_rows},
                     .page = {.model = admin__query(c, "model"),
                              .connection = admin__query(c, "connection"),
                              .id = admin__query(c, "id")}};
    struct json_builder list, b;
    struct flow_plan *p;
    enum tl_rc rc = admin__page(c, &k.read, err);

    k.read.arg = &k;
    if (rc == TL_OK)
        rc = admin__read(c, &k.read, err);
    if (rc != TL_OK)
        return rc;
    p = admin__plan(c->admin);
    json_array_begin(&list, c->arena, k.page.n);
    for (size_t i = 0; i < k.page.n; i++)
        json_push(&list, row_json(c->arena, p, &k.page.rows[i]));
    flow_plan_unref(p);
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "xrefs", json_end(&list));
    json_adds(&b, "cursor", admin__id_json(c->arena, k.page.next));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_forget(struct admin_call *c, struct tl_err *err)
{
    struct json v;
    struct json_builder b;
    struct flow_plan *p;
    struct tl_sv model, connection, id;
    bool hidden;
    uint64_t n = 0;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    model = json_text(json_gets(v, "model"), TL_SV(""));
    connection = json_text(json_gets(v, "connection"), TL_SV(""));
    id = json_text(json_gets(v, "id"), TL_SV(""));
    if (!model.n || !connection.n || !id.n)
        return tl_fail(err, TL_INVALID, "model, connection and id say which record is meant: all three are needed");
    p = admin__plan(c->admin);
    hidden = flow_plan_hides(p, FLOW_HIDES_ID, model, connection);
    flow_plan_unref(p);
    rc = admin__act(c, err, "%.*s %.*s of %.*s", TL_SV_ARG(model), TL_SV_ARG(hidden ? TL_SV(FLOW_MASK) : id),
                    TL_SV_ARG(connection));
    if (rc == TL_OK)
        rc = queue_xref_forget(c->admin->queue, c->task, model, connection, id, &n, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "forgotten", json_int((int64_t)n));
    return admin__answer(c, 200, json_end(&b), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/xrefs",
     .fn = get_xrefs,
     .doc = "Which ids on two systems are one thing, newest first.",
     .query = (const struct admin__field[]){{"model", "string", "Of this kind.", false},
                                            {"connection", "string", "Of this system, on either side.", false},
                                            {"id", "string", "With this id, on either side.", false},
                                            {"limit", "integer", "1 to 1000; 50 when absent.", false},
                                            {"cursor", "string", "The `cursor` of the page before.", false},
                                            {0}},
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/xrefs/forget",
     .fn = post_forget,
     .doc = "Forget what is known of one record: its ids elsewhere, and what our writes made of it.",
     .body = (const struct admin__field[]){{"model", "string", "What kind of thing it is.", true},
                                           {"connection", "string", "The system, on either side.", true},
                                           {"id", "string", "Its id there.", true},
                                           {0}},
     .act = "forget xref",
     .role = ADMIN_OPERATOR},
};
const struct admin__table admin__xref_table = {routes, TL_COUNT(routes)};
