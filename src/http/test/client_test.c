/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a small server in a thread, which counts the requests it has read to their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "http/client.h"

/* What the server does with the n-th request of a connection. */
struct server {
    int fd;
    uint16_t port;
    pthread_t thread;
    const char *_Atomic first; /* reply; NULL: close without one */
    const char *second;        /* to later requests of the same connection; NULL: close */
    size_t filler;             /* bytes of 'x' after the reply */
    _Atomic bool silent;       /* read the request and answer nothing */
    _Atomic int requests, connections;
    _Atomic bool stop;
    pthread_mutex_t lock;
    char seen[4096]; /* the last request */
};

/* Reads one request; false: the client went away. */
static bool read_request(struct server *s, int fd)
{
    size_t n = 0, want = SIZE_MAX;
    char seen[4096];

    while (n < want && n < sizeof seen - 1) {
        ssize_t got = read(fd, seen + n, sizeof seen - 1 - n);
        char *end, *length;

        if (got <= 0)
            return false;
        n += (size_t)got;
        seen[n] = '\0';
        end = strstr(seen, "\r\n\r\n");
        if (!end)
            continue;
        length = strstr(seen, "Content-Length: ");
        want = (size_t)(end + 4 - seen) + (length ? (size_t)strtoul(length + 16, NULL, 10) : 0);
    }
    (void)pthread_mutex_lock(&s->lock);
    memcpy(s->seen, seen, n + 1);
    (void)pthread_mutex_unlock(&s->lock);
    s->requests++;
    return true;
}

static bool saw(struct server *s, const char *text)
{
    bool found;

    (void)pthread_mutex_lock(&s->lock);
    found = strstr(s->seen, text) != NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return found;
}

static void serve(struct server *s, int fd)
{
    char block[1024];

    memset(block, 'x', sizeof block);
    for (int i = 0; read_request(s, fd); i++) {
        const char *reply = i == 0 ? s->first : s->second;

        while (s->silent && !s->stop)
            usleep(1000);
        if (!reply || s->silent || write(fd, reply, strlen(reply)) < 0)
            return;
        for (size_t left = s->filler; left > 0; left -= left < sizeof block ? left : sizeof block)
            if (send(fd, block, left < sizeof block ? left : sizeof block, MSG_NOSIGNAL) < 0)
                return;
        if (strstr(reply, "close"))
            return;
    }
}

static void *accept_all(void *arg)
{
    struct server *s = arg;

    while (!s->stop) {
        int fd = accept(s->fd, NULL, NULL);

        if (fd < 0)
            break;
        s->connections++;
        serve(s, fd);
        (void)close(fd);
    }
    return NULL;
}

static void open_server(struct server *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;

    assert_int_equal(pthread_mutex_init(&s->lock, NULL), 0);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&in, &n), 0);
    s->port = ntohs(in.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
}

