/* SPDX-License-Identifier: Apache-2.0 */
/* pagerduty_int.h - shared inside connectors/pagerduty only. */
#ifndef TL_CONNECTORS_PAGERDUTY_INT_H
#define TL_CONNECTORS_PAGERDUTY_INT_H

#include "connector/connector.h"

struct pagerduty_connection {
    const char *url;
    struct config_secret routing_key;
    int64_t timeout_ms;
};
struct pagerduty_target {
    const char *source;
};

int pagerduty__sim(int argc, char **argv);

#endif
