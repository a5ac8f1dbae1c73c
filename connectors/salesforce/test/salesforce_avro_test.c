/* SPDX-License-Identifier: Apache-2.0 */
/* Avro: bytes of the specification's own encoding rules into values, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "salesforce/avro/avro.h"

static struct tl_arena *arena;

static struct json parse(const char *text)
{
    struct json v;
    struct tl_err err;

    if (json_parse(arena, tl_sv_str(text), 0, NULL, &v, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    return v;
}

static struct sf_avro *schema(const char *text)
{
    struct sf_avro *s = NULL;
    struct tl_err err;

    if (sf_avro_new(parse(text), &s, &err) != TL_OK)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static const char *text_of(struct json v)
{
    struct tl_buf b;
    const char *text;

    tl_buf_init(&b, 1 << 20);
    assert_true(json_write(&b, v, 0));
    text = tl_arena_strdup(arena, b.p);
    tl_buf_done(&b);
    return text;
}

static struct tl_sv bytes_of(const char *hex)
{
    struct tl_buf b;
    struct tl_sv v;

    tl_buf_init(&b, 1 << 20);
    assert_true(tl_hex_decode(&b, tl_sv_str(hex)));
    v = tl_arena_sv(arena, b.n ? tl_buf_view(&b) : TL_SV(""));
    tl_buf_done(&b);
    return v;
}

/* hex "!" before the text: refused with this rc's name. */
static const struct {
    const char *schema, *hex, *json;
    bool one_way; /* it is not written as it was read */
} rows[] = {
    {"\"null\"", "", "null", false},
    {"\"boolean\"", "01", "true", false},
    {"\"boolean\"", "02", "!parse", false},
    {"\"boolean\"", "", "!parse", false},
    {"\"int\"", "00", "0", false},
    {"\"int\"", "01", "-1", false},
    {"\"int\"", "7f", "-64", false},
    {"\"int\"", "8001", "64", false},
    {"\"int\"", "ffffffff0f", "-2147483648", false},
    {"\"int\"", "8080808010", "!parse", false}, /* 2^31 */
    {"\"long\"", "feffffffffffffffff01", "9223372036854775807", false},
    {"\"long\"", "ffffffffffffffffff01", "-9223372036854775808", false},
    {"\"long\"", "ffffffffffffffffff02", "!parse", false}, /* a 65th bit */
    {"\"long\"", "ffffffffffffffffffff01", "!parse", false},
    {"\"long\"", "80", "!parse", false},
    {"\"float\"", "0000c03f", "1.5", false},
    {"\"double\"", "000000000000f8bf", "-1.5", false},
    {"\"double\"", "000000000000f87f", "null", true}, /* NaN */
    {"\"double\"", "00000000000000", "!parse", false},
    {"\"bytes\"", "0600ff10", "\"AP8Q\"", false},
    {"\"string\"", "06666f6f", "\"foo\"", false},
    {"\"string\"", "02ff", "!parse", false},
    {"\"string\"", "08666f6f", "!parse", false},
    {"\"string\"", "01", "!parse", false}, /* a length of -1 */
    {"\"int\"", "0000", "!parse", false},  /* something is left over */
    {"[\"null\",\"string\"]", "00", "null", false},
    {"[\"null\",\"string\"]", "020261", "\"a\"", false},
    {"[\"null\",\"string\"]", "04", "!parse", false},
    {"[\"null\",\"string\"]", "01", "!parse", false},
    {"{\"type\":\"array\",\"items\":\"long\"}", "04063600", "[3,27]", false},
    {"{\"type\":\"array\",\"items\":\"long\"}", "0304063600", "[3,27]", true}, /* -2 items, 2 bytes */
    {"{\"type\":\"array\",\"items\":\"long\"}", "0206023600", "[3,27]", true}, /* two blocks */
    {"{\"type\":\"array\",\"items\":\"long\"}", "00", "[]", false},
    {"{\"type\":\"array\",\"items\":\"null\"}", "feffffffffffffffff01", "!limit", false},
    {"{\"type\":\"map\",\"values\":\"int\"}", "020261020000", "!parse", false},
    {"{\"type\":\"map\",\"values\":\"int\"}", "0202610200", "{\"a\":1}", false},
    {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"B\"]}", "02", "\"B\"", false},
    {"{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"A\",\"B\"]}", "04", "!parse", false},
    {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":2}", "0102", "\"AQI=\"", false},
    {"{\"type\":\"record\",\"name\":\"test\",\"fields\":[{\"name\":\"a\",\"type\":\"long\"},{\"name\":\"b\",\"type\":"
     "\"string\"}]}",
     "3606666f6f", "{\"a\":27,\"b\":\"foo\"}", false},
    {"{\"type\":\"record\",\"name\":\"n.l\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":["
     "\"null\",\"l\"]}]}",
     "0202040200", "!parse", false},
    {"{\"type\":\"record\",\"name\":\"n.l\",\"fields\":[{\"name\":\"v\",\"type\":\"int\"},{\"name\":\"next\",\"type\":["
     "\"null\",\"l\"]}]}",
     "02020400", "{\"v\":1,\"next\":{\"v\":2,\"next\":null}}", false},
    {"{\"type\":\"long\",\"logicalType\":\"timestamp-millis\"}", "90b2cccaef66", "\"2026-01-02T03:04:05.000Z\"", false},
    {"{\"type\":\"int\",\"logicalType\":\"date\"}", "00", "\"1970-01-01\"", false},
    {"{\"type\":\"int\",\"logicalType\":\"date\"}", "01", "\"1969-12-31\"", false},
    {"{\"type\":\"int\",\"logicalType\":\"time-millis\"}", "d4cb1f", "\"00:04:18.794\"", false},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}", "043039", "123.45", true},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2}", "02fb", "-0.05", true},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":30}", "1a00ffffffffffffffffffffffff",
     "79228162514264337593543950335", true},
    {"{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":9}", "00", "0", true},
    {"{\"type\":\"long\",\"logicalType\":\"something-new\"}", "06", "3", false},
};

