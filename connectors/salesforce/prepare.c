/* SPDX-License-Identifier: Apache-2.0 */
/* prepare.c - what the flows of a connection need of the org: looked up, planned, made. */
#include "salesforce/prepare.h"

#include <stdio.h>

enum { POLL_MS = 1000, ZIP_MOST = 4 << 20 };

struct preparing {
    struct task *task;
    struct connector_call *call;
    struct sf_need needs[SF_NEEDS];
    size_t n;
    char *user; /* who we are; NULL: not said */
};

/* ---- what the flows need ---- */

static void need(struct preparing *p, struct sf_need one)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->needs[i].kind == one.kind && tl_sv_eqi(p->needs[i].object, one.object) &&
            tl_sv_eqi(p->needs[i].name, one.name))
            return;
    if (p->n < SF_NEEDS)
        p->needs[p->n++] = one;
}

static void need_target(struct preparing *p, const struct sf_target *t)
{
    need(p, (struct sf_need){.kind = SF_NEED_OBJECT, .object = tl_sv_str(t->object), .name = TL_SV("")});
    if (t->external_id)
        need(p, (struct sf_need){
                    .kind = SF_NEED_FIELD, .object = tl_sv_str(t->object), .name = tl_sv_str(t->external_id)});
}

static void need_channel(struct preparing *p, const struct sf_listen *l)
{
    struct tl_sv channel = tl_sv_str(l->channel);

    if (tl_sv_starts(channel, TL_SV("/data/")) && tl_sv_ends(channel, TL_SV("ChangeEvent")))
        need(p, (struct sf_need){.kind = SF_NEED_CHANNEL, .object = tl_sv_from(channel, 6), .name = TL_SV("")});
    else if (tl_sv_starts(channel, TL_SV("/topic/")))
        need(p, (struct sf_need){
                    .kind = SF_NEED_TOPIC, .object = TL_SV(""), .name = tl_sv_from(channel, 7), .query = l->query});
    else if (tl_sv_starts(channel, TL_SV("/event/")))
        need(p, (struct sf_need){.kind = SF_NEED_OBJECT, .object = tl_sv_from(channel, 7), .name = TL_SV("")});
}

static void collect(struct preparing *p, const struct connector_prepare *asked)
{
    for (size_t i = 0; i < asked->n_uses; i++) {
        const struct connector_use *u = &asked->uses[i];
        struct tl_sv name = tl_sv_str(u->operation->name);

        /* a graph's default node counts; what else its records name is not known before they come */
        if (u->operation->kind == CONNECTOR_WRITE)
            need_target(p, u->conf);
        else if (tl_sv_eqs(name, "read"))
            need(p, (struct sf_need){.kind = SF_NEED_OBJECT,
                                     .object = tl_sv_str(((const struct sf_read *)u->conf)->object),
                                     .name = TL_SV("")});
        else if (tl_sv_eqs(name, "listen"))
            need_channel(p, u->conf);
    }
}

/* ---- what is there ---- */

static enum tl_rc get(struct preparing *p, char *path, struct sf_reply *reply, struct tl_err *err)
{
    const struct sf_request req = {.method = "GET", .path = path, .idempotent = true};

    *reply = (struct sf_reply){0}; /* callers look at the status of a failure, too */
    return path ? sf_http(p->task, p->call, &req, reply, err)
                : tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
}

/* Names come from the configuration and are API names; there is nothing in them to escape. */
static enum tl_rc query(struct preparing *p, const char *what, char *soql, struct json *ret, struct tl_err *err)
{
    struct sf_reply reply;
    enum tl_rc rc = get(
        p, tl_arena_printf(p->call->arena, "%s?q=%.*s", what, TL_SV_ARG(sf_encoded(p->call->arena, tl_sv_str(soql)))),
        &reply, err);

    *ret = rc == TL_OK ? json_gets(reply.body, "records") : JSON_NOTHING;
    return rc;
}

