/* SPDX-License-Identifier: Apache-2.0 */
/* payloads.c - one delivery's payload as it came, after its mapping, and as it would be sent. What came is kept; the
 * rest is made again by the configuration of now, and the answer says so. */
#include "admin/admin_int.h"
#include "http/http.h"

enum { MAX_BODY = 1 << 20 };

static enum tl_rc show(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_show(r, l->arena, l->id, MAX_BODY, &l->detail, err);
}

static enum tl_rc get_payloads(struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = show};
    const struct queue_row *row = &l.detail.row;
    struct flow_preview in;
    struct json_builder b;
    struct json made = JSON_NOTHING;
    struct flow_veil veil;
    struct flow_plan *p;
    struct tl_err why = {0};
    enum tl_rc rc = admin__id(http_req_param(c->req, "id"), &l.id, err);

    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc != TL_OK)
        return rc;
    in = (struct flow_preview){.event = row->event,
                               .delivery = row->delivery,
                               .flow = row->flow,
                               .target = row->target,
                               .item = row->item,
                               .revision = row->revision,
                               .attempt = row->attempts + 1,
                               .split = row->delivery != row->event,
                               .own_body = l.detail.own_body,
                               .received_ms = row->received_ms,
                               .meta = l.detail.meta,
                               .vars = l.detail.vars,
                               .body = l.detail.body};
    if (!c->admin->engine || !c->task)
        (void)tl_fail(&why, TL_UNREACHABLE, "no server is running: what would be sent cannot be made");
    else if (row->bytes > MAX_BODY)
        (void)tl_fail(&why, TL_LIMIT, "a payload over 1 MB is not mapped again for a look");
    else if (flow_engine_preview(c->admin->engine, c->task, &in, c->arena, &made, &why) == TL_CANCELED)
        return tl_fail(err, TL_CANCELED, "%s", why.text);
    p = admin__plan(c->admin);
    flow_veil_begin(&veil, p, c->arena);
    flow_plan_unref(p);
    json_object_begin(&b, c->arena, 9);
    admin__add_veiled(&b, &veil, "in", l.detail.body);
    if (row->revision)
        admin__add_veiled(&b, &veil, "original", l.detail.original_body);
    json_adds(&b, "made_again", json_bool(true));
    made = flow_veil_json(&veil, made); /* `mapped`, and the body in `sent` */
    made = flow_veil_texts(&veil, made);
    for (uint32_t i = 0; made.type == JSON_OBJECT && i < made.n; i++)
        json_add(&b, json_view(made.u.members[i].key), made.u.members[i].value);
    if (made.type != JSON_OBJECT) {
        json_adds(&b, "mapped", json_null());
        json_adds(&b, "sent", json_null());
        json_adds(&b, "skipped", json_null());
        json_adds(&b, "problem", json_sv(flow_veil_text(&veil, tl_arena_sv(c->arena, tl_sv_str(why.text)))));
    }
    json_adds(&b, "masked", json_bool(veil.masked));
    flow_veil_end(&veil);
    return admin__answer(c, 200, json_end(&b), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/events/{id}/payloads",
     .fn = get_payloads,
     .doc = "A payload as it came, mapped, and as it would be sent.",
     .role = ADMIN_VIEWER},
};
const struct admin__table admin__payload_table = {routes, TL_COUNT(routes)};
