/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare.h - what the flows need of an org, and how it is made: custom fields and objects, the channels of change data
 * capture and the right to see them by one deployment of the Metadata API (all or nothing), PushTopics and the
 * assignment of the permission set as records.
 */
#ifndef TL_CONNECTORS_SALESFORCE_PREPARE_H
#define TL_CONNECTORS_SALESFORCE_PREPARE_H

#include "salesforce/salesforce_int.h"

enum { SF_NEEDS = 200 };
#define SF_PERMISSION_SET "Tieline"
enum sf_need_kind { SF_NEED_OBJECT, SF_NEED_FIELD, SF_NEED_CHANNEL, SF_NEED_TOPIC, SF_NEED_ACCESS };
struct sf_need {
    enum sf_need_kind kind;
    struct tl_sv object, name; /* field, topic; of a channel: object is "AccountChangeEvent" */
    const char *query;         /* of a PushTopic; NULL: not configured */
    bool there;
    const char *text; /* why we cannot make it */
};
/* Is it custom (X__c), so that we may make it? */
bool sf_is_custom(struct tl_sv name);
/* The zip of a deployment with all that is missing and the permission set over all custom ones (pure). What it needs to
 * deploy: *ret_any. TL_LIMIT. */
TL_MUST_CHECK enum tl_rc sf_package(struct tl_arena *a, const char *version, const struct sf_need *needs, size_t n,
                                    struct tl_buf *zip, bool *ret_any, struct tl_err *err);
/* connector.prepare */
enum tl_rc sf_prepare(struct task *task, struct connector_call *call, struct connector_prepare *p, struct tl_err *err);

#endif
