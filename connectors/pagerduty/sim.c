/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - `tieline sim pagerduty`: /v2/enqueue with the checks of the Events API; its incidents are at /__incidents. */
#include "connector/sim.h"
#include "pagerduty/pagerduty_int.h"

#define AT(member) .offset = offsetof(struct options, member)
enum { INCIDENTS = 1000, MEMORY = 256 << 20 };

struct options {
    int64_t port, status;
    const char *host, *key;
    bool quiet;
};
static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on; 0: any", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"key", CONNECTOR_SIM_TEXT, AT(key), "KEY", "the routing key (R0UT1NGK3Y)", true},
    {"status", CONNECTOR_SIM_INT, AT(status), "N", "answer every request with it (429, 500); 0: work", false},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};
struct incident {
    struct json key, payload;
    int64_t triggers;
    bool resolved, acknowledged;
};
struct sim {
    struct options opt;
    struct tl_arena *kept;
    struct incident incidents[INCIDENTS];
    size_t n;
};
struct taking {
    struct sim *s;
    struct json v;
};

static bool is_one_of(struct json v, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (tl_sv_eqs(json_text(v, TL_SV("")), words[i]))
            return true;
    }
    return false;
}

static const char *fault(const struct sim *s, struct json v)
{
    static const char *const actions[] = {"trigger", "acknowledge", "resolve"};
    static const char *const severities[] = {"critical", "error", "warning", "info"};
    struct json p = json_gets(v, "payload"), action = json_gets(v, "event_action");

    if (!tl_sv_eqs(json_text(json_gets(v, "routing_key"), TL_SV("")), s->opt.key))
        return "Invalid routing key";
    if (!is_one_of(action, actions, TL_COUNT(actions)))
        return "'event_action' is invalid (must be one of the following: 'trigger', 'acknowledge' or 'resolve')";
    if (!is_one_of(action, actions, 1))
        return json_text(json_gets(v, "dedup_key"), TL_SV("")).n ? NULL : "'dedup_key' is missing or blank";
    if (!json_text(json_gets(p, "summary"), TL_SV("")).n || json_gets(p, "summary").n > 1024)
        return "'payload.summary' is missing, blank or too long";
    if (!json_text(json_gets(p, "source"), TL_SV("")).n)
        return "'payload.source' is missing or blank";
    return is_one_of(json_gets(p, "severity"), severities, TL_COUNT(severities)) ? NULL
                                                                                 : "'payload.severity' is invalid";
}

/* A trigger with a key that is open is the same incident; one after a resolve is a new one. */
static void take(void *arg)
{
    struct taking *t = arg;
    struct sim *s = t->s;
    struct tl_sv action = json_text(json_gets(t->v, "event_action"), TL_SV(""));
    struct json key = json_gets(t->v, "dedup_key");
    struct incident *in = NULL;

    for (size_t i = 0; i < s->n; i++) {
        if (!s->incidents[i].resolved && json_equal(s->incidents[i].key, key))
            in = &s->incidents[i];
    }
    if (tl_sv_eqs(action, "trigger") && !in && s->n < INCIDENTS) {
        in = &s->incidents[s->n++];
        in->key = json_copy(s->kept, key);
    }
    if (!in)
        return;
    in->resolved = tl_sv_eqs(action, "resolve");
    in->acknowledged |= tl_sv_eqs(action, "acknowledge");
    if (tl_sv_eqs(action, "trigger")) {
        in->triggers++;
        in->payload = json_copy(s->kept, json_gets(t->v, "payload"));
    }
}

static void say(struct http_req *req, struct http_res *res, const char *wrong, struct json key)
{
    struct json_builder b, errors;

    json_object_begin(&b, req->arena, 4);
    json_adds(&b, "status", json_str(wrong ? "invalid event" : "success"));
    json_adds(&b, "message", json_str(wrong ? "Event object is invalid" : "Event processed"));
    if (wrong) {
        json_array_begin(&errors, req->arena, 1);
        json_push(&errors, json_str(wrong));
        json_adds(&b, "errors", json_end(&errors));
    } else {
        json_adds(&b, "dedup_key", key);
    }
    connector_sim_json(req, res, wrong ? 400 : 202, NULL, json_end(&b));
}

static enum tl_rc enqueue(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    struct taking t = {s, JSON_NOTHING};
    const char *wrong;

    (void)err;
    if (s->opt.status) {
        http_res_set(res, (int)s->opt.status, "text/plain", TL_SV("as told"));
        return TL_OK;
    }
    wrong = connector_sim_body(task, req, &t.v) ? fault(s, t.v) : "the body is not JSON";
    if (!wrong)
        task_on_main_stack(task, take, &t);
    say(req, res, wrong, json_gets(t.v, "dedup_key"));
    return TL_OK;
}

static enum tl_rc incidents(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                            struct tl_err *err)
{
    const struct sim *s = arg;
    struct json_builder list, b;

    (void)task, (void)err;
    json_array_begin(&list, req->arena, s->n);
    for (size_t i = 0; i < s->n; i++) {
        const struct incident *in = &s->incidents[i];

        json_object_begin(&b, req->arena, 4);
        json_adds(&b, "dedup_key", in->key);
        json_adds(&b, "status", json_str(in->resolved ? "resolved" : in->acknowledged ? "acknowledged" : "triggered"));
        json_adds(&b, "triggers", json_int(in->triggers));
        json_adds(&b, "payload", in->payload);
        json_push(&list, json_end(&b));
    }
    connector_sim_json(req, res, 200, NULL, json_end(&list));
    return TL_OK;
}

static enum tl_rc control(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;

    return connector_sim_controlled(task, req, res, table, TL_COUNT(table), &s->opt, err);
}

int pagerduty__sim(int argc, char **argv)
{
    struct sim *s = tl_zalloc(sizeof *s);
    const struct http_route routes[] = {
        {.methods = "POST", .pattern = "/v2/enqueue", .handler = enqueue, .arg = s},
        {.methods = "GET", .pattern = "/__incidents", .handler = incidents, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = control, .arg = s},
    };
    struct connector_sim_server server = {.name = "pagerduty", .routes = routes, .n_routes = TL_COUNT(routes)};
    int status;

    s->opt = (struct options){.port = 8083, .key = "R0UT1NGK3Y"};
    status = connector_sim_parse(table, TL_COUNT(table),
                                 "tieline sim pagerduty: the Events API v2; GET /__incidents shows what became of it",
                                 argc, argv, &s->opt, &server);
    if (status < 0) {
        s->kept = tl_arena_new(MEMORY);
        status = connector_sim_run(&server, NULL, NULL);
        tl_arena_free(s->kept);
    }
    tl_free(s);
    return status;
}
