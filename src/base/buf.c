/* SPDX-License-Identifier: Apache-2.0 */
/* buf.c - the bounded byte buffer. Invariant: p == NULL, or p[n] == 0 and n < cap. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

void tl_buf_init(struct tl_buf *b, size_t max_bytes)
{
    *b = (struct tl_buf){.max = max_bytes};
}

void tl_buf_done(struct tl_buf *b)
{
    tl_free(b->p);
    *b = (struct tl_buf){.max = b->max};
}

void tl_buf_clear(struct tl_buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = '\0';
}

char *tl_buf_reserve(struct tl_buf *b, size_t n)
{
    size_t need, cap;

    if (b->failed || n > b->max || b->n > b->max - n) {
        b->failed = true;
        return NULL;
    }
    need = b->n + n + 1;
    if (need > b->cap) {
        cap = b->cap ? b->cap * 2 : 256;
        while (cap < need)
            cap *= 2;
        if (cap > b->max + 1)
            cap = b->max + 1;
        b->p = tl_realloc(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->n;
}

void tl_buf_added(struct tl_buf *b, size_t n)
{
    assert(b->n + n < b->cap);
    b->n += n;
    b->p[b->n] = '\0';
}

bool tl_buf_put(struct tl_buf *b, const void *p, size_t n)
{
    char *to = tl_buf_reserve(b, n);

    if (!to)
        return false;
    if (n)
        memcpy(to, p, n);
    tl_buf_added(b, n);
    return true;
}

bool tl_buf_putc(struct tl_buf *b, char c)
{
    return tl_buf_put(b, &c, 1);
}

bool tl_buf_puts(struct tl_buf *b, const char *s)
{
    return tl_buf_put(b, s, strlen(s));
}

bool tl_buf_sv(struct tl_buf *b, struct tl_sv s)
{
    return tl_buf_put(b, s.p, s.n);
}

bool tl_buf_printf(struct tl_buf *b, const char *fmt, ...)
{
    va_list ap;
    char *to;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    to = n < 0 ? NULL : tl_buf_reserve(b, (size_t)n);
    if (!to)
        return false;
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    tl_buf_added(b, (size_t)n);
    return true;
}

void tl_buf_consume(struct tl_buf *b, size_t n)
{
    assert(n <= b->n);
    if (!b->p)
        return;
    memmove(b->p, b->p + n, b->n - n + 1);
    b->n -= n;
}

struct tl_sv tl_buf_view(const struct tl_buf *b)
{
    return tl_sv(b->p ? b->p : "", b->n);
}

char *tl_buf_take(struct tl_buf *b, size_t *ret_n)
{
    char *p = b->p ? b->p : tl_strdup("");

    if (ret_n)
        *ret_n = b->n;
    *b = (struct tl_buf){.max = b->max};
    return p;
}
