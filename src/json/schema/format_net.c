/* SPDX-License-Identifier: Apache-2.0 */
/* format_net.c - formats of names and addresses: RFC 3986, 3987, 6570, 1123, 5890 to 5892, 5321, 4291. */
#include "json/schema/schema_int.h"

static bool alpha(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}
static bool digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool hex(char c)
{
    return digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Every byte is a letter, digit, one of `more`, a percent escape, or (international) above 0x7f. */
static bool only(struct tl_sv s, const char *more, bool international)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            if (i + 2 >= s.n || !hex(s.p[i + 1]) || !hex(s.p[i + 2]))
                return false;
            i += 2;
        } else if ((uint8_t)c >= 0x80 ? !international : !alpha(c) && !digit(c) && (c == '\0' || !strchr(more, c))) {
            return false;
        }
    }
    return true;
}

#define UNRESERVED "-._~"
#define SUB_DELIMS "!$&'()*+,;="

static bool ip_literal(struct tl_sv s)
{
    size_t dot = tl_sv_find(s, '.');

    if (s.n > 0 && (s.p[0] | 0x20) == 'v')
        return dot > 1 && dot + 1 < s.n && only(tl_sv_from(s, dot + 1), UNRESERVED SUB_DELIMS ":", false) &&
               tl_sv_find(s, '%') == s.n;
    return format_ipv6(s);
}

static bool authority(struct tl_sv s, bool international)
{
    size_t at = tl_sv_find(s, '@'), end;

    if (at < s.n) {
        if (!only(tl_sv(s.p, at), UNRESERVED SUB_DELIMS ":", international))
            return false;
        s = tl_sv_from(s, at + 1);
    }
    if (s.n > 0 && s.p[0] == '[') {
        end = tl_sv_find(s, ']');
        if (end == s.n || !ip_literal(tl_sv(s.p + 1, end - 1)))
            return false;
        s = tl_sv_from(s, end + 1);
        if (s.n > 0 && s.p[0] != ':')
            return false;
    } else {
        end = tl_sv_find(s, ':');
        if (!only(tl_sv(s.p, end), UNRESERVED SUB_DELIMS, international))
            return false;
        s = tl_sv_from(s, end);
    }
    for (size_t i = 1; i < s.n; i++)
        if (!digit(s.p[i]))
            return false;
    return true;
}

bool format_uri(struct tl_sv s, bool reference, bool international)
{
    size_t i = 0, end;
    bool has_scheme;

    while (i < s.n && (alpha(s.p[i]) || (i > 0 && (digit(s.p[i]) || strchr("+-.", s.p[i])) && s.p[i])))
        i++;
    has_scheme = i > 0 && i < s.n && s.p[i] == ':';
    if (!has_scheme && !reference)
        return false;
    if (has_scheme)
        s = tl_sv_from(s, i + 1);
    end = tl_sv_find(s, '#');
    if (end < s.n && !only(tl_sv_from(s, end + 1), UNRESERVED SUB_DELIMS ":@/?", international))
        return false;
    s.n = end;
    end = tl_sv_find(s, '?');
    if (end < s.n && !only(tl_sv_from(s, end + 1), UNRESERVED SUB_DELIMS ":@/?", international))
        return false;
    s.n = end;
    if (s.n >= 2 && s.p[0] == '/' && s.p[1] == '/') {
        s = tl_sv_from(s, 2);
        end = tl_sv_find(s, '/');
        if (!authority(tl_sv(s.p, end), international))
            return false;
        s = tl_sv_from(s, end);
    } else if (!has_scheme && tl_sv_find(s, ':') < tl_sv_find(s, '/')) {
        return false; /* path-noscheme: no colon in the first segment */
    }
    return only(s, UNRESERVED SUB_DELIMS ":@/", international);
}

/* RFC 6570 section 2.3: one variable, with its modifier. */
static bool template_variable(struct tl_sv v)
{
    size_t star = v.n > 0 && v.p[v.n - 1] == '*' ? 1 : 0, colon = tl_sv_find(v, ':');
    struct tl_sv name = tl_sv(v.p, colon < v.n ? colon : v.n - star);

    if (colon < v.n) {
        size_t digits = v.n - colon - 1;

        if (star || digits == 0 || digits > 4 || v.p[colon + 1] == '0')
            return false;
        for (size_t i = colon + 1; i < v.n; i++)
            if (!digit(v.p[i]))
                return false;
    }
    return name.n > 0 && name.p[0] != '.' && name.p[name.n - 1] != '.' && tl_sv_find_sv(name, TL_SV("..")) == name.n &&
           only(name, "_.", false);
}

