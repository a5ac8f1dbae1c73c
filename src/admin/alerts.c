/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.c - what is wrong: open alerts and those that are over, acknowledging, silencing; the rules in force. */
#include "admin/admin_int.h"

enum { LIMIT = 100, LIMIT_MAX = 1000 };
#define SILENCE_MAX_MS (30LL * 86400000)

static enum tl_rc book(struct admin_call *c, struct alert_book **ret, struct tl_err *err)
{
    *ret = c->admin->alerts;
    return *ret
               ? TL_OK
               : tl_fail(err, TL_NOT_FOUND, "no server runs, so nothing is watched; `tieline status` shows the ledger");
}

static struct flow_plan *plan_of(struct admin_call *c)
{
    return c->admin->engine ? flow_engine_plan(c->admin->engine)
           : c->admin->plan ? flow_plan_ref(c->admin->plan)
                            : NULL;
}

static enum tl_rc query(struct admin_call *c, struct alert_query *q, struct tl_err *err)
{
    static const char *const words[] = {[ALERT_OPEN] = "open", [ALERT_RESOLVED] = "resolved", [ALERT_ALL] = "all"};
    struct tl_sv state = admin__query(c, "state"), limit = admin__query(c, "limit");
    uint64_t n = LIMIT;
    size_t i = 0;

    while (state.n && i < TL_COUNT(words) && !tl_sv_eqs(state, words[i]))
        i++;
    if (i == TL_COUNT(words))
        return tl_fail(err, TL_INVALID, "state is open, resolved or all, not '%.*s'", TL_SV_ARG(state));
    if (limit.n && (!tl_sv_u64(limit, &n) || n == 0 || n > LIMIT_MAX))
        return tl_fail(err, TL_INVALID, "limit is a number from 1 to %d, not '%.*s'", LIMIT_MAX, TL_SV_ARG(limit));
    *q = (struct alert_query){.which = (enum alert_which)i,
                              .rule = admin__query(c, "rule"),
                              .kind = admin__query(c, "kind"),
                              .subject = admin__query(c, "subject"),
                              .limit = (size_t)n};
    return TL_OK;
}

struct json admin__alerts_json(struct admin_call *c, const struct alert_book *b, const struct alert_query *q)
{
    struct flow_plan *p = plan_of(c);
    struct json_builder o;

    json_object_begin(&o, c->arena, 4);
    json_adds(&o, "at", admin__time_json(c->arena, tl_clock_wall_ms(c->admin->clock)));
    json_adds(&o, "enabled", json_bool(p && !flow_plan_project(p)->alerts.off));
    json_adds(&o, "counts", alert_counts_json(b, c->arena));
    json_adds(&o, "alerts", alert_list_json(b, q, c->arena));
    flow_plan_unref(p);
    return json_end(&o);
}

static enum tl_rc get_alerts(struct admin_call *c, struct tl_err *err)
{
    struct alert_query q;
    struct alert_book *b;
    enum tl_rc rc = book(c, &b, err);

    if (rc == TL_OK)
        rc = query(c, &q, err);
    return rc == TL_OK ? admin__answer(c, 200, admin__alerts_json(c, b, &q), err) : rc;
}

static enum tl_rc get_rules(struct admin_call *c, struct tl_err *err)
{
    struct flow_plan *p = plan_of(c);
    struct json_builder o;
    struct json rules;

    if (!p)
        return tl_fail(err, TL_NOT_FOUND, "no configuration was read");
    rules = json_copy(c->arena, alert_rules_json(&flow_plan_project(p)->alerts, c->arena)); /* the plan's words */
    flow_plan_unref(p);
    json_object_begin(&o, c->arena, 1);
    json_adds(&o, "rules", rules);
    return admin__answer(c, 200, json_end(&o), err);
}

static enum tl_rc find(struct admin_call *c, struct alert_book **ret_book, uint64_t *ret_id, struct tl_err *err)
{
    enum tl_rc rc = book(c, ret_book, err);

    return rc == TL_OK ? admin__id(http_req_param(c->req, "id"), ret_id, err) : rc;
}

static enum tl_rc answer(struct admin_call *c, const struct alert_book *b, uint64_t id, struct tl_err *err)
{
    struct json v = alert_json(b, id, c->arena);

    return v.type == JSON_UNDEFINED
               ? tl_fail(err, TL_NOT_FOUND, "there is no such alert; the last 200 that are over are kept")
               : admin__answer(c, 200, v, err);
}

