/* SPDX-License-Identifier: Apache-2.0 */
/*
 * smtp.c - mail by SMTP (RFC 5321), submitted with libcurl on a worker thread. Encrypted unless the connection says
 * otherwise: `smtp:` must upgrade (STARTTLS, RFC 3207), `smtps:` is TLS from the first byte (RFC 8314).
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <unistd.h>

#include "smtp/smtp_int.h"

enum { MAIL_MAX = 16 << 20 };

/* ---- tables ---- */
#define AT(type, member) .offset = offsetof(struct type, member)
static const char *const schemes[] = {"smtp", "smtps", NULL};
static const char *const tls_choices[] = {"required", "none", NULL};
static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     .choices = schemes,
     AT(smtp_connection, url),
     .required = true,
     .identity = true,
     .doc = "The mail server: smtp://HOST:587 (upgraded to TLS) or smtps://HOST:465.",
     .example = "smtp://mail.example.com:587"},
    {.name = "from",
     .type = CONFIG_STRING,
     AT(smtp_connection, from),
     .required = true,
     .min = 3,
     .max = 254,
     .doc = "Address that mails come from.",
     .example = "tieline@example.com"},
    {.name = "user", .type = CONFIG_STRING, AT(smtp_connection, user), .max = 254, .doc = "User name; absent: none."},
    {.name = "password",
     .type = CONFIG_SECRET,
     AT(smtp_connection, password),
     .doc = "Password of the user.",
     .example = "${env:MAIL_PASSWORD}"},
    {.name = "tls",
     .type = CONFIG_ENUM,
     .choices = tls_choices,
     AT(smtp_connection, tls),
     .fallback = "required",
     .doc = "`none` sends in the clear: only to a server on this machine or a private network."},
    {.name = "ca",
     .type = CONFIG_FILE,
     AT(smtp_connection, ca),
     .must_exist = true,
     .doc = "Certificates (PEM) that are trusted instead of the system's."},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(smtp_connection, timeout_ms),
     .fallback = "30s",
     .min = 1,
     .max = 600000,
     .doc = "Longest time for a mail."},
};
static void check_from(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct smtp_connection *c = conf;

    if (!smtp__is_address(tl_sv_str(c->from)))
        config_error(e, node->at, "Write name@domain.", "`from` is not an address: %.100s", c->from);
}

static void check_user(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct smtp_connection *c = conf;

    if ((c->user != NULL) != (c->password.kind != CONFIG_SECRET_NONE))
        config_error(e, node->at, NULL, "a user needs a password, and a password a user");
}

static void check_clear(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct smtp_connection *c = conf;

    if (c->user && c->tls == SMTP_TLS_NONE)
        config_warn(e, node->at, NULL, "the password goes over the network in the clear");
}
static const struct config_check connection_checks[] = {
    {"from", check_from}, {"user password", check_user}, {"user tls", check_clear}};
static const struct config_spec connection_spec = {.name = "smtp",
                                                   .size = sizeof(struct smtp_connection),
                                                   .fields = connection_fields,
                                                   .n_fields = TL_COUNT(connection_fields),
                                                   CONFIG_CHECKS(connection_checks),
                                                   .doc = "A mail server."};

static const struct config_field address_item = {.type = CONFIG_STRING};
#define TO_FIELD(operation)                                                                                            \
    {                                                                                                                  \
        .name = (operation), .type = CONFIG_LIST, .item = &address_item, .one_or_many = true, .min = 1, .max = 50,     \
        .required = true, AT(smtp_target, to), .doc = "Addresses that it goes to.", .example = "ops@example.com"       \
    }
static void check_target(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct smtp_target *t = conf;

    for (size_t i = 0; i < t->to.n; i++) {
        const char *to = *CONFIG_AT(t->to, const char *, i);

        if (!smtp__is_address(tl_sv_str(to)))
            config_error(e, node->at, "Write name@domain.", "`%.100s` is not an address", to);
    }
}
static const struct config_check mail_checks[] = {{"mail", check_target}};
static const struct config_field mail_fields[] = {TO_FIELD("mail")};
static const struct config_spec mail_spec = {.name = "smtp.mail",
                                             .size = sizeof(struct smtp_target),
                                             .fields = mail_fields,
                                             .n_fields = TL_COUNT(mail_fields),
                                             CONFIG_CHECKS(mail_checks),
                                             .doc = "Send a mail: {subject, text, html}, or a text."};
