/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job_answers.c - a job that has ended: which of its answers belongs to which record.
 *
 * NetSuite lists a task for each record and keeps for each task the answer that the record alone would have had
 * (/job/ID/task/N/result, "replays the original response"). It promises no order of the tasks, and a refusal does not
 * say whom it refuses. What does say it is the Location of a success: an internal id, to be compared with the id that
 * stands under the record's external id. So, where not all have succeeded: the successes are proven by their ids, and
 * the refusals belong to the others. One refusal, or all in the same words: they get them. Else they come again without
 * using an attempt, in smaller jobs, until each has its own. A success of which nothing can be proven stays an unknown
 * outcome: an upsert or an update with keyed lines does no harm twice, so it is neither lost nor doubled.
 *
 * That may take some hundred small requests, and some meet a limit or a failure: what is known is kept in the ticket.
 */
#include "netsuite/netsuite_int.h"

enum { PATIENCE = 20 /* polls without news */, FAILURES = 3 /* of one poll */ };

struct answers {
    struct task *task;
    struct connector_call *call;
    struct netsuite_job *job;
    struct tl_err *err; /* of the first failure */
    enum tl_rc rc;
    int failures;
};

/* false: enough for this poll. */
static bool note(struct answers *a, enum tl_rc rc, const struct tl_err *err)
{
    if (rc == TL_OK) {
        a->job->n_news++;
        return true;
    }
    if (a->failures++ == 0) {
        a->rc = rc;
        if (a->err)
            *a->err = *err;
    }
    return a->failures < FAILURES && rc != TL_CANCELED && tl_rc_class(rc) != TL_CLASS_AUTH;
}

static enum tl_rc look(struct answers *a, const char *more, struct json *ret, struct tl_err *err)
{
    struct http_reply reply;
    struct netsuite_refusal r;
    enum tl_rc rc = netsuite__ask_job(a->task, a->call, a->job->id, more ? more : "", &reply, err);

    if (rc != TL_OK)
        return rc;
    r = netsuite__judge(a->task, a->call, &reply, true);
    if (r.rc != TL_OK)
        return netsuite__fail(&r, err);
    *ret = netsuite__parsed(a->task, a->call, &reply);
    return TL_OK;
}

static bool see(struct netsuite_task *t, struct json one)
{
    struct json progress = json_gets(one, "progress");

    t->seen = progress.type == JSON_STRING;
    t->good = tl_sv_eqs(json_text(progress, TL_SV("")), "succeeded");
    return t->seen;
}

/* "3" of {id: "3"} or of a link to .../task/3 */
static struct tl_sv number_of(struct connector_call *call, struct json one)
{
    struct tl_sv id = netsuite__text(call->arena, json_gets(one, "id"));
    struct json links = json_gets(one, "links");

    for (uint32_t i = 0; links.type == JSON_ARRAY && i < links.n && !netsuite__is_number(id); i++)
        if (tl_sv_eqs(json_text(json_gets(links.u.items[i], "rel"), TL_SV("")), "self"))
            id = netsuite__last_segment(json_text(json_gets(links.u.items[i], "href"), TL_SV("")));
    return netsuite__is_number(id) ? id : TL_SV_NULL;
}

/* The list may have the tasks themselves, links to them, or be the one task that there is. */
static enum tl_rc list_tasks(struct answers *a, struct tl_err *err)
{
    struct netsuite_job *job = a->job;
    struct json list, items;
    enum tl_rc rc = look(a, "/task", &list, err);

    if (rc != TL_OK)
        return rc;
    items = json_gets(list, "items");
    if (items.type != JSON_ARRAY)
        items = (struct json){.type = JSON_ARRAY, .n = 1, .u.items = &list};
    if (!job->tasks)
        job->tasks = tl_arena_zalloc(a->call->arena, (NETSUITE_TASKS + 1) * sizeof *job->tasks);
    for (uint32_t i = 0; job->tasks && i < items.n && job->n_tasks < NETSUITE_TASKS; i++) {
        struct netsuite_task t = {.no = number_of(a->call, items.u.items[i])};

        (void)see(&t, items.u.items[i]);
        if (t.no.p)
            job->tasks[job->n_tasks++] = t;
    }
    job->n_news += job->n_tasks > 0;
    return job->n_tasks > 0
               ? TL_OK
               : tl_fail(err, TL_UNKNOWN_OUTCOME, "NetSuite lists no task of the job %.*s", TL_SV_ARG(job->id));
}

