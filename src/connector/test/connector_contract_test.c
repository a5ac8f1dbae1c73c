/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every connector of the registry must fulfil. Each has an examples/contract.yaml with a connection, a record,
 * one target for each of its operations and, where a plain 200 is not enough, `reply`, or `replies` by
 * operation: the JSON that says yes, or a text as it is; those that speak HTTP are driven through a scripted server.
 */
#include <ctype.h>
#include <unistd.h>

#include "connector_rig.h"

#define SECRET "s3cr3t-of-the-test"

/* Stands for src/auth where the example's connection has `auth:`: its secret is the test's. */
static enum tl_rc apply(struct connector_auth *auth, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct http_header *h = tl_arena_must(call->arena, (req->n_headers + 1) * sizeof *h);

    (void)auth, (void)task, (void)err;
    if (req->n_headers > 0)
        memcpy(h, req->headers, req->n_headers * sizeof *h);
    h[req->n_headers++] = (struct http_header){TL_SV("authorization"), TL_SV("Bearer " SECRET)};
    req->headers = h;
    return TL_OK;
}
static bool answered(struct connector_auth *auth, struct task *task, struct connector_call *call,
                     const struct http_reply *reply, bool refused)
{
    (void)auth, (void)task, (void)call, (void)reply, (void)refused;
    return false;
}
static struct connector_auth stand_in = {apply, answered};

static struct config_node *read_example(struct rig *r, const struct connector *c)
{
    const char *path = tl_arena_printf(r->conf, "connectors/%s/examples/contract.yaml", c->variant.name);
    struct config_node *root;

    if (config_load(r->conf, path, r->errors, &root) != TL_OK)
        fail_msg("%s", rig_errors(r));
    return root;
}

static const char *as_yaml(struct rig *r, const struct config_node *n)
{
    struct tl_buf b;
    const char *text;

    assert_non_null(n);
    tl_buf_init(&b, 64 << 10); /* JSON is YAML */
    assert_true(json_write(&b, config_to_json(r->conf, n), 0));
    text = tl_arena_strndup(r->conf, b.p, b.n);
    tl_buf_done(&b);
    return text;
}

static void begin(struct rig *r, const struct connector *c, const struct connector_operation *op)
{
    const struct config_node *root, *target, *yes;
    struct json said;
    const char *record;

    rig_start(r);
    r->env[1][0] = "TIELINE_TEST_SECRET";
    r->env[1][1] = SECRET;
    root = read_example(r, c);
    if (config_get(config_get(root, "connection"), "auth"))
        r->auth = &stand_in;
    yes = config_get(config_get(root, "replies"), op->name);
    yes = yes ? yes : config_get(root, "reply");
    said = yes ? config_to_json(r->conf, yes) : JSON_NOTHING;
    if (said.type == JSON_STRING)
        r->yes = tl_arena_strndup(r->conf, said.u.s, said.n);
    else
        r->yes = yes ? as_yaml(r, yes) : "{\"items\":[{\"id\":1}],\"next\":1}";
    record = as_yaml(r, config_get(root, "record"));
    target = config_get(config_get(root, "operations"), op->name);
    if (!target)
        fail_msg("examples/contract.yaml of %s has no operation %s", c->variant.name, op->name);
    if (!rig_connect(r, c, as_yaml(r, config_get(root, "connection"))) ||
        !rig_target(r, as_yaml(r, target), 1u << op->kind))
        fail_msg("%s", rig_errors(r));
    assert_ptr_equal(r->chosen.operation, op);
    rig_records(r, &record, 1);
    r->call.input = r->records[0].envelope;
    if (op->kind != CONNECTOR_WRITE)
        r->call.n = 0;
}

/* The class of what happened to the record, or to the call. */
static enum tl_class outcome(const struct rig *r)
{
    const struct connector_verdict *v = &r->verdicts[0];

