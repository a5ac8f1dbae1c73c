/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test.c - `tieline test`: cases in YAML beside a mapping or a configuration.
 *   mapping: order.jsonata              (or the file of the same name)      config: ../tieline.yaml  (for flow cases)
 *   cases: - {name, input | input_file, expected | expected_file | error, bindings}
 *          - {name, flow, event: {body, headers ...}, expected: {deliveries: [{target, body}]} | {skipped: reason}}
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_int.h"
#include "jsonata/jsonata.h"

enum { MAX_FILE = 32 << 20, MAX_DEPTH = 20, MAX_MEMORY = 1 << 30 };

struct test_options {
    bool json, verbose;
};
static const struct cli_option test_options[] = {
    {"verbose", 'v', CLI_FLAG, NULL, offsetof(struct test_options, verbose), "also name the cases that pass"},
    {"json", 0, CLI_FLAG, NULL, offsetof(struct test_options, json), "JSON"},
};

struct tester {
    const struct test_options *o;
    struct mapping_workers *workers;
    struct tl_arena *arena; /* of the report */
    struct json_builder report;
    size_t passed, failed, files;
    /* of one file */
    const char *file;
    char *dir;
    struct tl_arena *a;
    struct json doc;
    struct mapping *mapping;
    struct cli_project project;
    bool has_project;
};

/* ---- one case ---- */
static void note(struct tester *t, struct tl_sv name, bool ok, struct tl_sv text)
{
    struct json_builder b;
    bool color = cli__color(stdout);

    ok ? t->passed++ : t->failed++;
    json_object_begin(&b, t->arena, 4);
    json_adds(&b, "file", json_str_copy(t->arena, tl_sv_str(t->file)));
    json_adds(&b, "name", json_str_copy(t->arena, name));
    json_adds(&b, "ok", json_bool(ok));
    if (!ok)
        json_adds(&b, "why", json_str_copy(t->arena, text));
    json_push(&t->report, json_end(&b));
    if (t->o->json || (ok && !t->o->verbose))
        return;
    printf("%s%s%s %s: ", cli__shade(color, ok ? CLI_GOOD : CLI_BAD), ok ? "ok  " : "FAIL", cli__shade_end(color),
           t->file);
    cli__put_safe(stdout, name);
    puts("");
    if (!ok)
        cli__print_raw(text);
}

static enum tl_rc read_value(struct tester *t, const char *name, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    char *path = name[0] == '/' ? tl_strdup(name) : tl_sprintf("%s/%s", t->dir, name);
    enum tl_rc rc = cli__read_file(path, MAX_FILE, &b, err);
    struct tl_sv text = rc == TL_OK ? tl_arena_sv(t->a, tl_buf_view(&b)) : TL_SV_NULL;

    if (rc == TL_OK && tl_sv_ends(tl_sv_str(name), TL_SV(".xml")))
        *ret = json_sv(text);
    else if (rc == TL_OK)
        rc = json_parse(t->a, text, 0, NULL, ret, err);
    tl_free(path);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", name);
}

static enum tl_rc value_of(struct tester *t, struct json c, const char *name, const char *file_name, struct json *ret,
                           struct tl_err *err)
{
    struct json file = json_gets(c, file_name);

    *ret = json_gets(c, name);
    if (file.type != JSON_STRING)
        return TL_OK;
    return read_value(t, tl_arena_strndup(t->a, file.u.s, file.n), ret, err);
}

/* An envelope with what the case left out. */
static struct json envelope(struct tester *t, struct json event, struct tl_sv flow)
{
    static const char *const given[] = {"body", "headers", "query", "path", "method", "type"};
    struct json_builder b, e;

    json_object_begin(&e, t->a, 2);
    json_adds(&e, "id", json_str("0000000000001"));
    json_adds(&e, "received_at", json_str("2026-01-01T00:00:00.000Z"));
    json_object_begin(&b, t->a, 8);
    for (size_t i = 0; i < TL_COUNT(given); i++) {
        struct json v = json_gets(event, given[i]);

        if (v.type == JSON_UNDEFINED && i == 1)
            v = (struct json){.type = JSON_OBJECT};
        json_adds(&b, given[i], v);
    }
    json_adds(&b, "event", json_gets(event, "event").type == JSON_OBJECT ? json_gets(event, "event") : json_end(&e));
    json_adds(&b, "flow", json_sv(flow));
    return json_end(&b);
}

