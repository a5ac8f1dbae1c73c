/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netsuite_int.h - shared inside connectors/netsuite only.
 *
 * What holds for all operations
 *  - One record a request: the REST record service has no synchronous batches. A record that is refused is a verdict of
 *    class data; what speaks of the account (limits, logins, outages) is the result of the call.
 *  - The account has one pool of a few requests at one time for everything. It is the connection's concurrency: 4
 * unless `limits:` says more; a refusal for concurrency adapts it and uses no attempt, as nothing happened yet.
 *  - Names of fields that NetSuite does not know are refused by it (strict header), unless `unknown_fields` says else:
 *    by default NetSuite drops them silently.
 *  - Only three ways of writing can be repeated: upsert by external id, with sublists replaced; update with keyed or
 *    replaced lines; async with an idempotency key. `create` looks by external id first when an outcome is unknown.
 */
#ifndef TL_NETSUITE_INT_H
#define TL_NETSUITE_INT_H

#include "connector/connector.h"

#define NETSUITE_RECORD "/services/rest/record/v1/"
#define NETSUITE_COLLECTION "application/vnd.oracle.resource+json; type=collection"
#define NETSUITE_JOB "/services/rest/async/v1/job/"
#define NETSUITE_SUITEQL "/services/rest/query/v1/suiteql"

/* ---- the connection (account.c) ---- */
enum netsuite_unknown { NETSUITE_UNKNOWN_ERROR, NETSUITE_UNKNOWN_WARNING, NETSUITE_UNKNOWN_IGNORE };
enum { NETSUITE_URL = 200, NETSUITE_ACCOUNT = 40 };
struct netsuite_connection {
    struct config_choice auth;
    const char *account, *url; /* as written; url NULL: the hosts follow from the account */
    int64_t timeout_ms;
    int unknown_fields; /* enum netsuite_unknown */
    /* made by the check of the fields */
    char id[NETSUITE_ACCOUNT]; /* 1234567_SB1: realm, SOAP, signatures */
    char rest[NETSUITE_URL], restlets[NETSUITE_URL], token[NETSUITE_URL], authorize[NETSUITE_URL];
};
extern const struct config_spec netsuite_connection_spec;
extern const struct config_variants netsuite_auth;
/* "1234567_SB1", "1234567-sb1", ...: both forms of an account id. false: it is none. ret_host holds 40 bytes too. */
bool netsuite__account(const char *text, char ret_id[NETSUITE_ACCOUNT], char ret_host[NETSUITE_ACCOUNT]);
void netsuite__auth_defaults(const void *connection, struct auth_defaults *ret);
const char *netsuite__base_url(const void *connection);
const char *netsuite__other_url(const void *connection, size_t i);
void netsuite__budgets(const void *connection, struct guard_conf *conf);

/* ---- requests (request.c) ---- */
struct netsuite_request {
    const char *method;
    struct tl_sv path; /* with query */
    struct json body;  /* JSON_UNDEFINED: none */
    const char *endpoint;
    struct tl_sv prefer, key; /* Prefer, X-NetSuite-idempotency-key; .p NULL: none */
    struct tl_sv accept;      /* .p NULL: application/json */
    bool collection;          /* the body holds many records */
    bool strict;              /* says what happens to unknown fields */
    bool idempotent;
    int64_t timeout_ms; /* 0: the connection's */
};
TL_MUST_CHECK enum tl_rc netsuite__send(struct task *task, struct connector_call *call,
                                        const struct netsuite_request *r, struct http_reply *reply, struct tl_err *err);
/* The body of a reply; JSON_NOTHING: none, or not JSON. Runs on the big stack. */
struct json netsuite__parsed(struct task *task, struct connector_call *call, const struct http_reply *reply);
/* The same of a reply that must be a record, or else TL_UPSTREAM: none is not the same as one that is not there. */
TL_MUST_CHECK enum tl_rc netsuite__record_of(struct task *task, struct connector_call *call,
                                             const struct http_reply *reply, struct json *ret, struct tl_err *err);
/* "107" of ".../customer/107"; .p NULL: no Location. */
struct tl_sv netsuite__location_id(const struct http_reply *reply);
struct tl_sv netsuite__last_segment(struct tl_sv address);
bool netsuite__is_number(struct tl_sv s); /* of digits, at most 19: an id that NetSuite made */
/* A member's name and nothing more. text may be NULL. */
bool netsuite__is_plain_name(const char *text);
/* A value as text for addresses and keys: strings and whole numbers; .p NULL otherwise. */
struct tl_sv netsuite__text(struct tl_arena *a, struct json v);

/* ---- what a reply means (verdict.c) ---- */
struct netsuite_refusal {
    enum tl_rc rc;     /* TL_OK: none */
    bool of_record;    /* about this record alone */
    bool is_duplicate; /* IDEMPOTENCY_ERROR: the first job's address is in Location */
    struct tl_sv code, text;
    uint32_t retry_after_ms;
};
/* Reads the errors of REST and RESTlets and sets the call's status and feedback. repeatable: the request may be sent
 * again as it is; else a failure within NetSuite is TL_UNKNOWN_OUTCOME. */
