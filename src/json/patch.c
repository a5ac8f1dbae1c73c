/* SPDX-License-Identifier: Apache-2.0 */
/* patch.c - RFC 6902 JSON Patch and RFC 7396 merge patch. Values are immutable: containers on the way to a change are
 * made anew, everything beside the way is shared. */
#include "json/json_int.h"

enum verb { ADD, REMOVE, REPLACE };

struct change {
    struct tl_arena *arena;
    enum verb verb;
    struct json value;
    struct tl_buf room;
    struct tl_err *err;
};

static enum tl_rc no_memory(struct tl_err *err)
{
    return tl_fail(err, TL_LIMIT, "JSON patch: the memory limit is used up");
}

static enum tl_rc no_target(struct tl_err *err)
{
    return tl_fail(err, TL_INVALID, "JSON patch: the path leads to nothing");
}

static enum tl_rc change_at(struct change *c, struct json doc, struct tl_sv rest, uint32_t depth, struct json *ret);

/* The array with one item put in, taken out or replaced at i. */
static enum tl_rc splice(struct change *c, struct json doc, uint32_t i, enum verb verb, struct json item,
                         struct json *ret)
{
    struct json_builder b;
    bool ok = true;

    json_array_begin(&b, c->arena, (size_t)doc.n + 1);
    for (uint32_t k = 0; k < i; k++)
        ok = ok && json_push(&b, doc.u.items[k]);
    if (verb != REMOVE)
        ok = ok && json_push(&b, item);
    for (uint32_t k = verb == ADD ? i : i + 1; k < doc.n; k++)
        ok = ok && json_push(&b, doc.u.items[k]);
    if (!ok)
        return no_memory(c->err);
    *ret = b.v;
    return TL_OK;
}

static enum tl_rc change_array(struct change *c, struct json doc, struct tl_sv token, struct tl_sv rest, uint32_t depth,
                               struct json *ret)
{
    enum verb verb = rest.n == 0 ? c->verb : REPLACE;
    struct json item = c->value;
    enum tl_rc rc;
    uint32_t i;

    if (verb == ADD && tl_sv_eqs(token, "-"))
        i = doc.n;
    else if (!json_pointer_index(token, verb == ADD ? doc.n + 1 : doc.n, &i))
        return no_target(c->err);
    if (rest.n > 0) {
        rc = change_at(c, doc.u.items[i], rest, depth + 1, &item);
        if (rc != TL_OK)
            return rc;
    }
    return splice(c, doc, i, verb, item, ret);
}

static bool add_member(struct json_builder *b, struct json key, struct json value)
{
    if (!json_add(b, json_view(key), value))
        return false;
    b->v.u.members[b->v.n - 1].key = key; /* with its flags */
    return true;
}

static uint32_t member_at(struct json object, struct tl_sv key)
{
    uint32_t i = 0;

    while (i < object.n && !json_key_is(&object.u.members[i].key, key))
        i++;
    return i;
}

static enum tl_rc change_object(struct change *c, struct json doc, struct tl_sv token, struct tl_sv rest,
                                uint32_t depth, struct json *ret)
{
    enum verb verb = rest.n == 0 ? c->verb : REPLACE;
    uint32_t at = member_at(doc, token);
    struct json item = c->value, key = json_str("");
    struct json_builder b;
    enum tl_rc rc;
    bool ok = true;

    if (verb != ADD && at == doc.n)
        return no_target(c->err);
    if (at == doc.n) {
        key = json_str_copy(c->arena, token); /* the token may lie in the scratch buffer */
        if (key.type == JSON_UNDEFINED)
            return no_memory(c->err);
    }
    if (rest.n > 0) {
        rc = change_at(c, doc.u.members[at].value, rest, depth + 1, &item);
        if (rc != TL_OK)
            return rc;
    }
    json_object_begin(&b, c->arena, (size_t)doc.n + 1);
    for (uint32_t k = 0; k < doc.n; k++)
        if (k != at)
            ok = ok && add_member(&b, doc.u.members[k].key, doc.u.members[k].value);
        else if (verb != REMOVE)
            ok = ok && add_member(&b, doc.u.members[k].key, item);
    if (at == doc.n)
        ok = ok && add_member(&b, key, item);
    if (!ok)
        return no_memory(c->err);
    *ret = json_indexed(c->arena, b.v);
    return TL_OK;
}

static enum tl_rc change_at(struct change *c, struct json doc, struct tl_sv rest, uint32_t depth, struct json *ret)
{
    struct tl_sv token;

    if (rest.n == 0) {
        if (c->verb == REMOVE)
            return tl_fail(c->err, TL_INVALID, "JSON patch: the whole document can't be removed");
        *ret = c->value;
        return TL_OK;
    }
    if (rest.p[0] != '/')
        return tl_fail(c->err, TL_INVALID, "JSON patch: a path begins with /");
    if (depth > JSON_DEPTH_MAX)
        return tl_fail(c->err, TL_LIMIT, "JSON patch: the path is too deep");
    if (!json_pointer_token(&rest, &c->room, &token))
        return tl_fail(c->err, TL_INVALID, "JSON patch: in a path ~ must be followed by 0 or 1");
    if (doc.type == JSON_ARRAY)
        return change_array(c, doc, token, rest, depth, ret);
    if (doc.type == JSON_OBJECT)
        return change_object(c, doc, token, rest, depth, ret);
    return no_target(c->err);
}

