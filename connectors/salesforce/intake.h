/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intake.h - events of the org as records of a flow, whatever brought them: listen.c (CometD) or pubsub.c (gRPC).
 *
 * Positions are "PLACE MILLISECONDS", durable with the events. PLACE is the replay id, a number over CometD and "x"
 * with hexadecimal digits over the Pub/Sub API (there it is opaque bytes); "0": none, "-2": the oldest event there is
 * (after a loss). Either side reads the other's where it can, so `via` may be changed: what the org then refuses is a
 * lost position like any other.
 *
 * "New events" are those from the subscription on, also where a crash or a lost session comes before the first of them,
 * and no replay id is known then. So the time of the subscription is durable before the first event: "0 SINCE". Who
 * finds that begins with the oldest event that the org has, and passes over what happened before SINCE; while that goes
 * on, "PLACE MILLISECONDS SINCE" is the position.
 */
#ifndef TL_CONNECTORS_SALESFORCE_INTAKE_H
#define TL_CONNECTORS_SALESFORCE_INTAKE_H

#include "salesforce/salesforce_int.h"

enum { SF_PLACE = 140, SF_REPLAY = 64 /* bytes of a replay id */, SF_CHANGES = 100000 };

struct sf_intake {
    struct task *task;
    struct connector_call *call;
    const struct sf_listen *conf;
    char place[SF_PLACE];
    int64_t at_ms;    /* of the last event taken in */
    int64_t since_ms; /* what happened before is not ours, by the org's clock; 0: all that comes is */
    bool lost;        /* the position is not known to the org any more */
    bool from_start;
};
/* From call->position. TL_CONFIG: it cannot be read. */
TL_MUST_CHECK enum tl_rc sf_intake_begin(struct sf_intake *in, struct task *task, struct connector_call *call,
                                         struct tl_err *err);
bool sf_intake_has_place(const struct sf_intake *in); /* behind an event */
bool sf_intake_oldest(const struct sf_intake *in);    /* without a place: begin with the oldest event, not new ones */
/* The subscription began at org_ms, or nothing has come up to then: durable where no event is known so far. Suspends.
 */
TL_MUST_CHECK enum tl_rc sf_intake_quiet(struct sf_intake *in, int64_t org_ms, struct tl_err *err);

struct sf_batch {
    struct sf_intake *in;
    struct connector_incoming *records;
    size_t n, cap;
    struct json *gaps; /* headers of change events without data */
    size_t n_gaps;
    struct json overflow; /* the first one's header */
    bool ours;            /* there was one that is not older than the subscription */
};
/* Room for `cap` records; all of it is the arena's. TL_LIMIT. */
TL_MUST_CHECK enum tl_rc sf_batch_begin(struct sf_batch *b, struct sf_intake *in, size_t cap, struct tl_err *err);
/* payload: with its ChangeEventHeader; one record an id. It does not suspend, so it may run on the big stack. */
void sf_batch_change(struct sf_batch *b, struct json payload, struct json header);
/* at: when it happened, a text or milliseconds. */
void sf_batch_add(struct sf_batch *b, struct json value, struct json at, struct tl_sv key, struct tl_sv order_by);
/* How many records a change event makes at most. */
size_t sf_batch_room(struct json payload);
/* What hides behind gaps, then the events and the place after them in one transaction: a crash in between repeats, it
 * loses nothing. all_before: the org says that nothing is older than the place and has not come. Suspends. After an
 * error the place is what it was. */
TL_MUST_CHECK enum tl_rc sf_batch_take(struct sf_batch *b, const char *place, bool all_before, struct tl_err *err);
/* The event LOST_POSITION, then the backfill where the channel is one object's. Suspends. */
TL_MUST_CHECK enum tl_rc sf_intake_tell_loss(struct sf_intake *in, struct tl_err *err);

#endif
