/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.c - no credentials of a call in what is told or kept of it: some systems repeat what they were sent, in errors
 * and in answers alike.
 */
#include "connector/connector_int.h"

#include <stdio.h>

enum { SECRET_MIN = 4 };

/* ---- masks ---- */

void connector__hide(struct connector_call *call, struct tl_sv value)
{
    struct connector_view *v = call->view;

    if (!v || value.n < SECRET_MIN || v->n_masks == CONNECTOR_MASKS)
        return;
    for (size_t i = 0; i < v->n_masks; i++)
        if (tl_sv_eq(v->masks[i], value))
            return;
    v->masks[v->n_masks++] = value;
}

void connector__plain(struct connector_call *call, struct tl_sv value)
{
    struct connector_view *v = call->view;

    if (v && v->n_plain < CONNECTOR_PLAIN)
        v->plain[v->n_plain++] = value;
}

/* How a text is looked through. */
struct look {
    const struct connector_view *view;
    size_t least;      /* shorter values stay */
    uint64_t first[4]; /* a bit for each byte that a value which counts begins with */
    bool names;        /* hide what a name says is a secret, too */
    bool cut;          /* more stood behind the end: what a value begins with is that value there */
};

/* least 0: in words, of which names tell too; else in data. */
static struct look look_for(const struct connector_view *view, size_t least)
{
    struct look k = {.view = view, .least = least, .names = least == 0};

    for (size_t i = 0; view && i < view->n_masks; i++) {
        uint8_t c = (uint8_t)view->masks[i].p[0];

        if (view->masks[i].n >= least)
            k.first[c / 64] |= UINT64_C(1) << c % 64;
    }
    return k;
}

static bool finds_values(const struct look *k)
{
    return k->first[0] || k->first[1] || k->first[2] || k->first[3];
}

/* The longest value that stands at the beginning of s; 0: none. */
static size_t masked(const struct look *k, struct tl_sv s)
{
    size_t n = 0;

    if (!(k->first[(uint8_t)s.p[0] / 64] >> (uint8_t)s.p[0] % 64 & 1))
        return 0;
    for (size_t i = 0; i < k->view->n_masks; i++) {
        struct tl_sv m = k->view->masks[i];

        if (m.n < k->least || m.p[0] != s.p[0])
            continue;
        if (m.n > n && tl_sv_starts(s, m))
            n = m.n;
        else if (k->cut && s.n < m.n && s.n > n && tl_sv_starts(m, s))
            n = s.n;
    }
    return n;
}

/* What names a secret that we have not seen: theirs, in a link that they signed or a token that they gave. */
static size_t secret_name(struct tl_sv s)
{
    static const char *const names[] = {"access_token",     "refresh_token",
                                        "id_token",         "client_secret",
                                        "client_assertion", "session_token",
                                        "password",         "api_key",
                                        "apikey",           "secret",
                                        "signature",        "sig",
                                        "x-amz-signature",  "x-amz-security-token",
                                        "x-goog-signature", "authorization",
                                        "accessToken",      "refreshToken",
                                        "sessionId",        "token"};
    size_t n = 0;

    for (size_t i = 0; s.n > 0 && i < TL_COUNT(names); i++)
        if ((names[i][0] | 0x20) == (s.p[0] | 0x20) && strlen(names[i]) > n && tl_sv_starts_i(s, tl_sv_str(names[i])))
            n = strlen(names[i]);
    return n;
}

static size_t blanks(struct tl_sv s)
{
    size_t n = 0;

    while (n < s.n && (s.p[n] == ' ' || s.p[n] == '\t' || s.p[n] == '\n' || s.p[n] == '\r'))
        n++;
    return n;
}

