/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.c - <s-(sf)n?:s>: what arguments a function takes. The language defines a signature as a regular expression
 * over the types of the arguments; here it is matched directly, with the same greedy choices.
 */
#include "jsonata/eval.h"

enum {
    S_STRING = 1,
    S_NUMBER = 2,
    S_BOOL = 4,
    S_NULL = 8,
    S_OBJECT = 16,
    S_ARRAY = 32,
    S_FUNCTION = 64,
    S_MISSING = 128,
    S_JSON = S_STRING | S_NUMBER | S_BOOL | S_NULL | S_OBJECT | S_ARRAY | S_MISSING,
    S_ANY = S_JSON | S_FUNCTION
};

#define PARAMS_MAX 32

struct param {
    uint8_t types;
    char type; /* letter, '(' for a choice */
    bool context, optional, many;
    struct tl_sv subtype; /* of a<...> */
};

struct signature {
    uint32_t n;
    bool plain; /* no param that takes several arguments */
    struct param params[PARAMS_MAX];
};

static uint8_t types_of(char letter)
{
    switch (letter) {
    case 's':
        return S_STRING | S_MISSING;
    case 'n':
        return S_NUMBER | S_MISSING;
    case 'b':
        return S_BOOL | S_MISSING;
    case 'l':
        return S_NULL | S_MISSING;
    case 'o':
        return S_OBJECT | S_MISSING;
    case 'f':
        return S_FUNCTION;
    case 'j':
        return S_JSON;
    case 'a':
    case 'x':
        return S_ANY;
    default:
        return 0;
    }
}

static size_t closing(struct tl_sv text, size_t i, char open, char close)
{
    int depth = 1;

    while (++i < text.n) {
        depth += (text.p[i] == open) - (text.p[i] == close);
        if (depth == 0)
            break;
    }
    return i;
}

static bool parse_choice(struct tl_sv inside, struct param *p)
{
    p->type = '(';
    p->types = S_MISSING;
    for (size_t i = 0; i < inside.n; i++) {
        if (inside.p[i] == '<')
            return false;
        p->types |= inside.p[i] == 'a' ? S_ARRAY : inside.p[i] == 'f' ? S_FUNCTION : types_of(inside.p[i]);
    }
    return true;
}

struct signature *signature_parse(struct tl_arena *a, struct tl_sv text, const char **ret_code, uint32_t *ret_offset,
                                  struct tl_sv *ret_value)
{
    struct signature *s = tl_arena_must(a, sizeof(*s));
    struct param *last = NULL;
    size_t end;

    *s = (struct signature){.plain = true};
    for (size_t i = 1; i < text.n && text.p[i] != ':' && s->n < PARAMS_MAX; i++) {
        char ch = text.p[i];

        *ret_offset = (uint32_t)i;
        if (ch == '(') {
            end = closing(text, i, '(', ')');
            last = &s->params[s->n++];
            *ret_value = tl_sv(text.p + i + 1, end > i ? end - i - 1 : 0);
            *ret_code = "S0402";
            if (!parse_choice(*ret_value, last))
                return NULL;
            i = end;
        } else if (ch == '<') {
            *ret_code = "S0401";
            if (!last || (last->type != 'a' && last->type != 'f'))
                return NULL;
            end = closing(text, i, '<', '>');
            last->subtype = tl_arena_sv(a, tl_sv(text.p + i + 1, end - i - 1));
            i = end;
        } else if (last && (ch == '-' || ch == '?' || ch == '+')) {
            last->context = last->context || ch == '-';
            last->optional = last->optional || ch != '+';
            last->many = last->many || ch == '+';
            s->plain = s->plain && ch != '+';
        } else if (types_of(ch)) {
            last = &s->params[s->n++];
            last->types = types_of(ch);
            last->type = ch;
        }
    }
    return s;
}

uint32_t signature_params(const struct signature *s)
{
    return s->n;
}

static uint8_t type_bit(struct json v)
{
    static const uint8_t bits[] = {
        [JSON_UNDEFINED] = S_MISSING, [JSON_NULL] = S_NULL,      [JSON_BOOL] = S_BOOL,     [JSON_INT] = S_NUMBER,
        [JSON_DOUBLE] = S_NUMBER,     [JSON_DECIMAL] = S_NUMBER, [JSON_STRING] = S_STRING, [JSON_ARRAY] = S_ARRAY,
        [JSON_OBJECT] = S_OBJECT,     [JSON_EXT] = S_FUNCTION};

    return v.type < sizeof(bits) ? bits[v.type] : S_MISSING;
}

/* How many arguments each of the params from `p` on takes; greedy, going back where that fails. `whole`: none may be
 * left over. Params are few and short, so is this. */
