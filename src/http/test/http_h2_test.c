/* SPDX-License-Identifier: Apache-2.0 */
/* Streams over HTTP/2: our client and our small server on one loop, and servers that misbehave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "http/grpc.h"
#include "http/http.h"

#define FAR UINT64_C(20000000000)

struct world {
    struct async_loop *loop;
    struct http_client *client;
    struct http_h2_server *server;
    char url[80], dir[64], cert[96], key[96];
    enum tl_rc (*body)(struct world *w, struct task *t, struct tl_err *err);
    enum tl_rc rc;
    struct tl_err err;
    bool done;
    /* what handlers did */
    uint64_t sent;
    int ended_with; /* rc of a handler's wait, -1: none ended */
    int handlers;
};

static int local(const char *host, struct http_addr addrs[HTTP_LOOKUP_MAX], char *text, size_t n)
{
    (void)host, (void)text, (void)n;
    return http_addr_parse(TL_SV("127.0.0.1"), &addrs[0]) ? 1 : 0;
}

static uint64_t far(struct world *w)
{
    return async_loop_now(w->loop) + FAR;
}

/* ---- the server ---- */
static enum tl_rc echo(struct task *t, struct http_h2_stream *s, struct tl_err *err)
{
    enum tl_rc rc = http_h2_respond(s, 200, NULL, 0, false, err);
    struct tl_sv in = TL_SV("");

    while (rc == TL_OK) {
        char copy[1024];
        size_t n;

        rc = http_h2_recv(t, s, 0, UINT64_MAX, &in, err);
        if (rc != TL_OK || in.n == 0)
            break;
        n = in.n < sizeof copy ? in.n : sizeof copy;
        memcpy(copy, in.p, n);
        http_h2_consume(s, n);
        rc = http_h2_send(t, s, tl_sv(copy, n), false, UINT64_MAX, err);
    }
    return rc == TL_OK ? http_h2_finish(s, &(struct http_header){TL_SV("x-end"), TL_SV("yes")}, 1, err) : rc;
}

static enum tl_rc pour(struct world *w, struct task *t, struct http_h2_stream *s, struct tl_err *err)
{
    enum tl_rc rc = http_h2_respond(s, 200, NULL, 0, false, err);
    char piece[4096] = {0};

    while (rc == TL_OK) {
        rc = http_h2_send(t, s, tl_sv(piece, sizeof piece), false, UINT64_MAX, err);
        w->sent += rc == TL_OK ? sizeof piece : 0;
    }
    return rc;
}

static enum tl_rc many_headers(struct http_h2_stream *s, struct tl_err *err)
{
    struct http_header h[60];
    char big[500];

    memset(big, 'x', sizeof big);
    for (size_t i = 0; i < TL_COUNT(h); i++)
        h[i] = (struct http_header){TL_SV("x-big"), tl_sv(big, sizeof big)};
    return http_h2_respond(s, 200, h, TL_COUNT(h), true, err);
}

static enum tl_rc handle(struct task *t, struct http_h2_stream *s, void *arg, struct tl_err *err)
{
    struct world *w = arg;
    struct tl_sv path = http_h2_path(s), in;
    enum tl_rc rc;

    w->handlers++;
    if (tl_sv_eqs(path, "/echo"))
        return echo(t, s, err);
    if (tl_sv_eqs(path, "/pour"))
        rc = pour(w, t, s, err);
    else if (tl_sv_eqs(path, "/headers"))
        rc = many_headers(s, err);
    else if (tl_sv_eqs(path, "/fail"))
        rc = tl_fail(err, TL_BUG, "as told");
    else
        rc = http_h2_recv(t, s, 0, UINT64_MAX, &in, err); /* holds */
    w->ended_with = (int)rc;
    return rc;
}

/* ---- running a test's body on a task ---- */
static enum tl_rc run(struct task *t, void *arg, struct tl_err *err)
{
    struct world *w = arg;

    return w->body(w, t, err);
}

static void ended(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct world *w = arg;

    w->rc = rc;
    w->err = *err;
    w->done = true;
    async_loop_stop(w->loop);
}

static void go(struct world *w, enum tl_rc (*body)(struct world *w, struct task *t, struct tl_err *err))
{
    w->body = body;
    w->done = false;
    memset(&w->err, 0, sizeof w->err);
    assert_int_equal(task_start(w->loop, "test", far(w), run, w, ended, NULL, NULL), TL_OK);
    async_loop_keep(w->loop, true);
    while (!w->done)
        async_loop_run(w->loop);
}

