/* SPDX-License-Identifier: Apache-2.0 */
/* country.h - what the conversions know about countries. */
#ifndef TL_MAPPING_COUNTRY_H
#define TL_MAPPING_COUNTRY_H

#include "base/base.h"

struct country {
    const char *alpha2, *alpha3, *name;
    const char *calling; /* "" unknown */
    char trunk;          /* dialled before national numbers and left out after the country code; 0: none */
};

/* By code or name, ASCII case ignored; NULL: unknown. */
const struct country *country_find(struct tl_sv text);

#endif
