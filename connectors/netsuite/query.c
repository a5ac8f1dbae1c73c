/* SPDX-License-Identifier: Apache-2.0 */
/* query.c - SuiteQL: one page of rows, and the look-up that asks for one. */
#include "netsuite/netsuite_int.h"

enum { PARAMS = 50 };

enum tl_rc netsuite__rows(struct task *task, struct connector_call *call, const char *q, struct json params,
                          int64_t limit, int64_t timeout_ms, struct json *ret_rows, struct tl_err *err)
{
    struct netsuite_request r = {
        .method = "POST",
        .path = tl_sv_str(tl_arena_printf(call->arena, NETSUITE_SUITEQL "?limit=%lld&offset=0", (long long)limit)),
        .endpoint = NETSUITE_SUITEQL,
        .prefer = TL_SV("transient"), /* without it the query is refused */
        .idempotent = true,
        .timeout_ms = timeout_ms};
    struct netsuite_refusal no;
    struct http_reply reply;
    struct json_builder body;
    struct json rows;
    enum tl_rc rc;

    json_object_begin(&body, call->arena, 2);
    (void)json_adds(&body, "q", json_str(q));
    if (params.n > 0)
        (void)json_adds(&body, "params", params);
    r.body = json_end(&body);
    rc = netsuite__send(task, call, &r, &reply, err);
    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    if (no.rc != TL_OK)
        return netsuite__fail(&no, err);
    rows = json_gets(netsuite__parsed(task, call, &reply), "items");
    if (rows.type != JSON_ARRAY)
        return tl_fail(err, TL_UPSTREAM, "HTTP %d: the answer to a query has no items", reply.status);
    *ret_rows = rows;
    return TL_OK;
}

/* ---- the look-up ---- */

struct query {
    struct connector_expression *params[PARAMS];
    size_t n;
};

void *netsuite__query_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_query *conf = operation;
    struct query *q = tl_zalloc(sizeof *q);

    (void)connection;
    for (size_t i = 0; i < conf->params.n && i < PARAMS; i++)
        q->params[q->n++] = connector_expression_new(CONFIG_AT(conf->params, struct config_text, i), e);
    return q;
}

void netsuite__query_release(void *prepared)
{
    struct query *q = prepared;

    if (!q)
        return;
    for (size_t i = 0; i < q->n; i++)
        connector_expression_free(q->params[i]);
    tl_free(q);
}

enum tl_rc netsuite__query(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct netsuite_query *conf = call->operation;
    const struct query *q = call->prepared;
    struct json_builder params;

    json_array_begin(&params, call->arena, q->n + 1);
    for (size_t i = 0; i < q->n; i++) {
        struct json v = JSON_NOTHING;
        enum tl_rc rc = connector_expression_run(task, q->params[i], call, call->input, &v, err);

        if (rc == TL_OK && v.type != JSON_STRING && !json_is_number(v))
            rc = tl_fail(err, TL_INVALID, "has no value that is a text or a number");
        if (rc != TL_OK) {
            call->not_sent = true;
            return tl_err_prefix(err, "parameter %zu", i + 1);
        }
        (void)json_push(&params, v);
    }
    return netsuite__rows(task, call, conf->q, json_end(&params), conf->limit, conf->timeout_ms, &call->output, err);
}