static enum tl_rc get_alert(struct admin_call *c, struct tl_err *err)
{
    struct alert_book *b;
    uint64_t id;
    enum tl_rc rc = find(c, &b, &id, err);

    return rc == TL_OK ? answer(c, b, id, err) : rc;
}

static enum tl_rc acknowledge(struct admin_call *c, struct tl_err *err)
{
    struct alert_book *b;
    uint64_t id;
    enum tl_rc rc = find(c, &b, &id, err);

    if (rc == TL_OK)
        rc = admin__act(c, err, "alert %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
    if (rc == TL_OK)
        rc = alert_acknowledge(b, id, tl_sv_str(c->caller.who), c->reason, tl_clock_wall_ms(c->admin->clock), err);
    return rc == TL_OK ? answer(c, b, id, err) : rc;
}

static enum tl_rc until(struct tl_sv text, int64_t now, int64_t *ret, struct tl_err *err)
{
    int64_t span;

    if (tl_duration_parse(text, &span) && text.n)
        *ret = now + (span < SILENCE_MAX_MS ? span : SILENCE_MAX_MS + 1);
    else if (!tl_time_parse(text, ret))
        return tl_fail(err, TL_INVALID, "until is a time (2026-11-24T18:00:00Z) or a duration (2h), not '%.*s'",
                       TL_SV_ARG(text));
    if (*ret <= now || *ret > now + SILENCE_MAX_MS)
        return tl_fail(err, TL_INVALID, "a silence ends within 30 days from now");
    return TL_OK;
}

static enum tl_rc silence(struct admin_call *c, struct tl_err *err)
{
    int64_t end = 0, now = tl_clock_wall_ms(c->admin->clock);
    struct alert_book *b;
    struct json v;
    uint64_t id;
    enum tl_rc rc = find(c, &b, &id, err);

    if (rc == TL_OK)
        rc = admin__body(c, &v, err);
    if (rc == TL_OK)
        rc = until(json_text(json_gets(v, "until"), TL_SV("")), now, &end, err);
    if (rc == TL_OK)
        rc = admin__act(c, err, "alert %.*s until %.*s", TL_SV_ARG(http_req_param(c->req, "id")),
                        TL_SV_ARG(json_text(json_gets(v, "until"), TL_SV(""))));
    if (rc == TL_OK)
        rc = alert_silence(b, id, tl_sv_str(c->caller.who), c->reason, end, err);
    return rc == TL_OK ? answer(c, b, id, err) : rc;
}

static enum tl_rc end_silence(struct admin_call *c, struct tl_err *err)
{
    struct alert_book *b;
    uint64_t id;
    enum tl_rc rc = find(c, &b, &id, err);

    if (rc == TL_OK)
        rc = admin__act(c, err, "alert %.*s", TL_SV_ARG(http_req_param(c->req, "id")));
    if (rc == TL_OK)
        rc = alert_silence(b, id, TL_SV(""), TL_SV(""), 0, err);
    return rc == TL_OK ? answer(c, b, id, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/alerts",
     .fn = get_alerts,
     .doc = "Alerts, those that page first.",
     .query = (const struct admin__field[]){{"state", "string", "open, resolved or all.", false},
                                            {"rule", "string", "Of this rule.", false},
                                            {"kind", "string", "flow, connection or server.", false},
                                            {"subject", "string", "Name of the flow or connection.", false},
                                            {"limit", "integer", "At most so many.", false},
                                            {0}},
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/alert-rules",
     .fn = get_rules,
     .doc = "The rules of alerts.",
     .role = ADMIN_VIEWER},
    {.methods = "GET", .pattern = "/v1/alerts/{id}", .fn = get_alert, .doc = "One alert.", .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/alerts/{id}/acknowledge",
     .fn = acknowledge,
     .doc = "Say that somebody is at it.",
     .body = admin__no_fields,
     .act = "acknowledge alert",
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/alerts/{id}/silence",
     .fn = silence,
     .doc = "Tell nobody for a while.",
     .body = (const struct admin__field[]){{"until", "string", "A time, or a duration (2h).", true}, {0}},
     .act = "silence alert",
     .role = ADMIN_OPERATOR},
    {.methods = "DELETE",
     .pattern = "/v1/alerts/{id}/silence",
     .fn = end_silence,
     .doc = "End the silence.",
     .act = "end silence",
     .role = ADMIN_OPERATOR},
};
const struct admin__table admin__alert_table = {routes, TL_COUNT(routes)};
