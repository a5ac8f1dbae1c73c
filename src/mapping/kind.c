/* SPDX-License-Identifier: Apache-2.0 */
/* kind.c - the names of the mapping languages. */
#include "mapping/mapping.h"

static const char *const kind_names[MAPPING_KIND_COUNT] = {"jsonata", "table", "jq", "xslt"};

const char *mapping_kind_name(enum mapping_kind k)
{
    return kind_names[k];
}

bool mapping_kind_parse(struct tl_sv name, enum mapping_kind *ret)
{
    for (int i = 0; i < MAPPING_KIND_COUNT; i++) {
        if (tl_sv_eqs(name, kind_names[i])) {
            *ret = (enum mapping_kind)i;
            return true;
        }
    }
    return false;
}
