/* SPDX-License-Identifier: Apache-2.0 */
/* alerts.h - the wiring of src/alert: figures in, notices into the ledger, the book kept in it. */
#ifndef TL_MAIN_ALERTS_H
#define TL_MAIN_ALERTS_H

#include "admin/admin.h"

struct main_credentials;

/* Looks every five seconds, on a task of loop 0. All of these must outlive it. */
struct main_alerts {
    struct alert_book *book;
    struct flow_engine *engine;
    struct queue *queue;
    const struct crypto *crypto;
    struct metrics *metrics;
    struct tl_log *log;
    const bool *stopping;
    /* its own */
    struct main_credentials *credentials;
    int slot;    /* of the two sets of parts, the one that holds */
    bool unkept; /* the last write did not succeed */
};
/* Reads the book that was kept; blocks. A book that cannot be read is logged, and a new one begins. */
void main_alerts_init(struct main_alerts *m, const struct alert_conf *conf);
enum tl_rc main_alerts_task(struct task *task, void *alerts, struct tl_err *err);
/* For struct admin: of a connection, as the rule sees them. Any thread. */
void main_alerts_credentials(void *alerts, const char *connection, struct tl_arena *arena,
                             const struct alert_credential **ret, size_t *ret_n);
void main_alerts_done(struct main_alerts *m);

#endif
