/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.h - the SQL port: connections, transactions, statements, rows. Drivers live in folders of their own (sqlite/).
 *
 * A connection and its statements belong to one thread at a time. Nothing here waits for a lock longer than busy_ms.
 * Errors: TL_EXISTS (a unique key is taken), TL_FULL (the disk is full: the transaction is gone), TL_IO (writing,
 * reading or syncing failed: nothing after it can be trusted to be durable), TL_BUSY (another process holds the store),
 * TL_CONFIG (not one of our stores, or made by a newer version), TL_BUG (a wrong statement).
 */
#ifndef TL_STORE_STORE_H
#define TL_STORE_STORE_H

#include "base/base.h"

struct store;
struct store_stmt;

enum store_type { STORE_NULL, STORE_INT, STORE_TEXT, STORE_BLOB };
/* A parameter (borrowed until store_reset or the next run) or a column (valid until the next row or reset). */
struct store_val {
    enum store_type type;
    int64_t i;
    struct tl_sv s;
};
static inline struct store_val store_int(int64_t i)
{
    return (struct store_val){STORE_INT, i, {NULL, 0}};
}
/* 64 bits of a hash or an unsigned id, kept bit by bit in a signed column. */
static inline struct store_val store_u64(uint64_t u)
{
    return store_int((int64_t)u);
}
static inline struct store_val store_text(struct tl_sv s)
{
    return (struct store_val){s.p ? STORE_TEXT : STORE_NULL, 0, s};
}
static inline struct store_val store_blob(struct tl_sv s)
{
    return (struct store_val){s.p ? STORE_BLOB : STORE_NULL, 0, s};
}
static inline struct store_val store_null(void)
{
    return (struct store_val){STORE_NULL, 0, {NULL, 0}};
}

/* Numbered steps, applied in order, those that are missing in one transaction; the number reached is kept in the store.
 */
struct store_migration {
    uint32_t number;
    const char *sql;
};

/* Bytes that the log may take beside the file, about: then the writer waits until it is moved. */
#define STORE_LOG_MOST (UINT64_C(10000) * 8192)

struct store_options {
    const char *path; /* a file; its folder must exist */
    const char *vfs;  /* tests: another file layer; NULL: the default */
    bool read_only;   /* a reader beside the one writer */
    bool no_sync;     /* a commit is not synced: a power cut may lose or damage what was committed */
    bool background;  /* the writer, a file: the log is moved on a thread beside it, which ends with it */
    bool exclusive;   /* the writer: hold a lock on the file "<path>.lock" against other processes */
    uint32_t busy_ms;
    uint32_t application_id; /* stamped on a new store, demanded of an old one */
    const struct store_migration *migrations;
    size_t n_migrations;
};
TL_MUST_CHECK enum tl_rc store_open(const struct store_options *o, struct store **ret_store, struct tl_err *err);
void store_close(struct store *s); /* statements must have been freed */

TL_MUST_CHECK enum tl_rc store_begin(struct store *s, struct tl_err *err); /* a write transaction */
/* Group reads; ended by store_commit or store_rollback. Keep it short: it holds the log back. */
TL_MUST_CHECK enum tl_rc store_begin_read(struct store *s, struct tl_err *err);
TL_MUST_CHECK enum tl_rc store_commit(struct store *s, struct tl_err *err); /* TL_OK: synced to disk */
void store_rollback(struct store *s);                                       /* harmless when there is none */
/* Short upkeep between transactions (moving the log into the file). TL_IO is as grave as in a commit. */
TL_MUST_CHECK enum tl_rc store_maintain(struct store *s, bool everything, struct tl_err *err);
TL_MUST_CHECK enum tl_rc store_exec(struct store *s, const char *sql, struct tl_err *err);
/* A consistent copy in one new file. */
TL_MUST_CHECK enum tl_rc store_copy(struct store *s, const char *path, struct tl_err *err);
/* TL_CONFLICT: the writer's files were deleted or moved, or others put in their place. It goes on writing to those that
 * it has open, and whoever opens the path finds nothing of it. The text says which, and what to do. */
TL_MUST_CHECK enum tl_rc store_in_place(const struct store *s, struct tl_err *err);
uint64_t store_log_pages(const struct store *s); /* waiting to be moved into the file */

/* Statements are prepared once and kept. */
TL_MUST_CHECK enum tl_rc store_prepare(struct store *s, const char *sql, struct store_stmt **ret_stmt,
                                       struct tl_err *err);
void store_stmt_free(struct store_stmt *st);
/* Run to the end; for statements without rows. *ret_changed (may be NULL): rows touched. */
TL_MUST_CHECK enum tl_rc store_run(struct store_stmt *st, const struct store_val *params, size_t n,
                                   uint64_t *ret_changed, struct tl_err *err);
/* Rows: start, then store_next until *ret_row is false; store_reset at any time (a query left open holds the log back).
 */
TL_MUST_CHECK enum tl_rc store_query(struct store_stmt *st, const struct store_val *params, size_t n,
                                     struct tl_err *err);
TL_MUST_CHECK enum tl_rc store_next(struct store_stmt *st, struct store_val *row, size_t n, bool *ret_row,
                                    struct tl_err *err);
void store_reset(struct store_stmt *st);
/* Of a statement whose text is not ours: how many columns its rows have, and what they are called (the statement's). */
size_t store_columns(const struct store_stmt *st);
const char *store_column_name(const struct store_stmt *st, size_t i);
/* The first row of a query, then reset: only numbers survive it. *ret_row false: none. */
TL_MUST_CHECK enum tl_rc store_one(struct store_stmt *st, const struct store_val *params, size_t n,
                                   struct store_val *row, size_t n_row, bool *ret_row, struct tl_err *err);

#endif
