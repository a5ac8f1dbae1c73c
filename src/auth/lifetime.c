/* SPDX-License-Identifier: Apache-2.0 */
/* lifetime.c - since when a credential is good and until when, for people and for the rule that warns in time. */
#include "auth/auth_int.h"

enum { CLAIMS_MAX = 65536 };

/* What servers call the lifetime of a refresh token: RFC 6749 has no word for it. */
static int64_t grant_seconds(struct json doc)
{
    static const char *const names[] = {"refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"};
    int64_t seconds = 0;

    for (size_t i = 0; i < TL_COUNT(names); i++) {
        if (json_int64(json_gets(doc, names[i]), &seconds) && seconds > 0 && seconds < INT64_C(315360000))
            return seconds;
    }
    return 0;
}

void auth__lifetime_read(struct json doc, int64_t asked_ms, struct auth_token *t)
{
    int64_t seconds = t->refresh != NULL ? grant_seconds(doc) : 0;

    t->obtained_ms = asked_ms;
    if (t->refresh != NULL)
        t->granted_ms = asked_ms;
    t->grant_expires_ms = seconds > 0 ? asked_ms + seconds * 1000 : 0;
}

void auth__lifetime_save(const struct auth_token *t, struct json_builder *b)
{
    (void)json_adds(b, "obtained", json_int(t->obtained_ms));
    (void)json_adds(b, "granted", json_int(t->granted_ms));
    (void)json_adds(b, "grant_expires", json_int(t->grant_expires_ms));
}

void auth__lifetime_load(struct json doc, struct auth_token *t)
{
    (void)json_int64(json_gets(doc, "obtained"), &t->obtained_ms);
    (void)json_int64(json_gets(doc, "granted"), &t->granted_ms);
    (void)json_int64(json_gets(doc, "grant_expires"), &t->grant_expires_ms);
}

static int64_t claim_ms(struct json claims, const char *name)
{
    struct json v = json_gets(claims, name);
    double s = json_is_number(v) ? json_number(v) : 0;

    return s > 0 && s < 1e11 ? (int64_t)(s * 1000) : 0;
}

/* A fixed token that is a JWT says itself when it ends (RFC 7519 4.1.4). Its signature is for the other side to judge.
 */
static void read_fixed(struct auth *a, struct auth_status *ret)
{
    TL_CLEANUP(secret_unrefp) struct secret *token = NULL;
    TL_CLEANUP(secret_buf_done) struct tl_buf text = {0};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = NULL;
    struct tl_sv rest, part;
    struct json claims;

    if (auth__secret(a, &a->conf->value, "token", &token, NULL) != TL_OK)
        return;
    rest = secret_view(token);
    if (rest.n > CLAIMS_MAX || !tl_sv_cut(&rest, '.', &part) || !tl_sv_cut(&rest, '.', &part) || part.n == 0 ||
        rest.n == 0 || tl_sv_find(rest, '.') != rest.n)
        return;
    tl_buf_init(&text, CLAIMS_MAX);
    arena = tl_arena_new(4 << 20);
    if (!tl_base64url_decode(&text, part) || json_parse(arena, tl_buf_view(&text), 0, NULL, &claims, NULL) != TL_OK)
        return;
    ret->fixed_since_ms = claim_ms(claims, "iat");
    ret->fixed_expires_ms = claim_ms(claims, "exp");
}

void auth__lifetimes(struct auth *a, struct auth_status *ret)
{
    if (a->scheme->apply == auth__apply_bearer)
        read_fixed(a, ret);
}