struct netsuite_refusal netsuite__judge(struct task *task, struct connector_call *call, const struct http_reply *reply,
                                        bool repeatable);
/* The same for a code and a text of one record, as our RESTlet gives them. */
struct netsuite_refusal netsuite__judge_code(struct connector_call *call, struct tl_sv code, struct tl_sv text);
/* The refusal as an error of the call. */
enum tl_rc netsuite__fail(const struct netsuite_refusal *r, struct tl_err *err);
#ifdef __clang_analyzer__ /* it is asked of a refusal */
#define netsuite__fail(r, err) tl_not_ok(netsuite__fail(r, err))
#endif
bool netsuite__false_401(const void *connection, const struct http_reply *reply);
/* So late an answer that "Invalid login" in it means overload. */
bool netsuite__is_overload(const struct http_reply *reply);
/* One line for people: masked, without controls, cut; the call's. */
struct tl_sv netsuite__tidy(struct connector_call *call, struct tl_sv text);
enum { NETSUITE_BUSY_MS = 1000, NETSUITE_OVERLOAD_MS = 15000 };

/* ---- operations ---- */
enum netsuite_lines { NETSUITE_LINES_UNSET, NETSUITE_LINES_REPLACE, NETSUITE_LINES_KEYED, NETSUITE_LINES_APPEND };
struct netsuite_target {
    const char *record, *into;
    struct config_text external_id, id;
    int lines; /* enum netsuite_lines */
    bool async;
    int64_t batch; /* with async: records of a job; 0 is 1 */
    int64_t timeout_ms;
};
extern const struct config_spec netsuite_create_spec, netsuite_update_spec, netsuite_upsert_spec, netsuite_delete_spec,
    netsuite_transform_spec;
void *netsuite__create_compile(const void *connection, const void *operation, struct config_errors *e);
void *netsuite__update_compile(const void *connection, const void *operation, struct config_errors *e);
void *netsuite__upsert_compile(const void *connection, const void *operation, struct config_errors *e);
void *netsuite__delete_compile(const void *connection, const void *operation, struct config_errors *e);
void *netsuite__transform_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__write_release(void *prepared);
void netsuite__create_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
void netsuite__repeatable_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
void netsuite__transform_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
connector_fn netsuite__write;
/* May the write of this call be sent twice as it is, by what is configured? */
bool netsuite__repeatable(const struct connector_call *call);
/* The internal id under the external id; with `id:` in the target the key itself. Empty: there is none. */
TL_MUST_CHECK enum tl_rc netsuite__id_under(struct task *task, struct connector_call *call, struct tl_sv key,
                                            struct tl_sv *ret_id, struct tl_err *err);

/* Async jobs (job.c, job_answers.c). */
struct netsuite_member { /* a record that a job was made of */
    uint64_t delivery;
    struct tl_sv key;                  /* its external id or id; empty: it has none */
    struct connector_verdict *verdict; /* NULL: cancelled meanwhile, or given already */
    bool looked, proven;               /* looked up under its key; and a task made or changed it */
};
struct netsuite_task { /* of a job that has ended, as far as we know it */
    struct tl_sv no;
    bool seen, good, read; /* good: succeeded, once seen; read: what follows is known */
    enum tl_rc rc;         /* TL_OK: done */
    struct tl_sv said;     /* the id of the record, or why it was refused */
};
struct netsuite_job {
    struct tl_sv id;
    int64_t polls;
    struct netsuite_member *members;
    size_t n; /* 0: the ticket does not say */
    struct netsuite_task *tasks;
    size_t n_tasks; /* 0: not listed so far */
    size_t n_news;  /* facts that this poll brought */
};
enum { NETSUITE_TASKS = 200 };
/* The 202 (or the 400 of a job that exists already) becomes a pending ticket. */
enum tl_rc netsuite__pending(struct connector_call *call, const struct http_reply *reply,
                             const struct netsuite_member *members, size_t n, struct tl_err *err);
enum tl_rc netsuite__ask_job(struct task *task, struct connector_call *call, struct tl_sv job, const char *more,
                             struct http_reply *reply, struct tl_err *err);
enum tl_rc netsuite__job_state(struct task *task, struct connector_call *call, struct tl_sv job, bool *ret_ended,
                               struct tl_err *err);
/* A verdict for each member of a job that has ended. Or the first reason why some have none: what is known by then
 * stands in the job, so that the next poll goes on from there. */
enum tl_rc netsuite__job_answers(struct task *task, struct connector_call *call, struct netsuite_job *job,
                                 struct tl_err *err);
