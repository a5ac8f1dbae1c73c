/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify.c - the engine: one request against one verifier.
 * Invariant: what the sender reads depends only on what the sender knows; all comparisons with secrets take constant
 * time and all active secrets are tried, so neither text nor time tells which part of a forgery was wrong.
 */
#include <stdio.h>

#include "webhook/webhook_int.h"

struct tl_sv webhook__header(const struct webhook_request *req, const char *name, size_t *ret_count)
{
    struct tl_sv want = tl_sv_str(name), found = TL_SV_NULL;

    *ret_count = 0;
    for (size_t i = 0; name != NULL && i < req->n_headers; i++) {
        if (tl_sv_eqi(req->headers[i].name, want) && (*ret_count)++ == 0)
            found = req->headers[i].value;
    }
    return found;
}

void webhook__refuse(struct webhook_verdict *v, int status, const char *reason, const char *why)
{
    v->ok = false;
    v->status = status;
    v->reason = reason;
    (void)snprintf(v->why, sizeof(v->why), "%s", why);
}

/* Exactly once and not empty, or the request is refused. */
bool webhook__need_once(const struct webhook_request *req, const char *name, const char *missing, const char *twice,
                        struct tl_sv *ret, struct webhook_verdict *verdict)
{
    size_t n = 0;

    *ret = webhook__header(req, name, &n);
    if (n == 1 && ret->n > 0)
        return true;
    webhook__refuse(verdict, 401, n > 1 ? twice : missing, "");
    (void)snprintf(verdict->why, sizeof(verdict->why), "header %.60s is %s", name,
                   n > 1 ? "there more than once" : "missing or empty");
    return false;
}

static bool parse_time(enum webhook_unit unit, struct tl_sv text, int64_t *ret_ms)
{
    uint64_t n = 0;

    if (unit == UNIT_ISO8601)
        return text.n <= 40 && tl_time_parse(text, ret_ms);
    if (text.n == 0 || text.n > 16 || !tl_sv_u64(text, &n) || n > UINT64_C(4102444800000))
        return false;
    *ret_ms = (int64_t)n * (unit == UNIT_SECONDS ? 1000 : 1);
    return unit != UNIT_SECONDS || n <= UINT64_C(4102444800);
}

bool webhook__check_time(const struct webhook_verifier *v, struct tl_sv text, int64_t now_ms,
                         struct webhook_verdict *verdict)
{
    int64_t ms = 0, age, ahead = v->s.tolerance_future_ms > 0 ? v->s.tolerance_future_ms : v->s.tolerance_ms;

    if (!parse_time(v->s.unit, text, &ms)) {
        webhook__refuse(verdict, 401, "the timestamp of the signature is missing or malformed",
                        "timestamp does not parse");
        return false;
    }
    /* Seconds are compared as seconds, as the senders' libraries do: 300 s is inside, 301 s is not. */
    age = v->s.unit == UNIT_SECONDS ? now_ms / 1000 * 1000 - ms : now_ms - ms;
    verdict->timestamp_ms = ms;
    if (age <= v->s.tolerance_ms && age >= -ahead)
        return true;
    webhook__refuse(
        verdict, 401,
        age > 0
            ? "the timestamp is too old: sign each attempt anew, and compare your clock with the Date of this answer"
            : "the timestamp is in the future: compare your clock with the Date of this answer",
        "");
    (void)snprintf(verdict->why, sizeof(verdict->why), "timestamp is %lld ms %s, allowed are %lld",
                   (long long)(age > 0 ? age : -age), age > 0 ? "old" : "ahead",
                   (long long)(age > 0 ? v->s.tolerance_ms : ahead));
    return false;
}

/* ---- signatures in the header ---- */

struct candidates {
    struct tl_sv v1[WEBHOOK_MAX_SIGNATURES];  /* as text */
    struct tl_sv v1a[WEBHOOK_MAX_SIGNATURES]; /* standard webhooks, Ed25519 */
    size_t n, n_asymmetric, entries;
    struct tl_sv time; /* SYNTAX_PAIRS */
    size_t n_times;
    bool too_many;
};

static void add_candidate(struct candidates *c, struct tl_sv *list, size_t *n, struct tl_sv text)
{
    if (*n == WEBHOOK_MAX_SIGNATURES)
        c->too_many = true;
    else if (text.n > 0)
        list[(*n)++] = text;
}

