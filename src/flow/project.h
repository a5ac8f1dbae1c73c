/* SPDX-License-Identifier: Apache-2.0 */
/*
 * project.h - the configuration of a whole installation: what `tieline check`, `run` and `reload` read.
 *
 * The tables here are the single source of the configuration: parser, lint, JSON Schema and reference page come from
 * them.
 */
#ifndef TL_FLOW_PROJECT_H
#define TL_FLOW_PROJECT_H

#include "alert/alert.h"
#include "config/config.h"
#include "connector/connector.h"
#include "http/tls.h"
#include "secret/secret.h"

struct flow_certificate_conf {
    const char *certificate, *key;
};
struct flow_tls_conf {
    const char *certificate, *key, *client_ca;
    struct config_list others; /* of struct flow_certificate_conf */
};
struct flow_metrics_conf { /* /metrics on the public listener */
    bool on;
    struct config_list allow; /* of struct config_cidr; none: everybody */
};
enum { FLOW_CERTIFICATES = 9 };
/* What http_tls_new takes, but for ALPN; both point into c. */
void flow_tls_options(const struct flow_tls_conf *c, struct http_tls_cert certs[FLOW_CERTIFICATES],
                      struct http_tls_options *ret);
struct flow_server_limits_conf { /* of requests and connections: as in struct http_server_options */
    uint64_t request_line, header_bytes, chunk_extension, body_memory, body_rate, stream_window, session_window;
    int64_t headers, requests, connections, connections_per_address, streams, control_frames, control_rate;
    int64_t handshake_ms, head_ms, body_grace_ms, write_ms, idle_ms;
};
struct flow_server_conf {
    struct config_address listen;
    const struct flow_tls_conf *tls;
    struct config_list behind_proxy; /* of struct config_cidr */
    struct config_list allow;        /* of struct config_cidr */
    bool proxy_protocol, http2;
    uint64_t body_limit;
    struct flow_server_limits_conf limits;
    int64_t threads, drain_ms;               /* of `server` only */
    const struct flow_metrics_conf *metrics; /* of `server` only; NULL: none */
};
struct flow_admin_token_conf {
    const char *name;
    int role; /* as in flow_admin_roles */
    struct config_secret secret;
};
struct flow_admin_certificate_conf {
    const char *name;
    int role;
};
struct flow_admin_oidc_conf {
    const char *issuer, *client_id, *scope, *redirect_uri, *label;
    struct config_secret client_secret;
    int client_auth;             /* 0: client_secret_basic, 1: client_secret_post */
    const char *claim, *name;    /* of the ID token: what roles follow from; what a person is called */
    struct config_list roles[3]; /* of const char *: values of the claim, as in flow_admin_roles */
};
struct flow_admin_conf {
    struct flow_server_conf server; /* the listener's; first: the fields of `server` are used again */
    bool off;
    int reveal; /* as in flow_admin_roles, from operator on: 0 is operator */
    int64_t session_ms;
    struct config_list tokens;               /* of struct flow_admin_token_conf */
    struct config_list certificates;         /* of struct flow_admin_certificate_conf */
    const struct flow_admin_oidc_conf *oidc; /* NULL: none */
};
extern const struct config_spec flow__admin_oidc_spec, flow__server_spec, flow__admin_spec; /* project_server.c */
extern const char *const flow_admin_roles[]; /* viewer, operator, admin */
struct flow_encrypt_conf {
    struct config_secret key;
    struct config_list old_keys; /* of struct config_secret */
};
extern const struct config_spec flow_encrypt_spec;
struct flow_store_conf {
    const char *path;
    const struct flow_encrypt_conf *encrypt; /* NULL: payloads are stored as they are */
    int64_t keep_keys_ms, keep_events_ms;
    uint64_t inline_max, reserve;
    bool unsafe_no_sync;
};
struct flow_log_conf {
    int level, format;
};
struct flow_telemetry_conf {
    const char *url, *service;
    struct config_map headers; /* of struct config_secret */
    bool traces;
    double sample;
    int64_t interval_ms, metrics_ms;
};
struct flow_egress_conf {
    bool allow_private;
    struct config_list allow, deny; /* of struct config_cidr */
};
struct flow_quota_conf {
    const char *name;
    int64_t amount, per_ms;         /* rolling window; or ... */
    const struct config_zone *zone; /* ... with day: true, a calendar day in this zone */
    bool day;
    double keep;
};
struct flow_limits_conf {
    int64_t concurrency, burst;
    const char *rate; /* "100/s" */
    bool fixed;
    struct config_list quotas; /* of struct flow_quota_conf */
    int64_t breaker_failures, breaker_open_ms, breaker_most_ms;
};
struct flow_connection_conf {
    struct flow_limits_conf limits;
    bool accept_identity;
    struct config_choice type; /* the connector's struct */
};

