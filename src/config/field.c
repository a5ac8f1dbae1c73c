/* SPDX-License-Identifier: Apache-2.0 */
/* field.c - what a field table says about itself: sizes, words for people, fallbacks. One row a type. */
#include "config/config_int.h"

static const struct {
    size_t size;
    const char *name, *expects;
} types[] = {
    [CONFIG_STRING] = {sizeof(const char *), "string", "a text"},
    [CONFIG_TEXT] = {sizeof(struct config_text), "string", "a text"},
    [CONFIG_EXPR] = {sizeof(struct config_text), "JSONata", "a JSONata expression in quotes"},
    [CONFIG_INT] = {sizeof(int64_t), "integer", "a whole number"},
    [CONFIG_DOUBLE] = {sizeof(double), "number", "a number"},
    [CONFIG_BOOL] = {sizeof(bool), "boolean", "true or false"},
    [CONFIG_PERCENT] = {sizeof(double), "percentage", "a percentage from 0% to 100%, such as 99.7%"},
    [CONFIG_DURATION] = {sizeof(int64_t), "duration", "a duration such as 500ms, 30s, 5m or 1h30m"},
    [CONFIG_DURATION_RANGE] = {sizeof(struct config_range), "duration range", "two durations such as 1s..10m"},
    [CONFIG_SIZE] = {sizeof(uint64_t), "size", "a size such as 512, 64KB, 10MB or 1GB"},
    [CONFIG_ENUM] = {sizeof(int), "choice", "one of"},
    [CONFIG_URL] = {sizeof(const char *), "URL", "a URL such as https://host/path"},
    [CONFIG_HOST_PORT] = {sizeof(struct config_host_port), "host:port", "host:port, such as db.example.com:5432"},
    [CONFIG_ADDRESS] = {sizeof(struct config_address), "address:port",
                        "an address and port such as 127.0.0.1:8080 or [::1]:8080"},
    [CONFIG_CIDR] = {sizeof(struct config_cidr), "address range", "an address or range such as 10.0.0.0/8 or ::1"},
    [CONFIG_FILE] = {sizeof(const char *), "file", "the path of a file"},
    [CONFIG_CRON] = {sizeof(struct config_cron), "cron", "five cron fields such as \"0 6 * * mon-fri\", or @hourly"},
    [CONFIG_ZONE] = {sizeof(const struct config_zone *), "time zone", "a time zone such as Europe/Berlin"},
    [CONFIG_SECRET] = {sizeof(struct config_secret), "secret", "a reference to a secret such as ${env:NAME}"},
    [CONFIG_ANY] = {sizeof(const struct config_node *), "anything", "anything"},
    [CONFIG_LIST] = {sizeof(struct config_list), "list", "a list"},
    [CONFIG_MAP] = {sizeof(struct config_map), "map", "a map of keys"},
    [CONFIG_OBJECT] = {0, "object", "a map of keys"},
    [CONFIG_OBJECT_REF] = {sizeof(const void *), "object", "a map of keys"},
    [CONFIG_ONE_OF] = {sizeof(struct config_choice), "one of", "a map with exactly one key"},
};

size_t config__size(const struct config_field *f)
{
    return f->type == CONFIG_OBJECT ? f->spec->size : types[f->type].size;
}

bool config__is_container(enum config_type t)
{
    return t >= CONFIG_ANY;
}

const struct config_field *config__variant(const struct config_variants *v, size_t i)
{
    if (v->at)
        return v->at(i);
    return i < v->n ? &v->table[i] : NULL;
}

const struct config_field *config__variant_named(const struct config_variants *v, struct tl_sv name, size_t *ret_i)
{
    const struct config_field *f;

    for (size_t i = 0; (f = config__variant(v, i)) != NULL; i++)
        if (tl_sv_eqs(name, f->name)) {
            *ret_i = i;
            return f;
        }
    return NULL;
}

const struct config_field *config__field_named(const struct config_spec *spec, struct tl_sv name)
{
    for (size_t i = 0; i < spec->n_fields; i++)
        if (tl_sv_eqs(name, spec->fields[i].name))
            return &spec->fields[i];
    return NULL;
}

static void put_choices(const char *const *choices, struct tl_buf *b)
{
    for (size_t i = 0; choices[i]; i++)
        tl_buf_printf(b, "%s%s", i == 0 ? "" : choices[i + 1] ? ", " : " or ", choices[i]);
}

