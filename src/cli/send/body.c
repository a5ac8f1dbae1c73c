/* SPDX-License-Identifier: Apache-2.0 */
/* body.c - bodies of sample events from templates. */
#include <math.h>

#include "cli/send/send.h"

enum { MAX_PARTS = 256, MAX_BODY = 32 << 20, MAX_STEPS = 16 };

const char cli__sample_order[] = "{\"id\":{{seq}},\"name\":\"#{{seq}}\",\"created_at\":\"{{now}}\",\"financial_"
                                 "status\":\"paid\",\"currency\":\"EUR\","
                                 "\"customer\":{\"id\":{{key}},\"email\":\"customer{{key}}@example.com\"},\"lines\":["
                                 "{\"sku\":\"a-{{rand 900}}\",\"quantity\":2,\"price\":10},{\"sku\":\"b-{{rand "
                                 "900}}\",\"quantity\":1,\"price\":5.5}]}";

enum part_kind { PART_TEXT, PART_SEQ, PART_ID, PART_NOW, PART_RAND, PART_KEY };
struct part {
    enum part_kind kind;
    struct tl_sv text;
    uint64_t n;
};
struct template
{
    char *text;
    struct part parts[MAX_PARTS];
    size_t n;
};
struct send_bodies {
    struct template *templates;
    size_t n;
    char *run;
    int64_t start_ms;
    uint64_t keys;
    struct tl_sv steps[MAX_STEPS]; /* of the key field */
    size_t n_steps;
    char *key_field;
    struct tl_arena *arena;
};

static bool read_part(struct tl_sv word, struct part *p)
{
    static const struct {
        const char *name;
        enum part_kind kind;
    } names[] = {{"seq", PART_SEQ}, {"id", PART_ID}, {"now", PART_NOW}, {"key", PART_KEY}};

    word = tl_sv_trim(word);
    for (size_t i = 0; i < TL_COUNT(names); i++) {
        if (tl_sv_eqs(word, names[i].name)) {
            p->kind = names[i].kind;
            return true;
        }
    }
    p->kind = PART_RAND;
    return tl_sv_starts(word, TL_SV("rand ")) && tl_sv_u64(tl_sv_trim(tl_sv_from(word, 5)), &p->n) && p->n;
}

static enum tl_rc parse(struct template *t, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_str(t->text);

    while (rest.n) {
        size_t at = tl_sv_find_sv(rest, TL_SV("{{")), end;

        if (t->n + 2 > MAX_PARTS)
            return tl_fail(err, TL_LIMIT, "a template has more than %d places", MAX_PARTS / 2);
        if (at)
            t->parts[t->n++] = (struct part){.kind = PART_TEXT, .text = tl_sv(rest.p, at)};
        rest = tl_sv_from(rest, at);
        if (!rest.n)
            break;
        rest = tl_sv_from(rest, 2);
        end = tl_sv_find_sv(rest, TL_SV("}}"));
        if (end == rest.n || !read_part(tl_sv(rest.p, end), &t->parts[t->n]))
            return tl_fail(err, TL_INVALID,
                           "in a template only {{seq}}, {{id}}, {{now}}, {{key}} and {{rand N}} mean something");
        t->n++;
        rest = tl_sv_from(rest, end + 2);
    }
    return TL_OK;
}

enum tl_rc cli__bodies_new(const struct tl_sv *templates, size_t n, const char *key_field, uint64_t keys,
                           const char *run, int64_t start_ms, struct send_bodies **ret, struct tl_err *err)
{
    struct send_bodies *b = tl_zalloc(sizeof *b);
    struct tl_sv rest = tl_sv_str(key_field);
    enum tl_rc rc = TL_OK;

    b->templates = tl_zalloc(n * sizeof *b->templates);
    b->run = tl_strdup(run);
    b->start_ms = start_ms;
    b->keys = keys ? keys : 100;
    b->arena = tl_arena_new(1 << 30);
    for (; b->n < n && rc == TL_OK; b->n++) {
        b->templates[b->n].text = tl_strndup(templates[b->n].p, templates[b->n].n);
        rc = parse(&b->templates[b->n], err);
    }
    if (key_field) {
        b->key_field = tl_strdup(key_field);
        rest = tl_sv_str(b->key_field);
        while (b->n_steps < MAX_STEPS && tl_sv_cut(&rest, '.', &b->steps[b->n_steps]))
            b->n_steps++;
    }
    if (rc == TL_OK)
        *ret = b;
    else
        cli__bodies_free(b);
    return rc;
}

