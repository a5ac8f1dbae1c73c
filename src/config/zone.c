/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zone.c - time zones out of the system's TZif files (RFC 9636): the table of transitions, and after its end the rule
 * in the footer (POSIX TZ: std offset dst [offset],start[/time],end[/time]). libc's own functions keep the zone in a
 * global, so they are of no use to a program with threads and more than one zone.
 */
#include "config/cron.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ZONE_DIR "/usr/share/zoneinfo/"
#define ZONE_MAX_FILE (256u << 10)

struct date_rule {
    enum { RULE_JULIAN, RULE_DAY, RULE_MONTH } kind; /* Jn (no 29 February), n (0-365), Mm.w.d */
    int32_t month, week, day;
    int32_t seconds; /* after local midnight, may be negative or beyond a day */
};

struct config_zone {
    const char *name;
    const int64_t *at;      /* n transitions, UTC seconds, ascending */
    const int32_t *offsets; /* n: in force from at[i] */
    size_t n;
    int32_t first_offset; /* before at[0] */
    bool has_rule, has_dst;
    int32_t std_offset, dst_offset;
    struct date_rule start, end;
};

static const struct config_zone utc_zone = {.name = "UTC"};

const struct config_zone *config_zone_utc(void)
{
    return &utc_zone;
}

const char *config_zone_name(const struct config_zone *z)
{
    return z ? z->name : utc_zone.name;
}

/* ---- the footer (RFC 9636 3.3.1) ---- */

static bool peek(struct tl_sv *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = tl_sv_from(*s, 1);
    return true;
}

static bool number(struct tl_sv *s, int32_t max, int32_t *ret)
{
    int32_t v = 0;
    size_t i = 0;

    for (; i < s->n && i < 4 && s->p[i] >= '0' && s->p[i] <= '9'; i++)
        v = v * 10 + (s->p[i] - '0');
    if (i == 0 || v > max)
        return false;
    *s = tl_sv_from(*s, i);
    *ret = v;
    return true;
}

static bool abbreviation(struct tl_sv *s)
{
    size_t i = 0;

    if (peek(s, '<')) {
        i = tl_sv_find(*s, '>');
        if (i == s->n)
            return false;
        *s = tl_sv_from(*s, i + 1);
        return true;
    }
    while (i < s->n && ((s->p[i] | 0x20) >= 'a' && (s->p[i] | 0x20) <= 'z'))
        i++;
    *s = tl_sv_from(*s, i);
    return i >= 3;
}

/* [+-]h[h[h]][:mm[:ss]] in seconds. */
static bool time_of(struct tl_sv *s, int32_t *ret)
{
    bool minus = peek(s, '-');
    int32_t h, m = 0, sec = 0;

    if (!minus)
        (void)peek(s, '+');
    if (!number(s, 167, &h) || (peek(s, ':') && (!number(s, 59, &m) || (peek(s, ':') && !number(s, 59, &sec)))))
        return false;
    *ret = (h * 60 + m) * 60 + sec;
    if (minus)
        *ret = -*ret;
    return true;
}

static bool date_of(struct tl_sv *s, struct date_rule *r)
{
    bool ok;

    if (!peek(s, ','))
        return false;
    if (peek(s, 'M')) {
        r->kind = RULE_MONTH;
        ok = number(s, 12, &r->month) && r->month >= 1 && peek(s, '.') && number(s, 5, &r->week) && r->week >= 1 &&
             peek(s, '.') && number(s, 6, &r->day);
    } else if (peek(s, 'J')) {
        r->kind = RULE_JULIAN;
        ok = number(s, 365, &r->day) && r->day >= 1;
    } else {
        r->kind = RULE_DAY;
        ok = number(s, 365, &r->day);
    }
    r->seconds = 7200;
    return ok && (!peek(s, '/') || time_of(s, &r->seconds));
}

static bool footer(struct config_zone *z, struct tl_sv s)
{
    if (s.n == 0)
        return true;
    if (!abbreviation(&s) || !time_of(&s, &z->std_offset))
        return false;
    z->std_offset = -z->std_offset; /* POSIX counts west of Greenwich */
    z->has_rule = true;
    if (s.n == 0)
        return true;
    if (!abbreviation(&s))
        return false;
    z->dst_offset = z->std_offset + 3600;
    if (s.n && s.p[0] != ',') {
        if (!time_of(&s, &z->dst_offset))
            return false;
        z->dst_offset = -z->dst_offset;
    }
    z->has_dst = true;
    return date_of(&s, &z->start) && date_of(&s, &z->end) && s.n == 0;
}