    if (r->rc != TL_OK)
        return tl_rc_class(r->rc);
    if (r->call.n == 0 || v->end == CONNECTOR_DONE || v->end == CONNECTOR_SKIPPED)
        return TL_CLASS_NONE;
    if (v->end == CONNECTOR_NONE)
        return TL_CLASS_TRANSIENT;
    return v->cls ? v->cls : tl_rc_class(v->rc);
}

static const char *text_of(struct rig *r)
{
    return r->rc != TL_OK
               ? r->err.text
               : tl_arena_strndup(r->conf, r->verdicts[0].text.p ? r->verdicts[0].text.p : "", r->verdicts[0].text.n);
}

/* ---- the table ---- */

static void lint(const struct connector *c, const struct config_spec *spec)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64 << 10);
    config_lint_spec(spec, e);
    if (config_errors_count(e) > 0 && config_errors_text(e, false, &b))
        fail_msg("%s: %s", c->variant.name, b.p);
}

static bool has_field(const struct config_spec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_fields; i++)
        if (strcmp(spec->fields[i].name, name) == 0)
            return true;
    return false;
}

static void every_table_is_whole(void **state)
{
    (void)state;
    assert_true(connector_registry_count > 0);
    for (size_t i = 0; i < connector_registry_count; i++) {
        const struct connector *c = connector_registry[i];
        char path[200];

        assert_int_equal(c->contract, CONNECTOR_CONTRACT);
        assert_true(c->title && *c->title && c->variant.doc && *c->variant.doc);
        assert_int_equal(c->variant.type, CONFIG_OBJECT_REF);
        assert_ptr_equal(connector_find(tl_sv_str(c->variant.name)), c);
        lint(c, c->variant.spec);
        (void)snprintf(path, sizeof path, "connectors/%s/README.md", c->variant.name);
        if (access(path, R_OK) != 0)
            fail_msg("%s is missing", path);
        assert_true(c->n_operations > 0);
        for (size_t k = 0; k < c->n_operations; k++) {
            const struct connector_operation *op = &c->operations[k];

            assert_true(op->doc && *op->doc && op->run && op->spec);
            assert_true(!op->abort || op->resume);
            assert_true(!op->compile || op->release);
            for (const char *p = op->name; *p; p++)
                assert_true(islower(*p) || isdigit(*p) || *p == '_');
            if (!has_field(op->spec, op->name))
                fail_msg("%s: the fields of %s lack one of its name", c->variant.name, op->name);
            if (connector_operation_find(c, tl_sv_str(op->name)) != op)
                fail_msg("%s has two operations %s", c->variant.name, op->name);
            lint(c, op->spec);
        }
    }
}

/* connector.h: it is shown what has faults, where they were taken away. */
static void compiling_what_is_not_there_finds_no_fault(void **state)
{
    (void)state;
    for (size_t i = 0; i < connector_registry_count; i++) {
        const struct connector *c = connector_registry[i];

        for (size_t k = 0; k < c->n_operations; k++) {
            const struct connector_operation *op = &c->operations[k];
            TL_CLEANUP(tl_freep) void *connection = tl_zalloc(c->variant.spec->size + 1);
            TL_CLEANUP(tl_freep) void *operation = tl_zalloc(op->spec->size + 1);
            struct config_errors *e = config_errors_new();

            if (op->compile)
                op->release(op->compile(connection, operation, e));
            if (config_errors_count(e))
                fail_msg("%s of %s says something of a field that is absent", op->name, c->variant.name);
            config_errors_free(e);
        }
    }
}

static void every_identity_is_marked(void **state)
{
    (void)state;
    for (size_t i = 0; i < connector_registry_count; i++) {
        const struct config_spec *spec = connector_registry[i]->variant.spec;
        bool marked = false;

        for (size_t k = 0; k < spec->n_fields; k++)
            marked |= spec->fields[k].identity;
        if (!marked)
            fail_msg("%s marks no field as its identity", connector_registry[i]->variant.name);
    }
}

