/* SPDX-License-Identifier: Apache-2.0 */
/* sign.c - the same table read the other way: headers for what `send`, outgoing webhooks and tests post. */
#include "webhook/webhook_int.h"

static void add_header(struct webhook_signed *s, struct tl_arena *a, const char *name, struct tl_sv value)
{
    if (name != NULL && s->n_headers < TL_COUNT(s->headers))
        s->headers[s->n_headers++] = (struct webhook_header){tl_sv_str(name), tl_arena_sv(a, value)};
}

static struct tl_sv time_text(struct tl_arena *a, enum webhook_unit unit, int64_t now_ms)
{
    char iso[TL_TIME_TEXT];

    if (unit == UNIT_ISO8601)
        return tl_sv_str(tl_arena_strdup(a, tl_time_format(now_ms, iso)));
    return tl_sv_str(tl_arena_printf(a, "%lld", (long long)(unit == UNIT_SECONDS ? now_ms / 1000 : now_ms)));
}

static struct tl_sv fresh_id(struct tl_arena *a, int64_t now_ms)
{
    char uuid[37];

    return tl_sv_str(tl_arena_printf(a, "msg_%s", tl_uuid7(now_ms, uuid)));
}

static enum tl_rc put_signature(const struct webhook_verifier *v, const struct webhook_key_one *k,
                                struct webhook_inputs *in, struct tl_buf *b, struct tl_err *err)
{
    struct tl_sv parts[WEBHOOK_MAX_PARTS];
    uint8_t mac[CRYPTO_MAX_DIGEST];
    struct tl_buf text, sig;
    size_t n, len;
    enum tl_rc rc = TL_OK;

    in->secret = k->value;
    n = webhook__signed_parts(v, in, parts);
    if (k->ed25519 != NULL) {
        tl_buf_init(&text, 256u << 20);
        tl_buf_init(&sig, 128);
        for (size_t i = 0; i < n; i++)
            tl_buf_sv(&text, parts[i]);
        rc = crypto_key_sign(v->crypto, k->ed25519, CRYPTO_EDDSA, tl_buf_view(&text), &sig, err);
        tl_buf_puts(b, "v1a,");
        tl_base64_encode(b, sig.p, sig.n);
        tl_buf_done(&text);
        tl_buf_done(&sig);
        return rc;
    }
    len =
        k->hmac != NULL ? crypto_hmac_sum(k->hmac, parts, n, mac) : crypto_digest(v->crypto, v->s.hash, parts, n, mac);
    if (v->s.syntax == SYNTAX_SPACES)
        tl_buf_printf(b, "%s,", v->s.prefix);
    else if (v->s.syntax == SYNTAX_PAIRS || v->s.syntax == SYNTAX_COMMAS)
        tl_buf_printf(b, "%s=", v->s.prefix);
    else if (v->s.prefix != NULL && (v->s.syntax == SYNTAX_BARE || b->n == 0))
        tl_buf_puts(b, v->s.prefix);
    if (v->s.encoding == ENCODING_HEX)
        tl_hex_encode(b, mac, len);
    else
        tl_base64_encode(b, mac, len);
    return rc;
}

static const char no_good[] = "every secret is past its `until`: nothing can be signed";

enum tl_rc webhook__signing_secret(const struct webhook_verifier *v, int64_t now_ms, struct tl_sv *ret,
                                   struct tl_err *err)
{
    for (size_t i = 0; i < v->n_keys; i++)
        if (webhook__is_good(&v->keys[i], now_ms)) {
            *ret = v->keys[i].value;
            return TL_OK;
        }
    return tl_fail(err, TL_CONFIG, "%s", no_good);
}

static enum tl_rc sign_message(const struct webhook_verifier *v, struct tl_arena *a, struct webhook_inputs *in,
                               int64_t now_ms, struct webhook_signed *ret, struct tl_err *err)
{
    const struct webhook_family *f = &v->s.families[0];
    bool many = v->s.syntax != SYNTAX_BARE;
    enum tl_rc rc = TL_OK;
    struct tl_buf b;
    size_t n = 0;

    tl_buf_init(&b, 16 * 1024);
    if (v->s.syntax == SYNTAX_PAIRS && f->timestamp == NULL)
        tl_buf_printf(&b, "t=%.*s,", TL_SV_ARG(in->timestamp));
    for (size_t i = 0; i < v->n_keys && rc == TL_OK && (n == 0 || many); i++) {
        if (!webhook__is_good(&v->keys[i], now_ms))
            continue;
        if (n++ > 0)
            tl_buf_putc(&b, v->s.syntax == SYNTAX_SPACES ? ' ' : ',');
        rc = put_signature(v, &v->keys[i], in, &b, err);
    }
    if (n == 0)
        rc = tl_fail(err, TL_CONFIG, "%s", no_good);
    if (v->signs_id)
        add_header(ret, a, f->id, in->id);
    else
        add_header(ret, a, v->s.id_header[0], in->id);
    if (v->s.has_time)
        add_header(ret, a, f->timestamp, in->timestamp);
    add_header(ret, a, f->signature, tl_buf_view(&b));
    tl_buf_done(&b);
    return rc;
}

