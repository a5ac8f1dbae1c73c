/* SPDX-License-Identifier: Apache-2.0 */
/* fields_read.c - what can be written about sources and queries. */
#include "netsuite/netsuite_int.h"

#define AT(type, member) .offset = offsetof(struct type, member)
enum { HOUR = 3600000, DAY = 86400000, ROWS = 1000 };

static const struct config_field param_item = {.type = CONFIG_EXPR, .doc = "Over the event: the value of a `?`."};
static const struct config_field column_item = {
    .type = CONFIG_STRING, .min = 1, .max = 200, .doc = "A column, or an expression AS name."};

#define TIMEOUT(of)                                                                                                    \
    {                                                                                                                  \
        .name = "timeout", .type = CONFIG_DURATION, AT(of, timeout_ms), .min = 1, .max = HOUR,                         \
        .doc = "Longest wait for a whole reply; absent: the connection's.", .example = "30s"                           \
    }

static bool is_column(const char *s)
{
    if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || *s == '_'))
        return false;
    for (; *s; s++)
        if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') || *s == '_'))
            return false;
    return true;
}

static void check_column(const char *s, const char *key, const struct config_node *node, struct config_errors *e)
{
    const struct config_node *at = config_get(node, key);

    if (s && !is_column(s))
        config_error(e, at ? at->at : node->at, NULL, "`%.60s` is not the name of a column", s);
}

/* ---- query ---- */

static const struct config_field query_fields[] = {
    {.name = "query",
     .type = CONFIG_STRING,
     .raw = true,
     AT(netsuite_query, q),
     .required = true,
     .max = 16 << 10,
     .doc = "SuiteQL; each `?` takes a value of `params`.",
     .example = "\"SELECT id FROM customer WHERE email = ?\""},
    {.name = "params",
     .type = CONFIG_LIST,
     .item = &param_item,
     .one_or_many = true,
     .max = 50,
     AT(netsuite_query, params),
     .doc = "Expressions over the event, one for each `?`.",
     .example = "[ body.email ]"},
    {.name = "limit",
     .type = CONFIG_INT,
     AT(netsuite_query, limit),
     .fallback = "100",
     .min = 1,
     .max = ROWS,
     .doc = "Rows at most."},
    TIMEOUT(netsuite_query),
};
static void check_query(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_query *c = conf;
    size_t marks = 0;
    bool text = false;

    for (const char *p = c->q; p && *p; p++) {
        text ^= *p == '\'';
        marks += *p == '?' && !text;
    }
    if (c->q && marks != c->params.n)
        config_error(e, node->at, "Write one parameter for each ?.", "the query has %zu `?` and %zu parameters", marks,
                     c->params.n);
}
static const struct config_check query_checks[] = {{"query params", check_query}};
const struct config_spec netsuite_query_spec = {.name = "netsuite.query",
                                                .size = sizeof(struct netsuite_query),
                                                .fields = query_fields,
                                                .n_fields = TL_COUNT(query_fields),
                                                CONFIG_CHECKS(query_checks),
                                                .doc = "Rows of a SuiteQL query, for look-ups."};

/* ---- suiteql ---- */

static const struct config_field suiteql_fields[] = {
    {.name = "suiteql",
     .type = CONFIG_STRING,
     .raw = true,
     AT(netsuite_query, q),
     .required = true,
     .max = 16 << 10,
     .doc =
         "A SuiteQL query without ORDER BY. Pages are found by `key` (and `modified`), which it must select; times as "
         "TO_CHAR(SYS_EXTRACT_UTC(x),'YYYY-MM-DD HH24:MI:SS').",
     .example = "\"SELECT id, email FROM customer WHERE isinactive = 'F'\""},
    {.name = "key",
     .type = CONFIG_STRING,
     AT(netsuite_query, key),
     .fallback = "id",
     .max = 60,
     .doc = "The column that is unique and goes up."},
    {.name = "modified",
     .type = CONFIG_STRING,
     AT(netsuite_query, modified),
     .max = 60,
     .doc =
         "A column with the time of the last change, as text; rows come by it, then by key. Absent: only rows with a "
         "greater key than before are new.",
     .example = "changed"},
    {.name = "start",
     .type = CONFIG_STRING,
     AT(netsuite_query, start),
     .fallback = "0",
     .max = 100,
     .doc = "What `modified` (or else `key`) must be greater than at the very first run."},
    {.name = "page",
     .type = CONFIG_INT,
     AT(netsuite_query, limit),
     .fallback = "1000",
     .min = 1,
     .max = ROWS,
     .doc = "Rows of a request."},
    NETSUITE_LAG(netsuite_query),
    TIMEOUT(netsuite_query),
};
static void check_query_key(void *conf, const struct config_node *node, struct config_errors *e)
{
    check_column(((const struct netsuite_query *)conf)->key, "key", node, e);
}
static void check_query_modified(void *conf, const struct config_node *node, struct config_errors *e)
{
    check_column(((const struct netsuite_query *)conf)->modified, "modified", node, e);
}
static const struct config_check suiteql_checks[] = {{"key", check_query_key}, {"modified", check_query_modified}};
const struct config_spec netsuite_suiteql_spec = {.name = "netsuite.suiteql",
                                                  .size = sizeof(struct netsuite_query),
                                                  .fields = suiteql_fields,
                                                  .n_fields = TL_COUNT(suiteql_fields),
                                                  CONFIG_CHECKS(suiteql_checks),
                                                  .doc = "The rows of a SuiteQL query, as a source."};

