/* SPDX-License-Identifier: Apache-2.0 */
/*
 * refused.c - refused credentials survive a restart: a service that is restarted again and again must not reach the
 * vendor's lock-out (NetSuite: five). On disk: when they were refused, how far the schedule of probes has come, and a
 * keyed digest of the secrets, so that others are tried at once.
 */
#include <stdio.h>

#include "auth/auth_int.h"

#define NS_A_MS INT64_C(1000000)
#define HALF_HOUR_MS INT64_C(1800000)

static struct tl_sv disk_key(struct auth *a, struct tl_arena *arena)
{
    return tl_sv_str(tl_arena_printf(arena, "auth-refused:%s", a->connection));
}

/* Which credentials: of the configuration and of all its secrets, keyed, so that it gives nothing away. */
static const char *which(struct auth *a, struct tl_arena *arena)
{
    const struct config_secret *refs[AUTH_SECRETS];
    struct crypto_hmac *mac =
        crypto_hmac_new(a->w.crypto, CRYPTO_SHA256, tl_sv((const char *)a->w.seal.key, sizeof(a->w.seal.key)));
    struct crypto_stream *stream = crypto_stream_new(a->w.crypto, CRYPTO_SHA256, mac);
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    uint8_t digest[CRYPTO_MAX_DIGEST];

    crypto_stream_add(stream, &a->s->configuration, sizeof(a->s->configuration));
    auth__conf_secrets(a->conf, refs);
    for (size_t i = 0; i < AUTH_SECRETS; i++) {
        TL_CLEANUP(secret_unrefp) struct secret *value = NULL;

        /* Literals are in the configuration's fingerprint already; a user's name is no secret to be known. */
        if (refs[i]->kind == CONFIG_SECRET_NONE || refs[i]->kind == CONFIG_SECRET_LITERAL || a->w.secrets == NULL ||
            secret_get(a->w.secrets, refs[i], &value, NULL, NULL) != TL_OK)
            continue;
        crypto_stream_add(stream, secret_view(value).p, secret_view(value).n + 1);
    }
    (void)crypto_stream_end(stream, digest);
    crypto_hmac_free(mac);
    tl_buf_init(&text, 256);
    (void)tl_hex_encode(&text, digest, 16);
    return tl_arena_strndup(arena, text.p, text.n);
}

enum tl_rc auth_remember(struct task *t, struct auth *a, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_builder b, at;
    int64_t now_ms = tl_clock_wall_ms(a->w.clock), now_ns = (int64_t)tl_clock_mono_ns(a->w.clock);
    bool paused, noted;
    enum tl_rc rc;

    (void)pthread_mutex_lock(&a->s->lock);
    paused = a->s->paused;
    noted = a->s->noted;
    (void)pthread_mutex_unlock(&a->s->lock);
    if (a->w.disk.put == NULL || (!paused && !noted))
        return TL_OK;
    arena = tl_arena_new(64 * 1024);
    tl_buf_init(&text, 4096);
    (void)pthread_mutex_lock(&a->s->lock);
    json_object_begin(&b, arena, 4);
    json_array_begin(&at, arena, TL_COUNT(a->s->failures));
    for (size_t i = 0; a->s->paused && i < TL_COUNT(a->s->failures); i++) {
        if (a->s->failures[i] != 0)
            (void)json_push(&at, json_int(now_ms - (now_ns - (int64_t)a->s->failures[i]) / NS_A_MS));
    }
    (void)json_adds(&b, "at", json_end(&at));
    (void)json_adds(&b, "step", json_int(a->s->step));
    (void)json_adds(&b, "reason", json_str_copy(arena, tl_sv_str(a->s->reason)));
    a->s->noted = a->s->paused;
    (void)pthread_mutex_unlock(&a->s->lock);
    (void)json_adds(&b, "credentials", json_str(which(a, arena)));
    (void)json_write(&text, json_end(&b), 0);
    task_shield_begin(t, async_loop_now(task_loop(t)) + UINT64_C(10000000000));
    rc = a->w.disk.put(t, a->w.disk.arg, disk_key(a, arena), tl_buf_view(&text), err);
    task_shield_end(t);
    return rc;
}

