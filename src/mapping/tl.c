/* SPDX-License-Identifier: Apache-2.0 */
/* tl.c - the table of $tl, and its functions on decimals, digests and tables. */
#include "crypto/crypto.h"
#include "mapping/tl_int.h"

enum tl_rc tl_bad_argument(struct jsonata_eval *e, const char *function, const char *wants)
{
    return jsonata_host_fail(e, "TL001", "$tl.%s takes %s", function, wants);
}

enum tl_rc tl_no_memory(struct jsonata_eval *e)
{
    return jsonata_host_fail(e, "TL002", "the memory limit is used up");
}

enum tl_rc tl_return_text(struct jsonata_eval *e, struct tl_sv text, struct json *ret)
{
    struct json v = json_str_copy(jsonata_arena(e), text);

    if (v.type == JSON_UNDEFINED)
        return tl_no_memory(e);
    *ret = v;
    return TL_OK;
}

/* ---- decimals ---- */

bool tl_decimal_of(struct json v, struct decimal *ret)
{
    char text[32];

    if (v.type == JSON_DECIMAL || v.type == JSON_STRING)
        return decimal_parse(json_view(v), ret);
    if (v.type == JSON_INT) {
        *ret = (struct decimal){v.u.i, 0};
        return true;
    }
    return v.type == JSON_DOUBLE && decimal_parse(tl_sv(text, json_format_double(v.u.d, text)), ret);
}

enum tl_rc tl_return_decimal(struct jsonata_eval *e, struct decimal d, struct json *ret)
{
    char text[48];
    size_t n = decimal_format(d, text);
    struct tl_sv copy;

    if (d.scale == 0 && d.digits >= INT64_MIN && d.digits <= INT64_MAX) {
        *ret = json_int((int64_t)d.digits);
        return TL_OK;
    }
    copy = tl_arena_sv(jsonata_arena(e), tl_sv(text, n));
    if (!copy.p)
        return tl_no_memory(e);
    *ret = (struct json){.type = JSON_DECIMAL, .n = (uint32_t)n, .u.s = copy.p};
    return TL_OK;
}

static enum tl_rc too_large(struct jsonata_eval *e)
{
    return jsonata_host_fail(e, "TL003", "a decimal number needs more than 38 digits");
}

typedef bool (*operation)(struct decimal a, struct decimal b, struct decimal *ret);

static bool subtract(struct decimal a, struct decimal b, struct decimal *ret)
{
    b.digits = -b.digits;
    return decimal_add(a, b, ret);
}

static enum tl_rc fold(struct jsonata_eval *e, const char *name, operation op, const struct json *items, size_t n,
                       struct json *ret)
{
    struct decimal total = {0}, d;

    for (size_t i = 0; i < n; i++) {
        if (items[i].type == JSON_UNDEFINED)
            return TL_OK; /* as the operators of the language do */
        if (!tl_decimal_of(items[i], &d))
            return tl_bad_argument(e, name, "numbers, or texts that spell numbers of at most 38 digits");
        if (i == 0)
            total = d;
        else if (!op(total, d, &total))
            return too_large(e);
    }
    return tl_return_decimal(e, total, ret);
}

static enum tl_rc fn_add(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    if (n == 1 && args[0].type == JSON_ARRAY)
        return fold(e, "add", decimal_add, args[0].u.items, args[0].n, ret);
    return fold(e, "add", decimal_add, args, n, ret);
}
static enum tl_rc fn_sub(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    return fold(e, "sub", subtract, args, n, ret);
}
static enum tl_rc fn_mul(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    return fold(e, "mul", decimal_mul, args, n, ret);
}

/* The trailing (scale, mode) of div and round. */
static bool rounding_of(const struct json *args, size_t n, size_t at, int64_t *scale, enum decimal_rounding *mode)
{
    struct json m = tl_arg(args, n, at + 1);

    *mode = DECIMAL_HALF_UP;
    if (tl_arg(args, n, at).type != JSON_UNDEFINED && !json_int64(args[at], scale))
        return false;
    return *scale >= 0 && *scale <= 38 &&
           (m.type == JSON_UNDEFINED || decimal_rounding_parse(json_text(m, TL_SV_NULL), mode));
}