/* `item` is only compared where the case speaks of it. */
static struct json without_items(struct tester *t, struct json got, struct json expected)
{
    struct json list = json_gets(got, "deliveries");
    struct json_builder all, doc;

    if (list.type != JSON_ARRAY || json_gets(json_at(json_gets(expected, "deliveries"), 0), "item").type)
        return got;
    json_array_begin(&all, t->a, list.n);
    for (uint32_t i = 0; i < list.n; i++) {
        struct json_builder d;

        json_object_begin(&d, t->a, 2);
        json_adds(&d, "target", json_gets(json_at(list, i), "target"));
        json_adds(&d, "body", json_gets(json_at(list, i), "body"));
        json_push(&all, json_end(&d));
    }
    json_object_begin(&doc, t->a, 1);
    json_adds(&doc, "deliveries", json_end(&all));
    return json_end(&doc);
}

static enum tl_rc evaluate(struct tester *t, struct json c, struct json input, struct json *ret,
                           struct jsonata_error *detail, struct tl_err *err)
{
    struct tl_sv flow = json_text(json_gets(c, "flow"), TL_SV(""));
    struct json bindings = json_gets(c, "bindings");

    if (flow.n && !t->has_project)
        return tl_fail(err, TL_CONFIG, "a flow case needs `config: FILE` at the top of the file");
    if (flow.n) {
        struct json event = json_gets(c, "event");

        if (event.type == JSON_UNDEFINED) {
            struct json_builder b;

            json_object_begin(&b, t->a, 1);
            json_adds(&b, "body", input);
            event = json_end(&b);
        }
        return flow_plan_try(t->project.plan, flow, envelope(t, event, flow), t->a, ret, err);
    }
    if (!t->mapping)
        return tl_fail(err, TL_CONFIG, "which mapping? Write `mapping: FILE` at the top of the file");
    if (bindings.type == JSON_UNDEFINED)
        bindings = json_gets(t->doc, "bindings");
    return mapping_eval(t->mapping, t->a,
                        &(struct mapping_input){.data = input, .bindings = bindings, .detail = detail}, ret, err);
}

/* `error: T2001` names the code, any other text must be part of the message. */
static bool error_fits(struct tl_sv wanted, const struct jsonata_error *d, const struct tl_err *err)
{
    return tl_sv_eqs(wanted, d->code) || tl_sv_eqs(wanted, tl_rc_name(err->rc)) ||
           tl_sv_find_sv(tl_sv_str(err->text), wanted) < strlen(err->text) ||
           tl_sv_find_sv(tl_sv_str(d->text), wanted) < strlen(d->text);
}

static void run_case(struct tester *t, struct json c, struct tl_sv name)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct jsonata_error *detail = tl_arena_must(t->a, sizeof *detail);
    struct tl_sv wanted = json_text(json_gets(c, "error"), TL_SV(""));
    struct json input = JSON_NOTHING, expected = JSON_NOTHING, got = JSON_NOTHING;
    struct tl_err err = {0};
    bool good;
    enum tl_rc rc = value_of(t, c, "input", "input_file", &input, &err);

    *detail = (struct jsonata_error){.position = -1};
    tl_buf_init(&text, 1 << 20);
    if (rc == TL_OK)
        rc = value_of(t, c, "expected", "expected_file", &expected, &err);
    if (rc != TL_OK) {
        note(t, name, false, tl_sv_str(err.text));
        return;
    }
    rc = evaluate(t, c, input, &got, detail, &err);
    if (rc != TL_OK && wanted.n && error_fits(wanted, detail, &err)) {
        note(t, name, true, TL_SV(""));
        return;
    }
    if (rc != TL_OK)
        (void)tl_buf_printf(&text, "  failed: %s%s%s", detail->code, detail->code[0] ? ", " : "", err.text);
    else if (wanted.n)
        (void)tl_buf_printf(&text, "  it did not fail; expected the error %.*s", TL_SV_ARG(wanted));
    else if (json_gets(c, "flow").n)
        got = without_items(t, got, expected);
    good = rc == TL_OK && !wanted.n && cli__diff(expected, got, &text) == 0;
    note(t, name, good, tl_buf_view(&text));
}