static void close_server(struct server *s)
{
    s->stop = true;
    (void)shutdown(s->fd, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    (void)close(s->fd);
}

/* ---- calls ---- */

static _Atomic int lookups;

static int fake_lookup(const char *host, struct http_addr addrs[HTTP_LOOKUP_MAX], char *text, size_t n)
{
    lookups++;
    if (strcmp(host, "here.test") == 0)
        return http_addr_parse(TL_SV("127.0.0.1"), &addrs[0]) ? 1 : 0;
    if (strcmp(host, "metadata.test") == 0)
        return http_addr_parse(TL_SV("169.254.169.254"), &addrs[0]) ? 1 : 0;
    (void)snprintf(text, n, "no such name");
    return -1;
}

struct world {
    struct async_loop *loop;
    struct http_client *client;
    struct tl_arena *arena;
};

struct one {
    struct world *w;
    struct http_request_out req;
    struct http_reply reply;
    struct tl_err err;
    enum tl_rc rc;
    char url[200];
    struct task *task;
    bool ended;
};

static void begin_world(struct world *w, bool allow_private)
{
    struct http_client_options opt = {.egress.allow_private = allow_private, .lookup = fake_lookup};

    assert_int_equal(async_loop_new(100, NULL, &w->loop, NULL), TL_OK);
    assert_int_equal(http_client_new(w->loop, &opt, &w->client, NULL), TL_OK);
    w->arena = tl_arena_new(64 * 1024 * 1024);
    lookups = 0;
}

static void end_world(struct world *w)
{
    http_client_free(w->client);
    async_loop_free(w->loop);
    tl_arena_free(w->arena);
}

static enum tl_rc body(struct task *t, void *arg, struct tl_err *err)
{
    struct one *o = arg;

    (void)err;
    o->rc = http_client_call(t, o->w->client, &o->req, o->w->arena, &o->reply, &o->err);
    o->ended = true;
    return TL_OK;
}

/* Plain http goes without libcurl, unless the call needs what only libcurl can: some tests run both ways. */
static bool force_libcurl;

static int by_libcurl(void **state)
{
    (void)state;
    force_libcurl = true;
    return 0;
}

static int by_ourselves(void **state)
{
    (void)state;
    force_libcurl = false;
    return 0;
}

static void begin_call(struct world *w, struct one *o, const char *host, uint16_t port)
{
    o->w = w;
    o->req.compressed |= force_libcurl;
    if (!o->req.url.p) {
        (void)snprintf(o->url, sizeof o->url, "http://%s:%u/orders", host, (unsigned)port);
        o->req.url = tl_sv_str(o->url);
    }
    assert_int_equal(task_start(w->loop, "call", 0, body, o, NULL, &o->task, NULL), TL_OK);
}

static enum tl_rc call(struct world *w, struct one *o, const char *host, uint16_t port)
{
    begin_call(w, o, host, port);
    async_loop_run(w->loop);
    assert_true(o->ended);
    return o->rc;
}

#define OK_HI "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Thing: one\r\n\r\nhi"

static void a_reply_has_status_headers_body_and_tells_how_it_came(void **state)
{
    struct server s = {.first = OK_HI, .second = OK_HI};
    struct http_header h[] = {{TL_SV("X-Mine"), TL_SV("yes")}, {TL_SV("X-Empty"), TL_SV("")}};
    struct one a = {.req = {.body = TL_SV("{\"n\":1}"), .headers = h, .n_headers = 2}},
               b = {.req = {.idempotent = true}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &a, "here.test", s.port), TL_OK);
    assert_int_equal(a.reply.status, 200);
    assert_true(tl_sv_eqs(a.reply.body, "hi"));
    assert_true(tl_sv_eqs(http_header_get(&a.reply.headers, "x-thing"), "one"));
    assert_true(a.reply.sent);
    assert_false(a.reply.reused);
    assert_int_equal(a.reply.bytes_out, 7);
    assert_int_equal(a.reply.remote.port, s.port);
    assert_true(saw(&s, "POST /orders HTTP/1.1\r\n"));
    assert_true(saw(&s, "X-Mine: yes\r\n"));
    assert_true(saw(&s, "X-Empty:"));
    assert_true(saw(&s, "\r\n\r\n{\"n\":1}"));
    assert_false(saw(&s, "Expect"));
    assert_int_equal(call(&w, &b, "here.test", s.port), TL_OK);
    assert_true(b.reply.reused);
    assert_int_equal(lookups, 1);
    assert_int_equal(s.connections, 1);
    end_world(&w);
    close_server(&s);
}

static void a_chunked_reply_is_put_together(void **state)
{
    struct server s = {.first = "HTTP/1.1 100 Continue\r\nX-Early: 1\r\n\r\nHTTP/1.1 201 Created\r\nTransfer-Encoding: "
                                "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"};
    struct one o = {.req = {.method = TL_SV("PUT"), .body = TL_SV("x")}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(o.reply.status, 201);
    assert_true(tl_sv_eqs(o.reply.body, "abcde"));
    assert_null(http_header_get(&o.reply.headers, "x-early").p);
    end_world(&w);
    close_server(&s);
}

static void a_reply_that_is_too_large_is_a_limit_error(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Long: ",
    };
    struct world w;

    (void)state;
    begin_world(&w, true);
    for (size_t i = 0; i < TL_COUNT(heads); i++) {
        struct server s = {.first = heads[i], .filler = 200000};
        struct one o = {.req = {.max_body = 50000, .max_headers = 2000}};

        open_server(&s);
        assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_LIMIT);
        assert_true(o.reply.sent);
        close_server(&s);
    }
    end_world(&w);
}

