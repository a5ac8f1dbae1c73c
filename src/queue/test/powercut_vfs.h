/* SPDX-License-Identifier: Apache-2.0 */
/*
 * powercut_vfs.h - a SQLite file layer in memory that can lose power.
 *
 * Every write is remembered until a sync of its file completes. At a cut, remembered writes are taken back: all of
 * them, or (seed != 0) a random part of them, as a disk may have written some of its cache in any order. From the
 * moment the power is off every call fails, until it is switched on again. One connection a file.
 */
#ifndef TL_QUEUE_TEST_POWERCUT_VFS_H
#define TL_QUEUE_TEST_POWERCUT_VFS_H

#include <stdint.h>

#define POWERCUT_VFS "powercut"

void powercut_register(void);
void powercut_forget(void); /* all files are gone */
/* Power goes off at the n-th write or sync from now (1: the next); 0: never. The call at the cut does not happen. */
void powercut_at(uint64_t n);
/* The n-th write or sync from now fails once with an I/O error; the power stays on. Its data counts as not written. */
void powercut_fail_write(uint64_t n);
void powercut_fail_sync(uint64_t n);
/* The n-th write from now and all after it find no space, until 0 is given. */
void powercut_full(uint64_t n);
int powercut_is_off(void);
void powercut_on(uint64_t seed); /* take back what was not synced; power is on again */

#endif