/* ---- one file ---- */
static char *in_dir(const struct tester *t, struct tl_sv name)
{
    return name.p[0] == '/' ? tl_strndup(name.p, name.n) : tl_sprintf("%s/%.*s", t->dir, TL_SV_ARG(name));
}

/* order.test.yaml belongs to order.jsonata, order.yaml, order.jq, order.xslt. */
static char *mapping_beside(const struct tester *t)
{
    static const char *const ends[] = {"jsonata", "yaml", "jq", "xslt"};
    struct tl_sv stem = tl_sv_str(t->file);

    stem.n -= tl_sv_ends(stem, TL_SV(".test.yaml")) ? 10 : tl_sv_ends(stem, TL_SV(".test.yml")) ? 9 : 0;
    for (size_t i = 0; i < TL_COUNT(ends); i++) {
        char *path = tl_sprintf("%.*s.%s", TL_SV_ARG(stem), ends[i]);

        if (stem.n < strlen(t->file) && access(path, R_OK) == 0)
            return path;
        tl_free(path);
    }
    return NULL;
}

static enum tl_rc load_mapping(struct tester *t, struct tl_err *err)
{
    static const enum mapping_kind kinds[] = {MAPPING_TABLE, MAPPING_TABLE, MAPPING_JQ, MAPPING_XSLT, MAPPING_XSLT};
    static const char *const ends[] = {".yaml", ".yml", ".jq", ".xslt", ".xsl"};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    TL_CLEANUP(tl_freep) char *path = NULL;
    struct json named = json_gets(t->doc, "mapping"), strict = json_gets(t->doc, "strict");
    struct mapping_options o = {.strict = strict.type == JSON_BOOL && strict.u.b,
                                .lookups = json_gets(t->doc, "lookups"),
                                .workers = t->workers};
    enum mapping_kind kind = MAPPING_JSONATA;
    enum tl_rc rc;

    path = named.type == JSON_STRING && named.n ? in_dir(t, json_view(named)) : mapping_beside(t);
    if (!path)
        return TL_OK; /* flow cases only */
    rc = cli__read_file(path, 1 << 20, &b, err);
    for (size_t i = 0; i < TL_COUNT(ends); i++)
        kind = tl_sv_ends(tl_sv_str(path), tl_sv_str(ends[i])) ? kinds[i] : kind;
    if (rc == TL_OK)
        rc = mapping_compile(kind, tl_buf_view(&b), &o, &t->mapping, err);
    if (rc != TL_OK && err->line)
        (void)tl_err_prefix(err, "%s:%d:%d", path, err->line, err->column);
    return rc;
}

static enum tl_rc load_project(struct tester *t, struct tl_err *err)
{
    struct json named = json_gets(t->doc, "config");
    TL_CLEANUP(tl_freep) char *path = NULL;

    if (named.type != JSON_STRING)
        return TL_OK;
    path = in_dir(t, json_view(named));
    t->has_project = true;
    return cli__project_load(path, &(struct cli_project_options){.literals = true, .lenient_env = true}, &t->project,
                             err);
}

static enum tl_rc load(struct tester *t, struct tl_err *err)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct config_node *node;
    enum tl_rc rc = cli__read_file(t->file, MAX_FILE, &b, err);

    if (rc == TL_OK && config_parse_yaml(t->a, t->file, tl_buf_view(&b), e, &node) != TL_OK)
        return config_errors_first(e, err);
    if (rc == TL_OK) {
        t->doc = config_to_json(t->a, node);
        rc = load_mapping(t, err);
    }
    if (rc == TL_OK)
        rc = load_project(t, err);
    if (rc == TL_OK && json_gets(t->doc, "cases").type != JSON_ARRAY)
        rc = tl_fail(err, TL_CONFIG, "there are no `cases:` in it");
    return rc;
}

