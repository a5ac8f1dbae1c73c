/* SPDX-License-Identifier: Apache-2.0 */
/* scalar.c - the text of one scalar into the C type of its field. A fault quotes what was written, never what came out
 * of the environment. */
#include "config/config_int.h"

#include <stdio.h>
#include <unistd.h>

char *config__shown(const struct config_node *n, char buf[64])
{
    struct tl_sv s = n->text;
    size_t cut = tl_utf8_offset(s, 30);

    if (!config__is_scalar(n) || n->kind == CONFIG_NODE_NULL)
        (void)snprintf(buf, 64, "%s", config_kind_name(n));
    else if (cut < s.n && cut < 50)
        (void)snprintf(buf, 64, "\"%.*s...\"", (int)cut, s.p);
    else
        (void)snprintf(buf, 64, "\"%.*s\"", s.n < 50 ? (int)s.n : 20, s.p);
    for (char *p = buf; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    return buf;
}

bool config__not_expected(const struct config__at *c, const char *hint)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    char shown[64];

    tl_buf_init(&b, 2000);
    config__describe(c->f, &b);
    return config__fault(c->p, c->path, c->n, hint, "must be %s, not %s", b.p ? b.p : "?", config__shown(c->n, shown));
}

static char *show_bound(enum config_type t, int64_t v, char buf[32])
{
    if (t == CONFIG_DURATION || t == CONFIG_DURATION_RANGE)
        return tl_duration_format(v, buf);
    if (t == CONFIG_SIZE)
        return tl_size_format((uint64_t)v, buf);
    (void)snprintf(buf, 32, "%lld", (long long)v);
    return buf;
}

/* max 0 means no upper bound, unless min is negative. */
static bool in_bounds(const struct config__at *c, int64_t v, const char *unit)
{
    const struct config_field *f = c->f;
    bool above = f->max > 0 || f->min < 0, below = f->min != 0 || above;
    char low[32], high[32];

    if (below && v < f->min)
        return config__fault(c->p, c->path, c->n, NULL, "must be at least %s%s", show_bound(f->type, f->min, low),
                             unit);
    if (above && v > f->max)
        return config__fault(c->p, c->path, c->n, NULL, "must be at most %s%s", show_bound(f->type, f->max, high),
                             unit);
    return true;
}

/* A number or boolean in quotes is a text, so it is refused here; a reference has to stand in quotes. */
static bool wrongly_quoted(const struct config__at *c)
{
    return c->n->quoted && tl_sv_find_sv(c->n->text, TL_SV("${")) == c->n->text.n;
}

static bool parse_int(const struct config__at *c, struct tl_sv s, void *dst)
{
    int64_t v;

    if (!tl_sv_i64(s, &v))
        return config__not_expected(c, NULL);
    if (wrongly_quoted(c))
        return config__not_expected(c, "Write the number without quotes.");
    if (!in_bounds(c, v, ""))
        return false;
    *(int64_t *)dst = v;
    return true;
}

static bool parse_double(const struct config__at *c, struct tl_sv s, void *dst)
{
    double v;

    if (!tl_sv_double(s, &v) || v != v || v > 1e300 || v < -1e300)
        return config__not_expected(c, NULL);
    if (wrongly_quoted(c))
        return config__not_expected(c, "Write the number without quotes.");
    if ((c->f->min || c->f->max) && v < (double)c->f->min)
        return config__fault(c->p, c->path, c->n, NULL, "must be at least %lld", (long long)c->f->min);
    if (c->f->max && v > (double)c->f->max)
        return config__fault(c->p, c->path, c->n, NULL, "must be at most %lld", (long long)c->f->max);
    *(double *)dst = v;
    return true;
}

static bool parse_bool(const struct config__at *c, struct tl_sv s, void *dst)
{
    bool yes = tl_sv_eqs(s, "true") || tl_sv_eqs(s, "True") || tl_sv_eqs(s, "TRUE");

    if (!yes && !tl_sv_eqs(s, "false") && !tl_sv_eqs(s, "False") && !tl_sv_eqs(s, "FALSE"))
        return config__not_expected(c, NULL);
    if (wrongly_quoted(c))
        return config__not_expected(c, "Write it without quotes.");
    *(bool *)dst = yes;
    return true;
}

static bool parse_percent(const struct config__at *c, struct tl_sv s, void *dst)
{
    double v;

    if (s.n < 2 || s.p[s.n - 1] != '%' || !tl_sv_double(tl_sv(s.p, s.n - 1), &v) || !(v >= 0 && v <= 100))
        return config__not_expected(c, NULL);
    *(double *)dst = v / 100;
    return true;
}

static bool duration(struct tl_sv s, int64_t *ret)
{
    if (tl_sv_eqs(s, "0")) {
        *ret = 0;
        return true;
    }
    return tl_duration_parse(s, ret);
}

static bool parse_duration(const struct config__at *c, struct tl_sv s, void *dst)
{
    int64_t v;

    if (!duration(s, &v))
        return config__not_expected(c, c->n->kind == CONFIG_NODE_NUMBER ? "Add a unit: ms, s, m, h or d." : NULL);
    if (!in_bounds(c, v, ""))
        return false;
    *(int64_t *)dst = v;
    return true;
}

