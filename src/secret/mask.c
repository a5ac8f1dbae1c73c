/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mask.c - find known secrets in texts that people or disks will see.
 * Patterns are kept in buckets by their first byte, longest first, so that a text is looked through once.
 */
#include <stdlib.h>

#include "secret/secret_int.h"

enum { LEAST = 6, MOST = 1024 }; /* a pattern costs four memory mappings, of which a process has 65,530 */

struct pattern {
    struct secret *text;
    uint64_t order;
};

struct secret_masks {
    struct bucket {
        struct pattern *v;
        size_t n;
    } buckets[256];
    size_t n;
    uint64_t order;
};

struct secret_masks *secret__masks_new(void)
{
    return tl_zalloc(sizeof(struct secret_masks));
}

void secret__masks_free(struct secret_masks *m)
{
    if (m == NULL)
        return;
    for (size_t i = 0; i < TL_COUNT(m->buckets); i++) {
        for (size_t k = 0; k < m->buckets[i].n; k++)
            secret_unref(m->buckets[i].v[k].text);
        tl_free(m->buckets[i].v);
    }
    tl_free(m);
}

static int longest_first(const void *a, const void *b)
{
    size_t x = secret_view(((const struct pattern *)a)->text).n, y = secret_view(((const struct pattern *)b)->text).n;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Forget the oldest pattern of all: tokens come and go, the memory stays bounded. */
static void drop_oldest(struct secret_masks *m)
{
    struct bucket *from = NULL;
    size_t at = 0;

    for (size_t i = 0; i < TL_COUNT(m->buckets); i++) {
        for (size_t k = 0; k < m->buckets[i].n; k++) {
            if (from == NULL || m->buckets[i].v[k].order < from->v[at].order) {
                from = &m->buckets[i];
                at = k;
            }
        }
    }
    secret_unref(from->v[at].text);
    memmove(&from->v[at], &from->v[at + 1], (from->n - at - 1) * sizeof(*from->v));
    from->n--;
    m->n--;
}

static void add(struct secret_masks *m, struct tl_sv s)
{
    struct bucket *b;

    if (s.n < LEAST)
        return;
    b = &m->buckets[(uint8_t)s.p[0]];
    for (size_t i = 0; i < b->n; i++) {
        if (tl_sv_eq(secret_view(b->v[i].text), s)) {
            b->v[i].order = ++m->order;
            return;
        }
    }
    if (m->n == MOST)
        drop_oldest(m);
    b->v = tl_reallocarray(b->v, b->n + 1, sizeof(*b->v));
    b->v[b->n++] = (struct pattern){secret_new(s), ++m->order};
    m->n++;
    qsort(b->v, b->n, sizeof(*b->v), longest_first);
}

void secret__masks_add(struct secret_masks *m, struct tl_sv value)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf b = {0};
    struct tl_sv trimmed = tl_sv_trim(value);

    tl_buf_init(&b, 4 * SECRET_MAX_VALUE);
    add(m, trimmed);
    if (trimmed.n < LEAST)
        return;
    if (tl_percent_encode(&b, trimmed) && b.n != trimmed.n)
        add(m, tl_buf_view(&b));
    tl_buf_clear(&b);
    if (tl_base64_encode(&b, trimmed.p, trimmed.n)) {
        while (b.n > 0 && b.p[b.n - 1] == '=')
            b.n--;
        /* The last characters depend on what follows the value: leave them out of the search. */
        add(m, tl_sv(b.p, trimmed.n / 3 * 4));
    }
    tl_buf_clear(&b);
    if (tl_utf8_valid(trimmed) == trimmed.n && json_write(&b, json_sv(trimmed), 0) && b.n != trimmed.n + 2)
        add(m, tl_sv(b.p + 1, b.n - 2));
}

/* How much of the rest is this value; what it begins with counts at a cut. */
static size_t value_at(struct tl_sv value, struct tl_sv rest, bool cut)
{
    if (value.n <= rest.n)
        return tl_sv_starts(rest, value) ? value.n : 0;
    return cut && tl_sv_starts(value, rest) ? rest.n : 0;
}

bool secret__masks_apply(const struct secret_masks *m, struct tl_buf *text, bool cut)
{
    struct tl_buf out;
    bool any = false;

    if (m->n == 0 || text->n == 0)
        return false;
    tl_buf_init(&out, text->max + 3);
    for (size_t i = 0; i < text->n;) {
        const struct bucket *b = &m->buckets[(uint8_t)text->p[i]];
        size_t hit = 0;

        for (size_t k = 0; k < b->n && hit == 0; k++)
            hit = value_at(secret_view(b->v[k].text), tl_sv(text->p + i, text->n - i), cut);
        if (hit > 0)
            tl_buf_puts(&out, "***");
        else
            tl_buf_putc(&out, text->p[i]);
        any = any || hit > 0;
        i += hit > 0 ? hit : 1;
    }
    if (any) { /* "***" is shorter than any pattern, so it fits; a shorter rest at the cut loses a star or two */
        tl_wipe(text->p, text->n);
        tl_buf_clear(text);
        tl_buf_sv(text, tl_sv(out.p, out.n < text->max ? out.n : text->max));
    }
    secret__buf_done(&out);
    return any;
}
