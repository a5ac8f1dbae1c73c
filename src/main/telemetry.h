/* SPDX-License-Identifier: Apache-2.0 */
/* telemetry.h - the wiring of src/otlp. */
#ifndef TL_MAIN_TELEMETRY_H
#define TL_MAIN_TELEMETRY_H

#include "flow/flow.h"
#include "secret/secret.h"

/* *ret is NULL when the configuration names no collector. Secrets are resolved here, blocking. */
TL_MUST_CHECK enum tl_rc main_telemetry_new(const struct flow_telemetry_conf *c, struct secret_box *secrets,
                                            struct metrics *metrics, struct tl_log *log, struct otlp **ret,
                                            struct tl_err *err);

#endif
