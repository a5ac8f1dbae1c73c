/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keys.c - public keys of senders: JWK sets and certificates by their address.
 * Kept as long as their server says (1 minute to 1 day), used on for a day while it is away, fetched anew for a key id
 * that is not in the set, at most every 10 s, so that forged tokens cost nobody a request each. After a failure the
 * next try waits 1 s, doubling to 5 min. Loops share it; the lock is never held over a wait.
 */
#include <stdio.h>

#include "flow/flow_int.h"

enum {
    MAX_ENTRIES = 64,
    MAX_DOCUMENT = 256 << 10,
    FETCH_MS = 8000,
    KID_MS = 10000,
    FRESH_MS = 600000,
    FRESH_LEAST_MS = 60000,
    DAY_MS = 86400000,
    BACKOFF_MOST_MS = 300000,
    NEW_A_MINUTE = 20
};

struct crypto_cert_ref { /* certificates have no references of their own */
    int refs;
    struct crypto_cert *cert;
};

struct entry {
    char *url; /* NULL: free */
    struct crypto_keys *keys;
    struct crypto_cert_ref *cert;
    int64_t fetched_ms, fresh_until_ms, next_try_ms, backoff_ms, kid_try_ms; /* monotonic */
    bool busy;
    enum tl_rc rc;
    char why[200];
};

struct flow_keys {
    const struct tl_clock *clock;
    pthread_mutex_t lock;
    struct entry entries[MAX_ENTRIES];
    int64_t minute_ms;
    unsigned made; /* entries in this minute */
};

static void cert_unref(struct crypto_cert_ref *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    crypto_cert_free(c->cert);
    tl_free(c);
}

static void entry_done(struct entry *e)
{
    crypto_keys_unref(e->keys);
    cert_unref(e->cert);
    tl_free(e->url);
    *e = (struct entry){.url = NULL};
}

struct flow_keys *flow__keys_new(const struct tl_clock *clock)
{
    struct flow_keys *k = tl_zalloc(sizeof *k);

    k->clock = clock;
    pthread_mutex_init(&k->lock, NULL);
    return k;
}

void flow__keys_free(struct flow_keys *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < MAX_ENTRIES; i++)
        entry_done(&k->entries[i]);
    pthread_mutex_destroy(&k->lock);
    tl_free(k);
}

const struct crypto_cert *flow__material_cert(const struct flow_material *m)
{
    return m->cert ? m->cert->cert : NULL;
}

void flow__material_done(struct flow_material *m)
{
    crypto_keys_unref(m->keys);
    cert_unref(m->cert);
    *m = (struct flow_material){NULL, NULL};
}

static int64_t now_ms(const struct flow_keys *k)
{
    return (int64_t)tl_clock_mono_ms(k->clock);
}

/* The lock is held. NULL: too many new ones; addresses of certificates come from requests. */
static struct entry *find(struct flow_keys *k, struct tl_sv url)
{
    struct entry *spare = NULL;
    int64_t now = now_ms(k);

    for (size_t i = 0; i < MAX_ENTRIES; i++) {
        struct entry *e = &k->entries[i];

        if (e->url && tl_sv_eqs(url, e->url))
            return e;
        if (!e->busy && (!spare || (spare->url && (!e->url || e->fetched_ms < spare->fetched_ms))))
            spare = e;
    }
    if (now - k->minute_ms >= 60000) {
        k->minute_ms = now;
        k->made = 0;
    }
    if (!spare || ++k->made > NEW_A_MINUTE)
        return NULL;
    entry_done(spare);
    spare->url = tl_strndup(url.p, url.n);
    return spare;
}

static bool has_kid(const struct crypto_keys *keys, struct tl_sv kid)
{
    for (size_t i = 0; kid.n && i < crypto_keys_count(keys); i++) {
        if (tl_sv_eq(crypto_key_id(crypto_keys_at(keys, i)), kid))
            return true;
    }
    return kid.n == 0;
}