static bool leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Local seconds (as if UTC) at which the rule strikes in a year. */
static int64_t strike(const struct date_rule *r, int64_t year)
{
    int64_t first, days;

    if (r->kind == RULE_MONTH) {
        int64_t next_month =
            r->month == 12 ? tl_days_from_civil(year + 1, 1, 1) : tl_days_from_civil(year, r->month + 1, 1);
        int64_t weekday;

        first = tl_days_from_civil(year, r->month, 1);
        weekday = ((first + 4) % 7 + 7) % 7;
        days = first + (r->day - weekday + 7) % 7 + INT64_C(7) * (r->week - 1);
        while (days >= next_month)
            days -= 7;
    } else {
        first = tl_days_from_civil(year, 1, 1);
        days = first + r->day;
        if (r->kind == RULE_JULIAN)
            days += leap(year) && r->day >= 60 ? 0 : -1;
    }
    return days * 86400 + r->seconds;
}

static int32_t rule_offset(const struct config_zone *z, int64_t t)
{
    int32_t year, month, day;
    int64_t local = t + z->std_offset, start, end;
    bool dst;

    if (!z->has_dst)
        return z->std_offset;
    tl_civil_from_days((local >= 0 ? local : local - 86399) / 86400, &year, &month, &day);
    start = strike(&z->start, year) - z->std_offset;
    end = strike(&z->end, year) - z->dst_offset;
    dst = start < end ? t >= start && t < end : t >= start || t < end;
    return dst ? z->dst_offset : z->std_offset;
}

/* ---- TZif (RFC 9636 section 3) ---- */

static int64_t big_endian(const char *p, size_t n)
{
    uint64_t v = (unsigned char)p[0] & 0x80 ? UINT64_MAX : 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)p[i];
    return (int64_t)v;
}

struct counts {
    size_t isut, isstd, leap, time, type, chars;
};

/* The header at the start of s. Counts are bounded by the file's size, which the caller checks. */
static bool header(struct tl_sv s, struct counts *ret, char *ret_version)
{
    size_t v[6];

    if (s.n < 44 || memcmp(s.p, "TZif", 4) != 0)
        return false;
    for (size_t i = 0; i < 6; i++) {
        int64_t x = big_endian(s.p + 20 + 4 * i, 4);

        if (x < 0 || x > ZONE_MAX_FILE)
            return false;
        v[i] = (size_t)x;
    }
    *ret = (struct counts){v[0], v[1], v[2], v[3], v[4], v[5]};
    *ret_version = s.p[4];
    return true;
}

static size_t body_size(const struct counts *c, size_t time_size)
{
    return c->time * (time_size + 1) + c->type * 6 + c->chars + c->leap * (time_size + 4) + c->isstd + c->isut;
}

static bool table(struct tl_arena *a, struct config_zone *z, const struct counts *c, const char *p, size_t time_size)
{
    const char *index = p + c->time * time_size, *types = index + c->time;
    int64_t *at = tl_arena_alloc(a, c->time * sizeof *at + 1);
    int32_t *offsets = tl_arena_alloc(a, c->time * sizeof *offsets + 1);

    if (!at || !offsets || c->type == 0)
        return false;
    z->first_offset = (int32_t)big_endian(types, 4);
    for (size_t i = 0; i < c->time; i++) {
        size_t type = (unsigned char)index[i];

        at[i] = big_endian(p + i * time_size, time_size);
        if (type >= c->type || (i > 0 && at[i] <= at[i - 1]))
            return false;
        offsets[i] = (int32_t)big_endian(types + type * 6, 4);
        if (offsets[i] < -93599 || offsets[i] > 93599) /* RFC 9636 3.2: more than -25 h, less than 26 h */
            return false;
    }
    z->at = at;
    z->offsets = offsets;
    z->n = c->time;
    return z->first_offset >= -93599 && z->first_offset <= 93599;
}

