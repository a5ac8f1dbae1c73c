/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - from the words of the command line to the command. */
#include "main/main.h"

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "connector/connector.h"
#include "mapping/mapping.h"

/* The two commands that are wiring; the rest is in src/cli. */
static const struct cli_command own[] = {
    {"run", "serve the flows of a configuration", main_run},
    {"sim", "a local double of a system: tieline sim NAME", main_sim},
};

int main_sim(int argc, char **argv)
{
    const struct connector *c = argc > 1 ? connector_find(tl_sv_str(argv[1])) : NULL;

    if (c && c->sim)
        return c->sim(argc - 1, argv + 1);
    fprintf(argc > 1 && argv[1][0] == '-' ? stdout : stderr, "usage: tieline sim NAME [OPTIONS]\n\n");
    for (size_t i = 0; i < connector_registry_count; i++) {
        if (connector_registry[i]->sim)
            printf("  %-12s %s\n", connector_registry[i]->variant.name, connector_registry[i]->title);
    }
    return argc > 1 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "_worker") == 0)
        return mapping_worker_main(argc, argv);
    return cli_main(argc, argv, own, sizeof own / sizeof own[0]);
}
