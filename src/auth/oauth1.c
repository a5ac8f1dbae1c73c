/* SPDX-License-Identifier: Apache-2.0 */
/* oauth1.c - RFC 5849: base string (3.4.1), signatures (3.4.2, 3.4.4 and their SHA-2 forms). */
#include <stdlib.h>

#include "auth/auth_int.h"

enum { MAX_PARAMS = 2000, MAX_BASE = 1024 * 1024 };

struct encoded {
    struct tl_sv name, value;
};

struct tl_sv auth__encode(struct tl_arena *a, struct tl_sv s)
{
    struct tl_sv out = TL_SV("");
    struct tl_buf b;

    tl_buf_init(&b, MAX_BASE * 3);
    if (tl_percent_encode(&b, s) && b.n > 0)
        out = tl_arena_sv(a, tl_buf_view(&b));
    tl_buf_done(&b);
    return out;
}

static bool decode(struct tl_arena *a, struct tl_sv s, struct tl_sv *ret)
{
    struct tl_buf b;
    bool ok;

    tl_buf_init(&b, MAX_BASE);
    ok = tl_percent_decode(&b, s, true);
    *ret = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
    tl_buf_done(&b);
    return ok && ret->p != NULL;
}

/* 3.4.1.3.2: by encoded name, then by encoded value, in byte order. */
static int compare(const void *x, const void *y)
{
    const struct encoded *p = x, *q = y;
    int by_name = tl_sv_cmp(p->name, q->name);

    return by_name != 0 ? by_name : tl_sv_cmp(p->value, q->value);
}

bool auth__form_pairs(struct tl_arena *a, struct tl_sv form, struct auth_pair *out, size_t max, size_t *n)
{
    struct tl_sv rest = form, pair;

    while (form.n > 0 && tl_sv_cut(&rest, '&', &pair)) {
        size_t eq = tl_sv_find(pair, '=');

        if (pair.n == 0)
            continue;
        if (*n == max || !decode(a, tl_sv(pair.p, eq), &out[*n].name) ||
            !decode(a, tl_sv_from(pair, eq + 1), &out[*n].value))
            return false;
        (*n)++;
    }
    return true;
}

/* 3.4.1.2: scheme and host in lower case, default ports dropped, an empty path is "/". */
static void base_uri(struct tl_buf *b, const struct http_url *u)
{
    tl_buf_puts(b, u->tls ? "https://" : "http://");
    if (u->host_is_v6)
        tl_buf_putc(b, '[');
    for (size_t i = 0; i < u->host.n; i++) {
        char c = u->host.p[i];

        tl_buf_putc(b, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    if (u->host_is_v6)
        tl_buf_putc(b, ']');
    if (u->port != (u->tls ? 443 : 80))
        tl_buf_printf(b, ":%u", u->port);
    tl_buf_sv(b, u->path.n > 0 ? u->path : TL_SV("/"));
}

enum tl_rc auth_oauth1_base(struct tl_arena *a, struct tl_sv method, struct tl_sv url, const struct auth_pair *params,
                            size_t n, struct tl_sv *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf uri = {0}, list = {0}, base = {0};
    struct auth_pair *all = tl_arena_must(a, (MAX_PARAMS + 1) * sizeof(*all));
    struct encoded *e = tl_arena_must(a, (MAX_PARAMS + 1) * sizeof(*e));
    struct http_url u;
    size_t count = 0;
    enum tl_rc rc = http_url_parse(url, &u, err);

    if (rc != TL_OK)
        return rc;
    if (!auth__form_pairs(a, u.query, all, MAX_PARAMS, &count) || count + n > MAX_PARAMS)
        return tl_fail(err, TL_INVALID, "the query of the URL is malformed or has more than %d parameters", MAX_PARAMS);
    for (size_t i = 0; i < n; i++)
        all[count++] = params[i];
    for (size_t i = 0; i < count; i++)
        e[i] = (struct encoded){auth__encode(a, all[i].name), auth__encode(a, all[i].value)};
    qsort(e, count, sizeof(*e), compare);
    tl_buf_init(&uri, MAX_BASE);
    tl_buf_init(&list, MAX_BASE);
    tl_buf_init(&base, 4 * MAX_BASE);
    base_uri(&uri, &u);
    for (size_t i = 0; i < count; i++)
        tl_buf_printf(&list, "%s%.*s=%.*s", i > 0 ? "&" : "", TL_SV_ARG(e[i].name), TL_SV_ARG(e[i].value));
    for (size_t i = 0; i < method.n; i++)
        tl_buf_putc(&base, method.p[i] >= 'a' && method.p[i] <= 'z' ? (char)(method.p[i] - 32) : method.p[i]);
    tl_buf_putc(&base, '&');
    tl_percent_encode(&base, tl_buf_view(&uri));
    tl_buf_putc(&base, '&');
    tl_percent_encode(&base, tl_buf_view(&list));
    if (uri.failed || list.failed || base.failed)
        return tl_fail(err, TL_LIMIT, "the request to be signed is too large");
    *ret = tl_arena_sv(a, tl_buf_view(&base));
    return TL_OK;
}

enum tl_rc auth_netsuite_base(struct tl_arena *a, struct tl_sv account, struct tl_sv consumer_key, struct tl_sv token,
                              struct tl_sv nonce, struct tl_sv timestamp, struct tl_sv *ret, struct tl_err *err)
{
    const struct tl_sv parts[] = {account, consumer_key, token, nonce, timestamp};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16 * 1024);
    for (size_t i = 0; i < TL_COUNT(parts); i++) {
        if (i > 0)
            tl_buf_putc(&b, '&');
        tl_percent_encode(&b, parts[i]);
    }
    if (b.failed)
        return tl_fail(err, TL_LIMIT, "the passport to be signed is too large");
    *ret = tl_arena_sv(a, tl_buf_view(&b));
    return TL_OK;
}

enum tl_rc auth_oauth1_signature(const struct crypto *c, struct tl_arena *a, enum auth_oauth1_method method,
                                 struct tl_sv base, struct tl_sv consumer_secret, struct tl_sv token_secret,
                                 struct tl_sv *ret, struct tl_err *err)
{
    static const enum crypto_hash hashes[] = {CRYPTO_SHA1, CRYPTO_SHA256, CRYPTO_SHA512};
    TL_CLEANUP(secret_buf_done) struct tl_buf key = {0};
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    uint8_t mac[CRYPTO_MAX_DIGEST];
    struct crypto_hmac *m;

    tl_buf_init(&key, 64 * 1024);
    tl_buf_init(&text, 64 * 1024);
    tl_percent_encode(&key, consumer_secret);
    tl_buf_putc(&key, '&');
    tl_percent_encode(&key, token_secret);
    if (key.failed)
        return tl_fail(err, TL_CONFIG, "the OAuth secrets are too long");
    if (method == AUTH_PLAINTEXT) {
        *ret = tl_arena_sv(a, tl_buf_view(&key));
        return TL_OK;
    }
    m = crypto_hmac_new(c, hashes[method], tl_buf_view(&key));
    tl_base64_encode(&text, mac, crypto_hmac_sum(m, &base, 1, mac));
    crypto_hmac_free(m);
    *ret = tl_arena_sv(a, tl_buf_view(&text));
    return TL_OK;
}
