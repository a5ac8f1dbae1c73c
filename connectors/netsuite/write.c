/* SPDX-License-Identifier: Apache-2.0 */
/* write.c - create, update, upsert, delete, transform: one request a record, and its verdict. */
#include "netsuite/netsuite_int.h"

enum action { CREATE, UPDATE, UPSERT, DELETE, TRANSFORM };
enum { NAME_MAX_BYTES = 200, GENERATIONS = 16 };

struct target { /* compiled */
    enum action action;
    struct connector_expression *external_id, *id;
    char *taken_out; /* member of the record that is not sent; NULL: none */
    char *endpoint;  /* for logs: "PUT salesOrder/eid:" */
};

/* ---- once a reload ---- */

void netsuite__write_release(void *prepared)
{
    struct target *t = prepared;

    if (!t)
        return;
    connector_expression_free(t->external_id);
    connector_expression_free(t->id);
    tl_free(t->taken_out);
    tl_free(t->endpoint);
    tl_free(t);
}

bool netsuite__is_plain_name(const char *text)
{
    if (!text || !*text || (*text >= '0' && *text <= '9'))
        return false;
    for (; *text; text++)
        if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9') ||
              *text == '_'))
            return false;
    return true;
}

static void *compile(enum action action, const struct netsuite_target *conf, struct config_errors *e)
{
    struct target *t = tl_zalloc(sizeof *t);
    const char *by = conf->external_id.text ? conf->external_id.text : conf->id.text;

    t->action = action;
    t->external_id = connector_key_new(&conf->external_id, e);
    t->id = connector_key_new(&conf->id, e);
    t->taken_out = netsuite__is_plain_name(by) ? tl_strdup(by) : NULL;
    t->endpoint = tl_sprintf(NETSUITE_RECORD "%s", conf->record ? conf->record : "");
    return t;
}

void *netsuite__create_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile(CREATE, operation, e);
}
void *netsuite__update_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile(UPDATE, operation, e);
}
void *netsuite__upsert_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile(UPSERT, operation, e);
}
void *netsuite__delete_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile(DELETE, operation, e);
}
void *netsuite__transform_compile(const void *connection, const void *operation, struct config_errors *e)
{
    (void)connection;
    return compile(TRANSFORM, operation, e);
}

void netsuite__create_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct netsuite_target *conf = operation;

    (void)connection;
    *ret = (struct connector_facilities){.idempotency = conf->async              ? CONNECTOR_IDEMPOTENT_KEY
                                                        : conf->external_id.text ? CONNECTOR_IDEMPOTENT_LOOKUP
                                                                                 : CONNECTOR_IDEMPOTENT_NONE};
}
void netsuite__repeatable_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    const struct netsuite_target *conf = operation;

    (void)connection;
    *ret =
        (struct connector_facilities){.batch_count = conf->batch > 1 ? (uint32_t)conf->batch : 1,
                                      .batch_bytes = 16 << 20, /* a request may have 104 MB */
                                      .idempotency = conf->lines != NETSUITE_LINES_APPEND ? CONNECTOR_IDEMPOTENT_UPSERT
                                                     : conf->async                        ? CONNECTOR_IDEMPOTENT_KEY
                                                                                          : CONNECTOR_IDEMPOTENT_NONE};
}
void netsuite__transform_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_NONE};
}

/* ---- what is sent ---- */

struct work {
    struct connector_call *call;
    const struct netsuite_target *conf;
    const struct target *t;
    const struct connector_record *record;
    struct connector_verdict *verdict;
    struct tl_sv external_id, id; /* .p NULL: none */
    struct json body;
    struct tl_sv replace; /* names of sublists, by comma */
};

static enum tl_rc refuse(struct work *w, enum tl_rc rc, const char *text)
{
    *w->verdict = (struct connector_verdict){.end = CONNECTOR_FAILED, .rc = rc, .text = tl_sv_str(text ? text : "")};
    w->call->not_sent = true;
    return TL_OK;
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/* false: the record was refused. */
static bool key_of(struct task *task, struct work *w, const struct connector_expression *x, const char *what,
                   struct tl_sv *ret)
{
    struct json v = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc;

