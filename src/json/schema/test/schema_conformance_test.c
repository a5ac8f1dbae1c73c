/* SPDX-License-Identifier: Apache-2.0 */
/* The shared vectors of JSON Schema; skipped where they are absent. Required ones must all pass, of the others a floor
 * is kept that may only rise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../test/vectors.h"
#include "json/schema/schema.h"

struct suite {
    struct tl_arena *arena;
    struct json_builder documents;
    struct json_schema_options options;
    unsigned run, failed;
    bool loud;
};

/* A remote below /draft7/ has that dialect where it says nothing. */
static struct json with_dialect(struct tl_arena *a, struct json document, struct tl_sv uri)
{
    const char *dialect = NULL;
    struct json_builder b;

    if (tl_sv_find_sv(uri, TL_SV("/draft7/")) < uri.n)
        dialect = "http://json-schema.org/draft-07/schema#";
    else if (tl_sv_find_sv(uri, TL_SV("/draft2019-09/")) < uri.n)
        dialect = "https://json-schema.org/draft/2019-09/schema";
    else if (tl_sv_find_sv(uri, TL_SV("/draft2020-12/")) < uri.n)
        dialect = "https://json-schema.org/draft/2020-12/schema";
    if (!dialect || document.type != JSON_OBJECT || json_gets(document, "$schema").type != JSON_UNDEFINED)
        return document;
    json_object_begin(&b, a, document.n + 1ul);
    (void)json_adds(&b, "$schema", json_str(dialect));
    for (uint32_t i = 0; i < document.n; i++)
        (void)json_add(&b, json_view(document.u.members[i].key), document.u.members[i].value);
    return json_end(&b);
}

static void add_document(struct tl_arena *a, struct json line, void *arg)
{
    struct suite *s = arg;
    struct tl_sv uri = json_view(json_gets(line, "uri"));
    struct json document = json_gets(line, "document");

    if (document.type == JSON_UNDEFINED)
        document = json_gets(line, "schema");
    if (tl_sv_ends(uri, TL_SV("#")))
        uri.n--;
    (void)a;
    (void)json_add(&s->documents, tl_arena_sv(s->arena, uri),
                   json_copy(s->arena, with_dialect(s->arena, document, uri)));
}

static void check_line(struct tl_arena *a, struct json line, void *arg)
{
    TL_CLEANUP(json_schema_unrefp) struct json_schema *schema = NULL;
    struct json tests = json_gets(line, "tests");
    struct suite *s = arg;
    struct tl_err err = {0};
    enum tl_rc rc = json_schema_compile(json_gets(line, "schema"), &s->options, &schema, &err);

    for (uint32_t i = 0; i < tests.n; i++) {
        struct json test = json_at(tests, i);
        struct json_schema_result result = {0};

        s->run++;
        if (rc == TL_OK && json_schema_validate(schema, a, json_gets(test, "data"), NULL, &result, &err) == TL_OK &&
            result.valid == json_gets(test, "valid").u.b && result.valid == (result.count == 0))
            continue;
        s->failed++;
        if (s->loud)
            (void)fprintf(stderr, "%.*s: %.*s: %s\n", TL_SV_ARG(json_view(json_gets(line, "id"))),
                          TL_SV_ARG(json_view(json_gets(test, "description"))), rc == TL_OK ? "verdict" : err.text);
    }
}

static void run(const char *file, enum json_schema_draft draft, bool formats, unsigned per_mille)
{
    static const char *const documents[] = {"remotes.jsonl", "metaschemas.jsonl"};
    struct suite s = {.arena = tl_arena_new(256u << 20), .options = {.draft = draft, .formats = formats}};
    char path[128];
    struct tl_sv lines;

    s.loud = per_mille == 1000 || getenv("LOUD");
    json_object_begin(&s.documents, s.arena, 200);
    for (size_t i = 0; i < TL_COUNT(documents); i++) {
        (void)snprintf(path, sizeof(path), "conformance/json-schema/%s", documents[i]);
        lines = vectors_read(s.arena, path);
        if (lines.p)
            (void)vectors_each(lines, add_document, &s);
    }
    s.options.documents = json_indexed(s.arena, json_end(&s.documents));
    (void)snprintf(path, sizeof(path), "conformance/json-schema/%s", file);
    lines = vectors_read(s.arena, path);
    if (lines.p)
        (void)vectors_each(lines, check_line, &s);
    tl_arena_free(s.arena);
    if (s.run == 0)
        skip();
    (void)fprintf(stderr, "%s: %u of %u\n", file, s.run - s.failed, s.run);
    assert_true((s.run - s.failed) * 1000ul >= (unsigned long)s.run * per_mille);
}

static void draft_2020_12_is_complete(void **state)
{
    (void)state;
    run("draft2020-12.required.jsonl", JSON_SCHEMA_2020_12, false, 1000);
}
static void draft_07_is_complete(void **state)
{
    (void)state;
    run("draft7.required.jsonl", JSON_SCHEMA_DRAFT_07, false, 1000);
}
static void formats_are_asserted_in_2020_12(void **state)
{
    (void)state;
    run("draft2020-12.format.jsonl", JSON_SCHEMA_2020_12, true, 1000);
}
static void formats_are_asserted_in_draft_07(void **state)
{
    (void)state;
    run("draft7.format.jsonl", JSON_SCHEMA_DRAFT_07, true, 1000);
}
static void optional_parts_of_2020_12_mostly_work(void **state)
{
    (void)state;
    run("draft2020-12.optional.jsonl", JSON_SCHEMA_2020_12, false, 800);
}
static void optional_parts_of_draft_07_mostly_work(void **state)
{
    (void)state;
    run("draft7.optional.jsonl", JSON_SCHEMA_DRAFT_07, false, 800);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draft_2020_12_is_complete),
        cmocka_unit_test(draft_07_is_complete),
        cmocka_unit_test(formats_are_asserted_in_2020_12),
        cmocka_unit_test(formats_are_asserted_in_draft_07),
        cmocka_unit_test(optional_parts_of_2020_12_mostly_work),
        cmocka_unit_test(optional_parts_of_draft_07_mostly_work),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