void config__describe(const struct config_field *f, struct tl_buf *b)
{
    switch (f->type) {
    case CONFIG_ENUM:
        put_choices(f->choices, b);
        break;
    case CONFIG_LIST:
        tl_buf_puts(b, "a list, each ");
        config__describe(f->item, b);
        break;
    case CONFIG_MAP:
        tl_buf_puts(b, "a map of keys, each value ");
        config__describe(f->item, b);
        break;
    case CONFIG_STRING:
    case CONFIG_TEXT:
    case CONFIG_EXPR:
    case CONFIG_INT:
    case CONFIG_DOUBLE:
    case CONFIG_BOOL:
    case CONFIG_PERCENT:
    case CONFIG_DURATION:
    case CONFIG_DURATION_RANGE:
    case CONFIG_SIZE:
    case CONFIG_URL:
    case CONFIG_HOST_PORT:
    case CONFIG_ADDRESS:
    case CONFIG_CIDR:
    case CONFIG_FILE:
    case CONFIG_CRON:
    case CONFIG_ZONE:
    case CONFIG_SECRET:
    case CONFIG_ANY:
    case CONFIG_OBJECT:
    case CONFIG_OBJECT_REF:
    case CONFIG_ONE_OF:
        tl_buf_puts(b, types[f->type].expects);
    }
}

void config__type_name(const struct config_field *f, struct tl_buf *b)
{
    if (f->type == CONFIG_ENUM) {
        put_choices(f->choices, b);
        return;
    }
    tl_buf_puts(b, types[f->type].name);
    if (f->type == CONFIG_LIST || f->type == CONFIG_MAP) {
        tl_buf_puts(b, " of ");
        config__type_name(f->item, b);
    }
}

struct config_node *config__fallback(struct tl_arena *a, const struct config_field *f, struct config_place at,
                                     struct config_errors *e)
{
    struct config_node *n = NULL;

    if (!f->fallback)
        return NULL;
    if (!config__is_container(f->type))
        return config__scalar(a, tl_sv_str(f->fallback), !*f->fallback, at); /* "" is a text, not nothing */
    if (config_parse_yaml(a, NULL, tl_sv_str(f->fallback), e, &n) != TL_OK)
        return NULL;
    return n;
}

void config__names_add(struct config__names *s, const char *name)
{
    if (s->n < TL_COUNT(s->names))
        s->names[s->n++] = name;
}

void config__names_spec(struct config__names *s, const struct config_spec *spec)
{
    for (size_t i = 0; i < spec->n_fields; i++)
        config__names_add(s, spec->fields[i].name);
}

void config__names_variants(struct config__names *s, const struct config_variants *v)
{
    const struct config_field *f;

    for (size_t i = 0; (f = config__variant(v, i)) != NULL; i++)
        config__names_add(s, f->name);
}

void config__suggest(struct tl_sv word, const char *const *names, size_t n, struct tl_buf *b)
{
    const char *near = tl_nearest(word, names, n);

    if (near) {
        tl_buf_printf(b, "Did you mean `%s`?", near);
        return;
    }
    for (size_t i = 0; i < n && i < 40; i++)
        tl_buf_printf(b, "%s`%s`", i ? ", " : "Known here: ", names[i]);
    if (n)
        tl_buf_puts(b, n > 40 ? ", ..." : ".");
}

/* ---- lint of the tables themselves ---- */

static bool is_object(const struct config_field *f)
{
    return f->type == CONFIG_OBJECT || f->type == CONFIG_OBJECT_REF;
}

void config_lint_reload(const struct config_spec *spec, struct config_errors *e)
{
    for (size_t i = 0; i < spec->n_fields; i++) {
        const struct config_field *f = &spec->fields[i];

        if (f->reload == CONFIG_RELOAD_UNSAID && is_object(f))
            config_lint_reload(f->spec, e);
        else if (f->reload == CONFIG_RELOAD_UNSAID)
            config_error(e, (struct config_place){0}, NULL,
                         "table %s, field %s: does not say whether a reload applies it", spec->name, f->name);
    }
}

struct lint {
    struct config_errors *e;
    struct tl_arena *arena;
    const struct config_spec *seen[256];
    size_t n_seen;
};

static void lint_spec(struct lint *l, const struct config_spec *spec);

static void fault(struct lint *l, const struct config_spec *spec, const struct config_field *f, const char *what)
{
    config_error(l->e, (struct config_place){0}, NULL, "table %s, field %s: %s", spec->name, f->name ? f->name : "?",
                 what);
}

