/* SPDX-License-Identifier: Apache-2.0 */
/* tl_int.h - what the files of the $tl functions share. */
#ifndef TL_MAPPING_TL_INT_H
#define TL_MAPPING_TL_INT_H

#include "mapping/decimal.h"
#include "mapping/mapping_int.h"

static inline struct json tl_arg(const struct json *args, size_t n, size_t i)
{
    return i < n ? args[i] : JSON_NOTHING;
}
/* TL001: an argument is not what the function takes. */
enum tl_rc tl_bad_argument(struct jsonata_eval *e, const char *function, const char *wants);
enum tl_rc tl_no_memory(struct jsonata_eval *e);
enum tl_rc tl_return_text(struct jsonata_eval *e, struct tl_sv text, struct json *ret);
/* A number or a text that spells one. */
bool tl_decimal_of(struct json v, struct decimal *ret);
enum tl_rc tl_return_decimal(struct jsonata_eval *e, struct decimal d, struct json *ret);

/* Conversions that $tl functions and field tables share. False: the value does not convert. */
bool mapping_tl_to_boolean(struct json v, bool *ret);
bool mapping_tl_to_time(struct json v,
                        int64_t *ret_ms); /* RFC 3339, a date, epoch seconds (below 10^11) or milliseconds */
/* E.164 ("+4930123456") or false; country: ISO 3166 code for numbers written without +. */
bool mapping_tl_to_phone(struct tl_sv text, struct tl_sv country, char out[24]);
/* A name or code as ISO 3166 "alpha2", "alpha3" or "name". NULL: unknown. */
const char *mapping_tl_to_country(struct tl_sv text, struct tl_sv form);

/* The functions that are in other files than the table. */
enum tl_rc mapping_tl_parse_csv(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_to_csv(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_parse_xml(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_to_xml(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_parse_json(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_date_add(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_date_diff(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_to_epoch(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_to_iso(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_boolean(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_phone(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc mapping_tl_country(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);
enum tl_rc tl_convert_field(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret);

#endif
