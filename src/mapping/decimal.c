/* SPDX-License-Identifier: Apache-2.0 */
#include "mapping/decimal.h"

#define MAX_SCALE 38

static bool times(decimal_int a, decimal_int b, decimal_int *ret)
{
    return !__builtin_mul_overflow(a, b, ret);
}

static bool scale_up(decimal_int *v, int by)
{
    for (; by > 0; by--)
        if (!times(*v, 10, v))
            return false;
    return true;
}

bool decimal_rounding_parse(struct tl_sv name, enum decimal_rounding *ret)
{
    static const char *const names[] = {"half_up", "half_even", "half_down", "up", "down", "ceiling", "floor"};

    for (size_t i = 0; i < TL_COUNT(names); i++) {
        if (tl_sv_eqs(name, names[i])) {
            *ret = (enum decimal_rounding)i;
            return true;
        }
    }
    return false;
}

bool decimal_parse(struct tl_sv s, struct decimal *ret)
{
    struct decimal d = {0};
    bool negative = s.n > 0 && s.p[0] == '-', dot = false, any = false;
    size_t i = s.n > 0 && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0;
    int64_t exponent = 0;

    for (; i < s.n; i++) {
        char c = s.p[i];

        if (c == '.' && !dot) {
            dot = true;
            continue;
        }
        if (c < '0' || c > '9')
            break;
        any = true;
        if (!times(d.digits, 10, &d.digits) || __builtin_add_overflow(d.digits, c - '0', &d.digits))
            return false;
        d.scale += dot;
    }
    if (!any)
        return false;
    if (i < s.n) {
        bool plus = i + 1 < s.n && s.p[i + 1] == '+';

        if ((s.p[i] | 0x20) != 'e' || !tl_sv_i64(tl_sv_from(s, i + 1 + plus), &exponent) || exponent > 100 ||
            exponent < -100)
            return false;
    }
    if (exponent < 0)
        d.scale += (int)-exponent;
    else if (exponent >= d.scale) {
        if (!scale_up(&d.digits, (int)exponent - d.scale))
            return false;
        d.scale = 0;
    } else
        d.scale -= (int)exponent;
    while (d.scale > MAX_SCALE && d.digits % 10 == 0) {
        d.digits /= 10;
        d.scale--;
    }
    if (d.scale > MAX_SCALE)
        return false;
    if (negative)
        d.digits = -d.digits;
    *ret = d;
    return true;
}

static bool align(struct decimal *a, struct decimal *b)
{
    struct decimal *low = a->scale < b->scale ? a : b, *high = low == a ? b : a;

    if (!scale_up(&low->digits, high->scale - low->scale))
        return false;
    low->scale = high->scale;
    return true;
}

bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret)
{
    if (!align(&a, &b) || __builtin_add_overflow(a.digits, b.digits, &a.digits))
        return false;
    *ret = a;
    return true;
}

bool decimal_cmp(struct decimal a, struct decimal b, int *ret)
{
    if (!align(&a, &b)) { /* one has far more places: the whole parts decide, or the sign */
        decimal_int x = a.digits, y = b.digits;

        for (int i = 0; i < a.scale; i++)
            x /= 10;
        for (int i = 0; i < b.scale; i++)
            y /= 10;
        if (x == y)
            return false;
        *ret = x < y ? -1 : 1;
        return true;
    }
    *ret = a.digits < b.digits ? -1 : a.digits > b.digits;
    return true;
}

bool decimal_mul(struct decimal a, struct decimal b, struct decimal *ret)
{
    struct decimal r = {.scale = a.scale + b.scale};

    if (!times(a.digits, b.digits, &r.digits))
        return false;
    while (r.scale > MAX_SCALE && r.digits % 10 == 0) {
        r.digits /= 10;
        r.scale--;
    }
    if (r.scale > MAX_SCALE)
        return false;
    *ret = r;
    return true;
}

