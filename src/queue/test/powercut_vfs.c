/* SPDX-License-Identifier: Apache-2.0 */
#include "powercut_vfs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>

#include "base/base.h"
#include "powercut_file.h"

struct node {
    struct node *next;
    char *name;
    struct powercut_file *file;
    unsigned open;
    bool gone;       /* removed, yet open */
    uint64_t failed; /* syncs */
    int why;         /* the last of them */
};
static struct {
    pthread_mutex_t lock; /* of all here but the layers, and of what nodes hold */
    struct node *nodes;
    uint64_t cut_in, fail_write_in, fail_sync_in, full_in, full_sync_in, failed;
    uint64_t dice; /* for what fails */
    void (*during_sync)(void *arg);
    void *arg;
    bool off;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct handle {
    sqlite3_file base;
    struct node *node;
    sqlite3_file *below; /* locks and shared memory; NULL: nobody asks for them */
    uint64_t heard;      /* of the node's failed syncs */
};
#define HANDLE_SIZE ((sizeof(struct handle) + 15) / 16 * 16)

static struct handle *handle_of(sqlite3_file *file)
{
    return (struct handle *)(void *)file;
}

static void lock(void)
{
    (void)pthread_mutex_lock(&disk.lock);
}

/* why: what errno is to say of a failure, and so sqlite3_system_errno(). */
static int unlock(int rc, int why)
{
    (void)pthread_mutex_unlock(&disk.lock);
    if (why)
        errno = why;
    return rc;
}

/* Count down; true when this call is the one. */
static bool due(uint64_t *n)
{
    if (*n == 0)
        return false;
    return --*n == 0;
}

static bool cut(void)
{
    if (!disk.off && due(&disk.cut_in))
        disk.off = true;
    return disk.off;
}

static bool fails(uint64_t *n)
{
    bool it = due(n);

    disk.failed += it;
    return it;
}

/* ---- names ---- */
static struct node *find(const char *name)
{
    for (struct node *n = disk.nodes; n; n = n->next)
        if (!n->gone && strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

static struct node *add(const char *name, struct powercut_file *file)
{
    struct node *n = tl_zalloc(sizeof(*n));

    n->name = tl_strdup(name);
    n->file = file;
    n->next = disk.nodes;
    disk.nodes = n;
    return n;
}

static void drop_unless_open(struct node *n)
{
    struct node **at = &disk.nodes;

    n->gone = true;
    if (n->open)
        return;
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    powercut_file_free(n->file);
    tl_free(n->name);
    tl_free(n);
}

/* ---- files ---- */
static int x_close(sqlite3_file *file)
{
    struct handle *h = handle_of(file);

    if (h->below)
        (void)h->below->pMethods->xClose(h->below);
    lock();
    h->node->open--;
    if (h->node->gone)
        drop_unless_open(h->node);
    return unlock(SQLITE_OK, 0);
}

static int x_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    struct handle *h = handle_of(file);
    size_t have;

    lock();
    if (disk.off)
        return unlock(SQLITE_IOERR_READ, EIO);
    have = powercut_file_read(h->node->file, p, (size_t)n, at);
    memset((char *)p + have, 0, (size_t)n - have);
    return unlock(have == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ, 0);
}

static int x_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct handle *h = handle_of(file);

    lock();
    if (cut() || fails(&disk.fail_write_in))
        return unlock(SQLITE_IOERR_WRITE, EIO);
    if (disk.full_in && (disk.full_in == 1 || --disk.full_in == 1)) {
        size_t part = (size_t)powercut_roll(&disk.dice) % (size_t)(n + 1);

        disk.failed++;
        if (part)
            powercut_file_write(h->node->file, p, part, at);
        return unlock(SQLITE_FULL, ENOSPC);
    }
    powercut_file_write(h->node->file, p, (size_t)n, at);
    return unlock(SQLITE_OK, 0);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct handle *h = handle_of(file);

