/* SPDX-License-Identifier: Apache-2.0 */
/* default.c - where the local store lies unless told otherwise: the same answer for `run`, `check` and `secrets`. */
#include <stdlib.h>

#include "secret/secret_int.h"

struct secret_options secret_default_options(const struct crypto *c)
{
    const char *path = getenv("TIELINE_SECRETS");
    const char *key_file = getenv("TIELINE_SECRETS_KEY_FILE");
    struct secret_options o = {.crypto = c, .store_path = path ? path : "secrets.tls"};

    if (key_file)
        o.store_key = (struct config_secret){.kind = CONFIG_SECRET_FILE, .name = key_file};
    else
        o.store_key = (struct config_secret){.kind = CONFIG_SECRET_ENV, .name = "TIELINE_SECRETS_KEY"};
    return o;
}
