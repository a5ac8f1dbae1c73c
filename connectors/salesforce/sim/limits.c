/* SPDX-License-Identifier: Apache-2.0 */
/* limits.c - API calls of the rolling 24 hours, in cells of an hour, and what /limits says. */
#include "salesforce/sim/sim_int.h"

enum { HOUR_MS = 3600000 };

static void roll(struct sfsim *s)
{
    int64_t now = tl_clock_wall_ms(s->clock);

    if (s->cell_start_ms == 0)
        s->cell_start_ms = now;
    for (int i = 0; i < SFSIM_CELLS && now >= s->cell_start_ms + HOUR_MS; i++) {
        memmove(&s->cells[1], &s->cells[0], (SFSIM_CELLS - 1) * sizeof s->cells[0]);
        s->cells[0] = 0;
        s->cell_start_ms += HOUR_MS;
    }
    if (now >= s->cell_start_ms + HOUR_MS)
        s->cell_start_ms = now;
}

uint64_t sfsim_used(struct sfsim *s)
{
    uint64_t n = 0;

    roll(s);
    for (int i = 0; i < SFSIM_CELLS; i++)
        n += s->cells[i];
    return n;
}

void sfsim_use(struct sfsim *s)
{
    roll(s);
    s->cells[0]++;
}

static void add(struct json_builder *b, const char *name, int64_t most, int64_t left)
{
    struct json_builder one;

    json_object_begin(&one, b->arena, 2);
    (void)json_adds(&one, "Max", json_int(most));
    (void)json_adds(&one, "Remaining", json_int(left > 0 ? left : 0));
    (void)json_adds(b, name, json_end(&one));
}

struct json sfsim_limits(struct sfsim *s, struct tl_arena *a)
{
    static const struct {
        const char *name;
        int64_t most;
    } rest[] = {{"DailyBulkApiBatches", 15000},
                {"DailyBulkV2QueryJobs", 10000},
                {"DailyBulkV2QueryFileStorageMB", 976562},
                {"DailyStreamingApiEvents", 200000},
                {"DailyDurableStreamingApiEvents", 200000},
                {"DailyDeliveredPlatformEvents", 50000},
                {"HourlyPublishedPlatformEvents", 250000},
                {"StreamingApiConcurrentClients", 1000},
                {"DurableStreamingApiConcurrentClients", 1000},
                {"DataStorageMB", 10240},
                {"FileStorageMB", 10240}};
    struct json_builder b;

    json_object_begin(&b, a, 16);
    add(&b, "DailyApiRequests", s->opt.daily, s->opt.daily - (int64_t)sfsim_used(s));
    for (size_t i = 0; i < TL_COUNT(rest); i++)
        add(&b, rest[i].name, rest[i].most, rest[i].most);
    return json_end(&b);
}