/* The lock is held. */
static void take(struct auth *a, struct json doc)
{
    static const int64_t minutes[] = {1, 5, 15, 30};
    struct json at = json_gets(doc, "at");
    int64_t now_ms = tl_clock_wall_ms(a->w.clock), now_ns = (int64_t)tl_clock_mono_ns(a->w.clock), step = 0, last = 0;
    int64_t next, third = 0;

    (void)json_int64(json_gets(doc, "step"), &step);
    for (uint32_t i = 0; at.type == JSON_ARRAY && i < at.n && i < TL_COUNT(a->s->failures); i++) {
        int64_t ms = 0, ago;

        (void)json_int64(json_at(at, i), &ms);
        ago = now_ms - ms;
        if (ms <= 0 || ago < 0 || ago > HALF_HOUR_MS)
            continue;
        /* The monotonic clock may be younger than the refusal; 0 means none. */
        a->s->failures[i] = now_ns > ago * NS_A_MS ? (uint64_t)(now_ns - ago * NS_A_MS) : 1;
        last = ms > last ? ms : last;
        third = i == 2 ? ms : third;
    }
    if (last == 0)
        return;
    step = step < 1 ? 1 : step > 4 ? 4 : step;
    next = last + minutes[step - 1] * 60000;
    if (third != 0 && next < third + HALF_HOUR_MS)
        next = third + HALF_HOUR_MS;
    a->s->paused = a->s->noted = true;
    a->s->step = (unsigned)(step < 4 ? step : 3);
    a->s->secrets = auth__secret_versions(a);
    a->s->next_probe_ns = (uint64_t)(now_ns + (next > now_ms ? (next - now_ms) * NS_A_MS : 0));
    (void)snprintf(a->s->reason, sizeof(a->s->reason), "%.*s",
                   TL_SV_ARG(json_text(json_gets(doc, "reason"), TL_SV("the credentials were refused"))));
}

static void recall(struct task *t, struct auth *a)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(256 * 1024);
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json doc = JSON_NOTHING;

    tl_buf_init(&text, 64 * 1024);
    /* Without the note the worst is one attempt more. */
    if (a->w.disk.get(t, a->w.disk.arg, disk_key(a, arena), &text, NULL) != TL_OK ||
        json_parse(arena, tl_buf_view(&text), 0, NULL, &doc, NULL) != TL_OK ||
        !tl_sv_eqs(json_text(json_gets(doc, "credentials"), TL_SV("")), which(a, arena)))
        return;
    (void)pthread_mutex_lock(&a->s->lock);
    take(a, doc);
    (void)pthread_mutex_unlock(&a->s->lock);
}

/* One task reads, the others wait for it: many deliveries begin at once after a start. */
enum tl_rc auth__recall(struct task *t, struct auth *a, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    (void)pthread_mutex_lock(&a->s->lock);
    while (rc == TL_OK && !a->s->recalled && a->w.disk.get != NULL) {
        if (a->s->refreshing) {
            rc = auth__wait_for_leader(t, a, err); /* gives the lock back */
        } else {
            a->s->refreshing = true;
            (void)pthread_mutex_unlock(&a->s->lock);
            task_shield_begin(t, async_loop_now(task_loop(t)) + UINT64_C(10000000000));
            recall(t, a);
            task_shield_end(t);
            (void)pthread_mutex_lock(&a->s->lock);
            a->s->recalled = true;
            (void)pthread_mutex_unlock(&a->s->lock);
            auth__release_waiters(a, TL_OK, NULL);
        }
        (void)pthread_mutex_lock(&a->s->lock);
    }
    (void)pthread_mutex_unlock(&a->s->lock);
    return rc;
}
