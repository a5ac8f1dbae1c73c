/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soql.c - SOQL, as far as integrations use it, into SQL over the table of records.
 *
 *   SELECT fields, Parent.Field, (SELECT ... FROM Children), COUNT(), SUM(f) alias FROM Object [alias]
 *   [WHERE ...] [GROUP BY ...] [ORDER BY ... [ASC|DESC] [NULLS FIRST|LAST]] [LIMIT n] [OFFSET n] [FOR ...]
 *
 * Names reach the SQL only after they were found in the schema, values only as quoted literals.
 */
#include "salesforce/sim/sim_int.h"

#include <ctype.h>
#include <stdio.h>

enum { SELECTS = 500, DEPTH = 30, SQL_MAX = 2 << 20 };

struct parse {
    const struct sfsim_schema *schema;
    struct tl_arena *a;
    struct tl_sv text;
    size_t at;
    struct tl_sv word; /* the current token: a name, number, quoted string (with its quotes), or operator */
    struct sfsim_fault *fault;
    struct sfsim_soql *q;
    int depth;
};

/* ---- tokens ---- */

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == ':' || c == '+' || c == '-';
}

static void next(struct parse *p)
{
    size_t from, n = p->text.n;
    const char *s = p->text.p;

    while (p->at < n && isspace((unsigned char)s[p->at]))
        p->at++;
    from = p->at;
    if (p->at >= n) {
        p->word = TL_SV_NULL;
        return;
    }
    if (s[p->at] == '\'') {
        for (p->at++; p->at < n && s[p->at] != '\''; p->at++)
            p->at += s[p->at] == '\\' && p->at + 1 < n;
        p->at += p->at < n;
    } else if (is_name(s[p->at])) {
        while (p->at < n && is_name(s[p->at]))
            p->at++;
    } else {
        p->at++;
        if (p->at < n && s[p->at] == '=' && strchr("<>!", s[from]))
            p->at++;
        else if (p->at < n && s[from] == '<' && s[p->at] == '>')
            p->at++;
    }
    p->word = tl_sv(s + from, p->at - from);
}

static bool is(const struct parse *p, const char *word)
{
    return tl_sv_eqi(p->word, tl_sv_str(word));
}

static bool take(struct parse *p, const char *word)
{
    if (!is(p, word))
        return false;
    next(p);
    return true;
}

static bool malformed(struct parse *p)
{
    return sfsim_refuse(p->fault, p->a, 400, "MALFORMED_QUERY", TL_SV_NULL, "unexpected token: '%.*s' at position %zu",
                        TL_SV_ARG(p->word), p->at);
}

static bool expect(struct parse *p, const char *word)
{
    return take(p, word) || malformed(p);
}

/* ---- names ---- */

static struct tl_sv last_step(struct tl_sv path, struct tl_sv *ret_rest)
{
    size_t dot = tl_sv_find(path, '.');

    *ret_rest = dot < path.n ? tl_sv_from(path, dot + 1) : TL_SV_NULL;
    return tl_sv(path.p, dot);
}

static bool no_column(struct parse *p, struct tl_sv name, const struct sfsim_object *o)
{
    return sfsim_refuse(p->fault, p->a, 400, "INVALID_FIELD", TL_SV_NULL,
                        "\n%.*s\n^\nERROR at Row:1:Column:%zu\nNo such column '%.*s' on entity '%.*s'. If you are "
                        "attempting to use a custom field, be sure to append the '__c' after the custom field name. "
                        "Please reference your WSDL or the describe call for the appropriate names.",
                        TL_SV_ARG(name), p->at, TL_SV_ARG(name), TL_SV_ARG(o->name));
}

/* The SQL of a field of the row with this alias. */
static void column(struct tl_buf *b, const char *row, const struct sfsim_field *f)
{
    if (f->type == SFSIM_ID)
        (void)tl_buf_printf(b, "%s.id", row);
    else if (tl_sv_eqs(f->name, "IsDeleted"))
        (void)tl_buf_printf(b, "%s.deleted", row);
    else if (tl_sv_eqs(f->name, "CreatedDate"))
        (void)tl_buf_printf(b, "%s.created", row);
    else if (tl_sv_eqs(f->name, "SystemModstamp") || tl_sv_eqs(f->name, "LastModifiedDate"))
        (void)tl_buf_printf(b, "%s.modified", row);
    else if (f->type == SFSIM_BOOLEAN)
        (void)tl_buf_printf(b, "coalesce(json_extract(%s.body,'$.%.*s'),0)", row, TL_SV_ARG(f->name));
    else
        (void)tl_buf_printf(b, "json_extract(%s.body,'$.%.*s')", row, TL_SV_ARG(f->name));
}

