/* SPDX-License-Identifier: Apache-2.0 */
/* node.h - the part of config.h that is about texts: the tree with its places, the collected errors, the difference of
 * two trees. Include config.h. */
#ifndef TL_CONFIG_NODE_H
#define TL_CONFIG_NODE_H

#include "json/json.h"

/* ---- the tree ---- */
enum config_kind {
    CONFIG_NODE_NULL,
    CONFIG_NODE_BOOL,
    CONFIG_NODE_NUMBER,
    CONFIG_NODE_STRING,
    CONFIG_NODE_LIST,
    CONFIG_NODE_MAP
};

struct config_place {
    const char *file;     /* NULL: not from a text (a fallback, the API) */
    int32_t line, column; /* from 1; 0: unknown */
};

struct config_entry;
struct config_node {
    enum config_kind kind;
    bool quoted; /* scalar: written in quotes or as a block, so always a string */
    struct config_place at;
    struct tl_sv text;            /* scalar: as written (unquoted, unescaped), NUL-terminated; no NUL inside */
    uint32_t n;                   /* items or entries */
    struct config_node **items;   /* list */
    struct config_entry *entries; /* map, in the order written, keys unique */
};
struct config_entry {
    const char *key;
    struct config_place at; /* of the key */
    struct config_node *value;
};
const struct config_node *config_get(const struct config_node *map, const char *key); /* NULL: absent or not a map */
/* A deep copy, so that the first may go; its places name no file. NULL: the arena is full, or n was NULL. */
struct config_node *config_copy(struct tl_arena *a, const struct config_node *n);
struct json config_to_json(struct tl_arena *a, const struct config_node *n);
const char *config_kind_name(const struct config_node *n); /* "a list" */

/* ---- errors: all of them, each with its place, what is wrong and what to do ---- */
struct config_errors;
struct config_errors *config_errors_new(void) TL_MUST_CHECK;
void config_errors_free(struct config_errors *e);
void config_errors_freep(struct config_errors **e);
/* One sentence; the hint ("say what to do", may be NULL) is a second one. Past 50 errors they are only counted. */
void config_error(struct config_errors *e, struct config_place at, const char *hint, const char *fmt, ...)
    TL_PRINTF(4, 5);
void config_warn(struct config_errors *e, struct config_place at, const char *hint, const char *fmt, ...)
    TL_PRINTF(4, 5);
size_t config_errors_count(const struct config_errors *e); /* errors */
size_t config_warnings_count(const struct config_errors *e);
/* Remember a text so that its lines can be shown; the loaders do it. Both are copied. */
void config_errors_source(struct config_errors *e, const char *file, struct tl_sv text);
/* While e and the tree live: something was wrong with this node or below it when it was parsed, or is not known here
 * because of a variable that may be missing (env_may_be_missing). NULL: false. */
bool config_is_faulty(const struct config_errors *e, const struct config_node *n);
/* That is so of this node. Of a map before it is parsed: a key that nobody knows stood there too (struct config_check).
 */
void config_mark_faulty(struct config_errors *e, const struct config_node *n);
/* For people: file:line:column, the sentence, the source line with a caret, the hint. In order of place. */
bool config_errors_text(const struct config_errors *e, bool color, struct tl_buf *b);
/* [{"severity","file","line","column","message","hint"}] */
struct json config_errors_json(const struct config_errors *e, struct tl_arena *a);
/* The first error as a tl_err (TL_CONFIG, with "and N more"); TL_OK when there is none. */
enum tl_rc config_errors_first(const struct config_errors *e, struct tl_err *err);
#ifdef __clang_analyzer__ /* it is asked after a failure */
#define config_errors_first(e, err) tl_not_ok(config_errors_first(e, err))
#endif

/* ---- reading: the rc is TL_CONFIG (details in e) or TL_OK; ret_ untouched on failure ---- */
/* One text, at most 4 MB, 64 levels, 500,000 nodes. UTF-8, no anchors, aliases, tags, merge keys, second documents. */
TL_MUST_CHECK enum tl_rc config_parse_yaml(struct tl_arena *a, const char *file, struct tl_sv text,
                                           struct config_errors *e, struct config_node **ret);
/* From the admin API; label stands for the file name. The JSON must outlive nothing: texts are copied. */
TL_MUST_CHECK enum tl_rc config_from_json(struct tl_arena *a, const char *label, struct json v, struct config_errors *e,
                                          struct config_node **ret);
/* A file, or a directory (its *.yaml and *.yml by name). `include:` at the top (files, directories, globs, relative to
 * the file) is followed and removed. Maps at the top are merged by key; a key given twice is an error that names both
 * places. */
TL_MUST_CHECK enum tl_rc config_load(struct tl_arena *a, const char *path, struct config_errors *e,
                                     struct config_node **ret);
/* The same for who looks for more errors: *ret is what could be read (NULL: nothing) also with TL_CONFIG. *ret_whole
 * false: a file is missing in it, or a part of one. */
TL_MUST_CHECK enum tl_rc config_load_partly(struct tl_arena *a, const char *path, struct config_errors *e,
                                            struct config_node **ret, bool *ret_whole);

/* ---- what a reload changes ---- */
enum config_change_kind { CONFIG_ADDED, CONFIG_REMOVED, CONFIG_CHANGED };
struct config_change {
    int what;               /* enum config_change_kind */
    const char *path;       /* "flows.orders-to-erp.retry.attempts"; never a value */
    struct config_place at; /* in the new tree; of removed ones in the old */
};
/* An array in the arena, in order of path; *ret_n capped at max. A whole subtree that came or went is one change. */
struct config_change *config_diff(struct tl_arena *a, const struct config_node *before, const struct config_node *after,
                                  size_t max, size_t *ret_n);
struct json config_diff_json(struct tl_arena *a, const struct config_change *c, size_t n);

#endif
