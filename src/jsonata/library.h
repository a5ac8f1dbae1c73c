/* SPDX-License-Identifier: Apache-2.0 */
/* library.h - the functions that every program knows by name, made into values while a program is compiled. */
#ifndef TL_JSONATA_LIBRARY_H
#define TL_JSONATA_LIBRARY_H

#include "jsonata/ast.h"

/* The function value of a library name, the same one for a whole program; nothing when there is no such function. */
struct json library_find(struct compiler *c, struct tl_sv name);
/* $tl: an object whose members are the host's functions; nothing in strict mode. */
struct json library_namespace(struct compiler *c, struct tl_sv name);

#endif
