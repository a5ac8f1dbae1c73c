/* SPDX-License-Identifier: Apache-2.0 */
/*
 * match.c - $match, $contains, $replace, $split with texts, regular expressions, or matchers written in the language.
 * A matcher is a function(text) that returns {match, start, end, groups, next} or nothing; next() goes on. Positions
 * are characters (code points). A literal regular expression takes the short way, without building these objects.
 */
#include "jsonata/functions/regex_int.h"

/* One match, whoever found it. */
struct hit {
    struct json match;
    size_t start, end;    /* bytes */
    size_t start_cp;      /* characters before it */
    const PCRE2_SIZE *at; /* of a regular expression, else NULL */
    uint32_t group_count;
    struct json object; /* of a matcher */
};

struct search {
    struct jsonata_eval *e;
    struct json text, matcher;
    const struct jsonata_regex *re; /* NULL: a matcher */
    bool started, done;
    size_t last_end, last_cp; /* byte and its character */
    struct json next;
};

static struct json piece(struct json text, size_t from, size_t to)
{
    return jsonata_text(text.u.s + from, to - from, text.flags & (JSON_F_ASCII | JSON_F_PLAIN));
}

static size_t cp_between(struct json text, size_t from, size_t to)
{
    return text.flags & JSON_F_ASCII ? to - from : tl_utf8_count(tl_sv(text.u.s + from, to - from));
}

static struct json group(const struct search *s, const struct hit *h, uint32_t k) /* from 1 */
{
    if (!h->at)
        return json_at(json_gets(h->object, "groups"), k - 1);
    if (h->at[2 * k] == PCRE2_UNSET)
        return JSON_NOTHING;
    return piece(s->text, h->at[2 * k], h->at[2 * k + 1]);
}

static struct search search_begin(struct jsonata_eval *e, struct json text, struct json matcher)
{
    if (jsonata_is_ascii(text))
        text.flags |= JSON_F_ASCII;
    return (struct search){.e = e, .text = text, .matcher = matcher, .re = jsonata_regex_of(matcher)};
}

static enum tl_rc next_of_regex(struct search *s, struct hit *h, bool *ret_found)
{
    struct jsonata_found found;
    enum tl_rc rc = s->started ? jsonata_regex_find_next(s->e, s->re, s->text, s->last_end, &found)
                               : jsonata_regex_find(s->e, s->re, s->text, s->last_end, &found);

    if (rc != TL_OK || !found.at) {
        *ret_found = false;
        return rc;
    }
    h->start = found.at[0];
    h->end = found.at[1];
    h->at = found.at;
    h->group_count = found.groups;
    h->start_cp = s->last_cp + cp_between(s->text, s->last_end, h->start);
    h->match = piece(s->text, h->start, h->end);
    s->last_cp = h->start_cp + cp_between(s->text, h->start, h->end);
    s->last_end = h->end;
    s->started = *ret_found = true;
    return TL_OK;
}

static bool is_match_object(struct json v)
{
    return json_is_number(json_gets(v, "start")) || json_gets(v, "groups").type == JSON_ARRAY ||
           jsonata_is_function(json_gets(v, "next"));
}

static size_t byte_at(const struct search *s, struct json position, size_t fallback)
{
    double d = json_is_number(position) ? jsonata_double(position) : -1;

    if (!(d >= 0))
        return fallback;
    if (d > (double)s->text.n)
        return s->text.n;
    return s->text.flags & JSON_F_ASCII ? (size_t)d : tl_utf8_offset(json_view(s->text), (size_t)d);
}

static enum tl_rc next_of_matcher(struct search *s, struct hit *h, bool *ret_found)
{
    struct json found = JSON_NOTHING;
    enum tl_rc rc = jsonata_tick(s->e, 1);

    *ret_found = false;
    if (rc != TL_OK)
        return rc;
    if (!s->started)
        rc = jsonata_call(s->e, s->matcher, &s->text, 1, &found);
    else if (jsonata_is_function(s->next))
        rc = jsonata_call(s->e, s->next, NULL, 0, &found);
    if (rc != TL_OK || found.type == JSON_UNDEFINED)
        return rc;
    if (jsonata_truth(found) && !is_match_object(found))
        return jsonata_raise(s->e, "T1010", JSON_NOTHING);
    h->object = found;
    h->at = NULL;
    h->match = json_gets(found, "match");
    h->start = byte_at(s, json_gets(found, "start"), 0);
    h->end = byte_at(s, json_gets(found, "end"), h->start);
    h->start_cp = 0;
    h->group_count = json_gets(found, "groups").type == JSON_ARRAY ? json_gets(found, "groups").n : 0;
    s->next = json_gets(found, "next");
    s->started = *ret_found = true;
    return TL_OK;
}