/* "public, max-age=3600" -> an hour. */
static int64_t fresh_ms(const struct http_reply *reply, bool certificate)
{
    struct tl_sv rest = http_header_get(&reply->headers, "cache-control"), part;
    int64_t ms = certificate ? DAY_MS : FRESH_MS; /* a certificate's address names one certificate */
    uint64_t seconds;

    while (rest.n && tl_sv_cut(&rest, ',', &part)) {
        part = tl_sv_trim(part);
        if (!certificate && tl_sv_starts_i(part, TL_SV("max-age=")) && tl_sv_u64(tl_sv_from(part, 8), &seconds))
            ms = seconds > DAY_MS / 1000 ? DAY_MS : (int64_t)seconds * 1000;
    }
    return ms < FRESH_LEAST_MS ? FRESH_LEAST_MS : ms;
}

struct fetched {
    const struct crypto *crypto;
    const struct webhook_need *need;
    struct tl_arena *arena;
    struct tl_sv body;
    struct flow_material made;
    enum tl_rc rc;
    struct tl_err *err;
};

static void read_document(void *arg)
{
    struct fetched *f = arg;
    struct crypto_cert *cert = NULL;
    struct json doc = JSON_NOTHING;

    if (f->need->kind == WEBHOOK_NEED_JWKS) {
        f->rc = json_parse(f->arena, f->body, JSON_PARSE_DUP_LAST, NULL, &doc, f->err);
        if (f->rc == TL_OK)
            f->rc = crypto_keys_from_json(f->crypto, doc, &f->made.keys, f->err);
        return;
    }
    f->rc = crypto_cert_from_pem(f->crypto, f->body, &cert, f->err);
    if (f->rc != TL_OK)
        return;
    f->made.cert = tl_zalloc(sizeof *f->made.cert);
    *f->made.cert = (struct crypto_cert_ref){1, cert};
}

static enum tl_rc fetch(struct task *task, struct http_client *client, struct fetched *f, int64_t *ret_fresh_ms,
                        struct tl_err *err)
{
    const struct http_header headers[] = {{TL_SV("accept"), TL_SV("application/json, application/jwk-set+json, */*")}};
    const struct http_request_out req = {
        .url = f->need->url, .headers = headers, .n_headers = 1, .timeout_ms = FETCH_MS, .max_body = MAX_DOCUMENT};
    struct http_reply reply;
    enum tl_rc rc = http_client_call(task, client, &req, f->arena, &reply, err);

    if (rc != TL_OK)
        return rc;
    if (reply.status != 200)
        return tl_fail(err, TL_UPSTREAM, "HTTP %d", reply.status);
    f->body = reply.body;
    f->err = err;
    *ret_fresh_ms = fresh_ms(&reply, f->need->kind == WEBHOOK_NEED_CERTIFICATE);
    task_on_main_stack(task, read_document, f);
    return f->rc == TL_OK ? TL_OK : TL_UPSTREAM;
}

/* The lock is held when it begins and when it ends. */
static void renew(struct flow_keys *k, struct entry *e, struct task *task, struct http_client *client,
                  const struct crypto *crypto, const struct webhook_need *need)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(4 << 20);
    struct fetched f = {.crypto = crypto, .need = need, .arena = arena};
    struct tl_err err = {0};
    int64_t fresh = 0;
    enum tl_rc rc;

    e->busy = true;
    pthread_mutex_unlock(&k->lock);
    rc = fetch(task, client, &f, &fresh, &err);
    pthread_mutex_lock(&k->lock);
    e->busy = false;
    e->rc = rc;
    e->kid_try_ms = now_ms(k) + KID_MS;
    if (rc == TL_OK) {
        crypto_keys_unref(e->keys);
        cert_unref(e->cert);
        e->keys = f.made.keys;
        e->cert = f.made.cert;
        e->fetched_ms = now_ms(k);
        e->fresh_until_ms = e->fetched_ms + fresh;
        e->backoff_ms = 0;
        return;
    }
    e->backoff_ms = !e->backoff_ms ? 1000 : e->backoff_ms * 2 < BACKOFF_MOST_MS ? e->backoff_ms * 2 : BACKOFF_MOST_MS;
    e->next_try_ms = now_ms(k) + e->backoff_ms;
    (void)snprintf(e->why, sizeof e->why, "%.190s", err.text);
}