bool format_uri_template(struct tl_sv s)
{
    size_t i = 0;

    while (i < s.n) {
        struct tl_sv rest = tl_sv_from(s, i), list, one;
        size_t end;

        if (s.p[i] != '{') {
            char c = s.p[i];

            if ((uint8_t)c <= 0x20 || c == 0x7f || strchr("\"<>\\^`|}", c))
                return false;
            if (c == '%' && (rest.n < 3 || !hex(rest.p[1]) || !hex(rest.p[2])))
                return false;
            i++;
            continue;
        }
        end = tl_sv_find(rest, '}');
        if (end == rest.n)
            return false;
        list = tl_sv(rest.p + 1, end - 1);
        if (list.n > 0 && strchr("+#./;?&", list.p[0]))
            list = tl_sv_from(list, 1);
        if (list.n == 0)
            return false;
        while (tl_sv_cut(&list, ',', &one))
            if (!template_variable(one))
                return false;
        i += end + 1;
    }
    return true;
}

bool format_ipv4(struct tl_sv s)
{
    struct tl_sv part;
    uint64_t v;
    int n = 0;

    while (tl_sv_cut(&s, '.', &part)) {
        if (part.n == 0 || part.n > 3 || (part.n > 1 && part.p[0] == '0') || !tl_sv_u64(part, &v) || v > 255)
            return false;
        n++;
    }
    return n == 4;
}

bool format_ipv6(struct tl_sv s)
{
    size_t i = 0;
    int groups = 0;
    bool gap = false;

    while (i < s.n) {
        size_t from = i;

        if (i + 1 < s.n && s.p[i] == ':' && s.p[i + 1] == ':') {
            if (gap)
                return false;
            gap = true;
            i += 2;
            continue;
        }
        if (s.p[i] == ':') {
            if (groups == 0 || i + 1 == s.n || (i > 1 && s.p[i - 1] == ':'))
                return false;
            from = ++i;
        }
        while (i < s.n && hex(s.p[i]))
            i++;
        if (i < s.n && s.p[i] == '.')
            return format_ipv4(tl_sv_from(s, from)) && (gap ? groups + 2 < 8 : groups + 2 == 8);
        if (i == from || i - from > 4 || (i < s.n && s.p[i] != ':'))
            return false;
        groups++;
    }
    return gap ? groups < 8 : groups == 8;
}

/* ---- host names ---- */

static bool in(uint32_t c, uint32_t from, uint32_t to)
{
    return c >= from && c <= to;
}

static bool is_virama(uint32_t c)
{
    static const uint32_t viramas[] = {0x94d, 0x9cd, 0xa4d, 0xacd, 0xb4d,  0xbcd,
                                       0xc4d, 0xccd, 0xd4d, 0xdca, 0x1039, 0xe3a};

    for (size_t i = 0; i < TL_COUNT(viramas); i++)
        if (viramas[i] == c)
            return true;
    return false;
}

static bool arabic_letter(uint32_t c)
{
    return in(c, 0x620, 0x64a) || in(c, 0x66e, 0x6d3);
}

/* The contextual rules of RFC 5892 appendix A for the code point at i. */
static bool context_allows(const uint32_t *cp, size_t n, size_t i)
{
    uint32_t c = cp[i], before = i > 0 ? cp[i - 1] : 0, after = i + 1 < n ? cp[i + 1] : 0;

    if (c == 0xb7)
        return before == 'l' && after == 'l';
    if (c == 0x375)
        return in(after, 0x370, 0x3ff);
    if (c == 0x5f3 || c == 0x5f4)
        return in(before, 0x590, 0x5ff);
    if (c == 0x200c && arabic_letter(before) && arabic_letter(after))
        return true; /* between letters that join */
    if (c == 0x200d || c == 0x200c)
        return is_virama(before);
    if (c == 0x30fb) {
        for (size_t k = 0; k < n; k++)
            if (cp[k] != 0x30fb && (in(cp[k], 0x3040, 0x30ff) || in(cp[k], 0x3400, 0x9fff)))
                return true;
        return false;
    }
    if (in(c, 0x660, 0x669) || in(c, 0x6f0, 0x6f9)) {
        for (size_t k = 0; k < n; k++)
            if (in(c, 0x660, 0x669) ? in(cp[k], 0x6f0, 0x6f9) : in(cp[k], 0x660, 0x669))
                return false;
    }
    return true;
}

