/* SPDX-License-Identifier: Apache-2.0 */
/* operators.c - numbers, comparisons, logic, text, ranges. */
#include "jsonata/ops.h"

static struct json blame_op(struct jsonata_eval *e, const struct node *n)
{
    eval_blame(e, n->pos, tl_sv_str(ast_op_text((enum op)n->op)));
    return RAISED;
}

/* ---- numbers ---- */

static inline bool small(int64_t i)
{
    return i >= -INT64_C(0x20000000000000) && i <= INT64_C(0x20000000000000);
}

/* Both whole and exact as doubles: the usual case. False: not for this way. */
static inline bool whole_arithmetic(enum op op, int64_t a, int64_t b, struct json *ret)
{
    int64_t r;

    if (!small(a) || !small(b))
        return false;
    switch ((int)op) {
    case OP_ADD:
        r = a + b;
        break;
    case OP_SUB:
        r = a - b;
        break;
    case OP_MUL:
        if (__builtin_mul_overflow(a, b, &r) || (r == 0 && (a < 0 || b < 0)))
            return false;
        break;
    default:
        return false;
    }
    *ret = json_int(r);
    return small(r);
}

struct json run_fold_arithmetic(enum op op, struct json a, struct json b)
{
    double x = jsonata_double(a), y = jsonata_double(b), r;
    struct json whole;

    if (a.type == JSON_INT && b.type == JSON_INT && whole_arithmetic(op, a.u.i, b.u.i, &whole))
        return whole;
    switch ((int)op) {
    case OP_ADD:
        r = x + y;
        break;
    case OP_SUB:
        r = x - y;
        break;
    case OP_MUL:
        r = x * y;
        break;
    case OP_DIV:
        r = x / y;
        break;
    default:
        r = fmod(x, y);
        break;
    }
    return jsonata_number(r);
}

/* What is not a number, or infinite, or nothing. */
static struct json odd_arithmetic(struct jsonata_eval *e, const struct node *n, struct json a, struct json b)
{
    int left = a.type == JSON_UNDEFINED ? 1 : run_is_numeric(e, a), right;

    if (left == 0)
        eval_raise(e, "T2001", a);
    if (left <= 0)
        return blame_op(e, n);
    right = b.type == JSON_UNDEFINED ? 1 : run_is_numeric(e, b);
    if (right == 0)
        eval_raise(e, "T2002", b);
    if (right <= 0)
        return blame_op(e, n);
    if (a.type == JSON_UNDEFINED || b.type == JSON_UNDEFINED)
        return JSON_NOTHING;
    return run_fold_arithmetic((enum op)n->op, a, b);
}

struct json run_arithmetic(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json a = eval(e, n->a, in), b;

    if (raised(a))
        return a;
    b = eval(e, n->b, in);
    if (raised(b))
        return b;
    if (TL_LIKELY(json_is_number(a) && json_is_number(b))) {
        if (isfinite(jsonata_double(a)) && isfinite(jsonata_double(b)))
            return run_fold_arithmetic((enum op)n->op, a, b);
    }
    return odd_arithmetic(e, n, a, b);
}

struct json run_negate(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v = eval(e, n->a, in);
    int numeric;

    if (raised(v) || v.type == JSON_UNDEFINED)
        return v;
    numeric = run_is_numeric(e, v);
    if (numeric < 0)
        return RAISED;
    if (numeric == 0) {
        eval_raise(e, "D1002", v);
        eval_blame(e, n->pos, TL_SV("-"));
        return RAISED;
    }
    return jsonata_number(-jsonata_double(v));
}

/* ---- comparisons ---- */

static inline bool equal_values(struct json a, struct json b)
{
    if (a.type == JSON_STRING && b.type == JSON_STRING)
        return a.n == b.n && (a.n == 0 || memcmp(a.u.s, b.u.s, a.n) == 0);
    if (a.type == JSON_INT && b.type == JSON_INT)
        return a.u.i == b.u.i;
    return jsonata_equal(a, b);
}

