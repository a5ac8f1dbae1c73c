/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slack.c - messages to Slack: with a bot's token by chat.postMessage, or by an incoming webhook.
 *
 * docs.slack.dev: methods/chat.postMessage, messaging/sending-messages-using-incoming-webhooks,
 * apis/web-api/rate-limits (about one message a second for each channel), block-kit. The Web API answers 200 with
 * {"ok": false, "error": ...}.
 */
#include "slack/slack_int.h"

/* ---- tables ---- */
#define AT(type, member) .offset = offsetof(struct type, member)
static const struct config_field connection_fields[] = {
    {.name = "url",
     .type = CONFIG_URL,
     AT(slack_connection, url),
     .fallback = "https://slack.com/api",
     .identity = true,
     .doc = "Address of the Web API."},
    {.name = "token",
     .type = CONFIG_SECRET,
     AT(slack_connection, token),
     .doc = "Token of a bot with the scope chat:write.",
     .example = "${env:SLACK_TOKEN}"},
    {.name = "webhook",
     .type = CONFIG_SECRET,
     AT(slack_connection, webhook),
     .doc = "Instead of a token: the address of an incoming webhook, which posts to its own channel.",
     .example = "${env:SLACK_WEBHOOK}"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(slack_connection, timeout_ms),
     .fallback = "10s",
     .min = 1,
     .max = 600000,
     .doc = "Longest wait for a reply."},
    {.name = "messages_per_second",
     .type = CONFIG_INT,
     AT(slack_connection, per_second),
     .fallback = "1",
     .min = 1,
     .max = 1000,
     .doc = "Messages a second at most. Slack takes about one for each channel: raise it where they go to many."},
};
static void check_connection(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct slack_connection *c = conf;

    if ((c->token.kind == CONFIG_SECRET_NONE) == (c->webhook.kind == CONFIG_SECRET_NONE))
        config_error(e, node->at, "Write `token: ${env:SLACK_TOKEN}` or `webhook: ${env:SLACK_WEBHOOK}`.",
                     "a connection to Slack needs either a token or a webhook");
}
static const struct config_check connection_checks[] = {{"token webhook", check_connection}};
static const struct config_spec connection_spec = {.name = "slack",
                                                   .size = sizeof(struct slack_connection),
                                                   .fields = connection_fields,
                                                   .n_fields = TL_COUNT(connection_fields),
                                                   CONFIG_CHECKS(connection_checks),
                                                   .doc = "A Slack workspace."};

#define CHANNEL_FIELD(operation)                                                                                       \
    {                                                                                                                  \
        .name = (operation), .type = CONFIG_STRING, AT(slack_target, channel), .required = true, .min = 1, .max = 100, \
        .doc = "Channel, by name or id; an incoming webhook has its own.", .example = "\"#ops\""                       \
    }
static const struct config_field message_fields[] = {CHANNEL_FIELD("message")};
static const struct config_spec message_spec =
    CONFIG_SPEC("slack.message", struct slack_target, message_fields,
                "Post a message: a text, or an object with text, blocks, thread_ts and what else Slack takes.");
static const struct config_field notify_fields[] = {CHANNEL_FIELD("notify")};
static const struct config_spec notify_spec =
    CONFIG_SPEC("slack.notify", struct slack_target, notify_fields, "Tell people of an alert.");

/* ---- replies ---- */
/* Errors of chat.postMessage that say something about the connection or the configuration; all others are about the
 * message. */
