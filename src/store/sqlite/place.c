/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/place.h"

#include <sys/stat.h>

static const char *const endings[STORE_PLACES] = {"", "-wal"};

static bool look(const char *path, size_t i, struct stat *ret_st)
{
    TL_CLEANUP(tl_freep) char *name = tl_sprintf("%s%s", path, endings[i]);

    return stat(name, ret_st) == 0;
}

void store__place_note(struct store_place *p, const char *path)
{
    struct stat st;

    for (size_t i = 0; i < STORE_PLACES; i++) {
        if (!look(path, i, &st))
            return;
        p->inode[i] = st.st_ino;
        p->device[i] = st.st_dev;
    }
    p->path = tl_strdup(path);
}

void store__place_done(struct store_place *p)
{
    tl_free(p->path);
}

enum tl_rc store__place_check(const struct store_place *p, struct tl_err *err)
{
    struct stat st;

    for (size_t i = 0; p->path && i < STORE_PLACES; i++)
        if (!look(p->path, i, &st) || st.st_ino != p->inode[i] || st.st_dev != p->device[i])
            return tl_fail(
                err, TL_CONFLICT,
                "%s%s was deleted, moved or replaced under the running server: put it back where it was, or, "
                "if it is gone, copy it and its log from /proc/PID/fd before the server is stopped",
                p->path, endings[i]);
    return TL_OK;
}
