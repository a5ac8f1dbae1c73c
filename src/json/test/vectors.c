/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>

static FILE *find(const char *path)
{
    const char *const places[] = {getenv("TIELINE_SHARED"), "../shared", "../../shared"};

    for (size_t i = 0; i < TL_COUNT(places); i++) {
        char name[1024];
        FILE *f;

        if (!places[i])
            continue;
        (void)snprintf(name, sizeof(name), "%s/%s", places[i], path);
        f = fopen(name, "rb");
        if (f)
            return f;
    }
    return NULL;
}

struct tl_sv vectors_read(struct tl_arena *a, const char *path)
{
    FILE *f = find(path);
    char *text;
    long n;

    if (!f)
        return TL_SV_NULL;
    (void)fseek(f, 0, SEEK_END);
    n = ftell(f);
    (void)fseek(f, 0, SEEK_SET);
    text = tl_arena_must(a, (size_t)n + 1);
    n = (long)fread(text, 1, (size_t)n, f);
    (void)fclose(f);
    return tl_sv(text, (size_t)n);
}

size_t vectors_each(struct tl_sv lines, void (*fn)(struct tl_arena *a, struct json line, void *arg), void *arg)
{
    struct tl_arena *a = tl_arena_new(256u << 20);
    struct tl_sv rest = lines, line;
    size_t n = 0;

    while (tl_sv_cut(&rest, '\n', &line)) {
        struct json_limits limits = {.max_depth = 5000};
        struct json v;
        struct tl_err err;

        if (line.n == 0)
            continue;
        if (json_parse(a, line, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, &limits, &v, &err) != TL_OK) {
            (void)fprintf(stderr, "line %zu: %s\n", n + 1, err.text);
            abort();
        }
        fn(a, v, arg);
        n++;
        tl_arena_reset(a);
    }
    tl_arena_free(a);
    return n;
}
