/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.c - daemons, cron and containers start programs with 0 to 2 closed; then the next pipe or socket would be
 * one of them, and what is written for people would go into it. libuv asserts that it has none of them. */
#include "main/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

bool main_descriptors_standard(void)
{
    static const int useless[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", useless[fd]) != fd) /* the lowest that is free */
            return false;
    return true;
}

/* Tried and not reckoned: what was inherited counts too, and so does what the system has. */
enum tl_rc main_descriptors_enough(unsigned n, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) int *fds = tl_reallocarray(NULL, n, sizeof *fds);
    struct rlimit files = {0};
    unsigned i = 0;
    int e = 0;

    while (i < n && (fds[i] = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) >= 0)
        i++;
    if (i < n)
        e = errno;
    for (unsigned k = 0; k < i; k++)
        (void)close(fds[k]);
    if (i == n)
        return TL_OK;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    return tl_fail(err, TL_IO,
                   "%u descriptors are needed to start and only %u can be opened (%s): raise the limit, which is %llu "
                   "(`ulimit -n 65536`, LimitNOFILE= of systemd, --ulimit nofile= of Docker)",
                   n, i, strerror(e), (unsigned long long)files.rlim_cur);
}
