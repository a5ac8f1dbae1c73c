/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - reading files that must be private, and replacing them so that a crash leaves the old or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "secret/secret_int.h"

static enum tl_rc check_file(int fd, const char *path, bool private_only, size_t max, struct tl_err *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return tl_fail(err, TL_IO, "%.200s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return tl_fail(err, TL_CONFIG, "%.200s is not a file", path);
    if (private_only && (st.st_mode & 077) != 0)
        return tl_fail(err, TL_CONFIG, "%.150s can be read by others (mode %03o); run: chmod 600 %.150s", path,
                       (unsigned)(st.st_mode & 0777), path);
    if ((uint64_t)st.st_size > max)
        return tl_fail(err, TL_LIMIT, "%.200s is larger than %zu bytes", path, max);
    return TL_OK;
}

enum tl_rc secret__read_file(const char *path, bool private_only, size_t max, struct tl_buf *out, struct tl_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    enum tl_rc rc;
    ssize_t n = 0;

    if (fd < 0)
        return tl_fail(err, errno == ENOENT ? TL_NOT_FOUND : TL_IO, "%.200s: %s", path, strerror(errno));
    rc = check_file(fd, path, private_only, max, err);
    while (rc == TL_OK) {
        char *p = tl_buf_reserve(out, 4096);

        n = p != NULL ? read(fd, p, 4096) : 0;
        if (p == NULL)
            rc = tl_fail(err, TL_LIMIT, "%.200s is larger than %zu bytes", path, max);
        else if (n < 0 && errno != EINTR)
            rc = tl_fail(err, TL_IO, "%.200s: %s", path, strerror(errno));
        else if (n > 0)
            tl_buf_added(out, (size_t)n);
        if (n == 0)
            break;
    }
    (void)close(fd);
    return rc;
}

static enum tl_rc write_all(int fd, struct tl_sv text, const char *path, struct tl_err *err)
{
    for (size_t done = 0; done < text.n;) {
        ssize_t n = write(fd, text.p + done, text.n - done);

        if (n < 0 && errno != EINTR)
            return tl_fail(err, errno == ENOSPC || errno == EDQUOT ? TL_FULL : TL_IO, "%.200s: %s", path,
                           strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return fsync(fd) == 0 ? TL_OK : tl_fail(err, TL_IO, "%.200s: %s", path, strerror(errno));
}

static enum tl_rc sync_folder(const char *path, struct tl_err *err)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? tl_strdup(".")
                : slash == path ? tl_strdup("/")
                                : tl_strndup(path, (size_t)(slash - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum tl_rc rc = TL_OK;

    if (fd < 0 || fsync(fd) != 0)
        rc = tl_fail(err, TL_IO, "%.200s: %s", dir, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    tl_free(dir);
    return rc;
}

enum tl_rc secret__write_file(const char *path, struct tl_sv text, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *temporary = tl_sprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
    enum tl_rc rc;

    if (fd < 0)
        return tl_fail(err, TL_IO, "%.200s: %s", temporary, strerror(errno));
    rc = write_all(fd, text, temporary, err);
    (void)close(fd);
    if (rc == TL_OK && rename(temporary, path) != 0)
        rc = tl_fail(err, TL_IO, "%.200s: %s", path, strerror(errno));
    if (rc != TL_OK) {
        (void)unlink(temporary);
        return rc;
    }
    return sync_folder(path, err);
}
