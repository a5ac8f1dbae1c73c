/* SPDX-License-Identifier: Apache-2.0 */
/*
 * graph.c - related records together or not at all: a delivery is a graph of the composite graph resource (REST API
 * guide, "Composite Graph"). Its nodes are upserts by external id, in order; a node names an earlier one's record by
 * {"ref": NAME}. One call carries as many graphs as 75 and 500 nodes allow; each succeeds or is rolled back by itself,
 * so its verdict is that of the node that failed, not of those that were halted with it.
 */
#include "salesforce/salesforce_int.h"

#include <ctype.h>
#include <stdio.h>

struct graphs {
    struct connector_call *call;
    const struct sf_target *t;
    size_t *which; /* the deliveries in this call */
    size_t n, nodes;
    struct tl_buf body;
    char why[200]; /* what is wrong with the record at hand */
};

static bool wrong(struct graphs *g, size_t node, const char *text)
{
    (void)snprintf(g->why, sizeof g->why, "node %zu: %s", node, text);
    return false;
}

static bool is_name(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '_')
            return false;
    return s.n > 0 && s.n <= 80 && isalpha((unsigned char)s.p[0]);
}

/* {"ref": "account"} */
static struct tl_sv reference(struct json v)
{
    return v.type == JSON_OBJECT && v.n == 1 ? json_text(json_gets(v, "ref"), TL_SV_NULL) : TL_SV_NULL;
}

static bool is_earlier(struct json nodes, size_t before, struct tl_sv name)
{
    for (size_t i = 0; i < before; i++)
        if (tl_sv_eq(json_text(json_gets(json_at(nodes, i), "ref"), TL_SV("")), name))
            return true;
    return false;
}

static bool put_fields(struct graphs *g, struct json nodes, size_t at, struct json fields, struct tl_sv key)
{
    bool first = true;

    (void)tl_buf_putc(&g->body, '{');
    for (uint32_t i = 0; i < fields.n; i++) {
        const struct json_member *m = &fields.u.members[i];
        struct tl_sv ref = reference(m->value);
        size_t from;

        if (m->value.type == JSON_UNDEFINED || tl_sv_eqi(json_view(m->key), key))
            continue;
        (void)tl_buf_puts(&g->body, first ? "" : ",");
        first = false;
        (void)json_write(&g->body, m->key, 0);
        (void)tl_buf_putc(&g->body, ':');
        if (ref.p) {
            if (!is_name(ref) || !is_earlier(nodes, at, ref))
                return wrong(g, at, "`ref` in a field names no earlier node");
            (void)tl_buf_printf(&g->body, "\"@{%.*s.id}\"", TL_SV_ARG(ref));
            continue;
        }
        from = g->body.n;
        (void)json_write(&g->body, m->value, 0);
        /* @{...} means a result of another node, and nothing escapes it. */
        if (tl_sv_find_sv(tl_sv_from(tl_buf_view(&g->body), from), TL_SV("@{")) < g->body.n - from)
            return wrong(g, at, "a value holds @{, which Salesforce would take for a reference");
    }
    return tl_buf_putc(&g->body, '}');
}

static bool put_node(struct graphs *g, struct json nodes, size_t at)
{
    const struct sf_connection *conn = g->call->connection;
    struct json node = json_at(nodes, at), fields = json_gets(node, "fields");
    struct tl_sv object = json_text(json_gets(node, "object"), tl_sv_str(g->t->object));
    struct tl_sv key = json_text(json_gets(node, "external_id"), tl_sv_str(g->t->external_id));
    struct tl_sv ref = json_text(json_gets(node, "ref"), TL_SV(""));
    struct tl_sv id = sf_text(g->call->arena, json_get(fields, key));

    if (fields.type != JSON_OBJECT || id.n == 0)
        return wrong(g, at, "`fields` has no value for its external id");
    if (!is_name(object) || !is_name(key) || (ref.n > 0 && (!is_name(ref) || is_earlier(nodes, at, ref))))
        return wrong(g, at, "`object`, `external_id` or `ref` is no name, or `ref` was given before");
    (void)tl_buf_printf(&g->body, "%s{\"method\":\"PATCH\",\"referenceId\":\"", at ? "," : "");
    if (ref.n > 0)
        (void)tl_buf_sv(&g->body, ref);
    else
        (void)tl_buf_printf(&g->body, "n%zu", at);
    (void)tl_buf_printf(&g->body, "\",\"url\":\"/services/data/v%s/sobjects/%.*s/%.*s/", conn->version,
                        TL_SV_ARG(object), TL_SV_ARG(key));
    (void)tl_percent_encode(&g->body, id);
    (void)tl_buf_puts(&g->body, "\",\"body\":");
    return put_fields(g, nodes, at, fields, key) && tl_buf_putc(&g->body, '}');
}

