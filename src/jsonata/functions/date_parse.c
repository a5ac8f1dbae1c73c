/* SPDX-License-Identifier: Apache-2.0 */
/*
 * date_parse.c - $toMillis with a picture. The reference turns the picture into a regular expression; here the parts
 * are matched directly, with backtracking in the same greedy order, and failures are remembered so that no text takes
 * more than parts x length steps.
 */
#include "jsonata/functions/functions_int.h"

enum matcher { MATCH_LITERAL, MATCH_DIGITS, MATCH_LETTERS, MATCH_ROMAN, MATCH_WORDS, MATCH_NAME, MATCH_ZONE };

struct state {
    struct jsonata_eval *e;
    const struct jsonata_date_picture *pic;
    struct tl_sv text;
    size_t *start, *end; /* per part */
    uint8_t *failed;     /* bit (part, position): no use to try again */
};

static enum matcher matcher_of(const struct jsonata_date_part *part)
{
    if (part->literal)
        return MATCH_LITERAL;
    if (part->component == 'Z' || part->component == 'z')
        return MATCH_ZONE;
    if (!part->has_integer)
        return part->component == 'f' ? MATCH_DIGITS : MATCH_NAME;
    switch ((enum jsonata_int_kind)part->integer.kind) {
    case INT_LETTERS:
        return part->component == 'f' ? MATCH_DIGITS : MATCH_LETTERS;
    case INT_ROMAN:
        return part->component == 'f' ? MATCH_DIGITS : MATCH_ROMAN;
    case INT_WORDS:
        return part->component == 'f' ? MATCH_DIGITS : MATCH_WORDS;
    case INT_DECIMAL:
    case INT_SEQUENCE:
        break;
    }
    return MATCH_DIGITS;
}

static bool in_class(enum matcher m, char c)
{
    char lower = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;

    if (m == MATCH_DIGITS || m == MATCH_ZONE)
        return c >= '0' && c <= '9';
    if (m == MATCH_ROMAN)
        return lower && strchr("mdclxvi", lower);
    return lower >= 'a' && lower <= 'z';
}

static size_t run_of(enum matcher m, struct tl_sv text, size_t at)
{
    size_t i = at;

    while (i < text.n && in_class(m, text.p[i]))
        i++;
    return i;
}

/* Every candidate function: the end to try after `last` (0: the first), or 0 when there is none. Ends are > start. */
static size_t digits_end(const struct jsonata_date_part *part, struct tl_sv text, size_t at, size_t last)
{
    bool plain = part->component == 'f' || !part->has_integer;
    size_t run = run_of(MATCH_DIGITS, text, at);

    if (!plain && part->integer.parse_width) {
        if (last || run - at < (size_t)part->integer.parse_width)
            return 0;
        run = at + (size_t)part->integer.parse_width;
    }
    if (!plain && part->integer.ordinal) { /* th st nd rd, right behind the digits */
        struct tl_sv two = run + 2 <= text.n ? tl_sv(text.p + run, 2) : tl_sv("", 0);
        bool suffix = tl_sv_eqi(two, TL_SV("th")) || tl_sv_eqi(two, TL_SV("st")) || tl_sv_eqi(two, TL_SV("nd")) ||
                      tl_sv_eqi(two, TL_SV("rd"));

        return last || run == at || !suffix ? 0 : run + 2;
    }
    if (!last)
        return run > at ? run : 0;
    return last - 1 > at ? last - 1 : 0;
}

static size_t zone_end(const struct jsonata_date_part *part, struct tl_sv text, size_t at, size_t last)
{
    size_t first = at, run, floor_at;

    if (part->component == 'z') {
        if (at + 3 > text.n || !tl_sv_eqi(tl_sv(text.p + at, 3), TL_SV("GMT")))
            return 0;
        first += 3;
    }
    if (first >= text.n || (text.p[first] != '+' && text.p[first] != '-'))
        return 0;
    first++;
    run = run_of(MATCH_ZONE, text, first);
    if (run == first)
        return 0;
    floor_at = first;
    if (part->integer.regular) {
        char sep[4];
        size_t n = tl_utf8_encode(part->integer.each.cp, sep);

        if (run + n > text.n || memcmp(text.p + run, sep, n) != 0)
            return 0;
        floor_at = run + n;
        run = run_of(MATCH_ZONE, text, floor_at);
        if (run == floor_at)
            return 0;
    }
    if (!last)
        return run;
    return last - 1 > floor_at ? last - 1 : 0;
}

