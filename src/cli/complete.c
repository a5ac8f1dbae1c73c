/* SPDX-License-Identifier: Apache-2.0 */
/*
 * complete.c - words for the completion of the shell: commands and options from their tables, names from the
 * configuration in reach, simulators and their options from themselves. And `tieline help --json`, the same tables for
 * programs.
 */
#include "cli/cli_int.h"
#include "connector/connector.h"
#include "webhook/webhook.h"

struct words {
    const struct cli_command *more;
    size_t n_more;
    const char *const *v; /* of the command line, without the program */
    size_t n;             /* those before the one that is completed */
    const char *cur;
    const char *config;
};

/* The shell takes from what is printed the words that begin as the one it has. */
static void offer(const struct words *w, const char *word)
{
    if (strncmp(word, w->cur, strlen(w->cur)) == 0)
        puts(word);
}

/* ---- names of the configuration ---- */
static void offer_names(const struct words *w, const char *section, const char *below, const char *prefix)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct config_node *root = NULL;
    const struct config_node *map;
    bool whole;

    (void)!config_load_partly(a, w->config, e, &root, &whole); /* a faulty one has names, too */
    map = root ? config_get(root, section) : NULL;
    if (below)
        map = config_get(map, below);
    for (uint32_t i = 0; map && map->kind == CONFIG_NODE_MAP && i < map->n; i++)
        if (!map->entries[i].key[strspn(map->entries[i].key, "abcdefghijklmnopqrstuvwxyz0123456789_.-")])
            offer(w, tl_arena_printf(a, "%s%s", prefix, map->entries[i].key));
}

static void offer_flows(const struct words *w)
{
    offer_names(w, "flows", NULL, "");
    offer_names(w, "alerts", "receivers", "alerts.");
}

static void offer_list(const struct words *w, const char *const *list)
{
    for (; *list; list++)
        offer(w, *list);
}

/* What has ended is listed, and sent again; nothing else is done with it. */
static void offer_states(const struct words *w, const char *verb)
{
    static const enum queue_state states[] = {QUEUE_QUEUED,    QUEUE_RETRYING, QUEUE_HELD,      QUEUE_DEAD,
                                              QUEUE_DELIVERED, QUEUE_SKIPPED,  QUEUE_CANCELLED, QUEUE_DISCARDED};
    enum { DEAD = 3, OPEN = 4 };
    bool replay = strcmp(verb, "events replay") == 0, all = replay || strcmp(verb, "events list") == 0;

    for (size_t i = replay ? DEAD : 0; i < (all ? TL_COUNT(states) : OPEN); i++)
        offer(w, queue_state_name(states[i]));
}

/* The values of an option, by its name; false: a file, or something that nobody can know. */
static bool offer_values(const struct words *w, const char *verb, const char *option)
{
    static const char *const roles[] = {"viewer", "operator", "admin", NULL};

    if (strcmp(option, "flow") == 0 || (strcmp(option, "to") == 0 && strcmp(verb, "events move") == 0))
        offer_flows(w);
    else if (strcmp(option, "connection") == 0)
        offer_names(w, "connections", NULL, "");
    else if (strcmp(option, "mapping") == 0)
        offer_names(w, "mappings", NULL, "");
    else if (strcmp(option, "state") == 0)
        offer_states(w, verb);
    else if (strcmp(option, "role") == 0)
        offer_list(w, roles);
    else if (strcmp(option, "class") == 0)
        for (int c = TL_CLASS_NONE + 1; c < TL_CLASS_COUNT; c++)
            offer(w, tl_class_name((enum tl_class)c));
    else if (strcmp(option, "scheme") == 0)
        for (size_t i = 0; i < webhook_schemes.n; i++)
            offer(w, webhook_schemes.table[i].name);
    else
        return false;
    return true;
}