/* ---- records ---- */

static const struct config_field records_fields[] = {
    {.name = "records",
     .type = CONFIG_STRING,
     AT(netsuite_records, record),
     .required = true,
     .min = 1,
     .max = 100,
     .doc = "The record type whose new and changed records are read.",
     .example = "itemFulfillment"},
    {.name = "where",
     .type = CONFIG_STRING,
     .raw = true,
     AT(netsuite_records, where),
     .max = 8 << 10,
     .doc = "A condition of SuiteQL.",
     .example = "\"custbody_shop_number IS NOT NULL\""},
    {.name = "whole",
     .type = CONFIG_BOOL,
     AT(netsuite_records, whole),
     .fallback = "false",
     .doc = "Fetch each record as the REST API has it, with sublists: a request for each of them."},
    {.name = "fields",
     .type = CONFIG_LIST,
     .item = &column_item,
     .max = 200,
     AT(netsuite_records, fields),
     .doc = "Columns of SuiteQL beside id and externalid; all values are texts. Not with `whole`.",
     .example = "[ tranid, entity, \"BUILTIN.DF(status) AS status\" ]"},
    {.name = "modified",
     .type = CONFIG_STRING,
     AT(netsuite_records, modified),
     .fallback = "lastmodifieddate",
     .max = 60,
     .doc = "The column with the time of the last change (custom records: lastmodified)."},
    {.name = "start",
     .type = CONFIG_STRING,
     AT(netsuite_records, start),
     .fallback = "1970-01-01 00:00:00",
     .min = 19,
     .max = 19,
     .doc = "Changes after this are read at the very first run (UTC)."},
    {.name = "overlap",
     .type = CONFIG_DURATION,
     AT(netsuite_records, overlap_ms),
     .fallback = "2m",
     .max = DAY,
     .doc =
         "Each run begins so much before where the last one stopped, for what was saved late; what is known already is "
         "recognised."},
    {.name = "page",
     .type = CONFIG_INT,
     AT(netsuite_records, page),
     .fallback = "500",
     .min = 1,
     .max = ROWS,
     .doc = "Rows of a request."},
    NETSUITE_LAG(netsuite_records),
    TIMEOUT(netsuite_records),
};
static void check_modified(void *conf, const struct config_node *node, struct config_errors *e)
{
    check_column(((const struct netsuite_records *)conf)->modified, "modified", node, e);
}
static void check_records(void *conf, const struct config_node *node, struct config_errors *e)
{
    check_column(((const struct netsuite_records *)conf)->record, "records", node, e);
}
static void check_whole(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_records *c = conf;

    if (c->whole && c->fields.n > 0)
        config_error(e, config_get(node, "fields")->at, "Drop one of them.",
                     "`whole` brings all fields; `fields` are columns of a query");
}
static const struct config_check records_checks[] = {
    {"modified", check_modified}, {"records", check_records}, {"whole fields", check_whole}};
const struct config_spec netsuite_records_spec = {.name = "netsuite.records",
                                                  .size = sizeof(struct netsuite_records),
                                                  .fields = records_fields,
                                                  .n_fields = TL_COUNT(records_fields),
                                                  CONFIG_CHECKS(records_checks),
                                                  .doc = "New and changed records, as a source."};