static const struct {
    const char *word;
    enum tl_rc rc;
} words[] = {
    {"ratelimited", TL_RATE_LIMITED},   {"rate_limited", TL_RATE_LIMITED},
    {"invalid_auth", TL_AUTH},          {"not_authed", TL_AUTH},
    {"account_inactive", TL_AUTH},      {"token_revoked", TL_AUTH},
    {"token_expired", TL_AUTH},         {"missing_scope", TL_AUTH},
    {"no_permission", TL_AUTH},         {"ekm_access_denied", TL_AUTH},
    {"org_login_required", TL_AUTH},    {"channel_not_found", TL_CONFIG},
    {"not_in_channel", TL_CONFIG},      {"is_archived", TL_CONFIG},
    {"channel_is_archived", TL_CONFIG}, {"posting_to_general_channel_denied", TL_CONFIG},
    {"restricted_action", TL_CONFIG},   {"action_prohibited", TL_CONFIG},
    {"no_service", TL_CONFIG},          {"no_team", TL_CONFIG},
    {"invalid_token", TL_AUTH},         {"internal_error", TL_UPSTREAM},
    {"fatal_error", TL_UPSTREAM},       {"service_unavailable", TL_UPSTREAM},
    {"request_timeout", TL_UPSTREAM},   {"team_added_to_org", TL_UPSTREAM},
    {"rollup_error", TL_UPSTREAM},
};

static enum tl_rc rc_of_word(struct tl_sv word)
{
    for (size_t i = 0; i < TL_COUNT(words); i++) {
        if (tl_sv_eqs(word, words[i].word))
            return words[i].rc;
    }
    return TL_INVALID;
}

struct reading {
    struct connector_call *call;
    const struct http_reply *reply;
    struct json v;
};
static void parse(void *arg)
{
    struct reading *r = arg;

    if (json_parse(r->call->arena, r->reply->body, JSON_PARSE_DUP_LAST, NULL, &r->v, NULL) != TL_OK)
        r->v = JSON_NOTHING;
}

/* The Web API: what matters is in the body. */
static enum tl_rc judge_api(struct task *task, struct connector_call *call, const struct http_reply *reply,
                            struct tl_err *err)
{
    struct reading r = {call, reply, JSON_NOTHING};
    struct json ok;
    struct tl_sv word;

    task_on_main_stack(task, parse, &r);
    ok = json_gets(r.v, "ok");
    word = json_text(json_gets(r.v, "error"), TL_SV(""));
    if (ok.type == JSON_BOOL && ok.u.b)
        return connector_settle(call, TL_OK, json_text(json_gets(r.v, "ts"), TL_SV("")), err);
    if (!word.n)
        return tl_fail(err, TL_UPSTREAM, "Slack's reply is not the one of its Web API");
    return connector_settle(call, tl_fail(err, rc_of_word(word), "Slack: %.*s", TL_SV_ARG(connector_mask(call, word))),
                            TL_SV(""), err);
}

static enum tl_rc judge(struct task *task, struct connector_call *call, const struct http_reply *reply,
                        struct tl_err *err)
{
    const struct slack_connection *c = call->connection;
    enum tl_rc rc = connector_classify(call, reply, err), said;

    if (rc == TL_OK && c->token.kind != CONFIG_SECRET_NONE)
        return judge_api(task, call, reply, err);
    if (rc != TL_OK && (reply->status == 403 || reply->status == 404 || reply->status == 410)) {
        said = rc_of_word(tl_sv_trim(reply->body)); /* webhooks answer with the word alone */
        rc = tl_fail(err, said == TL_INVALID ? TL_CONFIG : said, "Slack: HTTP %d %.*s", reply->status,
                     TL_SV_ARG(connector_reply_text(call, reply)));
    }
    return connector_settle(call, rc, TL_SV(""), err);
}

/* ---- requests ---- */
static enum tl_rc by_token(struct task *task, struct connector_call *call, struct json body, struct http_reply *reply,
                           struct tl_err *err)
{
    const struct slack_connection *c = call->connection;
    struct http_header h = {TL_SV("authorization"), TL_SV_NULL};
    struct tl_sv token;
    enum tl_rc rc = connector_secret(task, call, &c->token, &token, err);

    if (rc != TL_OK)
        return rc;
    h.value = tl_sv_str(tl_arena_printf(call->arena, "Bearer %.*s", TL_SV_ARG(token)));
    call->endpoint = TL_SV("/chat.postMessage");
    return connector_post_json(task, call, call->endpoint, &h, 1, body, c->timeout_ms, reply, err);
}

