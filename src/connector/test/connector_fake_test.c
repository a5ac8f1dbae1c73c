/* SPDX-License-Identifier: Apache-2.0 */
/* Long jobs, streams, cursors and batches through the host's ports, cut at every place where they can be cut. */
#include "connector_rig.h"
#include "fake.h"

/* What the ledger keeps: it survives a cut, the call does not. */
struct book {
    char ticket[5000];
    char position[64];
    int records[FAKE_RECORDS * 2];
    size_t n;
    int64_t durable; /* the position as a number */
    int stale_at, calls;
    struct rig *rig;
};

/* Durable only when it returns: cut before that, nothing is kept, or all (the commit was under way). */
static enum tl_rc keep_ticket(void *arg, struct task *task, struct tl_sv ticket, struct tl_err *err)
{
    struct book *b = arg;
    enum tl_rc rc = rig_step(b->rig, task, err);

    if (rc != TL_OK)
        return rc;
    if (++b->calls == b->stale_at)
        return tl_fail(err, TL_STALE, "cancelled meanwhile");
    (void)snprintf(b->ticket, sizeof b->ticket, "%.*s", TL_SV_ARG(ticket));
    return rig_step(b->rig, task, err);
}

static enum tl_rc keep_records(void *arg, struct task *task, const struct connector_incoming *records, size_t n,
                               struct tl_sv position, struct tl_err *err)
{
    struct book *b = arg;
    enum tl_rc rc = rig_step(b->rig, task, err);

    if (rc != TL_OK)
        return rc;
    if (++b->calls == b->stale_at)
        return tl_fail(err, TL_STALE, "another instance reads");
    for (size_t i = 0; i < n; i++)
        b->records[b->n++] = (int)records[i].value.u.i;
    (void)snprintf(b->position, sizeof b->position, "%.*s", TL_SV_ARG(position));
    assert_true(tl_sv_i64(position, &b->durable));
    return rig_step(b->rig, task, err);
}

struct stage {
    struct rig r;
    struct fake_world world;
    struct book book;
};

static const char *const two[] = {"{\"a\":1}", "{\"a\":2}"};

static enum tl_rc on_the_wire(void *arg, struct task *task, struct tl_err *err)
{
    return rig_step(arg, task, err);
}

static struct stage *set_up(const char *target, unsigned kind)
{
    struct stage *s = tl_zalloc(sizeof *s);
    struct fake_connection *conf;

    rig_start(&s->r);
    assert_true(rig_connect(&s->r, &fake_connector, "{ account: test }"));
    assert_true(rig_target(&s->r, target, 1u << kind));
    conf = tl_arena_zalloc(s->r.conf, sizeof *conf);
    memcpy(conf, s->r.connection, sizeof *conf);
    conf->world = &s->world;
    s->r.connection = conf;
    s->r.ledger = (struct connector_ledger){.checkpoint = keep_ticket, .emit = keep_records, .arg = &s->book};
    s->book.rig = &s->r;
    s->world.wire = on_the_wire;
    s->world.wire_arg = &s->r;
    s->world.page = 2;
    return s;
}

static void tear_down(struct stage *s)
{
    rig_stop(&s->r);
    tl_free(s);
}

/* Run it, cut at its n-th wait (from 1); true: it had ended before. */
static bool run_until(struct stage *s, int wait)
{
    bool ended;

    s->r.cut_at = wait;
    rig_run(&s->r);
    ended = s->r.cut_at > 0;
    s->r.cut_at = 0;
    assert_int_equal(s->r.rc, ended ? TL_OK : TL_CANCELED);
    return ended;
}

static void resume(struct stage *s)
{
    s->r.fn = s->r.chosen.operation->resume;
    s->r.call.ticket = tl_sv_str(s->book.ticket);
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_OK);
}