/* The case that libcurl gets wrong by itself: the reused connection dies after the request was read. */
static void a_request_that_is_not_idempotent_is_sent_once_even_on_a_reused_connection(void **state)
{
    static const struct {
        const char *method, *body;
        bool first_try; /* on a fresh connection */
    } cases[] = {
        {"POST", "{\"order\":1}", true}, {"POST", "{\"order\":1}", false}, {"POST", "", true}, {"POST", "", false},
        {"DELETE", "", false},           {"PATCH", "{}", false},
    };
    struct world w;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct server s = {.first = cases[i].first_try ? NULL : OK_HI, .second = NULL};
        struct one warm = {.ended = false};
        struct one o = {.req = {.method = tl_sv_str(cases[i].method), .body = tl_sv_str(cases[i].body)}};
        int before;

        begin_world(&w, true);
        open_server(&s);
        if (!cases[i].first_try) {
            assert_int_equal(call(&w, &warm, "127.0.0.1", s.port), TL_OK);
            s.first = NULL; /* a fresh connection would be answered nothing either */
        }
        before = s.requests;
        if (!cases[i].first_try && o.req.body.n == 0) {
            /* it will come on a fresh connection: the server must be free to accept it */
            http_client_free(w.client);
            assert_int_equal(
                http_client_new(w.loop, &(struct http_client_options){.egress.allow_private = true}, &w.client, NULL),
                TL_OK);
        }
        assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_UNKNOWN_OUTCOME);
        assert_true(o.reply.sent);
        end_world(&w);
        close_server(&s);
        assert_int_equal(s.requests, before + 1);
    }
}

static void an_idempotent_request_may_be_sent_again_on_a_dead_connection(void **state)
{
    struct server s = {.first = OK_HI, .second = NULL};
    struct one warm = {.ended = false}, o = {.req = {.body = TL_SV("{}"), .idempotent = true}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &warm, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(s.requests, 3);
    end_world(&w);
    close_server(&s);
}

static void an_idempotent_request_is_sent_once_where_each_sending_counts(void **state)
{
    struct server s = {.first = OK_HI, .second = NULL};
    struct one warm = {.ended = false}, o = {.req = {.body = TL_SV("{}"), .idempotent = true, .once = true}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &warm, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_UPSTREAM);
    assert_true(o.reply.sent);
    assert_int_equal(s.requests, 2);
    end_world(&w);
    close_server(&s);
}

static void a_slow_reply_is_a_time_out_that_tells_that_the_request_was_sent(void **state)
{
    struct server s = {.silent = true};
    struct one o = {.req = {.body = TL_SV("x"), .timeout_ms = 50}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_TIMEOUT);
    assert_true(o.reply.sent);
    assert_non_null(strstr(o.err.text, "the request was sent"));
    end_world(&w);
    close_server(&s);
}

static void cancelling_removes_the_transfer_before_the_call_returns(void **state)
{
    struct server s = {.silent = true};
    struct one o = {.req = {.body = TL_SV("x")}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    begin_call(&w, &o, "127.0.0.1", s.port);
    while (s.requests == 0) {
        async_loop_poll(w.loop);
        usleep(1000);
    }
    task_cancel(o.task);
    async_loop_run(w.loop);
    assert_int_equal(o.rc, TL_CANCELED);
    assert_true(o.reply.sent);
    end_world(&w); /* asserts that no call is left */
    close_server(&s);
}

static void nobody_there_is_unreachable(void **state)
{
    struct server s = {.first = OK_HI};
    struct one refused = {.req = {.body = TL_SV("x")}}, unknown = {.ended = false}, again = {.ended = false};
    struct world w;

    (void)state;
    open_server(&s);
    close_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &refused, "127.0.0.1", s.port), TL_UNREACHABLE);
    assert_false(refused.reply.sent);
    assert_int_equal(call(&w, &unknown, "nowhere.test", 80), TL_UNREACHABLE);
    assert_string_equal(unknown.err.text, "the name nowhere.test can't be resolved: no such name");
    assert_int_equal(call(&w, &again, "nowhere.test", 80), TL_UNREACHABLE);
    assert_int_equal(lookups, 1);
    end_world(&w);
}

