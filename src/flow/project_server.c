/* SPDX-License-Identifier: Apache-2.0 */
/* project_server.c - the tables of `server` and `admin`: two listeners and what they are held to. */
#include "flow/project.h"

#define AT(type, member) .offset = offsetof(struct type, member)

static const struct config_field cidr_item = {.type = CONFIG_CIDR};

/* ---- TLS ---- */
static const struct config_field certificate_fields[] = {
    {.name = "certificate",
     .type = CONFIG_FILE,
     AT(flow_certificate_conf, certificate),
     .required = true,
     .must_exist = true,
     .doc = "PEM file of the certificate and its chain."},
    {.name = "key",
     .type = CONFIG_FILE,
     AT(flow_certificate_conf, key),
     .required = true,
     .must_exist = true,
     .doc = "PEM file of the private key."},
};
static const struct config_spec certificate_spec =
    CONFIG_SPEC("certificate", struct flow_certificate_conf, certificate_fields, "A certificate and its key.");
static const struct config_field certificate_item = {.type = CONFIG_OBJECT, .spec = &certificate_spec};
static const struct config_field tls_fields[] = {
    {.name = "certificate",
     .type = CONFIG_FILE,
     AT(flow_tls_conf, certificate),
     .reload = CONFIG_RELOAD_APPLIES,
     .required = true,
     .must_exist = true,
     .doc = "PEM file of the certificate and its chain.",
     .example = "tls/server.pem"},
    {.name = "key",
     .type = CONFIG_FILE,
     AT(flow_tls_conf, key),
     .reload = CONFIG_RELOAD_APPLIES,
     .required = true,
     .must_exist = true,
     .doc = "PEM file of the private key.",
     .example = "tls/server.key"},
    {.name = "client_ca",
     .type = CONFIG_FILE,
     AT(flow_tls_conf, client_ca),
     .reload = CONFIG_RELOAD_APPLIES,
     .must_exist = true,
     .doc = "Accept client certificates signed by these authorities (PEM)."},
    {.name = "others",
     .type = CONFIG_LIST,
     .item = &certificate_item,
     .one_or_many = true,
     .max = FLOW_CERTIFICATES - 1,
     AT(flow_tls_conf, others),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Further certificates, chosen by the name that the client asks for (SNI)."},
};
static const struct config_spec tls_spec = CONFIG_SPEC("tls", struct flow_tls_conf, tls_fields, "TLS of a listener.");

/* ---- limits ---- */
#define SIZE_LIMIT(n, member, default, least, most, text)                                                              \
    {                                                                                                                  \
        .name = (n), .type = CONFIG_SIZE, AT(flow_server_limits_conf, member), .fallback = (default), .min = (least),  \
        .max = (most), .doc = (text)                                                                                   \
    }
#define COUNT_LIMIT(n, member, default, least, most, text)                                                             \
    {                                                                                                                  \
        .name = (n), .type = CONFIG_INT, AT(flow_server_limits_conf, member), .fallback = (default), .min = (least),   \
        .max = (most), .doc = (text)                                                                                   \
    }
#define TIME_LIMIT(n, member, default, most, text)                                                                     \
    {                                                                                                                  \
        .name = (n), .type = CONFIG_DURATION, AT(flow_server_limits_conf, member), .fallback = (default), .min = 100,  \
        .max = (most), .doc = (text)                                                                                   \
    }
/* Request line and headers stay within the 120 KB that http_server_new takes. */
#define LIMIT_FIELDS(in_all, an_address)                                                                               \
    SIZE_LIMIT("request_line", request_line, "8KB", 256, 24 << 10,                                                     \
               "Longest request line (HTTP/2: path). Beyond: 414."),                                                   \
        COUNT_LIMIT("headers", headers, "100", 8, 1000, "Most headers of a request. Beyond: 431."),                    \
        SIZE_LIMIT("header_bytes", header_bytes, "64KB", 1024, 96 << 10,                                               \
                   "All headers of a request together. Beyond: 431."),                                                 \
        SIZE_LIMIT("chunk_extension", chunk_extension, "256", 1, 4096,                                                 \
                   "Longest extension of a chunk; they are passed over. Beyond: 400."),                                \
        SIZE_LIMIT("body_memory", body_memory, "256MB", 1 << 20, 1LL << 40,                                            \
                   "Memory for all bodies that are being received; beyond: 503. On the public server deliveries have " \
                   "as much for large bodies from the ledger, and wait beyond; each connection may have one out."),    \
        TIME_LIMIT("handshake_timeout", handshake_ms, "10s", 600000,                                                   \
                   "A connection's PROXY header and TLS handshake take so long at most."),                             \
        TIME_LIMIT("head_timeout", head_ms, "10s", 600000,                                                             \
                   "Request line and headers take so long at most, from their first byte (of a new connection: from "  \
                   "its beginning). Beyond: 408."),                                                                    \
        TIME_LIMIT(                                                                                                    \
            "body_grace", body_grace_ms, "10s", 600000,                                                                \
            "In each stretch of this length a body brings `body_rate` bytes a second on average. Beyond: 408."),       \
        SIZE_LIMIT("body_rate", body_rate, "1KB", 1, 1 << 30,                                                          \
                   "Slowest body, in bytes a second; also slowest reader of an answer."),                              \
        TIME_LIMIT(                                                                                                    \
            "write_timeout", write_ms, "30s", 600000,                                                                  \
            "In each stretch of this length a client takes `body_rate` bytes a second of its answer, or is cut "       \
            "off."),                                                                                                   \
        TIME_LIMIT("idle_timeout", idle_ms, "60s", 86400000, "A connection without a request is closed after this."),  \
        COUNT_LIMIT("requests_per_connection", requests, "1000", 1, 1000000000,                                        \
                    "Then the connection is closed, so that load spreads anew."),                                      \
        COUNT_LIMIT("connections", connections, in_all, 1, 1000000,                                                    \
                    "Open connections. Further ones are closed at once."),                                             \
        COUNT_LIMIT("connections_per_address", connections_per_address, an_address, 1, 1000000,                        \
                    "Open connections of one address; those of `behind_proxy` have no such limit."),                   \
        COUNT_LIMIT("http2_streams", streams, "100", 1, 1000, "HTTP/2: requests of a connection at one time."),        \
        SIZE_LIMIT("http2_stream_window", stream_window, "256KB", 64 << 10, 16 << 20,                                  \
                   "HTTP/2: what a client may send of a body before we have looked at it. More is faster over long "   \
                   "lines."),                                                                                          \
        SIZE_LIMIT("http2_window", session_window, "1MB", 64 << 10, 256 << 20,                                         \
                   "HTTP/2: the same for all bodies of a connection together."),                                       \
        COUNT_LIMIT(                                                                                                   \
            "http2_control_frames", control_frames, "1000", 100, 1000000,                                              \
            "HTTP/2: frames that ask for nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, DATA without data; "        \
            "a reset counts ten times) which a connection may send at once. Beyond: GOAWAY, "                          \
            "ENHANCE_YOUR_CALM."),                                                                                     \
        COUNT_LIMIT("http2_control_rate", control_rate, "50", 1, 100000,                                               \
                    "HTTP/2: so many of them may be sent again each second.")
static const struct config_field server_limit_fields[] = {LIMIT_FIELDS("10000", "256")};
static const struct config_field admin_limit_fields[] = {LIMIT_FIELDS("1000", "128")};
#define LIMITS_DOC                                                                                                     \
    "What one client may take. After `tieline reload` new requests are held to the new limits, on connections that "   \
    "stand too; HTTP/2 keeps what a connection was told at its beginning."
static const struct config_spec server_limits_spec =
    CONFIG_SPEC("server.limits", struct flow_server_limits_conf, server_limit_fields, LIMITS_DOC);
static const struct config_spec admin_limits_spec =
    CONFIG_SPEC("admin.limits", struct flow_server_limits_conf, admin_limit_fields, LIMITS_DOC);

/* ---- server ---- */
#define SERVER_FIELDS(default_listen, its_limits)                                                                      \
    {.name = "listen",                                                                                                 \
     .type = CONFIG_ADDRESS,                                                                                           \
     AT(flow_server_conf, listen),                                                                                     \
     .reload = CONFIG_RELOAD_RESTART,                                                                                  \
     .fallback = (default_listen),                                                                                     \
     .doc = "Address and port. Beyond loopback TLS is required, or a proxy named in `behind_proxy`.",                  \
     .example = "0.0.0.0:8443"},                                                                                       \
        {.name = "tls",                                                                                                \
         .type = CONFIG_OBJECT_REF,                                                                                    \
         .spec = &tls_spec,                                                                                            \
         AT(flow_server_conf, tls),                                                                                    \
         .reload = CONFIG_RELOAD_RESTART,                                                                              \
         .doc = "Serve TLS. The files are read again when they change."},                                              \
        {.name = "behind_proxy",                                                                                       \
         .type = CONFIG_LIST,                                                                                          \
         .item = &cidr_item,                                                                                           \
         .one_or_many = true,                                                                                          \
         AT(flow_server_conf, behind_proxy),                                                                           \
         .reload = CONFIG_RELOAD_APPLIES,                                                                              \
         .doc = "Proxies in front of us, whose X-Forwarded-For and -Proto, or PROXY header, are believed.",            \
         .example = "[10.0.0.0/8]"},                                                                                   \
        {.name = "proxy_protocol",                                                                                     \
         .type = CONFIG_BOOL,                                                                                          \
         AT(flow_server_conf, proxy_protocol),                                                                         \
         .reload = CONFIG_RELOAD_RESTART,                                                                              \
         .fallback = "false",                                                                                          \
         .doc = "Every connection comes from a proxy of `behind_proxy` and begins with a PROXY header of version 2, "  \
                "before TLS; its address is the client's. Others are closed."},                                        \
        {.name = "allow",                                                                                              \
         .type = CONFIG_LIST,                                                                                          \
         .item = &cidr_item,                                                                                           \
         .one_or_many = true,                                                                                          \
         AT(flow_server_conf, allow),                                                                                  \
         .reload = CONFIG_RELOAD_APPLIES,                                                                              \
         .doc = "Only these addresses may connect; behind a proxy those of clients count."},                           \
        {.name = "body_limit",                                                                                         \
         .type = CONFIG_SIZE,                                                                                          \
         AT(flow_server_conf, body_limit),                                                                             \
         .reload = CONFIG_RELOAD_APPLIES,                                                                              \
         .fallback = "10MB",                                                                                           \
         .min = 1024,                                                                                                  \
         .max = 1LL << 31,                                                                                             \
         .doc = "Largest request body."},                                                                              \
        {.name = "limits",                                                                                             \
         .type = CONFIG_OBJECT,                                                                                        \
         .spec = &(its_limits),                                                                                        \
         AT(flow_server_conf, limits),                                                                                 \
         .reload = CONFIG_RELOAD_APPLIES,                                                                              \
         .doc = "What one client may take.",                                                                           \
         .advanced = true},                                                                                            \
    {                                                                                                                  \
        .name = "http2", .type = CONFIG_BOOL, AT(flow_server_conf, http2), .reload = CONFIG_RELOAD_APPLIES,            \
        .fallback = "true",                                                                                            \
        .doc =                                                                                                         \
            "Speak HTTP/2 with clients that choose it: over TLS, and without it with the proxies of `behind_proxy`.",  \
        .advanced = true                                                                                               \
    }

static void check_proxy(const char *block, const struct flow_server_conf *s, const struct config_node *node,
                        struct config_errors *e)
{
    const struct config_node *proxy = config_get(node, "proxy_protocol");

    if (s->proxy_protocol && s->behind_proxy.n == 0)
        config_error(e, proxy ? proxy->at : node->at, "Name the proxy in `behind_proxy`: nobody else may connect then.",
                     "%s.proxy_protocol is on, but no proxy is named whose word counts", block);
}

static void check_room(const char *block, const struct flow_server_conf *s, const struct config_node *node,
                       struct config_errors *e)
{
    const struct config_node *limits = config_get(node, "limits");

    if (s->limits.body_memory < s->body_limit)
        config_warn(e, limits ? limits->at : node->at, "Raise `limits.body_memory`, or lower `body_limit`.",
                    "%s.limits.body_memory has no room for one body of %s.body_limit: it would never be taken", block,
                    block);
}

/* struct flow_admin_conf begins with its listener. */
#define CHECKS_OF(block)                                                                                               \
    static void check_##block##_proxy(void *conf, const struct config_node *node, struct config_errors *e)             \
    {                                                                                                                  \
        check_proxy(#block, conf, node, e);                                                                            \
    }                                                                                                                  \
    static void check_##block##_room(void *conf, const struct config_node *node, struct config_errors *e)              \
    {                                                                                                                  \
        check_room(#block, conf, node, e);                                                                             \
    }                                                                                                                  \
    static const struct config_check block##_checks[] = {{"proxy_protocol behind_proxy", check_##block##_proxy},       \
                                                         {"limits body_limit", check_##block##_room}}
CHECKS_OF(server);
CHECKS_OF(admin);

static const struct config_field metrics_fields[] = {
    {.name = "on", .type = CONFIG_BOOL, AT(flow_metrics_conf, on), .fallback = "true", .doc = "Answer there."},
    {.name = "allow",
     .type = CONFIG_LIST,
     .item = &cidr_item,
     .one_or_many = true,
     AT(flow_metrics_conf, allow),
     .doc = "Only these addresses; none: everybody who may connect.",
     .example = "[10.0.0.0/8]"},
};
static const struct config_spec metrics_spec = {.name = "server.metrics",
                                                .size = sizeof(struct flow_metrics_conf),
                                                .fields = metrics_fields,
                                                .n_fields = TL_COUNT(metrics_fields),
                                                .doc = "GET /metrics where senders reach us.",
                                                .scalar = "on"};
static const struct config_field server_fields[] = {
    SERVER_FIELDS("127.0.0.1:8080", server_limits_spec),
    {.name = "threads",
     .type = CONFIG_INT,
     AT(flow_server_conf, threads),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "0",
     .min = 0,
     .max = 64,
     .doc = "Event loops; 0: one for each core, at most 4.",
     .advanced = true},
    {.name = "metrics",
     .type = CONFIG_OBJECT_REF,
     .spec = &metrics_spec,
     AT(flow_server_conf, metrics),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Answer GET /metrics here too, for everybody (true) or those in `allow`. It shows the names of flows and "
            "how much they carry; without this only the control socket and the console's port answer.",
     .example = "{ allow: [10.0.0.0/8] }"},
    {.name = "drain",
     .type = CONFIG_DURATION,
     AT(flow_server_conf, drain_ms),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "30s",
     .min = 1000,
     .max = 3600000,
     .doc = "How long a stop waits for what is under way; the rest is taken up at the next start.",
     .advanced = true},
};
const struct config_spec flow__server_spec = {.name = "server",
                                              .size = sizeof(struct flow_server_conf),
                                              .fields = server_fields,
                                              .n_fields = TL_COUNT(server_fields),
                                              .doc = "Where senders reach us.",
                                              CONFIG_CHECKS(server_checks)};

/* ---- admin ---- */
const char *const flow_admin_roles[] = {"viewer", "operator", "admin", NULL};
static const char *const flow_admin_reveals[] = {"operator", "admin", NULL};
#define ROLE_DOC "What it may do: look; act on events, flows and connections; also change configuration and tokens."
static const struct config_field admin_token_fields[] = {
    {.name = "name",
     .type = CONFIG_STRING,
     AT(flow_admin_token_conf, name),
     .required = true,
     .min = 1,
     .max = 64,
     .doc = "Who uses it, for the audit log.",
     .example = "monitoring"},
    {.name = "role",
     .type = CONFIG_ENUM,
     .choices = flow_admin_roles,
     AT(flow_admin_token_conf, role),
     .fallback = "viewer",
     .doc = ROLE_DOC},
    {.name = "secret",
     .type = CONFIG_SECRET,
     AT(flow_admin_token_conf, secret),
     .required = true,
     .doc = "The token: 24 random characters or more.",
     .example = "${env:MONITORING_TOKEN}"},
};
static const struct config_spec admin_token_spec =
    CONFIG_SPEC("admin.token", struct flow_admin_token_conf, admin_token_fields, "A token of the configuration.");
static const struct config_field admin_token_item = {.type = CONFIG_OBJECT, .spec = &admin_token_spec};
static const struct config_field admin_certificate_fields[] = {
    {.name = "name",
     .type = CONFIG_STRING,
     AT(flow_admin_certificate_conf, name),
     .required = true,
     .min = 1,
     .max = 255,
     .doc = "Common name, or first DNS or URI name, of the client's certificate.",
     .example = "ops.example.com"},
    {.name = "role",
     .type = CONFIG_ENUM,
     .choices = flow_admin_roles,
     AT(flow_admin_certificate_conf, role),
     .fallback = "viewer",
     .doc = ROLE_DOC},
};
static const struct config_spec admin_certificate_spec =
    CONFIG_SPEC("admin.certificate", struct flow_admin_certificate_conf, admin_certificate_fields,
                "A client certificate and its role.");
static const struct config_field admin_certificate_item = {.type = CONFIG_OBJECT, .spec = &admin_certificate_spec};
static const struct config_field admin_fields[] = {
    SERVER_FIELDS("127.0.0.1:9090", admin_limits_spec),
    {.name = "off",
     .type = CONFIG_BOOL,
     AT(flow_admin_conf, off),
     .reload = CONFIG_RELOAD_RESTART,
     .fallback = "false",
     .doc = "No listener: the control socket in the data directory is all there is."},
    {.name = "reveal",
     .type = CONFIG_ENUM,
     .choices = flow_admin_reveals,
     AT(flow_admin_conf, reveal),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "admin",
     .doc = "The least role that may see a payload without the masks of its model (`pii`); each look is audited."},
    {.name = "session",
     .type = CONFIG_DURATION,
     AT(flow_admin_conf, session_ms),
     .reload = CONFIG_RELOAD_APPLIES,
     .fallback = "12h",
     .min = 60000,
     .max = 2592000000LL,
     .doc = "How long a browser stays signed in."},
    {.name = "tokens",
     .type = CONFIG_LIST,
     .item = &admin_token_item,
     .max = 100,
     AT(flow_admin_conf, tokens),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Tokens whose secrets are kept elsewhere. Others are made with `tieline token create`."},
    {.name = "certificates",
     .type = CONFIG_LIST,
     .item = &admin_certificate_item,
     .max = 100,
     AT(flow_admin_conf, certificates),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Roles of client certificates that `tls.client_ca` has signed."},
    {.name = "oidc",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow__admin_oidc_spec,
     AT(flow_admin_conf, oidc),
     .reload = CONFIG_RELOAD_APPLIES,
     .doc = "Sign-in to the console by OpenID Connect."},
};
const struct config_spec flow__admin_spec = {.name = "admin",
                                             .size = sizeof(struct flow_admin_conf),
                                             .fields = admin_fields,
                                             .n_fields = TL_COUNT(admin_fields),
                                             .doc = "The operator's API and console, on a listener of its own.",
                                             CONFIG_CHECKS(admin_checks)};