/* Account.Owner.Name: one subquery a step. The field at the end of the path; NULL: refused. */
static const struct sfsim_field *expression(struct parse *p, struct tl_sv path, const struct sfsim_object *o,
                                            const char *row, struct tl_buf *b)
{
    struct tl_sv rest, step = last_step(path, &rest);
    const struct sfsim_field *f, *end;
    const struct sfsim_object *parent;
    char inner[16];

    if (rest.p && (tl_sv_eqi(step, o->name) || tl_sv_eq(step, TL_SV("r")))) /* the object's own name, or its alias */
        step = last_step(rest, &rest);
    if (!rest.p) {
        f = sfsim_field(o, step);
        if (f)
            column(b, row, f);
        else
            (void)no_column(p, step, o);
        return f;
    }
    f = sfsim_relationship(o, step);
    parent = f ? sfsim_object(p->schema, f->reference) : NULL;
    if (!parent || p->depth > DEPTH) {
        (void)sfsim_refuse(p->fault, p->a, 400, "INVALID_FIELD", TL_SV_NULL,
                           "Didn't understand relationship '%.*s' in field path.", TL_SV_ARG(step));
        return NULL;
    }
    (void)snprintf(inner, sizeof inner, "p%d", ++p->depth);
    (void)tl_buf_puts(b, "(SELECT ");
    end = expression(p, rest, parent, inner, b);
    if (!end)
        return NULL;
    (void)tl_buf_printf(b, " FROM record %s WHERE %s.id=", inner, inner);
    column(b, row, f);
    (void)tl_buf_puts(b, ")");
    p->depth--;
    return end;
}

/* ---- values ---- */

static void quoted(struct tl_buf *b, struct tl_sv text)
{
    (void)tl_buf_putc(b, '\'');
    for (size_t i = 0; i < text.n; i++)
        (void)(text.p[i] == '\'' ? tl_buf_puts(b, "''") : tl_buf_putc(b, text.p[i]));
    (void)tl_buf_putc(b, '\'');
}