/* What stands in the place of a name, by the command; false: nothing that is known. */
static bool offer_positional(const struct words *w, const char *verb, size_t place)
{
    static const char *const pages[] = {"configuration", "commands", "metrics", "alerts", "prometheus", NULL};

    if (strcmp(verb, "debug") == 0 || strcmp(verb, "pause flow") == 0 || strcmp(verb, "resume flow") == 0)
        offer_flows(w);
    else if (strcmp(verb, "connect") == 0 || strcmp(verb, "pause connection") == 0 ||
             strcmp(verb, "resume connection") == 0)
        offer_names(w, "connections", NULL, "");
    else if (strcmp(verb, "xref forget") == 0 && place == 0)
        offer_names(w, "models", NULL, "");
    else if (strcmp(verb, "xref forget") == 0 && place == 1)
        offer_names(w, "connections", NULL, "");
    else if (strcmp(verb, "completion") == 0)
        offer(w, "bash");
    else if (strcmp(verb, "reference") == 0)
        offer_list(w, pages);
    else
        return false;
    return true;
}

/* ---- the two commands of main ---- */
static void complete_sim(const struct words *w)
{
    const struct connector *c = w->n > 1 ? connector_find(tl_sv_str(w->v[1])) : NULL;
    char name[64], ask[] = CONNECTOR_SIM_WORDS, *argv[] = {name, ask, NULL};

    if (w->n == 1) {
        for (size_t i = 0; i < connector_registry_count; i++)
            if (connector_registry[i]->sim)
                offer(w, connector_registry[i]->variant.name);
        offer(w, "--json");
        offer(w, "--help");
    }
    if (!c || !c->sim || w->cur[0] != '-')
        return;
    snprintf(name, sizeof name, "%s", w->v[1]);
    (void)c->sim(2, argv);
}

static void complete_run(const struct words *w)
{
    static const char *const options[] = {"--allow-literal-secrets", "--json", "--help", NULL};

    if (w->cur[0] == '-')
        offer_list(w, options);
}

/* ---- a command of the table ---- */
static const struct cli_option *option_named(const struct cli_verb *verb, const char *word)
{
    for (size_t i = 0; verb->run && i < verb->n_options; i++) {
        const struct cli_option *o = &verb->options[i];

        if ((strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0) ||
            (word[0] == '-' && o->letter && word[1] == o->letter && !word[2]))
            return o;
    }
    return NULL;
}

static void offer_options(const struct words *w, const struct cli_verb *verb)
{
    char word[64];

    for (size_t i = 0; verb->run && i < verb->n_options; i++) {
        snprintf(word, sizeof word, "--%s", verb->options[i].name);
        offer(w, word);
    }
    offer(w, "--help");
}

/* How many words before this one are no options and no values of them. */
static size_t positional_before(const struct words *w, const struct cli_verb *verb, size_t from)
{
    size_t n = 0;

    for (size_t i = from; i < w->n; i++) {
        const struct cli_option *o = option_named(verb, w->v[i]);

        if (o && o->kind != CLI_FLAG)
            i++;
        else if (w->v[i][0] != '-')
            n++;
    }
    return n;
}

static void complete_verb(const struct words *w, const struct cli_verb *verb)
{
    char *full = tl_strdup(verb->name);
    const struct cli_option *before;
    size_t at = 1;

    for (size_t i = 0; at < w->n && i < verb->n_subs; i++) {
        if (strcmp(verb->subs[i].name, w->v[at]) != 0)
            continue;
        tl_free(full);
        full = tl_sprintf("%s %s", verb->name, verb->subs[i].name);
        verb = &verb->subs[i];
        at++;
        break; /* two words are the most */
    }
    before = w->n > at ? option_named(verb, w->v[w->n - 1]) : NULL;
    if (before && before->kind != CLI_FLAG) {
        (void)offer_values(w, full, before->name);
    } else {
        for (size_t i = 0; w->n == at && i < verb->n_subs; i++)
            offer(w, verb->subs[i].name);
        if (w->cur[0] == '-' || !offer_positional(w, full, positional_before(w, verb, at)))
            offer_options(w, verb);
    }
    tl_free(full);
}