static bool see_all(struct answers *a)
{
    for (size_t i = 0; i < a->job->n_tasks; i++) {
        struct netsuite_task *t = &a->job->tasks[i];
        struct tl_err err = {0};
        struct json one;
        enum tl_rc rc;

        if (t->seen)
            continue;
        rc = look(a, tl_arena_printf(a->call->arena, "/task/%.*s", TL_SV_ARG(t->no)), &one, &err);
        if (rc == TL_OK && !see(t, one))
            rc = tl_fail(&err, TL_UNKNOWN_OUTCOME, "NetSuite does not say what became of task %.*s of the job %.*s",
                         TL_SV_ARG(t->no), TL_SV_ARG(a->job->id));
        if (!note(a, rc, &err))
            break;
    }
    return a->failures == 0;
}

/* Of a task that has failed these may be its own answer: believed when asking again does not help. */
static bool is_about_asking(const struct answers *a, const struct netsuite_task *t, const struct http_reply *reply)
{
    bool passing = reply->status == 429 || reply->status == 401 || (reply->status > 500 && reply->status < 505);

    return (t->good && reply->status >= 300) || (passing && a->job->polls < PATIENCE);
}

static enum tl_rc read_result(struct answers *a, struct netsuite_task *t, struct netsuite_refusal *ret,
                              struct tl_err *err)
{
    struct http_reply reply;
    const char *more = tl_arena_printf(a->call->arena, "/task/%.*s/result", TL_SV_ARG(t->no));
    enum tl_rc rc = netsuite__ask_job(a->task, a->call, a->job->id, more ? more : "", &reply, err);

    if (rc != TL_OK)
        return rc;
    *ret = netsuite__judge(a->task, a->call, &reply, netsuite__repeatable(a->call));
    if (is_about_asking(a, t, &reply))
        return netsuite__fail(ret, err);
    t->read = true;
    t->rc = ret->rc;
    t->said = ret->rc == TL_OK ? netsuite__location_id(&reply) : ret->text;
    return TL_OK;
}

static bool read_all(struct answers *a)
{
    for (size_t i = 0; i < a->job->n_tasks; i++) {
        struct netsuite_refusal r;
        struct tl_err err = {0};

        if (!a->job->tasks[i].read && !note(a, read_result(a, &a->job->tasks[i], &r, &err), &err))
            break;
    }
    return a->failures == 0;
}

/* ---- verdicts ---- */

static void done(struct netsuite_member *m, struct tl_sv id)
{
    if (m->verdict)
        *m->verdict = (struct connector_verdict){.end = CONNECTOR_DONE, .answer = id};
}

/* A refusal that speaks of the account (a limit that the job itself met) is the record's too: it comes again by its
 * class. */
static void refuse(struct netsuite_member *m, const struct netsuite_task *t)
{
    if (m->verdict)
        *m->verdict = (struct connector_verdict){.end = CONNECTOR_FAILED,
                                                 .rc = t->rc,
                                                 .cls = t->rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                                                 .text = t->said};
}

static void again(struct netsuite_member *m, struct tl_sv text)
{
    if (m->verdict)
        *m->verdict = (struct connector_verdict){.end = CONNECTOR_INNOCENT, .rc = TL_INVALID, .text = text};
}

static enum tl_rc of_one(struct answers *a, struct netsuite_member *m)
{
    struct netsuite_task *t = &a->job->tasks[0];
    struct tl_err err = {0};
    struct netsuite_refusal r;
    enum tl_rc rc = read_result(a, t, &r, &err);

    if (rc == TL_OK && t->rc == TL_UNKNOWN_OUTCOME)
        rc = netsuite__fail(&r, &err);
    (void)note(a, rc, &err);
    if (rc == TL_OK && t->rc == TL_OK)
        done(m, t->said);
    else if (rc == TL_OK)
        refuse(m, t);
    return a->rc;
}

/* m->proven: some success made or changed this very record. */
static enum tl_rc prove(struct answers *a, struct netsuite_member *m, struct tl_err *err)
{
    struct tl_sv id;
    enum tl_rc rc = netsuite__id_under(a->task, a->call, m->key, &id, err);

    if (rc != TL_OK)
        return rc;
    m->looked = true;
    for (size_t i = 0; id.n > 0 && i < a->job->n_tasks && !m->proven; i++)
        m->proven = a->job->tasks[i].rc == TL_OK && tl_sv_eq(a->job->tasks[i].said, id);
    if (m->proven)
        done(m, id);
    return TL_OK;
}

