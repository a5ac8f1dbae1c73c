/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_out.h - the way out of a log: a bounded buffer of whole lines and the thread that writes them. log.h says what is
 * promised. For log.c only.
 */
#ifndef TL_BASE_LOG_LOG_OUT_H
#define TL_BASE_LOG_LOG_OUT_H

#include "base/buf.h"

/* Puts the line that says how many were lost; called by the thread. */
typedef void (*tl_log_tell)(void *arg, uint64_t lost, struct tl_buf *b);

struct tl_log_out;

struct tl_log_out *tl__log_out_new(int fd, size_t held, tl_log_tell tell, void *arg) TL_MUST_CHECK;
/* Waits max_ms at most. false: a write that does not end holds the thread, so it, `arg` and this live on; the caller
 * forgets them. */
bool tl__log_out_free(struct tl_log_out *o, unsigned max_ms);
void tl__log_out_put(struct tl_log_out *o, struct tl_sv line); /* with its end */
bool tl__log_out_drain(struct tl_log_out *o, unsigned max_ms);
uint64_t tl__log_out_lost(struct tl_log_out *o);

#endif
