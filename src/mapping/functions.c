/* SPDX-License-Identifier: Apache-2.0 */
/* functions.c - calls of functions that nobody made: they are found when a mapping is loaded, not at its first event.
 */
#include "mapping/mapping_int.h"

struct search {
    const char *const *free; /* names that the program reads and does not bind */
    size_t n;
    struct tl_sv found;
};

static void called(struct search *s, const struct jsonata_ast *fn)
{
    if (s->found.n || fn->kind != JSONATA_VARIABLE)
        return;
    for (size_t i = 0; i < s->n; i++)
        if (tl_sv_eqs(json_view(fn->value), s->free[i]))
            s->found = tl_sv_str(s->free[i]);
}

static void look(struct search *s, const struct jsonata_ast *node)
{
    if ((node->kind == JSONATA_CALL || node->kind == JSONATA_PARTIAL) && node->count)
        called(s, node->children[0]);
    if (node->kind == JSONATA_APPLY && node->count > 1)
        called(s, node->children[1]);
    for (size_t i = 0; i < node->count && !s->found.n; i++)
        look(s, node->children[i]);
    for (size_t i = 0; i < node->stage_count && !s->found.n; i++)
        look(s, node->stages[i]);
}

struct tl_sv mapping_unknown_function(const struct mapping *m)
{
    struct search s = {0};
    const struct jsonata_ast *tree;
    struct tl_arena *a;

    if (!m->program)
        return TL_SV_NULL;
    s.n = jsonata_free_variables(m->program, &s.free);
    if (s.n == 0)
        return TL_SV_NULL;
    a = tl_arena_new(64u << 20);
    tree = jsonata_tree(m->program, a);
    if (tree)
        look(&s, tree);
    tl_arena_free(a);
    return s.found;
}
