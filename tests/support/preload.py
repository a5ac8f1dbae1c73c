# SPDX-License-Identifier: Apache-2.0
"""What the system answers to the program, changed by a small library in front of it (LD_PRELOAD)."""
import os
import subprocess

# Each sync fails while the file $DISK_IS_BROKEN is there.
FAILING_SYNC = """
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>
static int sync_or_fail(long call, int fd)
{
    const char *broken = getenv("DISK_IS_BROKEN");

    if (broken && access(broken, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}
int fsync(int fd) { return sync_or_fail(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_or_fail(SYS_fdatasync, fd); }
"""

# The wall clock, and it alone, is ahead by the seconds in the file $CLOCK_IS_AHEAD.
TURNED_CLOCK = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long ahead(void)
{
    const char *name = getenv("CLOCK_IS_AHEAD");
    char text[32] = {0};
    int fd = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    return n > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);

    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += ahead();
    return rc;
}
int gettimeofday(struct timeval *restrict v, void *restrict zone)
{
    struct timespec t;

    (void)zone;
    clock_gettime(CLOCK_REALTIME, &t);
    *v = (struct timeval){t.tv_sec, t.tv_nsec / 1000};
    return 0;
}
time_t time(time_t *p)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    if (p)
        *p = t.tv_sec;
    return t.tv_sec;
}
"""


def preload(folder, source):
    """The environment of a program with this library in front."""
    c, library = folder / "preload.c", folder / "preload.so"
    c.write_text(source)
    subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, c], check=True)
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