/* ---- flows ---- */
struct flow_webhook_conf {
    const char *path, *name;
    struct config_choice verify; /* webhook_schemes; none: unsigned, only with `unsigned: true` */
    bool open;
    uint64_t body_limit;
    struct config_list allow; /* of struct config_cidr */
    int64_t status;
    int xml; /* enum flow_xml */
};
enum flow_xml { FLOW_XML_TREE, FLOW_XML_TEXT };
struct flow_schedule_conf {
    struct config_cron cron;
    const struct config_zone *zone;
    const struct config_node *body;
};
struct flow_read_conf { /* the keys of a read source that are not its operation's */
    struct config_text connection;
    int64_t every_ms;
};
struct flow_retry_conf {
    int64_t attempts;
    struct config_range backoff;
    int jitter; /* enum guard_jitter */
    int64_t max_age_ms;
};
struct flow_sla_conf {
    const char *owner, *runbook;
    double success;
    int64_t delay_p95_ms, mttr_ms;
};
struct flow_on_dead_conf {
    int key;                   /* 0 skip, 1 block */
    struct config_text notify; /* a receiver of `alerts:` */
    int64_t trip_in_a_row, trip_half_of;
};
struct flow_idempotency_conf {
    struct config_text key;
    bool off;
};
struct flow_when_conf {
    struct config_text when;
    struct config_list to; /* of const char * */
};
struct flow_map_conf { /* `map: name`, or one of the languages in place */
    struct config_text use, jsonata;
    const char *file;
};
enum flow_unavailable { FLOW_HOLD, FLOW_USE_CACHED, FLOW_DEFAULT };
struct flow_unavailable_conf {
    int then; /* enum flow_unavailable: what a bare word says */
    int64_t use_cached_ms;
    struct config_text fallback;
};
struct flow_ask_conf { /* the keys of the steps lookup and call that are not their operation's */
    struct config_text connection, value;
    const char *as;
    int64_t cache_ms;
    struct flow_unavailable_conf unavailable;
    const struct flow_map_conf *map; /* of a call: what is handed over instead of the body */
    /* as it was written before */
    const char *path;
    int64_t max_age_ms;
    struct config_text fallback;
};
struct flow_conf {
    struct config_choice from;
    const struct flow_idempotency_conf *idempotency;
    struct config_text order_by;
    struct config_list steps; /* of struct config_choice */
    const struct config_node *to;
    struct flow_retry_conf retry;
    struct flow_sla_conf sla;
    struct flow_on_dead_conf on_dead;
    int64_t priority;
};
struct flow_xref_conf { /* the step */
    const char *model, *from, *as;
    struct config_text id, to;
    bool required;
    const struct config_node *match_by;
};
struct flow_match_conf { /* the keys of match_by that are not its operation's */
    struct config_text value;
};
struct flow_own_conf {
    const char *model, *connection;
    struct config_text id, mark;
};
struct flow_target_xref_conf {
    const char *model, *from;
    struct config_text id, answer, mark;
};
struct flow_target_conf { /* the keys of a target that are not its operation's */
    struct config_text connection, when;
    const struct flow_map_conf *map;
    const struct flow_target_xref_conf *xref;
    const char *name;
    const struct flow_retry_conf *retry;
    int64_t linger_ms;
};
struct flow_mapping_conf {
    const char *to;
    const char *jsonata, *table, *jq, *xslt; /* files */
    struct config_text text;                 /* JSONata in place */
    bool strict;
};

struct flow_project {
    int64_t version;
    struct config_list include; /* followed by whoever reads the files: always empty here */
    struct flow_server_conf server;
    struct flow_admin_conf admin;
    struct flow_store_conf store;
    struct flow_log_conf log;
    struct flow_egress_conf egress;
    struct secret_conf secrets;
    struct config_map connections; /* of struct flow_connection_conf */
    struct config_map models;      /* of const char *: files */
    struct config_map schemas;     /* of const char *: files, by the address that a $ref names */
    struct config_map mappings;    /* of struct flow_mapping_conf */
    struct config_map flows;       /* of struct flow_conf */
    struct alert_conf alerts;
    struct flow_telemetry_conf telemetry;
};
extern const struct config_spec flow_project_spec;
extern const struct config_spec flow_target_spec, flow_read_spec, flow_map_spec;
extern const struct config_spec flow_lookup_spec, flow_call_spec, flow_match_spec, flow_xref_spec, flow_own_spec,
    flow_target_xref_spec;                          /* steps/conf.c */
extern const struct config_spec flow_receiver_spec; /* of a flow_conf whose events are our own */
enum flow_source { FLOW_WEBHOOK, FLOW_SCHEDULE, FLOW_READ, FLOW_RECEIVER /* of alerts; not in the file */ };
enum flow_step_kind {
    FLOW_STEP_WHEN,
    FLOW_STEP_MAP,
    FLOW_STEP_SPLIT,
    FLOW_STEP_ROUTE,
    FLOW_STEP_VALIDATE,
    FLOW_STEP_LOOKUP,
    FLOW_STEP_CALL,
    FLOW_STEP_XREF,
    FLOW_STEP_OWN_WRITE
};

#endif
