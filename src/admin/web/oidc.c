/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oidc.c - a person signs in at an identity provider and comes back with a role. The browser that comes back must be
 * the one that went, with the state, the verifier (PKCE) and the nonce of its attempt; an attempt counts once.
 *
 * The attempt goes along in a cookie that only this process can read and make. Here it would need a place, and whoever
 * asks often enough, without being anybody, could take the places of others.
 */
#include <stdio.h>

#include "admin/web/web_int.h"
#include "http/http.h"

#define HERE "/v1/session/oidc"
enum { AWAY_MS = 600000, WHO_MAX = ADMIN__NAME };

struct admin__oidc {
    unsigned refs;
    struct flow_plan *plan; /* what conf points into */
    const struct flow_admin_oidc_conf *from;
    struct auth_oidc_conf conf;
    struct auth_oidc *oidc;
    uint64_t fingerprint;
};

static void drop(struct admin__oidc *o)
{
    if (!o || --o->refs > 0)
        return;
    auth_oidc_free(o->oidc);
    flow_plan_unref(o->plan);
    tl_free(o);
}

/* Of everything that a session follows from. */
static uint64_t fingerprint(const struct flow_admin_oidc_conf *c)
{
    const char *texts[] = {c->issuer, c->client_id, c->claim, c->name};
    uint64_t h = 1;

    for (size_t i = 0; i < TL_COUNT(texts); i++)
        h = tl_hash64(texts[i], strlen(texts[i]) + 1, h);
    for (size_t r = 0; r < TL_COUNT(c->roles); r++) {
        for (size_t i = 0; i < c->roles[r].n; i++) {
            const char *v = *CONFIG_AT(c->roles[r], const char *, i);

            h = tl_hash64(v, strlen(v) + 1, h + r);
        }
    }
    return h;
}

void admin__oidc_configure(struct admin_web *w, struct flow_plan *plan)
{
    const struct flow_admin_oidc_conf *c = flow_plan_project(plan)->admin.oidc;
    struct admin__oidc *o = NULL;

    if (c && w->admin->auth) {
        o = tl_zalloc(sizeof *o);
        *o = (struct admin__oidc){.refs = 1,
                                  .plan = flow_plan_ref(plan),
                                  .from = c,
                                  .conf = {.issuer = c->issuer,
                                           .client_id = c->client_id,
                                           .scope = c->scope,
                                           .client_secret = c->client_secret,
                                           .secret_in_form = c->client_auth == 1,
                                           .redirect_uri = c->redirect_uri},
                                  .fingerprint = fingerprint(c)};
        o->oidc = auth_oidc_new(w->admin->auth, &o->conf);
    }
    if (w->oidc && (!o || o->fingerprint != w->oidc->fingerprint)) {
        for (size_t i = 0; i < TL_COUNT(w->sessions); i++)
            if (!w->sessions[i].of_token)
                w->sessions[i] = (struct admin__session){0};
    }
    drop(w->oidc);
    w->oidc = o;
}

void admin__oidc_done(struct admin_web *w)
{
    drop(w->oidc);
    w->oidc = NULL;
    tl_wipe(&w->going, sizeof w->going);
}

struct json admin__oidc_offer(struct tl_arena *a, const struct admin_web *w)
{
    struct json_builder b;
    struct http_url u;

    if (!w || !w->oidc)
        return json_null();
    json_object_begin(&b, a, 2);
    json_adds(&b, "path", json_str(HERE));
    if (w->oidc->from->label)
        json_adds(&b, "label", json_str_copy(a, tl_sv_str(w->oidc->from->label)));
    else if (http_url_parse(tl_sv_str(w->oidc->from->issuer), &u, NULL) == TL_OK)
        json_adds(&b, "label", json_str_copy(a, u.host));
    return json_end(&b);
}

/* ---- there ---- */
static void cookie_name(const struct admin_web *w, char name[64])
{
    (void)snprintf(name, 64, "%s_going", w->cookie);
}

