/* SPDX-License-Identifier: Apache-2.0 */
/*
 * web.c - who calls over TCP: tokens, sessions of browsers, client certificates; wrong tokens wait.
 *
 * Everything here belongs to one loop. Of tokens and session ids only SHA-256 is kept: both are random (or, from the
 * configuration, long), so a slow hash would add nothing. A right token is never kept waiting by wrong ones of the same
 * address: a forgotten script must not lock the operator out. Invariant: a session lives no longer than its token.
 */
#include "admin/web/web_int.h"

#include <stdio.h>

#include "http/http.h"

enum { FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 5000, FORGIVE_MS = 10000, WAITERS_MAX = 16, SECRET_BYTES = 32 };

static const char *const roles[] = {
    [ADMIN_NOBODY] = "nobody", [ADMIN_VIEWER] = "viewer", [ADMIN_OPERATOR] = "operator", [ADMIN_ADMIN] = "admin"};

const char *admin__role_name(enum admin_role r)
{
    return roles[r];
}

bool admin__role_parse(struct tl_sv word, enum admin_role *ret)
{
    for (enum admin_role r = ADMIN_VIEWER; r <= ADMIN_ADMIN; r++) {
        if (tl_sv_eqs(word, roles[r])) {
            *ret = r;
            return true;
        }
    }
    return false;
}

#define HEADER(n, v)                                                                                                   \
    {                                                                                                                  \
        {"" n, sizeof(n) - 1},                                                                                         \
        {                                                                                                              \
            "" v, sizeof(v) - 1                                                                                        \
        }                                                                                                              \
    }
/* They go to the server of the listener, not to each answer: what a browser must be told holds also for a page that was
 * not found, and for a request that was none. */
const struct http_header *admin_web_headers(size_t *ret_n)
{
    static const struct http_header all[] = {
        HEADER("Content-Security-Policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
               "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"),
        HEADER("X-Frame-Options", "DENY"),
        HEADER("X-Content-Type-Options", "nosniff"),
        HEADER("Referrer-Policy", "no-referrer"),
        HEADER("Cross-Origin-Opener-Policy", "same-origin"),
        HEADER("Cross-Origin-Resource-Policy", "same-origin"),
        HEADER("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    };

    *ret_n = TL_COUNT(all);
    return all;
}

/* ---- hashes ---- */
void admin__hash(const struct admin_web *w, struct tl_sv secret, uint8_t ret[ADMIN__HASH])
{
    uint8_t digest[CRYPTO_MAX_DIGEST];

    (void)crypto_digest(w->admin->crypto, CRYPTO_SHA256, &secret, 1, digest);
    memcpy(ret, digest, ADMIN__HASH);
}

/* Random, in letters that need no quoting anywhere; `out` is the caller's, at least 64 bytes. */
void admin__secret(const char *prefix, char out[64])
{
    unsigned char bytes[SECRET_BYTES];
    struct tl_buf b;

    tl_random(bytes, sizeof bytes);
    tl_buf_init(&b, 64);
    (void)tl_buf_puts(&b, prefix);
    (void)tl_base64url_encode(&b, bytes, sizeof bytes);
    (void)snprintf(out, 64, "%.*s", (int)b.n, b.p);
    tl_wipe(b.p, b.n);
    tl_wipe(bytes, sizeof bytes);
    tl_buf_done(&b);
}

/* What a page sends back with each change: it follows from the session, and whoever can read it is our page. */
const char *admin__csrf(const struct admin_web *w, struct tl_arena *a, struct tl_sv session)
{
    struct tl_sv parts[2] = {TL_SV("tieline csrf "), session};
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct tl_buf b;
    char *text;

    (void)crypto_digest(w->admin->crypto, CRYPTO_SHA256, parts, 2, digest);
    tl_buf_init(&b, 64);
    (void)tl_base64url_encode(&b, digest, 24);
    text = tl_arena_strndup(a, b.p, b.n);
    tl_buf_done(&b);
    return text ? text : "";
}

/* ---- tokens ---- */
static bool is_loopback(const struct http_addr *a)
{
    static const struct http_cidr v4 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 0}, 104},
                                  v6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128};

    return http_cidr_has(&v4, a) || http_cidr_has(&v6, a);
}