/* False: it cannot be a graph, and has its verdict. */
static bool put_graph(struct graphs *g, size_t i)
{
    struct connector_call *call = g->call;
    struct json nodes = json_gets(call->records[i].value, "nodes");
    size_t before = g->body.n;
    bool ok = true;

    g->why[0] = '\0';
    if (nodes.type != JSON_ARRAY || nodes.n == 0 || nodes.n > SF_GRAPH_NODES) {
        sf_reject(call, &call->verdicts[i], TL_INVALID,
                  "the record is no graph: { nodes: [ { object, external_id, ref, fields } ] }, at most 500");
        return false;
    }
    (void)tl_buf_printf(&g->body, "%s{\"graphId\":\"g%zu\",\"compositeRequest\":[", g->n ? "," : "", i);
    for (size_t k = 0; ok && k < nodes.n; k++)
        ok = put_node(g, nodes, k);
    if (ok && tl_buf_puts(&g->body, "]}")) {
        g->which[g->n++] = i;
        g->nodes += nodes.n;
        return true;
    }
    sf_reject(call, &call->verdicts[i], g->body.failed ? TL_LIMIT : TL_INVALID,
              g->why[0] ? g->why : "the records are larger than 48 MB");
    if (!g->body.failed)
        g->body.n = before;
    return false;
}

static void write_graphs(void *arg)
{
    struct graphs *g = arg;

    (void)tl_buf_puts(&g->body, "{\"graphs\":[");
    for (size_t i = 0; i < g->call->n && !g->body.failed; i++) {
        uint32_t more = json_gets(g->call->records[i].value, "nodes").n;

        if (g->nodes > 0 && g->nodes + more <= SF_GRAPH_NODES)
            (void)put_graph(g, i);
        else if (g->nodes == 0)
            (void)put_graph(g, i);
        else /* with the next call */
            g->call->verdicts[i] = (struct connector_verdict){
                .end = CONNECTOR_INNOCENT, .rc = TL_LIMIT, .text = TL_SV("the call has 500 nodes already")};
    }
    (void)tl_buf_puts(&g->body, "]}");
}

/* ---- verdicts ---- */

static void judge(struct graphs *g, size_t i, struct json graph)
{
    struct connector_call *call = g->call;
    struct connector_verdict *v = &call->verdicts[i];
    struct json good = json_gets(graph, "isSuccessful"),
                parts = json_gets(json_gets(graph, "graphResponse"), "compositeResponse");
    bool halted = false;

    if (good.type != JSON_BOOL)
        return; /* an unknown outcome */
    if (good.u.b) {
        *v = (struct connector_verdict){
            .end = CONNECTOR_DONE,
            .status = call->status,
            .answer = json_text(json_gets(json_gets(json_at(parts, 0), "body"), "id"), TL_SV_NULL)};
        return;
    }
    for (uint32_t k = 0; parts.type == JSON_ARRAY && k < parts.n; k++) {
        struct json part = parts.u.items[k], e = sf_first_error(json_gets(part, "body"));
        int64_t status = 0;
        struct sf_meaning m;

        (void)json_int64(json_gets(part, "httpStatusCode"), &status);
        if (status < 300)
            continue;
        m = sf_meaning_of(json_text(json_gets(e, "errorCode"), TL_SV("")),
                          json_text(json_gets(e, "message"), TL_SV("")), (int)status);
        halted |= m.innocent;
        if (m.innocent)
            continue;
        *v = (struct connector_verdict){
            .end = CONNECTOR_FAILED,
            .rc = status == 300 ? TL_EXISTS : m.rc,
            .cls = tl_rc_class(m.rc) == TL_CLASS_AUTH ? TL_CLASS_DATA : m.cls,
            .status = (uint32_t)status,
            .retry_after_ms = m.retry_after_ms,
            .text = tl_sv_str(tl_arena_printf(call->arena, "node %u: %.*s", k, TL_SV_ARG(sf_error_text(call, e))))};
        return;
    }
    if (halted) /* rolled back, and no node says why */
        *v = (struct connector_verdict){.end = CONNECTOR_INNOCENT, .rc = TL_CONFLICT, .text = TL_SV("rolled back")};
}

enum tl_rc sf_graph(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct graphs g = {.call = call, .t = call->operation};
    struct sf_request req = {.method = "POST", .path = "/composite/graph", .idempotent = true, .target = g.t};
    struct sf_reply reply;
    struct json list;
    enum tl_rc rc;

    call->endpoint = tl_sv_str(g.t->object);
    g.which = tl_arena_alloc(call->arena, (call->n + 1) * sizeof *g.which);
    if (!g.which)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    tl_buf_init(&g.body, SF_BODY_MAX);
    task_on_main_stack(task, write_graphs, &g);
    if (g.n == 0) {
        tl_buf_done(&g.body);
        call->not_sent = true;
        return TL_OK;
    }
    req.body = tl_buf_view(&g.body);
    req.timeout_ms = g.t->timeout_ms;
    rc = sf_http(task, call, &req, &reply, err);
    tl_buf_done(&g.body);
    if (rc != TL_OK)
        return sf_fail_records(call, g.which, g.n, rc, err);
    list = json_gets(reply.body, "graphs");
    if (list.type != JSON_ARRAY || list.n != g.n)
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "HTTP %d, but the answer does not have a result for each graph",
                       reply.http.status);
    for (size_t k = 0; k < g.n; k++)
        judge(&g, g.which[k], json_at(list, k));
    return TL_OK;
}

void sf_facilities_graph(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct sf_target *t = operation;

    (void)connection;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_UPSERT,
                                         .batch_count = t->batch < SF_GRAPHS ? (uint32_t)t->batch : SF_GRAPHS,
                                         .batch_bytes = 8 << 20};
}
