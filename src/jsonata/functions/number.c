/* SPDX-License-Identifier: Apache-2.0 */
/* number.c - the numeric functions. */
#include "jsonata/functions/functions_int.h"

static bool nothing(const struct json *args, struct json *ret)
{
    if (args[0].type != JSON_UNDEFINED)
        return false;
    *ret = JSON_NOTHING;
    return true;
}

static double radix_text(struct tl_sv digits, int radix)
{
    double value = 0;

    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        int d = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;

        value = value * radix + d;
    }
    return value;
}

/* 0x1F, 0o17, 0b101; NaN: not so. */
static double prefixed_number(struct tl_sv s)
{
    const char *alphabet;
    int radix;

    if (s.n < 3 || s.p[0] != '0')
        return JSONATA_NAN;
    switch (s.p[1] | 0x20) {
    case 'x':
        radix = 16, alphabet = "0123456789abcdefABCDEF";
        break;
    case 'o':
        radix = 8, alphabet = "01234567";
        break;
    case 'b':
        radix = 2, alphabet = "01";
        break;
    default:
        return JSONATA_NAN;
    }
    for (size_t i = 2; i < s.n; i++)
        if (!s.p[i] || !strchr(alphabet, s.p[i]))
            return JSONATA_NAN;
    return radix_text(tl_sv_from(s, 2), radix);
}

static size_t digits_at(struct tl_sv s, size_t at)
{
    while (at < s.n && s.p[at] >= '0' && s.p[at] <= '9')
        at++;
    return at;
}

/* -?digits(.digits)?([Ee][-+]?digits)? ; leading zeros are welcome. */
static bool is_decimal(struct tl_sv s)
{
    size_t at = s.n && s.p[0] == '-', end = digits_at(s, at);

    if (end == at)
        return false;
    if (end < s.n && s.p[end] == '.') {
        at = end + 1;
        end = digits_at(s, at);
        if (end == at)
            return false;
    }
    if (end < s.n && (s.p[end] == 'e' || s.p[end] == 'E')) {
        at = end + 1;
        if (at < s.n && (s.p[at] == '+' || s.p[at] == '-'))
            at++;
        end = digits_at(s, at);
        if (end == at)
            return false;
    }
    return end == s.n;
}

static size_t run_of(struct tl_sv s, size_t at, const char *digits)
{
    size_t end = at;

    while (end < s.n && s.p[end] && strchr(digits, s.p[end]))
        end++;
    return end - at;
}

/* What the reference takes for a number with a prefix: 0x1F at the beginning, 0o17 anywhere, 0b101 at the end. What
 * stands around it makes it NaN and not an error. */
static bool looks_prefixed(struct tl_sv s)
{
    for (size_t i = 0; i + 2 < s.n; i++) {
        char kind = s.p[i] == '0' ? (char)(s.p[i + 1] | 0x20) : '\0';

        if ((kind == 'x' && i == 0 && run_of(s, 2, "0123456789abcdefABCDEF")) ||
            (kind == 'o' && run_of(s, i + 2, "01234567")))
            return true;
        if (kind == 'b' && run_of(s, i + 2, "01") && i + 2 + run_of(s, i + 2, "01") == s.n)
            return true;
    }
    return false;
}

static enum tl_rc number_of_text(struct jsonata_eval *e, struct json text, struct json *ret)
{
    struct tl_sv s = json_view(text);
    struct json spelled = JSON_NOTHING;
    double d = JSONATA_NAN;