/* The longest chain of number words that ends before `last`. */
static size_t words_end(struct state *s, size_t at, size_t last)
{
    struct tl_sv text = s->text;
    size_t n = text.n - at + 1;
    uint8_t *reach = jsonata_alloc(s->e, n);
    size_t best = 0;

    if (!reach)
        return 0;
    memset(reach, 0, n);
    reach[0] = 1;
    for (size_t i = 0; i < n - 1; i++) {
        uint32_t bits = reach[i] ? jsonata_words_at(text, at + i) : 0;

        for (size_t len = 1; bits >> len; len++)
            if (bits >> len & 1)
                reach[i + len] = 1;
    }
    for (size_t i = 1; i < n; i++)
        if (reach[i] && (!last || at + i < last))
            best = at + i;
    return best;
}

static size_t next_end(struct state *s, size_t k, size_t last)
{
    const struct jsonata_date_part *part = &s->pic->parts[k];
    struct tl_sv text = s->text;
    size_t at = s->start[k], run;
    enum matcher m = matcher_of(part);

    switch (m) {
    case MATCH_LITERAL:
        if (last || part->text.n > text.n - at || !tl_sv_eqi(tl_sv(text.p + at, part->text.n), part->text))
            return 0;
        return at + part->text.n;
    case MATCH_DIGITS:
        return digits_end(part, text, at, last);
    case MATCH_ZONE:
        return zone_end(part, text, at, last);
    case MATCH_WORDS:
        return words_end(s, at, last);
    case MATCH_LETTERS:
    case MATCH_ROMAN:
    case MATCH_NAME:
        break;
    }
    run = last ? last - 1 : run_of(m, text, at);
    return run > at ? run : 0;
}

static bool remember_failure(struct state *s, size_t bit)
{
    if (!s->failed) {
        size_t bytes = (s->pic->count * (s->text.n + 1)) / 8 + 1;

        s->failed = jsonata_alloc(s->e, bytes);
        if (!s->failed)
            return false;
        memset(s->failed, 0, bytes);
    }
    s->failed[bit / 8] |= (uint8_t)(1u << bit % 8);
    return true;
}

/* TL_OK with *ret_found false: the text is no such date. */
static enum tl_rc match_parts(struct state *s, bool *ret_found)
{
    size_t k = 0, count = s->pic->count, width = s->text.n + 1;
    bool entering = true;

    *ret_found = false;
    s->start[0] = 0;
    for (;;) {
        if (entering && k == count) {
            if (s->start[k] == s->text.n) {
                *ret_found = true;
                return TL_OK;
            }
            if (k == 0)
                return TL_OK;
            k--;
            entering = false;
        }
        size_t bit = k * width + s->start[k];
        bool known = entering && s->failed && (s->failed[bit / 8] >> bit % 8 & 1);
        size_t end = known ? 0 : next_end(s, k, entering ? 0 : s->end[k]);

        if (end) {
            enum tl_rc rc = jsonata_tick(s->e, 1);

            if (rc != TL_OK)
                return rc;
            s->end[k] = end;
            s->start[++k] = end;
            entering = true;
            continue;
        }
        if (k == 0)
            return TL_OK;
        if (!known && !remember_failure(s, bit))
            return jsonata_exhausted(s->e);
        k--;
        entering = false;
    }
}

/* ---- meaning ---- */

