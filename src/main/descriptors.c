/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.c - daemons, cron and containers start programs with 0 to 2 closed; then the next pipe or socket would be
 * one of them, and what is written for people would go into it. libuv asserts that it has none of them. */
#include "main/descriptors.h"

#include <fcntl.h>
#include <unistd.h>

bool main_descriptors_standard(void)
{
    static const int useless[] = {O_WRONLY, O_RDONLY, O_RDONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", useless[fd]) != fd) /* the lowest that is free */
            return false;
    return true;
}