/* 'it\'s' without quotes and escapes. */
static struct tl_sv unquoted(struct parse *p)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, p->word.n + 1);
    for (size_t i = 1; i + 1 < p->word.n; i++) {
        char c = p->word.p[i];

        if (c == '\\' && i + 2 < p->word.n) {
            c = p->word.p[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        (void)tl_buf_putc(&b, c);
    }
    return tl_arena_sv(p->a, tl_buf_view(&b));
}

static bool id_value(struct parse *p, struct tl_sv text, struct tl_buf *b)
{
    char id[SFSIM_ID18 + 1];

    if (!sfsim_id18(text, id))
        return sfsim_refuse(p->fault, p->a, 400, "INVALID_QUERY_FILTER_OPERATOR", TL_SV_NULL, "invalid ID field: %.*s",
                            TL_SV_ARG(text));
    quoted(b, tl_sv_str(id));
    return true;
}

static bool value(struct parse *p, const struct sfsim_field *f, struct tl_buf *b)
{
    bool text = p->word.n >= 2 && p->word.p[0] == '\'';
    double d;
    int64_t ms;

    if (is(p, "null")) {
        (void)tl_buf_puts(b, "NULL");
    } else if (is(p, "true") || is(p, "false")) {
        (void)tl_buf_puts(b, is(p, "true") ? "1" : "0");
    } else if (text && (f->type == SFSIM_ID || f->type == SFSIM_REFERENCE)) {
        if (!id_value(p, unquoted(p), b))
            return false;
    } else if (text) {
        quoted(b, unquoted(p));
    } else if (f->type == SFSIM_DATETIME && sfsim_datetime_read(p->word, &ms)) {
        if (f->system)
            (void)tl_buf_printf(b, "%lld", (long long)ms);
        else
            quoted(b, json_view(sfsim_datetime(p->a, ms)));
    } else if (f->type == SFSIM_DATE && sfsim_datetime_read(p->word, &ms)) {
        quoted(b, tl_sv(p->word.p, p->word.n < 10 ? p->word.n : 10));
    } else if (tl_sv_double(p->word, &d)) {
        (void)tl_buf_sv(b, p->word);
    } else {
        return malformed(p);
    }
    next(p);
    return true;
}

/* ---- conditions ---- */

static bool condition(struct parse *p, struct tl_buf *b);

static bool value_list(struct parse *p, const struct sfsim_field *f, struct tl_buf *b)
{
    if (!expect(p, "("))
        return false;
    (void)tl_buf_puts(b, "(");
    do {
        if (!value(p, f, b))
            return false;
    } while (is(p, ",") && tl_buf_puts(b, ",") && (next(p), true));
    (void)tl_buf_puts(b, ")");
    return expect(p, ")");
}

/* LIKE has % and _ as SQL has; texts compare without regard to case. */
static bool comparison(struct parse *p, const struct sfsim_field *f, struct tl_sv left, struct tl_buf *b)
{
    static const char *const ops[] = {"=", "!=", "<>", "<", "<=", ">", ">="};
    const char *no_case = f->type <= SFSIM_MULTIPICKLIST ? " COLLATE NOCASE" : "";
    bool negated = false;

    if (take(p, "LIKE")) {
        (void)tl_buf_printf(b, "%.*s LIKE ", TL_SV_ARG(left));
        if (!value(p, f, b))
            return false;
        return tl_buf_puts(b, " ESCAPE '\\'");
    }
    if (is(p, "NOT")) {
        next(p);
        negated = true;
    }
    if (take(p, "IN")) {
        (void)tl_buf_printf(b, "%scoalesce(%.*s%s IN ", negated ? "NOT " : "", TL_SV_ARG(left), no_case);
        return value_list(p, f, b) && tl_buf_puts(b, ",0)");
    }
    for (size_t i = 0; i < TL_COUNT(ops) && !negated; i++) {
        bool equality = i < 3;

        if (!take(p, ops[i]))
            continue;
        (void)tl_buf_printf(b, "%.*s%s %s ", TL_SV_ARG(left), no_case, equality ? (i == 0 ? "IS" : "IS NOT") : ops[i]);
        return value(p, f, b);
    }
    return malformed(p);
}

static bool term(struct parse *p, struct tl_buf *b)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf left = {0};
    const struct sfsim_field *f;
    struct tl_sv path;

    if (take(p, "NOT")) {
        (void)tl_buf_puts(b, "NOT ");
        return term(p, b);
    }
    if (take(p, "(")) {
        bool ok;

        if (++p->depth > DEPTH)
            return malformed(p);
        (void)tl_buf_puts(b, "(");
        ok = condition(p, b) && expect(p, ")");
        (void)tl_buf_puts(b, ")");
        p->depth--;
        return ok;
    }
    path = p->word;
    if (path.n == 0 || !is_name(path.p[0]))
        return malformed(p);
    next(p);
    tl_buf_init(&left, 64 << 10);
    f = expression(p, path, p->q->from, "r", &left);
    return f && comparison(p, f, tl_buf_view(&left), b);
}

static bool condition(struct parse *p, struct tl_buf *b)
{
    if (!term(p, b))
        return false;
    while (is(p, "AND") || is(p, "OR")) {
        (void)tl_buf_puts(b, is(p, "AND") ? " AND " : " OR ");
        next(p);
        if (!term(p, b))
            return false;
    }
    return true;
}

/* ---- select list ---- */

static struct sfsim_soql *query(struct parse *p, const struct sfsim_object *parent);

static bool child(struct parse *p, struct sfsim_select *s)
{
    struct parse inner = *p;

    /* what it is a child of is known after FROM only: kept as text, read then */
    s->function = TL_SV("child");
    s->path[0] = tl_sv(inner.text.p + inner.at - inner.word.n, 0);
    for (int depth = 1; depth > 0; next(p)) {
        if (!p->word.p)
            return malformed(p);
        depth += is(p, "(") ? 1 : is(p, ")") ? -1 : 0;
        if (depth == 0)
            s->path[0].n = (size_t)(p->word.p - s->path[0].p);
    }
    return true;
}

static void split_path(struct sfsim_select *s, struct tl_sv name)
{
    struct tl_sv step;

    s->n_path = 0;
    while (s->n_path < TL_COUNT(s->path) && tl_sv_cut(&name, '.', &step))
        s->path[s->n_path++] = step;
}

static bool select_item(struct parse *p, struct sfsim_select *s)
{
    *s = (struct sfsim_select){0};
    if (take(p, "("))
        return child(p, s);
    if (p->word.n == 0 || !is_name(p->word.p[0]))
        return malformed(p);
    split_path(s, p->word);
    next(p);
    if (!take(p, "("))
        return true;
    s->function = s->path[0];
    s->n_path = 0;
    if (!is(p, ")")) {
        split_path(s, p->word);
        next(p);
    }
    if (!expect(p, ")"))
        return false;
    if (p->word.p && is_name(p->word.p[0]) && !is(p, "FROM")) {
        s->alias = p->word;
        next(p);
    }
    return true;
}

