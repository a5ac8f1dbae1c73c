/* SPDX-License-Identifier: Apache-2.0 */
/* tl_convert.c - conversions: times, booleans, telephone numbers, countries; and the field of a table. */
#include <math.h>

#include "mapping/country.h"
#include "mapping/tl_int.h"

/* ---- times ---- */

bool mapping_tl_to_time(struct json v, int64_t *ret_ms)
{
    struct tl_sv s = json_text(v, TL_SV_NULL);
    char full[32];
    double d;

    if (json_is_number(v)) {
        d = json_number(v);
        if (!(fabs(d) < 1e15))
            return false;
        *ret_ms = (int64_t)(fabs(d) < 1e11 ? d * 1000 : d);
        return true;
    }
    if (s.n == 10) { /* a date alone begins at midnight UTC */
        memcpy(full, s.p, 10);
        memcpy(full + 10, "T00:00:00Z", 10);
        return tl_time_parse(tl_sv(full, 20), ret_ms);
    }
    if (s.n == 19) { /* without a zone: UTC */
        memcpy(full, s.p, 19);
        full[10] = 'T';
        full[19] = 'Z';
        return tl_time_parse(tl_sv(full, 20), ret_ms);
    }
    return s.n > 0 && tl_time_parse(s, ret_ms);
}

static enum tl_rc return_time(struct jsonata_eval *e, int64_t ms, bool date_only, struct json *ret)
{
    char text[TL_TIME_TEXT];
    struct tl_sv s;

    if (ms < -62135596800000 || ms > 253402300799999)
        return jsonata_host_fail(e, "TL007", "the time is outside the years 1 to 9999");
    s = tl_sv_str(tl_time_format(ms, text));
    if (date_only)
        s.n = 10;
    return tl_return_text(e, s, ret);
}

static bool unit_ms(struct tl_sv unit, int64_t *ret)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"millisecond", 1}, {"second", 1000},  {"minute", 60000},
                 {"hour", 3600000},  {"day", 86400000}, {"week", 604800000}};

    if (unit.n > 1 && unit.p[unit.n - 1] == 's')
        unit.n--;
    for (size_t i = 0; i < TL_COUNT(units); i++) {
        if (tl_sv_eqs(unit, units[i].name)) {
            *ret = units[i].ms;
            return true;
        }
    }
    return false;
}

/* Months of a unit, 0 when it is not one of months. */
static int64_t unit_months(struct tl_sv unit)
{
    return tl_sv_starts(unit, TL_SV("month"))     ? 1
           : tl_sv_starts(unit, TL_SV("quarter")) ? 3
           : tl_sv_starts(unit, TL_SV("year"))    ? 12
                                                  : 0;
}

/* The same day some months on; the last of the month where it has no such day. */
static int64_t add_months(int64_t ms, int64_t months)
{
    static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct tl_civil c;
    int64_t m;
    int32_t last;

    tl_civil_from_ms(ms, &c);
    m = (int64_t)c.year * 12 + c.month - 1 + months;
    c.year = (int32_t)(m >= 0 ? m / 12 : -((11 - m) / 12));
    c.month = (int32_t)(m - (int64_t)c.year * 12) + 1;
    last = days[c.month - 1];
    if (c.month == 2 && ((c.year % 4 == 0 && c.year % 100 != 0) || c.year % 400 == 0))
        last = 29;
    if (c.day > last)
        c.day = last;
    return tl_civil_to_ms(&c);
}

/* dateAdd(time, amount, unit); a date stays a date. */
enum tl_rc mapping_tl_date_add(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct tl_sv unit = json_text(tl_arg(args, n, 2), TL_SV_NULL);
    int64_t ms, amount, each = 0, months = unit_months(unit);

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (!mapping_tl_to_time(args[0], &ms) || !json_int64(tl_arg(args, n, 1), &amount) ||
        (!months && !unit_ms(unit, &each)))
        return tl_bad_argument(e, "dateAdd", "a time, a whole number and a unit (milliseconds to years)");
    if (amount > 4000000000000 || amount < -4000000000000 || (months && (amount > 120000 || amount < -120000)))
        return jsonata_host_fail(e, "TL007", "the time is outside the years 1 to 9999");
    if (months)
        ms = add_months(ms, amount * months);
    else if (__builtin_mul_overflow(amount, each, &amount) || __builtin_add_overflow(ms, amount, &ms))
        return jsonata_host_fail(e, "TL007", "the time is outside the years 1 to 9999");
    return return_time(e, ms, args[0].type == JSON_STRING && args[0].n == 10 && each % 86400000 == 0, ret);
}

