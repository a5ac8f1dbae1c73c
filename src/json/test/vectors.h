/* SPDX-License-Identifier: Apache-2.0 */
/* vectors.h - conformance vectors for the tests of this folder: they are not part of the project and may be absent. */
#ifndef TL_JSON_TEST_VECTORS_H
#define TL_JSON_TEST_VECTORS_H

#include "json/json.h"

/* A file below the shared folder ($TIELINE_SHARED, ../shared or ../../shared), or a null view when it is not there. */
struct tl_sv vectors_read(struct tl_arena *a, const char *path);
/* Calls fn for each JSON line; returns the number of lines. */
size_t vectors_each(struct tl_sv lines, void (*fn)(struct tl_arena *a, struct json line, void *arg), void *arg);

#endif
