/* SPDX-License-Identifier: Apache-2.0 */
/* What a webhook's MAC costs over the bare hash of its body. */
#include <stdio.h>

#include "crypto/crypto.h"

static double run(const struct crypto *c, const struct crypto_hmac *m, size_t body)
{
    static const size_t rounds = 400000;
    char *text = tl_zalloc(body);
    uint8_t out[CRYPTO_MAX_DIGEST];
    struct tl_sv parts[] = {TL_SV("msg_2fL8vHqHn3Yk1Qf0w9Zc"), TL_SV("."), TL_SV("1700000000"), TL_SV("."),
                            tl_sv(text, body)};
    uint64_t start = tl_clock_mono_ns(tl_clock_system());

    for (size_t i = 0; i < rounds; i++) {
        if (m != NULL)
            (void)crypto_hmac_sum(m, parts, 5, out);
        else
            (void)crypto_digest(c, CRYPTO_SHA256, parts, 5, out);
    }
    tl_free(text);
    return (double)(tl_clock_mono_ns(tl_clock_system()) - start) / (double)rounds;
}

int main(void)
{
    struct crypto *c = NULL;
    struct crypto_hmac *m;

    if (crypto_new(&c, NULL) != TL_OK)
        return 1;
    m = crypto_hmac_new(c, CRYPTO_SHA256, TL_SV("0123456789abcdef0123456789abcdef"));
    for (size_t body = 64; body <= 65536; body *= 4)
        (void)printf("%6zu bytes: sha256 %8.0f ns, hmac %8.0f ns\n", body, run(c, NULL, body), run(c, m, body));
    crypto_hmac_free(m);
    crypto_free(c);
    return 0;
}