typedef void each_fn(struct rig *r, const struct connector *c, const struct connector_operation *op);

/* http_only: those whose requests go to the scripted server. */
static void for_each_operation(bool http_only, each_fn *fn)
{
    for (size_t i = 0; i < connector_registry_count; i++) {
        const struct connector *c = connector_registry[i];

        if (http_only && !c->base_url)
            continue;
        for (size_t k = 0; k < c->n_operations; k++) {
            struct rig r;

            begin(&r, c, &c->operations[k]);
            fn(&r, c, &c->operations[k]);
            rig_stop(&r);
        }
    }
}

static void check_facilities(struct rig *r, const struct connector *c, const struct connector_operation *op)
{
    const struct connector_facilities *f = &r->facilities;
    struct guard_conf conf = {.n_budgets = 0};

    if (op->kind == CONNECTOR_WRITE && !op->facilities)
        fail_msg("%s %s declares no facilities", c->variant.name, op->name);
    assert_true(f->idempotency <= CONNECTOR_IDEMPOTENT_LOOKUP);
    assert_true(f->batch_count <= 1000000);
    assert_true(!f->ordered_batch || f->batch_count > 1);
    if (c->budgets)
        c->budgets(r->connection, &conf);
    assert_true(conf.n_budgets <= GUARD_MAX_BUDGETS);
    for (size_t i = 0; i < conf.n_budgets; i++)
        assert_true(conf.budgets[i].name[0] && conf.budgets[i].amount > 0);
}

static void every_operation_declares_sane_facilities(void **state)
{
    (void)state;
    for_each_operation(false, check_facilities);
}

/* ---- failures ---- */

struct failure {
    const char *name;
    struct rig_reply reply;
    unsigned classes; /* bit per class that is right */
    uint32_t retry_after_ms;
};
#define CLASS(c) (1u << TL_CLASS_##c)
static const struct failure failures[] = {
    {"429", {.status = 429, .headers = {"retry-after: 7"}}, CLASS(RATE_LIMIT), 7000},
    {"500", {.status = 500}, CLASS(TRANSIENT), 0},
    {"503", {.status = 503, .headers = {"retry-after: 30"}}, CLASS(TRANSIENT), 30000},
    {"401", {.status = 401}, CLASS(AUTH), 0},
    {"400", {.status = 400, .body = "{\"message\":\"no\"}"}, CLASS(DATA), 0},
    {"no answer", {.silent = true}, CLASS(TRANSIENT), 0},
    {"cut", {.cut = true}, CLASS(TRANSIENT), 0},
    {"bad JSON",
     {.status = 200, .body = "{\"broken\": "},
     CLASS(NONE) | CLASS(TRANSIENT) | CLASS(DATA) | CLASS(CONFIG),
     0},
    {"other JSON",
     {.status = 200, .body = "[[null, 1], \"x\"]"},
     CLASS(NONE) | CLASS(TRANSIENT) | CLASS(DATA) | CLASS(CONFIG),
     0},
    {"no body", {.status = 204}, CLASS(NONE) | CLASS(TRANSIENT) | CLASS(DATA), 0},
};

static enum tl_rc take(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                       struct tl_sv position, struct tl_err *err)
{
    (void)records, (void)n, (void)position;
    return rig_step(arg, task, err);
}

