/* SPDX-License-Identifier: Apache-2.0 */
/*
 * salesforce_int.h - shared inside connectors/salesforce only. The prefix is sf_.
 *
 * Every call goes through sf_http: it adds the version and the headers of the connection, parses the answer, reads
 * Sforce-Limit-Info into the connection's quota, and turns the vendor's error codes into rows of the error table
 * (errors.c). What is about one record becomes that record's verdict; nothing about one record ever
 * pauses the connection.
 */
#ifndef TL_CONNECTORS_SALESFORCE_INT_H
#define TL_CONNECTORS_SALESFORCE_INT_H

#include "connector/connector.h"

#define SF_DAILY "daily_api_calls"
enum {
    SF_COLLECTION = 200,
    SF_COMPOSITE = 25,
    SF_GRAPHS = 75,
    SF_GRAPH_NODES = 500,
    SF_BODY_MAX = 48 << 20,
    SF_REPLY_MAX = 64 << 20,
    SF_URL = 300
};

/* ---- what the tables become (fields.c) ---- */
struct sf_connection {
    struct config_choice auth;
    const char *url, *version, *client, *pubsub;
    int64_t daily_calls, timeout_ms;
    double keep;
    char token_url[SF_URL], authorize_url[SF_URL]; /* made of url */
};
enum sf_via { SF_VIA_USUAL, SF_VIA_PUBSUB }; /* usual: CometD in, REST out */
enum sf_mode { SF_MODE_REST, SF_MODE_BULK, SF_MODE_AUTO };
enum sf_duplicates { SF_DUPLICATES_REFUSE, SF_DUPLICATES_ALLOW };
struct sf_target { /* create, update, upsert, delete, publish */
    const char *object, *external_id;
    int duplicates; /* enum sf_duplicates */
    bool assign;
    int mode;        /* enum sf_mode */
    int publish_via; /* enum sf_via */
    int64_t batch, job_rows, timeout_ms;
};
struct sf_lookup { /* query, as a call */
    struct config_text soql, answer;
    bool one;
    int64_t timeout_ms;
};
struct sf_read {
    const char *object, *where, *start;
    struct config_list fields; /* of const char * */
    bool deleted;
    int mode; /* enum sf_mode */
    int64_t bulk_from, ranges, ranges_from, page, lag_ms, timeout_ms;
};
struct sf_listen {
    const char *channel, *query; /* query: of a PushTopic that `prepare` makes */
    int via;                     /* enum sf_via */
    bool all, backfill, own;
    int64_t watchdog_ms;
};
extern const struct config_variants sf_auth_variants;
extern const struct config_spec sf_connection_spec, sf_create_spec, sf_update_spec, sf_upsert_spec, sf_delete_spec,
    sf_publish_spec, sf_graph_spec, sf_lookup_spec, sf_read_spec, sf_listen_spec;

/* ---- one request (call.c) ---- */
struct sf_request {
    const char *method;
    const char *path;                /* below the version: "/composite/sobjects"; with "/services/": as it stands */
    struct tl_sv body, content_type; /* content_type empty: JSON */
    bool idempotent;
    const struct sf_target *target; /* whose headers to send; NULL: none */
    int64_t timeout_ms;             /* 0: the connection's */
    struct http_jar *jar;           /* NULL: no cookies */
    struct http_header more[3];
    size_t n_more;
    http_sink_fn *sink; /* see struct http_request_out */
    void *sink_arg;
    bool raw; /* the answer is no JSON */
};
struct sf_reply {
    struct http_reply http;
    struct json body; /* JSON_NOTHING: none, or not JSON */
};
/* TL_OK for 2xx; else what went wrong with the call, with call->feedback filled. ret is written in every case. A reply
 * that cannot be read although its status was 2xx is TL_UPSTREAM where the request is idempotent, else
 * TL_UNKNOWN_OUTCOME. */
TL_MUST_CHECK enum tl_rc sf_http(struct task *task, struct connector_call *call, const struct sf_request *req,
                                 struct sf_reply *ret, struct tl_err *err);
/* When the org answered, by its own clock (Date); by ours where it does not say. */
int64_t sf_org_ms(const struct connector_call *call, const struct http_reply *reply);
/* The text with '/', '?', '#' and the like percent-encoded, in the arena. */
struct tl_sv sf_encoded(struct tl_arena *a, struct tl_sv text);

/* ---- the vendor's error codes (errors.c) ---- */
struct sf_meaning {
    enum tl_rc rc;
    enum tl_class cls;       /* NONE: the class of rc */
    uint32_t retry_after_ms; /* 0: not said */
    bool innocent;           /* rolled back together with another record */
    bool at_once;            /* too many calls at the same time */
};
/* code may be empty: then by the status alone. message decides where one code has two meanings. */
struct sf_meaning sf_meaning_of(struct tl_sv code, struct tl_sv message, int status);
/* "CODE: message (Field, Field)", masked, at most 300 bytes, in the arena. */
struct tl_sv sf_error_text(struct connector_call *call, struct json error);
/* The first error of an answer: of [{errorCode, message}], of {errors: [...]}, or of an object itself. */
struct json sf_first_error(struct json body);

/* ---- writing (write.c, composite.c) ---- */
void sf_facilities(const void *connection, const void *operation, struct connector_facilities *ret);
void sf_facilities_by_key(const void *connection, const void *operation, struct connector_facilities *ret);
void sf_facilities_create(const void *connection, const void *operation, struct connector_facilities *ret);
connector_fn sf_create, sf_update, sf_upsert, sf_delete, sf_publish;
/* Updates and deletes by external id: 25 requests in one. */
TL_MUST_CHECK enum tl_rc sf_by_external_id(struct task *task, struct connector_call *call, bool remove,
                                           struct tl_err *err);
/* Related records in one call, together or not at all (graph.c). */
connector_fn sf_graph;
void sf_facilities_graph(const void *connection, const void *operation, struct connector_facilities *ret);
void sf_reject(struct connector_call *call, struct connector_verdict *v, enum tl_rc rc, const char *text);
/* The whole call failed with a fault of the data: which record it was shows in half the company. TL_OK, or rc when it
 * is about the connection. */
enum tl_rc sf_fail_records(struct connector_call *call, const size_t *which, size_t n, enum tl_rc rc,
                           const struct tl_err *err);
/* A member's value as text: strings, numbers, booleans; .p NULL: none of them. */
struct tl_sv sf_text(struct tl_arena *a, struct json v);

/* ---- reading ---- */
void *sf_lookup_compile(const void *connection, const void *operation, struct config_errors *e);
void sf_lookup_release(void *prepared);
connector_fn sf_lookup_run;
struct json sf_without_attributes(struct tl_arena *a, struct json v);

void *sf_read_compile(const void *connection, const void *operation, struct config_errors *e);
void sf_read_release(void *prepared);
connector_fn sf_read_run;
/* All records of conf->object from conf->start on, taken in as change events of type BACKFILL; the position stays what
 * it is. cache: what sf_read_compile made, for the fields of this one object. */
TL_MUST_CHECK enum tl_rc sf_backfill(struct task *task, struct connector_call *call, void *cache,
                                     const struct sf_read *conf, struct tl_sv stays, struct tl_err *err);
/* Its `prepared` is that of read: a backfill reads. */
connector_fn sf_listen_run;
connector_fn sf_pubsub_run, sf_pubsub_publish; /* for `via: pubsub` */

int salesforce__sim(int argc, char **argv);

#endif
