/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC: frames, statuses, and calls against a service on our own small server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/grpc.h"

/* ---- frames ---- */
static const struct {
    const char *bytes;
    size_t n, max;
    enum http_grpc_step step;
    const char *message;
    enum tl_rc rc;
} frames[] = {
    {"", 0, 10, HTTP_GRPC_MORE, NULL, TL_OK},
    {"\0\0\0\0", 4, 10, HTTP_GRPC_MORE, NULL, TL_OK},
    {"\0\0\0\0\0", 5, 10, HTTP_GRPC_MESSAGE, "", TL_OK},
    {"\0\0\0\0\3abc", 8, 10, HTTP_GRPC_MESSAGE, "abc", TL_OK},
    {"\0\0\0\0\3abcd", 9, 3, HTTP_GRPC_MESSAGE, "abc", TL_OK},
    {"\0\0\0\0\3ab", 7, 10, HTTP_GRPC_MORE, NULL, TL_OK},
    {"\0\0\0\0\4", 5, 3, HTTP_GRPC_BAD, NULL, TL_LIMIT}, /* before a byte of it is waited for */
    {"\0\377\377\377\377", 5, 1 << 20, HTTP_GRPC_BAD, NULL, TL_LIMIT},
    {"\1\0\0\0\3abc", 8, 10, HTTP_GRPC_BAD, NULL, TL_UNSUPPORTED},
};

static void frames_are_read_as_they_are_written(void **state)
{
    char prefix[HTTP_GRPC_PREFIX];

    (void)state;
    for (size_t i = 0; i < TL_COUNT(frames); i++) {
        struct tl_sv message = TL_SV_NULL;
        struct tl_err err = {0};

        if (http_grpc_next(tl_sv(frames[i].bytes, frames[i].n), frames[i].max, &message, &err) != frames[i].step ||
            err.rc != frames[i].rc || (frames[i].message && !tl_sv_eqs(message, frames[i].message)))
            fail_msg("row %zu: %s %s", i, tl_rc_name(err.rc), err.text);
    }
    http_grpc_prefix(0x01020304, prefix);
    assert_memory_equal(prefix, "\0\1\2\3\4", 5);
}

static enum tl_rc judge(int http, const char *status, const char *message, int *ret_code, struct tl_err *err)
{
    struct http_header v[] = {{TL_SV("grpc-status"), tl_sv_str(status)}, {TL_SV("grpc-message"), tl_sv_str(message)}};
    struct http_headers trailers = {.v = v, .n = status ? message ? 2 : 1 : 0}, none = {.n = 0};

    memset(err, 0, sizeof *err);
    return http_grpc_verdict(http, &none, &trailers, ret_code, err);
}

static void a_status_has_a_class_and_a_text_of_one_line(void **state)
{
    struct tl_err err;
    int code;

    (void)state;
    assert_int_equal(judge(200, "0", NULL, &code, &err), TL_OK);
    assert_int_equal(judge(200, "16", "expired%0Atoken", &code, &err), TL_AUTH);
    assert_int_equal(code, 16);
    assert_string_equal(err.text, "UNAUTHENTICATED: expired token");
    assert_int_equal(judge(200, "3", NULL, &code, &err), TL_INVALID);
    assert_string_equal(err.text, "INVALID_ARGUMENT");
    assert_int_equal(judge(200, "14", "later", &code, &err), TL_UPSTREAM);
    assert_int_equal(judge(200, "8", "slow down", &code, &err), TL_RATE_LIMITED);
    assert_int_equal(judge(200, "99", "?", &code, &err), TL_UPSTREAM); /* to come */
    assert_int_equal(judge(200, "x", "?", &code, &err), TL_UPSTREAM);
    assert_int_equal(code, -1);
    assert_int_equal(judge(503, NULL, NULL, &code, &err), TL_UPSTREAM); /* a proxy in between */
    assert_int_equal(judge(401, NULL, NULL, &code, &err), TL_AUTH);
    assert_int_equal(judge(200, NULL, NULL, &code, &err), TL_UPSTREAM);
}

