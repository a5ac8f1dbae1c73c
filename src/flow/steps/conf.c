/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the configuration of the steps that ask and of cross-references; the other tables are in project.c. */
#include "flow/project.h"

#define AT(type, member) .offset = offsetof(struct type, member)

static const char *const unavailable[] = {"hold", "use_cached", "default", NULL};
static const struct config_field unavailable_fields[] = {
    {.name = "then",
     .type = CONFIG_ENUM,
     .choices = unavailable,
     AT(flow_unavailable_conf, then),
     .fallback = "hold",
     .doc = "hold: the event waits. use_cached alone: an older answer of the last day."},
    {.name = "use_cached",
     .type = CONFIG_DURATION,
     AT(flow_unavailable_conf, use_cached_ms),
     .max = 1LL << 40,
     .doc = "An answer up to this age is used again.",
     .example = "1h"},
    {.name = "default",
     .type = CONFIG_EXPR,
     AT(flow_unavailable_conf, fallback),
     .doc = "The value instead; with `use_cached`, where there is no answer of that age.",
     .example = "{ 'name': 'unknown' }"},
};
static const struct config_spec unavailable_spec = {.name = "on_unavailable",
                                                    .size = sizeof(struct flow_unavailable_conf),
                                                    .fields = unavailable_fields,
                                                    .n_fields = TL_COUNT(unavailable_fields),
                                                    .scalar = "then",
                                                    .doc = "What happens while the system cannot be asked."};
#define ASK_FIELDS(cache_fallback)                                                                                     \
    {.name = "connection",                                                                                             \
     .type = CONFIG_TEXT,                                                                                              \
     AT(flow_ask_conf, connection),                                                                                    \
     .required = true,                                                                                                 \
     .doc = "Name of a connection. Each call takes its permits, like a target's."},                                    \
        {.name = "as",                                                                                                 \
         .type = CONFIG_STRING,                                                                                        \
         AT(flow_ask_conf, as),                                                                                        \
         .required = true,                                                                                             \
         .min = 1,                                                                                                     \
         .max = 60,                                                                                                    \
         .doc = "The answer is the variable $<as> in later steps and in the targets."},                                \
        {.name = "value",                                                                                              \
         .type = CONFIG_EXPR,                                                                                          \
         AT(flow_ask_conf, value),                                                                                     \
         .doc = "The part of the answer that is wanted."},                                                             \
        {.name = "cache",                                                                                              \
         .type = CONFIG_DURATION,                                                                                      \
         AT(flow_ask_conf, cache_ms),                                                                                  \
         .fallback = cache_fallback,                                                                                   \
         .max = 604800000,                                                                                             \
         .doc = "How long an answer to the same request is used again."},                                              \
    {                                                                                                                  \
        .name = "on_unavailable", .type = CONFIG_OBJECT, .spec = &unavailable_spec, AT(flow_ask_conf, unavailable),    \
        .doc = "While the system cannot be asked: wait, use an older answer, or a default.",                           \
        .example = "{ use_cached: 1h }"                                                                                \
    }
static const struct config_field lookup_fields[] = {
    ASK_FIELDS("60s"),
    {.name = "path",
     .type = CONFIG_STRING,
     AT(flow_ask_conf, path),
     .raw = true,
     .deprecated = "write `get:`, the operation of connections of type http",
     .doc = "The same as `get`."},
    {.name = "max_age",
     .type = CONFIG_DURATION,
     AT(flow_ask_conf, max_age_ms),
     .max = 1LL << 40,
     .deprecated = "write `on_unavailable: { use_cached: AGE }`",
     .doc = "Of use_cached: the oldest answer that may be used."},
    {.name = "default",
     .type = CONFIG_EXPR,
     AT(flow_ask_conf, fallback),
     .deprecated = "write `on_unavailable: { default: EXPRESSION }`",
     .doc = "Of default: the value instead."},
};
const struct config_spec flow_lookup_spec =
    CONFIG_SPEC("lookup", struct flow_ask_conf, lookup_fields,
                "Fetch something the mapping needs: one operation of a connection, besides these keys.");
static const struct config_field call_fields[] = {
    ASK_FIELDS("0s"),
    {.name = "map",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow_map_spec,
     AT(flow_ask_conf, map),
     .doc = "A mapping of the body, by name or in place: what the operation gets. Later steps see the body as it was."},
};
const struct config_spec flow_call_spec =
    CONFIG_SPEC("call", struct flow_ask_conf, call_fields,
                "Do something on another system on the way: one operation of a connection, besides these keys. A "
                "repeated call carries the same idempotency key.");