/* All are compared, so that time says nothing about which one came near. */
static const struct admin__token *token_of(const struct admin_web *w, struct tl_sv presented,
                                           const struct http_addr *from)
{
    const struct admin__token *found = NULL;
    uint8_t hash[ADMIN__HASH];
    int64_t now = tl_clock_wall_ms(w->admin->clock);

    admin__hash(w, presented, hash);
    for (size_t i = 0; i < w->n_tokens; i++) {
        const struct admin__token *t = &w->tokens[i];

        if (crypto_equal(hash, t->hash, ADMIN__HASH) && (!t->expires_ms || now < t->expires_ms) &&
            (!t->loopback || is_loopback(from)))
            found = t;
    }
    return found;
}

/* ---- wrong ones wait ---- */
/* NULL: too many addresses at once have wrong tokens waiting. */
static struct admin__slow *slow_of(struct admin_web *w, const struct http_addr *from)
{
    struct http_addr who = *from;
    struct admin__slow *free_one = NULL;

    if (who.family == 6)
        memset(who.ip + 8, 0, 8); /* whoever has one address of a /64 has them all */
    for (size_t i = 0; i < TL_COUNT(w->slow); i++) {
        struct admin__slow *s = &w->slow[i];

        if (s->used && memcmp(s->ip, who.ip, sizeof who.ip) == 0)
            return s;
        if (!s->waiting && (!free_one || s->last_ms < free_one->last_ms))
            free_one = s;
    }
    if (free_one) {
        *free_one = (struct admin__slow){.used = true, .last_ms = tl_clock_mono_ms(w->admin->clock)};
        memcpy(free_one->ip, who.ip, sizeof who.ip);
    }
    return free_one;
}

static enum tl_rc wrong(struct admin_web *w, struct admin_call *c, struct admin__slow *s, const char *what,
                        struct tl_err *err)
{
    uint64_t now = tl_clock_mono_ms(w->admin->clock), passed = (now - s->last_ms) / FORGIVE_MS, ms;
    char from[HTTP_ADDR_TEXT];

    s->failures -= passed < s->failures ? (uint32_t)passed : s->failures;
    s->last_ms = now;
    s->failures++;
    ms = FIRST_WAIT_MS;
    for (uint32_t i = 1; i < s->failures && ms < LONGEST_WAIT_MS; i++)
        ms *= 2;
    ms = ms < LONGEST_WAIT_MS ? ms : LONGEST_WAIT_MS;
    w->refused++;
    TL_LOG(w->admin->log, TL_WARN, "admin.refused", what, KV_STR("from", http_addr_format(&c->req->client, from)),
           KV_U64("in_a_row", s->failures));
    s->waiting++;
    if (c->task && task_sleep_ms(c->task, ms, err) != TL_OK) {
        s->waiting--;
        return err->rc;
    }
    s->waiting--;
    return tl_fail(err, TL_AUTH, "%s", what);
}

enum tl_rc admin__token_check(struct admin_call *c, struct tl_sv presented, const struct admin__token **ret,
                              struct tl_err *err)
{
    struct admin__slow *s;

    *ret = token_of(c->web, presented, &c->req->client);
    if (*ret) /* whoever else waits: behind a proxy or a tunnel one address is everybody */
        return TL_OK;
    s = slow_of(c->web, &c->req->client);
    if (!s || s->waiting >= WAITERS_MAX) {
        (void)tl_fail(err, TL_RATE_LIMITED, "too many wrong tokens from this address: wait");
        err->retry_after_ms = LONGEST_WAIT_MS;
        return TL_RATE_LIMITED;
    }
    return wrong(c->web, c, s, "this token is wrong, has expired, or is for another address", err);
}

/* ---- sessions ---- */
struct tl_sv admin__cookie(const struct http_req *req, const char *wanted)
{
    struct tl_sv rest = http_req_header(req, "cookie"), one, name;

    while (rest.p && tl_sv_cut(&rest, ';', &one)) {
        one = tl_sv_trim(one);
        if (tl_sv_cut(&one, '=', &name) && tl_sv_eqs(name, wanted) && one.p)
            return one;
    }
    return TL_SV_NULL;
}

static struct tl_sv cookie_of(const struct admin_web *w, const struct http_req *req)
{
    return admin__cookie(req, w->cookie);
}

static struct admin__session *session_of(struct admin_web *w, struct tl_sv id)
{
    struct admin__session *found = NULL;
    uint8_t hash[ADMIN__HASH];
    int64_t now = tl_clock_wall_ms(w->admin->clock);

