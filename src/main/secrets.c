/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - reading secrets: at the start, and again and again, so that a change is taken up without a restart. */
#include "main/secrets.h"

enum { FIRST_MS = 10000 };

enum tl_rc main_secrets_init(struct main_secrets *m, const struct crypto *crypto, struct tl_err *err)
{
    struct secret_options o = secret_default_options(crypto);

    m->vault = secret_vault_new(tl_clock_system());
    o.vault = secret_vault_source(m->vault);
    return secret_box_new(&o, &m->box, err);
}

void main_secrets_done(struct main_secrets *m)
{
    secret_box_free(m->box);
    secret_vault_free(m->vault);
    *m = (struct main_secrets){.box = NULL};
}

enum tl_rc main_secrets_resolve(void *arg, const struct config_secret *ref, struct tl_buf *ret, struct tl_err *err)
{
    struct main_secrets *m = arg;
    TL_CLEANUP(secret_unrefp) struct secret *value = NULL;
    enum tl_rc rc = secret_get(m->box, ref, &value, NULL, err);

    if (rc == TL_OK && !tl_buf_sv(ret, secret_view(value)))
        rc = tl_fail(err, TL_LIMIT, "a secret is larger than 64 KB");
    return rc;
}

enum tl_rc main_secrets_on_task(void *arg, struct task *task, const struct config_secret *ref, struct tl_buf *ret,
                                struct tl_err *err)
{
    enum tl_rc rc = main_secrets_resolve(arg, ref, ret, err);

    (void)task;
    if (rc == TL_BUSY)
        err->rc = rc = TL_AUTH;
    return rc;
}

void main_secrets_mask(void *arg, struct tl_buf *text, bool cut)
{
    struct main_secrets *m = arg;

    (void)(cut ? secret_mask_cut(m->box, text) : secret_mask(m->box, text));
}

/* ---- Vault ---- */
static void note(void *arg, const struct config_secret *ref)
{
    TL_CLEANUP(secret_unrefp) struct secret *value = NULL;

    if (ref->kind == CONFIG_SECRET_VAULT)
        (void)(secret_get(arg, ref, &value, NULL, NULL) == TL_OK); /* only to be noted */
}

static enum tl_rc ask_vault(struct task *task, struct main_secrets *m, const struct secret_vault_conf *conf,
                            struct tl_log *log, struct tl_err *err)
{
    struct tl_err own = {0};
    enum tl_rc rc = secret_vault_use(m->vault, conf, task_loop(task), &own);
    struct secret_vault_status st;

    if (rc == TL_OK)
        rc = secret_vault_sync(task, m->vault, m->box, &own);
    if (rc == TL_CANCELED)
        return tl_fail(err, rc, "%s", own.text);
    secret_vault_get_status(m->vault, &st);
    if (rc != TL_OK && !m->complained) {
        m->complained = true;
        TL_LOG(log, TL_ERROR, "vault.unavailable", own.text, KV_U64("waiting", st.waiting),
               KV_STR("what", st.waiting ? "what needs these secrets is held until they come"
                                         : "the values that were read last are used"));
    } else if (st.ok && m->complained && st.reason[0] == '\0') {
        m->complained = false;
        TL_LOG(log, TL_INFO, "vault.back", "vault answers again", KV_STR("address", st.address));
    }
    return TL_OK;
}

struct first {
    struct main_secrets *m;
    const struct flow_plan *plan;
    struct tl_log *log;
    struct async_loop *loop;
};

static enum tl_rc first_task(struct task *task, void *arg, struct tl_err *err)
{
    struct first *f = arg;

    return ask_vault(task, f->m, flow_plan_project(f->plan)->secrets.vault, f->log, err);
}

static void first_done(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct first *f = arg;

    (void)rc;
    (void)err;
    async_loop_stop(f->loop);
}

enum tl_rc main_secrets_first(struct main_secrets *m, struct async_loop *loop, const struct flow_plan *plan,
                              struct tl_log *log, bool *ret_again, struct tl_err *err)
{
    struct first f = {m, plan, log, loop};
    uint64_t deadline = async_loop_now(loop) + (uint64_t)FIRST_MS * 1000000u;
    struct secret_vault_status st;
    enum tl_rc rc;

    *ret_again = false;
    if (!flow_plan_project(plan)->secrets.vault)
        return TL_OK;
    flow_plan_each_secret(plan, note, m->box);
    rc = task_start(loop, "vault", deadline, first_task, &f, first_done, NULL, err);
    if (rc != TL_OK)
        return rc;
    async_loop_run(loop);
    secret_vault_get_status(m->vault, &st);
    *ret_again = st.changes > 0;
    m->changes = st.changes;
    return TL_OK;
}

/* ---- rounds ---- */
static void read_all(void *arg)
{
    struct main_secrets *m = arg;

    (void)secret_reload(m->box, NULL, NULL);
}

enum tl_rc main_secrets_round(struct task *task, struct main_secrets *m, const struct flow_plan *plan,
                              struct tl_log *log, bool *ret_changed, struct tl_err *err)
{
    const struct secret_conf *conf = &flow_plan_project(plan)->secrets;
    int64_t now = (int64_t)tl_clock_mono_ms(tl_clock_system());
    struct secret_vault_status st;
    uint64_t generation;
    bool came = false;
    enum tl_rc rc = TL_OK;

    *ret_changed = false;
    if (conf->vault) {
        flow_plan_each_secret(plan, note, m->box);
        rc = ask_vault(task, m, conf->vault, log, err);
        secret_vault_get_status(m->vault, &st);
        came = st.changes != m->changes;
        m->changes = st.changes;
    }
    if (rc != TL_OK || (!came && now - m->read_ms < conf->every_ms))
        return rc;
    m->read_ms = now;
    rc = task_blocking(task, read_all, m, NULL, err);
    generation = secret_generation(m->box);
    *ret_changed = rc == TL_OK && (came || generation != m->generation);
    m->generation = generation;
    return rc;
}