static enum tl_rc by_webhook(struct task *task, struct connector_call *call, struct json body, struct http_reply *reply,
                             struct tl_err *err)
{
    const struct slack_connection *c = call->connection;
    struct tl_sv url;
    enum tl_rc rc = connector_secret(task, call, &c->webhook, &url, err);

    if (rc != TL_OK)
        return rc;
    url = tl_sv_trim(url);
    if (!tl_sv_starts(url, TL_SV("https://")) && !tl_sv_starts(url, TL_SV("http://")))
        url = tl_sv_str(tl_arena_printf(call->arena, "/%.*s", TL_SV_ARG(url)));
    call->endpoint = TL_SV("(webhook)");
    return connector_post_json(task, call, url, NULL, 0, body, c->timeout_ms, reply, err);
}

static enum tl_rc post(struct task *task, struct connector_call *call, struct json body, struct tl_err *err)
{
    const struct slack_connection *c = call->connection;
    struct http_reply reply;
    enum tl_rc rc = c->token.kind != CONFIG_SECRET_NONE ? by_token(task, call, body, &reply, err)
                                                        : by_webhook(task, call, body, &reply, err);

    return rc == TL_OK ? judge(task, call, &reply, err) : rc;
}

static enum tl_rc message(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct slack_target *t = call->operation;
    struct json v = call->records[0].value;
    struct json_builder b;

    json_object_begin(&b, call->arena, 4);
    if (v.type == JSON_STRING)
        json_adds(&b, "text", v);
    else if (v.type != JSON_OBJECT) {
        call->not_sent = true;
        return connector_settle(call,
                                tl_fail(err, TL_INVALID, "a message is a text or an object, not %s", json_type_name(v)),
                                TL_SV(""), err);
    }
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    if (json_gets(v, "channel").type == JSON_UNDEFINED)
        json_adds(&b, "channel", json_str(t->channel));
    return post(task, call, json_end(&b), err);
}

static enum tl_rc notify(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct slack_target *t = call->operation;
    struct connector_notice n;
    enum tl_rc rc = connector_notice_read(call->records[0].value, &n, err);

    if (rc != TL_OK) {
        call->not_sent = true;
        return connector_settle(call, rc, TL_SV(""), err);
    }
    return post(task, call, slack__blocks(call->arena, &n, t->channel), err);
}

/* ---- the table ---- */
static void facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_NONE, .batch_count = 1};
}

static void budgets(const void *connection, struct guard_conf *conf)
{
    const struct slack_connection *c = connection;

    if (conf->n_budgets < GUARD_MAX_BUDGETS)
        conf->budgets[conf->n_budgets++] =
            (struct guard_budget){.name = "messages",
                                  .kind = GUARD_BUCKET,
                                  .amount = (double)c->per_second,
                                  .per_ms = 1000,
                                  .burst = (double)(c->per_second < 5 ? 5 : c->per_second)};
}

static const struct connector_operation operations[] = {
    {.name = "message",
     .kind = CONNECTOR_WRITE,
     .doc = "Posts each record as a message.",
     .spec = &message_spec,
     .facilities = facilities,
     .run = message},
    {.name = "notify",
     .kind = CONNECTOR_WRITE,
     .doc = "Tells people of an alert, with cause, what to do, owner and what waits.",
     .spec = &notify_spec,
     .facilities = facilities,
     .run = notify},
};

static const char *base_url(const void *connection)
{
    return ((const struct slack_connection *)connection)->url;
}

static const char *other_url(const void *connection, size_t i)
{
    (void)connection;
    return i == 0 ? "https://hooks.slack.com" : NULL;
}

extern const struct connector slack_connector;
const struct connector slack_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "Slack",
    .variant = {.name = "slack", .type = CONFIG_OBJECT_REF, .spec = &connection_spec, .doc = "A Slack workspace."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
    .budgets = budgets,
    .base_url = base_url,
    .other_url = other_url,
    .sim = slack__sim,
};
