/* SPDX-License-Identifier: Apache-2.0 */
/*
 * words.c - what a failed reply says to people, one short line, and never a secret: some systems repeat the credentials
 * they refuse.
 */
#include "connector/connector_int.h"

enum { PARSE_MAX = 64 << 10, LOOK = 4096 };

/* ---- one line ---- */

/* Controls and runs of blanks become one blank; cut at a character's start. */
static struct tl_sv one_line(struct tl_arena *a, struct tl_sv s)
{
    char *out = tl_arena_alloc_unaligned(a, CONNECTOR_TEXT + 1);
    size_t n = 0;

    if (!out)
        return TL_SV_NULL;
    for (size_t i = 0; i < s.n && n < CONNECTOR_TEXT; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool blank = c <= 0x20 || c == 0x7f;

        if (blank && (n == 0 || out[n - 1] == ' '))
            continue;
        out[n++] = blank ? ' ' : (char)c;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    n = tl_utf8_valid(tl_sv(out, n)); /* what is not UTF-8, or was cut within a character, ends the line */
    return tl_sv(out, n);
}

static struct tl_sv scalar(struct tl_arena *a, struct json v)
{
    if (v.type == JSON_STRING || v.type == JSON_DECIMAL)
        return json_view(v);
    if (v.type == JSON_INT)
        return tl_sv_str(tl_arena_printf(a, "%lld", (long long)v.u.i));
    return TL_SV_NULL;
}

static struct tl_sv joined(struct tl_arena *a, struct tl_sv first, const char *between, struct tl_sv second)
{
    if (first.n == 0 || second.n == 0 || tl_sv_eq(first, second))
        return first.n > 0 ? first : second;
    return tl_sv_str(tl_arena_printf(a, "%.*s%s%.*s", TL_SV_ARG(first), between, TL_SV_ARG(second)));
}

/* ---- shapes of JSON ---- */

static struct tl_sv first_of(struct tl_arena *a, struct json v, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct tl_sv s = scalar(a, json_gets(v, names[i]));

        if (s.n > 0)
            return s;
    }
    return TL_SV_NULL;
}

static const char *const texts[] = {
    "message", "detail", "error_description", "error_message", "errorMessage",  "description", "faultstring",
    "reason",  "title",  "Message",           "msg",           "o:errorDetails"};

static struct tl_sv words_in(struct tl_arena *a, struct json v, int depth)
{
    static const char *const codes[] = {"code", "errorCode", "error_code", "error", "type", "faultcode"};
    static const char *const inner[] = {"error", "errors", "fault", "Fault", "o:errorDetails", "response", "data"};
    struct tl_sv text, code;

    if (depth == 0)
        return TL_SV_NULL;
    if (v.type == JSON_ARRAY) {
        for (size_t i = 0; i < v.n && i < 8; i++) {
            text = words_in(a, v.u.items[i], depth - 1);
            if (text.n > 0)
                return text;
        }
        return TL_SV_NULL;
    }
    if (v.type != JSON_OBJECT)
        return scalar(a, v);
    for (size_t i = 0; i < TL_COUNT(inner); i++) {
        struct json in = json_gets(v, inner[i]);

        if (in.type == JSON_OBJECT || in.type == JSON_ARRAY) {
            text = words_in(a, in, depth - 1);
            if (text.n > 0)
                return text;
        }
    }
    text = first_of(a, v, texts, TL_COUNT(texts));
    code = first_of(a, v, codes, TL_COUNT(codes));
    return joined(a, code, ": ", text);
}

static size_t past_blanks(struct tl_sv s, size_t at)
{
    while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t' || s.p[at] == '\n' || s.p[at] == '\r'))
        at++;
    return at;
}

/* The text of the first member of this name in what begins as JSON and is too long to be parsed, or is cut. */
static struct tl_sv member_text(struct tl_arena *a, struct tl_sv s, const char *name)
{
    struct tl_sv quoted = tl_sv_str(tl_arena_printf(a, "\"%s\"", name));

