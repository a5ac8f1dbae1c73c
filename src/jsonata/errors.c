/* SPDX-License-Identifier: Apache-2.0 */
/* errors.c - what the codes of the language mean, for people; raising and placing errors. */
#include <stdio.h>

#include "jsonata/eval.h"

/* {{token}}, {{value}}, {{value2}}, {{index}}, {{type}}, {{function}} are filled in; texts as JSON, names bare after $.
 */
static const struct {
    char code[6];
    const char *text;
} messages[] = {
    {"S0101", "A string has no closing quote"},
    {"S0102", "The number {{token}} is out of range"},
    {"S0103", "A string has the escape \\{{token}}, which JSON does not know"},
    {"S0104", "The escape \\u needs four hexadecimal digits"},
    {"S0105", "A name has no closing backquote"},
    {"S0106", "A comment has no end"},
    {"S0201", "Syntax error at {{token}}"},
    {"S0202", "Expected {{value}}, found {{token}}"},
    {"S0203", "Expected {{value}} before the end of the expression"},
    {"S0204", "There is no operator {{token}}"},
    {"S0205", "Unexpected {{token}}"},
    {"S0206", "Not an expression: {{token}}"},
    {"S0207", "The expression ends too early"},
    {"S0208", "Parameter {{value}} of a function has to be a variable name, starting with $"},
    {"S0209", "A filter cannot follow a grouping in one step"},
    {"S0210", "A step can have only one grouping"},
    {"S0211", "The symbol {{token}} cannot begin an expression"},
    {"S0212", "Left of := there has to be a variable name, starting with $"},
    {"S0213", "The literal {{value}} cannot be a step of a path"},
    {"S0214", "Right of {{token}} there has to be a variable name, starting with $"},
    {"S0215", "A variable bound with @ has to come before the filters of its step"},
    {"S0216", "A variable bound with @ has to come before the order-by of its step"},
    {"S0217", "There is no step that % could be the parent of here"},
    {"S0301", "A regular expression is empty"},
    {"S0302", "A regular expression has no closing /"},
    {"S0303", "Not a regular expression: {{token}}"},
    {"S0401", "In a signature only functions and arrays take a type parameter"},
    {"S0402", "In a signature a choice of types cannot hold parameterized types"},
    {"S0501", "The expression is nested too deeply"},
    {"T0410", "Argument {{index}} of function {{token}} does not fit its signature"},
    {"T0411", "The context is no fitting value for argument {{index}} of function {{token}}"},
    {"T0412", "Argument {{index}} of function {{token}} has to be an array of {{type}}"},
    {"D1001", "The number {{value}} is out of range"},
    {"D1002", "Only a number can be negated, not {{value}}"},
    {"T1003", "The key of an object has to be a string, not {{value}}"},
    {"D1004", "A regular expression matches the empty string"},
    {"T1005", "This is not a function. Was ${{name}} meant?"},
    {"T1006", "This is not a function"},
    {"T1007", "This is not a function, so it takes no arguments. Was ${{name}} meant?"},
    {"T1008", "This is not a function, so it takes no arguments"},
    {"D1009", "Two keys of the object are the same: {{value}}"},
    {"T1010", "The matcher given to function {{token}} does not return what a matcher has to"},
    {"T2001", "The left side of {{token}} has to be a number"},
    {"T2002", "The right side of {{token}} has to be a number"},
    {"T2003", "The left side of .. has to be a whole number"},
    {"T2004", "The right side of .. has to be a whole number"},
    {"T2006", "The right side of ~> has to be a function"},
    {"T2007", "Order-by cannot compare {{value}} with {{value2}}"},
    {"T2008", "Order-by needs numbers or strings"},
    {"T2009", "The operator {{token}} cannot compare {{value}} with {{value2}}: their types differ"},
    {"T2010", "Both sides of {{token}} have to be numbers or strings"},
    {"T2011", "The update of a transform has to be an object, not {{value}}"},
    {"T2012", "What a transform deletes has to be a name or a list of names, not {{value}}"},
    {"D2014", "A range may have 10,000,000 items, not {{value}}"},
    {"D3001", "A number that is infinite or undefined has no text"},
    {"D3010", "The second argument of $replace must not be empty"},
    {"D3011", "The fourth argument of $replace must not be negative"},
    {"D3012", "The replacement of a match has to be a string"},
    {"D3020", "The third argument of $split must not be negative"},
    {"D3030", "Not a number: {{value}}"},
    {"D3040", "The third argument of $match must not be negative"},
    {"D3050", "The function given to $reduce has to take at least two arguments"},
    {"D3060", "There is no square root of the negative number {{value}}"},
    {"D3061", "{{value}} to the power of {{value2}} is out of range"},
    {"D3070", "Without a function to compare, $sort takes only numbers or only strings"},
    {"D3080", "A number picture has at most two parts"},
    {"D3081", "A part of a number picture has more than one decimal separator"},
    {"D3082", "A part of a number picture has more than one percent sign"},
    {"D3083", "A part of a number picture has more than one per-mille sign"},
    {"D3084", "A part of a number picture has both a percent and a per-mille sign"},
    {"D3085", "A part of a number picture has no digit"},
    {"D3086", "A part of a number picture has other text between its digits"},
    {"D3087", "A number picture has a grouping separator beside the decimal separator"},
    {"D3088", "The whole part of a number picture ends with a grouping separator"},
    {"D3089", "A number picture has two grouping separators side by side"},
    {"D3090", "The whole part of a number picture has an optional digit after a required one"},
    {"D3091", "The fraction of a number picture has a required digit after an optional one"},
    {"D3092", "A number picture with a percent or per-mille sign cannot have an exponent"},
    {"D3093", "The exponent of a number picture has to consist of digits"},
    {"D3100", "The radix of $formatBase goes from 2 to 36, {{value}} was given"},
    {"D3110", "Not an ISO 8601 timestamp: {{value}}"},
    {"D3120", "$eval: the text is not an expression: {{value}}"},
    {"D3121", "$eval: the expression failed: {{value}}"},
    {"D3130", "Integers cannot be written or read as a sequence that starts with {{value}}"},
    {"D3131", "The digits of a picture have to be of one family"},
    {"D3132", "A date picture has an unknown component: {{value}}"},
    {"D3133", "In a date picture only months and days have names, not {{value}}"},
    {"D3134", "The time zone of a date picture has at most four digits"},
    {"D3135", "A date picture has no closing ]"},
    {"D3136", "The date picture lacks components that the timestamp needs"},
    {"D3138", "$single() found more than one matching value"},
    {"D3139", "$single() found no matching value"},
    {"D3140", "Malformed URL passed to ${{function}}(): {{value}}"},
    {"U1001", "The evaluation was stopped: {{value}}"},
    {"U1002", "The evaluation needs more memory than it may have"},
};

