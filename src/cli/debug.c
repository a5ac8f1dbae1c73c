/* SPDX-License-Identifier: Apache-2.0 */
/* debug.c - `tieline debug`: a log line for each call of one flow, for a set time. */
#include "cli/cli_int.h"

struct debug_options {
    struct cli_common common;
    const char *span;
    bool bodies, off;
};
static const struct cli_option debug_options[] = {
    {"for", 0, CLI_TEXT, "TIME", offsetof(struct debug_options, span), "how long; default 10m, at most 24h"},
    {"bodies", 0, CLI_FLAG, NULL, offsetof(struct debug_options, bodies),
     "also what is sent and answered, known secrets masked"},
    {"off", 0, CLI_FLAG, NULL, offsetof(struct debug_options, off), "stop now"},
    CLI_COMMON_OPTIONS(struct debug_options),
};

static int run_debug(void *options, const struct cli_args *args)
{
    const struct debug_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING;
    struct json_builder body;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK) {
        json_object_begin(&body, cli__arena(c), 2);
        json_adds(&body, "for", json_str(o->off ? "0s" : o->span ? o->span : "10m"));
        json_adds(&body, "bodies", json_bool(o->bodies && !o->off));
        rc = cli__call_json(c, "POST", cli__target(c, "/v1/flows/", args->v[0], "/debug"), json_end(&body), &answer,
                            &err);
    }
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json)
        cli__print_raw(cli__raw(c));
    else if (json_gets(answer, "until").type == JSON_STRING)
        printf("flow %s: the server's log shows each call until %.*s%s\n", args->v[0],
               TL_SV_ARG(json_text(json_gets(answer, "until"), TL_SV(""))),
               o->bodies ? ", with bodies (known secrets masked)" : "");
    else
        printf("flow %s: calls are not shown any more\n", args->v[0]);
    return CLI_OK;
}

const struct cli_verb cli__debug_verb = {
    .name = "debug",
    .args = "FLOW",
    .summary = "show each call of a flow in the server's log, for a set time",
    CLI_OPTIONS(debug_options, struct debug_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_debug,
};