static void expect(struct world *w, enum tl_rc rc, const char *text)
{
    if (w->rc != rc || (text && !strstr(w->err.text, text)))
        fail_msg("%s: %s", tl_rc_name(w->rc), w->err.text);
}

static void make_cert(struct world *w)
{
    char line[600];

    (void)snprintf(w->dir, sizeof w->dir, "/tmp/tieline-h2-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->cert, sizeof w->cert, "%s/cert.pem", w->dir);
    (void)snprintf(w->key, sizeof w->key, "%s/key.pem", w->dir);
    (void)snprintf(line, sizeof line,
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=here.test "
                   "-addext subjectAltName=DNS:here.test -keyout %s -out %s 2>/dev/null",
                   w->key, w->cert);
    assert_int_equal(system(line), 0);
}

static void start(struct world *w, bool tls, bool allow)
{
    struct http_client_options copt = {.egress.allow_private = allow, .lookup = local};
    struct http_h2_server_options opt = {.handler = handle, .arg = w};
    struct tl_err err;

    memset(w, 0, sizeof *w);
    w->ended_with = -1;
    assert_int_equal(async_loop_new(100, NULL, &w->loop, NULL), TL_OK);
    if (tls) {
        make_cert(w);
        opt.cert_file = w->cert;
        opt.key_file = w->key;
        copt.tls.ca_file = w->cert;
    }
    assert_int_equal(http_client_new(w->loop, &copt, &w->client, NULL), TL_OK);
    if (http_h2_server_new(w->loop, &opt, &w->server, &err) != TL_OK)
        fail_msg("%s", err.text);
    (void)snprintf(w->url, sizeof w->url, tls ? "https://here.test:%u" : "http://127.0.0.1:%u",
                   (unsigned)http_h2_server_port(w->server));
}

static enum tl_rc stop_server(struct world *w, struct task *t, struct tl_err *err)
{
    (void)err;
    http_h2_server_stop(t, w->server);
    return TL_OK;
}

static void stop(struct world *w)
{
    go(w, stop_server);
    http_h2_server_free(w->server);
    http_client_free(w->client);
    async_loop_keep(w->loop, false);
    async_loop_run(w->loop);
    async_loop_free(w->loop);
    if (w->dir[0]) {
        (void)unlink(w->cert);
        (void)unlink(w->key);
        (void)rmdir(w->dir);
    }
}

/* A task in a world of its own ends so. */
static void once(enum tl_rc (*body)(struct world *w, struct task *t, struct tl_err *err), enum tl_rc rc,
                 const char *text)
{
    struct world w;

    start(&w, false, true);
    go(&w, body);
    expect(&w, rc, text);
    stop(&w);
}

#define NEED(call)                                                                                                     \
    do {                                                                                                               \
        enum tl_rc need_rc = (call);                                                                                   \
        if (need_rc != TL_OK)                                                                                          \
            return need_rc;                                                                                            \
    } while (0)

/* ---- bytes ---- */
static enum tl_rc talk(struct world *w, struct task *t, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s[2];
    struct tl_sv in;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    for (int k = 0; k < 2; k++)
        NEED(http_h2_open(c, TL_SV("POST"), TL_SV("/echo"), NULL, 0, &s[k], err));
    for (int i = 0; i < 50; i++) {
        char text[40];
        int n = snprintf(text, sizeof text, "round %d", i);
        struct http_h2_stream *one = s[i % 2];

        NEED(http_h2_send(t, one, tl_sv(text, (size_t)n), false, far(w), err));
        NEED(http_h2_recv(t, one, (size_t)n - 1, far(w), &in, err));
        assert_true(tl_sv_eqs(in, text)); /* the answer is there while the request goes on */
        http_h2_consume(one, in.n);
    }
    for (int k = 0; k < 2; k++) {
        assert_int_equal(http_h2_status(s[k]), 200);
        NEED(http_h2_send(t, s[k], TL_SV_NULL, true, far(w), err));
        NEED(http_h2_recv(t, s[k], 0, far(w), &in, err));
        assert_int_equal(in.n, 0);
        assert_true(tl_sv_eqs(http_header_get(http_h2_trailers(s[k]), "x-end"), "yes"));
        http_h2_free(s[k]);
    }
    http_h2_close(c);
    return TL_OK;
}

static void bytes_go_both_ways_at_the_same_time_on_two_streams(void **state)
{
    (void)state;
    once(talk, TL_OK, NULL);
}

static void the_same_over_tls_that_is_verified(void **state)
{
    struct world w;

    (void)state;
    start(&w, true, true);
    go(&w, talk);
    expect(&w, TL_OK, NULL);
    (void)snprintf(w.url, sizeof w.url, "https://elsewhere.test:%u", (unsigned)http_h2_server_port(w.server));
    go(&w, talk);
    expect(&w, TL_UNREACHABLE, "certificate is not accepted");
    (void)snprintf(w.url, sizeof w.url, "https://127.0.0.1:%u", (unsigned)http_h2_server_port(w.server));
    go(&w, talk);
    expect(&w, TL_UNREACHABLE, "certificate is not accepted"); /* it is for a name, not for this address */
    stop(&w);
}

static enum tl_rc talk_to_a_stranger(struct world *w, struct task *t, struct tl_err *err)
{
    const struct http_client_tls system = {0};
    struct http_h2 *c;

    return http_h2_connect(t, w->client, tl_sv_str(w->url), &(struct http_h2_options){.tls = &system}, &c, err);
}

static void a_certificate_nobody_vouches_for_is_refused(void **state)
{
    struct world w;

    (void)state;
    start(&w, true, true);
    go(&w, talk_to_a_stranger);
    expect(&w, TL_UNREACHABLE, "certificate is not accepted");
    stop(&w);
}

static void an_address_the_policy_refuses_is_not_connected_to(void **state)
{
    struct world w;

    (void)state;
    start(&w, false, false);
    go(&w, talk);
    expect(&w, TL_CONFIG, "loopback");
    assert_int_equal(w.handlers, 0);
    stop(&w);
}

/* ---- limits ---- */
static enum tl_rc take_slowly(struct world *w, struct task *t, struct tl_err *err)
{
    enum { WINDOW = 100000 };
    struct http_h2 *c;
    struct http_h2_stream *s;
    struct tl_sv in;
    uint64_t before;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), &(struct http_h2_options){.window = WINDOW}, &c, err));
    NEED(http_h2_open(c, TL_SV("GET"), TL_SV("/pour"), NULL, 0, &s, err));
    NEED(http_h2_recv(t, s, WINDOW - 1, far(w), &in, err));
    assert_int_equal(in.n, WINDOW);
    do { /* until the sender stands still: it has filled its own buffer */
        before = w->sent;
        NEED(task_sleep_ms(t, 30, err));
    } while (w->sent != before);
    assert_int_equal(http_h2_unread(s).n, WINDOW); /* not a byte more than was allowed */
    assert_true(w->sent <= WINDOW + (300 << 10));
    http_h2_consume(s, WINDOW);
    NEED(http_h2_recv(t, s, WINDOW - 1, far(w), &in, err)); /* what was taken is credit */
    http_h2_free(s);
    while (w->ended_with < 0) /* the sender hears that nobody wants it any more */
        NEED(task_sleep_ms(t, 1, err));
    assert_true(http_h2_usable(c));
    http_h2_close(c);
    return TL_OK;
}

