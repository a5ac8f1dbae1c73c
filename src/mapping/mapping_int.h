/* SPDX-License-Identifier: Apache-2.0 */
/* mapping_int.h - what the files of this folder share. */
#ifndef TL_MAPPING_MAPPING_INT_H
#define TL_MAPPING_MAPPING_INT_H

#include "crypto/crypto.h"
#include "jsonata/jsonata.h"
#include "mapping/mapping.h"
#include "xml/xml.h"

struct mapping {
    int refs; /* atomic */
    enum mapping_kind kind;
    struct tl_arena *arena; /* text and lookups */
    struct tl_sv text;
    struct json lookups;
    struct jsonata_program *program; /* jsonata, table */
    struct crypto *crypto;           /* the same: for $tl.hash and $tl.hmac */
    struct mapping_workers *workers; /* borrowed */
    uint32_t slow;                   /* atomic: so many evaluations on a loop are not even tried (turn.c) */
};

/* The members of $tl (tl.c and its neighbours); the host pointer of an evaluation is the struct mapping. */
extern const struct jsonata_namespace mapping_tl;

/* A field table as JSONata. TL_PARSE, TL_CONFIG with the place. */
TL_MUST_CHECK enum tl_rc table_compile(struct tl_arena *a, struct tl_sv text, struct tl_sv *ret_source,
                                       struct json *ret_lookups, struct tl_err *err);

/* turn.c: true: not on this turn. */
bool turn_refuses(const struct mapping *m, struct mapping_turn *turn);
void turn_took(const struct mapping *m, struct mapping_turn *turn, uint64_t steps, enum tl_rc rc);

/* ---- the child's side ---- */
/* request: {"text", "input", "bindings", "check"}; reply: value or failure. The text is compiled once and kept. */
struct child_language {
    const char *name;
    void *(*open)(void);
    enum tl_rc (*run)(void *state, struct tl_arena *a, struct json request, struct json *ret, struct tl_err *err);
};
extern const struct child_language child_jq, child_xslt;

/* ---- frames: 4 bytes of length, big endian, then JSON ---- */
#define FRAME_MAX (256u << 20)

/* ---- the parent's side ---- */
TL_MUST_CHECK enum tl_rc mapping_workers_ask(struct mapping_workers *w, enum mapping_kind kind, struct json request,
                                             uint32_t time_ms, struct tl_arena *a, struct json *ret,
                                             struct tl_err *err);

#endif