static bool prove_all(struct answers *a)
{
    for (size_t i = 0; i < a->job->n; i++) {
        struct tl_err err = {0};

        if (!a->job->members[i].looked && !note(a, prove(a, &a->job->members[i], &err), &err))
            break;
    }
    return a->failures == 0;
}

/* The refusals belong to those that are not proven, and to no one else when they are as many. */
static void share_refusals(struct netsuite_job *job)
{
    const struct netsuite_task *first = NULL;
    size_t n_bad = 0, n_left = 0;
    bool same = true;

    for (size_t i = 0; i < job->n_tasks; i++) {
        const struct netsuite_task *t = &job->tasks[i];

        if (t->rc == TL_OK)
            continue;
        first = first ? first : t;
        same = same && t->rc == first->rc && tl_sv_eq(t->said, first->said);
        n_bad++;
    }
    for (size_t i = 0; i < job->n; i++)
        n_left += !job->members[i].proven;
    for (size_t i = 0; i < job->n; i++)
        if (job->members[i].proven || n_bad != n_left)
            continue; /* no verdict: an unknown outcome */
        else if (same && first)
            refuse(&job->members[i], first);
        else
            again(&job->members[i], TL_SV("NetSuite refused some records of its job, and does not say which"));
}

static bool all_good(const struct netsuite_job *job)
{
    for (size_t i = 0; i < job->n_tasks; i++)
        if (!job->tasks[i].good)
            return false;
    return true;
}

static enum tl_rc of_many(struct answers *a)
{
    struct netsuite_job *job = a->job;

    if (job->n_tasks == job->n && all_good(job)) { /* nothing to be found out; the ids would cost a request each */
        for (size_t i = 0; i < job->n; i++)
            done(&job->members[i], TL_SV_NULL);
        return TL_OK;
    }
    if (read_all(a) && prove_all(a))
        share_refusals(job);
    return a->rc;
}

/* A ticket of the version before does not say what the job was made of. */
static enum tl_rc of_unnamed(struct answers *a)
{
    struct connector_call *call = a->call;
    struct netsuite_member m = {.verdict = &call->verdicts[0]};

    if (call->n == 1 && a->job->n_tasks == 1)
        return of_one(a, &m);
    for (size_t i = 0; i < call->n; i++) {
        m.verdict = &call->verdicts[i];
        if (a->job->n_tasks == call->n && all_good(a->job))
            done(&m, TL_SV_NULL);
        else
            again(&m, TL_SV("some record of its job was refused"));
    }
    return TL_OK;
}

enum tl_rc netsuite__job_answers(struct task *task, struct connector_call *call, struct netsuite_job *job,
                                 struct tl_err *err)
{
    struct answers a = {.task = task, .call = call, .job = job, .err = err};
    enum tl_rc rc = job->n_tasks > 0 ? TL_OK : list_tasks(&a, err);

    if (rc != TL_OK)
        return rc;
    if (!see_all(&a))
        return a.rc;
    if (job->n == 0)
        return of_unnamed(&a);
    if (job->n == 1 && job->n_tasks == 1)
        return of_one(&a, &job->members[0]);
    return of_many(&a);
}

/* ---- a job that was there before ---- */

enum tl_rc netsuite__job_end(struct task *task, struct connector_call *call, const struct http_reply *reply,
                             enum netsuite_job_end *ret, struct tl_err *err)
{
    struct netsuite_job job = {.id = netsuite__location_id(reply)};
    struct answers a = {.task = task, .call = call, .job = &job, .err = err};
    struct netsuite_refusal r;
    bool ended = false;
    enum tl_rc rc;

    *ret = NETSUITE_JOB_FOLLOW;
    if (!netsuite__is_number(job.id))
        return TL_OK;
    rc = netsuite__job_state(task, call, job.id, &ended, err);
    if (rc == TL_OK && ended)
        rc = list_tasks(&a, err);
    if (rc != TL_OK || !ended)
        return rc;
    if (!see_all(&a))
        return a.rc;
    if (job.n_tasks != 1 || job.tasks[0].good)
        return TL_OK;
    rc = read_result(&a, &job.tasks[0], &r, err);
    if (rc == TL_OK)
        *ret = r.of_record ? NETSUITE_JOB_REFUSED : NETSUITE_JOB_BROKE;
    return rc;
}
