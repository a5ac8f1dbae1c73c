/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - sources: records that were changed (records), and the rows of a query (suiteql).
 *
 * Pages are found by key, not by offset: WHERE (changed, id) > (last seen) ORDER BY changed, id. So a page ends where
 * the next begins whatever happens in between, many records of one second are no problem, and no query gets near the
 * 100,000 rows where offsets end. Times are compared as text in UTC, because dates come in the user's format otherwise.
 *
 * Times are whole seconds, so a second is read when it is over, less the lag: what is changed later in one that was
 * read would have the time and so the key of the state before it, and nothing would tell the two apart.
 *
 * What is saved late in a long transaction carries an early time: `records` begins each run a little before where it
 * stopped (overlap); the key TYPE/ID/CHANGED lets the ledger recognise what it has. The position never goes back.
 * Whole records cost a request each, so those that the last run has given to the ledger are not fetched again: only
 * they can lie in the overlap. After a restart the overlap is fetched once.
 */
#include "netsuite/netsuite_int.h"

#include <pthread.h>

enum { PAGES = 10000, CURSOR = 256, QUERY_MAX = 64 << 10, SEEN_MOST = 100000, FAR_MS = 60000 };
#define UTC(column) "TO_CHAR(SYS_EXTRACT_UTC(" column "),'YYYY-MM-DD HH24:MI:SS')"

struct seen {             /* keys of whole records that are in the ledger; runs of two loops may share it at a reload */
    pthread_mutex_t lock; /* guards what follows */
    struct tl_map *before, *now; /* by the last whole run; by this one */
};
struct read {                 /* compiled */
    char *next;               /* the query of a page */
    char *key, *modified;     /* names of columns in the rows; modified NULL: by key alone */
    char *record;             /* REST type to fetch whole; NULL: rows are the records */
    const char *kind, *start; /* for keys; of the configuration */
    int64_t page, overlap_ms, lag_ms, timeout_ms;
    struct seen *seen; /* NULL: nothing is fetched */
};

/* ---- what need not be fetched again ---- */

static struct seen *seen_new(void)
{
    struct seen *s = tl_zalloc(sizeof *s);

    (void)pthread_mutex_init(&s->lock, NULL);
    s->before = tl_map_new();
    s->now = tl_map_new();
    return s;
}

static void seen_free(struct seen *s)
{
    if (!s)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    tl_map_free(s->before);
    tl_map_free(s->now);
    tl_free(s);
}

/* Was it taken in? Then it stays known for the next run, too. */
static bool seen_has(struct seen *s, struct tl_sv key)
{
    bool known;

    (void)pthread_mutex_lock(&s->lock);
    known = tl_map_get(s->now, key) || tl_map_get(s->before, key);
    if (known && tl_map_count(s->now) < SEEN_MOST)
        (void)tl_map_put(s->now, key, s);
    (void)pthread_mutex_unlock(&s->lock);
    return known;
}

static void seen_add(struct seen *s, const struct connector_incoming *records, size_t n)
{
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < n && tl_map_count(s->now) < SEEN_MOST; i++)
        (void)tl_map_put(s->now, records[i].key, s);
    (void)pthread_mutex_unlock(&s->lock);
}

/* A run has come to its end: what it did not meet lies before every overlap to come. */
static void seen_turn(struct seen *s)
{
    (void)pthread_mutex_lock(&s->lock);
    tl_map_free(s->before);
    s->before = s->now;
    s->now = tl_map_new();
    (void)pthread_mutex_unlock(&s->lock);
}

void netsuite__read_release(void *prepared)
{
    struct read *r = prepared;

    if (!r)
        return;
    seen_free(r->seen);
    tl_free(r->next);
    tl_free(r->key);
    tl_free(r->modified);
    tl_free(r->record);
    tl_free(r);
}

static char *lower(const char *s)
{
    char *copy = tl_strdup(s);

    for (char *p = copy; *p; p++)
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    return copy;
}

/* ---- which table ---- */