static pcre2_code *class_of(const char *text)
{
    return pattern_compile(tl_sv_str(text));
}

/* RFC 5892 leaves letters, marks and digits (and a few named exceptions); a label must not begin with a mark. */
static bool code_points_allowed(const uint32_t *cp, size_t n)
{
    static const uint32_t exceptions[] = {'-',    0xb7,   0x375, 0x5f3, 0x5f4, 0x30fb,
                                          0x200c, 0x200d, 0x6fd, 0x6fe, 0xf0b, 0x3007};
    static const uint32_t refused[] = {0x640, 0x7fa, 0x302e, 0x302f, 0x3031, 0x3032, 0x3033, 0x3034, 0x3035, 0x303b};
    pcre2_code *letters = class_of("^[\\p{Ll}\\p{Lu}\\p{Lo}\\p{Nd}\\p{Lm}\\p{Mn}\\p{Mc}]$"),
               *mark = class_of("^\\p{M}");
    bool ok = letters && mark;

    for (size_t i = 0; i < n && ok; i++) {
        char text[4];
        size_t len = tl_utf8_encode(cp[i], text);
        bool exception = false;

        for (size_t k = 0; k < TL_COUNT(exceptions); k++)
            exception |= exceptions[k] == cp[i];
        for (size_t k = 0; k < TL_COUNT(refused); k++)
            ok = ok && refused[k] != cp[i];
        ok = ok && (exception || pattern_match(letters, tl_sv(text, len)) > 0) && context_allows(cp, n, i) &&
             (i > 0 || pattern_match(mark, tl_sv(text, len)) == 0);
    }
    pcre2_code_free(letters);
    pcre2_code_free(mark);
    return ok;
}

static bool right_to_left(uint32_t c)
{
    return (in(c, 0x590, 0x8ff) && !in(c, 0x660, 0x669) && !in(c, 0x6f0, 0x6f9)) || in(c, 0xfb1d, 0xfdff) ||
           in(c, 0xfe70, 0xfefc) || in(c, 0x10800, 0x10fff) || in(c, 0x1e800, 0x1efff);
}

static bool left_to_right(uint32_t c)
{
    return c < 0x80 ? in(c | 0x20, 'a', 'z')
                    : in(c, 0xaa, 0x2b8) || in(c, 0x370, 0x58f) || in(c, 0x900, 0x1fff) || in(c, 0x3005, 0xd7ff);
}

/* RFC 5893 section 2, as far as the scripts' blocks tell the direction. */
static bool bidi_allows(const uint32_t *cp, size_t n)
{
    bool rtl = false, ltr = false, european = false, arabic = false;

    for (size_t i = 0; i < n; i++) {
        rtl |= right_to_left(cp[i]);
        ltr |= left_to_right(cp[i]);
        european |= in(cp[i], '0', '9') || in(cp[i], 0x6f0, 0x6f9);
        arabic |= in(cp[i], 0x660, 0x669);
    }
    if (!right_to_left(cp[0]) && (rtl || !left_to_right(cp[0])))
        return !rtl && !in(cp[0], '0', '9') && !arabic;
    return right_to_left(cp[0]) ? !ltr && !(european && arabic) : !rtl;
}

static bool is_ace(struct tl_sv label)
{
    return label.n >= 4 && tl_sv_starts_i(label, TL_SV("xn--"));
}

static bool ace_code_points(struct tl_sv label, uint32_t *cp, size_t *ret_n)
{
    size_t n = 0;
    bool wide = false;

    if (label.n == 4 || label.n > 63 || label.p[label.n - 1] == '-' || !punycode_decode(tl_sv_from(label, 4), cp, &n) ||
        n == 0)
        return false;
    for (size_t i = 0; i < n; i++)
        wide |= cp[i] >= 0x80;
    *ret_n = n;
    return wide && cp[0] != '-' && cp[n - 1] != '-' && !(n >= 4 && cp[2] == '-' && cp[3] == '-') &&
           code_points_allowed(cp, n);
}

static bool ace_label(struct tl_sv label)
{
    uint32_t cp[64];
    size_t n;

    return ace_code_points(label, cp, &n);
}

