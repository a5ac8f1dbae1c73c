/* SPDX-License-Identifier: Apache-2.0 */
/* verify.c - findings, and paths of fields in a JSON Schema. */
#include "connector/connector_int.h"

#include <stdio.h>

enum { NAMES = 4000, FINDINGS = 200, TEXT = 600 };

void connector_finding(struct connector_call *call, struct connector_inquiry *q, const char *fmt, ...)
{
    char text[TEXT];
    va_list ap;

    if (!q->findings.arena)
        json_array_begin(&q->findings, call->arena, 4);
    if (q->findings.v.n >= FINDINGS)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)json_push(&q->findings,
                    json_str_copy(call->arena, connector_mask_cut(call, tl_sv_str(text), sizeof text - 1)));
}

/* "rate[]" -> "rate", and how deep a list it is. */
static struct tl_sv without_brackets(struct tl_sv s, size_t *ret_lists)
{
    *ret_lists = 0;
    while (tl_sv_ends(s, TL_SV("[]"))) {
        s.n -= 2;
        (*ret_lists)++;
    }
    return s;
}

static const char *nearest(struct tl_arena *a, struct json properties, struct tl_sv word)
{
    const char **names = tl_arena_alloc(a, NAMES * sizeof *names);
    size_t n = 0;

    for (uint32_t i = 0; names && i < properties.n && n < NAMES; i++) {
        struct tl_sv name = json_view(properties.u.members[i].key);

        names[n] = tl_arena_strndup(a, name.p, name.n);
        n += names[n] != NULL;
    }
    return names ? tl_nearest(word, names, n) : NULL;
}

const char *connector_unknown_field(struct tl_arena *a, struct json schema, struct tl_sv path, const char **ret_near)
{
    struct tl_sv part;

    *ret_near = NULL;
    while (path.n > 0 && tl_sv_cut(&path, '.', &part)) {
        struct json properties = json_gets(schema, "properties");
        size_t lists;

        part = without_brackets(part, &lists);
        if (properties.type != JSON_OBJECT || properties.n == 0 || part.n == 0)
            return NULL;
        schema = json_get(properties, part);
        if (schema.type == JSON_UNDEFINED) {
            *ret_near = nearest(a, properties, part);
            return tl_arena_strndup(a, part.p, part.n);
        }
        for (; lists > 0; lists--)
            schema = json_gets(schema, "items");
    }
    return NULL;
}