static int equality_truth(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json a = eval(e, n->a, in), b;

    if (raised(a))
        return -1;
    b = eval(e, n->b, in);
    if (raised(b))
        return -1;
    if (a.type == JSON_UNDEFINED || b.type == JSON_UNDEFINED)
        return 0;
    return equal_values(a, b) == (n->op == OP_EQ);
}

struct json run_equality(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = equality_truth(e, n, in);

    return t < 0 ? RAISED : json_bool(t);
}

static bool comparable(struct json v)
{
    return v.type == JSON_UNDEFINED || v.type == JSON_STRING || json_is_number(v);
}

static inline bool by_order(enum op op, int order)
{
    return op == OP_LT ? order < 0 : op == OP_LE ? order <= 0 : op == OP_GT ? order > 0 : order >= 0;
}

/* 0, 1, -1 raised, 2 nothing. */
static int compare(struct jsonata_eval *e, const struct node *n, struct json a, struct json b)
{
    if (!comparable(a) || !comparable(b)) {
        eval_raise(e, "T2010", !comparable(a) || a.type == JSON_UNDEFINED ? a : b);
        blame_op(e, n);
        return -1;
    }
    if (a.type == JSON_UNDEFINED || b.type == JSON_UNDEFINED)
        return 2;
    if ((a.type == JSON_STRING) != (b.type == JSON_STRING)) {
        eval_raise2(e, "T2009", a, b);
        blame_op(e, n);
        return -1;
    }
    if (a.type == JSON_STRING)
        return by_order((enum op)n->op, run_compare_text(a, b));
    {
        int order = jsonata_compare_numbers(a, b);

        return order != 2 && by_order((enum op)n->op, order);
    }
}

static int comparison_truth(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json a = eval(e, n->a, in), b;

    if (raised(a))
        return -1;
    b = eval(e, n->b, in);
    return raised(b) ? -1 : compare(e, n, a, b);
}

struct json run_comparison(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = comparison_truth(e, n, in);

    return t < 0 ? RAISED : t == 2 ? JSON_NOTHING : json_bool(t);
}

static int in_truth(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json a = eval(e, n->a, in), b;

    if (raised(a))
        return -1;
    b = eval(e, n->b, in);
    if (raised(b))
        return -1;
    if (a.type == JSON_UNDEFINED || b.type == JSON_UNDEFINED)
        return 0;
    if (b.type != JSON_ARRAY)
        return run_same_value(a, b);
    for (uint32_t i = 0; i < b.n; i++)
        if (run_same_value(a, b.u.items[i]))
            return 1;
    return 0;
}

struct json run_in(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = in_truth(e, n, in);

    return t < 0 ? RAISED : json_bool(t);
}

/* ---- logic ---- */

static int logic_truth(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = eval_truth(e, n->a, in);

    if (t < 0 || (t == 0) == (n->op == OP_AND))
        return t;
    t = eval_truth(e, n->b, in);
    if (t < 0)
        blame_op(e, n); /* an error of the right side is shown at the operator */
    return t;
}

struct json run_logic(struct jsonata_eval *e, const struct node *n, struct json in)
{
    int t = logic_truth(e, n, in);

    return t < 0 ? RAISED : json_bool(t);
}

int eval_truth(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json v;
    int t;

    if (n->run == run_logic)
        return logic_truth(e, n, in);
    if (n->run == run_equality)
        return equality_truth(e, n, in);
    if (n->run == run_in)
        return in_truth(e, n, in);
    if (n->run == run_comparison) {
        t = comparison_truth(e, n, in);
        return t == 2 ? 0 : t;
    }
    v = eval(e, n, in);
    if (raised(v))
        return -1;
    if (v.type == JSON_DOUBLE && isinf(v.u.d)) {
        eval_raise(e, "D1001", v);
        return -1;
    }
    return jsonata_truth(v);
}

/* ---- text ---- */

#define CONCAT_PARTS 16

