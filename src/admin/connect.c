/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect.c - one connection: does it let us in, as whom, for how long, what is left; and the grant that needs a
 * person. A connection that refuses us is an answer (200, "ok": false), not a failure of the question.
 */
#include "admin/admin_int.h"
#include "auth/auth.h"

enum { REDIRECT_MAX = 2000, CLOCK_OFF_MS = 60000 };

/* What to do about it, in our words: the first row whose words are in the vendor's text, then by the kind of failure.
 */
static const struct {
    const char *words, *fix;
} by_words[] = {
    {"there is no grant yet", "run `tieline connect NAME` and let a person agree in the browser"},
    {"invalid_client", "the client's id or its secret (or key) is not the one registered there, or the server wants "
                       "another `client_auth`; a secret may also have expired"},
    {"invalid_grant", "the grant was revoked, used up or has expired: run `tieline connect NAME` again; for an "
                      "assertion check its user (subject), audience, key, and the clock"},
    {"unauthorized_client", "allow this kind of grant for the client at the authorization server"},
    {"invalid_scope", "ask for scopes that the client may have: `scope` in the auth block"},
    {"unsupported_grant_type", "this server does not know the scheme in the auth block; choose another"},
    {"access_denied", "the person or an administrator said no: agree, or allow the application there"},
    {"stored tokens", "the file was cut short or its key was replaced: run `tieline connect NAME` again"},
    {"environment variable", "set it where `tieline run` is started, then restart"},
    {"Vault", "see `vault` in `tieline status`; it goes on by itself when Vault answers"},
    {"vault", "see `vault` in `tieline status`; it goes on by itself when Vault answers"},
    {"our client certificate", "renew it, put it in the place of the old one, and `tieline reload`"},
    {"certificate has expired", "their certificate has expired: they must renew it"},
    {"self-signed", "their certificate is signed by an authority that this machine does not know: install it"},
    {"certificate", "compare the certificate and its key with what they have registered, and their dates"},
    {"egress", "the address is private: allow it in `egress: { allow: [...] }`"},
    {"is private", "the address is private: allow it in `egress: { allow: [...] }`"},
    {"expire at once", "compare the clocks of both machines (NTP)"},
};

static const char *fix_for(enum tl_rc rc, const char *text)
{
    for (size_t i = 0; i < TL_COUNT(by_words); i++) {
        if (strstr(text, by_words[i].words))
            return by_words[i].fix;
    }
    switch (tl_rc_class(rc)) {
    case TL_CLASS_AUTH:
        return rc == TL_FORBIDDEN ? "the credentials are good, but may not do this: give the user or client the rights"
                                  : "check user, key or secret of the auth block, and whether the account was locked";
    case TL_CLASS_CONFIG:
        return "mend the configuration (`tieline check`), then `tieline reload`";
    case TL_CLASS_RATE_LIMIT:
        return "nothing: it is asked again when its limit allows";
    case TL_CLASS_TRANSIENT:
        return rc == TL_UNREACHABLE ? "check the address, the name's resolution, the network, and any proxy or firewall"
                                    : "nothing here: the other side is down or slow, deliveries wait and are retried";
    case TL_CLASS_NONE:
    case TL_CLASS_DATA:
    case TL_CLASS_BUG:
    case TL_CLASS_COUNT:
    default:
        return "look at what was sent: `tieline debug FLOW`";
    }
}

static struct json auth_json(struct tl_arena *a, struct auth *auth)
{
    struct auth_status s;
    struct json_builder b;

    if (!auth)
        return json_null();
    auth_get_status(auth, &s);
    json_object_begin(&b, a, 11);
    json_adds(&b, "scheme", json_str(s.scheme));
    json_adds(&b, "has_token", json_bool(s.has_token));
    json_adds(&b, "needs_person", json_bool(s.needs_person));
    json_adds(&b, "scopes", s.scope[0] ? json_str_copy(a, tl_sv_str(s.scope)) : json_null());
    json_adds(&b, "expires_at", admin__time_json(a, s.expires_ms));
    json_adds(&b, "paused", json_bool(s.paused));
    json_adds(&b, "reason", json_str_copy(a, tl_sv_str(s.reason)));
    json_adds(&b, "next_probe_at", admin__time_json(a, s.next_probe_ms));
    json_adds(&b, "refused_in_30_minutes", json_int(s.failures));
    json_adds(&b, "clock_ahead_ms", json_int(s.skew_ms));
    return json_end(&b);
}

