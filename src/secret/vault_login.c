/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault_login.c - requests to Vault, its tokens: login (token, AppRole, JWT, Kubernetes), renewal, re-login.
 * Invariant: an error text holds Vault's words and the path, never a token or a credential.
 */
#include <stdio.h>

#include "secret/vault_int.h"

/* {"errors": ["permission denied"]}: the first, on one line, masked. */
static void vaults_words(struct secret_box *box, struct tl_arena *a, struct tl_sv text, struct tl_buf *out)
{
    struct json doc = JSON_NOTHING;
    struct tl_sv words = TL_SV("");

    if (json_parse(a, text, JSON_PARSE_DUP_LAST, NULL, &doc, NULL) == TL_OK)
        words = json_text(json_at(json_gets(doc, "errors"), 0), TL_SV(""));
    tl_buf_init(out, 1024);
    if (words.n > 0)
        tl_buf_puts(out, ": ");
    for (size_t i = 0; i < words.n && i < 150; i++)
        tl_buf_putc(out, (unsigned char)words.p[i] >= 0x20 ? words.p[i] : ' ');
    (void)(words.n > 150 ? secret_mask_cut(box, out) : secret_mask(box, out));
    tl_buf_putc(out, '\0');
}

static enum tl_rc status_rc(struct secret_vault *v, struct secret_box *box, struct tl_arena *a, const char *path,
                            int status, struct tl_sv text, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf words = {0};

    vaults_words(box, a, text, &words);
    if (status == 404)
        return tl_fail(err, TL_NOT_FOUND, "vault at %.100s has no %.150s", v->o.address, path);
    if (status == 400 || status == 403) /* a dead token is 403, as a missing right is */
        return tl_fail(err, TL_FORBIDDEN, "vault refuses %.120s (HTTP %d%.160s): check the login and its policies",
                       path, status, words.p);
    if (status == 503 || status == 473 || status == 472)
        return tl_fail(err, TL_UPSTREAM, "vault at %.100s is sealed or in standby (HTTP %d)", v->o.address, status);
    return tl_fail(err, status == 429 ? TL_RATE_LIMITED : TL_UPSTREAM, "vault at %.100s answered HTTP %d%.160s",
                   v->o.address, status, words.p);
}

enum tl_rc secret__vault_call(struct task *t, struct secret_vault *v, struct secret_box *box, struct tl_arena *a,
                              const char *method, const char *path, struct tl_sv body, struct json *ret,
                              struct tl_err *err)
{
    struct secret_vault_request r = {.method = method,
                                     .url = tl_arena_printf(a, "%s/v1/%s", v->o.address, path),
                                     .name_space = v->o.name_space,
                                     .token = v->token != NULL ? secret_view(v->token) : TL_SV_NULL,
                                     .body = body};
    struct tl_sv text = TL_SV("");
    int status = 0;
    enum tl_rc rc = v->http.call(t, v->http.arg, &r, a, &status, &text, err);

    if (rc != TL_OK)
        return rc == TL_CANCELED ? rc : tl_err_prefix(err, "vault at %.100s", v->o.address);
    if (status < 200 || status > 299)
        return status_rc(v, box, a, path, status, text, err);
    if (status != 204 && json_parse(a, text, JSON_PARSE_DUP_LAST, NULL, ret, NULL) != TL_OK)
        return tl_fail(err, TL_UPSTREAM, "vault's answer is not JSON: is %.150s the address of a Vault?", v->o.address);
    return TL_OK;
}

void secret__vault_forget_token(struct secret_vault *v)
{
    secret_unref(v->token);
    v->token = NULL;
}

static void take_life(struct secret_vault *v, struct json renewable, int64_t lease)
{
    v->renewable = renewable.type == JSON_BOOL && renewable.u.b;
    v->expires_ms = lease > 0 ? secret__vault_now(v) + lease * 1000 : 0;
    v->renew_ms = lease > 0 ? secret__vault_now(v) + lease * 1000 * 2 / 3 : INT64_MAX;
}

static enum tl_rc take_login(struct secret_vault *v, struct json answer, struct secret_box *box, struct tl_err *err)
{
    struct json auth = json_gets(answer, "auth"), token = json_gets(auth, "client_token");
    int64_t lease = 0;

    if (token.type == JSON_STRING && token.n > 0) {
        secret_unref(v->token);
        v->token = secret_new(json_view(token));
        secret_learn(box, json_view(token));
    }
    if (v->token == NULL)
        return tl_fail(err, TL_UPSTREAM, "vault's login gave no token");
    (void)json_int64(json_gets(auth, "lease_duration"), &lease);
    take_life(v, json_gets(auth, "renewable"), lease);
    return TL_OK;
}

