/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.c - calls of the Pub/Sub API: connection, metadata, schemas, what errors mean. */
#include "salesforce/pubsub/pubsub.h"

#include <stdio.h>

enum { METADATA = 2, SLOW_MS = 600000 };

/* ---- messages ---- */
static void *from_arena(void *arena, size_t n)
{
    return tl_arena_alloc(arena, n);
}

static void to_arena(void *arena, void *p)
{
    (void)arena, (void)p;
}

ProtobufCMessage *sf_pubsub_unpack(struct tl_arena *a, const ProtobufCMessageDescriptor *d, struct tl_sv bytes)
{
    ProtobufCAllocator allocator = {.alloc = from_arena, .free = to_arena, .allocator_data = a};

    return protobuf_c_message_unpack(d, &allocator, bytes.n, (const uint8_t *)bytes.p);
}

struct tl_sv sf_pubsub_pack(struct tl_arena *a, const ProtobufCMessage *m)
{
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *p = tl_arena_alloc(a, n + 1);

    if (!p)
        return TL_SV_NULL;
    (void)protobuf_c_message_pack(m, p);
    return tl_sv((const char *)p, n);
}

/* ---- what went wrong ---- */
bool sf_pubsub_says(const struct http_grpc *g, const char *word)
{
    struct tl_sv code = g->stream ? http_header_get(http_h2_trailers(g->stream), "error-code") : TL_SV_NULL;

    if (!code.p && g->stream)
        code = http_header_get(http_h2_head(g->stream), "error-code");
    return tl_sv_find_sv(code, tl_sv_str(word)) < code.n;
}

enum tl_rc sf_pubsub_failed(struct sf_pubsub *p, const struct http_grpc *g, enum tl_rc rc, struct tl_err *err)
{
    struct tl_sv text =
        tl_arena_sv(p->call->arena, connector_mask_cut(p->call, tl_sv_str(err->text), sizeof err->text - 1));
    enum tl_rc better = rc;

    if (rc == TL_CANCELED)
        return rc;
    if (sf_pubsub_says(g, "limit.exceeded"))
        better = TL_QUOTA;
    else if (sf_pubsub_says(g, "service.auth"))
        better = TL_AUTH;
    else if (rc == TL_INVALID) /* of the whole call: it is no record's fault */
        better = TL_CONFIG;
    (void)tl_fail(err, better, "%.*s", TL_SV_ARG(text));
    if (better == TL_QUOTA)
        err->retry_after_ms = SLOW_MS;
    return better;
}

/* ---- the connection ---- */
int64_t sf_pubsub_org_ms(const struct sf_pubsub *p)
{
    return tl_clock_wall_ms(connector_clock(p->call->host)) + p->ahead_ms;
}

/* The id of the org, which each call has to name: /userinfo tells it, where the token may see that; else a query. */
static enum tl_rc find_tenant(struct sf_pubsub *p, struct tl_err *err)
{
    struct sf_request who = {.method = "GET", .path = "/services/oauth2/userinfo", .idempotent = true};
    struct sf_request org = {.method = "GET", .path = "/query?q=SELECT+Id+FROM+Organization", .idempotent = true};
    struct sf_reply reply;
    struct tl_sv id = TL_SV("");
    enum tl_rc rc = sf_http(p->task, p->call, &who, &reply, err);

    p->ahead_ms = sf_org_ms(p->call, &reply.http) - tl_clock_wall_ms(connector_clock(p->call->host));
    if (rc == TL_OK) {
        struct tl_sv user = json_text(json_gets(reply.body, "user_id"), TL_SV(""));

        id = json_text(json_gets(reply.body, "organization_id"), TL_SV(""));
        if (user.n < sizeof p->user)
            (void)snprintf(p->user, sizeof p->user, "%.*s", TL_SV_ARG(user));
    }
    if (rc == TL_FORBIDDEN || (rc == TL_OK && id.n == 0)) { /* a token without the scopes `openid` or `id` */
        tl_err_clear(err);
        rc = sf_http(p->task, p->call, &org, &reply, err);
        id = json_text(json_gets(json_at(json_gets(reply.body, "records"), 0), "Id"), TL_SV(""));
    }
    if (rc != TL_OK)
        return rc;
    if (id.n == 0 || id.n >= sizeof p->tenant)
        return tl_fail(err, TL_UPSTREAM, "the org does not say what its id is");
    (void)snprintf(p->tenant, sizeof p->tenant, "%.*s", TL_SV_ARG(id));
    return TL_OK;
}

enum tl_rc sf_pubsub_connect(struct sf_pubsub *p, struct tl_err *err)
{
    const struct sf_connection *c = p->call->connection;
    const struct http_h2_options o = {.window = http_grpc_window(HTTP_GRPC_MAX)};
    enum tl_rc rc = p->tenant[0] ? TL_OK : find_tenant(p, err);

    if (rc == TL_OK)
        rc = connector_duplex_connect(p->task, p->call, tl_sv_str(c->pubsub), &o, &p->h2, err);
    return rc;
}

void sf_pubsub_close(struct sf_pubsub *p)
{
    http_h2_close(p->h2);
    p->h2 = NULL;
}

enum tl_rc sf_pubsub_open(struct sf_pubsub *p, const char *method, struct http_grpc *ret, struct tl_err *err)
{
    const struct sf_connection *c = p->call->connection;
    struct tl_sv url = tl_sv_str(c->url);
    struct http_header metadata[METADATA];
    struct connector_grpc_call what = {.url = tl_sv_str(c->pubsub),
                                       .path = tl_arena_printf(p->call->arena, SF_PUBSUB "%s", method),
                                       .metadata = metadata,
                                       .n_metadata = METADATA,
                                       .token_name = "accesstoken"};

