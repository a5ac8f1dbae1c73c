/* SPDX-License-Identifier: Apache-2.0 */
/*
 * powercut_file.h - one file of the disk that powercut_vfs.h makes believe: what programs see of it, what a disk holds
 * of it for sure, and the writes in between. The disk writes whole sectors of 512 bytes, each with what the file had
 * there after one of those writes, in any order. Takes no lock.
 */
#ifndef TL_QUEUE_TEST_POWERCUT_FILE_H
#define TL_QUEUE_TEST_POWERCUT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct powercut_file;

struct powercut_file *powercut_file_new(void);
void powercut_file_free(struct powercut_file *f);
int64_t powercut_file_size(const struct powercut_file *f);
size_t powercut_file_read(const struct powercut_file *f, void *p, size_t n, int64_t at); /* how much there was */
void powercut_file_write(struct powercut_file *f, const void *p, size_t n, int64_t at);
void powercut_file_truncate(struct powercut_file *f, int64_t size);
size_t powercut_file_unsynced(const struct powercut_file *f); /* how many changes the disk does not hold for sure */

/* A sync takes its mark when it begins; when it ends, the disk holds all that was written before the mark. */
uint64_t powercut_file_mark(const struct powercut_file *f);
void powercut_file_settle(struct powercut_file *f, uint64_t mark);
/* It has failed: the disk holds some of it, and no later sync writes the rest, as with Linux, which takes the pages for
 * clean then. Programs still see it until the power goes. */
void powercut_file_lose(struct powercut_file *f, uint64_t mark, uint64_t *dice);
/* The power goes: what a disk may have then is what there is. dice NULL: nothing of what it does not hold for sure. */
void powercut_file_cut(struct powercut_file *f, uint64_t *dice);
/* As it would be after a cut at this moment. */
struct powercut_file *powercut_file_after(const struct powercut_file *f, uint64_t *dice);

uint64_t powercut_roll(uint64_t *dice); /* numbers at random, the same ones for the same seed */

#endif
