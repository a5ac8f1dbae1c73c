/* SPDX-License-Identifier: Apache-2.0 */
/* config_int.h - shared inside src/config only. */
#ifndef TL_CONFIG_CONFIG_INT_H
#define TL_CONFIG_CONFIG_INT_H

#include "config/config.h"

enum {
    CONFIG_MAX_FILE = 4 << 20,
    CONFIG_MAX_TOTAL = 16 << 20,
    CONFIG_MAX_FILES = 256,
    CONFIG_MAX_DEPTH = 64,
    CONFIG_MAX_NODES = 500000,
    CONFIG_MAX_ERRORS = 50,
    CONFIG_PATH_TEXT = 200
};

/* ---- nodes (node.c). All return NULL when the arena's limit is passed. ---- */
struct config_node *config__node(struct tl_arena *a, enum config_kind kind, struct config_place at);
/* A scalar; the kind follows from the spelling unless it is quoted (YAML 1.2 core schema, but only decimal numbers). */
struct config_node *config__scalar(struct tl_arena *a, struct tl_sv text, bool quoted, struct config_place at);
bool config__push(struct tl_arena *a, struct config_node *list, struct config_node *item);
bool config__add(struct tl_arena *a, struct config_node *map, const char *key, struct config_place at,
                 struct config_node *value);
struct config_entry *config__entry(const struct config_node *map, const char *key);
bool config__is_scalar(const struct config_node *n);
/* Remembers the keys of one map while it is built: returns the entry index of an earlier `key`, or SIZE_MAX. */
struct config__keys {
    struct tl_map *map;
};
void config__keys_done(struct config__keys *k);
size_t config__keys_seen(struct config__keys *k, const struct config_node *map, const char *key);

/* As config_parse_yaml, but *ret is the tree also where it has errors; NULL: the text broke off. */
TL_MUST_CHECK enum tl_rc config__parse_yaml(struct tl_arena *a, const char *file, struct tl_sv text,
                                            struct config_errors *e, struct config_node **ret);

/* Reports once that the arena is full; returns false. */
bool config__no_memory(struct config_errors *e);
/* The line of the error reported last holds a secret: it is never shown. */
void config__hide_line(struct config_errors *e);
/* A literal secret stands in this line: it is never shown, whatever is said of it. */
void config__secret_line(struct config_errors *e, struct config_place at);
struct tl_sv config__source(const struct config_errors *e, const char *file); /* as it was remembered; empty: unknown */

/* ---- excerpt.c ---- */
/* The line at a place, what may be a secret masked, and a caret below; nothing where the line is not known. */
void config__put_excerpt(const struct config_errors *e, struct config_place place, bool color, struct tl_buf *b);
bool config__sounds_secret(struct tl_sv key); /* client_secret, apiKey; not token_url */

/* ---- where in the tree we are (parse.c) ---- */
struct config__path {
    const struct config__path *up;
    const char *name; /* NULL: item number `index` */
    size_t index;
};
char *config__path_text(const struct config__path *path, char buf[CONFIG_PATH_TEXT]);

struct config__parse {
    struct tl_arena *arena;
    const struct config_options *opt;
    struct config_errors *e;
    size_t unknown; /* values that a variable which is missing here would give */
};
/* "<path> <sentence>" at the node's place. Returns false. */
bool config__fault(struct config__parse *p, const struct config__path *path, const struct config_node *n,
                   const char *hint, const char *fmt, ...) TL_PRINTF(5, 6);
/* The text as it may be shown in a sentence: in quotes, cut; returns buf. */
char *config__shown(const struct config_node *n, char buf[64]);

/* ---- one value (scalar.c, net.c) ---- */
struct config__at {
    struct config__parse *p;
    const struct config__path *path;
    const struct config_field *f;
    const struct config_node *n;
};
/* "must be <what the type expects>, not <what is there>". Returns false. */
bool config__not_expected(const struct config__at *c, const char *hint);
bool config__parse_scalar(const struct config__at *c, void *dst);
bool config__parse_net(const struct config__at *c, struct tl_sv text, void *dst); /* URL, HOST_PORT, ADDRESS, CIDR */
/* The text with its ${env:..} put in (secret.c). *ret_known is false when a variable is missing and may be. */
bool config__interpolate(const struct config__at *c, struct tl_sv *ret, bool *ret_known);
bool config__parse_secret(const struct config__at *c, struct config_secret *dst);
/* A path written in the file `at.file`, seen from where we run. */
const char *config__relative(struct tl_arena *a, struct config_place at, struct tl_sv path);

/* ---- tables (field.c) ---- */
size_t config__size(const struct config_field *f);
bool config__is_container(enum config_type t);                                         /* its fallback is YAML */
const struct config_field *config__variant(const struct config_variants *v, size_t i); /* NULL: past the end */
const struct config_field *config__variant_named(const struct config_variants *v, struct tl_sv name, size_t *ret_i);
const struct config_field *config__field_named(const struct config_spec *spec, struct tl_sv name);
/* "a duration such as 30s, 5m or 1h30m" */
void config__describe(const struct config_field *f, struct tl_buf *b);
/* "duration", "list of string": for tables */
void config__type_name(const struct config_field *f, struct tl_buf *b);
/* The node a fallback stands for, as if written at `at`; NULL when there is none. */
struct config_node *config__fallback(struct tl_arena *a, const struct config_field *f, struct config_place at,
                                     struct config_errors *e);
/* "did you mean `x`?" or the list of what there is; "" when nothing helps. */
void config__suggest(struct tl_sv word, const char *const *names, size_t n, struct tl_buf *b);

/* All tables that can be reached from this one, each once, itself first. Returns their number (at most max). */
size_t config__specs(const struct config_spec *spec, const struct config_spec **list, size_t max);
bool config__has_required(const struct config_spec *spec);
/* What holds: a copy of the tree in the tables' order with defaults put in (at.line is -1) and literal secrets masked;
 * plain: not masked, to be compared and never to be shown. */
struct config_node *config__effective(struct tl_arena *a, bool plain, const struct config_spec *spec,
                                      const struct config_node *n);

enum { CONFIG_MAX_SPECS = 1024 };

struct config__names {
    const char *names[256];
    size_t n;
};
void config__names_add(struct config__names *s, const char *name);
void config__names_spec(struct config__names *s, const struct config_spec *spec);
void config__names_variants(struct config__names *s, const struct config_variants *v);

#endif
