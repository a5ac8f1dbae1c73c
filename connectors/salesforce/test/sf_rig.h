/* SPDX-License-Identifier: Apache-2.0 */
/* sf_rig.h - the connector against its simulator on one loop, with authentication that is really done. */
#ifndef TL_CONNECTORS_SALESFORCE_TEST_RIG_H
#define TL_CONNECTORS_SALESFORCE_TEST_RIG_H

#include "connector/test/connector_rig.h"
#include "salesforce/sim/sim_int.h"

struct sf_rig {
    struct rig rig;
    struct sfsim *sim;
    struct connector_sim *server;
    char url[80], streams[80]; /* streams: the Pub/Sub API */
    struct crypto *crypto;
    struct secret_box *secrets;
    struct auth_world world;
    /* what the ledger's port saw */
    char *position;               /* NULL: from the start */
    char *parts[CONNECTOR_PARTS]; /* positions of the parts of a read */
    char *emitted;                /* records, one a line */
    size_t n_emitted, emits;
    char *ticket; /* the last one */
    size_t n_tickets, ticket_n;
    enum tl_rc (*on_emit)(struct sf_rig *s); /* after each; NULL: nothing */
    size_t stop_at;                          /* fails with TL_STALE when so many records are in; 0: goes on */
    size_t fail_emit_at;                     /* the n-th emit fails with TL_STALE; 0: none */
};

/* opt NULL: the defaults. The connection is client credentials unless `auth` is given (YAML of `auth:`). */
void sf_start(struct sf_rig *s, const struct sfsim_options *opt, const char *auth);
void sf_stop(struct sf_rig *s);
/* YAML of the connection with more fields: "keep: 0%". After sf_start. */
void sf_connect(struct sf_rig *s, const char *auth, const char *more);
void sf_target(struct sf_rig *s, const char *yaml, unsigned kinds);
/* Run the chosen operation over these records. */
void sf_write(struct sf_rig *s, const char *const *records, size_t n);
/* Run it as a source, from s->position on. */
void sf_read(struct sf_rig *s);
/* Is the text in what was emitted? */
bool sf_emitted(const struct sf_rig *s, const char *text);
/* Seed: one record, straight into the store; its id in the rig's arena. */
const char *sf_add(struct sf_rig *s, const char *object, const char *json);
/* The org's answer to a query, without going through HTTP. */
struct json sf_ask(struct sf_rig *s, const char *soql);
/* "Name" of the first record of a query, or "". */
const char *sf_first(struct sf_rig *s, const char *soql, const char *field);
int64_t sf_count(struct sf_rig *s, const char *soql);
/* Fails the test with the call's and the first verdict's texts unless it ended so. */
void sf_expect(struct sf_rig *s, size_t i, enum connector_end end, enum tl_rc rc, const char *text);

#endif