static bool fields_all(struct parse *p)
{
    struct sfsim_select *s = tl_arena_zalloc(p->a, p->q->from->n_fields * sizeof *s);

    for (size_t i = 0; s && i < p->q->from->n_fields; i++)
        s[i] = (struct sfsim_select){.path = {p->q->from->fields[i].name}, .n_path = 1};
    p->q->select = s;
    p->q->n_select = s ? p->q->from->n_fields : 0;
    return true;
}

/* Every name of the list is checked once the object is known. */
static bool check_select(struct parse *p)
{
    struct sfsim_soql *q = p->q;

    for (size_t i = 0; i < q->n_select; i++) {
        struct sfsim_select *s = &q->select[i];
        const struct sfsim_object *o = q->from;

        if (tl_sv_eqs(s->function, "child")) {
            struct parse inner = {
                .schema = p->schema, .a = p->a, .text = s->path[0], .fault = p->fault, .depth = p->depth + 1};

            next(&inner);
            s->child = p->depth < 2 ? query(&inner, q->from) : NULL;
            if (!s->child)
                return p->fault->status ? false : malformed(p);
            continue;
        }
        if (tl_sv_eqi(s->function, TL_SV("FIELDS")))
            return fields_all(p);
        if (s->function.p) {
            q->aggregate = true;
            q->count_only |= tl_sv_eqi(s->function, TL_SV("COUNT")) && s->n_path == 0 && q->n_select == 1;
            continue;
        }
        if (s->n_path > 1 && tl_sv_eqi(s->path[0], o->name)) {
            memmove(&s->path[0], &s->path[1], (s->n_path - 1) * sizeof s->path[0]);
            s->n_path--;
        }
        for (size_t k = 0; k + 1 < s->n_path; k++) {
            const struct sfsim_field *f = sfsim_relationship(o, s->path[k]);

            o = f ? sfsim_object(p->schema, f->reference) : NULL;
            if (!o)
                return sfsim_refuse(p->fault, p->a, 400, "INVALID_FIELD", TL_SV_NULL,
                                    "Didn't understand relationship '%.*s' in field path.", TL_SV_ARG(s->path[k]));
        }
        if (s->n_path == 0 || !sfsim_field(o, s->path[s->n_path - 1]))
            return no_column(p, s->n_path ? s->path[s->n_path - 1] : TL_SV(""), o);
    }
    return true;
}

/* ---- the query ---- */

/* The object a child relationship names: Contacts, OrderItems, Lines__r. */
static const struct sfsim_object *child_object(struct parse *p, const struct sfsim_object *parent, struct tl_sv name)
{
    const struct sfsim_object *o;

    for (size_t i = 0; (o = sfsim_object_at(p->schema, i)); i++) {
        size_t stem = o->custom ? o->name.n - 3 : o->name.n - (o->name.p[o->name.n - 1] == 'y');

        if (name.n < stem || !tl_sv_eqi(tl_sv(name.p, stem), tl_sv(o->name.p, stem)))
            continue;
        if (!tl_sv_eqi(tl_sv_from(name, stem), o->custom ? TL_SV("__r") : stem < o->name.n ? TL_SV("ies") : TL_SV("s")))
            continue;
        for (size_t k = 0; k < o->n_fields; k++) {
            if (!o->fields[k].system && tl_sv_eq(o->fields[k].reference, parent->name)) {
                p->q->child_key = &o->fields[k];
                return o;
            }
        }
    }
    return NULL;
}

static bool from(struct parse *p, const struct sfsim_object *parent)
{
    if (!expect(p, "FROM"))
        return false;
    p->q->from_name = p->word;
    p->q->from = parent ? child_object(p, parent, p->word) : sfsim_object(p->schema, p->word);
    if (!p->q->from || p->q->from->event)
        return sfsim_refuse(p->fault, p->a, 400, parent ? "INVALID_FIELD" : "INVALID_TYPE", TL_SV_NULL,
                            "sObject type '%.*s' is not supported. If you are attempting to use a custom object, be "
                            "sure to append the '__c' after the entity name.",
                            TL_SV_ARG(p->word));
    next(p);
    return true;
}

static char *text_of(struct parse *p, struct tl_buf *b)
{
    return b->failed ? NULL : tl_arena_strndup(p->a, b->p ? b->p : "", b->n);
}