static enum tl_rc search_next(struct search *s, struct hit *h, bool *ret_found)
{
    return s->re ? next_of_regex(s, h, ret_found) : next_of_matcher(s, h, ret_found);
}

static bool nothing(struct json v, struct json *ret)
{
    if (v.type != JSON_UNDEFINED)
        return false;
    *ret = JSON_NOTHING;
    return true;
}

static double limit_of(struct json v)
{
    return v.type == JSON_UNDEFINED ? (double)INFINITY : jsonata_double(v);
}

/* ---- objects for functions of the language ---- */

static struct json groups_of(const struct search *s, const struct hit *h)
{
    struct json_builder b;

    if (!h->at)
        return json_gets(h->object, "groups");
    json_array_begin(&b, jsonata_arena(s->e), h->group_count);
    for (uint32_t k = 1; k <= h->group_count; k++)
        if (!json_push(&b, group(s, h, k)))
            return JSON_NOTHING;
    return json_end(&b);
}

struct continuation {
    const struct jsonata_regex *re;
    struct json text;
    size_t from, from_cp;
};

static enum tl_rc match_object(struct search *s, const struct hit *h, struct json *ret);

static enum tl_rc call_next(struct jsonata_eval *e, void *data, const struct json *args, size_t n, struct json *ret)
{
    const struct continuation *c = data;
    struct search s = {
        .e = e, .text = c->text, .re = c->re, .started = true, .last_end = c->from, .last_cp = c->from_cp};
    struct hit h = {0};
    bool found;
    enum tl_rc rc = next_of_regex(&s, &h, &found);

    (void)args, (void)n;
    *ret = JSON_NOTHING;
    return rc == TL_OK && found ? match_object(&s, &h, ret) : rc;
}

static enum tl_rc match_object(struct search *s, const struct hit *h, struct json *ret)
{
    struct continuation *c = jsonata_alloc(s->e, sizeof *c);
    struct json_builder b;

    if (!c)
        return jsonata_exhausted(s->e);
    *c = (struct continuation){s->re, s->text, s->last_end, s->last_cp};
    json_object_begin(&b, jsonata_arena(s->e), 5);
    bool ok = json_adds(&b, "match", h->match) && json_adds(&b, "start", json_int((int64_t)h->start_cp)) &&
              json_adds(&b, "end", json_int((int64_t)s->last_cp)) && json_adds(&b, "groups", groups_of(s, h)) &&
              json_adds(&b, "next", jsonata_closure(s->e, call_next, c, 0));

    *ret = json_end(&b);
    return ok ? TL_OK : jsonata_exhausted(s->e);
}

