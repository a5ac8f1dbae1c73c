/* SPDX-License-Identifier: Apache-2.0 */
/* log.c - one line an event; log_out.c brings it out. What would be too long is said to be so, never split. */
#include "base/log.h"
#include "base/log/log_out.h"
#include "base/utf8.h"

#include <math.h>

#define LEFT_OUT "left_out"
enum { LINE_MAX_BYTES = 65536 };

struct tl_log {
    struct tl_log_out *out;
    int level; /* enum tl_level; changed by tl_log_set_level from any thread */
    bool json;
    const struct tl_clock *clock;
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

bool tl_log_on(const struct tl_log *log, enum tl_level level)
{
    return log && (int)level >= __atomic_load_n(&log->level, __ATOMIC_RELAXED);
}

void tl_log_set_level(struct tl_log *log, enum tl_level level)
{
    __atomic_store_n(&log->level, (int)level, __ATOMIC_RELAXED);
}

bool tl_level_parse(struct tl_sv s, enum tl_level *ret_level)
{
    for (size_t i = 0; i < TL_COUNT(level_names); i++) {
        if (tl_sv_eqs(s, level_names[i])) {
            *ret_level = (enum tl_level)i;
            return true;
        }
    }
    return false;
}

static void put_text(struct tl_buf *b, struct tl_sv s, bool json)
{
    bool quote = json || s.n == 0;

    for (size_t i = 0; i < s.n && !quote; i++)
        quote = s.p[i] <= ' ' || s.p[i] == '"' || s.p[i] == 0x7f || (unsigned char)s.p[i] >= 0x80;
    if (quote)
        (void)tl_json_string(b, s);
    else
        tl_buf_sv(b, s);
}

/* What a line of people begins with: as it is, but for what would steer their terminal. */
static void put_words(struct tl_buf *b, struct tl_sv s)
{
    uint32_t cp;

    for (size_t n; s.n; s = tl_sv_from(s, n)) {
        n = tl_utf8_decode(s, &cp);
        if (n == 0)
            tl_buf_puts(b, "\\ufffd");
        else if (tl_utf8_steers(cp))
            tl_buf_printf(b, "\\u%04x", cp);
        else
            tl_buf_put(b, s.p, n);
        n = n ? n : 1;
    }
}

static void put_value(struct tl_buf *b, const struct tl_kv *kv, bool json)
{
    switch (kv->kind) {
    case TL_KV_STR:
        put_text(b, tl_sv_str(kv->v.str), json);
        break;
    case TL_KV_SV:
        put_text(b, kv->v.sv, json);
        break;
    case TL_KV_I64:
        tl_buf_printf(b, "%lld", (long long)kv->v.i64);
        break;
    case TL_KV_U64:
        tl_buf_printf(b, "%llu", (unsigned long long)kv->v.u64);
        break;
    case TL_KV_F64:
        if (isfinite(kv->v.f64))
            tl_buf_printf(b, "%.6g", kv->v.f64);
        else
            tl_buf_puts(b, "null");
        break;
    case TL_KV_BOOL:
        tl_buf_puts(b, kv->v.b ? "true" : "false");
        break;
    }
}

/* RFC 8259 4: names within an object should be unique; of two, readers take the last, the first or none. */
static bool is_taken(const char *key, const struct tl_kv *kv, size_t n)
{
    static const char *const own[] = {"time", "level", "event", "text", LEFT_OUT};

    for (size_t i = 0; i < TL_COUNT(own); i++)
        if (strcmp(key, own[i]) == 0)
            return true;
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, kv[i].key) == 0)
            return true;
    return false;
}

static void put_json_line(struct tl_buf *b, const char *time, const char *level, const char *name, const char *text,
                          const struct tl_kv *kv, size_t n)
{
    const char *left_out = NULL;

    tl_buf_printf(b, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"text\":", time, level, name);
    (void)tl_json_string(b, tl_sv_str(text));
    for (size_t i = 0; i < n; i++) {
        if (is_taken(kv[i].key, kv, i)) {
            left_out = kv[i].key;
            continue;
        }
        tl_buf_printf(b, ",\"%s\":", kv[i].key);
        put_value(b, &kv[i], true);
    }
    if (left_out)
        tl_buf_printf(b, ",\"" LEFT_OUT "\":\"%s\"", left_out);
    tl_buf_puts(b, "}\n");
}

static void put_plain_line(struct tl_buf *b, const char *time, const char *level, const char *name, const char *text,
                           const struct tl_kv *kv, size_t n)
{
    tl_buf_printf(b, "%.12s %-5s %s: ", time + 11, level, name);
    put_words(b, tl_sv_str(text));
    for (size_t i = 0; i < n; i++) {
        tl_buf_printf(b, " %s=", kv[i].key);
        put_value(b, &kv[i], false);
    }
    tl_buf_putc(b, '\n');
}

static void put_line(const struct tl_log *log, struct tl_buf *b, enum tl_level level, const char *name,
                     const char *text, const struct tl_kv *kv, size_t n)
{
    char time[TL_TIME_TEXT];

    tl_time_format(tl_clock_wall_ms(log->clock), time);
    if (log->json)
        put_json_line(b, time, level_names[level], name, text, kv, n);
    else
        put_plain_line(b, time, level_names[level], name, text, kv, n);
}

/* Whatever the level: what is missing may have been an error. */
static void tell_lost(void *arg, uint64_t lost, struct tl_buf *b)
{
    put_line(arg, b, TL_WARN, "log.lost", "lines are missing here: nobody took them, or they could not be written",
             &KV_U64("lines", lost), 1);
}

struct tl_log *tl_log_new(int fd, enum tl_level level, bool json, const struct tl_clock *clock)
{
    struct tl_log *log = tl_zalloc(sizeof *log);

    *log = (struct tl_log){.level = (int)level, .json = json, .clock = clock ? clock : tl_clock_system()};
    log->out = tl__log_out_new(fd, TL_LOG_HELD, tell_lost, log);
    return log;
}

void tl_log_free(struct tl_log *log)
{
    if (log && tl__log_out_free(log->out, TL_LOG_LAST_MS))
        tl_free(log);
}

bool tl_log_drain(struct tl_log *log, unsigned max_ms)
{
    return !log || tl__log_out_drain(log->out, max_ms);
}

uint64_t tl_log_lost(const struct tl_log *log)
{
    return log ? tl__log_out_lost(log->out) : 0;
}

void tl_log_write(struct tl_log *log, enum tl_level level, const char *name, const char *text, const struct tl_kv *kv,
                  size_t n)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}; /* cleaned up on the early return too */

    if (!tl_log_on(log, level))
        return;
    tl_buf_init(&b, LINE_MAX_BYTES);
    put_line(log, &b, level, name, text, kv, n);
    if (b.failed) { /* too long to say whole: say that it happened */
        tl_buf_clear(&b);
        put_line(log, &b, level, name, "(the line was too long)", NULL, 0);
    }
    tl__log_out_put(log->out, tl_buf_view(&b));
}