static void a_reader_that_takes_nothing_stops_the_sender_at_the_window(void **state)
{
    (void)state;
    once(take_slowly, TL_OK, NULL);
}

static enum tl_rc ask_for_headers(struct world *w, struct task *t, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s;
    struct tl_err mine = {0};
    enum tl_rc rc;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    NEED(http_h2_open(c, TL_SV("GET"), TL_SV("/headers"), NULL, 0, &s, err));
    rc = http_h2_wait_head(t, s, far(w), &mine);
    assert_int_equal(rc, TL_LIMIT);
    http_h2_free(s);
    assert_true(http_h2_usable(c)); /* it is the stream's fault alone */
    NEED(http_h2_open(c, TL_SV("POST"), TL_SV("/echo"), NULL, 0, &s, err));
    NEED(http_h2_send(t, s, TL_SV("x"), true, far(w), err));
    NEED(http_h2_wait_head(t, s, far(w), err));
    http_h2_free(s);
    http_h2_close(c);
    return TL_OK;
}

static void headers_beyond_the_limit_end_their_stream_and_no_other(void **state)
{
    (void)state;
    once(ask_for_headers, TL_OK, NULL);
}

static enum tl_rc send_bad_headers(struct world *w, struct task *t, struct tl_err *err)
{
    static const struct http_header bad[] = {{{"x", 1}, {"a\r\nb", 4}}, {{"x y", 3}, {"a", 1}}};
    struct http_h2 *c;
    struct http_h2_stream *s;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        assert_int_equal(http_h2_open(c, TL_SV("GET"), TL_SV("/echo"), &bad[i], 1, &s, NULL), TL_INVALID);
    assert_int_equal(http_h2_open(c, TL_SV("GET"), TL_SV("echo"), NULL, 0, &s, NULL), TL_INVALID);
    http_h2_close(c);
    return TL_OK;
}

