/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read_ranges.c - a large read cut by Id into ranges that are read side by side.
 *
 * What changed before one point of time is cut; what changes after it, while the ranges are read, is read afterwards
 * from that point on, so nothing is missed. A record that changes meanwhile leaves its range and comes with its new
 * state. Each range goes through its Ids in their order, by a position of its own (read.h).
 *
 * Ids are counted up in base 62, so ranges of equal length hold about as many records each. Where they do not (an org
 * that was moved has Ids of two servers), the fullest piece is cut again between its first and its last record. How
 * many a piece has the org counts; so a cut costs some ten calls.
 */
#include "salesforce/read.h"

#include <stdio.h>
#include <stdlib.h>

enum { PREFIX = 3, DIGITS = 12, ID15 = 15, PIECES = 2 * SF_RANGES, ZOOMS = 3 };

__extension__ typedef unsigned __int128 number; /* 12 digits in base 62 have 72 bits */

/* ---- Ids as numbers ---- */
static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static bool number_of(const char *id, number *ret)
{
    number v = 0;

    if (strlen(id) < ID15)
        return false;
    for (int i = PREFIX; i < ID15; i++) {
        const char *d = strchr(digits, id[i]);

        if (!d)
            return false;
        v = v * 62 + (size_t)(d - digits);
    }
    *ret = v;
    return true;
}

static void id_of(const char *like, number v, char out[SF_ID])
{
    memcpy(out, like, PREFIX);
    for (int i = ID15 - 1; i >= PREFIX; i--) {
        out[i] = digits[(unsigned)(v % 62)];
        v /= 62;
    }
    out[ID15] = '\0';
}

/* ---- positions ---- */
struct tl_sv sf_cut_text(struct tl_arena *a, const struct sf_cut *c)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 4096);
    (void)tl_buf_printf(&b, "%s %lld %llx ", c->tag, (long long)c->end_ms, (unsigned long long)c->shape);
    for (size_t i = 0; i <= c->n; i++)
        (void)tl_buf_printf(&b, "%s%s", i ? "," : "", c->bounds[i]);
    return tl_arena_sv(a, tl_buf_view(&b));
}

static bool copy(char *to, size_t size, struct tl_sv from)
{
    if (from.n == 0 || from.n >= size)
        return false;
    memcpy(to, from.p, from.n);
    to[from.n] = '\0';
    return true;
}

bool sf_cut_parse(struct sf_cut *c, struct tl_sv text)
{
    struct tl_sv tag, end, shape, id;
    char hex[20];
    size_t n = 0;

    if (!tl_sv_cut(&text, ' ', &tag) || !tl_sv_cut(&text, ' ', &end) || !tl_sv_cut(&text, ' ', &shape) ||
        !copy(c->tag, sizeof c->tag, tag) || !tl_sv_i64(end, &c->end_ms) || !copy(hex, sizeof hex, shape))
        return false;
    c->shape = strtoull(hex, NULL, 16);
    while (text.n > 0 && tl_sv_cut(&text, ',', &id))
        if (n > SF_RANGES || !copy(c->bounds[n++], SF_ID, id))
            return false;
    c->n = n > 0 ? n - 1 : 0;
    return c->n > 1;
}

struct tl_sv sf_range_position(struct tl_arena *a, const struct sf_range *g)
{
    const char *how = g->done ? "done" : g->at[0] == '\0' ? "" : g->behind ? ">" : "=";

    return tl_sv_str(tl_arena_printf(a, "%s %s%s", g->cut->tag, how, g->done ? "" : g->at));
}

/* Where the range goes on; a position of another cut is none. */
static void begin_range(struct sf_range *g, struct tl_sv position)
{
    struct tl_sv tag = TL_SV("");

    (void)tl_sv_cut(&position, ' ', &tag);
    if (!tl_sv_eqs(tag, g->cut->tag)) {
        if (g->i > 0)
            (void)snprintf(g->at, sizeof g->at, "%s", g->cut->bounds[g->i]);
        return;
    }
    g->done = tl_sv_eqs(position, "done");
    if (g->done || !copy(g->at, sizeof g->at, tl_sv_from(position, 1)))
        return;
    g->behind = position.p[0] == '>';
}

/* ---- one range ---- */
void sf_range_condition(const struct sf_range *g, struct tl_buf *b)
{
    const char *end = g->upto[0] ? g->upto : g->i + 1 < g->cut->n ? g->cut->bounds[g->i + 1] : "";

    if (g->at[0])
        (void)tl_buf_printf(b, " AND Id %s '%s'", g->behind ? ">" : ">=", g->at);
    if (end[0])
        (void)tl_buf_printf(b, " AND Id < '%s'", end);
}