    if (!x)
        return true;
    rc = connector_expression_run(task, x, w->call, w->record->value, &v, &err);
    if (rc != TL_OK)
        return refuse(w, rc, tl_arena_printf(w->call->arena, "%s: %s", what, err.text)) != TL_OK;
    *ret = netsuite__text(w->call->arena, v);
    if (ret->n == 0)
        return refuse(w, TL_INVALID, tl_arena_printf(w->call->arena, "the record has no value for %s", what)) != TL_OK;
    for (size_t i = 0; i < ret->n; i++)
        if (!is_key_char(ret->p[i]) || ret->n > NAME_MAX_BYTES)
            return refuse(w, TL_INVALID,
                          tl_arena_printf(w->call->arena,
                                          "%s `%.60s` may only have letters, digits, _ and -: NetSuite takes no others "
                                          "in an address",
                                          what, tl_arena_strndup(w->call->arena, ret->p, ret->n))) != TL_OK;
    return true;
}

/* A sublist, not a multi-select: some item says more than which record it is. */
static bool is_sublist(struct json v)
{
    struct json items = json_gets(v, "items");

    for (uint32_t i = 0; items.type == JSON_ARRAY && i < items.n; i++)
        for (uint32_t k = 0; items.u.items[i].type == JSON_OBJECT && k < items.u.items[i].n; k++) {
            struct tl_sv name = json_view(items.u.items[i].u.members[k].key);

            if (!tl_sv_eqs(name, "id") && !tl_sv_eqs(name, "externalId") && !tl_sv_eqs(name, "refName"))
                return true;
        }
    return items.type == JSON_ARRAY && items.n == 0;
}

static size_t line_without_key(struct json v)
{
    struct json items = json_gets(v, "items");

    for (uint32_t i = 0; i < items.n; i++)
        if (json_gets(items.u.items[i], "line").type == JSON_UNDEFINED &&
            json_gets(items.u.items[i], "internalId").type == JSON_UNDEFINED)
            return i + 1;
    return 0;
}

/* false: the record was refused. */
static bool sublists(struct work *w, enum netsuite_lines how)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf names = {0};

    tl_buf_init(&names, 4096);
    for (uint32_t i = 0; i < w->body.n; i++) {
        struct tl_sv name = json_view(w->body.u.members[i].key);
        struct json v = w->body.u.members[i].value;
        size_t bad;

        if (!is_sublist(v))
            continue;
        bad = how == NETSUITE_LINES_KEYED ? line_without_key(v) : 0;
        if (bad > 0)
            return refuse(
                       w, TL_INVALID,
                       tl_arena_printf(w->call->arena,
                                       "line %zu of `%.*s` has no `line`: NetSuite would add it again on each attempt; "
                                       "give the lines their keys, or set `lines: replace`",
                                       bad, TL_SV_ARG(name))) != TL_OK;
        if (how == NETSUITE_LINES_REPLACE) {
            if (names.n > 0)
                (void)tl_buf_putc(&names, ',');
            (void)tl_percent_encode(&names, name);
        }
    }
    w->replace = names.n > 0 ? tl_arena_sv(w->call->arena, tl_buf_view(&names)) : TL_SV_NULL;
    return true;
}

/* The record without the member that says which it is; for create with its external id. */
static void body_of(struct work *w)
{
    struct json v = w->record->value;
    struct json_builder b;

    json_object_begin(&b, w->call->arena, v.n + 1);
    for (uint32_t i = 0; i < v.n; i++)
        if (!w->t->taken_out || !tl_sv_eqs(json_view(v.u.members[i].key), w->t->taken_out))
            (void)json_add(&b, json_view(v.u.members[i].key), v.u.members[i].value);
    if (w->t->action == CREATE && w->external_id.p)
        (void)json_set(&b, TL_SV("externalId"), json_sv(w->external_id));
    w->body = json_end(&b);
}

static enum netsuite_lines lines_of(const struct netsuite_target *conf, enum action action)
{
    if (conf->lines != NETSUITE_LINES_UNSET)
        return (enum netsuite_lines)conf->lines;
    return action == UPSERT ? NETSUITE_LINES_REPLACE : action == UPDATE ? NETSUITE_LINES_KEYED : NETSUITE_LINES_APPEND;
}

/* A second one does no harm, whoever carried out the first. */
static bool is_harmless(const struct netsuite_target *conf, enum action action)
{
    return action == DELETE ||
           ((action == UPDATE || action == UPSERT) && lines_of(conf, action) != NETSUITE_LINES_APPEND);
}

bool netsuite__repeatable(const struct connector_call *call)
{
    const struct target *t = call->prepared;

    return is_harmless(call->operation, t->action);
}

/* A UUID of our own layout (RFC 9562 version 8). */
static struct tl_sv uuid_of(struct tl_arena *arena, uint64_t a, uint64_t b)
{
    return tl_sv_str(tl_arena_printf(
        arena, "%08x-%04x-8%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff), (unsigned)(a & 0xfff),
        (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffff)));
}