/* ---- calls ---- */
struct world {
    struct async_loop *loop;
    struct http_client *client;
    struct http_h2_server *server;
    char url[80];
    enum tl_rc (*body)(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err);
    enum tl_rc rc;
    struct tl_err err;
    bool done;
};

/* Each request comes back in capitals; "bad" ends the call, "huge" is answered with as many bytes as fit. */
static enum tl_rc serve(struct task *t, struct http_h2_stream *s, void *arg, struct tl_err *err)
{
    struct http_grpc g;
    enum tl_rc rc;

    (void)arg;
    if (!tl_sv_eqs(http_h2_path(s), "/test.Echo/Up")) { /* Trailers-Only */
        static const struct http_header unknown[] = {{{"content-type", 12}, {"application/grpc", 16}},
                                                     {{"grpc-status", 11}, {"12", 2}}};

        return http_h2_respond(s, 200, unknown, 2, true, err);
    }
    rc = http_grpc_accept(s, HTTP_GRPC_MAX, &g, err);
    while (rc == TL_OK) {
        struct tl_sv m;
        char up[100];

        rc = http_grpc_recv(t, &g, UINT64_MAX, &m, err);
        if (rc != TL_OK || !m.p)
            break;
        if (tl_sv_eqs(m, "bad"))
            return http_grpc_end(&g, 3, "no \"bad\", \303\266",
                                 &(struct http_header){TL_SV("error-code"), TL_SV("x.y")}, 1, err);
        if (tl_sv_eqs(m, "huge")) {
            char *huge = tl_zalloc(HTTP_GRPC_MAX);

            rc = http_grpc_send(t, &g, tl_sv(huge, HTTP_GRPC_MAX), false, UINT64_MAX, err);
            tl_free(huge);
            continue;
        }
        assert_true(m.n <= sizeof up);
        for (size_t i = 0; i < m.n; i++)
            up[i] = (char)(m.p[i] & ~0x20);
        rc = http_grpc_send(t, &g, tl_sv(up, m.n), false, UINT64_MAX, err);
    }
    return rc == TL_OK ? http_grpc_end(&g, 0, NULL, NULL, 0, err) : rc;
}

static enum tl_rc run(struct task *t, void *arg, struct tl_err *err)
{
    struct world *w = arg;
    struct http_h2 *c;
    enum tl_rc rc = http_h2_connect(t, w->client, tl_sv_str(w->url),
                                    &(struct http_h2_options){.window = http_grpc_window(HTTP_GRPC_MAX)}, &c, err);

    if (rc != TL_OK)
        return rc;
    rc = w->body(w, t, c, err);
    http_h2_close(c);
    http_h2_server_stop(t, w->server);
    return rc;
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct world *w = arg;

    w->rc = rc;
    w->err = *err;
    async_loop_stop(w->loop);
}

static void go(struct world *w,
               enum tl_rc (*body)(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err))
{
    memset(w, 0, sizeof *w);
    w->body = body;
    assert_int_equal(async_loop_new(20, NULL, &w->loop, NULL), TL_OK);
    assert_int_equal(
        http_client_new(w->loop, &(struct http_client_options){.egress.allow_private = true}, &w->client, NULL), TL_OK);
    assert_int_equal(
        http_h2_server_new(w->loop, &(struct http_h2_server_options){.handler = serve, .arg = w}, &w->server, NULL),
        TL_OK);
    (void)snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u", (unsigned)http_h2_server_port(w->server));
    assert_int_equal(
        task_start(w->loop, "test", async_loop_now(w->loop) + UINT64_C(20000000000), run, w, ended, NULL, NULL), TL_OK);
    async_loop_run(w->loop);
    http_h2_server_free(w->server);
    http_client_free(w->client);
    async_loop_run(w->loop);
    async_loop_free(w->loop);
}

static void expect(struct world *w, enum tl_rc rc, const char *text)
{
    if (w->rc != rc || (text && strcmp(w->err.text, text) != 0))
        fail_msg("%s: %s", tl_rc_name(w->rc), w->err.text);
}

