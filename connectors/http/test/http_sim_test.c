/* SPDX-License-Identifier: Apache-2.0 */
/* `tieline sim http` as a program of its own, asked over the wire. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connector/test/connector_rig.h"

struct sim {
    pid_t pid;
    int out;
    char url[100];
    struct async_loop *loop;
    struct http_client *client;
    struct tl_arena *arena;
    struct http_reply reply;
    const struct http_request_out *req;
    enum tl_rc rc;
};

static void start(struct sim *s, char **argv, int argc)
{
    const struct http_client_options options = {.egress.allow_private = true, .timeout_ms = 5000};
    struct tl_err err = {0};
    int fds[2];
    size_t n = 0;
    char line[200], *at;

    memset(s, 0, sizeof *s);
    assert_int_equal(pipe(fds), 0);
    s->pid = fork();
    if (s->pid == 0) {
        (void)dup2(fds[1], 1);
        (void)close(fds[0]);
        _exit(connector_find(TL_SV("http"))->sim(argc, argv));
    }
    (void)close(fds[1]);
    s->out = fds[0];
    while (n < sizeof line - 1 && read(s->out, line + n, 1) == 1 && line[n] != '\n')
        n++;
    line[n] = '\0';
    at = strstr(line, "http://");
    if (!at)
        fail_msg("%s", line);
    (void)snprintf(s->url, sizeof s->url, "%s", at);
    assert_int_equal(async_loop_new(10, NULL, &s->loop, &err), TL_OK);
    assert_int_equal(http_client_new(s->loop, &options, &s->client, &err), TL_OK);
    s->arena = tl_arena_new(16 << 20);
}
#define START(s, ...)                                                                                                  \
    do {                                                                                                               \
        char *argv_[] = {(char[]){"http"}, (char[]){"--port"}, (char[]){"0"}, __VA_ARGS__};                            \
        start(s, argv_, (int)TL_COUNT(argv_));                                                                         \
    } while (0)
#define A(text) ((char[]){text}) /* argv is not const */

static void stop(struct sim *s)
{
    int status = -1;

    http_client_free(s->client);
    async_loop_free(s->loop);
    tl_arena_free(s->arena);
    assert_int_equal(kill(s->pid, SIGTERM), 0);
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)close(s->out);
}

static enum tl_rc call(struct task *task, void *arg, struct tl_err *err)
{
    struct sim *s = arg;

    s->rc = http_client_call(task, s->client, s->req, s->arena, &s->reply, err);
    return s->rc;
}

/* The status, or -1 when no answer came. key may be NULL. */
static int ask(struct sim *s, const char *method, const char *path, const char *key, const char *body)
{
    const struct http_header headers[] = {{TL_SV("idempotency-key"), tl_sv_str(key)}};
    const struct http_request_out req = {.method = tl_sv_str(method),
                                         .url = tl_sv_str(tl_arena_printf(s->arena, "%s%s", s->url, path)),
                                         .headers = headers,
                                         .n_headers = key ? 1 : 0,
                                         .body = tl_sv_str(body)};
    struct tl_err err = {0};

    s->req = &req;
    assert_int_equal(task_start(s->loop, "ask", 0, call, s, NULL, NULL, &err), TL_OK);
    async_loop_run(s->loop);
    return s->rc == TL_OK ? s->reply.status : -1;
}

static struct json answer(struct sim *s)
{
    struct json v;

    assert_int_equal(json_parse(s->arena, s->reply.body, 0, NULL, &v, NULL), TL_OK);
    return v;
}

static int64_t stat_of(struct sim *s, const char *name)
{
    int64_t n = -1;

    assert_int_equal(ask(s, "GET", "/__stats", NULL, NULL), 200);
    (void)json_int64(json_gets(answer(s), name), &n);
    return n;
}

static void a_repeated_key_is_answered_alike_and_counted_as_a_double(void **state)
{
    struct sim s;
    char first[40];

    (void)state;
    START(&s, A("--key"), A("Idempotency-Key")); /* a header's name in any case */
    assert_int_equal(ask(&s, "POST", "/orders", "k1", "{}"), 200);
    (void)snprintf(first, sizeof first, "%.*s", TL_SV_ARG(json_text(json_gets(answer(&s), "id"), TL_SV(""))));
    assert_int_equal(ask(&s, "POST", "/orders", "k2", "{}"), 200);
    assert_int_equal(ask(&s, "POST", "/orders", "k1", "{}"), 200);
    assert_true(tl_sv_eqs(json_text(json_gets(answer(&s), "id"), TL_SV("")), first));
    assert_int_equal(ask(&s, "POST", "/orders", NULL, "{}"), 200);
    assert_int_equal(stat_of(&s, "received"), 4);
    assert_int_equal(stat_of(&s, "unique"), 2);
    assert_int_equal(stat_of(&s, "doubles"), 1);
    assert_int_equal(stat_of(&s, "without_key"), 1);
    assert_int_equal(stat_of(&s, "records"), 3);
    assert_int_equal(ask(&s, "POST", "/__reset", NULL, ""), 200);
    assert_int_equal(stat_of(&s, "received"), 0);
    assert_int_equal(stat_of(&s, "unique"), 0);
    stop(&s);
}

