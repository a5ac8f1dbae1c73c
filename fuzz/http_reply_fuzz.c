/* SPDX-License-Identifier: Apache-2.0 */
/* Property: what a reply says does not depend on how its bytes are cut. The first byte chooses the cuts. */
#include "http/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *p, size_t n, uint32_t cuts, bool head_request, struct tl_buf *out)
{
    struct http_header slots[8];
    struct http_reader r = {.slots = slots, .n_slots = 8, .max_head = 400, .head_request = head_request};
    char *in = tl_alloc(n + 1);
    size_t have = 0, given = 0, used;
    enum http_step step = HTTP_MORE;
    struct tl_sv piece;

    tl_buf_init(out, 1 << 20);
    for (;;) {
        step = http_reader_step(&r, in, have, &used, &piece);
        assert(used <= have);
        if (step == HTTP_HEAD_DONE) {
            (void)tl_buf_printf(out, "[%d %d %d %llu]", r.status, r.keep_alive, r.has_length,
                                (unsigned long long)r.length);
            for (size_t i = 0; i < r.headers.n; i++)
                (void)tl_buf_printf(out, "%.*s=%.*s|", TL_SV_ARG(r.headers.v[i].name), TL_SV_ARG(r.headers.v[i].value));
        } else if (step == HTTP_DATA) {
            (void)tl_buf_sv(out, piece);
        } else if (step == HTTP_END || step == HTTP_BAD) {
            break;
        }
        have -= used;
        memmove(in, in + used, have);
        if (step != HTTP_MORE || used > 0)
            continue;
        if (given == n)
            break;
        cuts = cuts ? cuts * 1664525u + 1013904223u : 0;
        for (size_t left = cuts ? 1 + cuts % 7 : n; left > 0 && given < n; left--)
            in[have++] = (char)p[given++];
    }
    (void)tl_buf_printf(out, "%d %d %s", (int)step, http_reader_closed(&r), step == HTTP_BAD ? r.reason : "");
    tl_free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_buf a, b;

    if (size < 1 || size > 4096)
        return 0;
    run(data + 1, size - 1, 0, data[0] & 1, &a);
    run(data + 1, size - 1, data[0] + 1u, data[0] & 1, &b);
    assert(tl_sv_eq(tl_buf_view(&a), tl_buf_view(&b)));
    tl_buf_done(&a);
    tl_buf_done(&b);
    return 0;
}
