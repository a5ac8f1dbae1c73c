/* SPDX-License-Identifier: Apache-2.0 */
/* send.h - signed sample events: what to send (body.c), over which connections (wire.c), and the report (send.c). */
#ifndef TL_CLI_SEND_H
#define TL_CLI_SEND_H

#include "cli/cli_int.h"
#include "http/url.h"
#include "webhook/webhook.h"

/* ---- bodies: deterministic by number, so that a duplicate is byte for byte the first one ---- */
struct send_bodies;
/* Templates with {{seq}}, {{id}}, {{now}}, {{rand N}}, {{key}}; used in turn. key_field: "customer.id" is set to one of
 * `keys` numbers. TL_INVALID for a bad template. */
TL_MUST_CHECK enum tl_rc cli__bodies_new(const struct tl_sv *templates, size_t n, const char *key_field, uint64_t keys,
                                         const char *run, int64_t start_ms, struct send_bodies **ret,
                                         struct tl_err *err);
void cli__bodies_free(struct send_bodies *b);
/* Number seq (from 1) into out; malformed: cut, so that it does not parse. */
TL_MUST_CHECK enum tl_rc cli__body(struct send_bodies *b, uint64_t seq, bool malformed, struct tl_buf *out,
                                   struct tl_err *err);
char *cli__body_id(const struct send_bodies *b, uint64_t seq, char out[64]);
extern const char cli__sample_order[]; /* the template when none is given */
/* Exactly round(count * share) of 1..count, evenly spread. */
bool cli__chosen(uint64_t seq, double share);

/* ---- sending ---- */
struct send_tls;            /* whom to trust; NULL in a plan: plain HTTP */
struct send_files {         /* PEM */
    const char *ca;         /* authorities; NULL: the system's */
    const char *cert, *key; /* ours; NULL: none */
};
/* The server's name is verified. TL_CONFIG. */
TL_MUST_CHECK enum tl_rc cli__tls_new(const struct http_url *url, const struct send_files *files, struct send_tls **ret,
                                      struct tl_err *err);
void cli__tls_free(struct send_tls *t);                          /* NULL allowed */
struct send_secure;                                              /* one connection */
struct send_secure *cli__secure_new(struct send_tls *t, int fd); /* NULL: there is no memory for it */
void cli__secure_free(struct send_secure *s);                    /* NULL allowed; the socket stays open */
/* As send(2) and recv(2) on a socket that does not block: -1 with errno EAGAIN, and whether it waits for room to write;
 * -1 with another errno: why says it. shake: 1 when the handshake is done. */
ssize_t cli__secure_shake(struct send_secure *s, bool *ret_wants_out, char *why, size_t size);
ssize_t cli__secure_send(struct send_secure *s, const char *p, size_t n, bool *ret_wants_out, char *why, size_t size);
ssize_t cli__secure_recv(struct send_secure *s, char *p, size_t n, bool *ret_wants_out, char *why, size_t size);

struct send_plan {
    struct send_tls *tls;
    struct http_url url;
    struct tl_sv url_text, signed_url;
    struct webhook_verifier *verifier; /* NULL: unsigned */
    const char *content_type;
    struct send_bodies *bodies;
    uint64_t first, count, concurrency;
    double rate, duplicate, malformed;
    int64_t timeout_ms;
};
enum { SEND_STATUSES = 600 };
struct send_result {
    uint64_t sent, unique, duplicates,
        malformed;            /* requests sent, of these first ones, second ones, malformed first ones */
    uint64_t accepted, known; /* 2xx; of these answered as duplicates */
    uint64_t status[SEND_STATUSES], failed, resent;
    char first_failure[200], first_refusal[300];
    uint32_t *latency_us; /* of each answer */
    size_t n_latency;
    double seconds;
};
TL_MUST_CHECK enum tl_rc cli__send(const struct send_plan *p, struct send_result *ret, struct tl_err *err);

#endif