static const char *transaction_type(const char *record)
{
    static const char *const rows[][2] = {
        {"salesOrder", "SalesOrd"},         {"invoice", "CustInvc"},
        {"itemFulfillment", "ItemShip"},    {"purchaseOrder", "PurchOrd"},
        {"itemReceipt", "ItemRcpt"},        {"vendorBill", "VendBill"},
        {"creditMemo", "CustCred"},         {"customerPayment", "CustPymt"},
        {"cashSale", "CashSale"},           {"estimate", "Estimate"},
        {"returnAuthorization", "RtnAuth"}, {"transferOrder", "TrnfrOrd"},
        {"journalEntry", "Journal"},        {"customerDeposit", "CustDep"},
        {"opportunity", "Opprtnty"},
    };

    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (strcmp(rows[i][0], record) == 0)
            return rows[i][1];
    return NULL;
}

static const char *item_type(const char *record)
{
    static const char *const rows[][2] = {{"inventoryItem", "InvtPart"},  {"nonInventorySaleItem", "NonInvtPart"},
                                          {"serviceSaleItem", "Service"}, {"kitItem", "Kit"},
                                          {"assemblyItem", "Assembly"},   {"itemGroup", "Group"}};

    for (size_t i = 0; i < TL_COUNT(rows); i++)
        if (strcmp(rows[i][0], record) == 0)
            return rows[i][1];
    return NULL;
}

static void from_table(struct tl_buf *b, const char *record)
{
    const char *type = transaction_type(record), *item = item_type(record);
    TL_CLEANUP(tl_freep) char *own = lower(record);

    if (type)
        (void)tl_buf_printf(b, " FROM transaction WHERE type = '%s'", type);
    else if (item)
        (void)tl_buf_printf(b, " FROM item WHERE itemtype = '%s'", item);
    else
        (void)tl_buf_printf(b, " FROM %s WHERE 1 = 1", own);
}

void *netsuite__records_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_records *conf = operation;
    struct read *r = tl_zalloc(sizeof *r);
    struct tl_buf b;

    (void)connection, (void)e;
    r->key = tl_strdup("id");
    r->modified = tl_strdup("tieline_changed");
    r->record = conf->whole && conf->record ? tl_strdup(conf->record) : NULL;
    r->seen = conf->whole ? seen_new() : NULL;
    r->kind = conf->record;
    r->start = conf->start;
    r->page = conf->page;
    r->overlap_ms = conf->overlap_ms;
    r->lag_ms = conf->lag_ms;
    r->timeout_ms = conf->timeout_ms;
    tl_buf_init(&b, QUERY_MAX);
    (void)tl_buf_puts(&b, "SELECT id, externalid");
    for (size_t i = 0; !conf->whole && i < conf->fields.n; i++)
        (void)tl_buf_printf(&b, ", %s", *CONFIG_AT(conf->fields, const char *, i));
    (void)tl_buf_printf(&b, ", " UTC("%s") " AS tieline_changed", conf->modified);
    from_table(&b, conf->record ? conf->record : "");
    if (conf->where)
        (void)tl_buf_printf(&b, " AND (%s)", conf->where);
    (void)tl_buf_printf(
        &b,
        " AND (" UTC("%s") " > ? OR (" UTC("%s") " = ? AND id > ?)) ORDER BY " UTC("%s") ", id"
                                                                                         " FETCH FIRST %lld ROWS ONLY",
        conf->modified, conf->modified, conf->modified, (long long)conf->page);
    r->next = tl_strdup(b.p ? b.p : "");
    tl_buf_done(&b);
    return r;
}

