/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.c - RFC 8259 text to values, in one pass and without recursion.
 *
 * Items and members of the open containers lie on one contiguous stack (a member is two values, as in memory), each
 * container above a frame that remembers where its parent begins. When a container closes its size is known, so it is
 * copied into the arena once.
 */
#include <stdlib.h>

#include "json/json_int.h"
#include "json/scan.h"

#define DEFAULT_BYTES (64u << 20)
#define DEFAULT_DEPTH 512u

/* Objects of one array mostly have the same names in the same order: so the names of the object that closed last at the
 * same depth are expected again, and shared. */
#define TEMPLATES 16u
struct template
{
    const struct json_member *members;
    uint32_t n;
    struct json_index *index;
};
/* In the flags of a frame: all names so far were the expected ones, so none is there twice. */
#define FRAME_EXPECTED 1u

struct parser {
    struct tl_arena *arena;
    const char *start, *end;
    struct json *stack; /* heap, as long as the parse */
    size_t n, cap;
    size_t base; /* first item of the innermost open container; its frame is stack[base - 1] */
    uint32_t depth, max_depth;
    unsigned flags;
    enum tl_rc rc; /* of the fault */
    const char *at, *fault;
    struct template templates[TEMPLATES];
};

static const char *fail(struct parser *ps, enum tl_rc rc, const char *at, const char *fault)
{
    ps->rc = rc;
    ps->at = at;
    ps->fault = fault;
    return NULL;
}

/* The items of an open container will be copied into the arena: what it could not hold is not gathered either. */
static bool __attribute__((noinline)) stack_grow(struct parser *ps)
{
    if (ps->n * sizeof(*ps->stack) > tl_arena_left(ps->arena)) {
        (void)fail(ps, TL_LIMIT, ps->at, "the memory limit is used up");
        return false;
    }
    ps->cap = ps->cap ? ps->cap * 2 : 256;
    ps->stack = tl_reallocarray(ps->stack, ps->cap, sizeof(*ps->stack));
    return true;
}

static inline bool push(struct parser *ps, struct json v)
{
    if (TL_UNLIKELY(ps->n == ps->cap) && !stack_grow(ps))
        return false;
    ps->stack[ps->n++] = v;
    return true;
}

/* ---- strings ---- */

/* Past the run of well-formed multi-byte characters at p, or NULL at a malformed one (left in *ret_bad). */
static const char *utf8_run(const char *p, const char *end, const char **ret_bad)
{
    while (p < end && (uint8_t)*p >= 0x80) {
        uint8_t c = (uint8_t)*p;
        uint32_t cp;
        size_t n;

        if (c >= 0xc2 && c <= 0xdf && end - p >= 2 && ((uint8_t)p[1] & 0xc0) == 0x80) {
            p += 2;
            continue;
        }
        if (c > 0xe0 && c <= 0xef && c != 0xed && end - p >= 3 && ((uint8_t)p[1] & 0xc0) == 0x80 &&
            ((uint8_t)p[2] & 0xc0) == 0x80) {
            p += 3;
            continue;
        }
        n = tl_utf8_decode(tl_sv(p, (size_t)(end - p)), &cp);
        if (n == 0) {
            *ret_bad = p;
            return NULL;
        }
        p += n;
    }
    return p;
}

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
    uint32_t v = 0;

    if (end - p < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        uint32_t digit;

        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        v = v << 4 | digit;
    }
    *ret = v;
    return true;
}

