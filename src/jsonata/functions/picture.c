/* SPDX-License-Identifier: Apache-2.0 */
/* picture.c - date and time pictures (F&O 9.8.4.1): literals and [markers], analysed once an evaluation. */
#include "jsonata/functions/functions_int.h"

const char *const jsonata_month_names[12] = {"January", "February", "March",     "April",   "May",      "June",
                                             "July",    "August",   "September", "October", "November", "December"};
const char *const jsonata_day_names[7] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

struct parts {
    struct jsonata_date_part *p;
    size_t n, cap;
};

static struct jsonata_date_part *add_part(struct jsonata_eval *e, struct parts *parts)
{
    if (parts->n == parts->cap) {
        size_t cap = parts->cap ? parts->cap * 2 : 12;
        struct jsonata_date_part *p =
            tl_arena_grow(jsonata_arena(e), parts->p, parts->cap * sizeof *p, cap * sizeof *p);

        if (!p)
            return NULL;
        parts->p = p;
        parts->cap = cap;
    }
    parts->p[parts->n] = (struct jsonata_date_part){.width_max = JSONATA_NAN, .year_modulo = -1};
    return &parts->p[parts->n++];
}

/* The text up to a marker, with "]]" read as "]". */
static enum tl_rc add_literal(struct jsonata_eval *e, struct parts *parts, struct tl_sv text)
{
    if (text.n == 0)
        return TL_OK;
    struct jsonata_date_part *part = add_part(e, parts);
    char *copy = jsonata_alloc_text(e, text.n);
    size_t n = 0;

    if (!part || !copy)
        return jsonata_exhausted(e);
    for (size_t i = 0; i < text.n; i++) {
        copy[n++] = text.p[i];
        if (text.p[i] == ']' && i + 1 < text.n && text.p[i + 1] == ']')
            i++;
    }
    part->literal = true;
    part->text = tl_sv(copy, n);
    return TL_OK;
}

static const char *default_presentation(uint32_t component)
{
    switch (component) {
    case 'Y':
    case 'M':
    case 'D':
    case 'd':
    case 'W':
    case 'w':
    case 'X':
    case 'x':
    case 'H':
    case 'h':
    case 'f':
        return "1";
    case 'F':
    case 'P':
    case 'C':
    case 'E':
        return "n";
    case 'm':
    case 's':
        return "01";
    case 'Z':
    case 'z':
        return "01:01";
    default:
        return NULL;
    }
}

static bool is_integer_component(uint32_t component)
{
    return component && component < 0x80 && strchr("YMDdFWwXxHhmsf", (int)component);
}

struct width {
    double min, max; /* NaN: not given */
};

/* "2", "2-4", "*-3" after the comma. */
static struct width read_width(struct tl_sv text)
{
    struct width w = {JSONATA_NAN, JSONATA_NAN};
    struct tl_sv rest = text, min;

    (void)tl_sv_cut(&rest, '-', &min);
    if (!tl_sv_eqs(min, "*"))
        w.min = jsonata_parse_int(min);
    if (min.n < text.n && !tl_sv_eqs(rest, "*"))
        w.max = jsonata_parse_int(rest);
    return w;
}

static int32_t digits_of(double width)
{
    return width >= 0 && width < 1e9 ? (int32_t)width : width >= 1e9 ? 1000000000 : -1;
}

/* Width and year rules on top of the integer picture: F&O 9.8.4.2 and 9.8.4.4. */
static void apply_width(struct jsonata_date_part *part, struct width w)
{
    struct jsonata_int_picture *pic = &part->integer;

    if (pic->mandatory >= 0 && pic->mandatory < w.min)
        pic->mandatory = digits_of(w.min);
    if (part->component != 'Y')
        return;
    if (!isnan(w.max)) {
        part->year_modulo = w.max;
        if (pic->mandatory >= 0)
            pic->mandatory = digits_of(w.max);
    } else if (pic->mandatory >= 0 && pic->mandatory + pic->optional >= 2) {
        part->year_modulo = pic->mandatory + pic->optional;
    }
}

