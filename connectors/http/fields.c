/* SPDX-License-Identifier: Apache-2.0 */
/* fields.c - what can be written about an http connection, its targets, look-ups and polls. */
#include "http/httpc_int.h"

#define AT(type, member) .offset = offsetof(struct type, member)
enum { HOUR = 3600000 };

/* ---- the connection ---- */

static const char *const insecure_choices[] = {"no", "loopback", "anywhere", NULL};
static const struct config_field tls_fields[] = {
    {.name = "ca",
     .type = CONFIG_FILE,
     AT(httpc_tls, ca),
     .must_exist = true,
     .doc = "Certificates (PEM) that are trusted instead of the system's.",
     .example = "ca.pem"},
    {.name = "certificate",
     .type = CONFIG_FILE,
     AT(httpc_tls, certificate),
     .must_exist = true,
     .doc = "Our client certificate (PEM), with the chain.",
     .example = "client.pem"},
    {.name = "key",
     .type = CONFIG_SECRET,
     AT(httpc_tls, key),
     .doc = "The private key (PEM) of the certificate.",
     .example = "${file:client.key}"},
    {.name = "insecure",
     .type = CONFIG_ENUM,
     .choices = insecure_choices,
     AT(httpc_tls, insecure),
     .fallback = "no",
     .doc =
         "Accept any certificate: `loopback` when the other side is on this machine, `anywhere` wherever it is, which "
         "lets anybody on the way read and change everything.",
     .advanced = true},
};
static void check_tls(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_tls *tls = conf;

    if (tls->certificate && tls->key.kind == CONFIG_SECRET_NONE)
        config_error(e, node->at, "Add `key: ${file:client.key}`.", "tls has a certificate without its key");
    if (!tls->certificate && tls->key.kind != CONFIG_SECRET_NONE)
        config_error(e, node->at, "Add `certificate: client.pem`.", "tls has a key without its certificate");
}
static const struct config_check tls_checks[] = {{"certificate key", check_tls}};
static const struct config_spec tls_spec = {.name = "http.tls",
                                            .size = sizeof(struct httpc_tls),
                                            .fields = tls_fields,
                                            .n_fields = TL_COUNT(tls_fields),
                                            CONFIG_CHECKS(tls_checks),
                                            .doc = "TLS beyond the usual: a private CA, a client certificate."};

static const struct config_field secret_item = {
    .type = CONFIG_SECRET, .raw = true, .doc = "A text, or a reference to a secret."};
static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(httpc_connection, url),
     .required = true,
     .identity = true,
     .doc = "Address that the paths of targets are added to. Requests go to this host only.",
     .example = "https://erp.example.com/api"},
    {.name = "headers",
     .type = CONFIG_MAP,
     .item = &secret_item,
     AT(httpc_connection, headers),
     .max = 40,
     .doc = "Headers of each request. A value is a text or a reference to a secret.",
     .example = "{ x-api-key: \"${env:ERP_KEY}\" }"},
    {.name = "auth",
     .type = CONFIG_ONE_OF,
     .variants = &auth_schemes,
     AT(httpc_connection, auth),
     .doc = "How requests prove who we are.",
     .example = "{ bearer: { token: \"${env:ERP_TOKEN}\" } }"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(httpc_connection, timeout_ms),
     .fallback = "30s",
     .min = 1,
     .max = HOUR,
     .doc = "Longest wait for a whole reply."},
    {.name = "tls",
     .type = CONFIG_OBJECT_REF,
     .spec = &tls_spec,
     AT(httpc_connection, tls),
     .doc = "A private CA, a client certificate."},
    {.name = "probe",
     .type = CONFIG_STRING,
     AT(httpc_connection, probe),
     .min = 1,
     .max = 1000,
     .doc = "Path of a cheap GET that shows whether it is there and lets us in: for `tieline connect` and after an "
            "outage. Without it the oldest delivery finds out.",
     .example = "/me"},
};

static bool is_loopback(const struct http_url *url)
{
    struct http_addr a;
    const struct http_cidr nets[] = {{.ip = {[10] = 0xff, [11] = 0xff, [12] = 127}, .bits = 104},
                                     {.ip = {[15] = 1}, .bits = 128}};

    if (tl_sv_eqi(url->host, TL_SV("localhost")))
        return true;
    return http_addr_parse(url->host, &a) && http_cidrs_have(nets, TL_COUNT(nets), &a);
}

static bool is_of_request(struct tl_sv name)
{
    return http_client_writes(name) || tl_sv_eqi(name, TL_SV("host"));
}

static void check_header_name(const struct config_map_entry *en, struct config_errors *e)
{
    if (!http_is_token(tl_sv_str(en->key)))
        config_error(e, en->at, NULL, "`%.80s` is not the name of a header", en->key);
    if (is_of_request(tl_sv_str(en->key)))
        config_error(e, en->at, "Leave it out.", "the header `%.80s` follows from the request itself", en->key);
}

