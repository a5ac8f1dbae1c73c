/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_file.h - a SQLite file layer over another one that writes the log in few pieces. SQLite writes each page of it in
 * two, a head of 24 bytes and the page; here they are put together until SQLite syncs the log, reads that part of it,
 * or asks for its size. Whoever else opens the store sees what is committed: a commit syncs before it says so
 * (synchronous=FULL; without, do not use it). All other files are the layer's below. Source: sqlite.org/vfs.html.
 */
#ifndef TL_STORE_SQLITE_LOG_FILE_H
#define TL_STORE_SQLITE_LOG_FILE_H

#include <sqlite3.h>

#include "base/base.h"

/* Registers the layer over `below` (NULL: the default one) once, and gives its name, or NULL: there is no such layer.
 */
const char *store__log_file_vfs(const char *below);
/* The transaction was rolled back, so that nobody will read what of it could not be written: syncs are good again. Any
 * file of a store; NULL: nothing. */
void store__log_file_forget(sqlite3_file *f);

#endif
