/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.c - RFC 7515 (and RFC 7797's unencoded payload).
 * Invariant: the algorithm named in a header only ever selects among what the keys allow; it never widens it.
 */
#include "crypto/crypto_int.h"

#include <openssl/err.h>

/* One signature with what it covers, still as received. */
struct jws_part {
    struct tl_sv protected_text; /* base64url; empty: no protected header */
    struct json unprotected;
    struct tl_sv payload; /* as received, or the detached bytes */
    struct tl_sv signature;
    bool is_detached, is_compact;
};

static bool decode(struct tl_arena *a, struct tl_sv text, struct tl_sv *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, CRYPTO_MAX_JWS);
    if (!tl_base64url_decode(&b, text))
        return false;
    *ret = tl_arena_sv(a, tl_buf_view(&b));
    return ret->p != NULL || b.n == 0;
}

static enum tl_rc merge_headers(struct tl_arena *a, struct json protected, struct json unprotected, struct json *ret,
                                struct tl_err *err)
{
    struct json_builder b;
    bool ok = true;

    json_object_begin(&b, a, 8);
    for (uint32_t i = 0; protected.type == JSON_OBJECT && i < protected.n; i++)
        ok = ok && json_add(&b, json_view(protected.u.members[i].key), protected.u.members[i].value);
    for (uint32_t i = 0; unprotected.type == JSON_OBJECT && i < unprotected.n; i++) {
        struct tl_sv name = json_view(unprotected.u.members[i].key);

        if (json_get(protected, name).type != JSON_UNDEFINED)
            return tl_fail(err, TL_PARSE, "a JWS header member is given twice, protected and unprotected");
        ok = ok && json_add(&b, name, unprotected.u.members[i].value);
    }
    if (!ok)
        return tl_fail(err, TL_LIMIT, "the JWS header is too large");
    *ret = json_end(&b);
    return TL_OK;
}

/* RFC 7515 4.1.11: what is marked critical must be understood; "b64" is all that we understand. */
static enum tl_rc check_critical(struct json protected, struct json unprotected, bool *ret_b64, struct tl_err *err)
{
    struct json crit = json_gets(protected, "crit"), b64 = json_gets(protected, "b64");
    bool named = false;

    if (json_gets(unprotected, "crit").type != JSON_UNDEFINED || json_gets(unprotected, "b64").type != JSON_UNDEFINED)
        return tl_fail(err, TL_PARSE, "\"crit\" and \"b64\" belong into the protected header of a JWS");
    if (crit.type != JSON_UNDEFINED) {
        if (crit.type != JSON_ARRAY || crit.n == 0)
            return tl_fail(err, TL_PARSE, "the JWS header \"crit\" is not a list of names");
        for (uint32_t i = 0; i < crit.n; i++) {
            if (named || !tl_sv_eqs(json_text(crit.u.items[i], TL_SV("")), "b64") || b64.type == JSON_UNDEFINED)
                return tl_fail(err, TL_AUTH, "the JWS marks a header as critical that is not understood here");
            named = true;
        }
    }
    if (b64.type != JSON_UNDEFINED && (b64.type != JSON_BOOL || !named))
        return tl_fail(err, TL_PARSE, "the JWS header \"b64\" is not a critical true or false");
    *ret_b64 = b64.type == JSON_UNDEFINED || b64.u.b;
    return TL_OK;
}

static enum tl_rc read_headers(struct tl_arena *a, const struct jws_part *part, struct json *ret_header, bool *ret_b64,
                               struct tl_err *err)
{
    struct json protected = JSON_NOTHING;
    struct json_limits limits = {.max_bytes = 64 * 1024, .max_depth = 16};
    struct tl_sv text;
    enum tl_rc rc;

    if (part->protected_text.n > 0) {
        if (!decode(a, part->protected_text, &text))
            return tl_fail(err, TL_PARSE, "the JWS header is not base64url");
        if (json_parse(a, text, 0, &limits, &protected, NULL) != TL_OK || protected.type != JSON_OBJECT)
            return tl_fail(err, TL_PARSE, "the JWS header is not a JSON object with unique names");
    } else if (part->is_compact) {
        return tl_fail(err, TL_PARSE, "the JWS has no header");
    }
    rc = check_critical(protected, part->unprotected, ret_b64, err);
    return rc == TL_OK ? merge_headers(a, protected, part->unprotected, ret_header, err) : rc;
}

