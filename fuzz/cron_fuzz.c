/* SPDX-License-Identifier: Apache-2.0 */
/* cron_fuzz.c - any text as a schedule; what parses must move on, in several zones, from any moment. */
#include "config/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const zones[] = {"UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia"};
    struct tl_arena *a = tl_arena_new(1 << 20);
    const struct config_zone *z = NULL;
    struct config_cron c;
    struct tl_err err;
    int64_t from = 0, next;
    int32_t hours = 0;

    if (size > 4) {
        memcpy(&hours, data, 4);
        from = INT64_C(3600000) * hours % INT64_C(4000000000000);
        if (config_zone_load(a, zones[data[0] % TL_COUNT(zones)], &z, &err) == TL_OK &&
            config_cron_parse(tl_sv((const char *)data + 4, size - 4), &c, &err) == TL_OK)
            for (int i = 0; i < 5 && config_cron_next(&c, z, from, &next); i++) {
                assert(next > from);
                from = next;
            }
    }
    tl_arena_free(a);
    return 0;
}
