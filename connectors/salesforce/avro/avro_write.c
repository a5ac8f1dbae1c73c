/* SPDX-License-Identifier: Apache-2.0 */
/* avro_write.c - values to bytes. */
#include "salesforce/avro/avro_int.h"

#include <stdio.h>

enum { PATH = 200 };

struct writing {
    struct tl_buf *b;
    char path[PATH]; /* of the member that is being written */
    uint32_t depth;
    struct tl_err *err;
};

static bool write_value(struct writing *w, const struct avro_node *n, struct json v);

static bool bad(struct writing *w, enum tl_rc rc, const char *text)
{
    (void)tl_fail(w->err, rc, "%s %s", w->path[0] ? w->path : "the record", text);
    return false;
}

static bool put_long(struct writing *w, int64_t value)
{
    uint64_t v = (uint64_t)value << 1 ^ (uint64_t)(value >> 63);

    while (v > 0x7f) {
        (void)tl_buf_putc(w->b, (char)(uint8_t)(v | 0x80));
        v >>= 7;
    }
    return tl_buf_putc(w->b, (char)v);
}

static bool put_text(struct writing *w, struct tl_sv s)
{
    return put_long(w, (int64_t)s.n) && tl_buf_sv(w->b, s);
}

/* ---- logical types ---- */
static bool time_of_day(struct tl_sv s, int64_t *ret_ms)
{
    char text[TL_TIME_TEXT + 8];

    if (s.n < 8 || s.n > 12)
        return false;
    (void)snprintf(text, sizeof text, "1970-01-01T%.*sZ", TL_SV_ARG(s));
    return tl_time_parse(tl_sv_str(text), ret_ms);
}

static bool moment(struct tl_sv s, const char *tail, int64_t *ret_ms)
{
    char text[TL_TIME_TEXT + 16];

    if (s.n > TL_TIME_TEXT)
        return false;
    (void)snprintf(text, sizeof text, "%.*s%s", TL_SV_ARG(s), tail);
    return tl_time_parse(tl_sv_str(text), ret_ms);
}

/* The number behind a text of one of the logical types. */
static bool number_of(const struct avro_node *n, struct tl_sv s, int64_t *ret)
{
    bool good;

    switch (n->logical) {
    case AVRO_TIMESTAMP_MS:
    case AVRO_TIMESTAMP_US:
        good = moment(s, "", ret);
        break;
    case AVRO_LOCAL_MS:
    case AVRO_LOCAL_US:
        good = moment(s, "Z", ret);
        break;
    case AVRO_DATE:
        good = s.n == 10 && moment(s, "T00:00:00Z", ret);
        *ret /= 86400000;
        return good;
    case AVRO_TIME_MS:
    case AVRO_TIME_US:
        good = time_of_day(s, ret);
        break;
    case AVRO_PLAIN:
    case AVRO_BIG_DECIMAL:
    default:
        return false;
    }
    if (n->logical == AVRO_TIMESTAMP_US || n->logical == AVRO_LOCAL_US || n->logical == AVRO_TIME_US)
        *ret *= 1000;
    return good;
}

static bool whole_of(const struct avro_node *n, struct json v, int64_t *ret)
{
    *ret = 0;
    if (v.type == JSON_STRING ? !number_of(n, json_view(v), ret) : !json_is_number(v) || !json_int64(v, ret))
        return false;
    return n->type == AVRO_LONG || (*ret >= INT32_MIN && *ret <= INT32_MAX);
}

/* ---- unions ---- */
static bool symbol_of(const struct avro_node *n, struct json v, uint32_t *ret)
{
    for (*ret = 0; v.type == JSON_STRING && *ret < n->n; ++*ret)
        if (tl_sv_eq(json_view(v), n->names[*ret]))
            return true;
    return false;
}

static bool fits(const struct avro_node *n, struct json v)
{
    uint32_t symbol;
    int64_t number;

    switch (n->type) {
    case AVRO_NULL:
        return v.type == JSON_NULL || v.type == JSON_UNDEFINED;
    case AVRO_BOOLEAN:
        return v.type == JSON_BOOL;
    case AVRO_INT:
    case AVRO_LONG:
        return whole_of(n, v, &number);
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return json_is_number(v);
    case AVRO_BYTES:
    case AVRO_FIXED:
    case AVRO_STRING:
        return v.type == JSON_STRING;
    case AVRO_ENUM:
        return symbol_of(n, v, &symbol);
    case AVRO_ARRAY:
        return v.type == JSON_ARRAY;
    case AVRO_RECORD:
    case AVRO_MAP:
        return v.type == JSON_OBJECT;
    case AVRO_UNION:
    default:
        return false;
    }
}

static bool write_union(struct writing *w, const struct avro_node *n, struct json v)
{
    for (uint32_t i = 0; i < n->n; i++)
        if (fits(n->child[i], v))
            return put_long(w, i) && write_value(w, n->child[i], v);
    return bad(w, TL_INVALID,
               v.type == JSON_UNDEFINED || v.type == JSON_NULL ? "must have a value" : "has the wrong type");
}

