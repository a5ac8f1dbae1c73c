/* SPDX-License-Identifier: Apache-2.0 */
/*
 * functions_int.h - what the files of this folder share: text that grows in the arena, pictures and their cache, the
 * texts and numbers of JavaScript.
 *
 * The reference of every odd corner is npm jsonata 2.2.2: what it answers is right, also where its documentation and
 * the XPath specification behind it (F&O 3.1, sections 4.6, 4.7 and 9.8) say something nicer.
 */
#ifndef TL_JSONATA_FUNCTIONS_INT_H
#define TL_JSONATA_FUNCTIONS_INT_H

#include "jsonata/jsonata_int.h"

#define JSONATA_NAN ((double)NAN)

/* ---- out.c: a text under construction ---- */
struct jsonata_out {
    struct jsonata_eval *e;
    char *p;
    size_t n, cap;
    bool ascii;  /* nothing above 0x7f so far; kept by the callers of _raw themselves */
    bool failed; /* the arena's limit was passed: finish with jsonata_out_end */
};
void jsonata_out_begin(struct jsonata_out *o, struct jsonata_eval *e, size_t expected);
/* Room for n more bytes, or NULL; o->n is the caller's to move. */
char *jsonata_out_room(struct jsonata_out *o, size_t n);
void jsonata_out_put(struct jsonata_out *o, struct tl_sv s); /* any text */
void jsonata_out_ascii(struct jsonata_out *o, const char *p, size_t n);
void jsonata_out_byte(struct jsonata_out *o, char c);              /* ASCII */
void jsonata_out_cp(struct jsonata_out *o, uint32_t cp);           /* surrogates become three bytes */
void jsonata_out_value(struct jsonata_out *o, struct json string); /* knows JSON_F_ASCII */
enum tl_rc jsonata_out_end(struct jsonata_out *o, struct json *ret);

/* ---- texts as JavaScript sees them ---- */
bool jsonata_is_ascii(struct json text); /* by flag, or by looking */
size_t jsonata_cp_count(struct json text);
/* One code point, lone surrogates (three bytes) included; returns its bytes, at least 1. */
size_t jsonata_cp_at(struct tl_sv s, size_t at, uint32_t *ret_cp);
bool jsonata_is_space(uint32_t cp); /* \s of JavaScript */
/* parseInt(text) without a radix: spaces, sign, 0x, digits; NaN when there are none. */
double jsonata_parse_int(struct tl_sv s);
/* Number.prototype.toString; returns bytes, out holds 32. NaN and infinities have names. */
size_t jsonata_number_text(double d, char *out);
/* String(value): what a regular expression called as a function sees; JSON_UNDEFINED for a function. */
enum tl_rc jsonata_js_text(struct jsonata_eval *e, struct json value, struct json *ret);
/* $round: half to even after a shift of the decimal spelling. */
double jsonata_round(double d, double precision);

/* ---- integer.c: format-integer pictures, F&O 4.6 ---- */
enum jsonata_int_kind { INT_DECIMAL, INT_LETTERS, INT_ROMAN, INT_WORDS, INT_SEQUENCE };
enum jsonata_letter_case { CASE_LOWER, CASE_UPPER, CASE_TITLE };

struct jsonata_separator {
    int32_t position; /* digits to its right */
    uint32_t cp;
};
struct jsonata_int_picture {
    uint8_t kind, letter_case;
    bool ordinal, regular;
    uint32_t zero;                              /* code point of the digit family's zero */
    int32_t mandatory, optional;                /* digits; -1 for other kinds than INT_DECIMAL */
    int32_t parse_width;                        /* exactly that many digits when a date is parsed; 0: any */
    struct jsonata_separator each;              /* regular: repeats every `position` digits */
    const struct jsonata_separator *separators; /* else these, rightmost first */
    size_t separator_count;
    struct tl_sv token; /* INT_SEQUENCE: what D3130 shows */
};
/* Texts of the picture are borrowed. D3131. */
enum tl_rc jsonata_int_picture(struct jsonata_eval *e, struct tl_sv picture, struct jsonata_int_picture *ret);
/* value is whole or NaN. D3130. */
enum tl_rc jsonata_int_format(struct jsonata_out *o, const struct jsonata_int_picture *pic, double value);
/* NaN where the text is no such number. D3130. */
enum tl_rc jsonata_int_parse(struct jsonata_eval *e, const struct jsonata_int_picture *pic, struct tl_sv text,
                             double *ret);

