/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parts.h - a part of the contract: a long read in parts that run side by side.
 *
 * Each part has a position of its own, kept under (flow, source, part), so that each goes on where it was after a
 * crash, and takes its own permits: how many run at once is up to the connection's concurrency and budgets.
 */
#ifndef TL_CONNECTOR_CONTRACT_PARTS_H
#define TL_CONNECTOR_CONTRACT_PARTS_H

#include "connector/connector.h"

enum { CONNECTOR_PARTS = 64 };

/* Part number `part` of the read. The call is its own: arena, feedback, permits. call->position is what the last emit
 * of a part of this number has written, in whatever run that was (empty: none ever was): what it says should tell
 * whether it belongs to this read. connector_emit writes there. */
typedef enum tl_rc connector_part_fn(struct task *task, struct connector_call *call, size_t part, void *arg,
                                     struct tl_err *err);

/* In `read`: fn for each of 1..CONNECTOR_PARTS parts, each on a task of this loop. Suspends until all of them have
 * ended; the caller's permit is given back meanwhile. After an error of one the others are cancelled: that error comes
 * back. TL_UNSUPPORTED where nothing is taken in (a look at what would be sent). */
TL_MUST_CHECK enum tl_rc connector_in_parts(struct task *task, struct connector_call *call, size_t n,
                                            connector_part_fn *fn, void *arg, struct tl_err *err);

#endif