static const struct config_check notify_checks[] = {{"notify", check_target}};
static const struct config_field notify_fields[] = {TO_FIELD("notify")};
static const struct config_spec notify_spec = {.name = "smtp.notify",
                                               .size = sizeof(struct smtp_target),
                                               .fields = notify_fields,
                                               .n_fields = TL_COUNT(notify_fields),
                                               CONFIG_CHECKS(notify_checks),
                                               .doc = "Tell people of an alert."};

/* ---- sending, on a worker thread ---- */
struct sending {
    const struct smtp_connection *conf;
    const struct smtp_target *target;
    const struct http_egress *egress;
    struct tl_sv password, mail;
    size_t sent;
    bool whole; /* all of the mail was handed to libcurl */
    enum tl_rc rc;
    long code; /* of the server's last reply */
    struct tl_err err, refused;
};

static size_t read_mail(char *p, size_t size, size_t n, void *arg)
{
    struct sending *s = arg;
    size_t left = s->mail.n - s->sent, take = size * n < left ? size * n : left;

    memcpy(p, s->mail.p + s->sent, take);
    s->sent += take;
    s->whole = s->sent == s->mail.n;
    return take;
}

/* The address that was found is the one that is judged and used. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct sending *s = arg;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&to->addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&to->addr;
    char text[INET6_ADDRSTRLEN] = "";
    struct http_addr a;

    (void)purpose;
    if (to->family == AF_INET)
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    else if (to->family == AF_INET6)
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    if (!http_addr_parse(tl_sv_str(text), &a) || http_egress_check(s->egress, &a, &s->refused) != TL_OK)
        return CURL_SOCKET_BAD;
    return socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

/* RFC 5321 4.2.1: 4yz is to be tried again, 5yz not. 53x speaks of who we are (RFC 4954 6). */
static enum tl_rc rc_of(const struct sending *s, CURLcode code)
{
    if (s->refused.rc != TL_OK)
        return s->refused.rc;
    if (code == CURLE_LOGIN_DENIED || s->code == 530 || s->code == 534 || s->code == 535 || s->code == 538)
        return TL_AUTH;
    if (code == CURLE_USE_SSL_FAILED)
        return TL_CONFIG;
    if (s->code >= 500)
        return TL_INVALID;
    if (s->code >= 400)
        return TL_UPSTREAM;
    if (s->whole)
        return TL_UNKNOWN_OUTCOME;
    return code == CURLE_OPERATION_TIMEDOUT ? TL_TIMEOUT : TL_UNREACHABLE;
}

static void set_options(CURL *easy, struct sending *s, struct curl_slist *to, const char *from, const char *password,
                        char *text)
{
    bool from_start = strncmp(s->conf->url, "smtps:", 6) == 0;

    (void)curl_easy_setopt(easy, CURLOPT_URL, s->conf->url);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, from_start ? "smtps" : "smtp");
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, text);
    (void)curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)s->conf->timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
    (void)curl_easy_setopt(easy, CURLOPT_USE_SSL, s->conf->tls == SMTP_TLS_NONE ? CURLUSESSL_NONE : CURLUSESSL_ALL);
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (s->conf->ca)
        (void)curl_easy_setopt(easy, CURLOPT_CAINFO, s->conf->ca);
    if (s->conf->user) {
        (void)curl_easy_setopt(easy, CURLOPT_USERNAME, s->conf->user);
        (void)curl_easy_setopt(easy, CURLOPT_PASSWORD, password);
    }
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_FROM, from);
    (void)curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_mail);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, s);
    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
}

static void submit(void *arg)
{
    struct sending *s = arg;
    CURL *easy = curl_easy_init();
    struct curl_slist *to = NULL;
    TL_CLEANUP(tl_freep) char *from = tl_sprintf("<%s>", s->conf->from);
    char *password = tl_strndup(s->password.p ? s->password.p : "", s->password.n), text[CURL_ERROR_SIZE] = "";
    CURLcode code = CURLE_OUT_OF_MEMORY;

    for (size_t i = 0; i < s->target->to.n; i++) {
        TL_CLEANUP(tl_freep) char *one = tl_sprintf("<%s>", *CONFIG_AT(s->target->to, const char *, i));

        to = curl_slist_append(to, one);
    }
    if (easy) {
        set_options(easy, s, to, from, password, text);
        code = curl_easy_perform(easy);
        (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &s->code);
    }
    s->rc = code == CURLE_OK ? TL_OK : rc_of(s, code);
    if (s->rc != TL_OK)
        (void)tl_fail(&s->err, s->rc, "the mail server: %.200s",
                      s->refused.rc ? s->refused.text
                      : *text       ? text
                                    : curl_easy_strerror(code));
    curl_easy_cleanup(easy);
    curl_slist_free_all(to);
    tl_wipe(password, s->password.n);
    tl_free(password);
}