void *netsuite__suiteql_compile(const void *connection, const void *operation, struct config_errors *e)
{
    const struct netsuite_query *conf = operation;
    struct read *r = tl_zalloc(sizeof *r);

    (void)connection, (void)e;
    r->key = lower(conf->key ? conf->key : "");
    r->modified = conf->modified ? lower(conf->modified) : NULL;
    r->kind = "suiteql";
    r->start = conf->start;
    r->page = conf->limit;
    r->lag_ms = conf->lag_ms;
    r->timeout_ms = conf->timeout_ms;
    if (r->modified)
        r->next = tl_sprintf(
            "SELECT * FROM (%s) WHERE %s > ? OR (%s = ? AND %s > ?) ORDER BY %s, %s FETCH FIRST %lld ROWS ONLY",
            conf->q, r->modified, r->modified, r->key, r->modified, r->key, (long long)r->page);
    else
        r->next = tl_sprintf("SELECT * FROM (%s) WHERE %s > ? ORDER BY %s FETCH FIRST %lld ROWS ONLY", conf->q, r->key,
                             r->key, (long long)r->page);
    return r;
}

/* ---- where we are ---- */

struct cursor {
    char modified[CURSOR], key[CURSOR];
};

static void set(char out[CURSOR], struct tl_sv s)
{
    size_t n = s.n < CURSOR ? s.n : 0;

    memcpy(out, s.p ? s.p : "", n);
    out[n] = '\0';
}

static bool read_position(struct connector_call *call, struct cursor *c)
{
    struct json v;

    if (json_parse(call->arena, call->position, 0, NULL, &v, NULL) != TL_OK)
        return false;
    set(c->modified, json_text(json_gets(v, "changed"), TL_SV("")));
    set(c->key, json_text(json_gets(v, "key"), TL_SV("")));
    return true;
}

static struct tl_sv position_text(struct connector_call *call, const struct cursor *c)
{
    struct json_builder b;
    struct tl_buf text;
    struct tl_sv copy;

    json_object_begin(&b, call->arena, 2);
    (void)json_adds(&b, "changed", json_str(c->modified));
    (void)json_adds(&b, "key", json_str(c->key));
    tl_buf_init(&text, 4096);
    (void)json_write(&text, json_end(&b), 0);
    copy = tl_arena_sv(call->arena, tl_buf_view(&text));
    tl_buf_done(&text);
    return copy;
}

/* "2026-11-30 12:00:00", in UTC; false: it is something else. */
static bool time_of(struct tl_sv modified, int64_t *ret_ms)
{
    char text[20];

    if (modified.n != 19)
        return false;
    memcpy(text, modified.p, 19);
    text[10] = 'T';
    text[19] = 'Z';
    return tl_time_parse(tl_sv(text, 20), ret_ms);
}

/* The same, so much earlier. */
static void earlier(char modified[CURSOR], int64_t ms)
{
    char out[TL_TIME_TEXT];
    int64_t at;

    if (ms == 0 || !time_of(tl_sv_str(modified), &at))
        return;
    (void)tl_time_format(at - ms, out);
    out[10] = ' ';
    set(modified, tl_sv(out, 19));
}

/* a is further than b. Keys are numbers, mostly; a longer one is the greater. */
static bool is_further(const struct cursor *a, const struct cursor *b)
{
    int by_time = strcmp(a->modified, b->modified);

    if (by_time != 0)
        return by_time > 0;
    return strlen(a->key) != strlen(b->key) ? strlen(a->key) > strlen(b->key) : strcmp(a->key, b->key) > 0;
}

/* ---- pages ---- */

static struct json params(struct connector_call *call, const struct read *r, const struct cursor *c)
{
    struct json_builder b;

    json_array_begin(&b, call->arena, 3);
    if (r->modified) {
        (void)json_push(&b, json_str(tl_arena_strdup(call->arena, c->modified)));
        (void)json_push(&b, json_str(tl_arena_strdup(call->arena, c->modified)));
    }
    (void)json_push(&b, json_str(tl_arena_strdup(call->arena, c->key)));
    return json_end(&b);
}