static void read_pairs(struct tl_sv value, const char *key, bool with_time, struct candidates *c)
{
    struct tl_sv part;

    while (tl_sv_cut(&value, ',', &part) && c->entries++ < 64) {
        struct tl_sv pair = tl_sv_from(part, part.n > 0 && part.p[0] == ' ' ? 1 : 0);
        size_t eq = tl_sv_find(pair, '=');
        struct tl_sv name = tl_sv(pair.p, eq), text = tl_sv_from(pair, eq + 1);

        if (tl_sv_eqs(name, key)) {
            add_candidate(c, c->v1, &c->n, text);
        } else if (with_time && tl_sv_eqs(name, "t") && eq < pair.n) {
            c->time = text;
            c->n_times++;
        }
    }
    c->too_many = c->too_many || c->entries > 64;
}

static void read_versions(struct tl_sv value, const char *version, struct candidates *c)
{
    struct tl_sv part;

    while (tl_sv_cut(&value, ' ', &part) && c->entries++ < 64) {
        size_t comma = tl_sv_find(part, ',');
        struct tl_sv name = tl_sv(part.p, comma), text = tl_sv_from(part, comma + 1);

        if (tl_sv_eqs(name, version))
            add_candidate(c, c->v1, &c->n, text);
        else if (tl_sv_eqs(name, "v1a"))
            add_candidate(c, c->v1a, &c->n_asymmetric, text);
    }
    c->too_many = c->too_many || c->entries > 64;
}

static void read_signatures(const struct webhook_scheme *s, struct tl_sv value, struct candidates *c)
{
    struct tl_sv prefix = tl_sv_str(s->prefix), part;

    switch (s->syntax) {
    case SYNTAX_BARE:
        if (tl_sv_starts(value, prefix))
            add_candidate(c, c->v1, &c->n, tl_sv_from(value, prefix.n));
        break;
    case SYNTAX_PAIRS:
        read_pairs(value, s->prefix, true, c);
        break;
    case SYNTAX_COMMAS:
        read_pairs(value, s->prefix, false, c);
        break;
    case SYNTAX_SPACES:
        read_versions(value, s->prefix, c);
        break;
    case SYNTAX_FIRST:
        if (!tl_sv_starts(value, prefix))
            break;
        value = tl_sv_from(value, prefix.n);
        while (tl_sv_cut(&value, ',', &part) && !c->too_many)
            add_candidate(c, c->v1, &c->n, tl_sv_trim(part));
        break;
    }
}

static size_t decode_signature(enum webhook_encoding encoding, struct tl_sv text, uint8_t out[CRYPTO_MAX_DIGEST])
{
    struct tl_buf b;
    size_t n = 0;

    if (text.n > 2 * CRYPTO_MAX_DIGEST)
        return 0;
    tl_buf_init(&b, CRYPTO_MAX_DIGEST + 4);
    if ((encoding == ENCODING_HEX ? tl_hex_decode(&b, text) : tl_base64_decode(&b, text)) && b.n <= CRYPTO_MAX_DIGEST) {
        n = b.n;
        memcpy(out, b.p, n);
    }
    tl_buf_done(&b);
    return n;
}

/* ---- the signed text ---- */

size_t webhook__signed_parts(const struct webhook_verifier *v, const struct webhook_inputs *in,
                             struct tl_sv ret[WEBHOOK_MAX_PARTS])
{
    for (size_t i = 0; i < v->n_parts; i++) {
        switch (v->parts[i].kind) {
        case PART_TEXT:
            ret[i] = v->parts[i].text;
            break;
        case PART_ID:
            ret[i] = in->id;
            break;
        case PART_TIMESTAMP:
            ret[i] = in->timestamp;
            break;
        case PART_METHOD:
            ret[i] = in->method;
            break;
        case PART_URL:
            ret[i] = in->url;
            break;
        case PART_FORM:
            ret[i] = in->form;
            break;
        case PART_SECRET:
            ret[i] = in->secret;
            break;
        case PART_BODY:
            ret[i] = in->body;
            break;
        }
    }
    return v->n_parts;
}

