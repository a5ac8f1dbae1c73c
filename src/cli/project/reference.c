/* SPDX-License-Identifier: Apache-2.0 */
/* reference.c - what follows from tables: `tieline schema`, `tieline reference`, `tieline completion`. */
#include "admin/admin.h"
#include "cli/cli_int.h"

enum { MAX_PAGE = 64 << 20 };

struct none {
    bool unused;
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
    .size = sizeof(struct none),
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
        "server is not running or\nrefused, 5 a mapping's error.\n",
        out);
    for (size_t i = 0; i < n; i++)
        put_command(verbs[i], verbs[i]->name, 2, out);
}

static void put_metrics_table(const struct metrics_desc *d, size_t n)
{
    static const char *const types[] = {
        [METRICS_COUNTER] = "counter", [METRICS_GAUGE] = "gauge", [METRICS_HISTOGRAM] = "histogram"};

    fputs("| metric | type | labels | meaning |\n|---|---|---|---|\n", stdout);
    for (size_t i = 0; i < n; i++) {
        printf("| `%s` | %s | ", d[i].name, types[d[i].type]);
        for (size_t k = 0; d[i].labels[k]; k++)
            printf("%s`%s`", k ? ", " : "", d[i].labels[k]);
        printf(" | %s |\n", d[i].help);
    }
}

static void put_metrics(void)
{
    size_t n;
    const struct metrics_desc *d = flow_metrics(&n);

    fputs(
        "# Metrics\n\n`GET /metrics` answers in the text format of Prometheus, on the console's port and the control "
        "socket, and on the\npublic listener where `server.metrics` says so. A histogram `X` has the usual `X_bucket`, "
        "`X_sum` and `X_count`, and\n`X_quantile` with the quantiles 0.5, 0.95 and 0.99 since the start, to be read "
        "without a Prometheus. Alert rules are in\n`packaging/prometheus/tieline.rules.yml`.\n\n"
        "## Events, deliveries and calls\n\n",
        stdout);
    put_metrics_table(d, n);
    fputs("\n## State, read when somebody asks\n\nA series of a hold appears with the first hold of its kind and is 0 "
          "afterwards.\n\n",
          stdout);
    d = admin_metrics(&n);
    put_metrics_table(d, n);
    fputs("\n## Measured for the alert rules\n\n", stdout);
    d = alert_metrics(&n);
    put_metrics_table(d, n);
    fputs("\n## With `telemetry` on\n\n", stdout);
    d = otlp_metrics(&n);
    put_metrics_table(d, n);
}

static int put_made(bool (*make)(struct tl_buf *b))
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err = {0};

    tl_buf_init(&b, MAX_PAGE);
    if (!make(&b)) {
        (void)tl_fail(&err, TL_LIMIT, "the page is larger than 64 MB");
        return cli__fail(&err, false);
    }
    cli__print_raw(tl_sv_trim(tl_buf_view(&b)));
    return CLI_OK;
}

static int run_reference(void *options, const struct cli_args *args)
{
    (void)options;
    if (args->n && strcmp(args->v[0], "commands") == 0) {
        put_commands(stdout);
        return CLI_OK;
    }
    if (args->n && strcmp(args->v[0], "metrics") == 0) {
        put_metrics();
        return CLI_OK;
    }
    if (args->n && strcmp(args->v[0], "alerts") == 0)
        return put_made(alert_reference);
    if (args->n && strcmp(args->v[0], "prometheus") == 0)
        return put_made(alert_prometheus);
    if (args->n && strcmp(args->v[0], "configuration") != 0)
        return cli__usage(args, "there are configuration, commands, metrics, alerts and prometheus");
    return put_made(put_configuration);
}
const struct cli_verb cli__reference_verb = {
    .name = "reference",
    .args = "[configuration | commands | metrics | alerts | prometheus]",
    .summary = "a reference page in Markdown; prometheus: the alert rules as a rules file",
    .size = sizeof(struct none),
    .max_args = 1,
    .run = run_reference,
};

/* ---- completion ---- */
static void put_words(const struct cli_verb *v, struct tl_buf *b)
{
    for (size_t i = 0; i < v->n_subs; i++)
        (void)tl_buf_printf(b, "%s ", v->subs[i].name);
    for (size_t i = 0; v->run && i < v->n_options; i++)
        (void)tl_buf_printf(b, "--%s ", v->options[i].name);
    (void)tl_buf_puts(b, "--help");
}

static void put_case(const char *path, const struct cli_verb *v, struct tl_buf *b)
{
    (void)tl_buf_printf(b, "    '%s') words='", path);
    put_words(v, b);
    (void)tl_buf_puts(b, "' ;;\n");
    for (size_t i = 0; i < v->n_subs; i++) {
        char *below = tl_sprintf("%s %s", path, v->subs[i].name);

        put_case(below, &v->subs[i], b);
        tl_free(below);
    }
}

static int run_completion(void *options, const struct cli_args *args)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const struct cli_verb *const *verbs;
    size_t n = cli__verbs(&verbs);

    (void)options;
    if (strcmp(args->v[0], "bash") != 0)
        return cli__usage(args, "there is completion for bash only, not for '%s'", args->v[0]);
    tl_buf_init(&b, 1 << 20);
    (void)tl_buf_puts(&b, "# bash completion of tieline: eval \"$(tieline completion bash)\"\n"
                          "_tieline() {\n"
                          "  local cur=${COMP_WORDS[COMP_CWORD]} path='' words='' i w\n"
                          "  for ((i = 1; i < COMP_CWORD && i < 3; i++)); do\n"
                          "    w=${COMP_WORDS[i]}; [[ $w == -* ]] && break; path=\"${path:+$path }$w\"\n"
                          "  done\n"
                          "  while :; do\n"
                          "    case $path in\n"
                          "    '') words='run sim help ");
    for (size_t i = 0; i < n; i++)
        (void)tl_buf_printf(&b, "%s ", verbs[i]->name);
    (void)tl_buf_puts(&b, "--help' ;;\n");
    for (size_t i = 0; i < n; i++)
        put_case(verbs[i]->name, verbs[i], &b);
    (void)tl_buf_puts(&b, "    esac\n"
                          "    [[ -n $words || $path != *' '* ]] && break\n"
                          "    path=${path% *}\n"
                          "  done\n"
                          "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
                          "  [[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"$cur\"))\n"
                          "}\n"
                          "complete -o filenames -F _tieline tieline\n");
    cli__print_raw(tl_buf_view(&b));
    return CLI_OK;
}
const struct cli_verb cli__completion_verb = {
    .name = "completion",
    .args = "bash",
    .summary = "a completion script for the shell",
    .about = "eval \"$(tieline completion bash)\"\n",
    .size = sizeof(struct none),
    .min_args = 1,
    .max_args = 1,
    .run = run_completion,
};
