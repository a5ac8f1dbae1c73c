/* SPDX-License-Identifier: Apache-2.0 */
/*
 * samples.c - golden samples: the cases beside a mapping (`order.test.yaml`, what `tieline test` runs), run by the
 * server against the mapping in force or an edited one, and a new one proposed or written into that file. The file is
 * the truth, and belongs into Git; the server keeps nothing.
 */
#include "admin/admin_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "http/http.h"
#include "jsonata/jsonata.h"
#include "mapping/mapping.h"

enum { FILE_MOST = 4 << 20, CASES_MOST = 500, NAME_MOST = 200, EVAL_MS = 2000 };
#define EVAL_STEPS 20000000u

struct samples {
    struct admin *admin;
    struct tl_arena *a;
    const char *file, *mapping; /* of the cases; of the mapping, as it is named in it */
    struct mapping *m;
    struct json doc;    /* JSON_UNDEFINED: there is no file */
    struct tl_sv text;  /* of the file */
    struct json sample; /* {name, input, expected}: to be added */
    struct tl_sv piece; /* as YAML */
    struct json ran;    /* answer */
    bool write, written;
    uint64_t passed, failed;
    enum tl_rc rc;
    struct tl_err err;
};

/* ---- which mapping, which file ---- */
static enum tl_rc find(struct admin_call *c, struct tl_sv name, struct samples *s, struct tl_err *err)
{
    struct flow_plan *p = admin__plan(c->admin);
    struct json all = p ? flow_plan_mappings(p, c->arena) : JSON_NOTHING, file = JSON_NOTHING;
    struct mapping *m = p ? flow_plan_mapping(p, name) : NULL;
    const char *dot, *slash;

    for (uint32_t i = 0; all.type == JSON_ARRAY && i < all.n; i++)
        if (tl_sv_eq(json_text(json_gets(json_at(all, i), "name"), TL_SV("")), name))
            file = json_gets(json_at(all, i), "file");
    s->admin = c->admin;
    s->a = c->arena;
    if (m)
        s->m = mapping_ref(m);
    if (m && file.type == JSON_STRING)
        s->file = tl_arena_strndup(c->arena, file.u.s, file.n);
    flow_plan_unref(p);
    if (!m)
        return tl_fail(err, TL_NOT_FOUND, "there is no mapping '%.*s'", TL_SV_ARG(name));
    if (!s->file)
        return tl_fail(err, TL_UNSUPPORTED,
                       "mapping '%.*s' stands in the configuration itself: samples lie beside the file of a mapping",
                       TL_SV_ARG(name));
    slash = strrchr(s->file, '/');
    s->mapping = slash ? slash + 1 : s->file;
    dot = strrchr(s->mapping, '.');
    s->file = tl_arena_printf(c->arena, "%.*s.test.yaml",
                              (int)((dot ? dot : s->mapping + strlen(s->mapping)) - s->file), s->file);
    return TL_OK;
}

/* ---- reading ---- */
static enum tl_rc parse(struct samples *s, struct tl_sv text, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    struct config_node *node;

    if (config_parse_yaml(s->a, s->file, text, e, &node) != TL_OK)
        return config_errors_first(e, err);
    *ret = config_to_json(s->a, node);
    return TL_OK;
}

