/* SPDX-License-Identifier: Apache-2.0 */
/* pubsub.h - the Pub/Sub API of the simulator: pubsub.c (the service) and avro.c (events as it sends them). */
#ifndef TL_CONNECTORS_SALESFORCE_SIM_PUBSUB_H
#define TL_CONNECTORS_SALESFORCE_SIM_PUBSUB_H

#include <salesforce/pubsub/pubsub.pb-c.h>

#include "salesforce/avro/avro.h"
#include "salesforce/sim/sim_int.h"

struct sfsim_schema_of {
    struct sfsim_schema_of *next;
    const struct sfsim_object *object;
    size_t n_fields, text_n;
    char id[40], *text;
    struct sf_avro *avro;
};
struct sfsim_pubsub {
    struct sfsim_schema_of *schemas; /* all that were ever told: an old event has an old one */
    uint64_t responses;
};
const struct sfsim_schema_of *sfsim_schema_of_object(struct sfsim_pubsub *p, const struct sfsim_object *o);
const struct sfsim_schema_of *sfsim_schema_of_id(struct sfsim_pubsub *p, const char *id); /* NULL */
/* "/event/X__e", "/data/XChangeEvent"; NULL: of no one object. */
const struct sfsim_object *sfsim_object_of_channel(struct sfsim *s, struct tl_sv channel);

struct sfsim_avro_event {
    const struct sfsim_schema_of *schema;
    struct tl_sv payload, uuid; /* uuid: of platform events, else empty */
};
/* A row of the event store as Avro, in the arena. Deep work: on the big stack. */
bool sfsim_event_avro(struct sfsim *s, struct tl_arena *a, struct tl_sv channel, struct tl_sv body,
                      struct sfsim_avro_event *ret);

#endif
