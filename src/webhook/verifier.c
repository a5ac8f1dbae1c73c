/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verifier.c - from a scheme's row, the configuration and the secrets' values to an immutable verifier.
 * Everything that can be computed once is computed here: the hot path hashes the message and compares.
 */
#include "http/codec.h"
#include "webhook/webhook_int.h"

static struct tl_sv copy(struct tl_arena *a, struct tl_sv s)
{
    return tl_sv(tl_arena_strndup(a, s.n > 0 ? s.p : "", s.n), s.n);
}

static const char *copy_str(struct tl_arena *a, const char *s)
{
    return s != NULL ? tl_arena_strdup(a, s) : NULL;
}

struct webhook_verifier *webhook_verifier_ref(struct webhook_verifier *v)
{
    __atomic_add_fetch(&v->refs, 1, __ATOMIC_RELAXED);
    return v;
}

static void wipe(struct tl_sv s)
{
    if (s.n > 0)
        tl_wipe((void *)(uintptr_t)s.p, s.n);
}

void webhook_verifier_unref(struct webhook_verifier *v)
{
    if (v == NULL || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < v->n_keys; i++) {
        crypto_hmac_free(v->keys[i].hmac);
        crypto_key_unref(v->keys[i].ed25519);
        wipe(v->keys[i].value);
    }
    for (size_t i = 0; i < v->n_verify_tokens; i++)
        wipe(v->verify_tokens[i]);
    crypto_keys_unref(v->own_keys);
    crypto_key_unref(v->signer);
    crypto_cert_free(v->own_cert);
    tl_arena_free(v->arena);
    tl_free(v);
}

void webhook_verifier_unrefp(struct webhook_verifier **v)
{
    webhook_verifier_unref(*v);
}

const char *webhook_verifier_scheme(const struct webhook_verifier *v)
{
    return v->s.name;
}

struct tl_sv webhook_methods(const struct webhook_verifier *v)
{
    return v != NULL && v->s.methods != NULL ? tl_sv_str(v->s.methods) : TL_SV("POST, PUT");
}

/* ---- the template of the signed text ---- */

static const struct {
    const char *name;
    enum webhook_part_kind kind;
} placeholders[] = {
    {"id", PART_ID},           {"timestamp", PART_TIMESTAMP}, {"method", PART_METHOD}, {"url", PART_URL},
    {"url_decoded", PART_URL}, {"form", PART_FORM},           {"secret", PART_SECRET}, {"body", PART_BODY},
};

static enum tl_rc add_part(struct webhook_verifier *v, enum webhook_part_kind kind, struct tl_sv text,
                           struct tl_err *err)
{
    if (v->n_parts == WEBHOOK_MAX_PARTS)
        return tl_fail(err, TL_CONFIG, "signed_text has more than %d parts", WEBHOOK_MAX_PARTS);
    v->parts[v->n_parts++] = (struct webhook_part){kind, copy(v->arena, text)};
    v->signs_id = v->signs_id || kind == PART_ID;
    v->signs_url = v->signs_url || kind == PART_URL;
    v->signs_form = v->signs_form || kind == PART_FORM;
    v->s.has_time = v->s.has_time || kind == PART_TIMESTAMP;
    return TL_OK;
}