static enum tl_rc try_keys(const struct crypto *c, const struct crypto_keys *keys, enum crypto_alg alg, struct json kid,
                           struct tl_sv input, struct tl_sv signature, struct crypto_key **ret, struct tl_err *err)
{
    bool fitting = false;

    for (size_t i = 0; i < keys->n; i++) {
        struct crypto_key *k = keys->at[i];

        if (kid.type == JSON_STRING && k->n_kid > 0 && !tl_sv_eq(json_view(kid), crypto_key_id(k)))
            continue;
        if (!crypto_key_fits(k, alg) || k->verify_off)
            continue;
        fitting = true;
        if (crypto_key_verify(c, k, alg, input, signature, NULL) == TL_OK) {
            *ret = k;
            return TL_OK;
        }
    }
    if (fitting)
        return tl_fail(err, TL_AUTH, "the signature does not match");
    return tl_fail(err, TL_AUTH, "there is no key for %s%s among the %zu configured", crypto_alg_name(alg),
                   kid.type == JSON_STRING ? " with the kid that the token names" : "", keys->n);
}

static enum tl_rc build_input(const struct jws_part *part, bool b64, struct tl_buf *b, struct tl_err *err)
{
    tl_buf_init(b, 2 * CRYPTO_MAX_JWS);
    tl_buf_sv(b, part->protected_text);
    tl_buf_putc(b, '.');
    if (part->is_detached && b64)
        tl_base64url_encode(b, part->payload.p, part->payload.n);
    else
        tl_buf_sv(b, part->payload);
    return b->failed ? tl_fail(err, TL_LIMIT, "the JWS is larger than 1 MB") : TL_OK;
}

static enum tl_rc verify_part(const struct crypto *c, struct tl_arena *a, const struct jws_part *part,
                              const struct crypto_keys *keys, struct crypto_jws *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf input = {0};
    struct json header = JSON_NOTHING, kid;
    struct tl_sv signature, payload = part->payload;
    struct crypto_key *key = NULL;
    enum crypto_alg alg = CRYPTO_ALG_UNSET;
    bool b64 = true;
    enum tl_rc rc = read_headers(a, part, &header, &b64, err);

    if (rc != TL_OK)
        return rc;
    if (!crypto_alg_parse(json_text(json_gets(header, "alg"), TL_SV("")), &alg))
        return tl_fail(err, TL_AUTH, "the JWS names no algorithm that is accepted (\"none\" never is)");
    kid = json_gets(header, "kid");
    if (kid.type != JSON_UNDEFINED && kid.type != JSON_STRING)
        return tl_fail(err, TL_PARSE, "the JWS header \"kid\" is not a text");
    if (!decode(a, part->signature, &signature) || signature.n == 0)
        return tl_fail(err, TL_PARSE, "the signature of the JWS is missing or not base64url");
    if (!part->is_detached && b64 && !decode(a, part->payload, &payload))
        return tl_fail(err, TL_PARSE, "the payload of the JWS is not base64url");
    rc = build_input(part, b64, &input, err);
    if (rc == TL_OK)
        rc = try_keys(c, keys, alg, kid, tl_buf_view(&input), signature, &key, err);
    if (rc != TL_OK)
        return rc;
    *ret = (struct crypto_jws){.header = header, .payload = payload, .key = key, .alg = alg};
    return TL_OK;
}

enum tl_rc crypto_jws_verify(const struct crypto *c, struct tl_arena *a, struct tl_sv compact,
                             const struct crypto_keys *keys, struct tl_sv detached, struct crypto_jws *ret,
                             struct tl_err *err)
{
    struct jws_part part = {.is_compact = true};
    size_t first = tl_sv_find(compact, '.');
    struct tl_sv rest = tl_sv_from(compact, first + 1);
    size_t second = tl_sv_find(rest, '.');

    if (compact.n > CRYPTO_MAX_JWS || detached.n > CRYPTO_MAX_JWS)
        return tl_fail(err, TL_LIMIT, "the JWS is larger than 1 MB");
    if (first >= compact.n || second >= rest.n || tl_sv_find(tl_sv_from(rest, second + 1), '.') < rest.n - second - 1)
        return tl_fail(err, TL_PARSE, "a compact JWS has three parts with two dots between them");
    part.protected_text = tl_sv(compact.p, first);
    part.payload = tl_sv(rest.p, second);
    part.signature = tl_sv_from(rest, second + 1);
    if (detached.p != NULL) {
        if (part.payload.n > 0)
            return tl_fail(err, TL_PARSE, "the JWS carries a payload although it was announced as detached");
        part.payload = detached;
        part.is_detached = true;
    }
    return verify_part(c, a, &part, keys, ret, err);
}