    admin__hash(w, id, hash);
    for (size_t i = 0; i < TL_COUNT(w->sessions); i++) {
        struct admin__session *s = &w->sessions[i];

        if (s->expires_ms && s->expires_ms <= now)
            *s = (struct admin__session){0};
        if (s->expires_ms && crypto_equal(hash, s->hash, ADMIN__HASH))
            found = s;
    }
    return found;
}

/* The oldest goes when there are too many. */
int64_t admin__session_begin(struct admin_call *c, const char *who, enum admin_role role, const uint8_t *token,
                             int64_t until_ms, char id[64])
{
    struct admin_web *w = c->web;
    int64_t now = tl_clock_wall_ms(w->admin->clock), end = now + w->session_ms;
    struct admin__session *s = &w->sessions[0];

    for (size_t i = 0; i < TL_COUNT(w->sessions) && s->expires_ms; i++)
        if (w->sessions[i].expires_ms < s->expires_ms)
            s = &w->sessions[i];
    if (until_ms && until_ms < end)
        end = until_ms;
    admin__secret("", id);
    *s = (struct admin__session){.role = role, .expires_ms = end, .of_token = token != NULL};
    (void)snprintf(s->who, sizeof s->who, "%s", who);
    if (token)
        memcpy(s->token, token, ADMIN__HASH);
    admin__hash(w, tl_sv_str(id), s->hash);
    return end;
}

void admin__session_end(struct admin_call *c)
{
    struct tl_sv id = cookie_of(c->web, c->req);
    struct admin__session *s = id.p ? session_of(c->web, id) : NULL;

    if (s)
        *s = (struct admin__session){0};
}

void admin__sessions_sweep(struct admin_web *w)
{
    for (size_t i = 0; i < TL_COUNT(w->sessions); i++) {
        struct admin__session *s = &w->sessions[i];
        bool alive = !s->of_token;

        for (size_t k = 0; k < w->n_tokens && !alive; k++)
            alive = memcmp(s->token, w->tokens[k].hash, ADMIN__HASH) == 0 && s->role == w->tokens[k].role;
        if (!alive)
            *s = (struct admin__session){0};
    }
}

bool admin__session_info(const struct admin_call *c, const char **ret_csrf, int64_t *ret_expires_ms)
{
    struct tl_sv id = c->web ? cookie_of(c->web, c->req) : TL_SV_NULL;
    const struct admin__session *s = id.p ? session_of(c->web, id) : NULL;

    if (!s || strcmp(c->caller.how, "session") != 0)
        return false;
    *ret_csrf = admin__csrf(c->web, c->arena, id);
    *ret_expires_ms = s->expires_ms;
    return true;
}

/* ---- entering ---- */
static bool changes(const struct http_req *req)
{
    return req->method != HTTP_GET && req->method != HTTP_HEAD;
}

enum tl_rc admin__own_page(const struct admin_call *c, struct tl_err *err)
{
    struct tl_sv site = http_req_header(c->req, "sec-fetch-site");

    if (site.n && !tl_sv_eqs(site, "same-origin") && !tl_sv_eqs(site, "none"))
        return tl_fail(err, TL_FORBIDDEN, "this request comes from another site's page");
    return TL_OK;
}

/* A cookie comes along by itself, so a change needs what only our own page can add. */
static enum tl_rc same_page(struct admin_call *c, struct tl_sv id, struct tl_err *err)
{
    struct tl_sv csrf = http_req_header(c->req, "x-tieline-csrf");
    enum tl_rc rc = admin__own_page(c, err);

    if (rc != TL_OK)
        return rc;
    if (changes(c->req) && !tl_sv_eq_secret(csrf, tl_sv_str(admin__csrf(c->web, c->arena, id))))
        return tl_fail(err, TL_FORBIDDEN,
                       "a change within a session needs the header X-Tieline-CSRF; GET /v1/session gives its value");
    return TL_OK;
}

static enum tl_rc by_token(struct admin_call *c, struct tl_sv header, struct tl_err *err)
{
    const struct admin__token *t;
    struct tl_sv scheme, rest = header;
    enum tl_rc rc;

    if (!tl_sv_cut(&rest, ' ', &scheme) || !tl_sv_eqi(scheme, TL_SV("bearer")) || !rest.p)
        return tl_fail(err, TL_AUTH, "the Authorization header must be `Bearer TOKEN`");
    rc = admin__token_check(c, tl_sv_trim(rest), &t, err);
    if (rc == TL_OK)
        c->caller = (struct admin_caller){
            .role = t->role, .who = tl_arena_printf(c->arena, "token %s", t->name), .how = "token"};
    return rc;
}

