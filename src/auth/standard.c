/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standard.c - requests signed as the Standard Webhooks have it (github.com/standard-webhooks, spec): the headers
 * webhook-id, webhook-timestamp and webhook-signature, "v1," and the base64 of HMAC-SHA256 over "id.timestamp.body".
 * The id tells a repetition from a new message, so it follows from the delivery's key, or from what the request brings
 * in that header. It must not have the full stops that part the signed text.
 */
#include "auth/auth_int.h"

static enum tl_rc sign_with(struct auth *a, const struct config_secret *ref, const struct tl_sv *parts, size_t n,
                            struct tl_buf *out, struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *secret = NULL;
    TL_CLEANUP(secret_buf_done) struct tl_buf key = {0};
    struct crypto_hmac *m;
    struct tl_sv text;
    uint8_t mac[CRYPTO_MAX_DIGEST];
    enum tl_rc rc = auth__secret(a, ref, "signing secret", &secret, err);

    if (rc != TL_OK)
        return rc;
    text = tl_sv_trim(secret_view(secret));
    if (tl_sv_starts(text, TL_SV("whsec_")))
        text = tl_sv_from(text, 6);
    tl_buf_init(&key, 1024);
    if (!tl_base64_decode(&key, text) || key.n == 0)
        return tl_fail(err, TL_CONFIG, "%.60s: the signing secret is not whsec_ and base64", a->connection);
    m = crypto_hmac_new(a->w.crypto, CRYPTO_SHA256, tl_buf_view(&key));
    tl_buf_puts(out, out->n ? " v1," : "v1,");
    tl_base64_encode(out, mac, crypto_hmac_sum(m, parts, n, mac));
    crypto_hmac_free(m);
    return TL_OK;
}

static struct http_header *given_id(const struct auth_request *req)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        if (tl_sv_eqi(req->headers[i].name, TL_SV("webhook-id")))
            return &req->headers[i];
    }
    return NULL;
}

static struct tl_sv without_stops(struct tl_arena *a, const char *prefix, struct tl_sv key)
{
    char *s = tl_arena_printf(a, "%s%.*s", prefix, TL_SV_ARG(key));

    for (char *p = s; p && *p; p++)
        if (*p == '.')
            *p = '-';
    return tl_sv_str(s);
}

static bool set_id(struct auth_request *req, int64_t now, struct tl_sv *ret_id)
{
    struct http_header *given = given_id(req);
    char uuid[37];

    if (given && given->value.n > 0) {
        *ret_id = given->value = without_stops(req->arena, "", given->value);
        return given->value.n > 0;
    }
    *ret_id = req->key.n > 0 ? without_stops(req->arena, "msg_", req->key)
                             : tl_sv_str(tl_arena_printf(req->arena, "msg_%s", tl_uuid7(now, uuid)));
    if (given)
        given->value = *ret_id;
    return ret_id->n > 0 && (given || auth_request_header(req, "webhook-id", *ret_id));
}

enum tl_rc auth__apply_standard(struct auth *a, struct auth_request *req, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf signature = {0};
    int64_t now = auth__their_time_ms(a);
    struct tl_sv time = tl_sv_str(tl_arena_printf(req->arena, "%lld", (long long)(now / 1000))), id;
    bool ok;
    enum tl_rc rc;

    if (!set_id(req, now, &id))
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    auth__plain(req, id);
    auth__plain(req, time);
    tl_buf_init(&signature, 256);
    rc = sign_with(a, &a->conf->value, (const struct tl_sv[]){id, TL_SV("."), time, TL_SV("."), req->body}, 5,
                   &signature, err);
    if (rc == TL_OK && a->conf->client_secret.kind != CONFIG_SECRET_NONE)
        rc = sign_with(a, &a->conf->client_secret, (const struct tl_sv[]){id, TL_SV("."), time, TL_SV("."), req->body},
                       5, &signature, err);
    if (rc != TL_OK)
        return rc;
    ok = auth_request_header(req, "webhook-timestamp", time) &&
         auth_request_header(req, "webhook-signature", tl_arena_sv(req->arena, tl_buf_view(&signature)));
    return ok ? TL_OK : tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
}
