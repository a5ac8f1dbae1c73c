/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbound.c - outbound messages: what the org tells one address in SOAP when records of one object are made or
 * changed. What is to be told is a row, written in the record's transaction; the values are those at the time of
 * sending. A message is sent again until the other side says Ack, after 0.1 s, then twice that, to 5 s (the vendor: to
 * 2 hours, for a day). With --outbound-twice each one comes once more after its Ack, as happens when an Ack gets lost.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>

enum { BUNDLE = 100, WAIT_FIRST_MS = 100, WAIT_MOST_MS = 5000 };
#define CHANNEL "/outbound"

struct message {
    struct sfsim *s;
    struct tl_arena *a;
    struct json_builder list;
    int64_t last; /* of the rows in it; 0: there is none */
    size_t n;
    struct tl_buf soap;
};

void sfsim_outbound_note(const struct sfsim_req *req, const struct sfsim_record *after)
{
    struct sfsim *s = req->sim;

    if (s->outbound.object && !after->deleted && tl_sv_eqi(after->type->name, tl_sv_str(s->outbound.object)))
        s->outbound.waiting |= sfsim_event_add(s->db, CHANNEL, tl_sv_str(after->id));
}

/* ---- a message ---- */

static struct json notification(struct message *m, int64_t row, const struct sfsim_record *r)
{
    struct tl_arena *a = m->a;
    struct json_builder record, b;
    char *id = tl_arena_printf(a, "04l5i%010lld", (long long)row), id18[SFSIM_ID18 + 1];

    (void)sfsim_id18(tl_sv_str(id), id18);
    json_object_begin(&record, a, 16);
    (void)json_adds(&record, "@xsi:type", json_printf(a, "sf:%.*s", TL_SV_ARG(r->type->name)));
    (void)json_adds(&record, "@xmlns:sf", json_str("urn:sobject.enterprise.soap.sforce.com"));
    (void)json_adds(&record, "sf:Id", json_str(tl_arena_strdup(a, r->id)));
    for (uint32_t i = 0; i < r->fields.n; i++)
        (void)json_add(&record,
                       tl_sv_str(tl_arena_printf(a, "sf:%.*s", TL_SV_ARG(json_view(r->fields.u.members[i].key)))),
                       r->fields.u.members[i].value);
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "Id", json_str(tl_arena_strdup(a, id18)));
    (void)json_adds(&b, "sObject", json_end(&record));
    return json_end(&b);
}

static bool one_row(void *arg, int64_t replay, struct tl_sv channel, struct tl_sv body)
{
    struct message *m = arg;
    struct sfsim_record r;

    (void)channel;
    m->last = replay;
    if (sfsim_get(m->s->db, m->a, body, &r) && !r.deleted && json_push(&m->list, notification(m, replay, &r)))
        m->n++;
    return m->n < BUNDLE;
}

static void put_text(struct json_builder *b, const char *name, char *text)
{
    (void)json_adds(b, name, json_str(text));
}

static void write_message(void *arg)
{
    struct message *m = arg;
    struct sfsim *s = m->s;
    struct json_builder spaces, nil, head, body;

    json_array_begin(&m->list, m->a, 16);
    sfsim_events_since(s->db, CHANNEL, s->outbound.done, one_row, m);
    if (m->n == 0)
        return;
    json_object_begin(&spaces, m->a, 2);
    (void)json_adds(&spaces, "xsd", json_str("http://www.w3.org/2001/XMLSchema"));
    (void)json_adds(&spaces, "xsi", json_str("http://www.w3.org/2001/XMLSchema-instance"));
    json_object_begin(&nil, m->a, 1);
    (void)json_adds(&nil, "@xsi:nil", json_str("true"));
    json_object_begin(&head, m->a, 8);
    (void)json_adds(&head, "@xmlns", json_str("http://soap.sforce.com/2005/09/outbound"));
    put_text(&head, "OrganizationId", s->org);
    (void)json_adds(&head, "ActionId", json_str("04k5i0000004C92AAE"));
    (void)json_adds(&head, "SessionId", json_end(&nil));
    put_text(&head, "EnterpriseUrl", tl_arena_printf(m->a, "%s/services/Soap/c/60.0/%s", s->url, s->org));
    put_text(&head, "PartnerUrl", tl_arena_printf(m->a, "%s/services/Soap/u/60.0/%s", s->url, s->org));
    (void)json_adds(&head, "Notification", json_end(&m->list));
    json_object_begin(&body, m->a, 1);
    (void)json_adds(&body, "notifications", json_end(&head));
    if (xml_soap_write(&m->soap, json_end(&spaces), JSON_NOTHING, json_end(&body), NULL) != TL_OK)
        tl_buf_clear(&m->soap);
}