static const struct admin__certificate *certificate_of(const struct admin_web *w, const struct http_req *req)
{
    const struct http_tls_peer *p = req->tls_peer;

    for (size_t i = 0; p && i < w->n_certificates; i++) {
        const struct admin__certificate *known = &w->certificates[i];

        if (tl_sv_eqs(p->san, known->name) || tl_sv_eqs(p->common_name, known->name))
            return known;
    }
    return NULL;
}

/* Scheme and host of a page (RFC 6454 7) are those that the request itself went to. */
static bool own_origin(const struct http_req *req, struct tl_sv origin)
{
    struct tl_sv host = http_req_header(req, "host");
    struct http_url page, here;
    char text[300];

    if (host.n == 0 || host.n > 255)
        return false;
    (void)snprintf(text, sizeof text, "http%s://%.*s/", req->secure ? "s" : "", TL_SV_ARG(host));
    return http_url_parse(origin, &page, NULL) == TL_OK && http_url_parse(tl_sv_str(text), &here, NULL) == TL_OK &&
           page.tls == here.tls && page.port == here.port && tl_sv_eqi(page.host, here.host);
}

/* A browser sends its certificate by itself, as it does a cookie, but there is no session whose secret a page of ours
 * could add: the browser's own word for where the request comes from must do (Fetch Metadata; Origin, which every
 * browser sends with a change, where it is too old for that). A program says neither. */
static enum tl_rc by_certificate(struct admin_call *c, const struct admin__certificate *known, struct tl_err *err)
{
    struct tl_sv origin = http_req_header(c->req, "origin");
    enum tl_rc rc;

    c->caller = (struct admin_caller){
        .role = known->role, .who = tl_arena_printf(c->arena, "certificate %s", known->name), .how = "certificate"};
    rc = admin__own_page(c, err);
    if (rc == TL_OK && changes(c->req) && origin.p && !http_req_header(c->req, "sec-fetch-site").n &&
        !own_origin(c->req, origin))
        rc = tl_fail(err, TL_FORBIDDEN, "this request comes from another site's page");
    return rc;
}

static enum tl_rc identify(struct admin_call *c, struct tl_err *err)
{
    struct tl_sv header = http_req_header(c->req, "authorization"), id = cookie_of(c->web, c->req);
    const struct admin__certificate *certificate;
    const struct admin__session *s;

    if (header.p)
        return by_token(c, header, err);
    s = id.p ? session_of(c->web, id) : NULL;
    if (s) {
        c->caller = (struct admin_caller){.role = s->role, .who = tl_arena_strdup(c->arena, s->who), .how = "session"};
        return same_page(c, id, err);
    }
    certificate = certificate_of(c->web, c->req);
    if (certificate)
        return by_certificate(c, certificate, err);
    return tl_fail(err, TL_AUTH,
                   id.p ? "the session has ended: sign in again"
                        : "say who you are: Authorization: Bearer TOKEN, or sign in");
}

enum tl_rc admin__enter(struct admin_web *w, struct admin_call *c, struct tl_err *err)
{
    char from[HTTP_ADDR_TEXT];
    enum tl_rc rc = TL_OK;

    (void)w;
    c->caller = (struct admin_caller){.role = ADMIN_NOBODY, .who = "", .how = "nobody"};
    if (c->route->role != ADMIN_NOBODY)
        rc = identify(c, err);
    c->caller.from = tl_arena_strdup(c->arena, http_addr_format(&c->req->client, from));
    if (rc == TL_OK && c->caller.role < c->route->role)
        rc = tl_fail(err, TL_FORBIDDEN, "%s is %s; this needs the role %s", c->caller.who, roles[c->caller.role],
                     roles[c->route->role]);
    return rc;
}

bool admin__still(const struct admin_call *c)
{
    struct tl_sv header = http_req_header(c->req, "authorization"), id = cookie_of(c->web, c->req), scheme;
    const struct admin__session *s = id.p ? session_of(c->web, id) : NULL;
    const struct admin__certificate *known;
    const struct admin__token *t;

    if (header.p) {
        (void)tl_sv_cut(&header, ' ', &scheme);
        t = token_of(c->web, tl_sv_trim(header), &c->req->client);
        return t && t->role >= c->route->role;
    }
    if (s)
        return s->role >= c->route->role;
    known = certificate_of(c->web, c->req);
    return known && known->role >= c->route->role;
}
