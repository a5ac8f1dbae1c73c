/* SPDX-License-Identifier: Apache-2.0 */
/* integer.c - pictures of $formatInteger and $parseInteger (F&O 4.6.1), also inside date pictures. */
#include "jsonata/functions/functions_int.h"

/* Zeros of the decimal digit families of the Basic Multilingual Plane that the reference knows. */
static const uint16_t digit_zeros[] = {0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6,
                                       0x0c66, 0x0ce6, 0x0d66, 0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0,
                                       0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620,
                                       0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10};

static uint32_t zero_of(uint32_t cp) /* 0: no digit */
{
    if (cp < 0x80)
        return cp >= '0' && cp <= '9' ? '0' : 0;
    for (size_t i = 1; i < sizeof digit_zeros / sizeof *digit_zeros; i++)
        if (cp >= digit_zeros[i] && cp <= digit_zeros[i] + 9u)
            return digit_zeros[i];
    return 0;
}

static int32_t gcd(int32_t a, int32_t b)
{
    while (b) {
        int32_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/* Separators repeat at one interval when all are alike and stand at 1, 2 ... n times the common divisor. */
static int32_t regular_interval(const struct jsonata_separator *s, size_t n)
{
    int32_t factor = n ? s[0].position : 0;

    for (size_t i = 1; i < n; i++) {
        if (s[i].cp != s[0].cp)
            return 0;
        factor = gcd(factor, s[i].position);
    }
    for (size_t want = 1; want <= n; want++) {
        bool found = false;

        for (size_t i = 0; i < n && !found; i++)
            found = s[i].position == (int32_t)want * factor;
        if (!found)
            return 0;
    }
    return factor;
}

/* Collects digits from the right; the picture's separators come out rightmost first. */
static enum tl_rc read_digit_pattern(struct jsonata_eval *e, struct tl_sv text, struct jsonata_int_picture *pic)
{
    struct jsonata_separator *found = NULL;
    size_t count = 0;
    int32_t position = 0, mandatory = 0, optional = 0;
    uint32_t zero = 0;

    for (size_t at = text.n; at > 0;) {
        uint32_t cp, family;

        do
            at--;
        while (at > 0 && ((unsigned char)text.p[at] & 0xc0) == 0x80);
        (void)jsonata_cp_at(text, at, &cp);
        family = zero_of(cp);
        if (family || cp == '#') {
            position++;
            mandatory += family != 0;
            optional += family == 0;
            if (family && zero && family != zero)
                return jsonata_raise(e, "D3131", JSON_NOTHING);
            zero = family ? family : zero;
            continue;
        }
        if (!found && !(found = jsonata_alloc(e, text.n * sizeof *found)))
            return jsonata_exhausted(e);
        found[count++] = (struct jsonata_separator){position, cp};
    }
    if (!mandatory) {
        pic->kind = INT_SEQUENCE;
        pic->token = text;
        return TL_OK;
    }
    pic->zero = zero;
    pic->mandatory = mandatory;
    pic->optional = optional;
    pic->each.position = count > 0 && count < 64 ? regular_interval(found, count) : 0;
    pic->regular = pic->each.position > 0;
    if (pic->regular)
        pic->each.cp = found[0].cp;
    pic->separators = found;
    pic->separator_count = count;
    return TL_OK;
}

enum tl_rc jsonata_int_picture(struct jsonata_eval *e, struct tl_sv picture, struct jsonata_int_picture *ret)
{
    static const struct {
        char name[3];
        uint8_t kind, letter_case;
    } fixed[] = {{"A", INT_LETTERS, CASE_UPPER}, {"a", INT_LETTERS, CASE_LOWER}, {"I", INT_ROMAN, CASE_UPPER},
                 {"i", INT_ROMAN, CASE_LOWER},   {"W", INT_WORDS, CASE_UPPER},   {"Ww", INT_WORDS, CASE_TITLE},
                 {"w", INT_WORDS, CASE_LOWER}};
    struct jsonata_int_picture pic = {.mandatory = -1, .optional = -1};
    struct tl_sv primary = picture;

    for (size_t i = picture.n; i > 0; i--)
        if (picture.p[i - 1] == ';') {
            primary.n = i - 1;
            pic.ordinal = i < picture.n && picture.p[i] == 'o';
            break;
        }
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (tl_sv_eqs(primary, fixed[i].name)) {
            pic.kind = fixed[i].kind;
            pic.letter_case = fixed[i].letter_case;
            *ret = pic;
            return TL_OK;
        }
    enum tl_rc rc = read_digit_pattern(e, primary, &pic);

    if (rc == TL_OK)
        *ret = pic;
    return rc;
}

/* ---- formatting ---- */

static void put_letters(struct jsonata_out *o, double value, char first)
{
    char text[256];
    size_t at = sizeof text;

    while (value > 0 && at > 0) {
        text[--at] = (char)(first + (int)fmod(value - 1, 26));
        value = floor((value - 1) / 26);
    }
    jsonata_out_ascii(o, text + at, sizeof text - at);
}

static void put_roman(struct jsonata_out *o, double value, bool upper)
{
    static const struct {
        int value;
        char lower[3], upper[3];
    } numerals[] = {{1000, "m", "M"}, {900, "cm", "CM"}, {500, "d", "D"},  {400, "cd", "CD"}, {100, "c", "C"},
                    {90, "xc", "XC"}, {50, "l", "L"},    {40, "xl", "XL"}, {10, "x", "X"},    {9, "ix", "IX"},
                    {5, "v", "V"},    {4, "iv", "IV"},   {1, "i", "I"}};

    for (size_t i = 0; i < sizeof numerals / sizeof *numerals && !o->failed;) {
        if (value < numerals[i].value || isnan(value)) {
            i++;
            continue;
        }
        const char *s = upper ? numerals[i].upper : numerals[i].lower;

        jsonata_out_ascii(o, s, strlen(s));
        value -= numerals[i].value;
    }
}

/* The reference cuts the text with substr(), where a negative position counts from the end: kept as it is. */
static size_t insert_separator(uint32_t *text, size_t n, struct jsonata_separator s)
{
    if ((size_t)s.position <= n) {
        size_t tail = (size_t)s.position;

        memmove(text + n - tail + 1, text + n - tail, tail * sizeof *text);
        text[n - tail] = s.cp;
        return n + 1;
    }
    size_t keep = (size_t)s.position - n;

    keep = keep < n ? keep : n;
    memmove(text + 1, text + n - keep, keep * sizeof *text);
    text[0] = s.cp;
    return keep + 1;
}

static const char *ordinal_suffix(uint32_t before, uint32_t last)
{
    if (before == '1')
        return "th";
    return last == '1' ? "st" : last == '2' ? "nd" : last == '3' ? "rd" : "th";
}

/* Digits in another family, irregular separators: by code points. */
static void put_general(struct jsonata_out *o, const struct jsonata_int_picture *pic, const char *digits, size_t n,
                        size_t zeros)
{
    size_t total = n + zeros, room = total + pic->separator_count;
    uint32_t *text = room < SIZE_MAX / 8 ? jsonata_alloc(o->e, room * sizeof *text) : NULL;

    if (!text) {
        o->failed = true;
        return;
    }
    for (size_t i = 0; i < total; i++)
        text[i] = (uint32_t)(unsigned char)(i < zeros ? '0' : digits[i - zeros]) - '0' + pic->zero;
    for (size_t i = pic->separator_count; i > 0 && !pic->regular; i--)
        total = insert_separator(text, total, pic->separators[i - 1]);
    for (size_t i = 0; i < total; i++) {
        if (pic->regular && i && (total - i) % (size_t)pic->each.position == 0)
            jsonata_out_cp(o, pic->each.cp);
        jsonata_out_cp(o, text[i]);
    }
    if (pic->ordinal && total) {
        uint32_t before = total > 1 ? text[total - 2] : 0;

        if (pic->regular && pic->each.position == 1)
            before = pic->each.cp;
        jsonata_out_ascii(o, ordinal_suffix(before, text[total - 1]), 2);
    }
}

static void put_decimal(struct jsonata_out *o, const struct jsonata_int_picture *pic, double value)
{
    char digits[32];
    size_t n, zeros;

    if (value < 1e6) {
        uint32_t rest = (uint32_t)value;
        size_t at = sizeof digits;

        do
            digits[--at] = (char)('0' + rest % 10);
        while (rest /= 10);
        n = sizeof digits - at;
        memmove(digits, digits + at, n);
    } else {
        n = jsonata_number_text(value, digits);
    }
    zeros = pic->mandatory > 0 && (size_t)pic->mandatory > n ? (size_t)pic->mandatory - n : 0;
    if (pic->zero != '0' || pic->separator_count) {
        put_general(o, pic, digits, n, zeros);
        return;
    }
    char *to = jsonata_out_room(o, n + zeros + 2);

    if (!to)
        return;
    memset(to, '0', zeros);
    memcpy(to + zeros, digits, n);
    o->n += zeros + n;
    if (pic->ordinal) {
        uint32_t before = n > 1 ? (unsigned char)digits[n - 2] : 0;

        jsonata_out_ascii(o, ordinal_suffix(before, (unsigned char)digits[n - 1]), 2);
    }
}

static void put_words(struct jsonata_out *o, const struct jsonata_int_picture *pic, double value)
{
    size_t begin = o->n;

    jsonata_words_format(o, value, pic->ordinal);
    if (o->failed || pic->letter_case == CASE_TITLE)
        return;
    for (char *p = o->p + begin, *end = o->p + o->n; p < end; p++) {
        if (pic->letter_case == CASE_UPPER && *p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
        else if (pic->letter_case == CASE_LOWER && *p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    }
}

enum tl_rc jsonata_int_format(struct jsonata_out *o, const struct jsonata_int_picture *pic, double value)
{
    if (value < 0)
        jsonata_out_byte(o, '-');
    value = fabs(value);
    switch ((enum jsonata_int_kind)pic->kind) {
    case INT_LETTERS:
        put_letters(o, value, pic->letter_case == CASE_UPPER ? 'A' : 'a');
        break;
    case INT_ROMAN:
        if (value > 1e7) { /* the reference overflows its stack here: ten thousand letters say nothing */
            o->failed = true;
            break;
        }
        put_roman(o, value, pic->letter_case == CASE_UPPER);
        break;
    case INT_WORDS:
        put_words(o, pic, value);
        break;
    case INT_DECIMAL:
        put_decimal(o, pic, value);
        break;
    case INT_SEQUENCE:
        return jsonata_raise(o->e, "D3130", json_sv(pic->token));
    }
    return o->failed ? jsonata_exhausted(o->e) : TL_OK;
}

/* ---- parsing ---- */

static double parse_letters(struct tl_sv text, uint32_t first)
{
    double value = 0;

    for (size_t at = 0; at < text.n;) {
        uint32_t cp;

        at += jsonata_cp_at(text, at, &cp);
        value = value * 26 + ((double)cp - first + 1);
    }
    return value;
}

static double parse_roman(struct tl_sv text, bool upper)
{
    double value = 0, most = 1;

    for (size_t i = text.n; i > 0; i--) {
        char c = text.p[i - 1];
        int v = 0;

        if (!upper && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        switch (c) {
        case 'M':
            v = 1000;
            break;
        case 'D':
            v = 500;
            break;
        case 'C':
            v = 100;
            break;
        case 'L':
            v = 50;
            break;
        case 'X':
            v = 10;
            break;
        case 'V':
            v = 5;
            break;
        case 'I':
            v = 1;
            break;
        default:
            return JSONATA_NAN;
        }
        if (v < most) {
            value -= v;
        } else {
            most = v;
            value += v;
        }
    }
    return value;
}

static bool is_separator(const struct jsonata_int_picture *pic, uint32_t cp)
{
    if (pic->regular)
        return cp == ','; /* whatever the picture's own separator is: so the reference */
    for (size_t i = 0; i < pic->separator_count; i++)
        if (pic->separators[i].cp == cp)
            return true;
    return false;
}

static enum tl_rc parse_decimal(struct jsonata_eval *e, const struct jsonata_int_picture *pic, struct tl_sv text,
                                double *ret)
{
    char *digits = jsonata_alloc_text(e, text.n * 3 + 1);
    size_t n = 0, end = text.n;

    if (!digits)
        return jsonata_exhausted(e);
    for (int i = 0; pic->ordinal && i < 2 && end > 0; i++) { /* the suffix: two characters */
        do
            end--;
        while (end > 0 && ((unsigned char)text.p[end] & 0xc0) == 0x80);
    }
    for (size_t at = 0; at < end;) {
        uint32_t cp;

        at += jsonata_cp_at(text, at, &cp);
        if (is_separator(pic, cp))
            continue;
        cp = cp - pic->zero + '0';
        n += cp < 0x110000 ? tl_utf8_encode(cp, digits + n) : tl_utf8_encode(0xfffd, digits + n);
    }
    *ret = jsonata_parse_int(tl_sv(digits, n));
    return TL_OK;
}

enum tl_rc jsonata_int_parse(struct jsonata_eval *e, const struct jsonata_int_picture *pic, struct tl_sv text,
                             double *ret)
{
    switch ((enum jsonata_int_kind)pic->kind) {
    case INT_LETTERS:
        *ret = parse_letters(text, pic->letter_case == CASE_UPPER ? 'A' : 'a');
        return TL_OK;
    case INT_ROMAN:
        *ret = parse_roman(text, pic->letter_case == CASE_UPPER);
        return TL_OK;
    case INT_WORDS:
        *ret = jsonata_words_parse(text);
        return TL_OK;
    case INT_DECIMAL:
        return parse_decimal(e, pic, text, ret);
    case INT_SEQUENCE:
        break;
    }
    return jsonata_raise(e, "D3130", json_sv(pic->token));
}
