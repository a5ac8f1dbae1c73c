/* SPDX-License-Identifier: Apache-2.0 */
#include "powercut_vfs.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"

#define FILES 16
#define REGIONS 64
#define SECTOR 4096

struct undo {
    int64_t at, old_size;
    size_t n;
    char *old;
};
struct disk_file {
    char name[256];
    bool there;
    char *data;
    int64_t size, cap;
    struct undo *undo;
    size_t n_undo, cap_undo;
    void *shm[REGIONS];
};
static struct {
    struct disk_file files[FILES];
    uint64_t cut_in, fail_write_in, fail_sync_in, full_in;
    bool off;
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
} disk;

struct handle {
    sqlite3_file base;
    struct disk_file *f;
};

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

static void set_size(struct disk_file *f, int64_t size)
{
    if (size > f->cap) {
        f->cap = size * 2;
        f->data = tl_realloc(f->data, (size_t)f->cap);
    }
    if (size > f->size)
        memset(f->data + f->size, 0, (size_t)(size - f->size));
    f->size = size;
}

static void remember(struct disk_file *f, int64_t at, size_t n)
{
    struct undo *u;
    size_t old = at >= f->size ? 0 : (size_t)(f->size - at) < n ? (size_t)(f->size - at) : n;

    if (f->n_undo == f->cap_undo) {
        f->cap_undo = f->cap_undo ? f->cap_undo * 2 : 64;
        f->undo = tl_reallocarray(f->undo, f->cap_undo, sizeof(*f->undo));
    }
    u = &f->undo[f->n_undo++];
    *u = (struct undo){.at = at, .old_size = f->size, .n = old, .old = tl_alloc(old + 1)};
    if (old)
        memcpy(u->old, f->data + at, old);
}

static void settle(struct disk_file *f)
{
    for (size_t i = 0; i < f->n_undo; i++)
        tl_free(f->undo[i].old);
    f->n_undo = 0;
}

static void take_back(struct disk_file *f, uint64_t *seed)
{
    for (size_t i = f->n_undo; i-- > 0;) {
        const struct undo *u = &f->undo[i];

        if (*seed) {
            *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
            if ((*seed >> 40) % 3 == 0) /* this one reached the platter */
                continue;
        }
        if (u->n)
            memcpy(f->data + u->at, u->old, u->n);
        if (!*seed)
            set_size(f, u->old_size);
    }
    settle(f);
}

static int x_close(sqlite3_file *file)
{
    (void)file;
    return SQLITE_OK;
}

static int x_read(sqlite3_file *file, void *p, int n, sqlite3_int64 at)
{
    struct disk_file *f = ((struct handle *)(void *)file)->f;
    int64_t have = f->size > at ? f->size - at : 0;

    if (disk.off)
        return SQLITE_IOERR_READ;
    if (have >= n) {
        memcpy(p, f->data + at, (size_t)n);
        return SQLITE_OK;
    }
    memset(p, 0, (size_t)n);
    if (have > 0)
        memcpy(p, f->data + at, (size_t)have);
    return SQLITE_IOERR_SHORT_READ;
}

static int x_write(sqlite3_file *file, const void *p, int n, sqlite3_int64 at)
{
    struct disk_file *f = ((struct handle *)(void *)file)->f;

    if (cut() || due(&disk.fail_write_in))
        return SQLITE_IOERR_WRITE;
    if (disk.full_in && (disk.full_in == 1 || --disk.full_in == 1))
        return SQLITE_FULL;
    for (int i = 0; i < n; i += SECTOR) /* a write may be torn between them */
        remember(f, at + i, (size_t)(n - i < SECTOR ? n - i : SECTOR));
    if (at + n > f->size)
        set_size(f, at + n);
    memcpy(f->data + at, p, (size_t)n);
    return SQLITE_OK;
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    struct disk_file *f = ((struct handle *)(void *)file)->f;

    if (cut())
        return SQLITE_IOERR_TRUNCATE;
    if (size < f->size)
        remember(f, size, (size_t)(f->size - size));
    set_size(f, size);
    return SQLITE_OK;
}

static int x_sync(sqlite3_file *file, int flags)
{
    (void)flags;
    if (cut() || due(&disk.fail_sync_in))
        return SQLITE_IOERR_FSYNC;
    settle(((struct handle *)(void *)file)->f);
    return SQLITE_OK;
}

static int x_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    *ret = ((struct handle *)(void *)file)->f->size;
    return SQLITE_OK;
}

static int x_lock(sqlite3_file *file, int level)
{
    (void)file;
    (void)level;
    return SQLITE_OK;
}