/* ---- sending ---- */

static bool says_ack(struct tl_arena *a, const struct http_reply *reply)
{
    struct xml_soap soap;

    return reply->status == 200 && xml_soap_parse(a, reply->body, NULL, &soap, NULL) == TL_OK &&
           tl_sv_eqs(soap.name, "notificationsResponse") && tl_sv_eqs(xml_text(json_gets(soap.body, "Ack")), "true");
}

static enum tl_rc post(struct task *task, struct message *m, struct http_client *client, bool *ret_ack,
                       struct tl_err *err)
{
    static const struct http_header headers[] = {{{"Content-Type", 12}, {"text/xml; charset=UTF-8", 23}},
                                                 {{"SOAPAction", 10}, {"\"\"", 2}}};
    const struct http_request_out req = {.method = TL_SV("POST"),
                                         .url = tl_sv_str(m->s->outbound.url),
                                         .headers = headers,
                                         .n_headers = TL_COUNT(headers),
                                         .body = tl_buf_view(&m->soap),
                                         .timeout_ms = 60000};
    struct http_reply reply;
    enum tl_rc rc = http_client_call(task, client, &req, m->a, &reply, err);

    m->s->counts.outbound_sent++;
    *ret_ack = rc == TL_OK && says_ack(m->a, &reply);
    m->s->counts.outbound_acks += *ret_ack;
    return rc == TL_CANCELED ? rc : TL_OK;
}

/* One message, until it is acknowledged. *ret_more: there was one. */
static enum tl_rc one_message(struct task *task, struct sfsim *s, struct http_client *client, int64_t *wait_ms,
                              bool *ret_more, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct message m = {.s = s, .a = a};
    bool ack = false;
    enum tl_rc rc = TL_OK;

    tl_buf_init(&m.soap, 32 << 20);
    task_on_main_stack(task, write_message, &m);
    *ret_more = m.last > 0;
    if (m.soap.n > 0)
        rc = post(task, &m, client, &ack, err);
    if (rc == TL_OK && ack && s->opt.outbound_twice)
        rc = post(task, &m, client, &ack, err);
    tl_buf_done(&m.soap);
    if (rc != TL_OK)
        return rc;
    if (ack || m.n == 0) {
        s->outbound.done = m.last > s->outbound.done ? m.last : s->outbound.done;
        *wait_ms = WAIT_FIRST_MS;
        return TL_OK;
    }
    rc = task_sleep_ms(task, (uint64_t)*wait_ms, err);
    *wait_ms = 2 * *wait_ms < WAIT_MOST_MS ? 2 * *wait_ms : WAIT_MOST_MS;
    return rc;
}

static enum tl_rc send_all(struct task *task, void *arg, struct tl_err *err)
{
    const struct http_client_options options = {.egress.allow_private = true};
    struct sfsim *s = arg;
    struct http_client *client = NULL;
    int64_t wait_ms = WAIT_FIRST_MS;
    bool more = true;
    enum tl_rc rc = http_client_new(task_loop(task), &options, &client, err);

    while (rc == TL_OK && more)
        rc = one_message(task, s, client, &wait_ms, &more, err);
    http_client_free(client);
    s->outbound.running = false;
    return rc;
}

void sfsim_outbound_go(struct sfsim *s, struct task *task)
{
    if (!s->outbound.waiting || s->outbound.running)
        return;
    s->outbound.waiting = false;
    s->outbound.running = task_start(task_loop(task), "sim.outbound", 0, send_all, s, NULL, NULL, NULL) == TL_OK;
}

/* POST /__outbound {"object": "Account", "url": "http://127.0.0.1:8080/hooks/sf"}: from now on. */
enum tl_rc sfsim_outbound_set(struct task *task, struct http_req *req, struct http_res *res, void *arg,
                              struct tl_err *err)
{
    struct sfsim *s = arg;
    struct json v = JSON_NOTHING;
    bool parsed = connector_sim_body(task, req, &v);
    struct tl_sv object = json_text(json_gets(v, "object"), TL_SV("")), url = json_text(json_gets(v, "url"), TL_SV(""));

    if (!parsed || !sfsim_object(s->schema, object) || url.n == 0)
        return tl_fail(err, TL_INVALID, "an object of this org and a url are needed");
    tl_free(s->outbound.object);
    tl_free(s->outbound.url);
    s->outbound.object = tl_strndup(object.p, object.n);
    s->outbound.url = tl_strndup(url.p, url.n);
    res->status = 204;
    return TL_OK;
}
