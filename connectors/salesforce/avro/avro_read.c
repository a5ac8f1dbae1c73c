/* SPDX-License-Identifier: Apache-2.0 */
/* avro_read.c - bytes to values. */
#include "salesforce/avro/avro_int.h"

#include <math.h>
#include <stdio.h>

struct reading {
    const uint8_t *p, *end;
    struct tl_arena *a;
    uint32_t items, values, depth;
    struct tl_err *err;
};

static bool read_value(struct reading *r, const struct avro_node *n, struct json *ret);

static bool bad(struct reading *r, enum tl_rc rc, const char *text)
{
    (void)tl_fail(r->err, rc, "the event cannot be decoded: %s", text);
    return false;
}

static bool no_memory(struct reading *r)
{
    return bad(r, TL_LIMIT, "it needs more memory than it may have");
}

static size_t left(const struct reading *r)
{
    return (size_t)(r->end - r->p);
}

/* Zigzag, seven bits a byte, the lowest first; at most ten bytes, and no bit beyond the 64th. */
static bool read_long(struct reading *r, int64_t *ret)
{
    uint64_t v = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t b;

        if (r->p == r->end)
            return bad(r, TL_PARSE, "it ends within a number");
        b = *r->p++;
        if (shift == 63 && b > 1)
            break;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
            return true;
        }
    }
    return bad(r, TL_PARSE, "a number is too long");
}

static bool take(struct reading *r, int64_t n, struct tl_sv *ret)
{
    if (n < 0 || (uint64_t)n > left(r))
        return bad(r, TL_PARSE, "a length is longer than what is there");
    *ret = tl_sv((const char *)r->p, (size_t)n);
    r->p += n;
    return true;
}

static bool read_bytes(struct reading *r, struct tl_sv *ret)
{
    int64_t n;

    return read_long(r, &n) && take(r, n, ret);
}

static bool read_text(struct reading *r, struct json *ret)
{
    struct tl_sv s;

    if (!read_bytes(r, &s))
        return false;
    if (tl_utf8_valid(s) != s.n)
        return bad(r, TL_PARSE, "a string is not UTF-8");
    *ret = json_sv(s);
    return true;
}

/* ---- logical types ---- */
/* The big-endian two's complement number as digits. */
static bool read_decimal(struct reading *r, struct tl_sv bytes, uint32_t scale, struct json *ret)
{
    uint8_t n[AVRO_DECIMAL];
    char digits[3 * AVRO_DECIMAL + 110], *d = digits + sizeof digits;
    bool negative = bytes.n > 0 && (bytes.p[0] & 0x80), more = true;
    uint32_t count = 0;
    unsigned carry = 1;

    if (bytes.n > AVRO_DECIMAL)
        return bad(r, TL_LIMIT, "a decimal is too long");
    memcpy(n, bytes.p, bytes.n);
    for (size_t i = bytes.n; negative && i-- > 0;) {
        carry += (uint8_t)~n[i];
        n[i] = (uint8_t)carry;
        carry >>= 8;
    }
    while (more || count <= scale) { /* at least one digit before the point */
        unsigned rest = 0;

        if (count == scale && scale > 0)
            *--d = '.';
        more = false;
        for (size_t i = 0; i < bytes.n; i++) {
            rest = rest << 8 | n[i];
            n[i] = (uint8_t)(rest / 10);
            rest %= 10;
            more |= n[i] != 0;
        }
        *--d = (char)('0' + rest);
        count++;
    }
    if (negative)
        *--d = '-';
    ret->u.s = tl_arena_strndup(r->a, d, (size_t)(digits + sizeof digits - d));
    ret->n = (uint32_t)(digits + sizeof digits - d);
    ret->type = JSON_DECIMAL;
    return ret->u.s ? true : no_memory(r);
}

static int64_t floor_div(int64_t v, int64_t by)
{
    return v / by - (v % by < 0);
}

/* Years beyond 0001 to 9999 have no text in RFC 3339: they stay numbers. */
static struct json moment(struct tl_arena *a, int64_t ms, bool local, int64_t plain)
{
    char text[TL_TIME_TEXT];

