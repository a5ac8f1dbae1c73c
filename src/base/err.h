/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - the one error vocabulary of the house.
 *
 * Every function that can fail returns `enum tl_rc` and takes a caller-owned `struct tl_err *` as its last parameter.
 * The row decides what happens next: the class says whether a delivery retries, waits, holds or dies (queue/queue.h),
 * the HTTP status is what a server of ours answers. No caller invents its own policy.
 * The text is for an operator: what, where, what to do. It never contains a secret or a payload.
 */
#ifndef TL_BASE_ERR_H
#define TL_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Classes of failure; DESIGN section 1.6. */
#define TL_CLASS_TABLE(X)                                                                                              \
    X(NONE, "none", "no failure")                                                                                      \
    X(TRANSIENT, "transient", "may succeed by itself: retried with back-off, uses an attempt")                         \
    X(RATE_LIMIT, "rate_limit", "the other side asked us to slow down: rescheduled, uses no attempt")                  \
    X(AUTH, "auth", "credentials refused: the connection is paused, events and attempts are kept")                     \
    X(CONFIG, "config", "our configuration is wrong: the flow is held, events and attempts are kept")                  \
    X(DATA, "data", "this record can never succeed as it is: dead letter")                                             \
    X(BUG, "bug", "a fault of ours: dead letter")

enum tl_class {
#define X(name, text, meaning) TL_CLASS_##name,
    TL_CLASS_TABLE(X)
#undef X
        TL_CLASS_COUNT
};

/* name, class, breaker?, http, meaning. "breaker" marks what the circuit breaker counts. */
#define TL_RC_TABLE(X)                                                                                                 \
    X(OK, NONE, 0, 200, "success")                                                                                     \
    X(CANCELED, NONE, 0, 499, "the task was asked to stop: unwind, do not log")                                        \
    X(TIMEOUT, TRANSIENT, 1, 504, "the deadline passed")                                                               \
    X(UNREACHABLE, TRANSIENT, 1, 502, "no connection could be made (DNS, TCP, TLS)")                                   \
    X(UPSTREAM, TRANSIENT, 1, 502, "the other side failed (5xx)")                                                      \
    X(UNKNOWN_OUTCOME, TRANSIENT, 1, 502, "the request was sent and its outcome is not known")                         \
    X(BUSY, TRANSIENT, 0, 503, "a resource of ours is in use; try again")                                              \
    X(CONFLICT, TRANSIENT, 0, 409, "a lock or a concurrent change on the other side; try again")                       \
    X(RATE_LIMITED, RATE_LIMIT, 0, 429, "too many calls a second")                                                     \
    X(QUOTA, RATE_LIMIT, 0, 429, "the allowance of a longer window is used up")                                        \
    X(AUTH, AUTH, 0, 401, "credentials missing, expired or refused")                                                   \
    X(FORBIDDEN, AUTH, 0, 403, "the credentials may not do this")                                                      \
    X(CONFIG, CONFIG, 0, 500, "the configuration is wrong")                                                            \
    X(NOT_FOUND, CONFIG, 0, 404, "there is no such thing")                                                             \
    X(UNSUPPORTED, CONFIG, 0, 501, "not available here")                                                               \
    X(INVALID, DATA, 0, 400, "the input can never succeed")                                                            \
    X(PARSE, DATA, 0, 400, "the input is not well formed")                                                             \
    X(LIMIT, DATA, 0, 413, "a limit on size, depth or number was passed")                                              \
    X(BUDGET, DATA, 0, 422, "an evaluation used up its steps, memory or time")                                         \
    X(EXISTS, DATA, 0, 409, "it exists already")                                                                       \
    X(STALE, BUG, 0, 409, "an outcome came with an old epoch")                                                         \
    X(FULL, TRANSIENT, 0, 503, "the disk or a store is full")                                                          \
    X(IO, TRANSIENT, 0, 500, "reading or writing failed")                                                              \
    X(BUG, BUG, 0, 500, "an invariant of ours does not hold")

enum tl_rc {
#define X(name, cls, breaker, http, meaning) TL_##name,
    TL_RC_TABLE(X)
#undef X
        TL_RC_COUNT
};

/* One per call chain, on the caller's stack; filled once, by whoever found the fault. */
struct tl_err {
    enum tl_rc rc;
    uint32_t retry_after_ms; /* 0: let the retry policy choose */
    int32_t line, column;    /* 1-based, of a text the user wrote; 0: unknown */
    char text[400];
};

const char *tl_rc_name(enum tl_rc rc); /* "timeout": lower case, stable, for JSON and metrics */
const char *tl_rc_meaning(enum tl_rc rc);
enum tl_class tl_rc_class(enum tl_rc rc);
bool tl_rc_trips_breaker(enum tl_rc rc);
int tl_rc_http(enum tl_rc rc);
const char *tl_class_name(enum tl_class c); /* "rate_limit" */
bool tl_class_parse(const char *name, enum tl_class *ret_class);
bool tl_rc_parse(const char *name, enum tl_rc *ret_rc);

/* Fill *err (NULL allowed) and return rc, so that `return tl_fail(err, TL_PARSE, "...")` is the idiom. */
enum tl_rc tl_fail(struct tl_err *err, enum tl_rc rc, const char *fmt, ...) TL_PRINTF(3, 4);
enum tl_rc tl_vfail(struct tl_err *err, enum tl_rc rc, const char *fmt, va_list ap) TL_PRINTF(3, 0);
/* The same with a place in a text: "line 3, column 7" is put by whoever shows it. */
enum tl_rc tl_fail_at(struct tl_err *err, enum tl_rc rc, int32_t line, int32_t column, const char *fmt, ...)
    TL_PRINTF(5, 6);
/* Put "<context>: " before the text already there; rc is returned unchanged. */
enum tl_rc tl_err_prefix(struct tl_err *err, const char *fmt, ...) TL_PRINTF(2, 3);
void tl_err_clear(struct tl_err *err);

#ifdef __clang_analyzer__ /* it cannot see into err.c: these use their words, return the rc they are given, and never  \
                             TL_OK */
void tl_fail_words(const char *fmt, ...) TL_PRINTF(1, 2);
static inline enum tl_rc tl_not_ok(enum tl_rc rc)
{
    if (rc == TL_OK)
        __builtin_unreachable();
    return rc;
}
#define tl_fail(err, rc, ...) ((void)(err), tl_fail_words(__VA_ARGS__), (rc))
#define tl_fail_at(err, rc, line, column, ...)                                                                         \
    ((void)(err), (void)(line), (void)(column), tl_fail_words(__VA_ARGS__), (rc))
#define tl_err_prefix(...) tl_not_ok(tl_err_prefix(__VA_ARGS__))
#endif

#endif
