/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - what can be written about targets and look-ups. */
#include "netsuite/netsuite_int.h"

#define AT(type, member) .offset = offsetof(struct type, member)
enum { HOUR = 3600000 };

static const char *const lines_choices[] = {"default", "replace", "keyed", "append", NULL};

/* Record types are names of the REST API; a wrong letter case is a 404 there. */
static void check_record(const char *record, const char *key, const struct config_node *node, struct config_errors *e)
{
    const struct config_node *at = config_get(node, key);
    struct tl_sv s = tl_sv_str(record);
    bool ok = s.n > 0 && s.p[0] >= 'a' && s.p[0] <= 'z';

    for (size_t i = 0; i < s.n && ok; i++)
        ok = (s.p[i] >= 'a' && s.p[i] <= 'z') || (s.p[i] >= 'A' && s.p[i] <= 'Z') || (s.p[i] >= '0' && s.p[i] <= '9') ||
             s.p[i] == '_';
    if (record && !ok)
        config_error(e, at ? at->at : node->at,
                     "Write it as the REST API does: customer, salesOrder, customrecord_outbox.",
                     "`%.60s` is not the name of a record type", record);
}

static void check_batch_job(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_target *t = conf;

    if (t->batch > 1 && !t->async)
        config_error(e, config_get(node, "batch")->at, "Add `async: true`, or use the restlet with `batch:`.",
                     "NetSuite takes many records in one request as a job only");
}

static void check_batch_lines(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_target *t = conf;

    if (t->batch > 1 && t->lines == NETSUITE_LINES_APPEND)
        config_error(e, config_get(node, "batch")->at, "Use `lines: replace` or `keyed`, or no batch.",
                     "a batch may come again, and would append its lines again");
}

static void check_key(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_target *t = conf;

    if (t->external_id.text && t->id.text)
        config_error(e, t->id.at, "Keep the one that the record has.",
                     "both `id` and `external_id` say which record is meant");
    if (!t->external_id.text && !t->id.text)
        config_error(e, node->at, "Add `external_id: NAME`, or `id: NAME` for NetSuite's internal id.",
                     "nothing says which record is meant");
}

static void check_into(void *conf, const struct config_node *node, struct config_errors *e)
{
    check_record(((const struct netsuite_target *)conf)->into, "into", node, e);
}

