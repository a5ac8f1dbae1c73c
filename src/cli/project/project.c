/* SPDX-License-Identifier: Apache-2.0 */
/* project.c - the configuration, for commands that read it themselves: check, send, map, test. */
#include <signal.h>

#include "cli/cli_int.h"
#include "webhook/webhook.h"

enum { MAX_SECRETS = 16, MAX_SECRET = 65536 };

enum tl_rc cli__project_load(const char *path, const struct cli_project_options *o, struct cli_project *ret,
                             struct tl_err *err)
{
    struct flow_load_options load = {
        .config = {.allow_literal_secrets = o->literals,
                   .check_files = !o->no_check_files,
                   .env_may_be_missing = o->lenient_env},
        .look = o->look,
        .look_arg = o->look_arg,
    };
    struct secret_options secrets;
    enum tl_rc rc;

    *ret = (struct cli_project){.errors = config_errors_new()};
    rc = crypto_new(&ret->crypto, err);
    ret->vault = secret_vault_new(tl_clock_system());
    secrets = secret_default_options(ret->crypto);
    secrets.vault = secret_vault_source(ret->vault);
    if (rc == TL_OK)
        rc = secret_box_new(&secrets, &ret->secrets, err);
    if (rc != TL_OK)
        return rc;
    ret->workers = mapping_workers_new(&(struct mapping_workers_options){0});
    load.crypto = ret->crypto;
    load.workers = ret->workers;
    rc = flow_plan_load(path, &load, ret->errors, &ret->plan);
    if (rc != TL_OK && config_errors_count(ret->errors))
        (void)config_errors_first(ret->errors, err);
    return rc;
}

void cli__project_done(struct cli_project *p)
{
    flow_plan_unref(p->plan);
    mapping_workers_free(p->workers);
    if (p->secrets)
        secret_box_free(p->secrets);
    secret_vault_free(p->vault);
    if (p->crypto)
        crypto_free(p->crypto);
    config_errors_free(p->errors);
    *p = (struct cli_project){0};
}

/* ---- Vault ---- */
struct sync {
    const struct cli_project *p;
    const struct flow_plan *plan;
    struct async_loop *loop;
    enum tl_rc rc;
    struct tl_err *err;
};

static enum tl_rc sync_task(struct task *task, void *arg, struct tl_err *err)
{
    struct sync *s = arg;

    (void)err;
    s->rc = secret_vault_use(s->p->vault, flow_plan_project(s->plan)->secrets.vault, s->loop, s->err);
    if (s->rc == TL_OK)
        s->rc = secret_vault_sync(task, s->p->vault, s->p->secrets, s->err);
    return TL_OK;
}

static void note(void *arg, const struct config_secret *ref)
{
    if (ref->kind == CONFIG_SECRET_VAULT)
        (void)(secret_probe(arg, ref, NULL) == TL_OK); /* only to be noted */
}

enum tl_rc cli__project_vault(const struct cli_project *p, const struct flow_plan *plan, struct tl_err *err)
{
    struct sync s = {.p = p, .plan = plan, .err = err};
    enum tl_rc rc;

    if (!flow_plan_project(plan)->secrets.vault)
        return TL_OK;
    flow_plan_each_secret(plan, note, p->secrets);
    (void)signal(SIGPIPE, SIG_IGN);
    rc = async_loop_new(4, NULL, &s.loop, err);
    if (rc != TL_OK)
        return rc;
    rc = task_start(s.loop, "vault", async_loop_now(s.loop) + UINT64_C(10000000000), sync_task, &s, NULL, NULL, err);
    if (rc == TL_OK)
        async_loop_run(s.loop);
    secret_vault_close(p->vault); /* its client belongs to the loop */
    async_loop_free(s.loop);
    return rc == TL_OK ? s.rc : rc;
}

/* ---- verifiers ---- */
struct values {
    struct secret *held[2 * MAX_SECRETS];
    size_t n;
};
static enum tl_rc value_of(const struct cli_project *p, const struct config_secret *ref, struct values *v,
                           struct tl_sv *ret, struct tl_err *err)
{
    enum tl_rc rc = secret_get(p->secrets, ref, &v->held[v->n], NULL, err);

    if (rc != TL_OK)
        return tl_err_prefix(err, "%s:%d:%d", ref->at.file, ref->at.line, ref->at.column);
    *ret = secret_view(v->held[v->n++]);
    return TL_OK;
}

static enum tl_rc make_verifier(const struct cli_project *p, const struct config_choice *verify,
                                struct tl_sv signing_key, struct webhook_verifier **ret, struct tl_err *err)
{
    const struct webhook_conf *c = verify->conf;
    struct webhook_secret secrets[MAX_SECRETS] = {{.until_ms = 0}};
    struct tl_sv tokens[MAX_SECRETS];
    struct webhook_setup setup = {
        .scheme = verify->name, .conf = c, .secrets = secrets, .verify_tokens = tokens, .signing_key = signing_key};
    struct values values = {.n = 0};
    enum tl_rc rc = cli__project_vault(p, p->plan, err);

    for (size_t i = 0; i < c->secrets.n && i < MAX_SECRETS && rc == TL_OK; i++)
        rc = value_of(p, &CONFIG_AT(c->secrets, struct webhook_conf_secret, i)->value, &values,
                      &secrets[setup.n_secrets++].value, err);
    for (size_t i = 0; i < c->verify_tokens.n && i < MAX_SECRETS && rc == TL_OK; i++)
        rc = value_of(p, CONFIG_AT(c->verify_tokens, struct config_secret, i), &values,
                      &tokens[setup.n_verify_tokens++], err);
    if (rc == TL_OK)
        rc = webhook_verifier_new(p->crypto, &setup, ret, err);
    for (size_t i = 0; i < values.n; i++)
        secret_unref(values.held[i]);
    return rc;
}

enum tl_rc cli__project_verifier(const struct cli_project *p, const char *flow, struct tl_sv signing_key,
                                 const struct flow_webhook_conf **ret_hook, struct webhook_verifier **ret,
                                 struct tl_err *err)
{
    const struct config_map *flows = &flow_plan_project(p->plan)->flows;
    const struct flow_conf *f = NULL;
    const char *names[256], *near;
    const struct flow_webhook_conf *hook;
    size_t n = 0;

    for (size_t i = 0; i < flows->n; i++) {
        if (n < TL_COUNT(names))
            names[n++] = flows->entries[i].key;
        if (!flow ? flows->n == 1 : strcmp(flows->entries[i].key, flow) == 0)
            f = flows->entries[i].value;
    }
    if (!f && !flow)
        return tl_fail(err, TL_INVALID, "the configuration has %zu flows: name one with --flow", flows->n);
    near = flow ? tl_nearest(tl_sv_str(flow), names, n) : NULL;
    if (!f)
        return tl_fail(err, TL_NOT_FOUND, "there is no flow '%s'%s%s%s", flow, near ? "; did you mean '" : "",
                       near ? near : "", near ? "'?" : "");
    if (f->from.index != FLOW_WEBHOOK)
        return tl_fail(err, TL_INVALID, "this flow's events do not come as a webhook; give --url for another place");
    hook = f->from.conf;
    *ret_hook = hook;
    *ret = NULL;
    return hook->verify.variant ? make_verifier(p, &hook->verify, signing_key, ret, err) : TL_OK;
}
