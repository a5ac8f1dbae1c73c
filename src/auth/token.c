/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - the token manager of one connection.
 *
 * Single flight: the first task that needs a new token becomes the leader; others wait in a list and get the leader's
 * outcome. Tasks of all loops meet here, so the list is under a mutex and a waiter is woken by a post to its own loop.
 * Order of a rotation: request, store the new refresh token (with the old one beside it), then use the new access
 * token. The old one is dropped when the new one has been used with success.
 */
#include <stdio.h>

#include "auth/auth_int.h"

#define NS_A_MS UINT64_C(1000000)
#define REQUEST_NS (UINT64_C(60) * 1000 * NS_A_MS)

void auth__token_done(struct auth_token *token)
{
    secret_unref(token->access);
    secret_unref(token->id);
    secret_unref(token->refresh);
    secret_unref(token->previous);
    *token = (struct auth_token){.access = NULL};
}

/* ---- on disk: sealed JSON, bound to the connection's name ---- */

static struct tl_sv disk_key(struct auth *a, struct tl_arena *arena)
{
    return tl_sv_str(tl_arena_printf(arena, "auth:%s", a->connection));
}

static void put_member(struct json_builder *b, const char *name, const struct secret *s)
{
    if (s != NULL)
        (void)json_adds(b, name, json_sv(secret_view(s)));
}

enum tl_rc auth__token_save(struct task *t, struct auth *a, const struct auth_token *token, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(1024 * 1024);
    TL_CLEANUP(secret_buf_done) struct tl_buf plain = {0}, sealed = {0};
    struct tl_sv key = disk_key(a, arena);
    struct json_builder b;
    enum tl_rc rc;

    if (a->w.disk.put == NULL)
        return TL_OK;
    tl_buf_init(&plain, 256 * 1024);
    tl_buf_init(&sealed, 512 * 1024);
    json_object_begin(&b, arena, 11);
    put_member(&b, "access", token->access);
    put_member(&b, "refresh", token->refresh);
    put_member(&b, "previous", token->previous);
    (void)json_adds(&b, "scope", json_str(token->scope));
    (void)json_adds(&b, "base", json_str(token->base));
    (void)json_adds(&b, "expires", json_int(token->expires_ms));
    (void)json_adds(&b, "lifetime", json_int(token->lifetime_ms));
    auth__lifetime_save(token, &b);
    (void)json_adds(&b, "client", json_str(a->conf->client_id != NULL ? a->conf->client_id : ""));
    if (!json_write(&plain, json_end(&b), 0))
        return tl_fail(err, TL_LIMIT, "the tokens of %.60s are too large to keep", a->connection);
    rc = crypto_seal(a->w.crypto, CRYPTO_XCHACHA20_POLY1305, &a->w.seal, key, tl_buf_view(&plain), &sealed, err);
    return rc == TL_OK ? a->w.disk.put(t, a->w.disk.arg, key, tl_buf_view(&sealed), err) : rc;
}

static struct secret *take_member(struct auth *a, struct json doc, const char *name)
{
    struct json v = json_gets(doc, name);

    if (v.type != JSON_STRING || v.n == 0)
        return NULL;
    if (a->w.secrets != NULL)
        secret_learn(a->w.secrets, json_view(v));
    return secret_new(json_view(v));
}

enum tl_rc auth__token_load(struct task *t, struct auth *a, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(1024 * 1024);
    TL_CLEANUP(secret_buf_done) struct tl_buf plain = {0}, sealed = {0};
    struct tl_sv key = disk_key(a, arena);
    struct auth_token token = {.access = NULL};
    struct json doc = JSON_NOTHING;
    enum tl_rc rc;

    if (a->w.disk.get == NULL)
        return TL_OK;
    tl_buf_init(&plain, 256 * 1024);
    tl_buf_init(&sealed, 512 * 1024);
    rc = a->w.disk.get(t, a->w.disk.arg, key, &sealed, err);
    if (rc == TL_NOT_FOUND)
        return TL_OK;
    if (rc != TL_OK)
        return rc;
    if (crypto_open(a->w.crypto, &a->w.seal, 1, key, tl_buf_view(&sealed), &plain, err) != TL_OK ||
        json_parse(arena, tl_buf_view(&plain), 0, NULL, &doc, NULL) != TL_OK)
        return tl_fail(
            err, TL_CONFIG,
            "the stored tokens of %.60s cannot be read (truncated, or another key): run tieline connect %.60s",
            a->connection, a->connection);
    /* Another client than the one configured: its tokens are none of ours. */
    if (!tl_sv_eqs(json_text(json_gets(doc, "client"), TL_SV("")),
                   a->conf->client_id != NULL ? a->conf->client_id : ""))
        return TL_OK;
    token.access = take_member(a, doc, "access");
    token.refresh = take_member(a, doc, "refresh");
    token.previous = take_member(a, doc, "previous");
    (void)snprintf(token.scope, sizeof(token.scope), "%.*s", TL_SV_ARG(json_text(json_gets(doc, "scope"), TL_SV(""))));
    (void)snprintf(token.base, sizeof(token.base), "%.*s", TL_SV_ARG(json_text(json_gets(doc, "base"), TL_SV(""))));
    (void)json_int64(json_gets(doc, "expires"), &token.expires_ms);
    (void)json_int64(json_gets(doc, "lifetime"), &token.lifetime_ms);
    auth__lifetime_load(doc, &token);
    (void)pthread_mutex_lock(&a->s->lock);
    if (a->s->token.access == NULL && a->s->token.refresh == NULL) {
        a->s->token = token;
        a->s->generation++;
        token = (struct auth_token){.access = NULL};
    }
    (void)pthread_mutex_unlock(&a->s->lock);
    auth__token_done(&token);
    return TL_OK;
}

