/* SPDX-License-Identifier: Apache-2.0 */
/*
 * views.c - the tables of SuiteQL as views over the records: v_customer, v_transaction, ... Column names are the
 * fields' in lower case; references are their ids, booleans T and F, times text in UTC. Columns that end with _ are
 * ours.
 */
#include "netsuite/sim/sim_int.h"
#include "netsuite/sim/views.h"

enum { SQL_MAX = 64 << 10 };
#define TIME_OF(column) "strftime('%Y-%m-%d %H:%M:%S'," column "/1000,'unixepoch')"

static void lower(struct tl_buf *b, const char *name)
{
    for (; *name; name++)
        (void)tl_buf_putc(b, *name >= 'A' && *name <= 'Z' ? (char)(*name + 32) : *name);
}

static void column(struct tl_buf *b, const struct nsim_field *f, const char *from)
{
    if (f->kind == NSIM_LINES)
        return;
    if (f->kind == NSIM_REF)
        (void)tl_buf_printf(b, ",CAST(json_extract(%s,'$.%s.id') AS INTEGER) AS ", from, f->name);
    else if (f->kind == NSIM_ENUM)
        (void)tl_buf_printf(b, ",json_extract(%s,'$.%s.id') AS ", from, f->name);
    else if (f->kind == NSIM_BOOL)
        (void)tl_buf_printf(b, ",CASE json_extract(%s,'$.%s') WHEN 1 THEN 'T' ELSE 'F' END AS ", from, f->name);
    else
        (void)tl_buf_printf(b, ",json_extract(%s,'$.%s') AS ", from, f->name);
    (void)tl_buf_putc(b, '"');
    lower(b, f->name);
    (void)tl_buf_putc(b, '"');
}

/* The first type of its table; the others of the table add the fields it lacks. */
static bool is_first(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(nsim_types[k].table, nsim_types[i].table) == 0)
            return false;
    return true;
}

static bool is_known_before(size_t first, size_t type, const char *field)
{
    for (size_t i = first; i < type; i++)
        if (strcmp(nsim_types[i].table, nsim_types[first].table) == 0 &&
            nsim_field_find(nsim_types[i].fields, nsim_types[i].n_fields, tl_sv_str(field)))
            return true;
    return false;
}

static void table(struct tl_buf *b, size_t first)
{
    const struct nsim_type *t = &nsim_types[first];
    bool shared = t->sql_type != NULL;

    (void)tl_buf_printf(b, "CREATE TEMP VIEW v_%s AS SELECT id,ext AS externalid,", t->table);
    (void)tl_buf_puts(b, TIME_OF("created"));
    (void)tl_buf_printf(b, " AS %s,", t->group == NSIM_ENTITY ? "datecreated" : "createddate");
    (void)tl_buf_puts(b, TIME_OF("modified") " AS lastmodifieddate");
    if (shared) {
        (void)tl_buf_printf(b, ",lower(type) AS recordtype,CASE type");
        for (size_t i = first; i < nsim_n_types; i++)
            if (strcmp(nsim_types[i].table, t->table) == 0)
                (void)tl_buf_printf(b, " WHEN '%s' THEN '%s'", nsim_types[i].name, nsim_types[i].sql_type);
        (void)tl_buf_printf(b, " END AS %s", t->group == NSIM_ITEM ? "itemtype" : "type");
    }
    for (size_t i = first; i < nsim_n_types; i++) {
        if (strcmp(nsim_types[i].table, t->table) != 0)
            continue;
        for (size_t k = 0; k < nsim_types[i].n_fields; k++)
            if (!is_known_before(first, i, nsim_types[i].fields[k].name))
                column(b, &nsim_types[i].fields[k], "body");
    }
    (void)tl_buf_printf(b, ",body AS body_ FROM record WHERE type IN (");
    for (size_t i = first; i < nsim_n_types; i++)
        if (strcmp(nsim_types[i].table, t->table) == 0)
            (void)tl_buf_printf(b, "%s'%s'", i == first ? "" : ",", nsim_types[i].name);
    (void)tl_buf_puts(b, ");\n");
}

/* The header is a line too (mainline T), as in NetSuite. */
static void lines(struct tl_buf *b)
{
    const struct nsim_type *order = nsim_type_find(TL_SV("salesOrder"));
    const struct nsim_field *item = nsim_field_find(order->fields, order->n_fields, TL_SV("item"));

    (void)tl_buf_puts(b, "CREATE TEMP VIEW v_transactionline AS SELECT r.id AS \"transaction\","
                         "CAST(json_extract(l.value,'$.line') AS INTEGER) AS id,'F' AS mainline");
    for (size_t i = 0; i < item->n_lines; i++)
        if (strcmp(item->lines[i].name, "line") != 0)
            column(b, &item->lines[i], "l.value");
    (void)tl_buf_puts(b,
                      ",l.value AS body_ FROM record r,json_each(r.body,'$.item') l WHERE r.grp='transaction' UNION ALL"
                      " SELECT id,0,'T'");
    for (size_t i = 0; i < item->n_lines; i++)
        if (strcmp(item->lines[i].name, "line") != 0)
            (void)tl_buf_puts(b,
                              strcmp(item->lines[i].name, "amount") == 0 ? ",json_extract(body,'$.total')" : ",NULL");
    (void)tl_buf_puts(b, ",NULL FROM record WHERE grp='transaction';\n"
                         "CREATE TEMP VIEW v_deletedrecord AS SELECT id AS recordid,lower(type) AS recordtypeid,"
                         "ext AS externalid," TIME_OF("at") " AS deleteddate,NULL AS body_ FROM deleted;\n");
}

enum tl_rc nsim_views(struct store *db, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, SQL_MAX);
    for (size_t i = 0; i < nsim_n_types; i++)
        if (is_first(i))
            table(&b, i);
    lines(&b);
    return b.failed ? tl_fail(err, TL_LIMIT, "the views are too long") : store_exec(db, b.p, err);
}

bool nsim_is_table(struct tl_sv name)
{
    if (tl_sv_eqi(name, TL_SV("transactionline")) || tl_sv_eqi(name, TL_SV("deletedrecord")))
        return true;
    for (size_t i = 0; i < nsim_n_types; i++)
        if (tl_sv_eqi(name, tl_sv_str(nsim_types[i].table)))
            return true;
    return false;
}

static const struct nsim_field *field_of(const struct nsim_field *f, size_t n, struct tl_sv name)
{
    for (size_t i = 0; i < n; i++) {
        const struct nsim_field *in;

        if (tl_sv_eqi(name, tl_sv_str(f[i].name)))
            return &f[i];
        in = f[i].kind == NSIM_LINES ? field_of(f[i].lines, f[i].n_lines, name) : NULL;
        if (in)
            return in;
    }
    return NULL;
}

const struct nsim_field *nsim_column_field(struct tl_sv name)
{
    for (size_t i = 0; i < nsim_n_types; i++) {
        const struct nsim_field *f = field_of(nsim_types[i].fields, nsim_types[i].n_fields, name);

        if (f)
            return f;
    }
    return NULL;
}

bool nsim_is_time(struct tl_sv name)
{
    static const char *const times[] = {"lastmodifieddate", "createddate", "datecreated", "deleteddate"};
    const struct nsim_field *f;

    for (size_t i = 0; i < TL_COUNT(times); i++)
        if (tl_sv_eqi(name, tl_sv_str(times[i])))
            return true;
    f = nsim_column_field(name);
    return f && (f->kind == NSIM_DATE || f->kind == NSIM_TIME);
}
