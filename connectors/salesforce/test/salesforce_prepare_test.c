/* SPDX-License-Identifier: Apache-2.0 */
/* What the flows need of an org: planned, made by a deployment and by records, and found on the second run. */
#include "salesforce/prepare.h"
#include "salesforce/test/sf_rig.h"

#define WRITE (1u << CONNECTOR_WRITE)
#define LISTEN (1u << CONNECTOR_LISTEN)

static struct connector_use uses[8];
static size_t n_uses;
static struct connector_prepare prepared;

/* An operation of some flow. */
static void use(struct sf_rig *s, const char *yaml, unsigned kinds)
{
    sf_target(s, yaml, kinds);
    uses[n_uses++] = (struct connector_use){s->rig.chosen.operation, s->rig.chosen.conf};
}

static enum tl_rc look(struct task *task, struct connector_call *call, struct tl_err *err)
{
    prepared = (struct connector_prepare){.uses = uses, .n_uses = n_uses};
    return sf_prepare(task, call, &prepared, err);
}

static enum tl_rc make(struct task *task, struct connector_call *call, struct tl_err *err)
{
    prepared = (struct connector_prepare){.uses = uses, .n_uses = n_uses, .apply = true};
    return sf_prepare(task, call, &prepared, err);
}

static void run(struct sf_rig *s, connector_fn *fn)
{
    s->rig.call.n = 0;
    s->rig.call.pending = false;
    s->rig.fn = fn;
    rig_run(&s->rig);
    s->rig.fn = NULL;
    if (s->rig.rc != TL_OK)
        fail_msg("%s", s->rig.err.text);
}

/* As the host does: again with the ticket until it is through. */
static void make_all(struct sf_rig *s)
{
    s->rig.call.ticket = TL_SV("");
    run(s, make);
    for (int i = 0; s->rig.call.pending; i++) {
        assert_true(i < 10);
        s->rig.call.ticket = tl_arena_sv(s->rig.conf, s->rig.call.new_ticket);
        run(s, make);
    }
    s->rig.call.ticket = TL_SV("");
}

static const struct connector_step *step(const char *what)
{
    for (size_t i = 0; i < prepared.n_steps; i++)
        if (tl_sv_find_sv(prepared.steps[i].what, tl_sv_str(what)) < prepared.steps[i].what.n)
            return &prepared.steps[i];
    fail_msg("no step `%s`", what);
    return NULL;
}

static void start(struct sf_rig *s)
{
    sf_start(s, NULL, NULL);
    s->sim->opt.job_ms = 0;
    n_uses = 0;
}

static void use_all(struct sf_rig *s)
{
    use(s, "{ upsert: Account, external_id: Shop_Id__c }", WRITE);
    use(s, "{ upsert: Order_Line__c, external_id: Line_Id__c }", WRITE);
    use(s, "{ upsert: Contact, external_id: ERP_Id__c }", WRITE); /* is there */
    use(s, "{ listen: /data/OpportunityChangeEvent }", LISTEN);
    use(s, "{ listen: /topic/BigDeals, query: \"SELECT Id, Name FROM Opportunity WHERE Amount > 1000\" }", LISTEN);
}

static void a_plan_says_what_is_missing_and_changes_nothing(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    use_all(&s);
    run(&s, look);
    assert_false(step("field Account.Shop_Id__c")->there);
    assert_false(step("custom object Order_Line__c")->there);
    assert_false(step("field Order_Line__c.Line_Id__c")->there);
    assert_true(step("field Contact.ERP_Id__c")->there);
    assert_false(step("OpportunityChangeEvent")->there);
    assert_false(step("PushTopic BigDeals")->there);
    assert_false(step("permission set Tieline")->there);
    for (size_t i = 0; i < prepared.n_steps; i++)
        assert_int_equal(prepared.steps[i].text.n, 0); /* nothing is left to a person */
    assert_int_equal(s.sim->counts.deployments, 0);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PushTopic"), 0);
    sf_stop(&s);
}

