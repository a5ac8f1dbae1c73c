/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.c - async jobs: 202 with the job's address, then polls until it has ended; job_answers.c says what came of it.
 *
 * The ticket is {"job": ID, "polls": N, "members": [[DELIVERY, KEY, WHAT], ...], "tasks": [[NO, WHAT, RC, SAID], ...]}:
 * which records the job was made of, in their order, with the external id or id of each, and what is known of its
 * tasks. Nothing has to be on disk before the request: its idempotency key is made of the records', so a request that
 * is made again after a crash is answered with the address of the first job.
 */
#include "netsuite/netsuite_int.h"

#include <stdio.h>

enum { FIRST_POLL_MS = 1000, MOST_POLL_MS = 30000 };

/* What is known of a member or task, as a number. */
enum { LOOKED = 1, PROVEN = 2 };
enum { SEEN = 1, GOOD = 2, READ = 4 };

static struct json members_of(struct tl_arena *a, const struct netsuite_job *job)
{
    struct json_builder b, one;

    json_array_begin(&b, a, job->n);
    for (size_t i = 0; i < job->n; i++) {
        const struct netsuite_member *m = &job->members[i];

        json_array_begin(&one, a, 3);
        (void)json_push(&one, json_printf(a, "%llu", (unsigned long long)m->delivery));
        (void)json_push(&one, json_sv(m->key));
        (void)json_push(&one, json_int((m->looked ? LOOKED : 0) | (m->proven ? PROVEN : 0)));
        (void)json_push(&b, json_end(&one));
    }
    return json_end(&b);
}

static struct json tasks_of(struct tl_arena *a, const struct netsuite_job *job)
{
    struct json_builder b, one;

    json_array_begin(&b, a, job->n_tasks);
    for (size_t i = 0; i < job->n_tasks; i++) {
        const struct netsuite_task *t = &job->tasks[i];

        json_array_begin(&one, a, 4);
        (void)json_push(&one, json_sv(t->no));
        (void)json_push(&one, json_int((t->seen ? SEEN : 0) | (t->good ? GOOD : 0) | (t->read ? READ : 0)));
        (void)json_push(&one, json_str(tl_rc_name(t->rc)));
        (void)json_push(&one, json_sv(t->said.p ? t->said : TL_SV("")));
        (void)json_push(&b, json_end(&one));
    }
    return json_end(&b);
}

static enum tl_rc wait_on(struct connector_call *call, const struct netsuite_job *job, int64_t polls, int64_t least_ms,
                          struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    int64_t ms = FIRST_POLL_MS;
    struct json_builder b;

    json_object_begin(&b, call->arena, 4);
    (void)json_adds(&b, "job", json_sv(job->id));
    (void)json_adds(&b, "polls", json_int(polls));
    (void)json_adds(&b, "members", members_of(call->arena, job));
    (void)json_adds(&b, "tasks", tasks_of(call->arena, job));
    tl_buf_init(&text, 256 << 10);
    if (!json_write(&text, json_end(&b), 0))
        return tl_fail(err, TL_LIMIT, "the job's ticket is larger than 256 KB");
    for (int64_t i = 0; i < polls && ms < MOST_POLL_MS; i++)
        ms *= 2;
    ms = ms < least_ms ? least_ms : ms;
    call->pending = true;
    call->job = tl_sv_str(tl_arena_printf(call->arena, "async job %.*s", TL_SV_ARG(job->id)));
    call->new_ticket = tl_arena_sv(call->arena, tl_buf_view(&text));
    call->next_poll_ms = ms < MOST_POLL_MS ? ms : MOST_POLL_MS;
    return call->new_ticket.p ? TL_OK : tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
}

bool netsuite__is_number(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n < 20;
}

enum tl_rc netsuite__pending(struct connector_call *call, const struct http_reply *reply,
                             const struct netsuite_member *members, size_t n, struct tl_err *err)
{
    const struct netsuite_job job = {
        .id = netsuite__location_id(reply), .members = (struct netsuite_member *)(uintptr_t)members, .n = n};

    if (!netsuite__is_number(job.id))
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "HTTP %d without the address of a job", reply->status);
    return wait_on(call, &job, 0, 0, err);
}

enum tl_rc netsuite__ask_job(struct task *task, struct connector_call *call, struct tl_sv job, const char *more,
                             struct http_reply *reply, struct tl_err *err)
{
    const struct netsuite_request r = {
        .method = "GET",
        .path = tl_sv_str(tl_arena_printf(call->arena, NETSUITE_JOB "%.*s%s", TL_SV_ARG(job), more)),
        .endpoint = NETSUITE_JOB,
        .idempotent = true};

    return netsuite__send(task, call, &r, reply, err);
}

/* ---- going on ---- */

