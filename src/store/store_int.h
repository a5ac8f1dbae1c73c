/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver provides; each function as store.h promises. */
#ifndef TL_STORE_STORE_INT_H
#define TL_STORE_STORE_INT_H

#include "store/store.h"

struct store_driver {
    void (*close)(struct store *s);
    enum tl_rc (*begin)(struct store *s, struct tl_err *err);
    enum tl_rc (*begin_read)(struct store *s, struct tl_err *err);
    enum tl_rc (*commit)(struct store *s, struct tl_err *err);
    void (*rollback)(struct store *s);
    enum tl_rc (*maintain)(struct store *s, bool everything, struct tl_err *err);
    enum tl_rc (*exec)(struct store *s, const char *sql, struct tl_err *err);
    enum tl_rc (*copy)(struct store *s, const char *path, struct tl_err *err);
    enum tl_rc (*in_place)(const struct store *s, struct tl_err *err);
    uint64_t (*log_pages)(const struct store *s);
    enum tl_rc (*prepare)(struct store *s, const char *sql, struct store_stmt **ret_stmt, struct tl_err *err);
    void (*stmt_free)(struct store_stmt *st);
    enum tl_rc (*run)(struct store_stmt *st, const struct store_val *params, size_t n, uint64_t *ret_changed,
                      struct tl_err *err);
    enum tl_rc (*query)(struct store_stmt *st, const struct store_val *params, size_t n, struct tl_err *err);
    enum tl_rc (*next)(struct store_stmt *st, struct store_val *row, size_t n, bool *ret_row, struct tl_err *err);
    void (*reset)(struct store_stmt *st);
    size_t (*columns)(const struct store_stmt *st);
    const char *(*column_name)(const struct store_stmt *st, size_t i);
};
/* A driver's own structs begin with these. */
struct store {
    const struct store_driver *driver;
};
struct store_stmt {
    const struct store_driver *driver;
};

enum tl_rc store_sqlite_open(const struct store_options *o, struct store **ret_store, struct tl_err *err);

#endif