static void check_connection_headers(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_connection *c = conf;

    (void)node;
    for (size_t i = 0; i < c->headers.n; i++) {
        const struct config_secret *s = c->headers.entries[i].value;

        check_header_name(&c->headers.entries[i], e);
        if (s->kind == CONFIG_SECRET_LITERAL && !http_is_field_value(tl_sv_str(s->name)))
            config_error(e, c->headers.entries[i].at, NULL, "the value of header `%.80s` has a control character",
                         c->headers.entries[i].key);
    }
}

static void check_url(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_connection *c = conf;
    struct tl_err err = {0};
    struct http_url url;

    if (http_url_parse(tl_sv_str(c->url), &url, &err) != TL_OK)
        config_error(e, config_get(node, "url")->at, NULL, "url cannot be used: %s", err.text);
}

static void check_insecure(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_connection *c = conf;
    const struct config_node *at = config_get(node, "url");
    struct http_url url;

    if (http_url_parse(tl_sv_str(c->url), &url, NULL) != TL_OK)
        return;
    if (c->tls && c->tls->insecure == HTTPC_LOOPBACK && !is_loopback(&url))
        config_error(e, at->at, "Give the other side's CA as `tls: { ca: FILE }`; `insecure: anywhere` if you must.",
                     "tls is `insecure: loopback`, but %.*s is not this machine", TL_SV_ARG(url.host));
    if (c->tls && c->tls->insecure == HTTPC_ANYWHERE)
        config_warn(e, at->at, NULL, "certificates of %.*s are not verified: whoever is on the way can read everything",
                    TL_SV_ARG(url.host));
}
static const struct config_check connection_checks[] = {
    {"headers", check_connection_headers}, {"url", check_url}, {"url tls", check_insecure}};
const struct config_spec httpc_connection_spec = {.name = "http",
                                                  .size = sizeof(struct httpc_connection),
                                                  .fields = connection_fields,
                                                  .n_fields = TL_COUNT(connection_fields),
                                                  CONFIG_CHECKS(connection_checks),
                                                  .doc = "Any system that takes requests over HTTP."};

/* ---- targets ---- */

static const char *const as_choices[] = {"array", "ndjson", NULL};
static const struct config_field batch_fields[] = {
    {.name = "count",
     .type = CONFIG_INT,
     AT(httpc_batch, count),
     .fallback = "100",
     .min = 1,
     .max = 10000,
     .doc = "Records in one request at most."},
    {.name = "bytes",
     .type = CONFIG_SIZE,
     AT(httpc_batch, bytes),
     .fallback = "1MB",
     .min = 1,
     .max = 64 << 20,
     .doc = "Bytes in one request at most."},
    {.name = "as",
     .type = CONFIG_ENUM,
     .choices = as_choices,
     AT(httpc_batch, as),
     .fallback = "array",
     .doc = "One JSON array, or one line of JSON a record."},
    {.name = "verdicts",
     .type = CONFIG_EXPR,
     AT(httpc_batch, verdicts),
     .doc = "From {status, headers, body}: an array with one {ok, error, retry, id} a record, in order. Absent: a "
            "success is one of all records; a refusal halves the batch until the bad record stands alone.",
     .example = "body.results.{ \"ok\": status = 'ok', \"error\": message }"},
};
static const struct config_spec batch_spec =
    CONFIG_SPEC("http.batch", struct httpc_batch, batch_fields, "Several records in one request.");

static const struct config_field text_item = {.type = CONFIG_TEXT, .doc = "A text with {expression} parts."};
static const struct config_field status_item = {.type = CONFIG_INT, .min = 100, .max = 599, .doc = "An HTTP status."};

static void check_headers(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_target *t = conf;

    (void)node;
    for (size_t i = 0; i < t->headers.n; i++)
        check_header_name(&t->headers.entries[i], e);
}

static void check_key_header(void *conf, const struct config_node *node, struct config_errors *e)
{
    static const char *const meant[] = {"content-type", "content-encoding", "authorization"};
    const struct httpc_target *t = conf;
    const struct config_node *own = config_get(node, "idempotency_header");
    struct config_place at = own ? own->at : node->at;
    struct tl_sv name = tl_sv_str(t->idempotency_header);
    bool taken = is_of_request(name);

    for (size_t i = 0; i < TL_COUNT(meant); i++)
        taken |= tl_sv_eqi(name, tl_sv_str(meant[i]));
    if (name.n > 0 && !http_is_token(name))
        config_error(e, at, NULL, "idempotency_header `%.80s` is not the name of a header", t->idempotency_header);
    if (taken)
        config_error(e, at, "Name the header that the other side reads a key from: Idempotency-Key, as a rule.",
                     "idempotency_header `%.80s`: that header says something else of a request", t->idempotency_header);
}

