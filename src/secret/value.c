/* SPDX-License-Identifier: Apache-2.0 */
/* value.c - a secret's memory: locked, fenced by guard pages and wiped, as libsodium does it. */
#include <stdlib.h>

#include <sodium.h>

#include "secret/secret_int.h"

struct secret {
    uint32_t refs;
    size_t n;
    char *p;
};

struct secret *secret_new(struct tl_sv value)
{
    struct secret *s = tl_zalloc(sizeof(*s));

    if (sodium_init() < 0)
        abort();
    s->refs = 1;
    s->n = value.n;
    s->p = sodium_malloc(value.n + 1); /* locks where RLIMIT_MEMLOCK allows it */
    if (s->p == NULL)
        abort();
    if (value.n > 0)
        memcpy(s->p, value.p, value.n);
    s->p[value.n] = '\0';
    (void)sodium_mprotect_readonly(s->p);
    return s;
}

struct secret *secret_ref(struct secret *s)
{
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void secret_unref(struct secret *s)
{
    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    sodium_free(s->p); /* wipes */
    tl_free(s);
}

void secret_unrefp(struct secret **s)
{
    secret_unref(*s);
}

struct tl_sv secret_view(const struct secret *s)
{
    return tl_sv(s->p, s->n);
}

void secret__buf_done(struct tl_buf *b)
{
    if (b->p != NULL)
        tl_wipe(b->p, b->cap);
    tl_buf_done(b);
}