static void values_are_read_and_written_as_the_specification_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct sf_avro *s = schema(rows[i].schema);
        struct tl_sv bytes = bytes_of(rows[i].hex);
        struct tl_err err = {0};
        struct tl_buf back;
        struct json v;
        enum tl_rc rc = sf_avro_decode(s, bytes, arena, &v, &err);

        tl_buf_init(&back, 1 << 20);
        if (rows[i].json[0] == '!') {
            if (strcmp(tl_rc_name(rc), rows[i].json + 1) != 0)
                fail_msg("row %zu, %s of %s: %s", i, rows[i].hex, rows[i].schema, tl_rc_name(rc));
        } else if (rc != TL_OK || strcmp(text_of(v), rows[i].json) != 0) {
            fail_msg("row %zu, %s of %s: %s", i, rows[i].hex, rows[i].schema, rc == TL_OK ? text_of(v) : err.text);
        } else if (!rows[i].one_way &&
                   (sf_avro_encode(s, v, &back, &err) != TL_OK || !tl_sv_eq(tl_buf_view(&back), bytes))) {
            fail_msg("row %zu, %s of %s is not written as it was read: %s", i, rows[i].hex, rows[i].schema, err.text);
        }
        tl_buf_done(&back);
        sf_avro_free(s);
    }
}

static const struct {
    const char *schema, *word;
    enum tl_rc rc;
} wrong[] = {
    {"\"strng\"", "strng", TL_INVALID},
    {"{\"type\":\"record\",\"name\":\"a\"}", "without fields", TL_INVALID},
    {"{\"type\":\"record\",\"fields\":[]}", "without a name", TL_INVALID},
    {"[\"null\",[\"int\"]]", "union within", TL_INVALID},
    {"[]", "without branches", TL_INVALID},
    {"17", "no type", TL_INVALID},
    {"{\"type\":\"fixed\",\"name\":\"f\",\"size\":-1}", "without a size", TL_INVALID},
    {"[{\"type\":\"fixed\",\"name\":\"f\",\"size\":1},{\"type\":\"fixed\",\"name\":\"f\",\"size\":1}]",
     "name of its own", TL_INVALID},
};

static void schemas_that_cannot_be_used_are_refused_with_the_place(void **state)
{
    const char *deep = "\"int\"";
    struct sf_avro *none = NULL;

    (void)state;
    for (size_t i = 0; i < TL_COUNT(wrong); i++) {
        struct sf_avro *s = NULL;
        struct tl_err err;

        if (sf_avro_new(parse(wrong[i].schema), &s, &err) != wrong[i].rc || !strstr(err.text, wrong[i].word))
            fail_msg("%s: %s", wrong[i].schema, err.text);
    }
    for (int i = 0; i < 40; i++)
        deep = tl_arena_printf(arena, "{\"type\":\"array\",\"items\":%s}", deep);
    assert_int_equal(sf_avro_new(parse(deep), &none, NULL), TL_LIMIT);
}

/* 2^30 nulls in not a single byte. */
static void records_that_fan_out_without_bytes_are_stopped(void **state)
{
    struct tl_buf b;
    struct sf_avro *s;
    struct json v;

    (void)state;
    tl_buf_init(&b, 1 << 20);
    tl_buf_puts(&b, "[{\"type\":\"record\",\"name\":\"r0\",\"fields\":[{\"name\":\"a\",\"type\":\"null\"}]}");
    for (int i = 1; i <= 30; i++)
        tl_buf_printf(&b,
                      ",{\"type\":\"record\",\"name\":\"r%d\",\"fields\":[{\"name\":\"a\",\"type\":\"r%d\"},{\"name\":"
                      "\"b\",\"type\":\"r%d\"}]}",
                      i, i - 1, i - 1);
    tl_buf_puts(&b, "]");
    s = schema(b.p);
    assert_int_equal(sf_avro_decode(s, bytes_of("3c"), arena, &v, NULL), TL_LIMIT);
    sf_avro_free(s);
    s = schema("{\"type\":\"record\",\"name\":\"me\",\"fields\":[{\"name\":\"a\",\"type\":\"me\"}]}");
    assert_int_equal(sf_avro_decode(s, TL_SV(""), arena, &v, NULL), TL_LIMIT);
    sf_avro_free(s);
    tl_buf_done(&b);
}