static void a_job_goes_on_from_its_ticket_wherever_it_was_cut(void **state)
{
    bool ended = false;

    (void)state;
    for (int wait = 1; !ended; wait++) {
        struct stage *s = set_up("{ bulk: order }", CONNECTOR_WRITE);
        int polls = 0;

        assert_true(wait < 100);
        s->world.polls = 2;
        s->world.refuse = 2;
        rig_records(&s->r, two, 2);
        ended = run_until(s, wait);
        if (!s->book.ticket[0]) {
            assert_int_equal(s->world.n_jobs, 0); /* nothing that cannot be undone came before the ticket */
            s->r.fn = NULL;
            rig_run(&s->r);
        }
        do {
            resume(s);
            if (s->r.verdicts[0].end == CONNECTOR_INNOCENT) {
                assert_int_equal(s->world.n_jobs, 0);
                s->r.fn = NULL;
                rig_run(&s->r);
            }
        } while (s->r.call.pending && ++polls < 10);
        assert_false(s->r.call.pending);
        assert_int_equal(s->world.n_jobs, 1);
        assert_int_equal(s->world.jobs[0].n, 2);
        assert_int_equal(s->r.verdicts[0].end, CONNECTOR_DONE);
        assert_int_equal(s->r.verdicts[1].rc, TL_INVALID);
        tear_down(s);
        if (ended)
            assert_true(wait > 5); /* it was cut in several places */
    }
}

static void a_pending_job_says_when_to_ask_again(void **state)
{
    struct stage *s = set_up("{ bulk: order }", CONNECTOR_WRITE);

    (void)state;
    s->world.polls = 1;
    rig_records(&s->r, two, 2);
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_OK);
    assert_true(s->r.call.pending);
    assert_true(tl_sv_eqs(s->r.call.new_ticket, s->book.ticket));
    assert_true(s->r.call.next_poll_ms > 0);
    assert_int_equal(s->r.verdicts[0].end, CONNECTOR_NONE);
    tear_down(s);
}

static void a_job_is_not_created_when_it_was_cancelled_meanwhile(void **state)
{
    struct stage *s = set_up("{ bulk: order }", CONNECTOR_WRITE);

    (void)state;
    s->book.stale_at = 1;
    rig_records(&s->r, two, 2);
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_STALE);
    assert_int_equal(s->world.n_jobs, 0);
    tear_down(s);
}

static void an_aborted_job_is_stopped_on_the_other_side(void **state)
{
    struct stage *s = set_up("{ bulk: order }", CONNECTOR_WRITE);

    (void)state;
    s->world.polls = 5;
    rig_records(&s->r, two, 2);
    rig_run(&s->r);
    s->r.fn = s->r.chosen.operation->abort;
    s->r.call.ticket = tl_sv_str(s->book.ticket);
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_OK);
    assert_true(s->world.jobs[0].aborted);
    tear_down(s);
}

static enum tl_rc too_long(struct task *task, struct connector_call *call, struct tl_err *err)
{
    size_t n = (256 << 10) + 1;
    char *text = tl_arena_zalloc(call->arena, n);

    memset(text, 'x', n);
    return connector_checkpoint(task, call, tl_sv(text, n), err);
}

static void a_ticket_over_256_kb_is_a_fault_of_the_connector(void **state)
{
    struct stage *s = set_up("{ bulk: order }", CONNECTOR_WRITE);

    (void)state;
    s->r.fn = too_long;
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_BUG);
    assert_int_equal(s->book.ticket[0], 0);
    tear_down(s);
}

/* Every message is there; one that was cut between commit and acknowledgement may be there twice (its key tells). */
static void check_messages(const struct book *b, int messages, bool doubles)
{
    int last = 0;

    for (size_t i = 0; i < b->n; i++) {
        assert_true(b->records[i] == last + 1 || (doubles && b->records[i] == last));
        last = b->records[i];
    }
    assert_int_equal(last, messages);
}

static void a_stream_loses_nothing_wherever_it_was_cut(void **state)
{
    bool ended = false;

    (void)state;
    for (int wait = 1; !ended; wait++) {
        struct stage *s = set_up("{ listen: order }", CONNECTOR_LISTEN);

        assert_true(wait < 100);
        s->world.messages = 5;
        ended = run_until(s, wait);
        assert_true(s->world.acked <= s->book.durable); /* never acknowledged before it was durable */
        rig_run(&s->r);
        assert_int_equal(s->r.rc, TL_OK);
        assert_int_equal(s->world.acked, 5);
        check_messages(&s->book, 5, true);
        tear_down(s);
    }
}