static bool match_ed25519(const struct webhook_verifier *v, const struct crypto_key *k, const struct candidates *c,
                          const struct tl_sv *parts, size_t n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0}, sig = {0};
    bool ok = false;

    tl_buf_init(&text, 256u << 20);
    tl_buf_init(&sig, 128);
    for (size_t i = 0; i < n; i++)
        tl_buf_sv(&text, parts[i]);
    for (size_t i = 0; i < c->n_asymmetric && !text.failed; i++) {
        tl_buf_clear(&sig);
        ok =
            ok || (tl_base64_decode(&sig, c->v1a[i]) &&
                   crypto_key_verify(v->crypto, k, CRYPTO_EDDSA, tl_buf_view(&text), tl_buf_view(&sig), NULL) == TL_OK);
    }
    return ok;
}

static bool match_secret(const struct webhook_verifier *v, const struct webhook_key_one *k, const struct candidates *c,
                         struct webhook_inputs *in)
{
    struct tl_sv parts[WEBHOOK_MAX_PARTS];
    uint8_t mac[CRYPTO_MAX_DIGEST], given[CRYPTO_MAX_DIGEST];
    size_t urls = in->n_urls > 0 ? in->n_urls : 1, n, n_parts;
    bool ok = false;

    for (size_t u = 0; u < urls; u++) {
        if (in->n_urls > 0)
            in->url = in->urls[u];
        in->secret = k->value;
        n_parts = webhook__signed_parts(v, in, parts);
        if (k->ed25519 != NULL) {
            ok = match_ed25519(v, k->ed25519, c, parts, n_parts) || ok;
            continue;
        }
        n = k->hmac != NULL ? crypto_hmac_sum(k->hmac, parts, n_parts, mac)
                            : crypto_digest(v->crypto, v->s.hash, parts, n_parts, mac);
        for (size_t i = 0; i < c->n; i++) {
            bool same = decode_signature(v->s.encoding, c->v1[i], given) == n && crypto_equal(mac, given, n);

            ok = ok || same;
        }
    }
    tl_wipe(mac, sizeof(mac));
    return ok;
}

bool webhook__is_good(const struct webhook_key_one *k, int64_t now_ms)
{
    return k->until_ms == 0 || now_ms < k->until_ms;
}

/* ---- Twilio's second form: the URL carries the digest of the body ---- */

static bool prepare_twilio(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                           struct webhook_inputs *in, struct webhook_verdict *verdict)
{
    size_t n = 0;
    struct tl_sv type = webhook__header(req, "content-type", &n), want;
    uint8_t digest[CRYPTO_MAX_DIGEST], given[CRYPTO_MAX_DIGEST];

    in->form = TL_SV("");
    if (n <= 1 && webhook__is_form(type)) {
        if (webhook__sorted_form(a, req->body, &in->form))
            return true;
        webhook__refuse(verdict, 400, "the form in the body is malformed", "form does not parse");
        return false;
    }
    if (req->body.n == 0)
        return true;
    if (webhook__query(a, req->target, "bodySHA256", &want)) {
        (void)crypto_digest(v->crypto, CRYPTO_SHA256, &req->body, 1, digest);
        if (decode_signature(ENCODING_HEX, want, given) == 32 && crypto_equal(digest, given, 32))
            return true;
    }
    webhook__refuse(verdict, 401, "the signature does not match",
                    "bodySHA256 is missing or not the digest of the body");
    return false;
}

/* The configured public URL, with the query that this request came with: never anything from Host or Forwarded headers.
 */
static void request_urls(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                         struct webhook_inputs *in)
{
    struct tl_sv query = tl_sv_from(req->target, tl_sv_find(req->target, '?')), url = v->public_url;

    if (query.n > 0) {
        struct tl_sv base = tl_sv(url.p, tl_sv_find(url, '?'));

        url = tl_sv_str(tl_arena_printf(a, "%.*s%.*s", TL_SV_ARG(base), TL_SV_ARG(query)));
    }
    in->n_urls = webhook__url_forms(a, v->s.quirk, v->decodes_url, url, in->urls);
}

static const struct webhook_family *choose_family(const struct webhook_verifier *v, const struct webhook_request *req)
{
    size_t n = 0;

    if (v->s.families[1].signature == NULL)
        return &v->s.families[0];
    (void)webhook__header(req, v->s.families[0].signature, &n);
    if (n > 0)
        return &v->s.families[0];
    (void)webhook__header(req, v->s.families[1].signature, &n);
    return &v->s.families[n > 0 ? 1 : 0];
}