/* Of these records, in this order. What can be repeated has a new key at each attempt, as the old one leads to the old
 * job, and to its failure. Anything else keeps its key, so that no second record is made, until it is known that the
 * job of that key made none (`generation`). */
static struct tl_sv job_key(struct connector_call *call, const size_t *which, size_t n, bool repeatable,
                            uint64_t generation)
{
    uint64_t a = 1, b = 2;

    for (size_t i = 0; i < n; i++) {
        const struct connector_record *r = &call->records[which[i]];
        uint64_t turn = repeatable ? r->attempt : generation;

        a = tl_hash64(r->key.p, r->key.n, a) + turn;
        b = tl_hash64(r->key.p, r->key.n, b) + turn;
    }
    return uuid_of(call->arena, a, b);
}

static struct tl_sv path_of(const struct work *w)
{
    const char *eid = w->external_id.p ? "eid:" : "";
    struct tl_sv key = w->external_id.p ? w->external_id : w->id;
    struct tl_arena *a = w->call->arena;

    if (w->t->action == CREATE)
        return tl_sv_str(tl_arena_printf(a, NETSUITE_RECORD "%s", w->conf->record));
    if (w->t->action == TRANSFORM)
        return tl_sv_str(tl_arena_printf(a, NETSUITE_RECORD "%s/%s%.*s/!transform/%s", w->conf->record, eid,
                                         TL_SV_ARG(key), w->conf->into));
    return tl_sv_str(tl_arena_printf(a, NETSUITE_RECORD "%s/%s%.*s%s%.*s", w->conf->record, eid, TL_SV_ARG(key),
                                     w->replace.p ? "?replace=" : "", TL_SV_ARG(w->replace)));
}

/* ---- what came back ---- */

static void done(struct work *w, struct tl_sv id)
{
    *w->verdict = (struct connector_verdict){.end = CONNECTOR_DONE, .status = w->call->status, .answer = id};
}

static enum tl_rc judge(struct task *task, struct work *w, const struct http_reply *reply, struct tl_err *err)
{
    struct netsuite_refusal r =
        netsuite__judge(task, w->call, reply, w->conf->async || is_harmless(w->conf, w->t->action));

    if (w->conf->async && (reply->status == 202 || r.is_duplicate)) {
        const struct netsuite_member m = {.delivery = w->record->delivery,
                                          .key = w->external_id.p ? w->external_id : w->id};

        return netsuite__pending(w->call, reply, &m, 1, err);
    }
    if (r.rc == TL_OK) {
        done(w, netsuite__location_id(reply));
        return TL_OK;
    }
    if (w->t->action == DELETE && tl_sv_eqs(r.code, "NONEXISTENT_ID")) {
        *w->verdict = (struct connector_verdict){
            .end = CONNECTOR_SKIPPED, .status = w->call->status, .text = TL_SV("it was not there")};
        return TL_OK;
    }
    if (!r.of_record)
        return netsuite__fail(&r, err);
    *w->verdict = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                             .rc = r.rc,
                                             .cls = r.rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                                             .status = w->call->status,
                                             .text = r.text};
    return TL_OK;
}

enum tl_rc netsuite__id_under(struct task *task, struct connector_call *call, struct tl_sv key, struct tl_sv *ret_id,
                              struct tl_err *err)
{
    const struct netsuite_target *conf = call->operation;
    const struct target *t = call->prepared;
    const struct netsuite_request r = {
        .method = "GET",
        .path = tl_sv_str(tl_arena_printf(call->arena, NETSUITE_RECORD "%s/eid:%.*s?fields=externalId", conf->record,
                                          TL_SV_ARG(key))),
        .endpoint = t->endpoint,
        .idempotent = true,
        .timeout_ms = conf->timeout_ms};
    struct json found = JSON_NOTHING;
    struct http_reply reply;
    struct netsuite_refusal no;
    enum tl_rc rc;

    *ret_id = key;
    if (!t->external_id)
        return TL_OK;
    rc = netsuite__send(task, call, &r, &reply, err);
    if (rc != TL_OK)
        return rc;
    *ret_id = TL_SV("");
    no = netsuite__judge(task, call, &reply, true);
    if (no.rc != TL_OK)
        return tl_sv_eqs(no.code, "NONEXISTENT_ID") ? TL_OK : netsuite__fail(&no, err);
    rc = netsuite__record_of(task, call, &reply, &found, err);
    *ret_id = netsuite__text(call->arena, json_gets(found, "id"));
    return rc;
}

