/* SPDX-License-Identifier: Apache-2.0 */
/* xref.c - `tieline xref`: which ids on two systems are one thing. */
#include "cli/cli_int.h"

struct xref_options {
    struct cli_common common;
    const char *model, *connection, *reason;
    uint64_t limit;
};
static const struct cli_option list_options[] = {
    {"model", 0, CLI_TEXT, "NAME", offsetof(struct xref_options, model), "of this kind"},
    {"connection", 0, CLI_TEXT, "NAME", offsetof(struct xref_options, connection), "of this system, on either side"},
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct xref_options, limit), "so many, newest first (50)"},
    CLI_COMMON_OPTIONS(struct xref_options),
};
static const struct cli_option forget_options[] = {
    CLI_REASON_OPTION(struct xref_options, reason),
    CLI_COMMON_OPTIONS(struct xref_options),
};

static void print_rows(struct json rows)
{
    static const char *const heads[] = {"model", "from", "id", "to", "id", "mark", "at"};
    static const char *const cells[] = {"model", "from", "from_id", "to", "to_id", "mark", "at"};
    struct cli_table *t = cli__table_new(heads, TL_COUNT(heads));

    for (uint32_t i = 0; i < rows.n; i++)
        for (size_t k = 0; k < TL_COUNT(cells); k++)
            cli__table_json(t, json_gets(json_at(rows, i), cells[k]));
    if (rows.n > 0)
        cli__table_print(t);
    else
        puts("nothing is known");
    cli__table_free(t);
}

static int look(const struct xref_options *o, const char *id)
{
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf target = {0};
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    tl_buf_init(&target, 16384);
    (void)tl_buf_printf(&target, "/v1/xrefs?limit=%llu&", (unsigned long long)(o->limit ? o->limit : 50));
    cli__query(&target, "model", o->model);
    cli__query(&target, "connection", o->connection);
    cli__query(&target, "id", id);
    if (rc == TL_OK)
        rc = cli__call_json(c, "GET", target.p, JSON_NOTHING, &answer, &err);
    if (rc == TL_OK && id && json_gets(answer, "xrefs").n == 0)
        rc = tl_fail(&err, TL_NOT_FOUND, "nothing is known of '%s'", id);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        print_rows(json_gets(answer, "xrefs"));
    return CLI_OK;
}

static int run_list(void *options, const struct cli_args *args)
{
    (void)args;
    return look(options, NULL);
}
static int run_show(void *options, const struct cli_args *args)
{
    return look(options, args->v[0]);
}

static int run_forget(void *options, const struct cli_args *args)
{
    const struct xref_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    int64_t n = 0;
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK) {
        json_object_begin(&body, cli__arena(c), 4);
        json_adds(&body, "model", json_str(args->v[0]));
        json_adds(&body, "connection", json_str(args->v[1]));
        json_adds(&body, "id", json_str(args->v[2]));
        if (o->reason)
            json_adds(&body, "reason", json_str(o->reason));
        rc = cli__call_json(c, "POST", "/v1/xrefs/forget", json_end(&body), &answer, &err);
    }
    if (rc == TL_OK && json_int64(json_gets(answer, "forgotten"), &n) && n == 0)
        rc = tl_fail(&err, TL_NOT_FOUND, "nothing was known of %s %s of %s", args->v[0], args->v[2], args->v[1]);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("%lld forgotten\n", (long long)n);
    return CLI_OK;
}

static const struct cli_verb subs[] = {
    {.name = "list", .summary = "the newest ones", CLI_OPTIONS(list_options, struct xref_options), .run = run_list},
    {.name = "show",
     .args = "ID",
     .summary = "what is known of an id, on either side",
     CLI_OPTIONS(list_options, struct xref_options),
     .min_args = 1,
     .max_args = 1,
     .run = run_show},
    {.name = "forget",
     .args = "MODEL CONNECTION ID",
     .summary = "forget one record: its ids elsewhere, and what our writes made of it",
     CLI_OPTIONS(forget_options, struct xref_options),
     .min_args = 3,
     .max_args = 3,
     .run = run_forget},
};
const struct cli_verb cli__xref_verb = {
    .name = "xref", .summary = "which ids on two systems are one thing", CLI_SUBS(subs)};
