/* SPDX-License-Identifier: Apache-2.0 */
/* admin_int.h - what the handlers share. */
#ifndef TL_ADMIN_ADMIN_INT_H
#define TL_ADMIN_ADMIN_INT_H

#include "admin/admin.h"

/* Run fn on a worker thread, or here when there is no task. */
TL_MUST_CHECK enum tl_rc admin__blocking(struct task *task, void (*fn)(void *arg), void *arg, struct tl_err *err);
/* Answer with a value. */
enum tl_rc admin__answer(struct http_res *res, int status, struct json v, struct tl_err *err);
/* The request's body as an object; an empty body is {}. */
TL_MUST_CHECK enum tl_rc admin__body(struct http_req *req, struct json *ret, struct tl_err *err);
/* A parameter of the query, decoded into the arena; .p NULL: absent. */
struct tl_sv admin__query(struct http_req *req, const char *name);
/* An id as the API spells it (13 characters), or 0 with TL_INVALID. */
TL_MUST_CHECK enum tl_rc admin__id(struct tl_sv text, uint64_t *ret_id, struct tl_err *err);
struct json admin__id_json(struct tl_arena *a, uint64_t id); /* 0: null */
struct json admin__time_json(struct tl_arena *a, int64_t ms);
/* Ids of the ledger from names; TL_NOT_FOUND with the nearest name. */
TL_MUST_CHECK enum tl_rc admin__flow(struct admin *a, struct task *task, struct tl_arena *arena, struct tl_sv name,
                                     uint32_t *ret_id, struct tl_err *err);
TL_MUST_CHECK enum tl_rc admin__connection(struct admin *a, struct task *task, struct tl_arena *arena,
                                           struct tl_sv name, uint32_t *ret_id, struct tl_err *err);
/* Names of flows by id, for rows; "" when unknown. */
struct admin_names {
    const struct queue_flow_stat *flows;
    size_t n;
};
const char *admin__flow_name(const struct admin_names *n, uint32_t id);
/* A filter from JSON or from a query; unknown members are refused. */
TL_MUST_CHECK enum tl_rc admin__filter(struct admin *a, struct task *task, struct tl_arena *arena, struct json v,
                                       struct queue_filter *ret, struct tl_err *err);

/* events.c, operate.c, status.c */
extern const struct http_route admin__event_routes[], admin__operate_routes[], admin__status_routes[];
extern const size_t admin__event_routes_n, admin__operate_routes_n, admin__status_routes_n;

#endif