static struct json error_json(struct tl_arena *a, const struct flow_connection_info *c, enum tl_rc rc,
                              const struct tl_err *failed)
{
    struct auth_status s = {.skew_ms = 0};
    struct json_builder b;
    const char *fix = fix_for(rc, failed->text);

    if (c->auth)
        auth_get_status(c->auth, &s);
    if (tl_rc_class(rc) == TL_CLASS_AUTH && (s.skew_ms > CLOCK_OFF_MS || s.skew_ms < -CLOCK_OFF_MS))
        fix = tl_arena_printf(a, "our clock is %lld minutes %s theirs: set it by NTP; then, %s",
                              (long long)((s.skew_ms < 0 ? -s.skew_ms : s.skew_ms) + 30000) / 60000,
                              s.skew_ms > 0 ? "behind" : "ahead of", fix);
    json_object_begin(&b, a, 4);
    json_adds(&b, "code", json_str(tl_rc_name(rc)));
    json_adds(&b, "class", json_str(tl_class_name(tl_rc_class(rc))));
    json_adds(&b, "text", json_str_copy(a, tl_sv_str(failed->text)));
    json_adds(&b, "fix", json_str(fix));
    return json_end(&b);
}

static struct json text_or_null(struct tl_sv s)
{
    return s.n ? json_sv(s) : json_null();
}

/* What there is to say without asking anybody. */
static enum tl_rc add_known(struct admin_call *c, const struct flow_connection_info *info, struct json_builder *b,
                            const struct queue_connection_stat **ret_stat, struct tl_err *err)
{
    struct queue_stat s;
    enum tl_rc rc = queue_stats(c->admin->queue, c->task, c->arena, &s, err);

    json_adds(b, "connection", json_str_copy(c->arena, tl_sv_str(info->name)));
    json_adds(b, "type", json_str(info->type));
    json_adds(b, "auth", auth_json(c->arena, info->auth));
    json_adds(b, "credentials", admin__credentials_json(c->admin, c->arena, info->name));
    for (size_t i = 0; rc == TL_OK && i < s.n_connections; i++) {
        if (strcmp(s.connections[i].name, info->name) != 0)
            continue;
        *ret_stat = &s.connections[i];
        json_adds(b, "budgets", admin__budgets_json(c->arena, &s.connections[i]));
    }
    return rc;
}

static enum tl_rc answer_test(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    struct connector_identity who = {.who = TL_SV("")};
    const struct queue_connection_stat *stat = NULL;
    struct json findings = JSON_NOTHING;
    struct tl_err failed = {0};
    struct json_builder b;
    bool asked = false;
    enum tl_rc rc = flow_engine_probe(c->admin->engine, c->task, info, c->arena, &who, &asked, &failed), known;

    if (rc == TL_CANCELED)
        return tl_fail(err, rc, "%s", failed.text);
    json_object_begin(&b, c->arena, 12);
    known = add_known(c, info, &b, &stat, err);
    json_adds(&b, "ok", json_bool(rc == TL_OK));
    json_adds(&b, "asked", json_bool(asked));
    json_adds(&b, "who", text_or_null(who.who));
    json_adds(&b, "where",
              who.where.n ? json_sv(who.where)
              : info->url ? json_str_copy(c->arena, tl_sv_str(info->url))
                          : json_null());
    json_adds(&b, "details", text_or_null(who.details));
    json_adds(&b, "error", rc == TL_OK ? json_null() : error_json(c->arena, info, rc, &failed));
    if (known == TL_OK && rc == TL_OK)
        known = flow_engine_verify(c->admin->engine, c->task, info, c->arena, &findings, err);
    json_adds(&b, "findings", findings.type == JSON_ARRAY ? findings : json_null());
    if (known == TL_OK && rc == TL_OK && stat && stat->held == QUEUE_HELD_CONNECTION_AUTH) { /* it lets us in again */
        if (!c->audited)
            known = admin__act(c, err, "connection %s, which lets us in again", info->name);
        if (known == TL_OK)
            known = queue_resume_connection(c->admin->queue, c->task, stat->id, err);
    }
    return known == TL_OK ? admin__answer(c, 200, json_end(&b), err) : known;
}

static enum tl_rc answer_known(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    const struct queue_connection_stat *stat = NULL;
    struct json_builder b;
    enum tl_rc rc;

    json_object_begin(&b, c->arena, 4);
    rc = add_known(c, info, &b, &stat, err);
    return rc == TL_OK ? admin__answer(c, 200, json_end(&b), err) : rc;
}

static enum tl_rc find(struct admin_call *c, struct flow_connection_info *ret, struct tl_err *err)
{
    if (!c->admin->engine || !c->task)
        return tl_fail(err, TL_UNREACHABLE, "no server is running: start `tieline run`, then connect");
    return flow_engine_connection(c->admin->engine, http_req_param(c->req, "name"), ret, err);
}

static enum tl_rc with_connection(struct admin_call *c,
                                  enum tl_rc (*fn)(struct admin_call *c, const struct flow_connection_info *info,
                                                   struct tl_err *err),
                                  struct tl_err *err)
{
    struct flow_connection_info info;
    enum tl_rc rc = find(c, &info, err);

    if (rc != TL_OK)
        return rc;
    rc = fn(c, &info, err);
    flow_plan_unref(info.plan);
    return rc;
}

static enum tl_rc get_connection(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, answer_known, err);
}

static enum tl_rc post_test(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, answer_test, err);
}

