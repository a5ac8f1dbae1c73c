/* SPDX-License-Identifier: Apache-2.0 */
/* paths.c - checks of the paths of webhooks: can a request have it, and is it one flow's alone? */
#include "flow/flow_int.h"

#include <ctype.h>

static bool is_parameter(struct tl_sv segment)
{
    return segment.n > 0 && segment.p[0] == '{';
}

static bool has_escape(struct tl_sv s)
{
    for (size_t i = 0; i + 2 < s.n; i++)
        if (s.p[i] == '%' && isxdigit((unsigned char)s.p[i + 1]) && isxdigit((unsigned char)s.p[i + 2]))
            return true;
    return false;
}

static bool has_control(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f || s.p[i] == '\\')
            return true;
    return false;
}

/* What http_path_normalize makes of a request is compared with the pattern as it is. NULL: there is such a request. */
static const char *why_unreachable(struct tl_sv path, const char **ret_hint)
{
    struct tl_sv rest = tl_sv_from(path, 1), segment;

    *ret_hint = "Write the path alone, without a query or fragment.";
    if (tl_sv_find(path, '?') < path.n || tl_sv_find(path, '#') < path.n)
        return "requests are told apart by their path, and '?' and '#' end it";
    *ret_hint = "Write the character that the escape stands for.";
    if (has_escape(path))
        return "it is compared with the path after its escapes are decoded";
    *ret_hint = NULL;
    if (has_control(path))
        return "control characters and '\\' are refused in a path";
    while (tl_sv_cut(&rest, '/', &segment))
        if (tl_sv_eqs(segment, ".") || tl_sv_eqs(segment, ".."))
            return "dot segments are refused in a path";
    return NULL;
}

/* One request could have both: they differ at most in the names of parameters. */
static bool same_shape(struct tl_sv a, struct tl_sv b)
{
    struct tl_sv x, y;

    while (tl_sv_cut(&a, '/', &x)) {
        if (!tl_sv_cut(&b, '/', &y) || is_parameter(x) != is_parameter(y))
            return false;
        if (is_parameter(x) ? tl_sv_ends(x, TL_SV("*}")) != tl_sv_ends(y, TL_SV("*}")) : !tl_sv_eq(x, y))
            return false;
    }
    return !tl_sv_cut(&b, '/', &y);
}

static struct http_router *own_routes(const struct flow_plan *p)
{
    static const char *const own[] = {FLOW_PATH_HEALTHZ, FLOW_PATH_READYZ, FLOW_PATH_METRICS};
    const struct flow_metrics_conf *m = p->project->server.metrics;
    struct http_router *r = http_router_new();

    for (size_t i = 0; i < (m && m->on ? 3U : 2U); i++)
        (void)!http_router_add(r, &(struct http_route){.methods = "GET", .pattern = own[i]}, NULL);
    return r;
}

static void check_path(const struct flow_plan *p, const struct flow *f, const char *path, struct http_router *r,
                       struct config_errors *e)
{
    const struct config_node *node = config_get(config_get(f->conf->from.node, "webhook"), "path");
    const struct config_place at = node ? node->at : f->conf->from.at;
    const char *hint, *why;
    struct tl_err err = {0};
    enum tl_rc rc;

    if (path[0] != '/') {
        config_error(e, at, NULL, "the path of flow '%s' must begin with /", f->name);
        return;
    }
    why = why_unreachable(tl_sv_str(path), &hint);
    if (why) {
        config_error(e, at, hint, "no request can reach the path %s of flow '%s': %s", path, f->name, why);
        return;
    }
    rc = http_router_add(r, &(struct http_route){.methods = FLOW_WEBHOOK_METHODS, .pattern = path}, &err);
    if (rc != TL_OK && rc != TL_EXISTS)
        config_error(e, at, NULL, "the path of flow '%s': %s", f->name, err.text);
    for (const struct flow *other = p->flows; rc == TL_EXISTS && other < f; other++) {
        const struct flow_webhook_conf *theirs = other->source == FLOW_WEBHOOK ? other->conf->from.conf : NULL;

        if (!theirs || !theirs->path || !same_shape(tl_sv_str(theirs->path), tl_sv_str(path)))
            continue;
        config_error(e, at, "Give each a path of its own.", "flows '%s' and '%s' have the same path %s", other->name,
                     f->name, path);
        return;
    }
    if (rc == TL_EXISTS)
        config_error(e, at, "Give the flow another one.", "the path %s of flow '%s' is the server's own", path,
                     f->name);
}

void flow__check_paths(const struct flow_plan *p, struct config_errors *e)
{
    struct http_router *r = own_routes(p);

    for (size_t i = 0; i < p->n_flows; i++) {
        const struct flow *f = &p->flows[i];
        const struct flow_webhook_conf *w = f->source == FLOW_WEBHOOK ? f->conf->from.conf : NULL;

        if (w && w->path)
            check_path(p, f, w->path, r, e);
    }
    http_router_unref(r);
}