/* Where JavaScript begins to search (lastIndex): $map and its kind give the index or the key of the value there. */
static double last_index(struct json v)
{
    struct tl_sv digits = v.type == JSON_STRING ? json_view(v) : TL_SV("");

    for (size_t i = 0; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return 0;
    if (digits.n)
        return jsonata_parse_int(digits);
    return json_is_number(v) ? floor(jsonata_double(v)) : v.type == JSON_BOOL ? v.u.b : 0;
}

enum tl_rc jsonata_regex_call(struct jsonata_eval *e, const struct jsonata_regex *re, const struct json *args, size_t n,
                              struct json *ret)
{
    struct search s;
    struct hit h = {0};
    struct json text;
    double from;
    bool found;
    enum tl_rc rc = jsonata_js_text(e, n ? args[0] : JSON_NOTHING, &text);

    *ret = JSON_NOTHING;
    if (rc != TL_OK || text.type != JSON_STRING)
        return rc;
    s = search_begin(e, text, JSON_NOTHING);
    s.re = re;
    if (n > 1 && (from = last_index(args[1])) >= 1) {
        if (from > (double)cp_between(s.text, 0, s.text.n))
            return TL_OK;
        s.last_cp = (size_t)from;
        s.last_end = byte_at(&s, json_double(from), 0);
    }
    rc = next_of_regex(&s, &h, &found);
    return rc == TL_OK && found ? match_object(&s, &h, ret) : rc;
}

/* ---- the functions ---- */

static enum tl_rc fn_match(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double limit = limit_of(args[2]);
    struct json_builder all;
    struct search s;
    struct hit h = {0};
    bool found;

    (void)n;
    if (nothing(args[0], ret))
        return TL_OK;
    if (limit < 0)
        return jsonata_raise(e, "D3040", args[2]);
    s = search_begin(e, args[0], args[1]);
    json_array_begin(&all, jsonata_arena(e), 4);
    for (double count = 0; count < limit; count++) {
        struct json_builder one;
        enum tl_rc rc = search_next(&s, &h, &found);

        if (rc != TL_OK)
            return rc;
        if (!found)
            break;
        json_object_begin(&one, jsonata_arena(e), 3);
        if (!json_adds(&one, "match", h.match) ||
            !json_adds(&one, "index", h.at ? json_int((int64_t)h.start_cp) : json_gets(h.object, "start")) ||
            !json_adds(&one, "groups", groups_of(&s, &h)) || !json_push(&all, json_end(&one)))
            return jsonata_exhausted(e);
    }
    *ret = jsonata_sequence(json_end(&all));
    return TL_OK;
}

static enum tl_rc fn_contains(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct search s;
    struct hit h = {0};
    bool found;

    (void)n;
    if (nothing(args[0], ret) || nothing(args[1], ret))
        return TL_OK;
    if (args[1].type == JSON_STRING) {
        *ret = json_bool(args[1].n == 0 || tl_sv_find_sv(json_view(args[0]), json_view(args[1])) < args[0].n);
        return TL_OK;
    }
    s = search_begin(e, args[0], args[1]);
    enum tl_rc rc = search_next(&s, &h, &found);

    if (rc == TL_OK)
        *ret = json_bool(found);
    return rc;
}

static bool push_piece(struct json_builder *b, struct json text, size_t from, size_t to)
{
    return json_push(b, piece(text, from, to));
}

static enum tl_rc split_text(struct jsonata_eval *e, struct json text, struct json separator, double limit,
                             struct json_builder *b)
{
    size_t from = 0;
    double count = 0;
    bool ok = true;

    if (limit < 4294967296.0)
        limit = trunc(limit);
    if (separator.n == 0) {
        while (from < text.n && count++ < limit && ok) {
            uint32_t cp;
            size_t step = jsonata_cp_at(json_view(text), from, &cp);

            ok = push_piece(b, text, from, from + step);
            from += step;
        }
        return ok ? TL_OK : jsonata_exhausted(e);
    }
    for (; count < limit && ok; count++) {
        size_t at = tl_sv_find_sv(tl_sv_from(json_view(text), from), json_view(separator));

        ok = push_piece(b, text, from, from + at);
        if (from + at >= text.n)
            break;
        from += at + separator.n;
    }
    return ok ? TL_OK : jsonata_exhausted(e);
}

static enum tl_rc split_search(struct search *s, double limit, struct json_builder *b)
{
    size_t from = 0;
    double count = 0;
    struct hit h = {0};
    bool found = true;

    while (count < limit) {
        enum tl_rc rc = search_next(s, &h, &found);

        if (rc != TL_OK)
            return rc;
        if (!found)
            break;
        if (!push_piece(b, s->text, h.start < from ? h.start : from, h.start < from ? from : h.start))
            return jsonata_exhausted(s->e);
        from = h.end;
        count++;
    }
    if (count < limit && !push_piece(b, s->text, from, s->text.n))
        return jsonata_exhausted(s->e);
    return TL_OK;
}

static enum tl_rc fn_split(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double limit = limit_of(args[2]);
    struct json_builder b;
    enum tl_rc rc = TL_OK;

    (void)n;
    if (nothing(args[0], ret))
        return TL_OK;
    if (limit < 0)
        return jsonata_raise(e, "D3020", args[2]);
    json_array_begin(&b, jsonata_arena(e), 8);
    struct search s = search_begin(e, args[0], args[1]);

    if (limit > 0)
        rc = args[1].type == JSON_STRING ? split_text(e, s.text, args[1], limit, &b) : split_search(&s, limit, &b);
    if (rc == TL_OK)
        *ret = json_end(&b);
    return rc;
}

/* $1 ... in a replacement: as many digits as the number of groups has; one fewer when that is too big. */
static size_t put_reference(struct jsonata_out *o, const struct search *s, const struct hit *h, struct tl_sv rest)
{
    size_t digits = 1;
    char text[32];

    for (uint32_t groups = h->group_count; groups >= 10; groups /= 10)
        digits++;
    double index = jsonata_parse_int(tl_sv(rest.p, digits < rest.n ? digits : rest.n));

    if (digits > 1 && index > h->group_count)
        index = jsonata_parse_int(tl_sv(rest.p, digits - 1 < rest.n ? digits - 1 : rest.n));
    if (isnan(index)) {
        jsonata_out_byte(o, '$');
        return 0;
    }
    if (index >= 1 && index <= h->group_count) {
        struct json g = group(s, h, (uint32_t)index);

        if (g.type == JSON_STRING)
            jsonata_out_value(o, g);
    }
    return jsonata_number_text(index, text);
}

static void put_template(struct jsonata_out *o, const struct search *s, const struct hit *h, struct json replacement)
{
    struct tl_sv rest = json_view(replacement);

    for (;;) {
        size_t dollar = tl_sv_find(rest, '$');

        if (dollar == rest.n && rest.n == replacement.n) {
            jsonata_out_value(o, replacement);
            return;
        }
        jsonata_out_put(o, tl_sv(rest.p, dollar));
        if (dollar == rest.n)
            return;
        rest = tl_sv_from(rest, dollar + 1);
        size_t used = 1;

        if (rest.n && rest.p[0] == '$')
            jsonata_out_byte(o, '$');
        else if (rest.n && rest.p[0] == '0')
            jsonata_out_value(o, h->match);
        else
            used = put_reference(o, s, h, rest);
        rest = tl_sv_from(rest, used < rest.n ? used : rest.n);
    }
}

static enum tl_rc put_replacement(struct jsonata_out *o, struct search *s, const struct hit *h, struct json replacement)
{
    struct json object = h->object, with = JSON_NOTHING;
    enum tl_rc rc = TL_OK;

    if (replacement.type == JSON_STRING) {
        put_template(o, s, h, replacement);
        return TL_OK;
    }
    if (h->at)
        rc = match_object(s, h, &object);
    if (rc == TL_OK)
        rc = jsonata_call(s->e, replacement, &object, 1, &with);
    if (rc != TL_OK)
        return rc;
    if (with.type != JSON_STRING)
        return jsonata_raise(s->e, "D3012", with);
    jsonata_out_value(o, with);
    return TL_OK;
}

static enum tl_rc replace_search(struct search *s, struct json replacement, double limit, struct json *ret)
{
    struct jsonata_out o;
    size_t from = 0;
    struct hit h = {0};
    double count = 0;

    jsonata_out_begin(&o, s->e, 0);
    for (; count < limit; count++) {
        bool found;
        enum tl_rc rc = search_next(s, &h, &found);

        if (rc != TL_OK)
            return rc;
        if (!found)
            break;
        if (count == 0)
            (void)jsonata_out_room(&o, s->text.n + 16);
        jsonata_out_value(&o, piece(s->text, h.start < from ? h.start : from, h.start < from ? from : h.start));
        from = h.start + (h.match.type == JSON_STRING ? h.match.n : 0);
        rc = put_replacement(&o, s, &h, replacement);
        if (rc != TL_OK)
            return rc;
    }
    if (count == 0) {
        *ret = s->text;
        return TL_OK;
    }
    if (from < s->text.n)
        jsonata_out_value(&o, piece(s->text, from, s->text.n));
    return jsonata_out_end(&o, ret);
}

static enum tl_rc replace_text(struct jsonata_eval *e, const struct json *args, double limit, struct json *ret)
{
    struct json text = args[0], with = args[2].type == JSON_UNDEFINED ? json_str("undefined") : args[2];
    struct tl_sv rest = json_view(text), what = json_view(args[1]);
    struct jsonata_out o;
    double count = 0;
    size_t at;

    jsonata_out_begin(&o, e, text.n);
    for (; count < limit && (at = tl_sv_find_sv(rest, what)) < rest.n; count++) {
        if (with.type != JSON_STRING) /* a function replaces matches of regular expressions only */
            return jsonata_raise(e, "D3012", with);
        jsonata_out_value(&o, jsonata_text(rest.p, at, text.flags & JSON_F_ASCII));
        jsonata_out_value(&o, with);
        rest = tl_sv_from(rest, at + what.n);
    }
    if (count == 0) {
        *ret = text;
        return TL_OK;
    }
    jsonata_out_value(&o, jsonata_text(rest.n ? rest.p : "", rest.n, text.flags & JSON_F_ASCII));
    return jsonata_out_end(&o, ret);
}

static enum tl_rc fn_replace(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double limit = limit_of(args[3]);
    struct search s;

    (void)n;
    if (nothing(args[0], ret))
        return TL_OK;
    if (args[1].type == JSON_STRING && args[1].n == 0)
        return jsonata_raise(e, "D3010", args[1]);
    if (limit < 0)
        return jsonata_raise(e, "D3011", args[3]);
    if (!(limit > 0)) {
        *ret = args[0];
        return TL_OK;
    }
    if (args[1].type == JSON_STRING)
        return replace_text(e, args, limit, ret);
    s = search_begin(e, args[0], args[1]);
    return replace_search(&s, args[2], limit, ret);
}

const struct jsonata_native jsonata_regex_functions[] = {{"match", "<s-f<s:o>n?:a<o>>", fn_match},
                                                         {"contains", "<s-(sf):b>", fn_contains},
                                                         {"replace", "<s-(sf)(sf)n?:s>", fn_replace},
                                                         {"split", "<s-(sf)n?:a<s>>", fn_split},
                                                         {NULL, NULL, NULL}};
