/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake.h - a connector whose other side is a struct in memory: long jobs with tickets, a stream with positions, pages
 * with a cursor, batches. It shows how such operations are written, and tests of the host drive it through cuts.
 */
#ifndef TL_CONNECTOR_TEST_FAKE_H
#define TL_CONNECTOR_TEST_FAKE_H

#include "connector/connector.h"

enum { FAKE_RECORDS = 64, FAKE_JOBS = 8 };

struct fake_job {
    char id[64];
    bool started, aborted;
    int polls_left;
    uint64_t events[FAKE_RECORDS];
    size_t n;
};
/* The other side. It survives whatever happens to a call. */
struct fake_world {
    struct fake_job jobs[FAKE_JOBS];
    size_t n_jobs;
    int polls; /* a job is done after so many */
    uint64_t inserted[FAKE_RECORDS];
    size_t n_inserted, lookups;
    uint64_t refuse; /* this event's record is refused */
    bool all_or_none;
    int messages; /* 1..messages, to be listened to or read */
    int acked;    /* of the stream: everything up to it is gone there */
    int page;     /* records a page */
    /* What waiting on the wire is: the test's, so that it can cut there. */
    enum tl_rc (*wire)(void *arg, struct task *task, struct tl_err *err);
    void *wire_arg;
};
struct fake_connection {
    const char *account;
    struct fake_world *world; /* put in by the test, after parsing */
};
extern const struct connector fake_connector;

#endif
