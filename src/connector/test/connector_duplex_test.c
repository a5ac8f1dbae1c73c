/* SPDX-License-Identifier: Apache-2.0 */
/* What the host puts on a call over a stream: the credentials, and only where they belong. */
#include "connector_rig.h"

#include "connector/connector_int.h"

struct world {
    struct rig rig;
    struct connector_auth auth;
    struct connector connector;
    struct http_h2_server *server;
    int applied, calls, status; /* status: of gRPC, that the service answers */
    bool renew;
    char seen[200]; /* accesstoken|authorization|x-more of the last call */
};
static char streams[64]; /* address of the service: what other_url gives */
static struct world *world;

static enum tl_rc apply(struct connector_auth *base, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct world *w = TL_CONTAINER(base, struct world, auth);
    struct http_header *h = tl_arena_must(call->arena, sizeof *h);

    (void)task, (void)err;
    *h = (struct http_header){TL_SV("Authorization"),
                              tl_sv_str(tl_arena_printf(call->arena, "Bearer s3cr3t-%d", ++w->applied))};
    req->headers = h;
    req->n_headers = 1;
    return TL_OK;
}

static bool answered(struct connector_auth *base, struct task *task, struct connector_call *call,
                     const struct http_reply *reply, bool refused)
{
    (void)task, (void)call, (void)refused;
    return reply->status == 401 && TL_CONTAINER(base, struct world, auth)->renew;
}

static enum tl_rc serve(struct task *t, struct http_h2_stream *s, void *arg, struct tl_err *err)
{
    struct world *w = arg;
    const struct http_headers *h = http_h2_head(s);
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = http_grpc_accept(s, HTTP_GRPC_MAX, &g, err);

    w->calls++;
    snprintf(w->seen, sizeof w->seen, "%.*s|%.*s|%.*s", TL_SV_ARG(http_header_get(h, "accesstoken")),
             TL_SV_ARG(http_header_get(h, "authorization")), TL_SV_ARG(http_header_get(h, "x-more")));
    if (rc == TL_OK)
        rc = http_grpc_recv(t, &g, UINT64_MAX, &m, err);
    if (rc == TL_OK && w->status == 0)
        rc = http_grpc_send(t, &g, TL_SV("yes"), false, UINT64_MAX, err);
    return rc == TL_OK ? http_grpc_end(&g, w->status, "token s3cr3t-1 is bad", NULL, 0, err) : rc;
}

static const char *other_url(const void *connection, size_t i)
{
    (void)connection;
    return i == 0 ? streams : NULL;
}

static enum tl_rc ask(struct task *task, struct connector_call *call, struct tl_err *err)
{
    static const struct http_header more = {{"x-more", 6}, {"1", 1}};
    const struct connector_grpc_call what = {
        .url = tl_sv_str(streams), .path = "/a.B/C", .metadata = &more, .n_metadata = 1, .token_name = "accesstoken"};
    struct http_h2 *c;
    struct http_grpc g;
    struct tl_sv m;
    enum tl_rc rc = connector_duplex_connect(task, call, what.url, NULL, &c, err);

    if (rc != TL_OK)
        return rc;
    rc = connector_grpc_open(task, call, c, &what, &g, err);
    if (rc == TL_OK)
        rc = http_grpc_unary(task, &g, TL_SV("?"), UINT64_MAX, &m, err);
    world->rig.release = connector_grpc_ended(task, call, &g);
    http_grpc_free(&g);
    http_h2_close(c);
    return rc;
}

static enum tl_rc ask_elsewhere(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct http_h2 *c;

    return connector_duplex_connect(task, call, TL_SV("http://127.0.0.1:1"), NULL, &c, err);
}

static void start(struct world *w)
{
    static const char *const record = "{\"id\": 1}";
    struct rig *r = &w->rig;

    memset(w, 0, sizeof *w);
    world = w;
    rig_start(r);
    assert_int_equal(
        http_h2_server_new(r->loop, &(struct http_h2_server_options){.handler = serve, .arg = w}, &w->server, NULL),
        TL_OK);
    snprintf(streams, sizeof streams, "http://127.0.0.1:%u", (unsigned)http_h2_server_port(w->server));
    w->auth = (struct connector_auth){apply, answered};
    r->auth = &w->auth;
    if (!rig_connect(r, connector_find(TL_SV("http")), "{ url: \"${env:TIELINE_TEST_URL}\" }") ||
        !rig_target(r, "{ post: /x, idempotency_header: \"\" }", 1u << CONNECTOR_WRITE))
        fail_msg("%s", rig_errors(r));
    w->connector = *r->connector;
    w->connector.other_url = other_url;
    r->connector = &w->connector;
    rig_records(r, &record, 1);
    r->fn = ask;
}

static void stop(struct world *w)
{
    http_h2_server_cut(w->server);
    http_h2_server_free(w->server);
    rig_stop(&w->rig);
}

static void the_token_goes_under_the_name_that_the_service_wants_and_no_other(void **state)
{
    struct world w;

    (void)state;
    start(&w);
    rig_run(&w.rig);
    if (w.rig.rc != TL_OK)
        fail_msg("%s", w.rig.err.text);
    assert_string_equal(w.seen, "s3cr3t-2||1"); /* one was for the connection */
    assert_false(w.rig.call.not_sent);
    stop(&w);
}

static void credentials_do_not_go_to_another_host(void **state)
{
    struct world w;

    (void)state;
    start(&w);
    w.rig.fn = ask_elsewhere;
    rig_run(&w.rig);
    assert_int_equal(w.rig.rc, TL_CONFIG);
    assert_int_equal(w.applied, 0);
    stop(&w);
}

static void a_refusal_for_its_credentials_says_whether_new_ones_may_help(void **state)
{
    struct world w;

    (void)state;
    start(&w);
    w.status = 16;
    w.renew = true;
    rig_run(&w.rig);
    assert_int_equal(w.rig.rc, TL_AUTH);
    assert_true(w.rig.release);
    assert_int_equal(w.rig.call.status, 401);
    w.renew = false;
    rig_run(&w.rig);
    assert_false(w.rig.release);
    w.status = 14;
    w.renew = true;
    rig_run(&w.rig);
    assert_int_equal(w.rig.rc, TL_UPSTREAM);
    assert_false(w.rig.release); /* it is not about the credentials */
    stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_token_goes_under_the_name_that_the_service_wants_and_no_other),
        cmocka_unit_test(credentials_do_not_go_to_another_host),
        cmocka_unit_test(a_refusal_for_its_credentials_says_whether_new_ones_may_help),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