/* {"redirect_uri": "..."} -> {"url": "..."}: where the person goes; the browser comes back to the redirect_uri. */
static enum tl_rc begin(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    struct json_builder b;
    struct tl_sv redirect, url;
    struct json body;
    enum tl_rc rc = admin__body(c, &body, err);

    if (rc != TL_OK)
        return rc;
    redirect = json_text(json_gets(body, "redirect_uri"), TL_SV(""));
    if (redirect.n == 0 || redirect.n > REDIRECT_MAX)
        return tl_fail(err, TL_INVALID, "redirect_uri is missing: where the browser comes back to");
    if (!info->auth)
        return tl_fail(err, TL_INVALID, "connection %s has no authentication", info->name);
    rc = auth_connect_begin(info->auth, c->arena, redirect, &url, err);
    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "url", json_sv(url));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc post_begin(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, begin, err);
}

/* {"query": "code=...&state=..."}: what the browser brought back. The grant is on disk when this answers. */
static enum tl_rc finish(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    struct json body;
    enum tl_rc rc = admin__body(c, &body, err);

    if (rc == TL_OK && !info->auth)
        rc = tl_fail(err, TL_INVALID, "connection %s has no authentication", info->name);
    if (rc == TL_OK)
        rc = admin__act(c, err, "connection %s", info->name);
    if (rc == TL_OK)
        rc = auth_connect_finish(c->task, info->auth, json_text(json_gets(body, "query"), TL_SV("")), err);
    if (rc != TL_OK)
        return rc;
    TL_LOG(c->admin->log, TL_INFO, "connection.granted", "a person agreed; the grant is stored",
           KV_STR("connection", info->name));
    return answer_test(c, info, err);
}

static enum tl_rc post_finish(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, finish, err);
}

static struct json steps_json(struct tl_arena *a, const struct connector_prepare *p)
{
    struct json_builder list;

    json_array_begin(&list, a, p->n_steps);
    for (size_t i = 0; i < p->n_steps; i++) {
        struct json_builder b;

        json_object_begin(&b, a, 3);
        json_adds(&b, "what", json_sv(p->steps[i].what));
        json_adds(&b, "there", json_bool(p->steps[i].there));
        json_adds(&b, "text", text_or_null(p->steps[i].text));
        json_push(&list, json_end(&b));
    }
    return json_end(&list);
}

static enum tl_rc answer_steps(struct admin_call *c, const struct flow_connection_info *info, bool apply,
                               struct tl_err *err)
{
    struct connector_prepare p;
    struct json_builder b;
    enum tl_rc rc = flow_engine_prepare(c->admin->engine, c->task, info, c->arena, apply, &p, err);

    if (rc != TL_OK)
        return rc;
    json_object_begin(&b, c->arena, 3);
    json_adds(&b, "connection", json_str_copy(c->arena, tl_sv_str(info->name)));
    json_adds(&b, "applied", json_bool(apply));
    json_adds(&b, "steps", steps_json(c->arena, &p));
    return admin__answer(c, 200, json_end(&b), err);
}

static enum tl_rc plan(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    return answer_steps(c, info, false, err);
}

static enum tl_rc prepare(struct admin_call *c, const struct flow_connection_info *info, struct tl_err *err)
{
    enum tl_rc rc = admin__act(c, err, "connection %s", info->name);

    return rc == TL_OK ? answer_steps(c, info, true, err) : rc;
}

static enum tl_rc get_prepare(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, plan, err);
}

static enum tl_rc post_prepare(struct admin_call *c, struct tl_err *err)
{
    return with_connection(c, prepare, err);
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/connections/{name}",
     .fn = get_connection,
     .doc = "What is known of a connection.",
     .role = ADMIN_VIEWER},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/test",
     .fn = post_test,
     .doc = "Ask the system who we are there; a connection that is held for its credentials goes on if it lets us in.",
     .body = admin__no_fields,
     .act = "resume connection",
     .no_reason = true,
     .sometimes = true,
     .role = ADMIN_OPERATOR},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/connect",
     .fn = post_begin,
     .doc = "Begin a grant that needs a person.",
     .body = (const struct admin__field[]){{"redirect_uri", "string", "Where the browser comes back to.", true}, {0}},
     .role = ADMIN_ADMIN},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/connect/finish",
     .fn = post_finish,
     .doc = "Finish the grant.",
     .body = (const struct admin__field[]){{"query", "string", "What the browser brought back.", true}, {0}},
     .act = "connect",
     .no_reason = true,
     .role = ADMIN_ADMIN},
    {.methods = "GET",
     .pattern = "/v1/connections/{name}/prepare",
     .fn = get_prepare,
     .doc = "What the flows need of the system, and whether it is there.",
     .role = ADMIN_ADMIN},
    {.methods = "POST",
     .pattern = "/v1/connections/{name}/prepare",
     .fn = post_prepare,
     .doc = "Make what the flows need and the system lacks.",
     .body = admin__no_fields,
     .act = "prepare",
     .no_reason = true,
     .role = ADMIN_ADMIN},
};
const struct admin__table admin__connect_table = {routes, TL_COUNT(routes)};
