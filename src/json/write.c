/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.c - values to text, without recursion. The cursor writes straight into the buffer's memory; room is asked for
 * once a string or number, in growing steps.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "json/json_int.h"
#include "json/scan.h"

struct frame {
    struct json v;
    const struct json_member **sorted; /* heap; NULL: in the order they are */
    uint32_t i;
    bool any; /* something was written: a comma is due */
};

struct writer {
    struct tl_buf *b;
    char *o, *end;
    struct frame *stack;
    size_t depth, cap;
    unsigned flags;
};

static bool __attribute__((noinline)) more_room(struct writer *w, size_t need)
{
    size_t step, left;

    if (w->o)
        tl_buf_added(w->b, (size_t)(w->o - w->b->p) - w->b->n);
    left = w->b->max > w->b->n ? w->b->max - w->b->n : 0;
    step = w->b->n + 1024;
    if (step < need)
        step = need;
    if (step > left)
        step = left < need ? need : left; /* past the limit: let the buffer refuse and remember it */
    w->o = tl_buf_reserve(w->b, step);
    if (!w->o)
        return false;
    w->end = w->o + step;
    return true;
}

static inline bool room(struct writer *w, size_t need)
{
    return TL_LIKELY((size_t)(w->end - w->o) >= need) || more_room(w, need);
}

/* ---- strings ---- */

static char *put_u(char *o, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";

    *o++ = '\\';
    *o++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *o++ = hex[unit >> shift & 15];
    return o;
}

static char *put_escape(char *o, uint8_t c)
{
    static const char short_forms[] = "\bb\ff\nn\rr\tt\"\"\\\\";

    for (size_t i = 0; i < sizeof(short_forms) - 1; i += 2) {
        if ((uint8_t)short_forms[i] == c) {
            *o++ = '\\';
            *o++ = short_forms[i + 1];
            return o;
        }
    }
    return put_u(o, c);
}

/* One character above 0x7f at p, copied or escaped to *o. A surrogate's three bytes are always escaped. */
static const char *put_wide(unsigned flags, const char *p, const char *end, char **o)
{
    uint32_t cp = 0;
    size_t n = tl_utf8_decode(tl_sv(p, (size_t)(end - p)), &cp);

    if (n == 0 && end - p >= 3 && (uint8_t)p[0] == 0xed && (uint8_t)p[1] >= 0xa0) {
        cp = 0xd000u | ((uint32_t)(uint8_t)p[1] & 0x3f) << 6 | ((uint32_t)(uint8_t)p[2] & 0x3f);
        *o = put_u(*o, cp);
        return p + 3;
    }
    if (n == 0) { /* not UTF-8: a value that did not come from our parser */
        *o = put_u(*o, 0xfffd);
        return p + 1;
    }
    if (flags & JSON_WRITE_ASCII || (flags & JSON_WRITE_TERMINAL && tl_utf8_steers(cp))) {
        if (cp >= 0x10000) {
            *o = put_u(*o, 0xd800 + ((cp - 0x10000) >> 10));
            cp = 0xdc00 + ((cp - 0x10000) & 0x3ff);
        }
        *o = put_u(*o, cp);
    } else {
        memcpy(*o, p, n);
        *o += n;
    }
    return p + n;
}

static bool put_text(struct writer *w, struct tl_sv s)
{
    if (!room(w, s.n))
        return false;
    if (s.n > 0)
        memcpy(w->o, s.p, s.n);
    w->o += s.n;
    return true;
}

static bool __attribute__((noinline)) careful_string(struct writer *w, struct tl_sv s)
{
    const char *p = s.p ? s.p : "", *end = p + s.n;

    if (!put_text(w, TL_SV("\"")))
        return false;
    while (p < end) {
        const char *run = json_scan(p, end);
        char special[16], *o = special;

        if (!put_text(w, tl_sv(p, (size_t)(run - p))))
            return false;
        p = run;
        if (p == end)
            break;
        if ((uint8_t)*p >= 0x80)
            p = put_wide(w->flags, p, end, &o);
        else
            o = put_escape(o, (uint8_t)*p++);
        if (!put_text(w, tl_sv(special, (size_t)(o - special))))
            return false;
    }
    return put_text(w, TL_SV("\""));
}

static inline bool put_string(struct writer *w, const struct json *v)
{
    uint8_t wanted = w->flags & JSON_WRITE_ASCII ? JSON_F_PLAIN | JSON_F_ASCII : JSON_F_PLAIN;
    size_t n = v->n;

    if (TL_UNLIKELY((v->flags & wanted) != wanted || (w->flags & (JSON_WRITE_ASCII | JSON_WRITE_TERMINAL))))
        return careful_string(w, json_view(*v));
    if (!room(w, n + 2))
        return false;
    *w->o++ = '"';
    if (n > 0)
        memcpy(w->o, v->u.s, n);
    w->o += n;
    *w->o++ = '"';
    return true;
}

/* ---- scalars ---- */

static bool put_number(struct writer *w, const struct json *v)
{
    bool as_double = v->type == JSON_DOUBLE || (w->flags & JSON_WRITE_JS_NUMBERS);
    char text[32];

    if (!as_double && v->type == JSON_DECIMAL)
        return put_text(w, json_view(*v));
    if (v->type == JSON_INT && (!as_double || (v->u.i < (1LL << 53) && v->u.i > -(1LL << 53))))
        return put_text(w, tl_sv(text, json_format_int(v->u.i, text)));
    return put_text(w, tl_sv(text, json_format_double(json_number(*v), text)));
}

