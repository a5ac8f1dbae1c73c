/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bulk_rows.c - records as rows of a CSV. null and empty text clear a field (#N/A), a missing member leaves it as it is
 * (an empty cell); a parent's external id is a column Account.ERP_Id__c.
 */
#include "salesforce/bulk.h"

#include <ctype.h>
#include <stdio.h>

struct column {
    struct tl_sv name; /* "Account.ERP_Id__c" */
    struct tl_sv outer, inner;
};
struct make {
    struct connector_call *call;
    const struct sf_target *t;
    enum sf_bulk_how how;
    struct sf_rows *rows;
    struct column *columns;
    size_t n_columns;
    struct tl_map *seen; /* identities as text */
    bool full;
};

/* ---- identity ---- */

static uint64_t folded_hash(struct tl_sv s)
{
    char lower[300];
    size_t n = s.n < sizeof lower ? s.n : sizeof lower;

    for (size_t i = 0; i < n; i++)
        lower[i] = (char)tolower((unsigned char)s.p[i]);
    return tl_hash64(lower, n, s.n) | 1;
}

/* Ids are 15 or 18 characters for the same record. */
static uint64_t id_hash(struct tl_sv s)
{
    return tl_hash64(s.p, s.n > 15 ? 15 : s.n, 0) | 1;
}

uint64_t sf_row_identity(const struct sf_target *t, enum sf_bulk_how how, const struct tl_sv *names,
                         const struct tl_sv *values, size_t n)
{
    struct tl_sv key = how == SF_BULK_UPSERT ? tl_sv_str(t->external_id) : TL_SV("Id");
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (tl_sv_starts(names[i], TL_SV("sf__")) || values[i].n == 0)
            continue;
        if (how != SF_BULK_INSERT && tl_sv_eqi(names[i], key))
            return how == SF_BULK_UPSERT ? folded_hash(values[i]) : id_hash(values[i]);
        /* a sum: the order of columns does not matter */
        sum += tl_hash64(values[i].p, values[i].n, tl_hash64(names[i].p, names[i].n, 0));
    }
    return how == SF_BULK_INSERT ? sum | 1 : 0;
}

/* ---- columns ---- */

static bool add_column(struct make *m, struct tl_sv outer, struct tl_sv inner)
{
    struct column *c;

    for (size_t i = 0; i < m->n_columns; i++)
        if (tl_sv_eq(m->columns[i].outer, outer) && tl_sv_eq(m->columns[i].inner, inner))
            return true;
    if (m->n_columns == SF_BULK_COLUMNS)
        return false;
    c = &m->columns[m->n_columns++];
    *c = (struct column){outer, outer, inner};
    if (inner.n > 0)
        c->name = tl_sv_str(tl_arena_printf(m->call->arena, "%.*s.%.*s", TL_SV_ARG(outer), TL_SV_ARG(inner)));
    return c->name.p != NULL;
}

static bool is_scalar(struct json v)
{
    return v.type != JSON_OBJECT && v.type != JSON_ARRAY && v.type != JSON_EXT;
}

/* false with a verdict: the record cannot be a row. */
static bool columns_of(struct make *m, size_t i)
{
    struct json v = m->call->records[i].value;
    const char *why = v.type == JSON_OBJECT ? NULL : "the record is not an object of fields";

    for (uint32_t k = 0; v.type == JSON_OBJECT && k < v.n && !why; k++) {
        struct tl_sv name = json_view(v.u.members[k].key);
        struct json value = v.u.members[k].value;

        if (tl_sv_eqs(name, "attributes") || value.type == JSON_UNDEFINED)
            continue;
        if (is_scalar(value))
            why = add_column(m, name, TL_SV_NULL) ? NULL : "the records have more than 500 different fields";
        else if (value.type != JSON_OBJECT || value.n != 1 || !is_scalar(value.u.members[0].value))
            why = "a parent is named by one external id: { \"Account\": { \"ERP_Id__c\": ... } }";
        else
            why = add_column(m, name, json_view(value.u.members[0].key))
                      ? NULL
                      : "the records have more than 500 different fields";
    }
    if (why)
        sf_reject(m->call, &m->call->verdicts[i], TL_INVALID, why);
    return !why;
}

/* ---- rows ---- */