    lock();
    if (cut())
        return unlock(SQLITE_IOERR_TRUNCATE, EIO);
    powercut_file_truncate(h->node->file, size);
    return unlock(SQLITE_OK, 0);
}

/* With the lock; it is let go for a while. */
static void meanwhile(void)
{
    void (*f)(void *) = disk.during_sync;
    void *arg = disk.arg;
    bool yields = powercut_roll(&disk.dice) % 4 == 0;

    (void)unlock(0, 0);
    if (f)
        f(arg);
    if (yields)
        (void)sched_yield();
    lock();
}

static int x_sync(sqlite3_file *file, int flags)
{
    struct handle *h = handle_of(file);
    struct node *n = h->node;
    uint64_t mark;
    bool full, broken;

    (void)flags;
    lock();
    if (cut())
        return unlock(SQLITE_IOERR_FSYNC, EIO);
    mark = powercut_file_mark(n->file);
    broken = fails(&disk.fail_sync_in);
    full = fails(&disk.full_sync_in);
    meanwhile();
    if (disk.off)
        return unlock(SQLITE_IOERR_FSYNC, EIO);
    if (broken || full) {
        powercut_file_lose(n->file, mark, &disk.dice);
        n->failed++;
        n->why = full ? ENOSPC : EIO;
    }
    if (h->heard != n->failed) {
        h->heard = n->failed;
        return unlock(SQLITE_IOERR_FSYNC, n->why);
    }
    powercut_file_settle(n->file, mark);
    return unlock(SQLITE_OK, 0);
}

static int x_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    lock();
    *ret = powercut_file_size(handle_of(file)->node->file);
    return unlock(SQLITE_OK, 0);
}

static int x_lock(sqlite3_file *file, int level)
{
    sqlite3_file *below = handle_of(file)->below;

    return below ? below->pMethods->xLock(below, level) : SQLITE_OK;
}

static int x_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *below = handle_of(file)->below;

    return below ? below->pMethods->xUnlock(below, level) : SQLITE_OK;
}

static int x_reserved(sqlite3_file *file, int *ret)
{
    sqlite3_file *below = handle_of(file)->below;

    *ret = 0;
    return below ? below->pMethods->xCheckReservedLock(below, ret) : SQLITE_OK;
}

static int x_control(sqlite3_file *file, int op, void *arg)
{
    (void)file;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int x_sector(sqlite3_file *file)
{
    (void)file;
    return 4096;
}

static int x_traits(sqlite3_file *file)
{
    (void)file;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE; /* as the layer for a real disk says, and true of this one */
}

static int x_shm_map(sqlite3_file *file, int i, int size, int extend, void volatile **ret)
{
    sqlite3_file *below = handle_of(file)->below;

    return below->pMethods->xShmMap(below, i, size, extend, ret);
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    sqlite3_file *below = handle_of(file)->below;

    return below->pMethods->xShmLock(below, offset, n, flags);
}

static void x_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *below = handle_of(file)->below;

    below->pMethods->xShmBarrier(below);
}

static int x_shm_unmap(sqlite3_file *file, int drop)
{
    sqlite3_file *below = handle_of(file)->below;

    return below->pMethods->xShmUnmap(below, drop);
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = x_close,
                                           .xRead = x_read,
                                           .xWrite = x_write,
                                           .xTruncate = x_truncate,
                                           .xSync = x_sync,
                                           .xFileSize = x_size,
                                           .xLock = x_lock,
                                           .xUnlock = x_unlock,
                                           .xCheckReservedLock = x_reserved,
                                           .xFileControl = x_control,
                                           .xSectorSize = x_sector,
                                           .xDeviceCharacteristics = x_traits,
                                           .xShmMap = x_shm_map,
                                           .xShmLock = x_shm_lock,
                                           .xShmBarrier = x_shm_barrier,
                                           .xShmUnmap = x_shm_unmap};

/* ---- the layer ---- */
static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct handle *h = handle_of(file);
    sqlite3_file *below = NULL;

    (void)vfs;
    *h = (struct handle){0};
    if (!name || powercut_is_off())
        return SQLITE_CANTOPEN;
    if (flags & SQLITE_OPEN_MAIN_DB) {
        int rc;

        below = (sqlite3_file *)(void *)((char *)file + HANDLE_SIZE);
        rc = disk.real->xOpen(disk.real, name, below, flags, NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    lock();
    h->node = find(name);
    if (!h->node && !(flags & SQLITE_OPEN_CREATE)) {
        (void)unlock(0, 0);
        if (below)
            (void)below->pMethods->xClose(below);
        errno = ENOENT;
        return SQLITE_CANTOPEN;
    }
    if (!h->node)
        h->node = add(name, powercut_file_new());
    h->node->open++;
    h->heard = h->node->failed;
    h->below = below;
    h->base.pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return unlock(SQLITE_OK, 0);
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct node *n;

    (void)vfs;
    (void)sync_dir;
    lock();
    if (cut())
        return unlock(SQLITE_IOERR_DELETE, EIO);
    n = find(name);
    if (!n)
        return unlock(SQLITE_IOERR_DELETE_NOENT, ENOENT);
    drop_unless_open(n);
    return unlock(SQLITE_OK, 0);
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    const struct node *n;

    (void)vfs;
    lock();
    n = find(name);
    *ret = n && (flags != SQLITE_ACCESS_EXISTS || powercut_file_size(n->file) > 0);
    return unlock(SQLITE_OK, 0);
}

static int v_full_path(sqlite3_vfs *vfs, const char *name, int n, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)n, "%s", name);
    return SQLITE_OK;
}