static enum tl_rc go(struct admin_call *c, struct tl_sv where)
{
    http_res_set(c->res, 303, "text/plain", TL_SV(""));
    (void)http_res_header(c->res, TL_SV("Location"), where, NULL);
    (void)http_res_header_static(c->res, TL_SV("Cache-Control"), TL_SV("no-store"), NULL);
    return TL_OK;
}

struct going {
    struct auth_oidc_attempt attempt;
    uint64_t until_ms; /* monotonic */
};
#define GOING TL_SV("tieline sign-in")

static enum tl_rc pack(struct admin_call *c, const struct auth_oidc_attempt *attempt, char cookie[1024],
                       struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf sealed = {0}, text = {0};
    struct going g;
    enum tl_rc rc;

    memset(&g, 0, sizeof g); /* holes too: all of it is written */
    g.attempt = *attempt;
    g.attempt.code.url = TL_SV_NULL; /* the request's */
    g.until_ms = tl_clock_mono_ms(c->admin->clock) + AWAY_MS;
    tl_buf_init(&sealed, 1024);
    tl_buf_init(&text, 1023);
    rc = crypto_seal(c->admin->crypto, CRYPTO_XCHACHA20_POLY1305, &c->web->going, GOING,
                     tl_sv((const char *)&g, sizeof g), &sealed, err);
    tl_wipe(&g, sizeof g);
    if (rc == TL_OK && !tl_base64url_encode(&text, sealed.p, sealed.n))
        rc = tl_fail(err, TL_LIMIT, "the attempt to sign in is too large");
    if (rc == TL_OK)
        (void)snprintf(cookie, 1024, "%.*s", (int)text.n, text.p);
    return rc;
}

static bool unpack(struct admin_call *c, struct tl_sv cookie, struct auth_oidc_attempt *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf sealed = {0}, plain = {0};
    struct admin_web *w = c->web;
    struct tl_err ignored;
    struct going g;
    uint8_t hash[ADMIN__HASH];
    bool good;

    tl_buf_init(&sealed, 1024);
    tl_buf_init(&plain, 1024);
    if (!tl_base64url_decode(&sealed, cookie) ||
        crypto_open(c->admin->crypto, &w->going, 1, GOING, tl_buf_view(&sealed), &plain, &ignored) != TL_OK ||
        plain.n != sizeof g)
        return false;
    memcpy(&g, plain.p, sizeof g);
    tl_wipe(plain.p, plain.n);
    good = g.until_ms > tl_clock_mono_ms(c->admin->clock);
    admin__hash(w, tl_buf_view(&sealed), hash);
    for (size_t i = 0; i < TL_COUNT(w->came_back); i++)
        good = good && !crypto_equal(hash, w->came_back[i], ADMIN__HASH);
    memcpy(w->came_back[w->n_came_back++ % TL_COUNT(w->came_back)], hash, ADMIN__HASH);
    if (good)
        *ret = g.attempt;
    tl_wipe(&g, sizeof g);
    return good;
}

/* A person looks at this, not a program: the sentence on a page, and the way back. */
static enum tl_rc sorry(struct admin_call *c, const struct tl_err *why)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16384);
    tl_buf_puts(&b, "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
                    "content=\"width=device-width\"><title>Tieline</title><h1>Signing in did not work</h1><p>");
    for (const char *p = why->text; *p; p++) {
        if (strchr("<>&\"'", *p))
            tl_buf_printf(&b, "&#%d;", *p);
        else
            tl_buf_putc(&b, *p);
    }
    tl_buf_puts(&b, "<p><a href=\"../../../\">Back to Tieline</a>");
    http_res_set(c->res,
                 why->rc == TL_FORBIDDEN                       ? 403
                 : why->rc == TL_AUTH || why->rc == TL_INVALID ? 400
                                                               : 502,
                 "text/html; charset=utf-8", tl_arena_sv(c->arena, tl_buf_view(&b)));
    (void)http_res_header_static(c->res, TL_SV("Cache-Control"), TL_SV("no-store"), NULL);
    TL_LOG(c->admin->log, TL_WARN, "admin.not_signed_in", why->text, KV_STR("from", c->caller.from));
    return TL_OK;
}

