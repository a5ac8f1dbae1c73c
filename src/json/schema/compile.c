/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.c - from a schema to rules.
 *
 * First every place that holds a subschema is walked (index_schema): it gets a node, and identifiers and anchors are
 * noted. Then the keywords of each node are read (fill). A reference may bring in another document or a place that no
 * keyword leads to: that adds nodes, which are filled in turn.
 */
#include <stdlib.h>

#include "json/schema/schema_int.h"

#define DEFAULT_NODES 100000u
#define SCHEMA_BYTES (64u << 20)

const struct keyword_row schema_keywords[K_COUNT] = {
#define X(id, name, dialects, validation, shape) {name, dialects, validation, shape},
    KEYWORD_TABLE(X)
#undef X
};

struct compiler {
    struct json_schema *s;
    struct json_schema_options options;
    struct tl_map *by_place; /* address of a value -> node */
    size_t max_nodes;
    uint32_t depth;
    struct tl_err *err;
};

static enum tl_rc index_schema(struct compiler *c, const struct json *at, struct resource *res, struct tl_sv where);
static enum tl_rc load(struct compiler *c, struct tl_sv uri, struct resource *from, struct resource **ret);

static enum tl_rc bad(struct compiler *c, struct tl_sv where, const char *what)
{
    return tl_fail(c->err, TL_INVALID, "JSON Schema: %s at %.*s", what, TL_SV_ARG(where));
}

/* ---- resources ---- */

static struct resource *resource_new(struct json_schema *s, struct tl_sv uri, const struct json *root)
{
    struct resource *r = tl_arena_must(s->arena, sizeof(*r));

    *r = (struct resource){.uri = uri, .root = root, .dialect = D20, .validation = true};
    r->anchors = tl_map_new();
    r->dynamic = tl_map_new();
    if (s->resource_count == s->resource_cap) {
        s->resource_cap = s->resource_cap ? s->resource_cap * 2 : 8;
        s->owned = tl_reallocarray(s->owned, s->resource_cap, sizeof(*s->owned));
    }
    s->owned[s->resource_count++] = r;
    (void)tl_map_put(s->resources, uri, r);
    return r;
}

static bool known_dialect(struct tl_sv uri, enum dialect *ret)
{
    static const struct {
        const char *text;
        enum dialect dialect;
    } known[] = {
        {"json-schema.org/draft/2020-12/schema", D20}, {"json-schema.org/draft/2019-09/schema", D19},
        {"json-schema.org/draft-07/schema", D7},       {"json-schema.org/draft-06/schema", D7},
        {"json-schema.org/draft-04/schema", D7},
    };

    if (tl_sv_ends(uri, TL_SV("#")))
        uri.n--;
    if (tl_sv_starts(uri, TL_SV("https://")))
        uri = tl_sv_from(uri, 8);
    else if (tl_sv_starts(uri, TL_SV("http://")))
        uri = tl_sv_from(uri, 7);
    for (size_t i = 0; i < TL_COUNT(known); i++) {
        if (tl_sv_eqs(uri, known[i].text)) {
            *ret = known[i].dialect;
            return true;
        }
    }
    return false;
}

/* A meta-schema of one's own: its vocabularies say whether assertions are in force. */
static void custom_dialect(struct compiler *c, struct tl_sv uri, struct resource *r)
{
    struct json meta = json_get(c->options.documents, uri), vocabulary = json_gets(meta, "$vocabulary");

    (void)known_dialect(json_text(json_gets(meta, "$schema"), TL_SV_NULL), &r->dialect);
    if (vocabulary.type != JSON_OBJECT)
        return;
    r->validation = json_gets(vocabulary, "https://json-schema.org/draft/2020-12/vocab/validation").type == JSON_BOOL ||
                    json_gets(vocabulary, "https://json-schema.org/draft/2019-09/vocab/validation").type == JSON_BOOL;
    if (json_gets(vocabulary, "https://json-schema.org/draft/2020-12/vocab/format-assertion").type == JSON_BOOL)
        r->formats = true;
}

