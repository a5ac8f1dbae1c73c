/* SPDX-License-Identifier: Apache-2.0 */
/* token.h - names of the operators between lexer.c and parser.c: a single character is itself, the others are here. */
#ifndef TL_JSONATA_TOKEN_H
#define TL_JSONATA_TOKEN_H

enum token_op {
    TO_RANGE = 1,
    TO_BIND,
    TO_NE,
    TO_GE,
    TO_LE,
    TO_DESCENDANT,
    TO_CHAIN,
    TO_ELVIS,
    TO_COALESCE,
    TO_AND,
    TO_OR,
    TO_IN
};

#endif
