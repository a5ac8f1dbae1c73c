/* SPDX-License-Identifier: Apache-2.0 */
/*
 * veil.c - masking: the marked fields of payloads, and in the words of others what those fields hold.
 *
 * A value is found in a text as it stands, as JSON, XML and addresses write it, whatever the case of its letters, and
 * where the text was cut inside of it. What is shorter than four bytes would be found everywhere: two or three are
 * masked where they are a word of their own, one where it stands in quotes.
 */
#include "flow/flow_int.h"

#include "xml/xml.h"

enum {
    VALUES_MAX = 20000,
    LONGEST = 4096, /* a longer value is kept in none of its spellings: then whole texts are hidden */
    ANYWHERE = 4,
    NESTED_MAX = 64 /* some callers have a small stack */
};

struct flow_veil_value {
    struct flow_veil_value *next; /* with the same first letter */
    struct tl_sv text;
};
struct flow_veil_values {
    struct flow_veil_value *first[256];
    size_t n;
    bool all_hidden; /* too many to tell apart */
};

void flow_veil_begin(struct flow_veil *v, struct flow_plan *p, struct tl_arena *a)
{
    *v = (struct flow_veil){.plan = flow_plan_has_pii(p) ? flow_plan_ref(p) : NULL, .arena = a};
}

void flow_veil_end(struct flow_veil *v)
{
    flow_plan_unref(v->plan);
    v->plan = NULL;
}

