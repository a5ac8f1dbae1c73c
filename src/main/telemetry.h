/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry.h - the wiring of src/otlp. */
#ifndef TL_MAIN_TELEMETRY_H
#define TL_MAIN_TELEMETRY_H

#include "flow/flow.h"
#include "secret/secret.h"

struct main_telemetry;
/* *ret is NULL when the configuration names no collector. Secrets in headers are looked at here, blocking, and again
 * before each request: one that Vault has not given yet delays what is sent and not the start. */
TL_MUST_CHECK enum tl_rc main_telemetry_new(const struct flow_telemetry_conf *c, struct secret_box *secrets,
                                            struct metrics *metrics, struct tl_log *log, struct main_telemetry **ret,
                                            struct tl_err *err);
void main_telemetry_free(struct main_telemetry *t);               /* its sender's task must have ended; NULL allowed */
struct otlp *main_telemetry_otlp(const struct main_telemetry *t); /* NULL: off */

#endif
