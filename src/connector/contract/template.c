/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template.c - texts with {expression} parts, and whole expressions, over one envelope.
 *
 * Expressions are JSONata and recurse, so they run on the thread's big stack. To find the end of a part its braces are
 * counted outside of strings, quoted names and comments; a regular expression with an unpaired brace needs a backslash
 * class ([{]) or a binding elsewhere.
 */
#include "connector/connector_int.h"
#include "jsonata/jsonata.h"
#include "mapping/mapping.h"

enum { PARTS_MAX = 64, VALUE_MAX = 64 << 10, RESULT_MAX = 256 << 10 };

struct connector_expression {
    struct mapping *m;
    bool whole;
};
struct part {
    char *literal; /* when m is NULL */
    size_t n;
    struct mapping *m;
};
struct connector_template {
    bool uri;
    connector_literal_fn *literal; /* NULL: none */
    size_t n;
    struct part parts[PARTS_MAX];
};

/* ---- reading ---- */

/* Behind the quoted text that begins at s[i]. */
static size_t skip_quoted(struct tl_sv s, size_t i)
{
    char quote = s.p[i++];

    while (i < s.n && s.p[i] != quote)
        i += s.p[i] == '\\' && quote != '`' ? 2 : 1;
    return i + 1;
}

/* Index of the brace that closes the part beginning at s[0] (behind its opening brace), or s.n. */
static size_t part_end(struct tl_sv s)
{
    size_t depth = 0, i = 0;

    while (i < s.n) {
        char c = s.p[i];

        if (c == '"' || c == '\'' || c == '`') {
            i = skip_quoted(s, i);
            continue;
        }
        if (c == '/' && i + 1 < s.n && s.p[i + 1] == '*') {
            i += 2 + tl_sv_find_sv(tl_sv_from(s, i + 2), TL_SV("*/")) + 2;
            continue;
        }
        if (c == '}' && depth-- == 0)
            return i;
        depth += c == '{';
        i++;
    }
    return s.n;
}

static struct mapping *compile(struct tl_sv text, struct config_place at, struct config_errors *e)
{
    struct mapping *m = NULL;
    struct tl_err err = {0};
    struct tl_sv unknown;

    if (tl_sv_trim(text).n == 0) {
        config_error(e, at, NULL, "an expression is empty");
        return NULL;
    }
    if (mapping_compile(MAPPING_JSONATA, text, NULL, &m, &err) != TL_OK) {
        config_error(e, at, NULL, "the expression `%.*s` cannot be read: %s (line %d, column %d of it)",
                     (int)(text.n < 80 ? text.n : 80), text.p, err.text, err.line, err.column);
        return NULL;
    }
    unknown = mapping_unknown_function(m);
    if (unknown.n == 0)
        return m;
    config_error(e, at, NULL, "the expression `%.*s` calls $%.*s, and there is no such function",
                 (int)(text.n < 80 ? text.n : 80), text.p, TL_SV_ARG(unknown));
    mapping_unref(m);
    return NULL;
}

static bool add_literal(struct connector_template *t, const struct tl_buf *b)
{
    if (b->n == 0)
        return true;
    if (t->n == PARTS_MAX)
        return false;
    t->parts[t->n++] = (struct part){.literal = tl_strndup(b->p, b->n), .n = b->n};
    return true;
}

static bool too_many(const struct config_text *text, struct config_errors *e)
{
    config_error(e, text->at, NULL, "a text may have at most %d parts", PARTS_MAX);
    return false;
}

/* Reads one {part} at the beginning of *rest. */
static bool read_part(struct connector_template *t, struct tl_sv *rest, const struct config_text *text,
                      struct config_errors *e)
{
    struct tl_sv inner = tl_sv_from(*rest, 1);
    size_t end = part_end(inner);
    struct mapping *m;

    if (end == inner.n) {
        config_error(e, text->at, "Write {{ where a brace itself is meant.",
                     "the { at character %zu of `%.60s` has no }", (size_t)(rest->p - text->text) + 1, text->text);
        return false;
    }
    if (t->n == PARTS_MAX)
        return too_many(text, e);
    m = compile(tl_sv(inner.p, end), text->at, e);
    if (!m)
        return false;
    t->parts[t->n++] = (struct part){.m = m};
    *rest = tl_sv_from(inner, end + 1);
    return true;
}

static bool read_template(struct connector_template *t, const struct config_text *text, struct config_errors *e)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf literal = {0};
    struct tl_sv rest = tl_sv_str(text->text);

    tl_buf_init(&literal, rest.n * 3 + 1);
    while (rest.n > 0) {
        char c = rest.p[0];
        bool twice = rest.n > 1 && rest.p[1] == c;

        if (c == '{' && !twice) {
            if (!add_literal(t, &literal))
                return too_many(text, e);
            tl_buf_clear(&literal);
            if (!read_part(t, &rest, text, e))
                return false;
            continue;
        }
        if (c == '}' && !twice) {
            config_error(e, text->at, "Write }} where a brace itself is meant.",
                         "the } at character %zu of `%.60s` closes nothing", (size_t)(rest.p - text->text) + 1,
                         text->text);
            return false;
        }
        if (t->uri && (c == '{' || c == '}')) /* RFC 3986 has no braces */
            tl_buf_puts(&literal, c == '{' ? "%7B" : "%7D");
        else
            tl_buf_putc(&literal, c);
        rest = tl_sv_from(rest, c == '{' || c == '}' ? 2 : 1);
    }
    return add_literal(t, &literal) || too_many(text, e);
}

