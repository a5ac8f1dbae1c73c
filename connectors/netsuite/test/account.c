/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <stdlib.h>
#include <unistd.h>

#include "../../../src/crypto/test/keys.h"

static const char first[] =
    "{\"subsidiary\":[{\"name\":\"Parent\"},{\"name\":\"Germany\"}],\"location\":[{\"name\":\"Berlin\"}],"
    "\"customer\":[{\"externalId\":\"C-1\",\"companyName\":\"Globex\",\"email\":\"a@globex.example\"}],"
    "\"inventoryItem\":[{\"externalId\":\"SKU-1\",\"itemId\":\"SKU-1\"},{\"externalId\":\"SKU-2\",\"itemId\":\"SKU-2\"}"
    "]}";

static void write_certificate(struct account *a)
{
    int fd;

    (void)snprintf(a->certificate, sizeof a->certificate, "/tmp/netsuite-test-XXXXXX");
    fd = mkstemp(a->certificate);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, pem_ec_cert, strlen(pem_ec_cert)), (ssize_t)strlen(pem_ec_cert));
    (void)close(fd);
}

static void connect_to(struct account *a, const char *auth)
{
    const char *yaml = tl_arena_printf(a->rig.conf, "{ account: \"1234567_SB1\", url: \"%s\", auth: %s, timeout: 5s }",
                                       a->rig.url, auth ? auth : ACCOUNT_M2M);

    a->rig.env[1][0] = "KEY";
    a->rig.env[1][1] = pem_ec_sec1;
    a->rig.env[2][0] = "CONSUMER_SECRET";
    a->rig.env[2][1] = "consumer-secret";
    a->rig.env[3][0] = "TOKEN_SECRET";
    a->rig.env[3][1] = "token-secret";
    if (!rig_connect(&a->rig, connector_find(TL_SV("netsuite")), yaml))
        fail_msg("%s", rig_errors(&a->rig));
    rig_authenticate(&a->rig);
}

void account_open(struct account *a, const struct nsim_options *options, const char *auth)
{
    struct nsim_options opt = options ? *options : nsim_defaults();
    struct http_route routes[NSIM_ROUTES];
    struct connector_sim_server server = {.name = "netsuite", .quiet = true, .routes = routes};
    struct nsim_fault f = {0};
    struct tl_err err = {0};
    struct json v;

    *a = (struct account){.sim = NULL};
    rig_start(&a->rig);
    a->verdict = a->rig.verdicts;
    write_certificate(a);
    if (!opt.certificates)
        opt.certificates = tl_arena_printf(a->rig.conf, "k1=%s", a->certificate);
    if (nsim_new(&opt, tl_clock_system(), &a->sim, &err) != TL_OK)
        fail_msg("%s", err.text);
    assert_int_equal(json_parse(a->rig.conf, tl_sv_str(first), 0, NULL, &v, &err), TL_OK);
    if (!nsim_seed(a->sim, v, &f))
        fail_msg("%s (%s)", f.text, f.where);
    server.n_routes = nsim_routes(a->sim, routes);
    assert_int_equal(connector_sim_new(a->rig.loop, &server, &a->server, &err), TL_OK);
    (void)snprintf(a->rig.url, sizeof a->rig.url, "http://127.0.0.1:%u", (unsigned)connector_sim_port(a->server));
    connect_to(a, auth);
}

static enum tl_rc stop(struct task *task, void *arg, struct tl_err *err)
{
    struct account *a = arg;

    (void)err;
    connector_sim_stop(task, a->server);
    return TL_OK;
}
static void stopped(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    struct account *a = arg;

    (void)rc, (void)err;
    async_loop_stop(a->rig.loop);
}

void account_close(struct account *a)
{
    struct tl_err err = {0};

    assert_int_equal(task_start(a->rig.loop, "test.stop", 0, stop, a, stopped, NULL, &err), TL_OK);
    async_loop_run(a->rig.loop);
    rig_stop(&a->rig);
    connector_sim_free(a->server);
    nsim_free(a->sim);
    (void)unlink(a->certificate);
}

void account_target(struct account *a, const char *yaml)
{
    if (!rig_target(&a->rig, yaml, (1u << CONNECTOR_WRITE) | (1u << CONNECTOR_READ) | (1u << CONNECTOR_CALL)))
        fail_msg("%s", rig_errors(&a->rig));
}

enum tl_rc account_write(struct account *a, const char *record)
{
    a->rig.fn = NULL;
    rig_records(&a->rig, &record, 1);
    rig_run(&a->rig);
    return a->rig.rc;
}

enum tl_rc account_resume(struct account *a)
{
    a->rig.call.ticket = tl_arena_sv(a->rig.conf, a->rig.call.new_ticket);
    a->rig.records[0].value = a->rig.records[0].envelope = JSON_NOTHING; /* as the host does */
    a->rig.fn = a->rig.chosen.operation->resume;
    rig_run(&a->rig);
    return a->rig.rc;
}

enum tl_rc account_call(struct account *a, const char *input)
{
    a->rig.fn = NULL;
    a->rig.call.n = 0;
    assert_int_equal(json_parse(a->rig.conf, tl_sv_str(input), 0, NULL, &a->rig.call.input, NULL), TL_OK);
    rig_run(&a->rig);
    return a->rig.rc;
}

struct json account_records(struct account *a, const char *type)
{
    return nsim_dump(a->sim, a->rig.conf, nsim_type_find(tl_sv_str(type)));
}

const char *account_text(struct account *a)
{
    return a->rig.rc != TL_OK
               ? a->rig.err.text
               : tl_arena_strndup(a->rig.conf, a->verdict->text.p ? a->verdict->text.p : "", a->verdict->text.n);
}

const char *account_last_audit(struct account *a)
{
    return a->sim->n_audit > 0 ? a->sim->audit[(a->sim->n_audit - 1) % NSIM_AUDIT] : "";
}
