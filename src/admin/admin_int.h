/* SPDX-License-Identifier: Apache-2.0 */
/* admin_int.h - what the handlers share. */
#ifndef TL_ADMIN_ADMIN_INT_H
#define TL_ADMIN_ADMIN_INT_H

#include "admin/admin.h"

/* One call of a route. Handlers end with admin__answer or an error. */
struct admin_caller {
    enum admin_role role;
    const char *who;  /* for the audit log: "token ci", "uid 0" */
    const char *how;  /* "token", "session", "certificate", "socket", "command line" */
    const char *from; /* address; "" on the control socket */
};
struct admin_call {
    struct admin *admin;
    struct task *task; /* NULL: the command line, may block */
    struct http_req *req;
    struct http_res *res;
    struct tl_arena *arena; /* of the request */
    struct admin_web *web;  /* NULL: control socket or command line */
    struct admin_caller caller;
    const struct admin__route *route;
    struct json body;    /* parsed; JSON_UNDEFINED: not yet */
    struct tl_sv reason; /* of a change; empty: none given */
    uint64_t audited;    /* the entry of this call, 0: none yet */
    const char *subject; /* of it */
    bool dry;            /* ?dry_run=true: nothing is changed, and nothing noted */
};
typedef enum tl_rc admin__fn(struct admin_call *c, struct tl_err *err);

/* A member of a query or of a body: for the description (openapi.c), and of a body for route.c, which refuses others
 * and other types. A table ends with a row without a name. */
struct admin__field {
    const char *name, *type, *doc; /* type: string, boolean, integer or object of JSON Schema, or "any" */
    bool required;
};
extern const struct admin__field admin__no_fields[]; /* a body that holds a reason at most */

/* A row of a route table: mounted on the control socket (where everybody is admin) and on TCP. */
struct admin__route {
    const char *methods, *pattern;
    admin__fn *fn;
    const char *doc;                         /* one sentence; a test wants it */
    const struct admin__field *query, *body; /* NULL: none. A change's `reason` is added by itself */
    enum admin_role role;                    /* the least that may call it; ADMIN_NOBODY: everybody */
    uint32_t timeout_ms;                     /* as in http_route */
    uint64_t body_limit;
    const char *act; /* "pause flow": it changes something, and the handler calls admin__act before it does */
    bool raw;        /* the body is not ours to read: a reason comes in the header or the query */
    bool can_dry;    /* knows ?dry_run=true */
    bool no_reason;  /* one may be left out over TCP too */
    bool sometimes;  /* there is not always something to note */
};
struct admin__table {
    const struct admin__route *routes;
    size_t n;
};
/* Run fn on a worker thread, or here when there is no task. */
TL_MUST_CHECK enum tl_rc admin__blocking(const struct admin_call *c, void (*fn)(void *arg), void *arg,
                                         struct tl_err *err);
/* Answer with a value. */
enum tl_rc admin__answer(struct admin_call *c, int status, struct json v, struct tl_err *err);
enum tl_rc admin__done(struct admin_call *c, struct tl_err *err); /* {"ok": true} */
/* The request's body as an object; an empty body is {}. */
TL_MUST_CHECK enum tl_rc admin__body(struct admin_call *c, struct json *ret, struct tl_err *err);
/* Write into the audit log what is about to be done, to what. Called once, when all that can be checked is; suspends
 * until it is on disk. The failure of what follows is noted by route.c. */
TL_MUST_CHECK enum tl_rc admin__act(struct admin_call *c, struct tl_err *err, const char *subject, ...) TL_PRINTF(3, 4);
/* For a handler that answers what failed by itself: the second entry, if there is a first. Suspends. */
void admin__act_failed(struct admin_call *c, const char *why);
/* A parameter of the query, decoded into the arena; .p NULL: absent. */
struct tl_sv admin__query(const struct admin_call *c, const char *name);
/* An id as the API spells it (13 characters), or 0 with TL_INVALID. */
TL_MUST_CHECK enum tl_rc admin__id(struct tl_sv text, uint64_t *ret_id, struct tl_err *err);
struct json admin__id_json(struct tl_arena *a, uint64_t id); /* 0: null */
struct json admin__time_json(struct tl_arena *a, int64_t ms);
/* Ids of the ledger from names; TL_NOT_FOUND with the nearest name. */
TL_MUST_CHECK enum tl_rc admin__flow(struct admin_call *c, struct tl_sv name, uint32_t *ret_id, struct tl_err *err);
TL_MUST_CHECK enum tl_rc admin__connection(struct admin_call *c, struct tl_sv name, uint32_t *ret_id,
                                           struct tl_err *err);
