/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger alone: N events always on their way (put, handed out, done), 1 KB each, everything durable.
 *
 *   ledger_bench [seconds] [producers] [keys]         keys 0: every event its own lane
 *   ledger_bench sealed [seconds] [producers]         payloads as they are and encrypted, in turn
 *   ledger_bench backlog [events]                     one lane each, target down; memory, restart
 *   ledger_bench held [events] [keys] [producers]     only taken in, target down; keys 0: each its own. What an event
 *                                                     costs as the backlog grows, then the restart, and the drain
 *   ledger_bench blocked [followers]                  of one dead key: what others lose, memory, restart
 *
 * TMPDIR says where the ledger goes: the figures are those of that disk.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "queue/operate.h"

#define BODY 1024
#define SAMPLES 4000000u

struct producer {
    struct run *run;
    struct queue_put put;
    uint64_t started_ns;
    char key[40], order[24];
    char body[BODY];
};

struct run {
    struct queue *q;
    struct producer *producers;
    size_t n, keys;
    uint32_t flow;
    atomic_bool stop;
    atomic_ulong put, done, out, failed;
    uint32_t *put_us;
    uint64_t seq;
    bool answer, block;
    atomic_bool kill;                   /* the next delivery dies */
    const char *order;                  /* NULL: by keys */
    const struct crypto_seal_key *seal; /* NULL: payloads as they are */
};

static uint64_t now_ns(void)
{
    return tl_clock_mono_ns(tl_clock_system());
}

