/* SPDX-License-Identifier: Apache-2.0 */
/* auth.h - the wiring of src/auth: what flow_engine_options.auth needs. */
#ifndef TL_MAIN_AUTH_H
#define TL_MAIN_AUTH_H

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/auth.h"
#include "flow/flow.h"

struct main_auth {
    struct auth_world world;
    struct flow_engine **engine; /* filled in later than this */
    struct queue **queue;
};
/* The data directory must exist. */
TL_MUST_CHECK enum tl_rc main_auth_init(struct main_auth *m, const char *data_path, const struct crypto *crypto,
                                        struct secret_box *secrets, struct flow_engine **engine, struct queue **queue,
                                        struct tl_err *err);
void main_auth_done(struct main_auth *m); /* after the engine */
/* For flow_engine_options: arg is the struct main_auth. */
struct connector_auth *main_auth_new(void *arg, const struct connector *c, const char *name, const void *connection,
                                     struct tl_err *err);
void main_auth_free(void *arg, struct connector_auth *base);

#endif