static void judge_field(struct sf_need *n, struct json fields)
{
    for (uint32_t i = 0; fields.type == JSON_ARRAY && i < fields.n; i++) {
        struct json f = fields.u.items[i], external = json_gets(f, "externalId"), unique = json_gets(f, "unique"),
                    lookup = json_gets(f, "idLookup");

        if (!tl_sv_eqi(json_text(json_gets(f, "name"), TL_SV("")), n->name))
            continue;
        n->there = (external.type == JSON_BOOL && external.u.b && unique.type == JSON_BOOL && unique.u.b) ||
                   (lookup.type == JSON_BOOL && lookup.u.b);
        if (!n->there)
            n->text = "it is there, but not an External ID and Unique: mark it so in Setup > Object Manager";
        return;
    }
    if (!sf_is_custom(n->name))
        n->text = "the object has no such field, and we make only custom ones (NAME__c)";
}

static enum tl_rc look_at_object(struct preparing *p, struct sf_need *object, struct tl_err *err)
{
    struct sf_reply reply;
    enum tl_rc rc =
        get(p, tl_arena_printf(p->call->arena, "/sobjects/%.*s/describe", TL_SV_ARG(object->object)), &reply, err);
    bool missing = rc != TL_OK && reply.http.status == 404;

    if (rc != TL_OK && !missing)
        return rc;
    if (missing)
        tl_err_clear(err);
    object->there = !missing;
    if (missing && !sf_is_custom(object->object))
        object->text = tl_sv_ends(object->object, TL_SV("__e"))
                           ? "make it in Setup > Platform Events: its fields are yours to choose"
                           : "the org has no such object, or does not show it to us";
    for (size_t i = 0; i < p->n; i++) {
        struct sf_need *n = &p->needs[i];

        if (n->kind != SF_NEED_FIELD || !tl_sv_eqi(n->object, object->object))
            continue;
        if (object->text)
            n->text = object->text;
        else
            judge_field(n, json_gets(reply.body, "fields"));
    }
    return TL_OK;
}

static enum tl_rc look_at_channels(struct preparing *p, struct tl_err *err)
{
    struct json rows;
    enum tl_rc rc =
        query(p, "/tooling/query",
              tl_arena_strdup(p->call->arena, "SELECT Id, SelectedEntity FROM PlatformEventChannelMember"), &rows, err);

    for (size_t i = 0; rc == TL_OK && i < p->n; i++)
        for (uint32_t k = 0; p->needs[i].kind == SF_NEED_CHANNEL && rows.type == JSON_ARRAY && k < rows.n; k++)
            p->needs[i].there |=
                tl_sv_eqi(json_text(json_gets(rows.u.items[k], "SelectedEntity"), TL_SV("")), p->needs[i].object);
    return rc;
}

static enum tl_rc look_at_topic(struct preparing *p, struct sf_need *n, struct tl_err *err)
{
    struct json rows;
    enum tl_rc rc =
        query(p, "/query",
              tl_arena_printf(p->call->arena, "SELECT Id FROM PushTopic WHERE Name = '%.*s'", TL_SV_ARG(n->name)),
              &rows, err);

    n->there = rows.type == JSON_ARRAY && rows.n > 0;
    if (!n->there && !n->query)
        n->text = "say what it selects: `query: \"SELECT Id, Name FROM Account\"` beside `listen`";
    return rc;
}

/* Only where we make something to see, or have made it before. */
static enum tl_rc look_at_access(struct preparing *p, struct tl_err *err)
{
    struct sf_need n = {.kind = SF_NEED_ACCESS, .object = TL_SV(""), .name = TL_SV(SF_PERMISSION_SET)};
    struct sf_reply me;
    struct json rows;
    bool new = false, exists = false;
    enum tl_rc rc;

