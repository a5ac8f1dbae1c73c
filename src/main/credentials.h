/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.h - since when and until when the credentials of connections are good: the certificates that the
 * configuration names, and tokens. Any thread. */
#ifndef TL_MAIN_CREDENTIALS_H
#define TL_MAIN_CREDENTIALS_H

#include "flow/flow.h"

struct main_credentials;
struct main_credentials *main_credentials_new(struct metrics *metrics, const struct crypto *crypto) TL_MUST_CHECK;
void main_credentials_free(struct main_credentials *c); /* NULL allowed */
/* Reads the files again when the plan is another one or ten minutes have passed; blocks. What cannot be read is not
 * listed: whoever uses it says so. */
void main_credentials_read(struct main_credentials *c, const struct flow_plan *plan, int64_t wall_ms);
/* Of a connection, or "" for our own servers; in the arena. Certificates as they were read last, tokens as of now. */
void main_credentials_of(struct main_credentials *c, struct flow_engine *engine, const char *connection,
                         struct tl_arena *arena, const struct alert_credential **ret, size_t *ret_n);

#endif
