/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim_int.h - `tieline sim salesforce`: a local double of a Salesforce org. Shared by the files of this folder only.
 *
 * Everything between the gate (sim.c: authentication, limits, faults) and the store is plain code that never suspends:
 * one request is one function from struct sfsim_req to struct sfsim_answer, run on the loop's big stack, inside one
 * transaction. So a composite calls the same functions as the wire does, and a rollback takes the events along.
 *
 * Errors of the API are struct sfsim_fault; they are written as {message, errorCode, fields} at the top of an answer
 * and as {statusCode, message, fields} within a record's result, as the vendor does.
 */
#ifndef TL_CONNECTORS_SALESFORCE_SIM_INT_H
#define TL_CONNECTORS_SALESFORCE_SIM_INT_H

#include "connector/sim.h"

struct sfsim;

/* ---- schema (schema.c): what objects there are; describe ---- */
enum sfsim_type {
    SFSIM_STRING,
    SFSIM_TEXTAREA,
    SFSIM_PHONE,
    SFSIM_URL,
    SFSIM_EMAIL,
    SFSIM_PICKLIST,
    SFSIM_MULTIPICKLIST,
    SFSIM_BOOLEAN,
    SFSIM_INT,
    SFSIM_DOUBLE,
    SFSIM_CURRENCY,
    SFSIM_PERCENT,
    SFSIM_DATE,
    SFSIM_DATETIME,
    SFSIM_REFERENCE,
    SFSIM_ID
};
struct sfsim_field {
    struct tl_sv name, reference, relationship, values, fallback; /* values: "a|b|c" */
    enum sfsim_type type;
    uint32_t length, precision, scale;
    bool required, external, unique, case_sensitive, restricted, read_only, custom, system;
    bool hidden, granted; /* deployed, and nobody has been given the right to see it; a permission set names it */
};
enum sfsim_op { SFSIM_EQ, SFSIM_NE, SFSIM_LT, SFSIM_LE, SFSIM_GT, SFSIM_GE };
struct sfsim_rule { /* a record for which this holds is refused */
    struct tl_sv field, value, message;
    enum sfsim_op op;
};
struct sfsim_object {
    struct tl_sv name;
    char prefix[4];
    bool custom, event; /* event: platform events are published, not stored */
    struct sfsim_field *fields;
    size_t n_fields;
    struct sfsim_rule rules[8];
    size_t n_rules;
    struct tl_sv duplicates; /* field of the duplicate rule; .p NULL: none */
    bool block;              /* of the duplicate rule: cannot be overruled */
};
struct sfsim_schema;
struct sfsim_schema *sfsim_schema_new(void) TL_MUST_CHECK; /* with the usual standard objects */
void sfsim_schema_free(struct sfsim_schema *s);
/* Lines `object NAME: FIELD TYPE WORDS; ...`, `event`, `field`, `rule`, `duplicates`; see the README. TL_INVALID with
 * the line. */
TL_MUST_CHECK enum tl_rc sfsim_schema_add(struct sfsim_schema *s, struct tl_sv text, struct tl_err *err);
const struct sfsim_object *sfsim_object(const struct sfsim_schema *s, struct tl_sv name); /* any case; NULL */
const struct sfsim_object *sfsim_object_at(const struct sfsim_schema *s, size_t i);       /* NULL: the end */
const struct sfsim_object *sfsim_object_of_id(const struct sfsim_schema *s, struct tl_sv id);
const struct sfsim_field *sfsim_field(const struct sfsim_object *o, struct tl_sv name);     /* any case; NULL */
const struct sfsim_field *sfsim_field_any(const struct sfsim_object *o, struct tl_sv name); /* hidden ones too */
void sfsim_schema_grant(struct sfsim_schema *s, struct tl_sv path); /* "Account.ERP_Id__c": a permission set names it */
void sfsim_schema_show(struct sfsim_schema *s);                     /* that permission set was assigned */
/* For a deployment that is taken back whole. */
struct sfsim_schema_mark;
struct sfsim_schema_mark *sfsim_schema_mark(const struct sfsim_schema *s, struct tl_arena *a);
void sfsim_schema_rewind(struct sfsim_schema *s, const struct sfsim_schema_mark *m);
const struct sfsim_field *sfsim_relationship(const struct sfsim_object *o, struct tl_sv name);
struct json sfsim_describe(const struct sfsim_schema *s, const struct sfsim_object *o, struct tl_arena *a,
                           const char *version);