static void set_dialect(struct compiler *c, struct json schema, struct resource *r, const struct resource *from)
{
    struct tl_sv uri = json_text(json_gets(schema, "$schema"), TL_SV_NULL);

    r->formats = c->options.formats;
    if (from) {
        r->dialect = from->dialect;
        r->validation = from->validation;
        r->formats = from->formats;
    } else {
        r->dialect = c->options.draft == JSON_SCHEMA_DRAFT_07  ? D7
                     : c->options.draft == JSON_SCHEMA_2019_09 ? D19
                                                               : D20;
    }
    if (!uri.p)
        return;
    r->validation = true;
    if (!known_dialect(uri, &r->dialect))
        custom_dialect(c, uri, r);
}

/* ---- places ---- */

static struct tl_sv place_key(const struct json **at)
{
    return tl_sv((const char *)at, sizeof(*at));
}

static struct node *node_at(const struct compiler *c, const struct json *at)
{
    return tl_map_get(c->by_place, place_key(&at));
}

static struct tl_sv below(struct compiler *c, struct tl_sv where, struct tl_sv token)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, where.n + token.n * 2 + 2);
    (void)tl_buf_sv(&b, where);
    (void)tl_buf_putc(&b, '/');
    for (size_t i = 0; i < token.n; i++) {
        if (token.p[i] == '~' || token.p[i] == '/')
            (void)tl_buf_puts(&b, token.p[i] == '~' ? "~0" : "~1");
        else
            (void)tl_buf_putc(&b, token.p[i]);
    }
    return tl_arena_sv(c->s->arena, tl_buf_view(&b));
}

static struct tl_sv below_index(struct compiler *c, struct tl_sv where, uint32_t i)
{
    return tl_sv_str(tl_arena_printf(c->s->arena, "%.*s/%u", TL_SV_ARG(where), i));
}

static struct node *node_new(struct compiler *c, const struct json *at, struct resource *res, struct tl_sv where)
{
    struct json_schema *s = c->s;
    struct node *n = tl_arena_zalloc(s->arena, sizeof(*n));

    if (!n)
        return NULL;
    n->at = at;
    n->resource = res;
    n->where = where;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->nodes = tl_reallocarray(s->nodes, s->cap, sizeof(struct node *));
    }
    s->nodes[s->count++] = n;
    (void)tl_map_put(c->by_place, place_key(&at), n);
    return n;
}

/* The identifiers of one schema object; *res becomes the resource that it belongs to. */
static void identify(struct compiler *c, const struct json *at, struct resource **res, struct node *n)
{
    bool old = (*res)->dialect == D7;
    struct json id = json_gets(*at, "$id"), anchor = json_gets(*at, "$anchor"),
                dynamic = json_gets(*at, "$dynamicAnchor");
    struct tl_sv fragment = TL_SV_NULL, uri;

    if (id.type == JSON_STRING && !(old && json_gets(*at, "$ref").type == JSON_STRING)) {
        uri = uri_resolve(c->s->arena, (*res)->uri, json_view(id), &fragment);
        if (id.n == 0 || id.u.s[0] != '#') {
            struct resource *from = *res, *known = tl_map_get(c->s->resources, uri);

            *res = known && known->root == at ? known : resource_new(c->s, uri, at);
            set_dialect(c, *at, *res, from);
            n->resource = *res;
            n->where = tl_sv_str(tl_arena_printf(c->s->arena, "%.*s#", TL_SV_ARG(uri)));
        }
        if (old && fragment.n > 0)
            (void)tl_map_put((*res)->anchors, fragment, n);
    }
    if (old)
        return;
    if (anchor.type == JSON_STRING)
        (void)tl_map_put((*res)->anchors, json_view(anchor), n);
    if (dynamic.type == JSON_STRING && (*res)->dialect == D20) {
        (void)tl_map_put((*res)->anchors, json_view(dynamic), n);
        (void)tl_map_put((*res)->dynamic, json_view(dynamic), n);
    }
}

