/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.h - one read of an object: what read.c (queries, page by page) and read_bulk.c (query jobs) share.
 *
 * The position is text: "TIME ID", the last record's SystemModstamp and Id, or "TIME" alone: all that changed from TIME
 * on. While a query job is under way, "TIME ID bulk JOB LOCATOR END SHAPE": the job reads what changed from the place
 * on and before END; pages up to LOCATOR ("-": none) are taken in; SHAPE is a hash of the question, so that a job is
 * not gone on with after its fields or conditions were changed. With the job in the position no restart makes a second
 * one.
 */
#ifndef TL_CONNECTORS_SALESFORCE_READ_H
#define TL_CONNECTORS_SALESFORCE_READ_H

#include "salesforce/salesforce_int.h"

enum { SF_JOB_ID = 40, SF_LOCATOR = 400 };

struct sf_reader; /* what sf_read_compile makes: what is known of the object, shared by all loops */
struct sf_place {
    char time[TL_TIME_TEXT]; /* "" at the very beginning */
    char id[20];
};
struct sf_reading {
    struct task *task;
    struct connector_call *call;
    const struct sf_read *conf;
    struct tl_sv fields; /* "Name,Industry": all of them, a copy in the call's arena */
    struct tl_sv types;  /* "Id=id,Name=string,...": of describe; empty where it was not asked */
    struct sf_place at;
    int64_t span_ms; /* of one query; 0: up to now */
    bool forgot;     /* fields were asked anew in this run */
    struct sf_reader *cache;
    struct tl_sv fixed; /* a backfill: the position of the stream, which stays */
    /* the query job under way */
    char job[SF_JOB_ID], locator[SF_LOCATOR]; /* "": none */
    int64_t job_end_ms;
    uint64_t job_shape;
};
enum sf_next { SF_NEXT_DONE, SF_NEXT_AGAIN, SF_NEXT_FAILED, SF_NEXT_JOB };

/* ---- read.c ---- */
/* Fills fields (and with `typed`, types too); `anew`: asked again although they are known. */
TL_MUST_CHECK enum tl_rc sf_read_fields(struct sf_reading *r, bool anew, bool typed, struct tl_err *err);
/* " FROM Account WHERE ... AND SystemModstamp < END": what both ways of asking have in common; false: too long. */
bool sf_read_condition(struct sf_reading *r, struct tl_buf *b, int64_t end_ms);
int64_t sf_read_until(const struct sf_reading *r); /* now less the lag: where a question ends */
/* Records (only their values are set) as events, with their keys; durable with the reading's position after them.
 * Suspends. */
TL_MUST_CHECK enum tl_rc sf_read_emit(struct sf_reading *r, struct connector_incoming *records, size_t n,
                                      struct tl_err *err);
bool sf_no_jobs(struct sf_reader *cache); /* the org makes no query jobs of this object: it said so within an hour */
void sf_set_no_jobs(struct sf_reader *cache);

/* ---- read_bulk.c ---- */
/* Makes a job of what is left to read and leaves call->pending; SF_NEXT_AGAIN: this object takes no jobs, read it by
 * queries. */
enum sf_next sf_job_start(struct sf_reading *r, struct tl_err *err);
/* With r->job: asks how far it is; takes its pages in. SF_NEXT_AGAIN: it is gone, or was for another question. */
enum sf_next sf_job_go_on(struct sf_reading *r, struct tl_err *err);

#endif
