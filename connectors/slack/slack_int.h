/* SPDX-License-Identifier: Apache-2.0 */
/* slack_int.h - shared inside connectors/slack only. */
#ifndef TL_CONNECTORS_SLACK_INT_H
#define TL_CONNECTORS_SLACK_INT_H

#include "connector/connector.h"

struct slack_connection {
    const char *url;
    struct config_secret token, webhook;
    int64_t timeout_ms, per_second;
};
struct slack_target {
    const char *channel;
};

/* {channel, text, blocks}: an alert as people in a channel read it. */
struct json slack__blocks(struct tl_arena *a, const struct connector_notice *n, const char *channel);
int slack__sim(int argc, char **argv);

#endif