static enum keyword keyword_of(struct tl_sv name, enum dialect dialect)
{
    for (enum keyword k = 0; k < K_COUNT; k++)
        if ((schema_keywords[k].dialects & dialect) && tl_sv_eqs(name, schema_keywords[k].name))
            return k;
    return K_COUNT;
}

static bool is_schema(const struct json *v)
{
    return v->type == JSON_OBJECT || v->type == JSON_BOOL;
}

static enum tl_rc index_children(struct compiler *c, const struct json *value, struct resource *res, struct tl_sv where)
{
    enum tl_rc rc = TL_OK;

    for (uint32_t i = 0; value->type == JSON_ARRAY && i < value->n && rc == TL_OK; i++)
        rc = index_schema(c, &value->u.items[i], res, below_index(c, where, i));
    for (uint32_t i = 0; value->type == JSON_OBJECT && i < value->n && rc == TL_OK; i++) {
        const struct json_member *m = &value->u.members[i];

        if (is_schema(&m->value))
            rc = index_schema(c, &m->value, res, below(c, where, json_view(m->key)));
        else if (m->value.type != JSON_ARRAY)
            rc = bad(c, below(c, where, json_view(m->key)), "a schema must be an object or a boolean");
    }
    return rc;
}

static enum tl_rc index_keyword(struct compiler *c, const struct json_member *m, struct resource *res,
                                struct tl_sv where)
{
    enum keyword k = keyword_of(json_view(m->key), res->dialect);
    enum shape shape = k < K_COUNT ? schema_keywords[k].shape : S_ANY;

    if (shape == S_SCHEMA || (shape == S_ITEMS && m->value.type != JSON_ARRAY))
        return index_schema(c, &m->value, res, below(c, where, json_view(m->key)));
    if (shape == S_SCHEMAS || shape == S_ITEMS || shape == S_NAMED || shape == S_PATTERNS || shape == S_DEPENDENCIES ||
        shape == S_PLACE)
        return index_children(c, &m->value, res, below(c, where, json_view(m->key)));
    return TL_OK;
}

static enum tl_rc index_schema(struct compiler *c, const struct json *at, struct resource *res, struct tl_sv where)
{
    enum tl_rc rc = TL_OK;
    struct node *n;

    if (!is_schema(at))
        return bad(c, where, "a schema must be an object or a boolean");
    if (node_at(c, at))
        return TL_OK;
    if (c->s->count >= c->max_nodes || ++c->depth > 1000)
        return tl_fail(c->err, TL_LIMIT, "JSON Schema: too many or too deeply nested subschemas");
    n = node_new(c, at, res, where);
    if (!n)
        return tl_fail(c->err, TL_LIMIT, "JSON Schema: the schema is too large");
    if (at->type == JSON_OBJECT)
        identify(c, at, &res, n);
    for (uint32_t i = 0; at->type == JSON_OBJECT && i < at->n && rc == TL_OK; i++)
        rc = index_keyword(c, &at->u.members[i], res, n->where);
    c->depth--;
    return rc;
}

/* ---- references ---- */

static enum tl_rc load(struct compiler *c, struct tl_sv uri, struct resource *from, struct resource **ret)
{
    struct resource *r = tl_map_get(c->s->resources, uri);
    struct json document, *root;
    enum tl_rc rc;

    if (!r) {
        document = json_get(c->options.documents, uri);
        if (document.type == JSON_UNDEFINED)
            return tl_fail(c->err, TL_INVALID,
                           "JSON Schema: $ref leads to %.*s, which is neither in the schema nor among its documents",
                           TL_SV_ARG(uri));
        root = tl_arena_alloc(c->s->arena, sizeof(*root));
        if (!root)
            return tl_fail(c->err, TL_LIMIT, "JSON Schema: the documents are too large");
        *root = json_copy(c->s->arena, document);
        r = resource_new(c->s, tl_arena_sv(c->s->arena, uri), root);
        set_dialect(c, *root, r, NULL);
        if (json_gets(*root, "$schema").type == JSON_UNDEFINED)
            set_dialect(c, *root, r, from);
        rc = index_schema(c, root, r, tl_sv_str(tl_arena_printf(c->s->arena, "%.*s#", TL_SV_ARG(uri))));
        if (rc != TL_OK)
            return rc;
    }
    *ret = r;
    return TL_OK;
}