/* `sig=...` of a URL's query or a form, `"token": "..."` of JSON. *ret_head: how much of it stands before the value. */
static size_t named(struct tl_sv s, char before, size_t *ret_head)
{
    bool json = s.n > 0 && s.p[0] == '"';
    size_t at = json ? 1 : 0, n;

    if (!(json || before == '?' || before == '&' || before == ';' || before == '\0'))
        return 0;
    n = secret_name(tl_sv_from(s, at));
    if (n == 0)
        return 0;
    at += n;
    if (json) {
        if (at >= s.n || s.p[at] != '"')
            return 0;
        at += 1 + blanks(tl_sv_from(s, at + 1));
        if (at >= s.n || s.p[at] != ':')
            return 0;
        at += 1 + blanks(tl_sv_from(s, at + 1));
    }
    if (at >= s.n || s.p[at] != (json ? '"' : '='))
        return 0;
    *ret_head = ++at;
    while (at < s.n && (json ? s.p[at] != '"' : strchr("&;\"'<>#\\ \t\r\n", s.p[at]) == NULL))
        at += json && s.p[at] == '\\' && at + 1 < s.n ? 2 : 1;
    return at;
}

/* What is to be hidden at i: its length, and how much before it stays. 0: nothing. */
static size_t hidden(const struct look *k, struct tl_sv text, size_t i, size_t *ret_head)
{
    size_t n = masked(k, tl_sv_from(text, i));

    *ret_head = 0;
    if (n > 0 || !k->names)
        return n;
    return named(tl_sv_from(text, i), i > 0 ? text.p[i - 1] : '\0', ret_head);
}

static struct tl_sv look_through(struct tl_arena *a, const struct look *k, struct tl_sv text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    size_t first = 0, head;
    struct tl_sv copy;

    while (first < text.n && hidden(k, text, first, &head) == 0)
        first++;
    if (first == text.n)
        return text;
    tl_buf_init(&b, text.n * 4 + 1);
    tl_buf_sv(&b, tl_sv(text.p, first));
    for (size_t i = first; i < text.n;) {
        size_t n = hidden(k, text, i, &head);

        if (n == 0) {
            tl_buf_putc(&b, text.p[i++]);
            continue;
        }
        tl_buf_sv(&b, tl_sv(text.p + i, head));
        tl_buf_puts(&b, "***");
        i += n;
    }
    copy = tl_arena_sv(a, tl_buf_view(&b));
    return copy.p ? copy : TL_SV("***");
}

struct tl_sv connector_mask(struct connector_call *call, struct tl_sv text)
{
    const struct look k = look_for(call->view, 0);

    return look_through(call->arena, &k, text);
}

struct tl_sv connector_mask_cut(struct connector_call *call, struct tl_sv text, size_t max)
{
    struct look k = look_for(call->view, 0);

    k.cut = text.n >= max;
    return look_through(call->arena, &k, tl_sv(text.p, text.n < max ? text.n : max));
}

/* ---- what stays of a call ---- */

/* Records and what a step made of an answer go on to others, so that only what is no word by chance is hidden. */
enum { DATA_LEAST = 16 };

static bool clean_children(struct tl_arena *a, const struct look *k, struct json *v);

/* True: *v is another one now. Each value is looked at once, however deep it lies. */
static bool clean(struct tl_arena *a, const struct look *k, struct json *v)
{
    struct tl_sv text;

    if (v->type == JSON_OBJECT || v->type == JSON_ARRAY)
        return clean_children(a, k, v);
    if (v->type != JSON_STRING)
        return false;
    text = look_through(a, k, json_view(*v));
    if (text.p == v->u.s)
        return false;
    *v = json_sv(text);
    return true;
}

static bool clean_children(struct tl_arena *a, const struct look *k, struct json *v)
{
    struct json *child = NULL; /* from the first one on that is another now */
    struct json_builder b;

    for (uint32_t i = 0; i < v->n; i++) {
        struct json c = v->type == JSON_OBJECT ? v->u.members[i].value : v->u.items[i];

        if (!clean(a, k, &c) && !child)
            continue;
        if (!child) {
            child = tl_arena_must(a, v->n * sizeof *child);
            for (uint32_t before = 0; before < i; before++)
                child[before] = v->type == JSON_OBJECT ? v->u.members[before].value : v->u.items[before];
        }
        child[i] = c;
    }
    if (!child)
        return false;
    if (v->type == JSON_OBJECT)
        json_object_begin(&b, a, v->n);
    else
        json_array_begin(&b, a, v->n);
    for (uint32_t i = 0; i < v->n; i++)
        (void)(v->type == JSON_OBJECT ? json_add(&b, json_view(v->u.members[i].key), child[i])
                                      : json_push(&b, child[i]));
    *v = json_end(&b);
    return true;
}

