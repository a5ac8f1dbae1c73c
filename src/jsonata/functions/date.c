/* SPDX-License-Identifier: Apache-2.0 */
/* date.c - $now, $millis, $toMillis, $fromMillis. */
#include "jsonata/functions/functions_int.h"

static enum tl_rc fn_now(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    return jsonata_date_format(e, (double)jsonata_now_ms(e), &args[0], &args[1], ret);
}

static enum tl_rc fn_millis(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)args, (void)n;
    *ret = json_int(jsonata_now_ms(e));
    return TL_OK;
}

static enum tl_rc fn_to_millis(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    double ms;

    (void)n;
    if (args[0].type == JSON_UNDEFINED) {
        *ret = JSON_NOTHING;
        return TL_OK;
    }
    if (args[1].type != JSON_UNDEFINED)
        return jsonata_date_parse(e, args[0], args[1], ret);
    if (!jsonata_iso8601_parse(json_view(args[0]), &ms))
        return jsonata_raise(e, "D3110", args[0]);
    *ret = jsonata_number(ms);
    return TL_OK;
}

static enum tl_rc fn_from_millis(struct jsonata_eval *e, const struct json *args, size_t n, struct json *ret)
{
    (void)n;
    if (args[0].type == JSON_UNDEFINED) {
        *ret = JSON_NOTHING;
        return TL_OK;
    }
    return jsonata_date_format(e, jsonata_double(args[0]), &args[1], &args[2], ret);
}

const struct jsonata_native jsonata_date_functions[] = {{"now", "<s?s?:s>", fn_now},
                                                        {"millis", "<:n>", fn_millis},
                                                        {"toMillis", "<s-s?:n>", fn_to_millis},
                                                        {"fromMillis", "<n-s?s?:s>", fn_from_millis},
                                                        {NULL, NULL, NULL}};