/* Follow a JSON pointer from the root of a resource, noting where resources begin on the way. */
static enum tl_rc follow(struct compiler *c, struct node *root, struct tl_sv pointer, struct node **ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf room = {0};
    const struct json *at = root->at;
    struct resource *res = root->resource;
    struct tl_sv rest = pointer, token, where = root->where;
    struct node *n = root;
    enum tl_rc rc;
    uint32_t i;

    tl_buf_init(&room, pointer.n);
    while (rest.n > 0) {
        if (!json_pointer_token(&rest, &room, &token))
            return bad(c, where, "a malformed JSON pointer");
        where = below(c, where, token);
        if (at->type == JSON_ARRAY && json_pointer_index(token, at->n, &i))
            at = &at->u.items[i];
        else if ((i = schema_object_find(*at, token)) != UINT32_MAX)
            at = &at->u.members[i].value;
        else
            return tl_fail(c->err, TL_INVALID, "JSON Schema: $ref leads to %.*s, where nothing is", TL_SV_ARG(where));
        n = node_at(c, at);
        if (n)
            res = n->resource;
    }
    if (!n) {
        rc = index_schema(c, at, res, where);
        if (rc != TL_OK)
            return rc;
        n = node_at(c, at);
    }
    *ret = n;
    return TL_OK;
}

static enum tl_rc resolve(struct compiler *c, struct node *n, struct tl_sv reference, struct rule *rule)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf plain = {0};
    struct tl_sv fragment, uri = uri_resolve(c->s->arena, n->resource->uri, reference, &fragment);
    struct resource *r = NULL;
    struct node *root;
    enum tl_rc rc = load(c, uri, n->resource, &r);

    if (rc != TL_OK)
        return rc;
    tl_buf_init(&plain, fragment.n);
    if (!tl_percent_decode(&plain, fragment, false))
        return bad(c, n->where, "a malformed fragment in $ref");
    fragment = tl_buf_view(&plain);
    root = node_at(c, r->root);
    if (fragment.n == 0) {
        rule->schema = root;
        return TL_OK;
    }
    if (fragment.p[0] == '/')
        return follow(c, root, fragment, &rule->schema);
    rule->schema = tl_map_get(root->resource->anchors, fragment);
    if (!rule->schema)
        return bad(c, n->where, "$ref names an anchor that does not exist");
    if (rule->keyword == K_DYNAMIC_REF && tl_map_get(rule->schema->resource->dynamic, fragment) == rule->schema)
        rule->dynamic = tl_arena_sv(c->s->arena, fragment);
    return TL_OK;
}

/* ---- rules ---- */

static pcre2_code *keep_pattern(struct compiler *c, struct tl_sv text)
{
    struct json_schema *s = c->s;
    pcre2_code *code = pattern_compile(text);

    if (!code)
        return NULL;
    if (s->pattern_count == s->pattern_cap) {
        s->pattern_cap = s->pattern_cap ? s->pattern_cap * 2 : 8;
        s->patterns = tl_reallocarray(s->patterns, s->pattern_cap, sizeof(pcre2_code *));
    }
    s->patterns[s->pattern_count++] = code;
    return code;
}

static bool is_names(const struct json *v)
{
    if (v->type != JSON_ARRAY)
        return false;
    for (uint32_t i = 0; i < v->n; i++)
        if (v->u.items[i].type != JSON_STRING)
            return false;
    return true;
}

static enum tl_rc fill_entries(struct compiler *c, struct node *n, struct rule *r, struct tl_sv where)
{
    enum shape shape = schema_keywords[r->keyword].shape;
    bool list = shape == S_SCHEMAS || shape == S_ITEMS;
    const struct json *v = r->value;

