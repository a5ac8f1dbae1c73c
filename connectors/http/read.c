/* SPDX-License-Identifier: Apache-2.0 */
/* read.c - get (one thing, for look-ups) and poll (pages with a cursor, for sources). */
#include "http/httpc_int.h"

#include <stdio.h>

enum { PAGE_MAX = 32 << 20, RECORDS_MAX = 100000 };

/* ---- get ---- */

struct fetch {
    struct httpc_address address;
    struct connector_expression *answer;
};

void *httpc__get_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct httpc_fetch *conf = operation;
    struct fetch *f = tl_zalloc(sizeof *f);

    (void)connection;
    httpc__address_compile(&f->address, &conf->path, &conf->headers, e);
    f->answer = connector_expression_new(&conf->answer, e);
    return f;
}

void httpc__get_release(void *prepared)
{
    struct fetch *f = prepared;

    if (!f)
        return;
    httpc__address_done(&f->address);
    connector_expression_free(f->answer);
    tl_free(f);
}

static enum tl_rc fetch(struct task *task, struct connector_call *call, const struct httpc_address *a,
                        struct json envelope, int64_t timeout_ms, struct http_reply *reply, struct tl_err *err)
{
    struct httpc_request *r = tl_arena_zalloc(call->arena, sizeof *r);
    bool of_record = false;
    enum tl_rc rc;

    if (!r)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    rc = httpc__header(r, TL_SV("Accept"), TL_SV("application/json"), err);
    if (rc == TL_OK)
        rc = httpc__request(task, call, a, envelope, timeout_ms, r, &of_record, err);
    if (rc != TL_OK) {
        call->not_sent = true;
        return rc;
    }
    r->out.method = TL_SV("GET");
    r->out.compressed = true;
    r->out.max_body = PAGE_MAX;
    return connector_http(task, call, &r->out, reply, err);
}

enum tl_rc httpc__get(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct httpc_fetch *conf = call->operation;
    const struct fetch *f = call->prepared;
    struct tl_err broken = {0};
    struct http_reply reply;
    struct json doc;
    enum tl_rc rc;

    rc = fetch(task, call, &f->address, call->input, conf->timeout_ms, &reply, err);
    if (rc != TL_OK)
        return rc;
    rc = connector_classify(call, &reply, err);
    if (rc != TL_OK && httpc__has_status(&conf->absent, reply.status)) {
        tl_err_clear(err);
        call->output = json_null();
        return TL_OK;
    }
    if (rc == TL_FORBIDDEN && httpc__is_of_record(rc, &reply)) { /* a call has no verdict that could give its class */
        rc = TL_INVALID;
        if (err)
            err->rc = rc;
    }
    if (rc != TL_OK)
        return rc;
    doc = httpc__reply_doc(task, call->arena, &reply, JSON_NOTHING, &broken);
    /* A picture is there all the same, for who asks for its status or a header. */
    if (broken.rc == TL_PARSE || (broken.rc != TL_OK && !f->answer))
        return tl_fail(err, TL_UPSTREAM, "GET %.100s: HTTP %d, but the answer %s", f->address.text, reply.status,
                       broken.text);
    if (f->answer)
        return connector_expression_run(task, f->answer, call, doc, &call->output, err);
    call->output = json_gets(doc, "body");
    return TL_OK;
}

enum tl_rc httpc__probe(struct task *task, struct connector_call *call, struct connector_identity *ret,
                        struct tl_err *err)
{
    const struct httpc_connection *conf = call->connection;
    const struct httpc_address address = {.text = (char *)(uintptr_t)conf->probe};
    struct http_reply reply;
    enum tl_rc rc = fetch(task, call, &address, JSON_NOTHING, conf->timeout_ms, &reply, err);

    if (rc == TL_OK)
        rc = connector_classify(call, &reply, err);
    if (rc == TL_OK)
        ret->details = tl_sv_str(tl_arena_printf(call->arena, "GET %s: HTTP %d", conf->probe, reply.status));
    return rc;
}

/* ---- poll ---- */

struct poll {
    struct httpc_address address;
    struct connector_expression *items, *cursor, *key;
};

void *httpc__poll_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct httpc_poll *conf = operation;
    struct poll *p = tl_zalloc(sizeof *p);

    (void)connection;
    httpc__address_compile(&p->address, &conf->path, &conf->headers, e);
    p->items = connector_expression_new(&conf->items, e);
    p->cursor = connector_expression_new(&conf->cursor, e);
    p->key = connector_key_new(&conf->key, e);
    return p;
}

