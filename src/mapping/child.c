/* SPDX-License-Identifier: Apache-2.0 */
/* child.c - the main of `tieline _worker`: frames in, frames out, until the parent closes the socket. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "mapping/mapping_int.h"

static bool read_all(char *to, size_t n)
{
    while (n > 0) {
        ssize_t got = read(0, to, n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        to += got;
        n -= (size_t)got;
    }
    return true;
}

static bool write_all(const char *from, size_t n)
{
    while (n > 0) {
        ssize_t put = write(1, from, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        from += put;
        n -= (size_t)put;
    }
    return true;
}

static void set_limit(int what, rlim_t n)
{
    struct rlimit r = {n, n};

    (void)setrlimit((__rlimit_resource_t)what, &r);
}

/* No files beyond the socket can be opened from here on: no network, no modules, no stylesheets from disk. */
static void confine(uint64_t memory)
{
    tzset();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_NOFILE, 3);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadows need the address space */
    set_limit(RLIMIT_AS, (rlim_t)memory);
#endif
    (void)memory;
}

static struct json failure(struct tl_arena *a, const struct tl_err *err)
{
    struct json_builder b;

    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "error", json_str(tl_rc_name(err->rc)));
    (void)json_adds(&b, "text", json_str(err->text));
    (void)json_adds(&b, "line", json_int(err->line));
    return json_end(&b);
}

static struct json answer(const struct child_language *lang, void *state, struct tl_arena *a, struct tl_sv text)
{
    struct json_limits limits = {.max_bytes = FRAME_MAX, .max_depth = 2000};
    struct json request, value = JSON_NOTHING;
    struct tl_err *err = tl_arena_must(a, sizeof(*err));
    struct json_builder b;
    enum tl_rc rc;

    *err = (struct tl_err){0};
    rc = json_parse(a, text, JSON_PARSE_LONE_SURROGATES | JSON_PARSE_DUP_LAST, &limits, &request, err);
    if (rc == TL_OK)
        rc = lang->run(state, a, request, &value, err);
    if (rc != TL_OK)
        return failure(a, err);
    json_object_begin(&b, a, 1);
    (void)json_adds(&b, "value", value);
    return json_end(&b);
}

static bool serve_one(const struct child_language *lang, void *state, struct tl_arena *a, struct tl_buf *out)
{
    uint8_t head[4];
    size_t n;
    char *text;

    if (!read_all((char *)head, 4))
        return false;
    n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    text = n <= FRAME_MAX ? tl_arena_alloc_unaligned(a, n + 1) : NULL;
    if (!text || !read_all(text, n))
        return false;
    tl_buf_clear(out);
    (void)tl_buf_put(out, "\0\0\0\0", 4);
    if (!json_write(out, answer(lang, state, a, tl_sv(text, n)), 0))
        return false;
    n = out->n - 4;
    for (int i = 0; i < 4; i++)
        out->p[i] = (char)(uint8_t)(n >> (24 - 8 * i));
    return write_all(out->p, out->n);
}

int mapping_worker_main(int argc, char **argv)
{
    const struct child_language *const languages[] = {&child_jq, &child_xslt};
    const struct child_language *lang = NULL;
    struct tl_arena *a;
    struct tl_buf out;
    uint64_t memory = 0;
    void *state;

    for (size_t i = 0; argc >= 4 && i < TL_COUNT(languages); i++)
        if (strcmp(argv[2], languages[i]->name) == 0)
            lang = languages[i];
    if (!lang || !tl_sv_u64(tl_sv_str(argv[3]), &memory))
        return 2;
    state = lang->open();
    confine(memory);
    a = tl_arena_new((size_t)memory);
    tl_buf_init(&out, FRAME_MAX + 4);
    while (serve_one(lang, state, a, &out))
        tl_arena_reset(a);
    tl_buf_done(&out);
    tl_arena_free(a);
    return 0;
}