    for (size_t at = 0; (at += tl_sv_find_sv(tl_sv_from(s, at), quoted)) < s.n;) {
        struct json v;
        size_t end;

        at = past_blanks(s, at + quoted.n);
        if (at >= s.n || s.p[at] != ':')
            continue;
        at = past_blanks(s, at + 1);
        if (at >= s.n || s.p[at] != '"')
            continue;
        for (end = at + 1; end < s.n && s.p[end] != '"'; end++)
            end += s.p[end] == '\\';
        if (end >= s.n) /* it is the long one */
            return tl_sv_from(s, at + 1);
        if (end > at + 1 && json_parse(a, tl_sv(s.p + at, end + 1 - at), 0, NULL, &v, NULL) == TL_OK)
            return json_view(v);
    }
    return TL_SV_NULL;
}

static struct tl_sv words_of_long_json(struct tl_arena *a, struct tl_sv s)
{
    for (size_t i = 0; i < TL_COUNT(texts); i++) {
        struct tl_sv text = member_text(a, s, texts[i]);

        if (text.n > 0)
            return text;
    }
    return s;
}

/* ---- markup ---- */

/* What stands between <name...> and the next '<'. */
static struct tl_sv element(struct tl_sv s, const char *name)
{
    struct tl_sv open = tl_sv_str(name);

    for (size_t i = 0; i + open.n + 1 < s.n; i++) {
        struct tl_sv rest = tl_sv_from(s, i);
        size_t end;

        /* <faultstring>, <soap:faultstring xml:lang="en">; not <titles> */
        if (!tl_sv_starts_i(rest, open) || i == 0 || (s.p[i - 1] != '<' && s.p[i - 1] != ':') ||
            (rest.p[open.n] != '>' && rest.p[open.n] != ' '))
            continue;
        end = tl_sv_find(rest, '>');
        rest = tl_sv_from(rest, end + 1);
        return tl_sv_trim(tl_sv(rest.p, tl_sv_find(rest, '<')));
    }
    return TL_SV_NULL;
}

static struct tl_sv without_tags(struct tl_arena *a, struct tl_sv s)
{
    size_t room = s.n < LOOK + 1 ? s.n : LOOK + 1, n = 0; /* one more than is looked at: it was cut */
    char *out = tl_arena_alloc_unaligned(a, room + 1);
    bool tag = false;

    for (size_t i = 0; out && i < s.n && n < room; i++) {
        tag = s.p[i] == '<' || (tag && s.p[i] != '>');
        if (s.p[i] == '>' || s.p[i] == '<')
            out[n++] = ' ';
        else if (!tag)
            out[n++] = s.p[i];
    }
    return tl_sv(out, out ? n : 0);
}

static struct tl_sv markup_words(struct tl_arena *a, struct tl_sv s)
{
    static const char *const names[] = {"faultstring", "Text", "message", "title", "h1"};

    for (size_t i = 0; i < TL_COUNT(names); i++) {
        struct tl_sv text = element(s, names[i]);

        if (text.n > 0)
            return text;
    }
    return without_tags(a, s);
}

struct tl_sv connector_reply_text(struct connector_call *call, const struct http_reply *reply)
{
    struct tl_sv s = tl_sv_trim(reply->body);
    struct json v;

    if (s.n == 0)
        return TL_SV_NULL;
    if (s.p[0] == '<')
        s = markup_words(call->arena, connector_mask_cut(call, s, PARSE_MAX));
    else if (s.n > PARSE_MAX && (s.p[0] == '{' || s.p[0] == '['))
        s = words_of_long_json(call->arena, connector_mask_cut(call, s, PARSE_MAX));
    else if ((s.p[0] == '{' || s.p[0] == '[' || s.p[0] == '"') && s.n <= PARSE_MAX &&
             json_parse(call->arena, s, JSON_PARSE_DUP_LAST, &(struct json_limits){.max_depth = 64}, &v, NULL) ==
                 TL_OK) {
        struct tl_sv words = words_in(call->arena, v, 5);

        s = words.n > 0 ? words : s;
    }
    return one_line(call->arena, connector_mask_cut(call, s, LOOK));
}