/* Names by id, for rows; "" when unknown. */
struct admin_names {
    const struct queue_flow_stat *flows;
    size_t n;
    struct flow_target_info *targets; /* of the plan */
    size_t n_targets;
    const struct queue_target_name *known; /* to the ledger: what came for one that has left the plan is there */
    size_t n_known;
    const bool *key_hidden; /* of each flow: made of what a model marks with pii; NULL: none is */
};
struct flow_plan *admin__plan(struct admin *a); /* a reference, NULL: none was read */
TL_MUST_CHECK enum tl_rc admin__names(struct admin_call *c, struct admin_names *ret, struct tl_err *err);
const char *admin__flow_name(const struct admin_names *n, uint32_t id);
const struct flow_target_info *admin__target(const struct admin_names *n, uint32_t id); /* NULL */
/* As the ledger has it; NULL: the steps. */
const struct queue_target_name *admin__known_target(const struct admin_names *n, uint32_t id);
/* events.c: the filter of a query (its members and `q`), and a row. */
TL_MUST_CHECK enum tl_rc admin__event_filter(struct admin_call *c, const struct admin_names *names,
                                             struct queue_filter *ret, struct tl_err *err);
/* What admin__event_filter reads, as rows of a route's `query`. */
#define ADMIN__FILTER_QUERY                                                                                            \
    {"q", "string", "A filter as text: flow:orders state:dead error:\"429\" since:1h.", false},                        \
        {"flow", "string", "Name of a flow.", false},                                                                  \
        {"state", "string", "queued, retrying, dead, delivered, skipped, cancelled or discarded.", false},             \
        {"class", "string", "Class of failure of dead ones.", false},                                                  \
        {"fingerprint", "string", "Cause of dead ones.", false},                                                       \
        {"from", "string", "Received since: a time, or a duration ago (2h).", false},                                  \
        {"until", "string", "Received before.", false}, {"event", "string", "An event and its deliveries.", false},    \
        {"key", "string", "Ordering key.", false}, {"error", "string", "In the reason; case ignored.", false},         \
        {"text", "string", "In the payload as it came.", false}, {"target", "string", "Name of a target.", false},     \
    {                                                                                                                  \
        "connection", "string", "Name of a connection.", false                                                         \
    }
/* TL_FORBIDDEN: the caller's role is below `admin: { reveal }`. */
TL_MUST_CHECK enum tl_rc admin__may_reveal(struct admin_call *c, struct tl_err *err);
/* A body as admin__add_body has it, masked; what is not JSON is masked whole. */
void admin__add_veiled(struct json_builder *b, struct flow_veil *v, const char *name, struct tl_sv body);
struct json admin__row_json(struct tl_arena *a, const struct admin_names *names, const struct queue_row *r);
struct json admin__jobs_json(struct tl_arena *a, const struct admin_names *names, const struct queue_job_row *rows,
                             size_t n);
/* A body as JSON where it is, else as text, else as {"base64"}; nothing when there is none. */
void admin__add_body(struct json_builder *b, struct tl_arena *a, const char *name, struct tl_sv body);
struct json admin__openapi(struct tl_arena *a);
struct json admin__status_json(struct admin_call *c, struct tl_err *err); /* JSON_UNDEFINED: err */
struct json admin__alerts_json(struct admin_call *c, const struct alert_book *b, const struct alert_query *q);
struct json admin__credentials_json(const struct admin *admin, struct tl_arena *a, const char *connection);
struct json admin__budgets_json(struct tl_arena *a, const struct queue_connection_stat *c);