static void tls_to_a_server_without_it_is_unreachable(void **state)
{
    struct server s = {.first = "no tls here, close\r\n"};
    struct one o = {.req = {.body = TL_SV("x")}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    (void)snprintf(o.url, sizeof o.url, "https://127.0.0.1:%u/", (unsigned)s.port);
    o.req.url = tl_sv_str(o.url);
    o.req.timeout_ms = 2000;
    begin_call(&w, &o, "", 0);
    usleep(1000);
    (void)shutdown(s.fd, SHUT_RDWR);
    async_loop_run(w.loop);
    assert_true(o.rc == TL_UNREACHABLE || o.rc == TL_TIMEOUT); /* the server waits for a head that never comes */
    assert_false(o.reply.sent);
    end_world(&w);
    close_server(&s);
}

static void what_must_not_be_sent_is_refused_before_a_connection_is_made(void **state)
{
    static const struct {
        const char *url, *name, *value, *method;
        enum tl_rc rc;
    } cases[] = {
        {"http://127.0.0.1:9/", "X-A", "b\r\nX-C: d", "GET", TL_INVALID},
        {"http://127.0.0.1:9/", "X-A: b\r\nX", "c", "GET", TL_INVALID},
        {"http://127.0.0.1:9/", "", "c", "GET", TL_INVALID},
        {"http://127.0.0.1:9/", "Content-Length", "3", "GET", TL_INVALID},
        {"http://127.0.0.1:9/", "Transfer-Encoding", "chunked", "GET", TL_INVALID},
        {"http://127.0.0.1:9/", "X", "y", "GET /", TL_INVALID},
        {"http://127.0.0.1:9/", "X", "y", "CONNECT", TL_INVALID},
        {"http://user:pw@127.0.0.1:9/", "X", "y", "GET", TL_INVALID},
        {"file:///etc/passwd", "X", "y", "GET", TL_INVALID},
        {"http://2130706433/", "X", "y", "GET", TL_INVALID},
        {"http://0x7f.1/", "X", "y", "GET", TL_INVALID},
        {"http://127.1/", "X", "y", "GET", TL_INVALID},
        {"http://169.254.169.254/latest", "X", "y", "GET", TL_CONFIG},
        {"http://metadata.test/latest", "X", "y", "GET", TL_CONFIG},
        {"http://[fe80::1]/", "X", "y", "GET", TL_CONFIG},
        {"http://[::ffff:169.254.169.254]/", "X", "y", "GET", TL_CONFIG},
    };
    struct world w;

    (void)state;
    begin_world(&w, true);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        struct http_header h = {tl_sv_str(cases[i].name), tl_sv_str(cases[i].value)};
        struct one o = {.req = {.url = tl_sv_str(cases[i].url), .headers = &h, .n_headers = 1}};

        o.req.method = tl_sv_str(cases[i].method);
        begin_call(&w, &o, "", 0);
        async_loop_run(w.loop);
        if (o.rc != cases[i].rc)
            fail_msg("%s %s: %s", cases[i].url, cases[i].name, tl_rc_name(o.rc));
        assert_false(o.reply.sent);
    }
    end_world(&w);
}

static void private_addresses_are_refused_unless_allowed(void **state)
{
    static const struct {
        const char *ip;
        bool open, with_private;
    } cases[] = {
        {"8.8.8.8", true, true},
        {"127.0.0.1", false, true},
        {"10.1.2.3", false, true},
        {"172.31.0.1", false, true},
        {"172.32.0.1", true, true},
        {"192.168.1.1", false, true},
        {"100.64.0.1", false, true},
        {"169.254.1.1", false, false},
        {"0.0.0.0", false, false},
        {"224.0.0.1", false, false},
        {"255.255.255.255", false, false},
        {"168.63.129.16", false, false},
        {"100.100.100.200", false, false},
        {"::1", false, true},
        {"::", false, false},
        {"fe80::1", false, false},
        {"fd12::1", false, true},
        {"fd00:ec2::254", false, false},
        {"ff02::1", false, false},
        {"2001:db8::1", true, true},
        {"::ffff:127.0.0.1", false, true},
        {"64:ff9b::7f00:1", false, true},
        {"64:ff9b::a9fe:a9fe", false, false},
        {"2002:a00:1::", false, true},
        {"::169.254.1.1", false, false},
    };
    struct http_egress closed = {.allow_private = false}, with_private = {.allow_private = true}, listed;
    struct http_cidr cidr;
    struct http_addr a;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        assert_true(http_addr_parse(tl_sv_str(cases[i].ip), &a));
        if ((http_egress_check(&closed, &a, NULL) == TL_OK) != cases[i].open ||
            (http_egress_check(&with_private, &a, NULL) == TL_OK) != cases[i].with_private)
            fail_msg("%s", cases[i].ip);
    }
    assert_true(http_cidr_parse(TL_SV("169.254.169.254"), &cidr));
    assert_true(http_addr_parse(TL_SV("169.254.169.254"), &a));
    listed = (struct http_egress){.allow = &cidr, .n_allow = 1};
    assert_int_equal(http_egress_check(&listed, &a, NULL), TL_OK);
    assert_true(http_addr_parse(TL_SV("8.8.8.8"), &a));
    assert_true(http_cidr_parse(TL_SV("8.0.0.0/8"), &cidr));
    listed = (struct http_egress){.deny = &cidr, .n_deny = 1};
    assert_int_equal(http_egress_check(&listed, &a, NULL), TL_CONFIG);
}

