/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate.c - apply a compiled schema. Recursion follows the schema; the ways into the instance and through the
 * dynamic scope are lists on the C stack, so that a success allocates nothing (but marks, where unevaluated* needs
 * them).
 */
#include <stdarg.h>
#include <stdio.h>

#include "json/schema/schema_int.h"

#define DEFAULT_STEPS 20000000u
#define DEFAULT_DEPTH 1500u
#define DEFAULT_ISSUES 100u

struct way { /* into the instance */
    const struct way *up;
    const struct json *key; /* or an index */
    uint32_t index;
};

struct scope {
    const struct scope *outer;
    const struct resource *resource;
};

struct marks { /* which members or items were evaluated; bits NULL: nobody asks */
    uint8_t *bits;
    uint32_t n;
};

struct run {
    struct tl_arena *arena;
    struct json_schema_issue *issues;
    size_t count, cap, max;
    uint64_t steps;
    uint32_t depth;
    uint32_t quiet; /* > 0: only the verdict counts */
    bool more;
    enum tl_rc rc;
    const char *why;
};

struct place {
    const struct node *node;
    const struct json *v;
    const struct way *way;
    const struct scope *scope;
    struct marks *marks;
};

static bool check(struct run *r, const struct node *n, const struct json *v, const struct way *way,
                  const struct scope *scope, struct marks *marks);

static bool give_up(struct run *r, const char *why)
{
    if (r->rc == TL_OK) {
        r->rc = TL_BUDGET;
        r->why = why;
    }
    return false;
}

/* ---- issues ---- */

static void put_way(struct tl_buf *b, const struct way *way)
{
    if (!way)
        return;
    put_way(b, way->up);
    (void)tl_buf_putc(b, '/');
    if (!way->key) {
        (void)tl_buf_printf(b, "%u", way->index);
        return;
    }
    for (uint32_t i = 0; i < way->key->n; i++) {
        char c = way->key->u.s[i];

        if (c == '~' || c == '/')
            (void)tl_buf_puts(b, c == '~' ? "~0" : "~1");
        else
            (void)tl_buf_putc(b, c);
    }
}

static bool __attribute__((format(printf, 4, 5)))
issue(struct run *r, const struct place *p, enum keyword k, const char *fmt, ...)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_schema_issue *i;
    va_list ap;
    char text[256];

    if (r->quiet || r->rc != TL_OK)
        return false;
    if (r->count == r->max) {
        r->more = true;
        return false;
    }
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 4;

        i = tl_arena_grow(r->arena, r->issues, r->cap * sizeof(*i), cap * sizeof(*i));
        if (!i)
            return give_up(r, "the memory limit is used up");
        r->issues = i;
        r->cap = cap;
    }
    tl_buf_init(&b, 64u << 10);
    put_way(&b, p->way);
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    i = &r->issues[r->count];
    i->instance = b.n ? tl_arena_sv(r->arena, tl_buf_view(&b)) : TL_SV("");
    i->schema = p->node->where;
    if (k < K_COUNT)
        i->schema = tl_sv_str(tl_arena_printf(r->arena, "%.*s/%s", TL_SV_ARG(p->node->where), schema_keywords[k].name));
    i->text = tl_sv_str(tl_arena_strdup(r->arena, text));
    r->count++;
    return false;
}

/* ---- marks ---- */

static bool marks_begin(struct run *r, struct marks *m, const struct json *v)
{
    if (v->type != JSON_ARRAY && v->type != JSON_OBJECT)
        return true;
    m->n = v->n;
    m->bits = tl_arena_zalloc(r->arena, v->n + 1ul);
    return m->bits || give_up(r, "the memory limit is used up");
}

static void mark(struct marks *m, uint32_t i)
{
    if (m->bits)
        m->bits[i] = 1;
}

static void marks_merge(struct marks *to, const struct marks *from)
{
    for (uint32_t i = 0; to && to->bits && from->bits && i < to->n && i < from->n; i++)
        to->bits[i] |= from->bits[i];
}

/* ---- assertions ---- */

static bool type_is(const struct json *v, struct tl_sv name)
{
    if (tl_sv_eqs(name, "integer"))
        return json_is_number(*v) && schema_number_is_whole(*v);
    return tl_sv_eqs(name, json_type_name(*v));
}

static bool check_type(struct run *r, const struct place *p, const struct rule *rule)
{
    const struct json *names = rule->value;

    if (names->type == JSON_STRING)
        return type_is(p->v, json_view(*names)) ||
               issue(r, p, K_TYPE, "It is %s, not %.*s.", json_type_name(*p->v), TL_SV_ARG(json_view(*names)));
    for (uint32_t i = 0; i < names->n; i++)
        if (type_is(p->v, json_view(names->u.items[i])))
            return true;
    return issue(r, p, K_TYPE, "Its type, %s, is none of those allowed.", json_type_name(*p->v));
}