static bool put_scalar(struct writer *w, const struct json *v)
{
    switch ((enum json_type)v->type) {
    case JSON_BOOL:
        return put_text(w, v->u.b ? TL_SV("true") : TL_SV("false"));
    case JSON_INT:
    case JSON_DOUBLE:
    case JSON_DECIMAL:
        return put_number(w, v);
    case JSON_STRING:
        return put_string(w, v);
    case JSON_UNDEFINED:
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
    case JSON_EXT:
        break;
    }
    return put_text(w, TL_SV("null"));
}

/* ---- containers ---- */

static int by_name(const void *a, const void *b)
{
    const struct json_member *const *x = a, *const *y = b;

    return tl_sv_cmp(json_view((*x)->key), json_view((*y)->key));
}

static bool open_frame(struct writer *w, const struct json *v)
{
    struct frame *f;

    if (w->depth == JSON_DEPTH_MAX) {
        w->b->failed = true;
        return false;
    }
    if (w->depth == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 16;
        w->stack = tl_reallocarray(w->stack, w->cap, sizeof(*w->stack));
    }
    f = &w->stack[w->depth++];
    *f = (struct frame){.v = *v};
    if ((w->flags & JSON_WRITE_SORTED) && v->type == JSON_OBJECT && v->n > 1) {
        f->sorted = tl_reallocarray(NULL, v->n, sizeof(struct json_member *));
        for (uint32_t i = 0; i < v->n; i++)
            f->sorted[i] = &v->u.members[i];
        qsort(f->sorted, v->n, sizeof(f->sorted[0]), by_name);
    }
    if (!room(w, 1))
        return false;
    *w->o++ = v->type == JSON_OBJECT ? '{' : '[';
    return true;
}

static bool new_line(struct writer *w, size_t depth)
{
    if (!(w->flags & JSON_WRITE_INDENT))
        return true;
    if (!room(w, depth * 2 + 1))
        return false;
    *w->o++ = '\n';
    memset(w->o, ' ', depth * 2);
    w->o += depth * 2;
    return true;
}

static bool close_frame(struct writer *w)
{
    struct frame *f = &w->stack[w->depth - 1];
    bool ok = !f->any || new_line(w, w->depth - 1);

    tl_free(f->sorted);
    w->depth--;
    if (!ok || !room(w, 1))
        return false;
    *w->o++ = f->v.type == JSON_OBJECT ? '}' : ']';
    return true;
}

/* What stands before the next item or member: comma, line break, name and colon. */
static inline bool put_lead(struct writer *w, struct frame *f, const struct json *key)
{
    if (!room(w, 1))
        return false;
    if (f->any)
        *w->o++ = ',';
    f->any = true;
    if (!new_line(w, w->depth))
        return false;
    if (!key)
        return true;
    if (!put_string(w, key) || !room(w, 2))
        return false;
    *w->o++ = ':';
    if (w->flags & JSON_WRITE_INDENT)
        *w->o++ = ' ';
    return true;
}

/* The next value of the innermost container, its lead written; NULL at its end, false in *ok at the limit. */
static inline const struct json *next_value(struct writer *w, bool *ok)
{
    struct frame *f = &w->stack[w->depth - 1];
    const struct json_member *m;

    if (f->v.type == JSON_ARRAY) {
        if (f->i == f->v.n)
            return NULL;
        *ok = put_lead(w, f, NULL);
        return &f->v.u.items[f->i++];
    }
    while (f->i < f->v.n) {
        m = f->sorted ? f->sorted[f->i] : &f->v.u.members[f->i];
        f->i++;
        if (m->value.type == JSON_UNDEFINED || m->value.type == JSON_EXT)
            continue;
        *ok = put_lead(w, f, &m->key);
        return &m->value;
    }
    return NULL;
}

static bool write_value(struct writer *w, const struct json *v)
{
    bool ok = true;

    for (;;) {
        if (v->type == JSON_ARRAY || v->type == JSON_OBJECT)
            ok = open_frame(w, v);
        else
            ok = put_scalar(w, v);
        for (;;) {
            if (!ok)
                return false;
            if (w->depth == 0)
                return true;
            v = next_value(w, &ok);
            if (v && !ok)
                return false;
            if (v)
                break;
            ok = close_frame(w);
        }
    }
}

bool json_write(struct tl_buf *b, struct json v, unsigned flags)
{
    struct writer w = {.b = b, .flags = flags};
    bool ok;

    if (v.type == JSON_UNDEFINED || v.type == JSON_EXT)
        return !b->failed;
    ok = !b->failed && write_value(&w, &v);
    while (w.depth > 0)
        tl_free(w.stack[--w.depth].sorted);
    tl_free(w.stack);
    if (ok)
        tl_buf_added(b, (size_t)(w.o - b->p) - b->n);
    return ok;
}

void json_complain(const char *code, const char *message, const char *name, struct json more)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder inner, outer;

    json_object_begin(&inner, a, 3);
    (void)json_adds(&inner, "code", json_str(code));
    (void)json_adds(&inner, "message", json_str(message));
    if (name)
        (void)json_adds(&inner, name, more);
    json_object_begin(&outer, a, 1);
    (void)json_adds(&outer, "error", json_end(&inner));
    tl_buf_init(&b, 1 << 20);
    (void)json_write(&b, json_end(&outer), JSON_WRITE_TERMINAL);
    fprintf(stderr, "%.*s\n", TL_SV_ARG(tl_buf_view(&b)));
}
