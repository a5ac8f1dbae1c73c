/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - what follows from tables: `tieline schema`, `tieline reference`, `tieline completion`. */
#include "admin/admin.h"
#include "cli/cli_int.h"

enum { MAX_PAGE = 64 << 20 };

struct reference_options {
    bool json;
};
/* What is JSON by itself is printed as it is; a text becomes a member. */
static const struct cli_option reference_options[] = {
    {"json", 0, CLI_FLAG, NULL, offsetof(struct reference_options, json), "JSON"},
};

/* ---- schema ---- */
static int run_schema(void *options, const struct cli_args *args)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);

    (void)options;
    (void)args;
    cli__print_json(config_schema(a, &flow_project_spec, "Tieline configuration"), true);
    return CLI_OK;
}
const struct cli_verb cli__schema_verb = {
    .name = "schema",
    .summary = "JSON Schema of the configuration, for editors",
    CLI_OPTIONS(reference_options, struct reference_options),
    .run = run_schema,
};

/* ---- reference ---- */
/* A page as a chapter of another: its headings one level down. */
static bool put_chapter(const struct config_spec *spec, const char *title, struct tl_buf *b)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf page = {0};
    struct tl_sv rest, line;
    bool ok;

    tl_buf_init(&page, MAX_PAGE);
    ok = config_reference(spec, title, &page);
    rest = tl_sv_trim(tl_buf_view(&page));
    while (ok && tl_sv_cut(&rest, '\n', &line))
        ok = tl_buf_puts(b, line.n && line.p[0] == '#' ? "\n#" : "\n") && tl_buf_sv(b, line);
    return ok && tl_buf_puts(b, "\n");
}

static bool put_connector(const struct connector *c, struct tl_buf *b)
{
    bool ok = true;

    for (size_t i = 0; i < c->n_operations && ok; i++) {
        const struct connector_operation *op = &c->operations[i];
        char *title = tl_sprintf("Operation `%s` of connections of type `%s`", op->name, c->variant.name);

        ok = put_chapter(op->spec, title, b);
        tl_free(title);
    }
    return ok;
}

static bool put_configuration(struct tl_buf *b)
{
    bool ok = config_reference(&flow_project_spec, "Configuration", b) &&
              put_chapter(&flow_target_spec, "Targets: `to` of a flow", b) &&
              put_chapter(&flow_lookup_spec, "Step `lookup`", b) && put_chapter(&flow_call_spec, "Step `call`", b) &&
              put_chapter(&flow_match_spec, "`match_by` of step `xref`", b);

    for (size_t i = 0; i < connector_registry_count && ok; i++)
        ok = put_connector(connector_registry[i], b);
    return ok;
}

static void put_command(const struct cli_verb *v, const char *full, int level, FILE *out)
{
    fprintf(out, "\n%.*s tieline %s\n\n```text\n", level, "####", full);
    cli__help(v, full, out);
    fputs("```\n", out);
    for (size_t i = 0; i < v->n_subs; i++) {
        char *below = tl_sprintf("%s %s", full, v->subs[i].name);

        put_command(&v->subs[i], below, level + 1, out);
        tl_free(below);
    }
}

static void put_commands(FILE *out)
{
    const struct cli_verb *const *verbs;
    size_t n = cli__verbs(&verbs);

    fputs(
        "# Commands\n\nWhat `--help` says, on one page. `tieline run --help` and `tieline sim NAME --help` tell of the "
        "server and the\nsimulators. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 not found, 4 the "
        "server is not running or\nrefused, 5 a mapping's error, 130 stopped by Ctrl-C.\n",
        out);
    for (size_t i = 0; i < n; i++)
        put_command(verbs[i], verbs[i]->name, 2, out);
}

static void put_metrics_table(const struct metrics_desc *d, size_t n, FILE *out)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};

    fputs("| metric | type | labels | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "| `%s` | %s | ", d[i].name, types[d[i].type]);
        for (size_t k = 0; d[i].labels[k]; k++)
            fprintf(out, "%s`%s`", k ? ", " : "", d[i].labels[k]);
        fprintf(out, " | %s |\n", d[i].help);
    }
}

