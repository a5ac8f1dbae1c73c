/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mover.h - moving the log into the file beside the writer: a thread with a connection of its own, so that commits go
 * on meanwhile. SQLite lets one connection move what is committed while another appends (sqlite.org/wal.html,
 * "Checkpoint Starvation"); the log begins anew only when all of it has been moved between two commits, which is left
 * to the writer.
 *
 * SQLite before 3.51.3 can lose commits when a connection begins to move a log of which all has been moved while
 * another one begins it anew (sqlite.org/wal.html, "The WAL Reset Bug"). So the mover is asked only when there was a
 * commit since the log was moved last, nobody else moves meanwhile, and no other process may checkpoint a ledger
 * (docs/run-in-production.md).
 */
#ifndef TL_STORE_SQLITE_MOVER_H
#define TL_STORE_SQLITE_MOVER_H

#include <sqlite3.h>

#include "base/base.h"

struct store_mover;

/* The thread opens its connection when it is first asked: a start does not wait for it. vfs: NULL is the default
 * one. TL_BUSY: no thread to be had. */
TL_MUST_CHECK enum tl_rc store__mover_new(const char *path, const char *vfs, bool no_sync,
                                          struct store_mover **ret_mover, struct tl_err *err);
void store__mover_ask(struct store_mover *m); /* nothing may be under way, and there was a commit since the last move */
bool store__mover_is_done(struct store_mover *m);
void store__mover_wait(struct store_mover *m); /* until nothing is under way */
/* How the last move ended: TL_OK, also where readers hold the log back or the disk has no room: the log keeps it. */
TL_MUST_CHECK enum tl_rc store__mover_result(struct store_mover *m, struct tl_err *err);
void store__mover_free(struct store_mover *m); /* waits; NULL: nothing */

/* Shared with the writer. passive: what needs no waiting. *ret_left (may be NULL): pages not moved; kept as it is on a
 * failure. */
TL_MUST_CHECK enum tl_rc store__move_log(sqlite3 *db, int mode, int *ret_left, struct tl_err *err);
TL_MUST_CHECK enum tl_rc store__sqlite_fail(sqlite3 *db, int rc, const char *what, struct tl_err *err);

#endif
