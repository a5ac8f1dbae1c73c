/* SPDX-License-Identifier: Apache-2.0 */
/* regex_int.h - regular expressions of JavaScript on PCRE2: translation, matching, and the evaluation's scratch. */
#ifndef TL_JSONATA_REGEX_INT_H
#define TL_JSONATA_REGEX_INT_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "jsonata/functions/functions_int.h"

#define JSONATA_CACHE_SLOTS 16

struct jsonata_cache_slot {
    struct tl_sv key;
    const void *value;
};
struct jsonata_scratch {
    struct jsonata_cache_slot cache[CACHED_KINDS][JSONATA_CACHE_SLOTS];
    pcre2_match_data *match; /* room for `pairs` */
    pcre2_match_context *context;
    uint32_t pairs;
};
/* NULL at the arena's limit. */
struct jsonata_scratch *jsonata_scratch(struct jsonata_eval *e);

/*
 * regex_translate.c: the pattern in PCRE2's syntax. `bytes`: for subjects that are ASCII, without PCRE2_UTF; refused
 * with TL_UNSUPPORTED when the pattern itself has anything above ASCII. *ret_groups: capturing groups.
 */
TL_MUST_CHECK enum tl_rc jsonata_regex_translate(struct tl_sv pattern, bool multiline, bool bytes, struct tl_buf *out,
                                                 uint32_t *ret_groups, struct tl_err *err);

/* A match: byte offsets of the whole and the groups; group k is at [2k], [2k+1], or PCRE2_UNSET. Valid until the next.
 */
struct jsonata_found {
    const PCRE2_SIZE *at;
    uint32_t groups;
};
/* Search from byte `from` on. TL_OK with at NULL: nothing found. U1001 when the match limits are passed. */
enum tl_rc jsonata_regex_find(struct jsonata_eval *e, const struct jsonata_regex *re, struct json text, size_t from,
                              struct jsonata_found *ret);
/* The next one after an earlier match that ended at `from`. D1004 when it would be empty. */
enum tl_rc jsonata_regex_find_next(struct jsonata_eval *e, const struct jsonata_regex *re, struct json text,
                                   size_t from, struct jsonata_found *ret);

#endif