    while (url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    metadata[0] = (struct http_header){TL_SV("instanceurl"), url};
    metadata[1] = (struct http_header){TL_SV("tenantid"), tl_sv_str(p->tenant)};
    *ret = (struct http_grpc){.code = -1};
    if (!what.path)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    return connector_grpc_open(p->task, p->call, p->h2, &what, ret, err);
}

/* ---- one request, one answer ---- */
struct unpacking {
    struct tl_arena *arena;
    const ProtobufCMessageDescriptor *type;
    struct tl_sv bytes;
    ProtobufCMessage *m;
};
static void unpack(void *arg)
{
    struct unpacking *u = arg;

    u->m = sf_pubsub_unpack(u->arena, u->type, u->bytes);
}

static enum tl_rc ask_once(struct sf_pubsub *p, const char *method, struct tl_sv request, struct unpacking *u,
                           bool *ret_again, struct tl_err *err)
{
    const struct sf_connection *c = p->call->connection;
    uint64_t until = async_loop_now(task_loop(p->task)) + (uint64_t)c->timeout_ms * 1000000;
    struct http_grpc g;
    enum tl_rc rc = sf_pubsub_open(p, method, &g, err);

    if (rc == TL_OK)
        rc = http_grpc_unary(p->task, &g, request, until, &u->bytes, err);
    *ret_again = connector_grpc_ended(p->task, p->call, &g);
    p->code = g.code;
    if (rc != TL_OK)
        rc = sf_pubsub_failed(p, &g, rc, err);
    else
        task_on_main_stack(p->task, unpack, u);
    http_grpc_free(&g);
    if (rc == TL_OK && !u->m)
        return tl_fail(err, TL_UPSTREAM, "the answer to %s cannot be read", method);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", method);
}

enum tl_rc sf_pubsub_ask(struct sf_pubsub *p, const char *method, const ProtobufCMessage *request,
                         const ProtobufCMessageDescriptor *answer, ProtobufCMessage **ret, struct tl_err *err)
{
    struct tl_sv bytes = sf_pubsub_pack(p->call->arena, request);
    struct unpacking u = {.arena = p->call->arena, .type = answer};
    bool again = false;
    enum tl_rc rc;

    if (!bytes.p)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    rc = ask_once(p, method, bytes, &u, &again, err);
    if (rc == TL_AUTH && again) {
        tl_err_clear(err);
        rc = ask_once(p, method, bytes, &u, &again, err);
    }
    *ret = u.m;
    return rc;
}

enum tl_rc sf_pubsub_topic(struct sf_pubsub *p, const char *name, Eventbus__V1__TopicInfo **ret, struct tl_err *err)
{
    Eventbus__V1__TopicRequest request;
    ProtobufCMessage *answer = NULL;
    enum tl_rc rc;

    eventbus__v1__topic_request__init(&request);
    request.topic_name = (char *)(uintptr_t)name;
    rc = sf_pubsub_ask(p, "GetTopic", &request.base, &eventbus__v1__topic_info__descriptor, &answer, err);
    *ret = (Eventbus__V1__TopicInfo *)(void *)answer;
    return rc;
}

/* ---- schemas ---- */
const struct sf_schema *sf_pubsub_known(const struct sf_pubsub *p, const char *id)
{
    for (const struct sf_schema *s = p->schemas; s; s = s->next)
        if (strcmp(s->id, id) == 0)
            return s;
    return NULL;
}

void sf_pubsub_forget(struct sf_pubsub *p)
{
    while (p->schemas) {
        struct sf_schema *s = p->schemas;

        p->schemas = s->next;
        sf_avro_free(s->avro);
        tl_free(s);
    }
    p->n_schemas = 0;
}

struct compiling {
    struct tl_arena *arena;
    const char *text;
    struct sf_schema *to;
};
static void compile(void *arg)
{
    struct compiling *c = arg;
    struct tl_err err = {0};
    struct json v;

    if (json_parse(c->arena, tl_sv_str(c->text), JSON_PARSE_DUP_LAST, NULL, &v, &err) != TL_OK ||
        sf_avro_new(v, &c->to->avro, &err) != TL_OK)
        (void)snprintf(c->to->why, sizeof c->to->why, "%.150s", err.text);
}

enum tl_rc sf_pubsub_schema(struct sf_pubsub *p, const char *id, struct sf_schema **ret, struct tl_err *err)
{
    Eventbus__V1__SchemaRequest request;
    ProtobufCMessage *answer = NULL;
    struct compiling c = {.arena = p->call->arena};
    enum tl_rc rc;

    eventbus__v1__schema_request__init(&request);
    *ret = (struct sf_schema *)(uintptr_t)sf_pubsub_known(p, id);
    if (*ret)
        return TL_OK;
    if (strlen(id) >= SF_SCHEMA_ID)
        return tl_fail(err, TL_UPSTREAM, "a schema has an id of %zu bytes", strlen(id));
    request.schema_id = (char *)(uintptr_t)id;
    rc = sf_pubsub_ask(p, "GetSchema", &request.base, &eventbus__v1__schema_info__descriptor, &answer, err);
    if (rc != TL_OK)
        return rc;
    c.text = ((Eventbus__V1__SchemaInfo *)(void *)answer)->schema_json;
    c.to = tl_zalloc(sizeof *c.to);
    (void)snprintf(c.to->id, sizeof c.to->id, "%s", id);
    task_on_main_stack(p->task, compile, &c);
    c.to->next = p->schemas;
    p->schemas = c.to;
    p->n_schemas++;
    *ret = c.to;
    return TL_OK;
}