static int x_reserved(sqlite3_file *file, int *ret)
{
    (void)file;
    *ret = 0;
    return SQLITE_OK;
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
    struct disk_file *f = ((struct handle *)(void *)file)->f;

    (void)extend;
    if (i >= REGIONS)
        return SQLITE_NOMEM;
    if (!f->shm[i])
        f->shm[i] = tl_zalloc((size_t)size);
    *ret = f->shm[i];
    return SQLITE_OK;
}

static int x_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    (void)file;
    (void)offset;
    (void)n;
    (void)flags;
    return SQLITE_OK;
}

static void x_shm_barrier(sqlite3_file *file)
{
    (void)file;
}

static int x_shm_unmap(sqlite3_file *file, int drop)
{
    struct disk_file *f = ((struct handle *)(void *)file)->f;

    (void)drop;
    for (size_t i = 0; i < REGIONS; i++) {
        tl_free(f->shm[i]);
        f->shm[i] = NULL;
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {.iVersion = 2,
                                           .xClose = x_close,
                                           .xRead = x_read,
                                           .xWrite = x_write,
                                           .xTruncate = x_truncate,
                                           .xSync = x_sync,
                                           .xFileSize = x_size,
                                           .xLock = x_lock,
                                           .xUnlock = x_lock,
                                           .xCheckReservedLock = x_reserved,
                                           .xFileControl = x_control,
                                           .xSectorSize = x_sector,
                                           .xDeviceCharacteristics = x_traits,
                                           .xShmMap = x_shm_map,
                                           .xShmLock = x_shm_lock,
                                           .xShmBarrier = x_shm_barrier,
                                           .xShmUnmap = x_shm_unmap};

static struct disk_file *find(const char *name)
{
    for (size_t i = 0; i < FILES; i++)
        if (disk.files[i].there && strcmp(disk.files[i].name, name) == 0)
            return &disk.files[i];
    return NULL;
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct handle *h = (struct handle *)(void *)file;
    struct disk_file *f = name ? find(name) : NULL;

    (void)vfs;
    h->base.pMethods = NULL;
    if (disk.off || !name)
        return SQLITE_CANTOPEN;
    for (size_t i = 0; i < FILES && !f; i++)
        if (!disk.files[i].there) {
            f = &disk.files[i];
            f->there = true;
            f->size = 0;
            (void)snprintf(f->name, sizeof(f->name), "%s", name);
        }
    if (!f)
        return SQLITE_CANTOPEN;
    h->base.pMethods = &methods;
    h->f = f;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    struct disk_file *f = find(name);

    (void)vfs;
    (void)sync_dir;
    if (cut())
        return SQLITE_IOERR_DELETE;
    if (!f)
        return SQLITE_IOERR_DELETE_NOENT;
    settle(f);
    f->there = false;
    f->size = 0;
    return SQLITE_OK;
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    const struct disk_file *f = find(name);

    (void)vfs;
    *ret = f && (flags != SQLITE_ACCESS_EXISTS || f->size > 0);
    return SQLITE_OK;
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
    return us;
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
    return 0;
}

void powercut_register(void)
{
    if (sqlite3_vfs_find(POWERCUT_VFS))
        return;
    disk.real = sqlite3_vfs_find(NULL);
    disk.vfs = (sqlite3_vfs){.iVersion = 1,
                             .szOsFile = sizeof(struct handle),
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

void powercut_forget(void)
{
    for (size_t i = 0; i < FILES; i++) {
        settle(&disk.files[i]);
        tl_free(disk.files[i].undo);
        tl_free(disk.files[i].data);
        memset(&disk.files[i], 0, sizeof(disk.files[i]));
    }
    disk.cut_in = disk.fail_write_in = disk.fail_sync_in = disk.full_in = 0;
    disk.off = false;
}

void powercut_at(uint64_t n)
{
    disk.cut_in = n;
}

void powercut_fail_write(uint64_t n)
{
    disk.fail_write_in = n;
}

void powercut_fail_sync(uint64_t n)
{
    disk.fail_sync_in = n;
}

void powercut_full(uint64_t n)
{
    disk.full_in = n ? n + 1 : 0;
}

int powercut_is_off(void)
{
    return disk.off;
}

void powercut_on(uint64_t seed)
{
    for (size_t i = 0; i < FILES; i++)
        if (disk.files[i].there)
            take_back(&disk.files[i], &seed);
    disk.off = false;
    disk.cut_in = disk.fail_write_in = disk.fail_sync_in = disk.full_in = 0;
}