static const struct cli_verb *verb_named(const char *name)
{
    const struct cli_verb *const *verbs;
    size_t n = cli__verbs(&verbs);

    for (size_t i = 0; i < n; i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static void complete_command(const struct words *w)
{
    const struct cli_verb *const *verbs;
    size_t n = cli__verbs(&verbs);

    for (size_t i = 0; i < w->n_more; i++)
        offer(w, w->more[i].name);
    for (size_t i = 0; i < n; i++)
        offer(w, verbs[i]->name);
    offer(w, "help");
    offer(w, "--help");
}

/* bash cuts --flow=orders into three words. */
static size_t without_equals(const char **v, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (strcmp(v[i], "=") != 0)
            v[kept++] = v[i];
    return kept;
}

/* argv: the word to complete as a number, then the words of the command line without the program. */
int cli__complete(int argc, char **argv, const struct cli_command *more, size_t n_more)
{
    const char **v = tl_zalloc((size_t)(argc + 1) * sizeof *v);
    struct words w = {.more = more, .n_more = n_more, .v = v, .cur = "", .config = "tieline.yaml"};
    const struct cli_verb *verb;
    uint64_t at = 0;

    if (argc > 0 && tl_sv_u64(tl_sv_str(argv[0]), &at) && at > 0 && (int64_t)at <= argc) {
        for (size_t i = 0; i + 1 < at; i++)
            v[w.n++] = argv[i + 1];
        w.cur = (int64_t)at < argc ? argv[at] : "";
        w.cur = strcmp(w.cur, "=") == 0 ? "" : w.cur;
        w.n = without_equals(v, w.n);
        for (size_t i = 0; i + 1 < w.n; i++)
            if (strcmp(v[i], "--config") == 0)
                w.config = v[i + 1];
        verb = w.n ? verb_named(v[0]) : NULL;
        if (w.n == 0 || (w.n == 1 && strcmp(v[0], "help") == 0))
            complete_command(&w);
        else if (strcmp(v[0], "sim") == 0)
            complete_sim(&w);
        else if (strcmp(v[0], "run") == 0)
            complete_run(&w);
        else if (verb)
            complete_verb(&w, verb);
    }
    tl_free(v);
    return CLI_OK;
}

/* ---- help --json ---- */
static void add_verb(struct json_builder *all, const struct cli_verb *v, const char *full)
{
    struct tl_arena *a = all->arena;
    struct json_builder one, options, row;

    if (v->run) {
        json_array_begin(&options, a, v->n_options);
        for (size_t i = 0; i < v->n_options; i++) {
            json_object_begin(&row, a, 3);
            json_adds(&row, "name", json_str(v->options[i].name));
            json_adds(&row, "value", v->options[i].value ? json_str(v->options[i].value) : json_null());
            json_adds(&row, "doc", json_str(v->options[i].doc));
            json_push(&options, json_end(&row));
        }
        json_object_begin(&one, a, 4);
        json_adds(&one, "command", json_str(full));
        json_adds(&one, "args", json_str(v->args ? v->args : ""));
        json_adds(&one, "summary", json_str(v->summary));
        json_adds(&one, "options", json_end(&options));
        json_push(all, json_end(&one));
    }
    for (size_t i = 0; i < v->n_subs; i++)
        add_verb(all, &v->subs[i], tl_arena_printf(a, "%s %s", full, v->subs[i].name));
}

void cli__help_json(const struct cli_command *more, size_t n_more)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16 << 20);
    struct json_builder all, one, doc;
    const struct cli_verb *const *verbs;
    size_t n = cli__verbs(&verbs);

    json_array_begin(&all, a, 64);
    for (size_t i = 0; i < n_more; i++) {
        json_object_begin(&one, a, 2);
        json_adds(&one, "command", json_str(more[i].name));
        json_adds(&one, "summary", json_str(more[i].summary));
        json_push(&all, json_end(&one));
    }
    for (size_t i = 0; i < n; i++)
        add_verb(&all, verbs[i], verbs[i]->name);
    json_object_begin(&doc, a, 1);
    json_adds(&doc, "commands", json_end(&all));
    cli__print_json(json_end(&doc), true);
}