static void what_was_made_is_there_for_the_flows_and_is_not_made_again(void **state)
{
    static const char *const record[] = {"{\"Line_Id__c\":\"L1\",\"Name\":\"one\"}"};
    struct sf_rig s;

    (void)state;
    start(&s);
    use_all(&s);
    make_all(&s);
    for (size_t i = 0; i < prepared.n_steps; i++)
        if (!prepared.steps[i].there)
            fail_msg("missing: %.*s", TL_SV_ARG(prepared.steps[i].what));
    assert_int_equal(s.sim->counts.deployments, 1); /* all by one */
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PushTopic"), 1);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PermissionSetAssignment"), 1);
    make_all(&s);
    assert_int_equal(s.sim->counts.deployments, 1);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PushTopic"), 1);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PermissionSetAssignment"), 1);
    sf_target(&s, "{ upsert: Order_Line__c, external_id: Line_Id__c }", WRITE);
    sf_write(&s, record, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    sf_write(&s, record, 1);
    sf_expect(&s, 0, CONNECTOR_DONE, TL_OK, NULL);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM Order_Line__c"), 1);
    /* one more flow, later */
    use(&s, "{ upsert: Lead, external_id: Form_Id__c }", WRITE);
    make_all(&s);
    assert_true(step("field Lead.Form_Id__c")->there);
    assert_int_equal(s.sim->counts.deployments, 2);
    assert_int_equal(sf_count(&s, "SELECT COUNT() FROM PermissionSetAssignment"), 1);
    sf_stop(&s);
}

static void a_deployment_that_takes_long_is_asked_after(void **state)
{
    struct sf_rig s;

    (void)state;
    start(&s);
    use(&s, "{ upsert: Account, external_id: Shop_Id__c }", WRITE);
    s.sim->opt.job_ms = 3600000;
    run(&s, make);
    assert_true(s.rig.call.pending && s.rig.call.next_poll_ms > 0);
    for (int i = 0; i < 3; i++) {
        s.rig.call.ticket = tl_arena_sv(s.rig.conf, s.rig.call.new_ticket);
        run(&s, make);
        assert_true(s.rig.call.pending);
    }
    s.sim->opt.job_ms = 0;
    s.rig.call.ticket = tl_arena_sv(s.rig.conf, s.rig.call.new_ticket);
    run(&s, make);
    assert_false(s.rig.call.pending);
    assert_true(step("Account.Shop_Id__c")->there);
    assert_int_equal(s.sim->counts.deployments, 1);
    sf_stop(&s);
}

static void what_we_cannot_make_is_left_to_a_person_with_a_sentence(void **state)
{
    struct tl_err err = {0};
    struct sf_rig s;

    (void)state;
    start(&s);
    assert_int_equal(sfsim_schema_add(s.sim->schema, TL_SV("field Account: Old__c string(20)"), &err), TL_OK);
    use(&s, "{ upsert: Account, external_id: Old__c }", WRITE);
    use(&s, "{ publish: Shipped__e }", WRITE);
    use(&s, "{ listen: /topic/Nothing }", LISTEN);
    use(&s, "{ create: Acount }", WRITE);
    make_all(&s);
    assert_true(step("Old__c")->text.n > 0 && step("Shipped__e")->text.n > 0);
    assert_true(step("Nothing")->text.n > 0 && step("Acount")->text.n > 0);
    assert_int_equal(s.sim->counts.deployments, 0);
    sf_stop(&s);
}

/* The zip is one that others can read, and the org's own checks hold. */
static void a_refused_deployment_changes_nothing_and_says_why(void **state)
{
    static const struct sf_need bad = {.kind = SF_NEED_CHANNEL, .object = {"NoSuchChangeEvent", 17}, .name = {"", 0}};
    struct tl_arena *a = tl_arena_new(1 << 20);
    struct tl_err err = {0};
    struct tl_buf zip;
    struct sf_rig s;
    bool any;

    (void)state;
    tl_buf_init(&zip, 1 << 20);
    assert_int_equal(sf_package(a, "60.0", &bad, 1, &zip, &any, &err), TL_OK);
    assert_true(any && memcmp(zip.p, "PK\3\4", 4) == 0);
    tl_buf_done(&zip);
    tl_arena_free(a);
    start(&s);
    use(&s, "{ upsert: Account, external_id: Shop_Id__c }", WRITE);
    use(&s, "{ listen: /data/NoSuchChangeEvent }", LISTEN);
    run(&s, make);
    assert_true(s.rig.call.pending);
    s.rig.call.ticket = tl_arena_sv(s.rig.conf, s.rig.call.new_ticket);
    s.rig.call.pending = false;
    s.rig.fn = make;
    rig_run(&s.rig);
    s.rig.fn = NULL;
    assert_int_equal(s.rig.rc, TL_INVALID);
    assert_non_null(strstr(s.rig.err.text, "selectedEntity"));
    s.rig.call.ticket = TL_SV("");
    n_uses = 1;
    run(&s, look);
    assert_false(step("Account.Shop_Id__c")->there); /* rolled back */
    sf_stop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_says_what_is_missing_and_changes_nothing),
        cmocka_unit_test(what_was_made_is_there_for_the_flows_and_is_not_made_again),
        cmocka_unit_test(a_deployment_that_takes_long_is_asked_after),
        cmocka_unit_test(what_we_cannot_make_is_left_to_a_person_with_a_sentence),
        cmocka_unit_test(a_refused_deployment_changes_nothing_and_says_why),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
