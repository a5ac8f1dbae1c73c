/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jsonata_driver.c - NDJSON in, NDJSON out: {"expr","data"} -> {"result"} | {} (undefined) |
 * {"code","token","position"}. For run.py.
 */
#include <stdio.h>
#include <stdlib.h>

#include "jsonata/jsonata.h"

static const struct jsonata_budget budget = {.steps = 20000000, .time_ms = 5000};

static void answer(struct tl_arena *a, struct json request, struct tl_buf *out)
{
    struct jsonata_program *program = NULL;
    struct jsonata_input in = {.data = json_gets(request, "data"), .budget = &budget};
    struct jsonata_error error = {0};
    struct tl_err err = {0};
    struct json_builder b;
    struct json result = JSON_NOTHING;
    enum tl_rc rc = jsonata_compile(json_view(json_gets(request, "expr")), NULL, &program, &error, &err);

    if (rc == TL_OK)
        rc = jsonata_run(program, a, &in, &result, &error, &err);
    json_object_begin(&b, a, 3);
    if (rc != TL_OK) {
        (void)json_adds(&b, "code", json_str(error.code));
        if (error.has_token)
            (void)json_adds(&b, "token", json_str(error.token));
        if (error.position >= 0)
            (void)json_adds(&b, "position", json_int(error.position));
    } else if (result.type != JSON_UNDEFINED)
        (void)json_adds(&b, "result", result);
    (void)json_write(out, json_end(&b), JSON_WRITE_JS_NUMBERS);
    jsonata_unref(program);
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    while ((n = getline(&line, &cap, stdin)) > 0) {
        struct tl_arena *a = tl_arena_new(256 << 20);
        struct json request;
        struct tl_err err = {0};
        struct tl_buf out;

        tl_buf_init(&out, 64 << 20);
        if (json_parse(a, tl_sv(line, (size_t)n), JSON_PARSE_LONE_SURROGATES, NULL, &request, &err) != TL_OK)
            (void)tl_buf_puts(&out, "{\"bad\":true}");
        else
            answer(a, request, &out);
        printf("%.*s\n", TL_SV_ARG(tl_buf_view(&out)));
        (void)fflush(stdout);
        tl_buf_done(&out);
        tl_arena_free(a);
    }
    free(line);
    return 0;
}
