/* SPDX-License-Identifier: Apache-2.0 */
/* diff.c - what differs between an expected value and the one that came, place by place. */
#include "cli/cli_int.h"

enum { MAX_PATH = 1024, MAX_PLACES = 100, MAX_VALUE = 300 };

struct diff {
    struct tl_buf *out;
    size_t places;
    char path[MAX_PATH];
};

static void put_value(struct diff *d, const char *label, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 16 << 20);
    if (v.type == JSON_UNDEFINED)
        (void)tl_buf_puts(&b, "nothing");
    else
        json_write(&b, v, JSON_WRITE_SORTED);
    (void)tl_buf_printf(d->out, "    %s  %.*s%s\n", label, (int)(b.n > MAX_VALUE ? MAX_VALUE : b.n), b.p ? b.p : "",
                        b.n > MAX_VALUE ? "..." : "");
}

static void differ(struct diff *d, struct json expected, struct json got)
{
    if (d->places++ >= MAX_PLACES)
        return;
    (void)tl_buf_printf(d->out, "  %s\n", d->path[0] ? d->path : "(the whole)");
    put_value(d, "expected", expected);
    put_value(d, "got     ", got);
}

static void compare(struct diff *d, struct json expected, struct json got);

static void under(struct diff *d, const char *step, struct json expected, struct json got)
{
    size_t n = strlen(d->path);

    snprintf(d->path + n, MAX_PATH - n, "%s", step);
    compare(d, expected, got);
    d->path[n] = 0;
}

static void objects(struct diff *d, struct json expected, struct json got)
{
    char step[300];

    for (uint32_t i = 0; i < expected.n; i++) {
        struct tl_sv key = json_view(expected.u.members[i].key);

        snprintf(step, sizeof step, "%s%.*s", d->path[0] ? "." : "", TL_SV_ARG(key));
        under(d, step, expected.u.members[i].value, json_get(got, key));
    }
    for (uint32_t i = 0; i < got.n; i++) {
        struct tl_sv key = json_view(got.u.members[i].key);

        if (json_get(expected, key).type != JSON_UNDEFINED)
            continue;
        snprintf(step, sizeof step, "%s%.*s", d->path[0] ? "." : "", TL_SV_ARG(key));
        under(d, step, JSON_NOTHING, got.u.members[i].value);
    }
}

static void arrays(struct diff *d, struct json expected, struct json got)
{
    uint32_t n = expected.n > got.n ? expected.n : got.n;
    char step[32];

    for (uint32_t i = 0; i < n; i++) {
        snprintf(step, sizeof step, "[%u]", i);
        under(d, step, json_at(expected, i), json_at(got, i));
    }
}

static void compare(struct diff *d, struct json expected, struct json got)
{
    if (expected.type == JSON_OBJECT && got.type == JSON_OBJECT)
        objects(d, expected, got);
    else if (expected.type == JSON_ARRAY && got.type == JSON_ARRAY)
        arrays(d, expected, got);
    else if (expected.type == JSON_UNDEFINED ? got.type != JSON_UNDEFINED
                                             : got.type == JSON_UNDEFINED || !json_equal(expected, got))
        differ(d, expected, got);
}

size_t cli__diff(struct json expected, struct json got, struct tl_buf *out)
{
    struct diff d = {.out = out};

    compare(&d, expected, got);
    if (d.places > MAX_PLACES)
        (void)tl_buf_printf(out, "  ... and %zu places more\n", d.places - MAX_PLACES);
    return d.places;
}
