/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret.c - `${kind:name}` in texts. A secret field holds exactly one reference, which is kept and never resolved
 * here; any other field may have ${env:NAME} anywhere in it, which is put in while reading. $${ stands for a literal
 * ${.
 */
#include "config/config_int.h"

#include <stdlib.h>

static const struct {
    const char *prefix;
    enum config_secret_kind kind;
    const char *example;
} kinds[] = {
    {"env", CONFIG_SECRET_ENV, "${env:NAME}"},
    {"file", CONFIG_SECRET_FILE, "${file:path}"},
    {"vault", CONFIG_SECRET_VAULT, "${vault:mount/path#key}"},
    {"systemd", CONFIG_SECRET_SYSTEMD, "${systemd:name}"},
    {"store", CONFIG_SECRET_STORE, "${store:name}"},
};

#define ALL_KINDS "${env:NAME}, ${file:path}, ${vault:mount/path#key}, ${systemd:name} or ${store:name}"

static bool variable_ok(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

        if (!letter && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return s.n > 0 && s.n <= 255;
}

/* A credential's name is one path component: nothing that leaves its directory. */
static bool plain_name_ok(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '/' || (unsigned char)s.p[i] <= 0x20 || s.p[i] == 0x7f)
            return false;
    return s.n > 0 && s.n <= 255 && s.p[0] != '.';
}

static enum tl_rc name_check(enum config_secret_kind kind, struct tl_sv name, struct tl_err *err)
{
    size_t hash = tl_sv_find(name, '#');

    if (kind == CONFIG_SECRET_ENV && !variable_ok(name))
        return tl_fail(err, TL_CONFIG,
                       "the name of an environment variable has letters, digits and _ only: ${env:NAME}");
    if ((kind == CONFIG_SECRET_SYSTEMD || kind == CONFIG_SECRET_STORE) && !plain_name_ok(name))
        return tl_fail(err, TL_CONFIG, "the name in the reference has a slash or blank, begins with a dot or is empty");
    if (kind == CONFIG_SECRET_FILE && (name.n == 0 || name.n > 4000))
        return tl_fail(err, TL_CONFIG, "the reference lacks the path: ${file:path}");
    if (kind == CONFIG_SECRET_VAULT && (hash == 0 || hash + 1 >= name.n || name.n > 1000))
        return tl_fail(err, TL_CONFIG, "a Vault reference is ${vault:mount/path#key}");
    return TL_OK;
}

/* `inner` is what stands between ${ and }. */
static enum tl_rc reference(struct tl_arena *a, struct tl_sv inner, struct config_secret *ret, struct tl_err *err)
{
    size_t colon = tl_sv_find(inner, ':'), hash;
    struct tl_sv prefix = tl_sv(inner.p, colon), name = tl_sv_from(inner, colon + 1);
    struct config_secret s = {0};
    enum tl_rc rc;

    for (size_t i = 0; i < TL_COUNT(kinds); i++)
        if (colon < inner.n && tl_sv_eqs(prefix, kinds[i].prefix))
            s.kind = kinds[i].kind;
    if (s.kind == CONFIG_SECRET_NONE)
        return tl_fail(err, TL_CONFIG, "the reference is not one of " ALL_KINDS);
    rc = name_check(s.kind, name, err);
    if (rc != TL_OK)
        return rc;
    hash = s.kind == CONFIG_SECRET_VAULT ? tl_sv_find(name, '#') : name.n;
    s.name = tl_arena_strndup(a, name.p, hash);
    s.key = hash < name.n ? tl_arena_strndup(a, name.p + hash + 1, name.n - hash - 1) : NULL;
    if (!s.name || (hash < name.n && !s.key))
        return tl_fail(err, TL_LIMIT, "no memory is left for the configuration");
    *ret = s;
    return TL_OK;
}

enum tl_rc config_secret_parse(struct tl_arena *a, struct tl_sv text, struct config_secret *ret, struct tl_err *err)
{
    size_t at = tl_sv_find_sv(text, TL_SV("${"));
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    char *copy;

    tl_buf_init(&b, text.n + 1);
    if (text.n == 0)
        return tl_fail(err, TL_CONFIG, "the secret is empty; write a reference: " ALL_KINDS);
    if (at < text.n && !(at > 0 && text.p[at - 1] == '$')) {
        if (at != 0 || tl_sv_find(text, '}') != text.n - 1)
            return tl_fail(err, TL_CONFIG, "a secret is one reference and nothing else: " ALL_KINDS);
        return reference(a, tl_sv(text.p + 2, text.n - 3), ret, err);
    }
    for (size_t i = 0; i < text.n; i++) { /* $${ -> ${ */
        if (text.p[i] == '$' && tl_sv_starts(tl_sv_from(text, i), TL_SV("$${")))
            continue;
        tl_buf_putc(&b, text.p[i]);
    }
    copy = tl_arena_strndup(a, b.p, b.n);
    if (!copy)
        return tl_fail(err, TL_LIMIT, "no memory is left for the configuration");
    *ret = (struct config_secret){.kind = CONFIG_SECRET_LITERAL, .name = copy};
    return TL_OK;
}

bool config_secret_of(struct tl_arena *a, const struct config_node *node, struct config_secret *ret)
{
    struct config_secret s;

    if (node->kind != CONFIG_NODE_STRING || !tl_sv_starts(node->text, TL_SV("${")) ||
        config_secret_parse(a, node->text, &s, NULL) != TL_OK || s.kind == CONFIG_SECRET_LITERAL)
        return false;
    if (s.kind == CONFIG_SECRET_FILE)
        s.name = config__relative(a, node->at, tl_sv_str(s.name));
    s.at = node->at;
    *ret = s;
    return s.name != NULL;
}

bool config_secret_show(const struct config_secret *s, struct tl_buf *b)
{
    for (size_t i = 0; i < TL_COUNT(kinds); i++)
        if (kinds[i].kind == s->kind)
            return tl_buf_printf(b, "${%s:%s%s%s}", kinds[i].prefix, s->name, s->key ? "#" : "", s->key ? s->key : "");
    return tl_buf_puts(b, s->kind == CONFIG_SECRET_LITERAL ? "(literal)" : "(none)");
}

bool config__parse_secret(const struct config__at *c, struct config_secret *dst)
{
    struct config_secret s;
    struct tl_err err = {0};

    if (!config__is_scalar(c->n) || c->n->kind == CONFIG_NODE_NULL)
        return config__fault(c->p, c->path, c->n, "Write " ALL_KINDS ".", "must be a reference to a secret, not %s",
                             config_kind_name(c->n));
    if (config_secret_parse(c->p->arena, c->n->text, &s, &err) != TL_OK) {
        (void)config__fault(c->p, c->path, c->n, NULL, "is not right: %s", err.text);
        config__hide_line(c->p->e);
        return false;
    }
    if (s.kind == CONFIG_SECRET_LITERAL && !c->p->opt->allow_literal_secrets && !c->f->raw) {
        (void)config__fault(c->p, c->path, c->n,
                            "Move the value out of the file and write " ALL_KINDS
                            "; for a test, start with --allow-literal-secrets.",
                            "is a secret and must not stand in the file itself");
        config__hide_line(c->p->e);
        return false;
    }
    if (s.kind == CONFIG_SECRET_FILE)
        s.name = config__relative(c->p->arena, c->n->at, tl_sv_str(s.name));
    if (!s.name)
        return config__no_memory(c->p->e);
    s.at = c->n->at;
    if (s.kind == CONFIG_SECRET_LITERAL && !c->f->raw)
        config__secret_line(c->p->e, s.at);
    *dst = s;
    return true;
}

const char *config__relative(struct tl_arena *a, struct config_place at, struct tl_sv path)
{
    const char *slash = at.file ? strrchr(at.file, '/') : NULL;

    if (!slash || (path.n && path.p[0] == '/'))
        return tl_arena_strndup(a, path.p, path.n);
    if (tl_sv_starts(path, TL_SV("./")))
        path = tl_sv_from(path, 2);
    return tl_arena_printf(a, "%.*s%.*s", (int)(slash - at.file) + 1, at.file, TL_SV_ARG(path));
}

/* ---- ${env:NAME} in plain fields ---- */

static bool put_variable(const struct config__at *c, struct tl_sv inner, struct tl_buf *b, bool *ret_known)
{
    const struct config_options *opt = c->p->opt;
    struct config_secret s;
    struct tl_err err = {0};
    const char *value;

    if (reference(c->p->arena, inner, &s, &err) != TL_OK)
        return config__fault(c->p, c->path, c->n, "Write $${ where a literal ${ is meant.",
                             "holds a reference that cannot be read: %s", err.text);
    if (s.kind != CONFIG_SECRET_ENV)
        return config__fault(c->p, c->path, c->n, "Here only ${env:NAME} can be used.",
                             "is not a secret, so it cannot be taken from a secret store");
    value = opt->env ? opt->env(opt->arg, s.name) : getenv(s.name);
    if (value) {
        if (tl_utf8_valid(tl_sv_str(value)) != strlen(value))
            return config__fault(c->p, c->path, c->n, NULL, "uses the environment variable %s, which is not UTF-8",
                                 s.name);
        tl_buf_puts(b, value);
        return true;
    }
    *ret_known = false;
    if (!opt->env_may_be_missing)
        return config__fault(c->p, c->path, c->n, "Set it where tieline is started.",
                             "uses the environment variable %s, which is not set", s.name);
    config_warn(c->p->e, c->n->at, "It must be set where tieline runs.", "the environment variable %s is not set here",
                s.name);
    return true;
}

bool config__interpolate(const struct config__at *c, struct tl_sv *ret, bool *ret_known)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv rest = c->n->text, inner;
    char *copy;

    *ret_known = true;
    *ret = c->n->text;
    if (tl_sv_find_sv(rest, TL_SV("${")) == rest.n)
        return true;
    tl_buf_init(&b, CONFIG_MAX_FILE);
    while (rest.n) {
        if (tl_sv_starts(rest, TL_SV("$${"))) {
            tl_buf_puts(&b, "${");
            rest = tl_sv_from(rest, 3);
        } else if (tl_sv_starts(rest, TL_SV("${"))) {
            size_t end = tl_sv_find(rest, '}');

            if (end == rest.n)
                return config__fault(c->p, c->path, c->n, "Write $${ where a literal ${ is meant.", "has ${ without }");
            inner = tl_sv(rest.p + 2, end - 2);
            if (!put_variable(c, inner, &b, ret_known))
                return false;
            rest = tl_sv_from(rest, end + 1);
        } else {
            tl_buf_putc(&b, rest.p[0]);
            rest = tl_sv_from(rest, 1);
        }
    }
    copy = b.failed ? NULL : tl_arena_strndup(c->p->arena, b.p ? b.p : "", b.n);
    if (!copy)
        return config__no_memory(c->p->e);
    *ret = tl_sv(copy, b.n);
    return true;
}