/* ---- waiting for the leader ---- */

static void unlist(struct auth_waiter *w)
{
    struct auth_shared *s = w->shared;

    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        s->first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    else
        s->last = w->prev;
    w->listed = false;
}

static void wake(void *arg)
{
    struct auth_waiter *w = arg;

    async_wake(&w->wait);
}

/* On the waiter's own loop. When the leader took it off the list already, its post is under way and wakes. */
static void give_up(struct async_wait *wait, enum tl_rc why)
{
    struct auth_waiter *w = wait->arg;
    bool listed;

    (void)why;
    (void)pthread_mutex_lock(&w->shared->lock);
    listed = w->listed;
    if (listed)
        unlist(w);
    (void)pthread_mutex_unlock(&w->shared->lock);
    if (listed)
        async_wake(wait);
}

/* The lock is held and is given back. */
enum tl_rc auth__wait_for_leader(struct task *t, struct auth *a, struct tl_err *err)
{
    struct auth_waiter w = {
        .loop = task_loop(t), .shared = a->s, .prev = a->s->last, .listed = true, .rc = TL_CANCELED};
    enum tl_rc rc;

    async_wait_init(&w.wait, t, give_up, &w);
    if (a->s->last != NULL)
        a->s->last->next = &w;
    else
        a->s->first = &w;
    a->s->last = &w;
    (void)pthread_mutex_unlock(&a->s->lock);
    rc = async_wait(&w.wait, async_loop_now(task_loop(t)) + 2 * REQUEST_NS, err);
    if (rc != TL_OK)
        return rc;
    if (w.rc != TL_OK && err != NULL)
        *err = w.err;
    return w.rc;
}

void auth__release_waiters(struct auth *a, enum tl_rc rc, const struct tl_err *err)
{
    struct auth_waiter *w, *next;

    (void)pthread_mutex_lock(&a->s->lock);
    a->s->refreshing = false;
    w = a->s->first;
    a->s->first = a->s->last = NULL;
    for (struct auth_waiter *i = w; i != NULL; i = i->next)
        i->listed = false;
    (void)pthread_mutex_unlock(&a->s->lock);
    for (; w != NULL; w = next) {
        next = w->next;
        w->rc = rc;
        if (rc != TL_OK)
            w->err = *err;
        async_loop_post(w->loop, wake, w); /* from here on w may be gone */
    }
}

/* ---- renewing ---- */

/* A reply that names no new refresh token leaves the old one good (RFC 6749 section 6). */
static void inherit_refresh(struct auth *a, struct auth_token *fresh)
{
    (void)pthread_mutex_lock(&a->s->lock);
    if (fresh->refresh == NULL && a->s->token.refresh != NULL) {
        fresh->refresh = secret_ref(a->s->token.refresh);
        fresh->granted_ms = a->s->token.granted_ms;
        fresh->grant_expires_ms = a->s->token.grant_expires_ms;
    } else if (fresh->refresh != NULL && a->s->token.refresh != NULL &&
               !tl_sv_eq_secret(secret_view(fresh->refresh), secret_view(a->s->token.refresh))) {
        fresh->previous = secret_ref(a->s->token.refresh);
    }
    (void)pthread_mutex_unlock(&a->s->lock);
}

static void install(struct auth *a, struct auth_token *fresh)
{
    struct auth_token old;

    (void)pthread_mutex_lock(&a->s->lock);
    old = a->s->token;
    a->s->token = *fresh;
    a->s->generation++;
    a->s->must_renew = false;
    (void)pthread_mutex_unlock(&a->s->lock);
    auth__token_done(&old);
}

static enum tl_rc request_token(struct task *t, struct auth *a, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(4 * 1024 * 1024);
    TL_CLEANUP(secret_buf_done) struct tl_buf form = {0};
    struct auth_token fresh = {.access = NULL};
    struct tl_err lost = {.rc = TL_OK};
    enum tl_rc rc;

    tl_buf_init(&form, 256 * 1024);
    rc = a->scheme->grant(a, arena, &form, err);
    if (rc == TL_OK)
        rc = auth__token_request(t, a, arena, &form, &fresh, err);
    if (rc != TL_OK)
        return rc;
    inherit_refresh(a, &fresh);
    rc = auth__token_save(t, a, &fresh, &lost);
    /* When the disk refuses, the new token is used all the same: the other side has rotated, the old one is dead. */
    if (rc != TL_OK)
        auth__note(a, lost.text);
    install(a, &fresh);
    return TL_OK;
}

