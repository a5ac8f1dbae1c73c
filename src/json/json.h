/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json.h - JSON values, shared by the parser, the mapping languages and the writer.
 *
 * A value is 16 bytes, passed by value, and points into an arena or into the text it was parsed from: both must outlive
 * it. Values are immutable once they are shared; only their builder may write to them. There is nothing to free.
 *
 * Numbers keep their spelling: the parser stores a number that is not a plain int64 as JSON_DECIMAL, a view of its
 * text, and the writer prints that text again, so money and ids pass through untouched (RFC 8259 section 6 leaves
 * precision to us). json_number() gives the double when arithmetic is wanted.
 *
 * Strings are UTF-8. A \u escape of a lone surrogate is refused unless JSON_PARSE_LONE_SURROGATES is given (then it is
 * kept as the three bytes that UTF-8 would give it, and the writer escapes it again).
 */
#ifndef TL_JSON_JSON_H
#define TL_JSON_JSON_H

#include "base/base.h"

enum json_type {
    JSON_UNDEFINED = 0, /* nothing: not a JSON value, not null */
    JSON_NULL,
    JSON_BOOL,
    JSON_INT,     /* u.i */
    JSON_DOUBLE,  /* u.d, finite: the result of arithmetic */
    JSON_DECIMAL, /* u.s/n: the number as it was spelled */
    JSON_STRING,  /* u.s/n: UTF-8, not NUL-terminated */
    JSON_ARRAY,   /* u.items/n */
    JSON_OBJECT,  /* u.members/n */
    JSON_EXT      /* u.ext: a value of an evaluator (function, regex); never parsed, never written */
};

/* Flags are hints that may be absent, never requirements, except where said. */
enum {
    JSON_F_ASCII = 1,    /* string: every byte is < 0x80, so bytes are characters */
    JSON_F_PLAIN = 2,    /* string: nothing in it needs an escape when written */
    JSON_F_INDEXED = 4,  /* object: a hash index stands before the members (json_get uses it): drop the flag when you
                            point u.members elsewhere */
    JSON_F_SEQUENCE = 8, /* array: evaluator's sequence, flattens into its parent (jsonata/) */
    JSON_F_KEEP = 16,    /* array: evaluator's "keep singleton array" (jsonata/) */
    JSON_F_CONS = 32     /* array: made by an array constructor (jsonata/) */
};

struct json_member;

struct json {
    uint8_t type; /* enum json_type */
    uint8_t flags;
    uint16_t aux; /* free for the owner of the value (an evaluator's tag) */
    uint32_t n;   /* bytes of a string or decimal; items of an array; members of an object */
    union {
        bool b;
        int64_t i;
        double d;
        const char *s;
        struct json *items;
        struct json_member *members;
        void *ext;
    } u;
};

struct json_member {
    struct json key; /* JSON_STRING */
    struct json value;
};

/* ---- making values ---- */
#define JSON_NOTHING ((struct json){0})
static inline struct json json_null(void)
{
    return (struct json){.type = JSON_NULL};
}
static inline struct json json_bool(bool b)
{
    return (struct json){.type = JSON_BOOL, .u.b = b};
}
static inline struct json json_int(int64_t i)
{
    return (struct json){.type = JSON_INT, .u.i = i};
}
/* NaN and infinities are the caller's fault: JSON has none. */
static inline struct json json_double(double d)
{
    return (struct json){.type = JSON_DOUBLE, .u.d = d};
}
static inline struct json json_sv(struct tl_sv s) /* borrowed */
{
    return (struct json){.type = JSON_STRING, .n = (uint32_t)s.n, .u.s = s.p};
}
static inline struct json json_str(const char *s) /* borrowed */
{
    return json_sv(tl_sv_str(s));
}
struct json json_str_copy(struct tl_arena *a, struct tl_sv s);
struct json json_printf(struct tl_arena *a, const char *fmt, ...) TL_PRINTF(2, 3);

/* ---- reading ---- */
static inline bool json_is_number(struct json v)
{
    return v.type == JSON_INT || v.type == JSON_DOUBLE || v.type == JSON_DECIMAL;
}
static inline struct tl_sv json_view(struct json v) /* of a string or decimal */
{
    return (struct tl_sv){v.u.s, v.n};
}
/* The number as a double (correctly rounded; an overflowing decimal gives +-HUGE_VAL). 0 for other types. */
double json_number(struct json v);
/* True when the value is a whole number that int64 holds exactly (1.0 and 1e3 included). */
bool json_int64(struct json v, int64_t *ret);
/* Order of two numbers by value: -1, 0, 1. Exact for integers and decimals of any length; as doubles where one is a
 * JSON_DOUBLE. */
