/* SPDX-License-Identifier: Apache-2.0 */
/* string.c - texts: parts, case, length, padding, joining. Characters are code points; ASCII needs no counting. */
#include "jsonata/functions/functions_int.h"

static bool nothing(const struct json *args, struct json *ret)
{
    if (args[0].type != JSON_UNDEFINED)
        return false;
    *ret = JSON_NOTHING;
    return true;
}

static struct json part_of(struct json text, size_t from, size_t n)
{
    return jsonata_text(text.u.s + from, n, text.flags & (JSON_F_ASCII | JSON_F_PLAIN));
}

static enum tl_rc fn_string(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    return jsonata_to_string(e, args[0], args[1].type == JSON_BOOL && args[1].u.b, ret);
}

static size_t byte_of(struct json text, size_t index)
{
    if (text.flags & JSON_F_ASCII)
        return index < text.n ? index : text.n;
    return tl_utf8_offset(json_view(text), index);
}

/* Array.prototype.slice: negative counts from the end, fractions are cut. */
static size_t slice_index(double at, size_t count)
{
    at = trunc(at);
    if (at < 0)
        at += (double)count;
    if (!(at > 0))
        return 0;
    return at < (double)count ? (size_t)at : count;
}

static enum tl_rc fn_substring(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (nothing(args, ret))
        return TL_OK;
    size_t count = jsonata_cp_count(args[0]), from, to = count;
    double start = args[1].type == JSON_UNDEFINED ? JSONATA_NAN : jsonata_double(args[1]);

    if ((double)count + start < 0)
        start = 0;
    if (args[2].type != JSON_UNDEFINED) {
        double length = jsonata_double(args[2]);

        if (length <= 0) {
            *ret = jsonata_text("", 0, JSON_F_ASCII | JSON_F_PLAIN);
            return TL_OK;
        }
        to = isnan(start) ? 0 : slice_index(start >= 0 ? start + length : (double)count + start + length, count);
    }
    from = slice_index(start, count);
    if (to < from)
        to = from;
    from = byte_of(args[0], from);
    *ret = part_of(args[0], from, byte_of(args[0], to) - from);
    return TL_OK;
}

/* Where the second text begins in the first; the length when nowhere. An absent one is the word of JavaScript for it.
 */
static size_t find_text(const struct json *args, struct tl_sv *ret_what)
{
    *ret_what = args[1].type == JSON_UNDEFINED ? TL_SV("undefined") : json_view(args[1]);
    return ret_what->n ? tl_sv_find_sv(json_view(args[0]), *ret_what) : 0;
}

static enum tl_rc fn_substring_before(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (nothing(args, ret))
        return TL_OK;
    struct tl_sv what;

    *ret = part_of(args[0], 0, find_text(args, &what));
    return TL_OK;
}

static enum tl_rc fn_substring_after(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (nothing(args, ret))
        return TL_OK;
    struct tl_sv what;
    size_t at = find_text(args, &what), from = at < args[0].n ? at + what.n : 0;

    *ret = part_of(args[0], from, args[0].n - from);
    return TL_OK;
}

static enum tl_rc fn_lowercase(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : jsonata_lower(e, args[0], ret);
}

static enum tl_rc fn_uppercase(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return nothing(args, ret) ? TL_OK : jsonata_upper(e, args[0], ret);
}

static enum tl_rc fn_length(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)e, (void)n;
    if (!nothing(args, ret))
        *ret = json_int((int64_t)jsonata_cp_count(args[0]));
    return TL_OK;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Nothing to squeeze inside? Then trimming is a view. */
static bool needs_squeezing(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (blank(s.p[i]) && (s.p[i] != ' ' || (i + 1 < s.n && blank(s.p[i + 1]))))
            return true;
    return false;
}

static enum tl_rc fn_trim(struct jsonata_eval *e, const struct json *args, size_t argc, struct json *ret)
{
    (void)argc;
    if (nothing(args, ret))
        return TL_OK;
    struct tl_sv s = tl_sv_trim(json_view(args[0]));

    if (!needs_squeezing(s)) {
        *ret = jsonata_text(s.n ? s.p : "", s.n, args[0].flags & (JSON_F_ASCII | JSON_F_PLAIN));
        return TL_OK;
    }
    char *p = jsonata_alloc_text(e, s.n);
    size_t n = 0;

    if (!p)
        return jsonata_exhausted(e);
    for (size_t i = 0; i < s.n; i++) {
        if (!blank(s.p[i]))
            p[n++] = s.p[i];
        else if (p[n - 1] != ' ')
            p[n++] = ' ';
    }
    *ret = jsonata_text(p, n, args[0].flags & JSON_F_ASCII);
    return TL_OK;
}

/* `count` characters of the filler, repeated. */
static void put_padding(struct jsonata_out *o, struct json filler, size_t count)
{
    size_t each = jsonata_cp_count(filler);

    if (filler.n == 1) {
        char *to = jsonata_out_room(o, count);

        if (to) {
            memset(to, filler.u.s[0], count);
            o->n += count;
        }
        return;
    }
    for (; count >= each && !o->failed; count -= each)
        jsonata_out_value(o, filler);
    jsonata_out_put(o, tl_sv(filler.u.s, tl_utf8_offset(json_view(filler), count)));
}

static enum tl_rc fn_pad(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    static const struct json space = {.type = JSON_STRING, .flags = JSON_F_ASCII, .n = 1, .u.s = " "};
    struct json filler = args[2].type == JSON_STRING && args[2].n ? args[2] : space;
    struct jsonata_out o;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    double width = trunc(jsonata_double(args[1])), missing = fabs(width) - (double)jsonata_cp_count(args[0]);

    if (!(missing > 0)) {
        *ret = args[0];
        return TL_OK;
    }
    if (missing > (double)UINT32_MAX)
        return jsonata_exhausted(e);
    jsonata_out_begin(&o, e, args[0].n + (size_t)missing);
    if (width > 0)
        jsonata_out_value(&o, args[0]);
    put_padding(&o, filler, (size_t)missing);
    if (width < 0)
        jsonata_out_value(&o, args[0]);
    return jsonata_out_end(&o, ret);
}

static enum tl_rc fn_join(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct jsonata_out o;
    size_t bytes = 0;

    (void)n;
    if (nothing(args, ret))
        return TL_OK;
    for (size_t i = 0; i < args[0].n; i++)
        bytes += json_at(args[0], i).n + (args[1].type == JSON_STRING ? args[1].n : 0u);
    jsonata_out_begin(&o, e, bytes);
    for (size_t i = 0; i < args[0].n; i++) {
        if (i && args[1].type == JSON_STRING)
            jsonata_out_value(&o, args[1]);
        if (args[0].u.items[i].type == JSON_STRING)
            jsonata_out_value(&o, args[0].u.items[i]);
    }
    return jsonata_out_end(&o, ret);
}

const struct jsonata_native jsonata_string_functions[] = {{"string", "<x-b?:s>", fn_string},
                                                          {"substring", "<s-nn?:s>", fn_substring},
                                                          {"substringBefore", "<s-s:s>", fn_substring_before},
                                                          {"substringAfter", "<s-s:s>", fn_substring_after},
                                                          {"lowercase", "<s-:s>", fn_lowercase},
                                                          {"uppercase", "<s-:s>", fn_uppercase},
                                                          {"length", "<s-:n>", fn_length},
                                                          {"trim", "<s-:s>", fn_trim},
                                                          {"pad", "<s-ns?:s>", fn_pad},
                                                          {"join", "<a<s>s?:s>", fn_join},
                                                          {NULL, NULL, NULL}};
