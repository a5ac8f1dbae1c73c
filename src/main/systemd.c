/* SPDX-License-Identifier: Apache-2.0 */
#include "main/systemd.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "queue/operate.h"

enum { ARENA = 16 << 20 };

static uint64_t number_of(const char *name)
{
    const char *text = getenv(name);
    uint64_t n = 0;

    return text && tl_sv_u64(tl_sv_str(text), &n) ? n : 0;
}

void main_systemd_open(struct main_systemd *s)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    uint64_t pid = number_of("WATCHDOG_PID");

    *s = (struct main_systemd){.fd = -1};
    if (n < 2 || n >= sizeof a.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(a.sun_path, path, n);
    if (path[0] == '@') /* the abstract namespace: unix(7) */
        a.sun_path[0] = '\0';
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->fd >= 0 &&
        connect(s->fd, (struct sockaddr *)&a, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0)
        main_systemd_close(s);
    if (s->fd >= 0 && (pid == 0 || pid == (uint64_t)getpid()))
        s->watchdog_us = number_of("WATCHDOG_USEC");
}

void main_systemd_close(struct main_systemd *s)
{
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
}

void main_systemd_say(const struct main_systemd *s, const char *state)
{
    if (s->fd >= 0)
        (void)send(s->fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT);
}

enum tl_rc main_systemd_watchdog(struct task *task, void *arg, struct tl_err *err)
{
    struct main_systemd *s = arg;
    enum tl_rc rc = TL_OK;

    while (s->fd >= 0 && s->watchdog_us > 0 && rc == TL_OK) {
        struct tl_arena *a = tl_arena_new(ARENA);
        struct queue_stat stat = {.fatal = true};
        bool alive = queue_stats(s->queue, task, a, &stat, err) == TL_OK && !stat.fatal;

        tl_arena_free(a);
        if (alive)
            main_systemd_say(s, "WATCHDOG=1");
        rc = task_sleep_ms(task, s->watchdog_us / 2000 > 0 ? s->watchdog_us / 2000 : 1, err);
    }
    return rc;
}
