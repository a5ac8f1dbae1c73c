/* SPDX-License-Identifier: Apache-2.0 */
/* smtp_int.h - shared inside connectors/smtp only. */
#ifndef TL_CONNECTORS_SMTP_INT_H
#define TL_CONNECTORS_SMTP_INT_H

#include "connector/connector.h"

enum smtp_tls { SMTP_TLS_REQUIRED, SMTP_TLS_NONE };
struct smtp_connection {
    const char *url, *user, *from, *ca;
    struct config_secret password;
    int tls; /* enum smtp_tls */
    int64_t timeout_ms;
};
struct smtp_target {
    struct config_list to; /* of const char * */
};

/* ---- message.c: RFC 5322 and MIME ---- */
struct smtp_mail {
    struct tl_sv from, subject, text, html; /* html may be empty */
    const struct config_list *to;           /* of const char * */
    struct tl_sv id;                        /* of the message, without < and > and the domain */
    struct tl_sv reply_to_id;               /* that it belongs to; may be empty */
    int64_t wall_ms;
};
/* False: the buffer's limit. */
bool smtp__message(const struct smtp_mail *m, struct tl_buf *b);
bool smtp__is_address(struct tl_sv s); /* local@domain, nothing that could end a command or a header */

#endif
