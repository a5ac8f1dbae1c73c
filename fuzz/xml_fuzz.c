/* SPDX-License-Identifier: Apache-2.0 */
/* What is XML is JSON, is the same XML again; and an envelope of SOAP is read as one. Local names likewise, save that
 * two names may become one. */
#include <stdlib.h>

#include "xml/xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void all_utf8(struct json v)
{
    if (v.type == JSON_STRING)
        check(tl_utf8_valid(json_view(v)) == v.n);
    for (uint32_t i = 0; v.type == JSON_ARRAY && i < v.n; i++)
        all_utf8(v.u.items[i]);
    for (uint32_t i = 0; v.type == JSON_OBJECT && i < v.n; i++) {
        all_utf8(v.u.members[i].key);
        all_utf8(v.u.members[i].value);
    }
}

static void round_trip(struct tl_arena *a, struct tl_sv text, unsigned flags, unsigned how)
{
    struct json v, again;
    struct tl_buf b;

    if (xml_parse(a, text, flags, NULL, &v, NULL) != TL_OK)
        return;
    all_utf8(v);
    tl_buf_init(&b, 64u << 20);
    check(xml_write(v, how, &b, NULL) == TL_OK);
    if (xml_parse(a, tl_buf_view(&b), XML_UNICODE, NULL, &again, NULL) == TL_OK)
        check((flags & XML_LOCAL) || (how & XML_INDENT) || json_equal(v, again));
    else
        check(tl_arena_exceeded(a) || (flags & XML_LOCAL) || b.n > 16u << 20);
    tl_buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_sv text = {(const char *)data, size};
    struct tl_arena *a = tl_arena_new(64u << 20);
    struct xml_soap soap;

    round_trip(a, text, 0, 0);
    round_trip(a, text, XML_UNICODE, XML_INDENT);
    round_trip(a, text, XML_LOCAL, XML_DECLARATION);
    if (xml_soap_parse(a, text, NULL, &soap, NULL) == TL_OK) {
        all_utf8(soap.header);
        all_utf8(soap.body);
        check(soap.is_fault || soap.fault_code.n == 0);
    }
    tl_arena_free(a);
    return 0;
}