static enum tl_rc get_begin(struct admin_call *c, struct tl_err *err)
{
    struct admin__oidc *o = c->web->oidc;
    struct auth_oidc_attempt attempt;
    char cookie[1024], name[64];
    enum tl_rc rc;

    if (!o)
        return tl_fail(err, TL_NOT_FOUND, "`admin: { oidc }` is not configured: sign in with a token");
    o->refs++;
    rc = auth_oidc_begin(c->task, o->oidc, c->arena, &attempt, err);
    drop(o);
    if (rc == TL_OK)
        rc = pack(c, &attempt, cookie, err);
    if (rc != TL_OK)
        return rc == TL_CANCELED ? rc : sorry(c, err);
    tl_wipe(attempt.code.verifier, sizeof attempt.code.verifier);
    cookie_name(c->web, name);
    admin__set_cookie(c, name, cookie, HERE, "Lax",
                      AWAY_MS / 1000); /* it must come along when the provider sends back */
    return go(c, attempt.code.url);
}

/* ---- and back ---- */
static enum tl_rc take_attempt(struct admin_call *c, struct auth_oidc_attempt *ret, struct tl_err *err)
{
    struct tl_sv cookie;
    char name[64];

    cookie_name(c->web, name);
    cookie = admin__cookie(c->req, name);
    if (cookie.n && unpack(c, cookie, ret)) {
        admin__set_cookie(c, name, "", HERE, "Lax", 0);
        return TL_OK;
    }
    return tl_fail(err, TL_INVALID,
                   "this browser has not begun to sign in within the last ten minutes, or has finished already: start "
                   "again from the console");
}

static struct json claim(struct json v, struct tl_sv path)
{
    struct tl_sv name;

    if (v.type == JSON_OBJECT && json_get(v, path).type != JSON_UNDEFINED) /* a name with dots: an address */
        return json_get(v, path);
    while (tl_sv_cut(&path, '.', &name))
        v = v.type == JSON_OBJECT ? json_get(v, name) : JSON_NOTHING;
    return v;
}

static bool has(const struct config_list *values, struct json v)
{
    for (size_t i = 0; i < values->n; i++) {
        const char *want = *CONFIG_AT(*values, const char *, i);

        if (v.type == JSON_STRING && tl_sv_eqs(json_view(v), want))
            return true;
        for (uint32_t k = 0; v.type == JSON_ARRAY && k < v.n; k++)
            if (json_at(v, k).type == JSON_STRING && tl_sv_eqs(json_view(json_at(v, k)), want))
                return true;
    }
    return false;
}

static enum tl_rc role_of(const struct flow_admin_oidc_conf *c, struct json claims, enum admin_role *ret,
                          struct tl_err *err)
{
    struct json v = claim(claims, tl_sv_str(c->claim)), sure = json_gets(claims, "email_verified");

    if (strcmp(c->claim, "email") == 0 && !(sure.type == JSON_BOOL && sure.u.b))
        return tl_fail(err, TL_FORBIDDEN, "your e-mail address is not verified at the identity provider");
    *ret = ADMIN_NOBODY;
    for (size_t i = 0; i < TL_COUNT(c->roles); i++)
        if (has(&c->roles[i], v))
            *ret = (enum admin_role)(ADMIN_VIEWER + i);
    if (*ret != ADMIN_NOBODY)
        return TL_OK;
    if (v.type == JSON_UNDEFINED)
        return tl_fail(err, TL_FORBIDDEN,
                       "the identity provider says nothing in the claim %s: an admin must have it put into the ID "
                       "token, or name another in admin.oidc.claim",
                       c->claim);
    return tl_fail(err, TL_FORBIDDEN,
                   "you are known to the identity provider, but nothing in your claim %s has a role here: an admin "
                   "can add it to admin.oidc",
                   c->claim);
}