void cli__bodies_free(struct send_bodies *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n; i++)
        tl_free(b->templates[i].text);
    tl_free(b->templates);
    tl_free(b->run);
    tl_free(b->key_field);
    tl_arena_free(b->arena);
    tl_free(b);
}

char *cli__body_id(const struct send_bodies *b, uint64_t seq, char out[64])
{
    snprintf(out, 64, "%s-%llu", b->run, (unsigned long long)seq);
    return out;
}

static uint64_t key_of(const struct send_bodies *b, uint64_t seq)
{
    return tl_hash64(&seq, sizeof seq, 1) % b->keys + 1;
}

static void put_part(const struct send_bodies *b, const struct part *p, size_t index, uint64_t seq, struct tl_buf *out)
{
    char text[64];

    switch (p->kind) {
    case PART_TEXT:
        (void)tl_buf_sv(out, p->text);
        break;
    case PART_SEQ:
        (void)tl_buf_printf(out, "%llu", (unsigned long long)seq);
        break;
    case PART_ID:
        (void)tl_buf_puts(out, cli__body_id(b, seq, text));
        break;
    case PART_NOW:
        (void)tl_buf_puts(out, tl_time_format(b->start_ms + (int64_t)seq, text));
        break;
    case PART_RAND:
        (void)tl_buf_printf(out, "%llu", (unsigned long long)(tl_hash64(&seq, sizeof seq, 100 + index) % p->n));
        break;
    case PART_KEY:
        (void)tl_buf_printf(out, "%llu", (unsigned long long)key_of(b, seq));
        break;
    }
}

static struct json set_at(struct send_bodies *b, struct json v, size_t step, struct json value)
{
    struct json_builder o;

    if (step == b->n_steps)
        return value;
    json_object_begin(&o, b->arena, v.type == JSON_OBJECT ? v.n + 1 : 1);
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        json_add(&o, json_view(v.u.members[i].key), v.u.members[i].value);
    json_set(&o, b->steps[step], set_at(b, json_get(v, b->steps[step]), step + 1, value));
    return json_end(&o);
}

static enum tl_rc set_key(struct send_bodies *b, uint64_t seq, struct tl_buf *out, struct tl_err *err)
{
    struct json v;
    enum tl_rc rc;

    tl_arena_reset(b->arena);
    rc = json_parse(b->arena, tl_arena_sv(b->arena, tl_buf_view(out)), 0, NULL, &v, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "--key-field needs bodies that are JSON");
    tl_buf_clear(out);
    v = set_at(b, v, 0, json_int((int64_t)key_of(b, seq)));
    return json_write(out, v, 0) ? TL_OK : tl_fail(err, TL_LIMIT, "a body is larger than 32 MB");
}

enum tl_rc cli__body(struct send_bodies *b, uint64_t seq, bool malformed, struct tl_buf *out, struct tl_err *err)
{
    const struct template *t = &b->templates[(seq - 1) % b->n];

    tl_buf_clear(out);
    for (size_t i = 0; i < t->n; i++)
        put_part(b, &t->parts[i], i, seq, out);
    if (out->failed)
        return tl_fail(err, TL_LIMIT, "a body is larger than 32 MB");
    if (b->key_field) {
        enum tl_rc rc = set_key(b, seq, out, err);

        if (rc != TL_OK)
            return rc;
    }
    if (malformed) /* what a sender that broke off would leave */
        out->n = out->n > 2 ? out->n * 2 / 3 : 0;
    if (malformed && out->n == 0)
        (void)tl_buf_puts(out, "{");
    return TL_OK;
}

bool cli__chosen(uint64_t seq, double share)
{
    return llround(floor((double)seq * share + 1e-9)) > llround(floor((double)(seq - 1) * share + 1e-9));
}
