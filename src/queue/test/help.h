/* SPDX-License-Identifier: Apache-2.0 */
/* A ledger under a fake clock, turned by hand; its works are collected here. */
#ifndef TL_QUEUE_TEST_HELP_H
#define TL_QUEUE_TEST_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/operate.h"

struct bench {
    struct tl_fake_clock clock;
    char dir[64];
    struct queue *q;
    struct queue_work *first, **tail; /* handed out, oldest first */
    size_t n_works;
    int notices, fatals;
    char last_notice[64];
    bool disk_low;
    uint64_t disk_left; /* 0: as disk_low says */
    size_t window, key_generation, line_generation;
    bool hears, hears_failures_only; /* what is told is kept here, oldest first */
    struct queue_told *told, **told_tail;
    uint64_t inline_max;
    int64_t keep_final_ms;
    void (*meanwhile)(struct bench *b); /* once, when a turn asks for the space on disk: pushed behind what it is for */
    const char *vfs;
    bool no_sync;
    struct crypto_seal_key keys[2]; /* of the ledger */
    size_t n_keys;
    /* the flow "f": edit before configure */
    struct queue_target_def targets[3];
    struct queue_flow_def flows[2];
    struct queue_connection_def connections[2];
    struct queue_config config;
    struct guard_retry retry;
    struct guard_conf guard;
};

void help_init(struct bench *b);  /* definitions and an empty folder */
void help_open(struct bench *b);  /* open and configure */
void help_close(struct bench *b); /* forgets the works that are out: a crash as far as they are concerned */
void help_done(struct bench *b);  /* close and remove the folder */
void help_turn(struct bench *b);  /* until nothing is left to do now */
void help_after(struct bench *b, int64_t ms);
uint64_t help_put(struct bench *b, const char *key, const char *order_by, const char *body);
struct queue_work *help_take(struct bench *b); /* the oldest work; NULL: none */
/* Finish all claims of the work alike and turn. */
void help_finish(struct bench *b, struct queue_work *w, enum queue_end end, enum tl_rc rc, const char *text);
void help_row(struct bench *b, uint64_t id, struct queue_row *ret_row);
int help_setup(void **state); /* cmocka fixtures: *state is a struct bench */
int help_teardown(void **state);
struct queue_job help_job(struct bench *b, struct queue_plan *plan); /* plan, start, run to its end */
uint64_t help_count(struct bench *b, enum queue_state s);            /* of all flows */

#endif