static bool part_text(struct jsonata_eval *e, struct json v, char *number, struct json *ret)
{
    switch (v.type) {
    case JSON_STRING:
        *ret = v;
        return true;
    case JSON_UNDEFINED:
        *ret = jsonata_text("", 0, JSON_F_ASCII | JSON_F_PLAIN);
        return true;
    case JSON_INT:
        if (v.u.i > -1000000000000000 && v.u.i < 1000000000000000) {
            uint64_t u = v.u.i < 0 ? (uint64_t)-v.u.i : (uint64_t)v.u.i;
            char *end = number + 24, *p = end;

            do
                *--p = (char)('0' + u % 10);
            while ((u /= 10) != 0);
            if (v.u.i < 0)
                *--p = '-';
            *ret = jsonata_text(p, (size_t)(end - p), JSON_F_ASCII | JSON_F_PLAIN);
            return true;
        }
        return jsonata_to_string(e, v, false, ret) == TL_OK;
    default:
        return jsonata_to_string(e, v, false, ret) == TL_OK;
    }
}

struct json run_concat(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json parts[CONCAT_PARTS];
    char numbers[CONCAT_PARTS][24];
    uint8_t flags = JSON_F_ASCII | JSON_F_PLAIN;
    uint64_t total = 0;
    bool lacks = false;
    char *out, *p;

    for (uint32_t i = 0; i < n->count; i++) {
        struct json v = eval(e, n->list[i], in);

        if (raised(v))
            return v;
        if (TL_LIKELY(v.type == JSON_STRING))
            parts[i] = v;
        else if (!part_text(e, v, numbers[i], &parts[i]))
            return blame_op(e, n);
        lacks |= eval_lacks(e, v);
        total += parts[i].n;
        flags &= parts[i].flags;
    }
    if (lacks)
        return JSON_NOTHING;
    if (total > UINT32_MAX || !eval_tick(e))
        return eval_exhausted(e);
    e->ticks -= (int64_t)(total / 64);
    out = p = jsonata_alloc_text(e, total + !total);
    if (!out)
        return eval_exhausted(e);
    for (uint32_t i = 0; i < n->count; i++) {
        if (parts[i].n)
            memcpy(p, parts[i].u.s, parts[i].n);
        p += parts[i].n;
    }
    return jsonata_text(out, (size_t)total, flags);
}

/* ---- ranges ---- */

#define RANGE_MAX 10000000.0

static bool whole_number(struct json v)
{
    double d;

    if (v.type == JSON_INT || v.type == JSON_UNDEFINED)
        return true;
    if (!json_is_number(v))
        return false;
    d = jsonata_double(v);
    return isfinite(d) && floor(d) >= d;
}

static struct json range_of(struct jsonata_eval *e, double from, double to)
{
    double size = to - from + 1;
    struct list l = {0};
    uint32_t count = (uint32_t)size;

    if (!list_grow(e, &l, count + 1))
        return RAISED;
    for (uint32_t i = 0; i < count; i++) {
        if (!eval_tick(e))
            return RAISED;
        l.items[i] = jsonata_number(from + i);
    }
    l.n = count;
    return list_value(&l, JSON_F_SEQUENCE);
}

struct json run_range(struct jsonata_eval *e, const struct node *n, struct json in)
{
    struct json a = eval(e, n->a, in), b;
    double from, to;

    if (raised(a))
        return a;
    b = eval(e, n->b, in);
    if (raised(b))
        return b;
    if (!whole_number(a) || !whole_number(b)) {
        if (!whole_number(a))
            eval_raise(e, "T2003", a);
        else
            eval_raise(e, "T2004", b);
        return blame_op(e, n);
    }
    if (a.type == JSON_UNDEFINED || b.type == JSON_UNDEFINED)
        return JSON_NOTHING;
    from = jsonata_double(a);
    to = jsonata_double(b);
    if (from > to)
        return JSON_NOTHING;
    if (to - from + 1 > RANGE_MAX) {
        eval_raise(e, "D2014", jsonata_number(to - from + 1));
        return blame_op(e, n);
    }
    return range_of(e, from, to);
}
