/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.h - a part of connector.h: what a system must have before our flows can use it (a custom field, an object, a
 * channel), planned and, once a person has agreed, made.
 */
#ifndef TL_CONNECTOR_PREPARE_H
#define TL_CONNECTOR_PREPARE_H

#include "connector/connector.h"

struct connector_use { /* an operation of this connection that some flow is configured to use */
    const struct connector_operation *operation;
    const void *conf;
};
struct connector_step {
    struct tl_sv what; /* one line for people: "custom field Account.ERP_Id__c: text, external id, unique" */
    bool there;        /* the system has it: nothing to do */
    struct tl_sv text; /* why we cannot make it and what a person can do; empty: we can */
};
/*
 * connector.prepare: with `apply` false only looks; with true makes what is missing, and `steps` then say how it is
 * afterwards, so that a second run makes nothing. The steps are the arena's. Long work: call->pending, next_poll_ms and
 * new_ticket as in a long job; it is called again with call->ticket. TL_OK also with steps that cannot be made.
 */
struct connector_prepare {
    const struct connector_use *uses;
    size_t n_uses;
    bool apply;
    const struct connector_step *steps;
    size_t n_steps;
};

#endif
