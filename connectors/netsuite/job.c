/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.c - async jobs: 202 with the job's address, then polls, then the answer that the request itself would have had.
 *
 * The ticket is {"job": ID, "polls": N}. Nothing has to be on disk before the request: its idempotency key is the
 * record's, so a request that is made again after a crash is answered with the address of the first job.
 */
#include "netsuite/netsuite_int.h"

enum { FIRST_POLL_MS = 1000, MOST_POLL_MS = 30000 };

static enum tl_rc wait_on(struct connector_call *call, struct tl_sv job, int64_t polls, struct tl_err *err)
{
    int64_t ms = FIRST_POLL_MS;
    char *ticket = tl_arena_printf(call->arena, "{\"job\":\"%.*s\",\"polls\":%lld}", TL_SV_ARG(job), (long long)polls);

    if (!ticket)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    for (int64_t i = 0; i < polls && ms < MOST_POLL_MS; i++)
        ms *= 2;
    call->pending = true;
    call->job = tl_sv_str(tl_arena_printf(call->arena, "async job %.*s", TL_SV_ARG(job)));
    call->new_ticket = tl_sv_str(ticket);
    call->next_poll_ms = ms < MOST_POLL_MS ? ms : MOST_POLL_MS;
    return TL_OK;
}

static bool is_job_id(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0 && s.n < 20;
}

enum tl_rc netsuite__pending(struct connector_call *call, const struct http_reply *reply, struct tl_err *err)
{
    struct tl_sv job = netsuite__location_id(reply);

    if (!is_job_id(job))
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "HTTP %d without the address of a job", reply->status);
    return wait_on(call, job, 0, err);
}

static void all(struct connector_call *call, struct connector_verdict v)
{
    for (size_t i = 0; i < call->n; i++)
        call->verdicts[i] = v;
}

static enum tl_rc ask(struct task *task, struct connector_call *call, struct tl_sv job, const char *more,
                      struct http_reply *reply, struct tl_err *err)
{
    const struct netsuite_request r = {
        .method = "GET",
        .path = tl_sv_str(tl_arena_printf(call->arena, NETSUITE_JOB "%.*s%s", TL_SV_ARG(job), more)),
        .endpoint = NETSUITE_JOB};

    return netsuite__send(task, call, &r, reply, err);
}

/* The answer of the request. A refusal that speaks of the account (a limit met by the job itself) is a failure of the
 * record here: nothing was written, so it comes again with a key of its own. */
static enum tl_rc fetch_result(struct task *task, struct connector_call *call, struct tl_sv job, struct tl_err *err)
{
    struct http_reply reply;
    struct netsuite_refusal r;
    enum tl_rc rc = ask(task, call, job, "/task/1/result", &reply, err);

    if (rc != TL_OK)
        return rc;
    r = netsuite__judge(task, call, &reply, true);
    if (r.rc == TL_OK)
        all(call, (struct connector_verdict){
                      .end = CONNECTOR_DONE, .status = call->status, .answer = netsuite__location_id(&reply)});
    else if (r.of_record)
        all(call, (struct connector_verdict){.end = CONNECTOR_FAILED,
                                             .rc = r.rc,
                                             .cls = r.rc == TL_FORBIDDEN ? TL_CLASS_DATA : TL_CLASS_NONE,
                                             .status = call->status,
                                             .text = r.text});
    else
        return netsuite__fail(&r, err);
    return TL_OK;
}

/* Of a job of many records: nothing says which task is whose record, so the job counts as a whole. Only when each of as
 * many tasks as records has succeeded are all done; else all come again, an upsert does no harm twice, in smaller jobs
 * until the bad one is alone. */
static enum tl_rc fetch_batch(struct task *task, struct connector_call *call, struct tl_sv job, struct tl_err *err)
{
    struct http_reply reply;
    struct netsuite_refusal r;
    struct json items;
    size_t good = 0;
    enum tl_rc rc = ask(task, call, job, "/task", &reply, err);

    if (rc != TL_OK)
        return rc;
    r = netsuite__judge(task, call, &reply, true);
    if (r.rc != TL_OK)
        return netsuite__fail(&r, err);
    items = json_gets(netsuite__parsed(task, call, &reply), "items");
    for (uint32_t i = 0; items.type == JSON_ARRAY && i < items.n && rc == TL_OK; i++) {
        struct json one = items.u.items[i];
        struct tl_sv id = netsuite__text(call->arena, json_gets(one, "id"));

        if (json_gets(one, "progress").type != JSON_STRING && is_job_id(id)) { /* a list of links, as lists are */
            rc = ask(task, call, job, tl_arena_printf(call->arena, "/task/%.*s", TL_SV_ARG(id)), &reply, err);
            one = rc == TL_OK ? netsuite__parsed(task, call, &reply) : one;
        }
        good += tl_sv_eqs(json_text(json_gets(one, "progress"), TL_SV("")), "succeeded");
    }
    if (rc != TL_OK)
        return rc;
    if (items.type == JSON_ARRAY && items.n == call->n && good == call->n)
        all(call, (struct connector_verdict){.end = CONNECTOR_DONE, .status = call->status});
    else
        all(call, (struct connector_verdict){.end = CONNECTOR_INNOCENT,
                                             .rc = TL_INVALID,
                                             .status = call->status,
                                             .text = TL_SV("some record of its job was refused")});
    return TL_OK;
}

enum tl_rc netsuite__resume(struct task *task, struct connector_call *call, struct tl_err *err)
{
    struct json ticket, state;
    struct http_reply reply;
    struct netsuite_refusal r;
    struct tl_sv job;
    int64_t polls = 0;
    enum tl_rc rc;

    if (json_parse(call->arena, call->ticket, 0, NULL, &ticket, NULL) != TL_OK)
        return tl_fail(err, TL_BUG, "the ticket of a job cannot be read");
    job = json_text(json_gets(ticket, "job"), TL_SV(""));
    (void)json_int64(json_gets(ticket, "polls"), &polls);
    if (!is_job_id(job))
        return tl_fail(err, TL_BUG, "the ticket of a job has no job");
    rc = ask(task, call, job, "", &reply, err);
    if (rc != TL_OK)
        return rc;
    r = netsuite__judge(task, call, &reply, true);
    if (tl_sv_eqs(r.code, "NONEXISTENT_ID"))
        return tl_fail(err, TL_UNKNOWN_OUTCOME, "NetSuite does not know the job %.*s any more", TL_SV_ARG(job));
    if (r.rc != TL_OK)
        return netsuite__fail(&r, err);
    state = netsuite__parsed(task, call, &reply);
    if (!connector_truth(json_gets(state, "completed")))
        return wait_on(call, job, polls + 1, err);
    return call->n > 1 ? fetch_batch(task, call, job, err) : fetch_result(task, call, job, err);
}