struct json sfsim_describe_brief(const struct sfsim_object *o, struct tl_arena *a, const char *version);

/* ---- ids ---- */
enum { SFSIM_ID18 = 18 };
/* 15 or 18 characters as 18; false: not an id. */
bool sfsim_id18(struct tl_sv s, char out[SFSIM_ID18 + 1]);

/* ---- records (records.c) ---- */
struct sfsim_record {
    char id[SFSIM_ID18 + 1];
    const struct sfsim_object *type;
    bool deleted;
    int64_t created_ms, modified_ms;
    struct json fields; /* those with a value, without the system's */
};
struct sfsim_db;
TL_MUST_CHECK enum tl_rc sfsim_db_open(const char *path, struct sfsim_schema *schema, const struct tl_clock *clock,
                                       struct sfsim_db **ret, struct tl_err *err);
void sfsim_db_close(struct sfsim_db *db);
struct store *sfsim_db_store(struct sfsim_db *db);
bool sfsim_begin(struct sfsim_db *db);
bool sfsim_commit(struct sfsim_db *db);
void sfsim_rollback(struct sfsim_db *db);
/* deleted ones too; false: there is none. Memory is the arena's. */
bool sfsim_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv id, struct sfsim_record *ret);
/* Ids of live records whose external id has this value: at most `most`; the number. */
size_t sfsim_find(struct sfsim_db *db, const struct sfsim_object *o, const struct sfsim_field *f, struct tl_sv value,
                  char (*ids)[SFSIM_ID18 + 1], size_t most);
void sfsim_new_id(struct sfsim_db *db, const char prefix[4], char out[SFSIM_ID18 + 1]);
/* A time for SystemModstamp: now, in whole seconds, as the vendor's are. */
int64_t sfsim_now(struct sfsim_db *db);
bool sfsim_put(struct sfsim_db *db, const struct sfsim_record *r, bool is_new);
/* Rows of a SELECT of id, type, deleted, created, modified, body. */
typedef bool sfsim_row_fn(void *arg, const struct sfsim_record *r); /* false: stop */
enum tl_rc sfsim_rows(struct sfsim_db *db, struct tl_arena *a, const char *sql, sfsim_row_fn *fn, void *arg,
                      struct tl_err *err);
/* The first column of each row, as text. */
typedef bool sfsim_text_fn(void *arg, struct tl_sv text);
enum tl_rc sfsim_texts(struct sfsim_db *db, const char *sql, sfsim_text_fn *fn, void *arg, struct tl_err *err);
/* A field as the API shows it, system fields included; JSON_NULL without a value. */
struct json sfsim_value(struct tl_arena *a, const struct sfsim_record *r, const struct sfsim_field *f);
struct json sfsim_datetime(struct tl_arena *a, int64_t ms); /* 2026-01-02T03:04:05.000+0000 */
bool sfsim_datetime_read(struct tl_sv s, int64_t *ret_ms);  /* any offset, with and without colon; dates too */

/* ---- faults of the API ---- */
struct sfsim_fault {
    int status; /* HTTP; 0: none */
    const char *code;
    struct tl_sv message;
    struct tl_sv fields[4];
    size_t n_fields;
    struct json duplicates; /* duplicateResult */
};
/* Always false, so that `return sfsim_refuse(...)` is the idiom. The text is the arena's. */
bool sfsim_refuse(struct sfsim_fault *f, struct tl_arena *a, int status, const char *code, struct tl_sv field,
                  const char *fmt, ...) TL_PRINTF(6, 7);
#ifdef __clang_analyzer__ /* it cannot see into check.c */
#define sfsim_refuse(...) ((void)sfsim_refuse(__VA_ARGS__), false)
#endif

