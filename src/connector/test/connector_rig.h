/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connector_rig.h - the other side for tests of connectors: a scripted HTTP server on the test's own loop, a connection
 * and a target read from YAML, and one call run to its end. Linked into the tests here and into those of every
 * connector.
 */
#ifndef TL_CONNECTOR_TEST_RIG_H
#define TL_CONNECTOR_TEST_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "connector/host.h"
#include "connector/sim.h"

enum { RIG_REPLIES = 8, RIG_SEEN = 16 << 10, RIG_ENV = 8, RIG_RECORDS = 16 };

struct rig_reply {
    int status;             /* 0: 200 */
    const char *headers[4]; /* "retry-after: 7" */
    const char *body;
    bool cut;    /* close without an answer */
    bool silent; /* never answer */
    bool echo;   /* the body is all that came: headers and body, as one message of an error */
};
struct rig {
    struct async_loop *loop;
    struct http_client *client;
    struct connector_sim *server;
    struct tl_fake_clock clock; /* of the host: what Retry-After and the like are measured with */
    char url[64];
    struct rig_reply replies[RIG_REPLIES]; /* the last one repeats */
    size_t n_replies, next;
    size_t requests;
    const char *yes; /* contract tests: the body with which this system says yes */
    char *seen;      /* the last request: "POST /x?y\nname: value\n\nbody" */
    bool release;    /* silent handlers end */
    int cut_at;      /* the n-th rig_step cancels the call; 0: none does */
    /* configuration */
    struct tl_arena *conf;
    struct config_errors *errors;
    const char *env[RIG_ENV][2];
    const struct connector *connector;
    const void *connection;
    struct connector_chosen chosen;
    struct connector_facilities facilities;
    void *prepared;
    /* the call */
    struct connector_auth *auth;
    struct crypto *crypto; /* of rig_authenticate */
    struct secret_box *secrets;
    struct connector_auth *real_auth;
    struct connector_ledger ledger;
    struct tl_arena *arena;
    struct connector_host *host;
    struct connector_call call;
    struct connector_record records[RIG_RECORDS];
    struct connector_verdict verdicts[RIG_RECORDS];
    connector_fn *fn; /* NULL: the operation's run */
    enum tl_rc rc;
    struct tl_err err;
    bool done;
    struct task *task;
};

int rig_group_setup(void **state); /* once a program */
void rig_start(struct rig *r);
void rig_stop(struct rig *r);
/* YAML of the connection's fields; ${env:TIELINE_TEST_URL} is the scripted server. false: see rig_errors. */
bool rig_connect(struct rig *r, const struct connector *c, const char *yaml);
/* YAML of a target, source or call; false: see rig_errors. */
bool rig_target(struct rig *r, const char *yaml, unsigned kinds);
const char *rig_errors(struct rig *r); /* as text; in r->conf */
/* Authentication for real, as the connection configures it: secrets from env, tokens fetched over the loop, the
 * system's clock. After rig_connect. */
void rig_authenticate(struct rig *r);
/* The one reply to all that comes. */
void rig_script(struct rig *r, struct rig_reply reply);
/* Records from JSON: bodies; envelope is {body, headers: {}, event: {id}}. */
void rig_records(struct rig *r, const char *const *json, size_t n);
/* Run the chosen operation; the result is in r->rc, r->err, r->call, r->verdicts. */
void rig_run(struct rig *r);
/* The same, in steps: start, let the loop turn, cancel, wait for the end. */
void rig_begin(struct rig *r);
void rig_turn(struct rig *r, int times);
void rig_wait(struct rig *r);
/* A place where the call waits: for secrets and ports of tests. Cancels its task when its turn has come. */
TL_MUST_CHECK enum tl_rc rig_step(struct rig *r, struct task *task, struct tl_err *err);
bool rig_saw(const struct rig *r, const char *text);

#endif
