/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_int.h - the NetSuite simulator: an account with records in SQLite behind the REST record service, SuiteQL, async
 * jobs, RESTlets and SOAP. Shared inside connectors/netsuite/sim only; all of it runs on one loop.
 *
 * Life of a request (sim.c): outage -> who is it (auth.c) -> is there room (the account's concurrency) -> faults as
 * told
 * -> the service. What a client may see is written as the vendor writes it; why a login failed stands in /__audit only.
 */
#ifndef TL_NETSUITE_SIM_INT_H
#define TL_NETSUITE_SIM_INT_H

#include "connector/sim.h"

/* ---- the catalogue (types.c) ---- */
enum nsim_kind {
    NSIM_TEXT,
    NSIM_NUMBER,
    NSIM_INTEGER,
    NSIM_BOOL,
    NSIM_DATE,
    NSIM_TIME,
    NSIM_REF,
    NSIM_ENUM,
    NSIM_LINES
};
struct nsim_field {
    const char *name; /* as REST spells it; in SuiteQL in lower case */
    enum nsim_kind kind;
    const char *target;             /* REF: the record type, or a group: "entity", "item", "transaction" */
    const struct nsim_field *lines; /* LINES: the fields of a line */
    size_t n_lines;
    bool required, read_only;
};
enum nsim_group {
    NSIM_ENTITY,
    NSIM_ITEM,
    NSIM_TRANSACTION,
    NSIM_EVENT,
    NSIM_OTHER
}; /* ids and external ids are unique within */
struct nsim_type {
    const char *name, *title; /* "salesOrder", "Sales Order" */
    const char *table,
        *sql_type;      /* SuiteQL: "transaction" and its type 'SalesOrd'; NULL: the table is the type's own */
    const char *number; /* prefix of an automatic number in `tranId` or `entityId`; NULL: none */
    enum nsim_group group;
    const struct nsim_field *fields;
    size_t n_fields;
};
extern const struct nsim_type nsim_types[];
extern const size_t nsim_n_types;
const struct nsim_type *nsim_type_find(struct tl_sv name); /* exact case, as NetSuite; NULL */
const struct nsim_field *nsim_field_find(const struct nsim_field *f, size_t n, struct tl_sv name);

/* ---- the simulator ---- */
struct nsim_options {
    int64_t port, limit, delay, jitter, ttl, job_delay, hang_ms, seed, status;
    const char *host, *account, *client_id, *client_secret, *certificates, *consumer_key, *consumer_secret, *token,
        *token_secret, *next_token, *next_token_secret, *data, *records, *deny, *date_format;
    bool quiet, watch, lockout, expire, revoke, put_appends, shuffle_tasks, bare_tasks;
    double fail, lock, drop, hang, overload, outage[2];
};
struct nsim_counts {
    uint64_t received, created, updated, removed, read, queries, jobs, refused, dropped, tokens, logins_failed,
        at_once_most;
    uint64_t by_status[600];
};
enum { NSIM_AUDIT = 50, NSIM_KEYS = 8 };
struct nsim_certificate {
    char *kid;
    struct crypto_cert *cert;
};
enum { NSIM_SEARCHES = 16 };
struct nsim_search { /* a result of SOAP whose pages can be asked for */
    char id[37];
    int64_t *ids, page;
    uint16_t *types; /* index in nsim_types */
    size_t n;
};
struct nsim {
    struct nsim_options opt;
    struct nsim_counts counts;
    const struct tl_clock *clock;
    uint64_t started_ns, random, at_once;
    struct store *db;
    struct nsim_sql *sql; /* records.c */
    struct crypto *crypto;
    struct crypto_keys *token_keys; /* sign the access tokens */
    uint64_t token_generation;      /* raised by the switch `expire`: older tokens are refused */
    struct nsim_certificate certificates[NSIM_KEYS];
    size_t n_certificates;
    struct connector_sim_set nonces;
    uint64_t failures[5]; /* monotonic ns of the last failed logins */
    char *audit[NSIM_AUDIT];
    size_t n_audit;
    char code[33], challenge[64]; /* of an authorization under way */
    struct nsim_search searches[NSIM_SEARCHES];
    size_t n_searches;
};
/* Options are taken as they are; TL_CONFIG when a certificate or the data cannot be read. */
TL_MUST_CHECK enum tl_rc nsim_new(const struct nsim_options *options, const struct tl_clock *clock, struct nsim **ret,
                                  struct tl_err *err);
void nsim_free(struct nsim *s);
struct nsim_options nsim_defaults(void);
enum { NSIM_ROUTES = 9 };
/* Fills routes; their number. */
size_t nsim_routes(struct nsim *s, struct http_route routes[NSIM_ROUTES]);
double nsim_chance(struct nsim *s); /* [0, 1), the same sequence for the same seed */
int64_t nsim_now_ms(const struct nsim *s);

/* ---- answers (answer.c) ---- */
struct nsim_fault { /* what is wrong with a request; code NULL: nothing */
    int status;
    const char *code, *key; /* o:errorCode; key: "o:errorPath", "o:errorQueryParam", "o:errorHeader", "o:errorUrl" */
    char text[300], where[80];
};
/* One sentence and where it is; false, for `return nsim_wrong(...)`. */
bool nsim_wrong(struct nsim_fault *f, int status, const char *code, const char *key, struct tl_sv where,
                const char *fmt, ...) TL_PRINTF(6, 7);
#ifdef __clang_analyzer__ /* it cannot see into answer.c */
#define nsim_wrong(...) ((void)nsim_wrong(__VA_ARGS__), false)
#endif
void nsim_refuse(struct http_req *req, struct http_res *res, const struct nsim_fault *f);
bool nsim_locked(struct nsim *s, struct nsim_fault *f); /* by the switch `lock`: the record is being changed */
/* 204 with the address of a record. */
void nsim_created(struct http_req *req, struct http_res *res, const struct nsim_type *type, int64_t id);
struct tl_sv nsim_base(const struct http_req *req);              /* "http://host:port" as the client sees us */
struct tl_sv nsim_query(struct http_req *req, const char *name); /* decoded; .p NULL: absent */

/* ---- who is it (auth.c) ---- */
enum { NSIM_SKEW_S = 300 };                         /* of the client's clock */
void nsim_note(struct nsim *s, const char *reason); /* into the audit trail */
enum nsim_channel { NSIM_REST, NSIM_RESTLET, NSIM_SOAP };
/* false: refused, and *res says so as the channel does. */
bool nsim_login(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel);
/* Writes the reason down and answers 401 as the channel does. */
void nsim_login_failed(struct nsim *s, struct http_req *req, struct http_res *res, enum nsim_channel channel,
                       const char *reason);
bool nsim_signed(struct nsim *s, struct tl_arena *a, struct tl_sv base, struct tl_sv signature);
/* Checks of TBA that REST and SOAP share; NULL, or the reason as the audit trail has it. */
const char *nsim_fresh(struct nsim *s, struct tl_sv nonce, struct tl_sv timestamp);
/* tokens.c */
void nsim_token(struct nsim *s, struct http_req *req, struct http_res *res); /* POST .../oauth2/v1/token */
void nsim_authorize(struct nsim *s, struct http_req *req, struct http_res *res);
bool nsim_may(const struct nsim *s, const struct nsim_type *type); /* the role may use this type */

/* ---- records (records.c, write.c) ---- */
struct nsim_record {
    const struct nsim_type *type;
    int64_t id, created_ms, modified_ms;
    struct tl_sv external_id; /* .p NULL: none */
    struct json body;         /* references as {id, refName}, sublists as arrays of lines */
};
TL_MUST_CHECK enum tl_rc nsim_records_open(struct nsim *s, struct tl_err *err);
void nsim_records_close(struct nsim *s);
/* By id (external_id.p NULL) or by external id; false: there is none. Looks in the type's group, so that another type
 * of it is found too. */
bool nsim_load(struct nsim *s, struct tl_arena *a, const struct nsim_type *type, int64_t id, struct tl_sv external_id,
               struct nsim_record *ret);
/* id 0: a new one is given. */
bool nsim_save(struct nsim *s, struct nsim_record *r, struct nsim_fault *f);
bool nsim_remove(struct nsim *s, const struct nsim_record *r, struct nsim_fault *f);
bool nsim_name_taken(struct nsim *s, int64_t id, struct tl_sv entity_id); /* by another entity */
struct json nsim_dump(struct nsim *s, struct tl_arena *a, const struct nsim_type *type);
bool nsim_forget(struct nsim *s);                                      /* all records */
bool nsim_seed(struct nsim *s, struct json all, struct nsim_fault *f); /* {customer: [{...}], ...} */

enum nsim_unknown { NSIM_UNKNOWN_IGNORE, NSIM_UNKNOWN_WARN, NSIM_UNKNOWN_ERROR };
struct nsim_write {
    struct json in;
    struct tl_sv replace; /* names of sublists, by comma */
    bool replace_all;
    enum nsim_unknown unknown;
};
/* Put `in` over the record as PATCH does, check it, and save it. */
bool nsim_write(struct nsim *s, struct tl_arena *a, struct nsim_record *r, const struct nsim_write *w,
                struct nsim_fault *f);
bool nsim_transform(struct nsim *s, struct tl_arena *a, const struct nsim_record *from, const struct nsim_type *to,
                    struct nsim_record *ret, struct nsim_fault *f);
struct json nsim_show(struct tl_arena *a, const struct nsim_record *r, struct tl_sv base, bool expand,
                      struct tl_sv fields);

/* ---- services: true when answered, else *f says what is wrong ---- */
bool nsim_rest(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f);
bool nsim_suiteql(struct nsim *s, struct http_req *req, struct http_res *res, struct nsim_fault *f);
bool nsim_job(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f);
/* A RESTlet: the script that comes with the connector, or customscript_echo. Answers errors in its own form. */
void nsim_restlet(struct nsim *s, struct http_req *req, struct http_res *res);
void nsim_restlet_error(struct http_req *req, struct http_res *res, int status, const char *code, const char *message);
bool nsim_metadata(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path, struct nsim_fault *f);
bool nsim_is_collection(const struct http_req *req); /* the body is a batch, which runs as a job only */
/* Prefer: respond-async: run the request as a job instead; true when it was one. */
bool nsim_job_start(struct nsim *s, struct http_req *req, struct http_res *res, struct tl_sv path,
                    struct nsim_fault *f);

/* SOAP (soap.c): one request; answers always. */
void nsim_soap(struct nsim *s, struct http_req *req, struct http_res *res);
bool nsim_is_soap(const struct http_req *req);
bool nsim_soap_writes(const struct http_req *req); /* by its SOAPAction */
/* NULL, or why the tokenPassport of the request is refused, as the audit trail has it. */
const char *nsim_soap_passport(struct nsim *s, struct http_req *req);
/* A fault of detail/NAME {code, message}. */
void nsim_soap_fault(struct http_req *req, struct http_res *res, const char *name, const char *code, const char *text);
enum tl_rc nsim_wsdl_route(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                           struct tl_err *err);

/* A query of SuiteQL as SQL over our views (suiteql.c). */
bool nsim_suiteql_translate(const struct nsim *s, struct tl_sv q, struct tl_buf *sql, struct nsim_fault *f);

#endif