static enum tl_rc stream(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err)
{
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = http_grpc_open(c, TL_SV("/test.Echo/Up"), NULL, 0, HTTP_GRPC_MAX, &g, err);

    (void)w;
    for (int i = 0; i < 100 && rc == TL_OK; i++)
        rc = http_grpc_send(t, &g, TL_SV("abc"), false, UINT64_MAX, err);
    for (int i = 0; i < 100 && rc == TL_OK; i++) {
        rc = http_grpc_recv(t, &g, UINT64_MAX, &m, err);
        assert_true(rc != TL_OK || tl_sv_eqs(m, "ABC"));
    }
    if (rc == TL_OK)
        rc = http_grpc_send(t, &g, TL_SV("huge"), false, UINT64_MAX, err);
    if (rc == TL_OK)
        rc = http_grpc_recv(t, &g, UINT64_MAX, &m, err);
    assert_true(rc != TL_OK || m.n == HTTP_GRPC_MAX); /* the largest message fits through the window */
    if (rc == TL_OK)
        rc = http_grpc_send_end(t, &g, err);
    if (rc == TL_OK)
        rc = http_grpc_recv(t, &g, UINT64_MAX, &m, err);
    assert_true(rc != TL_OK || !m.p);
    assert_int_equal(g.code, 0);
    http_grpc_free(&g);
    return rc;
}

static void messages_go_both_ways_and_the_end_says_ok(void **state)
{
    struct world w;

    (void)state;
    go(&w, stream);
    expect(&w, TL_OK, NULL);
}

static enum tl_rc ask_badly(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err)
{
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = http_grpc_open(c, TL_SV("/test.Echo/Up"), NULL, 0, HTTP_GRPC_MAX, &g, err);

    (void)w;
    if (rc == TL_OK)
        rc = http_grpc_unary(t, &g, TL_SV("bad"), UINT64_MAX, &m, err);
    assert_true(tl_sv_eqs(http_header_get(http_h2_trailers(g.stream), "error-code"), "x.y"));
    http_grpc_free(&g);
    return rc;
}

static void a_refusal_brings_its_message_and_its_trailers(void **state)
{
    struct world w;

    (void)state;
    go(&w, ask_badly);
    expect(&w, TL_INVALID, "INVALID_ARGUMENT: no \"bad\", \303\266");
}

static enum tl_rc ask_nobody(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err)
{
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = http_grpc_open(c, TL_SV("/test.Echo/None"), NULL, 0, HTTP_GRPC_MAX, &g, err);

    (void)w;
    if (rc == TL_OK)
        rc = http_grpc_unary(t, &g, TL_SV("x"), UINT64_MAX, &m, err);
    http_grpc_free(&g);
    return rc;
}

static void a_refusal_without_a_body_is_read_from_the_head(void **state)
{
    struct world w;

    (void)state;
    go(&w, ask_nobody);
    expect(&w, TL_UNSUPPORTED, "UNIMPLEMENTED");
}

static enum tl_rc ask_small(struct world *w, struct task *t, struct http_h2 *c, struct tl_err *err)
{
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = http_grpc_open(c, TL_SV("/test.Echo/Up"), NULL, 0, 1000, &g, err);

    (void)w;
    if (rc == TL_OK)
        rc = http_grpc_unary(t, &g, TL_SV("huge"), UINT64_MAX, &m, err);
    http_grpc_free(&g);
    return rc;
}

static void a_message_beyond_the_limit_is_not_taken(void **state)
{
    struct world w;

    (void)state;
    go(&w, ask_small);
    expect(&w, TL_LIMIT, "a message of 4194304 bytes came; at most 1000 are taken");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_read_as_they_are_written),
        cmocka_unit_test(a_status_has_a_class_and_a_text_of_one_line),
        cmocka_unit_test(messages_go_both_ways_and_the_end_says_ok),
        cmocka_unit_test(a_refusal_brings_its_message_and_its_trailers),
        cmocka_unit_test(a_refusal_without_a_body_is_read_from_the_head),
        cmocka_unit_test(a_message_beyond_the_limit_is_not_taken),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