static double parse_zone(const struct jsonata_date_part *part, struct tl_sv text)
{
    struct tl_sv rest = tl_sv_from(text, part->component == 'z' ? 3 : 0);

    if (part->integer.regular) {
        char sep[4];
        size_t n = tl_utf8_encode(part->integer.each.cp, sep), at = tl_sv_find_sv(rest, tl_sv(sep, n));

        return jsonata_parse_int(tl_sv(rest.p, at)) * 60 + jsonata_parse_int(tl_sv_from(rest, at + 1));
    }
    if (rest.n <= 3)
        return jsonata_parse_int(rest) * 60;
    return jsonata_parse_int(tl_sv(rest.p, 3)) * 60 + jsonata_parse_int(tl_sv_from(rest, 3));
}

/* Names are compared in the spelling of the tables, cut to the width; -1: unknown. */
static double parse_name(const struct jsonata_date_part *part, struct tl_sv text)
{
    const char *const *names = part->component == 'F' ? jsonata_day_names : jsonata_month_names;
    int count = part->component == 'F' ? 7 : 12;
    double found = -1;

    if (part->component == 'P') {
        if (tl_sv_eqs(text, "am") || tl_sv_eqs(text, "AM"))
            return 0;
        return tl_sv_eqs(text, "pm") || tl_sv_eqs(text, "PM") ? 1 : -1;
    }
    for (int i = 0; i < count; i++) {
        struct tl_sv name = tl_sv_str(names[i]);

        if (part->width_max > 0 && (double)name.n > part->width_max)
            name.n = (size_t)part->width_max;
        if (tl_sv_eq(name, text))
            found = i + 1;
    }
    return found;
}

static double parse_fraction(struct tl_sv text)
{
    char digits[8] = "0.";
    size_t n = text.n < 3 ? text.n : 3;

    memcpy(digits + 2, text.p, n);
    return json_number((struct json){.type = JSON_DECIMAL, .n = (uint32_t)(n + 2), .u.s = digits}) * 1000;
}

struct found {
    double v[128];
    bool set[128]; /* by letter: something was read */
    bool any;
};

/* The reference says so before it looks at the text. */
static enum tl_rc check_picture(struct jsonata_eval *e, const struct jsonata_date_picture *pic)
{
    for (size_t k = 0; k < pic->count; k++) {
        const struct jsonata_date_part *part = &pic->parts[k];
        enum matcher m = matcher_of(part);
        char letter = (char)part->component;

        if (m == MATCH_NAME && part->component != 'M' && part->component != 'x' && part->component != 'F' &&
            part->component != 'P')
            return jsonata_raise(e, "D3133", json_str_copy(jsonata_arena(e), tl_sv(&letter, 1)));
        if (m == MATCH_DIGITS && part->component != 'f' && part->integer.kind == INT_SEQUENCE)
            return jsonata_raise(e, "D3130", json_sv(part->integer.token));
    }
    return TL_OK;
}

static enum tl_rc read_parts(struct state *s, struct found *f)
{
    for (size_t k = 0; k < s->pic->count; k++) {
        const struct jsonata_date_part *part = &s->pic->parts[k];
        struct tl_sv text = tl_sv(s->text.p + s->start[k], s->end[k] - s->start[k]);
        double value;

        if (part->literal)
            continue;
        enum matcher m = matcher_of(part);

        if (m == MATCH_ZONE) {
            value = parse_zone(part, text);
        } else if (part->component == 'f') {
            value = parse_fraction(text);
        } else if (m == MATCH_NAME) {
            value = parse_name(part, text);
        } else {
            enum tl_rc rc = jsonata_int_parse(s->e, &part->integer, text, &value);

            if (rc != TL_OK)
                return rc;
        }
        f->any = true;
        f->set[part->component & 127] = m != MATCH_NAME || value >= 0;
        f->v[part->component & 127] = value;
    }
    return TL_OK;
}

/* One bit a letter: was a value other than zero read? (The reference tests for truth, so midnight does not count.) */
static unsigned mask_of(const struct found *f, const char *letters)
{
    unsigned mask = 0;

    for (const char *p = letters; *p; p++)
        mask = mask << 1 | (f->set[(int)*p] && f->v[(int)*p] != 0 && !isnan(f->v[(int)*p]));
    return mask;
}

static bool fits(unsigned mask, unsigned allowed)
{
    return (mask & ~allowed) == 0 && mask != 0;
}

