/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk.h - jobs of Bulk API 2.0: many records in one CSV, done by the org in its own time.
 *
 * A job that exists but is not closed (Open) does nothing: losing it costs nothing. Closing it (UploadComplete) is the
 * one step that cannot be undone, so the ticket is on disk before it, and a restart asks the org how far the job got: a
 * job still Open is aborted and its records come again, any other one is waited for. So no record is submitted twice.
 *
 * The org gives results in any order, without our ids. What ties a row to its delivery is its identity: the external id
 * or Id, for new records all its values. The ticket holds a hash of it for each delivery.
 */
#ifndef TL_CONNECTORS_SALESFORCE_BULK_H
#define TL_CONNECTORS_SALESFORCE_BULK_H

#include "salesforce/salesforce_int.h"

enum { SF_BULK_ROWS = 10000, SF_BULK_FROM = 2000, SF_BULK_COLUMNS = 500, SF_BULK_BYTES = 50 << 20 };
enum sf_bulk_how { SF_BULK_INSERT, SF_BULK_UPDATE, SF_BULK_UPSERT, SF_BULK_DELETE };

/* ---- rows (bulk_rows.c) ---- */
struct sf_rows {
    struct tl_buf csv;
    uint64_t *identity; /* of each record of the call; 0: it is not in the CSV and has its verdict */
    size_t n;           /* rows in the CSV */
};
/* Pure. Records that cannot be rows get their verdicts; a second one with the same identity is INNOCENT: it comes again
 * when the first is through. */
enum tl_rc sf_rows_make(struct connector_call *call, const struct sf_target *t, enum sf_bulk_how how,
                        struct sf_rows *ret, struct tl_err *err);
/* The identity of a row of a result: names and values without those that begin with sf__. */
uint64_t sf_row_identity(const struct sf_target *t, enum sf_bulk_how how, const struct tl_sv *names,
                         const struct tl_sv *values, size_t n);

/* ---- jobs (bulk.c) ---- */
TL_MUST_CHECK enum tl_rc sf_bulk_start(struct task *task, struct connector_call *call, enum sf_bulk_how how,
                                       struct tl_err *err);
/* resume and abort of the operations */
connector_fn sf_bulk_insert_resume, sf_bulk_update_resume, sf_bulk_upsert_resume, sf_bulk_delete_resume, sf_bulk_abort;

/* When to ask after a job of this age again: often at first, each minute at last. */
int64_t sf_bulk_wait_ms(int64_t age_ms);
int64_t sf_bulk_age_ms(const struct connector_call *call, struct json job); /* from its createdDate; 0: not known */

#endif
