/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping_bench - the ten mappings, from JSON text to JSON text: mapping_bench FOLDER [SECONDS [CASE]]
 * A case counts only when its result equals expected/NAME.json. One line a case:
 * name | input bytes | docs/s text to text | MB/s | docs/s evaluation alone
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "jsonata/jsonata.h"

#define RUNS 5

static struct tl_sv read_file(struct tl_arena *a, const char *folder, const char *kind, const char *name,
                              const char *ext)
{
    char path[1024];
    FILE *f;
    long n;
    char *p;

    snprintf(path, sizeof(path), "%s/%s%s%s%s", folder, kind, kind[0] ? "/" : "", name, ext);
    f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0 || fseek(f, 0, SEEK_SET) != 0) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    p = tl_arena_must(a, (size_t)n + 1);
    if (fread(p, 1, (size_t)n, f) != (size_t)n)
        exit(1);
    fclose(f);
    return tl_sv(p, (size_t)n);
}

static struct json parse(struct tl_arena *a, struct tl_sv text)
{
    struct tl_err err = {0};
    struct json v = JSON_NOTHING;

    if (json_parse(a, text, 0, NULL, &v, &err) != TL_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return v;
}

static struct json run(const struct jsonata_program *p, struct tl_arena *a, struct json data)
{
    struct jsonata_input in = {.data = data};
    struct jsonata_error error;
    struct tl_err err = {0};
    struct json v = JSON_NOTHING;

    if (jsonata_run(p, a, &in, &v, &error, &err) != TL_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return v;
}

static void text_to_text(const struct jsonata_program *p, struct tl_arena *a, struct tl_sv text, struct tl_buf *out)
{
    tl_arena_reset(a);
    tl_buf_clear(out);
    if (!json_write(out, run(p, a, parse(a, text)), 0))
        exit(1);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Processor time: neighbours on the machine do not count. */
static double cpu_seconds(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Median of several runs of `seconds`. data: evaluate only. */
static double rate(const struct jsonata_program *p, struct tl_sv text, const struct json *data, double seconds)
{
    struct tl_arena *a = tl_arena_new((size_t)1 << 30);
    struct tl_buf out;
    double rates[RUNS];

    tl_buf_init(&out, 64 << 20);
    for (int i = 0; i < RUNS; i++) {
        double start = cpu_seconds(), now;
        uint64_t n = 0;

        do {
            if (data) {
                tl_arena_reset(a);
                (void)run(p, a, *data);
            } else {
                text_to_text(p, a, text, &out);
            }
            n++;
            now = cpu_seconds();
        } while (now - start < seconds);
        rates[i] = (double)n / (now - start);
    }
    qsort(rates, RUNS, sizeof(rates[0]), by_value);
    tl_buf_done(&out);
    tl_arena_free(a);
    return rates[RUNS / 2];
}

static void bench(const char *folder, const char *name, const char *data, double seconds)
{
    struct tl_arena *a = tl_arena_new((size_t)1 << 30);
    struct tl_sv text = read_file(a, folder, "data", data, ""), expr = read_file(a, folder, "expr", name, ".jsonata");
    struct json input = parse(a, text), want = parse(a, read_file(a, folder, "expected", name, ".json"));
    struct jsonata_program *p TL_CLEANUP(jsonata_unrefp) = NULL;
    struct tl_err err = {0};
    double both, alone;

    if (jsonata_compile(expr, NULL, &p, NULL, &err) != TL_OK) {
        fprintf(stderr, "%s: %s\n", name, err.text);
        exit(1);
    }
    if (!json_equal(run(p, a, input), want)) {
        fprintf(stderr, "%s: the result is not as expected\n", name);
        exit(1);
    }
    (void)rate(p, text, NULL, seconds / RUNS);
    both = rate(p, text, NULL, seconds);
    alone = rate(p, text, &input, seconds / 2);
    printf("%s | %zu | %.1f | %.1f | %.1f\n", name, text.n, both, both * (double)text.n / 1e6, alone);
    fflush(stdout);
    tl_arena_free(a);
}

int main(int argc, char **argv)
{
    struct tl_arena *a = tl_arena_new((size_t)1 << 20);
    double seconds = argc > 2 ? atof(argv[2]) : 0.3;
    struct json cases;

    if (argc < 2) {
        fprintf(stderr, "usage: mapping_bench FOLDER [SECONDS [CASE]]\n");
        return 2;
    }
    cases = parse(a, read_file(a, argv[1], "", "cases.json", ""));
    for (uint32_t i = 0; i < cases.n; i++) {
        const char *name =
            tl_arena_printf(a, "%.*s", TL_SV_ARG(json_text(json_gets(cases.u.items[i], "name"), TL_SV(""))));
        const char *data =
            tl_arena_printf(a, "%.*s", TL_SV_ARG(json_text(json_gets(cases.u.items[i], "data"), TL_SV(""))));

        if (argc < 4 || strncmp(name, argv[3], strlen(argv[3])) == 0)
            bench(argv[1], name, data, seconds);
    }
    tl_arena_free(a);
    return 0;
}