/* ---- one request (rest.c) ---- */
struct sfsim_session {
    uint64_t seen_ns;
    bool dead;
};
struct sfsim_req {
    struct sfsim *sim;
    struct tl_arena *arena;
    struct tl_sv method;
    struct tl_sv path; /* below /services/data/vNN.N, decoded: "/sobjects/Account" */
    struct tl_sv query;
    struct tl_sv text; /* of the body */
    struct json body;
    int version;              /* 60 */
    struct tl_sv client;      /* of Sforce-Call-Options */
    bool allow_duplicates;    /* Sforce-Duplicate-Rule-Header: allowSave=true */
    uint32_t batch_size;      /* Sforce-Query-Options */
    struct tl_sv if_modified; /* If-Modified-Since */
    bool csv;                 /* the body is no JSON */
};
struct sfsim_answer {
    int status;
    struct json body;    /* JSON_NOTHING: none */
    struct json headers; /* an object, or nothing */
    struct tl_sv text;   /* instead of body, of this type */
    const char *type;
};
void sfsim_handle(const struct sfsim_req *req, struct sfsim_answer *ans);
void sfsim_fail(const struct sfsim_req *req, struct sfsim_answer *ans, const struct sfsim_fault *f);
struct json sfsim_fault_json(struct tl_arena *a, const struct sfsim_fault *f, bool of_record);
/* "?name=": decoded; .p NULL: absent. */
struct tl_sv sfsim_query(const struct sfsim_req *req, const char *name);
/* The next segment of a path, decoded; the rest stays in *path. false: no more. */
bool sfsim_segment(struct tl_arena *a, struct tl_sv *path, struct tl_sv *ret);

/* ---- writing (save.c, check.c) ---- */
struct sfsim_saved {
    bool ok, created;
    char id[SFSIM_ID18 + 1];
    struct sfsim_fault fault;
    size_t matches; /* upsert: more than one, then fault.status is 300 */
};
/* Fields as they are stored, from what a client sent. `existing` NULL: a new record. */
bool sfsim_check(const struct sfsim_req *req, const struct sfsim_object *o, struct json body,
                 const struct sfsim_record *existing, const struct sfsim_field *not_field, struct json *ret_fields,
                 struct sfsim_fault *fault);
void sfsim_create(const struct sfsim_req *req, const struct sfsim_object *o, struct json body, struct sfsim_saved *ret);
void sfsim_update(const struct sfsim_req *req, const struct sfsim_object *o, struct tl_sv id, struct json body,
                  struct sfsim_saved *ret);
void sfsim_upsert(const struct sfsim_req *req, const struct sfsim_object *o, const struct sfsim_field *by,
                  struct tl_sv value, struct json body, bool update_only, struct sfsim_saved *ret);
void sfsim_delete(const struct sfsim_req *req, struct tl_sv id, struct sfsim_saved *ret);
/* {type, url}: what a record has in every answer (rest.c). */
struct json sfsim_attributes(const struct sfsim_req *req, const struct sfsim_record *r);
struct json sfsim_saved_json(struct tl_arena *a, const struct sfsim_saved *s, bool with_created);
struct tl_sv sfsim_scalar(struct tl_arena *a, struct json v);

/* ---- more than one at a time (collections.c, composite.c) ---- */
void sfsim_collections(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans);
void sfsim_composite(const struct sfsim_req *req, struct sfsim_answer *ans);
void sfsim_composite_batch(const struct sfsim_req *req, struct sfsim_answer *ans);
void sfsim_composite_tree(const struct sfsim_req *req, struct tl_sv object, struct sfsim_answer *ans);
void sfsim_composite_graph(const struct sfsim_req *req, struct sfsim_answer *ans);

/* ---- queries (soql.c reads the language, query.c runs it) ---- */
struct sfsim_select { /* one item of a select list */
    struct tl_sv path[5];
    size_t n_path;
    struct tl_sv function, alias; /* COUNT, SUM ...; .p NULL: a plain field */
    struct sfsim_soql *child;     /* (SELECT ... FROM Contacts) */
};
struct sfsim_soql {
    const struct sfsim_object *from;
    struct tl_sv from_name;
    const struct sfsim_field *child_key; /* of a child query: the field that points to the parent */
    struct sfsim_select *select;
    size_t n_select;
    bool count_only; /* SELECT COUNT() */
    bool aggregate;
    char *where, *order, *group; /* SQL over record r */
    int64_t limit, offset;       /* limit < 0: none */
};
/* In the arena; NULL with *fault filled. parent: of a child query, else NULL. */
struct sfsim_soql *sfsim_soql_parse(const struct sfsim_schema *s, struct tl_arena *a, struct tl_sv text,
                                    struct sfsim_fault *fault);