/* ---- words.c: numbers in English ---- */
void jsonata_words_format(struct jsonata_out *o, double value, bool ordinal); /* "One Hundred and First" */
double jsonata_words_parse(struct tl_sv text);                                /* any case; NaN when a word is unknown */
/* Length of every number word (or "and", comma, space, hyphen) that begins at `at`: bit n is set for length n (< 32).
 */
uint32_t jsonata_words_at(struct tl_sv text, size_t at);

/* ---- picture.c: format-dateTime pictures, F&O 9.8.4 ---- */
enum jsonata_names { NAMES_NONE, NAMES_LOWER, NAMES_UPPER, NAMES_TITLE };

struct jsonata_date_part {
    bool literal;
    bool has_integer;
    uint8_t names;      /* enum jsonata_names */
    char modifier;      /* second presentation modifier: a t c o, or 0 */
    uint32_t component; /* code point of the letter */
    double width_max;   /* NaN: none */
    double year_modulo; /* Y: keep that many digits; -1: all */
    struct tl_sv text;  /* literal */
    struct jsonata_int_picture integer;
};
struct jsonata_date_picture {
    const struct jsonata_date_part *parts;
    size_t count;
};
/* From the evaluation's cache, or analysed now. D3131, D3132, D3135. */
enum tl_rc jsonata_date_picture(struct jsonata_eval *e, struct tl_sv text, const struct jsonata_date_picture **ret);
extern const char *const jsonata_month_names[12];
extern const char *const jsonata_day_names[7]; /* Monday first */

/* ---- date.c and its neighbours ---- */
/* Date.UTC: month from 0, anything out of range carries over, years 0-99 are 19xx, NaN spreads. */
double jsonata_date_utc(double year, double month, double day, double hour, double minute, double second, double ms);
/* A component (letter of the pictures) of a time; NaN when the time is out of range. P: 0 am, 1 pm. */
double jsonata_date_component(double ms, uint32_t component);
/* The same in two steps, for many components of one time. False: out of range. */
bool jsonata_civil(double ms, struct tl_civil *ret);
double jsonata_civil_component(const struct tl_civil *civil, double ms, uint32_t component);
enum tl_rc jsonata_date_format(struct jsonata_eval *e, double ms, const struct json *picture, const struct json *zone,
                               struct json *ret);
enum tl_rc jsonata_date_parse(struct jsonata_eval *e, struct json text, struct json picture, struct json *ret);
/* Without a picture: false when the text has not the shape that $toMillis wants; *ret may still be NaN. */
bool jsonata_iso8601_parse(struct tl_sv text, double *ret);

/* ---- decimal.c: format-number pictures, F&O 4.7 ---- */
enum tl_rc jsonata_decimal_format(struct jsonata_eval *e, double value, struct json picture, struct json options,
                                  struct json *ret);

/* ---- casing.c ---- */
enum tl_rc jsonata_upper(struct jsonata_eval *e, struct json text, struct json *ret);
enum tl_rc jsonata_lower(struct jsonata_eval *e, struct json text, struct json *ret);

/* ---- scratch.c: what an evaluation keeps ---- */
enum jsonata_cached { CACHED_INTEGER, CACHED_DATE, CACHED_DECIMAL, CACHED_KINDS };
/* What was remembered under the text, or NULL. */
const void *jsonata_cache_get(struct jsonata_eval *e, enum jsonata_cached kind, struct tl_sv key);
/* The key is copied; false at the arena's limit. */
bool jsonata_cache_put(struct jsonata_eval *e, enum jsonata_cached kind, struct tl_sv key, const void *value);

#endif