static const char *type_text(char letter)
{
    static const char letters[] = "abfnos";
    static const char *const names[] = {"arrays", "booleans", "functions", "numbers", "objects", "strings"};
    const char *at = letter ? strchr(letters, letter) : NULL;

    return at ? names[at - letters] : "values";
}

static void put_value(struct tl_buf *b, struct json v)
{
    if (v.type == JSON_EXT)
        tl_buf_puts(b, "a function");
    else if (json_is_number(v) && !isfinite(json_number(v)))
        tl_buf_puts(b, isnan(json_number(v)) ? "NaN" : json_number(v) < 0 ? "-Infinity" : "Infinity");
    else if (v.type != JSON_UNDEFINED && v.type <= JSON_OBJECT)
        (void)json_write(b, v, JSON_WRITE_JS_NUMBERS);
    else
        tl_buf_puts(b, "nothing");
}

static void put_insert(struct tl_buf *b, const struct jsonata_error *error, struct tl_sv name)
{
    if (tl_sv_eqs(name, "token"))
        put_value(b, json_str(error->token));
    else if (tl_sv_eqs(name, "name"))
        tl_buf_puts(b, error->token);
    else if (tl_sv_eqs(name, "function"))
        tl_buf_puts(b, error->function);
    else if (tl_sv_eqs(name, "index"))
        tl_buf_printf(b, "%d", (int)error->index);
    else if (tl_sv_eqs(name, "type"))
        tl_buf_puts(b, type_text(error->value2.type == JSON_STRING && error->value2.n ? error->value2.u.s[0] : '\0'));
    else
        put_value(b, tl_sv_eqs(name, "value") ? error->value : error->value2);
}

static void put_message(struct tl_buf *b, const struct jsonata_error *error, struct tl_sv text)
{
    while (text.n) {
        size_t at = tl_sv_find_sv(text, TL_SV("{{")), end;

        tl_buf_sv(b, tl_sv(text.p, at));
        text = tl_sv_from(text, at);
        if (!text.n)
            break;
        end = tl_sv_find_sv(text, TL_SV("}}"));
        put_insert(b, error, tl_sv(text.p + 2, end - 2));
        text = tl_sv_from(text, end + 2);
    }
}

void errors_message(struct jsonata_error *error, struct tl_sv message)
{
    struct tl_buf b TL_CLEANUP(tl_buf_done);

    tl_buf_init(&b, 65536);
    for (size_t i = 0; !message.p && i < TL_COUNT(messages); i++)
        if (strcmp(messages[i].code, error->code) == 0)
            message = tl_sv_str(messages[i].text);
    put_message(&b, error, message.p ? message : tl_sv_str(error->code));
    if (b.failed || !b.p)
        message = TL_SV("");
    else
        message = tl_buf_view(&b);
    if (message.n >= sizeof(error->text))
        message.n = tl_utf8_valid(tl_sv(message.p, sizeof(error->text) - 1));
    memcpy(error->text, message.p, message.n);
    error->text[message.n] = '\0';
}