/* dateDiff(from, to, unit = "days"): whole units, towards zero. */
enum tl_rc mapping_tl_date_diff(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct tl_sv unit = json_text(tl_arg(args, n, 2), TL_SV("days"));
    int64_t from, to, each, months = unit_months(unit), count;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED || tl_arg(args, n, 1).type == JSON_UNDEFINED)
        return TL_OK;
    if (!mapping_tl_to_time(args[0], &from) || !mapping_tl_to_time(args[1], &to) || (!months && !unit_ms(unit, &each)))
        return tl_bad_argument(e, "dateDiff", "two times and a unit (milliseconds to years)");
    if (!months) {
        *ret = json_int((to - from) / each);
        return TL_OK;
    }
    count = (to - from) / (28 * 86400000LL);
    while (count > 0 && add_months(from, count) > to)
        count--;
    while (count < 0 && add_months(from, count) < to)
        count++;
    *ret = json_int(count / months);
    return TL_OK;
}

/* toEpoch(time, "s" or "ms") */
enum tl_rc mapping_tl_to_epoch(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    bool in_ms = tl_sv_eqs(json_text(tl_arg(args, n, 1), TL_SV("s")), "ms");
    int64_t ms;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (!mapping_tl_to_time(args[0], &ms))
        return tl_bad_argument(e, "toEpoch", "a time as RFC 3339 writes it, a date, or a number");
    *ret = json_int(in_ms ? ms : (ms - (ms < 0 ? 999 : 0)) / 1000);
    return TL_OK;
}

enum tl_rc mapping_tl_to_iso(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    bool date = tl_sv_eqs(json_text(tl_arg(args, n, 1), TL_SV("")), "date");
    int64_t ms;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (!mapping_tl_to_time(args[0], &ms))
        return tl_bad_argument(e, "toIso",
                               "a time as RFC 3339 writes it, a date, or a number of seconds or milliseconds");
    return return_time(e, ms, date, ret);
}

/* ---- booleans, telephones, countries ---- */

bool mapping_tl_to_boolean(struct json v, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "y", "t", "1", "on", "x"}, *const no[] = {"false", "no",  "n", "f",
                                                                                               "0",     "off", ""};
    struct tl_sv s = json_text(v, TL_SV_NULL);

    if (v.type == JSON_BOOL) {
        *ret = v.u.b;
        return true;
    }
    if (json_is_number(v)) {
        *ret = json_number(v) != 0;
        return *ret == (json_number(v) == 1) || json_number(v) == 0;
    }
    for (size_t i = 0; s.p && i < TL_COUNT(yes); i++) {
        if (tl_sv_eqi(tl_sv_trim(s), tl_sv_str(yes[i])) || tl_sv_eqi(tl_sv_trim(s), tl_sv_str(no[i]))) {
            *ret = tl_sv_eqi(tl_sv_trim(s), tl_sv_str(yes[i]));
            return true;
        }
    }
    return false;
}

enum tl_rc mapping_tl_boolean(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    bool b;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (!mapping_tl_to_boolean(args[0], &b))
        return tl_bad_argument(e, "boolean", "true/false, yes/no, y/n, on/off, 1/0 or \"x\"/\"\"");
    *ret = json_bool(b);
    return TL_OK;
}