    for (size_t i = 0; i < p->n; i++)
        new |= p->needs[i].kind <= SF_NEED_FIELD && !p->needs[i].there && !p->needs[i].text;
    rc = query(p, "/query",
               tl_arena_strdup(p->call->arena, "SELECT Id FROM PermissionSet WHERE Name = '" SF_PERMISSION_SET "'"),
               &rows, err);
    exists = rc == TL_OK && rows.type == JSON_ARRAY && rows.n > 0;
    if (rc != TL_OK || (!new && !exists) || p->n == SF_NEEDS)
        return rc;
    if (get(p, tl_arena_strdup(p->call->arena, "/services/oauth2/userinfo"), &me, NULL) == TL_OK)
        p->user = tl_arena_strndup(p->call->arena, json_text(json_gets(me.body, "user_id"), TL_SV("")).p,
                                   json_text(json_gets(me.body, "user_id"), TL_SV("")).n);
    if (!p->user || !*p->user)
        n.text = "we are not told who we are (scope `id`): assign it to the integration user in Setup";
    else if (exists)
        rc = query(p, "/query",
                   tl_arena_printf(p->call->arena,
                                   "SELECT Id FROM PermissionSetAssignment WHERE PermissionSet.Name = '%s' AND "
                                   "AssigneeId = '%s'",
                                   SF_PERMISSION_SET, p->user),
                   &rows, err);
    n.there = rc == TL_OK && exists && !n.text && rows.type == JSON_ARRAY && rows.n > 0;
    p->needs[p->n++] = n;
    return rc;
}

static enum tl_rc look(struct preparing *p, const struct connector_prepare *asked, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;
    bool channels = false;

    p->n = 0;
    collect(p, asked);
    for (size_t i = 0; rc == TL_OK && i < p->n; i++) {
        channels |= p->needs[i].kind == SF_NEED_CHANNEL;
        if (p->needs[i].kind == SF_NEED_OBJECT)
            rc = look_at_object(p, &p->needs[i], err);
        else if (p->needs[i].kind == SF_NEED_TOPIC)
            rc = look_at_topic(p, &p->needs[i], err);
    }
    if (rc == TL_OK && channels)
        rc = look_at_channels(p, err);
    return rc == TL_OK ? look_at_access(p, err) : rc;
}

/* ---- telling ---- */

static char *what(struct preparing *p, const struct sf_need *n)
{
    struct tl_arena *a = p->call->arena;

    switch (n->kind) {
    case SF_NEED_OBJECT:
        return tl_arena_printf(a, "%sobject %.*s", sf_is_custom(n->object) ? "custom " : "", TL_SV_ARG(n->object));
    case SF_NEED_FIELD:
        return tl_arena_printf(a, "%sfield %.*s.%.*s: %sexternal id, unique", sf_is_custom(n->name) ? "custom " : "",
                               TL_SV_ARG(n->object), TL_SV_ARG(n->name), sf_is_custom(n->name) ? "text of 80, " : "");
    case SF_NEED_CHANNEL:
        return tl_arena_printf(a, "change data capture: %.*s in the channel ChangeEvents", TL_SV_ARG(n->object));
    case SF_NEED_TOPIC:
        return tl_arena_printf(a, "PushTopic %.*s%s%s", TL_SV_ARG(n->name), n->query ? ": " : "",
                               n->query ? n->query : "");
    case SF_NEED_ACCESS:
    default:
        return tl_arena_printf(a, "permission set %s over the custom ones, assigned to us", SF_PERMISSION_SET);
    }
}

static enum tl_rc tell(struct preparing *p, struct connector_prepare *asked, struct tl_err *err)
{
    struct connector_step *steps = tl_arena_zalloc(p->call->arena, (p->n + 1) * sizeof *steps);

    if (!steps)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    asked->n_steps = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct sf_need *n = &p->needs[i];

        if (n->kind == SF_NEED_OBJECT && n->there && !sf_is_custom(n->object))
            continue; /* Account is there: nobody wants to read that */
        steps[asked->n_steps++] = (struct connector_step){
            .what = tl_sv_str(what(p, n)), .there = n->there, .text = tl_sv_str(n->text ? n->text : "")};
    }
    asked->steps = steps;
    return TL_OK;
}

/* ---- making ---- */