static enum tl_rc compile_text(struct webhook_verifier *v, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_str(v->s.signed_text);
    enum tl_rc rc = TL_OK;
    bool body = false;

    while (rest.n > 0 && rc == TL_OK) {
        size_t open = tl_sv_find(rest, '{'), close;
        bool found = false;

        if (open > 0) {
            rc = add_part(v, PART_TEXT, tl_sv(rest.p, open), err);
            rest = tl_sv_from(rest, open);
            continue;
        }
        close = tl_sv_find(rest, '}');
        for (size_t i = 0; i < TL_COUNT(placeholders) && close < rest.n && !found; i++) {
            found = tl_sv_eqs(tl_sv(rest.p + 1, close - 1), placeholders[i].name);
            if (found)
                rc = add_part(v, placeholders[i].kind, TL_SV(""), err);
            v->decodes_url = v->decodes_url || (found && strcmp(placeholders[i].name, "url_decoded") == 0);
            body = body || (found && placeholders[i].kind == PART_BODY) || (found && placeholders[i].kind == PART_FORM);
        }
        if (!found)
            return tl_fail(
                err, TL_CONFIG,
                "signed_text may hold {id}, {timestamp}, {method}, {url}, {form} and {body}, and text between them");
        rest = tl_sv_from(rest, close + 1);
    }
    if (rc == TL_OK && !body)
        return tl_fail(err, TL_CONFIG,
                       "signed_text must hold {body}: a signature that leaves the body out proves nothing");
    return rc;
}

/* ---- secrets ---- */

static enum tl_rc decode_key(enum webhook_key form, struct tl_sv text, struct tl_buf *b, struct tl_err *err)
{
    bool whsec = form == KEY_WHSEC && tl_sv_starts(text, TL_SV("whsec_"));
    bool ok;

    if (form == KEY_TEXT)
        ok = tl_buf_sv(b, text);
    else if (form == KEY_HEX)
        ok = tl_hex_decode(b, text);
    else
        ok = tl_base64_decode(b, whsec ? tl_sv_from(text, 6) : text);
    if (!ok || b->n == 0)
        return tl_fail(err, TL_CONFIG, "the webhook secret must be %s",
                       form == KEY_TEXT    ? "a text that is not empty"
                       : form == KEY_HEX   ? "hex digits"
                       : form == KEY_WHSEC ? "base64, with or without whsec_ before it"
                                           : "base64");
    return TL_OK;
}

/* Standard Webhooks v1a: whpk_ and 32 bytes to verify, whsk_ and 64 bytes (seed, public key) to sign. */
static enum tl_rc asymmetric_key(const struct crypto *c, struct tl_sv text, struct crypto_key **ret, struct tl_err *err)
{
    bool is_private = tl_sv_starts(text, TL_SV("whsk_"));
    struct tl_buf b;
    enum tl_rc rc;

    tl_buf_init(&b, 128);
    if (!tl_base64_decode(&b, tl_sv_from(text, 5)) || b.n != (is_private ? 64 : 32))
        rc = tl_fail(err, TL_CONFIG, "%s must be followed by the base64 of %d bytes", is_private ? "whsk_" : "whpk_",
                     is_private ? 64 : 32);
    else
        rc = crypto_key_ed25519(c, tl_sv(b.p, 32), is_private, ret, err);
    if (b.p != NULL)
        tl_wipe(b.p, b.cap);
    tl_buf_done(&b);
    return rc;
}

static enum tl_rc add_key(struct webhook_verifier *v, const struct webhook_secret *secret, struct tl_err *err)
{
    struct webhook_key_one *k = &v->keys[v->n_keys];
    struct tl_buf b;
    enum tl_rc rc;

    if (v->checking && secret->value.p == NULL) {
        v->n_keys++;
        return TL_OK;
    }
    if (secret->value.n == 0)
        return tl_fail(err, TL_CONFIG, "the webhook secret is empty");
    if (secret->value.n > 4096)
        return tl_fail(err, TL_CONFIG, "the webhook secret is longer than 4096 bytes");
    k->until_ms = secret->until_ms;
    v->n_keys++;
    if (v->s.proof != PROOF_HMAC) {
        k->value = copy(v->arena, secret->value);
        return TL_OK;
    }
    if (v->s.key == KEY_WHSEC &&
        (tl_sv_starts(secret->value, TL_SV("whpk_")) || tl_sv_starts(secret->value, TL_SV("whsk_"))))
        return asymmetric_key(v->crypto, secret->value, &k->ed25519, err);
    tl_buf_init(&b, 8192);
    rc = decode_key(v->s.key, secret->value, &b, err);
    if (rc == TL_OK)
        k->hmac = crypto_hmac_new(v->crypto, v->s.hash, tl_buf_view(&b));
    if (b.p != NULL)
        tl_wipe(b.p, b.cap);
    tl_buf_done(&b);
    return rc;
}