/* ---- types ---- */
static bool write_record(struct writing *w, const struct avro_node *n, struct json v)
{
    size_t at = strlen(w->path);

    if (v.type != JSON_OBJECT)
        return bad(w, TL_INVALID, "must be an object");
    for (uint32_t i = 0; i < n->n; i++) {
        struct json m = json_get(v, n->names[i]);

        (void)snprintf(w->path + at, sizeof w->path - at, "%s%.*s", at > 0 ? "." : "", TL_SV_ARG(n->names[i]));
        if (!write_value(w, n->child[i], m.type == JSON_UNDEFINED ? n->defaults[i] : m))
            return false;
        w->path[at] = '\0';
    }
    return true;
}

static bool write_items(struct writing *w, const struct avro_node *n, struct json v)
{
    if (v.type != (n->type == AVRO_MAP ? JSON_OBJECT : JSON_ARRAY))
        return bad(w, TL_INVALID, n->type == AVRO_MAP ? "must be an object" : "must be an array");
    if (v.n > 0 && !put_long(w, v.n))
        return false;
    for (uint32_t i = 0; i < v.n; i++) {
        if (n->type == AVRO_MAP && !put_text(w, json_view(v.u.members[i].key)))
            return false;
        if (!write_value(w, n->child[0], n->type == AVRO_MAP ? v.u.members[i].value : v.u.items[i]))
            return false;
    }
    return put_long(w, 0);
}

static bool write_floating(struct writing *w, const struct avro_node *n, struct json v)
{
    double d = json_number(v);
    float f = (float)d;
    uint64_t bits = 0;
    size_t size = n->type == AVRO_DOUBLE ? sizeof d : sizeof f;

    if (!json_is_number(v))
        return bad(w, TL_INVALID, "must be a number");
    if (n->type == AVRO_DOUBLE)
        memcpy(&bits, &d, sizeof d);
    else {
        uint32_t half;

        memcpy(&half, &f, sizeof f);
        bits = half;
    }
    for (size_t i = 0; i < size; i++)
        (void)tl_buf_putc(w->b, (char)(uint8_t)(bits >> (8 * i)));
    return true;
}

static bool write_raw(struct writing *w, const struct avro_node *n, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf raw = {0};

    if (n->logical == AVRO_BIG_DECIMAL)
        return bad(w, TL_UNSUPPORTED, "is a decimal, which cannot be written");
    tl_buf_init(&raw, 16 << 20);
    if (v.type != JSON_STRING || !tl_base64_decode(&raw, json_view(v)))
        return bad(w, TL_INVALID, "must be bytes in Base64");
    if (n->type == AVRO_FIXED && raw.n != n->size)
        return bad(w, TL_INVALID, "has not the number of bytes that the schema wants");
    return n->type == AVRO_FIXED ? tl_buf_sv(w->b, tl_buf_view(&raw)) : put_text(w, tl_buf_view(&raw));
}

static bool write_any(struct writing *w, const struct avro_node *n, struct json v)
{
    uint32_t symbol;
    int64_t number;

    switch (n->type) {
    case AVRO_NULL:
        return fits(n, v) ? true : bad(w, TL_INVALID, "must be null");
    case AVRO_BOOLEAN:
        return v.type == JSON_BOOL ? tl_buf_putc(w->b, (char)v.u.b) : bad(w, TL_INVALID, "must be true or false");
    case AVRO_INT:
    case AVRO_LONG:
        return whole_of(n, v, &number) ? put_long(w, number) : bad(w, TL_INVALID, "must be a whole number, or a time");
    case AVRO_FLOAT:
    case AVRO_DOUBLE:
        return write_floating(w, n, v);
    case AVRO_STRING:
        return v.type == JSON_STRING ? put_text(w, json_view(v)) : bad(w, TL_INVALID, "must be a string");
    case AVRO_BYTES:
    case AVRO_FIXED:
        return write_raw(w, n, v);
    case AVRO_RECORD:
        return write_record(w, n, v);
    case AVRO_ENUM:
        return symbol_of(n, v, &symbol) ? put_long(w, symbol) : bad(w, TL_INVALID, "is none of the values allowed");
    case AVRO_ARRAY:
    case AVRO_MAP:
        return write_items(w, n, v);
    case AVRO_UNION:
    default:
        return write_union(w, n, v);
    }
}

static bool write_value(struct writing *w, const struct avro_node *n, struct json v)
{
    bool good;

    if (++w->depth > AVRO_DEPTH)
        return bad(w, TL_LIMIT, "is nested too deeply");
    good = write_any(w, n, v);
    w->depth--;
    return good;
}

enum tl_rc sf_avro_encode(const struct sf_avro *s, struct json value, struct tl_buf *b, struct tl_err *err)
{
    struct tl_err local = {0};
    struct writing w = {.b = b, .err = err ? err : &local};

    if (!write_value(&w, s->root, value) && !b->failed)
        return w.err->rc;
    return b->failed ? tl_fail(err, TL_LIMIT, "the record is larger than %zu bytes as Avro", b->max) : TL_OK;
}
