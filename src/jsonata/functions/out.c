/* SPDX-License-Identifier: Apache-2.0 */
/* out.c - a text under construction, at the end of the arena where it can grow in place. */
#include "jsonata/functions/functions_int.h"

/* json.n has 32 bits. */
#define OUT_MAX ((size_t)UINT32_MAX - 64)

void jsonata_out_begin(struct jsonata_out *o, struct jsonata_eval *e, size_t expected)
{
    *o = (struct jsonata_out){.e = e, .ascii = true};
    if (expected)
        (void)jsonata_out_room(o, expected);
}

char *jsonata_out_room(struct jsonata_out *o, size_t n)
{
    if (n <= o->cap - o->n)
        return o->p + o->n;
    if (o->failed)
        return NULL;
    size_t need = n > OUT_MAX - o->n ? 0 : o->n + n;
    size_t cap = need < OUT_MAX / 2 ? (need < o->cap * 2 ? o->cap * 2 : need) : need;
    char *p = NULL;

    if (cap < 32)
        cap = 32;
    if (need)
        p = tl_arena_grow(jsonata_arena(o->e), o->p, o->cap, cap);
    if (!p) {
        o->failed = true;
        return NULL;
    }
    o->p = p;
    o->cap = cap;
    return p + o->n;
}

void jsonata_out_ascii(struct jsonata_out *o, const char *p, size_t n)
{
    char *to = n ? jsonata_out_room(o, n) : NULL;

    if (to) {
        memcpy(to, p, n);
        o->n += n;
    }
}

void jsonata_out_put(struct jsonata_out *o, struct tl_sv s)
{
    if (o->ascii && !jsonata_is_ascii(json_sv(s)))
        o->ascii = false;
    jsonata_out_ascii(o, s.p, s.n);
}

void jsonata_out_value(struct jsonata_out *o, struct json string)
{
    if (o->ascii && !(string.flags & JSON_F_ASCII) && !jsonata_is_ascii(string))
        o->ascii = false;
    jsonata_out_ascii(o, string.u.s, string.n);
}

void jsonata_out_byte(struct jsonata_out *o, char c)
{
    char *to = jsonata_out_room(o, 1);

    if (to) {
        *to = c;
        o->n++;
    }
}

void jsonata_out_cp(struct jsonata_out *o, uint32_t cp)
{
    char *to = jsonata_out_room(o, 4);

    if (!to)
        return;
    if (cp < 0x80) {
        *to = (char)cp;
        o->n++;
        return;
    }
    o->ascii = false;
    o->n += tl_utf8_encode(cp, to);
}

enum tl_rc jsonata_out_end(struct jsonata_out *o, struct json *ret)
{
    if (o->failed)
        return jsonata_exhausted(o->e);
    *ret = jsonata_text(o->n ? o->p : "", o->n, o->ascii ? JSON_F_ASCII : 0);
    return TL_OK;
}