bool sf_range_next(struct sf_range *g)
{
    if (!g->upto[0])
        return false;
    memcpy(g->at, g->upto, sizeof g->at);
    g->behind = false;
    g->upto[0] = '\0';
    return true;
}

bool sf_range_halve(struct sf_range *g)
{
    const char *from = g->at[0] ? g->at : g->cut->bounds[0], *to = g->upto[0] ? g->upto : g->cut->bounds[g->i + 1];
    number low, high;

    if (!number_of(from, &low) || !number_of(to, &high) || high <= low + 1)
        return false;
    id_of(from, low + (high - low) / 2, g->upto);
    return true;
}

static enum tl_rc read_range(struct task *task, struct connector_call *call, size_t i, void *arg, struct tl_err *err)
{
    const struct sf_reading *whole = arg;
    struct sf_reading part = *whole;
    struct sf_range g = {.cut = &whole->cut, .i = i};
    enum tl_rc rc;

    call->endpoint = whole->call->endpoint;
    part.task = task;
    part.call = call;
    part.range = &g;
    begin_range(&g, call->position);
    if (g.done)
        return TL_OK;
    rc = sf_read_pages(&part, err);
    if (rc != TL_OK)
        return rc;
    g.done = true;
    return sf_read_emit(&part, NULL, 0, err);
}

enum sf_next sf_ranges_go_on(struct sf_reading *r, struct tl_err *err)
{
    if (r->cut.shape != sf_read_shape(r)) {
        r->cut.n = 0;
        return SF_NEXT_AGAIN;
    }
    if (sf_read_fields(r, false, false, err) != TL_OK ||
        connector_in_parts(r->task, r->call, r->cut.n, read_range, r, err) != TL_OK)
        return SF_NEXT_FAILED;
    (void)tl_time_format(r->cut.end_ms, r->at.time); /* all before it is read; the next question begins there */
    r->at.id[0] = '\0';
    r->cut.n = 0;
    return sf_read_emit(r, NULL, 0, err) == TL_OK ? SF_NEXT_AGAIN : SF_NEXT_FAILED;
}

/* ---- asking the org, several things at once ---- */
struct thing {
    char more[120];
    char id[SF_ID];
    int64_t n;
};
struct asking {
    const struct sf_reading *r;
    const char *what;
    struct thing *things;
    bool gave_up; /* one took the org too long */
};

static enum tl_rc ask_one(struct task *task, struct connector_call *call, size_t i, void *arg, struct tl_err *err)
{
    struct asking *q = arg;
    struct thing *t = &q->things[i];
    struct sf_reading part = *q->r;
    struct sf_reply reply;
    struct tl_sv id;
    enum tl_rc rc;

    call->endpoint = q->r->call->endpoint;
    part.task = task;
    part.call = call;
    rc = sf_read_ask(&part, q->what, t->more, q->r->cut.end_ms, &reply, err);
    if (rc != TL_OK &&
        tl_sv_eqs(json_text(json_gets(sf_first_error(reply.body), "errorCode"), TL_SV("")), "QUERY_TIMEOUT")) {
        q->gave_up = true;
        return TL_OK;
    }
    if (rc != TL_OK)
        return rc;
    (void)json_int64(json_gets(reply.body, "totalSize"), &t->n);
    id = json_text(json_gets(json_at(json_gets(reply.body, "records"), 0), "Id"), TL_SV(""));
    if (id.n < sizeof t->id)
        (void)snprintf(t->id, sizeof t->id, "%.*s", TL_SV_ARG(id));
    return TL_OK;
}

/* ---- cutting ---- */
struct piece {
    number from;
    int64_t n;
};
struct cutting {
    struct sf_reading *r;
    char like[SF_ID]; /* an Id of the object: its first three characters are all the Ids' */
    struct piece pieces[PIECES * (ZOOMS + 1)];
    size_t n;
    struct thing things[PIECES];
    struct tl_err *err;
};

static enum sf_next ask_all(struct cutting *c, const char *what, size_t n)
{
    struct asking q = {.r = c->r, .what = what, .things = c->things};

    if (connector_in_parts(c->r->task, c->r->call, n, ask_one, &q, c->err) != TL_OK)
        return SF_NEXT_FAILED;
    return q.gave_up ? SF_NEXT_AGAIN : SF_NEXT_DONE;
}

/* " AND Id ..." of the piece; the first is open below and the last above. */
static void between(const struct cutting *c, size_t i, const char *order, char out[120])
{
    char from[SF_ID], to[SF_ID];

    id_of(c->like, c->pieces[i].from, from);
    if (i + 1 < c->n)
        id_of(c->like, c->pieces[i + 1].from, to);
    (void)snprintf(out, 120, "%s%s%s%s%s%s%s", i > 0 ? " AND Id >= '" : "", i > 0 ? from : "", i > 0 ? "'" : "",
                   i + 1 < c->n ? " AND Id < '" : "", i + 1 < c->n ? to : "", i + 1 < c->n ? "'" : "", order);
}

