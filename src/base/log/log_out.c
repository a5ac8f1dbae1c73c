/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_out.c - lines are put into one buffer while the thread writes the other. Whether there is room is asked of
 * poll(2) and not tried without blocking: that flag would hold for all who share the terminal or the pipe.
 */
#include "base/log/log_out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    NOTICE_MAX = 4096,
    KEPT = 128 << 10, /* of a buffer's memory; what a stall took goes back */
    LINGER_MS = 1,    /* so that a busy process wakes the thread once for many lines */
    LOOK_MS = 50,     /* how soon the thread sees that it is to give up */
    EMPTY_MS = 2,     /* between two looks whether a pipe is empty: nothing tells */
    GIVE_UP_MS = 500
};

struct tl_log_out {
    int fd;
    bool is_pipe;
    size_t held;
    tl_log_tell tell;
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct tl_buf in;
    uint64_t untold, lost; /* lines; untold: lost and not said yet */
    bool idle, busy, stop, gone;
    atomic_bool give_up;
    /* the thread's own */
    struct tl_buf out;
    bool torn; /* a line was begun and not ended */
};

static void sleep_ms(long ms)
{
    const struct timespec t = {0, ms * 1000000};

    (void)nanosleep(&t, NULL);
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* ---- the thread ---- */

/* pipe(7): POLLOUT means room for PIPE_BUF bytes; for more a pipe says only that it is empty. A Unix socket is writable
 * while three quarters of its buffer are free, which is more than the longest line. false: given up. */
static bool wait_for_room(const struct tl_log_out *o, size_t n, bool begun)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};
    int unread;

    while (!atomic_load(&o->give_up)) {
        int ready = poll(&p, 1, LOOK_MS);

        if (ready == 0)
            continue;
        if (ready < 0 || begun || n <= PIPE_BUF || !o->is_pipe || (p.revents & (POLLERR | POLLNVAL)))
            return true; /* the write says what is wrong */
        if (ioctl(o->fd, FIONREAD, &unread) != 0 || unread == 0)
            return true;
        sleep_ms(EMPTY_MS);
    }
    return false;
}

/* How many of the bytes were written. */
static size_t put_bytes(const struct tl_log_out *o, struct tl_sv s)
{
    size_t done = 0;

    while (done < s.n && wait_for_room(o, s.n, done > 0)) {
        ssize_t r = write(o->fd, s.p + done, s.n - done);

        if (r >= 0)
            done += (size_t)r;
        else if (errno != EINTR && errno != EAGAIN)
            break;
    }
    return done;
}

static uint64_t count_lines(struct tl_sv s)
{
    uint64_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += s.p[i] == '\n';
    return n;
}

/* How many lines were lost. */
static uint64_t put_lines(struct tl_log_out *o, struct tl_sv s)
{
    size_t done;

    if (o->torn && put_bytes(o, TL_SV("\n")) == 0)
        return count_lines(s);
    done = put_bytes(o, s);
    o->torn = done > 0 && s.p[done - 1] != '\n';
    return count_lines(tl_sv_from(s, done));
}

/* As many whole lines as a pipe takes at once, and one at least. */
static size_t some_lines(struct tl_sv s)
{
    size_t n = 0;

    while (n < s.n) {
        size_t more = tl_sv_find(tl_sv_from(s, n), '\n') + 1;

        if (n > 0 && n + more > PIPE_BUF)
            break;
        n += more;
    }
    return n;
}

/* How many lines were lost. untold: in, how many were before; out, how many the notice could not say. */
static uint64_t put_batch(struct tl_log_out *o, uint64_t *untold)
{
    uint64_t told = *untold, lost = 0;
    struct tl_sv rest;

    if (told > 0) /* behind what was before them */
        o->tell(o->arg, told, &o->out);
    *untold = 0;
    rest = tl_buf_view(&o->out);
    while (rest.n > 0) {
        size_t n = some_lines(rest);
        uint64_t failed = put_lines(o, tl_sv(rest.p, n));

        rest = tl_sv_from(rest, n);
        if (rest.n == 0 && failed > 0 && told > 0) { /* the last line is the notice: to be said again */
            *untold = told;
            failed--;
        }
        lost += failed;
    }
    return lost;
}

static void clear(struct tl_buf *b, size_t max)
{
    if (b->cap > KEPT) {
        tl_buf_done(b);
        tl_buf_init(b, max);
    }
    tl_buf_clear(b);
}