enum { HAVE, RENEW, WAIT, NOTHING };
static int look(const struct flow_keys *k, const struct entry *e, const struct webhook_need *need)
{
    int64_t now = now_ms(k);
    bool have = (e->keys || e->cert) && now - e->fetched_ms < DAY_MS;
    bool known = !e->keys || has_kid(e->keys, need->kid);

    if (have && known && now < e->fresh_until_ms)
        return HAVE;
    if (have && !known && now < e->fresh_until_ms && now < e->kid_try_ms)
        return HAVE; /* it will be refused */
    if (e->busy)
        return have && known ? HAVE : WAIT;
    if (now >= e->next_try_ms)
        return RENEW;
    return have ? HAVE : NOTHING;
}

enum tl_rc flow__keys_get(struct flow_keys *k, struct task *task, struct http_client *client,
                          const struct crypto *crypto, const struct webhook_need *need, struct flow_material *ret,
                          struct tl_err *err)
{
    uint64_t end = async_loop_now(task_loop(task)) + 2ull * FETCH_MS * 1000000u;
    enum tl_rc rc = TL_OK;

    *ret = (struct flow_material){NULL, NULL};
    pthread_mutex_lock(&k->lock);
    while (rc == TL_OK) {
        struct entry *e = find(k, need->url);
        int what = e ? look(k, e, need) : NOTHING;

        if (what == HAVE) {
            ret->keys = e->keys ? crypto_keys_ref(e->keys) : NULL;
            ret->cert = e->cert;
            if (ret->cert)
                __atomic_add_fetch(&ret->cert->refs, 1, __ATOMIC_RELAXED);
            break;
        }
        if (!e) {
            rc = tl_fail(err, TL_BUSY, "too many unknown certificates were named in the last minute");
        } else if (what == RENEW) {
            renew(k, e, task, client, crypto, need);
        } else if (what == NOTHING || async_loop_now(task_loop(task)) > end) {
            rc = tl_fail(err, TL_UNREACHABLE, "the keys at %.*s cannot be had: %.150s", TL_SV_ARG(need->url), e->why);
        } else {
            pthread_mutex_unlock(&k->lock);
            rc = task_sleep_ms(task, 20, err); /* another loop's task is fetching */
            pthread_mutex_lock(&k->lock);
        }
    }
    pthread_mutex_unlock(&k->lock);
    return rc;
}

enum tl_rc flow__fetch_keys(const struct flow *f, struct task *task, const struct webhook_need *need,
                            struct flow_material *ret, struct tl_err *err)
{
    struct flow_engine *e = f->plan->engine;

    return flow__keys_get(e->keys, task, flow__client(f, task), e->opt.crypto, need, ret, err);
}

struct http_client *flow__client(const struct flow *f, const struct task *task)
{
    return flow_engine_client(f->plan->engine, task_loop(task));
}

void flow__log_no_keys(const struct flow *f, const char *why)
{
    TL_LOG(f->plan->engine->opt.log, TL_WARN, "webhook.no_keys", why, KV_STR("flow", f->name));
}

void flow__log_subscription(const struct flow *f, struct tl_sv type, enum tl_rc rc, const char *why)
{
    TL_LOG(f->plan->engine->opt.log, rc == TL_OK ? TL_INFO : TL_WARN, "webhook.subscription",
           rc == TL_OK ? "the sender told about the subscription" : "the subscription could not be confirmed",
           KV_STR("flow", f->name), KV_SV("type", type), KV_STR("why", why));
}
