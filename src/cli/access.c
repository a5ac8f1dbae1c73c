/* SPDX-License-Identifier: Apache-2.0 */
/* access.c - `tieline token`: who may use the API over TCP; `tieline audit`: what people did. */
#include "cli/cli_int.h"

/* ---- tokens ---- */
struct token_options {
    struct cli_common common;
    const char *role, *expires, *reason;
};
static const struct cli_option create_options[] = {
    {"role", 0, CLI_TEXT, "ROLE", offsetof(struct token_options, role), "viewer (default), operator or admin"},
    {"expires", 0, CLI_TEXT, "TIME", offsetof(struct token_options, expires), "ends after so long (90d)"},
    CLI_REASON_OPTION(struct token_options, reason),
    CLI_COMMON_OPTIONS(struct token_options),
};
static const struct cli_option revoke_options[] = {
    CLI_REASON_OPTION(struct token_options, reason),
    CLI_COMMON_OPTIONS(struct token_options),
};
static const struct cli_option plain_options[] = {CLI_COMMON_OPTIONS(struct token_options)};

static int create(void *options, const struct cli_args *args)
{
    const struct token_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK) {
        json_object_begin(&body, cli__arena(c), 4);
        json_adds(&body, "name", json_str(args->v[0]));
        json_adds(&body, "role", json_str(o->role ? o->role : "viewer"));
        if (o->expires)
            json_adds(&body, "expires", json_str(o->expires));
        if (o->reason)
            json_adds(&body, "reason", json_str(o->reason));
        rc = cli__call_json(c, "POST", "/v1/tokens", json_end(&body), &answer, &err);
    }
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        cli__print_raw(json_text(json_gets(answer, "token"), TL_SV("")));
    if (!o->common.json)
        fputs("this is shown once; the ledger keeps its hash\n", stderr);
    return CLI_OK;
}

static int revoke(void *options, const struct cli_args *args)
{
    const struct token_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    TL_CLEANUP(tl_buf_done) struct tl_buf query = {0};
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    tl_buf_init(&query, 16384);
    (void)tl_buf_putc(&query, '?');
    cli__query(&query, "reason", o->reason);
    if (rc == TL_OK)
        rc = cli__call(c, "DELETE", cli__target(c, "/v1/tokens/", args->v[0], query.p), TL_SV(""), &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else
        printf("token %s: revoked\n", args->v[0]);
    return CLI_OK;
}

/* ---- lists ---- */
static void show(struct json rows, const char *const *heads, const char *const *names, size_t n)
{
    struct cli_table *t = cli__table_new(heads, n);

    for (uint32_t i = 0; i < rows.n; i++)
        for (size_t k = 0; k < n; k++)
            cli__table_json(t, json_gets(json_at(rows, i), names[k]));
    cli__table_print(t);
    cli__table_free(t);
}

static int get(const struct cli_common *common, const char *target, struct cli_client **c, struct json *ret)
{
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(common, c, &err);

    if (rc == TL_OK)
        rc = cli__call(*c, "GET", target, TL_SV(""), ret, &err);
    if (rc != TL_OK)
        return cli__fail(&err, common->json);
    if (common->json)
        cli__print_raw(cli__raw(*c));
    return CLI_OK;
}

static int list_tokens(void *options, const struct cli_args *args)
{
    static const char *const heads[] = {"name", "role", "from", "by", "created", "expires"};
    static const char *const names[] = {"name", "role", "from", "by", "created_at", "expires_at"};
    const struct token_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    int code = get(&o->common, "/v1/tokens", &c, &answer);

    (void)args;
    if (code == CLI_OK && !o->common.json)
        show(json_gets(answer, "tokens"), heads, names, TL_COUNT(names));
    return code;
}

struct audit_options {
    struct cli_common common;
    uint64_t limit;
};
static const struct cli_option audit_options[] = {
    {"limit", 'n', CLI_COUNT, "N", offsetof(struct audit_options, limit), "so many, newest first (50)"},
    CLI_COMMON_OPTIONS(struct audit_options),
};

static int list_audit(void *options, const struct cli_args *args)
{
    static const char *const heads[] = {">entry", "at", "who", "from", "action", "subject", "reason", "failed"};
    static const char *const names[] = {"entry", "at", "who", "from", "action", "subject", "reason", "failed"};
    const struct audit_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    char target[64];
    int code;

    (void)args;
    snprintf(target, sizeof target, "/v1/audit?limit=%llu", (unsigned long long)(o->limit ? o->limit : 50));
    code = get(&o->common, target, &c, &answer);
    if (code == CLI_OK && !o->common.json)
        show(json_gets(answer, "entries"), heads, names, TL_COUNT(names));
    return code;
}

static int verify_audit(void *options, const struct cli_args *args)
{
    const struct token_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    int code = get(&o->common, "/v1/audit/verify", &c, &answer);
    bool ok = json_gets(answer, "ok").type == JSON_BOOL && json_gets(answer, "ok").u.b;
    int64_t n = 0, bad = 0;

    (void)args;
    if (code != CLI_OK)
        return code;
    (void)json_int64(json_gets(answer, "entries"), &n);
    (void)json_int64(json_gets(answer, "first_bad"), &bad);
    if (!o->common.json && ok)
        printf("%lld entries, each follows from the one before it\nthe newest: %.*s %.*s\n", (long long)n,
               TL_SV_ARG(json_text(json_gets(answer, "last_at"), TL_SV("-"))),
               TL_SV_ARG(json_text(json_gets(answer, "last_hash"), TL_SV("-"))));
    else if (!o->common.json)
        printf("entry %lld does not follow from the one before it: something was changed or taken out\n",
               (long long)bad);
    return ok ? CLI_OK : CLI_FAILED;
}

static const struct cli_verb token_subs[] = {
    {.name = "create",
     .args = "NAME",
     .summary = "a new token; shown once",
     CLI_OPTIONS(create_options, struct token_options),
     .min_args = 1,
     .max_args = 1,
     .run = create},
    {.name = "list",
     .summary = "names and roles; never the tokens",
     CLI_OPTIONS(plain_options, struct token_options),
     .run = list_tokens},
    {.name = "revoke",
     .args = "NAME",
     .summary = "end a token, and what was signed in with it",
     CLI_OPTIONS(revoke_options, struct token_options),
     .min_args = 1,
     .max_args = 1,
     .run = revoke},
};
const struct cli_verb cli__token_verb = {
    .name = "token", .summary = "who may use the API and the console over TCP", CLI_SUBS(token_subs)};

static const struct cli_verb audit_subs[] = {
    {.name = "list",
     .summary = "what people did, newest first: who, what, why, from where",
     CLI_OPTIONS(audit_options, struct audit_options),
     .run = list_audit},
    {.name = "verify",
     .summary = "calculate the chain of hashes again: was an entry changed or taken out?",
     CLI_OPTIONS(plain_options, struct token_options),
     .run = verify_audit},
};
const struct cli_verb cli__audit_verb = {
    .name = "audit", .summary = "what people did, and whether somebody changed the list", CLI_SUBS(audit_subs)};
