/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - is there such a record type, such a field, such a column? Asked when a person tries the connection.
 *
 * Types and fields stand in the metadata catalogue of the REST API, which shows what the role may see. The catalogue of
 * all types takes minutes, so one type at a time is asked for, and the list only when a type is not there.
 */
#include "netsuite/netsuite_int.h"

#define CATALOGUE NETSUITE_RECORD "metadata-catalog"
enum { CATALOGUE_MS = 180000, TYPES = 4000 };

struct asking {
    struct task *task;
    struct connector_call *call;
    struct connector_inquiry *q;
    struct tl_err *err;
};

static enum tl_rc get(struct asking *a, const char *path, const char *accept, struct json *ret,
                      struct netsuite_refusal *no)
{
    const struct netsuite_request r = {.method = "GET",
                                       .path = tl_sv_str(path),
                                       .endpoint = CATALOGUE,
                                       .accept = tl_sv_str(accept),
                                       .timeout_ms = CATALOGUE_MS};
    struct http_reply reply;
    enum tl_rc rc = netsuite__send(a->task, a->call, &r, &reply, a->err);

    if (rc != TL_OK)
        return rc;
    *no = netsuite__judge(a->task, a->call, &reply, true);
    if (no->rc != TL_OK && reply.status != 404 && !no->of_record)
        return netsuite__fail(no, a->err);
    *ret = netsuite__parsed(a->task, a->call, &reply);
    return TL_OK;
}

static const char *nearest_type(struct asking *a, const char *record)
{
    struct netsuite_refusal no;
    struct json v = JSON_NOTHING, items;
    const char **names = tl_arena_alloc(a->call->arena, TYPES * sizeof *names);
    size_t n = 0;

    if (!names || get(a, CATALOGUE, "application/json", &v, &no) != TL_OK || no.rc != TL_OK)
        return NULL;
    items = json_gets(v, "items");
    for (uint32_t i = 0; items.type == JSON_ARRAY && i < items.n && n < TYPES; i++) {
        struct tl_sv name = json_text(json_gets(items.u.items[i], "name"), TL_SV(""));

        if (tl_sv_eqi(name, tl_sv_str(record))) /* the usual case: customer, Customer */
            return tl_arena_strndup(a->call->arena, name.p, name.n);
        names[n] = tl_arena_strndup(a->call->arena, name.p, name.n);
        n += names[n] != NULL;
    }
    return tl_nearest(tl_sv_str(record), names, n);
}

/* *ret undefined: it is not there, and that is a finding. */
static enum tl_rc schema_of(struct asking *a, const char *record, struct json *ret)
{
    const char *path = tl_arena_printf(a->call->arena, CATALOGUE "/%s", record), *near;
    struct netsuite_refusal no;
    struct json v = JSON_NOTHING;
    enum tl_rc rc = get(a, path, "application/schema+json", &v, &no);

    *ret = JSON_NOTHING;
    if (rc != TL_OK)
        return rc;
    if (no.rc == TL_OK) {
        *ret = v.type == JSON_OBJECT ? v : json_null();
        return TL_OK;
    }
    near = nearest_type(a, record);
    connector_finding(a->call, a->q, "there is no record type `%s`, or the role may not see it%s%s%s", record,
                      near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
    return TL_OK;
}

static bool is_always_there(struct tl_sv path, const char *taken_out)
{
    static const char *const names[] = {"id", "externalId", "$"};

    for (size_t i = 0; i < TL_COUNT(names); i++)
        if (tl_sv_eqs(path, names[i]))
            return true;
    return taken_out && tl_sv_eqs(path, taken_out);
}

static enum tl_rc check(struct asking *a, const char *record, const char *taken_out)
{
    struct json schema;
    enum tl_rc rc = schema_of(a, record, &schema);

    for (size_t i = 0; rc == TL_OK && schema.type == JSON_OBJECT && i < a->q->n; i++) {
        struct tl_sv path = a->q->fields[i];
        const char *near = NULL, *unknown = NULL;

        if (!is_always_there(path, taken_out))
            unknown = connector_unknown_field(a->call->arena, schema, path, &near);
        if (unknown)
            connector_finding(a->call, a->q, "%s has no field `%s` (the mapping makes %.*s)%s%s%s", record, unknown,
                              TL_SV_ARG(path), near ? "; did you mean `" : "", near ? near : "", near ? "`?" : "");
    }
    return rc;
}

enum tl_rc netsuite__verify_record(struct task *task, struct connector_call *call, struct connector_inquiry *q,
                                   struct tl_err *err)
{
    const struct netsuite_target *conf = call->operation;
    struct asking a = {task, call, q, err};
    const char *by = conf->external_id.text ? conf->external_id.text : conf->id.text;
    const char *taken_out = netsuite__is_plain_name(by) ? by : NULL;
    struct json from;

    if (conf->into) { /* the record holds what differs in what is made */
        enum tl_rc rc = schema_of(&a, conf->record, &from);

        return rc == TL_OK ? check(&a, conf->into, taken_out) : rc;
    }
    return check(&a, conf->record, taken_out);
}

/* Names over SOAP are those of REST, with few exceptions; so are the types. */
enum tl_rc netsuite__verify_soap(struct task *task, struct connector_call *call, struct connector_inquiry *q,
                                 struct tl_err *err)
{
    const struct config_text *record = call->operation; /* first in both */
    struct asking a = {task, call, q, err};
    struct json schema;

    _Static_assert(offsetof(struct netsuite_soap_upsert, record) == 0, "verify_soap reads it");
    _Static_assert(offsetof(struct netsuite_soap_search, record) == 0, "verify_soap reads it");
    return schema_of(&a, record->text, &schema);
}

/* The page after the last one: the columns are checked, and nothing comes. */
enum tl_rc netsuite__verify_rows(struct task *task, struct connector_call *call, struct connector_inquiry *q,
                                 struct tl_err *err)
{
    struct tl_err failed = {0};
    struct json params, rows;
    const char *query = netsuite__read_query(call, &params);
    enum tl_rc rc = netsuite__rows(task, call, query, params, 1, 0, &rows, &failed);

    if (rc != TL_OK && tl_rc_class(rc) != TL_CLASS_DATA) {
        if (err)
            *err = failed;
        return rc;
    }
    if (rc != TL_OK)
        connector_finding(call, q, "NetSuite refuses the query: %s", failed.text);
    return TL_OK;
}