static const char change[] =
    "{\"type\":\"record\",\"name\":\"AccountChangeEvent\",\"namespace\":\"com.sforce.eventbus\",\"fields\":["
    "{\"name\":\"ChangeEventHeader\",\"type\":{\"type\":\"record\",\"name\":\"ChangeEventHeader\",\"fields\":[{"
    "\"name\":"
    "\"changedFields\",\"type\":{\"type\":\"array\",\"items\":\"string\"}}]}},"
    "{\"name\":\"Name\",\"type\":[\"null\",\"string\"],\"doc\":\"Data:Name\",\"default\":null},"
    "{\"name\":\"BillingAddress\",\"type\":[\"null\",{\"type\":\"record\",\"name\":\"Address\",\"fields\":[{\"name\":"
    "\"Street\",\"type\":[\"null\",\"string\"]},{\"name\":\"City\",\"type\":[\"null\",\"string\"]}]}]},"
    "{\"name\":\"F3\",\"type\":[\"null\",\"double\"]},{\"name\":\"F4\",\"type\":[\"null\",\"double\"]},"
    "{\"name\":\"When__c\",\"type\":[\"null\",\"long\"],\"doc\":\"Data:DateTime:00NRM000001\"},"
    "{\"name\":\"Number__c\",\"type\":[\"null\",\"long\"],\"doc\":\"Data:Number:00NRM000002\"}]}";

static void bitmaps_of_changed_fields_become_their_names(void **state)
{
    struct sf_avro *s = schema(change);
    static const struct {
        const char *in, *out;
        bool one_way;
    } maps[] = {
        {"[\"0x02\"]", "[\"Name\"]", false},
        {"[\"0x6A\"]", "[\"Name\",\"F3\",\"When__c\",\"Number__c\"]", false},
        {"[\"0x22\",\"2-0x2\"]", "[\"Name\",\"When__c\",\"BillingAddress.City\"]", false},
        {"[\"2-0x3\"]", "[\"BillingAddress.Street\",\"BillingAddress.City\"]", false},
        {"[]", "[]", false},
        {"[\"0xFF00\"]", "[]", true}, /* a field of a newer schema */
        {"[\"Name\",\"0xzz\",\"9-0x1\",\"1-0x1\",\"0x\"]", "[\"Name\",\"0xzz\",\"9-0x1\",\"1-0x1\",\"0x\"]", true},
        {"[\"0x0000000000000000000000000000000000002\"]", "[\"Name\"]", true},
    };

    (void)state;
    for (size_t i = 0; i < TL_COUNT(maps); i++) {
        struct json names = sf_avro_names(s, parse(maps[i].in), arena);

        assert_string_equal(text_of(names), maps[i].out);
        if (!maps[i].one_way)
            assert_string_equal(text_of(sf_avro_bitmaps(s, names, arena)), maps[i].in);
    }
    sf_avro_free(s);
}

static void a_long_that_is_documented_as_a_time_is_shown_as_one(void **state)
{
    struct sf_avro *s = schema(change);
    struct json v, in = parse("{\"ChangeEventHeader\":{\"changedFields\":[]},\"When__c\":\"2026-01-02T03:04:05.000Z\","
                              "\"Number__c\":7,\"BillingAddress\":null,\"F3\":null,\"F4\":1.5}");
    struct tl_buf b;
    struct tl_err err;

    (void)state;
    tl_buf_init(&b, 1000);
    assert_int_equal(sf_avro_encode(s, in, &b, &err), TL_OK);
    assert_int_equal(sf_avro_decode(s, tl_buf_view(&b), arena, &v, &err), TL_OK);
    assert_string_equal(text_of(json_gets(v, "When__c")), "\"2026-01-02T03:04:05.000Z\"");
    assert_string_equal(text_of(json_gets(v, "Number__c")), "7");
    assert_string_equal(text_of(json_gets(v, "Name")), "null");
    tl_buf_clear(&b);
    in = parse("{\"ChangeEventHeader\":{\"changedFields\":[]},\"F3\":\"x\"}");
    assert_int_equal(sf_avro_encode(s, in, &b, &err), TL_INVALID);
    assert_non_null(strstr(err.text, "F3 has the wrong type"));
    assert_int_equal(sf_avro_encode(s, parse("{\"ChangeEventHeader\":{}}"), &b, &err), TL_INVALID);
    assert_non_null(strstr(err.text, "ChangeEventHeader.changedFields must be an array"));
    tl_buf_done(&b);
    sf_avro_free(s);
}

static int make_arena(void **state)
{
    (void)state;
    arena = tl_arena_new(64 << 20);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    tl_arena_free(arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read_and_written_as_the_specification_says),
        cmocka_unit_test(schemas_that_cannot_be_used_are_refused_with_the_place),
        cmocka_unit_test(records_that_fan_out_without_bytes_are_stopped),
        cmocka_unit_test(bitmaps_of_changed_fields_become_their_names),
        cmocka_unit_test(a_long_that_is_documented_as_a_time_is_shown_as_one),
    };

    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