    if (v->type != (list ? JSON_ARRAY : JSON_OBJECT))
        return bad(c, where, list ? "an array of schemas is expected" : "an object is expected");
    r->n = v->n;
    r->entries = tl_arena_zalloc(c->s->arena, (v->n + 1ul) * sizeof(*r->entries));
    if (!r->entries)
        return tl_fail(c->err, TL_LIMIT, "JSON Schema: the schema is too large");
    for (uint32_t i = 0; i < v->n; i++) {
        const struct json *sub = list ? &v->u.items[i] : &v->u.members[i].value;
        struct entry *e = &r->entries[i];

        if (!list)
            e->name = v->u.members[i].key;
        if ((shape == S_DEPENDENCIES && sub->type == JSON_ARRAY) || shape == S_NAMED_NAMES) {
            e->names = sub;
            if (!is_names(sub))
                return bad(c, where, "an array of names is expected");
            continue;
        }
        e->schema = node_at(c, sub);
        if (!e->schema)
            return bad(c, where, "a schema must be an object or a boolean");
        if (shape == S_PATTERNS && !(e->pattern = keep_pattern(c, json_view(e->name))))
            return bad(c, where, "not a regular expression");
    }
    (void)n;
    return TL_OK;
}

static bool known_type(struct json v)
{
    static const char *const names[] = {"null", "boolean", "object", "array", "number", "string", "integer"};

    for (size_t i = 0; v.type == JSON_STRING && i < TL_COUNT(names); i++)
        if (tl_sv_eqs(json_view(v), names[i]))
            return true;
    return false;
}

static bool known_types(struct json v)
{
    if (v.type != JSON_ARRAY)
        return known_type(v);
    for (uint32_t i = 0; i < v.n; i++)
        if (!known_type(v.u.items[i]))
            return false;
    return true;
}

static enum tl_rc fill_rule(struct compiler *c, struct node *n, struct rule *r, struct tl_sv where)
{
    const struct json *v = r->value;

    switch (schema_keywords[r->keyword].shape) {
    case S_ITEMS:
        if (v->type == JSON_ARRAY)
            return fill_entries(c, n, r, where);
        r->schema = node_at(c, v);
        return r->schema ? TL_OK : bad(c, where, "a schema is expected");
    case S_SCHEMA:
        r->schema = node_at(c, v);
        return r->schema ? TL_OK : bad(c, where, "a schema is expected");
    case S_SCHEMAS:
    case S_NAMED:
    case S_PATTERNS:
    case S_DEPENDENCIES:
    case S_NAMED_NAMES:
        return fill_entries(c, n, r, where);
    case S_NAMES:
        return is_names(v) ? TL_OK : bad(c, where, "an array of names is expected");
    case S_NUMBER:
        if (json_is_number(*v) && (r->keyword != K_MULTIPLE_OF || json_number_cmp(*v, json_int(0)) > 0))
            return TL_OK;
        return bad(c, where, "a number is expected (of multipleOf, a positive one)");
    case S_COUNT:
        if (json_is_number(*v) && json_int64(*v, &r->count) && r->count >= 0)
            return TL_OK;
        return bad(c, where, "a whole number from 0 is expected");
    case S_BOOL:
        return v->type == JSON_BOOL ? TL_OK : bad(c, where, "a boolean is expected");
    case S_TEXT:
        return v->type == JSON_STRING ? TL_OK : bad(c, where, "a text is expected");
    case S_PATTERN:
        r->pattern = v->type == JSON_STRING ? keep_pattern(c, json_view(*v)) : NULL;
        return r->pattern ? TL_OK : bad(c, where, "not a regular expression");
    case S_TYPE:
        return known_types(*v) ? TL_OK : bad(c, where, "not the name of a type");
    case S_ARRAY:
        return v->type == JSON_ARRAY ? TL_OK : bad(c, where, "an array is expected");
    case S_REF:
    case S_DYNAMIC_REF:
        return v->type == JSON_STRING ? resolve(c, n, json_view(*v), r) : bad(c, where, "a text is expected");
    case S_ANY:
    case S_PLACE:
        break;
    }
    return TL_OK;
}

