/* SPDX-License-Identifier: Apache-2.0 */
/* httpc_int.h - shared inside connectors/http only. The prefix is httpc_, because http_ belongs to src/http. */
#ifndef TL_CONNECTORS_HTTP_INT_H
#define TL_CONNECTORS_HTTP_INT_H

#include "connector/connector.h"

/* ---- what the tables become ---- */
enum httpc_insecure { HTTPC_VERIFY, HTTPC_LOOPBACK, HTTPC_ANYWHERE };
struct httpc_tls {
    const char *ca, *certificate;
    struct config_secret key;
    int insecure; /* enum httpc_insecure */
};
struct httpc_connection {
    struct config_choice auth;
    const char *url;
    struct config_map headers; /* of struct config_secret */
    int64_t timeout_ms;
    const struct httpc_tls *tls;
    const char *probe; /* path; NULL: none */
};
enum httpc_as { HTTPC_ARRAY, HTTPC_NDJSON };
struct httpc_batch {
    int64_t count;
    uint64_t bytes;
    int as; /* enum httpc_as */
    struct config_text verdicts;
};
struct httpc_target {
    struct config_text path;
    struct config_map headers; /* of struct config_text */
    struct config_text body, success, answer;
    const char *content_type, *idempotency_header;
    bool idempotent;
    const struct httpc_batch *batch;
    struct config_list reject; /* of int64_t */
    int64_t timeout_ms;
};
struct httpc_fetch {
    struct config_text path;
    struct config_map headers;
    struct config_text answer;
    struct config_list absent; /* of int64_t */
    int64_t timeout_ms;
};
struct httpc_poll {
    struct config_text path;
    struct config_map headers;
    struct config_text items, cursor, key;
    const char *start;
    int64_t pages, timeout_ms;
};

/* ---- requests (request.c) ---- */
struct httpc_header {
    const char *name;
    struct connector_template *value;
};
struct httpc_address {               /* compiled: where and with which headers */
    char *text;                      /* of the path, as configured */
    struct connector_template *path; /* NULL: text as it is */
    struct httpc_header *headers;
    size_t n_headers;
    bool constant; /* no expression in any of them */
};
void httpc__address_compile(struct httpc_address *a, const struct config_text *path, const struct config_map *headers,
                            struct config_errors *e);
void httpc__address_done(struct httpc_address *a);

struct httpc_request {
    struct http_request_out out;
    struct http_header headers[64];
    struct http_client_tls tls;
};
/* Later ones replace earlier ones of the same name. TL_LIMIT. */
TL_MUST_CHECK enum tl_rc httpc__header(struct httpc_request *r, struct tl_sv name, struct tl_sv value,
                                       struct tl_err *err);
/* Address, the connection's headers, those of the operation, TLS and time-out. A template that fails is the record's
 * fault: *ret_of_record is set then. */
TL_MUST_CHECK enum tl_rc httpc__request(struct task *task, struct connector_call *call, const struct httpc_address *a,
                                        struct json envelope, int64_t timeout_ms, struct httpc_request *r,
                                        bool *ret_of_record, struct tl_err *err);

/* ---- replies (reply.c) ---- */
/* {status, headers, body, cursor}; body is JSON, or the text, or absent; cursor may be JSON_NOTHING. why is filled
 * where the body is not what it says it is. TL_PARSE: it is announced as JSON, or begins like it, and does not parse.
 * TL_INVALID: it is no text at all. */
struct json httpc__reply_doc(struct task *task, struct tl_arena *a, const struct http_reply *reply, struct json cursor,
                             struct tl_err *why);
/* Is the refusal rc about this record, and not about us? RFC 9110 15.5.4: a 403 may be either; one that asks for other
 * credentials is about us, else the flow's trip catches what befalls every record. So with 402 (a declined payment) and
 * 451 (what may not be given out). */
bool httpc__is_of_record(enum tl_rc rc, const struct http_reply *reply);
bool httpc__has_status(const struct config_list *statuses, int status);
/* A value as a text: a string as it is, others as JSON; .p NULL: none, or it is longer than `most`, or there is no
 * memory for it. httpc__kept: of what is kept as it is. */
enum { HTTPC_KEPT_MAX = 4096 };
struct tl_sv httpc__text(struct tl_arena *a, struct json v, size_t most);
struct tl_sv httpc__kept(struct tl_arena *a, struct json v);

/* ---- operations ---- */
extern const struct config_spec httpc_connection_spec;
extern const struct config_spec httpc_post_spec, httpc_put_spec, httpc_patch_spec, httpc_delete_spec;
extern const struct config_spec httpc_get_spec, httpc_poll_spec;

void *httpc__post_compile(const void *connection, const void *operation, struct config_errors *e);
void *httpc__put_compile(const void *connection, const void *operation, struct config_errors *e);
void *httpc__patch_compile(const void *connection, const void *operation, struct config_errors *e);
void *httpc__delete_compile(const void *connection, const void *operation, struct config_errors *e);
void httpc__write_release(void *prepared);
void httpc__facilities(const void *connection, const void *operation, struct connector_facilities *ret);
connector_fn httpc__write;

void *httpc__get_compile(const void *connection, const void *operation, struct config_errors *e);
void httpc__get_release(void *prepared);
connector_fn httpc__get;

void *httpc__poll_compile(const void *connection, const void *operation, struct config_errors *e);
void httpc__poll_release(void *prepared);
connector_fn httpc__poll;

enum tl_rc httpc__probe(struct task *task, struct connector_call *call, struct connector_identity *ret,
                        struct tl_err *err);

int httpc__sim(int argc, char **argv);

#endif