static double cpu_s(void)
{
    struct rusage r;

    (void)getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static long rss_kb(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long size = 0, pages = 0;

    if (!f || fscanf(f, "%ld %ld", &size, &pages) != 2)
        pages = 0;
    if (f)
        (void)fclose(f);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void on_put(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err);

static void produce(struct producer *p)
{
    struct run *r = p->run;
    uint64_t n = r->seq++;

    (void)snprintf(p->key, sizeof(p->key), "msg_%016llx", (unsigned long long)n);
    p->put = (struct queue_put){.flow = r->flow,
                                .source = TL_SV("bench"),
                                .key = tl_sv_str(p->key),
                                .meta = TL_SV("{\"content-type\":\"application/json\"}"),
                                .body = tl_sv(p->body, BODY)};
    if (r->order) {
        p->put.order_by = tl_sv_str(r->order);
    } else if (r->keys) {
        (void)snprintf(p->order, sizeof(p->order), "%llu", (unsigned long long)((n * 2654435761u) % r->keys));
        p->put.order_by = tl_sv_str(p->order);
    }
    p->started_ns = now_ns();
    queue_put_later(r->q, &p->put, on_put, p);
}

static void on_put(void *arg, struct queue_put *put, enum tl_rc rc, const struct tl_err *err)
{
    struct producer *p = arg;
    struct run *r = p->run;
    unsigned long n = atomic_fetch_add(&r->put, 1);

    (void)put;
    if (rc != TL_OK) {
        (void)fprintf(stderr, "put: %s\n", err->text);
        atomic_fetch_add(&r->failed, 1);
    }
    if (n < SAMPLES)
        r->put_us[n] = (uint32_t)((now_ns() - p->started_ns) / 1000);
    if (atomic_load(&r->stop))
        atomic_fetch_sub(&r->out, 1);
    else
        produce(p);
}

static void on_dispatch(void *arg, unsigned loop, struct queue_work *first)
{
    struct run *r = arg;
    struct queue_work *next;

    (void)loop;
    for (; first; first = next) {
        next = first->next;
        for (size_t i = 0; i < first->n; i++)
            if (atomic_exchange(&r->kill, false))
                first->claims[i].outcome =
                    (struct queue_outcome){.end = QUEUE_END_FAILED, .rc = TL_INVALID, .text = TL_SV("a bad record")};
            else
                first->claims[i].outcome =
                    (struct queue_outcome){.end = r->answer ? QUEUE_END_DONE : QUEUE_END_CANCELED, .status = 200};
        atomic_fetch_add(&r->done, first->n);
        queue_finish(r->q, first);
    }
}

static void on_fatal(void *arg, const struct tl_err *err)
{
    (void)arg;
    (void)fprintf(stderr, "fatal: %s\n", err->text);
    _exit(1);
}

static void open_ledger(struct run *r, const char *dir, bool paused)
{
    struct queue_options o = {.path = dir,
                              .n_loops = 2,
                              .dispatch = on_dispatch,
                              .fatal = on_fatal,
                              .arg = r,
                              .keys = r->seal,
                              .n_keys = r->seal ? 1 : 0};
    struct guard_conf guard = {.concurrency = 4096, .fixed = true};
    struct queue_target_def t = {.name = TL_SV("t"), .connection = TL_SV("c"), .idempotent = true};
    struct queue_flow_def f = {.name = TL_SV("f"), .targets = &t, .n_targets = 1, .block_on_dead = r->block};
    struct queue_connection_def c = {.name = TL_SV("c"), .guard = &guard};
    struct queue_config config = {.flows = &f, .n_flows = 1, .connections = &c, .n_connections = 1};
    struct tl_err err;

    if (queue_open(&o, &r->q, &err) != TL_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    queue_set_dispatch(r->q, !paused);
    if (queue_configure(r->q, NULL, &config, false, NULL, &err) != TL_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    r->flow = f.ret_id;
}

static void remove_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char path[1024];

    while (d && (e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (unlink(path) != 0 && errno == EISDIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            remove_dir(path);
    }
    if (d)
        (void)closedir(d);
    (void)rmdir(dir);
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void start_producers(struct run *r)
{
    r->producers = tl_zalloc(r->n * sizeof(*r->producers));
    atomic_store(&r->out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        r->producers[i].run = r;
        memset(r->producers[i].body, 'a' + (int)(i % 26), BODY);
        produce(&r->producers[i]);
    }
}

static void stop_producers(struct run *r)
{
    atomic_store(&r->stop, true);
    while (atomic_load(&r->out) > 0 || queue_works_out(r->q) > 0)
        (void)usleep(1000);
}

static void throughput(const char *dir, double seconds, size_t n, size_t keys, const struct crypto_seal_key *seal)
{
    struct run r = {.n = n, .keys = keys, .answer = true, .seal = seal};
    double cpu, took;
    uint64_t start;
    size_t samples;

    r.put_us = tl_alloc(SAMPLES * sizeof(uint32_t));
    open_ledger(&r, dir, false);
    cpu = cpu_s();
    start = now_ns();
    /* The first puts are made here; each next one on the ledger's thread, when the one before it is on disk. */
    start_producers(&r);
    (void)usleep((useconds_t)(seconds * 1e6));
    stop_producers(&r);
    took = (double)(now_ns() - start) / 1e9;
    cpu = cpu_s() - cpu;
    samples = atomic_load(&r.put) < SAMPLES ? atomic_load(&r.put) : SAMPLES;
    qsort(r.put_us, samples, sizeof(uint32_t), by_size);
    (void)printf(
        "%zu producers, %zu keys: %.0f events/s put and done, %.1f us CPU an event, put p50 %u us p99 %u us max %u "
        "us, done %lu of %lu, failed %lu, %ld KB resident\n",
        n, keys, (double)atomic_load(&r.put) / took, cpu * 1e6 / (double)atomic_load(&r.put), r.put_us[samples / 2],
        r.put_us[samples * 99 / 100], r.put_us[samples - 1], atomic_load(&r.done), atomic_load(&r.put),
        atomic_load(&r.failed), rss_kb());
    queue_close(r.q);
    tl_free(r.put_us);
    tl_free(r.producers);
}

/* In turn, so that both see the same disk and the same neighbours. */
static void sealed(const char *dir, double seconds, size_t n)
{
    static const struct crypto_seal_key key = {.id = 1, .key = "thirty-two bytes of a benchmark."};

    for (int i = 0; i < 6; i++) {
        (void)printf("%-9s ", i % 2 ? "encrypted" : "plain");
        (void)fflush(stdout);
        throughput(dir, seconds, n, 0, i % 2 ? &key : NULL);
        remove_dir(dir);
    }
}

/* What this process has handed to write(2), pwrite(2) and the like: bytes, calls. */
static void written(unsigned long long *ret_bytes, unsigned long long *ret_calls)
{
    FILE *f = fopen("/proc/self/io", "r");

    *ret_bytes = *ret_calls = 0;
    if (!f || fscanf(f, "rchar: %*u wchar: %llu syscr: %*u syscw: %llu", ret_bytes, ret_calls) != 2)
        *ret_bytes = 0;
    if (f)
        (void)fclose(f);
}

/* Until so many have been put, or done: what each has cost. */
static void stretch(const atomic_ulong *counter, unsigned long until, const char *what)
{
    unsigned long before = atomic_load(counter), n;
    unsigned long long bytes, calls, bytes_now, calls_now;
    uint64_t start = now_ns();
    double cpu = cpu_s();

    written(&bytes, &calls);
    while ((n = atomic_load(counter)) < until)
        (void)usleep(500);
    written(&bytes_now, &calls_now);
    n -= before;
    (void)printf("  %s to %8lu: %6.0f/s, %5.1f us CPU, %5.2f KB and %.2f writes an event, %ld KB resident\n", what,
                 until, (double)n / ((double)(now_ns() - start) / 1e9), (cpu_s() - cpu) * 1e6 / (double)n,
                 (double)(bytes_now - bytes) / 1024 / (double)n, (double)(calls_now - calls) / (double)n, rss_kb());
    (void)fflush(stdout);
}

/* Open what is there and say what that takes. When it began, in ns. */
static uint64_t restart(struct run *r, const char *dir)
{
    uint64_t start = now_ns();
    double open_ms;

    open_ledger(r, dir, false);
    open_ms = (double)(now_ns() - start) / 1e6;
    while (atomic_load(&r->done) == 0)
        (void)usleep(100);
    (void)printf("  restart: open and configured in %.1f ms, first handed out after %.1f ms\n", open_ms,
                 (double)(now_ns() - start) / 1e6);
    return start;
}

static void held(const char *dir, unsigned long events, size_t keys, size_t producers)
{
    struct run r = {.n = producers, .keys = keys ? keys : SIZE_MAX, .answer = true};
    unsigned long total;

    r.put_us = tl_alloc(SAMPLES * sizeof(uint32_t));
    open_ledger(&r, dir, true);
    start_producers(&r);
    for (unsigned long i = 1; i <= 10; i++)
        stretch(&r.put, events / 10 * i, "put");
    stop_producers(&r);
    total = atomic_load(&r.put);
    tl_free(r.producers);
    queue_close(r.q);
    (void)restart(&r, dir);
    for (unsigned long i = 1; i <= 5; i++)
        stretch(&r.done, i < 5 ? total / 5 * i : total, "done");
    while (queue_works_out(r.q) > 0)
        (void)usleep(1000);
    queue_close(r.q);
    tl_free(r.put_us);
}

static void backlog(const char *dir, unsigned long events)
{
    struct run r = {.n = 256, .answer = true};
    uint64_t start;
    double took;

    r.put_us = tl_alloc(SAMPLES * sizeof(uint32_t));
    open_ledger(&r, dir, true);
    start = now_ns();
    start_producers(&r);
    for (unsigned i = 0; atomic_load(&r.put) < events; i++) {
        (void)usleep(1000);
        if (i % 2000 == 0)
            (void)printf("  %lu stored, %ld KB resident\n", atomic_load(&r.put), rss_kb());
    }
    stop_producers(&r);
    took = (double)(now_ns() - start) / 1e9;
    (void)printf("backlog: %lu lanes in %.1f s (%.0f/s), %ld KB resident\n", atomic_load(&r.put), took,
                 (double)atomic_load(&r.put) / took, rss_kb());
    queue_close(r.q);
    start = restart(&r, dir);
    while (atomic_load(&r.done) < atomic_load(&r.put))
        (void)usleep(10000);
    (void)printf("drained: %lu done in %.1f s (%.0f/s), %ld KB resident\n", atomic_load(&r.done),
                 (double)(now_ns() - start) / 1e9, (double)atomic_load(&r.done) / ((double)(now_ns() - start) / 1e9),
                 rss_kb());
    stop_producers(&r);
    queue_close(r.q);
    tl_free(r.put_us);
    tl_free(r.producers);
}

/* Others for some seconds: their rate, and processor time an event, which a busy machine disturbs less. */
static double others(struct run *r, double seconds, double *ret_cpu_us)
{
    unsigned long before = atomic_load(&r->done);
    uint64_t start = now_ns();
    double rate, cpu = cpu_s();

    r->order = NULL;
    atomic_store(&r->stop, false);
    start_producers(r);
    (void)usleep((useconds_t)(seconds * 1e6));
    rate = (double)(atomic_load(&r->done) - before) / ((double)(now_ns() - start) / 1e9);
    stop_producers(r);
    *ret_cpu_us = (cpu_s() - cpu) * 1e6 / (double)(atomic_load(&r->done) - before);
    tl_free(r->producers);
    return rate;
}

/* Open, then put one event of another key: until it is handed out. */
static double restart_ms(struct run *r, const char *dir)
{
    uint64_t start = now_ns();
    unsigned long before = atomic_load(&r->done);
    struct queue_put put = {.order_by = TL_SV("late"), .meta = TL_SV("{}"), .body = TL_SV("x")};
    struct tl_err err;
    double ms;

    open_ledger(r, dir, false);
    put.flow = r->flow;
    if (queue_put(r->q, NULL, &put, &err) != TL_OK)
        (void)fprintf(stderr, "put: %s\n", err.text);
    while (atomic_load(&r->done) == before)
        (void)usleep(50);
    ms = (double)(now_ns() - start) / 1e6;
    return ms;
}

/* So many; of one key, if order says which. */
static void many(struct run *r, const char *order, unsigned long n)
{
    r->order = order;
    atomic_store(&r->stop, false);
    atomic_store(&r->put, 0);
    start_producers(r);
    while (atomic_load(&r->put) < n)
        (void)usleep(1000);
    stop_producers(r);
    tl_free(r->producers);
}

#define ROUNDS 7

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;

    return a < b ? -1 : a > b;
}

/* Two ledgers with as long a history, so that the price of a block is told from that of a history: in one all are
 * delivered, in the other as many stand behind a dead one. Others come to both in turn. */
static void blocked(const char *dir, unsigned long followers)
{
    static const char *const names[] = {"as many delivered", "one dead key and those behind it"};
    struct run r[2] = {{.n = 256, .keys = 10000, .answer = true, .block = true},
                       {.n = 256, .keys = 10000, .answer = true, .block = true}};
    double empty = 0, rate[2][ROUNDS], cpu[2][ROUNDS], of_rate[ROUNDS], of_cpu[ROUNDS];
    char part[2][600];

    for (int k = 0; k < 2; k++) {
        r[k].put_us = tl_alloc(SAMPLES * sizeof(uint32_t));
        (void)snprintf(part[k], sizeof(part[k]), "%s/%d", dir, k);
        (void)mkdir(part[k], 0700);
        open_ledger(&r[k], part[k], false);
        queue_close(r[k].q);
        empty = restart_ms(&r[k], part[k]);
        atomic_store(&r[k].kill, k == 1);
        many(&r[k], k == 1 ? "blocked" : NULL, followers);
        while (k == 0 && atomic_load(&r[k].done) < atomic_load(&r[k].put))
            (void)usleep(10000);
    }
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 2; k++)
            rate[k][i] = others(&r[k], 2, &cpu[k][i]);
        of_rate[i] = rate[1][i] / rate[0][i];
        of_cpu[i] = cpu[1][i] / cpu[0][i];
    }
    for (int k = 0; k < 2; k++) {
        (void)printf("%-32s: events/s of others", names[k]);
        for (int i = 0; i < ROUNDS; i++)
            (void)printf(" %.0f", rate[k][i]);
        (void)printf("; CPU an event");
        for (int i = 0; i < ROUNDS; i++)
            (void)printf(" %.1f", cpu[k][i]);
        (void)printf(" us\n");
        queue_close(r[k].q);
    }
    qsort(of_rate, ROUNDS, sizeof(double), by_value);
    qsort(of_cpu, ROUNDS, sizeof(double), by_value);
    (void)printf("beside %lu blocked ones: rate x %.3f (median of %d, %.3f to %.3f), CPU an event x %.3f; %ld KB "
                 "resident\n",
                 followers, of_rate[ROUNDS / 2], ROUNDS, of_rate[0], of_rate[ROUNDS - 1], of_cpu[ROUNDS / 2], rss_kb());
    (void)printf("restart to first delivery: empty %.1f ms", empty);
    for (int i = 0; i < 3; i++) {
        (void)printf(", blocked %.1f ms", restart_ms(&r[1], part[1]));
        queue_close(r[1].q);
    }
    (void)printf("\n");
    tl_free(r[0].put_us);
    tl_free(r[1].put_us);
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    char dir[512];

    (void)snprintf(dir, sizeof(dir), "%s/ledger_bench_XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(dir))
        return 1;
    if (argc > 1 && strcmp(argv[1], "backlog") == 0)
        backlog(dir, argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000);
    else if (argc > 1 && strcmp(argv[1], "held") == 0)
        held(dir, argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000, argc > 3 ? strtoul(argv[3], NULL, 10) : 10000,
             argc > 4 ? strtoul(argv[4], NULL, 10) : 64);
    else if (argc > 1 && strcmp(argv[1], "blocked") == 0)
        blocked(dir, argc > 2 ? strtoul(argv[2], NULL, 10) : 500000);
    else if (argc > 1 && strcmp(argv[1], "sealed") == 0)
        sealed(dir, argc > 2 ? strtod(argv[2], NULL) : 3, argc > 3 ? strtoul(argv[3], NULL, 10) : 64);
    else
        throughput(dir, argc > 1 ? strtod(argv[1], NULL) : 5, argc > 2 ? strtoul(argv[2], NULL, 10) : 64,
                   argc > 3 ? strtoul(argv[3], NULL, 10) : 0, NULL);
    remove_dir(dir);
    return 0;
}