static bool check_enum(struct run *r, const struct place *p, const struct rule *rule)
{
    for (uint32_t i = 0; i < rule->value->n; i++)
        if (json_equal(*p->v, rule->value->u.items[i]))
            return true;
    return issue(r, p, K_ENUM, "It is none of the %u allowed values.", rule->value->n);
}

static bool check_number(struct run *r, const struct place *p, const struct rule *rule)
{
    int order;

    if (!json_is_number(*p->v))
        return true;
    if (rule->keyword == K_MULTIPLE_OF)
        return schema_number_is_multiple(*p->v, *rule->value) ||
               issue(r, p, K_MULTIPLE_OF, "It is not a multiple of %.15g.", json_number(*rule->value));
    order = json_number_cmp(*p->v, *rule->value);
    if (rule->keyword == K_MAXIMUM             ? order <= 0
        : rule->keyword == K_EXCLUSIVE_MAXIMUM ? order < 0
        : rule->keyword == K_MINIMUM           ? order >= 0
                                               : order > 0)
        return true;
    return issue(r, p, rule->keyword, "It must be %s %.15g.",
                 rule->keyword == K_MAXIMUM             ? "at most"
                 : rule->keyword == K_EXCLUSIVE_MAXIMUM ? "less than"
                 : rule->keyword == K_MINIMUM           ? "at least"
                                                        : "more than",
                 json_number(*rule->value));
}

/* Characters, items or members against a bound. */
static bool check_count(struct run *r, const struct place *p, const struct rule *rule, enum json_type type, bool is_max,
                        const char *what)
{
    size_t n;

    if (p->v->type != type)
        return true;
    n = type != JSON_STRING || (p->v->flags & JSON_F_ASCII) ? p->v->n : tl_utf8_count(json_view(*p->v));
    if (is_max ? n <= (uint64_t)rule->count : n >= (uint64_t)rule->count)
        return true;
    return issue(r, p, rule->keyword, "It has %zu %s; %lld is the %s.", n, what, (long long)rule->count,
                 is_max ? "most" : "least");
}

static bool matches(struct run *r, const pcre2_code *pattern, struct json text)
{
    int m = pattern_match(pattern, json_view(text));

    return m < 0 ? give_up(r, "a regular expression takes too long") : m > 0;
}

static bool check_pattern(struct run *r, const struct place *p, const struct rule *rule)
{
    if (p->v->type != JSON_STRING || matches(r, rule->pattern, *p->v))
        return true;
    return issue(r, p, K_PATTERN, "It does not match the pattern %.*s.", TL_SV_ARG(json_view(*rule->value)));
}

static bool check_unique(struct run *r, const struct place *p, const struct rule *rule)
{
    uint32_t a, b;

    if (p->v->type != JSON_ARRAY || !rule->value->u.b)
        return true;

    return !schema_items_repeat(*p->v, &a, &b) || issue(r, p, K_UNIQUE_ITEMS, "Items %u and %u are equal.", a, b);
}

static bool has_all(struct run *r, const struct place *p, enum keyword k, const struct json *names)
{
    bool ok = true;

    for (uint32_t i = 0; i < names->n; i++)
        if (schema_object_find(*p->v, json_view(names->u.items[i])) == UINT32_MAX)
            ok = issue(r, p, k, "The member \"%.*s\" is missing.", TL_SV_ARG(json_view(names->u.items[i])));
    return ok;
}

static bool check_format(struct run *r, const struct place *p, const struct rule *rule)
{
    if (p->v->type != JSON_STRING || json_schema_format(json_view(*rule->value), json_view(*p->v)))
        return true;
    return issue(r, p, K_FORMAT, "It is not in the format %.*s.", TL_SV_ARG(json_view(*rule->value)));
}

/* ---- applied to the same place ---- */

static bool apply(struct run *r, const struct place *p, const struct node *schema)
{
    return check(r, schema, p->v, p->way, p->scope, p->marks);
}

static bool apply_quietly(struct run *r, const struct place *p, const struct node *schema)
{
    bool ok;

    r->quiet++;
    ok = apply(r, p, schema);
    r->quiet--;
    return ok;
}

static bool check_all(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    for (uint32_t i = 0; i < rule->n; i++)
        ok &= apply(r, p, rule->entries[i].schema);
    return ok;
}