/* What is known of the job of one record that this reply points to (400 IDEMPOTENCY_ERROR). */
enum netsuite_job_end {
    NETSUITE_JOB_FOLLOW,  /* it goes on, or made its record */
    NETSUITE_JOB_REFUSED, /* it made none */
    NETSUITE_JOB_BROKE    /* it failed within NetSuite, and may have made one */
};
enum tl_rc netsuite__job_end(struct task *task, struct connector_call *call, const struct http_reply *reply,
                             enum netsuite_job_end *ret, struct tl_err *err);
connector_fn netsuite__resume;

struct netsuite_restlet {
    const char *script, *deploy;
    int64_t batch, timeout_ms; /* batch 0: one record a request, any script */
    bool idempotent;
};
extern const struct config_spec netsuite_restlet_spec;
void *netsuite__restlet_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__restlet_release(void *prepared);
void netsuite__restlet_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
connector_fn netsuite__restlet;

struct netsuite_get {
    const char *record;
    struct config_text external_id, id;
    struct config_list fields; /* const char * */
    bool expand;
    int64_t timeout_ms;
};
extern const struct config_spec netsuite_get_spec;
void *netsuite__get_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__get_release(void *prepared);
connector_fn netsuite__get;

/* SOAP (soap.c, soap_record.c, soap_upsert.c, soap_search.c), for what REST cannot do yet; NetSuite ends it in 2028. */
#define NETSUITE_SOAP "/services/NetSuitePort_2025_2"
struct netsuite_soap_upsert {
    struct config_text record;
    struct config_text external_id;
    int lines; /* enum netsuite_lines: replace or keyed */
    int64_t batch, timeout_ms;
};
struct netsuite_soap_search {
    struct config_text record;
    const char *modified, *start;
    struct config_list where; /* const char *: "field operator value" */
    bool whole;
    int64_t page, overlap_ms, lag_ms, timeout_ms;
};
extern const struct config_spec netsuite_soap_upsert_spec, netsuite_soap_search_spec;
void *netsuite__soap_upsert_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__soap_upsert_release(void *prepared);
void netsuite__soap_upsert_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
connector_fn netsuite__soap_upsert;
void *netsuite__soap_search_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__soap_search_release(void *prepared);
connector_fn netsuite__soap_search;
/* A fault that says that the credentials were refused. */
bool netsuite__refused_login(const void *connection, const struct http_reply *reply);

/* Reading (query.c, read.c): SuiteQL by key set, never by offset, which ends at 100,000 rows. */
struct netsuite_query { /* query: a look-up; suiteql: a source */
    const char *q;
    struct config_list params; /* struct config_text: expressions */
    const char *key, *modified, *start;
    int64_t limit, lag_ms, timeout_ms;
};
struct netsuite_records {
    const char *record, *where, *modified, *start;
    struct config_list fields; /* const char * */
    bool whole;
    int64_t page, overlap_ms, lag_ms, timeout_ms;
};
extern const struct config_spec netsuite_query_spec, netsuite_suiteql_spec, netsuite_records_spec;
/* One page: rows of `q` with its parameters. Errors as netsuite__judge. Rows are JSON objects with lower-case names. */
TL_MUST_CHECK enum tl_rc netsuite__rows(struct task *task, struct connector_call *call, const char *q,
                                        struct json params, int64_t limit, int64_t timeout_ms, struct json *ret_rows,
                                        struct tl_err *err);
void *netsuite__query_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__query_release(void *prepared);
connector_fn netsuite__query;
void *netsuite__suiteql_compile(const void *connection, const void *operation, struct config_errors *e);
void *netsuite__records_compile(const void *connection, const void *operation, struct config_errors *e);
void netsuite__read_release(void *prepared);
connector_fn netsuite__read;
/* Where a read ends: with the last second that is over, less the lag, because NetSuite's times are whole seconds. */
int64_t netsuite__read_end(const struct connector_call *call, int64_t lag_ms);
/* The key `lag` of what reads by time. */
#define NETSUITE_LAG(of)                                                                                               \
    {                                                                                                                  \
        .name = "lag", .type = CONFIG_DURATION, .offset = offsetof(struct of, lag_ms), .fallback = "2s",               \
        .max = 3600000,                                                                                                \
        .doc = "What was changed less than that ago waits, and in any case what was changed in the second that still " \
               "runs: NetSuite's times are whole seconds. Longer than our clock may be ahead of NetSuite's."           \
    }

/* Record types and fields by the metadata catalogue; columns by a query that finds nothing (verify.c). */
connector_verify_fn netsuite__verify_record, netsuite__verify_soap, netsuite__verify_rows;
/* The query of a page, and a place behind everything (read.c). */
const char *netsuite__read_query(struct connector_call *call, struct json *ret_params);

enum tl_rc netsuite__probe(struct task *task, struct connector_call *call, struct connector_identity *ret,
                           struct tl_err *err);
int netsuite__sim(int argc, char **argv);

#endif