/* An earlier attempt may have created it: look first. *ret_there: the verdict is given. */
static enum tl_rc look_first(struct task *task, struct work *w, bool *ret_there, struct tl_err *err)
{
    struct tl_sv id;
    enum tl_rc rc = netsuite__id_under(task, w->call, w->external_id, &id, err);

    *ret_there = rc == TL_OK && id.n > 0;
    if (*ret_there)
        done(w, id);
    return rc;
}

/* Of a job that was there before: did it certainly make no record, so that another may be begun? */
static enum tl_rc made_none(struct task *task, struct work *w, const struct http_reply *reply, bool *ret,
                            struct tl_err *err)
{
    enum netsuite_job_end end;
    struct tl_sv id = TL_SV("?");
    enum tl_rc rc = netsuite__job_end(task, w->call, reply, &end, err);

    if (rc == TL_OK && end == NETSUITE_JOB_BROKE && w->t->action == CREATE && w->external_id.p)
        rc = netsuite__id_under(task, w->call, w->external_id, &id, err);
    *ret = rc == TL_OK && (end == NETSUITE_JOB_REFUSED || id.n == 0);
    return rc;
}

/* One request; as a job, with the key of the first job that may have made the record. */
static enum tl_rc send_once(struct task *task, struct work *w, struct netsuite_request *r, struct http_reply *reply,
                            struct tl_err *err)
{
    const size_t i = (size_t)(w->record - w->call->records);
    bool repeatable = is_harmless(w->conf, w->t->action), none = w->conf->async;
    uint64_t generation = 0;
    enum tl_rc rc;

    do {
        if (w->conf->async) {
            r->prefer = TL_SV("respond-async");
            r->key = job_key(w->call, &i, 1, repeatable, generation);
        }
        rc = netsuite__send(task, w->call, r, reply, err);
        none = none && rc == TL_OK && !repeatable && w->record->attempt > 1 && reply->status == 400 &&
               netsuite__judge(task, w->call, reply, true).is_duplicate;
        if (none)
            rc = made_none(task, w, reply, &none, err);
    } while (rc == TL_OK && none && ++generation < GENERATIONS);
    return rc;
}

static enum tl_rc send_it(struct task *task, struct work *w, struct tl_err *err)
{
    static const char *const methods[] = {"POST", "PATCH", "PUT", "DELETE", "POST"};
    struct netsuite_request r = {.method = methods[w->t->action],
                                 .path = path_of(w),
                                 .body = w->t->action == DELETE ? JSON_NOTHING : w->body,
                                 .endpoint = w->t->endpoint,
                                 .strict = w->t->action != DELETE,
                                 .idempotent = w->conf->async || is_harmless(w->conf, w->t->action),
                                 .timeout_ms = w->conf->timeout_ms};
    struct http_reply reply;
    enum tl_rc rc = send_once(task, w, &r, &reply, err);

    if (rc == TL_OK)
        return judge(task, w, &reply, err);
    if (rc == TL_LIMIT && reply.status == 0)
        return refuse(w, rc, err ? err->text : "");
    if ((rc == TL_UPSTREAM || rc == TL_LIMIT) && reply.sent) {
        rc = TL_UNKNOWN_OUTCOME;
        if (err)
            err->rc = rc;
    }
    return rc;
}

/* What is to be sent of the record. false: it was refused. */
static bool prepare(struct task *task, struct work *w)
{
    if (w->record->value.type != JSON_OBJECT && w->t->action != DELETE) {
        (void)refuse(w, TL_INVALID, "a record of NetSuite is an object");
        return false;
    }
    if (!key_of(task, w, w->t->external_id, "external_id", &w->external_id) || !key_of(task, w, w->t->id, "id", &w->id))
        return false;
    body_of(w);
    return sublists(w, lines_of(w->conf, w->t->action));
}

/* ---- many records as one job ---- */

struct batch {
    struct json items;
    struct tl_sv replace;
    struct netsuite_member *members;
    size_t *which, n; /* of the call's records */
};

static struct json item_of(struct work *w)
{
    struct json_builder b;

    json_object_begin(&b, w->call->arena, w->body.n + 1ul);
    (void)json_adds(&b, w->external_id.p ? "externalId" : "id", json_sv(w->external_id.p ? w->external_id : w->id));
    for (uint32_t i = 0; i < w->body.n; i++)
        if (!tl_sv_eqs(json_view(w->body.u.members[i].key), w->external_id.p ? "externalId" : "id"))
            (void)json_add(&b, json_view(w->body.u.members[i].key), w->body.u.members[i].value);
    return json_end(&b);
}

