/* SPDX-License-Identifier: Apache-2.0 */
/* sim.c - `tieline sim opsgenie`: create and close of the Alert API; its alerts are at /__alerts. */
#include "connector/sim.h"
#include "opsgenie/opsgenie_int.h"

#define AT(member) .offset = offsetof(struct options, member)
enum { ALERTS = 1000, MEMORY = 256 << 20 };

struct options {
    int64_t port, status;
    const char *host, *key;
    bool quiet;
};
static const struct connector_sim_option table[] = {
    {"port", CONNECTOR_SIM_INT, AT(port), "N", "port to listen on; 0: any", true},
    {"host", CONNECTOR_SIM_TEXT, AT(host), "ADDRESS", "address to listen on (127.0.0.1)", true},
    {"key", CONNECTOR_SIM_TEXT, AT(key), "KEY", "the integration's key (eb243592)", true},
    {"status", CONNECTOR_SIM_INT, AT(status), "N", "answer every request with it (429, 503); 0: work", false},
    {"quiet", CONNECTOR_SIM_FLAG, AT(quiet), NULL, "print nothing", true},
};
struct sim {
    struct options opt;
    struct tl_arena *kept;
    struct json alerts[ALERTS];
    int64_t counts[ALERTS];
    bool closed[ALERTS];
    size_t n;
};
struct taking {
    struct sim *s;
    struct http_req *req;
    struct json v;
};

static size_t find(const struct sim *s, struct tl_sv alias)
{
    size_t i = 0;

    while (i < s->n && (s->closed[i] || !tl_sv_eq(json_text(json_gets(s->alerts[i], "alias"), TL_SV("")), alias)))
        i++;
    return i;
}

static void keep(void *arg) /* an open alert with the alias is the same one */
{
    struct taking *t = arg;
    size_t i = find(t->s, json_text(json_gets(t->v, "alias"), TL_SV("")));

    if (i == t->s->n && i < ALERTS) {
        t->s->alerts[i] = json_copy(t->s->kept, t->v);
        t->s->n++;
    }
    if (i < ALERTS)
        t->s->counts[i]++;
}

static void say(struct http_req *req, struct http_res *res, int status, const char *text)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 2);
    json_adds(&b, status == 202 ? "result" : "message", json_str(text));
    json_adds(&b, "requestId", json_str("43a29c5c-3dbf-4fa4-9c26-f4f71023e120"));
    connector_sim_json(req, res, status, NULL, json_end(&b));
}

/* False: it was answered. */
static bool enter(struct sim *s, struct task *task, struct taking *t, struct http_res *res)
{
    struct tl_sv auth = http_req_header(t->req, "authorization");

    if (s->opt.status) {
        say(t->req, res, (int)s->opt.status, "as told");
        return false;
    }
    if (!tl_sv_starts(auth, TL_SV("GenieKey ")) || !tl_sv_eqs(tl_sv_from(auth, 9), s->opt.key)) {
        say(t->req, res, 401, "Could not authenticate");
        return false;
    }
    if (!connector_sim_body(task, t->req, &t->v)) {
        say(t->req, res, 400, "Could not parse the request body");
        return false;
    }
    return true;
}

static enum tl_rc create(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct taking t = {arg, req, JSON_NOTHING};
    struct tl_sv message;

    (void)err;
    if (!enter(arg, task, &t, res))
        return TL_OK;
    message = json_text(json_gets(t.v, "message"), TL_SV(""));
    if (!message.n || message.n > 130) {
        say(req, res, 422,
            "Request body is not processable: 'message' may not be empty and has 130 characters at most");
        return TL_OK;
    }
    task_on_main_stack(task, keep, &t);
    say(req, res, 202, "Request will be processed");
    return TL_OK;
}

static enum tl_rc close_it(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    struct sim *s = arg;
    struct taking t = {arg, req, JSON_NOTHING};
    size_t i;

    (void)err;
    if (!enter(arg, task, &t, res))
        return TL_OK;
    i = find(s, http_req_param(req, "alias"));
    if (i < s->n && tl_sv_eqs(req->query, "identifierType=alias"))
        s->closed[i] = true;
    say(req, res, 202, "Request will be processed"); /* also where there is none: it is looked for later */
    return TL_OK;
}

static enum tl_rc alerts(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    const struct sim *s = arg;
    struct json_builder list, b;

    (void)task, (void)err;
    json_array_begin(&list, req->arena, s->n);
    for (size_t i = 0; i < s->n; i++) {
        json_object_begin(&b, req->arena, 3);
        json_adds(&b, "status", json_str(s->closed[i] ? "closed" : "open"));
        json_adds(&b, "count", json_int(s->counts[i]));
        json_adds(&b, "alert", s->alerts[i]);
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

int opsgenie__sim(int argc, char **argv)
{
    struct sim *s = tl_zalloc(sizeof *s);
    const struct http_route routes[] = {
        {.methods = "POST", .pattern = "/v2/alerts", .handler = create, .arg = s},
        {.methods = "POST", .pattern = "/v2/alerts/{alias}/close", .handler = close_it, .arg = s},
        {.methods = "GET", .pattern = "/__alerts", .handler = alerts, .arg = s},
        {.methods = "POST", .pattern = "/__control", .handler = control, .arg = s},
    };
    struct connector_sim_server server = {.name = "opsgenie", .routes = routes, .n_routes = TL_COUNT(routes)};
    int status;

    s->opt = (struct options){.port = 8084, .key = "eb243592"};
    status = connector_sim_parse(table, TL_COUNT(table),
                                 "tieline sim opsgenie: create and close of the Alert API; GET /__alerts shows them",
                                 argc, argv, &s->opt, &server);
    if (status < 0) {
        s->kept = tl_arena_new(MEMORY);
        status = connector_sim_run(&server, NULL, NULL);
        tl_arena_free(s->kept);
    }
    tl_free(s);
    return status;
}