static void what_cannot_be_a_header_is_not_sent(void **state)
{
    struct world w;

    (void)state;
    start(&w, false, true);
    go(&w, send_bad_headers);
    expect(&w, TL_OK, NULL);
    assert_int_equal(w.handlers, 0);
    stop(&w);
}

/* ---- ends ---- */
static enum tl_rc be_sent_away(struct world *w, struct task *t, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s, *late;
    struct tl_sv in;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    NEED(http_h2_open(c, TL_SV("POST"), TL_SV("/echo"), NULL, 0, &s, err));
    NEED(http_h2_send(t, s, TL_SV("a"), false, far(w), err));
    NEED(http_h2_recv(t, s, 0, far(w), &in, err));
    http_h2_server_goaway(w->server);
    while (http_h2_usable(c))
        NEED(task_sleep_ms(t, 1, err));
    assert_int_equal(http_h2_open(c, TL_SV("POST"), TL_SV("/echo"), NULL, 0, &late, NULL), TL_UNREACHABLE);
    NEED(http_h2_send(t, s, TL_SV("b"), true, far(w), err)); /* what runs goes on */
    NEED(http_h2_recv(t, s, 1, far(w), &in, err));
    assert_true(tl_sv_eqs(in, "ab"));
    NEED(http_h2_recv(t, s, 2, far(w), &in, err));
    assert_true(tl_sv_eqs(http_header_get(http_h2_trailers(s), "x-end"), "yes"));
    http_h2_free(s);
    http_h2_close(c);
    return TL_OK;
}

static void after_goaway_what_runs_goes_on_and_nothing_new_begins(void **state)
{
    (void)state;
    once(be_sent_away, TL_OK, NULL);
}

static enum tl_rc be_cut_off(struct world *w, struct task *t, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s[2];
    struct tl_sv in;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    for (int i = 0; i < 2; i++)
        NEED(http_h2_open(c, TL_SV("POST"), TL_SV("/hold"), NULL, 0, &s[i], err));
    while (w->handlers < 2)
        NEED(task_sleep_ms(t, 1, err));
    http_h2_server_cut(w->server);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(http_h2_recv(t, s[i], 0, far(w), &in, NULL), TL_UNREACHABLE);
        http_h2_free(s[i]);
    }
    assert_false(http_h2_usable(c));
    http_h2_close(c);
    return TL_OK;
}

static void a_cut_connection_is_told_by_each_of_its_streams(void **state)
{
    (void)state;
    once(be_cut_off, TL_OK, NULL);
}

/* How waiting for the first bytes of an answer ends. */
static enum tl_rc first_bytes(struct world *w, struct task *t, const struct http_h2_options *o, const char *path,
                              uint64_t until, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s;
    struct tl_sv in;
    enum tl_rc rc;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), o, &c, err));
    NEED(http_h2_open(c, TL_SV("POST"), tl_sv_str(path), NULL, 0, &s, err));
    rc = http_h2_recv(t, s, 0, until, &in, err);
    http_h2_free(s);
    http_h2_close(c);
    return rc;
}

static enum tl_rc meet_a_failure(struct world *w, struct task *t, struct tl_err *err)
{
    return first_bytes(w, t, NULL, "/fail", far(w), err);
}

static void a_reset_stream_is_a_failure_of_the_other_side(void **state)
{
    (void)state;
    once(meet_a_failure, TL_UPSTREAM, "INTERNAL_ERROR");
}

static enum tl_rc wait_too_long(struct world *w, struct task *t, struct tl_err *err)
{
    struct http_h2 *c;
    struct http_h2_stream *s;
    struct tl_sv in;
    enum tl_rc rc;

    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    NEED(http_h2_open(c, TL_SV("POST"), TL_SV("/hold"), NULL, 0, &s, err));
    rc = http_h2_recv(t, s, 0, async_loop_now(w->loop) + 30000000, &in, err);
    http_h2_free(s);
    while (w->ended_with < 0) /* the reset has reached the handler */
        NEED(task_sleep_ms(t, 1, err));
    http_h2_close(c);
    return rc;
}

static void a_wait_ends_at_its_deadline_and_the_handler_hears_of_it(void **state)
{
    (void)state;
    once(wait_too_long, TL_TIMEOUT, "nothing came");
}

/* ---- those who are no servers ---- */
struct stranger {
    int fd;
    uint16_t port;
};

static struct stranger listen_as_stranger(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct stranger s = {.fd = socket(AF_INET, SOCK_STREAM, 0)};
    socklen_t n = sizeof in;

    assert_int_equal(bind(s.fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(s.fd, 5), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&in, &n), 0);
    s.port = ntohs(in.sin_port);
    return s;
}