static enum tl_rc refuse(struct connector_call *call, const char *text, struct tl_err *err)
{
    call->not_sent = true;
    return connector_settle(call, tl_fail(err, TL_INVALID, "%s", text), TL_SV(""), err);
}

static enum tl_rc send_mail(struct task *task, struct connector_call *call, const struct smtp_mail *mail,
                            struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct sending s = {.conf = call->connection, .target = call->operation, .egress = connector_egress(call)};
    struct tl_sv words;
    enum tl_rc rc = TL_OK;

    if (!s.egress) {
        call->not_sent = true;
        return tl_fail(err, TL_LIMIT, "no memory is left for this delivery");
    }
    tl_buf_init(&b, MAIL_MAX);
    if (!smtp__message(mail, &b))
        return refuse(call, "the mail is larger than 16 MB", err);
    s.mail = tl_buf_view(&b);
    if (s.conf->user)
        rc = connector_secret(task, call, &s.conf->password, &s.password, err);
    if (rc == TL_OK)
        rc = connector_blocking(task, call, submit, &s, err);
    if (rc != TL_OK)
        return rc;
    call->status = (uint32_t)s.code;
    call->not_sent = s.sent == 0;
    words = connector_mask_cut(call, tl_sv_str(s.err.text), sizeof s.err.text - 1);
    if (s.rc != TL_OK)
        (void)tl_fail(err, s.rc, "%.*s", TL_SV_ARG(words));
    return connector_settle(call, s.rc, mail->id, err);
}

/* ---- what is sent ---- */
static struct smtp_mail new_mail(const struct connector_call *call)
{
    const struct smtp_connection *c = call->connection;
    const struct smtp_target *t = call->operation;

    return (struct smtp_mail){.from = tl_sv_str(c->from),
                              .to = &t->to,
                              .id = call->records[0].key,
                              .wall_ms = tl_clock_wall_ms(connector_clock(call->host))};
}

static enum tl_rc mail(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct json v = call->records[0].value;
    struct smtp_mail m = new_mail(call);

    m.text = v.type == JSON_STRING ? json_view(v) : json_text(json_gets(v, "text"), TL_SV(""));
    m.subject = json_text(json_gets(v, "subject"), TL_SV("Tieline"));
    m.html = json_text(json_gets(v, "html"), TL_SV(""));
    if (!m.text.n && !m.html.n)
        return refuse(call, "a mail is a text, or an object with subject and text", err);
    return send_mail(task, call, &m, err);
}

static enum tl_rc notify(struct task *task, struct connector_call *call, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct smtp_mail m = new_mail(call);
    struct connector_notice n;
    enum tl_rc rc = connector_notice_read(call->records[0].value, &n, err);

    if (rc != TL_OK)
        return refuse(call, tl_arena_strdup(call->arena, err->text), err);
    tl_buf_init(&text, 64 << 10);
    (void)tl_buf_printf(&text, "%.*s\n\n", TL_SV_ARG(n.summary));
    (void)connector_notice_lines(&n, &text);
    m.text = tl_buf_view(&text);
    m.subject = tl_sv_str(tl_arena_printf(call->arena, "[%s] %.*s",
                                          n.resolved ? "resolved"
                                          : n.page   ? "page"
                                                     : "ticket",
                                          TL_SV_ARG(n.summary)));
    /* The end of an alert is an answer to its beginning: mail programs show them together. */
    m.id =
        tl_sv_str(tl_arena_printf(call->arena, "alert.%.*s.%s", TL_SV_ARG(n.key), n.resolved ? "resolved" : "firing"));
    if (n.resolved)
        m.reply_to_id = tl_sv_str(tl_arena_printf(call->arena, "alert.%.*s.firing", TL_SV_ARG(n.key)));
    return send_mail(task, call, &m, err);
}

/* ---- the table ---- */
static void facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_NONE, .batch_count = 1};
}

static const struct connector_operation operations[] = {
    {.name = "mail",
     .kind = CONNECTOR_WRITE,
     .doc = "Sends each record as a mail.",
     .spec = &mail_spec,
     .facilities = facilities,
     .run = mail},
    {.name = "notify",
     .kind = CONNECTOR_WRITE,
     .doc = "Tells people of an alert by mail.",
     .spec = &notify_spec,
     .facilities = facilities,
     .run = notify},
};

extern const struct connector smtp_connector;
const struct connector smtp_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "SMTP",
    .variant = {.name = "smtp", .type = CONFIG_OBJECT_REF, .spec = &connection_spec, .doc = "A mail server."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
};