static bool read_inputs(const struct webhook_verifier *v, const struct webhook_family *f,
                        const struct webhook_request *req, struct candidates *c, struct webhook_inputs *in,
                        struct webhook_verdict *verdict)
{
    struct tl_sv value;

    if (!webhook__need_once(req, f->signature, "the signature header is missing",
                            "the signature header is there more than once", &value, verdict))
        return false;
    read_signatures(&v->s, value, c);
    if (c->too_many || c->n + c->n_asymmetric == 0) {
        webhook__refuse(verdict, 401, "the signature header is malformed, or holds no signature of a known version",
                        c->too_many ? "too many entries in the signature header"
                                    : "no usable entry in the signature header");
        return false;
    }
    if (f->timestamp != NULL &&
        !webhook__need_once(req, f->timestamp, "the timestamp header is missing",
                            "the timestamp header is there more than once", &in->timestamp, verdict))
        return false;
    if (v->s.syntax == SYNTAX_PAIRS && f->timestamp == NULL) {
        if (c->n_times != 1) {
            webhook__refuse(verdict, 401, "the timestamp of the signature is missing or malformed",
                            "not exactly one t= in the signature header");
            return false;
        }
        in->timestamp = c->time;
    }
    if (v->signs_id) {
        if (!webhook__need_once(req, f->id, "the id header is missing", "the id header is there more than once",
                                &in->id, verdict))
            return false;
        /* A full stop would let an id and a time be read in two ways; the specification keeps it out of both. */
        if (v->s.syntax == SYNTAX_SPACES && tl_sv_find(in->id, '.') < in->id.n) {
            webhook__refuse(verdict, 400, "the id header must not hold a full stop", "id holds a full stop");
            return false;
        }
    }
    in->method = req->method;
    in->body = req->body;
    return true;
}

static void verify_signature(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                             int64_t now_ms, struct webhook_verdict *verdict)
{
    const struct webhook_family *f = choose_family(v, req);
    struct candidates c = {.time = TL_SV_NULL};
    struct webhook_inputs in = {.id = TL_SV_NULL};
    bool any = false;

    if (!read_inputs(v, f, req, &c, &in, verdict) ||
        (v->s.has_time && !webhook__check_time(v, in.timestamp, now_ms, verdict)))
        return;
    if (v->s.quirk == QUIRK_TWILIO && !prepare_twilio(v, a, req, &in, verdict))
        return;
    if (v->signs_url)
        request_urls(v, a, req, &in);
    for (size_t i = 0; i < v->n_keys; i++) {
        if (webhook__is_good(&v->keys[i], now_ms) && match_secret(v, &v->keys[i], &c, &in) && !any) {
            any = true;
            verdict->secret = i;
        }
    }
    if (!any) {
        webhook__refuse(verdict, 401, "the signature does not match", "no active secret matches a presented signature");
        return;
    }
    verdict->ok = true;
    verdict->delivery_id = in.id;
}

/* ---- schemes without a signature ---- */

static struct tl_sv basic_password(const struct webhook_verifier *v, struct tl_arena *a, struct tl_sv value)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv all, user;
    size_t colon;

    tl_buf_init(&b, 4096);
    if (!tl_sv_starts_i(value, TL_SV("Basic ")) || !tl_base64_decode(&b, tl_sv_trim(tl_sv_from(value, 6))))
        return TL_SV_NULL;
    all = tl_arena_sv(a, tl_buf_view(&b));
    colon = tl_sv_find(all, ':');
    user = tl_sv(all.p, colon);
    return colon < all.n && tl_sv_eq_secret(user, v->user) ? tl_sv_from(all, colon + 1) : TL_SV_NULL;
}

static void verify_token(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                         int64_t now_ms, struct webhook_verdict *verdict)
{
    struct tl_sv value, prefix = tl_sv_str(v->s.prefix);
    bool any = false;

    if (!webhook__need_once(req, v->s.families[0].signature, "credentials are missing",
                            "credentials are there more than once", &value, verdict))
        return;
    if (v->s.proof == PROOF_BASIC)
        value = basic_password(v, a, value);
    else
        value = tl_sv_starts_i(value, prefix) ? tl_sv_from(value, prefix.n) : TL_SV_NULL;
    for (size_t i = 0; i < v->n_keys; i++) {
        bool same = value.p != NULL && tl_sv_eq_secret(value, v->keys[i].value);

        if (same && webhook__is_good(&v->keys[i], now_ms) && !any) {
            any = true;
            verdict->secret = i;
        }
    }
    if (any)
        verdict->ok = true;
    else
        webhook__refuse(verdict, 401, "the credentials do not match", "no active secret matches the credentials");
}