static void a_stream_that_another_instance_reads_is_not_acknowledged(void **state)
{
    struct stage *s = set_up("{ listen: order }", CONNECTOR_LISTEN);

    (void)state;
    s->world.messages = 5;
    s->book.stale_at = 3;
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_STALE);
    assert_int_equal(s->world.acked, 2);
    tear_down(s);
}

static void pages_go_on_from_the_position_wherever_they_were_cut(void **state)
{
    bool ended = false;

    (void)state;
    for (int wait = 1; !ended; wait++) {
        struct stage *s = set_up("{ read: order }", CONNECTOR_READ);

        assert_true(wait < 100);
        s->world.messages = 7;
        ended = run_until(s, wait);
        s->r.call.position = tl_sv_str(s->book.position);
        rig_run(&s->r);
        assert_int_equal(s->r.rc, TL_OK);
        check_messages(&s->book, 7, false);
        tear_down(s);
    }
}

static void a_doubtful_record_is_looked_for_before_it_is_inserted(void **state)
{
    bool ended = false;

    (void)state;
    for (int wait = 1; !ended; wait++) {
        struct stage *s = set_up("{ insert: order }", CONNECTOR_WRITE);

        assert_true(wait < 100);
        rig_records(&s->r, two, 2);
        ended = run_until(s, wait);
        /* a call that was cut leaves records without verdict: those are in doubt, the others are done */
        for (size_t i = 0; i < 2 && !ended; i++)
            s->r.records[i].unknown_before = true;
        if (!ended)
            rig_run(&s->r);
        for (size_t i = 0; i < 2; i++)
            assert_true(s->r.verdicts[i].end == CONNECTOR_DONE || s->r.verdicts[i].end == CONNECTOR_SKIPPED);
        assert_int_equal(s->world.n_inserted, 2);
        tear_down(s);
    }
}

static void the_others_of_a_batch_that_is_rolled_back_are_innocent(void **state)
{
    struct stage *s = set_up("{ insert: order }", CONNECTOR_WRITE);

    (void)state;
    s->world.all_or_none = true;
    s->world.refuse = 2;
    rig_records(&s->r, two, 2);
    rig_run(&s->r);
    assert_int_equal(s->r.verdicts[0].end, CONNECTOR_INNOCENT);
    assert_int_equal(s->r.verdicts[1].end, CONNECTOR_FAILED);
    assert_int_equal(s->world.n_inserted, 0);
    tear_down(s);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static enum tl_rc on_a_worker(struct task *task, struct connector_call *call, struct tl_err *err)
{
    bool ran = false;
    enum tl_rc rc = connector_blocking(task, call, set_true, &ran, err);

    return rc != TL_OK || ran ? rc : tl_fail(err, TL_BUG, "it did not run");
}

static void blocking_work_runs_on_a_worker(void **state)
{
    struct stage *s = set_up("{ insert: order }", CONNECTOR_WRITE);

    (void)state;
    s->r.fn = on_a_worker;
    rig_run(&s->r);
    assert_int_equal(s->r.rc, TL_OK);
    tear_down(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_goes_on_from_its_ticket_wherever_it_was_cut),
        cmocka_unit_test(a_pending_job_says_when_to_ask_again),
        cmocka_unit_test(a_job_is_not_created_when_it_was_cancelled_meanwhile),
        cmocka_unit_test(an_aborted_job_is_stopped_on_the_other_side),
        cmocka_unit_test(a_ticket_over_256_kb_is_a_fault_of_the_connector),
        cmocka_unit_test(a_stream_loses_nothing_wherever_it_was_cut),
        cmocka_unit_test(a_stream_that_another_instance_reads_is_not_acknowledged),
        cmocka_unit_test(pages_go_on_from_the_position_wherever_they_were_cut),
        cmocka_unit_test(a_doubtful_record_is_looked_for_before_it_is_inserted),
        cmocka_unit_test(the_others_of_a_batch_that_is_rolled_back_are_innocent),
        cmocka_unit_test(blocking_work_runs_on_a_worker),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