static enum tl_rc fn_div(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    enum decimal_rounding mode;
    struct decimal a, b;
    int64_t scale = 10;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED || tl_arg(args, n, 1).type == JSON_UNDEFINED)
        return TL_OK;
    if (!tl_decimal_of(args[0], &a) || !tl_decimal_of(args[1], &b) || !rounding_of(args, n, 2, &scale, &mode))
        return tl_bad_argument(e, "div", "two numbers, then optionally places (0 to 38) and a rounding mode");
    if (b.digits == 0)
        return jsonata_host_fail(e, "TL004", "division by zero");
    if (!decimal_div(a, b, (int)scale, mode, &a))
        return too_large(e);
    return tl_return_decimal(e, a, ret);
}

static enum tl_rc fn_round(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    enum decimal_rounding mode;
    struct decimal a;
    int64_t scale = 0;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED)
        return TL_OK;
    if (!tl_decimal_of(args[0], &a) || !rounding_of(args, n, 1, &scale, &mode))
        return tl_bad_argument(e, "round", "a number, then optionally places (0 to 38) and a rounding mode");
    if (!decimal_round(a, (int)scale, mode, &a))
        return too_large(e);
    return tl_return_decimal(e, a, ret);
}

static enum tl_rc fn_compare(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct decimal a, b;
    int order;

    if (tl_arg(args, n, 0).type == JSON_UNDEFINED || tl_arg(args, n, 1).type == JSON_UNDEFINED)
        return TL_OK;
    if (!tl_decimal_of(args[0], &a) || !tl_decimal_of(args[1], &b))
        return tl_bad_argument(e, "compare", "two numbers");
    if (!decimal_cmp(a, b, &order))
        return too_large(e);
    *ret = json_int(order);
    return TL_OK;
}

static enum tl_rc fn_decimal(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json v = tl_arg(args, n, 0);
    struct decimal d;

    if (v.type == JSON_UNDEFINED)
        return TL_OK;
    if (v.type == JSON_STRING ? !decimal_read_amount(json_view(v), &d) : !tl_decimal_of(v, &d))
        return tl_bad_argument(e, "decimal", "a number or an amount such as \"$1,234.56\"");
    return tl_return_decimal(e, d, ret);
}

/* ---- identifiers and digests ---- */

static enum tl_rc fn_uuid(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    char text[37];

    (void)args;
    (void)n;
    return tl_return_text(e, tl_sv(tl_uuid4(text), 36), ret);
}

static enum tl_rc return_digest(struct jsonata_eval *e, const uint8_t *digest, size_t size, struct json encoding,
                                struct json *ret)
{
    struct tl_sv how = json_text(encoding, TL_SV("hex"));
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 256);
    if (tl_sv_eqs(how, "hex"))
        (void)tl_hex_encode(&b, digest, size);
    else if (tl_sv_eqs(how, "base64"))
        (void)tl_base64_encode(&b, digest, size);
    else if (tl_sv_eqs(how, "base64url"))
        (void)tl_base64url_encode(&b, digest, size);
    else
        return jsonata_host_fail(e, "TL001", "an encoding is hex, base64 or base64url");
    return tl_return_text(e, tl_buf_view(&b), ret);
}

/* hash(text, algorithm = "sha256", encoding = "hex") */
static enum tl_rc fn_hash(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json text = tl_arg(args, n, 0);
    uint8_t digest[CRYPTO_MAX_DIGEST];
    enum crypto_hash h;
    const struct mapping *m = jsonata_host(e);
    struct tl_sv part;
    size_t size;

    if (text.type == JSON_UNDEFINED)
        return TL_OK;
    if (text.type != JSON_STRING || !crypto_hash_parse(json_text(tl_arg(args, n, 1), TL_SV("sha256")), &h))
        return tl_bad_argument(e, "hash", "a text, then optionally sha1, sha256, sha384 or sha512, and an encoding");
    part = json_view(text);
    size = crypto_digest(m->crypto, h, &part, 1, digest);
    return return_digest(e, digest, size, tl_arg(args, n, 2), ret);
}