/* p is behind "\u". Surrogate pairs are joined; a lone one is kept only on demand. */
static const char *unicode_escape(struct parser *ps, const char *p, char **out, uint8_t *flags)
{
    const char *at = p - 2;
    uint32_t cp, low;

    if (!hex4(p, ps->end, &cp))
        return fail(ps, TL_PARSE, at, "\\u needs four hexadecimal digits");
    p += 4;
    if (cp >= 0xd800 && cp <= 0xdfff) {
        if (cp <= 0xdbff && ps->end - p >= 6 && p[0] == '\\' && p[1] == 'u' && hex4(p + 2, ps->end, &low) &&
            low >= 0xdc00 && low <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
            p += 6;
        } else if (ps->flags & JSON_PARSE_LONE_SURROGATES) {
            *flags &= (uint8_t)~JSON_F_PLAIN;
        } else {
            return fail(ps, TL_PARSE, at, "half of a surrogate pair");
        }
    }
    if (cp >= 0x80)
        *flags &= (uint8_t)~JSON_F_ASCII;
    else if (cp < 0x20 || cp == '"' || cp == '\\')
        *flags &= (uint8_t)~JSON_F_PLAIN;
    *out += tl_utf8_encode(cp, *out);
    return p;
}

static const char *escape(struct parser *ps, const char *p, char **out, uint8_t *flags)
{
    char c;

    if (p + 1 >= ps->end)
        return fail(ps, TL_PARSE, p, "the string does not end");
    switch (p[1]) {
    case '"':
    case '\\':
        c = p[1];
        break;
    case '/':
        *(*out)++ = '/'; /* needs no escape when written */
        return p + 2;
    case 'b':
        c = '\b';
        break;
    case 'f':
        c = '\f';
        break;
    case 'n':
        c = '\n';
        break;
    case 'r':
        c = '\r';
        break;
    case 't':
        c = '\t';
        break;
    case 'u':
        return unicode_escape(ps, p + 2, out, flags);
    default:
        return fail(ps, TL_PARSE, p, "unknown escape in a string");
    }
    *flags &= (uint8_t)~JSON_F_PLAIN;
    *(*out)++ = c;
    return p + 2;
}

/* The string from s has its first backslash at p: decode into the arena. No escape is shorter than what it stands for.
 */
static const char *__attribute__((noinline))
escaped_string(struct parser *ps, const char *s, const char *p, uint8_t flags, struct json *ret)
{
    const char *close = p, *bad;
    char *text, *out;

    while (close < ps->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= ps->end)
        return fail(ps, TL_PARSE, s - 1, "the string does not end");
    text = out = tl_arena_alloc_unaligned(ps->arena, (size_t)(close - s));
    if (!text)
        return fail(ps, TL_LIMIT, s, "the memory limit is used up");
    for (;;) {
        memcpy(out, s, (size_t)(p - s));
        out += p - s;
        s = p;
        if (*p == '"')
            break;
        if (*p == '\\') {
            p = escape(ps, p, &out, &flags);
            if (!p)
                return NULL;
            s = p;
        } else if ((uint8_t)*p < 0x20) {
            return fail(ps, TL_PARSE, p, "a control character in a string must be escaped");
        } else {
            flags &= (uint8_t)~JSON_F_ASCII;
            p = utf8_run(p, close, &bad);
            if (!p)
                return fail(ps, TL_PARSE, bad, "malformed UTF-8");
        }
        p = json_scan(p, ps->end);
    }
    *ret = (struct json){.type = JSON_STRING, .flags = flags, .n = (uint32_t)(out - text), .u.s = text};
    return p + 1;
}

/* p is behind the opening quote; returns behind the closing one. */
static inline const char *string(struct parser *ps, const char *p, struct json *ret)
{
    const char *s = p, *bad;
    uint8_t flags = JSON_F_ASCII | JSON_F_PLAIN;

    for (;;) {
        p = json_scan(p, ps->end);
        if (TL_UNLIKELY(p == ps->end))
            return fail(ps, TL_PARSE, s - 1, "the string does not end");
        if (TL_LIKELY(*p == '"'))
            break;
        if (*p == '\\')
            return escaped_string(ps, s, p, flags, ret);
        if ((uint8_t)*p < 0x20)
            return fail(ps, TL_PARSE, p, "a control character in a string must be escaped");
        flags &= (uint8_t)~JSON_F_ASCII;
        p = utf8_run(p, ps->end, &bad);
        if (!p)
            return fail(ps, TL_PARSE, bad, "malformed UTF-8");
    }
    *ret = (struct json){.type = JSON_STRING, .flags = flags, .n = (uint32_t)(p - s), .u.s = s};
    return p + 1;
}

