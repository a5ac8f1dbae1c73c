/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonata_int.h - what the functions of the language (functions/) need from the evaluator.
 *
 * A library function is a row of a table: name, signature, C function (struct jsonata_native). Tables end with a row
 * without a name; jsonata_tables[] in library.c lists them. The file that holds a group of functions exports its table
 * and nothing else: `const struct jsonata_native jsonata_text_functions[]`.
 */
#ifndef TL_JSONATA_INT_H
#define TL_JSONATA_INT_H

#include <math.h>

#include "jsonata/jsonata.h"

/* ---- tables of functions ---- */
/* In this folder: */
extern const struct jsonata_native jsonata_sequence_functions[];  /* append, map, filter, reduce, sort, ... */
extern const struct jsonata_native jsonata_object_functions[];    /* keys, lookup, spread, merge, each, sift */
extern const struct jsonata_native jsonata_aggregate_functions[]; /* sum, count, max, min, average */
extern const struct jsonata_native
    jsonata_core_functions[]; /* boolean, not, exists, type, error, assert, eval, clone */
/* In functions/: */
extern const struct jsonata_native jsonata_string_functions[]; /* string, substring*, case, length, trim, pad, join */
extern const struct jsonata_native jsonata_regex_functions[];  /* match, contains, replace, split */
extern const struct jsonata_native jsonata_number_functions[]; /* number, floor ... random, formatNumber, formatBase,
                                                                 formatInteger, parseInteger */
extern const struct jsonata_native jsonata_date_functions[];   /* now, millis, toMillis, fromMillis */
extern const struct jsonata_native jsonata_encode_functions[]; /* base64*, encodeUrl*, decodeUrl* */

/* ---- errors ---- */
/*
 * Raise an error of the language; position and token are filled in by the evaluator on the way up. Always returns
 * TL_INVALID (a row of base/err.h), so `return jsonata_raise(e, "D3030", args[0]);` is the idiom. The message comes
 * from the table in errors.c by the code, with {{value}} replaced. value: what the message shows, or JSON_NOTHING.
 */
enum tl_rc jsonata_raise(struct jsonata_eval *e, const char *code, struct json value);
enum tl_rc jsonata_raise2(struct jsonata_eval *e, const char *code, struct json value, struct json value2);
/* With the message given: $error, $assert. */
enum tl_rc jsonata_raise_text(struct jsonata_eval *e, const char *code, struct tl_sv message);
/* D3140 of $encodeUrl and its kind: functionName is part of the error. */
enum tl_rc jsonata_raise_function(struct jsonata_eval *e, const char *code, const char *function, struct json value);
/* The arena is full, or another budget was passed: return this. Always TL_BUDGET. */
enum tl_rc jsonata_exhausted(struct jsonata_eval *e);
#ifdef __clang_analyzer__ /* it cannot see into errors.c */
#define jsonata_raise(...) tl_not_ok(jsonata_raise(__VA_ARGS__))
#define jsonata_raise2(...) tl_not_ok(jsonata_raise2(__VA_ARGS__))
#define jsonata_raise_text(...) tl_not_ok(jsonata_raise_text(__VA_ARGS__))
#define jsonata_raise_function(...) tl_not_ok(jsonata_raise_function(__VA_ARGS__))
#define jsonata_exhausted(e) tl_not_ok(jsonata_exhausted(e))
#endif

/* ---- memory and budget ---- */
/* From the evaluation's arena; NULL at the limit: `return jsonata_exhausted(e)`. */
void *jsonata_alloc(struct jsonata_eval *e, size_t n) TL_MUST_CHECK;
char *jsonata_alloc_text(struct jsonata_eval *e, size_t n) TL_MUST_CHECK; /* unaligned */
/* Count work: about one unit an item, a match attempt, or 64 bytes of text. Not TL_OK: return it. */
enum tl_rc jsonata_tick(struct jsonata_eval *e, uint64_t units) TL_MUST_CHECK;
/* Milliseconds since 1970, the same during one evaluation. */
int64_t jsonata_now_ms(const struct jsonata_eval *e);