/* hmac(text, key, algorithm = "sha256", encoding = "hex") */
static enum tl_rc fn_hmac(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    struct json text = tl_arg(args, n, 0), key = tl_arg(args, n, 1);
    uint8_t digest[CRYPTO_MAX_DIGEST];
    const struct mapping *mapping = jsonata_host(e);
    struct crypto_hmac *m;
    enum crypto_hash h;
    struct tl_sv part;
    size_t size;

    if (text.type == JSON_UNDEFINED)
        return TL_OK;
    if (text.type != JSON_STRING || key.type != JSON_STRING ||
        !crypto_hash_parse(json_text(tl_arg(args, n, 2), TL_SV("sha256")), &h))
        return tl_bad_argument(e, "hmac", "a text and a key, then optionally an algorithm and an encoding");
    m = crypto_hmac_new(mapping->crypto, h, json_view(key));
    part = json_view(text);
    size = crypto_hmac_sum(m, &part, 1, digest);
    crypto_hmac_free(m);
    return return_digest(e, digest, size, tl_arg(args, n, 3), ret);
}

/* ---- tables ---- */

/* lookup(table, key, default): the table is a name of the mapping's tables or an object. */
static enum tl_rc fn_lookup(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    const struct mapping *m = jsonata_host(e);
    struct json table = tl_arg(args, n, 0), key = tl_arg(args, n, 1), found;
    char room[32];
    struct tl_sv name;

    if (table.type == JSON_STRING) {
        name = json_view(table);
        table = m ? json_get(m->lookups, name) : JSON_NOTHING;
        if (table.type != JSON_OBJECT)
            return jsonata_host_fail(e, "TL005", "there is no look-up table \"%.*s\"", TL_SV_ARG(name));
    }
    if (table.type != JSON_OBJECT)
        return tl_bad_argument(e, "lookup", "the name of a table or an object, a key, and optionally a default");
    name = json_text(key, TL_SV(""));
    if (json_is_number(key))
        name = key.type == JSON_DECIMAL ? json_view(key) : tl_sv(room, json_format_double(json_number(key), room));
    else if (key.type == JSON_BOOL)
        name = key.u.b ? TL_SV("true") : TL_SV("false");
    found = key.type == JSON_UNDEFINED ? JSON_NOTHING : json_get(table, name);
    *ret = found.type == JSON_UNDEFINED ? tl_arg(args, n, 2) : found;
    return TL_OK;
}

static const struct jsonata_native functions[] = {
    {"add", NULL, fn_add},
    {"sum", NULL, fn_add},
    {"sub", NULL, fn_sub},
    {"mul", NULL, fn_mul},
    {"div", NULL, fn_div},
    {"round", NULL, fn_round},
    {"compare", NULL, fn_compare},
    {"decimal", NULL, fn_decimal},
    {"uuid", NULL, fn_uuid},
    {"hash", NULL, fn_hash},
    {"hmac", NULL, fn_hmac},
    {"lookup", NULL, fn_lookup},
    {"parseCsv", NULL, mapping_tl_parse_csv},
    {"toCsv", NULL, mapping_tl_to_csv},
    {"parseXml", NULL, mapping_tl_parse_xml},
    {"toXml", NULL, mapping_tl_to_xml},
    {"parseJson", NULL, mapping_tl_parse_json},
    {"dateAdd", NULL, mapping_tl_date_add},
    {"dateDiff", NULL, mapping_tl_date_diff},
    {"toEpoch", NULL, mapping_tl_to_epoch},
    {"toIso", NULL, mapping_tl_to_iso},
    {"boolean", NULL, mapping_tl_boolean},
    {"phone", NULL, mapping_tl_phone},
    {"country", NULL, mapping_tl_country},
    {"field", NULL, tl_convert_field},
};

const struct jsonata_namespace mapping_tl = {"tl", functions, TL_COUNT(functions)};
