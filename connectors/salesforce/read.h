/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.h - one read of an object: what read.c (queries, page by page), read_bulk.c (query jobs) and read_ranges.c
 * (ranges of Ids side by side) share.
 *
 * The position is text: "TIME ID", the last record's SystemModstamp and Id, or "TIME" alone: all that changed from TIME
 * on. While a query job is under way, "TIME ID bulk JOB LOCATOR END SHAPE": the job reads what changed from the place
 * on and before END; pages up to LOCATOR ("-": none) are taken in; SHAPE is a hash of the question, so that a job is
 * not gone on with after its fields or conditions were changed. With the job in the position no restart makes a second
 * one.
 *
 * While ranges are read, "TIME ID ranges TAG END SHAPE B0,B1,...,Bn": what changed from the place on and before END,
 * cut by Id at B1 to Bn-1 (B0 and Bn are the lowest and the highest there was; the first range and the last one are
 * open). Each range is a part of the contract's with a position of its own, "TAG >ID", "TAG =ID" or "TAG done": it goes
 * on behind ID, with ID, or not at all. A TAG is made for each cut, so that what is left of an older one is not
 * mistaken.
 */
#ifndef TL_CONNECTORS_SALESFORCE_READ_H
#define TL_CONNECTORS_SALESFORCE_READ_H

#include "salesforce/salesforce_int.h"

enum { SF_JOB_ID = 40, SF_LOCATOR = 400, SF_ID = 20, SF_TAG = 20, SF_RANGES = 8 };

struct sf_reader; /* what sf_read_compile makes: what is known of the object, shared by all loops */
struct sf_place {
    char time[TL_TIME_TEXT]; /* "" at the very beginning */
    char id[SF_ID];
};
struct sf_cut { /* by Id, of what changed before end_ms */
    char tag[SF_TAG];
    int64_t end_ms;
    uint64_t shape;
    char bounds[SF_RANGES + 1][SF_ID];
    size_t n; /* ranges; 0: nothing is cut */
};
struct sf_range {
    const struct sf_cut *cut;
    size_t i;
    char at[SF_ID];   /* "": its lower bound is open */
    bool behind;      /* at was taken in */
    char upto[SF_ID]; /* after the org gave up: so far first; "" : to the range's end */
    bool done;
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
    struct sf_cut cut;
    struct sf_range *range; /* this is the part that reads it; NULL: it is the whole */
    bool whole;             /* it cannot be cut */
};
enum sf_next { SF_NEXT_DONE, SF_NEXT_AGAIN, SF_NEXT_FAILED, SF_NEXT_JOB, SF_NEXT_RANGES };

/* ---- read.c ---- */
/* Fills fields (and with `typed`, types too); `anew`: asked again although they are known. */
TL_MUST_CHECK enum tl_rc sf_read_fields(struct sf_reading *r, bool anew, bool typed, struct tl_err *err);
/* " FROM Account WHERE ... AND SystemModstamp < END": what both ways of asking have in common; false: too long. */
bool sf_read_condition(struct sf_reading *r, struct tl_buf *b, int64_t end_ms);
uint64_t sf_read_shape(const struct sf_reading *r); /* of the question without the time: a configuration has one */
/* From where r is, page by page. */
TL_MUST_CHECK enum tl_rc sf_read_pages(struct sf_reading *r, struct tl_err *err);
/* The question "SELECT what ... more": its answer. Suspends. */
TL_MUST_CHECK enum tl_rc sf_read_ask(struct sf_reading *r, const char *what, const char *more, int64_t end_ms,
                                     struct sf_reply *ret, struct tl_err *err);
/* Where a question ends: with the last second that is over, less the lag, for all of it must be there. Of a backfill:
 * with the second that runs, for the events behind it come by the stream. */
int64_t sf_read_end(const struct sf_reading *r);
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

/* ---- read_ranges.c ---- */
/* Cuts what is left to read into ranges, and reads them. SF_NEXT_AGAIN: go on from r->at, by pages. Suspends. */
enum sf_next sf_ranges_start(struct sf_reading *r, struct tl_err *err);
/* With r->cut.n: reads what is left of them. SF_NEXT_AGAIN: they are through, or were for another question. */
enum sf_next sf_ranges_go_on(struct sf_reading *r, struct tl_err *err);
/* " AND Id ..." of r->range. */
void sf_range_condition(const struct sf_range *g, struct tl_buf *b);
/* The position of r->range; the whole's between "ranges " and the end: text, and back from it. */
struct tl_sv sf_range_position(struct tl_arena *a, const struct sf_range *g);
struct tl_sv sf_cut_text(struct tl_arena *a, const struct sf_cut *c);
bool sf_cut_parse(struct sf_cut *c, struct tl_sv text);
bool sf_range_next(struct sf_range *g);  /* a span of it is through; false: all of it */
bool sf_range_halve(struct sf_range *g); /* false: it is no longer than one Id */

#endif
