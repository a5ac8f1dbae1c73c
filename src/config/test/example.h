/* SPDX-License-Identifier: Apache-2.0 */
/* example.h - a realistic configuration declared with our tables: every type once, a tagged object, one-ofs, a
 * shorthand. */
#ifndef TL_CONFIG_TEST_EXAMPLE_H
#define TL_CONFIG_TEST_EXAMPLE_H

#include "config/config.h"

struct example_server {
    struct config_address listen;
    struct config_list trusted; /* config_cidr */
    int64_t idle_ms;
    uint64_t body_max;
};
struct example_store {
    const char *path, *postgres;
};
struct example_netsuite {
    const char *account;
    struct config_choice auth;
};
struct example_http {
    const char *url;
    struct config_map headers; /* const char * */
    struct config_choice auth;
};
struct example_client_credentials {
    struct config_secret client_id;
    const char *certificate, *kid;
};
struct example_limits {
    int64_t concurrency;
    double share;
};
struct example_connection {
    struct config_choice type;
    struct example_limits limits;
};
struct example_schedule {
    struct config_cron cron;
    const struct config_zone *zone;
};
struct example_webhook {
    const char *path;
    struct config_choice verify;
};
struct example_shopify {
    struct config_list secret; /* config_secret */
};
struct example_retry {
    int64_t attempts;
    struct config_range backoff;
    int jitter;
};
struct example_sla {
    const char *owner;
    double success;
    int64_t delay_p95;
};
struct example_target {
    struct config_text connection;
    const char *upsert, *external_id;
    struct config_host_port mirror;
};
struct example_flow {
    struct config_choice from;
    struct config_text order_by;
    struct config_list steps; /* config_choice */
    struct config_list to;    /* example_target */
    struct example_retry retry;
    const struct example_sla *sla;
    const struct config_node *notes;
    bool paused;
};
struct example {
    int64_t version;
    struct example_server server;
    struct example_store store;
    struct config_map connections, models, flows;
};

enum { EXAMPLE_JITTER_NONE, EXAMPLE_JITTER_FULL };

extern const struct config_spec example_spec;

#endif