static void read_places(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                        struct webhook_verdict *verdict)
{
    size_t n = 0;

    for (size_t i = 0; i < 2 && verdict->delivery_id.n == 0 && v->s.id_header[i] != NULL; i++) {
        verdict->delivery_id = webhook__header(req, v->s.id_header[i], &n);
        if (n != 1)
            verdict->delivery_id = TL_SV_NULL;
    }
    for (size_t i = 0; i < 2 && verdict->event_type.n == 0 && v->s.type_header[i] != NULL; i++)
        verdict->event_type = webhook__header(req, v->s.type_header[i], &n);
    if (verdict->event_type.n > WEBHOOK_MAX_ID)
        verdict->event_type = TL_SV_NULL;
    if (verdict->delivery_id.n > WEBHOOK_MAX_ID ||
        (verdict->delivery_id.n == 0 && v->s.id_body != NULL && v->s.id_body[0] == '#')) {
        struct tl_sv what = verdict->delivery_id.n > 0 ? verdict->delivery_id : req->body;
        uint8_t digest[CRYPTO_MAX_DIGEST];
        struct tl_buf b;

        tl_buf_init(&b, 128);
        (void)crypto_digest(v->crypto, CRYPTO_SHA256, &what, 1, digest);
        tl_hex_encode(&b, digest, 32);
        verdict->delivery_id = tl_arena_sv(a, tl_buf_view(&b));
        tl_buf_done(&b);
    }
}

void webhook_verify(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                    int64_t now_ms, struct webhook_verdict *ret)
{
    *ret = (struct webhook_verdict){.status = 401, .reason = "the request is not authenticated", .now_ms = now_ms};
    if (v->s.proof == PROOF_HMAC || v->s.proof == PROOF_DIGEST)
        verify_signature(v, a, req, now_ms, ret);
    else if (v->s.proof == PROOF_TOKEN || v->s.proof == PROOF_BASIC)
        verify_token(v, a, req, now_ms, ret);
    else if (webhook__is_foreign(v->s.proof))
        webhook__foreign_verify(v, a, req, now_ms, ret);
    else
        ret->ok = true; /* nothing to prove, or proved by webhook_verify_body */
    if (!ret->ok)
        return;
    ret->status = 200;
    ret->reason = "";
    read_places(v, a, req, ret);
}

bool webhook_proof_is_body(const struct webhook_verifier *v)
{
    return v->s.proof == PROOF_BODY;
}

bool webhook_verify_body(const struct webhook_verifier *v, struct json body, struct webhook_verdict *verdict)
{
    struct json list = json_gets(body, "value");
    bool ok = list.type == JSON_ARRAY && list.n > 0;

    if (v->s.proof != PROOF_BODY)
        return true;
    for (uint32_t i = 0; ok && i < list.n; i++) {
        struct json state = json_gets(list.u.items[i], "clientState");
        bool any = false;

        for (size_t k = 0; k < v->n_keys; k++)
            any = (state.type == JSON_STRING && webhook__is_good(&v->keys[k], verdict->now_ms) &&
                   tl_sv_eq_secret(json_view(state), v->keys[k].value)) ||
                  any;
        ok = any;
    }
    if (!ok)
        webhook__refuse(verdict, 401, "clientState does not match", "an item's clientState is missing or not ours");
    return ok;
}

bool webhook_header_is_secret(const struct webhook_verifier *v, struct tl_sv name)
{
    static const char *const always[] = {"authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"};

    for (size_t i = 0; i < TL_COUNT(always); i++) {
        if (tl_sv_eqi(name, tl_sv_str(always[i])))
            return true;
    }
    for (size_t i = 0; v != NULL && i < 2 && v->s.families[i].signature != NULL; i++) {
        if (tl_sv_eqi(name, tl_sv_str(v->s.families[i].signature)))
            return true;
    }
    for (size_t i = 0; i + 9 <= name.n; i++) { /* any *signature* header, of whatever scheme */
        if (tl_sv_eqi(tl_sv(name.p + i, 9), TL_SV("signature")))
            return true;
    }
    return false;
}