static enum tl_rc read_presentation(struct jsonata_eval *e, struct parts *parts, struct jsonata_date_part *part,
                                    struct tl_sv text, struct width w)
{
    if (text.n > 1 && strchr("atco", text.p[text.n - 1])) {
        part->modifier = text.p[text.n - 1];
        text.n--;
    }
    if (text.p[0] == 'n' || text.p[0] == 'N') {
        part->names = text.p[0] == 'n' ? NAMES_LOWER : text.n > 1 && text.p[1] == 'n' ? NAMES_TITLE : NAMES_UPPER;
    } else if (is_integer_component(part->component)) {
        enum tl_rc rc;

        if (part->modifier) { /* goes behind ";" in the picture of the integer, where a semicolon before it is text */
            char *all = jsonata_alloc_text(e, text.n + 2);

            if (!all)
                return jsonata_exhausted(e);
            memcpy(all, text.p, text.n);
            all[text.n] = ';';
            all[text.n + 1] = part->modifier;
            text = tl_sv(all, text.n + 2);
        }
        rc = jsonata_int_picture(e, text, &part->integer);
        if (rc != TL_OK)
            return rc;
        part->has_integer = true;
        apply_width(part, w);
        if (parts->n > 1 && part[-1].has_integer && part[-1].integer.mandatory > 0)
            part[-1].integer.parse_width = part[-1].integer.mandatory;
    }
    if (part->component == 'Z' || part->component == 'z') {
        part->has_integer = true;
        return jsonata_int_picture(e, text, &part->integer);
    }
    return TL_OK;
}

/* White space inside a marker means nothing. */
static bool squeeze(struct jsonata_eval *e, struct tl_sv text, struct tl_sv *ret)
{
    char *copy = jsonata_alloc_text(e, text.n + 1);
    size_t n = 0;

    for (size_t at = 0; copy && at < text.n;) {
        uint32_t cp;
        size_t step = jsonata_cp_at(text, at, &cp);

        if (!jsonata_is_space(cp)) {
            memcpy(copy + n, text.p + at, step);
            n += step;
        }
        at += step;
    }
    *ret = tl_sv(copy, n);
    return copy != NULL;
}

static enum tl_rc add_marker(struct jsonata_eval *e, struct parts *parts, struct tl_sv text)
{
    struct width w = {JSONATA_NAN, JSONATA_NAN};
    struct tl_sv marker;

    if (!squeeze(e, text, &marker))
        return jsonata_exhausted(e);
    struct jsonata_date_part *part = add_part(e, parts);
    size_t step = 0, comma = marker.n;

    if (!part)
        return jsonata_exhausted(e);
    if (marker.n)
        step = jsonata_cp_at(marker, 0, &part->component);
    for (size_t i = marker.n; i > step && comma == marker.n; i--)
        if (marker.p[i - 1] == ',')
            comma = i - 1;
    if (comma < marker.n)
        w = read_width(tl_sv_from(marker, comma + 1));
    part->width_max = w.max;
    struct tl_sv presentation = tl_sv(marker.p + step, comma - step);

    if (presentation.n == 0) {
        const char *fallback = default_presentation(part->component);

        if (!fallback)
            return jsonata_raise(e, "D3132", json_sv(tl_sv(marker.p, step)));
        presentation = tl_sv_str(fallback);
    }
    return read_presentation(e, parts, part, presentation, w);
}

static enum tl_rc analyse(struct jsonata_eval *e, struct tl_sv text, struct parts *parts)
{
    size_t start = 0, at = 0;

    while (at < text.n) {
        enum tl_rc rc;

        if (text.p[at] != '[') {
            at++;
            continue;
        }
        rc = add_literal(e, parts, tl_sv(text.p + start, at - start));
        if (rc != TL_OK)
            return rc;
        if (at + 1 < text.n && text.p[at + 1] == '[') {
            rc = add_literal(e, parts, TL_SV("["));
            at += 2;
        } else {
            struct tl_sv rest = tl_sv_from(text, at);
            size_t close = tl_sv_find(rest, ']');

            if (close == rest.n)
                return jsonata_raise(e, "D3135", JSON_NOTHING);
            rc = add_marker(e, parts, tl_sv(rest.p + 1, close - 1));
            at += close + 1;
        }
        if (rc != TL_OK)
            return rc;
        start = at;
    }
    return add_literal(e, parts, tl_sv_from(text, start));
}

enum tl_rc jsonata_date_picture(struct jsonata_eval *e, struct tl_sv text, const struct jsonata_date_picture **ret)
{
    const struct jsonata_date_picture *known = jsonata_cache_get(e, CACHED_DATE, text);

    if (known) {
        *ret = known;
        return TL_OK;
    }
    struct parts parts = {0};
    enum tl_rc rc = analyse(e, text, &parts);

    if (rc != TL_OK)
        return rc;
    struct jsonata_date_picture *pic = jsonata_alloc(e, sizeof *pic);

    if (!pic)
        return jsonata_exhausted(e);
    /* The texts of the parts may point into `text`: remember a picture whose texts live as long as the evaluation. */
    *pic = (struct jsonata_date_picture){parts.p, parts.n};
    if (!jsonata_cache_put(e, CACHED_DATE, text, pic))
        return jsonata_exhausted(e);
    *ret = pic;
    return TL_OK;
}