/* numerator / denominator, both exact, to a whole number. */
static decimal_int divide(decimal_int n, decimal_int d, enum decimal_rounding r)
{
    decimal_int q = n / d, rest = n % d, magnitude = rest < 0 ? -rest : rest, half = d < 0 ? -d : d;
    bool negative = (n < 0) != (d < 0);
    int order; /* of the rest against one half */
    bool away = false;

    if (rest == 0)
        return q;
    order = magnitude > half - magnitude ? 1 : magnitude < half - magnitude ? -1 : 0;
    switch (r) {
    case DECIMAL_HALF_UP:
        away = order >= 0;
        break;
    case DECIMAL_HALF_EVEN:
        away = order > 0 || (order == 0 && q % 2 != 0);
        break;
    case DECIMAL_HALF_DOWN:
        away = order > 0;
        break;
    case DECIMAL_UP:
        away = true;
        break;
    case DECIMAL_DOWN:
        break;
    case DECIMAL_CEILING:
        away = !negative;
        break;
    case DECIMAL_FLOOR:
        away = negative;
        break;
    }
    if (away)
        q += negative ? -1 : 1;
    return q;
}

bool decimal_div(struct decimal a, struct decimal b, int scale, enum decimal_rounding r, struct decimal *ret)
{
    int up = scale + b.scale - a.scale;

    if (scale < 0 || scale > MAX_SCALE || b.digits == 0)
        return false;
    if (!scale_up(up >= 0 ? &a.digits : &b.digits, up >= 0 ? up : -up))
        return false;
    *ret = (struct decimal){divide(a.digits, b.digits, r), scale};
    return true;
}

bool decimal_round(struct decimal a, int scale, enum decimal_rounding r, struct decimal *ret)
{
    return decimal_div(a, (struct decimal){1, 0}, scale, r, ret);
}

size_t decimal_format(struct decimal d, char out[48])
{
    char text[48];
    size_t at = sizeof(text), n = 0;
    bool negative = d.digits < 0;
    int places = 0;

    do {
        int digit = (int)(d.digits % 10);

        if (places == d.scale && places > 0)
            text[--at] = '.';
        text[--at] = (char)('0' + (digit < 0 ? -digit : digit));
        d.digits /= 10;
        places++;
    } while (d.digits != 0 || places <= d.scale);
    if (negative)
        out[n++] = '-';
    memcpy(out + n, text + at, sizeof(text) - at);
    return n + sizeof(text) - at;
}

/* Which byte of a text like 1.234,56 is the decimal point; s.n: none. */
static size_t decimal_point(struct tl_sv s)
{
    size_t dots = 0, commas = 0, last = s.n;

    for (size_t i = 0; i < s.n; i++) {
        dots += s.p[i] == '.';
        commas += s.p[i] == ',';
        if (s.p[i] == '.' || s.p[i] == ',')
            last = i;
    }
    if (last == s.n || (dots && commas))
        return last;
    if (dots + commas > 1)
        return s.n; /* 1.234.567 */
    if (s.p[last] == ',' && s.n - last == 4)
        return s.n; /* 1,234 */
    return last;
}

bool decimal_read_amount(struct tl_sv text, struct decimal *ret)
{
    char digits[64];
    size_t n = 0, from, to, point;
    bool negative = false;

    text = tl_sv_trim(text);
    for (from = 0; from < text.n && (text.p[from] < '0' || text.p[from] > '9') && text.p[from] != '.'; from++)
        negative |= text.p[from] == '-' || text.p[from] == '(';
    for (to = text.n; to > from && (text.p[to - 1] < '0' || text.p[to - 1] > '9'); to--)
        negative |= text.p[to - 1] == '-';
    text = tl_sv(text.p + from, to - from);
    point = decimal_point(text);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (n + 1 >= sizeof(digits))
            return false;
        if (c >= '0' && c <= '9')
            digits[n++] = c;
        else if (i == point)
            digits[n++] = '.';
        else if (c != '.' && c != ',' && c != '\'' && c != ' ' && c != '_' && (uint8_t)c != 0xc2 &&
                 (uint8_t)c != 0xa0 && (uint8_t)c != 0xe2 && (uint8_t)c != 0x80 && (uint8_t)c != 0xaf)
            return false;
    }
    if (!decimal_parse(tl_sv(digits, n), ret))
        return false;
    if (negative)
        ret->digits = -ret->digits;
    return true;
}
