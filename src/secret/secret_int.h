/* SPDX-License-Identifier: Apache-2.0 */
/* secret_int.h - shared by the files of this folder only. */
#ifndef TL_SECRET_SECRET_INT_H
#define TL_SECRET_SECRET_INT_H

#include "secret/secret.h"

enum { SECRET_MAX_VALUE = 64 * 1024 };

/* A whole small file. private_only: refuse one that others can read, and say the chmod that mends it. */
enum tl_rc secret__read_file(const char *path, bool private_only, size_t max, struct tl_buf *out, struct tl_err *err);
enum tl_rc secret__write_file(const char *path, struct tl_sv text, struct tl_err *err);
void secret__buf_done(struct tl_buf *b); /* wipes */

struct secret_masks;
struct secret_masks *secret__masks_new(void);
void secret__masks_free(struct secret_masks *m);
void secret__masks_add(struct secret_masks *m, struct tl_sv value);
bool secret__masks_apply(const struct secret_masks *m, struct tl_buf *text, bool cut);

#endif