static void another_policy_judges_the_next_call_over_kept_connections_too(void **state)
{
    struct server s = {.first = OK_HI, .second = OK_HI};
    struct one a = {.ended = false}, b = {.ended = false}, c = {.ended = false};
    struct http_cidr here, elsewhere;
    struct http_egress *copy;
    struct world w;

    (void)state;
    assert_true(http_cidr_parse(TL_SV("127.0.0.0/8"), &here) && http_cidr_parse(TL_SV("10.0.0.0/8"), &elsewhere));
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &a, "127.0.0.1", s.port), TL_OK);
    http_client_set_egress(w.client, &(struct http_egress){.allow_private = true, .deny = &here, .n_deny = 1});
    assert_int_equal(call(&w, &b, "127.0.0.1", s.port), TL_CONFIG);
    assert_int_equal(s.requests, 1);
    copy = http_client_egress(w.client, w.arena);
    http_client_set_egress(w.client,
                           &(struct http_egress){.allow = (struct http_cidr[]){elsewhere, here}, .n_allow = 2});
    assert_int_equal(call(&w, &c, "127.0.0.1", s.port), TL_OK);
    assert_true(copy->allow_private && copy->n_allow == 0 && copy->n_deny == 1); /* what was taken along stays */
    assert_memory_equal(copy->deny[0].ip, here.ip, sizeof here.ip);
    end_world(&w);
    close_server(&s);
}

/* ---- streaming ---- */

struct flow {
    size_t left, got;
};

static enum tl_rc give(void *arg, char *p, size_t max, size_t *ret_n, struct tl_err *err)
{
    struct flow *f = arg;
    size_t n = f->left < max ? f->left : max;

    (void)err;
    memset(p, 'u', n);
    f->left -= n;
    *ret_n = n;
    return TL_OK;
}

static enum tl_rc take(void *arg, struct tl_sv piece, struct tl_err *err)
{
    struct flow *f = arg;

    f->got += piece.n;
    return f->got > 20000000 ? tl_fail(err, TL_FULL, "no room left") : TL_OK;
}