static enum tl_rc read_file(struct samples *s, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    int fd = open(s->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = -1;

    if (fd < 0 && errno == ENOENT)
        return TL_OK;
    tl_buf_init(&b, FILE_MOST);
    while (fd >= 0) {
        char *p = tl_buf_reserve(&b, 65536);

        n = p ? read(fd, p, 65536) : -1;
        if (n <= 0)
            break;
        tl_buf_added(&b, (size_t)n);
    }
    if (fd >= 0)
        (void)close(fd);
    if (n != 0)
        return tl_fail(err, TL_IO, "cannot read %s", s->file);
    s->text = tl_arena_sv(s->a, tl_buf_view(&b));
    return parse(s, s->text, &s->doc, err);
}

static struct json cases_of(struct json doc)
{
    struct json v = doc.type == JSON_OBJECT ? json_gets(doc, "cases") : JSON_NOTHING;

    return v.type == JSON_ARRAY ? v : (struct json){.type = JSON_ARRAY};
}

/* ---- running ---- */
static enum tl_rc eval(struct samples *s, struct json input, struct json bindings, struct json *ret,
                       struct jsonata_error *detail, struct tl_err *err)
{
    const struct mapping_budget budget = {.steps = EVAL_STEPS, .time_ms = EVAL_MS};
    const struct mapping_input in = {
        .data = input, .bindings = bindings, .budget = &budget, .clock = s->admin->clock, .detail = detail};
    struct json v;
    enum tl_rc rc;

    *detail = (struct jsonata_error){.position = -1};
    rc = mapping_eval(s->m, s->a, &in, &v, err);

    if (rc == TL_OK) /* it shares its texts with the mapping */
        *ret = v.type == JSON_UNDEFINED ? json_null() : json_copy(s->a, v);
    return rc;
}

static struct json run_case(struct samples *s, struct json c)
{
    static const char *const elsewhere[] = {"input_file", "expected_file", "flow"};
    struct json expected = json_gets(c, "expected"), got = json_null(), bindings = json_gets(c, "bindings");
    struct tl_sv wanted = json_text(json_gets(c, "error"), TL_SV(""));
    struct jsonata_error detail;
    struct tl_err err = {0};
    struct json_builder b;
    bool ok, here = true;
    enum tl_rc rc;

    for (size_t i = 0; i < TL_COUNT(elsewhere); i++)
        here = here && json_gets(c, elsewhere[i]).type == JSON_UNDEFINED;
    json_object_begin(&b, s->a, 6);
    json_adds(&b, "name", json_gets(c, "name").type == JSON_STRING ? json_gets(c, "name") : json_str(""));
    if (!here) {
        json_adds(&b, "ok", json_null());
        json_adds(&b, "why", json_str("it is of a whole flow or reads files: `tieline test` runs it"));
        return json_end(&b);
    }
    if (bindings.type == JSON_UNDEFINED)
        bindings = json_gets(s->doc, "bindings");
    rc = eval(s, json_gets(c, "input"), bindings, &got, &detail, &err);
    if (wanted.n)
        ok = rc != TL_OK && (tl_sv_eqs(wanted, detail.code) || tl_sv_eqs(wanted, tl_rc_name(rc)) ||
                             tl_sv_find_sv(tl_sv_str(err.text), wanted) < strlen(err.text));
    else
        ok = rc == TL_OK && json_equal(expected.type == JSON_UNDEFINED ? json_null() : expected, got);
    s->passed += ok;
    s->failed += !ok;
    json_adds(&b, "ok", json_bool(ok));
    json_adds(&b, "expected", expected);
    json_adds(&b, "output", got);
    json_adds(&b, "error", rc == TL_OK ? json_null() : json_str_copy(s->a, tl_sv_str(err.text)));
    return json_end(&b);
}

static void run_all(void *arg)
{
    struct samples *s = arg;
    struct json_builder list;
    struct json cases;

    s->rc = read_file(s, &s->err);
    cases = s->rc == TL_OK ? cases_of(s->doc) : (struct json){.type = JSON_ARRAY};
    if (cases.n > CASES_MOST)
        s->rc = tl_fail(&s->err, TL_LIMIT, "%s has more than %d cases: run `tieline test`", s->file, CASES_MOST);
    json_array_begin(&list, s->a, cases.n);
    for (uint32_t i = 0; s->rc == TL_OK && i < cases.n; i++)
        json_push(&list, run_case(s, json_at(cases, i)));
    s->ran = json_end(&list);
}

static enum tl_rc compile_edited(struct admin_call *c, struct json v, struct samples *s, struct tl_err *err)
{
    const struct mapping_options o = {.workers = c->admin->workers};
    struct tl_sv source = json_text(json_gets(v, "source"), TL_SV_NULL);
    struct mapping *edited;
    enum tl_rc rc;

    if (!source.p)
        return TL_OK;
    rc = mapping_compile(mapping_kind_of(s->m), source, &o, &edited, err);
    if (rc != TL_OK) {
        err->rc = TL_INVALID;
        return tl_err_prefix(err, "the edited mapping does not compile");
    }
    mapping_unref(s->m);
    s->m = edited;
    return TL_OK;
}

static enum tl_rc post_run(struct admin_call *c, struct tl_err *err)
{
    struct samples s = {.rc = TL_OK};
    struct json_builder b;
    struct json v;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc == TL_OK)
        rc = find(c, json_text(json_gets(v, "name"), TL_SV("")), &s, err);
    if (rc == TL_OK)
        rc = compile_edited(c, v, &s, err);
    if (rc == TL_OK)
        rc = admin__blocking(c, run_all, &s, err);
    mapping_unref(s.m);
    if (rc == TL_OK && s.rc != TL_OK) {
        *err = s.err;
        rc = s.rc;
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 5);
    json_adds(&b, "file", json_str(s.file));
    json_adds(&b, "there", json_bool(s.doc.type != JSON_UNDEFINED));
    json_adds(&b, "passed", json_int((int64_t)s.passed));
    json_adds(&b, "failed", json_int((int64_t)s.failed));
    json_adds(&b, "samples", s.ran);
    return admin__answer(c, 200, json_end(&b), err);
}

