/* SPDX-License-Identifier: Apache-2.0 */
/* args.c - the words of a command into its options, by table; help from the same table. */
#include "cli/cli_int.h"

enum { MAX_OPTIONS = 64 };

static const struct cli_option help_option = {"help", 'h', CLI_FLAG, NULL, 0, "this text"};

static const struct cli_option *find_long(const struct cli_verb *verb, struct tl_sv name)
{
    if (tl_sv_eqs(name, "help"))
        return &help_option;
    if (tl_sv_eqs(name, "why")) /* what some commands called it once */
        name = TL_SV(CLI_REASON);
    for (size_t i = 0; i < verb->n_options; i++) {
        if (tl_sv_eqs(name, verb->options[i].name))
            return &verb->options[i];
    }
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_verb *verb, char letter)
{
    if (letter == 'h')
        return &help_option;
    for (size_t i = 0; i < verb->n_options; i++) {
        if (verb->options[i].letter == letter)
            return &verb->options[i];
    }
    return NULL;
}

static int complain_unknown(const struct cli_verb *verb, const struct cli_args *args, struct tl_sv name)
{
    const char *names[MAX_OPTIONS], *near;
    size_t n = 0;

    for (size_t i = 0; i < verb->n_options && n < MAX_OPTIONS; i++)
        names[n++] = verb->options[i].name;
    near = tl_nearest(name, names, n);
    return cli__usage(args, "there is no option --%.*s%s%s%s", TL_SV_ARG(name), near ? "; did you mean --" : "",
                      near ? near : "", near ? "?" : "");
}

static bool store(const struct cli_option *o, const char *value, char *options)
{
    void *at = options + o->offset;
    struct tl_sv s = tl_sv_str(value);
    double d;

    switch (o->kind) {
    case CLI_FLAG:
        *(bool *)at = true;
        return true;
    case CLI_TEXT:
        *(const char **)at = value;
        return true;
    case CLI_NUMBER:
        return tl_sv_u64(s, at);
    case CLI_COUNT:
        return tl_sv_u64(s, at) && *(uint64_t *)at > 0;
    case CLI_DECIMAL:
        if (!tl_sv_double(s, &d) || !(d >= 0))
            return false;
        *(double *)at = d;
        return true;
    case CLI_PERCENT:
        if (s.n && s.p[s.n - 1] == '%')
            s.n--;
        if (!tl_sv_double(s, &d) || !(d >= 0) || d > 100)
            return false;
        *(double *)at = d / 100;
        return true;
    }
    return false;
}

static const char *wanted(enum cli_kind k)
{
    return k == CLI_PERCENT  ? "a share of 0 to 100 per cent"
           : k == CLI_NUMBER ? "a whole number"
           : k == CLI_COUNT  ? "a whole number of 1 or more"
                             : "a number";
}

struct scan {
    const struct cli_verb *verb;
    const char *full;
    int argc, at;
    char **argv;
    void *options;
    struct cli_args *args;
};

/* One option whose value, if it needs one, stands after '=' or is the next word. */
static int option(struct scan *s, const struct cli_option *o, const char *inline_value)
{
    const char *value = inline_value;

    if (o == &help_option) {
        cli__help(s->verb, s->full, stdout);
        return CLI_OK;
    }
    if (o->kind == CLI_FLAG && inline_value)
        return cli__usage(s->args, "--%s takes no value", o->name);
    if (o->kind != CLI_FLAG && !value) {
        if (s->at + 1 >= s->argc)
            return cli__usage(s->args, "--%s needs a value: %s", o->name, o->value);
        value = s->argv[++s->at];
    }
    if (!store(o, value, s->options))
        return cli__usage(s->args, "--%s must be %s, not '%s'", o->name, wanted(o->kind), value);
    return -1;
}

static int word(struct scan *s, const char *w)
{
    const struct cli_option *o;
    struct tl_sv rest, name;

    if (w[0] != '-' || !w[1]) {
        s->args->v[s->args->n++] = w;
        return -1;
    }
    if (w[1] == '-') {
        rest = tl_sv_str(w + 2);
        (void)tl_sv_cut(&rest, '=', &name);
        o = find_long(s->verb, name);
        if (o)
            return option(s, o, w[2 + name.n] == '=' ? w + 3 + name.n : NULL);
        return complain_unknown(s->verb, s->args, name);
    }
    o = find_letter(s->verb, w[1]);
    if (!o || (o->kind == CLI_FLAG && w[2]))
        return cli__usage(s->args, "there is no option %s", w);
    return option(s, o, w[2] ? w + 2 : NULL);
}

/* What of "MODEL CONNECTION ID" was not given, when n words were. */
static const char *missing(const char *args, int n)
{
    for (; args && n > 0 && strchr(args, ' '); n--)
        args = strchr(args, ' ') + 1;
    return args ? args : "";
}

bool cli__parse(const struct cli_verb *verb, const char *full, int argc, char **argv, void *options,
                struct cli_args *ret_args, int *ret_exit)
{
    struct scan s = {verb, full, argc, 1, argv, options, ret_args};
    int code = -1;

    *ret_args = (struct cli_args){.verb = verb, .full = full, .json = cli_json_wanted(argc, argv)};
    ret_args->v = tl_zalloc(((size_t)argc + 1) * sizeof *ret_args->v);
    for (; s.at < argc && code < 0; s.at++) {
        if (strcmp(argv[s.at], "--") == 0) {
            while (++s.at < argc)
                ret_args->v[ret_args->n++] = argv[s.at];
            break;
        }
        code = word(&s, argv[s.at]);
    }
    if (code < 0 && (ret_args->n < verb->min_args || (verb->max_args >= 0 && ret_args->n > verb->max_args))) {
        bool few = ret_args->n < verb->min_args;

        code = cli__usage(ret_args, "%s%s; usage: tieline %s%s%s%s", few ? "missing: " : "too many words",
                          few ? missing(verb->args, ret_args->n) : "", full, verb->n_options ? " [OPTIONS]" : "",
                          verb->args ? " " : "", verb->args ? verb->args : "");
    }
    for (int i = 0; code < 0 && i < ret_args->n; i++) /* of the API it would ask for another path */
        if (!ret_args->v[i][0])
            code = cli__usage(ret_args, "an empty word stands where %s is wanted: is a variable not set?",
                              verb->args ? verb->args : "nothing");
    *ret_exit = code;
    return code < 0;
}

/* ---- help ---- */
static void help_option_line(const struct cli_option *o, FILE *out)
{
    char left[64], letter[6] = "    ";

    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
    fprintf(out, "  %-30s %s\n", left, o->doc);
}

void cli__help(const struct cli_verb *verb, const char *full, FILE *out)
{
    const char *space = *full ? " " : "";

    if (verb->n_subs && !verb->run)
        fprintf(out, "usage: tieline%s%s COMMAND [OPTIONS]\n", space, full);
    else
        fprintf(out, "usage: tieline%s%s%s%s%s\n", space, full, verb->n_options ? " [OPTIONS]" : "",
                verb->args ? " " : "", verb->args ? verb->args : "");
    fprintf(out, "\n%s.\n", verb->summary);
    if (verb->about)
        fprintf(out, "\n%s", verb->about);
    if (verb->n_subs) {
        fputs("\n", out);
        for (size_t i = 0; i < verb->n_subs; i++)
            fprintf(out, "  %-12s %s\n", verb->subs[i].name, verb->subs[i].summary);
    }
    if (verb->run) {
        fputs("\n", out);
        for (size_t i = 0; i < verb->n_options; i++)
            help_option_line(&verb->options[i], out);
        help_option_line(&help_option, out);
    }
}