/* ---- raising ---- */

struct json eval_raise2(struct jsonata_eval *e, const char *code, struct json value, struct json value2)
{
    e->rc = TL_INVALID;
    e->error = (struct jsonata_error){.position = -1, .value = value, .value2 = value2};
    snprintf(e->error.code, sizeof(e->error.code), "%s", code);
    return RAISED;
}

struct json eval_raise(struct jsonata_eval *e, const char *code, struct json value)
{
    return eval_raise2(e, code, value, JSON_NOTHING);
}

static struct json stop(struct jsonata_eval *e, const char *code, const char *why)
{
    if (e->rc == TL_OK) {
        eval_raise(e, code, JSON_NOTHING);
        e->rc = TL_BUDGET;
        snprintf(e->error.text, sizeof(e->error.text), "The evaluation was stopped: %s", why);
    }
    return RAISED;
}

struct json eval_exhausted(struct jsonata_eval *e)
{
    if (!eval_stack_ok(e) || e->depth >= e->max_depth)
        return stop(e, "U1001", "it recurses too deeply; a call in tail position would not");
    if (e->rc != TL_OK)
        return RAISED;
    return stop(e, "U1002", "it needs more memory than it may have");
}

bool eval_tick_slow(struct jsonata_eval *e)
{
    if (e->rc == TL_BUDGET)
        return false;
    if ((uint64_t)(EVAL_TICKS - e->ticks) >= e->steps_left) {
        stop(e, "U1001", "it takes too many steps");
        return false;
    }
    e->steps_left -= (uint64_t)(EVAL_TICKS - e->ticks);
    e->ticks = EVAL_TICKS;
    if (tl_clock_mono_ns(e->clock) > e->deadline_ns) {
        stop(e, "U1001", "it takes too long");
        return false;
    }
    return true;
}

static void set_token(struct jsonata_eval *e, struct tl_sv token)
{
    if (token.n >= sizeof(e->error.token))
        token.n = sizeof(e->error.token) - 1;
    memcpy(e->error.token, token.p, token.n);
    e->error.token[token.n] = '\0';
    e->error.has_token = true;
}

void eval_blame(struct jsonata_eval *e, int32_t pos, struct tl_sv token)
{
    e->error.position = pos;
    if (token.p)
        set_token(e, token);
}

void eval_blame_default(struct jsonata_eval *e, int32_t pos, struct tl_sv token)
{
    if (e->error.position < 0)
        e->error.position = pos;
    if (token.p && !e->error.has_token)
        set_token(e, token);
}

/* ---- for the functions ---- */

enum tl_rc(jsonata_raise)(struct jsonata_eval *e, const char *code, struct json value)
{
    eval_raise(e, code, value);
    return e->rc;
}

enum tl_rc(jsonata_raise2)(struct jsonata_eval *e, const char *code, struct json value, struct json value2)
{
    eval_raise2(e, code, value, value2);
    return e->rc;
}

enum tl_rc(jsonata_raise_text)(struct jsonata_eval *e, const char *code, struct tl_sv message)
{
    eval_raise(e, code, JSON_NOTHING);
    if (message.n >= sizeof(e->error.text))
        message.n = tl_utf8_valid(tl_sv(message.p, sizeof(e->error.text) - 1));
    memcpy(e->error.text, message.p, message.n);
    e->error.text[message.n] = '\0';
    return e->rc;
}

enum tl_rc(jsonata_raise_function)(struct jsonata_eval *e, const char *code, const char *function, struct json value)
{
    eval_raise(e, code, value);
    snprintf(e->error.function, sizeof(e->error.function), "%s", function);
    return e->rc;
}

enum tl_rc jsonata_host_fail(struct jsonata_eval *e, const char *code, const char *fmt, ...)
{
    va_list ap;

    eval_raise(e, code, JSON_NOTHING);
    va_start(ap, fmt);
    vsnprintf(e->error.text, sizeof(e->error.text), fmt, ap);
    va_end(ap);
    return e->rc;
}

enum tl_rc(jsonata_exhausted)(struct jsonata_eval *e)
{
    eval_exhausted(e);
    return e->rc;
}

enum tl_rc jsonata_tick(struct jsonata_eval *e, uint64_t units)
{
    if (units > INT64_MAX / 2)
        units = INT64_MAX / 2;
    e->ticks -= (int64_t)units;
    return e->ticks > 0 || eval_tick_slow(e) ? TL_OK : e->rc;
}
