/* SPDX-License-Identifier: Apache-2.0 */
/* opsgenie_int.h - shared inside connectors/opsgenie only. */
#ifndef TL_CONNECTORS_OPSGENIE_INT_H
#define TL_CONNECTORS_OPSGENIE_INT_H

#include "connector/connector.h"

struct opsgenie_connection {
    const char *url;
    struct config_secret key;
    int64_t timeout_ms;
};
struct opsgenie_target {
    const char *team;
    int page, ticket; /* index of P1 .. P5 */
};

int opsgenie__sim(int argc, char **argv);

#endif
