/* SPDX-License-Identifier: Apache-2.0 */
/* effective.c - what holds: the tree with the defaults of the tables put in and literal secrets masked, printed as
 * YAML. */
#include "config/config_int.h"

static const struct config_place by_default = {.line = -1};

static struct config_node *object(struct tl_arena *a, bool plain, const struct config_spec *spec,
                                  const struct config_node *n);
static struct config_node *value(struct tl_arena *a, bool plain, const struct config_field *f,
                                 const struct config_node *n);

static struct config_node *copy(struct tl_arena *a, const struct config_node *n)
{
    struct config_node *c = tl_arena_alloc(a, sizeof *c);

    if (c)
        *c = *n;
    return c;
}

static struct config_node *secret(struct tl_arena *a, bool plain, const struct config_node *n)
{
    struct config_secret s;

    if (plain)
        return copy(a, n);
    if (config__is_scalar(n) && config_secret_parse(a, n->text, &s, NULL) == TL_OK && s.kind != CONFIG_SECRET_LITERAL)
        return copy(a, n);
    return config__scalar(a, TL_SV("(a literal secret, not shown)"), true, n->at);
}

static struct config_node *list(struct tl_arena *a, bool plain, const struct config_field *f,
                                const struct config_node *n)
{
    struct config_node *out = config__node(a, CONFIG_NODE_LIST, n->at);

    if (n->kind != CONFIG_NODE_LIST)
        return value(a, plain, f->item, n);
    for (uint32_t i = 0; out && i < n->n; i++)
        if (!config__push(a, out, value(a, plain, f->item, n->items[i])))
            return NULL;
    return out;
}

/* Where a plain text may stand, a secret may have been written all the same: by the name it stands under (headers,
 * mostly), or by a value as RFC 7235 credentials are. What is no secret is shown: it is why the text may stand there.
 */
static bool is_secret(const char *name, const struct config_node *n)
{
    static const char *const names[] = {"auth",     "token",     "key",     "secret",    "cookie",
                                        "password", "signature", "session", "credential"};
    struct tl_sv key = tl_sv_str(name), value = config__is_scalar(n) ? tl_sv_trim(n->text) : TL_SV("");

    for (size_t i = 0; i < TL_COUNT(names); i++)
        for (size_t at = 0; at < key.n; at++)
            if (tl_sv_starts_i(tl_sv_from(key, at), tl_sv_str(names[i])))
                return true;
    return tl_sv_starts_i(value, TL_SV("bearer ")) || tl_sv_starts_i(value, TL_SV("basic "));
}

static struct config_node *entry(struct tl_arena *a, bool plain, const struct config_field *f, const char *name,
                                 const struct config_node *n)
{
    return f->type == CONFIG_SECRET && is_secret(name, n) ? secret(a, plain, n) : value(a, plain, f, n);
}

static struct config_node *map(struct tl_arena *a, bool plain, const struct config_field *f,
                               const struct config_node *n)
{
    struct config_node *out = config__node(a, CONFIG_NODE_MAP, n->at);

    if (n->kind != CONFIG_NODE_MAP)
        return copy(a, n);
    for (uint32_t i = 0; out && i < n->n; i++)
        if (!config__add(a, out, n->entries[i].key, n->entries[i].at,
                         entry(a, plain, f->item, n->entries[i].key, n->entries[i].value)))
            return NULL;
    return out;
}

static struct config_node *one_of(struct tl_arena *a, bool plain, const struct config_field *f,
                                  const struct config_node *n)
{
    struct config_node *out = config__node(a, CONFIG_NODE_MAP, n->at);
    const struct config_field *v;
    size_t index;

    if (n->kind != CONFIG_NODE_MAP || n->n != 1)
        return copy(a, n);
    v = config__variant_named(f->variants, tl_sv_str(n->entries[0].key), &index);
    if (!v || !out || !config__add(a, out, v->name, n->entries[0].at, value(a, plain, v, n->entries[0].value)))
        return NULL;
    return out;
}

static struct config_node *value(struct tl_arena *a, bool plain, const struct config_field *f,
                                 const struct config_node *n)
{
    if (f->type == CONFIG_SECRET && !f->raw)
        return secret(a, plain, n);
    if (f->type == CONFIG_LIST)
        return list(a, plain, f, n);
    if (f->type == CONFIG_MAP)
        return map(a, plain, f, n);
    if (f->type == CONFIG_ONE_OF)
        return one_of(a, plain, f, n);
    if (f->type == CONFIG_OBJECT || f->type == CONFIG_OBJECT_REF)
        return object(a, plain, f->spec, n);
    return copy(a, n);
}

static struct config_node *absent(struct tl_arena *a, const struct config_field *f)
{
    struct config_errors *e;
    struct config_node *n;

    if (!f->fallback)
        return f->type == CONFIG_OBJECT ? config__node(a, CONFIG_NODE_MAP, by_default) : NULL;
    e = config_errors_new();
    n = config__fallback(a, f, by_default, e);
    if (n)
        n->at = by_default;
    config_errors_free(e);
    return n;
}

static bool put_fields(struct tl_arena *a, bool plain, const struct config_spec *spec, const struct config_node *n,
                       struct config_node *out)
{
    for (size_t i = 0; i < spec->n_fields; i++) {
        const struct config_field *f = &spec->fields[i];
        const struct config_node *there = config_get(n, f->name);
        struct config_node *v;

        if (!there)
            there = absent(a, f);
        if (!there)
            continue;
        v = value(a, plain, f, there);
        if (!v)
            return false;
        if (there->at.line == -1 && v->kind == CONFIG_NODE_MAP && v->n == 0)
            continue;
        if (!config__add(a, out, f->name, there->at, v))
            return false;
    }
    return true;
}