static int v_random(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    return disk.real->xRandomness(disk.real, n, out);
}

static int v_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return disk.real->xSleep(disk.real, us);
}

static int v_time(sqlite3_vfs *vfs, double *out)
{
    (void)vfs;
    return disk.real->xCurrentTime(disk.real, out);
}

static int v_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    (void)n;
    (void)out;
    return errno; /* as the layer for a real disk */
}

void powercut_register(void)
{
    if (sqlite3_vfs_find(POWERCUT_VFS))
        return;
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = (sqlite3_vfs){.iVersion = 1,
                             .szOsFile = (int)HANDLE_SIZE + disk.real->szOsFile,
                             .mxPathname = 255,
                             .zName = POWERCUT_VFS,
                             .xOpen = v_open,
                             .xDelete = v_delete,
                             .xAccess = v_access,
                             .xFullPathname = v_full_path,
                             .xRandomness = v_random,
                             .xSleep = v_sleep,
                             .xCurrentTime = v_time,
                             .xGetLastError = v_error};
    (void)sqlite3_vfs_register(&disk.vfs, 0);
}

/* ---- what tests ask for ---- */
static void forget_wishes(void)
{
    disk.cut_in = disk.fail_write_in = disk.fail_sync_in = disk.full_in = disk.full_sync_in = disk.failed = 0;
    disk.off = false;
}

void powercut_forget(void)
{
    lock();
    for (struct node *n = disk.nodes, *next; n; n = next) {
        next = n->next;
        drop_unless_open(n);
    }
    forget_wishes();
    disk.during_sync = NULL;
    (void)unlock(0, 0);
}

static void set(uint64_t *what, uint64_t n)
{
    lock();
    *what = n;
    (void)unlock(0, 0);
}

void powercut_at(uint64_t n)
{
    set(&disk.cut_in, n);
}

void powercut_fail_write(uint64_t n)
{
    set(&disk.fail_write_in, n);
}

void powercut_fail_sync(uint64_t n)
{
    set(&disk.fail_sync_in, n);
}

void powercut_full(uint64_t n)
{
    set(&disk.full_in, n ? n + 1 : 0);
}

void powercut_full_sync(uint64_t n)
{
    set(&disk.full_sync_in, n);
}

uint64_t powercut_failed(void)
{
    uint64_t n;

    lock();
    n = disk.failed;
    (void)unlock(0, 0);
    return n;
}

void powercut_now(void)
{
    lock();
    disk.off = true;
    (void)unlock(0, 0);
}

int powercut_is_off(void)
{
    lock();
    return unlock(disk.off, 0);
}

void powercut_on(uint64_t seed)
{
    uint64_t dice = seed;

    lock();
    for (struct node *n = disk.nodes; n; n = n->next)
        powercut_file_cut(n->file, seed ? &dice : NULL);
    disk.dice = dice;
    forget_wishes();
    (void)unlock(0, 0);
}

void powercut_copy(const char *from, const char *to, uint64_t seed)
{
    uint64_t dice = seed;
    size_t len = strlen(from);

    lock();
    for (struct node *n = disk.nodes, *next; n; n = next) {
        next = n->next;
        if (!n->gone && strncmp(n->name, to, strlen(to)) == 0)
            drop_unless_open(n);
    }
    for (struct node *n = disk.nodes; n; n = n->next)
        if (!n->gone && strncmp(n->name, from, len) == 0) {
            char *name = tl_sprintf("%s%s", to, n->name + len);

            (void)add(name, powercut_file_after(n->file, seed ? &dice : NULL)); /* in front: not met here */
            tl_free(name);
        }
    (void)unlock(0, 0);
}

size_t powercut_unsynced(const char *name)
{
    const struct node *n;
    size_t late;

    lock();
    n = find(name);
    late = n ? powercut_file_unsynced(n->file) : 0;
    (void)unlock(0, 0);
    return late;
}

void powercut_during_sync(void (*f)(void *arg), void *arg)
{
    lock();
    disk.during_sync = f;
    disk.arg = arg;
    (void)unlock(0, 0);
}