/* ---- numbers and words ---- */

static inline bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

static const char *fraction_and_exponent(struct parser *ps, const char *p)
{
    const char *end = ps->end;

    if (p < end && *p == '.') {
        p++;
        if (!is_digit(p, end))
            return fail(ps, TL_PARSE, p, "a digit must follow the decimal point");
        while (is_digit(p, end))
            p++;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        if (!is_digit(p, end))
            return fail(ps, TL_PARSE, p, "the exponent has no digits");
        while (is_digit(p, end))
            p++;
    }
    return p;
}

static inline const char *number(struct parser *ps, const char *p, struct json *ret)
{
    const char *s = p, *end = ps->end, *digits;
    bool negative = *p == '-';
    uint64_t w = 0;
    size_t n;

    digits = p += negative;
    while (is_digit(p, end))
        w = w * 10 + (uint64_t)(*p++ - '0');
    n = (size_t)(p - digits);
    if (TL_UNLIKELY(n == 0))
        return fail(ps, TL_PARSE, p, "a digit must follow the minus sign");
    if (TL_UNLIKELY(*digits == '0' && n > 1))
        return fail(ps, TL_PARSE, digits, "a number must not begin with 0");
    if (p < end && (*p == '.' || (*p | 0x20) == 'e')) {
        p = fraction_and_exponent(ps, p);
        if (!p)
            return NULL;
    } else if (n <= 18 && (w != 0 || !negative)) {
        *ret = json_int(negative ? -(int64_t)w : (int64_t)w);
        return p;
    } else if (n == 19) { /* w cannot have wrapped: 10^19 < 2^64 */
        if (w <= (uint64_t)INT64_MAX + negative) {
            *ret = json_int(negative ? (int64_t)(0 - w) : (int64_t)w);
            return p;
        }
    }
    *ret = (struct json){.type = JSON_DECIMAL, .n = (uint32_t)(p - s), .u.s = s};
    return p;
}

static const char *word(struct parser *ps, const char *p, struct tl_sv text, struct json value, struct json *ret)
{
    if ((size_t)(ps->end - p) < text.n || memcmp(p, text.p, text.n) != 0)
        return fail(ps, TL_PARSE, p, "not a JSON value");
    *ret = value;
    return p + text.n;
}

static const char *odd_value(struct parser *ps, const char *p, struct json *ret)
{
    switch (*p) {
    case 't':
        return word(ps, p, TL_SV("true"), json_bool(true), ret);
    case 'f':
        return word(ps, p, TL_SV("false"), json_bool(false), ret);
    case 'n':
        return word(ps, p, TL_SV("null"), json_null(), ret);
    case ']':
    case '}':
    case ',':
    case ':':
        return fail(ps, TL_PARSE, p, "a value is missing here");
    case '\'':
        return fail(ps, TL_PARSE, p, "strings are written in double quotes");
    default:
        return fail(ps, TL_PARSE, p,
                    (uint8_t)*p >= 0x80 ? "a byte that cannot begin a JSON value (byte order mark?)"
                                        : "not a JSON value");
    }
}

/* ---- containers ---- */

static const char *open_container(struct parser *ps, const char *p, enum json_type type)
{
    if (ps->depth == ps->max_depth)
        return fail(ps, TL_LIMIT, p, "nested deeper than the limit");
    if (!push(ps, (struct json){.type = (uint8_t)type, .flags = FRAME_EXPECTED, .n = (uint32_t)ps->base}))
        return NULL;
    ps->depth++;
    ps->base = ps->n;
    return p + 1;
}

static void pop_frame(struct parser *ps)
{
    size_t frame = ps->base - 1;

    ps->base = ps->stack[frame].n;
    ps->n = frame;
    ps->depth--;
}

static bool close_array(struct parser *ps, struct json *ret)
{
    size_t n = ps->n - ps->base;
    struct json *items = NULL;

    if (n > 0) {
        items = tl_arena_alloc(ps->arena, n * sizeof(*items));
        if (!items)
            return false;
        memcpy(items, ps->stack + ps->base, n * sizeof(*items));
    }
    *ret = (struct json){.type = JSON_ARRAY, .n = (uint32_t)n, .u.items = items};
    pop_frame(ps);
    return true;
}

