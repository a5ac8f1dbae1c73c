/* SPDX-License-Identifier: Apache-2.0 */
/* f_object.c - functions over objects. */
#include "jsonata/eval.h"

static bool collect_keys(struct jsonata_eval *e, struct json v, struct json_builder *b)
{
    if (!eval_stack_ok(e) || !eval_tick(e)) {
        eval_exhausted(e);
        return false;
    }
    for (uint32_t i = 0; v.type == JSON_ARRAY && i < v.n; i++)
        if (!collect_keys(e, v.u.items[i], b))
            return false;
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++)
        if (!json_set(b, json_view(v.u.members[i].key), json_null())) {
            eval_exhausted(e);
            return false;
        }
    return true;
}

static enum tl_rc fn_keys(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json v = args[0];
    struct list out = {0};
    const struct json_member *m;

    if (v.type == JSON_ARRAY) { /* the names of all, each one once */
        struct json_builder b;

        json_object_begin(&b, e->arena, 8);
        if (!collect_keys(e, v, &b))
            return e->rc;
        v = json_end(&b);
    }
    if (v.type == JSON_OBJECT) {
        m = run_ordered_members(e, v);
        if (!m)
            return jsonata_exhausted(e);
        for (uint32_t i = 0; i < v.n; i++)
            if (!list_push(e, &out, m[i].key))
                return e->rc;
    }
    *ret = list_value(&out, JSON_F_SEQUENCE);
    return TL_OK;
}

static enum tl_rc fn_lookup(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json v;

    if (args[1].type != JSON_STRING)
        return TL_OK;
    v = run_lookup(e, args[0], json_view(args[1]));
    if (raised(v))
        return e->rc;
    *ret = v;
    return TL_OK;
}

static struct json spread(struct jsonata_eval *e, struct json v)
{
    struct list out = {0};
    const struct json_member *m;

    if (!eval_stack_ok(e))
        return eval_exhausted(e);
    if (v.type == JSON_ARRAY) {
        for (uint32_t i = 0; i < v.n; i++) {
            struct json part = spread(e, v.u.items[i]);

            if (raised(part))
                return part;
            if (part.type == JSON_UNDEFINED)
                continue;
            if (part.type == JSON_ARRAY ? !list_push_all(e, &out, part) : !list_push(e, &out, part))
                return RAISED;
        }
        return list_value(&out, v.n ? 0 : JSON_F_SEQUENCE);
    }
    if (v.type != JSON_OBJECT)
        return v;
    m = run_ordered_members(e, v);
    for (uint32_t i = 0; m && i < v.n; i++) {
        struct json one = {.type = JSON_OBJECT, .n = 1, .u.members = eval_alloc(e, sizeof(*m))};

        if (!one.u.members)
            return eval_exhausted(e);
        one.u.members[0] = m[i];
        if (!list_push(e, &out, one))
            return RAISED;
    }
    return m ? list_value(&out, JSON_F_SEQUENCE) : eval_exhausted(e);
}

static enum tl_rc fn_spread(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json v = spread(e, args[0]);

    if (raised(v))
        return e->rc;
    *ret = v;
    return TL_OK;
}

static enum tl_rc fn_merge(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json_builder b;

    if (args[0].type == JSON_UNDEFINED)
        return TL_OK;
    json_object_begin(&b, e->arena, args[0].n);
    for (uint32_t i = 0; i < args[0].n; i++) {
        struct json v = args[0].u.items[i];

        if (!eval_tick(e))
            return e->rc;
        for (uint32_t k = 0; v.type == JSON_OBJECT && k < v.n; k++)
            if (!json_set(&b, json_view(v.u.members[k].key), v.u.members[k].value))
                return jsonata_exhausted(e);
    }
    *ret = json_end(&b);
    return TL_OK;
}

static enum tl_rc call_back(struct jsonata_eval *e, struct json fn, const struct json_member *m, struct json whole,
                            struct json *ret)
{
    struct json args[3] = {m->value, m->key, whole};
    uint32_t arity;

    if (fn.type != JSON_EXT)
        return jsonata_raise(e, "T1006", JSON_NOTHING);
    arity = jsonata_arity(fn);
    return jsonata_call(e, fn, args, arity < 1 ? 1 : arity > 3 ? 3 : arity, ret);
}

static enum tl_rc fn_each(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct list out = {0};
    struct json object = args[0];
    const struct json_member *m = object.type == JSON_OBJECT ? run_ordered_members(e, object) : NULL;

    if (object.type == JSON_OBJECT && !m)
        return jsonata_exhausted(e);
    for (uint32_t i = 0; m && i < object.n; i++) {
        struct json v = JSON_NOTHING;

        if (call_back(e, args[1], &m[i], object, &v) != TL_OK)
            return e->rc;
        if (v.type != JSON_UNDEFINED && !list_push(e, &out, v))
            return e->rc;
    }
    *ret = list_value(&out, JSON_F_SEQUENCE);
    return TL_OK;
}

static enum tl_rc fn_sift(struct jsonata_eval *e, const struct json *args, size_t n TL_UNUSED, struct json *ret)
{
    struct json object = args[0], out = {.type = JSON_OBJECT};
    const struct json_member *m = object.type == JSON_OBJECT ? run_ordered_members(e, object) : NULL;

    if (object.type != JSON_OBJECT)
        return TL_OK;
    out.u.members = eval_alloc(e, (object.n + 1) * sizeof(*m));
    if (!m || !out.u.members)
        return jsonata_exhausted(e);
    for (uint32_t i = 0; i < object.n; i++) {
        struct json v = JSON_NOTHING;

        if (call_back(e, args[1], &m[i], object, &v) != TL_OK)
            return e->rc;
        if (jsonata_truth(v))
            out.u.members[out.n++] = m[i];
    }
    *ret = out.n ? out : JSON_NOTHING;
    return TL_OK;
}

const struct jsonata_native jsonata_object_functions[] = {{"keys", "<x-:a<s>>", fn_keys},
                                                          {"lookup", "<x-s:x>", fn_lookup},
                                                          {"spread", "<x-:a<o>>", fn_spread},
                                                          {"merge", "<a<o>:o>", fn_merge},
                                                          {"each", "<o-f:a>", fn_each},
                                                          {"sift", "<o-f?:o>", fn_sift},
                                                          {0}};
