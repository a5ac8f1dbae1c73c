/* SPDX-License-Identifier: Apache-2.0 */
/* router.c - a tree by path segment. A node is visited at most once per look-up, because its depth is its place in the
 * path. */
#include "http/router.h"

#include <stdatomic.h>

#include "http/codec.h"

struct node {
    struct tl_map *literals; /* segment -> struct node; NULL: none */
    struct node *param;      /* {name} */
    struct node *rest;       /* {name*}: its routes match whatever follows */
    struct entry *entries;
};

struct entry {
    struct http_route route;
    struct tl_sv names[HTTP_PARAMS_MAX];
    size_t n_names;
    struct entry *next;
};

struct http_router {
    atomic_uint refs;
    struct tl_arena *arena;
    struct node root;
};

static void free_map(void *arg)
{
    tl_map_free(arg);
}

struct http_router *http_router_new(void)
{
    struct tl_arena *arena = tl_arena_new(64 << 20);
    struct http_router *r = tl_zalloc(sizeof *r);

    atomic_init(&r->refs, 1);
    r->arena = arena;
    return r;
}

struct http_router *http_router_ref(struct http_router *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void http_router_unref(struct http_router *r)
{
    if (!r || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    tl_arena_free(r->arena);
    tl_free(r);
}

void http_router_on_free(struct http_router *r, void (*fn)(void *arg), void *arg)
{
    tl_arena_on_free(r->arena, fn, arg);
}

/* ---- building ---- */

static struct node *child(struct http_router *r, struct node **slot)
{
    if (!*slot) {
        *slot = tl_arena_must(r->arena, sizeof **slot);
        **slot = (struct node){.literals = NULL};
    }
    return *slot;
}

static struct node *literal(struct http_router *r, struct node *at, struct tl_sv segment)
{
    struct node *n;

    if (!at->literals) {
        at->literals = tl_map_new();
        tl_arena_on_free(r->arena, free_map, at->literals);
    }
    n = tl_map_get(at->literals, segment);
    if (!n) {
        (void)child(r, &n);
        (void)tl_map_put(at->literals, segment, n);
    }
    return n;
}

/* "{name}" or "{name*}"; *ret_name is empty for a literal. false: malformed. */
static bool segment_kind(struct tl_sv segment, struct tl_sv *ret_name, bool *ret_rest)
{
    struct tl_sv name;

    *ret_name = TL_SV_NULL;
    *ret_rest = false;
    if (segment.n == 0 || segment.p[0] != '{')
        return tl_sv_find(segment, '{') == segment.n && tl_sv_find(segment, '}') == segment.n;
    if (segment.p[segment.n - 1] != '}')
        return false;
    name = tl_sv(segment.p + 1, segment.n - 2);
    if (name.n && name.p[name.n - 1] == '*') {
        *ret_rest = true;
        name.n--;
    }
    *ret_name = name;
    return http_is_token(name) && tl_sv_find(name, '*') == name.n;
}

static enum tl_rc walk_pattern(struct http_router *r, struct entry *e, struct node **ret_node, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_from(tl_sv_str(e->route.pattern), 1), segment, name;
    struct node *at = &r->root;
    bool ends = false, is_rest;

    while (tl_sv_cut(&rest, '/', &segment)) {
        if (ends || !segment_kind(segment, &name, &is_rest))
            return tl_fail(err, TL_INVALID, "route %s: a segment is a literal, {name} or, last, {name*}",
                           e->route.pattern);
        if (!name.p) {
            at = literal(r, at, segment);
            continue;
        }
        if (e->n_names == HTTP_PARAMS_MAX)
            return tl_fail(err, TL_INVALID, "route %s: at most %d parameters", e->route.pattern, HTTP_PARAMS_MAX);
        e->names[e->n_names++] = name;
        at = child(r, is_rest ? &at->rest : &at->param);
        ends = is_rest;
    }
    *ret_node = at;
    return TL_OK;
}

static bool methods_overlap(struct tl_sv a, const char *b)
{
    struct tl_sv method;

    while (tl_sv_cut(&a, ',', &method))
        if (http_methods_have(tl_sv_str(b), tl_sv_trim(method)))
            return true;
    return false;
}

enum tl_rc http_router_add(struct http_router *r, const struct http_route *route, struct tl_err *err)
{
    struct entry *e = tl_arena_must(r->arena, sizeof *e), **tail;
    struct tl_sv methods = tl_sv_str(route->methods), method;
    struct node *node = NULL;
    enum tl_rc rc;

    if (!route->pattern || route->pattern[0] != '/')
        return tl_fail(err, TL_INVALID, "a route's path begins with /");
    while (tl_sv_cut(&methods, ',', &method))
        if (!http_is_token(tl_sv_trim(method)))
            return tl_fail(err, TL_INVALID, "route %s: the methods are not a list of names", route->pattern);
    *e = (struct entry){.route = *route};
    e->route.pattern = tl_arena_strdup(r->arena, route->pattern);
    e->route.methods = tl_arena_strdup(r->arena, route->methods);
    if (route->n_allow) {
        struct http_cidr *allow = tl_arena_must(r->arena, route->n_allow * sizeof *allow);

        memcpy(allow, route->allow, route->n_allow * sizeof *allow);
        e->route.allow = allow;
    }
    rc = walk_pattern(r, e, &node, err);
    if (rc != TL_OK)
        return rc;
    for (tail = &node->entries; *tail; tail = &(*tail)->next)
        if (methods_overlap(tl_sv_str(route->methods), (*tail)->route.methods))
            return tl_fail(err, TL_EXISTS, "route %s is there twice with one method", route->pattern);
    *tail = e;
    return TL_OK;
}

/* ---- looking up ---- */

struct search {
    struct tl_sv method;
    bool head;
    struct tl_sv values[HTTP_PARAMS_MAX];
    const struct entry *found, *any; /* any: found for the path, whatever the method */
    struct tl_buf allow;
};

static bool entry_takes(const struct entry *e, const struct search *s)
{
    struct tl_sv methods = tl_sv_str(e->route.methods);

    return tl_sv_eqs(methods, "*") || http_methods_have(methods, s->method) ||
           (s->head && http_methods_have(methods, TL_SV("GET")));
}

static void add_allow(struct search *s, const struct entry *e)
{
    struct tl_sv methods = tl_sv_str(e->route.methods), method;

    while (tl_sv_cut(&methods, ',', &method)) {
        method = tl_sv_trim(method);
        if (http_methods_have(tl_buf_view(&s->allow), method))
            continue;
        (void)tl_buf_printf(&s->allow, "%s%.*s", s->allow.n ? ", " : "", TL_SV_ARG(method));
        if (tl_sv_eqs(method, "GET") && !http_methods_have(tl_buf_view(&s->allow), TL_SV("HEAD")))
            (void)tl_buf_puts(&s->allow, ", HEAD");
    }
}

static bool take(struct search *s, const struct node *n)
{
    for (const struct entry *e = n->entries; e; e = e->next) {
        if (entry_takes(e, s)) {
            s->found = e;
            return true;
        }
        s->any = e;
        add_allow(s, e);
    }
    return false;
}

/* rest: the path behind the '/' that led here; rest.p NULL: the path ended. */
static bool find(struct search *s, const struct node *at, struct tl_sv rest, size_t n_values)
{
    struct tl_sv after, segment;
    const struct node *n;
    size_t slash;

    if (!rest.p)
        return take(s, at);
    slash = tl_sv_find(rest, '/');
    segment = tl_sv(rest.p, slash);
    after = slash < rest.n ? tl_sv(rest.p + slash + 1, rest.n - slash - 1) : TL_SV_NULL;
    n = at->literals ? tl_map_get(at->literals, segment) : NULL;
    if (n && find(s, n, after, n_values))
        return true;
    if (at->param && segment.n) {
        s->values[n_values] = segment;
        if (find(s, at->param, after, n_values + 1))
            return true;
    }
    if (at->rest) {
        s->values[n_values] = rest;
        return take(s, at->rest);
    }
    return false;
}

enum http_match http_router_find(const struct http_router *r, enum http_method method, struct tl_sv method_text,
                                 struct tl_sv path, const struct http_route **ret_route, struct http_param *params,
                                 size_t *ret_n_params, struct tl_arena *arena, struct tl_sv *ret_allow)
{
    struct search s = {.method = method_text, .head = method == HTTP_HEAD};
    enum http_match match = HTTP_NO_PATH;

    tl_buf_init(&s.allow, 4096);
    if (path.n == 0 || path.p[0] != '/')
        return HTTP_NO_PATH;
    if (find(&s, &r->root, tl_sv(path.p + 1, path.n - 1), 0)) {
        for (size_t i = 0; i < s.found->n_names; i++)
            params[i] = (struct http_param){s.found->names[i], s.values[i]};
        *ret_n_params = s.found->n_names;
        *ret_route = &s.found->route;
        match = HTTP_MATCH;
    } else if (s.any) {
        *ret_allow = tl_arena_sv(arena, tl_buf_view(&s.allow));
        match = HTTP_NO_METHOD;
    }
    tl_buf_done(&s.allow);
    return match;
}
