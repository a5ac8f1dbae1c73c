/* SPDX-License-Identifier: Apache-2.0 */
/* The client's TLS against openssl s_server: whom it believes, what it shows, what its errors say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "http/client.h"

struct world {
    char dir[64], cert[96], key[96];
    uint16_t port;
    pid_t pid;
};

/* With a server that asks for a client certificate when told so. */
static void run_server(struct world *w, bool verify)
{
    char accept[32];

    (void)snprintf(accept, sizeof accept, "127.0.0.1:%u", (unsigned)w->port);
    w->pid = fork();
    assert_true(w->pid >= 0);
    if (w->pid == 0) {
        int null = open("/dev/null", O_RDWR);

        (void)dup2(null, 0);
        (void)dup2(null, 1);
        (void)dup2(null, 2);
        if (verify)
            (void)execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert", w->cert, "-key", w->key, "-www",
                         "-Verify", "1", "-verify_return_error", "-CAfile", w->cert, (char *)NULL);
        else
            (void)execlp("openssl", "openssl", "s_server", "-accept", accept, "-cert", w->cert, "-key", w->key, "-www",
                         (char *)NULL);
        _exit(127);
    }
}

static void wait_until_it_listens(const struct world *w)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(w->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    for (int i = 0; i < 500; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        int rc = connect(fd, (struct sockaddr *)&in, sizeof in);

        (void)close(fd);
        if (rc == 0)
            return;
        (void)usleep(10000);
    }
    fail_msg("openssl s_server does not listen");
}

static uint16_t free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t n = sizeof in;

    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    (void)close(fd);
    return ntohs(in.sin_port);
}

static void begin(struct world *w, bool verify)
{
    char line[600];

    (void)snprintf(w->dir, sizeof w->dir, "/tmp/tieline-tls-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->cert, sizeof w->cert, "%s/cert.pem", w->dir);
    (void)snprintf(w->key, sizeof w->key, "%s/key.pem", w->dir);
    (void)snprintf(line, sizeof line,
                   "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=here.test "
                   "-addext subjectAltName=DNS:here.test -keyout %s -out %s 2>/dev/null",
                   w->key, w->cert);
    assert_int_equal(system(line), 0);
    w->port = free_port();
    run_server(w, verify);
    wait_until_it_listens(w);
}

static void end(struct world *w)
{
    (void)kill(w->pid, SIGTERM);
    (void)waitpid(w->pid, NULL, 0);
    (void)unlink(w->cert);
    (void)unlink(w->key);
    (void)rmdir(w->dir);
}

static int local(const char *host, struct http_addr addrs[HTTP_LOOKUP_MAX], char *text, size_t n)
{
    (void)host;
    (void)text;
    (void)n;
    return http_addr_parse(TL_SV("127.0.0.1"), &addrs[0]) ? 1 : 0;
}

struct one {
    struct http_client *client;
    struct http_request_out req;
    struct http_reply reply;
    struct tl_err err;
    struct tl_arena *arena;
    enum tl_rc rc;
};

static enum tl_rc body(struct task *t, void *arg, struct tl_err *err)
{
    struct one *o = arg;

    (void)err;
    o->rc = http_client_call(t, o->client, &o->req, o->arena, &o->reply, &o->err);
    return TL_OK;
}

static struct one call(const struct world *w, const char *host, const struct http_client_tls *tls, const char *method)
{
    struct http_client_options opt = {.egress.allow_private = true, .lookup = local};
    struct one o = {.req = {.tls = tls, .method = tl_sv_str(method)}};
    struct async_loop *loop;
    char url[100];

    (void)snprintf(url, sizeof url, "https://%s:%u/", host, (unsigned)w->port);
    o.req.url = tl_sv_str(url);
    assert_int_equal(async_loop_new(1, NULL, &loop, NULL), TL_OK);
    assert_int_equal(http_client_new(loop, &opt, &o.client, NULL), TL_OK);
    o.arena = tl_arena_new(1024 * 1024);
    assert_int_equal(task_start(loop, "call", 0, body, &o, NULL, NULL, NULL), TL_OK);
    async_loop_run(loop);
    http_client_free(o.client);
    async_loop_free(loop);
    tl_arena_free(o.arena); /* status and error are what these tests look at */
    return o;
}

static void the_servers_certificate_is_verified(void **state)
{
    struct http_client_tls nothing = {.insecure = false}, insecure = {.insecure = true}, trusting, pem, missing;
    char text[4096] = "";
    struct world w;
    struct one o;
    FILE *f;

    (void)state;
    begin(&w, false);
    o = call(&w, "here.test", &nothing, "POST");
    assert_int_equal(o.rc, TL_UNREACHABLE);
    assert_false(o.reply.sent);
    assert_non_null(strstr(o.err.text, "here.test: its certificate is not accepted"));
    trusting = (struct http_client_tls){.ca_file = w.cert};
    o = call(&w, "here.test", &trusting, "GET");
    assert_int_equal(o.rc, TL_OK);
    assert_int_equal(o.reply.status, 200);
    assert_true(o.reply.tls_us > 0);
    o = call(&w, "other.test", &trusting, "GET");
    assert_int_equal(o.rc, TL_UNREACHABLE);
    o = call(&w, "other.test", &insecure, "GET");
    assert_int_equal(o.rc, TL_OK);
    f = fopen(w.cert, "r");
    assert_non_null(f);
    pem = (struct http_client_tls){.ca_pem = tl_sv(text, fread(text, 1, sizeof text, f))};
    (void)fclose(f);
    o = call(&w, "here.test", &pem, "GET");
    assert_int_equal(o.rc, TL_OK);
    missing = (struct http_client_tls){.ca_file = "/nonexistent/ca.pem"};
    o = call(&w, "here.test", &missing, "GET");
    assert_int_equal(o.rc, TL_CONFIG);
    end(&w);
}

static void a_client_certificate_is_shown_when_there_is_one(void **state)
{
    struct http_client_tls without, with, broken;
    struct world w;
    struct one o;

    (void)state;
    begin(&w, true);
    without = (struct http_client_tls){.ca_file = w.cert};
    with = (struct http_client_tls){.ca_file = w.cert, .cert_file = w.cert, .key_file = w.key};
    broken = (struct http_client_tls){.ca_file = w.cert, .cert_file = w.cert, .key_file = "/nonexistent/key.pem"};
    o = call(&w, "here.test", &without, "GET");
    assert_int_not_equal(o.rc, TL_OK);
    o = call(&w, "here.test", &with, "GET");
    assert_int_equal(o.rc, TL_OK);
    assert_int_equal(o.reply.status, 200);
    o = call(&w, "here.test", &broken, "GET");
    assert_int_equal(o.rc, TL_CONFIG);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_servers_certificate_is_verified),
        cmocka_unit_test(a_client_certificate_is_shown_when_there_is_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