static enum tl_rc deploy(struct preparing *p, bool *ret_begun, struct tl_err *err)
{
    static const char head[] = "--tieline-part\r\nContent-Disposition: form-data; name=\"json\"\r\n"
                               "Content-Type: application/json\r\n\r\n{\"deployOptions\":{\"allowMissingFiles\":false,"
                               "\"autoUpdatePackage\":false,\"checkOnly\":false,\"ignoreWarnings\":false,"
                               "\"performRetrieve\":false,\"purgeOnDelete\":false,\"rollbackOnError\":true,"
                               "\"singlePackage\":true,\"testLevel\":\"NoTestRun\"}}\r\n--tieline-part\r\n"
                               "Content-Disposition: form-data; name=\"file\"; filename=\"tieline.zip\"\r\n"
                               "Content-Type: application/zip\r\n\r\n";
    const struct sf_connection *c = p->call->connection;
    TL_CLEANUP(tl_buf_done) struct tl_buf zip = {0}, body = {0};
    struct sf_request req = {.method = "POST",
                             .path = "/metadata/deployRequest",
                             .idempotent = true, /* the same package again changes nothing */
                             .content_type = TL_SV("multipart/form-data; boundary=tieline-part")};
    struct sf_reply reply;
    struct tl_sv id;
    bool any = false;
    enum tl_rc rc;

    tl_buf_init(&zip, ZIP_MOST);
    tl_buf_init(&body, ZIP_MOST + 4096);
    rc = sf_package(p->call->arena, c->version, p->needs, p->n, &zip, &any, err);
    if (rc != TL_OK || !any)
        return rc;
    (void)tl_buf_puts(&body, head);
    (void)tl_buf_sv(&body, tl_buf_view(&zip));
    if (!tl_buf_puts(&body, "\r\n--tieline-part--\r\n"))
        return tl_fail(err, TL_LIMIT, "the package is larger than 4 MB");
    req.body = tl_buf_view(&body);
    rc = sf_http(p->task, p->call, &req, &reply, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "deployment");
    id = json_text(json_gets(reply.body, "id"), TL_SV(""));
    if (id.n < 15)
        return tl_fail(err, TL_UPSTREAM, "the deployment has no id");
    *ret_begun = true;
    p->call->new_ticket = id;
    return TL_OK;
}

/* The first component that was refused, in the org's words. */
static enum tl_rc refused(struct preparing *p, struct json result, struct tl_err *err)
{
    struct json failure = json_at(json_gets(json_gets(result, "details"), "componentFailures"), 0);
    struct tl_sv problem =
        json_text(json_gets(failure, "problem"), json_text(json_gets(result, "errorMessage"), TL_SV("")));

    problem = connector_mask_cut(p->call, problem, 300);
    return tl_fail(err, TL_INVALID, "the org refuses the deployment: %.*s: %.*s; nothing was changed",
                   TL_SV_ARG(json_text(json_gets(failure, "fullName"), TL_SV("it"))), TL_SV_ARG(problem));
}

static enum tl_rc ask_after(struct preparing *p, bool *ret_done, struct tl_err *err)
{
    struct sf_reply reply;
    struct json result, done;
    enum tl_rc rc = get(
        p,
        tl_arena_printf(p->call->arena, "/metadata/deployRequest/%.*s?includeDetails=true", TL_SV_ARG(p->call->ticket)),
        &reply, err);

    if (rc != TL_OK)
        return tl_err_prefix(err, "deployment");
    result = json_gets(reply.body, "deployResult");
    done = json_gets(result, "done");
    *ret_done = done.type == JSON_BOOL && done.u.b;
    if (*ret_done && !tl_sv_eqs(json_text(json_gets(result, "status"), TL_SV("")), "Succeeded"))
        return refused(p, result, err);
    return TL_OK;
}