static void check_batch_key(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_target *t = conf;

    if (t->batch && config_get(node, "idempotency_header") && *t->idempotency_header)
        config_error(e, config_get(node, "idempotency_header")->at,
                     "Put the key into each record: body: \"$merge([body, {'key': event.key}])\".",
                     "a batch cannot have one idempotency key: its records may come in other company next time");
}

static void check_batch_body(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct httpc_target *t = conf;

    if (t->batch && !t->body.text)
        config_error(e, config_get(node, "batch")->at, "Add `body:`, or drop `batch`.",
                     "a batch of deletes needs a body");
}

#define TARGET_CHECKS                                                                                                  \
    {"headers", check_headers}, {"idempotency_header", check_key_header},                                              \
    {                                                                                                                  \
        "batch idempotency_header", check_batch_key                                                                    \
    }
static const struct config_check target_checks[] = {TARGET_CHECKS};
static const struct config_check delete_checks[] = {TARGET_CHECKS, {"batch body", check_batch_body}};

#define TARGET(id, own, title, safe, its_checks, summary)                                                              \
    static const struct config_field id##_fields[] = {                                                                 \
        {.name = own,                                                                                                  \
         .type = CONFIG_TEXT,                                                                                          \
         AT(httpc_target, path),                                                                                       \
         .required = true,                                                                                             \
         .doc = "Path added to the connection's URL; {expression} parts are filled in and percent-encoded.",           \
         .example = "/orders/{body.id}"},                                                                              \
        {.name = "headers",                                                                                            \
         .type = CONFIG_MAP,                                                                                           \
         .item = &text_item,                                                                                           \
         AT(httpc_target, headers),                                                                                    \
         .max = 20,                                                                                                    \
         .doc = "Headers with {expression} parts; one without a value is left out.",                                   \
         .example = "{ x-tenant: \"{body.tenant}\" }"},                                                                \
        {.name = "body",                                                                                               \
         .type = CONFIG_EXPR,                                                                                          \
         AT(httpc_target, body),                                                                                       \
         .doc = "Body of the request; an empty text: none; absent: the mapped record (none for delete).",              \
         .example = "{ 'order': body }"},                                                                              \
        {.name = "content_type",                                                                                       \
         .type = CONFIG_STRING,                                                                                        \
         AT(httpc_target, content_type),                                                                               \
         .max = 200,                                                                                                   \
         .doc = "Absent: application/json, or application/x-ndjson. With application/x-www-form-urlencoded an object " \
                "is sent as a form; with any other type that is not JSON a text is sent as it is."},                   \
        {.name = "success",                                                                                            \
         .type = CONFIG_EXPR,                                                                                          \
         AT(httpc_target, success),                                                                                    \
         .doc = "Over {status, headers, body}: true when the target has the record; absent: 2xx.",                     \
         .example = "status = 200 and body.ok"},                                                                       \
        {.name = "answer",                                                                                             \
         .type = CONFIG_EXPR,                                                                                          \
         AT(httpc_target, answer),                                                                                     \
         .doc = "Over {status, headers, body}: what to keep as the target's id; absent: `id`, or Location.",           \
         .example = "body.orderNumber"},                                                                               \
        {.name = "idempotency_header",                                                                                 \
         .type = CONFIG_STRING,                                                                                        \
         AT(httpc_target, idempotency_header),                                                                         \
         .fallback = "Idempotency-Key",                                                                                \
         .max = 100,                                                                                                   \
         .doc =                                                                                                        \
             "Header that carries the delivery's key, the same on each attempt. Write \"\" when the target doesn't "   \
             "look at it: then an attempt is on disk before it starts."},                                              \
        {.name = "idempotent",                                                                                         \
         .type = CONFIG_BOOL,                                                                                          \
         AT(httpc_target, idempotent),                                                                                 \
         .fallback = safe,                                                                                             \
         .doc = "The same request twice does no harm, even without a key."},                                           \
        {.name = "batch",                                                                                              \
         .type = CONFIG_OBJECT_REF,                                                                                    \
         .spec = &batch_spec,                                                                                          \
         AT(httpc_target, batch),                                                                                      \
         .doc = "Several records in one request."},                                                                    \
        {.name = "reject",                                                                                             \
         .type = CONFIG_LIST,                                                                                          \
         .item = &status_item,                                                                                         \
         .one_or_many = true,                                                                                          \
         .max = 32,                                                                                                    \
         AT(httpc_target, reject),                                                                                     \
         .doc = "Statuses, besides the usual ones, that refuse the record for good.",                                  \
         .example = "[409]"},                                                                                          \
        {.name = "timeout",                                                                                            \
         .type = CONFIG_DURATION,                                                                                      \
         AT(httpc_target, timeout_ms),                                                                                 \
         .min = 1,                                                                                                     \
         .max = HOUR,                                                                                                  \
         .doc = "Longest wait for a whole reply; absent: the connection's."},                                          \
    };                                                                                                                 \
    const struct config_spec httpc_##id##_spec = {.name = title,                                                       \
                                                  .size = sizeof(struct httpc_target),                                 \
                                                  .fields = id##_fields,                                               \
                                                  .n_fields = TL_COUNT(id##_fields),                                   \
                                                  CONFIG_CHECKS(its_checks),                                           \
                                                  .doc = summary}

