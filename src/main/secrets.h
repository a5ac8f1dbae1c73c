/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.h - the wiring of src/secret: the box, Vault behind it, and reading all of them again. */
#ifndef TL_MAIN_SECRETS_H
#define TL_MAIN_SECRETS_H

#include "flow/flow.h"
#include "secret/secret.h"

struct main_secrets {
    struct secret_box *box;
    struct secret_vault *vault;
    uint64_t generation, changes; /* as of the last round */
    int64_t read_ms;
    bool complained; /* Vault's trouble has been logged */
};
TL_MUST_CHECK enum tl_rc main_secrets_init(struct main_secrets *m, const struct crypto *crypto, struct tl_err *err);
void main_secrets_done(struct main_secrets *m); /* after the loops have ended, before they are freed */
/* For flow_load_options: TL_BUSY while Vault has not been read. */
enum tl_rc main_secrets_resolve(void *arg, const struct config_secret *ref, struct tl_buf *ret, struct tl_err *err);
/* For calls: what is not there yet pauses the connection instead of using up attempts (TL_AUTH). */
enum tl_rc main_secrets_on_task(void *arg, struct task *task, const struct config_secret *ref, struct tl_buf *ret,
                                struct tl_err *err);
void main_secrets_mask(void *arg, struct tl_buf *text, bool cut);
/* Before the loop runs: ask Vault for what the plan names, for 10 s at most. *ret_again: values have come, so the plan
 * should be loaded again. A Vault that does not answer is logged and no error: what needs it is held. */
TL_MUST_CHECK enum tl_rc main_secrets_first(struct main_secrets *m, struct async_loop *loop,
                                            const struct flow_plan *plan, struct tl_log *log, bool *ret_again,
                                            struct tl_err *err);
/* One round on the loop of _first: Vault, then, when it is time, all sources. *ret_changed: values came or changed. */
TL_MUST_CHECK enum tl_rc main_secrets_round(struct task *task, struct main_secrets *m, const struct flow_plan *plan,
                                            struct tl_log *log, bool *ret_changed, struct tl_err *err);

#endif
