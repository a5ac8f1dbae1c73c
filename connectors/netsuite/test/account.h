/* SPDX-License-Identifier: Apache-2.0 */
/* account.h - a simulated account and a connection to it, on one loop: what the tests of this folder begin with. */
#ifndef TL_NETSUITE_TEST_ACCOUNT_H
#define TL_NETSUITE_TEST_ACCOUNT_H

#include "connector/test/connector_rig.h"
#include "netsuite/netsuite_int.h"
#include "netsuite/sim/sim_int.h"

struct account {
    struct rig rig;
    struct nsim *sim;
    struct connector_sim *server;
    struct connector_verdict *verdict; /* of the last run */
    char certificate[64];              /* file */
};
#define ACCOUNT_M2M "{ oauth2_client_credentials: { client_id: tieline, kid: k1, private_key: \"${env:KEY}\" } }"
#define ACCOUNT_TBA                                                                                                    \
    "{ oauth1: { consumer_key: consumer-key, consumer_secret: \"${env:CONSUMER_SECRET}\", token: token-id, "           \
    "token_secret: \"${env:TOKEN_SECRET}\" } }"

/* options: changes to the defaults, or NULL. auth: YAML; NULL: client credentials. Two subsidiaries, a customer
 * (external id C-1, id 1), two items (SKU-1, SKU-2) and a location are there. */
void account_open(struct account *a, const struct nsim_options *options, const char *auth);
void account_close(struct account *a);
void account_target(struct account *a, const char *yaml);
/* Write one record (JSON); the call's result. */
enum tl_rc account_write(struct account *a, const char *record);
enum tl_rc account_resume(struct account *a); /* the pending job of the last run */
/* Run a call or a read with an input (JSON). */
enum tl_rc account_call(struct account *a, const char *input);
/* The records of a type as the simulator has them. */
struct json account_records(struct account *a, const char *type);
const char *account_text(struct account *a); /* of the verdict or the call: what people see */
const char *account_last_audit(struct account *a);

#endif
