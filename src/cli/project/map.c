/* SPDX-License-Identifier: Apache-2.0 */
/* map.c - `tieline map`: a mapping over values from files or standard input; `tieline map explain`. */
#include "cli/cli_int.h"
#include "jsonata/jsonata.h"

enum { MAX_TEXT = 1 << 20, MAX_SHOWN = 64 << 10, MAX_INPUT = 1 << 30, MAX_MEMORY = 2047 << 20 };
/* What JavaScript's JSON.parse takes: the mapping decides what becomes of it. */
enum { LENIENT = JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST };

struct map_options {
    const char *file, *lang, *bindings, *schema;
    uint64_t time_limit, depth, memory;
    bool raw, compact, null_input, json, strict;
};
static const struct cli_option map_options[] = {
    {"file", 'f', CLI_TEXT, "FILE", offsetof(struct map_options, file), "read the mapping from a file"},
    {"lang", 0, CLI_TEXT, "LANG", offsetof(struct map_options, lang),
     "jsonata, table, jq or xslt (by the name of the file, else jsonata)"},
    {"raw", 'r', CLI_FLAG, NULL, offsetof(struct map_options, raw), "texts without quotes"},
    {"compact", 'c', CLI_FLAG, NULL, offsetof(struct map_options, compact), "one line a value"},
    {"null-input", 'n', CLI_FLAG, NULL, offsetof(struct map_options, null_input), "no input: evaluate once"},
    {"bindings", 'b', CLI_TEXT, "FILE", offsetof(struct map_options, bindings),
     "an object: its members are variables ($name)"},
    {"strict", 0, CLI_FLAG, NULL, offsetof(struct map_options, strict), "JSONata alone, without the functions of $tl"},
    {"time-limit", 0, CLI_COUNT, "MS", offsetof(struct map_options, time_limit),
     "of each evaluation, in milliseconds (10000)"},
    {"depth", 0, CLI_NUMBER, "N", offsetof(struct map_options, depth),
     "calls within calls, 0: as deep as the stack allows"},
    {"memory", 0, CLI_COUNT, "MB", offsetof(struct map_options, memory), "of one value and its evaluation (2047)"},
    {"json", 0, CLI_FLAG, NULL, offsetof(struct map_options, json), "an error is one line of JSON on stderr"},
};
static const struct cli_option explain_options[] = {
    {"file", 'f', CLI_TEXT, "FILE", offsetof(struct map_options, file), "read the mapping from a file"},
    {"lang", 0, CLI_TEXT, "LANG", offsetof(struct map_options, lang), "jsonata or table"},
    {"schema", 0, CLI_TEXT, "FILE", offsetof(struct map_options, schema),
     "JSON Schema of the result: shows what is missing"},
    {"json", 0, CLI_FLAG, NULL, offsetof(struct map_options, json), "JSON"},
};

struct mapper {
    const struct map_options *o;
    struct mapping *m;
    struct mapping_workers *workers;
    struct json bindings;
    struct tl_arena *kept;        /* mapping's own inputs: bindings, schema */
    struct jsonata_error *detail; /* zeroed before each use */
};

/* A value that can be shown: not nothing, no function, not too long. */
static bool showable(struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, MAX_SHOWN);
    return v.type != JSON_UNDEFINED && v.type != JSON_EXT && json_write(&b, v, 0);
}

static int complain(const struct mapper *x, const struct tl_err *err)
{
    const struct jsonata_error *d = x->detail;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder e, doc;
    bool coded = d->code[0] != 0;

    if (!x->o->json) {
        fputs("tieline map: ", stderr);
        if (coded)
            fprintf(stderr, "%s at %d: ", d->code, d->position);
        else if (err->line > 0)
            fprintf(stderr, "line %d, column %d: ", err->line, err->column);
        cli__put_safe(stderr, tl_sv_str(coded && d->text[0] ? d->text : err->text));
        fputs("\n", stderr);
        return CLI_MAPPING;
    }
    json_object_begin(&e, a, 6);
    json_adds(&e, "code", json_str(coded ? d->code : tl_rc_name(err->rc)));
    json_adds(&e, "message", json_str(coded && d->text[0] ? d->text : err->text));
    if (coded && d->position >= 0)
        json_adds(&e, "position", json_int(d->position));
    if (coded && d->has_token)
        json_adds(&e, "token", json_str(d->token));
    if (coded && d->function[0])
        json_adds(&e, "functionName", json_str(d->function));
    if (coded && showable(d->value))
        json_adds(&e, "value", d->value);
    json_object_begin(&doc, a, 1);
    json_adds(&doc, "error", json_end(&e));
    tl_buf_init(&b, 16 << 20);
    json_write(&b, json_end(&doc), 0);
    fprintf(stderr, "%s\n", b.p ? b.p : "");
    return CLI_MAPPING;
}

