/* SPDX-License-Identifier: Apache-2.0 */
/* audit.c - what people did: the list, and whether the chain holds. */
#include "admin/admin_int.h"
#include "http/http.h"

static enum tl_rc entries(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_audit_list(r, l->arena, l->cursor, l->limit, &l->audit, &l->n, err);
}

static struct json hash_json(struct tl_arena *a, const uint8_t hash[QUEUE_AUDIT_HASH])
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 2 * QUEUE_AUDIT_HASH);
    (void)tl_hex_encode(&b, hash, QUEUE_AUDIT_HASH);
    return json_str_copy(a, tl_buf_view(&b));
}

static struct json entry_json(struct tl_arena *a, const struct queue_audit *e)
{
    struct json_builder b;

    json_object_begin(&b, a, 11);
    json_adds(&b, "entry", json_int((int64_t)e->id));
    json_adds(&b, "at", admin__time_json(a, e->at_ms));
    json_adds(&b, "who", json_sv(e->who));
    json_adds(&b, "role", json_sv(e->role));
    json_adds(&b, "how", json_sv(e->how));
    json_adds(&b, "from", json_sv(e->origin));
    json_adds(&b, "action", json_sv(e->action));
    json_adds(&b, "subject", json_sv(e->subject));
    json_adds(&b, "reason", json_sv(e->reason));
    json_adds(&b, "failed", e->detail.n ? json_sv(e->detail) : json_null());
    json_adds(&b, "hash", hash_json(a, e->hash));
    return json_end(&b);
}

static enum tl_rc get_audit(struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = entries};
    struct json_builder list, b;
    enum tl_rc rc = admin__page(c, &l, err);

    if (rc == TL_OK)
        rc = admin__read(c, &l, err);
    if (rc != TL_OK)
        return rc;
    json_array_begin(&list, c->arena, l.n);
    for (size_t i = 0; i < l.n; i++)
        json_push(&list, entry_json(c->arena, &l.audit[i]));
    json_object_begin(&b, c->arena, 2);
    json_adds(&b, "entries", json_end(&list));
    json_adds(&b, "cursor", l.n == l.limit ? admin__id_json(c->arena, l.audit[l.n - 1].id) : json_null());
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc verify(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    return queue_audit_verify(r, &l->count, &l->bad, &l->audit_last, err);
}

static enum tl_rc get_verify(struct admin_call *c, struct tl_err *err)
{
    struct admin__read l = {.fn = verify};
    struct json_builder b;
    enum tl_rc rc = admin__read(c, &l, err);

    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 4);
    json_adds(&b, "ok", json_bool(l.bad == 0));
    json_adds(&b, "entries", json_int((int64_t)l.count));
    json_adds(&b, "first_bad", l.bad ? json_int((int64_t)l.bad) : json_null());
    json_adds(&b, "last_at", admin__time_json(c->arena, l.audit_last.at_ms));
    json_adds(&b, "last_hash", l.count ? hash_json(c->arena, l.audit_last.hash) : json_null());
    return admin__answer(c, 200, json_end(&b), err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/audit",
     .fn = get_audit,
     .doc = "What people did, newest first.",
     .query = (const struct admin__field[]){{"limit", "integer", "1 to 1000; 50 when absent.", false},
                                            {"cursor", "string", "The `cursor` of the page before.", false},
                                            {0}},
     .role = ADMIN_VIEWER},
    {.methods = "GET",
     .pattern = "/v1/audit/verify",
     .fn = get_verify,
     .doc = "Calculate the chain of the audit log again.",
     .role = ADMIN_OPERATOR},
};
const struct admin__table admin__audit_table = {routes, TL_COUNT(routes)};