static bool part_from(struct json sig, struct jws_part *part)
{
    struct json protected = json_gets(sig, "protected"), header = json_gets(sig, "header"),
                s = json_gets(sig, "signature");

    part->protected_text = json_text(protected, TL_SV(""));
    part->unprotected = header;
    part->signature = json_text(s, TL_SV(""));
    return sig.type == JSON_OBJECT && s.type == JSON_STRING &&
           (header.type == JSON_OBJECT || header.type == JSON_UNDEFINED) &&
           (protected.type == JSON_STRING || protected.type == JSON_UNDEFINED) &&
           (header.type == JSON_OBJECT || protected.type == JSON_STRING);
}

static enum tl_rc verify_list(const struct crypto *c, struct tl_arena *a, struct json list, struct jws_part *part,
                              const struct crypto_keys *keys, struct crypto_jws *ret, struct tl_err *err)
{
    struct tl_err why = {0};
    bool found = false;

    if (list.n == 0 || list.n > 20)
        return tl_fail(err, TL_PARSE, "a JWS has 1 to 20 signatures");
    for (uint32_t i = 0; i < list.n; i++) {
        struct crypto_jws one;
        enum tl_rc rc;

        if (!part_from(list.u.items[i], part))
            return tl_fail(err, TL_PARSE, "a signature of the JWS is malformed");
        rc = verify_part(c, a, part, keys, &one, &why);
        if (rc != TL_OK && rc != TL_AUTH)
            return tl_fail(err, rc, "%s", why.text);
        if (rc == TL_OK && !found) {
            *ret = one;
            found = true;
        }
    }
    return found ? TL_OK : tl_fail(err, TL_AUTH, "%s", why.text);
}

enum tl_rc crypto_jws_verify_json(const struct crypto *c, struct tl_arena *a, struct json jws,
                                  const struct crypto_keys *keys, struct tl_sv detached, struct crypto_jws *ret,
                                  struct tl_err *err)
{
    struct jws_part part = {.payload = detached, .is_detached = detached.p != NULL};
    struct json payload = json_gets(jws, "payload"), list = json_gets(jws, "signatures");

    if (jws.type != JSON_OBJECT || (payload.type != JSON_STRING && payload.type != JSON_UNDEFINED) ||
        (payload.type == JSON_STRING) == part.is_detached)
        return tl_fail(err, TL_PARSE,
                       part.is_detached ? "the JWS carries a payload although it was announced as detached"
                                        : "the JWS has no payload");
    if (!part.is_detached)
        part.payload = json_view(payload);
    if (list.type == JSON_UNDEFINED) { /* RFC 7515 7.2.2: flattened */
        if (!part_from(jws, &part))
            return tl_fail(err, TL_PARSE, "the JWS has no well formed signature");
        return verify_part(c, a, &part, keys, ret, err);
    }
    if (list.type != JSON_ARRAY || json_gets(jws, "signature").type != JSON_UNDEFINED ||
        json_gets(jws, "protected").type != JSON_UNDEFINED || json_gets(jws, "header").type != JSON_UNDEFINED)
        return tl_fail(err, TL_PARSE, "the JWS mixes the general and the flattened form");
    return verify_list(c, a, list, &part, keys, ret, err);
}

enum tl_rc crypto_jws_sign(const struct crypto *c, const struct crypto_key *k, enum crypto_alg alg,
                           struct tl_sv header_json, struct tl_sv payload, struct tl_buf *out, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf signature = {0};
    size_t start = out->n;
    enum tl_rc rc;

    tl_buf_init(&signature, 2048);
    tl_base64url_encode(out, header_json.p, header_json.n);
    tl_buf_putc(out, '.');
    tl_base64url_encode(out, payload.p, payload.n);
    if (out->failed)
        return tl_fail(err, TL_LIMIT, "the token does not fit its buffer");
    rc = crypto_key_sign(c, k, alg, tl_sv(out->p + start, out->n - start), &signature, err);
    if (rc != TL_OK)
        return rc;
    tl_buf_putc(out, '.');
    tl_base64url_encode(out, signature.p, signature.n);
    return out->failed ? tl_fail(err, TL_LIMIT, "the token does not fit its buffer") : TL_OK;
}
