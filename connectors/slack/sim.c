/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - `tieline sim slack`: chat.postMessage and one incoming webhook; what came is shown at /__messages. */
#include <stdio.h>

#include "connector/sim.h"
#include "slack/slack_int.h"

#define AT(member) .offset = offsetof(struct options, member)
enum { KEPT = 20000, MEMORY = 256 << 20 };

struct options {
    int64_t port;
    const char *host, *token, *channel;
    bool quiet, archived, revoked;
    double rate, fail, drop;
};
static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on; 0: any", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"token", CONNECTOR_SIM_TEXT, AT(token), "TOKEN", "the bot's token (xoxb-sim); the webhook is /services/TOKEN",
     true},
    {"channel", CONNECTOR_SIM_TEXT, AT(channel), "NAME", "the only channel there is; else any", true},
    {"archived", CONNECTOR_SIM_FLAG, AT(archived), NULL, "the channel is archived", false},
    {"revoked", CONNECTOR_SIM_FLAG, AT(revoked), NULL, "the token is revoked", false},
    {"rate", CONNECTOR_SIM_RATE, AT(rate), "N/s", "429 with Retry-After beyond; 0: no limit", false},
    {"fail", CONNECTOR_SIM_PERCENT, AT(fail), "PERCENT", "so many are answered 503", false},
    {"drop", CONNECTOR_SIM_PERCENT, AT(drop), "PERCENT", "so many are posted, then cut off unanswered", false},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};
struct sim {
    struct options opt;
    struct tl_arena *kept;
    struct json messages[KEPT];
    uint64_t n, window_ms, in_window;
};

static struct json said(struct tl_arena *a, const char *error, const char *ts)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    json_adds(&b, "ok", json_bool(!error));
    json_adds(&b, error ? "error" : "ts", json_str_copy(a, tl_sv_str(error ? error : ts)));
    return json_end(&b);
}

static bool too_many(struct sim *s, struct task *task)
{
    uint64_t now = async_loop_now(task_loop(task)) / 1000000;

    if (now - s->window_ms >= 1000) {
        s->window_ms = now;
        s->in_window = 0;
    }
    return s->opt.rate > 0 && (double)++s->in_window > s->opt.rate;
}

struct taking {
    struct sim *s;
    struct json v;
};
static void copy(void *arg)
{
    struct taking *t = arg;

    t->s->messages[t->s->n++ % KEPT] = json_copy(t->s->kept, t->v);
}

static bool happens(double chance)
{
    return chance > 0 && tl_random_unit() < chance;
}

static const char *refusal(const struct sim *s, struct json v)
{
    struct tl_sv channel = json_text(json_gets(v, "channel"), TL_SV(""));

    if (s->opt.channel && !tl_sv_eqs(channel, s->opt.channel))
        return "channel_not_found";
    if (s->opt.archived)
        return "is_archived";
    if (!json_text(json_gets(v, "text"), TL_SV("")).n && json_gets(v, "blocks").type != JSON_ARRAY)
        return "no_text";
    return json_gets(v, "blocks").n > 50 ? "invalid_blocks" : NULL;
}

static enum tl_rc post_message(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                               struct tl_err *err)
{
    struct sim *s = arg;
    struct taking t = {s, JSON_NOTHING};
    struct tl_sv auth = http_req_header(req, "authorization");
    const char *error;
    char ts[40];
    bool parsed;

    if (too_many(s, task)) {
        connector_sim_json(req, res, 429, NULL, said(req->arena, "ratelimited", NULL));
        return http_res_header(res, TL_SV("Retry-After"), TL_SV("1"), err);
    }
    if (happens(s->opt.fail)) {
        http_res_set(res, 503, "text/plain", TL_SV("simulated failure"));
        return TL_OK;
    }
    parsed = connector_sim_body(task, req, &t.v);
    error = s->opt.revoked                                                                           ? "token_revoked"
            : !tl_sv_starts(auth, TL_SV("Bearer ")) || !tl_sv_eqs(tl_sv_from(auth, 7), s->opt.token) ? "invalid_auth"
            : !parsed                                                                                ? "invalid_json"
                                                                                                     : refusal(s, t.v);
    if (!error)
        task_on_main_stack(task, copy, &t);
    if (!error && happens(s->opt.drop)) { /* it stands in the channel, and nobody hears of it */
        res->cut = true;
        return TL_OK;
    }
    (void)snprintf(ts, sizeof ts, "1790000000.%06llu", (unsigned long long)s->n);
    connector_sim_json(req, res, 200, NULL, said(req->arena, error, ts));
    return TL_OK;
}

static enum tl_rc webhook(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    struct taking t = {s, JSON_NOTHING};
    bool parsed = connector_sim_body(task, req, &t.v);

    (void)err;
    if (!tl_sv_eqs(http_req_param(req, "token"), s->opt.token)) {
        http_res_set(res, 404, "text/plain", TL_SV("no_service"));
    } else if (s->opt.archived) {
        http_res_set(res, 410, "text/plain", TL_SV("channel_is_archived"));
    } else if (!parsed || t.v.type != JSON_OBJECT) {
        http_res_set(res, 400, "text/plain", TL_SV("invalid_payload"));
    } else {
        task_on_main_stack(task, copy, &t);
        http_res_set(res, 200, "text/plain", TL_SV("ok"));
    }
    return TL_OK;
}

static enum tl_rc messages(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    struct json_builder list;

    (void)task, (void)err;
    json_array_begin(&list, req->arena, KEPT);
    for (uint64_t i = s->n > KEPT ? s->n - KEPT : 0; i < s->n; i++)
        json_push(&list, s->messages[i % KEPT]);
    connector_sim_json(req, res, 200, NULL, json_end(&list));
    return TL_OK;
}

static enum tl_rc control(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;

    return connector_sim_controlled(task, req, res, table, TL_COUNT(table), &s->opt, err);
}

int slack__sim(int argc, char **argv)
{
    struct sim *s = tl_zalloc(sizeof *s);
    const struct http_route routes[] = {
        {.methods = "POST", .pattern = "/api/chat.postMessage", .handler = post_message, .arg = s},
        {.methods = "POST", .pattern = "/services/{token}", .handler = webhook, .arg = s},
        {.methods = "GET", .pattern = "/__messages", .handler = messages, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = control, .arg = s},
    };
    struct connector_sim_server server = {.name = "slack", .routes = routes, .n_routes = TL_COUNT(routes)};
    int status;

    s->opt = (struct options){.port = 8082, .token = "xoxb-sim"};
    status = connector_sim_parse(
        table, TL_COUNT(table),
        "tieline sim slack: chat.postMessage under /api, a webhook /services/TOKEN; GET /__messages "
        "shows the last 20,000 that came",
        argc, argv, &s->opt, &server);
    if (status < 0) {
        s->kept = tl_arena_new(MEMORY);
        status = connector_sim_run(&server, NULL, NULL);
        tl_arena_free(s->kept);
    }
    tl_free(s);
    return status;
}