static bool clean_text(struct tl_arena *a, const struct look *k, struct tl_sv *text)
{
    struct tl_sv other = look_through(a, k, *text);
    bool is_other = other.p != text->p;

    *text = other;
    return is_other;
}

static void clean_xrefs(struct connector_call *call, const struct look *k, struct connector_verdict *v)
{
    struct connector_xref *x = v->n_xrefs ? tl_arena_alloc(call->arena, v->n_xrefs * sizeof *x) : NULL;

    if (!x) {
        v->n_xrefs = 0;
        return;
    }
    for (size_t i = 0; i < v->n_xrefs; i++) {
        x[i] = v->xrefs[i];
        x[i].here = look_through(call->arena, k, x[i].here);
        x[i].there = look_through(call->arena, k, x[i].there);
    }
    v->xrefs = x;
}

static void clean_call(void *arg)
{
    struct connector_call *call = arg;
    const struct look words = look_for(call->view, 0), data = look_for(call->view, DATA_LEAST);

    for (size_t i = 0; call->verdicts && i < call->n; i++) {
        struct connector_verdict *v = &call->verdicts[i];

        v->text = look_through(call->arena, &words, v->text);
        v->shown = look_through(call->arena, &words, v->answer);
        v->answer = look_through(call->arena, &data, v->answer);
        if (v->n_xrefs)
            clean_xrefs(call, &data, v);
    }
    call->job = look_through(call->arena, &words, call->job);
    call->remark = look_through(call->arena, &words, call->remark);
    if (finds_values(&data))
        (void)clean(call->arena, &data, &call->output);
}

enum tl_rc connector_run(struct task *task, struct connector_call *call, connector_fn *fn, struct tl_err *err)
{
    enum tl_rc rc = fn(task, call, err);
    struct tl_sv text;

    task_on_main_stack(task, clean_call, call);
    if (rc == TL_OK || !err)
        return rc;
    text = connector_mask_cut(call, tl_sv_str(err->text), sizeof err->text - 1);
    if (text.p != err->text)
        (void)snprintf(err->text, sizeof err->text, "%.*s", TL_SV_ARG(text));
    return rc;
}

struct cleaning {
    struct connector_call *call;
    const struct connector_incoming *records;
    size_t n;
    struct look data;
};

static void clean_records(void *arg)
{
    struct cleaning *c = arg;
    struct tl_arena *a = c->call->arena;
    const struct look *k = &c->data;
    struct connector_incoming *copy = NULL;

    for (size_t i = 0; i < c->n; i++) {
        struct connector_incoming r = c->records[i];
        bool changed = clean(a, k, &r.value);

        changed = clean(a, k, &r.headers) || changed;
        changed = clean_text(a, k, &r.key) || changed;
        changed = clean_text(a, k, &r.order_by) || changed;
        if (!changed)
            continue;
        if (!copy) {
            copy = tl_arena_must(a, c->n * sizeof *copy);
            memcpy(copy, c->records, c->n * sizeof *copy);
        }
        copy[i] = r;
    }
    if (copy)
        c->records = copy;
}

const struct connector_incoming *connector__clean_records(struct task *task, struct connector_call *call,
                                                          const struct connector_incoming *records, size_t n)
{
    struct cleaning c = {call, records, n, look_for(call->view, DATA_LEAST)};

    if (n > 0 && finds_values(&c.data))
        task_on_main_stack(task, clean_records, &c);
    return c.records;
}
