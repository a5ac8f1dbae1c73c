/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - configuration: a strict tree with places, and const tables of fields that turn it into plain C structs.
 *
 *     struct slack_conf { struct config_secret token; int64_t timeout_ms; const char *channel; };
 *     static const struct config_field slack_fields[] = {
 *         {.name = "token", .type = CONFIG_SECRET, .required = true, .offset = offsetof(struct slack_conf, token),
 *          .doc = "Bot token.", .example = "${env:SLACK_TOKEN}"},
 *         {.name = "timeout", .type = CONFIG_DURATION, .fallback = "10s", .min = 1, .max = 600000,
 *          .offset = offsetof(struct slack_conf, timeout_ms), .doc = "Longest wait for an answer."},
 *         ...
 *     };
 *     const struct config_spec slack_spec = CONFIG_SPEC("slack", struct slack_conf, slack_fields, "A Slack
 * workspace.");
 *
 * Parser, lint, JSON Schema, reference page, completion and printing all come from the same table. Nothing here logs,
 * waits or keeps state; all memory is the caller's arena, which must outlive tree and structs.
 */
#ifndef TL_CONFIG_CONFIG_H
#define TL_CONFIG_CONFIG_H

#include <sys/socket.h>

#include "config/cron.h"
#include "config/node.h"

/* ---- field tables ---- */
enum config_type {
    CONFIG_STRING,   /* const char *; min/max: bytes. ${env:NAME} is put in, $${ is a literal ${ (not with .raw) */
    CONFIG_TEXT,     /* struct config_text: a string and its place (names of other things, for cross checks) */
    CONFIG_EXPR,     /* struct config_text: JSONata, never interpolated; compiled by its owner */
    CONFIG_INT,      /* int64_t */
    CONFIG_DOUBLE,   /* double */
    CONFIG_BOOL,     /* bool */
    CONFIG_PERCENT,  /* double, 0.997 for "99.7%" */
    CONFIG_DURATION, /* int64_t, milliseconds */
    CONFIG_DURATION_RANGE, /* struct config_range, "1s..10m" */
    CONFIG_SIZE,           /* uint64_t, bytes */
    CONFIG_ENUM,           /* int: index into choices */
    CONFIG_URL,            /* const char *; choices: schemes allowed (default http, https); no user:password in it */
    CONFIG_HOST_PORT,      /* struct config_host_port; min: the default port (0: required) */
    CONFIG_ADDRESS,        /* struct config_address to listen on: "127.0.0.1:8080", "[::1]:8080", "localhost:8080" */
    CONFIG_CIDR,           /* struct config_cidr, "10.0.0.0/8", "::1"; host bits must be zero */
    CONFIG_FILE,           /* const char *: path, made relative to the file it is written in */
    CONFIG_CRON,           /* struct config_cron (cron.h) */
    CONFIG_ZONE,           /* const struct config_zone * (cron.h), by IANA name */
    CONFIG_SECRET,         /* struct config_secret: a reference, not the value; .kind 0 when absent */
    CONFIG_ANY,            /* const struct config_node * as written; NULL when absent */
    CONFIG_LIST,           /* struct config_list of `item` */
    CONFIG_MAP,            /* struct config_map from key to `item` */
    CONFIG_OBJECT,         /* the struct of `spec`, embedded; absent is read as {} (so its defaults hold) */
    CONFIG_OBJECT_REF,     /* const pointer to it; NULL when absent */
    CONFIG_ONE_OF          /* struct config_choice: exactly one key out of `variants` */
};

/* What becomes of a changed value when a running program reads its configuration again. */
enum config_reload {
    CONFIG_RELOAD_UNSAID,  /* as the field says that holds this one; where none says, it is RESTART */
    CONFIG_RELOAD_APPLIES, /* it comes into force */
    CONFIG_RELOAD_RESTART  /* only a start reads it. The reference page says so */
};

struct config_spec;
struct config_variants;
struct config_field {
    const char *name;
    enum config_type type;
    size_t offset;
    const char *doc;                 /* one or two sentences for the reference page; required by a test */
    const char *example;             /* YAML */
    const char *fallback;            /* scalar: its text; list, map, object, one-of: YAML. NULL: memory stays zero */
    int64_t min, max;                /* both 0: unbounded. INT; DURATION ms; SIZE; STRING bytes; LIST and MAP count */
    const char *const *choices;      /* ENUM, URL; NULL-terminated */
    const struct config_spec *spec;  /* OBJECT, OBJECT_REF */
    const struct config_field *item; /* LIST, MAP: the type of one value (.name, .offset unused) */
    const struct config_variants *variants; /* ONE_OF */
    const char *deprecated;                 /* "use x instead": a warning when it is given */
    bool required;
    bool raw;         /* STRING: taken as written. SECRET: a plain text may stand there too (a header) and is LITERAL */
    bool one_or_many; /* LIST: a single value stands for a list of one */
    bool names;       /* MAP: keys are names: [a-z0-9] then up to 63 of [a-z0-9_.-] */
    bool must_exist;  /* FILE: checked when config_options.check_files */
    bool identity;    /* part of what a connection *is* (account, host): see config_identity */
    bool advanced;    /* listed after the others on the reference page */
    enum config_reload reload; /* see config_needs_restart */
};

/* The keys a one-of or a tagged object may choose from. A variant is a field (its offset unused), mostly OBJECT_REF or
 * OBJECT with a spec, or a plain type (`- when: "expr"`). `at` serves tables made elsewhere (the connector registry):
 * NULL ends it. */
struct config_variants {
    const struct config_field *table;
    size_t n;
    const struct config_field *(*at)(size_t i);
};
#define CONFIG_VARIANTS(t)                                                                                             \
    {                                                                                                                  \
        .table = (t), .n = TL_COUNT(t)                                                                                 \
    }

/* A cross-field check; reports with config_error. It runs where all fields that it reads were read without error and
 * are known, whatever is wrong with others: one fault of an object does not hide another, and what follows from a fault
 * is not said. A field that is not written counts as known only where all keys of the object are: a key that nobody
 * knows may have been meant as it. */
struct config_check {
    const char *reads; /* names of fields, a space between them */
    void (*run)(void *conf, const struct config_node *node, struct config_errors *e);
};
#define CONFIG_CHECKS(t) .checks = (t), .n_checks = TL_COUNT(t)

struct config_spec {
    const char *name; /* for messages and schema definitions: unique, "webhook.shopify" */
    size_t size;      /* of the C struct */
    const struct config_field *fields;
    size_t n_fields;
    const char *doc;
    const char *scalar; /* name of the field that a bare scalar sets: `schedule: "@hourly"`; NULL: none */
    /* Tagged: the value of key `tag` chooses a variant; keys that `fields` lacks belong to it. A struct config_choice
     * is stored at choice_offset. (`tag` itself is not among the fields.) */
    const char *tag;
    const struct config_variants *variants;
    size_t choice_offset;
    const struct config_check *checks; /* in this order */
    size_t n_checks;
};
#define CONFIG_SPEC(spec_name, type, table, text)                                                                      \
    {                                                                                                                  \
        .name = (spec_name), .size = sizeof(type), .fields = (table), .n_fields = TL_COUNT(table), .doc = (text)       \
    }

/* ---- what the types become ---- */
struct config_text {
    const char *text; /* NULL: absent */
    struct config_place at;
};
struct config_range {
    int64_t from, to;
};
struct config_host_port {
    const char *host; /* without [] */
    uint16_t port;
};
struct config_address {
    const char *text; /* as written */
    struct sockaddr_storage addr;
    socklen_t addr_len;
    bool loopback;
};
struct config_cidr {
    uint8_t ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;   /* 0-128 */
};
struct config_list {
    void *items; /* an array of the item's C type */
    size_t n;
};
#define CONFIG_AT(list, type, i) (&((type const *)(list).items)[i])
struct config_map_entry {
    const char *key;
    struct config_place at;
    void *value; /* points to the item's C type */
};
struct config_map {
    struct config_map_entry *entries; /* in the order written */
    size_t n;
};
struct config_choice {
    const struct config_field *variant; /* NULL: absent */
    size_t index;                       /* of the variant */
    const char *name;
    const void *conf; /* the variant's C type: its spec's struct, or e.g. a const char * for STRING */
    const struct config_node *node;
    struct config_place at;
};
void *config_map_get(const struct config_map *m, const char *key); /* the value, or NULL */
bool config_cidr_has(const struct config_list *cidrs, const uint8_t ip[16]);
bool config_cidr_parse(struct tl_sv s, struct config_cidr *ret);

/* ---- secrets: references only; src/secret resolves them ---- */
enum config_secret_kind {
    CONFIG_SECRET_NONE,
    CONFIG_SECRET_LITERAL, /* name is the secret itself: only with allow_literal_secrets; never print it */
    CONFIG_SECRET_ENV,     /* ${env:NAME} */
    CONFIG_SECRET_FILE,    /* ${file:path}: relative to the file it is written in */
    CONFIG_SECRET_VAULT,   /* ${vault:mount/path#key} */
    CONFIG_SECRET_SYSTEMD, /* ${systemd:name}: $CREDENTIALS_DIRECTORY/name */
    CONFIG_SECRET_STORE    /* ${store:name}: the local encrypted store */
};
struct config_secret {
    enum config_secret_kind kind;
    const char *name; /* variable, path, vault path, name */
    const char *key;  /* vault: after '#'; else NULL */
    struct config_place at;
};
/* "${env:X}" -> reference; a literal gives CONFIG_SECRET_LITERAL. TL_CONFIG: malformed reference. */
TL_MUST_CHECK enum tl_rc config_secret_parse(struct tl_arena *a, struct tl_sv text, struct config_secret *ret,
                                             struct tl_err *err);
/* The reference that a string node holds, a file's path made relative to where it is written; false: it holds none. */
bool config_secret_of(struct tl_arena *a, const struct config_node *node, struct config_secret *ret);
/* "${env:X}", "(literal)" for showing. */
bool config_secret_show(const struct config_secret *s, struct tl_buf *b);

/* ---- tree + table -> struct ---- */
struct config_options {
    bool allow_literal_secrets;
    bool check_files;
    bool
        env_may_be_missing; /* `check` away from production: a missing variable is a warning, the value stays at zero */
    const char *whole;      /* what an error calls the node that is parsed; NULL: "the configuration" */
    const char *(*env)(void *arg, const char *name); /* NULL: getenv(3) */
    void *arg;
};
/* *ret_conf is a zeroed struct of spec->size, filled. TL_CONFIG when any error was added. */
TL_MUST_CHECK enum tl_rc config_parse(struct tl_arena *a, const struct config_spec *spec,
                                      const struct config_node *node, const struct config_options *opt,
                                      struct config_errors *e, void **ret_conf);
/* The same for who looks for more errors: *ret_conf is what could be read (NULL: no memory) also with TL_CONFIG. What
 * is at fault is as if it were absent, and zero, also where it is required; lists and maps keep their items, a choice
 * its variant. config_is_faulty tells which. */
TL_MUST_CHECK enum tl_rc config_parse_partly(struct tl_arena *a, const struct config_spec *spec,
                                             const struct config_node *node, const struct config_options *opt,
                                             struct config_errors *e, void **ret_conf);
/* Where a place in a text stands in the file; both from 1. False: not known (a folded text, escapes). */
bool config_text_place(const struct config_errors *e, const struct config_text *t, int32_t line, int32_t column,
                       struct config_place *ret);

/* ---- from the same tables ---- */
struct json config_schema(struct tl_arena *a, const struct config_spec *spec, const char *title); /* draft 2020-12 */
bool config_reference(const struct config_spec *spec, const char *title, struct tl_buf *b);       /* Markdown */
bool config_words(const struct config_spec *spec, struct tl_buf *b); /* keys and choices, one a line, sorted */
/* The faults of the tables themselves (no doc, a fallback that does not parse, ...): for a unit test of each folder. */
void config_lint_spec(const struct config_spec *spec, struct config_errors *e);
/* That each field says what a reload does with it, itself or by one that holds it: for the table of a whole
 * configuration. Only objects are walked into: lists, maps and choices are taken as a whole. */
void config_lint_reload(const struct config_spec *spec, struct config_errors *e);
/* What has changed and needs a restart, by config_field.reload: of two trees, in the order of their paths, at most max,
 * in a. Defaults are put in first, so that a value which is written out is no change. */
struct config_change *config_needs_restart(struct tl_arena *a, const struct config_spec *spec,
                                           const struct config_node *before, const struct config_node *after,
                                           size_t max, size_t *ret_n);
/* YAML of what holds, defaults put in (marked by a comment); secrets as references, literals masked. */
bool config_print_effective(const struct config_spec *spec, const struct config_node *node, struct tl_buf *b);
/* "type=netsuite account=1234567": the identity fields as written, defaults put in. */
bool config_identity(const struct config_spec *spec, const struct config_node *node, struct tl_buf *b);

#endif