static void fail_it(struct rig *r, const struct connector *c, const struct connector_operation *op)
{
    r->ledger = (struct connector_ledger){.emit = take, .arg = r};
    for (size_t i = 0; i < TL_COUNT(failures); i++) {
        const struct failure *f = &failures[i];
        uint32_t after;

        rig_script(r, f->reply);
        rig_run(r);
        if (!(f->classes & (1u << outcome(r))))
            fail_msg("%s %s, %s: class %s: %s", c->variant.name, op->name, f->name, tl_class_name(outcome(r)),
                     text_of(r));
        after = r->rc != TL_OK ? r->err.retry_after_ms : r->verdicts[0].retry_after_ms;
        if (f->retry_after_ms && after != f->retry_after_ms)
            fail_msg("%s %s, %s: again after %u ms", c->variant.name, op->name, f->name, after);
        if (f->retry_after_ms && f->reply.status == 429)
            assert_int_equal(r->call.feedback.retry_after_ms, f->retry_after_ms);
        if (outcome(r) != TL_CLASS_NONE && r->verdicts[0].end != CONNECTOR_NONE)
            assert_true(strlen(text_of(r)) > 0);
        if (f->reply.cut && op->kind == CONNECTOR_WRITE && r->facilities.idempotency == CONNECTOR_IDEMPOTENT_NONE)
            assert_int_equal(r->rc, TL_UNKNOWN_OUTCOME);
    }
}

static void every_failure_has_its_class(void **state)
{
    (void)state;
    for_each_operation(true, fail_it);
}

static void echo_it(struct rig *r, const struct connector *c, const struct connector_operation *op)
{
    static const int statuses[] = {400, 401, 403, 404, 409, 429, 500, 200};

    r->ledger = (struct connector_ledger){.emit = take, .arg = r};
    for (size_t i = 0; i < TL_COUNT(statuses); i++) {
        rig_script(r, (struct rig_reply){.status = statuses[i], .echo = true});
        rig_run(r);
        if (!rig_saw(r, SECRET))
            fail_msg("%s: the example of examples/contract.yaml sends no secret", c->variant.name);
        if (strstr(r->err.text, SECRET) || strstr(text_of(r), SECRET))
            fail_msg("%s %s shows its secret: %s", c->variant.name, op->name, text_of(r));
    }
}

static void no_secret_stands_in_an_error(void **state)
{
    (void)state;
    for_each_operation(true, echo_it);
}

/* ---- stopping ---- */

static void check_stopped(struct rig *r, const struct connector *c, const struct connector_operation *op, bool may_end)
{
    if (r->rc != TL_CANCELED && !(may_end && outcome(r) == TL_CLASS_NONE))
        fail_msg("%s %s: %s after a cancel: %s", c->variant.name, op->name, tl_rc_name(r->rc), r->err.text);
}

/* At the n-th turn of the loop or the n-th wait for the host, wherever the call is by then. What it leaves behind is
 * the sanitizer's to see. */
static void cancel_it(struct rig *r, const struct connector *c, const struct connector_operation *op)
{
    r->ledger = (struct connector_ledger){.emit = take, .arg = r};
    for (int silent = 0; silent < 2; silent++) {
        rig_script(r, (struct rig_reply){.body = r->yes, .silent = silent == 1});
        for (int turns = 0; turns < 300; turns = turns < 20 ? turns + 1 : turns * 3 / 2) {
            rig_begin(r);
            rig_turn(r, turns);
            if (!r->done)
                task_cancel(r->task);
            rig_wait(r);
            check_stopped(r, c, op, !silent);
        }
    }
    rig_script(r, (struct rig_reply){.body = r->yes});
    for (int step = 1; step < 8; step++) {
        r->cut_at = step;
        rig_run(r);
        check_stopped(r, c, op, r->cut_at > 0);
    }
    r->cut_at = 0;
}

static void a_call_can_be_stopped_wherever_it_waits(void **state)
{
    (void)state;
    for_each_operation(true, cancel_it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_table_is_whole),
        cmocka_unit_test(compiling_what_is_not_there_finds_no_fault),
        cmocka_unit_test(every_identity_is_marked),
        cmocka_unit_test(every_operation_declares_sane_facilities),
        cmocka_unit_test(every_failure_has_its_class),
        cmocka_unit_test(no_secret_stands_in_an_error),
        cmocka_unit_test(a_call_can_be_stopped_wherever_it_waits),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
