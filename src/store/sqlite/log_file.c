/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/log_file.h"

#include <sqlite3.h>

#define PIECE 0x1ffffu /* fifteen pages: the most that the unix layer writes with one call */

/* In the memory that SQLite gives for a file; the one below lies behind it. */
struct log_file {
    sqlite3_file base;
    sqlite3_file *below;
    bool together;       /* else each write goes on at once */
    unsigned char *held; /* NULL: nothing has been written yet */
    size_t n;
    sqlite3_int64 at; /* where held[0] belongs */
    bool lost;        /* from lost_at on something could not be written, and is neither written again nor rolled back */
    sqlite3_int64 lost_at;
};

static struct log_file *log_of(sqlite3_file *f)
{
    return (struct log_file *)(void *)f;
}

/* What cannot be written is forgotten, as SQLite will forget the transaction that it hears has failed; what is
 * committed is not held. */
static int write_held(struct log_file *l)
{
    size_t n = l->n;
    int rc = n ? l->below->pMethods->xWrite(l->below, l->held, (int)n, l->at) : SQLITE_OK;

    l->n = 0;
    if (rc != SQLITE_OK && (!l->lost || l->at < l->lost_at))
        l->lost_at = l->at;
    l->lost = l->lost || rc != SQLITE_OK;
    return rc;
}

static int log_close(sqlite3_file *f)
{
    struct log_file *l = log_of(f);
    int rc = write_held(l), closed = l->below->pMethods->xClose(l->below);

    tl_free(l->held);
    return rc != SQLITE_OK ? rc : closed;
}

static int log_read(sqlite3_file *f, void *to, int n, sqlite3_int64 at)
{
    struct log_file *l = log_of(f);
    int rc = SQLITE_OK;

    if (l->n && at < l->at + (sqlite3_int64)l->n && at + n > l->at)
        rc = write_held(l);
    return rc != SQLITE_OK ? rc : l->below->pMethods->xRead(l->below, to, n, at);
}

static int log_write(sqlite3_file *f, const void *from, int n, sqlite3_int64 at)
{
    struct log_file *l = log_of(f);
    int rc = SQLITE_OK;

    if (l->n && (at != l->at + (sqlite3_int64)l->n || (size_t)n > PIECE - l->n))
        rc = write_held(l);
    if (rc != SQLITE_OK || !l->together || (size_t)n > PIECE)
        return rc != SQLITE_OK ? rc : l->below->pMethods->xWrite(l->below, from, n, at);
    if (!l->held)
        l->held = tl_alloc(PIECE);
    l->at = l->n ? l->at : at;
    l->lost = l->lost && at > l->lost_at;
    memcpy(l->held + l->n, from, (size_t)n);
    l->n += (size_t)n;
    return SQLITE_OK;
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    struct log_file *l = log_of(f);
    int rc = write_held(l);

    return rc != SQLITE_OK ? rc : l->below->pMethods->xTruncate(l->below, size);
}

static int log_sync(sqlite3_file *f, int flags)
{
    struct log_file *l = log_of(f);
    int rc = write_held(l);

    if (rc == SQLITE_OK && l->lost) /* a transaction went on although a part of it is missing */
        rc = SQLITE_IOERR_FSYNC;
    return rc != SQLITE_OK ? rc : l->below->pMethods->xSync(l->below, flags);
}

static int log_size(sqlite3_file *f, sqlite3_int64 *ret_size)
{
    struct log_file *l = log_of(f);
    int rc = write_held(l);

    return rc != SQLITE_OK ? rc : l->below->pMethods->xFileSize(l->below, ret_size);
}

static int log_lock(sqlite3_file *f, int level)
{
    struct log_file *l = log_of(f);

    return l->below->pMethods->xLock(l->below, level);
}

static int log_unlock(sqlite3_file *f, int level)
{
    struct log_file *l = log_of(f);

    return l->below->pMethods->xUnlock(l->below, level);
}

static int log_is_reserved(sqlite3_file *f, int *ret_is)
{
    struct log_file *l = log_of(f);

    return l->below->pMethods->xCheckReservedLock(l->below, ret_is);
}

static int log_control(sqlite3_file *f, int op, void *arg)
{
    struct log_file *l = log_of(f);
    int rc = write_held(l);

    return rc != SQLITE_OK ? rc : l->below->pMethods->xFileControl(l->below, op, arg);
}

static int log_sector(sqlite3_file *f)
{
    struct log_file *l = log_of(f);

    return l->below->pMethods->xSectorSize(l->below);
}

static int log_traits(sqlite3_file *f)
{
    struct log_file *l = log_of(f);

    return l->below->pMethods->xDeviceCharacteristics(l->below);
}

/* Version 1: what later ones add is asked of the store's file, not of its log. */
static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = log_close,
                                           .xRead = log_read,
                                           .xWrite = log_write,
                                           .xTruncate = log_truncate,
                                           .xSync = log_sync,
                                           .xFileSize = log_size,
                                           .xLock = log_lock,
                                           .xUnlock = log_unlock,
                                           .xCheckReservedLock = log_is_reserved,
                                           .xFileControl = log_control,
                                           .xSectorSize = log_sector,
                                           .xDeviceCharacteristics = log_traits};

void store__log_file_forget(sqlite3_file *f)
{
    if (f && f->pMethods == &methods)
        log_of(f)->lost = false;
}

#define LOG_FILE_SIZE ((sizeof(struct log_file) + 15) / 16 * 16)

static int log_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
    sqlite3_vfs *below = vfs->pAppData;
    struct log_file *l = log_of(f);
    int rc;

    if (!(flags & SQLITE_OPEN_WAL))
        return below->xOpen(below, name, f, flags, ret_flags);
    *l = (struct log_file){.below = (sqlite3_file *)(void *)((unsigned char *)f + LOG_FILE_SIZE)};
    rc = below->xOpen(below, name, l->below, flags, ret_flags);
    if (rc != SQLITE_OK)
        return rc;
    l->base.pMethods = &methods;
    /* Without it SQLite fills up the sector behind a commit after it has synced: what is committed would be held. */
    l->together = (l->below->pMethods->xDeviceCharacteristics(l->below) & SQLITE_IOCAP_POWERSAFE_OVERWRITE) != 0;
    return SQLITE_OK;
}

const char *store__log_file_vfs(const char *below)
{
    sqlite3_vfs *under = sqlite3_vfs_find(below), *vfs; /* SQLite is ready now, its mutexes too */
    sqlite3_mutex *one = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
    char *name;

    if (!under)
        return NULL;
    name = tl_sprintf("tieline-log-%s", under->zName);
    sqlite3_mutex_enter(one);
    vfs = sqlite3_vfs_find(name);
    if (!vfs) { /* as long as the process: SQLite keeps it. What is not opening asks nothing of its own vfs but a size.
                 */
        vfs = tl_zalloc(sizeof(*vfs));
        *vfs = *under;
        vfs->pNext = NULL;
        vfs->zName = tl_strdup(name);
        vfs->szOsFile = under->szOsFile + (int)LOG_FILE_SIZE;
        vfs->pAppData = under;
        vfs->xOpen = log_open;
        if (sqlite3_vfs_register(vfs, 0) != SQLITE_OK) {
            tl_free((char *)(uintptr_t)vfs->zName);
            tl_free(vfs);
            vfs = NULL;
        }
    }
    sqlite3_mutex_leave(one);
    tl_free(name);
    return vfs ? vfs->zName : NULL;
}
