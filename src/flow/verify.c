/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - the secrets of a configuration, and from a webhook's `verify:` to its verifier.
 * A secret whose source has not been read yet (Vault is away) is no error of the configuration: the webhook waits.
 */
#include "flow/flow_int.h"

enum { MAX_SECRETS = 16 };

struct building {
    struct flow *f;
    const struct flow_load_options *o;
    struct config_errors *e;
    bool ok;
    size_t n;
    struct tl_buf values[2 * MAX_SECRETS];
};

/* Where no secret can be had (`check`), those that stand in the file are known; .p is NULL for others. */
static struct tl_sv resolve(struct building *b, const struct config_secret *ref)
{
    struct tl_buf *value = &b->values[b->n++];
    struct tl_err err = {0};
    enum tl_rc rc;

    tl_buf_init(value, 65536);
    if (!b->o->secret) {
        b->ok = false;
        return ref->kind == CONFIG_SECRET_LITERAL ? tl_sv_str(ref->name) : TL_SV_NULL;
    }
    rc = b->o->secret(b->o->secret_arg, ref, value, &err);
    if (rc == TL_BUSY)
        b->f->waits = tl_arena_strdup(b->f->plan->arena, err.text);
    else if (rc != TL_OK)
        config_error(b->e, ref->at, NULL, "a webhook secret cannot be resolved: %s", err.text);
    b->ok &= rc == TL_OK;
    return rc == TL_OK ? tl_sv(value->n ? value->p : "", value->n) : TL_SV_NULL;
}

/* From `until` and the clock: not for ever is there anything that verifies. */
static void remark_ends(struct building *b, const struct webhook_setup *setup, struct config_place at)
{
    int64_t now_ms = tl_clock_wall_ms(tl_clock_system());
    size_t ended = 0;

    for (size_t i = 0; i < setup->n_secrets; i++)
        ended += setup->secrets[i].until_ms > 0 && setup->secrets[i].until_ms <= now_ms;
    if (ended > 0 && ended == setup->n_secrets)
        config_warn(b->e, at, "Add the sender's new secret.",
                    "flow '%s': each secret is past its `until`: no request can be verified", b->f->name);
}

static void remark_value(struct building *b, const struct config_choice *verify, const struct config_secret *ref,
                         struct tl_sv value)
{
    const char *remark = value.n ? webhook_secret_remark(verify->name, value) : NULL;

    if (remark)
        config_warn(b->e, ref->at.file ? ref->at : verify->at, NULL, "flow '%s': %s", b->f->name, remark);
}

void flow__build_verifier(struct flow *f, const struct flow_load_options *o, struct config_errors *e,
                          const struct config_choice *verify)
{
    const struct webhook_conf *c = verify->conf;
    struct webhook_secret secrets[MAX_SECRETS];
    struct tl_sv tokens[MAX_SECRETS];
    struct webhook_setup setup = {.scheme = verify->name, .conf = c, .secrets = secrets, .verify_tokens = tokens};
    struct building b = {.f = f, .o = o, .e = e, .ok = true};
    TL_CLEANUP(tl_buf_done) struct tl_buf pem = {0};
    struct tl_err err = {0};

    for (size_t i = 0; i < c->secrets.n && i < MAX_SECRETS; i++) {
        const struct webhook_conf_secret *s = CONFIG_AT(c->secrets, struct webhook_conf_secret, i);
        struct webhook_secret *to = &secrets[setup.n_secrets++];

        *to = (struct webhook_secret){.value = resolve(&b, &s->value)};
        if (!s->until) /* one that is on its way out is mended already */
            remark_value(&b, verify, &s->value, to->value);
        if (s->until && !tl_time_parse(tl_sv_str(s->until), &to->until_ms))
            config_error(e, verify->at, "Write 2026-12-31T00:00:00Z.", "`until` is not a time: %s", s->until);
    }
    tl_buf_init(&pem, 64 << 10);
    if (c->certificate && !flow__plan_file(f->plan, c->certificate, 64 << 10, &pem))
        config_error(e, verify->at, NULL, "the certificate %s cannot be read, or is larger than 64 KB", c->certificate);
    setup.certificate = tl_buf_view(&pem);
    for (size_t i = 0; i < c->verify_tokens.n && i < MAX_SECRETS; i++)
        tokens[setup.n_verify_tokens++] = resolve(&b, CONFIG_AT(c->verify_tokens, struct config_secret, i));
    remark_ends(&b, &setup, verify->at);
    if ((b.ok ? webhook_verifier_new(o->crypto, &setup, &f->verifier, &err)
              : webhook_setup_check(o->crypto, &setup, &err)) != TL_OK)
        config_error(e, verify->at, NULL, "%s", err.text);
    if (f->verifier)
        tl_arena_on_free(f->plan->arena, (void (*)(void *))webhook_verifier_unref, f->verifier);
    while (b.n--) {
        if (b.values[b.n].p)
            tl_wipe(b.values[b.n].p, b.values[b.n].cap);
        tl_buf_done(&b.values[b.n]);
    }
}

/* ---- references ---- */
struct walk {
    struct tl_arena *arena;
    void (*fn)(void *arg, const struct config_secret *ref);
    void *arg;
};

static void walk(const struct walk *w, const struct config_node *node)
{
    struct config_secret ref;

    if (config_secret_of(w->arena, node, &ref))
        w->fn(w->arg, &ref);
    for (uint32_t i = 0; node->kind == CONFIG_NODE_LIST && i < node->n; i++)
        walk(w, node->items[i]);
    for (uint32_t i = 0; node->kind == CONFIG_NODE_MAP && i < node->n; i++)
        walk(w, node->entries[i].value);
}

void flow_plan_each_secret(const struct flow_plan *p, void (*fn)(void *arg, const struct config_secret *ref), void *arg)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16 << 20);
    const struct walk w = {a, fn, arg};

    walk(&w, p->node);
}

static void need_vault(void *arg, const struct config_secret *ref)
{
    if (ref->kind == CONFIG_SECRET_VAULT)
        config_error(arg, ref->at, "Add `secrets: { vault: { address: ..., login: ... } }`.",
                     "this secret is in Vault, but no Vault is configured");
}

void flow__check_secrets(const struct flow_plan *p, struct config_errors *e)
{
    if (!p->project->secrets.vault && !config_is_faulty(e, config_get(p->node, "secrets")))
        flow_plan_each_secret(p, need_vault, e);
}