static enum tl_rc change(struct tl_arena *a, struct json doc, enum verb verb, struct tl_sv path, struct json value,
                         struct json *ret, struct tl_err *err)
{
    struct change c = {.arena = a, .verb = verb, .value = value, .err = err};
    enum tl_rc rc;

    tl_buf_init(&c.room, path.n);
    rc = change_at(&c, doc, path, 0, ret);
    tl_buf_done(&c.room);
    return rc;
}

static enum tl_rc move(struct tl_arena *a, struct json doc, struct tl_sv from, struct tl_sv path, struct json *ret,
                       struct tl_err *err)
{
    struct json value = JSON_NOTHING, without = JSON_NOTHING;
    enum tl_rc rc = json_pointer_get(doc, from, &value, err);

    if (rc != TL_OK)
        return rc;
    if (tl_sv_eq(from, path)) {
        *ret = doc;
        return TL_OK;
    }
    if (tl_sv_starts(path, from) && path.p[from.n] == '/')
        return tl_fail(err, TL_INVALID, "JSON patch: a value can't be moved into itself");
    rc = change(a, doc, REMOVE, from, JSON_NOTHING, &without, err);
    return rc == TL_OK ? change(a, without, ADD, path, value, ret, err) : rc;
}

/* RFC 6902 section 4: one operation. */
static enum tl_rc apply(struct tl_arena *a, struct json doc, struct json op, struct json *ret, struct tl_err *err)
{
    struct json path = json_gets(op, "path"), from = json_gets(op, "from"), value = json_gets(op, "value");
    struct tl_sv verb = json_text(json_gets(op, "op"), TL_SV_NULL);
    struct json there = JSON_NOTHING;
    bool needs_value = tl_sv_eqs(verb, "add") || tl_sv_eqs(verb, "replace") || tl_sv_eqs(verb, "test");
    bool needs_from = tl_sv_eqs(verb, "move") || tl_sv_eqs(verb, "copy");
    enum tl_rc rc;

    if (path.type != JSON_STRING)
        return tl_fail(err, TL_INVALID, "JSON patch: an operation needs a path");
    if (needs_value && value.type == JSON_UNDEFINED)
        return tl_fail(err, TL_INVALID, "JSON patch: this operation needs a value");
    if (needs_from && from.type != JSON_STRING)
        return tl_fail(err, TL_INVALID, "JSON patch: this operation needs a from");
    if (tl_sv_eqs(verb, "add"))
        return change(a, doc, ADD, json_view(path), value, ret, err);
    if (tl_sv_eqs(verb, "remove"))
        return change(a, doc, REMOVE, json_view(path), JSON_NOTHING, ret, err);
    if (tl_sv_eqs(verb, "replace"))
        return change(a, doc, REPLACE, json_view(path), value, ret, err);
    if (tl_sv_eqs(verb, "move"))
        return move(a, doc, json_view(from), json_view(path), ret, err);
    if (!tl_sv_eqs(verb, "copy") && !tl_sv_eqs(verb, "test"))
        return tl_fail(err, TL_INVALID, "JSON patch: there is no such operation");
    rc = json_pointer_get(doc, json_view(tl_sv_eqs(verb, "copy") ? from : path), &there, err);
    if (rc != TL_OK)
        return rc;
    if (tl_sv_eqs(verb, "copy"))
        return change(a, doc, ADD, json_view(path), there, ret, err);
    if (!json_equal(there, value))
        return tl_fail(err, TL_CONFLICT, "JSON patch: a test failed");
    *ret = doc;
    return TL_OK;
}

enum tl_rc json_patch(struct tl_arena *a, struct json doc, struct json patch, struct json *ret, struct tl_err *err)
{
    enum tl_rc rc;

    if (patch.type != JSON_ARRAY)
        return tl_fail(err, TL_INVALID, "JSON patch: a patch is an array of operations");
    for (uint32_t i = 0; i < patch.n; i++) {
        if (patch.u.items[i].type != JSON_OBJECT)
            return tl_fail(err, TL_INVALID, "JSON patch: operation %u is not an object", i);
        rc = apply(a, doc, patch.u.items[i], &doc, err);
        if (rc != TL_OK) {
            (void)tl_err_prefix(err, "operation %u", i);
            return rc;
        }
    }
    *ret = doc;
    return TL_OK;
}

/* RFC 7396 section 2. */
static struct json merge(struct tl_arena *a, struct json doc, struct json patch, uint32_t depth, bool *ok)
{
    struct json_builder b;

    if (patch.type != JSON_OBJECT || depth > JSON_DEPTH_MAX)
        return patch;
    json_object_begin(&b, a, (size_t)patch.n + (doc.type == JSON_OBJECT ? doc.n : 0));
    for (uint32_t i = 0; doc.type == JSON_OBJECT && i < doc.n; i++)
        if (json_get(patch, json_view(doc.u.members[i].key)).type == JSON_UNDEFINED)
            *ok = *ok && add_member(&b, doc.u.members[i].key, doc.u.members[i].value);
    for (uint32_t i = 0; i < patch.n && *ok; i++) {
        const struct json_member *m = &patch.u.members[i];

        if (m->value.type != JSON_NULL)
            *ok = add_member(&b, m->key, merge(a, json_get(doc, json_view(m->key)), m->value, depth + 1, ok));
    }
    return json_indexed(a, b.v);
}

enum tl_rc json_merge_patch(struct tl_arena *a, struct json doc, struct json patch, struct json *ret,
                            struct tl_err *err)
{
    bool ok = true;
    struct json merged = merge(a, doc, patch, 0, &ok);

    if (!ok)
        return no_memory(err);
    *ret = merged;
    return TL_OK;
}