static void failures_are_as_told_and_can_be_changed_while_it_runs(void **state)
{
    struct sim s;

    (void)state;
    START(&s, A("--status"), A("422"));
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 422);
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"fail\": 0, \"rate\": 1}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 429);
    assert_true(tl_sv_eqs(http_header_get(&s.reply.headers, "retry-after"), "1"));
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"rate\": 0, \"outage\": \"0..3600\"}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 503);
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"outage\": \"0..0\", \"drop\": \"100%\"}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "dropped", "{}"), -1);
    assert_int_equal(s.rc, TL_UNKNOWN_OUTCOME);
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"drop\": 0, \"nonsense\": 1}"), 400);
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"fail\": 101}"), 400);
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "[]"), 400);
    assert_int_equal(stat_of(&s, "dropped"), 1);
    assert_int_equal(stat_of(&s, "accepted"), 2);
    assert_int_equal(stat_of(&s, "unique"), 2);
    assert_int_equal(stat_of(&s, "received"), 5);
    stop(&s);
}

static bool says_after(const struct sim *s, const char *seconds)
{
    struct tl_sv v = http_header_get(&s->reply.headers, "retry-after");

    return seconds ? tl_sv_eqs(v, seconds) : v.p == NULL;
}

static void a_refusal_says_when_to_come_again_only_where_it_was_told_to(void **state)
{
    struct sim s;

    (void)state;
    START(&s, A("--status"), A("429"));
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 429);
    assert_true(says_after(&s, NULL));
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"retry-after\": 7}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 429);
    assert_true(says_after(&s, "7"));
    assert_int_equal(ask(&s, "GET", "/x", NULL, NULL), 429);
    assert_true(says_after(&s, "7"));
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"fail\": 0, \"outage\": \"0..3600\"}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 503);
    assert_true(says_after(&s, "7"));
    assert_int_equal(ask(&s, "POST", "/__control", NULL, "{\"outage\": \"0..0\", \"rate\": 1}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", "k", "{}"), 429);
    assert_true(says_after(&s, "7"));
    stop(&s);
}

static void order_is_checked_within_a_key(void **state)
{
    struct sim s;

    (void)state;
    START(&s, A("--order-by"), A("/c/id"), A("--seq"), A("/n"), A("--key"), A("/id"));
    assert_int_equal(ask(&s, "POST", "/x", NULL, "{\"id\":1,\"c\":{\"id\":\"a\"},\"n\":1}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", NULL, "{\"id\":2,\"c\":{\"id\":\"b\"},\"n\":7}"), 200);
    assert_int_equal(ask(&s, "POST", "/x", NULL, "{\"id\":3,\"c\":{\"id\":\"a\"},\"n\":3}"), 200);
    assert_int_equal(stat_of(&s, "out_of_order"), 0);
    assert_int_equal(ask(&s, "POST", "/x", NULL, "[{\"id\":4,\"c\":{\"id\":\"a\"},\"n\":2},{\"id\":3}]"), 200);
    assert_int_equal(stat_of(&s, "out_of_order"), 1);
    assert_int_equal(stat_of(&s, "doubles"), 1);
    assert_int_equal(stat_of(&s, "unique"), 4);
    assert_int_equal(stat_of(&s, "records"), 5);
    stop(&s);
}

static void a_collection_is_read_by_page(void **state)
{
    struct sim s;

    (void)state;
    START(&s, A("--items"), A("5"));
    assert_int_equal(ask(&s, "GET", "/items?after=3&limit=10", NULL, NULL), 200);
    assert_int_equal(json_gets(answer(&s), "items").n, 2);
    assert_int_equal(json_gets(answer(&s), "next").u.i, 5);
    assert_int_equal(ask(&s, "GET", "/items?after=5", NULL, NULL), 200);
    assert_int_equal(json_gets(answer(&s), "items").n, 0);
    stop(&s);
}

static void what_is_wrong_on_the_command_line_is_said(void **state)
{
    static const char *const rows[][2] = {{"--nonsense", NULL}, {"--fail", "200"},    {"--fail", NULL},
                                          {"--seq", "/n"},      {"--outage", "5..1"}, {"--status", "200"}};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        char option[40], value[40], *argv[] = {A("http"), option, value};

        (void)snprintf(option, sizeof option, "%s", rows[i][0]);
        (void)snprintf(value, sizeof value, "%s", rows[i][1] ? rows[i][1] : "");
        assert_int_equal(connector_find(TL_SV("http"))->sim(rows[i][1] ? 3 : 2, argv), 2);
    }
}

static void the_set_takes_no_more_than_it_may(void **state)
{
    struct connector_sim_set set;
    bool fresh;

    (void)state;
    connector_sim_set_init(&set, 5000);
    for (uint64_t i = 0; i < 6000; i++) {
        uint64_t *v = connector_sim_set_at(&set, tl_hash64(&i, sizeof i, 0), &fresh);

        assert_true(fresh);
        assert_int_equal(v != NULL, i < 5000);
        if (v)
            *v = i;
    }
    assert_true(set.full);
    for (uint64_t i = 0; i < 5000; i++) {
        assert_int_equal(*connector_sim_set_at(&set, tl_hash64(&i, sizeof i, 0), &fresh), i);
        assert_false(fresh);
    }
    connector_sim_set_done(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_key_is_answered_alike_and_counted_as_a_double),
        cmocka_unit_test(failures_are_as_told_and_can_be_changed_while_it_runs),
        cmocka_unit_test(a_refusal_says_when_to_come_again_only_where_it_was_told_to),
        cmocka_unit_test(order_is_checked_within_a_key),
        cmocka_unit_test(a_collection_is_read_by_page),
        cmocka_unit_test(what_is_wrong_on_the_command_line_is_said),
        cmocka_unit_test(the_set_takes_no_more_than_it_may),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
