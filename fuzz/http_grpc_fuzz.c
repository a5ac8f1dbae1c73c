/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC frames: what is read from the whole is read from any cut of it. The rest of the input is a status and its text.
 */
#include <stdlib.h>

#include "http/grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 300 };

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void verdicts(struct tl_sv text)
{
    size_t cut = tl_sv_find(text, '\n');
    struct http_header v[] = {{TL_SV("grpc-status"), tl_sv(text.p, cut)},
                              {TL_SV("grpc-message"), tl_sv_from(text, cut + 1)}};
    struct http_headers trailers = {v, 2}, head = {NULL, 0};
    struct tl_err err = {0};
    int code;
    enum tl_rc rc = http_grpc_verdict(200, &head, &trailers, &code, &err);

    check((rc == TL_OK) == (code == 0));
    for (const char *p = err.text; *p; p++)
        check((unsigned char)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv in = tl_sv((const char *)data, size), message, again;
    enum http_grpc_step step;

    verdicts(in);
    while ((step = http_grpc_next(in, MAX, &message, NULL)) == HTTP_GRPC_MESSAGE) {
        size_t used = HTTP_GRPC_PREFIX + message.n;
        char prefix[HTTP_GRPC_PREFIX];

        check(used <= in.n && message.n <= MAX);
        http_grpc_prefix(message.n, prefix);
        check(memcmp(prefix, in.p, sizeof prefix) == 0);
        for (size_t n = 0; n < used; n++)
            check(http_grpc_next(tl_sv(in.p, n), MAX, &again, NULL) == HTTP_GRPC_MORE);
        in = tl_sv_from(in, used);
    }
    check(step != HTTP_GRPC_MORE || in.n < HTTP_GRPC_PREFIX + MAX);
    return 0;
}
