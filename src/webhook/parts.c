/* SPDX-License-Identifier: Apache-2.0 */
/* parts.c - the odd ingredients of signed texts: URLs as senders spell them, sorted form fields; and ids out of bodies.
 */
#include <stdlib.h>

#include "webhook/webhook_int.h"
#include "xml/xml.h"

enum { MAX_FIELDS = 1000, MAX_FORM = 1024 * 1024 };

bool webhook__is_form(struct tl_sv content_type)
{
    return tl_sv_eqi(tl_sv_trim(tl_sv(content_type.p, tl_sv_find(content_type, ';'))),
                     TL_SV("application/x-www-form-urlencoded"));
}

static struct tl_sv decoded(struct tl_arena *a, struct tl_sv s, bool *ok)
{
    struct tl_sv out = TL_SV_NULL;
    struct tl_buf b;

    tl_buf_init(&b, MAX_FORM);
    if (tl_percent_decode(&b, s, true))
        out = tl_arena_sv(a, tl_buf_view(&b));
    *ok = !b.failed && (out.p != NULL || b.n == 0);
    if (b.n == 0)
        out = TL_SV("");
    tl_buf_done(&b);
    return out;
}

bool webhook__query(struct tl_arena *a, struct tl_sv target, const char *name, struct tl_sv *ret)
{
    struct tl_sv rest = tl_sv_from(target, tl_sv_find(target, '?') + 1), pair;
    bool ok;

    while (tl_sv_cut(&rest, '&', &pair)) {
        size_t eq = tl_sv_find(pair, '=');
        struct tl_sv key = decoded(a, tl_sv(pair.p, eq), &ok), value;

        if (!ok || !tl_sv_eqs(key, name))
            continue;
        value = decoded(a, tl_sv_from(pair, eq + 1), &ok);
        if (ok)
            *ret = value;
        return ok;
    }
    return false;
}

/* HubSpot signs the URL with these twelve escapes decoded and all others kept. */
static struct tl_sv hubspot_url(struct tl_arena *a, struct tl_sv url)
{
    static const char plain[] = ":/?@!$'()*,;";
    char *out = tl_arena_must(a, url.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < url.n; i++) {
        out[n] = url.p[i];
        if (url.p[i] == '%' && i + 2 < url.n) {
            struct tl_buf b;

            tl_buf_init(&b, 4);
            if (tl_hex_decode(&b, tl_sv(url.p + i + 1, 2)) && b.p[0] != '\0' && strchr(plain, b.p[0]) != NULL) {
                out[n] = b.p[0];
                i += 2;
            }
            tl_buf_done(&b);
        }
        n++;
    }
    return tl_sv(out, n);
}

/* Twilio signs with or without the port, whatever it was told: all three spellings are good. */
static size_t twilio_urls(struct tl_arena *a, struct tl_sv url, struct tl_sv ret[WEBHOOK_MAX_URLS])
{
    bool tls = tl_sv_starts_i(url, TL_SV("https://"));
    size_t from = tl_sv_find_sv(url, TL_SV("://")) + 3, host = 0, colon;
    struct tl_sv rest = tl_sv_from(url, from);

    ret[0] = url;
    while (host < rest.n && rest.p[host] != '/' && rest.p[host] != '?')
        host++;
    colon = tl_sv_find(tl_sv(rest.p, host), ':');
    if (from >= url.n || (host > 0 && rest.p[0] == '['))
        return 1;
    if (colon < host)
        ret[1] = tl_sv_str(tl_arena_printf(a, "%.*s%.*s%.*s", (int)from, url.p, (int)colon, rest.p,
                                           TL_SV_ARG(tl_sv_from(rest, host))));
    else
        ret[1] = tl_sv_str(tl_arena_printf(a, "%.*s%.*s:%s%.*s", (int)from, url.p, (int)host, rest.p,
                                           tls ? "443" : "80", TL_SV_ARG(tl_sv_from(rest, host))));
    return 2;
}

size_t webhook__url_forms(struct tl_arena *a, enum webhook_quirk quirk, bool decode, struct tl_sv url,
                          struct tl_sv ret[WEBHOOK_MAX_URLS])
{
    if (quirk == QUIRK_TWILIO)
        return twilio_urls(a, url, ret);
    ret[0] = decode ? hubspot_url(a, url) : url;
    if (decode && !tl_sv_eq(ret[0], url)) { /* the vendor's own libraries do not decode */
        ret[1] = url;
        return 2;
    }
    return 1;
}

struct field {
    struct tl_sv name, value;
};

static int compare_fields(const void *a, const void *b)
{
    const struct field *x = a, *y = b;
    int by_name = tl_sv_cmp(x->name, y->name);

    return by_name != 0 ? by_name : tl_sv_cmp(x->value, y->value);
}