static bool match(const struct signature *s, uint32_t p, uint32_t params, const struct json *args, uint32_t n,
                  bool whole, uint32_t *counts, uint32_t *steps)
{
    const struct param *param = &s->params[p];
    uint32_t most = 0, least = param->optional ? 0 : 1;

    if (p == params)
        return !whole || n == 0;
    if (++*steps > 10000)
        return false;
    while (most < n && (most < 1 || param->many) && (param->types & type_bit(args[most])))
        most++;
    for (uint32_t take = most + 1; take-- > least;) {
        counts[p] = take;
        if (take <= most && match(s, p + 1, params, args + take, n - take, whole, counts, steps))
            return true;
    }
    return false;
}

static bool mismatch(struct jsonata_eval *e, const struct signature *s, const struct json *args, uint32_t n)
{
    uint32_t good = 0, counts[PARAMS_MAX];

    for (uint32_t p = 1; p <= s->n; p++) {
        uint32_t steps = 0;

        if (!match(s, 0, p, args, n, false, counts, &steps))
            break;
        good = 0;
        for (uint32_t i = 0; i < p; i++)
            good += counts[i];
    }
    eval_raise(e, "T0410", good < n ? args[good] : JSON_NOTHING);
    e->error.index = (int32_t)good + 1;
    return false;
}

static bool items_fit(const struct param *p, struct json v, uint32_t matched)
{
    uint8_t want;

    if (!p->subtype.p || p->subtype.n == 0)
        return p->subtype.p == NULL || v.type != JSON_ARRAY || v.n == 0;
    want = (uint8_t)(types_of(p->subtype.p[0]) & ~S_MISSING);
    if (p->subtype.p[0] == 'a')
        want = S_ARRAY;
    if (v.type != JSON_ARRAY)
        return matched == 1 && p->subtype.n == 1 && type_bit(v) == want && !strchr("jx", p->subtype.p[0]);
    for (uint32_t i = 0; i < v.n; i++)
        if (type_bit(v.u.items[i]) != want)
            return false;
    return true;
}

/* One argument for an array parameter: checked, and made an array. */
static bool as_array(struct jsonata_eval *e, const struct param *p, struct json *v, uint32_t matched, uint32_t index)
{
    if (v->type == JSON_UNDEFINED)
        return true;
    if (!items_fit(p, *v, matched)) {
        eval_raise(e, "T0412", *v);
        e->error.index = (int32_t)index;
        e->error.value2 = json_sv(p->subtype);
        return false;
    }
    if (v->type != JSON_ARRAY)
        *v = array_of(e, *v, 0);
    return !raised(*v);
}

static bool wrong_context(struct jsonata_eval *e, struct json context, uint32_t index)
{
    eval_raise(e, "T0411", context);
    e->error.index = (int32_t)index;
    return false;
}

/* The arguments as the function gets them. */
static bool build(struct jsonata_eval *e, const struct signature *s, const struct json *args, uint32_t n,
                  const uint32_t *counts, struct json context, struct list *out)
{
    uint32_t at = 0;

    for (uint32_t p = 0; p < s->n; p++) {
        const struct param *param = &s->params[p];

        if (counts[p] == 0 && param->context) {
            if (!(param->types & type_bit(context)))
                return wrong_context(e, context, at + 1);
            if (!list_push(e, out, context))
                return false;
            continue;
        }
        for (uint32_t k = 0; k < counts[p] + !counts[p]; k++, at++) {
            struct json v = at < n ? args[at] : JSON_NOTHING;

            if (counts[p] && param->type == 'a' && !as_array(e, param, &v, counts[p], at + 1))
                return false;
            if (!list_push(e, out, v))
                return false;
        }
    }
    return true;
}

bool signature_check(struct jsonata_eval *e, const struct signature *s, const struct json **args, uint32_t *n,
                     struct json context)
{
    uint32_t counts[PARAMS_MAX], i = 0, steps = 0;
    bool direct = s->plain && *n <= s->n;
    struct list out = {0};

    /* the usual case: an argument for each param, no arrays to make: nothing to do */
    for (; direct && i < *n; i++) {
        const struct param *p = &s->params[i];

        direct = (p->types & type_bit((*args)[i])) != 0;
        if (p->type == 'a' && direct && ((*args)[i].type != JSON_ARRAY || !items_fit(p, (*args)[i], 1)))
            direct = false;
    }
    if (direct && i == s->n)
        return true;
    if (!match(s, 0, s->n, *args, *n, true, counts, &steps))
        return mismatch(e, s, *args, *n);
    if (!list_grow(e, &out, s->n + 1) || !build(e, s, *args, *n, counts, context, &out))
        return false;
    *args = out.items;
    *n = out.n;
    return true;
}