static struct config_node *object(struct tl_arena *a, bool plain, const struct config_spec *spec,
                                  const struct config_node *n)
{
    struct config_node *out = config__node(a, CONFIG_NODE_MAP, n->at), *tag;
    const struct config_field *v = NULL;
    size_t index;

    if (!out || n->kind != CONFIG_NODE_MAP)
        return out ? copy(a, n) : NULL;
    if (spec->tag) {
        const struct config_node *t = config_get(n, spec->tag);

        v = t && config__is_scalar(t) ? config__variant_named(spec->variants, t->text, &index) : NULL;
        tag = t ? copy(a, t) : NULL;
        if (tag && !config__add(a, out, spec->tag, t->at, tag))
            return NULL;
    }
    if (v && v->spec && !put_fields(a, plain, v->spec, n, out))
        return NULL;
    return put_fields(a, plain, spec, n, out) ? out : NULL;
}

struct config_node *config__effective(struct tl_arena *a, bool plain, const struct config_spec *spec,
                                      const struct config_node *n)
{
    return object(a, plain, spec, n);
}

/* ---- YAML out ---- */

static bool plain_ok(const struct config_node *n)
{
    struct tl_sv s = n->text;

    if (n->quoted || s.n == 0 || s.n > 200)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!word && !(i > 0 && strchr("-_./+%", c)) && c != '/' && c != '.' && !(c == '-' && s.n > 1))
            return false;
    }
    return true;
}

static void put_quoted(struct tl_buf *b, struct tl_sv s)
{
    tl_buf_putc(b, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c == '"' || c == '\\')
            tl_buf_printf(b, "\\%c", c);
        else if (c == '\n')
            tl_buf_puts(b, "\\n");
        else if (c < 0x20 || c == 0x7f)
            tl_buf_printf(b, "\\x%02x", c);
        else
            tl_buf_putc(b, (char)c);
    }
    tl_buf_putc(b, '"');
}

static void put_indent(struct tl_buf *b, unsigned indent)
{
    for (unsigned i = 0; i < indent; i++)
        tl_buf_puts(b, "  ");
}

static void put_key(struct tl_buf *b, const char *key)
{
    struct config_node n = {.kind = CONFIG_NODE_STRING, .text = tl_sv_str(key)};

    if (plain_ok(&n) && key[0] != '-')
        tl_buf_puts(b, key);
    else
        put_quoted(b, n.text);
    tl_buf_putc(b, ':');
}

/* After "key:" or "-", with the line still open; ends it. */
static void put_node(struct tl_buf *b, const struct config_node *n, unsigned indent)
{
    const char *mark = n->at.line == -1 ? "  # default\n" : "\n";

    if (n->kind == CONFIG_NODE_NULL) {
        tl_buf_printf(b, " null%s", mark);
    } else if (config__is_scalar(n)) {
        tl_buf_putc(b, ' ');
        if (plain_ok(n))
            tl_buf_sv(b, n->text);
        else
            put_quoted(b, n->text);
        tl_buf_puts(b, mark);
    } else if (n->n == 0) {
        tl_buf_printf(b, " %s%s", n->kind == CONFIG_NODE_LIST ? "[]" : "{}", mark);
    } else {
        tl_buf_puts(b, n->kind == CONFIG_NODE_LIST ? mark : "\n");
        for (uint32_t i = 0; i < n->n; i++) {
            put_indent(b, indent);
            if (n->kind == CONFIG_NODE_LIST)
                tl_buf_putc(b, '-');
            else
                put_key(b, n->entries[i].key);
            put_node(b, n->kind == CONFIG_NODE_LIST ? n->items[i] : n->entries[i].value, indent + 1);
        }
    }
}

bool config_print_effective(const struct config_spec *spec, const struct config_node *node, struct tl_buf *b)
{
    struct tl_arena *a = tl_arena_new(64 << 20);
    struct config_node *n = config__effective(a, false, spec, node);

    for (uint32_t i = 0; n && n->kind == CONFIG_NODE_MAP && i < n->n; i++) {
        put_key(b, n->entries[i].key);
        put_node(b, n->entries[i].value, 1);
    }
    tl_arena_free(a);
    return n && !b->failed;
}

/* ---- who a connection is ---- */

static void put_identity(const struct config_spec *spec, const struct config_node *n, struct tl_buf *b)
{
    for (size_t i = 0; i < spec->n_fields; i++) {
        const struct config_field *f = &spec->fields[i];
        const struct config_node *v = config_get(n, f->name);

        if (!f->identity)
            continue;
        tl_buf_printf(b, "%s%s=", b->n ? " " : "", f->name);
        if (v && config__is_scalar(v))
            tl_buf_sv(b, v->text);
        else if (f->fallback)
            tl_buf_puts(b, f->fallback);
    }
}

bool config_identity(const struct config_spec *spec, const struct config_node *node, struct tl_buf *b)
{
    const struct config_node *tag = spec->tag ? config_get(node, spec->tag) : NULL;
    const struct config_field *v = NULL;
    size_t index;

    if (tag && config__is_scalar(tag)) {
        v = config__variant_named(spec->variants, tag->text, &index);
        tl_buf_printf(b, "%s%s=%.*s", b->n ? " " : "", spec->tag, TL_SV_ARG(tag->text));
    }
    put_identity(spec, node, b);
    if (v && v->spec)
        put_identity(v->spec, node, b);
    return !b->failed;
}