/* RFC 1123 section 2.1; labels that claim to be A-labels must be (RFC 5890 section 2.3.2.1). */
static bool host_label(struct tl_sv label)
{
    if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++)
        if (!alpha(label.p[i]) && !digit(label.p[i]) && label.p[i] != '-')
            return false;
    if (label.n >= 4 && label.p[2] == '-' && label.p[3] == '-')
        return is_ace(label) && ace_label(label);
    return true;
}

bool format_hostname(struct tl_sv s)
{
    struct tl_sv label;

    if (s.n == 0 || s.n > 253)
        return false;
    while (tl_sv_cut(&s, '.', &label))
        if (!host_label(label))
            return false;
    return true;
}

/* The code points of a label in either form; false when it is not allowed. */
static bool idn_label(struct tl_sv label, uint32_t *cp, size_t *ret_n)
{
    size_t n = 0;
    bool wide = false;

    for (size_t at = 0; at < label.n; n++) {
        size_t len = n < 64 ? tl_utf8_decode(tl_sv_from(label, at), &cp[n]) : 0;

        if (len == 0)
            return false;
        wide |= cp[n] >= 0x80;
        at += len;
    }
    *ret_n = n;
    if (!wide)
        return host_label(label) && (!is_ace(label) || ace_code_points(label, cp, ret_n));
    if (n > 59 || cp[0] == '-' || cp[n - 1] == '-' || (n >= 4 && cp[2] == '-' && cp[3] == '-'))
        return false;
    return code_points_allowed(cp, n);
}

/* RFC 3490 section 3.1: four characters separate labels. Bytes of the one at p, 0: none. */
static size_t label_separator(struct tl_sv s)
{
    static const char *const wide[] = {"\xe3\x80\x82", "\xef\xbc\x8e", "\xef\xbd\xa1"};

    for (size_t i = 0; i < TL_COUNT(wide); i++)
        if (s.n >= 3 && memcmp(s.p, wide[i], 3) == 0)
            return 3;
    return s.n > 0 && s.p[0] == '.' ? 1 : 0;
}

bool format_idn_hostname(struct tl_sv s)
{
    bool bidi = false, bidi_ok = true;
    uint32_t cp[64];

    if (s.n == 0 || tl_utf8_count(s) > 253)
        return false;
    for (;;) {
        size_t end = 0, n;

        while (end < s.n && label_separator(tl_sv_from(s, end)) == 0)
            end++;
        if (end == 0 || !idn_label(tl_sv(s.p, end), cp, &n))
            return false;
        for (size_t i = 0; i < n; i++)
            bidi |= right_to_left(cp[i]) || in(cp[i], 0x660, 0x669);
        bidi_ok &= bidi_allows(cp, n);
        if (end == s.n)
            return !bidi || bidi_ok;
        s = tl_sv_from(s, end + label_separator(tl_sv_from(s, end)));
    }
}

/* RFC 5321 section 4.1.2 mailbox (RFC 6531 for the international one). */
bool format_email(struct tl_sv s, bool international)
{
    size_t at = s.n;
    struct tl_sv local, domain;

    while (at > 0 && s.p[at - 1] != '@')
        at--;
    if (at < 2)
        return false;
    local = tl_sv(s.p, at - 1);
    domain = tl_sv_from(s, at);
    if (local.p[0] == '"') {
        if (local.n < 3 || local.p[local.n - 1] != '"')
            return false;
        for (size_t i = 1; i + 1 < local.n; i++) {
            if (local.p[i] == '\\')
                i++;
            else if (local.p[i] == '"' || (uint8_t)local.p[i] < 0x20 || ((uint8_t)local.p[i] >= 0x80 && !international))
                return false;
            if (i + 1 >= local.n)
                return false;
        }
    } else {
        if (local.p[0] == '.' || local.p[local.n - 1] == '.' || tl_sv_find_sv(local, TL_SV("..")) < local.n)
            return false;
        for (size_t i = 0; i < local.n; i++)
            if ((uint8_t)local.p[i] >= 0x80 ? !international
                                            : !alpha(local.p[i]) && !digit(local.p[i]) &&
                                                  (!local.p[i] || !strchr(".!#$%&'*+/=?^_`{|}~-", local.p[i])))
                return false;
    }
    if (domain.n > 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']') {
        domain = tl_sv(domain.p + 1, domain.n - 2);
        if (tl_sv_starts_i(domain, TL_SV("IPv6:")))
            return format_ipv6(tl_sv_from(domain, 5));
        return format_ipv4(domain);
    }
    return international ? format_idn_hostname(domain) : format_hostname(domain);
}