#define MODEL_FIELD(conf)                                                                                              \
    {                                                                                                                  \
        .name = "model", .type = CONFIG_STRING, AT(conf, model), .required = true, .min = 1, .max = 100,               \
        .doc = "What kind of thing it is: the same word in all flows that speak of it.", .example = "customer"         \
    }
static const struct config_field match_fields[] = {
    {.name = "value",
     .type = CONFIG_EXPR,
     AT(flow_match_conf, value),
     .doc = "The id in the answer; absent: the answer itself. No value: there is no such record."},
};
const struct config_spec flow_match_spec =
    CONFIG_SPEC("match_by", struct flow_match_conf, match_fields, "An operation that finds a record made before us.");
static const struct config_field xref_fields[] = {
    MODEL_FIELD(flow_xref_conf),
    {.name = "from",
     .type = CONFIG_STRING,
     AT(flow_xref_conf, from),
     .required = true,
     .min = 1,
     .max = 100,
     .doc = "The system whose id is known: a connection, or any name for one that only sends."},
    {.name = "id", .type = CONFIG_EXPR, AT(flow_xref_conf, id), .required = true, .doc = "The id there."},
    {.name = "to",
     .type = CONFIG_TEXT,
     AT(flow_xref_conf, to),
     .required = true,
     .doc = "The system whose id is wanted."},
    {.name = "as",
     .type = CONFIG_STRING,
     AT(flow_xref_conf, as),
     .required = true,
     .min = 1,
     .max = 60,
     .doc = "The id on the other side is the variable $<as>; null where none is known."},
    {.name = "required",
     .type = CONFIG_BOOL,
     AT(flow_xref_conf, required),
     .fallback = "false",
     .doc = "Without an id the event is retried, until the flow that makes the other record has done so."},
    {.name = "match_by",
     .type = CONFIG_ANY,
     AT(flow_xref_conf, match_by),
     .doc =
         "Where none is known: an operation of the connection `to` that finds a record made before us. What it finds "
         "is kept.",
     .example = "{ get: \"/customers?email={body.email}\", value: \"customers[0].id\" }"},
};
const struct config_spec flow_xref_spec =
    CONFIG_SPEC("xref", struct flow_xref_conf, xref_fields, "The id of a thing on another system.");
static const struct config_field own_fields[] = {
    MODEL_FIELD(flow_own_conf),
    {.name = "connection",
     .type = CONFIG_STRING,
     AT(flow_own_conf, connection),
     .required = true,
     .min = 1,
     .max = 100,
     .doc = "The connection that we write to and that tells us of it."},
    {.name = "id", .type = CONFIG_EXPR, AT(flow_own_conf, id), .required = true, .doc = "The record's id there."},
    {.name = "mark",
     .type = CONFIG_EXPR,
     AT(flow_own_conf, mark),
     .required = true,
     .doc = "The same text as `mark` of the target that wrote it.",
     .example = "body.status & '|' & body.total"},
};
const struct config_spec flow_own_spec =
    CONFIG_SPEC("own_write", struct flow_own_conf, own_fields, "Events that tell of our own writes are skipped.");
static const struct config_field target_xref_fields[] = {
    MODEL_FIELD(flow_target_xref_conf),
    {.name = "from",
     .type = CONFIG_STRING,
     AT(flow_target_xref_conf, from),
     .required = true,
     .min = 1,
     .max = 100,
     .doc = "The system that the event came from: a connection, or any name for one that only sends."},
    {.name = "id",
     .type = CONFIG_EXPR,
     AT(flow_target_xref_conf, id),
     .required = true,
     .doc = "The id there, before the target's own map."},
    {.name = "answer",
     .type = CONFIG_EXPR,
     AT(flow_target_xref_conf, answer),
     .doc =
         "The id here, over what is kept of the target's answer (also $sent, the body that was sent); absent: all of "
         "it."},
    {.name = "mark",
     .type = CONFIG_EXPR,
     AT(flow_target_xref_conf, mark),
     .doc = "A text that says what was written, over the event as it is sent: the step `own_write` of the flow that "
            "comes back compares it.",
     .example = "body.status & '|' & body.total"},
};
const struct config_spec flow_target_xref_spec =
    CONFIG_SPEC("target.xref", struct flow_target_xref_conf, target_xref_fields,
                "Which two ids are the same thing; written with the target's acknowledgement.");
