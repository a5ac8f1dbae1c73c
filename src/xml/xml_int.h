/* SPDX-License-Identifier: Apache-2.0 */
/* xml_int.h - what the files of this folder share: the parser's one set-up. */
#ifndef TL_XML_INT_H
#define TL_XML_INT_H

#include <libxml/parser.h>
#include <libxml/tree.h>

#include "xml/xml.h"

enum { XML_DEPTH = 200 };

/* What a SOAP envelope is known by: names of elements near the root. Views of the arena's. */
struct xml_places {
    struct tl_sv root, root_ns;       /* of the root */
    struct tl_sv payload, payload_ns; /* of the first element in the root's child Body of the root's namespace */
    bool body;                        /* there is that child */
};
TL_MUST_CHECK enum tl_rc xml__parse(struct tl_arena *a, struct tl_sv text, unsigned flags,
                                    const struct xml_limits *limits, struct xml_places *places, struct json *ret,
                                    struct tl_err *err);
/* As a tree of libxml2's, by the same rules; the caller frees it. */
TL_MUST_CHECK enum tl_rc xml__document(struct tl_sv text, unsigned flags, size_t max_bytes, xmlDocPtr *ret,
                                       struct tl_err *err);

#endif