/* ---- adding one ---- */
/* JSON is YAML: names and values need no other quoting. */
static bool make_piece(struct samples *s)
{
    static const char *const members[] = {"name", "input", "expected"};
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, FILE_MOST);
    for (size_t i = 0; i < TL_COUNT(members); i++) {
        (void)tl_buf_printf(&b, "%s%s: ", i == 0 ? "  - " : "    ", members[i]);
        if (!json_write(&b, json_gets(s->sample, members[i]), 0))
            return false;
        (void)tl_buf_putc(&b, '\n');
    }
    s->piece = tl_arena_sv(s->a, tl_buf_view(&b));
    return !b.failed;
}

static bool fits(struct samples *s, struct tl_sv whole)
{
    struct json doc, cases, before = cases_of(s->doc), last;
    struct tl_err ignored;

    if (parse(s, whole, &doc, &ignored) != TL_OK)
        return false;
    cases = cases_of(doc);
    last = cases.n ? json_at(cases, cases.n - 1) : JSON_NOTHING;
    return cases.n == before.n + 1 && json_equal(json_gets(last, "name"), json_gets(s->sample, "name")) &&
           json_equal(json_gets(last, "input"), json_gets(s->sample, "input")) &&
           json_equal(json_gets(last, "expected"), json_gets(s->sample, "expected"));
}

static enum tl_rc write_whole(struct samples *s, struct tl_sv whole, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *path = tl_sprintf("%s.new", s->file);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool ok = fd >= 0;

    for (size_t at = 0; ok && at < whole.n;) {
        ssize_t n = write(fd, whole.p + at, whole.n - at);

        ok = n > 0;
        at += ok ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    if (fd >= 0 && close(fd) != 0)
        ok = false;
    if (ok && rename(path, s->file) == 0)
        return TL_OK;
    (void)tl_fail(err, TL_IO, "cannot write %s: %s; put the text into it yourself", s->file, strerror(errno));
    if (fd >= 0)
        (void)unlink(path);
    return TL_IO;
}

static enum tl_rc add(struct samples *s, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf whole = {0};
    struct json cases;
    enum tl_rc rc = read_file(s, err);

    if (rc != TL_OK)
        return rc;
    cases = cases_of(s->doc);
    for (uint32_t i = 0; i < cases.n; i++)
        if (json_equal(json_gets(json_at(cases, i), "name"), json_gets(s->sample, "name")))
            return tl_fail(err, TL_CONFLICT, "%s has a case of that name already", s->file);
    if (!make_piece(s))
        return tl_fail(err, TL_LIMIT, "the sample is too large");
    if (!s->write)
        return TL_OK;
    tl_buf_init(&whole, 2 * FILE_MOST);
    if (s->doc.type == JSON_UNDEFINED)
        (void)tl_buf_printf(&whole, "# `tieline test` runs these cases.\nmapping: %s\ncases:\n", s->mapping);
    (void)tl_buf_sv(&whole, s->text);
    if (s->text.n && s->text.p[s->text.n - 1] != '\n')
        (void)tl_buf_putc(&whole, '\n');
    (void)tl_buf_sv(&whole, s->piece);
    if (whole.failed || !fits(s, tl_buf_view(&whole)))
        return tl_fail(err, TL_CONFLICT, "%s does not end with its list of cases: put the text into it yourself",
                       s->file);
    rc = write_whole(s, tl_buf_view(&whole), err);
    s->written = rc == TL_OK;
    return rc;
}

static void add_blocking(void *arg)
{
    struct samples *s = arg;

    if (json_gets(s->sample, "expected").type == JSON_UNDEFINED) {
        struct json got = json_null();
        struct jsonata_error detail;
        struct json_builder b;

        s->rc = eval(s, json_gets(s->sample, "input"), JSON_NOTHING, &got, &detail, &s->err);
        if (s->rc != TL_OK)
            return;
        json_object_begin(&b, s->a, 3);
        json_adds(&b, "name", json_gets(s->sample, "name"));
        json_adds(&b, "input", json_gets(s->sample, "input"));
        json_adds(&b, "expected", got);
        s->sample = json_end(&b);
    }
    s->rc = add(s, &s->err);
}

static enum tl_rc read_sample(struct admin_call *c, struct samples *s, struct tl_err *err)
{
    static const char *const members[] = {"input", "expected"};
    struct json_builder b;
    struct tl_sv sample;
    struct json v;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc == TL_OK)
        rc = find(c, json_text(json_gets(v, "name"), TL_SV("")), s, err);
    if (rc != TL_OK)
        return rc;
    sample = tl_sv_trim(json_text(json_gets(v, "sample"), TL_SV("")));
    if (sample.n == 0 || sample.n > NAME_MOST)
        return tl_fail(err, TL_INVALID, "`sample` names it: 1 to %d bytes that say what it shows", NAME_MOST);
    if (json_gets(v, "input").type == JSON_UNDEFINED)
        return tl_fail(err, TL_INVALID, "a sample needs an `input`");
    json_object_begin(&b, c->arena, 3);
    json_adds(&b, "name", json_sv(sample));
    for (size_t i = 0; i < TL_COUNT(members); i++)
        if (json_gets(v, members[i]).type != JSON_UNDEFINED)
            json_adds(&b, members[i], json_gets(v, members[i]));
    s->sample = json_end(&b);
    return TL_OK;
}