bool mapping_tl_to_phone(struct tl_sv text, struct tl_sv country, char out[24])
{
    const struct country *c;
    char digits[24];
    size_t n = 0, m = 0;
    bool plus = false;

    text = tl_sv_trim(text);
    if (tl_sv_starts_i(text, TL_SV("tel:")))
        text = tl_sv_from(text, 4);
    for (size_t i = 0; i < text.n; i++) {
        char ch = text.p[i];

        if (ch == '+' && n == 0)
            plus = true;
        else if (ch >= '0' && ch <= '9' && n < sizeof(digits))
            digits[n++] = ch;
        else if (ch >= '0' && ch <= '9')
            return false;
        else if (ch == '(' && plus && i + 2 < text.n && text.p[i + 1] == '0' && text.p[i + 2] == ')')
            i += 2; /* +49 (0) 30: the trunk zero is for callers at home */
        else if (!strchr(" -./()", ch) || ch == '\0')
            return false;
    }
    out[m++] = '+';
    if (!plus && n > 2 && digits[0] == '0' && digits[1] == '0') {
        memmove(digits, digits + 2, n -= 2);
    } else if (!plus) {
        c = country_find(country);
        if (!c)
            return false;
        if (c->trunk && n > 0 && digits[0] == c->trunk)
            memmove(digits, digits + 1, --n);
        for (const char *p = c->calling; *p; p++)
            out[m++] = *p;
    }
    if (n < 4 || m + n > 16) /* E.164: at most 15 digits */
        return false;
    memcpy(out + m, digits, n);
    out[m + n] = '\0';
    return true;
}

/* phone(text, country) */
enum tl_rc mapping_tl_phone(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    char out[24];

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (args[0].type != JSON_STRING ||
        !mapping_tl_to_phone(json_view(args[0]), json_text(tl_arg(args, n, 1), TL_SV_NULL), out))
        return tl_bad_argument(e, "phone", "a telephone number, and its country unless it begins with +");
    return tl_return_text(e, tl_sv_str(out), ret);
}

const char *mapping_tl_to_country(struct tl_sv text, struct tl_sv form)
{
    const struct country *c = country_find(tl_sv_trim(text));

    if (!c)
        return NULL;
    return tl_sv_eqs(form, "alpha3") ? c->alpha3 : tl_sv_eqs(form, "name") ? c->name : c->alpha2;
}

/* country(text, "alpha2" | "alpha3" | "name") */
enum tl_rc mapping_tl_country(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    const char *out;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    out = mapping_tl_to_country(json_text(args[0], TL_SV_NULL), json_text(tl_arg(args, n, 1), TL_SV("alpha2")));
    if (!out)
        return tl_bad_argument(e, "country", "a name or code of a country");
    *ret = json_str(out);
    return TL_OK;
}

/* ---- the field of a table ---- */

static bool to_text(struct tl_arena *a, struct json v, struct json *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    *ret = v;
    if (v.type == JSON_STRING)
        return true;
    if (v.type == JSON_OBJECT || v.type == JSON_ARRAY || v.type == JSON_EXT)
        return false;
    tl_buf_init(&b, 1u << 20);
    *ret = json_write(&b, v, 0) ? json_str_copy(a, tl_buf_view(&b)) : JSON_NOTHING;
    return ret->type == JSON_STRING;
}

static bool to_number(struct jsonata_eval *e, struct json v, struct json spec, struct tl_sv type, struct json *ret)
{
    enum decimal_rounding mode = DECIMAL_HALF_UP;
    struct json scale = json_gets(spec, "scale");
    struct decimal d;
    int64_t places = 0;

    if (v.type == JSON_STRING ? !decimal_read_amount(json_view(v), &d) : !tl_decimal_of(v, &d))
        return false;
    (void)decimal_rounding_parse(json_text(json_gets(spec, "rounding"), TL_SV_NULL), &mode);
    if (tl_sv_eqs(type, "integer")) {
        if (!decimal_round(d, 0, mode, &d))
            return false;
    } else if (json_int64(scale, &places) && (places < 0 || places > 38 || !decimal_round(d, (int)places, mode, &d))) {
        return false;
    }
    return tl_return_decimal(e, d, ret) == TL_OK;
}

