/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "xml/xml.h"

static int setup(void **state)
{
    *state = tl_arena_new(256u << 20);
    return 0;
}

static int teardown(void **state)
{
    tl_arena_free(*state);
    return 0;
}

static const char *json_of(struct tl_arena *a, struct json v)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 64u << 20);
    assert_true(json_write(&b, v, 0));
    return tl_arena_strdup(a, b.p ? b.p : "");
}

static struct json value(struct tl_arena *a, const char *text)
{
    struct json v = JSON_NOTHING;

    assert_int_equal(json_parse(a, tl_sv_str(text), JSON_PARSE_LONE_SURROGATES, NULL, &v, NULL), TL_OK);
    return v;
}

/* JSON, or "rc line:column text". */
static const char *parse(struct tl_arena *a, struct tl_sv text, unsigned flags, const struct xml_limits *limits)
{
    struct json v = JSON_NOTHING;
    struct tl_err err = {0};
    enum tl_rc rc = xml_parse(a, text, flags, limits, &v, &err);

    if (rc != TL_OK)
        return tl_arena_printf(a, "%s %d:%d %s", tl_rc_name(rc), err.line, err.column, err.text);
    return json_of(a, v);
}

static const char *write(struct tl_arena *a, const char *text, unsigned flags)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_err err = {0};

    tl_buf_init(&b, 1u << 20);
    if (xml_write(value(a, text), flags, &b, &err) != TL_OK)
        return tl_arena_printf(a, "%s %s", tl_rc_name(err.rc), err.text);
    return tl_arena_strdup(a, b.p);
}