static enum tl_rc save(struct admin_call *c, bool write, struct tl_err *err)
{
    struct samples s = {.rc = TL_OK, .write = write};
    struct json_builder b;
    enum tl_rc rc = read_sample(c, &s, err);

    if (rc == TL_OK && write)
        rc = admin__act(c, err, "%s", s.file);
    if (rc == TL_OK)
        rc = admin__blocking(c, add_blocking, &s, err);
    mapping_unref(s.m);
    if (rc == TL_OK && s.rc != TL_OK) {
        *err = s.err;
        rc = s.rc;
    }
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 4);
    json_adds(&b, "file", json_str(s.file));
    json_adds(&b, "text", json_sv(s.piece));
    json_adds(&b, "sample", s.sample);
    json_adds(&b, "written", json_bool(s.written));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_propose(struct admin_call *c, struct tl_err *err)
{
    return save(c, false, err);
}

static enum tl_rc post_save(struct admin_call *c, struct tl_err *err)
{
    return save(c, true, err);
}

static const struct admin__field sample_body[] = {
    {"name", "string", "Of the mapping.", true},
    {"sample", "string", "What it shows, in a few words.", true},
    {"input", "any", "What is mapped.", true},
    {"expected", "any", "What must come out; what comes out now when absent.", false},
    {0}};
static const struct admin__route routes[] = {
    {.methods = "POST",
     .pattern = "/v1/mappings/samples/run",
     .fn = post_run,
     .doc = "Run the cases beside a mapping against the one in force, or an edited one.",
     .body = (const struct admin__field[]){{"name", "string", "Of the mapping.", true},
                                           {"source", "string", "The edited one; absent: the one in force.", false},
                                           {0}},
     .role = ADMIN_OPERATOR,
     .body_limit = 2 << 20},
    {.methods = "POST",
     .pattern = "/v1/mappings/samples/propose",
     .fn = post_propose,
     .doc = "The text of a new case, and the file that it belongs into. Nothing is written.",
     .body = sample_body,
     .role = ADMIN_OPERATOR,
     .body_limit = 4 << 20},
    {.methods = "POST",
     .pattern = "/v1/mappings/samples",
     .fn = post_save,
     .doc = "Write a new case into the file beside the mapping.",
     .body = sample_body,
     .act = "save sample",
     .role = ADMIN_ADMIN,
     .body_limit = 4 << 20},
};
const struct admin__table admin__sample_table = {routes, TL_COUNT(routes)};