static enum tl_rc take_secrets(struct webhook_verifier *v, const struct webhook_setup *setup, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    if (setup->n_secrets > 16)
        return tl_fail(err, TL_CONFIG, "at most 16 webhook secrets can be good at once");
    if (v->s.proof != PROOF_NONE && !webhook__is_foreign(v->s.proof) && setup->n_secrets == 0)
        return tl_fail(err, TL_CONFIG, "the scheme %s needs a secret", v->s.name);
    v->keys = tl_arena_zalloc(v->arena, (setup->n_secrets + 1) * sizeof(*v->keys));
    for (size_t i = 0; i < setup->n_secrets && rc == TL_OK; i++)
        rc = add_key(v, &setup->secrets[i], err);
    v->verify_tokens = tl_arena_must(v->arena, (setup->n_verify_tokens + 1) * sizeof(*v->verify_tokens));
    for (size_t i = 0; i < setup->n_verify_tokens; i++)
        v->verify_tokens[v->n_verify_tokens++] = copy(v->arena, setup->verify_tokens[i]);
    return rc;
}

const char *webhook_secret_remark(const char *scheme, struct tl_sv value)
{
    const struct webhook_scheme *s = webhook__scheme(tl_sv_str(scheme));
    struct tl_sv coded = tl_sv_starts(value, TL_SV("whsec_")) ? tl_sv_from(value, 6) : value;
    bool other = false, svix = strcmp(scheme, "svix") == 0; /* its API takes 32 to 100 characters */
    struct tl_buf b;

    if (s == NULL || s->key != KEY_WHSEC || tl_sv_starts(value, TL_SV("whpk_")) || tl_sv_starts(value, TL_SV("whsk_")))
        return NULL;
    tl_buf_init(&b, 8192);
    other = tl_base64_decode(&b, coded) && b.n > 0 && (b.n < 24 || b.n > (svix ? 75 : 64)); /* 0: an error anyway */
    if (b.p != NULL)
        tl_wipe(b.p, b.cap);
    tl_buf_done(&b);
    return !other ? NULL
           : svix ? "Svix has secrets of 24 to 75 bytes"
                  : "Standard Webhooks asks for a secret of 24 to 64 bytes";
}

/* ---- what the configuration changes in the row ---- */

/* Convoy's choice of the endpoint, and the generic scheme's. */
static void apply_digest(struct webhook_scheme *s, const struct webhook_conf *conf)
{
    s->hash = (enum crypto_hash[]){CRYPTO_SHA256, CRYPTO_SHA512, CRYPTO_SHA1}[conf->hash];
    s->encoding = (enum webhook_encoding)conf->encoding;
}

/* A time "t=" inside the signature header makes it one of pairs; pairs where no time is signed are a comma list. */
static enum tl_rc apply_syntax(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_err *err)
{
    static const enum webhook_syntax chosen[] = {SYNTAX_BARE, SYNTAX_PAIRS, SYNTAX_COMMAS, SYNTAX_SPACES};
    struct webhook_scheme *s = &v->s;
    bool signs_time = strstr(s->signed_text, "{timestamp}") != NULL;
    bool inside = conf->timestamp != NULL && strcmp(conf->timestamp, "t=") == 0;

