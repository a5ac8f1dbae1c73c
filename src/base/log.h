/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - events with typed fields and a stable dotted name, as JSON lines or readable on a terminal.
 *
 * Layers 0-3 return errors and never log; layers 4 and up log an error once, where the decision falls. TL_CANCELED is
 * never logged. There is no constructor for a secret, so a secret cannot be logged by accident.
 *
 * A line has the members time, level, event (the dotted name) and text, then those of the caller, each name once: a
 * value whose name is taken is left out, and "left_out" says which. The id of an event of the ledger is `event_id`.
 *
 * Safe to use from any thread, and it never waits for who reads the log: lines go into a buffer, and a thread of the
 * log's own writes them within milliseconds. So a terminal that is stopped, a pipe that nobody reads, a journal that
 * hangs or a slow disk hold up nothing else. When TL_LOG_HELD bytes wait (at most twice that is held) lines are lost:
 * whole ones, and the newest. When there is room again a line `log.lost` says how many they were. What cannot be
 * written at all (a reader that left, a full disk) is lost, counted and told in the same way.
 * A process that is killed, or aborts, takes what still waits with it.
 *
 * A reader gets whole lines: into a pipe or a socket a line is begun only when there is room for all of it. The
 * exceptions: a process that ends in the middle of a line of more than PIPE_BUF (4096) bytes for a pipe that is smaller
 * than the line; and a disk that gets full in the middle of a line: what comes next begins on a line of its own.
 */
#ifndef TL_BASE_LOG_H
#define TL_BASE_LOG_H

#include "base/clock.h"

enum tl_level { TL_DEBUG, TL_INFO, TL_WARN, TL_ERROR, TL_OFF };

struct tl_log;

struct tl_kv {
    const char *key;
    enum { TL_KV_STR, TL_KV_SV, TL_KV_I64, TL_KV_U64, TL_KV_F64, TL_KV_BOOL } kind;
    union {
        const char *str;
        struct tl_sv sv;
        int64_t i64;
        uint64_t u64;
        double f64;
        bool b;
    } v;
};
#define KV_STR(k, x) ((struct tl_kv){(k), TL_KV_STR, {.str = (x)}})
#define KV_SV(k, x) ((struct tl_kv){(k), TL_KV_SV, {.sv = (x)}})
#define KV_I64(k, x) ((struct tl_kv){(k), TL_KV_I64, {.i64 = (int64_t)(x)}})
#define KV_U64(k, x) ((struct tl_kv){(k), TL_KV_U64, {.u64 = (uint64_t)(x)}})
#define KV_F64(k, x) ((struct tl_kv){(k), TL_KV_F64, {.f64 = (x)}})
#define KV_BOOL(k, x) ((struct tl_kv){(k), TL_KV_BOOL, {.b = (x)}})

enum { TL_LOG_HELD = 1 << 20, TL_LOG_LAST_MS = 1000 };

/* fd is borrowed, and stays as it is: it may be shared with other processes, so it is not made non-blocking. json: JSON
 * lines; else one readable line. */
struct tl_log *tl_log_new(int fd, enum tl_level level, bool json, const struct tl_clock *clock) TL_MUST_CHECK;
/* Waits for what tl_log_drain waits for, TL_LOG_LAST_MS at most; the rest is lost. NULL: nothing. */
void tl_log_free(struct tl_log *log);
/* Before an _exit: until all lines so far are written, max_ms at most; false: some are not. Blocks. log may be NULL. */
bool tl_log_drain(struct tl_log *log, unsigned max_ms);
uint64_t tl_log_lost(const struct tl_log *log);                /* lines, ever; log may be NULL */
bool tl_log_on(const struct tl_log *log, enum tl_level level); /* log may be NULL: off */
void tl_log_set_level(struct tl_log *log, enum tl_level level);
bool tl_level_parse(struct tl_sv s, enum tl_level *ret_level);
void tl_log_write(struct tl_log *log, enum tl_level level, const char *name, const char *text, const struct tl_kv *kv,
                  size_t n);

/* TL_LOG(log, TL_WARN, "queue.lease_expired", "the lease ran out", KV_STR("flow", name), KV_U64("event_id", id)); */
#define TL_LOG(log, level, name, text, ...)                                                                            \
    tl_log_write((log), (level), (name), (text), (const struct tl_kv[]){__VA_ARGS__},                                  \
                 sizeof((const struct tl_kv[]){__VA_ARGS__}) / sizeof(struct tl_kv))

#endif
