/* SPDX-License-Identifier: Apache-2.0 */
/* code.c - the grant that a person gives in a browser: RFC 6749 4.1 with PKCE (RFC 7636). Invariant: `state` and the
 * verifier are good for one return, and for ten minutes. */
#include <stdio.h>

#include "auth/auth_int.h"

static void random_text(size_t bytes, char *out, size_t size)
{
    uint8_t raw[48];
    struct tl_buf b;

    tl_random(raw, bytes);
    tl_buf_init(&b, size);
    (void)tl_base64url_encode(&b, raw, bytes);
    (void)snprintf(out, size, "%s", b.p);
    tl_buf_done(&b);
}

enum tl_rc auth_code_begin(struct auth *a, struct tl_arena *arena, struct tl_sv redirect_uri, struct auth_code *ret,
                           struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf form = {0}, challenge = {0};
    const struct auth_conf *c = a->conf;
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct tl_sv verifier;
    char *url;

    if (c->authorize_url == NULL)
        return tl_fail(err, TL_CONFIG, "%.60s: this scheme needs no person; there is nothing to connect",
                       a->connection);
    random_text(32, ret->state, sizeof(ret->state));
    random_text(32, ret->verifier, sizeof(ret->verifier));
    verifier = tl_sv_str(ret->verifier);
    tl_buf_init(&form, 16 * 1024);
    tl_buf_init(&challenge, 256);
    tl_base64url_encode(&challenge, digest, crypto_digest(a->w.crypto, CRYPTO_SHA256, &verifier, 1, digest));
    auth__form_text(&form, "response_type", "code");
    auth__form_text(&form, "client_id", c->client_id);
    (void)auth__form_add(&form, "redirect_uri", redirect_uri);
    auth__form_text(&form, "scope", c->scope);
    auth__form_text(&form, "audience", c->audience);
    auth__form_text(&form, "state", ret->state);
    (void)auth__form_add(&form, "code_challenge", tl_buf_view(&challenge));
    auth__form_text(&form, "code_challenge_method", "S256");
    url = tl_arena_printf(arena, "%s%c%s", c->authorize_url, strchr(c->authorize_url, '?') != NULL ? '&' : '?', form.p);
    if (form.failed || url == NULL)
        return tl_fail(err, TL_LIMIT, "%.60s: the address is too long", a->connection);
    ret->url = tl_sv_str(url);
    return TL_OK;
}

static enum tl_rc check_return(struct auth *a, struct tl_arena *arena, const struct auth_code *code, struct tl_sv query,
                               struct tl_sv *ret, struct tl_err *err)
{
    struct tl_sv state = TL_SV_NULL, error = TL_SV_NULL;

    if (http_query_get(query, TL_SV("state"), arena, &state, err) != TL_OK ||
        !tl_sv_eq_secret(state, tl_sv_str(code->state)))
        return tl_fail(err, TL_INVALID, "%.60s: the answer does not belong to this attempt (state); start again",
                       a->connection);
    if (http_query_get(query, TL_SV("error"), arena, &error, err) == TL_OK && error.n > 0)
        return tl_fail(err, TL_AUTH, "%.60s: the other side refused: %.*s", a->connection,
                       (int)(error.n < 60 ? error.n : 60), error.p);
    if (http_query_get(query, TL_SV("code"), arena, ret, err) != TL_OK || ret->n == 0)
        return tl_fail(err, TL_INVALID, "%.60s: the answer holds no code; start again", a->connection);
    return TL_OK;
}

enum tl_rc auth__code_exchange(struct task *t, struct auth *a, struct tl_arena *arena, const struct auth_code *code,
                               struct tl_sv redirect_uri, struct tl_sv query, struct auth_token *ret,
                               struct tl_err *err)
{
    TL_CLEANUP(secret_buf_done) struct tl_buf form = {0};
    struct tl_sv given = TL_SV_NULL;
    enum tl_rc rc = check_return(a, arena, code, query, &given, err);

    if (rc != TL_OK)
        return rc;
    tl_buf_init(&form, 64 * 1024);
    auth__form_text(&form, "grant_type", "authorization_code");
    (void)auth__form_add(&form, "code", given);
    (void)auth__form_add(&form, "redirect_uri", redirect_uri);
    auth__form_text(&form, "code_verifier", code->verifier);
    return auth__token_request(t, a, arena, &form, ret, err);
}

enum tl_rc auth_code_finish(struct task *t, struct auth *a, const struct auth_code *code, struct tl_sv redirect_uri,
                            struct tl_sv query, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(4 * 1024 * 1024);
    struct auth_token fresh = {.access = NULL}, old;
    enum tl_rc rc = auth__code_exchange(t, a, arena, code, redirect_uri, query, &fresh, err);

    if (rc == TL_OK)
        rc = auth__token_save(t, a, &fresh, err);
    if (rc != TL_OK) {
        auth__token_done(&fresh);
        return rc;
    }
    (void)pthread_mutex_lock(&a->s->lock);
    old = a->s->token;
    a->s->token = fresh;
    a->s->generation++;
    a->s->loaded = true;
    a->s->must_renew = false;
    auth__resume(a);
    memset(a->s->failures, 0, sizeof(a->s->failures));
    (void)pthread_mutex_unlock(&a->s->lock);
    auth__token_done(&old);
    return TL_OK;
}

/* ---- with the attempt kept here ---- */

enum { CODE_MS = 600000 };

enum tl_rc auth_connect_begin(struct auth *a, struct tl_arena *arena, struct tl_sv redirect_uri, struct tl_sv *ret_url,
                              struct tl_err *err)
{
    struct auth_code code;
    enum tl_rc rc = auth_code_begin(a, arena, redirect_uri, &code, err);

    if (rc != TL_OK)
        return rc;
    *ret_url = code.url;
    code.url = TL_SV_NULL; /* the arena's */
    (void)pthread_mutex_lock(&a->s->lock);
    a->s->code = code;
    tl_free(a->s->redirect_uri);
    a->s->redirect_uri = tl_strndup(redirect_uri.p, redirect_uri.n);
    a->s->code_until_ms = (int64_t)tl_clock_mono_ms(a->w.clock) + CODE_MS;
    (void)pthread_mutex_unlock(&a->s->lock);
    return TL_OK;
}

enum tl_rc auth_connect_finish(struct task *t, struct auth *a, struct tl_sv query, struct tl_err *err)
{
    struct auth_code code;
    TL_CLEANUP(tl_freep) char *redirect_uri = NULL;
    bool there;
    enum tl_rc rc;

    (void)pthread_mutex_lock(&a->s->lock);
    there = a->s->code_until_ms > (int64_t)tl_clock_mono_ms(a->w.clock);
    code = a->s->code;
    redirect_uri = TL_STEAL(&a->s->redirect_uri);
    a->s->code_until_ms = 0; /* whatever comes of it: a code is good once */
    tl_wipe(&a->s->code, sizeof(a->s->code));
    (void)pthread_mutex_unlock(&a->s->lock);
    rc = there ? auth_code_finish(t, a, &code, tl_sv_str(redirect_uri), query, err)
               : tl_fail(err, TL_INVALID, "%.60s: nobody has begun to connect in the last ten minutes; start again",
                         a->connection);
    tl_wipe(&code, sizeof(code));
    return rc;
}
