/* SPDX-License-Identifier: Apache-2.0 */
/* Property: the parser's result does not depend on how the bytes are cut. The first bytes choose limits and cuts. */
#include <stdio.h>

#include "http/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct trace {
    struct tl_buf out, body;
    char *held;
    size_t have;
    bool bad;
};

static void note_headers(struct trace *t, const struct http_headers *h)
{
    for (size_t i = 0; i < h->n; i++)
        (void)tl_buf_printf(&t->out, "%.*s=%.*s|", TL_SV_ARG(h->v[i].name), TL_SV_ARG(h->v[i].value));
}

static void note(struct trace *t, struct http_codec *c, enum http_step step, struct tl_sv piece)
{
    if (step == HTTP_DATA) {
        (void)tl_buf_sv(&t->body, piece);
    } else if (step == HTTP_HEAD_DONE) {
        (void)tl_buf_printf(&t->out, "[%.*s %.*s %.*s %.*s %d%d%d%d %llu]", TL_SV_ARG(c->head.method_text),
                            TL_SV_ARG(c->head.path), TL_SV_ARG(c->head.query), TL_SV_ARG(c->head.authority),
                            c->head.keep_alive, c->head.chunked, c->head.expect_continue, c->head.upgrade,
                            (unsigned long long)c->head.length);
        note_headers(t, &c->head.headers);
    } else if (step == HTTP_END) {
        (void)tl_buf_sv(&t->out, tl_buf_view(&t->body));
        note_headers(t, &c->trailers);
        tl_buf_clear(&t->body);
        http_codec_next_message(c);
    } else if (step == HTTP_BAD) {
        (void)tl_buf_printf(&t->out, "!%u %s", c->status, c->reason);
        t->bad = true;
    }
}

static void feed(struct trace *t, struct http_codec *c, const uint8_t *p, size_t n)
{
    char *fresh = tl_alloc(t->have + n + 1);
    size_t at = 0, used;

    if (t->have)
        memcpy(fresh, t->held, t->have);
    memcpy(fresh + t->have, p, n);
    tl_free(t->held);
    t->held = fresh;
    t->have += n;
    while (!t->bad) {
        struct tl_sv piece;
        enum http_step step = http_codec_step(c, t->held + at, t->have - at, &used, &piece);

        assert(used <= t->have - at);
        note(t, c, step, piece);
        at += used;
        if (step == HTTP_MORE || (step == HTTP_END && at == t->have))
            break;
    }
    t->have -= at;
    memmove(t->held, t->held + at, t->have);
}

static void run(const struct http_limits *limits, const uint8_t *p, size_t n, uint32_t cuts, struct trace *t)
{
    struct http_header slots[16];
    struct http_codec c;

    *t = (struct trace){.have = 0};
    tl_buf_init(&t->out, 1 << 22);
    tl_buf_init(&t->body, 1 << 22);
    http_codec_init(&c, limits, slots);
    for (size_t at = 0; at < n && !t->bad;) {
        size_t take = cuts ? 1 + cuts % 7 : n;

        cuts = cuts ? cuts * 1664525u + 1013904223u : 0;
        take = take < n - at ? take : n - at;
        feed(t, &c, p + at, take);
        at += take;
    }
    if (!t->bad)
        (void)tl_buf_sv(&t->out, tl_buf_view(&t->body));
    tl_free(t->held);
}

static void done(struct trace *t)
{
    tl_buf_done(&t->out);
    tl_buf_done(&t->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_limits limits = {
        .request_line = 200, .headers = 8, .header_bytes = 400, .trailer_bytes = 100, .chunk_ext = 16};
    struct trace a, b;

    if (size < 1 || size > 4096)
        return 0;
    run(&limits, data + 1, size - 1, 0, &a);
    run(&limits, data + 1, size - 1, data[0] + 1u, &b);
    assert(tl_sv_eq(tl_buf_view(&a.out), tl_buf_view(&b.out)));
    done(&a);
    done(&b);
    return 0;
}
