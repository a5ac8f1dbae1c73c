/* SPDX-License-Identifier: Apache-2.0 */
/* template.h - a part of connector.h: texts with {expression} parts, and whole expressions, over a record's envelope.
 */
#ifndef TL_CONNECTOR_TEMPLATE_H
#define TL_CONNECTOR_TEMPLATE_H

#include "connector/connector.h"

/* A text with {expression} parts, compiled once and evaluated over a record: paths, headers. {{ and }} stand for the
 * braces themselves. Shared by all threads. */
struct connector_template;
/* uri: parts are percent-encoded, and what is written of it must be good for an address. Errors go to e at the text's
 * place; NULL then. */
struct connector_template *connector_template_new(const struct config_text *text, bool uri, struct config_errors *e);
/* For query languages: each part's value is written by `literal` as a literal of the language, with its quotes and
 * escapes, so that no value can become a part of the query. v may be JSON_UNDEFINED; false: there is no literal of it.
 */
typedef bool connector_literal_fn(struct tl_buf *b, struct json v);
struct connector_template *connector_template_literals(const struct config_text *text, connector_literal_fn *literal,
                                                       struct config_errors *e);
void connector_template_free(struct connector_template *t);              /* NULL allowed */
bool connector_template_is_constant(const struct connector_template *t); /* has no {expression} */
/* Suspends when it takes long. Numbers and booleans are spelled as in JSON. uri: TL_INVALID when a part has no value or
 * is not a scalar, or when the path gets an empty or dot segment through it, because the address would silently be
 * another one. Else: objects and arrays are JSON text, and *ret_text is {NULL, 0} when a part has no value: leave the
 * header out. */
TL_MUST_CHECK enum tl_rc connector_template_run(struct task *task, const struct connector_template *t,
                                                struct connector_call *call, struct json envelope,
                                                struct tl_sv *ret_text, struct tl_err *err);
/* A whole expression, evaluated over an envelope (its members are variables too). text->text NULL gives NULL, as do
 * errors, which go to e at the text's place. Running it suspends when it takes long. */
struct connector_expression;
struct connector_expression *connector_expression_new(const struct config_text *text, struct config_errors *e);
/* Of an idempotency key or an external id: gives nothing where a part of what it joins is missing or null
 * (jsonata_input.whole). */
struct connector_expression *connector_key_new(const struct config_text *text, struct config_errors *e);
void connector_expression_free(struct connector_expression *x);
TL_MUST_CHECK enum tl_rc connector_expression_run(struct task *task, const struct connector_expression *x,
                                                  struct connector_call *call, struct json envelope, struct json *ret,
                                                  struct tl_err *err);
bool connector_truth(struct json v); /* as JSONata's $boolean */

#endif