static bool read_members(struct connector_call *call, struct json list, struct netsuite_job *job)
{
    job->n = list.type == JSON_ARRAY ? list.n : 0;
    job->members = tl_arena_zalloc(call->arena, (job->n + 1) * sizeof *job->members);
    for (uint32_t i = 0; job->members && i < job->n; i++) {
        struct netsuite_member *m = &job->members[i];
        int64_t what = 0;

        if (!tl_sv_u64(json_text(json_at(list.u.items[i], 0), TL_SV("")), &m->delivery))
            return false;
        m->key = json_text(json_at(list.u.items[i], 1), TL_SV(""));
        (void)json_int64(json_at(list.u.items[i], 2), &what);
        m->looked = what & LOOKED;
        m->proven = what & PROVEN;
    }
    return job->members != NULL;
}

static bool read_tasks(struct connector_call *call, struct json list, struct netsuite_job *job)
{
    job->n_tasks = list.type == JSON_ARRAY && list.n <= NETSUITE_TASKS ? list.n : 0;
    job->tasks = tl_arena_zalloc(call->arena, (NETSUITE_TASKS + 1) * sizeof *job->tasks);
    for (uint32_t i = 0; job->tasks && i < job->n_tasks; i++) {
        struct netsuite_task *t = &job->tasks[i];
        struct tl_sv rc = json_text(json_at(list.u.items[i], 2), TL_SV(""));
        char name[40];
        int64_t what = 0;

        t->no = json_text(json_at(list.u.items[i], 0), TL_SV(""));
        (void)json_int64(json_at(list.u.items[i], 1), &what);
        t->seen = what & SEEN;
        t->good = what & GOOD;
        t->read = what & READ;
        t->said = json_text(json_at(list.u.items[i], 3), TL_SV(""));
        (void)snprintf(name, sizeof name, "%.*s", TL_SV_ARG(rc));
        if (!netsuite__is_number(t->no) || !tl_rc_parse(name, &t->rc))
            return false;
    }
    return job->tasks != NULL;
}

/* Who was cancelled meanwhile has no verdict to be written. */
static void find_verdicts(struct connector_call *call, struct netsuite_job *job)
{
    for (size_t i = 0; i < job->n; i++)
        for (size_t k = 0; k < call->n; k++)
            if (call->records[k].delivery == job->members[i].delivery)
                job->members[i].verdict = &call->verdicts[k];
}

static bool read_ticket(struct connector_call *call, struct netsuite_job *job)
{
    struct json ticket;

    if (json_parse(call->arena, call->ticket, 0, NULL, &ticket, NULL) != TL_OK)
        return false;
    job->id = json_text(json_gets(ticket, "job"), TL_SV(""));
    (void)json_int64(json_gets(ticket, "polls"), &job->polls);
    if (!netsuite__is_number(job->id) || !read_members(call, json_gets(ticket, "members"), job) ||
        !read_tasks(call, json_gets(ticket, "tasks"), job))
        return false;
    find_verdicts(call, job);
    return true;
}

/* The job goes on whatever we hear of it: it is asked after again, not made again. */
static enum tl_rc or_later(struct connector_call *call, const struct netsuite_job *job, enum tl_rc rc,
                           struct tl_err *err)
{
    uint32_t ms = err ? err->retry_after_ms : 0;

    if (tl_rc_class(rc) != TL_CLASS_TRANSIENT && tl_rc_class(rc) != TL_CLASS_RATE_LIMIT)
        return rc;
    if (rc == TL_UNKNOWN_OUTCOME || rc == TL_CANCELED)
        return rc;
    tl_err_clear(err);
    return wait_on(call, job, job->n_news > 0 ? 0 : job->polls + 1, ms, err);
}

enum tl_rc netsuite__job_state(struct task *task, struct connector_call *call, struct tl_sv job, bool *ret_ended,
                               struct tl_err *err)
{
    struct http_reply reply;
    struct netsuite_refusal r;
    enum tl_rc rc = netsuite__ask_job(task, call, job, "", &reply, err);

    if (rc != TL_OK)
        return rc;
    r = netsuite__judge(task, call, &reply, true);
    if (tl_sv_eqs(r.code, "NONEXISTENT_ID"))
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "NetSuite does not know the job %.*s any more", TL_SV_ARG(job));
    if (r.rc != TL_OK)
        return netsuite__fail(&r, err);
    *ret_ended = connector_truth(json_gets(netsuite__parsed(task, call, &reply), "completed"));
    return TL_OK;
}

enum tl_rc netsuite__resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct netsuite_job job = {.n = 0};
    bool ended = false;
    enum tl_rc rc = TL_OK;

    if (!read_ticket(call, &job))
        return tl_fail(err, TL_BUG, "the ticket of a job cannot be read");
    ended = job.n_tasks > 0;
    if (!ended)
        rc = netsuite__job_state(task, call, job.id, &ended, err);
    if (rc == TL_OK && !ended)
        return wait_on(call, &job, job.polls + 1, 0, err);
    if (rc == TL_OK)
        rc = netsuite__job_answers(task, call, &job, err);
    return rc == TL_OK ? rc : or_later(call, &job, rc, err);
}