/* Draft-07 section 8.3: beside $ref everything else is ignored. */
static bool in_force(const struct node *n, enum keyword k)
{
    const struct resource *r = n->resource;

    if (k == K_COUNT || schema_keywords[k].shape == S_PLACE || (schema_keywords[k].validation && !r->validation))
        return false;
    if (k == K_FORMAT && !r->formats)
        return false;
    return k == K_REF || r->dialect != D7 || json_gets(*n->at, "$ref").type != JSON_STRING;
}

static enum tl_rc fill(struct compiler *c, struct node *n)
{
    const struct json *at = n->at;
    enum tl_rc rc;

    if (at->type != JSON_OBJECT || at->n == 0)
        return TL_OK;
    n->rules = tl_arena_zalloc(c->s->arena, at->n * sizeof(*n->rules));
    if (!n->rules)
        return tl_fail(c->err, TL_LIMIT, "JSON Schema: the schema is too large");
    for (uint32_t i = 0; i < at->n; i++) {
        const struct json_member *m = &at->u.members[i];
        enum keyword k = keyword_of(json_view(m->key), n->resource->dialect);
        struct rule *r = &n->rules[n->n];

        if (!in_force(n, k))
            continue;
        *r = (struct rule){.keyword = k, .value = &m->value};
        rc = fill_rule(c, n, r, below(c, n->where, json_view(m->key)));
        if (rc != TL_OK)
            return rc;
        n->of[k] = (uint8_t)++n->n;
        if (k == K_UNEVALUATED_ITEMS || k == K_UNEVALUATED_PROPERTIES)
            n->unevaluated = true;
    }
    return TL_OK;
}

/* ---- the object ---- */

static enum tl_rc compile(struct compiler *c, struct json schema)
{
    struct json *root = tl_arena_alloc(c->s->arena, sizeof(*root));
    struct resource *r;
    enum tl_rc rc;

    if (!root)
        return tl_fail(c->err, TL_LIMIT, "JSON Schema: the schema is too large");
    *root = json_copy(c->s->arena, schema);
    r = resource_new(c->s, TL_SV(""), root);
    set_dialect(c, *root, r, NULL);
    rc = index_schema(c, root, r, TL_SV("#"));
    for (size_t i = 0; i < c->s->count && rc == TL_OK; i++)
        rc = fill(c, c->s->nodes[i]);
    c->s->root = node_at(c, root);
    return rc;
}

enum tl_rc json_schema_compile(struct json schema, const struct json_schema_options *options, struct json_schema **ret,
                               struct tl_err *err)
{
    TL_CLEANUP(json_schema_unrefp) struct json_schema *s = tl_zalloc(sizeof(*s));
    struct compiler c = {.s = s, .err = err};
    enum tl_rc rc;

    if (options)
        c.options = *options;
    c.max_nodes = c.options.max_nodes ? c.options.max_nodes : DEFAULT_NODES;
    s->refs = 1;
    s->arena = tl_arena_new(SCHEMA_BYTES);
    s->resources = tl_map_new();
    c.by_place = tl_map_new();
    rc = compile(&c, schema);
    tl_map_free(c.by_place);
    if (rc == TL_OK && tl_arena_exceeded(s->arena))
        rc = tl_fail(err, TL_LIMIT, "JSON Schema: the schema is too large");
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&s);
    return TL_OK;
}

struct json_schema *json_schema_ref(struct json_schema *s)
{
    (void)__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void json_schema_unref(struct json_schema *s)
{
    if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    for (size_t i = 0; i < s->pattern_count; i++)
        pcre2_code_free(s->patterns[i]);
    for (size_t i = 0; i < s->resource_count; i++) {
        tl_map_free(s->owned[i]->anchors);
        tl_map_free(s->owned[i]->dynamic);
    }
    tl_free(s->patterns);
    tl_free(s->owned);
    tl_free(s->nodes);
    tl_map_free(s->resources);
    tl_arena_free(s->arena);
    tl_free(s);
}

void json_schema_unrefp(struct json_schema **s)
{
    json_schema_unref(*s);
}
