/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place.h - are the files that are open still those at their path? By name and inode alone: whoever opens and closes
 * one of them loses all of this process's locks on it (POSIX), so nobody may.
 */
#ifndef TL_STORE_SQLITE_PLACE_H
#define TL_STORE_SQLITE_PLACE_H

#include <sys/types.h>

#include "base/base.h"

enum { STORE_PLACES = 2 }; /* the file, and its log */
struct store_place {
    char *path; /* NULL: nothing is known, and all is well */
    ino_t inode[STORE_PLACES];
    dev_t device[STORE_PLACES];
};
/* As they are now, just opened and read from: the log is there from then until the last connection closes. */
void store__place_note(struct store_place *p, const char *path);
void store__place_done(struct store_place *p);
enum tl_rc store__place_check(const struct store_place *p, struct tl_err *err); /* as store_in_place */

#endif