static enum mapping_kind kind_of(const char *path)
{
    static const struct {
        const char *end;
        enum mapping_kind kind;
    } ends[] = {{".jsonata", MAPPING_JSONATA}, {".yaml", MAPPING_TABLE}, {".yml", MAPPING_TABLE},
                {".jq", MAPPING_JQ},           {".xslt", MAPPING_XSLT},  {".xsl", MAPPING_XSLT}};

    for (size_t i = 0; path && i < TL_COUNT(ends); i++) {
        if (tl_sv_ends(tl_sv_str(path), tl_sv_str(ends[i].end)))
            return ends[i].kind;
    }
    return MAPPING_JSONATA;
}

/* Compile what -f or the first word says; *used words of the arguments. -1: go on, else the exit code. */
static int compile(struct mapper *x, const struct cli_args *args, int *used)
{
    const struct map_options *o = x->o;
    struct mapping_options mo = {.strict = o->strict, .workers = x->workers, .detail = x->detail};
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    enum mapping_kind kind = kind_of(o->file);
    struct tl_err err = {0};

    if (o->lang && !mapping_kind_parse(tl_sv_str(o->lang), &kind))
        return cli__usage(args, "--lang must be jsonata, table, jq or xslt");
    *used = o->file ? 0 : 1;
    if (!o->file && args->n == 0)
        return cli__usage(args, "what shall be evaluated? Give an expression, or -f FILE");
    if (o->file) {
        if (cli__read_file(o->file, MAX_TEXT, &text, &err) != TL_OK)
            return cli__fail(&err, o->json);
    } else {
        tl_buf_init(&text, MAX_TEXT);
        if (!tl_buf_puts(&text, args->v[0]))
            return cli__usage(args, "the expression is larger than 1 MB");
    }
    if (mapping_compile(kind, tl_buf_view(&text), &mo, &x->m, &err) == TL_OK)
        return -1;
    return complain(x, &err);
}

static int read_json(struct mapper *x, const char *path, struct json *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const struct json_limits limits = {.max_bytes = MAX_INPUT};
    struct tl_err err = {0};
    enum tl_rc rc = cli__read_file(path, MAX_INPUT, &b, &err);

    if (rc == TL_OK) {
        struct tl_sv text = tl_arena_sv(x->kept, tl_buf_view(&b));

        rc = text.p ? json_parse(x->kept, text, LENIENT, &limits, ret, &err)
                    : tl_fail(&err, TL_LIMIT, "%s is too large", path);
        if (rc != TL_OK)
            (void)tl_err_prefix(&err, "%s, line %d, column %d", path, err.line, err.column);
    }
    return rc == TL_OK ? -1 : cli__fail(&err, x->o->json);
}

static void print(const struct map_options *o, struct json v)
{
    if (v.type == JSON_UNDEFINED)
        return;
    if (o->raw && v.type == JSON_STRING) {
        cli__put_raw(json_view(v));
        (void)putchar('\n');
    } else {
        cli__print_json(v, !o->compact);
    }
}

static uint32_t clamped(uint64_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static struct tl_arena *arena_of(const struct map_options *o)
{
    return tl_arena_new(o->memory && o->memory < MAX_MEMORY >> 20 ? (size_t)o->memory << 20 : MAX_MEMORY);
}

static int evaluate(struct mapper *x, struct tl_arena *a, struct json data)
{
    const struct mapping_budget budget = {.time_ms = clamped(x->o->time_limit), .depth = clamped(x->o->depth)};
    struct mapping_input in = {.data = data, .bindings = x->bindings, .budget = &budget, .detail = x->detail};
    struct json result = JSON_NOTHING;
    struct tl_err err = {0};

    *x->detail = (struct jsonata_error){.position = -1};
    if (mapping_eval(x->m, a, &in, &result, &err) != TL_OK)
        return complain(x, &err);
    print(x->o, result);
    return -1;
}

/* All values of one text, one after another; an XSLT takes the text itself. */
static int feed(struct mapper *x, const char *path)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = arena_of(x->o);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const struct json_limits limits = {.max_bytes = MAX_INPUT};
    struct tl_err err = {0};
    size_t pos = 0;
    int code = -1;

    if (cli__read_file(path, MAX_INPUT, &b, &err) != TL_OK)
        return cli__fail(&err, x->o->json);
    if (mapping_kind_of(x->m) == MAPPING_XSLT)
        return evaluate(x, a, json_sv(tl_buf_view(&b)));
    while (code < 0) {
        struct json v = JSON_NOTHING;

        tl_arena_reset(a);
        if (json_parse_next(a, tl_buf_view(&b), &pos, LENIENT, &limits, &v, &err) != TL_OK) {
            *x->detail = (struct jsonata_error){.position = -1};
            (void)tl_err_prefix(&err, "%s is not JSON", strcmp(path, "-") == 0 ? "standard input" : path);
            return complain(x, &err);
        }
        if (v.type == JSON_UNDEFINED)
            break;
        code = evaluate(x, a, v);
    }
    return code;
}

