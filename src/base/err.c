/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the error table and the two ways to fill an error. */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static const struct {
    const char *name, *meaning;
    enum tl_class cls;
    bool breaker;
    int http;
} rows[TL_RC_COUNT] = {
#define X(name, cls, breaker, http, meaning) [TL_##name] = {#name, meaning, TL_CLASS_##cls, breaker, http},
    TL_RC_TABLE(X)
#undef X
};

/* The stable lower-case names: the enum's own would shout in JSON and metrics. */
static const char *const lower_names[TL_RC_COUNT] = {
    [TL_OK] = "ok",
    [TL_CANCELED] = "canceled",
    [TL_TIMEOUT] = "timeout",
    [TL_UNREACHABLE] = "unreachable",
    [TL_UPSTREAM] = "upstream",
    [TL_UNKNOWN_OUTCOME] = "unknown_outcome",
    [TL_BUSY] = "busy",
    [TL_CONFLICT] = "conflict",
    [TL_RATE_LIMITED] = "rate_limited",
    [TL_QUOTA] = "quota",
    [TL_AUTH] = "auth",
    [TL_FORBIDDEN] = "forbidden",
    [TL_CONFIG] = "config",
    [TL_NOT_FOUND] = "not_found",
    [TL_UNSUPPORTED] = "unsupported",
    [TL_INVALID] = "invalid",
    [TL_PARSE] = "parse",
    [TL_LIMIT] = "limit",
    [TL_BUDGET] = "budget",
    [TL_EXISTS] = "exists",
    [TL_STALE] = "stale",
    [TL_FULL] = "full",
    [TL_IO] = "io",
    [TL_BUG] = "bug",
};

static const char *const class_names[TL_CLASS_COUNT] = {
#define X(name, text, meaning) [TL_CLASS_##name] = text,
    TL_CLASS_TABLE(X)
#undef X
};

const char *tl_rc_name(enum tl_rc rc)
{
    return rc < TL_RC_COUNT ? lower_names[rc] : "bug";
}

const char *tl_rc_meaning(enum tl_rc rc)
{
    return rc < TL_RC_COUNT ? rows[rc].meaning : rows[TL_BUG].meaning;
}

enum tl_class tl_rc_class(enum tl_rc rc)
{
    return rc < TL_RC_COUNT ? rows[rc].cls : TL_CLASS_BUG;
}

bool tl_rc_trips_breaker(enum tl_rc rc)
{
    return rc < TL_RC_COUNT && rows[rc].breaker;
}

int tl_rc_http(enum tl_rc rc)
{
    return rc < TL_RC_COUNT ? rows[rc].http : 500;
}

const char *tl_class_name(enum tl_class c)
{
    return c < TL_CLASS_COUNT ? class_names[c] : "bug";
}

bool tl_class_parse(const char *name, enum tl_class *ret_class)
{
    for (int c = 0; c < TL_CLASS_COUNT; c++) {
        if (strcmp(name, class_names[c]) == 0) {
            *ret_class = (enum tl_class)c;
            return true;
        }
    }
    return false;
}

bool tl_rc_parse(const char *name, enum tl_rc *ret_rc)
{
    for (int rc = 0; rc < TL_RC_COUNT; rc++) {
        if (strcmp(name, lower_names[rc]) == 0) {
            *ret_rc = (enum tl_rc)rc;
            return true;
        }
    }
    return false;
}

/* A text that did not fit was cut at a byte: what is left of its last character goes too. */
static void end_at_a_character(struct tl_err *err)
{
    size_t n = strlen(err->text);
    uint32_t cp;

    if (n < sizeof err->text - 1)
        return;
    for (size_t back = 1; back < 4; back++) {
        char *p = err->text + n - back;

        if (((unsigned char)*p & 0xc0) == 0x80)
            continue;
        if (tl_utf8_decode(tl_sv(p, back), &cp) == 0)
            *p = '\0';
        return;
    }
}

enum tl_rc tl_vfail(struct tl_err *err, enum tl_rc rc, const char *fmt, va_list ap)
{
    if (err) {
        err->rc = rc;
        err->retry_after_ms = 0;
        err->line = err->column = 0;
        vsnprintf(err->text, sizeof err->text, fmt, ap);
        end_at_a_character(err);
    }
    return rc;
}

enum tl_rc(tl_fail)(struct tl_err *err, enum tl_rc rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tl_vfail(err, rc, fmt, ap);
    va_end(ap);
    return rc;
}

enum tl_rc(tl_fail_at)(struct tl_err *err, enum tl_rc rc, int32_t line, int32_t column, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    tl_vfail(err, rc, fmt, ap);
    va_end(ap);
    if (err) {
        err->line = line;
        err->column = column;
    }
    return rc;
}

enum tl_rc(tl_err_prefix)(struct tl_err *err, const char *fmt, ...)
{
    char old[sizeof err->text];
    va_list ap;
    size_t n;

    if (!err)
        return TL_BUG;
    memcpy(old, err->text, sizeof old);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof err->text, fmt, ap);
    va_end(ap);
    n = strlen(err->text);
    /* What does not fit is cut at the end: the context in front is what a person needs first. */
    for (const char *p = ": "; *p && n < sizeof err->text - 1; p++)
        err->text[n++] = *p;
    for (const char *p = old; *p && n < sizeof err->text - 1; p++)
        err->text[n++] = *p;
    err->text[n] = '\0';
    end_at_a_character(err);
    return err->rc;
}

void tl_err_clear(struct tl_err *err)
{
    if (err)
        *err = (struct tl_err){0};
}