static bool check_some(struct run *r, const struct place *p, const struct rule *rule)
{
    bool one = rule->keyword == K_ONE_OF;
    uint32_t n = 0;

    if (rule->n == 1)
        return apply(r, p, rule->entries[0].schema);
    for (uint32_t i = 0; i < rule->n; i++) {
        n += apply_quietly(r, p, rule->entries[i].schema);
        if (one ? n > 1 : n > 0 && !p->marks->bits)
            break;
    }
    if (one ? n == 1 : n > 0)
        return true;
    if (n == 0)
        return issue(r, p, rule->keyword, "It is valid for none of the %u alternatives.", rule->n);
    return issue(r, p, rule->keyword, "It is valid for more than one of the alternatives.");
}

static bool check_not(struct run *r, const struct place *p, const struct rule *rule)
{
    struct marks none = {0};
    struct place here = *p;

    here.marks = &none;
    return !apply_quietly(r, &here, rule->schema) ||
           issue(r, p, K_NOT, "It is valid for a schema that it must not match.");
}

static bool check_if(struct run *r, const struct place *p, const struct rule *rule)
{
    const struct rule *next = node_rule(p->node, apply_quietly(r, p, rule->schema) ? K_THEN : K_ELSE);

    return !next || apply(r, p, next->schema);
}

static bool check_dependencies(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    if (p->v->type != JSON_OBJECT)
        return true;
    for (uint32_t i = 0; i < rule->n; i++) {
        const struct entry *e = &rule->entries[i];

        if (schema_object_find(*p->v, json_view(e->name)) == UINT32_MAX)
            continue;
        ok &= e->schema ? apply(r, p, e->schema) : has_all(r, p, rule->keyword, e->names);
    }
    return ok;
}

/* Core 8.2.3.2: the outermost resource of the dynamic scope that has the dynamic anchor. */
static bool check_reference(struct run *r, const struct place *p, const struct rule *rule)
{
    const struct node *target = rule->schema, *found;

    for (const struct scope *s = p->scope; rule->dynamic.p && s; s = s->outer) {
        found = tl_map_get(s->resource->dynamic, rule->dynamic);
        if (found)
            target = found;
    }
    return apply(r, p, target);
}

/* ---- applied to members and items ---- */

static bool check_member(struct run *r, const struct place *p, const struct node *schema, uint32_t i)
{
    struct way way = {p->way, &p->v->u.members[i].key, 0};

    mark(p->marks, i);
    return check(r, schema, &p->v->u.members[i].value, &way, p->scope, NULL);
}

static bool check_item(struct run *r, const struct place *p, const struct node *schema, uint32_t i)
{
    struct way way = {p->way, NULL, i};

    mark(p->marks, i);
    return check(r, schema, &p->v->u.items[i], &way, p->scope, NULL);
}

static bool check_properties(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    for (uint32_t i = 0; p->v->type == JSON_OBJECT && i < rule->n; i++) {
        uint32_t at = schema_object_find(*p->v, json_view(rule->entries[i].name));

        if (at != UINT32_MAX)
            ok &= check_member(r, p, rule->entries[i].schema, at);
    }
    return ok;
}

static bool check_pattern_properties(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    for (uint32_t i = 0; p->v->type == JSON_OBJECT && i < p->v->n; i++)
        for (uint32_t k = 0; k < rule->n && r->rc == TL_OK; k++)
            if (matches(r, rule->entries[k].pattern, p->v->u.members[i].key))
                ok &= check_member(r, p, rule->entries[k].schema, i);
    return ok;
}

static bool is_additional(struct run *r, const struct place *p, struct json key)
{
    const struct rule *named = node_rule(p->node, K_PROPERTIES), *patterns = node_rule(p->node, K_PATTERN_PROPERTIES);

    if (named && schema_object_find(*named->value, json_view(key)) != UINT32_MAX)
        return false;
    for (uint32_t k = 0; patterns && k < patterns->n; k++)
        if (matches(r, patterns->entries[k].pattern, key))
            return false;
    return r->rc == TL_OK;
}

static bool refuses_all(const struct node *n)
{
    return n->at->type == JSON_BOOL && !n->at->u.b;
}

static bool check_additional(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    for (uint32_t i = 0; p->v->type == JSON_OBJECT && i < p->v->n; i++) {
        struct json key = p->v->u.members[i].key;

        if (!is_additional(r, p, key))
            continue;
        if (refuses_all(rule->schema))
            ok = issue(r, p, rule->keyword, "The member \"%.*s\" is not allowed.", TL_SV_ARG(json_view(key)));
        else
            ok &= check_member(r, p, rule->schema, i);
    }
    return ok;
}

