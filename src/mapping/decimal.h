/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decimal.h - decimal numbers for money: a whole number of up to 38 digits over a power of ten. No binary floating
 * point is involved; what does not fit is an error, never a rounding that nobody asked for.
 */
#ifndef TL_MAPPING_DECIMAL_H
#define TL_MAPPING_DECIMAL_H

#include "json/json.h"

__extension__ typedef __int128 decimal_int;

struct decimal {
    decimal_int digits;
    int scale; /* value = digits / 10^scale; 0 to 38 */
};

enum decimal_rounding {
    DECIMAL_HALF_UP,
    DECIMAL_HALF_EVEN,
    DECIMAL_HALF_DOWN,
    DECIMAL_UP,
    DECIMAL_DOWN,
    DECIMAL_CEILING,
    DECIMAL_FLOOR
};
bool decimal_rounding_parse(struct tl_sv name, enum decimal_rounding *ret);

/* All return false when the result needs more than 38 digits (or the text is not a number). */
bool decimal_parse(struct tl_sv text, struct decimal *ret); /* JSON's number grammar, also a leading + or zeros */
bool decimal_add(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_mul(struct decimal a, struct decimal b, struct decimal *ret);
bool decimal_div(struct decimal a, struct decimal b, int scale, enum decimal_rounding r,
                 struct decimal *ret); /* b != 0 */
bool decimal_round(struct decimal a, int scale, enum decimal_rounding r, struct decimal *ret);
bool decimal_cmp(struct decimal a, struct decimal b, int *ret);
size_t decimal_format(struct decimal d, char out[48]); /* plain digits, the scale kept: "19.90" */
/* "$1,234.56", "1.234,56 EUR", "(12.50)", "-7": the amount in a text for people. The last separator followed by other
 * than three digits (or the second kind of separator) is the decimal point. */
bool decimal_read_amount(struct tl_sv text, struct decimal *ret);

#endif
