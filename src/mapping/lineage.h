/* SPDX-License-Identifier: Apache-2.0 */
/* lineage.h - what an expression would give, without running it: source paths and the shape of the result. */
#ifndef TL_MAPPING_LINEAGE_H
#define TL_MAPPING_LINEAGE_H

#include "mapping/mapping_int.h"

struct names { /* a set, in order of first sight */
    struct names *next;
    struct tl_sv text;
};

struct lval;
struct lfield {
    struct lfield *next;
    struct tl_sv name;
    struct lval *value;
};

struct closure;
struct lval {
    struct names *paths;     /* of the input, "order.lines.sku"; "" is the input itself */
    struct names *functions; /* that were applied */
    struct lfield *fields;   /* of an object that the mapping makes */
    const struct closure *closure;
    bool object, array;
    bool maybe; /* may be undefined */
};

struct lineage {
    struct lval *result;
    struct names *reads; /* every path whose value is used; with a trailing '#', only whether it is there */
    bool exact;
};

/* False: the arena is full. */
bool lineage_of(const struct jsonata_program *p, struct tl_arena *a, struct lineage *ret);

#endif