static void lint_value(struct lint *l, const struct config_spec *spec, const struct config_field *f)
{
    const struct config_field *v;
    size_t size;

    if (f->type == CONFIG_ENUM && (!f->choices || !f->choices[0]))
        fault(l, spec, f, "has no choices");
    if ((f->type == CONFIG_LIST || f->type == CONFIG_MAP) && !f->item)
        fault(l, spec, f, "has no item");
    else if (f->type == CONFIG_LIST || f->type == CONFIG_MAP)
        lint_value(l, spec, f->item);
    if ((f->type == CONFIG_OBJECT || f->type == CONFIG_OBJECT_REF) && !f->spec)
        fault(l, spec, f, "has no spec");
    else if (f->type == CONFIG_OBJECT || f->type == CONFIG_OBJECT_REF)
        lint_spec(l, f->spec);
    if (f->type == CONFIG_ONE_OF && !f->variants)
        fault(l, spec, f, "has no variants");
    for (size_t i = 0; f->variants && (v = config__variant(f->variants, i)) != NULL; i++) {
        if (!v->name || !v->doc)
            fault(l, spec, v, "is a variant without name or doc");
        lint_value(l, spec, v);
    }
    if (f->type == CONFIG_LIST || f->type == CONFIG_MAP || ((f->type == CONFIG_OBJECT) && !f->spec))
        return;
    size = config__size(f);
    if (size == 0)
        fault(l, spec, f, "has a type of no size");
}

/* The fallback is read by the parser that reads the user's text. */
static void lint_fallback(struct lint *l, const struct config_spec *spec, const struct config_field *f)
{
    struct config_field copy = *f;
    struct config_spec one = {.name = spec->name, .size = config__size(f), .fields = &copy, .n_fields = 1, .doc = ""};
    struct config_options opt = {.env_may_be_missing = true};
    struct config_node *empty = config__node(l->arena, CONFIG_NODE_MAP, (struct config_place){0});
    size_t before = config_errors_count(l->e);
    void *conf;

    if (!f->fallback || !empty)
        return;
    copy.offset = 0;
    copy.required = false;
    if (config_parse(l->arena, &one, empty, &opt, l->e, &conf) != TL_OK || config_errors_count(l->e) != before)
        fault(l, spec, f, "has a fallback that does not parse");
}

static void lint_field(struct lint *l, const struct config_spec *spec, const struct config_field *f, size_t i)
{
    if (!f->name || !*f->name) {
        fault(l, spec, f, "has no name");
        return;
    }
    if (!f->doc || !*f->doc)
        fault(l, spec, f, "has no doc");
    if (f->required && f->fallback)
        fault(l, spec, f, "is required and has a fallback");
    if (config__field_named(spec, tl_sv_str(f->name)) != &spec->fields[i])
        fault(l, spec, f, "is there twice");
    lint_value(l, spec, f);
    if ((f->type == CONFIG_OBJECT && !f->spec) || ((f->type == CONFIG_LIST || f->type == CONFIG_MAP) && !f->item))
        return;
    if (f->offset + config__size(f) > spec->size)
        fault(l, spec, f, "lies outside its struct");
    lint_fallback(l, spec, f);
}

static void lint_spec(struct lint *l, const struct config_spec *spec)
{
    const struct config_field *v;

    for (size_t i = 0; i < l->n_seen; i++)
        if (l->seen[i] == spec)
            return;
    if (l->n_seen < TL_COUNT(l->seen))
        l->seen[l->n_seen++] = spec;
    for (size_t i = 0; i < spec->n_fields; i++)
        lint_field(l, spec, &spec->fields[i], i);
    if (spec->scalar && !config__field_named(spec, tl_sv_str(spec->scalar)))
        config_error(l->e, (struct config_place){0}, NULL, "table %s: its scalar field %s does not exist", spec->name,
                     spec->scalar);
    for (size_t i = 0; i < spec->n_checks; i++) {
        struct tl_sv rest = tl_sv_str(spec->checks[i].reads), name;

        while (tl_sv_cut(&rest, ' ', &name))
            if (!config__field_named(spec, name))
                config_error(l->e, (struct config_place){0}, NULL, "table %s: a check reads `%.*s`, which is no field",
                             spec->name, TL_SV_ARG(name));
    }
    if (spec->tag && !spec->variants)
        config_error(l->e, (struct config_place){0}, NULL, "table %s: is tagged without variants", spec->name);
    for (size_t i = 0; spec->variants && (v = config__variant(spec->variants, i)) != NULL; i++)
        if (v->spec)
            lint_spec(l, v->spec);
}

void config_lint_spec(const struct config_spec *spec, struct config_errors *e)
{
    struct lint l = {.e = e, .arena = tl_arena_new(16 << 20)};

    lint_spec(&l, spec);
    tl_arena_free(l.arena);
}
