/* SPDX-License-Identifier: Apache-2.0 */
/* ops.h - the functions that run the plain nodes; prepare.c chooses among them. */
#ifndef TL_JSONATA_OPS_H
#define TL_JSONATA_OPS_H

#include "jsonata/eval.h"

struct json run_literal(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_context(struct jsonata_eval *e, const struct node *n, struct json in);  /* $ */
struct json run_root(struct jsonata_eval *e, const struct node *n, struct json in);     /* $$ */
struct json run_slot(struct jsonata_eval *e, const struct node *n, struct json in);     /* a variable with one place */
struct json run_variable(struct jsonata_eval *e, const struct node *n, struct json in); /* any other */
struct json run_name(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_negate(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_array(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_arithmetic(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_equality(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_comparison(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_logic(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_in(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_range(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_concat(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_condition(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_elvis(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_coalesce(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_block(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_bind(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_staged(struct jsonata_eval *e, const struct node *n, struct json in); /* filters, group, [] on it */
struct json run_single(struct jsonata_eval *e, const struct node *n,
                       struct json in); /* a block of one, without names */
struct json run_names(struct jsonata_eval *e, const struct node *n, struct json in);
struct json run_fold_arithmetic(enum op op, struct json a, struct json b);

#endif
