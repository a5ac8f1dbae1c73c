/* SPDX-License-Identifier: Apache-2.0 */
/* listening.h - what the tests of both ways to listen, CometD and the Pub/Sub API, do alike. */
#ifndef TL_CONNECTORS_SALESFORCE_TEST_LISTENING_H
#define TL_CONNECTORS_SALESFORCE_TEST_LISTENING_H

#include "salesforce/test/sf_rig.h"

#define LISTEN (1u << CONNECTOR_LISTEN)

/* An org that holds a quiet stream for 50 ms, and a connection that knows where its Pub/Sub API is. The host's clock is
 * a minute ahead of the org's. */
void listening_start(struct sf_rig *s);
void listening_target(struct sf_rig *s, const char *yaml);
/* An account that somebody else makes, and a change of one. */
void listening_add(struct sf_rig *s, int n);
void listening_patch(struct sf_rig *s, const char *id, const char *json);
/* An account that was made years ago, as its change event says; the org still has that event. */
void listening_add_old(struct sf_rig *s);
/* Listens until so many records more are in, or until the first emit (0): then the lease has gone to another instance,
 * as at a kill. */
void listening_for(struct sf_rig *s, size_t records);
/* Listens until the n-th emit from now fails so. */
void listening_emits(struct sf_rig *s, size_t emits);
/* Listens until the next emit is durable. */
void listening_once(struct sf_rig *s);
void listening_set_position(struct sf_rig *s, const char *position); /* NULL: none */
/* The run ended so; text NULL: whatever it said. */
void listening_ended(struct sf_rig *s, enum tl_rc rc, const char *text);

#endif