/* What stands before the first given component comes from now, what follows the last is the least; gaps are D3136. */
static enum tl_rc fill_in(struct jsonata_eval *e, struct found *f, const char *letters)
{
    bool started = false, ended = false;

    for (const char *p = letters; *p; p++) {
        unsigned i = (unsigned char)*p;

        if (f->set[i]) {
            started = true;
            if (ended)
                return jsonata_raise(e, "D3136", JSON_NOTHING);
        } else if (started) {
            f->v[i] = *p == 'M' || *p == 'D' || *p == 'd' ? 1 : 0;
            ended = true;
        } else {
            /* am or pm of now is a word in the reference, which is never equal to 1. */
            f->v[i] = *p == 'P' ? -1 : jsonata_date_component((double)jsonata_now_ms(e), (uint32_t)*p);
        }
    }
    return TL_OK;
}

static enum tl_rc resolve(struct jsonata_eval *e, struct found *f, double *ret)
{
    unsigned date = mask_of(f, "YXMxWwdD"), time = mask_of(f, "PHhmsf");
    bool by_date = fits(date, 0xa1), by_day = !by_date && fits(date, 0x82);
    bool by_month_week = fits(date, 0x54), by_week = !by_month_week && fits(date, 0x48);
    bool half_day = !fits(time, 0x17) && fits(time, 0x2f);
    static const char *const letters[4][2] = {
        {"YMDHmsf", "YMDPhmsf"}, {"YDHmsf", "YDPhmsf"}, {"XxwFHmsf", "XxwFPhmsf"}, {"XWFHmsf", "XWFPhmsf"}};
    int of_date = by_day ? 1 : by_month_week ? 2 : by_week ? 3 : 0;
    enum tl_rc rc = fill_in(e, f, letters[of_date][half_day]);

    if (rc != TL_OK)
        return rc;
    if (by_month_week || by_week)
        return jsonata_raise(e, "D3136", JSON_NOTHING); /* week dates: not supported by the reference either */
    double month = f->v['M'] > 0 ? f->v['M'] - 1 : 0, day = f->v['D'], hour = f->v['H'];

    if (by_day) {
        double first = jsonata_date_utc(f->v['Y'], 0, 1, 0, 0, 0, 0) + (f->v['d'] - 1) * 86400000.0;

        month = jsonata_date_component(first, 'M') - 1;
        day = jsonata_date_component(first, 'D');
    }
    if (half_day)
        hour = (f->v['h'] == 12 ? 0 : f->v['h']) + (f->v['P'] == 1 ? 12 : 0);
    double ms = jsonata_date_utc(f->v['Y'], month, day, hour, f->v['m'], f->v['s'], f->v['f']);
    double zone = f->set['Z'] && f->v['Z'] != 0 ? f->v['Z'] : f->set['z'] ? f->v['z'] : 0;

    *ret = isnan(zone) ? ms : ms - zone * 60000;
    return TL_OK;
}

enum tl_rc jsonata_date_parse(struct jsonata_eval *e, struct json text, struct json picture, struct json *ret)
{
    struct state s = {.e = e, .text = json_view(text)};
    struct found f = {0};
    bool matched;
    double ms = 0;
    enum tl_rc rc = jsonata_date_picture(e, json_view(picture), &s.pic);

    if (rc == TL_OK)
        rc = check_picture(e, s.pic);
    if (rc != TL_OK)
        return rc;
    s.start = jsonata_alloc(e, (s.pic->count + 1) * sizeof *s.start * 2);
    if (!s.start)
        return jsonata_exhausted(e);
    s.end = s.start + s.pic->count + 1;
    rc = match_parts(&s, &matched);
    if (rc != TL_OK)
        return rc;
    *ret = JSON_NOTHING;
    if (!matched)
        return TL_OK;
    rc = read_parts(&s, &f);
    if (rc != TL_OK || !f.any)
        return rc;
    rc = resolve(e, &f, &ms);
    if (rc == TL_OK)
        *ret = jsonata_number(ms);
    return rc;
}