    if (ms < INT64_C(-62135596800000) || ms > INT64_C(253402300799999))
        return json_int(plain);
    (void)tl_time_format(ms, text);
    return json_printf(a, "%.*s", (int)strlen(text) - (local ? 1 : 0), text);
}

static struct json day(struct tl_arena *a, int64_t v)
{
    struct json t = moment(a, v * 86400000, true, v);

    if (t.type == JSON_STRING)
        t.n = 10;
    return t;
}

static struct json time_of_day(struct tl_arena *a, int64_t ms, int64_t plain)
{
    if (ms < 0 || ms >= 86400000)
        return json_int(plain);
    return json_printf(a, "%02d:%02d:%02d.%03d", (int)(ms / 3600000), (int)(ms / 60000 % 60), (int)(ms / 1000 % 60),
                       (int)(ms % 1000));
}

static struct json whole(struct tl_arena *a, const struct avro_node *n, int64_t v)
{
    switch (n->logical) {
    case AVRO_TIMESTAMP_MS:
        return moment(a, v, false, v);
    case AVRO_TIMESTAMP_US:
        return moment(a, floor_div(v, 1000), false, v);
    case AVRO_LOCAL_MS:
        return moment(a, v, true, v);
    case AVRO_LOCAL_US:
        return moment(a, floor_div(v, 1000), true, v);
    case AVRO_DATE:
        return day(a, v);
    case AVRO_TIME_MS:
        return time_of_day(a, v, v);
    case AVRO_TIME_US:
        return time_of_day(a, floor_div(v, 1000), v);
    case AVRO_PLAIN:
    case AVRO_BIG_DECIMAL:
    default:
        return json_int(v);
    }
}

/* ---- types ---- */
static bool read_whole(struct reading *r, const struct avro_node *n, struct json *ret)
{
    int64_t v;

    if (!read_long(r, &v))
        return false;
    if (n->type == AVRO_INT && (v < INT32_MIN || v > INT32_MAX))
        return bad(r, TL_PARSE, "an int is larger than 32 bits");
    *ret = whole(r->a, n, v);
    return ret->type != JSON_UNDEFINED ? true : no_memory(r);
}

static bool read_floating(struct reading *r, bool is_double, struct json *ret)
{
    struct tl_sv raw;
    uint64_t bits = 0;
    double d;

    if (!take(r, is_double ? 8 : 4, &raw))
        return false;
    for (size_t i = raw.n; i-- > 0;)
        bits = bits << 8 | (uint8_t)raw.p[i];
    if (is_double) {
        memcpy(&d, &bits, sizeof d);
    } else {
        uint32_t half = (uint32_t)bits;
        float f;

        memcpy(&f, &half, sizeof f);
        d = (double)f;
    }
    *ret = isfinite(d) ? json_double(d) : json_null();
    return true;
}

static bool as_base64(struct reading *r, struct tl_sv bytes, struct json *ret)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;

    tl_buf_init(&b, bytes.n / 3 * 4 + 8);
    if (!tl_base64_encode(&b, bytes.p, bytes.n))
        return no_memory(r);
    text = tl_arena_sv(r->a, b.n > 0 ? tl_buf_view(&b) : TL_SV(""));
    *ret = json_sv(text);
    return text.p ? true : no_memory(r);
}

static bool read_raw(struct reading *r, const struct avro_node *n, struct json *ret)
{
    struct tl_sv bytes;

    if (!(n->type == AVRO_FIXED ? take(r, n->size, &bytes) : read_bytes(r, &bytes)))
        return false;
    return n->logical == AVRO_BIG_DECIMAL ? read_decimal(r, bytes, n->scale, ret) : as_base64(r, bytes, ret);
}

static bool read_index(struct reading *r, const struct avro_node *n, uint32_t *ret)
{
    int64_t i;

    if (!read_long(r, &i))
        return false;
    if (i < 0 || i >= n->n)
        return bad(r, TL_PARSE, "a branch or symbol that the schema does not have");
    *ret = (uint32_t)i;
    return true;
}