static void repeated(struct parser *ps, const struct json *key)
{
    bool shared = key->u.s >= ps->start && key->u.s < ps->end;

    (void)fail(ps, TL_PARSE, shared ? key->u.s - 1 : ps->at, "a name appears twice in one object");
}

/* The later of two members takes the earlier one's place. Returns the members left, or 0 with a fault. */
static uint32_t index_and_merge(struct parser *ps, struct json_member *members, uint32_t n, struct json_index *ix)
{
    uint32_t kept = 0, slot;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = json_index_find(ix, members, kept, json_view(members[i].key), &slot);

        if (at == UINT32_MAX) {
            members[kept] = members[i];
            ix->slots[slot] = ++kept;
        } else if (ps->flags & JSON_PARSE_DUP_LAST) {
            members[at].value = members[i].value;
        } else {
            repeated(ps, &members[i].key);
            return 0;
        }
    }
    return kept;
}

static uint32_t merge_few(struct json_member *members, uint32_t n)
{
    uint32_t kept = 0, at;

    for (uint32_t i = 0; i < n; i++) {
        for (at = 0; at < kept && !json_key_is(&members[at].key, json_view(members[i].key)); at++)
            ;
        if (at < kept)
            members[at].value = members[i].value;
        else
            members[kept++] = members[i];
    }
    return kept;
}

static bool close_object(struct parser *ps, const char *p, struct json *ret)
{
    uint32_t n = (uint32_t)((ps->n - ps->base) / 2);
    struct json_member *members = NULL;
    struct json_index *ix;
    uint8_t flags = 0;
    struct template *t = &ps->templates[ps->depth % TEMPLATES];
    bool as_expected = (ps->stack[ps->base - 1].flags & FRAME_EXPECTED) && n == t->n;

    ps->at = p;
    if (n > JSON_INDEX_MIN) {
        members = json_members_alloc(ps->arena, n);
        ix = as_expected ? t->index : json_index_new(ps->arena, n);
        if (!members || !ix)
            return false;
        memcpy(members, ps->stack + ps->base, n * sizeof(*members));
        n = as_expected ? n : index_and_merge(ps, members, n, ix);
        if (n == 0)
            return false;
        t->index = ix;
        json_index_header(members)->index = ix;
        flags = JSON_F_INDEXED;
    } else if (n > 0) {
        members = tl_arena_alloc(ps->arena, n * sizeof(*members));
        if (!members)
            return false;
        memcpy(members, ps->stack + ps->base, n * sizeof(*members));
        if (ps->stack[ps->base - 1].aux)
            n = merge_few(members, n);
    }
    t->members = members;
    t->n = n;
    *ret = (struct json){.type = JSON_OBJECT, .flags = flags, .n = n, .u.members = members};
    pop_frame(ps);
    return true;
}

static inline uint64_t key_bit(const struct json *key)
{
    uint32_t n = key->n, h = n;

    if (n > 0)
        h += (uint32_t)(uint8_t)key->u.s[0] * 3 + (uint32_t)(uint8_t)key->u.s[n - 1] * 5 +
             (uint32_t)(uint8_t)key->u.s[n >> 1] * 7;
    return 1ull << (h & 63);
}

/* The names so far were the expected ones, the next one is not: from here on they are noted. */
static void stop_expecting(struct parser *ps, struct json *frame, size_t count)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < count; i += 2)
        bits |= key_bit(&ps->stack[ps->base + i]);
    frame->u.i = (int64_t)bits;
    frame->flags = 0;
}

/* One bit of 64 for each name seen: most objects never need to compare names. Beyond JSON_INDEX_MIN members the index
 * finds repetitions when the object closes. */