static enum tl_rc sign_token(const struct webhook_verifier *v, struct tl_arena *a, int64_t now_ms,
                             struct webhook_signed *ret, struct tl_err *err)
{
    struct tl_sv secret;
    struct tl_buf b, pair;
    enum tl_rc rc = webhook__signing_secret(v, now_ms, &secret, err);

    if (rc != TL_OK)
        return rc;
    tl_buf_init(&b, 16 * 1024);
    tl_buf_init(&pair, 8 * 1024);
    if (v->s.proof == PROOF_BASIC) {
        tl_buf_printf(&pair, "%.*s:%.*s", TL_SV_ARG(v->user), TL_SV_ARG(secret));
        tl_buf_puts(&b, "Basic ");
        tl_base64_encode(&b, pair.p, pair.n);
    } else {
        tl_buf_puts(&b, v->s.prefix != NULL ? v->s.prefix : "");
        tl_buf_sv(&b, secret);
    }
    add_header(ret, a, v->s.families[0].signature, tl_buf_view(&b));
    tl_buf_done(&pair);
    tl_buf_done(&b);
    return TL_OK;
}

static struct tl_sv with_digest(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv url,
                                struct tl_sv body)
{
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct tl_buf b;
    struct tl_sv out;

    tl_buf_init(&b, 64 * 1024);
    tl_buf_printf(&b, "%.*s%cbodySHA256=", TL_SV_ARG(url), tl_sv_find(url, '?') < url.n ? '&' : '?');
    tl_hex_encode(&b, digest, crypto_digest(v->crypto, CRYPTO_SHA256, &body, 1, digest));
    out = tl_arena_sv(a, tl_buf_view(&b));
    tl_buf_done(&b);
    return out;
}

enum tl_rc webhook_sign(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_message *m,
                        int64_t now_ms, struct webhook_signed *ret, struct tl_err *err)
{
    struct webhook_inputs in = {.method = m->method, .body = m->body, .form = TL_SV("")};
    struct tl_sv forms[WEBHOOK_MAX_URLS];

    *ret = (struct webhook_signed){.url = m->url, .body = m->body};
    in.id = m->id.n > 0 ? m->id : fresh_id(a, now_ms);
    if (v->s.proof == PROOF_NONE)
        return TL_OK;
    if (v->s.proof == PROOF_BODY)
        return webhook__put_state(v, a, now_ms, ret, err);
    if (webhook__is_foreign(v->s.proof))
        return webhook__foreign_sign(v, a, in.id, now_ms, ret, err);
    if (v->s.proof == PROOF_TOKEN || v->s.proof == PROOF_BASIC) {
        enum tl_rc rc = v->s.handshake == SHAKE_CLOUDEVENTS ? webhook__put_ce(a, m, in.id, ret, err) : TL_OK;

        return rc == TL_OK ? sign_token(v, a, now_ms, ret, err) : rc;
    }
    if (v->signs_url && ret->url.n == 0)
        ret->url = v->public_url;
    if (v->s.quirk == QUIRK_TWILIO && webhook__is_form(m->content_type)) {
        if (!webhook__sorted_form(a, m->body, &in.form))
            return tl_fail(err, TL_INVALID, "the form in the body is malformed");
    } else if (v->s.quirk == QUIRK_TWILIO && m->body.n > 0) {
        ret->url = with_digest(v, a, ret->url, m->body);
    }
    if (v->signs_url) {
        (void)webhook__url_forms(a, v->s.quirk, v->decodes_url, ret->url, forms);
        in.url = forms[0];
    }
    in.timestamp = time_text(a, v->s.unit, now_ms);
    return sign_message(v, a, &in, now_ms, ret, err);
}