static bool parse_range(const struct config__at *c, struct tl_sv s, void *dst)
{
    size_t dots = tl_sv_find_sv(s, TL_SV(".."));
    struct config_range r;

    if (dots == s.n || !duration(tl_sv_trim(tl_sv(s.p, dots)), &r.from) ||
        !duration(tl_sv_trim(tl_sv_from(s, dots + 2)), &r.to))
        return config__not_expected(c, NULL);
    if (r.from > r.to)
        return config__fault(c->p, c->path, c->n, NULL, "must begin with the smaller of the two durations");
    if (!in_bounds(c, r.from, "") || !in_bounds(c, r.to, ""))
        return false;
    *(struct config_range *)dst = r;
    return true;
}

static bool parse_size(const struct config__at *c, struct tl_sv s, void *dst)
{
    uint64_t v;

    if (!tl_size_parse(s, &v) || v > INT64_MAX)
        return config__not_expected(c, NULL);
    if (!in_bounds(c, (int64_t)v, ""))
        return false;
    *(uint64_t *)dst = v;
    return true;
}

static bool parse_enum(const struct config__at *c, struct tl_sv s, void *dst)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    size_t n = 0;

    for (; c->f->choices[n]; n++)
        if (tl_sv_eqs(s, c->f->choices[n])) {
            *(int *)dst = (int)n;
            return true;
        }
    tl_buf_init(&b, 2000);
    if (tl_nearest(s, c->f->choices, n))
        config__suggest(s, c->f->choices, n, &b);
    return config__not_expected(c, b.p);
}

static bool parse_string(const struct config__at *c, struct tl_sv s, void *dst)
{
    if (s.n == 0 && c->f->required)
        return config__fault(c->p, c->path, c->n, NULL, "must not be empty");
    if ((c->f->min || c->f->max) && !in_bounds(c, (int64_t)s.n, " bytes long"))
        return false;
    *(const char **)dst = s.p;
    return true;
}

static bool parse_text(const struct config__at *c, struct tl_sv s, void *dst)
{
    if (tl_sv_trim(s).n == 0)
        return config__fault(c->p, c->path, c->n, NULL, "must not be empty");
    *(struct config_text *)dst = (struct config_text){.text = s.p, .at = c->n->at};
    return true;
}

static bool parse_file(const struct config__at *c, struct tl_sv s, void *dst)
{
    const char *path;

    if (s.n == 0)
        return config__fault(c->p, c->path, c->n, NULL, "must not be empty");
    path = config__relative(c->p->arena, c->n->at, s);
    if (!path)
        return config__no_memory(c->p->e);
    if (c->f->must_exist && c->p->opt->check_files && access(path, R_OK) != 0)
        return config__fault(c->p, c->path, c->n, "The path is relative to the file it is written in.",
                             "names the file %.200s, which is not there or cannot be read", path);
    *(const char **)dst = path;
    return true;
}

static bool parse_time(const struct config__at *c, struct tl_sv s, void *dst)
{
    struct tl_err err = {0};
    enum tl_rc rc;

    if (c->f->type == CONFIG_CRON)
        rc = config_cron_parse(s, dst, &err);
    else
        rc = config_zone_load(c->p->arena, s.p, dst, &err);
    return rc == TL_OK || config__fault(c->p, c->path, c->n, NULL, "is not right: %s", err.text);
}

bool config__parse_scalar(const struct config__at *c, void *dst)
{
    struct tl_sv s = c->n->text;
    bool known = true;

    if (!config__is_scalar(c->n))
        return config__not_expected(c, NULL);
    if (c->n->kind == CONFIG_NODE_NULL)
        return config__fault(c->p, c->path, c->n, "Remove the key, or give it a value; an empty text is \"\".",
                             "has no value");
    if (!c->f->raw && c->f->type != CONFIG_EXPR && !config__interpolate(c, &s, &known))
        return false;
    if (!known) {
        c->p->unknown++;
        return true; /* warned; stays at zero */
    }
    switch (c->f->type) {
    case CONFIG_STRING:
        return parse_string(c, s, dst);
    case CONFIG_TEXT:
    case CONFIG_EXPR:
        return parse_text(c, s, dst);
    case CONFIG_INT:
        return parse_int(c, s, dst);
    case CONFIG_DOUBLE:
        return parse_double(c, s, dst);
    case CONFIG_BOOL:
        return parse_bool(c, s, dst);
    case CONFIG_PERCENT:
        return parse_percent(c, s, dst);
    case CONFIG_DURATION:
        return parse_duration(c, s, dst);
    case CONFIG_DURATION_RANGE:
        return parse_range(c, s, dst);
    case CONFIG_SIZE:
        return parse_size(c, s, dst);
    case CONFIG_ENUM:
        return parse_enum(c, s, dst);
    case CONFIG_FILE:
        return parse_file(c, s, dst);
    case CONFIG_CRON:
    case CONFIG_ZONE:
        return parse_time(c, s, dst);
    case CONFIG_URL:
    case CONFIG_HOST_PORT:
    case CONFIG_ADDRESS:
    case CONFIG_CIDR:
        return config__parse_net(c, s, dst);
    case CONFIG_SECRET:
    case CONFIG_ANY:
    case CONFIG_LIST:
    case CONFIG_MAP:
    case CONFIG_OBJECT:
    case CONFIG_OBJECT_REF:
    case CONFIG_ONE_OF:
        break;
    }
    return false;
}
