/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal.c - $formatNumber: pictures of F&O 4.7.3 to 4.7.5, analysed once an evaluation when there are no options.
 * Everything works on code points, because separators and digits may be any character.
 */
#include "jsonata/functions/functions_int.h"

#include <stdio.h>
#include <stdlib.h>

struct cps {
    uint32_t *p;
    size_t n;
};

enum property {
    P_DECIMAL,
    P_GROUPING,
    P_EXPONENT,
    P_MINUS,
    P_PERCENT,
    P_PER_MILLE,
    P_ZERO,
    P_DIGIT,
    P_PATTERN,
    P_COUNT
};

static const struct {
    const char *name, *fallback;
} properties[P_COUNT] = {
    {"decimal-separator", "."}, {"grouping-separator", ","}, {"exponent-separator", "e"}, {"minus-sign", "-"},
    {"percent", "%"},           {"per-mille", "\u2030"},     {"zero-digit", "0"},         {"digit", "#"},
    {"pattern-separator", ";"}};

struct format {
    struct jsonata_eval *e;
    struct cps property[P_COUNT];
    uint32_t zero;
};

struct part {
    struct cps prefix, suffix, picture;
    bool percent, per_mille, has_decimal;
    size_t *groups; /* positions of separators in the integer part, digits to their right */
    size_t group_count;
    size_t *fraction_groups;
    size_t fraction_group_count;
    size_t regular;
    size_t min_integer, scaling, min_fraction, max_fraction, min_exponent;
};

struct picture {
    struct format f;
    struct part part[2];
};

static struct cps cps_of(struct jsonata_eval *e, struct tl_sv s)
{
    struct cps c = {jsonata_alloc(e, (s.n + 1) * sizeof *c.p), 0};

    for (size_t at = 0; c.p && at < s.n;)
        at += jsonata_cp_at(s, at, &c.p[c.n++]);
    return c;
}

static struct cps sub(struct cps c, size_t from, size_t to) /* substring(): ends in any order, cut to the text */
{
    from = from < c.n ? from : c.n;
    to = to < c.n ? to : c.n;
    if (from > to) {
        size_t swap = from;

        from = to;
        to = swap;
    }
    return (struct cps){c.p + from, to - from};
}

#define NOT_FOUND SIZE_MAX

static size_t index_of(struct cps c, struct cps what, size_t from)
{
    for (size_t i = from; i + what.n <= c.n; i++)
        if (memcmp(c.p + i, what.p, what.n * sizeof *c.p) == 0)
            return i;
    return NOT_FOUND;
}

static size_t last_index_of(struct cps c, struct cps what)
{
    for (size_t i = c.n + 1; i > 0; i--)
        if (i - 1 + what.n <= c.n && memcmp(c.p + i - 1, what.p, what.n * sizeof *c.p) == 0)
            return i - 1;
    return NOT_FOUND;
}

static bool is(const struct format *f, enum property p, uint32_t cp)
{
    return f->property[p].n == 1 && f->property[p].p[0] == cp;
}

static bool in_family(const struct format *f, uint32_t cp)
{
    return cp >= f->zero && cp < f->zero + 10;
}

static bool is_digit_sign(const struct format *f, uint32_t cp)
{
    return in_family(f, cp) || is(f, P_DIGIT, cp);
}

static bool is_active(const struct format *f, uint32_t cp)
{
    return is_digit_sign(f, cp) || is(f, P_DECIMAL, cp) || is(f, P_EXPONENT, cp) || is(f, P_GROUPING, cp) ||
           is(f, P_PATTERN, cp);
}

static size_t count_digits(const struct format *f, struct cps c, bool optional_too)
{
    size_t n = 0;

    for (size_t i = 0; i < c.n; i++)
        n += optional_too ? is_digit_sign(f, c.p[i]) : in_family(f, c.p[i]);
    return n;
}

struct split {
    struct cps picture, prefix, suffix, active, mantissa, exponent, integer, fraction;
    bool has_exponent;
};

static struct split split_parts(const struct format *f, struct cps picture)
{
    struct split s = {.picture = picture};
    size_t first = picture.n, last = 0, at, point;

