/* SPDX-License-Identifier: Apache-2.0 */
/* config_fuzz.c - any bytes as a configuration file: read, parse with tables of every type, print what holds, read that
 * again. */
#include "config/config.h"
#include "../src/config/test/example.c"

static const char *env(void *arg, const char *name)
{
    (void)arg;
    return name[0] == 'A' ? "7" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_arena *a = tl_arena_new(8 << 20);
    struct config_errors *e = config_errors_new();
    struct config_options opt = {
        .env = env, .env_may_be_missing = size % 2 == 0, .allow_literal_secrets = size % 3 == 0};
    struct config_node *n, *again;
    struct tl_buf b;
    void *conf;
    size_t count;

    tl_buf_init(&b, 1 << 20);
    if (config_parse_yaml(a, "f.yaml", tl_sv((const char *)data, size), e, &n) == TL_OK) {
        enum tl_rc rc = config_parse(a, &example_spec, n, &opt, e, &conf);

        if (config_print_effective(&example_spec, n, &b) && rc == TL_OK) {
            opt.allow_literal_secrets = true;
            assert(config_parse_yaml(a, "g.yaml", tl_buf_view(&b), e, &again) == TL_OK);
            assert(config_parse(a, &example_spec, again, &opt, e, &conf) == TL_OK || tl_arena_exceeded(a));
            (void)config_diff(a, n, again, 100, &count);
        }
        (void)config_to_json(a, n);
    }
    tl_buf_clear(&b);
    (void)config_errors_text(e, size % 5 == 0, &b);
    (void)config_errors_json(e, a);
    tl_buf_done(&b);
    config_errors_free(e);
    tl_arena_free(a);
    return 0;
}
