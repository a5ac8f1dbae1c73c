/* SPDX-License-Identifier: Apache-2.0 */
#include "fake.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- tables ---- */

struct fake_target {
    const char *object;
};
static const struct config_field connection_fields[] = {
    {.name = "account",
     .type = CONFIG_STRING,
     .offset = offsetof(struct fake_connection, account),
     .required = true,
     .identity = true,
     .doc = "Whose records these are."},
};
static const struct config_spec connection_spec =
    CONFIG_SPEC("fake", struct fake_connection, connection_fields, "Nothing but memory.");

#define FIELDS(name_, type_)                                                                                           \
    static const struct config_field name_##_fields[] = {{.name = #name_,                                              \
                                                          .type = CONFIG_STRING,                                       \
                                                          .offset = offsetof(struct fake_target, object),              \
                                                          .required = true,                                            \
                                                          .doc = "The object."}};                                      \
    static const struct config_spec name_##_spec =                                                                     \
        CONFIG_SPEC("fake." #name_, struct fake_target, name_##_fields, type_)
FIELDS(bulk, "A job for many records.");
FIELDS(insert, "Records one by one, or in a batch.");
FIELDS(listen, "A stream of messages.");
FIELDS(read, "Pages of messages.");

static struct fake_world *world_of(const struct connector_call *call)
{
    return ((const struct fake_connection *)call->connection)->world;
}

static enum tl_rc wire(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_world *w = world_of(call);

    return w->wire(w->wire_arg, task, err);
}

/* ---- bulk: create, close, poll ---- */

static struct fake_job *job_find(struct fake_world *w, struct tl_sv id)
{
    for (size_t i = 0; i < w->n_jobs; i++)
        if (tl_sv_eqs(id, w->jobs[i].id))
            return &w->jobs[i];
    return NULL;
}

static void job_verdicts(struct connector_call *call, const struct fake_job *job)
{
    for (size_t i = 0; i < call->n; i++) {
        bool refused = call->records[i].event == world_of(call)->refuse;

        for (size_t k = 0; k < job->n; k++)
            if (job->events[k] == call->records[i].event)
                call->verdicts[i] = refused ? (struct connector_verdict){.end = CONNECTOR_FAILED, .rc = TL_INVALID}
                                            : (struct connector_verdict){.end = CONNECTOR_DONE};
    }
}

static void pend(struct connector_call *call, struct tl_sv ticket)
{
    call->pending = true;
    call->new_ticket = ticket;
    call->next_poll_ms = 1000;
}

static enum tl_rc job_start(struct task *task, struct connector_call *call, struct fake_job *job, struct tl_err *err)
{
    enum tl_rc rc = wire(task, call, err);

    if (rc != TL_OK)
        return rc;
    job->started = true;
    pend(call, tl_sv_str(job->id));
    return wire(task, call, err);
}

/* The job's name is ours and stands in the ticket, so whether it was made can be asked after a cut. */
static enum tl_rc bulk_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_world *w = world_of(call);
    char *name = tl_arena_printf(call->arena, "job-%.*s-%u", TL_SV_ARG(call->records[0].key), call->records[0].attempt);
    enum tl_rc rc = connector_checkpoint(task, call, tl_sv_str(name), err);
    struct fake_job *job;

    if (rc == TL_OK)
        rc = wire(task, call, err);
    if (rc != TL_OK)
        return rc;
    assert(w->n_jobs < FAKE_JOBS && call->n <= FAKE_RECORDS);
    job = &w->jobs[w->n_jobs++];
    *job = (struct fake_job){.polls_left = w->polls, .n = call->n};
    (void)snprintf(job->id, sizeof job->id, "%s", name);
    for (size_t i = 0; i < call->n; i++)
        job->events[i] = call->records[i].event;
    return job_start(task, call, job, err);
}

static enum tl_rc bulk_resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_job *job = job_find(world_of(call), call->ticket);
    enum tl_rc rc = wire(task, call, err);

    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < call->n && !job; i++) /* cut before it was made */
        call->verdicts[i].end = CONNECTOR_INNOCENT;
    if (!job)
        return TL_OK;
    if (!job->started)
        return job_start(task, call, job, err);
    if (job->polls_left > 0) {
        job->polls_left--;
        pend(call, call->ticket);
        return TL_OK;
    }
    job_verdicts(call, job);
    return TL_OK;
}

static enum tl_rc bulk_abort(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_job *job = job_find(world_of(call), call->ticket);
    enum tl_rc rc = wire(task, call, err);

    if (rc == TL_OK && job)
        job->aborted = true;
    return rc;
}

static void bulk_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){.idempotency = CONNECTOR_IDEMPOTENT_KEY, .batch_count = FAKE_RECORDS};
}

/* ---- insert: batches, and a look before a doubtful one ---- */