/* After a crash the newest refresh token may never have reached the server's memory, or ours: the one before is tried
 * once. */
static bool fall_back(struct auth *a)
{
    bool can;

    (void)pthread_mutex_lock(&a->s->lock);
    can = a->s->token.previous != NULL;
    if (can) {
        secret_unref(a->s->token.refresh);
        a->s->token.refresh = a->s->token.previous;
        a->s->token.previous = NULL;
    }
    (void)pthread_mutex_unlock(&a->s->lock);
    return can;
}

static enum tl_rc lead(struct task *t, struct auth *a, struct tl_err *err)
{
    struct tl_err own = {.rc = TL_OK};
    enum tl_rc rc = TL_OK;
    bool load;

    (void)pthread_mutex_lock(&a->s->lock);
    load = !a->s->loaded;
    a->s->refused = false;
    a->s->loaded = true;
    (void)pthread_mutex_unlock(&a->s->lock);
    /* A token request that is cut off may have rotated the grant: it runs to its own end, whatever happens to the task.
     */
    task_shield_begin(t, async_loop_now(task_loop(t)) + REQUEST_NS);
    if (load)
        rc = auth__token_load(t, a, &own);
    if (rc == TL_OK && load && a->s->token.access != NULL && !a->s->must_renew &&
        (a->s->token.expires_ms == 0 || a->s->token.expires_ms > tl_clock_wall_ms(a->w.clock) + 5000)) {
        task_shield_end(t);
        auth__release_waiters(a, TL_OK, NULL);
        return TL_OK;
    }
    if (rc == TL_OK)
        rc = request_token(t, a, &own);
    if (rc == TL_AUTH && fall_back(a))
        rc = request_token(t, a, &own);
    task_shield_end(t);
    /* A grant that was never given, a secret that Vault has not delivered: nobody has refused anything. */
    if (a->s->refused && tl_rc_class(rc) == TL_CLASS_AUTH) {
        (void)pthread_mutex_lock(&a->s->lock);
        auth__pause(a, own.text);
        (void)pthread_mutex_unlock(&a->s->lock);
        (void)(auth_remember(t, a, NULL) == TL_OK); /* a restart may cost one attempt more, otherwise */
    }
    auth__release_waiters(a, rc, &own);
    if (rc != TL_OK && err != NULL)
        *err = own;
    return rc;
}

/* Renewal starts when a tenth of the lifetime, at most a minute, is left. */
static bool is_due(const struct auth_token *token, int64_t now_ms, bool *ret_expired)
{
    int64_t ahead = token->lifetime_ms / 10;

    ahead = ahead > 60000 || ahead <= 0 ? 60000 : ahead;
    *ret_expired = token->expires_ms != 0 && now_ms >= token->expires_ms - 1000;
    return token->expires_ms != 0 && now_ms >= token->expires_ms - ahead;
}

enum tl_rc auth__token(struct task *t, struct auth *a, struct secret **ret, uint64_t *ret_generation,
                       struct tl_err *err)
{
    for (int round = 0; round < 4; round++) {
        bool expired = false, usable, due;
        enum tl_rc rc;

        (void)pthread_mutex_lock(&a->s->lock);
        due = is_due(&a->s->token, tl_clock_wall_ms(a->w.clock), &expired);
        usable = a->s->token.access != NULL && !expired && !a->s->must_renew;
        if (usable && (!due || a->s->refreshing)) {
            *ret = secret_ref(a->s->token.access);
            *ret_generation = a->s->generation;
            (void)pthread_mutex_unlock(&a->s->lock);
            return TL_OK;
        }
        if (a->s->refreshing) {
            rc = auth__wait_for_leader(t, a, err); /* gives the lock back */
        } else {
            a->s->refreshing = true;
            (void)pthread_mutex_unlock(&a->s->lock);
            rc = lead(t, a, err);
            /* Renewing ahead failed, but the present token is good still: nobody has to notice. */
            if (rc != TL_OK && usable && tl_rc_class(rc) == TL_CLASS_TRANSIENT) {
                (void)pthread_mutex_lock(&a->s->lock);
                *ret = secret_ref(a->s->token.access);
                *ret_generation = a->s->generation;
                (void)pthread_mutex_unlock(&a->s->lock);
                return TL_OK;
            }
        }
        if (rc != TL_OK)
            return rc;
    }
    return tl_fail(err, TL_UPSTREAM, "%.60s: the tokens that the server gives out expire at once; compare the clocks",
                   a->connection);
}