/* The record behind a row. *ret undefined: it is gone meanwhile. */
static enum tl_rc whole(struct task *task, struct connector_call *call, const struct read *r, struct tl_sv id,
                        struct json *ret, struct tl_err *err)
{
    const struct netsuite_request q = {
        .method = "GET",
        .path = tl_sv_str(
            tl_arena_printf(call->arena, NETSUITE_RECORD "%s/%.*s?expandSubResources=true", r->record, TL_SV_ARG(id))),
        .endpoint = NETSUITE_RECORD,
        .timeout_ms = r->timeout_ms};
    struct http_reply reply;
    struct netsuite_refusal no;
    enum tl_rc rc = netsuite__send(task, call, &q, &reply, err);

    *ret = JSON_NOTHING;
    if (rc != TL_OK)
        return rc;
    no = netsuite__judge(task, call, &reply, true);
    if (tl_sv_eqs(no.code, "NONEXISTENT_ID"))
        return TL_OK;
    if (no.rc != TL_OK)
        return netsuite__fail(&no, err);
    return netsuite__record_of(task, call, &reply, ret, err);
}

struct page {
    struct connector_incoming *records;
    size_t n, rows;
    struct cursor end;
};

int64_t netsuite__read_end(const struct connector_call *call, int64_t lag_ms)
{
    return (tl_clock_wall_ms(connector_clock(call->host)) - lag_ms) / 1000 * 1000;
}

/* Its second is not over. Rows come by their time, so those behind it wait, too. */
static bool must_wait(const struct read *r, struct json row, int64_t end_ms, int64_t *ret_at)
{
    return r->modified && time_of(json_text(json_gets(row, r->modified), TL_SV("")), ret_at) && *ret_at >= end_ms;
}

/* One that is far ahead is in another zone, or our clock is wrong: it may wait for hours. */
static void tell_far(struct connector_call *call, const struct read *r, const char *ahead)
{
    call->remark = tl_sv_str(tl_arena_printf(
        call->arena,
        "what was changed at %s waits until our clock has come so far. Let `%s` be in UTC (SYS_EXTRACT_UTC); if it is, "
        "set the clock of this machine",
        ahead, r->modified));
}

static enum tl_rc take_row(struct task *task, struct connector_call *call, const struct read *r, struct json row,
                           struct page *p, struct tl_err *err)
{
    struct tl_sv key = netsuite__text(call->arena, json_gets(row, r->key)), changed = TL_SV(""), known;
    struct json v = row;
    enum tl_rc rc = TL_OK;

    if (r->modified)
        changed = json_text(json_gets(row, r->modified), TL_SV(""));
    if (key.n == 0 || key.n >= CURSOR || changed.n >= CURSOR)
        return tl_fail(err, TL_CONFIG, "a row has no value in the column `%s`, by which pages are found", r->key);
    if (changed.n == 0) /* the query compares it, so it is never null where it counts */
        changed = tl_sv_str(tl_arena_strdup(call->arena, p->end.modified));
    known = tl_sv_str(tl_arena_printf(call->arena, "%s/%.*s/%.*s", r->kind, TL_SV_ARG(key), TL_SV_ARG(changed)));
    if (r->seen && seen_has(r->seen, known))
        v = JSON_NOTHING;
    else if (r->record)
        rc = whole(task, call, r, key, &v, err);
    if (rc != TL_OK)
        return rc;
    set(p->end.key, key);
    set(p->end.modified, changed);
    if (v.type != JSON_UNDEFINED)
        p->records[p->n++] = (struct connector_incoming){.value = v, .key = known};
    return TL_OK;
}

/* One run of the operation. */
struct run {
    struct cursor at, furthest;
    size_t rows;        /* of the last page, without those that wait */
    int64_t end_ms;     /* what was changed from then on waits */
    char ahead[CURSOR]; /* when one that waits was changed, where that is far from now; empty: none */
};

/* The rows of a page up to the first that waits; not TL_OK: of the one where it breaks off. */
static enum tl_rc take_rows(struct task *task, struct connector_call *call, struct run *run, struct json rows,
                            struct page *p, struct tl_err *err)
{
    const struct read *r = call->prepared;
    enum tl_rc rc = TL_OK;
    int64_t at = 0;

