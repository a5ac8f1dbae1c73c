/* SPDX-License-Identifier: Apache-2.0 */
/*
 * powercut_vfs.h - a SQLite file layer that can lose power.
 *
 * Files are in memory (powercut_file.h); locks and the memory that connections share are those of the layer for real
 * disks, on an empty file of the same name, so that any number of connections and threads of this process work at once.
 * A call does its work at one moment under one lock. A sync has two: what was written when it begins (each xWrite that
 * had returned, on whatever handle of the file) is on disk when it returns, and nothing that is written in between. So
 * one thread may sync a handle while another writes on it. A removal is on disk at once.
 *
 * At a cut, what no sync covers is taken back: all of it, or (seed != 0) a random part, as a disk may have written some
 * of its cache in any order, sector by sector. From the moment the power is off every call fails, until it is switched
 * on again; close all connections before. Or the threads run on while what a cut would leave is looked at elsewhere:
 * powercut_copy. All functions here may be called from any thread; those that switch something before or after the
 * others work.
 */
#ifndef TL_QUEUE_TEST_POWERCUT_VFS_H
#define TL_QUEUE_TEST_POWERCUT_VFS_H

#include <stddef.h>
#include <stdint.h>

#define POWERCUT_VFS "powercut"

void powercut_register(void);
void powercut_forget(void); /* all files are gone, also what was asked for below; none may be open */

/* Power goes off at the n-th write or sync from now (1: the next); 0: never. The call at the cut does not happen. */
void powercut_at(uint64_t n);
void powercut_now(void);
int powercut_is_off(void);
void powercut_on(uint64_t seed); /* take back what was not synced; power is on again */
/* What a cut at this moment would leave of all files whose names begin with `from`, under names that begin with `to`
 * instead, in place of what was there. Nobody may have that open; what runs notices nothing. */
void powercut_copy(const char *from, const char *to, uint64_t seed);

/* The n-th write or sync from now fails once with an I/O error; the power stays on. A write's data counts as not
 * written. What a sync should have covered may be lost, and each handle of the file that is open at that moment hears
 * of it once, at this sync or its next one (Linux since 4.13: errseq_t in fsync). */
void powercut_fail_write(uint64_t n);
void powercut_fail_sync(uint64_t n);
/* The n-th write from now and all after it find no space, until 0 is given; a part may be written. */
void powercut_full(uint64_t n);
/* The n-th sync from now finds none, as where space is given only then (thin volumes, NFS); else as any failed sync. */
void powercut_full_sync(uint64_t n);
uint64_t powercut_failed(void); /* writes and syncs that failed by one of these since the power was switched on */

/* Writes of the file that no sync covers. */
size_t powercut_unsynced(const char *name);
/* Calls f in the midst of each sync, on its thread and without a lock: it may do whatever others do meanwhile. NULL:
 * nothing. */
void powercut_during_sync(void (*f)(void *arg), void *arg);

#endif
