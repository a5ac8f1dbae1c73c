/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk actions. */
#include "queue/queue_int.h"

void queue__load_jobs(struct queue *q)
{
    q->job_open = false;
}

bool queue__job_step(struct queue *q)
{
    q->job_open = false;
    return false;
}

void queue__job_settle(struct queue *q)
{
    q->job_settle_n = 0;
}