/* RFC 9110 9.2.2: PUT and DELETE are idempotent by definition. */
TARGET(post, "post", "http.post", "false", target_checks, "Send each record with POST.");
TARGET(put, "put", "http.put", "true", target_checks, "Send each record with PUT.");
TARGET(patch, "patch", "http.patch", "false", target_checks, "Send each record with PATCH.");
TARGET(delete, "delete", "http.delete", "true", delete_checks, "Send a DELETE for each record.");

/* ---- reading ---- */

static const struct config_field get_fields[] = {
    {.name = "get",
     .type = CONFIG_TEXT,
     AT(httpc_fetch, path),
     .required = true,
     .doc = "Path and query added to the connection's URL; {expression} parts are filled in and percent-encoded.",
     .example = "/customers/{body.customer.id}"},
    {.name = "headers",
     .type = CONFIG_MAP,
     .item = &text_item,
     AT(httpc_fetch, headers),
     .max = 20,
     .doc = "Headers with {expression} parts; one without a value is left out."},
    {.name = "answer",
     .type = CONFIG_EXPR,
     AT(httpc_fetch, answer),
     .doc = "Over {status, headers, body}: what the call gives; absent: body.",
     .example = "body.customer"},
    {.name = "absent",
     .type = CONFIG_LIST,
     .item = &status_item,
     .one_or_many = true,
     AT(httpc_fetch, absent),
     .max = 32,
     .fallback = "[404, 410]",
     .doc = "Statuses that mean there is no such thing: the call then gives null."},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(httpc_fetch, timeout_ms),
     .min = 1,
     .max = HOUR,
     .doc = "Longest wait for a whole reply; absent: the connection's."},
};
const struct config_spec httpc_get_spec = CONFIG_SPEC("http.get", struct httpc_fetch, get_fields, "Fetch one thing.");

static const struct config_field poll_fields[] = {
    {.name = "poll",
     .type = CONFIG_TEXT,
     AT(httpc_poll, path),
     .required = true,
     .doc = "Path and query added to the connection's URL; {cursor} is where the last page ended.",
     .example = "/orders?updated_since={cursor}&limit=200"},
    {.name = "headers",
     .type = CONFIG_MAP,
     .item = &text_item,
     AT(httpc_poll, headers),
     .max = 20,
     .doc = "Headers with {expression} parts; one without a value is left out."},
    {.name = "items",
     .type = CONFIG_EXPR,
     AT(httpc_poll, items),
     .doc = "Over {status, headers, body, cursor}: the records of a page; absent: body. No value is a failure, unless "
            "`cursor` stays the same; no records are an empty array, `[...]`.",
     .example = "body.orders"},
    {.name = "cursor",
     .type = CONFIG_EXPR,
     AT(httpc_poll, cursor),
     .required = true,
     .doc =
         "Over {status, headers, body, cursor}: where the next page begins, 4096 bytes at most; no value, or the same: "
         "this was the last.",
     .example = "$max(body.orders.updated_at)"},
    {.name = "key",
     .type = CONFIG_EXPR,
     AT(httpc_poll, key),
     .doc = "Over a record: its idempotency key; none where a part of it is missing or null.",
     .example = "id & '@' & updated_at"},
    {.name = "start",
     .type = CONFIG_STRING,
     AT(httpc_poll, start),

     .max = 4000,
     .doc = "The cursor of the first page ever.",
     .example = "\"2026-01-01T00:00:00Z\""},
    {.name = "pages",
     .type = CONFIG_INT,
     AT(httpc_poll, pages),
     .fallback = "1000",
     .min = 1,
     .max = 1000000,
     .doc = "Pages fetched in one go at most; the next go continues.",
     .advanced = true},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(httpc_poll, timeout_ms),
     .min = 1,
     .max = HOUR,
     .doc = "Longest wait for a whole reply; absent: the connection's."},
};
const struct config_spec httpc_poll_spec =
    CONFIG_SPEC("http.poll", struct httpc_poll, poll_fields, "Records fetched page by page, with a cursor.");
