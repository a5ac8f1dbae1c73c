/* SPDX-License-Identifier: Apache-2.0 */
/* get.c - one record for a look-up, and the probe. */
#include "netsuite/netsuite_int.h"

struct get {
    struct connector_expression *external_id, *id;
    char *query; /* "?fields=a,b&expandSubResources=true" or "" */
};

void *netsuite__get_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_get *conf = operation;
    struct get *g = tl_zalloc(sizeof *g);
    struct tl_buf b;

    (void)connection;
    g->external_id = connector_key_new(&conf->external_id, e);
    g->id = connector_key_new(&conf->id, e);
    tl_buf_init(&b, 16 << 10);
    for (size_t i = 0; i < conf->fields.n; i++) {
        (void)tl_buf_puts(&b, i == 0 ? "?fields=" : ",");
        (void)tl_percent_encode(&b, tl_sv_str(*CONFIG_AT(conf->fields, const char *, i)));
    }
    if (conf->expand)
        (void)tl_buf_printf(&b, "%cexpandSubResources=true", b.n > 0 ? '&' : '?');
    g->query = tl_strdup(b.p ? b.p : "");
    tl_buf_done(&b);
    return g;
}

void netsuite__get_release(void *prepared)
{
    struct get *g = prepared;

    if (!g)
        return;
    connector_expression_free(g->external_id);
    connector_expression_free(g->id);
    tl_free(g->query);
    tl_free(g);
}

static enum tl_rc path_of(struct task *task, struct connector_call *call, struct tl_sv *ret, struct tl_err *err)
{
    const struct netsuite_get *conf = call->operation;
    const struct get *g = call->prepared;
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json v = JSON_NOTHING;
    struct tl_sv key;
    enum tl_rc rc = connector_expression_run(task, g->external_id ? g->external_id : g->id, call, call->input, &v, err);

    if (rc != TL_OK)
        return rc;
    key = netsuite__text(call->arena, v);
    if (key.n == 0)
        return tl_fail(err, TL_INVALID, "%s has no value", g->external_id ? "external_id" : "id");
    tl_buf_init(&b, 16 << 10);
    (void)tl_buf_printf(&b, NETSUITE_RECORD "%s/%s", conf->record, g->external_id ? "eid:" : "");
    (void)tl_percent_encode(&b, key);
    (void)tl_buf_puts(&b, g->query);
    *ret = b.failed ? TL_SV_NULL : tl_arena_sv(call->arena, tl_buf_view(&b));
    return ret->p ? TL_OK : tl_fail(err, TL_LIMIT, "the id is too long");
}

enum tl_rc netsuite__get(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct netsuite_get *conf = call->operation;
    struct netsuite_request r = {.method = "GET", .endpoint = NETSUITE_RECORD, .timeout_ms = conf->timeout_ms};
    struct netsuite_refusal no;
    struct http_reply reply;
    enum tl_rc rc = path_of(task, call, &r.path, err);

    if (rc != TL_OK) {
        call->not_sent = true;
        return rc;
    }
    rc = netsuite__send(task, call, &r, &reply, err);
    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    if (tl_sv_eqs(no.code, "NONEXISTENT_ID")) {
        call->output = json_null();
        return TL_OK;
    }
    if (no.rc != TL_OK)
        return netsuite__fail(&no, err);
    return netsuite__record_of(task, call, &reply, &call->output, err);
}

/* The limits of the account; a role that may not see them is logged in all the same. */
enum tl_rc netsuite__probe(struct task *task, struct connector_call *call, struct connector_identity *ret,
                           struct tl_err *err)
{
    const struct netsuite_connection *c = call->connection;
    const struct netsuite_request r = {
        .method = "GET", .path = TL_SV("/services/rest/system/v1/governanceLimits"), .endpoint = "governanceLimits"};
    struct netsuite_refusal no;
    struct http_reply reply;
    int64_t limit;
    enum tl_rc rc = netsuite__send(task, call, &r, &reply, err);

    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    if (no.rc != TL_OK && no.rc != TL_FORBIDDEN && reply.status != 403)
        return netsuite__fail(&no, err);
    ret->who = tl_sv_str(tl_arena_printf(call->arena, "the integration of account %s", c->id));
    ret->where = tl_sv_str(c->rest);
    if (json_int64(json_gets(netsuite__parsed(task, call, &reply), "accountConcurrencyLimit"), &limit))
        ret->details = tl_sv_str(
            tl_arena_printf(call->arena, "%lld requests at one time for the whole account", (long long)limit));
    else
        ret->details = TL_SV("the role may not see the account's limits");
    return TL_OK;
}