static bool check_names(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    for (uint32_t i = 0; p->v->type == JSON_OBJECT && i < p->v->n; i++) {
        struct way way = {p->way, &p->v->u.members[i].key, 0};

        ok &= check(r, rule->schema, &p->v->u.members[i].key, &way, p->scope, NULL);
    }
    return ok;
}

static bool check_items_from(struct run *r, const struct place *p, const struct node *schema, uint32_t first)
{
    bool ok = true;

    for (uint32_t i = first; p->v->type == JSON_ARRAY && i < p->v->n; i++)
        ok &= check_item(r, p, schema, i);
    return ok;
}

/* prefixItems, and items as an array before 2020-12. */
static bool check_prefix(struct run *r, const struct place *p, const struct rule *rule)
{
    bool ok = true;

    if (rule->keyword == K_OLD_ITEMS && rule->schema)
        return check_items_from(r, p, rule->schema, 0);
    for (uint32_t i = 0; p->v->type == JSON_ARRAY && i < p->v->n && i < rule->n; i++)
        ok &= check_item(r, p, rule->entries[i].schema, i);
    return ok;
}

static bool check_rest(struct run *r, const struct place *p, const struct rule *rule)
{
    const struct rule *prefix = node_rule(p->node, rule->keyword == K_ITEMS ? K_PREFIX_ITEMS : K_OLD_ITEMS);

    if (rule->keyword == K_ADDITIONAL_ITEMS && (!prefix || prefix->schema))
        return true;
    return check_items_from(r, p, rule->schema, prefix ? prefix->n : 0);
}

static bool check_contains(struct run *r, const struct place *p, const struct rule *rule)
{
    const struct rule *min = node_rule(p->node, K_MIN_CONTAINS), *max = node_rule(p->node, K_MAX_CONTAINS);
    int64_t n = 0, least = min ? min->count : 1;

    if (p->v->type != JSON_ARRAY)
        return true;
    r->quiet++;
    for (uint32_t i = 0; i < p->v->n; i++) {
        if (!check(r, rule->schema, &p->v->u.items[i], p->way, p->scope, NULL))
            continue;
        n++;
        if (p->node->resource->dialect == D20)
            mark(p->marks, i);
    }
    r->quiet--;
    if (n < least)
        return issue(r, p, min ? K_MIN_CONTAINS : K_CONTAINS, "%lld items are as \"contains\" asks; %lld is the least.",
                     (long long)n, (long long)least);
    return !max || n <= max->count ||
           issue(r, p, K_MAX_CONTAINS, "%lld items are as \"contains\" asks; %lld is the most.", (long long)n,
                 (long long)max->count);
}

static bool check_unevaluated(struct run *r, const struct place *p, const struct rule *rule, enum json_type type)
{
    bool ok = true;

    if (!rule || p->v->type != type || !p->marks->bits)
        return true;
    for (uint32_t i = 0; i < p->v->n; i++) {
        if (p->marks->bits[i])
            continue;
        if (type == JSON_ARRAY)
            ok &= refuses_all(rule->schema) ? issue(r, p, rule->keyword, "Item %u is not allowed.", i)
                                            : check_item(r, p, rule->schema, i);
        else
            ok &= refuses_all(rule->schema) ? issue(r, p, rule->keyword, "The member \"%.*s\" is not allowed.",
                                                    TL_SV_ARG(json_view(p->v->u.members[i].key)))
                                            : check_member(r, p, rule->schema, i);
    }
    return ok;
}

/* ---- the switchboard ---- */

static bool check_assertion(struct run *r, const struct place *p, const struct rule *rule)
{
    switch ((int)rule->keyword) {
    case K_TYPE:
        return check_type(r, p, rule);
    case K_ENUM:
        return check_enum(r, p, rule);
    case K_CONST:
        return json_equal(*p->v, *rule->value) || issue(r, p, K_CONST, "It is not the one allowed value.");
    case K_MULTIPLE_OF:
    case K_MAXIMUM:
    case K_EXCLUSIVE_MAXIMUM:
    case K_MINIMUM:
    case K_EXCLUSIVE_MINIMUM:
        return check_number(r, p, rule);
    case K_MAX_LENGTH:
    case K_MIN_LENGTH:
        return check_count(r, p, rule, JSON_STRING, rule->keyword == K_MAX_LENGTH, "characters");
    case K_MAX_ITEMS:
    case K_MIN_ITEMS:
        return check_count(r, p, rule, JSON_ARRAY, rule->keyword == K_MAX_ITEMS, "items");
    case K_MAX_PROPERTIES:
    case K_MIN_PROPERTIES:
        return check_count(r, p, rule, JSON_OBJECT, rule->keyword == K_MAX_PROPERTIES, "members");
    case K_PATTERN:
        return check_pattern(r, p, rule);
    case K_UNIQUE_ITEMS:
        return check_unique(r, p, rule);
    case K_REQUIRED:
        return p->v->type != JSON_OBJECT || has_all(r, p, K_REQUIRED, rule->value);
    case K_FORMAT:
        return check_format(r, p, rule);
    default:
        return true; /* minContains, maxContains, then, else, unevaluated*: read by others */
    }
}