struct sfsim_cursor;
void sfsim_cursors_free(struct sfsim *sim);
void sfsim_query_run(const struct sfsim_req *req, struct tl_sv soql, bool all, struct sfsim_answer *ans);
void sfsim_query_more(const struct sfsim_req *req, struct tl_sv locator, struct sfsim_answer *ans);
/* SQL of `SELECT columns FROM record r WHERE ...` in the arena. */
char *sfsim_soql_sql(struct tl_arena *a, const struct sfsim_soql *q, const char *columns, bool all);
/* One record as a query shows it. */
struct json sfsim_project(const struct sfsim_req *req, const struct sfsim_soql *q, const struct sfsim_record *r);

/* ---- bulk jobs (bulk.c; bulk_query.c: those that read) ---- */
void sfsim_jobs(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans);
void sfsim_query_job(const struct sfsim_req *req, struct sfsim_answer *ans);
void sfsim_query_results(const struct sfsim_req *req, struct json job, struct tl_sv name, struct sfsim_answer *ans);
bool sfsim_job_keep(const struct sfsim_req *req, struct json job);
struct json sfsim_job_shown(const struct sfsim_req *req, struct json job); /* what a closed job looks like by now */
void sfsim_job_refuse(const struct sfsim_req *req, struct sfsim_answer *ans, int status, const char *code,
                      const char *text);
struct json sfsim_with(struct tl_arena *a, struct json v, const char *name, struct json value); /* a copy with it */
void sfsim_put_cells(struct tl_buf *b, const struct tl_sv *cells, size_t n, char delimiter);    /* a line, all quoted */
bool sfsim_job_put(struct sfsim_db *db, struct tl_sv id, struct tl_sv body);
struct tl_sv sfsim_job_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv id); /* .p NULL: none */
void sfsim_job_delete(struct sfsim_db *db, struct tl_sv id);
bool sfsim_part_put(struct sfsim_db *db, struct tl_sv job, const char *name, struct tl_sv body);
struct tl_sv sfsim_part_get(struct sfsim_db *db, struct tl_arena *a, struct tl_sv job, const char *name);

/* ---- components and deployments (metadata/) ---- */
void sfsim_metadata(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans);
struct json sfsim_metadata_deploy(const struct sfsim_req *req, struct tl_sv zip); /* what is kept of it: {id, ...} */
/* A deployment's result as it is by now; false: there is none of this id. */
bool sfsim_metadata_deployed(const struct sfsim_req *req, struct tl_sv id, struct json *ret);
/* One component as its file would have it ({label, fields, ...}); false: why not. */
bool sfsim_metadata_apply(const struct sfsim_req *req, struct tl_sv kind, struct tl_sv name, struct json root,
                          const char **ret_problem);
http_handler_fn sfsim_metadata_soap; /* the same over SOAP (metadata/) */

/* ---- OAuth (oauth.c) ---- */
http_handler_fn sfsim_token, sfsim_authorize, sfsim_revoke, sfsim_userinfo, sfsim_identity, sfsim_soap_login;
/* The session of a request's Authorization header; NULL: none that lives. */
struct sfsim_session *sfsim_session_of(struct sfsim *sim, const struct http_req *req);
struct sfsim_session *sfsim_session_of_token(struct sfsim *sim, struct tl_sv token);
void sfsim_sessions_expire(struct sfsim *sim);
void sfsim_sessions_free(struct sfsim *sim);

/* ---- events (events.c tells, records.c keeps, bayeux.c sends) ---- */
void sfsim_changed(const struct sfsim_req *req, const struct sfsim_record *before, const struct sfsim_record *after);
void sfsim_platform_event(const struct sfsim_req *req, const struct sfsim_object *o, struct json fields,
                          const char *uuid);
void sfsim_publish(const struct sfsim_req *req, const char *channel, struct json data);
bool sfsim_event_add(struct sfsim_db *db, const char *channel, struct tl_sv body);
int64_t sfsim_last_event(struct sfsim_db *db); /* its replay id; 0: none */
typedef bool sfsim_event_fn(void *arg, int64_t replay, struct tl_sv channel, struct tl_sv body); /* false: stop */
/* Events of a channel (/data/ChangeEvents: of all /data/ ones) behind a replay id, in order. */
void sfsim_events_since(struct sfsim_db *db, const char *channel, int64_t replay, sfsim_event_fn *fn, void *arg);
http_handler_fn sfsim_cometd;
void sfsim_clients_free(struct sfsim *sim);
bool sfsim_channel_exists(struct sfsim *s, struct tl_arena *a, struct tl_sv channel);