    for (p->rows = 0; p->rows < rows.n && rc == TL_OK; p->rows++) {
        if (must_wait(r, rows.u.items[p->rows], run->end_ms, &at))
            break;
        rc = take_row(task, call, r, rows.u.items[p->rows], p, err);
    }
    if (p->rows < rows.n && at > run->end_ms + r->lag_ms + FAR_MS)
        set(run->ahead, json_view(json_gets(rows.u.items[p->rows], r->modified)));
    return rc;
}

/* What was taken of a page is stored also when the page breaks off. */
static enum tl_rc one_page(struct task *task, struct connector_call *call, struct run *run, struct tl_err *err)
{
    const struct read *r = call->prepared;
    struct page p = {.end = run->at};
    bool comes_forward;
    struct json rows;
    struct tl_err later = {0};
    enum tl_rc rc = netsuite__rows(task, call, r->next, params(call, r, &run->at), r->page, r->timeout_ms, &rows, err),
               broken;

    if (rc != TL_OK)
        return rc;
    p.records = tl_arena_zalloc(call->arena, (rows.n + 1) * sizeof *p.records);
    if (!p.records)
        return tl_fail(err, TL_LIMIT, "the page needs more memory than a call may have");
    broken = take_rows(task, call, run, rows, &p, &later);
    if (broken == TL_CANCELED)
        return broken;
    comes_forward = is_further(&p.end, &run->furthest);
    if (comes_forward)
        run->furthest = p.end;
    if (p.n > 0 || (comes_forward && broken == TL_OK))
        rc = connector_emit(task, call, p.records, p.n, position_text(call, &run->furthest), err);
    if (rc == TL_OK && r->seen)
        seen_add(r->seen, p.records, p.n);
    if (rc == TL_OK && broken != TL_OK && p.n > 0 && tl_rc_class(broken) == TL_CLASS_TRANSIENT) {
        run->at = p.end; /* it came forward: on from there; a record that fails at once ends the run */
        run->rows = (size_t)r->page;
        return TL_OK;
    }
    if (rc == TL_OK && broken != TL_OK) {
        if (err)
            *err = later;
        return broken;
    }
    if (rc == TL_OK && p.rows == (size_t)r->page && !is_further(&p.end, &run->at))
        return tl_fail(err, TL_CONFIG, "the query does not come forward: `%s` must be unique and go up", r->key);
    run->at = p.end;
    run->rows = p.rows;
    return rc;
}

const char *netsuite__read_query(struct connector_call *call, struct json *ret_params)
{
    const struct read *r = call->prepared;
    struct cursor *last = tl_arena_must(call->arena, sizeof *last);

    *last = (struct cursor){.modified = "9999-12-31 23:59:59", .key = "999999999999"};
    *ret_params = params(call, r, last);
    return r->next;
}

enum tl_rc netsuite__read(struct task *task, struct connector_call *call, struct tl_err *err)
{
    const struct read *r = call->prepared;
    struct run *run = tl_arena_must(call->arena, sizeof *run);
    enum tl_rc rc = TL_OK;

    *run = (struct run){.at = {.key = "0"}, .end_ms = netsuite__read_end(call, r->lag_ms)};
    set(r->modified ? run->at.modified : run->at.key, tl_sv_str(r->start));
    if (call->position.n > 0 && !read_position(call, &run->at))
        return tl_fail(err, TL_CONFIG, "the position of this source is not one of NetSuite's");
    run->furthest = run->at;
    if (r->modified && call->position.n > 0 && r->overlap_ms > 0) {
        earlier(run->at.modified, r->overlap_ms);
        set(run->at.key, TL_SV("0"));
    }
    for (int i = 0; i < PAGES && rc == TL_OK && (i == 0 || run->rows == (size_t)r->page); i++) {
        struct connector_scratch scratch = connector_scratch_begin(call);

        rc = one_page(task, call, run, err);
        connector_scratch_end(call, scratch);
    }
    if (rc == TL_OK && r->seen)
        seen_turn(r->seen);
    if (run->ahead[0])
        tell_far(call, r, run->ahead);
    return rc;
}