static inline bool note_key(struct parser *ps, const struct json *key)
{
    struct json *frame = &ps->stack[ps->base - 1];
    size_t count = ps->n - ps->base;
    uint64_t bit = key_bit(key);

    if (frame->flags & FRAME_EXPECTED)
        stop_expecting(ps, frame, count);
    if (TL_LIKELY(!((uint64_t)frame->u.i & bit)) || count > 2 * JSON_INDEX_MIN) {
        frame->u.i = (int64_t)((uint64_t)frame->u.i | bit);
        return true;
    }
    for (size_t i = 0; i < count; i += 2) {
        if (!json_key_is(&ps->stack[ps->base + i], json_view(*key)))
            continue;
        if (!(ps->flags & JSON_PARSE_DUP_LAST)) {
            repeated(ps, key);
            return false;
        }
        frame->aux = 1;
    }
    return true;
}

static inline bool expected_name(const struct parser *ps, const char *p, struct json *ret)
{
    const struct template *t = &ps->templates[ps->depth % TEMPLATES];
    size_t i = (ps->n - ps->base) / 2;
    const struct json *key;

    if (!(ps->stack[ps->base - 1].flags & FRAME_EXPECTED) || i >= t->n)
        return false;
    key = &t->members[i].key;
    if ((size_t)(ps->end - p) <= key->n || p[key->n] != '"' || !(key->flags & JSON_F_PLAIN) ||
        !json_key_is(key, tl_sv(p, key->n)))
        return false;
    *ret = *key;
    return true;
}

/* A name and its colon; p is where the quote must be. */
static inline const char *member_name(struct parser *ps, const char *p)
{
    struct json key;
    const char *at = p;

    if (TL_UNLIKELY(p >= ps->end || *p != '"'))
        return fail(ps, TL_PARSE, p,
                    p >= ps->end ? "the text ends inside an object" : "a name in double quotes is missing here");
    if (expected_name(ps, p + 1, &key)) {
        p += key.n + 2;
    } else {
        p = string(ps, p + 1, &key);
        if (!p)
            return NULL;
        ps->at = at;
        if (!note_key(ps, &key))
            return NULL;
    }
    if (!push(ps, key))
        return NULL;
    p = json_space(p, ps->end);
    if (TL_UNLIKELY(p >= ps->end || *p != ':'))
        return fail(ps, TL_PARSE, p, "a colon must follow the name");
    return json_space(p + 1, ps->end);
}

/* ---- the machine ---- */

/*
 * Begin the value at p. Returns behind it with *ret filled; or, for a container that is not empty, where its first
 * value begins, with *ret left undefined.
 */
static inline const char *begin_value(struct parser *ps, const char *p, struct json *ret)
{
    if (TL_UNLIKELY(p >= ps->end))
        return fail(ps, TL_PARSE, p, "the text ends where a value is expected");
    ret->type = JSON_UNDEFINED;
    switch (*p) {
    case '"':
        return string(ps, p + 1, ret);
    case '{':
        p = open_container(ps, p, JSON_OBJECT);
        if (!p)
            return NULL;
        p = json_space(p, ps->end);
        if (p < ps->end && *p == '}')
            return close_object(ps, p, ret) ? p + 1 : NULL;
        return member_name(ps, p);
    case '[':
        p = open_container(ps, p, JSON_ARRAY);
        if (!p)
            return NULL;
        p = json_space(p, ps->end);
        if (p < ps->end && *p == ']')
            return close_array(ps, ret) ? p + 1 : NULL;
        return p;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return number(ps, p, ret);
    default:
        return odd_value(ps, p, ret);
    }
}

/*
 * A value of an open container is complete and p is behind it. Returns where the next value begins, or, when the
 * container closed, behind it with the container in *ret.
 */