    for (size_t i = 0; i < picture.n; i++)
        if (is_active(f, picture.p[i]) && !is(f, P_EXPONENT, picture.p[i])) {
            first = first == picture.n ? i : first;
            last = i + 1;
        }
    s.prefix = sub(picture, 0, first == picture.n ? 0 : first);
    s.suffix = sub(picture, last ? last : picture.n, picture.n);
    s.active = sub(picture, s.prefix.n, picture.n - s.suffix.n);
    at = index_of(picture, f->property[P_EXPONENT], s.prefix.n);
    s.has_exponent = at != NOT_FOUND && at <= picture.n - s.suffix.n;
    /* The reference takes the position in the whole picture for one in the active part. */
    s.mantissa = s.has_exponent ? sub(s.active, 0, at) : s.active;
    s.exponent = s.has_exponent ? sub(s.active, at + 1, s.active.n) : sub(s.active, s.active.n, s.active.n);
    point = index_of(s.mantissa, f->property[P_DECIMAL], 0);
    s.integer = point == NOT_FOUND ? s.mantissa : sub(s.mantissa, 0, point);
    s.fraction = point == NOT_FOUND ? s.suffix : sub(s.mantissa, point + 1, s.mantissa.n);
    return s;
}

static bool at_is(const struct format *f, struct cps c, size_t at, enum property p)
{
    return at < c.n && is(f, p, c.p[at]);
}

static bool occurs(struct cps c, struct cps what)
{
    return index_of(c, what, 0) != NOT_FOUND;
}

static bool repeated(struct cps c, struct cps what)
{
    return index_of(c, what, 0) != last_index_of(c, what);
}

/* The rules of F&O 4.7.3 in the order of the reference, where the last one broken is the one reported. */
static const char *check(const struct format *f, const struct split *s)
{
    const char *code = NULL;
    const struct cps *p = f->property;
    size_t point = index_of(s->picture, p[P_DECIMAL], 0), at;
    bool percent = occurs(s->picture, p[P_PERCENT]), mille = occurs(s->picture, p[P_PER_MILLE]);
    uint32_t two[2] = {0};

    if (repeated(s->picture, p[P_DECIMAL]))
        code = "D3081";
    if (repeated(s->picture, p[P_PERCENT]))
        code = "D3082";
    if (repeated(s->picture, p[P_PER_MILLE]))
        code = "D3083";
    if (percent && mille)
        code = "D3084";
    if (count_digits(f, s->mantissa, true) == 0)
        code = "D3085";
    for (size_t i = 0; i < s->active.n; i++)
        if (!is_active(f, s->active.p[i]))
            code = "D3086";
    if (point != NOT_FOUND) {
        if ((point && at_is(f, s->picture, point - 1, P_GROUPING)) || at_is(f, s->picture, point + 1, P_GROUPING))
            code = "D3087";
    } else if (s->integer.n && at_is(f, s->integer, s->integer.n - 1, P_GROUPING)) {
        code = "D3088";
    }
    if (p[P_GROUPING].n == 1) {
        two[0] = two[1] = p[P_GROUPING].p[0];
        if (occurs(s->picture, (struct cps){two, 2}))
            code = "D3089";
    }
    at = index_of(s->integer, p[P_DIGIT], 0);
    if (at != NOT_FOUND && count_digits(f, sub(s->integer, 0, at), false))
        code = "D3090";
    at = last_index_of(s->fraction, p[P_DIGIT]);
    if (at != NOT_FOUND && count_digits(f, sub(s->fraction, at, s->fraction.n), false))
        code = "D3091";
    if (s->has_exponent && s->exponent.n && (percent || mille))
        code = "D3092";
    if (s->has_exponent && (s->exponent.n == 0 || count_digits(f, s->exponent, false) < s->exponent.n))
        code = "D3093";
    return code;
}

/* Separators' places. After the first the search goes on in the integer part, also for the fraction: so the reference.
 */
static bool grouping(const struct format *f, struct cps part, struct cps integer, bool to_left, size_t **ret, size_t *n)
{
    size_t at = index_of(part, f->property[P_GROUPING], 0);

    *n = 0;
    *ret = NULL;
    if (at == NOT_FOUND || f->property[P_GROUPING].n == 0)
        return true;
    *ret = jsonata_alloc(f->e, (part.n + integer.n + 1) * sizeof **ret);
    if (!*ret)
        return false;
    for (; at != NOT_FOUND; at = index_of(integer, f->property[P_GROUPING], at + 1))
        (*ret)[(*n)++] = count_digits(f, to_left ? sub(part, 0, at) : sub(part, at, part.n < at ? at : part.n), true);
    return true;
}

