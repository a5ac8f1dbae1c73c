/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pubsub.h - the Pub/Sub API: what subscribing and publishing share, pubsub.c. Messages are those of pubsub.proto.
 *
 * One session is one HTTP/2 connection; each call carries the token, the address of the org and its id (the vendor's
 * metadata accesstoken, instanceurl, tenantid). Schemas are fetched once a session and kept by id.
 */
#ifndef TL_CONNECTORS_SALESFORCE_PUBSUB_H
#define TL_CONNECTORS_SALESFORCE_PUBSUB_H

#include <salesforce/pubsub/pubsub.pb-c.h>

#include "salesforce/avro/avro.h"
#include "salesforce/salesforce_int.h"

#define SF_PUBSUB "/eventbus.v1.PubSub/"
enum { SF_SCHEMAS = 200, SF_SCHEMA_ID = 100, SF_TENANT = 20, SF_UNAUTHENTICATED = 16 };

struct sf_schema {
    struct sf_schema *next;
    char id[SF_SCHEMA_ID];
    struct sf_avro *avro; /* NULL: it cannot be used, why says so */
    char why[160];
};
struct sf_pubsub {
    struct task *task;
    struct connector_call *call;
    struct http_h2 *h2;                      /* NULL: not connected */
    char tenant[SF_TENANT], user[SF_TENANT]; /* ids; user empty: the token may not see it */
    int code;                                /* gRPC status of the last sf_pubsub_ask; -1: none came */
    int64_t ahead_ms;                        /* the org's clock is so far ahead of ours */
    struct sf_schema *schemas;
    size_t n_schemas;
};
/* Connects, and finds out the id of the org the first time. Suspends. */
TL_MUST_CHECK enum tl_rc sf_pubsub_connect(struct sf_pubsub *p, struct tl_err *err);
void sf_pubsub_close(struct sf_pubsub *p);
int64_t sf_pubsub_org_ms(const struct sf_pubsub *p); /* the time by the org's clock; once connected */
void sf_pubsub_forget(struct sf_pubsub *p);          /* the schemas; values that were decoded with them are dead */
/* A call of the service: "Subscribe". To be freed with http_grpc_free. Suspends. */
TL_MUST_CHECK enum tl_rc sf_pubsub_open(struct sf_pubsub *p, const char *method, struct http_grpc *ret,
                                        struct tl_err *err);
/* One request, one answer, unpacked into the arena; an expired token is renewed and the call made once more. */
TL_MUST_CHECK enum tl_rc sf_pubsub_ask(struct sf_pubsub *p, const char *method, const ProtobufCMessage *request,
                                       const ProtobufCMessageDescriptor *answer, ProtobufCMessage **ret,
                                       struct tl_err *err);
/* The schema, asked for where it is not known. Suspends. Errors are those of the call; a schema that cannot be used is
 * none: look at avro. */
TL_MUST_CHECK enum tl_rc sf_pubsub_schema(struct sf_pubsub *p, const char *id, struct sf_schema **ret,
                                          struct tl_err *err);
const struct sf_schema *sf_pubsub_known(const struct sf_pubsub *p, const char *id); /* NULL */
/* TL_NOT_FOUND, TL_FORBIDDEN. Suspends. */
TL_MUST_CHECK enum tl_rc sf_pubsub_topic(struct sf_pubsub *p, const char *name, Eventbus__V1__TopicInfo **ret,
                                         struct tl_err *err);
/* Into the arena; .p NULL at its limit. */
struct tl_sv sf_pubsub_pack(struct tl_arena *a, const ProtobufCMessage *m);
/* From the arena; NULL: malformed, or too large for it. Deep work: on the big stack. */
ProtobufCMessage *sf_pubsub_unpack(struct tl_arena *a, const ProtobufCMessageDescriptor *d, struct tl_sv bytes);
/* What the vendor's error code and the status of an ended call mean; the text is masked. rc is returned or bettered. */
enum tl_rc sf_pubsub_failed(struct sf_pubsub *p, const struct http_grpc *g, enum tl_rc rc, struct tl_err *err);
/* "…replayid.validation.failed" and the like: is the error code of the ended call about this? */
bool sf_pubsub_says(const struct http_grpc *g, const char *word);

#endif