static void put_metrics(FILE *out)
{
    size_t n;
    const struct metrics_desc *d = flow_metrics(&n);

    fputs(
        "# Metrics\n\n`GET /metrics` answers in the text format of Prometheus, on the console's port and the control "
        "socket, and on the\npublic listener where `server.metrics` says so. A histogram `X` has the usual `X_bucket`, "
        "`X_sum` and `X_count`, and\n`X_quantile` with the quantiles 0.5, 0.95 and 0.99 since the start, to be read "
        "without a Prometheus. Alert rules are in\n`packaging/prometheus/tieline.rules.yml`.\n\n"
        "## Events, deliveries and calls\n\n",
        out);
    put_metrics_table(d, n, out);
    fputs("\n## State, read when somebody asks\n\nA series of a hold appears with the first hold of its kind and is 0 "
          "afterwards.\n\n",
          out);
    d = admin_metrics(&n);
    put_metrics_table(d, n, out);
    fputs("\n## Measured for the alert rules\n\n", out);
    d = alert_metrics(&n);
    put_metrics_table(d, n, out);
    fputs("\n## With `telemetry` on\n\n", out);
    d = otlp_metrics(&n);
    put_metrics_table(d, n, out);
}

static void put_made(bool (*make)(struct tl_buf *b), FILE *out)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv page;

    tl_buf_init(&b, MAX_PAGE);
    (void)make(&b); /* 64 MB hold it */
    page = tl_sv_trim(tl_buf_view(&b));
    fprintf(out, "%.*s\n", TL_SV_ARG(page));
}

static const struct page {
    const char *name;
    bool (*make)(struct tl_buf *b); /* or ... */
    void (*put)(FILE *out);
} pages[] = {
    {"configuration", put_configuration, NULL}, {"commands", NULL, put_commands},       {"metrics", NULL, put_metrics},
    {"alerts", alert_reference, NULL},          {"prometheus", alert_prometheus, NULL},
};

/* {"NAME": "the text"} */
static void print_member(const char *name, struct tl_sv text)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    struct json_builder b;

    json_object_begin(&b, a, 1);
    json_adds(&b, name, json_sv(text));
    cli__print_json(json_end(&b), false);
}

static int run_reference(void *options, const struct cli_args *args)
{
    const struct reference_options *o = options;
    const struct page *p = NULL;
    char *text = NULL;
    size_t n = 0;
    FILE *out = stdout;

    for (size_t i = 0; i < TL_COUNT(pages); i++)
        if (strcmp(pages[i].name, args->n ? args->v[0] : "configuration") == 0)
            p = &pages[i];
    if (!p)
        return cli__usage(args, "there are configuration, commands, metrics, alerts and prometheus");
    if (o->json)
        out = open_memstream(&text, &n);
    if (!out)
        return CLI_FAILED;
    if (p->make)
        put_made(p->make, out);
    else
        p->put(out);
    if (o->json) {
        (void)fclose(out);
        print_member("page", tl_sv(text, n));
        tl_free(text);
    }
    return CLI_OK;
}
const struct cli_verb cli__reference_verb = {
    .name = "reference",
    .args = "[configuration | commands | metrics | alerts | prometheus]",
    .summary = "a reference page in Markdown; prometheus: the alert rules as a rules file",
    CLI_OPTIONS(reference_options, struct reference_options),
    .max_args = 1,
    .run = run_reference,
};

/* ---- completion: the program itself knows the words (complete.c) ---- */
static const char bash[] =
    "# bash completion of tieline: eval \"$(tieline completion bash)\"\n"
    "_tieline() {\n"
    "  local cur=${COMP_WORDS[COMP_CWORD]} w\n"
    "  [[ $cur == = ]] && cur=''\n"
    "  COMPREPLY=()\n"
    "  while IFS= read -r w; do\n"
    "    [[ $w == \"$cur\"* ]] && COMPREPLY+=(\"$w\")\n"
    "  done < <(\"${COMP_WORDS[0]/#\\~/$HOME}\" " CLI_COMPLETE " \"$COMP_CWORD\" \"${COMP_WORDS[@]:1}\" 2>/dev/null)\n"
    "  [[ ${#COMPREPLY[@]} -eq 0 ]] && mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
    "}\n"
    "complete -o filenames -F _tieline tieline\n";

static int run_completion(void *options, const struct cli_args *args)
{
    const struct reference_options *o = options;

    if (strcmp(args->v[0], "bash") != 0)
        return cli__usage(args, "there is completion for bash only, not for '%s'", args->v[0]);
    if (o->json)
        print_member("script", tl_sv_str(bash));
    else
        fputs(bash, stdout);
    return CLI_OK;
}
const struct cli_verb cli__completion_verb = {
    .name = "completion",
    .args = "bash",
    .summary = "a completion script for the shell",
    .about =
        "eval \"$(tieline completion bash)\"\nIt completes commands, options, and the names that the configuration "
        "has: flows, connections, mappings.\n",
    CLI_OPTIONS(reference_options, struct reference_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_completion,
};