/* "/orders/.." would be another address to every server that tidies paths. */
static bool has_dot_segment(struct tl_sv path)
{
    struct tl_sv segment;

    path.n = tl_sv_find(path, '?');
    while (tl_sv_cut(&path, '/', &segment))
        if (tl_sv_eqs(segment, ".") || tl_sv_eqs(segment, ".."))
            return true;
    return false;
}

/* What is written of an address is the same for each record, so each would die of it: with x for each part. */
static bool can_be_called(const struct connector_template *t, const struct config_text *text, struct config_errors *e)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct http_url url;
    struct tl_err err;
    bool constant = connector_template_is_constant(t);

    tl_buf_init(&b, 65536);
    (void)tl_buf_puts(&b, "http://h/");
    for (size_t i = 0; i < t->n; i++)
        (void)tl_buf_puts(&b, t->parts[i].m ? "x" : t->parts[i].literal);
    if (http_url_parse(tl_buf_view(&b), &url, &err) != TL_OK) {
        config_error(e, text->at, "Write %23 for #, %20 for a blank, %25 for %.",
                     "the address `%.80s` cannot be called: %s", text->text, err.text);
        return false;
    }
    if (!constant && has_dot_segment(url.path)) {
        config_error(e, text->at, NULL, "the address `%.80s` has a dot segment (`.` or `..`)", text->text);
        return false;
    }
    return true;
}

struct connector_template *connector_template_new(const struct config_text *text, bool uri, struct config_errors *e)
{
    struct connector_template *t = tl_zalloc(sizeof *t);

    t->uri = uri;
    if (text->text && (!read_template(t, text, e) || (uri && !can_be_called(t, text, e)))) {
        connector_template_free(t);
        return NULL;
    }
    return t;
}

struct connector_template *connector_template_literals(const struct config_text *text, connector_literal_fn *literal,
                                                       struct config_errors *e)
{
    struct connector_template *t = connector_template_new(text, false, e);

    if (t)
        t->literal = literal;
    return t;
}

void connector_template_free(struct connector_template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++) {
        mapping_unref(t->parts[i].m);
        tl_free(t->parts[i].literal);
    }
    tl_free(t);
}

bool connector_template_is_constant(const struct connector_template *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->parts[i].m)
            return false;
    return true;
}

/* ---- running ---- */

struct run {
    const struct connector_template *t;
    const struct mapping *m;
    struct connector_call *call;
    struct json envelope, value;
    struct tl_buf *out;
    bool absent;
    enum tl_rc rc;
    struct tl_err *err;
    struct mapping_turn *turn;
    bool whole;
};

static enum tl_rc eval(struct run *r, const struct mapping *m, struct json *ret)
{
    struct mapping_input in = {.data = r->envelope,
                               .bindings = r->envelope.type == JSON_OBJECT ? r->envelope : JSON_NOTHING,
                               .clock = connector_clock(r->call->host),
                               .turn = r->turn,
                               .whole = r->whole};

    return mapping_eval(m, r->call->arena, &in, ret, r->err);
}

/* The part for people: as written, cut. */
#define SHOWN(m) (int)(mapping_source(m).n < 60 ? mapping_source(m).n : 60), mapping_source(m).p