static enum tl_rc post_record(struct preparing *p, const char *object, struct json record, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct sf_request req = {.method = "POST"};
    struct sf_reply reply;
    enum tl_rc rc;

    tl_buf_init(&body, 64 << 10);
    req.path = tl_arena_printf(p->call->arena, "/sobjects/%s", object);
    if (!json_write(&body, record, 0) || !req.path)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    req.body = tl_buf_view(&body);
    rc = sf_http(p->task, p->call, &req, &reply, err);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", object);
}

static enum tl_rc make_topic(struct preparing *p, const struct sf_need *n, struct tl_err *err)
{
    const struct sf_connection *c = p->call->connection;
    struct json_builder b;
    double version = 0;

    (void)tl_sv_double(tl_sv_str(c->version), &version);
    json_object_begin(&b, p->call->arena, 8);
    (void)json_adds(&b, "Name", json_sv(n->name));
    (void)json_adds(&b, "Query", json_str(n->query));
    (void)json_adds(&b, "ApiVersion", json_double(version));
    (void)json_adds(&b, "NotifyForOperationCreate", json_bool(true));
    (void)json_adds(&b, "NotifyForOperationUpdate", json_bool(true));
    (void)json_adds(&b, "NotifyForOperationDelete", json_bool(true));
    (void)json_adds(&b, "NotifyForOperationUndelete", json_bool(true));
    (void)json_adds(&b, "NotifyForFields", json_str("Referenced"));
    return post_record(p, "PushTopic", json_end(&b), err);
}

static enum tl_rc assign(struct preparing *p, struct tl_err *err)
{
    struct json_builder b;
    struct json rows;
    enum tl_rc rc =
        query(p, "/query",
              tl_arena_strdup(p->call->arena, "SELECT Id FROM PermissionSet WHERE Name = '" SF_PERMISSION_SET "'"),
              &rows, err);

    if (rc != TL_OK || rows.type != JSON_ARRAY || rows.n == 0)
        return rc;
    json_object_begin(&b, p->call->arena, 2);
    (void)json_adds(&b, "PermissionSetId", json_gets(json_at(rows, 0), "Id"));
    (void)json_adds(&b, "AssigneeId", json_str(p->user));
    return post_record(p, "PermissionSetAssignment", json_end(&b), err);
}

static enum tl_rc make_records(struct preparing *p, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; rc == TL_OK && i < p->n; i++) {
        const struct sf_need *n = &p->needs[i];

        if (n->there || n->text)
            continue;
        if (n->kind == SF_NEED_ACCESS)
            rc = assign(p, err);
        else if (n->kind == SF_NEED_TOPIC)
            rc = make_topic(p, n, err);
    }
    return rc;
}

static void come_again(struct connector_call *call)
{
    call->pending = true;
    call->next_poll_ms = POLL_MS;
}

/* First call: what is deployed. Then, with its ticket: until it is done; then the rest. */
static enum tl_rc apply(struct preparing *p, const struct connector_prepare *asked, struct tl_err *err)
{
    bool begun = false, done = true;
    enum tl_rc rc;

    if (p->call->ticket.n > 0) {
        rc = ask_after(p, &done, err);
        if (rc == TL_OK && !done) {
            p->call->new_ticket = p->call->ticket;
            come_again(p->call);
            return TL_OK;
        }
        if (rc == TL_OK)
            rc = look(p, asked, err);
    } else {
        rc = deploy(p, &begun, err);
    }
    if (rc == TL_OK && begun) {
        come_again(p->call);
        return TL_OK;
    }
    if (rc == TL_OK)
        rc = make_records(p, err);
    return rc == TL_OK ? look(p, asked, err) : rc;
}

enum tl_rc sf_prepare(struct task *task, struct connector_call *call, struct connector_prepare *asked,
                      struct tl_err *err)
{
    struct preparing *p = tl_arena_zalloc(call->arena, sizeof *p);
    enum tl_rc rc;

    if (!p)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    p->task = task;
    p->call = call;
    rc = look(p, asked, err);
    if (rc == TL_OK && asked->apply)
        rc = apply(p, asked, err);
    return rc == TL_OK ? tell(p, asked, err) : rc;
}