static bool read_record(struct reading *r, const struct avro_node *n, struct json *ret)
{
    struct json_builder b;

    json_object_begin(&b, r->a, n->n);
    for (uint32_t i = 0; i < n->n; i++) {
        struct json v;

        if (!read_value(r, n->child[i], &v))
            return false;
        if (!json_add(&b, n->names[i], v))
            return no_memory(r);
    }
    *ret = json_end(&b);
    return true;
}

/* A block's count, 0: the end. A negative one is followed by the block's size, which is for those who skip it. */
static bool read_count(struct reading *r, int64_t *ret)
{
    int64_t size;

    if (!read_long(r, ret))
        return false;
    if (*ret < 0) {
        if (*ret == INT64_MIN || !read_long(r, &size))
            return bad(r, TL_PARSE, "a block without an end");
        *ret = -*ret;
    }
    if (*ret > (int64_t)(AVRO_ITEMS - r->items))
        return bad(r, TL_LIMIT, "it has more items than are taken");
    r->items += (uint32_t)*ret;
    return true;
}

static bool read_items(struct reading *r, const struct avro_node *n, struct json *ret)
{
    struct json_builder b;
    int64_t count;

    if (n->type == AVRO_MAP)
        json_object_begin(&b, r->a, 4);
    else
        json_array_begin(&b, r->a, 4);
    do {
        if (!read_count(r, &count))
            return false;
        for (int64_t i = 0; i < count; i++) {
            struct json key, v;

            if (n->type == AVRO_MAP && !read_text(r, &key))
                return false;
            if (n->type == AVRO_MAP && b.v.n >= AVRO_MEMBERS)
                return bad(r, TL_LIMIT, "a map has more members than are taken");
            if (!read_value(r, n->child[0], &v))
                return false;
            if (!(n->type == AVRO_MAP ? json_set(&b, json_view(key), v) : json_push(&b, v)))
                return no_memory(r);
        }
    } while (count > 0);
    *ret = json_end(&b);
    return true;
}

static bool read_any(struct reading *r, const struct avro_node *n, struct json *ret)
{
    struct tl_sv one;
    uint32_t i;

    switch (n->type) {
    case AVRO_NULL:
        *ret = json_null();
        return true;
    case AVRO_BOOLEAN:
        if (!take(r, 1, &one))
            return false;
        *ret = json_bool(one.p[0] == 1);
        return (uint8_t)one.p[0] <= 1 ? true : bad(r, TL_PARSE, "a boolean that is neither");
    case AVRO_INT:
    case AVRO_LONG:
        return read_whole(r, n, ret);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return read_floating(r, n->type == AVRO_DOUBLE, ret);
    case AVRO_STRING:
        return read_text(r, ret);
    case AVRO_BYTES:
    case AVRO_FIXED:
        return read_raw(r, n, ret);
    case AVRO_RECORD:
        return read_record(r, n, ret);
    case AVRO_ENUM:
        if (!read_index(r, n, &i))
            return false;
        *ret = json_sv(n->names[i]);
        return true;
    case AVRO_ARRAY:
    case AVRO_MAP:
        return read_items(r, n, ret);
    case AVRO_UNION:
    default:
        return read_index(r, n, &i) && read_value(r, n->child[i], ret);
    }
}

static bool read_value(struct reading *r, const struct avro_node *n, struct json *ret)
{
    bool good;

    if (++r->depth > AVRO_DEPTH)
        return bad(r, TL_LIMIT, "it is nested too deeply");
    if (++r->values > AVRO_VALUES) /* records within records fan out without taking a byte */
        return bad(r, TL_LIMIT, "it has more values than are taken");
    good = read_any(r, n, ret);
    r->depth--;
    return good;
}

enum tl_rc sf_avro_decode(const struct sf_avro *s, struct tl_sv bytes, struct tl_arena *a, struct json *ret,
                          struct tl_err *err)
{
    struct tl_err local = {0};
    struct reading r = {.p = (const uint8_t *)(bytes.p ? bytes.p : ""), .a = a, .err = err ? err : &local};
    struct json v;

    r.end = r.p + bytes.n;
    if (!read_value(&r, s->root, &v))
        return r.err->rc;
    if (r.p != r.end)
        return tl_fail(err, TL_PARSE, "the event cannot be decoded: %zu bytes are left over", left(&r));
    *ret = v;
    return TL_OK;
}