/* ---- read.c: one look into the ledger, whatever it is, on a worker thread ---- */
struct admin__read {
    enum tl_rc (*fn)(struct admin__read *l, struct queue_reader *r, struct tl_err *err);
    void *arg; /* of fn */
    struct queue_filter filter;
    const struct queue_plan *plan; /* that it is for */
    uint64_t cursor, id;
    size_t limit, n;
    struct tl_sv source, key;
    /* answers, in the arena */
    struct queue_page page;
    struct queue_detail detail;
    struct queue_group *groups;
    struct queue_job_row *jobs;
    struct queue_audit *audit, audit_last;
    uint64_t count, bad;
    /* filled by admin__read */
    struct admin *admin;
    struct tl_arena *arena;
    enum tl_rc rc;
    struct tl_err err;
};
TL_MUST_CHECK enum tl_rc admin__read(struct admin_call *c, struct admin__read *l, struct tl_err *err);
/* limit and cursor of the query. */
TL_MUST_CHECK enum tl_rc admin__page(struct admin_call *c, struct admin__read *l, struct tl_err *err);

/* A time, or a duration ("2h": two hours ago). */
TL_MUST_CHECK enum tl_rc admin__time(struct tl_sv text, const char *name, int64_t now_ms, int64_t *ret,
                                     struct tl_err *err);
/* in_per_s, out_per_s, failed_5m, p95_ms of a flow or connection ("" : all flows), where they are known. */
void admin__series_now(struct admin *a, struct json_builder *b, const char *name, bool connection);
int64_t admin__series_oldest(struct admin *a,
                             const char *flow); /* when its oldest live delivery came; 0: none, not known */
/* Members of a filter, added to *ret; unknown ones are refused. */
TL_MUST_CHECK enum tl_rc admin__filter(struct admin_call *c, struct json v, struct queue_filter *ret,
                                       struct tl_err *err);

/* A filter in a body: those members, and as in a query `q`, key, error, text, target, connection. Suspends. */
TL_MUST_CHECK enum tl_rc admin__plan_filter(struct admin_call *c, struct json v, struct queue_filter *ret,
                                            struct tl_err *err);
/* A filter as the audit log may keep it: words that are looked for are masked where models have marks. */
struct json admin__filter_shown(struct admin_call *c, struct json filter);
bool admin__must_look(const struct queue_filter *f); /* it holds what no index answers */
/* Then: what matches, by id, at most 10,000; nothing younger than last_id (0: now). TL_LIMIT: more, or it would take
 * too long; TL_NOT_FOUND: nothing. Suspends. */
TL_MUST_CHECK enum tl_rc admin__pick(struct admin_call *c, struct queue_plan *plan, struct tl_err *err);

/* ---- web.c: who calls over TCP ---- */
/* Fills c->caller, or refuses with TL_AUTH, TL_FORBIDDEN (role, CSRF), TL_RATE_LIMITED. Wrong tokens wait: suspends. */
TL_MUST_CHECK enum tl_rc admin__enter(struct admin_web *w, struct admin_call *c, struct tl_err *err);
const char *admin__role_name(enum admin_role r);
/* What the sign-in page may offer besides tokens: {"path", "label"}, or null. */
struct json admin__oidc_offer(struct tl_arena *a, const struct admin_web *w);
bool admin__role_parse(struct tl_sv word, enum admin_role *ret);

/* What is mounted on both; sign_in: on TCP only. */
extern const struct admin__table admin__event_table, admin__operate_table, admin__status_table, admin__session_table,
    admin__token_table, admin__sign_in_table, admin__audit_table, admin__dead_table, admin__alert_table,
    admin__connect_table, admin__series_table, admin__stream_table, admin__flow_table, admin__payload_table,
    admin__mapping_table, admin__openapi_table, admin__oidc_table, admin__sample_table, admin__xref_table;
extern const struct admin__table *const admin__shared[]; /* route.c: on both; NULL ends it */
admin__fn admin__static;                                 /* static.c: the console */
struct admin_asset;
enum tl_rc admin__asset(struct admin_call *c, const struct admin_asset *all, size_t n, struct tl_err *err);

#endif
