/* SPDX-License-Identifier: Apache-2.0 */
/* sim_options.c - a simulator's options, from the command line and from JSON. */
#include "connector/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct connector_sim_option *find(const struct connector_sim_option *table, size_t n, struct tl_sv name)
{
    for (size_t i = 0; i < n; i++)
        if (tl_sv_eqs(name, table[i].name))
            return &table[i];
    return NULL;
}

static struct tl_sv without(struct tl_sv s, struct tl_sv end)
{
    if (tl_sv_ends(s, end))
        s.n -= end.n;
    return s;
}

static bool set_span(struct tl_sv s, double *span)
{
    size_t dots = tl_sv_find_sv(s, TL_SV(".."));
    double from, to;

    if (dots == s.n || !tl_sv_double(without(tl_sv(s.p, dots), TL_SV("s")), &from) ||
        !tl_sv_double(without(tl_sv_from(s, dots + 2), TL_SV("s")), &to) || from < 0 || to < from)
        return false;
    span[0] = from;
    span[1] = to;
    return true;
}

static bool set(const struct connector_sim_option *o, struct tl_sv s, void *options)
{
    void *to = (char *)options + o->offset;
    uint64_t u;
    double d;

    switch (o->type) {
    case CONNECTOR_SIM_FLAG:
        *(bool *)to = tl_sv_eqs(s, "true");
        return tl_sv_eqs(s, "true") || tl_sv_eqs(s, "false");
    case CONNECTOR_SIM_INT:
        return tl_sv_i64(s, to) && *(int64_t *)to >= 0;
    case CONNECTOR_SIM_PERCENT:
        if (!tl_sv_double(without(s, TL_SV("%")), &d) || d < 0 || d > 100)
            return false;
        *(double *)to = d / 100;
        return true;
    case CONNECTOR_SIM_MS:
        if (!tl_sv_u64(s, &u))
            return tl_duration_parse(s, to);
        *(int64_t *)to = u < 86400000 ? (int64_t)u : 86400000;
        return true;
    case CONNECTOR_SIM_RATE:
        if (!tl_sv_double(without(s, TL_SV("/s")), &d) || d < 0)
            return false;
        *(double *)to = d;
        return true;
    case CONNECTOR_SIM_SPAN:
        return set_span(s, to);
    case CONNECTOR_SIM_TEXT:
        *(const char **)to = s.p; /* of argv */
        return true;
    }
    return false;
}

static void help(const struct connector_sim_option *table, size_t n, const char *usage)
{
    (void)printf("%s\n\n", usage);
    for (size_t i = 0; i < n; i++) {
        char left[40];

        (void)snprintf(left, sizeof left, "--%s%s%s", table[i].name, table[i].value ? " " : "",
                       table[i].value ? table[i].value : "");
        (void)printf("  %-22s %s\n", left, table[i].doc);
    }
    (void)puts("  --json                 say where it listens in one line of JSON\n"
               "  -h, --help             this text");
}

/* For the completion of the shell. */
static void words(const struct connector_sim_option *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)printf("--%s\n", table[i].name);
    (void)puts("--json\n--help");
}

int connector_sim_wrong(const struct connector_sim_server *server, const char *fmt, ...)
{
    char text[1024], see[128];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(see, sizeof see, "tieline sim %.60s --help", server->name);
    if (server->json)
        json_complain("usage", text, "see", json_str(see));
    else
        (void)fprintf(stderr, "tieline sim %s: %s\nsee: %s\n", server->name, text, see);
    return 2;
}

void connector_sim_failed(const struct connector_sim_server *server, const struct tl_err *err)
{
    if (server->json)
        json_complain(tl_rc_name(err->rc), err->text, NULL, JSON_NOTHING);
    else
        (void)fprintf(stderr, "tieline sim %s: %s\n", server->name, err->text);
}

/* It may come after the word that is wrong. */
static bool is_json_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

/* One word of the command line, or two; how many, 0: *ret_wrong says why none. */
static int take(const struct connector_sim_option *table, size_t n, char **words, int left, void *options,
                char **ret_wrong)
{
    struct tl_sv arg = tl_sv_str(words[0]), value;
    size_t eq = tl_sv_find(arg, '=');
    const struct connector_sim_option *o =
        tl_sv_starts(arg, TL_SV("--")) ? find(table, n, tl_sv(arg.p + 2, eq - 2)) : NULL;
    int used = 1;

    if (!o) {
        *ret_wrong = tl_sprintf("there is no option '%s'", words[0]);
        return 0;
    }
    if (eq < arg.n) {
        value = tl_sv_from(arg, eq + 1);
    } else if (o->type == CONNECTOR_SIM_FLAG) {
        value = TL_SV("true");
    } else if (left > 1) {
        value = tl_sv_str(words[used++]);
    } else {
        *ret_wrong = tl_sprintf("a value is missing after %s", words[0]);
        return 0;
    }
    if (set(o, value, options))
        return used;
    *ret_wrong = tl_sprintf("--%s takes %s, not %.*s", o->name, o->value ? o->value : "no value", TL_SV_ARG(value));
    return 0;
}