static void run_file(struct tester *t, const char *file)
{
    const char *slash = strrchr(file, '/');
    struct tl_err err = {0};
    struct json cases;
    enum tl_rc rc;

    t->file = file;
    t->dir = slash ? tl_strndup(file, (size_t)(slash - file)) : tl_strdup(".");
    t->a = tl_arena_new(MAX_MEMORY);
    t->files++;
    rc = load(t, &err);
    cases = rc == TL_OK ? json_gets(t->doc, "cases") : JSON_NOTHING;
    if (rc != TL_OK)
        note(t, TL_SV("(the file)"), false, tl_sv_str(err.text));
    for (uint32_t i = 0; i < cases.n; i++) {
        char number[32];

        snprintf(number, sizeof number, "case %u", i + 1);
        run_case(t, json_at(cases, i), json_text(json_gets(json_at(cases, i), "name"), tl_sv_str(number)));
    }
    mapping_unref(t->mapping);
    t->mapping = NULL;
    if (t->has_project)
        cli__project_done(&t->project);
    t->has_project = false;
    t->doc = JSON_NOTHING;
    tl_arena_free(t->a);
    tl_free(t->dir);
}

/* ---- all files ---- */
static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void run_dir(struct tester *t, const char *dir, int depth)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char **names = NULL;
    size_t n = 0;

    while (d && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strcmp(e->d_name, "node_modules") == 0)
            continue;
        names = tl_reallocarray(names, n + 1, sizeof *names);
        names[n++] = strcmp(dir, ".") == 0 ? tl_strdup(e->d_name) : tl_sprintf("%s/%s", dir, e->d_name);
    }
    if (d)
        (void)closedir(d);
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        struct stat st;

        if (lstat(names[i], &st) == 0 && S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
            run_dir(t, names[i], depth + 1);
        else if (tl_sv_ends(tl_sv_str(names[i]), TL_SV(".test.yaml")) ||
                 tl_sv_ends(tl_sv_str(names[i]), TL_SV(".test.yml")))
            run_file(t, names[i]);
        tl_free(names[i]);
    }
    tl_free(names);
}

static void say_all(struct tester *t)
{
    struct json_builder b;

    if (!t->o->json) {
        printf("%zu passed, %zu failed, in %zu file%s\n", t->passed, t->failed, t->files, t->files == 1 ? "" : "s");
        return;
    }
    json_object_begin(&b, t->arena, 4);
    json_adds(&b, "passed", json_int((int64_t)t->passed));
    json_adds(&b, "failed", json_int((int64_t)t->failed));
    json_adds(&b, "files", json_int((int64_t)t->files));
    json_adds(&b, "cases", json_end(&t->report));
    cli__print_json(json_end(&b), true);
}

static int run_test(void *options, const struct cli_args *args)
{
    struct tester t = {.o = options, .arena = tl_arena_new(MAX_MEMORY)};
    struct tl_err err;
    int code = CLI_OK;

    t.workers = mapping_workers_new(&(struct mapping_workers_options){0});
    json_array_begin(&t.report, t.arena, 64);
    for (int i = 0; i < (args->n ? args->n : 1); i++) {
        const char *path = args->n ? args->v[i] : ".";
        struct stat st;

        if (stat(path, &st) != 0) {
            (void)tl_fail(&err, TL_NOT_FOUND, "test: cannot find %s", path);
            code = cli__fail(&err, t.o->json);
        } else if (S_ISDIR(st.st_mode)) {
            run_dir(&t, path, 0);
        } else {
            run_file(&t, path);
        }
    }
    say_all(&t);
    if (code == CLI_OK && t.files == 0) {
        (void)tl_fail(&err, TL_NOT_FOUND, "test: there is no *.test.yaml");
        code = cli__fail(&err, t.o->json);
    }
    if (t.failed)
        code = CLI_FAILED;
    mapping_workers_free(t.workers);
    tl_arena_free(t.arena);
    return code;
}

const struct cli_verb cli__test_verb = {
    .name = "test",
    .args = "[FILE or DIRECTORY...]",
    .summary = "run the cases beside mappings and configurations (*.test.yaml)",
    .about = "mapping: order.jsonata              # default: the file of the same name\n"
             "cases:\n"
             "  - { name: paid, input: {...}, expected: {...} }\n"
             "  - { name: no customer, input_file: bad.json, error: T2001 }\n"
             "A file with `config: tieline.yaml` may have cases of whole flows, whose targets are not called:\n"
             "  - { name: routed, flow: orders, event: { body: {...} }, expected: { deliveries: [{ target: erp, body: "
             "{...} }] } }\n",
    CLI_OPTIONS(test_options, struct test_options),
    .max_args = -1,
    .run = run_test,
};