static enum tl_rc wait_for_the_dead(struct world *w, struct task *t, struct tl_err *err)
{
    return first_bytes(w, t, &(struct http_h2_options){.ping_ms = 20, .ping_timeout_ms = 20}, "/", far(w), err);
}

static void a_connection_that_answers_no_ping_is_dead(void **state)
{
    struct stranger dumb = listen_as_stranger(); /* the kernel accepts; nobody reads */
    struct world w;

    (void)state;
    start(&w, false, true);
    (void)snprintf(w.url, sizeof w.url, "http://127.0.0.1:%u", (unsigned)dumb.port);
    go(&w, wait_for_the_dead);
    expect(&w, TL_UNREACHABLE, "does not answer any more");
    (void)close(dumb.fd);
    stop(&w);
}

static enum tl_rc meet_http1(struct world *w, struct task *t, struct tl_err *err)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
    struct stranger old = listen_as_stranger();
    struct http_h2 *c;
    struct http_h2_stream *s;
    struct tl_sv in;
    enum tl_rc rc;
    int fd;

    (void)snprintf(w->url, sizeof w->url, "http://127.0.0.1:%u", (unsigned)old.port);
    NEED(http_h2_connect(t, w->client, tl_sv_str(w->url), NULL, &c, err));
    NEED(http_h2_open(c, TL_SV("GET"), TL_SV("/"), NULL, 0, &s, err));
    fd = accept(old.fd, NULL, NULL); /* the connection is there already */
    assert_int_equal(send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL), sizeof answer - 1);
    rc = http_h2_recv(t, s, 0, far(w), &in, err);
    http_h2_free(s);
    http_h2_close(c);
    (void)close(fd);
    (void)close(old.fd);
    return rc;
}

static void an_http1_server_is_an_error_and_no_hang(void **state)
{
    struct world w;

    (void)state;
    start(&w, false, true);
    go(&w, meet_http1);
    if (w.rc != TL_UPSTREAM && w.rc != TL_UNREACHABLE)
        fail_msg("%s: %s", tl_rc_name(w.rc), w.err.text);
    stop(&w);
}

static void nobody_at_the_port_is_unreachable(void **state)
{
    struct stranger gone = listen_as_stranger();
    struct world w;

    (void)state;
    (void)close(gone.fd);
    start(&w, false, true);
    (void)snprintf(w.url, sizeof w.url, "http://127.0.0.1:%u", (unsigned)gone.port);
    go(&w, talk);
    expect(&w, TL_UNREACHABLE, "refused");
    stop(&w);
}

/* ---- cancellation ---- */
static enum tl_rc wait_forever(struct world *w, struct task *t, struct tl_err *err)
{
    return first_bytes(w, t, NULL, "/hold", UINT64_MAX, err);
}

static void a_cancelled_task_leaves_nothing_behind(void **state)
{
    struct world w;
    struct task *t = NULL;

    (void)state;
    start(&w, false, true);
    w.body = wait_forever;
    assert_int_equal(task_start(w.loop, "test", far(&w), run, &w, ended, &t, NULL), TL_OK);
    while (w.handlers == 0)
        async_loop_poll(w.loop);
    task_cancel(t);
    while (!w.done || w.ended_with < 0)
        async_loop_poll(w.loop);
    expect(&w, TL_CANCELED, NULL);
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways_at_the_same_time_on_two_streams),
        cmocka_unit_test(the_same_over_tls_that_is_verified),
        cmocka_unit_test(a_certificate_nobody_vouches_for_is_refused),
        cmocka_unit_test(an_address_the_policy_refuses_is_not_connected_to),
        cmocka_unit_test(a_reader_that_takes_nothing_stops_the_sender_at_the_window),
        cmocka_unit_test(headers_beyond_the_limit_end_their_stream_and_no_other),
        cmocka_unit_test(what_cannot_be_a_header_is_not_sent),
        cmocka_unit_test(after_goaway_what_runs_goes_on_and_nothing_new_begins),
        cmocka_unit_test(a_cut_connection_is_told_by_each_of_its_streams),
        cmocka_unit_test(a_reset_stream_is_a_failure_of_the_other_side),
        cmocka_unit_test(a_wait_ends_at_its_deadline_and_the_handler_hears_of_it),
        cmocka_unit_test(a_connection_that_answers_no_ping_is_dead),
        cmocka_unit_test(an_http1_server_is_an_error_and_no_hang),
        cmocka_unit_test(nobody_at_the_port_is_unreachable),
        cmocka_unit_test(a_cancelled_task_leaves_nothing_behind),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