static void bodies_stream_both_ways_and_a_sink_may_end_the_call(void **state)
{
    static const size_t sizes[] = {3000000, 30000000};
    struct world w;

    (void)state;
    begin_world(&w, true);
    for (size_t i = 0; i < 2; i++) {
        struct server s = {.first = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", .filler = sizes[i]};
        struct flow up = {.left = 2000}, down = {.left = 0};
        struct one o = {
            .req = {.source = give, .source_arg = &up, .source_bytes = 2000, .sink = take, .sink_arg = &down}};

        open_server(&s);
        assert_int_equal(call(&w, &o, "127.0.0.1", s.port), i == 0 ? TL_OK : TL_FULL);
        assert_int_equal(up.left, 0);
        assert_true(i == 1 || down.got == sizes[i]);
        assert_int_equal(o.reply.bytes_out, 2000);
        close_server(&s);
    }
    end_world(&w);
}

static void a_jar_brings_cookies_back_and_other_calls_have_none(void **state)
{
    struct server s = {.first = "HTTP/1.1 200 OK\r\nSet-Cookie: sid=42; Path=/\r\nContent-Length: 0\r\n\r\n",
                       .second = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"};
    struct http_jar *jar = http_jar_new();
    struct one a = {.req = {.jar = jar}}, b = {.req = {.jar = jar}}, c = {.ended = false};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &a, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(call(&w, &b, "127.0.0.1", s.port), TL_OK);
    assert_true(saw(&s, "Cookie: sid=42"));
    assert_int_equal(call(&w, &c, "127.0.0.1", s.port), TL_OK);
    assert_false(saw(&s, "Cookie:"));
    end_world(&w);
    http_jar_free(jar);
    close_server(&s);
}

static void calls_wait_for_a_connection_when_there_are_as_many_as_may_be(void **state)
{
    enum { CALLS = 20 };
    struct server s = {.first = OK_HI, .second = OK_HI};
    struct one *o = tl_zalloc(CALLS * sizeof *o), late = {.req = {.timeout_ms = 30}};
    struct http_client_options opt = {.egress.allow_private = true, .connections_a_host = 1};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    http_client_free(w.client);
    assert_int_equal(http_client_new(w.loop, &opt, &w.client, NULL), TL_OK);
    for (int i = 0; i < CALLS; i++)
        begin_call(&w, &o[i], "127.0.0.1", s.port);
    async_loop_run(w.loop);
    for (int i = 0; i < CALLS; i++) {
        assert_true(o[i].ended);
        assert_int_equal(o[i].rc, TL_OK);
        assert_int_equal(o[i].reply.reused, i > 0);
    }
    assert_int_equal(s.connections, 1);
    s.silent = true; /* one is under way for ever; the next one's time runs out while it waits in line */
    o[0].ended = o[1].ended = false;
    begin_call(&w, &o[0], "127.0.0.1", s.port);
    begin_call(&w, &late, "127.0.0.1", s.port);
    begin_call(&w, &o[1], "127.0.0.1", s.port);
    while (!late.ended)
        async_loop_poll(w.loop);
    assert_int_equal(late.rc, TL_TIMEOUT);
    assert_false(late.reply.sent);
    assert_non_null(strstr(late.err.text, "no connection was free"));
    task_cancel(o[0].task);
    s.silent = false;
    async_loop_run(w.loop);
    assert_int_equal(o[0].rc, TL_CANCELED);
    assert_int_equal(o[1].rc, TL_OK); /* the place of the one that was cancelled */
    end_world(&w);
    close_server(&s);
    tl_free(o);
}

static void a_connection_that_the_server_has_closed_is_not_used_again(void **state)
{
    struct server s = {.first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Says: nothing of close\r\n\r\nhi"};
    struct one a = {.ended = false}, b = {.req = {.body = TL_SV("{\"order\":1}")}};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &a, "127.0.0.1", s.port), TL_OK);
    async_loop_keep(w.loop, true); /* as in a server: it looks at what is idle, too */
    for (int i = 0; i < 100; i++) {
        async_loop_poll(w.loop);
        usleep(1000);
    }
    async_loop_keep(w.loop, false);
    assert_int_equal(call(&w, &b, "127.0.0.1", s.port), TL_OK); /* and this one must not be sent twice */
    assert_false(b.reply.reused);
    assert_int_equal(s.connections, 2);
    assert_int_equal(s.requests, 2);
    end_world(&w);
    close_server(&s);
}

static void a_redirect_is_a_reply_and_is_not_followed(void **state)
{
    struct server s = {.first = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n"};
    struct one o = {.ended = false};
    struct world w;

    (void)state;
    open_server(&s);
    begin_world(&w, true);
    assert_int_equal(call(&w, &o, "127.0.0.1", s.port), TL_OK);
    assert_int_equal(o.reply.status, 302);
    assert_int_equal(s.requests, 1);
    end_world(&w);
    close_server(&s);
}

static void statuses_and_retry_after_are_read(void **state)
{
    static const struct {
        int status;
        enum tl_rc rc;
    } cases[] = {{200, TL_OK},           {204, TL_OK},        {302, TL_CONFIG},   {400, TL_INVALID},
                 {401, TL_AUTH},         {403, TL_FORBIDDEN}, {404, TL_INVALID},  {408, TL_TIMEOUT},
                 {409, TL_CONFLICT},     {413, TL_LIMIT},     {422, TL_INVALID},  {425, TL_BUSY},
                 {429, TL_RATE_LIMITED}, {500, TL_UPSTREAM},  {503, TL_UPSTREAM}, {599, TL_UPSTREAM}};
    int64_t now = 1700000000000; /* Tue, 14 Nov 2023 22:13:20 GMT */
    struct http_header h = {TL_SV("retry-after"), TL_SV("Tue, 14 Nov 2023 22:13:50 GMT")};
    struct http_reply reply = {.status = 429, .headers = {&h, 1}};
    struct tl_fake_clock clock;
    struct tl_err err = {0};
    uint64_t ms;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(cases); i++)
        assert_int_equal(http_status_rc(cases[i].status), cases[i].rc);
    assert_true(http_retry_after_ms(TL_SV("120"), now, &ms) && ms == 120000);
    assert_true(http_retry_after_ms(TL_SV("99999999999"), now, &ms) && ms == 604800000);
    assert_true(http_retry_after_ms(TL_SV("Tue, 14 Nov 2023 22:00:00 GMT"), now, &ms) && ms == 0);
    assert_false(http_retry_after_ms(TL_SV("-1"), now, &ms));
    assert_false(http_retry_after_ms(TL_SV("soon"), now, &ms));
    tl_fake_clock_init(&clock, now);
    assert_int_equal(http_reply_rc(&reply, &clock.base, &err), TL_RATE_LIMITED);
    assert_int_equal(err.retry_after_ms, 30000);
}

static void what_only_looks_is_known_by_its_method_and_without_one_by_its_body(void **state)
{
    static const struct {
        const char *method, *body;
        bool safe;
    } rows[] = {
        {"GET", "", true},  {"HEAD", "", true},    {"OPTIONS", "", true}, {"", "", true},     {"", "x", false},
        {"PUT", "", false}, {"DELETE", "", false}, {"POST", "", false},   {"get", "", false}, {"GET", "x", true},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct http_request_out out = {.method = tl_sv_str(rows[i].method), .body = tl_sv_str(rows[i].body)};

        if (http_client_is_safe(&out) != rows[i].safe)
            fail_msg("%s '%s'", rows[i].method, rows[i].body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_only_looks_is_known_by_its_method_and_without_one_by_its_body),
        cmocka_unit_test(a_reply_has_status_headers_body_and_tells_how_it_came),
        cmocka_unit_test(a_chunked_reply_is_put_together),
        cmocka_unit_test_setup_teardown(a_chunked_reply_is_put_together, by_libcurl, by_ourselves),
        cmocka_unit_test(a_reply_that_is_too_large_is_a_limit_error),
        cmocka_unit_test_setup_teardown(a_reply_that_is_too_large_is_a_limit_error, by_libcurl, by_ourselves),
        cmocka_unit_test(a_request_that_is_not_idempotent_is_sent_once_even_on_a_reused_connection),
        cmocka_unit_test_setup_teardown(a_request_that_is_not_idempotent_is_sent_once_even_on_a_reused_connection,
                                        by_libcurl, by_ourselves),
        cmocka_unit_test(an_idempotent_request_may_be_sent_again_on_a_dead_connection),
        cmocka_unit_test(an_idempotent_request_is_sent_once_where_each_sending_counts),
        cmocka_unit_test_setup_teardown(an_idempotent_request_is_sent_once_where_each_sending_counts, by_libcurl,
                                        by_ourselves),
        cmocka_unit_test_setup_teardown(an_idempotent_request_may_be_sent_again_on_a_dead_connection, by_libcurl,
                                        by_ourselves),
        cmocka_unit_test(a_slow_reply_is_a_time_out_that_tells_that_the_request_was_sent),
        cmocka_unit_test_setup_teardown(a_slow_reply_is_a_time_out_that_tells_that_the_request_was_sent, by_libcurl,
                                        by_ourselves),
        cmocka_unit_test(cancelling_removes_the_transfer_before_the_call_returns),
        cmocka_unit_test_setup_teardown(cancelling_removes_the_transfer_before_the_call_returns, by_libcurl,
                                        by_ourselves),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test_setup_teardown(nobody_there_is_unreachable, by_libcurl, by_ourselves),
        cmocka_unit_test(tls_to_a_server_without_it_is_unreachable),
        cmocka_unit_test(what_must_not_be_sent_is_refused_before_a_connection_is_made),
        cmocka_unit_test(private_addresses_are_refused_unless_allowed),
        cmocka_unit_test(another_policy_judges_the_next_call_over_kept_connections_too),
        cmocka_unit_test_setup_teardown(another_policy_judges_the_next_call_over_kept_connections_too, by_libcurl,
                                        by_ourselves),
        cmocka_unit_test(bodies_stream_both_ways_and_a_sink_may_end_the_call),
        cmocka_unit_test(a_jar_brings_cookies_back_and_other_calls_have_none),
        cmocka_unit_test(calls_wait_for_a_connection_when_there_are_as_many_as_may_be),
        cmocka_unit_test(a_connection_that_the_server_has_closed_is_not_used_again),
        cmocka_unit_test(a_redirect_is_a_reply_and_is_not_followed),
        cmocka_unit_test(statuses_and_retry_after_are_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
