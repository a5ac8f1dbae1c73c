/* SPDX-License-Identifier: Apache-2.0 */
/* check.c - `tieline check`: all that is wrong with a configuration, with its places; and whether its secrets resolve.
 */
#include "cli/cli_int.h"

struct check_options {
    bool json, secrets, literals;
};
static const struct cli_option check_options[] = {
    {"secrets", 0, CLI_FLAG, NULL, offsetof(struct check_options, secrets),
     "a secret that does not resolve here is an error, not a warning"},
    {"allow-literal-secrets", 0, CLI_FLAG, NULL, offsetof(struct check_options, literals),
     "secrets may be written in the configuration"},
    {"json", 0, CLI_FLAG, NULL, offsetof(struct check_options, json), "JSON"},
};

struct secrets {
    struct cli_project *p;
    bool strict;
    size_t found, missing;
};

static void probe(void *arg, const struct config_secret *ref)
{
    struct secrets *s = arg;
    struct tl_err err = {0};

    s->found++;
    if (secret_probe(s->p->secrets, ref, &err) == TL_OK)
        return;
    s->missing++;
    if (s->strict)
        config_error(s->p->errors, ref->at, NULL, "this secret does not resolve: %s", err.text);
    else
        config_warn(s->p->errors, ref->at, NULL, "this secret does not resolve here: %s", err.text);
}

/* In the same round as all other errors. */
static void probe_all(void *arg, const struct flow_plan *plan, struct config_errors *e)
{
    struct secrets *s = arg;
    struct tl_err err = {0};
    bool known = !config_is_faulty(e, config_get(flow_plan_node(plan), "secrets"));

    if (known && cli__project_vault(s->p, plan, &err) != TL_OK) /* each reference says so, too */
        config_warn(e, (struct config_place){0}, NULL, "%s", err.text);
    if (known)
        flow_plan_each_secret(plan, probe, s);
}

static void say_good(const struct flow_plan *plan, const char *path, const struct secrets *s)
{
    const struct flow_project *c = flow_plan_project(plan);

    printf("%s is good: flows %zu, connections %zu, mappings %zu, models %zu, secrets %zu", path, c->flows.n,
           c->connections.n, c->mappings.n, c->models.n, s->found);
    if (s->missing)
        printf(" (%zu do not resolve here)", s->missing);
    puts("");
}

static int run_check(void *options, const struct cli_args *args)
{
    const struct check_options *o = options;
    const char *path = args->n ? args->v[0] : "tieline.yaml";
    struct cli_project p;
    struct secrets s = {.p = &p, .strict = o->secrets};
    const struct cli_project_options how = {
        .literals = o->literals, .lenient_env = !o->secrets, .look = probe_all, .look_arg = &s};
    struct tl_err err = {0};
    enum tl_rc rc = cli__project_load(path, &how, &p, &err);
    int code = CLI_OK;

    if (config_errors_count(p.errors))
        code = cli__config_errors(p.errors, o->json);
    else if (rc != TL_OK)
        code = cli__fail(&err, o->json);
    else if (o->json)
        (void)cli__config_errors(p.errors, true);
    else {
        if (config_warnings_count(p.errors))
            (void)cli__config_errors(p.errors, false);
        say_good(p.plan, path, &s);
    }
    cli__project_done(&p);
    return code;
}

const struct cli_verb cli__check_verb = {
    .name = "check",
    .args = "[CONFIG]",
    .summary = "find what is wrong with a configuration, before it runs",
    .about = "CONFIG is a file or a directory (tieline.yaml). All errors are shown, with file, line and column.\n"
             "Exit code 2 when there is one.\n",
    CLI_OPTIONS(check_options, struct check_options),
    .max_args = 1,
    .run = run_check,
};