static void an_element_becomes_a_value_by_the_rules(void **state)
{
    static const char *const cases[][2] = {
        {"<a>x</a>", "{\"a\":\"x\"}"},
        {"<a> x </a>", "{\"a\":\" x \"}"},
        {"<a/>", "{\"a\":\"\"}"},
        {"<a id='7'/>", "{\"a\":{\"@id\":\"7\"}}"},
        {"<a id='7'> x </a>", "{\"a\":{\"@id\":\"7\",\"#text\":\"x\"}}"},
        {"<a>\n <b>1</b>\n <c/>\n <b>2</b>\n</a>", "{\"a\":{\"b\":[\"1\",\"2\"],\"c\":\"\"}}"},
        {"<a>x<b/>y</a>", "{\"a\":{\"b\":\"\",\"#text\":\"xy\"}}"},
        {"<a><![CDATA[<&]]> &lt;&amp;&gt;&quot;&apos;&#65;&#x20AC;</a>", "{\"a\":\"<& <&>\\\"'A\xe2\x82\xac\"}"},
        {"<a b='&amp;&lt;&#38;&quot;'/>", "{\"a\":{\"@b\":\"&<&\\\"\"}}"},
        {"<p:a xmlns:p='urn:x' xmlns='urn:y' p:b='1'/>",
         "{\"p:a\":{\"@xmlns:p\":\"urn:x\",\"@xmlns\":\"urn:y\",\"@p:b\":\"1\"}}"},
        {"\xef\xbb\xbf<?xml version='1.0'?><!-- c --><?pi x?><a><!-- c -->x<?pi y?></a>", "{\"a\":\"x\"}"},
        {"<a><b><c>1</c><c>2</c></b><b><c>3</c></b></a>", "{\"a\":{\"b\":[{\"c\":[\"1\",\"2\"]},{\"c\":\"3\"}]}}"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        assert_string_equal(parse(*state, tl_sv_str(cases[i][0]), 0, NULL), cases[i][1]);
}

static void local_names_do_not_depend_on_prefixes(void **state)
{
    assert_string_equal(
        parse(*state,
              TL_SV("<q:a xmlns:q='urn:a' xmlns:i='http://www.w3.org/2001/XMLSchema-instance' q:k='1' type='customer' "
                    "i:type='q:T'><q:b i:nil='true'/><b i:nil='false'>x</b></q:a>"),
              XML_LOCAL, NULL),
        "{\"a\":{\"@k\":\"1\",\"@type\":\"customer\",\"@xsi:type\":\"q:T\",\"b\":[null,\"x\"]}}");
}

static void what_is_not_well_formed_is_refused_with_its_place_and_without_its_text(void **state)
{
    static const char *const cases[][2] = {
        {"<a>\n<secret></a>", "parse 2:"},
        {"<a>\n<secret></a>", "an end tag does not fit its start tag"},
        {"", "there is no text"},
        {"secret", "does not begin with an element"},
        {"<a/>secret", "something follows the root element"},
        {"<a>", "it ends within an element"},
        {"<a>&nbsp;</a>", "an entity that is not one of"},
        {"<a>&secret</a>", "a & is written &amp;"},
        {"<a b=secret/>", "needs quotation marks"},
        {"<a b='1' b='2'/>", "an attribute stands twice"},
        {"<a>\x01</a>", "a character that XML does not have"},
        {"<a>&#1;</a>", "a character that XML does not have"},
        {"<a>\xe4x</a>", "bytes that are not text in its encoding"},
        {"<a>\xff</a>", "a character that XML does not have"},
        {"<?xml version='1.0' encoding='secret'?><a/>", "an encoding that is not known"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        const char *got = parse(*state, tl_sv_str(cases[i][0]), 0, NULL);

        if (!strstr(got, cases[i][1]) || strncmp(got, "parse ", 6) != 0 || strstr(got, "secret"))
            fail_msg("%s gives %s", cases[i][0], got);
    }
}

static void a_document_type_is_refused_before_it_can_do_anything(void **state)
{
    static const char *const cases[] = {
        "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        "<!DOCTYPE a SYSTEM 'http://127.0.0.1:1/x.dtd'><a/>",
        "<!DOCTYPE a [<!ENTITY a '1234567890'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;'>]>"
        "<a>&c;&c;&c;</a>",
        "<!DOCTYPE html><html/>",
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        assert_non_null(strstr(parse(*state, tl_sv_str(cases[i]), 0, NULL), "invalid 1:"));
    assert_non_null(strstr(parse(*state, tl_sv_str(cases[0]), 0, NULL), "document type declaration is not accepted"));
}

static void size_depth_and_number_have_limits(void **state)
{
    const struct xml_limits small = {.max_bytes = 40, .max_depth = 3, .max_nodes = 4};

    assert_string_equal(parse(*state, TL_SV("<a><b><c/></b></a>"), 0, &small), "{\"a\":{\"b\":{\"c\":\"\"}}}");
    assert_non_null(strstr(parse(*state, TL_SV("<a><b><c><d/></c></b></a>"), 0, &small), "limit 1:"));
    assert_non_null(strstr(parse(*state, TL_SV("<a><b/><b/><b/><b/></a>"), 0, &small), "more elements"));
    assert_non_null(strstr(parse(*state, TL_SV("<a a='1' b='2' c='3' d='4' e='5'/>"), 0, &small), "more elements"));
    assert_non_null(
        strstr(parse(*state, TL_SV("<a>012345678901234567890123456789012345</a>"), 0, &small), "larger than 40"));
}

static void a_deep_document_ends_in_an_error_not_in_the_stack(void **state)
{
    const struct xml_limits most = {.max_depth = 100000};
    struct tl_buf b;

    tl_buf_init(&b, 16u << 20);
    for (int i = 0; i < 100000; i++)
        (void)tl_buf_puts(&b, "<a>");
    assert_non_null(strstr(parse(*state, tl_buf_view(&b), 0, &most), "deeper than its limit"));
    tl_buf_done(&b);
}

/* 60,000 names, or one name between others 60,000 times: a list that is searched or copied each time would take
 * minutes. */
static void many_children_cost_what_their_number_is(void **state)
{
    struct tl_buf b;
    struct json v = JSON_NOTHING, root;

    tl_buf_init(&b, 16u << 20);
    (void)tl_buf_puts(&b, "<r>");
    for (int i = 0; i < 60000; i++)
        (void)tl_buf_printf(&b, "<n%d/><same>%d</same>", i, i);
    (void)tl_buf_puts(&b, "</r>");
    assert_int_equal(xml_parse(*state, tl_buf_view(&b), 0, NULL, &v, NULL), TL_OK);
    root = json_gets(v, "r");
    assert_int_equal(root.n, 60001);
    assert_int_equal(xml_count(json_gets(root, "same")), 60000);
    assert_true(tl_sv_eqs(xml_text(xml_at(json_gets(root, "same"), 59999)), "59999"));
    assert_int_equal(json_gets(root, "n59999").type, JSON_STRING);
    tl_buf_done(&b);
}

static void the_arena_bounds_the_result(void **state)
{
    struct tl_arena *small = tl_arena_new(64 << 10);
    struct tl_buf b;
    struct tl_err err = {0};
    struct json v;

    (void)state;
    tl_buf_init(&b, 1u << 20);
    (void)tl_buf_puts(&b, "<r>");
    for (int i = 0; i < 20000; i++)
        (void)tl_buf_puts(&b, "<n>1234567890</n>");
    (void)tl_buf_puts(&b, "</r>");
    assert_int_equal(xml_parse(small, tl_buf_view(&b), 0, NULL, &v, &err), TL_LIMIT);
    assert_non_null(strstr(err.text, "memory limit"));
    tl_buf_done(&b);
    tl_arena_free(small);
}

static void other_encodings_are_read_unless_the_text_is_known_to_be_unicode(void **state)
{
    static const char utf16[] = "\xff\xfe<\0a\0>\0\xe4\0<\0/\0a\0>\0";

    assert_string_equal(parse(*state, TL_SV("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe4</a>"), 0, NULL),
                        "{\"a\":\"\xc3\xa4\"}");
    assert_string_equal(
        parse(*state, TL_SV("<?xml version='1.0' encoding='ISO-8859-1'?><a>\xc3\xa4</a>"), XML_UNICODE, NULL),
        "{\"a\":\"\xc3\xa4\"}");
    assert_string_equal(parse(*state, tl_sv(utf16, sizeof utf16 - 1), 0, NULL), "{\"a\":\"\xc3\xa4\"}");
}

static void any_value_is_written_as_well_formed_xml(void **state)
{
    static const char *const cases[][2] = {
        {"{\"o\":{\"@id\":7,\"l\":[1,2],\"#text\":\"<\"}}", "<o id=\"7\"><l>1</l><l>2</l>&lt;</o>"},
        {"{\"a\":null}", "<a></a>"},
        {"{\"a\":{\"b\":[null,true,1.50]}}", "<a><b></b><b>true</b><b>1.50</b></a>"},
        {"{\"a\":{\"@b\":\"\\\"\\n<&\"}}", "<a b=\"&quot;&#10;&lt;&amp;\"></a>"},
        {"{\"a\":{\"#text\":{\"x\":\"<\"}}}", "<a>{\"x\":\"&lt;\"}</a>"},
        {"{\"a\":\"\\u0001\\uffff\\ud800x\\r\"}", "<a>\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx&#13;</a>"},
        {"{\"gr\xc3\xb6\xc3\x9f"
         "e\":1}",
         "<gr\xc3\xb6\xc3\x9f"
         "e>1</gr\xc3\xb6\xc3\x9f"
         "e>"},
        {"{\"a b\":1}", "invalid XML: a member is no element name"},
        {"{\"\xc3\x97\":1}", "invalid XML: a member is no element name"},
        {"{\"a\":{\"@\":1}}", "invalid XML: a member is no attribute name"},
        {"{\"1a\":1}", "invalid XML: a member is no element name"},
        {"{\"a\":1,\"b\":2}", "invalid XML: an object with one member, the root element, is expected"},
        {"[1]", "invalid XML: an object with one member, the root element, is expected"},
    };

    for (size_t i = 0; i < TL_COUNT(cases); i++)
        assert_string_equal(write(*state, cases[i][0], 0), cases[i][1]);
    assert_string_equal(write(*state, "{\"a\":{\"b\":{\"c\":1}}}", XML_INDENT | XML_DECLARATION),
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>\n  <b>\n    <c>1</c>\n  </b>\n</a>");
}

static const char *soap(struct tl_arena *a, const char *text, struct xml_soap *ret)
{
    struct tl_err err = {0};
    enum tl_rc rc = xml_soap_parse(a, tl_sv_str(text), NULL, ret, &err);

    return rc == TL_OK ? json_of(a, ret->body.type == JSON_UNDEFINED ? json_null() : ret->body)
                       : tl_arena_printf(a, "%s %s", tl_rc_name(rc), err.text);
}

#define ENV(ns, inner) "<e:Envelope xmlns:e='" ns "'>" inner "</e:Envelope>"
#define SOAP(inner) ENV("http://schemas.xmlsoap.org/soap/envelope/", inner)

static void an_envelope_is_known_by_namespace_not_by_prefix(void **state)
{
    struct xml_soap s;

    assert_string_equal(soap(*state,
                             SOAP("<e:Header><t e:mustUnderstand='1'>x</t></e:Header><e:Body><m:go "
                                  "xmlns:m='urn:m'><m:a>1</m:a></m:go></e:Body>"),
                             &s),
                        "{\"a\":\"1\"}");
    assert_true(tl_sv_eqs(s.name, "go") && tl_sv_eqs(s.ns, "urn:m") && !s.is_fault);
    assert_string_equal(json_of(*state, s.header), "{\"t\":{\"@mustUnderstand\":\"1\",\"#text\":\"x\"}}");
    assert_string_equal(soap(*state, SOAP("<e:Body/>"), &s), "null");
    assert_int_equal(s.name.n, 0);
    assert_string_equal(soap(*state, SOAP("<Body xmlns=''><a/></Body>"), &s), "invalid SOAP: the envelope has no Body");
    assert_string_equal(soap(*state, ENV("http://www.w3.org/2003/05/soap-envelope", "<e:Body/>"), &s),
                        "invalid SOAP: the root is no Envelope of SOAP 1.1");
    assert_non_null(strstr(soap(*state, "<html/>", &s), "no Envelope"));
    assert_non_null(strstr(soap(*state, "<e:Envelope", &s), "parse XML"));
}

static void a_fault_has_code_text_and_detail(void **state)
{
    struct xml_soap s;

    (void)soap(*state,
               SOAP("<e:Body><e:Fault><faultcode>e:Server.userException</faultcode><faultstring> no "
                    "</faultstring><detail><p:f xmlns:p='urn:p'><p:code>X</p:code></p:f></detail></e:Fault></e:Body>"),
               &s);
    assert_true(s.is_fault && tl_sv_eqs(s.fault_code, "Server.userException") && tl_sv_eqs(s.fault_text, "no"));
    assert_string_equal(json_of(*state, s.fault_detail), "{\"f\":{\"code\":\"X\"}}");
    (void)soap(*state, SOAP("<e:Body><Fault xmlns='urn:other'/></e:Body>"), &s);
    assert_false(s.is_fault);
    (void)soap(*state, SOAP("<e:Body><e:Fault/></e:Body>"), &s);
    assert_true(s.is_fault && s.fault_code.n == 0 && s.fault_text.n == 0);
}

static void what_is_written_as_an_envelope_is_read_as_one(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_arena *a = *state;
    struct json ns = value(a, "{\"m\":\"urn:m\"}"), header = value(a, "{\"m:token\":{\"m:a\":\"1&2\"}}"),
                body = value(a, "{\"m:go\":{\"@k\":\"v\",\"m:r\":[1,2]}}");
    struct xml_soap s;

    tl_buf_init(&b, 1u << 20);
    assert_int_equal(xml_soap_write(&b, ns, header, body, NULL), TL_OK);
    assert_string_equal(soap(a, b.p, &s), "{\"@k\":\"v\",\"r\":[\"1\",\"2\"]}");
    assert_true(tl_sv_eqs(s.name, "go") && tl_sv_eqs(s.ns, "urn:m"));
    assert_string_equal(json_of(a, s.header), "{\"token\":{\"a\":\"1&2\"}}");
    tl_buf_clear(&b);
    assert_int_equal(xml_soap_write_fault(&b, ns, "Client", TL_SV("<no>"), body, NULL), TL_OK);
    (void)soap(a, b.p, &s);
    assert_true(s.is_fault && tl_sv_eqs(s.fault_code, "Client") && tl_sv_eqs(s.fault_text, "<no>"));
    assert_non_null(strstr(json_of(a, s.fault_detail), "\"go\""));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_element_becomes_a_value_by_the_rules),
        T(local_names_do_not_depend_on_prefixes),
        T(what_is_not_well_formed_is_refused_with_its_place_and_without_its_text),
        T(a_document_type_is_refused_before_it_can_do_anything),
        T(size_depth_and_number_have_limits),
        T(a_deep_document_ends_in_an_error_not_in_the_stack),
        T(many_children_cost_what_their_number_is),
        T(the_arena_bounds_the_result),
        T(other_encodings_are_read_unless_the_text_is_known_to_be_unicode),
        T(any_value_is_written_as_well_formed_xml),
        T(an_envelope_is_known_by_namespace_not_by_prefix),
        T(a_fault_has_code_text_and_detail),
        T(what_is_written_as_an_envelope_is_read_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