void httpc__poll_release(void *prepared)
{
    struct poll *p = prepared;

    if (!p)
        return;
    httpc__address_done(&p->address);
    connector_expression_free(p->items);
    connector_expression_free(p->cursor);
    connector_expression_free(p->key);
    tl_free(p);
}

struct page {
    struct connector_call *call;
    const struct poll *p;
    struct json doc;
    struct connector_incoming *records;
    size_t n;
    bool no_items; /* there is a body, and `items` finds no value in it */
};

/* As it is, however long: the ledger keeps a digest of it. None is no key. */
static enum tl_rc read_key(struct task *task, const struct page *page, struct connector_incoming *r, struct tl_err *err)
{
    struct connector_call *call = page->call;
    struct json v = JSON_NOTHING;
    enum tl_rc rc = connector_expression_run(task, page->p->key, call, r->value, &v, err);

    if (rc != TL_OK)
        return tl_err_prefix(err, "key");
    r->key = httpc__text(call->arena, v, PAGE_MAX);
    if (!r->key.p && v.type != JSON_UNDEFINED && v.type != JSON_NULL)
        return tl_fail(err, TL_LIMIT, "`key` gives more than a page may have (%d MB), or there is no memory for it",
                       PAGE_MAX >> 20);
    return TL_OK;
}

static enum tl_rc read_items(struct task *task, struct page *page, struct tl_err *err)
{
    struct connector_call *call = page->call;
    struct json body = json_gets(page->doc, "body"), items = body;
    enum tl_rc rc = TL_OK;

    if (page->p->items)
        rc = connector_expression_run(task, page->p->items, call, page->doc, &items, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "items");
    page->no_items = items.type == JSON_UNDEFINED && body.type != JSON_UNDEFINED && body.type != JSON_NULL;
    page->n = items.type == JSON_ARRAY ? items.n : items.type != JSON_UNDEFINED && items.type != JSON_NULL;
    if (page->n > RECORDS_MAX)
        return tl_fail(err, TL_LIMIT, "a page has %zu records; at most %d are taken", page->n, RECORDS_MAX);
    page->records = tl_arena_zalloc(call->arena, (page->n + 1) * sizeof *page->records);
    if (!page->records)
        return tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
    for (size_t i = 0; i < page->n && rc == TL_OK; i++) {
        page->records[i].value = items.type == JSON_ARRAY ? items.u.items[i] : items;
        if (page->p->key)
            rc = read_key(task, page, &page->records[i], err);
    }
    return rc;
}

/* ---- a cursor that stays where it is ----
 * The next read asks for the same page. Its records were taken in, and only another page is news: so what the page said
 * is part of the position, "CURSOR US DIGEST". */
enum { DIGEST = 32, UNIT_SEPARATOR = 0x1f };

static void position_split(struct tl_sv position, struct tl_sv *cursor, struct tl_sv *digest)
{
    size_t at = position.n > DIGEST ? position.n - DIGEST - 1 : 0;
    bool has = position.n > DIGEST && position.p[at] == UNIT_SEPARATOR;

    *cursor = has ? tl_sv(position.p, at) : position;
    *digest = has ? tl_sv_from(position, at + 1) : TL_SV("");
}

static bool page_digest(const struct page *page, char ret[DIGEST + 1])
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, PAGE_MAX);
    for (size_t i = 0; i < page->n; i++) {
        if (!json_write(&b, page->records[i].value, 0) || !tl_buf_putc(&b, '\n'))
            return false;
    }
    (void)snprintf(ret, DIGEST + 1, "%016llx%016llx", (unsigned long long)tl_hash64(b.p, b.n, 1),
                   (unsigned long long)tl_hash64(b.p, b.n, 2));
    return true;
}

/* One run of the operation. */
struct polling {
    struct connector_call *call;
    struct tl_sv cursor, digest; /* where the next page begins; of the page there, if it has been taken in */
    bool more;                   /* this was not the last page */
    char remark[400];            /* empty: none */
};

static enum tl_rc page_again(struct task *task, struct polling *p, const struct page *page, bool no_cursor,
                             struct tl_err *err)
{
    struct connector_call *call = p->call;
    char digest[DIGEST + 1] = "";
    struct tl_sv position = p->cursor;

