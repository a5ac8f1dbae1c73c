/* SPDX-License-Identifier: Apache-2.0 */
/* dead.c - dead letters by cause, and what people say of a cause. */
#include "admin/admin_int.h"
#include "http/http.h"

enum { SHOWN = 1000 };

struct asked {
    struct queue_group_query query;
    size_t more;
};

static enum tl_rc groups(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    struct asked *a = l->arg;

    return queue_dead_groups(r, l->arena, &a->query, &l->groups, &l->n, &a->more, err);
}

static struct json group_json(struct tl_arena *a, const struct admin_names *names, const struct queue_group *g)
{
    struct json_builder b;

    json_object_begin(&b, a, 17);
    json_adds(&b, "flow", json_str(admin__flow_name(names, g->flow)));
    json_adds(&b, "fingerprint", admin__id_json(a, g->fingerprint));
    json_adds(&b, "count", json_int((int64_t)g->count));
    json_adds(&b, "more", json_bool(g->more));
    json_adds(&b, "class", json_str(tl_class_name(g->cls)));
    json_adds(&b, "error", json_str(tl_rc_name(g->rc)));
    json_adds(&b, "reason", json_str_copy(a, tl_sv_str(g->text)));
    json_adds(&b, "first", admin__id_json(a, g->first));
    json_adds(&b, "last", admin__id_json(a, g->last));
    json_adds(&b, "first_at", admin__time_json(a, g->first_ms));
    json_adds(&b, "last_at", admin__time_json(a, g->last_ms));
    json_adds(&b, "state", json_str(queue_group_state_name(g->state)));
    json_adds(&b, "again", json_bool(g->again));
    json_adds(&b, "owner", g->owner.n ? json_sv(g->owner) : json_null());
    json_adds(&b, "note", g->note.n ? json_sv(g->note) : json_null());
    json_adds(&b, "by", g->by.n ? json_sv(g->by) : json_null());
    json_adds(&b, "marked_at", admin__time_json(a, g->marked_ms));
    return json_end(&b);
}

static enum tl_rc get_dead(struct admin_call *c, struct tl_err *err)
{
    struct asked a = {.query = {.limit = SHOWN}};
    struct admin__read l = {.fn = groups, .arg = &a};
    struct tl_sv flow = admin__query(c, "flow"), state = admin__query(c, "state");
    enum queue_group_state wanted = QUEUE_GROUP_OPEN;
    struct admin_names names;
    struct json_builder list, b;
    enum tl_rc rc = flow.n ? admin__flow(c, flow, &a.query.flow, err) : TL_OK;

    if (state.n)
        a.query.state = &wanted;
    if (rc == TL_OK && state.n && !queue_group_state_parse(state, &wanted))
        rc = tl_fail(err, TL_INVALID, "state must be open, acknowledged, ignored or resolved");
    if (rc == TL_OK)
        rc = admin__names(c, &names, err);
    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc != TL_OK)
        return rc;
    json_array_begin(&list, c->arena, l.n);
    for (size_t i = 0; i < l.n; i++)
        json_push(&list, group_json(c->arena, &names, &l.groups[i]));
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "groups", json_end(&list));
    json_adds(&b, "more", json_int((int64_t)a.more)); /* groups, smaller ones, that are not shown */
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_dead(struct admin_call *c, struct tl_err *err)
{
    struct queue_mark m = {.by = tl_sv_str(c->caller.who)};
    struct tl_sv state, flow = http_req_param(c->req, "flow");
    struct json v;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc == TL_OK)
        rc = admin__flow(c, flow, &m.flow, err);
    if (rc == TL_OK)
        rc = admin__id(http_req_param(c->req, "fingerprint"), &m.fingerprint, err);
    if (rc != TL_OK)
        return rc;
    state = json_text(json_gets(v, "state"), TL_SV(""));
    if (!queue_group_state_parse(state, &m.state))
        return tl_fail(err, TL_INVALID, "state must be open, acknowledged, ignored or resolved");
    m.owner = json_text(json_gets(v, "owner"), TL_SV(""));
    m.note = json_text(json_gets(v, "note"), c->reason);
    rc = admin__act(c, err, "%.*s in flow %.*s is %.*s", TL_SV_ARG(http_req_param(c->req, "fingerprint")),
                    TL_SV_ARG(flow), TL_SV_ARG(state));
    if (rc == TL_OK)
        rc = queue_mark_group(c->admin->queue, c->task, &m, err);
    return rc == TL_OK ? admin__done(c, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/dead",
     .fn = get_dead,
     .doc = "Dead letters by cause, the largest first; at most 1,000, `more` says how many are left out.",
     .query = (const struct admin__field[]){{"flow", "string", "Of this flow.", false},
                                            {"state", "string", "open, acknowledged, ignored or resolved.", false},
                                            {0}},
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/dead/{flow}/{fingerprint}",
     .fn = post_dead,
     .doc = "Say what is done about a cause.",
     .body = (const struct admin__field[]){{"state", "string", "open, acknowledged, ignored or resolved.", true},
                                           {"owner", "string", "Whose it is.", false},
                                           {"note", "string", "For whoever comes next.", false},
                                           {0}},
     .act = "mark dead group",
     .role = ADMIN_OPERATOR},
};
const struct admin__table admin__dead_table = {routes, TL_COUNT(routes)};