static enum sf_next edges(struct cutting *c, size_t i, number *ret_low, number *ret_high)
{
    enum sf_next next;

    between(c, i, " ORDER BY Id LIMIT 1", c->things[0].more);
    between(c, i, " ORDER BY Id DESC LIMIT 1", c->things[1].more);
    c->things[0].id[0] = c->things[1].id[0] = '\0';
    next = ask_all(c, "Id", 2);
    if (next != SF_NEXT_DONE)
        return next;
    if (!number_of(c->things[0].id, ret_low) || !number_of(c->things[1].id, ret_high) ||
        strncmp(c->things[0].id, c->things[1].id, PREFIX) != 0 || *ret_high <= *ret_low + 1)
        return SF_NEXT_AGAIN;
    memcpy(c->like, c->things[0].id, sizeof c->like);
    return SF_NEXT_DONE;
}

/* Piece i becomes several, counted. */
static enum sf_next cut_piece(struct cutting *c, size_t i, size_t into, number *ret_low, number *ret_high)
{
    number step;
    enum sf_next next = edges(c, i, ret_low, ret_high);

    if (next != SF_NEXT_DONE)
        return next;
    step = (*ret_high - *ret_low) / into + 1;
    memmove(c->pieces + i + into, c->pieces + i + 1, (c->n - i - 1) * sizeof *c->pieces);
    c->n += into - 1;
    for (size_t k = 1; k < into; k++)
        c->pieces[i + k] = (struct piece){.from = *ret_low + k * step};
    for (size_t k = 0; k < into; k++)
        between(c, i + k, "", c->things[k].more);
    next = ask_all(c, "COUNT()", into);
    for (size_t k = 0; k < into; k++)
        c->pieces[i + k].n = c->things[k].n;
    return next;
}

static size_t fullest(const struct cutting *c, int64_t *ret_all)
{
    size_t most = 0;

    *ret_all = 0;
    for (size_t i = 0; i < c->n; i++) {
        *ret_all += c->pieces[i].n;
        most = c->pieces[i].n > c->pieces[most].n ? i : most;
    }
    return most;
}

/* Bounds nearest to where so many shares of what there is are below. */
static void choose(const struct cutting *c, size_t ranges, int64_t all, struct sf_cut *cut)
{
    int64_t below = 0;

    cut->n = 1;
    for (size_t i = 0; i < c->n; i++) {
        int64_t middle = below + c->pieces[i].n / 2;

        if (i > 0 && cut->n < ranges && middle * (int64_t)ranges >= all * (int64_t)cut->n)
            id_of(c->like, c->pieces[i].from, cut->bounds[cut->n++]);
        below += c->pieces[i].n;
    }
}

static enum sf_next cut(struct cutting *c)
{
    struct sf_cut *to = &c->r->cut;
    size_t ranges = (size_t)c->r->conf->ranges, most = 0, into = 2 * ranges;
    number low, high, a, b;
    int64_t all;
    enum sf_next next;

    c->n = 1;
    next = cut_piece(c, 0, into, &low, &high);
    for (int i = 0; i < ZOOMS && next == SF_NEXT_DONE; i++) {
        size_t before = c->n;

        most = fullest(c, &all);
        if (c->pieces[most].n * (int64_t)ranges <= all)
            break;
        next = cut_piece(c, most, into, &a, &b);
        if (next == SF_NEXT_AGAIN && c->n == before) { /* it cannot be cut: as it is, then */
            next = SF_NEXT_DONE;
            break;
        }
    }
    if (next != SF_NEXT_DONE)
        return next;
    (void)fullest(c, &all);
    choose(c, ranges, all, to);
    id_of(c->like, low, to->bounds[0]);
    id_of(c->like, high, to->bounds[to->n]);
    return to->n > 1 ? SF_NEXT_DONE : SF_NEXT_AGAIN;
}

enum sf_next sf_ranges_start(struct sf_reading *r, struct tl_err *err)
{
    struct cutting *c = tl_zalloc(sizeof *c);
    enum sf_next next;

    r->cut = (struct sf_cut){.end_ms = sf_read_end(r), .shape = sf_read_shape(r)};
    (void)snprintf(r->cut.tag, sizeof r->cut.tag, "%016llx", (unsigned long long)tl_random_u64());
    c->r = r;
    c->err = err;
    next = cut(c);
    tl_free(c);
    if (next != SF_NEXT_DONE) {
        r->cut.n = 0;
        r->whole = true; /* on by pages */
        return next;
    }
    return sf_read_emit(r, NULL, 0, err) == TL_OK ? sf_ranges_go_on(r, err) : SF_NEXT_FAILED;
}