static inline const char *after_value(struct parser *ps, const char *p, struct json *ret)
{
    bool object = ps->stack[ps->base - 1].type == JSON_OBJECT;

    ret->type = JSON_UNDEFINED;
    p = json_space(p, ps->end);
    if (TL_UNLIKELY(p >= ps->end))
        return fail(ps, TL_PARSE, p, object ? "the text ends inside an object" : "the text ends inside an array");
    if (TL_LIKELY(*p == ',')) {
        p = json_space(p + 1, ps->end);
        return object ? member_name(ps, p) : p;
    }
    if (*p == (object ? '}' : ']')) {
        if (object ? close_object(ps, p, ret) : close_array(ps, ret))
            return p + 1;
        return ps->fault ? NULL : fail(ps, TL_LIMIT, p, "the memory limit is used up");
    }
    return fail(ps, TL_PARSE, p, object ? "a comma or } must follow" : "a comma or ] must follow");
}

/* One value at p (white space skipped); returns behind it. */
static const char *parse_value(struct parser *ps, const char *p, struct json *ret)
{
    struct json v = JSON_NOTHING;

    for (;;) {
        p = begin_value(ps, p, &v);
        if (!p)
            return NULL;
        while (v.type != JSON_UNDEFINED) {
            if (ps->depth == 0) {
                *ret = v;
                return p;
            }
            p = push(ps, v) ? after_value(ps, p, &v) : NULL;
            if (!p)
                return NULL;
        }
    }
}

static enum tl_rc report(const struct parser *ps, struct tl_err *err)
{
    int32_t line = 1, column = 1;

    for (const char *p = ps->start; p < ps->at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((uint8_t)*p & 0xc0) != 0x80) {
            column++;
        }
    }
    return tl_fail_at(err, ps->rc, line, column, "JSON: %s", ps->fault);
}

static void parser_done(struct parser *ps)
{
    tl_free(ps->stack);
}

static size_t limit_bytes(const struct json_limits *limits)
{
    size_t max = limits && limits->max_bytes ? limits->max_bytes : DEFAULT_BYTES;

    return max > UINT32_MAX ? UINT32_MAX : max;
}

enum tl_rc json_parse_next(struct tl_arena *a, struct tl_sv text, size_t *pos, unsigned flags,
                           const struct json_limits *limits, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(parser_done) struct parser ps = {.arena = a, .start = text.p, .end = text.p + text.n, .flags = flags};
    size_t max = limit_bytes(limits);
    struct json v = JSON_NOTHING;
    const char *p, *begin;
    bool truncated;

    ps.max_depth = limits && limits->max_depth ? limits->max_depth : DEFAULT_DEPTH;
    if (ps.max_depth > JSON_DEPTH_MAX)
        ps.max_depth = JSON_DEPTH_MAX;
    ps.at = text.p;
    begin = text.n ? json_space(text.p + *pos, ps.end) : text.p;
    if (begin == ps.end) {
        *pos = text.n;
        *ret = JSON_NOTHING;
        return TL_OK;
    }
    truncated = (size_t)(ps.end - begin) > max;
    if (truncated)
        ps.end = begin + max;
    p = parse_value(&ps, begin, &v);
    if (truncated && (p ? p : ps.at) >= ps.end)
        return tl_fail(err, TL_LIMIT, "JSON: a value is longer than %zu bytes", max);
    if (!p)
        return report(&ps, err);
    *pos = (size_t)(p - text.p);
    *ret = v;
    return TL_OK;
}

enum tl_rc json_parse(struct tl_arena *a, struct tl_sv text, unsigned flags, const struct json_limits *limits,
                      struct json *ret, struct tl_err *err)
{
    struct parser where = {.start = text.p, .rc = TL_PARSE};
    struct json v = JSON_NOTHING;
    enum tl_rc rc;
    size_t pos = 0;

    if (text.n > limit_bytes(limits))
        return tl_fail(err, TL_LIMIT, "JSON: the text has %zu bytes, the limit is %zu", text.n, limit_bytes(limits));
    rc = json_parse_next(a, text, &pos, flags, limits, &v, err);
    if (rc != TL_OK)
        return rc;
    where.at = text.n ? json_space(text.p + pos, text.p + text.n) : text.p;
    where.fault = v.type == JSON_UNDEFINED ? "there is no value" : "text follows the value";
    if (v.type == JSON_UNDEFINED || where.at < text.p + text.n)
        return report(&where, err);
    *ret = v;
    return TL_OK;
}
