/* SPDX-License-Identifier: Apache-2.0 */
/* date_format.c - $fromMillis: a time in the words of a picture (F&O 9.8.4). */
#include "jsonata/functions/functions_int.h"

struct zone {
    double hours, minutes; /* as the reference splits "+hhmm": -0530 is -6 and -30 */
};

static void put_two(char *p, int32_t v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
}

/* 2026-11-24T18:20:00.123Z, the picture that nobody has to write. */
static enum tl_rc format_iso(struct jsonata_eval *e, double ms, struct json *ret)
{
    struct tl_civil c;
    char *p = jsonata_alloc_text(e, 24);

    if (!p)
        return jsonata_exhausted(e);
    tl_civil_from_ms((int64_t)trunc(ms), &c);
    put_two(p, c.year / 100);
    put_two(p + 2, c.year % 100);
    p[4] = p[7] = '-';
    put_two(p + 5, c.month);
    put_two(p + 8, c.day);
    p[10] = 'T';
    put_two(p + 11, c.hour);
    p[13] = p[16] = ':';
    put_two(p + 14, c.minute);
    put_two(p + 17, c.second);
    p[19] = '.';
    p[20] = (char)('0' + c.ms / 100);
    put_two(p + 21, c.ms % 100);
    p[23] = 'Z';
    *ret = jsonata_text(p, 24, JSON_F_ASCII | JSON_F_PLAIN);
    return TL_OK;
}

static enum tl_rc put_name(struct jsonata_out *o, const struct jsonata_date_part *part, double value)
{
    const char *name = NULL;
    size_t n;
    char *to;

    if (part->component == 'M' || part->component == 'x')
        name = value >= 1 ? jsonata_month_names[(int)value - 1] : "undefined";
    else if (part->component == 'F')
        name = value >= 1 ? jsonata_day_names[(int)value - 1] : "undefined";
    if (!name) {
        char letter = (char)part->component;

        return jsonata_raise(o->e, "D3133", json_str_copy(jsonata_arena(o->e), tl_sv(&letter, 1)));
    }
    n = strlen(name);
    if ((double)n > part->width_max)
        n = part->width_max > 0 ? (size_t)part->width_max : 0;
    to = jsonata_out_room(o, n);
    if (!to)
        return jsonata_exhausted(o->e);
    for (size_t i = 0; i < n; i++) {
        char c = name[i];

        if (part->names == NAMES_UPPER && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        else if (part->names == NAMES_LOWER && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        to[i] = c;
    }
    o->n += n;
    return TL_OK;
}

static enum tl_rc put_integer(struct jsonata_out *o, const struct jsonata_date_part *part, double value)
{
    if (part->component == 'Y' && part->year_modulo != -1 &&
        !(part->year_modulo >= 4 && value >= 0 && value < 10000)) /* nothing to take off the years of our days */
        value = fmod(value, pow(10, part->year_modulo));
    return jsonata_int_format(o, &part->integer, value);
}

static enum tl_rc put_zone(struct jsonata_out *o, const struct jsonata_date_part *part, struct zone z)
{
    const struct jsonata_int_picture *pic = &part->integer;
    double offset = z.hours * 100 + z.minutes;
    enum tl_rc rc;

    if (offset == 0 && part->modifier == 't' && (pic->regular || (pic->mandatory >= 1 && pic->mandatory <= 4))) {
        jsonata_out_byte(o, 'Z');
        return TL_OK;
    }
    if (!pic->regular && (pic->mandatory < 1 || pic->mandatory > 4))
        return jsonata_raise(o->e, "D3134", pic->mandatory < 0 ? JSON_NOTHING : json_int(pic->mandatory));
    if (part->component == 'z')
        jsonata_out_ascii(o, "GMT", 3);
    if (offset >= 0)
        jsonata_out_byte(o, '+');
    if (pic->regular || pic->mandatory > 2)
        return jsonata_int_format(o, pic, offset);
    rc = jsonata_int_format(o, pic, z.hours);
    if (rc == TL_OK && z.minutes != 0) {
        static const struct jsonata_int_picture two = {.zero = '0', .mandatory = 2};

        jsonata_out_byte(o, ':');
        rc = jsonata_int_format(o, &two, z.minutes);
    }
    return rc;
}

/* civil: of ms; NULL when that is out of range. */
static enum tl_rc put_part(struct jsonata_out *o, const struct jsonata_date_part *part, const struct tl_civil *civil,
                           double ms, struct zone z)
{
    switch (part->component) {
    case 'Y':
    case 'M':
    case 'D':
    case 'd':
    case 'F':
    case 'W':
    case 'w':
    case 'X':
    case 'x':
    case 'H':
    case 'h':
    case 'm':
    case 's':
    case 'f': {
        double value = civil ? jsonata_civil_component(civil, ms, part->component) : JSONATA_NAN;

        if (part->names && part->component != 'f')
            return put_name(o, part, value);
        /* "[fn]" has no integer picture in the reference, which then breaks; ours says so. */
        return part->names ? jsonata_raise(o->e, "D3133", json_str("f")) : put_integer(o, part, value);
    }
    case 'Z':
    case 'z':
        return put_zone(o, part, z);
    case 'P': {
        bool pm = civil && civil->hour >= 12;

        jsonata_out_ascii(o, part->names == NAMES_UPPER ? (pm ? "PM" : "AM") : (pm ? "pm" : "am"), 2);
        return TL_OK;
    }
    case 'C':
    case 'E':
        jsonata_out_ascii(o, "ISO", 3);
        return TL_OK;
    default:
        jsonata_out_ascii(o, "undefined", 9);
        return TL_OK;
    }
}

enum tl_rc jsonata_date_format(struct jsonata_eval *e, double ms, const struct json *picture, const struct json *zone,
                               struct json *ret)
{
    static const struct tl_sv iso = {"[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]", 53};
    const struct jsonata_date_picture *pic;
    struct jsonata_out o;
    struct zone z = {0, 0};
    struct tl_civil civil;
    bool in_range;

    if (zone->type == JSON_STRING) {
        double offset = jsonata_parse_int(json_view(*zone));

        z.hours = floor(offset / 100);
        z.minutes = fmod(offset, 100);
    } else if (picture->type != JSON_STRING && ms >= -62135596800000.0 && ms < 253402300800000.0) {
        return format_iso(e, ms, ret);
    }
    enum tl_rc rc = jsonata_date_picture(e, picture->type == JSON_STRING ? json_view(*picture) : iso, &pic);

    if (rc != TL_OK)
        return rc;
    ms = trunc(ms + (60 * z.hours + z.minutes) * 60000);
    in_range = jsonata_civil(ms, &civil);
    jsonata_out_begin(&o, e, 40);
    for (size_t i = 0; i < pic->count && rc == TL_OK; i++) {
        const struct jsonata_date_part *part = &pic->parts[i];

        if (part->literal)
            jsonata_out_put(&o, part->text);
        else
            rc = put_part(&o, part, in_range ? &civil : NULL, ms, z);
    }
    return rc == TL_OK ? jsonata_out_end(&o, ret) : rc;
}
