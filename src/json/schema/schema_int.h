/* SPDX-License-Identifier: Apache-2.0 */
/* schema_int.h - compiled schemas, as compile.c makes them and validate.c reads them. */
#ifndef TL_JSON_SCHEMA_SCHEMA_INT_H
#define TL_JSON_SCHEMA_SCHEMA_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "json/json_int.h"
#include "json/schema/schema.h"

enum dialect { D7 = 1, D19 = 2, D20 = 4, DNEW = D19 | D20, DALL = D7 | D19 | D20 };

/* How the value of a keyword is read. */
enum shape {
    S_SCHEMA,       /* one schema */
    S_SCHEMAS,      /* array of schemas */
    S_NAMED,        /* object of schemas */
    S_PATTERNS,     /* object of schemas by regular expression */
    S_ITEMS,        /* before 2020-12: one schema or an array of them */
    S_DEPENDENCIES, /* object of schemas or lists of names */
    S_NAMES,        /* array of texts */
    S_NAMED_NAMES,  /* object of arrays of texts */
    S_NUMBER,
    S_COUNT,
    S_BOOL,
    S_TEXT,
    S_PATTERN,
    S_TYPE, /* text or array of texts */
    S_ARRAY,
    S_ANY,
    S_REF,
    S_DYNAMIC_REF,
    S_PLACE /* schemas that only wait to be referred to */
};

/* keyword, name, dialects, of the validation vocabulary?, shape */
#define KEYWORD_TABLE(X)                                                                                               \
    X(REF, "$ref", DALL, 0, S_REF)                                                                                     \
    X(DYNAMIC_REF, "$dynamicRef", D20, 0, S_DYNAMIC_REF)                                                               \
    X(RECURSIVE_REF, "$recursiveRef", D19, 0, S_REF)                                                                   \
    X(DEFS, "$defs", DNEW, 0, S_PLACE)                                                                                 \
    X(DEFINITIONS, "definitions", DALL, 0, S_PLACE)                                                                    \
    X(TYPE, "type", DALL, 1, S_TYPE)                                                                                   \
    X(ENUM, "enum", DALL, 1, S_ARRAY)                                                                                  \
    X(CONST, "const", DALL, 1, S_ANY)                                                                                  \
    X(MULTIPLE_OF, "multipleOf", DALL, 1, S_NUMBER)                                                                    \
    X(MAXIMUM, "maximum", DALL, 1, S_NUMBER)                                                                           \
    X(EXCLUSIVE_MAXIMUM, "exclusiveMaximum", DALL, 1, S_NUMBER)                                                        \
    X(MINIMUM, "minimum", DALL, 1, S_NUMBER)                                                                           \
    X(EXCLUSIVE_MINIMUM, "exclusiveMinimum", DALL, 1, S_NUMBER)                                                        \
    X(MAX_LENGTH, "maxLength", DALL, 1, S_COUNT)                                                                       \
    X(MIN_LENGTH, "minLength", DALL, 1, S_COUNT)                                                                       \
    X(PATTERN, "pattern", DALL, 1, S_PATTERN)                                                                          \
    X(MAX_ITEMS, "maxItems", DALL, 1, S_COUNT)                                                                         \
    X(MIN_ITEMS, "minItems", DALL, 1, S_COUNT)                                                                         \
    X(UNIQUE_ITEMS, "uniqueItems", DALL, 1, S_BOOL)                                                                    \
    X(MAX_CONTAINS, "maxContains", DNEW, 1, S_COUNT)                                                                   \
    X(MIN_CONTAINS, "minContains", DNEW, 1, S_COUNT)                                                                   \
    X(MAX_PROPERTIES, "maxProperties", DALL, 1, S_COUNT)                                                               \
    X(MIN_PROPERTIES, "minProperties", DALL, 1, S_COUNT)                                                               \
    X(REQUIRED, "required", DALL, 1, S_NAMES)                                                                          \
    X(DEPENDENT_REQUIRED, "dependentRequired", DNEW, 1, S_NAMED_NAMES)                                                 \
    X(FORMAT, "format", DALL, 0, S_TEXT)                                                                               \
    X(ALL_OF, "allOf", DALL, 0, S_SCHEMAS)                                                                             \
    X(ANY_OF, "anyOf", DALL, 0, S_SCHEMAS)                                                                             \
    X(ONE_OF, "oneOf", DALL, 0, S_SCHEMAS)                                                                             \
    X(NOT, "not", DALL, 0, S_SCHEMA)                                                                                   \
    X(IF, "if", DALL, 0, S_SCHEMA)                                                                                     \
    X(THEN, "then", DALL, 0, S_SCHEMA)                                                                                 \
    X(ELSE, "else", DALL, 0, S_SCHEMA)                                                                                 \
    X(DEPENDENT_SCHEMAS, "dependentSchemas", DNEW, 0, S_NAMED)                                                         \
    X(DEPENDENCIES, "dependencies", DALL, 0, S_DEPENDENCIES)                                                           \
    X(PREFIX_ITEMS, "prefixItems", D20, 0, S_SCHEMAS)                                                                  \
    X(OLD_ITEMS, "items", D7 | D19, 0, S_ITEMS)                                                                        \
    X(ADDITIONAL_ITEMS, "additionalItems", D7 | D19, 0, S_SCHEMA)                                                      \
    X(ITEMS, "items", D20, 0, S_SCHEMA)                                                                                \
    X(CONTAINS, "contains", DALL, 0, S_SCHEMA)                                                                         \
    X(PROPERTIES, "properties", DALL, 0, S_NAMED)                                                                      \
    X(PATTERN_PROPERTIES, "patternProperties", DALL, 0, S_PATTERNS)                                                    \
    X(ADDITIONAL_PROPERTIES, "additionalProperties", DALL, 0, S_SCHEMA)                                                \
    X(PROPERTY_NAMES, "propertyNames", DALL, 0, S_SCHEMA)                                                              \
    X(UNEVALUATED_ITEMS, "unevaluatedItems", DNEW, 0, S_SCHEMA)                                                        \
    X(UNEVALUATED_PROPERTIES, "unevaluatedProperties", DNEW, 0, S_SCHEMA)