    s->syntax = chosen[conf->syntax];
    if (inside && s->syntax == SYNTAX_BARE)
        s->syntax = SYNTAX_PAIRS;
    if (inside && s->syntax != SYNTAX_PAIRS)
        return tl_fail(err, TL_CONFIG,
                       "timestamp \"t=\" is for `syntax: pairs`: with a list of signatures alone, say which header has "
                       "the time");
    if (!inside)
        s->families[0].timestamp = copy_str(v->arena, conf->timestamp);
    if (signs_time && conf->timestamp == NULL && s->syntax != SYNTAX_PAIRS)
        return tl_fail(err, TL_CONFIG,
                       "signed_text holds {timestamp}: say in `timestamp` which header has it (or \"t=\" when it "
                       "is in the signature header)");
    if (s->syntax == SYNTAX_PAIRS && (!signs_time || s->families[0].timestamp != NULL))
        s->syntax = SYNTAX_COMMAS;
    if (s->syntax != SYNTAX_BARE && s->prefix == NULL)
        s->prefix = "v1";
    return TL_OK;
}

static enum tl_rc apply_generic(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_err *err)
{
    struct webhook_scheme *s = &v->s;

    s->families[0] = (struct webhook_family){copy_str(v->arena, conf->header), NULL, NULL};
    s->prefix = conf->prefix != NULL && conf->prefix[0] != '\0' ? copy_str(v->arena, conf->prefix) : NULL;
    s->signed_text = copy_str(v->arena, conf->signed_text != NULL ? conf->signed_text : "{timestamp}.{body}");
    apply_digest(s, conf);
    s->key = (enum webhook_key)conf->key;
    s->unit = (enum webhook_unit)conf->unit;
    if (conf->header == NULL)
        return tl_fail(err, TL_CONFIG, "the generic scheme needs the name of the signature header");
    return apply_syntax(v, conf, err);
}

/* A name that a header can have, or a JSON pointer (RFC 6901, 3). */
static enum tl_rc check_place(const char *field, const char *place, bool may_be_pointer, struct tl_err *err)
{
    struct tl_sv s = tl_sv_str(place);

    if (place == NULL)
        return TL_OK;
    if (!may_be_pointer || s.n == 0 || s.p[0] != '/')
        return http_is_token(s) ? TL_OK
                                : tl_fail(err, TL_CONFIG, "`%s`: no header can have the name \"%.60s\"", field, place);
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '~' && (i + 1 == s.n || (s.p[i + 1] != '0' && s.p[i + 1] != '1')))
            return tl_fail(err, TL_CONFIG, "`%s`: in the JSON pointer %.60s ~ must be followed by 0 or 1", field,
                           place);
    return TL_OK;
}

static enum tl_rc check_places(const struct webhook_conf *conf, struct tl_err *err)
{
    bool in_signature = conf->timestamp != NULL && strcmp(conf->timestamp, "t=") == 0;
    enum tl_rc rc = check_place("header", conf->header, false, err);

    if (rc == TL_OK && !in_signature)
        rc = check_place("timestamp", conf->timestamp, false, err);
    if (rc == TL_OK)
        rc = check_place("id", conf->id, true, err);
    return rc == TL_OK ? check_place("event_type", conf->event_type, true, err) : rc;
}

static void apply_places(struct webhook_verifier *v, const struct webhook_conf *conf)
{
    if (conf->id != NULL && conf->id[0] == '/') {
        v->s.id_body = copy_str(v->arena, conf->id);
        v->s.id_is_one = true;
    } else if (conf->id != NULL) {
        v->s.families[0].id = copy_str(v->arena, conf->id);
        v->s.id_header[0] = v->s.families[0].id;
    }
    if (conf->event_type != NULL && conf->event_type[0] == '/')
        v->s.type_body = copy_str(v->arena, conf->event_type);
    else if (conf->event_type != NULL)
        v->s.type_header[0] = copy_str(v->arena, conf->event_type);
}

static enum tl_rc apply_conf(struct webhook_verifier *v, const struct webhook_conf *conf, struct tl_err *err)
{
    enum tl_rc rc = check_places(conf, err);