int json_number_cmp(struct json a, struct json b);
/* Member by name, JSON_UNDEFINED when absent or when v is not an object. */
struct json json_get(struct json v, struct tl_sv key);
struct json json_gets(struct json v, const char *key);
static inline struct json json_at(struct json v, size_t i)
{
    return v.type == JSON_ARRAY && i < v.n ? v.u.items[i] : JSON_NOTHING;
}
/* Convenience for our own documents: the text or the fallback. */
struct tl_sv json_text(struct json v, struct tl_sv fallback);
/* Deep equality: numbers by value, objects without order. */
bool json_equal(struct json a, struct json b);
const char *json_type_name(struct json v); /* "object", "number", ... */
/* A copy that depends on nothing but the arena. JSON_UNDEFINED with the arena exceeded. */
struct json json_copy(struct tl_arena *a, struct json v);

/* ---- building: arrays and objects that grow in an arena ---- */
struct json_builder {
    struct tl_arena *arena;
    struct json v; /* the value so far */
    uint32_t cap;
};
void json_array_begin(struct json_builder *b, struct tl_arena *a, size_t expected);
void json_object_begin(struct json_builder *b, struct tl_arena *a, size_t expected);
bool json_push(struct json_builder *b, struct json item);                   /* false: arena limit */
bool json_add(struct json_builder *b, struct tl_sv key, struct json value); /* key borrowed; no duplicate check */
bool json_adds(struct json_builder *b, const char *key, struct json value);
bool json_set(struct json_builder *b, struct tl_sv key, struct json value); /* replaces an existing member */
static inline struct json json_end(const struct json_builder *b)
{
    return b->v;
}
/* The same object with a hash index (JSON_F_INDEXED) where it has enough members to gain from one: for objects that
 * will be asked often. Parsed objects have it already. Members are copied, their values are not. */
struct json json_indexed(struct tl_arena *a, struct json object);

/* ---- parsing: RFC 8259, strict ---- */
enum {
    JSON_PARSE_LONE_SURROGATES = 1,
    JSON_PARSE_DUP_LAST = 2 /* duplicate names: the last wins (default: refused with TL_PARSE) */
};
struct json_limits {
    size_t max_bytes;   /* 0: 64 MB */
    uint32_t max_depth; /* 0: 512 */
};
/* The text must outlive the value (strings without escapes and decimals point into it). Errors: TL_PARSE with line and
 * column, TL_LIMIT. */
TL_MUST_CHECK enum tl_rc json_parse(struct tl_arena *a, struct tl_sv text, unsigned flags,
                                    const struct json_limits *limits, struct json *ret, struct tl_err *err);
/* One value after another in one text (NDJSON, concatenated). *pos starts at 0; TL_OK with *ret JSON_UNDEFINED at the
 * end. */
TL_MUST_CHECK enum tl_rc json_parse_next(struct tl_arena *a, struct tl_sv text, size_t *pos, unsigned flags,
                                         const struct json_limits *limits, struct json *ret, struct tl_err *err);

/* ---- writing ---- */
enum {
    JSON_WRITE_INDENT = 1,     /* two spaces */
    JSON_WRITE_SORTED = 2,     /* members by name: for comparing and hashing */
    JSON_WRITE_ASCII = 4,      /* \u escapes for everything above 0x7e */
    JSON_WRITE_JS_NUMBERS = 8, /* every number as JavaScript's JSON.stringify prints its double */
    JSON_WRITE_TERMINAL = 16   /* \u escapes for what would steer a terminal (tl_utf8_steers) */
};
/* Appends to b; false when b's limit was passed. Undefined members are left out, undefined items are null. */
bool json_write(struct tl_buf *b, struct json v, unsigned flags);
/* A line {"error": {"code", "message", NAME: more}} on stderr, as every command complains with --json. name NULL: two
 * members. */
void json_complain(const char *code, const char *message, const char *name, struct json more);
/* Shortest text that reads back as the same double, spelled as JavaScript does (1e+21, 0.000001, 1e-7). Returns bytes;
 * out holds 32. */
size_t json_format_double(double d, char *out);

/* ---- RFC 6901 JSON Pointer, RFC 6902 JSON Patch, RFC 7396 Merge Patch ---- */
TL_MUST_CHECK enum tl_rc json_pointer_get(struct json doc, struct tl_sv pointer, struct json *ret, struct tl_err *err);
TL_MUST_CHECK enum tl_rc json_patch(struct tl_arena *a, struct json doc, struct json patch, struct json *ret,
                                    struct tl_err *err);
TL_MUST_CHECK enum tl_rc json_merge_patch(struct tl_arena *a, struct json doc, struct json patch, struct json *ret,
                                          struct tl_err *err);

#endif
