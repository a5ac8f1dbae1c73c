/* SPDX-License-Identifier: Apache-2.0 */
/*
 * systemd.h - telling the service manager how we are: the protocol of sd_notify(3), a datagram to $NOTIFY_SOCKET.
 * Without that variable nothing happens. WATCHDOG=1 is sent only after the ledger's thread and the first loop have both
 * answered, so a server that hangs is started again.
 */
#ifndef TL_MAIN_SYSTEMD_H
#define TL_MAIN_SYSTEMD_H

#include "async/async.h"
#include "queue/queue.h"

struct main_systemd {
    int fd;               /* -1: nobody listens */
    uint64_t watchdog_us; /* 0: none is wanted */
    struct queue *queue;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. A socket that cannot be reached is nobody. */
void main_systemd_open(struct main_systemd *s);
void main_systemd_close(struct main_systemd *s);
void main_systemd_say(const struct main_systemd *s, const char *state); /* "READY=1" */
/* A task's body (arg: struct main_systemd with its queue): WATCHDOG=1 twice in the time allowed. Ends when cancelled.
 */
enum tl_rc main_systemd_watchdog(struct task *task, void *arg, struct tl_err *err);

#endif
