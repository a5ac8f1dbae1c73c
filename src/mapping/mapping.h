/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping.h - one interface over the mapping languages.
 *
 *   jsonata  JSONata 2.2.2 (src/jsonata), with the functions of $tl (tl.h) unless strict
 *   table    a field table that a business analyst can read (table.c); becomes JSONata
 *   jq       libjq, in a child process of its own
 *   xslt     XSLT 1.0 with EXSLT (libxslt), in a child process: no network, no files
 *
 * A mapping is compiled once, ref-counted and immutable: all threads may evaluate it at the same time, each with its
 * own arena. Evaluation never suspends a task; jq and xslt block on their child, and others may take long: on a loop
 * evaluate with mapping_run, which takes to a worker thread what is not done soon.
 */
#ifndef TL_MAPPING_MAPPING_H
#define TL_MAPPING_MAPPING_H

#include "async/async.h"
#include "json/json.h"

struct mapping;
struct mapping_workers;
struct jsonata_error;

enum mapping_kind { MAPPING_JSONATA, MAPPING_TABLE, MAPPING_JQ, MAPPING_XSLT, MAPPING_KIND_COUNT };
const char *mapping_kind_name(enum mapping_kind k);
bool mapping_kind_parse(struct tl_sv name, enum mapping_kind *ret);

struct mapping_options {
    bool strict;                     /* jsonata: the language alone, without $tl */
    struct json lookups;             /* object: name -> object, the tables of $tl.lookup; or JSON_UNDEFINED. Copied */
    struct mapping_workers *workers; /* jq and xslt need them; they must outlive the mapping */
    struct jsonata_error *detail;    /* jsonata: code, position, token of a failure; NULL: not wanted */
};

/* TL_PARSE (with line and column where known) when the text is not a mapping, TL_UNSUPPORTED without workers. */
TL_MUST_CHECK enum tl_rc mapping_compile(enum mapping_kind kind, struct tl_sv text,
                                         const struct mapping_options *options, struct mapping **ret,
                                         struct tl_err *err);
struct mapping *mapping_ref(struct mapping *m);
void mapping_unref(struct mapping *m); /* NULL allowed */
void mapping_unrefp(struct mapping **m);
enum mapping_kind mapping_kind_of(const struct mapping *m);
/* The JSONata that a jsonata or table mapping evaluates; a null view for the others. */
struct tl_sv mapping_source(const struct mapping *m);

/* The name, without $, of a function that a jsonata or table mapping calls and that there is not (variables hold no
 * functions); .n 0: none. Lives as long as the mapping. */
struct tl_sv mapping_unknown_function(const struct mapping *m);

struct mapping_budget { /* 0: the default */
    uint64_t steps;     /* jsonata, table: 1,000 million */
    uint32_t depth;
    size_t stack_bytes;
    uint32_t time_ms; /* 10,000 */
};

struct mapping_input {
    struct json data; /* JSON_UNDEFINED: none (jq: null). xslt: a text is the XML; anything else becomes XML first */
    struct json bindings; /* object: variables; xslt: parameters of the stylesheet; or JSON_UNDEFINED */
    const struct mapping_budget *budget;
    const struct tl_clock *clock; /* NULL: the system's */
    struct mapping_turn *turn;    /* of mapping_run; NULL: it takes as long as its budget lets it */
    bool whole;                   /* jsonata, table: of a key, as in jsonata_input */
    struct jsonata_error *detail; /* as in mapping_options */
};

/*
 * Evaluate. *ret shares memory with the input, the mapping and the arena. jsonata, table: JSON_UNDEFINED when there is
 * no result. jq: no output is JSON_UNDEFINED, one is the value, several are an array. xslt: a text, or the JSON in it
 * where the output method is "text" and it is JSON. TL_INVALID: the mapping refuses this input; TL_BUDGET.
 */
TL_MUST_CHECK enum tl_rc mapping_eval(const struct mapping *m, struct tl_arena *a, const struct mapping_input *in,
                                      struct json *ret, struct tl_err *err);

/* ---- evaluating on a loop, which has others to serve ---- */
struct mapping_turn { /* what all evaluations of one mapping_run may take together on the loop's thread */
    uint64_t steps;   /* left */
    bool over;        /* an evaluation was ended for its sake, with TL_BUDGET */
};
/* Evaluates, with input.turn = turn. It is called once more from the start (with NULL) when the turn was over, so until
 * then it leaves what it was given as it was. */
typedef void mapping_fn(void *arg, struct mapping_turn *turn);
/* Run fn on the loop's big stack for a turn of about 5 ms; what needs longer, or blocks on a child, on a worker thread,
 * and only some of those at once (task_blocking_long). A mapping that was too slow goes there at once the next 256
 * times. elsewhere: the input is large, a worker thread has it from the beginning; for 300 ms it is not one of those.
 * Suspends. The error is that of waiting for the thread; what became of fn, fn says itself. */
TL_MUST_CHECK enum tl_rc mapping_run(struct task *task, bool elsewhere, mapping_fn *fn, void *arg, struct tl_err *err);

/*
 * What a jsonata or table mapping does, found without running it:
 *   {"fields": [{"target": "lines[].sku", "sources": ["order.lines[].code"], "functions": ["trim"]}, ...],
 *    "sources": [...],  all source paths, sorted
 *    "exact": true,     false when a path could not be followed (wildcards, computed names, $eval ...)
 *    "unused": [...],   leaves of the sample that no source path reads (only with a sample)
 *    "missing": [{"target": "orderNumber", "why": "not mapped"}, ...]}   required by the schema (only with one)
 */
TL_MUST_CHECK enum tl_rc mapping_explain(const struct mapping *m, struct tl_arena *a, struct json sample,
                                         struct json target_schema, struct json *ret, struct tl_err *err);

/* ---- children for jq and xslt ---- */
struct mapping_workers_options {
    const char *program;    /* started as `program _worker KIND`; NULL: this program itself (/proc/self/exe) */
    uint64_t memory_bytes;  /* RLIMIT_AS of a child; 0: 1 GB */
    uint32_t time_ms;       /* a request that takes longer has its child killed; 0: 10,000 */
    size_t max_reply_bytes; /* 0: 64 MB */
};
/* Children start at their first request, one for each language, and are started again after a kill. */
struct mapping_workers *mapping_workers_new(const struct mapping_workers_options *options);
void mapping_workers_free(struct mapping_workers *w); /* ends the children; NULL allowed */
/* What src/main calls for `tieline _worker KIND MEMORY_BYTES`; the exit status. */
int mapping_worker_main(int argc, char **argv);

#endif
