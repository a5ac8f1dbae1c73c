/* SPDX-License-Identifier: Apache-2.0 */
#include "salesforce/test/sf_rig.h"

#include <stdlib.h>

static enum tl_rc call_out(struct task *t, void *arg, const struct http_request_out *req, struct tl_arena *arena,
                           struct http_reply *reply, struct tl_err *err)
{
    struct sf_rig *s = arg;

    return http_client_call(t, s->rig.client, req, arena, reply, err);
}

static const char *env(void *arg, const char *name)
{
    struct sf_rig *s = arg;

    for (size_t i = 0; i < RIG_ENV && s->rig.env[i][0]; i++)
        if (strcmp(s->rig.env[i][0], name) == 0)
            return s->rig.env[i][1];
    return NULL;
}

/* ---- the ledger's ports ---- */

static enum tl_rc take(struct sf_rig *s, char **position, struct task *task, const struct connector_incoming *records,
                       size_t n, struct tl_sv after, struct tl_err *err)
{
    struct tl_buf b;

    if (rig_step(&s->rig, task, err) != TL_OK)
        return err->rc;
    if (++s->emits == s->fail_emit_at)
        return tl_fail(err, TL_STALE, "another instance reads this source");
    tl_buf_init(&b, 64 << 20);
    if (s->emitted)
        tl_buf_puts(&b, s->emitted);
    for (size_t i = 0; i < n; i++) {
        tl_buf_printf(&b, "%.*s|", TL_SV_ARG(records[i].key));
        json_write(&b, records[i].value, 0);
        tl_buf_putc(&b, '\n');
    }
    s->n_emitted += n;
    tl_free(s->emitted);
    s->emitted = tl_strndup(b.p ? b.p : "", b.n);
    tl_buf_done(&b);
    tl_free(*position);
    *position = tl_strndup(after.p ? after.p : "", after.n);
    if ((s->stop_at && s->n_emitted >= s->stop_at) || (s->on_emit && s->on_emit(s) != TL_OK))
        return tl_fail(err, TL_STALE, "another instance reads this source");
    return TL_OK;
}

static enum tl_rc emit(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    struct sf_rig *s = arg;

    return take(s, &s->position, task, records, n, position, err);
}

struct part {
    struct sf_rig *s;
    size_t i;
};
static enum tl_rc emit_part(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                            struct tl_sv position, struct tl_err *err)
{
    struct part *p = arg;

    return take(p->s, &p->s->parts[p->i], task, records, n, position, err);
}

static enum tl_rc part(void *arg, struct task *task, size_t i, connector_part_fn *fn, void *fn_arg, struct tl_err *err)
{
    struct sf_rig *s = arg;
    struct part p = {.s = s, .i = i};
    const struct connector_ledger ledger = {.emit = emit_part, .arg = &p};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct connector_call call = {.connection = s->rig.call.connection,
                                  .operation = s->rig.call.operation,
                                  .prepared = s->rig.call.prepared,
                                  .arena = a,
                                  .source = s->rig.call.source};

    call.position = s->parts[i] ? tl_sv_str(tl_arena_strdup(a, s->parts[i])) : TL_SV("");
    connector_call_begin(&call, s->rig.call.host, &ledger);
    return fn(task, &call, i, fn_arg, err);
}

static enum tl_rc checkpoint(void *arg, struct task *task, struct tl_sv ticket, struct tl_err *err)
{
    struct sf_rig *s = arg;

    if (rig_step(&s->rig, task, err) != TL_OK)
        return err->rc;
    s->n_tickets++;
    tl_free(s->ticket);
    s->ticket = tl_alloc(ticket.n + 1);
    memcpy(s->ticket, ticket.p, ticket.n);
    s->ticket_n = ticket.n;
    return TL_OK;
}

bool sf_emitted(const struct sf_rig *s, const char *text)
{
    return s->emitted && strstr(s->emitted, text);
}

/* ---- start and stop ---- */

void sf_connect(struct sf_rig *s, const char *auth, const char *more)
{
    struct tl_err err = {0};
    const char *yaml = tl_arena_printf(
        s->rig.conf, "{ url: \"%s\", auth: %s, %s }", s->url,
        auth ? auth : "{ oauth2_client_credentials: { client_id: tieline-demo, client_secret: \"${env:SF_SECRET}\" } }",
        more ? more : "timeout: 5s");

    if (!rig_connect(&s->rig, connector_find(TL_SV("salesforce")), yaml))
        fail_msg("%s", rig_errors(&s->rig));
    connector_auth_free(s->rig.auth);
    s->rig.auth = connector_auth_new(&s->world, s->rig.connector, "crm", s->rig.connection, &err);
    if (!s->rig.auth)
        fail_msg("%s", err.text);
}

