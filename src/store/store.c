/* SPDX-License-Identifier: Apache-2.0 */
/* The port: hands every call to the driver of the connection. */
#include "store/store_int.h"

enum tl_rc store_open(const struct store_options *o, struct store **ret_store, struct tl_err *err)
{
    return store_sqlite_open(o, ret_store, err);
}

void store_close(struct store *s)
{
    if (s)
        s->driver->close(s);
}

enum tl_rc store_begin(struct store *s, struct tl_err *err)
{
    return s->driver->begin(s, err);
}

enum tl_rc store_begin_read(struct store *s, struct tl_err *err)
{
    return s->driver->begin_read(s, err);
}

enum tl_rc store_commit(struct store *s, struct tl_err *err)
{
    return s->driver->commit(s, err);
}

void store_rollback(struct store *s)
{
    s->driver->rollback(s);
}

enum tl_rc store_maintain(struct store *s, bool everything, struct tl_err *err)
{
    return s->driver->maintain(s, everything, err);
}

enum tl_rc store_exec(struct store *s, const char *sql, struct tl_err *err)
{
    return s->driver->exec(s, sql, err);
}

enum tl_rc store_copy(struct store *s, const char *path, struct tl_err *err)
{
    return s->driver->copy(s, path, err);
}

enum tl_rc store_in_place(const struct store *s, struct tl_err *err)
{
    return s->driver->in_place(s, err);
}

uint64_t store_log_pages(const struct store *s)
{
    return s->driver->log_pages(s);
}

enum tl_rc store_prepare(struct store *s, const char *sql, struct store_stmt **ret_stmt, struct tl_err *err)
{
    return s->driver->prepare(s, sql, ret_stmt, err);
}

void store_stmt_free(struct store_stmt *st)
{
    if (st)
        st->driver->stmt_free(st);
}

enum tl_rc store_run(struct store_stmt *st, const struct store_val *params, size_t n, uint64_t *ret_changed,
                     struct tl_err *err)
{
    return st->driver->run(st, params, n, ret_changed, err);
}

enum tl_rc store_query(struct store_stmt *st, const struct store_val *params, size_t n, struct tl_err *err)
{
    return st->driver->query(st, params, n, err);
}

enum tl_rc store_next(struct store_stmt *st, struct store_val *row, size_t n, bool *ret_row, struct tl_err *err)
{
    return st->driver->next(st, row, n, ret_row, err);
}

size_t store_columns(const struct store_stmt *st)
{
    return st->driver->columns(st);
}

const char *store_column_name(const struct store_stmt *st, size_t i)
{
    return st->driver->column_name(st, i);
}

void store_reset(struct store_stmt *st)
{
    st->driver->reset(st);
}

enum tl_rc store_one(struct store_stmt *st, const struct store_val *params, size_t n, struct store_val *row,
                     size_t n_row, bool *ret_row, struct tl_err *err)
{
    enum tl_rc rc = store_query(st, params, n, err);

    if (rc == TL_OK)
        rc = store_next(st, row, n_row, ret_row, err);
    store_reset(st);
    return rc;
}