/* ---- the Pub/Sub API (pubsub.c; see pubsub.h) ---- */
struct sfsim_pubsub;
struct sfsim_pubsub *sfsim_pubsub_new(void) TL_MUST_CHECK;
void sfsim_pubsub_free(struct sfsim_pubsub *p);
http_h2_handler_fn sfsim_pubsub_serve;

/* ---- outbound messages (outbound.c) ---- */
void sfsim_outbound_note(const struct sfsim_req *req, const struct sfsim_record *after);
void sfsim_outbound_go(struct sfsim *s, struct task *task); /* after a request: a task of its own sends what is there */
http_handler_fn sfsim_outbound_set;

/* ---- the org ---- */
struct sfsim_options {
    int64_t port, seed_number, daily, concurrent, cursors, session_ms, lock_every, expire_every, truncate_every;
    int64_t delay_ms, jitter_ms, hang_ms, long_ms, forget_client_every, hold_ms, job_ms, pubsub_port,
        break_stream_every, query_rows;
    const char *host, *data, *schema, *seed, *client_id, *client_secret, *certificate, *user, *password, *redirect;
    const char *tls_cert, *tls_key, *instance;
    bool quiet, rotate, per_app, lose_cursors, query_timeout, limit_total, limit_concurrent, refuse_grant, job_fails;
    bool no_query_jobs, lose_jobs, outbound_twice, count_timeout;
    bool overflow, stale_replay, stall, garble, no_identity;
    double fail, unavailable, empty, drop, hang, gap, unprocessed, outage[2];
};
struct sfsim_counts {
    uint64_t requests, api_calls, created, updated, deleted, refused, tokens, queries, rows, events;
    uint64_t over_limit; /* API calls made although none was left: a client that respects limits makes none */
    uint64_t records_in, handshakes, connects, jobs, query_jobs, aborted, deployments, outbound_sent, outbound_acks;
    uint64_t subscriptions, delivered; /* of the Pub/Sub API */
};
enum { SFSIM_CELLS = 24 };
struct sfsim {
    struct sfsim_options opt;
    struct sfsim_counts counts;
    struct crypto *crypto;
    struct crypto_keys *keys; /* of the JWT bearer grant; NULL: none */
    struct sfsim_schema *schema;
    struct sfsim_db *db;
    const struct tl_clock *clock;
    uint64_t started_ns, random, locked, expired, cut;
    char url[200]; /* our own address */
    char org[SFSIM_ID18 + 1], user[SFSIM_ID18 + 1];
    /* sessions and grants */
    struct tl_map *sessions, *codes, *refresh;
    /* the rolling day */
    uint64_t cells[SFSIM_CELLS];
    int64_t cell_start_ms;
    uint32_t in_flight;
    struct sfsim_cursor *cursors;
    /* streaming */
    struct tl_map *clients;
    struct sfsim_pubsub *pubsub;
    uint64_t published; /* grows with each event: what held connects look at */
    bool topics;        /* there may be PushTopics */
    struct {
        char *object, *url; /* NULL: nobody is told */
        int64_t done;       /* the last row that was acknowledged */
        bool waiting, running;
    } outbound;
};
TL_MUST_CHECK enum tl_rc sfsim_new(const struct sfsim_options *opt, struct sfsim **ret, struct tl_err *err);
void sfsim_free(struct sfsim *s);
/* At most `most` routes; the number. */
size_t sfsim_routes(struct sfsim *s, struct http_route *routes, size_t most);
size_t sfsim_control_routes(struct sfsim *s, struct http_route *routes, size_t most);
void sfsim_options_default(struct sfsim_options *o);
/* Our own address, as the client sees it (Host): what tokens tell as instance_url. */
void sfsim_learn_url(struct sfsim *s, const struct http_req *req);
/* With --instance: is this request for the host that the API is at? */
bool sfsim_at_instance(const struct sfsim *s, const struct http_req *req);
double sfsim_chance(struct sfsim *s);

/* ---- limits (limits.c) ---- */
uint64_t sfsim_used(struct sfsim *s); /* API calls of the last 24 hours */
void sfsim_use(struct sfsim *s);
struct json sfsim_limits(struct sfsim *s, struct tl_arena *a);

/* ---- seed data (seed.c) ---- */
/* A file NAME.csv or NAME.json (an array of records of object NAME), or a folder of them. TL_INVALID with the place. */
TL_MUST_CHECK enum tl_rc sfsim_seed(struct sfsim *s, const char *path, struct tl_err *err);

#endif