void sf_start(struct sf_rig *s, const struct sfsim_options *opt, const char *auth)
{
    struct sfsim_options usual;
    struct http_route routes[32];
    struct tl_err err = {0};

    memset(s, 0, sizeof *s);
    rig_start(&s->rig);
    sfsim_options_default(&usual);
    if (sfsim_new(opt ? opt : &usual, &s->sim, &err) != TL_OK)
        fail_msg("%s", err.text);
    const struct connector_sim_server server = {.name = "salesforce",
                                                .quiet = true,
                                                .routes = routes,
                                                .n_routes = sfsim_routes(s->sim, routes, 32),
                                                .streams = sfsim_pubsub_serve,
                                                .streams_arg = s->sim};
    assert_int_equal(connector_sim_new(s->rig.loop, &server, &s->server, &err), TL_OK);
    snprintf(s->url, sizeof s->url, "http://127.0.0.1:%u", (unsigned)connector_sim_port(s->server));
    snprintf(s->streams, sizeof s->streams, "http://127.0.0.1:%u", (unsigned)connector_sim_streams_port(s->server));
    snprintf(s->sim->url, sizeof s->sim->url, "%s", s->url);
    s->rig.env[0][1] = s->url;
    s->rig.env[1][0] = "SF_SECRET";
    s->rig.env[1][1] = "demo-secret";
    assert_int_equal(crypto_new(&s->crypto, &err), TL_OK);
    assert_int_equal(
        secret_box_new(&(struct secret_options){.crypto = s->crypto, .env = env, .env_arg = s}, &s->secrets, &err),
        TL_OK);
    s->world = (struct auth_world){
        .crypto = s->crypto, .clock = tl_clock_system(), .secrets = s->secrets, .http = {call_out, s}};
    s->rig.ledger = (struct connector_ledger){.emit = emit, .checkpoint = checkpoint, .part = part, .arg = s};
    sf_connect(s, auth, NULL);
}

static enum tl_rc stop_server(struct task *task, void *arg, struct tl_err *err)
{
    (void)err;
    connector_sim_stop(task, ((struct sf_rig *)arg)->server);
    return TL_OK;
}

static void stopped(void *arg, enum tl_rc rc, const struct tl_err *err)
{
    (void)rc, (void)err;
    async_loop_stop(((struct sf_rig *)arg)->rig.loop);
}

void sf_stop(struct sf_rig *s)
{
    struct tl_err err = {0};

    assert_int_equal(task_start(s->rig.loop, "test.stop", 0, stop_server, s, stopped, NULL, &err), TL_OK);
    async_loop_run(s->rig.loop);
    s->rig.auth = (connector_auth_free(s->rig.auth), NULL);
    connector_sim_free(s->server);
    rig_stop(&s->rig);
    sfsim_free(s->sim);
    secret_box_free(s->secrets);
    crypto_free(s->crypto);
    tl_free(s->emitted);
    tl_free(s->position);
    for (size_t i = 0; i < CONNECTOR_PARTS; i++)
        tl_free(s->parts[i]);
    tl_free(s->ticket);
}

/* ---- running ---- */

void sf_target(struct sf_rig *s, const char *yaml, unsigned kinds)
{
    if (!rig_target(&s->rig, yaml, kinds))
        fail_msg("%s", rig_errors(&s->rig));
}

void sf_write(struct sf_rig *s, const char *const *records, size_t n)
{
    rig_records(&s->rig, records, n);
    rig_run(&s->rig);
}

void sf_read(struct sf_rig *s)
{
    s->rig.call.n = 0;
    s->rig.call.position = s->position ? tl_sv_str(tl_arena_strdup(s->rig.conf, s->position)) : TL_SV("");
    rig_run(&s->rig);
}

/* ---- the org from behind ---- */

const char *sf_add(struct sf_rig *s, const char *object, const char *json)
{
    struct sfsim_req req = {.sim = s->sim, .arena = s->rig.conf, .version = 60, .allow_duplicates = true};
    const struct sfsim_object *o = sfsim_object(s->sim->schema, tl_sv_str(object));
    struct sfsim_saved saved;

    assert_non_null(o);
    assert_int_equal(json_parse(s->rig.conf, tl_sv_str(json), 0, NULL, &req.body, NULL), TL_OK);
    assert_true(sfsim_begin(s->sim->db));
    sfsim_create(&req, o, req.body, &saved);
    assert_true(sfsim_commit(s->sim->db));
    if (!saved.ok)
        fail_msg("%s: %.*s", saved.fault.code, TL_SV_ARG(saved.fault.message));
    return tl_arena_strdup(s->rig.conf, saved.id);
}

struct json sf_ask(struct sf_rig *s, const char *soql)
{
    struct sfsim_req req = {.sim = s->sim, .arena = s->rig.conf, .version = 60, .batch_size = 2000};
    struct sfsim_answer ans;

    sfsim_query_run(&req, tl_sv_str(soql), false, &ans);
    if (ans.status != 200)
        fail_msg("%s: HTTP %d", soql, ans.status);
    return ans.body;
}

const char *sf_first(struct sf_rig *s, const char *soql, const char *field)
{
    struct json v = json_gets(json_at(json_gets(sf_ask(s, soql), "records"), 0), field);
    struct tl_buf b;
    const char *text;

    if (v.type == JSON_STRING)
        return tl_arena_strndup(s->rig.conf, v.u.s, v.n);
    tl_buf_init(&b, 4096);
    json_write(&b, v, 0);
    text = tl_arena_strdup(s->rig.conf, v.type == JSON_UNDEFINED ? "" : b.p);
    tl_buf_done(&b);
    return text;
}

int64_t sf_count(struct sf_rig *s, const char *soql)
{
    int64_t n = -1;

    (void)json_int64(json_gets(sf_ask(s, soql), "totalSize"), &n);
    return n;
}

void sf_expect(struct sf_rig *s, size_t i, enum connector_end end, enum tl_rc rc, const char *text)
{
    const struct connector_verdict *v = &s->rig.verdicts[i];

    if (s->rig.rc != TL_OK || v->end != end || v->rc != rc ||
        (text && tl_sv_find_sv(v->text, tl_sv_str(text)) == v->text.n))
        fail_msg("call %s: %s; record %zu: end %d, %s: %.*s", tl_rc_name(s->rig.rc), s->rig.err.text, i, v->end,
                 tl_rc_name(v->rc), TL_SV_ARG(v->text));
}