static bool order_by(struct parse *p, struct tl_buf *b)
{
    bool first = true;

    do {
        struct tl_sv path = p->word;

        if (!first)
            next(p), path = p->word;
        (void)tl_buf_puts(b, first ? "" : ", ");
        next(p);
        if (!expression(p, path, p->q->from, "r", b))
            return false;
        if (is(p, "DESC") || is(p, "ASC")) {
            (void)tl_buf_puts(b, is(p, "DESC") ? " DESC" : " ASC");
            next(p);
        }
        if (take(p, "NULLS")) {
            (void)tl_buf_puts(b, is(p, "LAST") ? " NULLS LAST" : " NULLS FIRST");
            next(p);
        }
        first = false;
    } while (is(p, ","));
    return true;
}

static bool group_by(struct parse *p, struct tl_buf *b)
{
    bool first = true;

    p->q->aggregate = true;
    do {
        if (!first)
            next(p);
        (void)tl_buf_puts(b, first ? "" : ", ");
        if (!expression(p, p->word, p->q->from, "r", b))
            return false;
        next(p);
        first = false;
    } while (is(p, ","));
    return true;
}

static bool number(struct parse *p, int64_t *ret)
{
    if (!tl_sv_i64(p->word, ret) || *ret < 0)
        return malformed(p);
    next(p);
    return true;
}

static bool clause(struct parse *p, char **ret, bool (*fn)(struct parse *, struct tl_buf *))
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, SQL_MAX);
    if (!fn(p, &b))
        return false;
    *ret = text_of(p, &b);
    return *ret || malformed(p);
}

static bool clauses(struct parse *p)
{
    struct sfsim_soql *q = p->q;

    if (p->word.p && is_name(p->word.p[0]) && !is(p, "WHERE") && !is(p, "ORDER") && !is(p, "GROUP") &&
        !is(p, "LIMIT") && !is(p, "OFFSET") && !is(p, "FOR") && !is(p, "USING"))
        next(p); /* an alias */
    if (take(p, "WHERE") && !clause(p, &q->where, condition))
        return false;
    if (take(p, "GROUP") && (!expect(p, "BY") || !clause(p, &q->group, group_by)))
        return false;
    if (take(p, "ORDER") && (!expect(p, "BY") || !clause(p, &q->order, order_by)))
        return false;
    if (take(p, "LIMIT") && !number(p, &q->limit))
        return false;
    if (take(p, "OFFSET") && !number(p, &q->offset))
        return false;
    if (take(p, "FOR"))
        next(p);
    return !p->word.p || malformed(p);
}

static struct sfsim_soql *query(struct parse *p, const struct sfsim_object *parent)
{
    p->q = tl_arena_zalloc(p->a, sizeof *p->q);
    if (!p->q)
        return NULL;
    p->q->limit = -1;
    p->q->select = tl_arena_alloc(p->a, SELECTS * sizeof *p->q->select);
    if (!p->q->select || !expect(p, "SELECT"))
        return NULL;
    do {
        if (p->q->n_select > 0)
            next(p);
        if (p->q->n_select == SELECTS) {
            (void)malformed(p);
            return NULL;
        }
        if (!select_item(p, &p->q->select[p->q->n_select++]))
            return NULL;
    } while (is(p, ","));
    return from(p, parent) && clauses(p) && check_select(p) ? p->q : NULL;
}

struct sfsim_soql *sfsim_soql_parse(const struct sfsim_schema *s, struct tl_arena *a, struct tl_sv text,
                                    struct sfsim_fault *fault)
{
    struct parse p = {.schema = s, .a = a, .text = text, .fault = fault};

    *fault = (struct sfsim_fault){0};
    if (text.n > 100000) {
        (void)sfsim_refuse(fault, a, 400, "MALFORMED_QUERY", TL_SV_NULL, "SOQL statement is longer than 100,000");
        return NULL;
    }
    next(&p);
    return query(&p, NULL);
}

char *sfsim_soql_sql(struct tl_arena *a, const struct sfsim_soql *q, const char *columns, bool all)
{
    return tl_arena_printf(a, "SELECT %s FROM record r WHERE r.type='%.*s'%s%s%s%s%s%s%s%s%s LIMIT %lld OFFSET %lld",
                           columns, TL_SV_ARG(q->from->name), all ? "" : " AND r.deleted=0", q->where ? " AND (" : "",
                           q->where ? q->where : "", q->where ? ")" : "", q->group ? " GROUP BY " : "",
                           q->group ? q->group : "",
                           q->order       ? " ORDER BY "
                           : q->aggregate ? ""
                                          : " ORDER BY r.id",
                           q->order ? q->order : "", "", (long long)q->limit, (long long)q->offset);
}
