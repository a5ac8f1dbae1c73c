/* SPDX-License-Identifier: Apache-2.0 */
/* query.c - SOQL as a look-up: {parts} become literals, so no value of an event can change what is asked. */
#include "salesforce/salesforce_int.h"

#include <stdio.h>

enum { PAGES = 25 };

struct lookup {
    struct connector_template *soql;
    struct connector_expression *answer;
};

static bool soql_string(struct tl_buf *b, struct tl_sv text)
{
    (void)tl_buf_putc(b, '\'');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (c == '\'' || c == '\\')
            (void)tl_buf_putc(b, '\\');
        if (c == '\n' || c == '\r' || c == '\t')
            (void)tl_buf_puts(b, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else
            (void)tl_buf_putc(b, c);
    }
    return tl_buf_putc(b, '\'');
}

/* SOQL: strings in single quotes, \ and ' escaped; lists in brackets, for IN. */
static bool literal(struct tl_buf *b, struct json v)
{
    switch ((enum json_type)v.type) {
    case JSON_UNDEFINED:
    case JSON_NULL:
        return tl_buf_puts(b, "null");
    case JSON_BOOL:
        return tl_buf_puts(b, v.u.b ? "true" : "false");
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        return json_write(b, v, 0);
    case JSON_STRING:
        return soql_string(b, json_view(v));
    case JSON_ARRAY:
        for (uint32_t i = 0; i < v.n; i++) {
            (void)tl_buf_puts(b, i ? "," : "(");
            if (v.u.items[i].type == JSON_ARRAY || !literal(b, v.u.items[i]))
                return false;
        }
        return v.n > 0 && tl_buf_puts(b, ")");
    case JSON_OBJECT:
    case JSON_EXT:
        break;
    }
    return false;
}

void *sf_lookup_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct sf_lookup *conf = operation;
    struct lookup *l = tl_zalloc(sizeof *l);

    (void)connection;
    l->soql = connector_template_literals(&conf->soql, literal, e);
    l->answer = connector_expression_new(&conf->answer, e);
    return l;
}

void sf_lookup_release(void *prepared)
{
    struct lookup *l = prepared;

    if (!l)
        return;
    connector_template_free(l->soql);
    connector_expression_free(l->answer);
    tl_free(l);
}

/* "attributes" says type and address of a record; nobody maps them. */
struct json sf_without_attributes(struct tl_arena *a, struct json v)
{
    struct json_builder b;

    if (v.type == JSON_ARRAY) {
        json_array_begin(&b, a, v.n);
        for (uint32_t i = 0; i < v.n; i++)
            (void)json_push(&b, sf_without_attributes(a, v.u.items[i]));
        return json_end(&b);
    }
    if (v.type != JSON_OBJECT)
        return v;
    json_object_begin(&b, a, v.n);
    for (uint32_t i = 0; i < v.n; i++)
        if (!tl_sv_eqs(json_view(v.u.members[i].key), "attributes"))
            (void)json_add(&b, json_view(v.u.members[i].key), sf_without_attributes(a, v.u.members[i].value));
    return json_end(&b);
}

struct clean {
    struct connector_call *call;
    struct json from;
    struct json_builder *to;
};
static void clean(void *arg)
{
    struct clean *c = arg;
    struct json records = json_gets(c->from, "records");

    for (uint32_t i = 0; records.type == JSON_ARRAY && i < records.n; i++)
        (void)json_push(c->to, sf_without_attributes(c->call->arena, records.u.items[i]));
}

static enum tl_rc all_pages(struct task *task, struct connector_call *call, const char *path, struct json *ret,
                            struct tl_err *err)
{
    const struct sf_lookup *conf = call->operation;
    struct sf_request req = {.method = "GET", .path = path, .idempotent = true, .timeout_ms = conf->timeout_ms};
    struct json_builder all;

    json_array_begin(&all, call->arena, 16);
    for (int i = 0; i < PAGES; i++) {
        struct sf_reply reply;
        struct tl_sv more;
        enum tl_rc rc = sf_http(task, call, &req, &reply, err);

        if (rc != TL_OK)
            return rc;
        task_on_main_stack(task, clean, &(struct clean){call, reply.body, &all});
        more = json_text(json_gets(reply.body, "nextRecordsUrl"), TL_SV_NULL);
        if (!more.p) {
            *ret = json_end(&all);
            return TL_OK;
        }
        req.path = tl_arena_strndup(call->arena, more.p, more.n);
        if (!req.path)
            return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    }
    return tl_fail(err, TL_LIMIT, "the query has more than %d pages: read them with `from: { read: ... }`", PAGES);
}

enum tl_rc sf_lookup_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct sf_lookup *conf = call->operation;
    const struct lookup *l = call->prepared;
    struct tl_sv soql;
    struct json rows;
    struct json_builder doc;
    char *path;
    enum tl_rc rc = connector_template_run(task, l->soql, call, call->input, &soql, err);

    call->not_sent = true;
    if (rc != TL_OK)
        return rc;
    path = tl_arena_printf(call->arena, "/query?q=%.*s", TL_SV_ARG(sf_encoded(call->arena, soql)));
    if (!path)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    call->endpoint = TL_SV("query");
    rc = all_pages(task, call, path, &rows, err);
    if (rc != TL_OK)
        return rc;
    if (l->answer) {
        json_object_begin(&doc, call->arena, 1);
        (void)json_adds(&doc, "records", rows);
        return connector_expression_run(task, l->answer, call, json_end(&doc), &call->output, err);
    }
    call->output = conf->one ? (rows.n > 0 ? rows.u.items[0] : json_null()) : rows;
    return TL_OK;
}