/* The lock is held, but not meanwhile. */
static void write_batch(struct tl_log_out *o)
{
    struct tl_buf batch = o->in;
    uint64_t untold = o->untold, lost;

    o->in = o->out;
    o->out = batch;
    o->untold = 0;
    o->busy = true;
    (void)pthread_mutex_unlock(&o->lock);
    lost = put_batch(o, &untold);
    clear(&o->out, o->held + NOTICE_MAX);
    (void)pthread_mutex_lock(&o->lock);
    o->busy = false;
    o->untold += untold + lost;
    o->lost += lost;
    (void)pthread_cond_broadcast(&o->done);
}

static void *run(void *arg)
{
    struct tl_log_out *o = arg;

    (void)pthread_setname_np(pthread_self(), "tieline-log");
    (void)pthread_mutex_lock(&o->lock);
    for (;;) {
        while (o->in.n == 0 && !o->stop) {
            o->idle = true;
            (void)pthread_cond_wait(&o->work, &o->lock);
            if (o->in.n > 0 && !o->stop) {
                (void)pthread_mutex_unlock(&o->lock);
                sleep_ms(LINGER_MS);
                (void)pthread_mutex_lock(&o->lock);
            }
        }
        o->idle = false;
        if (o->in.n == 0)
            break;
        write_batch(o);
    }
    o->gone = true;
    (void)pthread_cond_broadcast(&o->done);
    (void)pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* ---- for log.c ---- */

static void start_thread(struct tl_log_out *o)
{
    sigset_t all, before;
    int e;

    (void)sigfillset(&all); /* they are for others; and a reader that left is an error here, not a SIGPIPE */
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&o->thread, NULL, run, o);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0) {
        (void)fprintf(stderr, "tieline: no thread for the log: the system or a limit (ulimit -u) allows no more\n");
        abort();
    }
}

struct tl_log_out *tl__log_out_new(int fd, size_t held, tl_log_tell tell, void *arg)
{
    struct tl_log_out *o = tl_zalloc(sizeof *o);
    pthread_condattr_t attr;
    struct stat st;

    o->fd = fd;
    o->is_pipe = fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
    o->held = held;
    o->tell = tell;
    o->arg = arg;
    tl_buf_init(&o->in, held + NOTICE_MAX);
    tl_buf_init(&o->out, held + NOTICE_MAX);
    (void)pthread_mutex_init(&o->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&o->work, NULL);
    (void)pthread_cond_init(&o->done, &attr);
    (void)pthread_condattr_destroy(&attr);
    start_thread(o);
    return o;
}

void tl__log_out_put(struct tl_log_out *o, struct tl_sv line)
{
    bool wake;

    (void)pthread_mutex_lock(&o->lock);
    if (o->in.n + line.n > o->held) {
        o->untold++;
        o->lost++;
    } else {
        (void)tl_buf_sv(&o->in, line);
    }
    wake = o->idle;
    o->idle = false;
    (void)pthread_mutex_unlock(&o->lock);
    if (wake)
        (void)pthread_cond_signal(&o->work);
}

/* The lock is held. */
static bool is_written(const struct tl_log_out *o)
{
    return o->in.n == 0 && !o->busy;
}

static bool is_gone(const struct tl_log_out *o)
{
    return o->gone;
}

static bool wait_until(struct tl_log_out *o, bool (*is)(const struct tl_log_out *o), unsigned max_ms)
{
    const struct timespec end = in_ms(max_ms);
    int e = 0;

    while (!is(o) && e == 0)
        e = pthread_cond_timedwait(&o->done, &o->lock, &end);
    return is(o);
}

bool tl__log_out_drain(struct tl_log_out *o, unsigned max_ms)
{
    bool written;

    (void)pthread_mutex_lock(&o->lock);
    written = wait_until(o, is_written, max_ms);
    (void)pthread_mutex_unlock(&o->lock);
    return written;
}

uint64_t tl__log_out_lost(struct tl_log_out *o)
{
    uint64_t n;

    (void)pthread_mutex_lock(&o->lock);
    n = o->lost;
    (void)pthread_mutex_unlock(&o->lock);
    return n;
}

bool tl__log_out_free(struct tl_log_out *o, unsigned max_ms)
{
    bool gone;

    (void)pthread_mutex_lock(&o->lock);
    o->stop = true;
    (void)pthread_cond_signal(&o->work);
    if (!wait_until(o, is_gone, max_ms)) {
        atomic_store(&o->give_up, true);
        (void)wait_until(o, is_gone, GIVE_UP_MS);
    }
    gone = o->gone;
    (void)pthread_mutex_unlock(&o->lock);
    if (!gone) {
        (void)pthread_detach(o->thread);
        return false;
    }
    (void)pthread_join(o->thread, NULL);
    (void)pthread_cond_destroy(&o->work);
    (void)pthread_cond_destroy(&o->done);
    (void)pthread_mutex_destroy(&o->lock);
    tl_buf_done(&o->in);
    tl_buf_done(&o->out);
    tl_free(o);
    return true;
}