static bool is_there(const struct fake_world *w, uint64_t event)
{
    for (size_t i = 0; i < w->n_inserted; i++)
        if (w->inserted[i] == event)
            return true;
    return false;
}

static bool is_refused(struct connector_call *call)
{
    for (size_t i = 0; i < call->n; i++)
        if (call->records[i].event == world_of(call)->refuse)
            return true;
    return false;
}

static enum tl_rc insert_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_world *w = world_of(call);
    bool roll_back = w->all_or_none && is_refused(call);
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < call->n && rc == TL_OK; i++) {
        const struct connector_record *r = &call->records[i];
        struct connector_verdict *v = &call->verdicts[i];

        rc = wire(task, call, err);
        if (rc != TL_OK)
            break;
        w->lookups += r->unknown_before;
        if (r->event == w->refuse) {
            *v = (struct connector_verdict){.end = CONNECTOR_FAILED, .rc = TL_INVALID, .text = TL_SV("refused")};
        } else if (roll_back) {
            *v = (struct connector_verdict){.end = CONNECTOR_INNOCENT};
        } else if (r->unknown_before && is_there(w, r->event)) {
            *v = (struct connector_verdict){.end = CONNECTOR_SKIPPED};
        } else {
            assert(w->n_inserted < FAKE_RECORDS);
            w->inserted[w->n_inserted++] = r->event;
            rc = wire(task, call, err); /* the answer's way back */
            if (rc == TL_OK)
                *v = (struct connector_verdict){.end = CONNECTOR_DONE};
        }
    }
    return rc;
}

static void insert_facilities(const void *connection, const void *operation, struct connector_facilities *ret)
{
    (void)connection, (void)operation;
    *ret = (struct connector_facilities){
        .idempotency = CONNECTOR_IDEMPOTENT_LOOKUP, .batch_count = 16, .ordered_batch = true};
}

/* ---- messages ---- */

static int number(struct tl_sv s)
{
    int64_t v;

    return s.n > 0 && tl_sv_i64(s, &v) ? (int)v : 0;
}

static struct tl_sv position(struct connector_call *call, int n)
{
    return tl_sv_str(tl_arena_printf(call->arena, "%d", n));
}

static struct connector_incoming message(struct connector_call *call, int n)
{
    return (struct connector_incoming){.value = json_int(n), .key = position(call, n)};
}

/* Acknowledged upstream only after the emit: what is acknowledged is forgotten there. */
static enum tl_rc listen_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_world *w = world_of(call);

    for (;;) {
        int next = w->acked + 1;
        struct connector_incoming in = message(call, next);
        enum tl_rc rc = wire(task, call, err);

        if (rc == TL_OK && next > w->messages)
            return TL_OK; /* a real stream would wait */
        if (rc == TL_OK)
            rc = connector_emit(task, call, &in, 1, position(call, next), err);
        if (rc == TL_OK)
            rc = wire(task, call, err);
        if (rc != TL_OK)
            return rc;
        w->acked = next;
    }
}

static enum tl_rc read_run(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct fake_world *w = world_of(call);
    int at = number(call->position);
    enum tl_rc rc = TL_OK;

    while (at < w->messages && rc == TL_OK) {
        struct connector_scratch scratch = connector_scratch_begin(call);
        struct connector_incoming page[FAKE_RECORDS];
        size_t n = 0;

        rc = wire(task, call, err);
        while (rc == TL_OK && n < (size_t)w->page && at < w->messages)
            page[n++] = message(call, ++at);
        if (rc == TL_OK)
            rc = connector_emit(task, call, page, n, position(call, at), err);
        connector_scratch_end(call, scratch);
    }
    return rc;
}

/* ---- the table ---- */

static const struct connector_operation operations[] = {
    {.name = "bulk",
     .kind = CONNECTOR_WRITE,
     .doc = "A job for many records.",
     .spec = &bulk_spec,
     .facilities = bulk_facilities,
     .run = bulk_run,
     .resume = bulk_resume,
     .abort = bulk_abort},
    {.name = "insert",
     .kind = CONNECTOR_WRITE,
     .doc = "Records one by one, or in a batch.",
     .spec = &insert_spec,
     .facilities = insert_facilities,
     .run = insert_run},
    {.name = "listen", .kind = CONNECTOR_LISTEN, .doc = "A stream.", .spec = &listen_spec, .run = listen_run},
    {.name = "read", .kind = CONNECTOR_READ, .doc = "Pages.", .spec = &read_spec, .run = read_run},
};
const struct connector fake_connector = {
    .contract = CONNECTOR_CONTRACT,
    .title = "Fake",
    .variant = {.name = "fake", .type = CONFIG_OBJECT_REF, .spec = &connection_spec, .doc = "Nothing but memory."},
    .operations = operations,
    .n_operations = TL_COUNT(operations),
};
