/* SPDX-License-Identifier: Apache-2.0 */
/* json_bench FILE...: megabytes a second of processor time of parsing and writing, the best of several rounds, beside
 * jansson where its library is installed. */
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "json/json.h"

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); /* others may share the machine */
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static char *slurp(const char *name, size_t *ret_n)
{
    FILE *f = fopen(name, "rb");
    char *text;
    long n;

    if (!f) {
        perror(name);
        exit(1);
    }
    (void)fseek(f, 0, SEEK_END);
    n = ftell(f);
    rewind(f);
    text = tl_alloc((size_t)n + 1);
    *ret_n = fread(text, 1, (size_t)n, f);
    (void)fclose(f);
    return text;
}

/* jansson shares names with us (json_null, json_equal): it is opened at run time. Type and count precede its values. */
struct jansson {
    void *(*load)(const char *text, size_t n, size_t flags, void *err);
    char *(*dump)(const void *v, size_t flags);
    void (*drop)(void *v);
};

struct subject {
    struct tl_arena *arena;
    struct tl_sv text;
    struct json v;
    struct tl_buf out;
    struct jansson jansson;
    void *jansson_value;
};

static void parse_ours(struct subject *s)
{
    struct tl_err err;

    tl_arena_reset(s->arena);
    if (json_parse(s->arena, s->text, 0, NULL, &s->v, &err) != TL_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void write_ours(struct subject *s)
{
    tl_buf_clear(&s->out);
    (void)json_write(&s->out, s->v, 0);
}

static bool open_jansson(struct jansson *j)
{
    void *lib = dlopen("libjansson.so.4", RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);

    if (!lib)
        return false;
    *(void **)&j->load = dlsym(lib, "json_loadb");
    *(void **)&j->dump = dlsym(lib, "json_dumps");
    *(void **)&j->drop = dlsym(lib, "json_delete");
    return j->load && j->dump && j->drop;
}

static void parse_jansson(struct subject *s)
{
    s->jansson.drop(s->jansson.load(s->text.p, s->text.n, 0, NULL));
}

static void write_jansson(struct subject *s)
{
    free(s->jansson.dump(s->jansson_value, 1u << 5)); /* JSON_COMPACT */
}

static void measure(const char *what, struct subject *s, void (*fn)(struct subject *), const size_t *bytes)
{
    size_t rounds = 1 + (2u << 20) / (s->text.n + 1);
    double best = 1e9;

    for (int i = 0; i < 15; i++) {
        double t = now();

        for (size_t k = 0; k < rounds; k++)
            fn(s);
        t = (now() - t) / (double)rounds;
        if (t < best)
            best = t;
    }
    (void)printf("  %-14s %8.1f MB/s\n", what, (double)*bytes / best / 1e6);
}

int main(int argc, char **argv)
{
    /* As in the program itself: chunks of an arena stay in the heap, instead of being mapped and faulted in each time.
     */
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    for (int i = 1; i < argc; i++) {
        struct subject s = {.arena = tl_arena_new(1u << 30)};
        char *text = slurp(argv[i], &s.text.n);

        s.text.p = text;
        tl_buf_init(&s.out, 1u << 30);
        (void)printf("%s (%zu bytes)\n", argv[i], s.text.n);
        measure("parse", &s, parse_ours, &s.text.n);
        measure("write", &s, write_ours, &s.out.n);
        if (open_jansson(&s.jansson)) {
            measure("parse jansson", &s, parse_jansson, &s.text.n);
            s.jansson_value = s.jansson.load(s.text.p, s.text.n, 0, NULL);
            measure("write jansson", &s, write_jansson, &s.out.n);
            s.jansson.drop(s.jansson_value);
        }
        tl_buf_done(&s.out);
        tl_arena_free(s.arena);
        tl_free(text);
    }
    return 0;
}
