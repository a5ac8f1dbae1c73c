/* SPDX-License-Identifier: Apache-2.0 */
/*
 * avro.h - Apache Avro, binary, without a container (avro.apache.org/docs/1.11.1/specification, "Binary Encoding"): the
 * payload of the Pub/Sub API. Pure functions; nothing here suspends.
 *
 * What becomes what
 *   null, boolean, int, long      JSON null, boolean, integer
 *   float, double                 number; NaN and infinities are null
 *   string, enum                  string (not UTF-8: refused)
 *   bytes, fixed                  string in Base64
 *   array, map, record            array, object, object
 *   union                         the value of the branch, without a wrapper
 *   timestamp-millis, -micros     "2026-01-02T03:04:05.678Z"; local-timestamp-*: without the Z
 *   date, time-millis, -micros    "2026-01-02", "03:04:05.678"
 *   decimal                       a number with all its digits
 *   a long whose `doc` says that it holds a date and time ("Data:DateTime:00N..."): as timestamp-millis
 * Any other logical type is its plain type.
 *
 * Limits: a schema has at most 20,000 nodes and 32 levels; a value 64 levels, 1,000,000 values and 200,000
 * items of arrays in all (what holds null costs no bytes), a map 4,096 members; the rest is bounded by the arena.
 */
#ifndef TL_CONNECTORS_SALESFORCE_AVRO_H
#define TL_CONNECTORS_SALESFORCE_AVRO_H

#include "json/json.h"

struct sf_avro; /* a compiled schema; immutable */
/* TL_INVALID (with the place in the schema), TL_LIMIT, TL_UNSUPPORTED. The schema's text may go afterwards. */
TL_MUST_CHECK enum tl_rc sf_avro_new(struct json schema, struct sf_avro **ret, struct tl_err *err);
void sf_avro_free(struct sf_avro *s); /* NULL allowed */
/* All of the bytes must be one value. Strings are views of the bytes, names are the schema's: both must outlive the
 * value. TL_PARSE, TL_LIMIT. */
TL_MUST_CHECK enum tl_rc sf_avro_decode(const struct sf_avro *s, struct tl_sv bytes, struct tl_arena *a,
                                        struct json *ret, struct tl_err *err);
/* The reverse, for publishing: a member of a record that is not there is its default, null where null is a branch, else
 * TL_INVALID with its path; the first branch of a union that fits is taken. Of the logical types those above are read
 * back. b has the limit. */
TL_MUST_CHECK enum tl_rc sf_avro_encode(const struct sf_avro *s, struct json value, struct tl_buf *b,
                                        struct tl_err *err);

/* Bitmaps of change events: each item of `list` is "0x..." over the fields of the top record (hexadecimal, the lowest
 * bit is the first field), or "N-0x..." over those of its N-th field. An array of names, "Name" or "Address.City"; what
 * is neither stays as it is (over CometD they are names already). */
struct json sf_avro_names(const struct sf_avro *s, struct json list, struct tl_arena *a);
/* The reverse: names to bitmaps, for the simulator. */
struct json sf_avro_bitmaps(const struct sf_avro *s, struct json names, struct tl_arena *a);

#endif