static bool check_rule(struct run *r, const struct place *p, const struct rule *rule)
{
    switch ((int)rule->keyword) {
    case K_REF:
    case K_DYNAMIC_REF:
    case K_RECURSIVE_REF:
        return check_reference(r, p, rule);
    case K_ALL_OF:
        return check_all(r, p, rule);
    case K_ANY_OF:
    case K_ONE_OF:
        return check_some(r, p, rule);
    case K_NOT:
        return check_not(r, p, rule);
    case K_IF:
        return check_if(r, p, rule);
    case K_DEPENDENT_REQUIRED:
    case K_DEPENDENT_SCHEMAS:
    case K_DEPENDENCIES:
        return check_dependencies(r, p, rule);
    case K_PREFIX_ITEMS:
    case K_OLD_ITEMS:
        return check_prefix(r, p, rule);
    case K_ITEMS:
    case K_ADDITIONAL_ITEMS:
        return check_rest(r, p, rule);
    case K_CONTAINS:
        return check_contains(r, p, rule);
    case K_PROPERTIES:
        return check_properties(r, p, rule);
    case K_PATTERN_PROPERTIES:
        return check_pattern_properties(r, p, rule);
    case K_ADDITIONAL_PROPERTIES:
        return check_additional(r, p, rule);
    case K_PROPERTY_NAMES:
        return check_names(r, p, rule);
    default:
        return check_assertion(r, p, rule);
    }
}

static bool check_rules(struct run *r, const struct place *p)
{
    bool ok = true;

    for (uint32_t i = 0; i < p->node->n; i++) {
        if (r->steps == 0)
            return give_up(r, "too many steps");
        r->steps--;
        ok &= check_rule(r, p, &p->node->rules[i]);
        if (r->rc != TL_OK || (!ok && (r->quiet || r->more)))
            return false;
    }
    ok &= check_unevaluated(r, p, node_rule(p->node, K_UNEVALUATED_PROPERTIES), JSON_OBJECT);
    ok &= check_unevaluated(r, p, node_rule(p->node, K_UNEVALUATED_ITEMS), JSON_ARRAY);
    return ok;
}

static bool check(struct run *r, const struct node *n, const struct json *v, const struct way *way,
                  const struct scope *scope, struct marks *marks)
{
    struct scope mine = {scope, n->resource};
    struct marks local = {0};
    struct place p = {n, v, way, scope, &local};
    bool ok;

    if (n->at->type == JSON_BOOL)
        return n->at->u.b || issue(r, &p, K_COUNT, "Nothing is allowed here.");
    if (r->rc != TL_OK || r->depth == 0)
        return give_up(r, "nested too deeply, or a $ref that leads back to itself");
    if (!scope || scope->resource != n->resource)
        p.scope = &mine;
    if ((n->unevaluated || (marks && marks->bits)) && !marks_begin(r, &local, v))
        return false;
    r->depth--;
    ok = check_rules(r, &p);
    r->depth++;
    if (ok)
        marks_merge(marks, &local);
    return ok;
}

enum tl_rc json_schema_validate(const struct json_schema *s, struct tl_arena *a, struct json instance,
                                const struct json_schema_budget *budget, struct json_schema_result *ret,
                                struct tl_err *err)
{
    struct json_schema_budget b = budget ? *budget : (struct json_schema_budget){0};
    struct run r = {.arena = a,
                    .steps = b.steps ? b.steps : DEFAULT_STEPS,
                    .depth = b.depth ? b.depth : DEFAULT_DEPTH,
                    .max = b.max_issues ? b.max_issues : DEFAULT_ISSUES};
    bool valid = check(&r, s->root, &instance, NULL, NULL, NULL);

    if (r.rc != TL_OK)
        return tl_fail(err, r.rc, "JSON Schema validation: %s", r.why);
    *ret = (struct json_schema_result){valid, r.issues, r.count, r.more};
    return TL_OK;
}
