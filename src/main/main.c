/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - from the words of the command line to the command. */
#include "main/main.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "connector/connector.h"
#include "crypto/crypto.h"
#include "main/descriptors.h"
#include "mapping/mapping.h"

/* The two commands that are wiring; the rest is in src/cli. */
static const struct cli_command own[] = {
    {"run", "serve the flows of a configuration", main_run},
    {"sim", "a local double of a system: tieline sim NAME", main_sim},
};

static void list_sims(bool json)
{
    size_t n = 0;

    for (size_t i = 0; i < connector_registry_count; i++) {
        const struct connector *c = connector_registry[i];

        if (c->sim && json)
            printf("%s{\"name\":\"%s\",\"title\":\"%s\"}", n++ ? "," : "{\"simulators\":[", c->variant.name, c->title);
        else if (c->sim)
            printf("  %-12s %s\n", c->variant.name, c->title);
    }
    if (json)
        puts("]}");
}

int main_sim(int argc, char **argv)
{
    bool json = cli_json_wanted(argc, argv), first = argc > 2 && strcmp(argv[1], "--json") == 0;
    const char *word = first ? argv[2] : argc > 1 && strcmp(argv[1], "--json") != 0 ? argv[1] : NULL;
    bool help = word && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0);
    const struct connector *c = word ? connector_find(tl_sv_str(word)) : NULL;

    if (first && c) { /* an option of the simulator's like others */
        char *name = argv[2];

        argv[2] = argv[1];
        argv[1] = name;
    }
    if (c && c->sim)
        return c->sim(argc - 1, argv + 1);
    if (word && !help) {
        TL_CLEANUP(tl_freep)
        char *text = tl_sprintf("there is no %s '%s'", word[0] == '-' ? "option" : "simulator", word);

        (void)cli_wrong(json, "sim", text);
        if (json)
            return 2;
    }
    if (!json)
        fputs("usage: tieline sim NAME [OPTIONS]\n\nA local double of a system. `tieline sim NAME --help` tells of its "
              "options; --json alone lists these:\n\n",
              help ? stdout : stderr);
    list_sims(json);
    return (json && !word) || help ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (!main_descriptors_standard())
        return 1;
    crypto_never_ask();
    if (argc > 1 && strcmp(argv[1], "_worker") == 0)
        return mapping_worker_main(argc, argv);
    return cli_main(argc, argv, own, sizeof own / sizeof own[0]);
}
