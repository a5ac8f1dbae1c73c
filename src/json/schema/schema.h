/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.h - JSON Schema, draft 2020-12 and draft-07.
 *
 * A schema is compiled once into an immutable, ref-counted object that all threads may use at the same time; it keeps a
 * copy of all it needs. Validation reports every failure with two JSON pointers and one sentence. References are
 * resolved within the schema and the documents that the caller hands over: nothing is ever fetched. Numbers are
 * compared exactly, whatever their size. Regular expressions have the meaning of ECMA-262 (with its u flag).
 */
#ifndef TL_JSON_SCHEMA_SCHEMA_H
#define TL_JSON_SCHEMA_SCHEMA_H

#include "json/json.h"

struct json_schema;

enum json_schema_draft {
    JSON_SCHEMA_2020_12 = 0,
    JSON_SCHEMA_DRAFT_07,
    JSON_SCHEMA_2019_09 /* as far as it equals 2020-12: for documents that are referred to */
};

struct json_schema_options {
    enum json_schema_draft draft; /* where the schema has no $schema */
    bool formats;                 /* "format" rejects; otherwise it never does */
    struct json documents;        /* object: URI without fragment -> schema, for $ref and $schema; or JSON_UNDEFINED */
    size_t max_nodes;             /* subschemas in all; 0: 100,000 */
};

/* TL_INVALID (with the place as a JSON pointer in the text) when the schema is not one, TL_LIMIT. */
TL_MUST_CHECK enum tl_rc json_schema_compile(struct json schema, const struct json_schema_options *options,
                                             struct json_schema **ret, struct tl_err *err);
struct json_schema *json_schema_ref(struct json_schema *s);
void json_schema_unref(struct json_schema *s); /* NULL allowed */
void json_schema_unrefp(struct json_schema **s);

struct json_schema_issue {
    struct tl_sv instance; /* JSON pointer into the instance: "/lines/0/sku" */
    struct tl_sv schema;   /* "#/properties/lines/items/required", with its document's URI where it has one */
    struct tl_sv text;     /* one sentence; contains no value of the instance */
};

struct json_schema_budget {
    uint64_t steps;      /* subschemas and keywords applied; 0: 20 million */
    uint32_t depth;      /* 0: 1,500 */
    uint32_t max_issues; /* 0: 100; 1 stops at the first */
};

struct json_schema_result {
    bool valid;
    const struct json_schema_issue *issues; /* in the arena */
    size_t count;
    bool more; /* there are more issues than max_issues */
};

/* TL_OK with the verdict; TL_BUDGET when a budget or the arena is used up (endless $ref included). */
TL_MUST_CHECK enum tl_rc json_schema_validate(const struct json_schema *s, struct tl_arena *a, struct json instance,
                                              const struct json_schema_budget *budget, struct json_schema_result *ret,
                                              struct tl_err *err);

/* What a format name asserts, for other users of the same rules; unknown formats are true. */
bool json_schema_format(struct tl_sv format, struct tl_sv text);

#endif