#define CHECKS(verb, ...)                                                                                              \
    static void check_##verb(void *conf, const struct config_node *node, struct config_errors *e)                      \
    {                                                                                                                  \
        check_record(((const struct netsuite_target *)conf)->record, #verb, node, e);                                  \
    }                                                                                                                  \
    static const struct config_check verb##_checks[] = {{#verb, check_##verb}, __VA_ARGS__}
#define BATCH_CHECKS                                                                                                   \
    {"batch async", check_batch_job},                                                                                  \
    {                                                                                                                  \
        "batch lines", check_batch_lines                                                                               \
    }
#define KEY_CHECK                                                                                                      \
    {                                                                                                                  \
        "external_id id", check_key                                                                                    \
    }
CHECKS(create, );
CHECKS(update, BATCH_CHECKS, KEY_CHECK);
CHECKS(upsert, BATCH_CHECKS);
CHECKS(delete, KEY_CHECK);
CHECKS(transform, {"into", check_into}, KEY_CHECK);

#define RECORD(key, text)                                                                                              \
    {                                                                                                                  \
        .name = (key), .type = CONFIG_STRING, AT(netsuite_target, record), .required = true, .min = 1, .max = 100,     \
        .doc = (text), .example = "salesOrder"                                                                         \
    }
#define EXTERNAL_ID(need, text)                                                                                        \
    {                                                                                                                  \
        .name = "external_id", .type = CONFIG_EXPR, AT(netsuite_target, external_id), .required = (need),              \
        .doc = (text), .example = "orderNumber"                                                                        \
    }
#define ID                                                                                                             \
    {                                                                                                                  \
        .name = "id", .type = CONFIG_EXPR, AT(netsuite_target, id),                                                    \
        .doc = "Over the record: NetSuite's internal id. A plain name is taken out of what is sent.",                  \
        .example = "internalId"                                                                                        \
    }
#define LINES(text)                                                                                                    \
    {                                                                                                                  \
        .name = "lines", .type = CONFIG_ENUM, .choices = lines_choices, .fallback = "default",                         \
        AT(netsuite_target, lines), .doc = (text)                                                                      \
    }
#define ASYNC                                                                                                          \
    {                                                                                                                  \
        .name = "async", .type = CONFIG_BOOL, AT(netsuite_target, async), .fallback = "false",                         \
        .doc = "Let NetSuite do it as a job, with an idempotency key: for records that take long to save. The event "  \
               "is delivered when the job has ended."                                                                  \
    }
#define BATCH                                                                                                          \
    {                                                                                                                  \
        .name = "batch", .type = CONFIG_INT, AT(netsuite_target, batch), .fallback = "1", .min = 1, .max = 100,        \
        .doc =                                                                                                         \
            "With `async`: so many records in one request and one job, each with its own verdict. NetSuite does "      \
            "not say whom a refusal is for: several in different words come again in smaller jobs, so use it where "   \
            "few are refused."                                                                                         \
    }
#define TIMEOUT_OF(of)                                                                                                 \
    {                                                                                                                  \
        .name = "timeout", .type = CONFIG_DURATION, AT(of, timeout_ms), .min = 1, .max = HOUR,                         \
        .doc = "Longest wait for a whole reply; absent: the connection's.", .example = "30s"                           \
    }
#define TIMEOUT TIMEOUT_OF(netsuite_target)
#define BY_EXTERNAL_ID                                                                                                 \
    "Over the record: the external id (letters, digits, _ and -). A plain name is taken out of what is sent."

static const struct config_field create_fields[] = {
    RECORD("create", "The record type to create."),
    EXTERNAL_ID(false, "Over the record: sent as externalId, and looked for before a record is created again after an "
                       "unknown outcome. Better: upsert."),
    ASYNC,
    TIMEOUT,
};
static const struct config_field update_fields[] = {
    RECORD("update", "The record type to update."),
    EXTERNAL_ID(false, BY_EXTERNAL_ID),
    ID,
    LINES("Sublists in the record: `keyed` (the default) changes the lines that give their `line` and refuses a record "
          "with others; `replace` replaces the whole sublist; `append` adds lines, on each attempt."),
    ASYNC,
    BATCH,
    TIMEOUT,
};
static const struct config_field upsert_fields[] = {
    RECORD("upsert", "The record type to create or update."),
    EXTERNAL_ID(true, BY_EXTERNAL_ID),
    LINES("Sublists in the record: `replace` (the default) replaces the whole sublist, so that a repetition does no "
          "harm; "
          "`keyed` and `append` as for update."),
    ASYNC,
    BATCH,
    TIMEOUT,
};
static const struct config_field delete_fields[] = {
    RECORD("delete", "The record type to delete from."),
    EXTERNAL_ID(false, BY_EXTERNAL_ID),
    ID,
    TIMEOUT,
};
static const struct config_field transform_fields[] = {
    RECORD("transform", "The record type to start from."),
    {.name = "into",
     .type = CONFIG_STRING,
     AT(netsuite_target, into),
     .required = true,
     .doc = "The record type to make of it.",
     .example = "itemFulfillment"},
    EXTERNAL_ID(false, BY_EXTERNAL_ID),
    ID,
    TIMEOUT,
};
#define SPEC(verb, text)                                                                                               \
    const struct config_spec netsuite_##verb##_spec = {.name = "netsuite." #verb,                                      \
                                                       .size = sizeof(struct netsuite_target),                         \
                                                       .fields = verb##_fields,                                        \
                                                       .n_fields = TL_COUNT(verb##_fields),                            \
                                                       CONFIG_CHECKS(verb##_checks),                                   \
                                                       .doc = text}
SPEC(create, "Creates a record.");
SPEC(update, "Updates a record.");
SPEC(upsert, "Creates or updates a record by external id.");
SPEC(delete, "Deletes a record.");
SPEC(transform, "Makes a record out of another.");

static const struct config_field restlet_fields[] = {
    {.name = "restlet",
     .type = CONFIG_STRING,
     AT(netsuite_restlet, script),
     .required = true,
     .max = 100,
     .doc = "The script's id.",
     .example = "customscript_tieline"},
    {.name = "deploy",
     .type = CONFIG_STRING,
     AT(netsuite_restlet, deploy),
     .fallback = "customdeploy_tieline",
     .max = 100,
     .doc = "The deployment's id."},
    {.name = "batch",
     .type = CONFIG_INT,
     AT(netsuite_restlet, batch),
     .fallback = "0",
     .max = 100,
     .doc = "So many records in one request to the script that comes with the connector "
            "(suitescript/tieline_restlet.js): each "
            "{type, externalId, values, lines}. 0: one record a request, whatever the script wants."},
    {.name = "idempotent",
     .type = CONFIG_BOOL,
     AT(netsuite_restlet, idempotent),
     .fallback = "false",
     .doc = "The script does no harm when a record comes twice (with `batch` it does not)."},
    TIMEOUT_OF(netsuite_restlet),
};
const struct config_spec netsuite_restlet_spec =
    CONFIG_SPEC("netsuite.restlet", struct netsuite_restlet, restlet_fields, "Records to a script in the account.");

static const struct config_field text_item = {
    .type = CONFIG_STRING, .min = 1, .max = 100, .doc = "The name of a field."};
static const struct config_field get_fields[] = {
    {.name = "get",
     .type = CONFIG_STRING,
     AT(netsuite_get, record),
     .required = true,
     .doc = "The record type to look into.",
     .example = "customer"},
    {.name = "external_id",
     .type = CONFIG_EXPR,
     AT(netsuite_get, external_id),
     .doc = "Over the event: the external id.",
     .example = "body.customer.id"},
    {.name = "id",
     .type = CONFIG_EXPR,
     AT(netsuite_get, id),
     .doc = "Over the event: NetSuite's internal id.",
     .example = "body.id"},
    {.name = "fields",
     .type = CONFIG_LIST,
     .item = &text_item,
     .max = 100,
     AT(netsuite_get, fields),
     .doc = "Fields to fetch; absent: all.",
     .example = "[ companyName, email ]"},
    {.name = "expand",
     .type = CONFIG_BOOL,
     AT(netsuite_get, expand),
     .fallback = "false",
     .doc = "Fetch sublists and subrecords too."},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(netsuite_get, timeout_ms),
     .min = 1,
     .max = HOUR,
     .doc = "Longest wait for a whole reply; absent: the connection's.",
     .example = "30s"},
};
static void check_get(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_get *g = conf;

    check_record(g->record, "get", node, e);
}
static void check_get_key(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct netsuite_get *g = conf;

    if ((g->external_id.text != NULL) == (g->id.text != NULL))
        config_error(e, node->at, "Add `external_id:` or `id:`, one of them.", "it is not said which record is meant");
}
static const struct config_check get_checks[] = {{"get", check_get}, {"external_id id", check_get_key}};
const struct config_spec netsuite_get_spec = {.name = "netsuite.get",
                                              .size = sizeof(struct netsuite_get),
                                              .fields = get_fields,
                                              .n_fields = TL_COUNT(get_fields),
                                              CONFIG_CHECKS(get_checks),
                                              .doc = "Fetches one record."};