static const void *option_of(const struct connector_sim_option *table, size_t n, const char *name, const void *options)
{
    const struct connector_sim_option *o = find(table, n, tl_sv_str(name));

    return (const char *)options + o->offset;
}

int connector_sim_parse(const struct connector_sim_option *table, size_t n, const char *usage, int argc, char **argv,
                        void *options, struct connector_sim_server *server)
{
    TL_CLEANUP(tl_freep) char *why = NULL;
    int64_t port;

    for (int i = 1, used; i < argc; i += used) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            help(table, n, usage);
            return 0;
        }
        if (strcmp(argv[i], CONNECTOR_SIM_WORDS) == 0) {
            words(table, n);
            return 0;
        }
        used = 1;
        if (strcmp(argv[i], "--json") == 0) {
            server->json = true;
            continue;
        }
        used = take(table, n, argv + i, argc - i, options, &why);
        if (used == 0) {
            server->json = is_json_wanted(argc, argv);
            return connector_sim_wrong(server, "%s", why);
        }
    }
    port = *(const int64_t *)option_of(table, n, "port", options);
    if (port > UINT16_MAX)
        return connector_sim_wrong(server, "--port goes up to 65535");
    server->port = (uint16_t)port;
    server->host = *(const char *const *)option_of(table, n, "host", options);
    server->quiet = *(const bool *)option_of(table, n, "quiet", options);
    return -1;
}

/* A number or text as the command line would have it; numbers of JSON keep their spelling. */
static bool set_json(const struct connector_sim_option *o, struct json v, void *options)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};

    tl_buf_init(&text, 200);
    if (v.type == JSON_STRING)
        tl_buf_sv(&text, json_view(v));
    else if (json_is_number(v) || v.type == JSON_BOOL)
        (void)json_write(&text, v, 0);
    return text.n > 0 && !text.failed && set(o, tl_buf_view(&text), options);
}

static bool may_change(const struct connector_sim_option *o)
{
    return o && !o->start && o->type != CONNECTOR_SIM_TEXT;
}

enum tl_rc connector_sim_control(const struct connector_sim_option *table, size_t n, struct json v, void *options,
                                 struct tl_err *err)
{
    if (v.type != JSON_OBJECT)
        return tl_fail(err, TL_INVALID, "the body must be an object of options");
    for (uint32_t i = 0; i < v.n; i++) {
        struct tl_sv name = json_view(v.u.members[i].key);
        const struct connector_sim_option *o = find(table, n, name);
        double scratch[2] = {0};
        struct connector_sim_option trial;

        if (!may_change(o))
            return tl_fail(err, TL_INVALID, "`%.*s` is not an option that can be changed", TL_SV_ARG(name));
        trial = *o;
        trial.offset = 0;
        if (!set_json(&trial, v.u.members[i].value, scratch))
            return tl_fail(err, TL_INVALID, "`%.*s` takes %s", TL_SV_ARG(name), o->value ? o->value : "true or false");
    }
    for (uint32_t i = 0; i < v.n; i++)
        (void)set_json(find(table, n, json_view(v.u.members[i].key)), v.u.members[i].value, options);
    return TL_OK;
}

struct json connector_sim_show(const struct connector_sim_option *table, size_t n, const void *options,
                               struct tl_arena *a)
{
    struct json_builder b;

    json_object_begin(&b, a, n);
    for (size_t i = 0; i < n; i++) {
        const void *from = (const char *)options + table[i].offset;
        struct json v = JSON_NOTHING;

        if (!may_change(&table[i]))
            continue;
        switch (table[i].type) {
        case CONNECTOR_SIM_FLAG:
            v = json_bool(*(const bool *)from);
            break;
        case CONNECTOR_SIM_INT:
        case CONNECTOR_SIM_MS:
            v = json_int(*(const int64_t *)from);
            break;
        case CONNECTOR_SIM_PERCENT:
            v = json_double(*(const double *)from * 100);
            break;
        case CONNECTOR_SIM_RATE:
            v = json_double(*(const double *)from);
            break;
        case CONNECTOR_SIM_SPAN:
            v = json_printf(a, "%g..%g", ((const double *)from)[0], ((const double *)from)[1]);
            break;
        case CONNECTOR_SIM_TEXT:
            break;
        }
        (void)json_adds(&b, table[i].name, v);
    }
    return json_end(&b);
}