static size_t gcd(size_t a, size_t b)
{
    while (b) {
        size_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static size_t regular_interval(const size_t *at, size_t n)
{
    size_t factor = n ? at[0] : 0;

    for (size_t i = 1; i < n; i++)
        factor = gcd(factor, at[i]);
    for (size_t want = 1; want <= n; want++) {
        bool found = false;

        for (size_t i = 0; i < n && !found; i++)
            found = at[i] == want * factor;
        if (!found)
            return 0;
    }
    return factor;
}

/* F&O 4.7.4 */
static bool analyse(const struct format *f, const struct split *s, struct part *ret)
{
    struct part p = {.prefix = s->prefix, .suffix = s->suffix, .picture = s->picture};

    if (!grouping(f, s->integer, s->integer, false, &p.groups, &p.group_count) ||
        !grouping(f, s->fraction, s->integer, true, &p.fraction_groups, &p.fraction_group_count))
        return false;
    p.regular = regular_interval(p.groups, p.group_count);
    p.min_integer = p.scaling = count_digits(f, s->integer, false);
    p.min_fraction = count_digits(f, s->fraction, false);
    p.max_fraction = count_digits(f, s->fraction, true);
    if (p.min_integer == 0 && p.max_fraction == 0) {
        if (s->has_exponent)
            p.min_fraction = p.max_fraction = 1;
        else
            p.min_integer = 1;
    }
    if (s->has_exponent && p.min_integer == 0 && occurs(s->integer, f->property[P_DIGIT]))
        p.min_integer = 1;
    if (p.min_integer == 0 && p.min_fraction == 0)
        p.min_fraction = 1;
    p.min_exponent = s->has_exponent ? count_digits(f, s->exponent, false) : 0;
    p.percent = occurs(s->picture, f->property[P_PERCENT]);
    p.per_mille = !p.percent && occurs(s->picture, f->property[P_PER_MILLE]);
    p.has_decimal = occurs(s->picture, f->property[P_DECIMAL]);
    *ret = p;
    return true;
}

static bool read_properties(struct jsonata_eval *e, struct json options, struct format *f)
{
    f->e = e;
    for (int i = 0; i < P_COUNT; i++) {
        struct json given = json_gets(options, properties[i].name);

        f->property[i] = cps_of(e, given.type == JSON_STRING ? json_view(given) : tl_sv_str(properties[i].fallback));
        if (!f->property[i].p)
            return false;
    }
    f->zero = f->property[P_ZERO].n ? f->property[P_ZERO].p[0] : '0';
    return true;
}

static enum tl_rc read_picture(struct jsonata_eval *e, struct tl_sv text, struct json options, struct picture *pic)
{
    struct cps all = cps_of(e, text);
    struct cps sub_pictures[2];
    size_t count = 0, from = 0;

    if (!all.p || !read_properties(e, options, &pic->f))
        return jsonata_exhausted(e);
    const struct cps *separator = &pic->f.property[P_PATTERN];

    for (;;) {
        size_t at = separator->n ? index_of(all, *separator, from) : NOT_FOUND;

        if (count == 2)
            return jsonata_raise(e, "D3080", JSON_NOTHING);
        sub_pictures[count++] = sub(all, from, at == NOT_FOUND ? all.n : at);
        if (at == NOT_FOUND)
            break;
        from = at + separator->n;
    }
    struct split splits[2];

    for (size_t i = 0; i < count; i++) {
        splits[i] = split_parts(&pic->f, sub_pictures[i]);
        const char *code = check(&pic->f, &splits[i]);

        if (code)
            return jsonata_raise(e, code, JSON_NOTHING);
    }
    for (size_t i = 0; i < count; i++)
        if (!analyse(&pic->f, &splits[i], &pic->part[i]))
            return jsonata_exhausted(e);
    if (count == 1) { /* negative numbers: the same with a minus sign before */
        const struct cps *minus = &pic->f.property[P_MINUS];
        struct cps prefix = {jsonata_alloc(e, (minus->n + pic->part[0].prefix.n + 1) * sizeof *prefix.p), 0};

        if (!prefix.p)
            return jsonata_exhausted(e);
        memcpy(prefix.p, minus->p, minus->n * sizeof *prefix.p);
        if (pic->part[0].prefix.n)
            memcpy(prefix.p + minus->n, pic->part[0].prefix.p, pic->part[0].prefix.n * sizeof *prefix.p);
        prefix.n = minus->n + pic->part[0].prefix.n;
        pic->part[1] = pic->part[0];
        pic->part[1].prefix = prefix;
    }
    return TL_OK;
}

static void put_cps(struct jsonata_out *o, struct cps c)
{
    for (size_t i = 0; i < c.n; i++)
        jsonata_out_cp(o, c.p[i]);
}

static void put_digit(struct jsonata_out *o, const struct format *f, char c)
{
    jsonata_out_cp(o, c >= '0' && c <= '9' ? (uint32_t)(c - '0') + f->zero : (uint32_t)(unsigned char)c);
}

/* toFixed(): ties go up, and the value has been rounded to these places already; 1e21 and above keep their exponent. */
static size_t fixed_text(double d, size_t places, char *out, size_t room)
{
    if (!(fabs(d) < 1e21))
        return jsonata_number_text(fabs(d), out);
    return (size_t)snprintf(out, room, "%.*f", (int)places, fabs(d));
}

/* Digits of the integer part with its separators (bullets 8 to 10). */
static void put_integer(struct jsonata_out *o, const struct format *f, const struct part *p, const char *digits,
                        size_t n)
{
    size_t zeros = n < p->min_integer ? p->min_integer - n : 0, total = n + zeros;

    for (size_t i = 0; i < total; i++) {
        size_t left = total - i;
        bool here = i && p->regular && left % p->regular == 0;

        for (size_t k = 0; k < p->group_count && !p->regular && !here; k++)
            here = p->groups[k] == left;
        if (here)
            put_cps(o, f->property[P_GROUPING]);
        put_digit(o, f, i < zeros ? '0' : digits[i - zeros]);
    }
}

/* The decimal separator and what follows. Where the picture has none, the reference takes off the last character of the
 * number, which is a digit for pictures such as "#e0" (F&O asks for one digit there). */
static void put_fraction(struct jsonata_out *o, const struct format *f, const struct part *p, const char *digits,
                         size_t n)
{
    size_t total = n < p->min_fraction ? p->min_fraction : n;

    if (total)
        put_cps(o, f->property[P_DECIMAL]);
    if (total && !p->has_decimal)
        total--;
    for (size_t i = 0; i < total; i++) {
        for (size_t k = 0; k < p->fraction_group_count; k++)
            if (i && p->fraction_groups[k] == i)
                put_cps(o, f->property[P_GROUPING]);
        put_digit(o, f, i < n ? digits[i] : '0');
    }
}

static double scale(const struct part *p, double value, int *exponent)
{
    double most = pow(10, (double)p->scaling), least = pow(10, (double)p->scaling - 1);

    *exponent = 0;
    if (p->min_exponent == 0 || value == 0)
        return value;
    while (fabs(value) < least) {
        value *= 10;
        --*exponent;
    }
    while (fabs(value) > most && isfinite(value)) {
        value /= 10;
        ++*exponent;
    }
    return value;
}

static enum tl_rc put_number(struct jsonata_eval *e, const struct picture *pic, double value, struct json *ret)
{
    const struct format *f = &pic->f;
    const struct part *p = &pic->part[value >= 0 ? 0 : 1];
    char text[512], power[32];
    int exponent;
    struct jsonata_out o;

    if (p->max_fraction > 100) /* toFixed() refuses more */
        return jsonata_exhausted(e);
    value = scale(p, p->percent ? value * 100 : p->per_mille ? value * 1000 : value, &exponent);
    value = jsonata_round(value, (double)p->max_fraction);
    size_t n = fixed_text(value, p->max_fraction, text, sizeof text), point = 0, begin = 0;

    while (point < n && text[point] != '.')
        point++;
    while (begin < point && text[begin] == '0')
        begin++;
    size_t fraction = point < n ? point + 1 : n;

    while (n > fraction && text[n - 1] == '0')
        n--;
    jsonata_out_begin(&o, e, 32);
    put_cps(&o, p->prefix);
    put_integer(&o, f, p, text + begin, point - begin);
    put_fraction(&o, f, p, text + fraction, n - fraction);
    if (p->min_exponent) {
        int len =
            snprintf(power, sizeof power, "%0*d", (int)(p->min_exponent < 30 ? p->min_exponent : 30), abs(exponent));

        put_cps(&o, f->property[P_EXPONENT]);
        if (exponent < 0)
            put_cps(&o, f->property[P_MINUS]);
        for (int i = 0; i < len; i++)
            put_digit(&o, f, power[i]);
    }
    put_cps(&o, p->suffix);
    return jsonata_out_end(&o, ret);
}

enum tl_rc jsonata_decimal_format(struct jsonata_eval *e, double value, struct json picture, struct json options,
                                  struct json *ret)
{
    bool plain = options.type != JSON_OBJECT;
    const struct picture *known = plain ? jsonata_cache_get(e, CACHED_DECIMAL, json_view(picture)) : NULL;

    if (!known) {
        struct picture *pic = jsonata_alloc(e, sizeof *pic);

        if (!pic)
            return jsonata_exhausted(e);
        enum tl_rc rc = read_picture(e, json_view(picture), options, pic);

        if (rc != TL_OK)
            return rc;
        if (plain && !jsonata_cache_put(e, CACHED_DECIMAL, json_view(picture), pic))
            return jsonata_exhausted(e);
        known = pic;
    }
    return put_number(e, known, value, ret);
}