/* For the audit log: letters that cannot be taken for something else. */
static void name_of(const struct flow_admin_oidc_conf *c, struct json claims, char who[WHO_MAX + 16])
{
    struct tl_sv name = json_text(claim(claims, tl_sv_str(c->name)), TL_SV(""));
    size_t n = (size_t)snprintf(who, WHO_MAX + 16, "oidc ");

    if (name.n == 0)
        name = json_text(json_gets(claims, "sub"), TL_SV(""));
    for (size_t i = 0; i < name.n && i < WHO_MAX; i++)
        who[n++] = admin__name_ok(tl_sv(name.p + i, 1)) || name.p[i] == '+' ? name.p[i] : '_';
    who[n] = '\0';
}

/* What the role follows from is not in force any more. */
static enum tl_rc reloaded(struct tl_err *err)
{
    return tl_fail(err, TL_CONFLICT, "the configuration was reloaded meanwhile: sign in again");
}

static enum tl_rc finish(struct admin_call *c, struct admin__oidc *o, struct tl_err *err)
{
    struct auth_oidc_attempt attempt;
    char id[64], who[WHO_MAX + 16];
    enum admin_role role = ADMIN_NOBODY;
    struct json claims;
    enum tl_rc rc = take_attempt(c, &attempt, err);

    if (rc != TL_OK)
        return rc;
    rc = auth_oidc_finish(c->task, o->oidc, c->arena, &attempt, c->req->query, &claims, err);
    tl_wipe(&attempt, sizeof attempt);
    if (rc == TL_OK)
        rc = role_of(o->from, claims, &role, err);
    if (rc != TL_OK)
        return rc;
    if (c->web->oidc != o)
        return reloaded(err);
    name_of(o->from, claims, who);
    c->caller = (struct admin_caller){
        .role = role, .who = tl_arena_strdup(c->arena, who), .how = "session", .from = c->caller.from};
    rc = admin__act(c, err, "%s", who);
    if (rc != TL_OK)
        return rc;
    if (c->web->oidc != o)
        return reloaded(err);
    (void)admin__session_begin(c, who, role, NULL, 0, id);
    admin__set_cookie(c, c->web->cookie, id, "/", "Strict", c->web->session_ms / 1000);
    return go(c, TL_SV("../../../"));
}

static enum tl_rc get_callback(struct admin_call *c, struct tl_err *err)
{
    struct admin__oidc *o = c->web->oidc;
    enum tl_rc rc;

    if (!o)
        return tl_fail(err, TL_NOT_FOUND, "`admin: { oidc }` is not configured: sign in with a token");
    o->refs++;
    rc = finish(c, o, err);
    drop(o);
    if (rc == TL_OK || rc == TL_CANCELED)
        return rc;
    err->rc = rc;
    admin__act_failed(c, err->text); /* what follows is an answer, not a failure */
    return sorry(c, err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = HERE,
     .fn = get_begin,
     .doc = "Sign in by OpenID Connect: sends the browser to the identity provider.",
     .role = ADMIN_NOBODY},
    {.methods = "GET",
     .pattern = HERE "/callback",
     .fn = get_callback,
     .doc = "Where the identity provider sends the browser back to: a session begins.",
     .query = (const struct admin__field[]){{"code", "string", "What the provider gave.", false},
                                            {"state", "string", "Of the attempt.", false},
                                            {0}},
     .act = "sign in",
     .no_reason = true,
     .raw = true,
     .role = ADMIN_NOBODY},
};
const struct admin__table admin__oidc_table = {routes, TL_COUNT(routes)};