bool webhook__sorted_form(struct tl_arena *a, struct tl_sv body, struct tl_sv *ret)
{
    struct field *f = tl_arena_must(a, MAX_FIELDS * sizeof(*f));
    struct tl_sv rest = body, pair;
    struct tl_buf b;
    size_t n = 0;
    bool ok = true, ok_value = true;

    while (body.n > 0 && tl_sv_cut(&rest, '&', &pair)) {
        size_t eq = tl_sv_find(pair, '=');

        if (pair.n == 0)
            continue;
        if (n == MAX_FIELDS)
            return false;
        f[n].name = decoded(a, tl_sv(pair.p, eq), &ok);
        f[n].value = decoded(a, tl_sv_from(pair, eq + 1), &ok_value);
        if (!ok || !ok_value)
            return false;
        n++;
    }
    qsort(f, n, sizeof(*f), compare_fields);
    tl_buf_init(&b, MAX_FORM);
    for (size_t i = 0; i < n; i++) {
        /* A value given twice under one name counts once. */
        if (i > 0 && compare_fields(&f[i - 1], &f[i]) == 0)
            continue;
        tl_buf_sv(&b, f[i].name);
        tl_buf_sv(&b, f[i].value);
    }
    *ret = b.n > 0 ? tl_arena_sv(a, tl_buf_view(&b)) : TL_SV("");
    ok = !b.failed && ret->p != NULL;
    tl_buf_done(&b);
    return ok;
}

/* ---- ids and types out of the parsed body ---- */

static bool scalar_text(struct tl_buf *b, struct json v)
{
    if (v.type == JSON_OBJECT && xml_text(v).n > 0) /* an element of XML that has attributes */
        return tl_buf_sv(b, xml_text(v));
    if (v.type == JSON_STRING)
        return v.n > 0 && tl_buf_sv(b, json_view(v));
    return (json_is_number(v) || v.type == JSON_BOOL) && json_write(b, v, 0);
}

/* Pointers joined by '+', or one; every part must be there. */
static bool composite(struct tl_buf *b, struct json doc, struct tl_sv spec, bool one)
{
    struct tl_sv part = spec;
    bool first = true;

    while (one ? first : tl_sv_cut(&spec, '+', &part)) {
        struct json v = JSON_NOTHING;

        if (!first && !tl_buf_putc(b, ':'))
            return false;
        if (json_pointer_get(doc, part, &v, NULL) != TL_OK || !scalar_text(b, v))
            return false;
        first = false;
    }
    return !first;
}

static bool of_every_item(struct tl_buf *b, struct json body, struct tl_sv spec)
{
    size_t bar = tl_sv_find(spec, '|');
    struct json list = body;

    if (bar > 1 && json_pointer_get(body, tl_sv(spec.p + 1, bar - 1), &list, NULL) != TL_OK)
        return false;
    if (list.type != JSON_ARRAY || list.n == 0)
        return false;
    for (uint32_t i = 0; i < list.n; i++) {
        if ((i > 0 && !tl_buf_putc(b, ',')) || !composite(b, list.u.items[i], tl_sv_from(spec, bar + 1), false))
            return false;
    }
    return true;
}

static struct json without(struct tl_arena *a, struct json item, const char *name)
{
    struct json_builder b;

    if (item.type != JSON_OBJECT)
        return item;
    json_object_begin(&b, a, item.n);
    for (uint32_t i = 0; i < item.n; i++)
        if (!tl_sv_eqs(json_view(item.u.members[i].key), name))
            (void)json_add(&b, json_view(item.u.members[i].key), item.u.members[i].value);
    return json_end(&b);
}

/* The digest of the body, an event or a list of them, without what is counted up. */
static struct tl_sv same_body(const struct webhook_verifier *v, struct tl_arena *a, struct json body)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct json_builder list;
    struct tl_sv all;

    json_array_begin(&list, a, body.type == JSON_ARRAY ? body.n : 0);
    for (uint32_t i = 0; body.type == JSON_ARRAY && i < body.n; i++)
        (void)json_push(&list, without(a, body.u.items[i], v->s.counts));
    tl_buf_init(&b, 64 << 20);
    if (!json_write(&b, body.type == JSON_ARRAY ? json_end(&list) : without(a, body, v->s.counts), JSON_WRITE_SORTED))
        return TL_SV_NULL;
    all = tl_buf_view(&b);
    (void)crypto_digest(v->crypto, CRYPTO_SHA256, &all, 1, digest);
    return tl_arena_sv(a, tl_sv((const char *)digest, 32));
}

void webhook_identify(const struct webhook_verifier *v, struct tl_arena *a, struct json body,
                      struct webhook_verdict *verdict)
{
    struct tl_sv spec = tl_sv_str(v->s.id_body), all;
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct json type = JSON_NOTHING;
    struct tl_buf b;

    tl_buf_init(&b, 256 * 1024);
    if (verdict->delivery_id.n == 0 && spec.n > 0 && spec.p[0] != '#' &&
        (spec.p[0] == '*' ? of_every_item(&b, body, spec) : composite(&b, body, spec, v->s.id_is_one))) {
        if (b.n > WEBHOOK_MAX_ID) { /* a batch: the digest of its ids */
            all = tl_buf_view(&b);
            (void)crypto_digest(v->crypto, CRYPTO_SHA256, &all, 1, digest);
            tl_buf_clear(&b);
            tl_hex_encode(&b, digest, 32);
        }
        verdict->delivery_id = tl_arena_sv(a, tl_buf_view(&b));
    }
    tl_buf_done(&b);
    if (verdict->event_type.n == 0 && v->s.type_body != NULL &&
        json_pointer_get(body, tl_sv_str(v->s.type_body), &type, NULL) == TL_OK && type.type == JSON_STRING &&
        type.n <= WEBHOOK_MAX_ID)
        verdict->event_type = json_view(type);
    if (v->s.counts != NULL)
        verdict->same_body = same_body(v, a, body);
}
