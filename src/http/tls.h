/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls.h - the server's side of TLS: 1.2 and later, no early data, no renegotiation, several certificates by SNI.
 * An http_tls is immutable and ref-counted; a reload makes a new one from the files and keeps the ticket keys of the
 * old.
 */
#ifndef TL_HTTP_TLS_H
#define TL_HTTP_TLS_H

#include "base/base.h"

struct http_tls;

struct http_tls_cert {
    const char *cert_file; /* PEM, the chain after the certificate */
    const char *key_file;  /* PEM */
};

enum http_tls_client { HTTP_TLS_CLIENT_NONE, HTTP_TLS_CLIENT_OPTIONAL, HTTP_TLS_CLIENT_REQUIRED };

struct http_tls_options {
    const struct http_tls_cert *certs; /* the first is used when no name matches */
    size_t n_certs;
    enum http_tls_client client;
    const char *client_ca_file; /* PEM; needed unless client is NONE */
    const char *const *alpn;    /* in our order; NULL: "http/1.1" */
    size_t n_alpn;
    uint32_t ticket_rotate_s; /* 0: 12 hours; the key before is still accepted */
};

/* Errors are TL_CONFIG and name the file and what is wrong with it: unreadable, not PEM, key of another certificate,
 * expired. `keep` (may be NULL) is the one in use: its ticket keys go on. Blocks on files: not on a loop in service. */
TL_MUST_CHECK enum tl_rc http_tls_new(const struct http_tls_options *opt, struct http_tls *keep,
                                      const struct tl_clock *clock, struct http_tls **ret_tls, struct tl_err *err);
struct http_tls *http_tls_ref(struct http_tls *tls);
void http_tls_unref(struct http_tls *tls); /* NULL allowed */
/* Of the certificate that ends first. */
int64_t http_tls_not_after_ms(const struct http_tls *tls);

#endif
