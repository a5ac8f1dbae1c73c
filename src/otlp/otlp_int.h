/* SPDX-License-Identifier: Apache-2.0 */
/* otlp_int.h - shared inside src/otlp only. */
#ifndef TL_OTLP_OTLP_INT_H
#define TL_OTLP_OTLP_INT_H

#include <pthread.h>

#include "otlp/otlp.h"

enum { OTLP_BATCH = 512, OTLP_QUEUE = 4096 };

struct otlp {
    struct otlp_options opt; /* texts are ours */
    uint64_t started_ns;
    pthread_mutex_t lock; /* of the ring; held for a copy */
    struct otlp_span *ring;
    size_t cap, first, n;
    struct metric *sent, *dropped, *refused;
    bool failing; /* of the task: the last request was not taken */
};

uint64_t otlp__now_ns(void); /* since 1970 */

#endif
