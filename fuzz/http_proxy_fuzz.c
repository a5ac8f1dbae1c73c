/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of the PROXY header's parser: nothing beyond what it was given is read; a cut asks for more than is there
 * and never less than before, and what it says of the whole does not depend on cuts; what is taken names a client over
 * TCP, or is LOCAL. */
#include <stdlib.h>

#include "http/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static int parse(const uint8_t *data, size_t n, struct http_addr *peer)
{
    uint8_t *exact = tl_alloc(n ? n : 1);
    int got;

    if (n)
        memcpy(exact, data, n);
    *peer = (struct http_addr){.family = 0};
    got = http_proxy_v2(exact, n, peer);
    tl_free(exact);
    check(got >= -1 && got <= 16 + 1024 && (got <= 0 || (size_t)got > n));
    check(got == 0 || peer->family == 0);
    return got;
}

static bool same(const struct http_addr *a, const struct http_addr *b)
{
    return a->family == b->family && a->port == b->port && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_addr peer, part;
    int whole, last = 0;

    if (size > 1200)
        return 0;
    whole = parse(data, size, &peer);
    for (size_t n = 0; n < size && last != -1; n++) {
        int got = parse(data, n, &part);

        check(got != -1 || whole == -1);
        if (got == 0) { /* the rest is not the header's */
            check(whole == 0 && same(&part, &peer));
            break;
        }
        check(got == -1 || got >= last);
        last = got;
    }
    if (whole == 0 && data[12] == 0x21)
        check((data[13] == 0x11 && peer.family == 4) || (data[13] == 0x21 && peer.family != 0));
    if (whole == 0 && data[12] == 0x20)
        check(peer.family == 0);
    return 0;
}