    if (is_decimal(s)) {
        bool negative = s.p[0] == '-';
        size_t zeros = negative;

        while (zeros + 1 < s.n && s.p[zeros] == '0' && s.p[zeros + 1] >= '0' && s.p[zeros + 1] <= '9')
            zeros++;
        s = tl_sv_from(s, zeros > negative ? zeros : 0);
        spelled = (struct json){.type = JSON_DECIMAL, .n = (uint32_t)s.n, .u.s = s.p};
        d = json_number(spelled);
        if (negative && zeros > 1) /* its sign was cut off with the zeros */
            spelled = json_double(d = -fabs(d));
    } else {
        d = prefixed_number(s);
        if (isnan(d) && looks_prefixed(s)) {
            *ret = json_double(d);
            return TL_OK;
        }
    }
    if (!isfinite(d))
        return jsonata_raise(e, "D3030", text);
    *ret = spelled.type == JSON_UNDEFINED ? jsonata_number(d) : jsonata_spelled(spelled);
    return TL_OK;
}

static enum tl_rc fn_number(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    if (json_is_number(args[0])) {
        *ret = args[0];
        return TL_OK;
    }
    if (args[0].type == JSON_BOOL) {
        *ret = json_int(args[0].u.b);
        return TL_OK;
    }
    if (args[0].type != JSON_STRING)
        return jsonata_raise(e, "D3030", args[0]);
    return number_of_text(e, args[0], ret);
}

static enum tl_rc fn_floor(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (!nothing(args, ret))
        *ret = args[0].type == JSON_INT ? args[0] : jsonata_number(floor(jsonata_double(args[0])));
    return TL_OK;
}

static enum tl_rc fn_ceil(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (!nothing(args, ret))
        *ret = args[0].type == JSON_INT ? args[0] : jsonata_number(ceil(jsonata_double(args[0])));
    return TL_OK;
}

static struct json magnitude(struct json v)
{
    if (v.type == JSON_INT && v.u.i > INT64_MIN)
        return json_int(v.u.i < 0 ? -v.u.i : v.u.i);
    if (v.type != JSON_DECIMAL)
        return jsonata_number(fabs(jsonata_double(v)));
    if (v.u.s[0] == '-') {
        v.u.s++;
        v.n--;
    }
    return v;
}

static enum tl_rc fn_abs(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (!nothing(args, ret))
        *ret = magnitude(args[0]);
    return TL_OK;
}

static enum tl_rc fn_round(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double precision = args[1].type == JSON_UNDEFINED ? 0 : jsonata_double(args[1]);

    (void)e, (void)n;
    if (nothing(args, ret))
        return TL_OK;
    if (args[0].type == JSON_INT && precision >= 0 && precision == floor(precision))
        *ret = args[0];
    else
        *ret = jsonata_number(jsonata_round(jsonata_double(args[0]), precision));
    return TL_OK;
}

static enum tl_rc fn_sqrt(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    double d = jsonata_double(args[0]);

    if (d < 0)
        return jsonata_raise(e, "D3060", args[0]);
    *ret = jsonata_number(sqrt(d));
    return TL_OK;
}

static enum tl_rc fn_power(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double base, exponent, d;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    base = jsonata_double(args[0]);
    exponent = args[1].type == JSON_UNDEFINED ? JSONATA_NAN : jsonata_double(args[1]);
    /* JavaScript: a NaN exponent and 1 ** Infinity are NaN; C has 1 for both. */
    d = isnan(exponent) || (fabs(base) == 1 && isinf(exponent)) ? JSONATA_NAN : pow(base, exponent);
    if (!isfinite(d))
        return jsonata_raise2(e, "D3061", args[0], args[1]);
    *ret = jsonata_number(d);
    return TL_OK;
}

static enum tl_rc fn_random(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)args, (void)n;
    *ret = json_double(tl_random_unit());
    return TL_OK;
}

/* Number.prototype.toString(radix) of a whole number. */
static enum tl_rc put_radix(struct jsonata_eval *e, double value, int radix, struct json *ret)
{
    char text[1100];
    size_t at = sizeof text;
    double rest = fabs(value);

