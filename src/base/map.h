/* SPDX-License-Identifier: Apache-2.0 */
/* map.h - a hash map from text to pointer. Keys are copied; values are borrowed. Iteration is in order of insertion. */
#ifndef TL_BASE_MAP_H
#define TL_BASE_MAP_H

#include "base/mem.h"

struct tl_map;

struct tl_map *tl_map_new(void) TL_MUST_CHECK;
void tl_map_free(struct tl_map *m);
size_t tl_map_count(const struct tl_map *m);
void *tl_map_get(const struct tl_map *m, struct tl_sv key); /* NULL: not there */
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *tl_map_put(struct tl_map *m, struct tl_sv key, void *value);
void *tl_map_remove(struct tl_map *m, struct tl_sv key); /* returns the value removed, or NULL */
/* for (size_t i = 0; tl_map_next(m, &i, &key, &value);) - removing the current entry meanwhile is allowed. */
bool tl_map_next(const struct tl_map *m, size_t *i, struct tl_sv *ret_key, void **ret_value);

#endif