enum keyword {
#define X(id, name, dialects, validation, shape) K_##id,
    KEYWORD_TABLE(X)
#undef X
        K_COUNT
};

struct keyword_row {
    const char *name;
    uint8_t dialects;
    bool validation;
    enum shape shape;
};
extern const struct keyword_row schema_keywords[K_COUNT];

/* What has a URI of its own; the unit of dynamic scope. */
struct resource {
    struct tl_sv uri; /* without fragment */
    const struct json *root;
    enum dialect dialect;
    bool validation; /* the vocabulary of assertions is in force */
    bool formats;
    struct tl_map *anchors; /* name -> const struct json * */
    struct tl_map *dynamic; /* name -> struct node * */
};

struct entry { /* one schema of a keyword with many */
    struct json name;
    struct node *schema; /* or NULL: names, of a dependency */
    const struct json *names;
    pcre2_code *pattern;
};

struct rule {
    enum keyword keyword;
    const struct json *value;
    struct node *schema; /* S_SCHEMA, references */
    struct entry *entries;
    uint32_t n;
    int64_t count;
    pcre2_code *pattern;
    struct tl_sv dynamic; /* $dynamicRef: the anchor to look for in the dynamic scope */
};

struct node {
    const struct json *at;
    struct resource *resource;
    struct tl_sv where; /* JSON pointer, after the document's URI and '#' */
    struct rule *rules;
    uint32_t n;
    uint8_t of[K_COUNT]; /* rule number + 1 of each keyword */
    bool unevaluated;    /* one of the two keywords is there */
};

struct json_schema {
    int refs; /* atomic */
    struct tl_arena *arena;
    struct node *root;
    struct tl_map *resources;
    struct node **nodes;
    size_t count, cap;
    struct resource **owned;
    size_t resource_count, resource_cap;
    struct pcre2_real_code_8 **patterns;
    size_t pattern_count, pattern_cap;
};

static inline const struct rule *node_rule(const struct node *n, enum keyword k)
{
    return n->of[k] ? &n->rules[n->of[k] - 1] : NULL;
}

/* RFC 3986 section 5.2; the text is in the arena. The fragment is cut off and given apart (without '#'). */
struct tl_sv uri_resolve(struct tl_arena *a, struct tl_sv base, struct tl_sv reference, struct tl_sv *ret_fragment);

/* An ECMA-262 pattern for PCRE2; NULL when it is not one. */
pcre2_code *pattern_compile(struct tl_sv text);
/* Is it one for ECMA-262? More than pattern_compile() can run: look-behind of variable length. */
bool pattern_valid(struct tl_sv text);
/* 1 matches, 0 does not, -1 the match limit was passed. */
int pattern_match(const pcre2_code *code, struct tl_sv text);

uint32_t schema_object_find(struct json object, struct tl_sv key); /* UINT32_MAX: not there */
bool schema_number_is_whole(struct json v);
bool schema_number_is_multiple(struct json v, struct json of);
/* Two equal items, by value; false when there are none. */
bool schema_items_repeat(struct json array, uint32_t *ret_first, uint32_t *ret_second);

/* punycode.c: the code points (room for 64) of a label behind "xn--"; false when it is not their one encoding. */
bool punycode_decode(struct tl_sv s, uint32_t *out, size_t *ret_n);

/* format_text.c, format_net.c: named formats. */
bool format_date(struct tl_sv s);
bool format_time(struct tl_sv s);
bool format_date_time(struct tl_sv s);
bool format_duration(struct tl_sv s);
bool format_uri(struct tl_sv s, bool reference, bool international);
bool format_uri_template(struct tl_sv s);
bool format_ipv4(struct tl_sv s);
bool format_ipv6(struct tl_sv s);
bool format_hostname(struct tl_sv s);
bool format_idn_hostname(struct tl_sv s);
bool format_email(struct tl_sv s, bool international);

#endif