static bool to_type(struct jsonata_eval *e, struct json v, struct json spec, struct tl_sv type, struct json *ret)
{
    struct tl_sv country = json_text(json_gets(spec, "country"), TL_SV_NULL);
    const char *name;
    char phone[24];
    int64_t ms;
    bool b;

    if (type.n == 0 || tl_sv_eqs(type, "any")) {
        *ret = v;
        return true;
    }
    if (tl_sv_eqs(type, "string"))
        return to_text(jsonata_arena(e), v, ret);
    if (tl_sv_eqs(type, "integer") || tl_sv_eqs(type, "number") || tl_sv_eqs(type, "decimal"))
        return to_number(e, v, spec, type, ret);
    if (tl_sv_eqs(type, "boolean")) {
        if (!mapping_tl_to_boolean(v, &b))
            return false;
        *ret = json_bool(b);
        return true;
    }
    if (tl_sv_eqs(type, "phone"))
        return v.type == JSON_STRING && mapping_tl_to_phone(json_view(v), country, phone) &&
               tl_return_text(e, tl_sv_str(phone), ret) == TL_OK;
    if (tl_sv_eqs(type, "country")) {
        name = mapping_tl_to_country(json_text(v, TL_SV_NULL), json_text(json_gets(spec, "form"), TL_SV("alpha2")));
        *ret = json_str(name);
        return name != NULL;
    }
    if (!mapping_tl_to_time(v, &ms))
        return false;
    if (tl_sv_eqs(type, "epoch") || tl_sv_eqs(type, "epoch_ms")) {
        *ret = json_int(tl_sv_eqs(type, "epoch_ms") ? ms : (ms - (ms < 0 ? 999 : 0)) / 1000);
        return true;
    }
    return return_time(e, ms, tl_sv_eqs(type, "date"), ret) == TL_OK;
}

static struct json look_up(struct jsonata_eval *e, struct json v, struct json spec)
{
    const struct mapping *m = jsonata_host(e);
    struct json table = json_gets(spec, "lookup"), text;

    if (table.type == JSON_STRING)
        table = m ? json_get(m->lookups, json_view(table)) : JSON_NOTHING;
    if (table.type != JSON_OBJECT)
        return v;
    return to_text(jsonata_arena(e), v, &text) ? json_get(table, json_view(text)) : JSON_NOTHING;
}

/* field(value, specification, target): what table.c writes for each field. An empty text counts as missing. */
enum tl_rc tl_convert_field(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json v = tl_arg(args, n, 0), spec = tl_arg(args, n, 1), fallback = json_gets(spec, "default");
    struct json required = json_gets(spec, "required");
    struct tl_sv target = json_text(tl_arg(args, n, 2), TL_SV("?"));
    struct tl_sv policy = json_text(json_gets(spec, "missing"), TL_SV("default"));
    struct tl_sv type = json_text(json_gets(spec, "type"), TL_SV(""));
    bool absent = v.type == JSON_UNDEFINED || v.type == JSON_NULL || (v.type == JSON_STRING && v.n == 0);

    if (!absent) {
        v = look_up(e, v, spec);
        absent = v.type == JSON_UNDEFINED;
        if (absent && fallback.type == JSON_UNDEFINED)
            return jsonata_host_fail(e, "TL010", "field %.*s: the value is not in its look-up table",
                                     TL_SV_ARG(target));
    }
    if (!absent) {
        if (!to_type(e, v, spec, type, ret))
            return jsonata_host_fail(e, "TL011", "field %.*s: a %s does not convert to %.*s", TL_SV_ARG(target),
                                     json_type_name(v), TL_SV_ARG(type));
        return TL_OK;
    }
    if (fallback.type != JSON_UNDEFINED)
        *ret = fallback;
    else if ((required.type == JSON_BOOL && required.u.b) || tl_sv_eqs(policy, "reject"))
        return jsonata_host_fail(e, "TL012", "field %.*s is required and its source is missing", TL_SV_ARG(target));
    else if (tl_sv_eqs(policy, "null"))
        *ret = json_null();
    return TL_OK;
}
