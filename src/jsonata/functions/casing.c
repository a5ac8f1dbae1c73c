/* SPDX-License-Identifier: Apache-2.0 */
/* casing.c - toUpperCase and toLowerCase of ECMA-262 22.1.3: full Unicode mappings, no locale, final sigma. */
#include "jsonata/functions/functions_int.h"

struct case_range {
    uint32_t first, last;
    uint32_t step;
    int32_t delta;
};
struct case_special {
    uint32_t cp, to[3];
};

/* clang-format off */
#include "jsonata/functions/casing_table.h"
/* clang-format on */

struct case_map {
    const struct case_range *ranges;
    size_t range_count;
    const struct case_special *special;
    size_t special_count;
};
static const struct case_map upper_map = {upper_ranges, sizeof upper_ranges / sizeof *upper_ranges, upper_special,
                                          sizeof upper_special / sizeof *upper_special};
static const struct case_map lower_map = {lower_ranges, sizeof lower_ranges / sizeof *lower_ranges, lower_special,
                                          sizeof lower_special / sizeof *lower_special};

static uint32_t mapped(const struct case_map *m, uint32_t cp)
{
    size_t low = 0, high = m->range_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct case_range *r = &m->ranges[mid];

        if (cp > r->last)
            low = mid + 1;
        else if (cp < r->first)
            high = mid;
        else
            return (cp - r->first) % r->step == 0 ? (uint32_t)((int32_t)cp + r->delta) : cp;
    }
    return cp;
}

static const struct case_special *special_of(const struct case_map *m, uint32_t cp)
{
    size_t low = 0, high = m->special_count;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (m->special[mid].cp == cp)
            return &m->special[mid];
        if (m->special[mid].cp < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool has_case(uint32_t cp)
{
    if (cp < 0x80)
        return (cp >= 'a' && cp <= 'z') || (cp >= 'A' && cp <= 'Z');
    return mapped(&upper_map, cp) != cp || mapped(&lower_map, cp) != cp || special_of(&upper_map, cp);
}

/* Marks and apostrophes do not end a word (Case_Ignorable, the part of it that texts have). */
static bool ignorable(uint32_t cp)
{
    return cp == '\'' || cp == '.' || cp == ':' || cp == 0xad || cp == 0xb7 || cp == 0x2019 ||
           (cp >= 0x300 && cp <= 0x36f);
}

/* Unicode, table 3-17: a cased letter before, none after. */
static bool final_sigma(struct tl_sv s, size_t at, size_t step)
{
    uint32_t cp = 0;
    size_t i = at;
    bool before = false;

    while (i > 0 && !before) {
        do
            i--;
        while (i > 0 && ((unsigned char)s.p[i] & 0xc0) == 0x80);
        (void)jsonata_cp_at(s, i, &cp);
        before = has_case(cp);
        if (!before && !ignorable(cp))
            return false;
    }
    if (!before)
        return false;
    for (i = at + step; i < s.n;) {
        i += jsonata_cp_at(s, i, &cp);
        if (has_case(cp))
            return false;
        if (!ignorable(cp))
            return true;
    }
    return true;
}

static enum tl_rc convert(struct jsonata_eval *e, struct json text, bool upper, struct json *ret)
{
    const struct case_map *m = upper ? &upper_map : &lower_map;
    struct tl_sv s = json_view(text);
    struct jsonata_out o;

    jsonata_out_begin(&o, e, s.n);
    for (size_t at = 0; at < s.n;) {
        const struct case_special *special;
        uint32_t cp;
        size_t step = jsonata_cp_at(s, at, &cp);

        if (cp < 0x80) {
            if (upper ? cp >= 'a' && cp <= 'z' : cp >= 'A' && cp <= 'Z')
                cp ^= 0x20;
            jsonata_out_byte(&o, (char)cp);
        } else if (!upper && cp == 0x3a3) {
            jsonata_out_cp(&o, final_sigma(s, at, step) ? 0x3c2 : 0x3c3);
        } else if ((special = special_of(m, cp))) {
            for (int i = 0; i < 3 && special->to[i]; i++)
                jsonata_out_cp(&o, special->to[i]);
        } else {
            jsonata_out_cp(&o, mapped(m, cp));
        }
        at += step;
    }
    return jsonata_out_end(&o, ret);
}

static enum tl_rc convert_ascii(struct jsonata_eval *e, struct json text, char first, struct json *ret)
{
    char *p = jsonata_alloc_text(e, text.n);

    if (!p)
        return jsonata_exhausted(e);
    for (uint32_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.u.s[i], off = (unsigned char)(c - (unsigned char)first);

        p[i] = (char)(c ^ (off < 26) << 5);
    }
    *ret = jsonata_text(p, text.n, JSON_F_ASCII | (text.flags & JSON_F_PLAIN));
    return TL_OK;
}

enum tl_rc jsonata_upper(struct jsonata_eval *e, struct json text, struct json *ret)
{
    return jsonata_is_ascii(text) ? convert_ascii(e, text, 'a', ret) : convert(e, text, true, ret);
}

enum tl_rc jsonata_lower(struct jsonata_eval *e, struct json text, struct json *ret)
{
    return jsonata_is_ascii(text) ? convert_ascii(e, text, 'A', ret) : convert(e, text, false, ret);
}
