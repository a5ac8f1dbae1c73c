/* SPDX-License-Identifier: Apache-2.0 */
/* session.c - who am I, signing in with a token, signing out. The cookie is for browsers; programs send the token. */
#include <stdio.h>

#include "admin/web/web_int.h"
#include "http/http.h"

static struct json session_json(const struct admin_call *c)
{
    struct json_builder b;
    const char *csrf = NULL;
    int64_t expires = 0;

    (void)admin__session_info(c, &csrf, &expires);
    json_object_begin(&b, c->arena, 6);
    json_adds(&b, "who", json_str(c->caller.who));
    json_adds(&b, "role", json_str(admin__role_name(c->caller.role)));
    json_adds(&b, "how", json_str(c->caller.how));
    json_adds(&b, "expires_at", admin__time_json(c->arena, expires));
    json_adds(&b, "csrf", csrf ? json_str(csrf) : json_null());
    json_adds(&b, "version", json_str(TIELINE_VERSION));
    return json_end(&b);
}

static enum tl_rc get_session(struct admin_call *c, struct tl_err *err)
{
    return admin__answer(c, 200, session_json(c), err);
}

void admin__set_cookie(struct admin_call *c, const char *name, const char *value, const char *path, const char *same,
                       int64_t seconds)
{
    char text[1200];

    (void)snprintf(text, sizeof text, "%s=%s; Path=%s; HttpOnly; SameSite=%s; Max-Age=%lld%s", name, value, path, same,
                   (long long)seconds, c->req->secure ? "; Secure" : "");
    (void)http_res_header(c->res, TL_SV("Set-Cookie"), tl_sv_str(text), NULL);
}

/* As the next request with this cookie will be seen: what it may send along. */
static enum tl_rc answer_signed_in(struct admin_call *c, const char *id, int64_t until_ms, struct tl_err *err)
{
    struct json_builder b;

    json_object_begin(&b, c->arena, 6);
    json_adds(&b, "who", json_str(c->caller.who));
    json_adds(&b, "role", json_str(admin__role_name(c->caller.role)));
    json_adds(&b, "how", json_str("session"));
    json_adds(&b, "expires_at", admin__time_json(c->arena, until_ms));
    json_adds(&b, "csrf", json_str(admin__csrf(c->web, c->arena, tl_sv_str(id))));
    json_adds(&b, "version", json_str(TIELINE_VERSION));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_session(struct admin_call *c, struct tl_err *err)
{
    const struct admin__token *t = NULL;
    struct tl_sv token;
    struct json v;
    char id[64], who[ADMIN__NAME + 32];
    uint8_t hash[ADMIN__HASH];
    int64_t until;
    enum tl_rc rc = admin__own_page(c, err);

    if (rc == TL_OK)
        rc = admin__body(c, &v, err);
    if (rc != TL_OK)
        return rc;
    token = json_text(json_gets(v, "token"), TL_SV(""));
    if (!token.n)
        return tl_fail(err, TL_INVALID, "the body must be {\"token\": \"...\"}");
    rc = admin__token_check(c, token, &t, err);
    if (rc != TL_OK)
        return rc;
    (void)snprintf(who, sizeof who, "token %s", t->name);
    memcpy(hash, t->hash, sizeof hash); /* the table may change while we wait */
    until = t->expires_ms;
    c->caller = (struct admin_caller){
        .role = t->role, .who = tl_arena_strdup(c->arena, who), .how = "session", .from = c->caller.from};
    rc = admin__act(c, err, "%s", who);
    if (rc != TL_OK)
        return rc;
    until = admin__session_begin(c, who, c->caller.role, hash, until, id);
    admin__set_cookie(c, c->web->cookie, id, "/", "Strict", (until - tl_clock_wall_ms(c->admin->clock)) / 1000);
    return answer_signed_in(c, id, until, err);
}

static enum tl_rc delete_session(struct admin_call *c, struct tl_err *err)
{
    admin__session_end(c);
    admin__set_cookie(c, c->web->cookie, "", "/", "Strict", 0);
    return admin__done(c, err);
}

static const struct admin__route both[] = {
    {.methods = "GET", .pattern = "/v1/session", .fn = get_session, .doc = "Who I am.", .role = ADMIN_VIEWER},
};
const struct admin__table admin__session_table = {both, TL_COUNT(both)};
static const struct admin__route web[] = {
    {.methods = "POST",
     .pattern = "/v1/session",
     .fn = post_session,
     .doc = "Sign in: a cookie for a browser.",
     .body = (const struct admin__field[]){{"token", "string", "A token.", true}, {0}},
     .act = "sign in",
     .no_reason = true,
     .role = ADMIN_NOBODY,
     .body_limit = 4096},
    {.methods = "DELETE", .pattern = "/v1/session", .fn = delete_session, .doc = "Sign out.", .role = ADMIN_VIEWER},
};
const struct admin__table admin__sign_in_table = {web, TL_COUNT(web)};