static enum tl_rc put_value(struct run *r, const struct mapping *m, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    bool path = r->t->uri && tl_sv_find(tl_buf_view(r->out), '?') == r->out->n;

    if (r->t->literal)
        return r->t->literal(r->out, v) ? TL_OK
                                        : tl_fail(r->err, TL_INVALID, "{%.*s} is an %s, which a query cannot take",
                                                  SHOWN(m), json_type_name(v));
    if (v.type == JSON_UNDEFINED || v.type == JSON_NULL) {
        r->absent = true;
        return r->t->uri ? tl_fail(r->err, TL_INVALID, "{%.*s} has no value, so there is no address", SHOWN(m)) : TL_OK;
    }
    if (r->t->uri && (v.type == JSON_OBJECT || v.type == JSON_ARRAY))
        return tl_fail(r->err, TL_INVALID, "{%.*s} is an %s; an address takes a text or a number", SHOWN(m),
                       json_type_name(v));
    if (path && v.type == JSON_STRING && v.n == 0)
        return tl_fail(r->err, TL_INVALID, "{%.*s} is empty, so there is no address", SHOWN(m));
    tl_buf_init(&text, VALUE_MAX);
    if (v.type == JSON_STRING ? !tl_buf_sv(&text, json_view(v)) : !json_write(&text, v, 0))
        return tl_fail(r->err, TL_LIMIT, "{%.*s} is longer than %d bytes", SHOWN(m), VALUE_MAX);
    (void)(r->t->uri ? tl_percent_encode(r->out, tl_buf_view(&text)) : tl_buf_sv(r->out, tl_buf_view(&text)));
    return TL_OK;
}

static void run_template(void *arg, struct mapping_turn *turn)
{
    struct run *r = arg;

    r->turn = turn;
    r->rc = TL_OK;
    r->absent = false;
    tl_buf_clear(r->out);
    for (size_t i = 0; i < r->t->n && r->rc == TL_OK; i++) {
        const struct part *p = &r->t->parts[i];
        struct json v;

        if (!p->m) {
            tl_buf_put(r->out, p->literal, p->n);
            continue;
        }
        r->rc = eval(r, p->m, &v);
        if (r->rc != TL_OK) {
            (void)tl_err_prefix(r->err, "{%.*s}", SHOWN(p->m));
            return;
        }
        r->rc = put_value(r, p->m, v);
    }
    if (r->rc != TL_OK)
        return;
    if (r->out->failed)
        r->rc = tl_fail(r->err, TL_LIMIT, "the text is longer than %d bytes", RESULT_MAX);
    else if (r->t->uri && has_dot_segment(tl_buf_view(r->out)))
        r->rc = tl_fail(r->err, TL_INVALID, "the address would have a dot segment (`.` or `..`)");
}

enum tl_rc connector_template_run(struct task *task, const struct connector_template *t, struct connector_call *call,
                                  struct json envelope, struct tl_sv *ret_text, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf out = {0};
    struct run r = {.t = t, .call = call, .envelope = envelope, .out = &out, .err = err};
    struct tl_sv text;
    enum tl_rc rc;

    if (t->n == 0 || (t->n == 1 && !t->parts[0].m)) {
        *ret_text = t->n ? tl_sv(t->parts[0].literal, t->parts[0].n) : TL_SV("");
        return TL_OK;
    }
    tl_buf_init(&out, RESULT_MAX);
    rc = mapping_run(task, false, run_template, &r, err);
    rc = rc == TL_OK ? r.rc : rc;
    if (rc != TL_OK)
        return rc;
    text = r.absent ? TL_SV_NULL : out.n ? tl_arena_sv(call->arena, tl_buf_view(&out)) : TL_SV("");
    if (!r.absent && !text.p)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    *ret_text = text;
    return TL_OK;
}

/* ---- whole expressions ---- */

struct connector_expression *connector_expression_new(const struct config_text *text, struct config_errors *e)
{
    struct connector_expression *x;
    struct mapping *m;

    if (!text->text)
        return NULL;
    m = compile(tl_sv_str(text->text), text->at, e);
    if (!m)
        return NULL;
    x = tl_zalloc(sizeof *x);
    x->m = m;
    return x;
}

struct connector_expression *connector_key_new(const struct config_text *text, struct config_errors *e)
{
    struct connector_expression *x = connector_expression_new(text, e);

    if (x)
        x->whole = true;
    return x;
}

void connector_expression_free(struct connector_expression *x)
{
    if (!x)
        return;
    mapping_unref(x->m);
    tl_free(x);
}

static void run_expression(void *arg, struct mapping_turn *turn)
{
    struct run *r = arg;

    r->turn = turn;
    r->rc = eval(r, r->m, &r->value);
}

enum tl_rc connector_expression_run(struct task *task, const struct connector_expression *x,
                                    struct connector_call *call, struct json envelope, struct json *ret,
                                    struct tl_err *err)
{
    struct run r = {.m = x->m, .call = call, .envelope = envelope, .err = err, .whole = x->whole};
    enum tl_rc rc = mapping_run(task, false, run_expression, &r, err);

    rc = rc == TL_OK ? r.rc : rc;
    if (rc != TL_OK)
        return rc;
    *ret = r.value;
    return TL_OK;
}

bool connector_truth(struct json v)
{
    return jsonata_truth(v);
}
