/* SPDX-License-Identifier: Apache-2.0 */
/* upload.c - a body that is too large for its event's row goes to the ledger in chunks, before the event. */
#include "flow/flow_int.h"

enum { CHUNK = 256 << 10 }; /* queue_upload_chunk takes no more */

enum tl_rc flow__upload(const struct flow *f, struct task *task, struct queue_put *put, struct tl_err *err)
{
    struct queue *q = flow__queue(f);
    enum tl_rc rc;

    if (put->body.n <= f->plan->engine->inline_max)
        return TL_OK;
    rc = queue_upload_begin(q, task, &put->upload, err);
    for (size_t at = 0; rc == TL_OK && at < put->body.n; at += CHUNK) {
        size_t left = put->body.n - at;

        rc = queue_upload_chunk(q, task, put->upload, tl_sv(put->body.p + at, left < CHUNK ? left : CHUNK), err);
    }
    if (rc != TL_OK)
        flow__upload_end(f, put, rc);
    return rc;
}

void flow__upload_end(const struct flow *f, struct queue_put *put, enum tl_rc rc)
{
    if (put->upload && (rc != TL_OK || put->ret_duplicate))
        queue_upload_drop(flow__queue(f), put->upload);
    put->upload = 0;
}