/* It comes again, without using an attempt. */
static void again(struct connector_verdict *v, enum tl_rc rc, uint32_t status, struct tl_sv text)
{
    *v = (struct connector_verdict){.end = CONNECTOR_INNOCENT, .rc = rc, .status = status, .text = text};
}

static bool is_in(const struct batch *b, struct tl_sv key)
{
    for (size_t i = 0; i < b->n; i++)
        if (tl_sv_eqi(b->members[i].key, key)) /* as NetSuite compares external ids */
            return true;
    return false;
}

/* The items of the job. The sublists that are replaced stand in the address, for all of them: a record that has others
 * waits for the next job. So does one whose key is in this job already: NetSuite may run the records side by side. */
static bool gather(struct task *task, struct connector_call *call, struct batch *b)
{
    struct json_builder items;

    b->members = tl_arena_zalloc(call->arena, (call->n + 1) * sizeof *b->members);
    b->which = tl_arena_zalloc(call->arena, (call->n + 1) * sizeof *b->which);
    if (!b->members || !b->which)
        return false;
    json_array_begin(&items, call->arena, call->n);
    for (size_t i = 0; i < call->n; i++) {
        struct work w = {.call = call,
                         .conf = call->operation,
                         .t = call->prepared,
                         .record = &call->records[i],
                         .verdict = &call->verdicts[i]};
        struct tl_sv key;

        if (!prepare(task, &w))
            continue;
        key = w.external_id.p ? w.external_id : w.id;
        if (b->n > 0 && (!tl_sv_eq(w.replace, b->replace) || is_in(b, key))) {
            again(w.verdict, TL_INVALID, 0,
                  TL_SV("it waits for the next job: its sublists or its key do not go with this one"));
            continue;
        }
        b->replace = w.replace;
        b->members[b->n] = (struct netsuite_member){.delivery = w.record->delivery, .key = key};
        b->which[b->n++] = i;
        (void)json_push(&items, item_of(&w));
    }
    b->items = json_end(&items);
    return true;
}

static enum tl_rc write_batch(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct netsuite_target *conf = call->operation;
    const struct target *t = call->prepared;
    struct netsuite_request r = {.method = t->action == UPSERT ? "PUT" : "PATCH",
                                 .endpoint = t->endpoint,
                                 .prefer = TL_SV("respond-async"),
                                 .strict = true,
                                 .collection = true,
                                 .idempotent = true,
                                 .timeout_ms = conf->timeout_ms};
    struct batch batch = {.n = 0};
    struct netsuite_refusal no;
    struct http_reply reply;
    struct json_builder b;
    enum tl_rc rc;

    if (!gather(task, call, &batch))
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    call->not_sent = batch.n == 0;
    if (batch.n == 0)
        return TL_OK;
    r.key = job_key(call, batch.which, batch.n, true, 0);
    r.path = tl_sv_str(tl_arena_printf(call->arena, NETSUITE_RECORD "%s%s%.*s", conf->record,
                                       batch.replace.p ? "?replace=" : "", TL_SV_ARG(batch.replace)));
    json_object_begin(&b, call->arena, 1);
    (void)json_adds(&b, "items", batch.items);
    r.body = json_end(&b);
    rc = netsuite__send(task, call, &r, &reply, err);
    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    if (reply.status == 202 || no.is_duplicate)
        return netsuite__pending(call, &reply, batch.members, batch.n, err);
    if (no.rc == TL_OK)
        return tl_fail(err, TL_UPSTREAM, "HTTP %d instead of a job", reply.status);
    if (!no.of_record)
        return netsuite__fail(&no, err);
    for (size_t i = 0; i < batch.n; i++) /* the whole request was refused: smaller ones show whose fault it is */
        again(&call->verdicts[batch.which[i]], no.rc, call->status, no.text);
    return TL_OK;
}

enum tl_rc netsuite__write(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct work w = {.call = call,
                     .conf = call->operation,
                     .t = call->prepared,
                     .record = &call->records[0],
                     .verdict = &call->verdicts[0]};
    bool there = false;
    enum tl_rc rc = TL_OK;

    call->endpoint = tl_sv_str(w.t->endpoint);
    if (call->n > 1)
        return write_batch(task, call, err);
    if (!prepare(task, &w))
        return TL_OK;
    if (w.t->action == CREATE && !w.conf->async && w.external_id.p && w.record->unknown_before)
        rc = look_first(task, &w, &there, err);
    return rc != TL_OK || there ? rc : send_it(task, &w, err);
}