/* ---- what marked fields hold ---- */
static unsigned char small(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void add(struct flow_veil *v, struct tl_sv text)
{
    struct flow_veil_values *all = v->values;
    struct flow_veil_value *one, **first;

    if (!text.p || text.n == 0) { /* the arena is used up: what cannot be told apart is hidden */
        v->hidden = true;
        return;
    }
    first = &all->first[small(text.p[0])];
    for (one = *first; one; one = one->next)
        if (tl_sv_eq(one->text, text))
            return;
    if (all->n == VALUES_MAX) {
        all->all_hidden = true;
        return;
    }
    one = tl_arena_alloc(v->arena, sizeof *one);
    if (!one) {
        v->hidden = true;
        return;
    }
    *one = (struct flow_veil_value){.next = *first, .text = text};
    *first = one;
    all->n++;
}

static void put_ascii(struct tl_buf *b, struct tl_sv s)
{
    while (s.n) {
        uint32_t c = 0;
        size_t n = tl_utf8_decode(s, &c);

        if (n == 0)
            return;
        if (c < 0x80)
            tl_buf_putc(b, (char)c);
        else if (c < 0x10000)
            (void)tl_buf_printf(b, "\\u%04x", c);
        else
            (void)tl_buf_printf(b, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
        s = tl_sv_from(s, n);
    }
}

/* The same as others write it. */
static void add_written(struct flow_veil *v, struct tl_sv text)
{
    static const char *const apostrophes[] = {"'", "&apos;", "&#39;", "&#x27;"};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv other;

    tl_buf_init(&b, text.n * 12 + 64);
    if (json_write(&b, json_sv(text), 0) && b.n >= 2) {
        other = tl_arena_sv(v->arena, tl_sv(b.p + 1, b.n - 2));
        add(v, other);
        tl_buf_clear(&b);
        put_ascii(&b, other);
        add(v, tl_arena_sv(v->arena, tl_buf_view(&b)));
    }
    tl_buf_clear(&b);
    if (tl_percent_encode(&b, text))
        add(v, tl_arena_sv(v->arena, tl_buf_view(&b)));
    tl_buf_clear(&b);
    xml_escape(&b, text);
    other = tl_arena_sv(v->arena, tl_buf_view(&b));
    for (size_t i = 0; i < TL_COUNT(apostrophes) && !b.failed; i++) {
        tl_buf_clear(&b);
        for (size_t k = 0; k < other.n; k++)
            tl_buf_puts(&b, other.p[k] == '\'' ? apostrophes[i] : (char[]){other.p[k], '\0'});
        add(v, tl_arena_sv(v->arena, tl_buf_view(&b)));
    }
}

static void remember(struct flow_veil *v, struct json value, unsigned depth)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text = TL_SV("");

    if (depth > NESTED_MAX) {
        v->hidden = true;
        return;
    }
    for (uint32_t i = 0; value.type == JSON_OBJECT && i < value.n; i++)
        remember(v, value.u.members[i].value, depth + 1);
    for (uint32_t i = 0; value.type == JSON_ARRAY && i < value.n; i++)
        remember(v, json_at(value, i), depth + 1);
    if (value.type == JSON_STRING) {
        text = tl_sv_trim(json_view(value));
    } else if (json_is_number(value)) {
        tl_buf_init(&b, 64);
        if (json_write(&b, value, 0))
            text = tl_arena_sv(v->arena, tl_buf_view(&b));
    }
    if (text.n == 0)
        return;
    if (!v->values)
        v->values = tl_arena_zalloc(v->arena, sizeof *v->values);
    if (!v->values || text.n > LONGEST) {
        v->hidden = true;
        return;
    }
    add(v, text);
    if (text.n >= ANYWHERE && value.type == JSON_STRING)
        add_written(v, text);
}

/* ---- payloads ---- */
struct veiling {
    struct flow_veil *v;
    struct tl_sv names[FLOW_PII_DEPTH];
    size_t n, depth;
};

static struct json veil(struct veiling *w, struct json value)
{
    struct json_builder b;

    if (value.type != JSON_ARRAY && value.type != JSON_OBJECT)
        return value;
    if (w->depth == NESTED_MAX || w->n == FLOW_PII_DEPTH) { /* deeper than any mark could be told apart */
        w->v->masked = true;
        remember(w->v, value, 0);
        return json_str(FLOW_MASK);
    }
    w->depth++;
    if (value.type == JSON_ARRAY) {
        json_array_begin(&b, w->v->arena, value.n);
        for (uint32_t i = 0; i < value.n; i++)
            json_push(&b, veil(w, json_at(value, i)));
        w->depth--;
        return json_end(&b);
    }
    json_object_begin(&b, w->v->arena, value.n);
    for (uint32_t i = 0; i < value.n; i++) {
        struct json to = value.u.members[i].value;

        w->names[w->n++] = json_view(value.u.members[i].key);
        if (to.type != JSON_NULL && flow__pii_marked(w->v->plan->pii, w->names, w->n)) {
            remember(w->v, to, 0);
            w->v->masked = true;
            to = json_str(FLOW_MASK);
        } else {
            to = veil(w, to);
        }
        w->n--;
        json_add(&b, json_view(value.u.members[i].key), to);
    }
    w->depth--;
    return json_end(&b);
}

struct json flow_veil_json(struct flow_veil *v, struct json value)
{
    struct veiling w = {.v = v};

    return v->plan ? veil(&w, value) : value;
}

/* ---- texts ---- */
static bool in_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* How many bytes of the text at `at` are this value, 0: none. end: of the text, without the dots of a cut. */
static size_t here(struct tl_sv text, size_t at, size_t end, struct tl_sv value)
{
    struct tl_sv left = tl_sv_from(text, at);
    char before = at ? text.p[at - 1] : ' ', after = left.n > value.n ? left.p[value.n] : ' ';

    if (value.n >= ANYWHERE) {
        if (tl_sv_starts_i(left, value))
            return value.n;
        left.n = end > at ? end - at : 0;
        return left.n >= ANYWHERE && left.n < value.n && tl_sv_starts_i(value, left) ? left.n : 0;
    }
    if (!tl_sv_starts(left, value))
        return 0;
    return value.n == 1 ? (is_quote(before) && is_quote(after) ? 1 : 0)
                        : (in_word(before) || in_word(after) ? 0 : value.n);
}

static size_t end_of(struct tl_sv text)
{
    static const char dots[] = "\xe2\x80\xa6";
    size_t n = text.n;

    while (n && text.p[n - 1] == '.')
        n--;
    return n >= 3 && memcmp(text.p + n - 3, dots, 3) == 0 ? n - 3 : n;
}

struct tl_sv flow_veil_text(struct flow_veil *v, struct tl_sv text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    size_t end = end_of(text);
    bool found = false;

    if (!v->plan || text.n == 0 || (!v->values && !v->hidden))
        return text;
    if (v->hidden || v->values->all_hidden) {
        v->masked = true;
        return TL_SV(FLOW_MASK);
    }
    tl_buf_init(&b, 2 * text.n + 64);
    for (size_t at = 0; at < text.n;) {
        size_t most = 0;

        for (const struct flow_veil_value *one = v->values->first[small(text.p[at])]; one; one = one->next) {
            size_t n = here(text, at, end, one->text);

            most = n > most ? n : most;
        }
        if (most) {
            found = true;
            tl_buf_puts(&b, FLOW_MASK);
        } else {
            tl_buf_putc(&b, text.p[at]);
        }
        at += most ? most : 1;
    }
    if (!found)
        return text;
    v->masked = true;
    return b.failed ? TL_SV(FLOW_MASK) : tl_arena_sv(v->arena, tl_buf_view(&b));
}

struct json flow_veil_texts(struct flow_veil *v, struct json value)
{
    struct json_builder b;

    if (!v->plan || (!v->values && !v->hidden))
        return value;
    if (value.type == JSON_STRING)
        return json_sv(flow_veil_text(v, json_view(value)));
    if (value.type == JSON_ARRAY) {
        json_array_begin(&b, v->arena, value.n);
        for (uint32_t i = 0; i < value.n; i++)
            json_push(&b, flow_veil_texts(v, json_at(value, i)));
        return json_end(&b);
    }
    if (value.type != JSON_OBJECT)
        return value;
    json_object_begin(&b, v->arena, value.n);
    for (uint32_t i = 0; i < value.n; i++)
        json_add(&b, json_view(value.u.members[i].key), flow_veil_texts(v, value.u.members[i].value));
    return json_end(&b);
}

struct tl_sv flow__hide(struct flow_plan *p, struct tl_arena *a, const struct json *payloads, size_t n,
                        struct tl_sv text)
{
    struct flow_veil v;

    if (text.n == 0 || !flow_plan_has_pii(p))
        return text;
    flow_veil_begin(&v, p, a);
    for (size_t i = 0; i < n; i++)
        (void)flow_veil_json(&v, payloads[i]);
    text = flow_veil_text(&v, text);
    flow_veil_end(&v);
    return text;
}