/* What the login proves itself with, as it is now: a projected token of Kubernetes changes every hour. */
static enum tl_rc credential(struct secret_vault *v, struct secret_box *box, struct secret **ret, struct tl_err *err)
{
    TL_CLEANUP(secret__buf_done) struct tl_buf text = {0};
    enum tl_rc rc;

    if (v->o.credential_file == NULL)
        return secret_get(box, &v->o.credential, ret, NULL, err);
    tl_buf_init(&text, SECRET_MAX_VALUE + 4096);
    rc = secret__read_file(v->o.credential_file, false, SECRET_MAX_VALUE, &text, err);
    if (rc != TL_OK)
        return rc;
    if (tl_sv_trim(tl_buf_view(&text)).n == 0)
        return tl_fail(err, TL_CONFIG, "the file %.200s is empty", v->o.credential_file);
    *ret = secret_new(tl_sv_trim(tl_buf_view(&text)));
    secret_learn(box, secret_view(*ret));
    return TL_OK;
}

static enum tl_rc login_token(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                              struct secret *given, struct tl_err *err)
{
    struct json answer = JSON_NOTHING, data;
    int64_t ttl = 0;
    enum tl_rc rc;

    secret__vault_forget_token(v);
    v->token = secret_ref(given);
    rc = secret__vault_call(t, v, box, a, "GET", "auth/token/lookup-self", TL_SV(""), &answer, err);
    if (rc != TL_OK) {
        secret__vault_forget_token(v);
        return rc;
    }
    data = json_gets(answer, "data");
    (void)json_int64(json_gets(data, "ttl"), &ttl);
    take_life(v, json_gets(data, "renewable"), ttl);
    return TL_OK;
}

static enum tl_rc login(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box,
                        struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *given = NULL;
    TL_CLEANUP(secret__buf_done) struct tl_buf body = {0};
    bool approle = v->o.login == SECRET_VAULT_APPROLE;
    struct json_builder b;
    struct json answer = JSON_NOTHING;
    const char *mount = v->o.mount != NULL ? v->o.mount : approle ? "approle" : "jwt";
    enum tl_rc rc = credential(v, box, &given, err);

    if (rc != TL_OK)
        return tl_err_prefix(err, "vault login");
    if (v->o.login == SECRET_VAULT_TOKEN)
        return login_token(t, v, a, box, given, err);
    secret__vault_forget_token(v);
    tl_buf_init(&body, 256 * 1024);
    json_object_begin(&b, a, 2);
    (void)json_adds(&b, approle ? "role_id" : "role", json_str(v->o.role != NULL ? v->o.role : ""));
    (void)json_adds(&b, approle ? "secret_id" : "jwt", json_sv(secret_view(given)));
    if (!json_write(&body, json_end(&b), 0))
        return tl_fail(err, TL_LIMIT, "the vault login is too large");
    rc = secret__vault_call(t, v, box, a, "POST", tl_arena_printf(a, "auth/%s/login", mount), tl_buf_view(&body),
                            &answer, err);
    return rc == TL_OK ? take_login(v, answer, box, err) : rc;
}

enum tl_rc secret__vault_ensure_login(struct task *t, struct secret_vault *v, struct tl_arena *a,
                                      struct secret_box *box, bool *ret_new, struct tl_err *err)
{
    struct json answer = JSON_NOTHING;

    *ret_new = false;
    if (v->token != NULL && v->expires_ms != 0 && secret__vault_now(v) >= v->expires_ms)
        secret__vault_forget_token(v);
    if (v->token != NULL && secret__vault_now(v) < v->renew_ms)
        return TL_OK;
    if (v->token != NULL && v->renewable &&
        secret__vault_call(t, v, box, a, "POST", "auth/token/renew-self", TL_SV("{}"), &answer, NULL) == TL_OK &&
        take_login(v, answer, box, NULL) == TL_OK)
        return TL_OK;
    *ret_new = true;
    return login(t, v, a, box, err); /* not renewable, at its maximum age, or revoked */
}

bool secret__vault_token_lives(struct task *t, struct secret_vault *v, struct tl_arena *a, struct secret_box *box)
{
    struct json answer = JSON_NOTHING;

    return secret__vault_call(t, v, box, a, "GET", "auth/token/lookup-self", TL_SV(""), &answer, NULL) != TL_FORBIDDEN;
}