    if (page->n > 0 && page_digest(page, digest)) {
        if (tl_sv_eqs(p->digest, digest))
            return TL_OK;
        position = tl_sv_str(tl_arena_printf(call->arena, "%.*s%c%s", TL_SV_ARG(p->cursor), UNIT_SEPARATOR, digest));
    } else if (page->n == 0 && p->digest.n == 0) {
        return TL_OK;
    }
    if (page->n > 0 && !page->p->key)
        (void)snprintf(p->remark, sizeof p->remark,
                       "`cursor` %s%.*s after a page of %zu records, so the next read asks for that page again: it is "
                       "taken in again, whole, when it has changed. Give `key`, so that each record counts once; and "
                       "mend `cursor` if this is not the last page",
                       no_cursor ? "finds nothing" : "stays at ",
                       no_cursor ? 0 : (int)(p->cursor.n < 80 ? p->cursor.n : 80), p->cursor.p, page->n);
    return connector_emit(task, call, page->records, page->n, position, err);
}

static struct json envelope(struct tl_arena *a, struct connector_call *call, struct tl_sv cursor)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    (void)json_adds(&b, "cursor", json_sv(cursor));
    (void)json_adds(&b, "source", json_sv(call->source));
    return json_end(&b);
}

/* A renamed member: the records are somewhere else in the page, and a cursor that moves would go past them for good.
 * Where `cursor` finds nothing either this is another page altogether: an error, or a login. */
static enum tl_rc nothing_there(struct tl_sv after, struct tl_err *err)
{
    if (after.p)
        return tl_fail(err, TL_INVALID,
                       "`items` finds nothing in the page, but `cursor` goes on to %.*s: the position stays. Mend "
                       "`items`; where no record is right, let it give an empty array: `items: \"[...]\"`",
                       (int)(after.n < 80 ? after.n : 80), after.p);
    return tl_fail(err, TL_INVALID,
                   "neither `items` nor `cursor` finds anything in the page: the position stays. Is this the page that "
                   "was meant? Where no record is right, let `items` give an empty array: `items: \"[...]\"`");
}

/* One page: fetched, taken in. p->cursor becomes where the next begins. */
static enum tl_rc one_page(struct task *task, struct polling *p, struct tl_err *err)
{
    struct connector_call *call = p->call;
    const struct httpc_poll *conf = call->operation;
    struct page page = {.call = call, .p = call->prepared};
    struct json next = JSON_NOTHING;
    struct tl_err broken = {0};
    struct http_reply reply;
    struct tl_sv after;
    enum tl_rc rc;

    rc = fetch(task, call, &page.p->address, envelope(call->arena, call, p->cursor), conf->timeout_ms, &reply, err);
    if (rc == TL_OK)
        rc = connector_classify(call, &reply, err);
    if (rc != TL_OK)
        return rc;
    page.doc = httpc__reply_doc(task, call->arena, &reply, json_sv(p->cursor), &broken);
    if (broken.rc != TL_OK)
        return tl_fail(err, TL_INVALID, "the page %s", broken.text);
    rc = read_items(task, &page, err);
    if (rc != TL_OK)
        return rc;
    rc = connector_expression_run(task, page.p->cursor, call, page.doc, &next, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "cursor");
    after = httpc__kept(call->arena, next);
    if (!after.p && next.type != JSON_UNDEFINED && next.type != JSON_NULL)
        return tl_fail(err, TL_LIMIT, "`cursor` gives more than %d bytes", HTTPC_KEPT_MAX);
    if (page.no_items && !(after.p && tl_sv_eq(after, p->cursor)))
        return nothing_there(after, err);
    if (!after.p || tl_sv_eq(after, p->cursor))
        return page_again(task, p, &page, !after.p, err);
    rc = connector_emit(task, call, page.records, page.n, after, err);
    p->cursor = after;
    p->more = page.n > 0;
    return rc;
}

enum tl_rc httpc__poll(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct httpc_poll *conf = call->operation;
    TL_CLEANUP(tl_buf_done) struct tl_buf at = {0};
    struct polling p = {.call = call, .more = true};
    enum tl_rc rc = TL_OK;

    position_split(call->position, &p.cursor, &p.digest);
    tl_buf_init(&at, 64 << 10);
    tl_buf_sv(&at, call->position.n > 0 ? p.cursor : tl_sv_str(conf->start));
    for (int64_t i = 0; i < conf->pages && p.more && rc == TL_OK; i++) {
        struct connector_scratch scratch = connector_scratch_begin(call);

        p.cursor = tl_buf_view(&at);
        p.more = false;
        rc = one_page(task, &p, err);
        if (rc == TL_OK && p.more) {
            p.digest = TL_SV("");
            tl_buf_clear(&at);
            tl_buf_sv(&at, p.cursor);
        }
        connector_scratch_end(call, scratch);
    }
    if (p.remark[0])
        call->remark = tl_sv_str(tl_arena_printf(call->arena, "%s", p.remark));
    return rc;
}