    if (rc != TL_OK)
        return rc;
    if (strcmp(v->s.name, "generic") == 0)
        rc = apply_generic(v, conf, err);
    else if (strncmp(v->s.name, "convoy", 6) == 0)
        apply_digest(&v->s, conf);
    else if (v->s.proof == PROOF_TOKEN && conf->header != NULL)
        v->s.families[0].signature = copy_str(v->arena, conf->header);
    if (v->s.proof == PROOF_TOKEN && conf->header != NULL)
        v->s.prefix = conf->prefix != NULL ? copy_str(v->arena, conf->prefix) : NULL;
    apply_places(v, conf);
    if (conf->tolerance_ms > 0)
        v->s.tolerance_ms = conf->tolerance_ms;
    v->s.tolerance_future_ms = conf->tolerance_future_ms;
    v->rate = conf->rate;
    v->user = copy(v->arena, tl_sv_str(conf->user));
    v->origins = tl_arena_must(v->arena, (conf->origins.n + 1) * sizeof(*v->origins));
    for (size_t i = 0; i < conf->origins.n; i++)
        v->origins[v->n_origins++] = copy(v->arena, tl_sv_str(*CONFIG_AT(conf->origins, char *, i)));
    return rc;
}

static enum tl_rc build(const struct crypto *c, const struct webhook_setup *setup, bool checking,
                        struct webhook_verifier **ret, struct tl_err *err)
{
    static const struct webhook_conf none = {0};
    const struct webhook_conf *conf = setup->conf != NULL ? setup->conf : &none;
    const struct webhook_scheme *s = webhook__scheme(tl_sv_str(setup->scheme));
    TL_CLEANUP(webhook_verifier_unrefp) struct webhook_verifier *v = NULL;
    enum tl_rc rc;

    if (s == NULL)
        return tl_fail(err, TL_CONFIG, "there is no webhook scheme \"%.40s\"", setup->scheme);
    v = tl_zalloc(sizeof(*v));
    v->refs = 1;
    v->crypto = c;
    v->checking = checking;
    v->arena = tl_arena_new(1024 * 1024);
    v->s = *s;
    rc = apply_conf(v, conf, err);
    if (rc == TL_OK && (v->s.proof == PROOF_HMAC || v->s.proof == PROOF_DIGEST))
        rc = compile_text(v, err);
    if (rc == TL_OK && v->signs_id && v->s.families[0].id == NULL)
        rc = tl_fail(err, TL_CONFIG, "signed_text holds {id}: say in `id` which header has it");
    /* Where nothing but a body is signed, a request without one would be proved by any other without one. */
    if (strcmp(v->s.name, "generic") == 0 && !v->signs_id && !v->signs_url && !v->s.has_time)
        v->s.methods = "POST, PUT, PATCH";
    if (rc == TL_OK && v->signs_url && conf->public_url == NULL)
        rc = tl_fail(err, TL_CONFIG,
                     "%s signs the URL: set public_url to the address exactly as it was registered there", s->name);
    if (rc == TL_OK && v->signs_url)
        v->public_url = copy(v->arena, tl_sv_str(conf->public_url));
    if (rc == TL_OK)
        rc = take_secrets(v, setup, err);
    if (rc == TL_OK && webhook__is_foreign(v->s.proof))
        rc = webhook__foreign_setup(v, conf, setup->certificate, err);
    if (rc == TL_OK && setup->signing_key.n > 0)
        rc = crypto_key_from_pem(c, setup->signing_key, TL_SV_NULL, &v->signer, err);
    if (rc != TL_OK)
        return rc;
    *ret = TL_STEAL(&v);
    return TL_OK;
}

enum tl_rc webhook_verifier_new(const struct crypto *c, const struct webhook_setup *setup,
                                struct webhook_verifier **ret, struct tl_err *err)
{
    return build(c, setup, false, ret, err);
}

enum tl_rc webhook_setup_check(const struct crypto *c, const struct webhook_setup *setup, struct tl_err *err)
{
    TL_CLEANUP(webhook_verifier_unrefp) struct webhook_verifier *unused = NULL;

    return build(c, setup, true, &unused, err);
}