static bool tzif(struct tl_arena *a, struct tl_sv s, struct config_zone *z)
{
    struct counts c;
    size_t time_size = 4, body;
    char version;

    if (!header(s, &c, &version))
        return false;
    if (version >= '2') { /* the first block is for old readers */
        s = tl_sv_from(s, 44 + body_size(&c, 4));
        if (!header(s, &c, &version))
            return false;
        time_size = 8;
    }
    body = body_size(&c, time_size);
    if (s.n < 44 + body || !table(a, z, &c, s.p + 44, time_size))
        return false;
    s = tl_sv_from(s, 44 + body);
    if (time_size == 4)
        return true;
    if (!peek(&s, '\n') || s.n == 0 || s.p[s.n - 1] != '\n')
        return false;
    return footer(z, tl_sv(s.p, s.n - 1));
}

/* A name, not a path: what leads out of the directory is refused. */
static bool name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > 100 || name[0] == '/' || name[n - 1] == '/' || strstr(name, "//") || strchr(name, '.'))
        return false;
    for (const char *p = name; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("/_+-", *p)))
            return false;
    return true;
}

static bool read_zone(const char *name, struct tl_buf *b)
{
    char path[sizeof ZONE_DIR + 101] = ZONE_DIR;
    struct stat st;
    ssize_t got = -1;
    char *room;
    int fd;

    memcpy(path + sizeof ZONE_DIR - 1, name, strlen(name) + 1);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        while ((room = tl_buf_reserve(b, 8192)) != NULL && (got = read(fd, room, 8192)) > 0)
            tl_buf_added(b, (size_t)got);
    (void)close(fd);
    return got == 0 && !b->failed;
}

enum tl_rc config_zone_load(struct tl_arena *a, const char *name, const struct config_zone **ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct config_zone *z;

    if (strcmp(name, "UTC") == 0 || strcmp(name, "Etc/UTC") == 0) { /* also where no tzdata is installed */
        *ret = &utc_zone;
        return TL_OK;
    }
    tl_buf_init(&b, ZONE_MAX_FILE);
    if (!name_ok(name) || !read_zone(name, &b))
        return tl_fail(err, TL_CONFIG,
                       "the time zone \"%.60s\" is not known here; write a name such as Europe/Berlin (the "
                       "package tzdata must be installed)",
                       name);
    z = tl_arena_zalloc(a, sizeof *z);
    if (!z)
        return tl_fail(err, TL_LIMIT, "no memory is left for the configuration");
    z->name = tl_arena_strdup(a, name);
    if (!z->name || !tzif(a, tl_buf_view(&b), z))
        return tl_fail(err, TL_CONFIG, "the system's file for the time zone \"%.60s\" cannot be read", name);
    *ret = z;
    return TL_OK;
}

/* ---- use ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int32_t offset_at(const struct config_zone *z, int64_t t)
{
    size_t low = 0, high = z->n;

    if (z->has_rule && (z->n == 0 || t >= z->at[z->n - 1]))
        return rule_offset(z, t);
    if (z->n == 0 || t < z->at[0])
        return z->first_offset;
    while (high - low > 1) {
        size_t mid = low + (high - low) / 2;

        if (z->at[mid] <= t)
            low = mid;
        else
            high = mid;
    }
    return z->offsets[low];
}

int32_t config_zone_offset(const struct config_zone *z, int64_t utc_ms)
{
    return z ? offset_at(z, floor_div(utc_ms, 1000)) : 0;
}

void config_zone_local(const struct config_zone *z, int64_t utc_ms, struct tl_civil *ret)
{
    tl_civil_from_ms(utc_ms + INT64_C(1000) * config_zone_offset(z, utc_ms), ret);
}

int64_t config_zone_utc_ms(const struct config_zone *z, const struct tl_civil *local)
{
    int64_t ms = tl_civil_to_ms(local), l = floor_div(ms, 1000), part = ms - l * 1000;
    int32_t before, after;
    int64_t a, b;

    if (!z)
        return ms;
    /* No zone changes twice within two days, so these are the two offsets that may hold. */
    before = offset_at(z, l - 86400);
    after = offset_at(z, l + 86400);
    a = l - before;
    b = l - after;
    if (offset_at(z, a) == before)
        return (offset_at(z, b) == after && b < a ? b : a) * 1000 + part;
    if (offset_at(z, b) == after)
        return b * 1000 + part;
    while (a - b > 1) { /* in a gap: `after` is the larger offset, so b < the change <= a */
        int64_t mid = b + (a - b) / 2;

        if (offset_at(z, mid) == before)
            b = mid;
        else
            a = mid;
    }
    return a * 1000;
}