    /* What digits follow past 2^53 JavaScript leaves open; V8 has zeros as long as the rest is a digit longer than
     * that. */
    for (; rest / radix >= 0x1p53; rest /= radix)
        text[--at] = '0';
    do {
        double remainder = fmod(rest, radix);
        int d = (int)remainder;

        text[--at] = (char)(d < 10 ? '0' + d : 'a' + d - 10);
        rest = (rest - remainder) / radix;
    } while (rest > 0 && at > 1);
    if (value < 0)
        text[--at] = '-';
    *ret = json_str_copy(jsonata_arena(e), tl_sv(text + at, sizeof text - at));
    return ret->type == JSON_STRING ? TL_OK : jsonata_exhausted(e);
}

static enum tl_rc fn_format_base(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double value, radix;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    value = jsonata_round(jsonata_double(args[0]), 0);
    radix = args[1].type == JSON_UNDEFINED ? 10 : jsonata_round(jsonata_double(args[1]), 0);
    if (!(radix >= 2 && radix <= 36))
        return jsonata_raise(e, "D3100", jsonata_number(radix));
    if (radix == 10 || !isfinite(value)) {
        char text[40];

        *ret = json_str_copy(jsonata_arena(e), tl_sv(text, jsonata_number_text(value, text)));
        return ret->type == JSON_STRING ? TL_OK : jsonata_exhausted(e);
    }
    return put_radix(e, value, (int)radix, ret);
}

static enum tl_rc cached_picture(struct jsonata_eval *e, struct json text, const struct jsonata_int_picture **ret)
{
    struct tl_sv view = json_view(text);
    const struct jsonata_int_picture *known = jsonata_cache_get(e, CACHED_INTEGER, view);

    if (!known) {
        struct jsonata_int_picture *pic = jsonata_alloc(e, sizeof *pic);

        if (!pic)
            return jsonata_exhausted(e);
        enum tl_rc rc = jsonata_int_picture(e, view, pic);

        if (rc != TL_OK)
            return rc;
        if (!jsonata_cache_put(e, CACHED_INTEGER, view, pic))
            return jsonata_exhausted(e);
        known = pic;
    }
    *ret = known;
    return TL_OK;
}

static enum tl_rc fn_format_integer(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    const struct jsonata_int_picture *pic;
    struct jsonata_out o;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    enum tl_rc rc = cached_picture(e, args[1], &pic);

    if (rc != TL_OK)
        return rc;
    jsonata_out_begin(&o, e, 24);
    rc = jsonata_int_format(&o, pic, floor(jsonata_double(args[0])));
    return rc == TL_OK ? jsonata_out_end(&o, ret) : rc;
}

static enum tl_rc fn_parse_integer(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    const struct jsonata_int_picture *pic;
    double value;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    enum tl_rc rc = cached_picture(e, args[1], &pic);

    if (rc == TL_OK)
        rc = jsonata_int_parse(e, pic, json_view(args[0]), &value);
    if (rc == TL_OK)
        *ret = jsonata_number(value);
    return rc;
}

static enum tl_rc fn_format_number(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    return jsonata_decimal_format(e, jsonata_double(args[0]), args[1], args[2], ret);
}

const struct jsonata_native jsonata_number_functions[] = {{"number", "<(nsb)-:n>", fn_number},
                                                          {"floor", "<n-:n>", fn_floor},
                                                          {"ceil", "<n-:n>", fn_ceil},
                                                          {"round", "<n-n?:n>", fn_round},
                                                          {"abs", "<n-:n>", fn_abs},
                                                          {"sqrt", "<n-:n>", fn_sqrt},
                                                          {"power", "<n-n:n>", fn_power},
                                                          {"random", "<:n>", fn_random},
                                                          {"formatNumber", "<n-so?:s>", fn_format_number},
                                                          {"formatBase", "<n-n?:s>", fn_format_base},
                                                          {"formatInteger", "<n-s:s>", fn_format_integer},
                                                          {"parseInteger", "<s-s:n>", fn_parse_integer},
                                                          {NULL, NULL, NULL}};