/* ---- values ---- */
/* A number as the language has it: whole and below 2^53 as JSON_INT (-0 stays a double). Infinite and NaN are kept as
 * they are: operators raise D1001 when they meet them. */
static inline struct json jsonata_number(double d)
{
    if (d >= -9007199254740991.0 && d <= 9007199254740991.0) {
        int64_t i = (int64_t)d;

        if ((double)i == d && (i != 0 || !signbit(d)))
            return json_int(i);
    }
    return json_double(d);
}
static inline double jsonata_double(struct json v)
{
    return v.type == JSON_INT ? (double)v.u.i : v.type == JSON_DOUBLE ? v.u.d : json_number(v);
}
/* A number that an expression spells: as above below 2^53 or with a point or an exponent, else what was spelled
 * (which must outlive the value), so that long ids stay what they are. */
struct json jsonata_spelled(struct json spelled);
/* -1, 0, 1; 2 with NaN. By the doubles, as JavaScript has it; where they are the same and neither number comes from
 * arithmetic, by the exact values: 9007199254740993 is not 9007199254740992. */
int jsonata_compare_numbers(struct json a, struct json b);
/* A text made by the function, with JSON_F_ASCII when known. */
static inline struct json jsonata_text(const char *p, size_t n, uint8_t flags)
{
    return (struct json){.type = JSON_STRING, .flags = flags, .n = (uint32_t)n, .u.s = p};
}
/* A sequence of the language: an array that its user flattens; one item is the item, none is undefined. */
static inline struct json jsonata_sequence(struct json array)
{
    array.flags |= JSON_F_SEQUENCE;
    return array;
}
/* Equality of the language: numbers as jsonata_compare_numbers, objects without order, functions by identity. */
bool jsonata_equal(struct json a, struct json b);
/* The text that & and $string give (15 significant digits of what arithmetic made, functions ""). D3001 for infinite
 * and NaN inside. */
enum tl_rc jsonata_to_string(struct jsonata_eval *e, struct json v, bool pretty, struct json *ret); /* functions/ */

/* ---- functions as values: JSON_EXT ---- */
struct jsonata_regex; /* functions/regex.c */

static inline bool jsonata_is_function(struct json v)
{
    return v.type == JSON_EXT;
}
/* Call a function value (lambda, native, partial, regex). n arguments; a lambda ignores surplus ones. */
enum tl_rc jsonata_call(struct jsonata_eval *e, struct json fn, const struct json *args, size_t n, struct json *ret);
uint32_t jsonata_arity(struct json fn); /* parameters that the function takes */
/* The regex behind a function value, or NULL: then it is a matcher that has to be called. */
const struct jsonata_regex *jsonata_regex_of(struct json fn);
/* A new function value: fn(e, data, args, n, ret). Used for the `next` of a match. NULL data allowed. */
typedef enum tl_rc (*jsonata_closure_fn)(struct jsonata_eval *e, void *data, const struct json *args, size_t n,
                                         struct json *ret);
/* JSON_UNDEFINED at the arena's limit. */
struct json jsonata_closure(struct jsonata_eval *e, jsonata_closure_fn fn, void *data, uint32_t arity);

/* ---- what functions/regex.c gives to the compiler and evaluator ---- */
/*
 * Compile a literal /pattern/flags. Immutable, used by all threads. TL_PARSE with the reason in err when PCRE2 refuses
 * it. Pattern text is copied. Match limits are the regex's own (backtracking, heap); passing them raises U1001.
 */
TL_MUST_CHECK enum tl_rc jsonata_regex_new(struct tl_sv pattern, bool ignore_case, bool multiline,
                                           struct jsonata_regex **ret, struct tl_err *err);
void jsonata_regex_free(struct jsonata_regex *re);
struct tl_sv jsonata_regex_source(const struct jsonata_regex *re);
/* A regex called as a function: args are (text, from?): a match object with match, start, end, groups, next, or
 * nothing. */
enum tl_rc jsonata_regex_call(struct jsonata_eval *e, const struct jsonata_regex *re, const struct json *args, size_t n,
                              struct json *ret);
/* Per-evaluation scratch of the regex code (match data); freed with the arena. Starts NULL. */
void **jsonata_regex_scratch(struct jsonata_eval *e);

#endif