static struct tl_sv cell_text(struct make *m, struct json v)
{
    struct tl_sv s;

    if (v.type == JSON_UNDEFINED)
        return TL_SV("");
    if (v.type == JSON_BOOL)
        return v.u.b ? TL_SV("true") : TL_SV("false");
    if (v.type == JSON_DOUBLE) {
        char *text = tl_arena_alloc(m->call->arena, 32);

        return text ? tl_sv(text, json_format_double(v.u.d, text)) : TL_SV_NULL;
    }
    s = sf_text(m->call->arena, v);
    return s.n > 0 ? s : TL_SV("#N/A");
}

static bool put_row(struct make *m, size_t i, struct tl_sv *names, struct tl_sv *values)
{
    struct sf_rows *rows = m->rows;
    struct json v = m->call->records[i].value;
    size_t before = rows->csv.n;
    char key[20];

    for (size_t k = 0; k < m->n_columns; k++) {
        struct json one = json_get(v, m->columns[k].outer);

        if (m->columns[k].inner.n > 0)
            one = json_get(one, m->columns[k].inner);
        else if (!is_scalar(one))
            one = JSON_NOTHING;
        names[k] = m->columns[k].name;
        values[k] = cell_text(m, one);
    }
    rows->identity[i] = sf_row_identity(m->t, m->how, names, values, m->n_columns);
    if (rows->identity[i] == 0) {
        sf_reject(m->call, &m->call->verdicts[i], TL_INVALID, "the record has no key: map its external id, or Id");
        return true;
    }
    (void)snprintf(key, sizeof key, "%llx", (unsigned long long)rows->identity[i]);
    if (tl_map_put(m->seen, tl_sv_str(key), m)) {
        rows->identity[i] = 0;
        m->call->verdicts[i] = (struct connector_verdict){
            .end = CONNECTOR_INNOCENT, .rc = TL_CONFLICT, .text = TL_SV("another record of the job has the same key")};
        return true;
    }
    for (size_t k = 0; k < m->n_columns; k++) {
        if (k > 0)
            (void)tl_buf_putc(&rows->csv, ',');
        if (values[k].n > 0 && !tl_csv_cell(&rows->csv, values[k], ',')) {
            m->full = rows->csv.failed;
            rows->csv.n = before;
            rows->identity[i] = 0;
            sf_reject(m->call, &m->call->verdicts[i], TL_INVALID, "a value holds a NUL character");
            return !m->full;
        }
    }
    rows->n++;
    return tl_buf_putc(&rows->csv, '\n');
}

enum tl_rc sf_rows_make(struct connector_call *call, const struct sf_target *t, enum sf_bulk_how how,
                        struct sf_rows *ret, struct tl_err *err)
{
    struct make m = {.call = call, .t = t, .how = how, .rows = ret};
    struct tl_sv *names = tl_arena_alloc(call->arena, SF_BULK_COLUMNS * sizeof *names);
    struct tl_sv *values = tl_arena_alloc(call->arena, SF_BULK_COLUMNS * sizeof *values);
    bool *good = tl_arena_zalloc(call->arena, call->n * sizeof *good), ok = true;

    m.columns = tl_arena_alloc(call->arena, SF_BULK_COLUMNS * sizeof *m.columns);
    ret->identity = tl_arena_zalloc(call->arena, call->n * sizeof *ret->identity);
    if (!names || !values || !good || !m.columns || !ret->identity)
        return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
    if (how == SF_BULK_DELETE)
        (void)add_column(&m, TL_SV("Id"), TL_SV_NULL); /* and nothing else, or the job fails */
    for (size_t i = 0; i < call->n; i++)
        good[i] = how == SF_BULK_DELETE || columns_of(&m, i);
    for (size_t k = 0; k < m.n_columns; k++) {
        if (k > 0)
            (void)tl_buf_putc(&ret->csv, ',');
        ok = ok && tl_csv_cell(&ret->csv, m.columns[k].name, ',');
    }
    (void)tl_buf_putc(&ret->csv, '\n');
    m.seen = tl_map_new();
    for (size_t i = 0; i < call->n && ok; i++)
        ok = !good[i] || put_row(&m, i, names, values);
    tl_map_free(m.seen);
    return ok ? TL_OK : tl_fail(err, TL_LIMIT, "the rows are larger than a job may be");
}