static int begin(struct mapper *x, const struct map_options *o)
{
    *x = (struct mapper){.o = o};
    x->kept = tl_arena_new(MAX_MEMORY);
    x->workers = mapping_workers_new(&(struct mapping_workers_options){0});
    x->detail = tl_zalloc(sizeof *x->detail);
    x->detail->position = -1;
    return o->bindings ? read_json(x, o->bindings, &x->bindings) : -1;
}

static int end(struct mapper *x, int code)
{
    mapping_unref(x->m);
    mapping_workers_free(x->workers);
    tl_arena_free(x->kept);
    tl_free(x->detail);
    return code < 0 ? CLI_OK : code;
}

static int run_map(void *options, const struct cli_args *args)
{
    const struct map_options *o = options;
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = arena_of(o);
    struct mapper x;
    int used = 0, code = begin(&x, o);

    if (code < 0)
        code = compile(&x, args, &used);
    if (code < 0 && o->null_input)
        code = evaluate(&x, a, JSON_NOTHING);
    else if (code < 0 && used == args->n)
        code = feed(&x, "-");
    for (int i = used; i < args->n && code < 0 && !o->null_input; i++)
        code = feed(&x, args->v[i]);
    return end(&x, code);
}

/* ---- explain ---- */
static void put_list(const char *title, struct json list)
{
    if (list.n == 0)
        return;
    printf("\n%s:\n", title);
    for (uint32_t i = 0; i < list.n; i++) {
        fputs("  ", stdout);
        cli__put_safe(stdout, json_text(json_at(list, i), TL_SV("")));
        puts("");
    }
}

static void join(struct json list, struct tl_buf *b)
{
    for (uint32_t i = 0; i < list.n; i++)
        (void)tl_buf_printf(b, "%s%.*s", i ? ", " : "", TL_SV_ARG(json_text(json_at(list, i), TL_SV(""))));
}

static void show_lineage(struct json doc)
{
    static const char *const heads[] = {"target", "functions", "sources"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));
    struct json fields = json_gets(doc, "fields"), missing = json_gets(doc, "missing"), exact = json_gets(doc, "exact");

    for (uint32_t i = 0; i < fields.n; i++) {
        static const char *const names[] = {"functions", "sources"};

        cli__table_json(t, json_gets(json_at(fields, i), "target"));
        for (size_t k = 0; k < TL_COUNT(names); k++) {
            TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

            tl_buf_init(&b, 1 << 20);
            join(json_gets(json_at(fields, i), names[k]), &b);
            cli__table_cell(t, tl_buf_view(&b), CLI_PLAIN);
        }
    }
    cli__table_print(t);
    cli__table_free(t);
    put_list("fields of the sample that nothing reads", json_gets(doc, "unused"));
    if (missing.n)
        puts("\nrequired fields that can be missing:");
    for (uint32_t i = 0; i < missing.n; i++)
        printf("  %.*s: %.*s\n", TL_SV_ARG(json_text(json_gets(json_at(missing, i), "target"), TL_SV(""))),
               TL_SV_ARG(json_text(json_gets(json_at(missing, i), "why"), TL_SV(""))));
    if (exact.type == JSON_BOOL && !exact.u.b)
        puts("\nsome paths are computed (wildcards, names from values, $eval): they cannot be listed");
}

static int run_explain(void *options, const struct cli_args *args)
{
    const struct map_options *o = options;
    struct json sample = JSON_NOTHING, schema = JSON_NOTHING, doc;
    struct tl_err err = {0};
    struct mapper x;
    int used = 0, code = begin(&x, o);

    if (code < 0)
        code = compile(&x, args, &used);
    if (code < 0 && args->n > used + 1)
        code = cli__usage(args, "one sample is enough");
    if (code < 0 && args->n > used)
        code = read_json(&x, args->v[used], &sample);
    if (code < 0 && o->schema)
        code = read_json(&x, o->schema, &schema);
    if (code < 0 && mapping_explain(x.m, x.kept, sample, schema, &doc, &err) != TL_OK)
        code = cli__fail(&err, o->json);
    if (code < 0 && o->json)
        cli__print_json(doc, true);
    else if (code < 0)
        show_lineage(doc);
    return end(&x, code);
}

static const struct cli_verb subs[] = {
    {.name = "explain",
     .args = "{EXPR | -f FILE} [SAMPLE.json]",
     .summary = "which source fields feed which target fields, without running it",
     CLI_OPTIONS(explain_options, struct map_options),
     .max_args = -1,
     .run = run_explain},
};
const struct cli_verb cli__map_verb = {
    .name = "map",
    .args = "{EXPR | -f FILE} [INPUT...]",
    .summary = "evaluate a mapping over JSON from files or standard input",
    .about =
        "Each value of the input (one document, NDJSON, or values one after another) is mapped and printed. No\n"
        "result prints nothing. Exit code 5 when the mapping fails. (A field named `explain`: write `$.explain`.)\n",
    CLI_OPTIONS(map_options, struct map_options),
    .max_args = -1,
    .run = run_map,
    CLI_SUBS(subs),
};
