/* SPDX-License-Identifier: Apache-2.0 */
/* request.c - address, headers and TLS of a request, from the connection and the operation. */
#include "http/httpc_int.h"

void httpc__address_compile(struct httpc_address *a, const struct config_text *path, const struct config_map *headers,
                            struct config_errors *e)
{
    char first = path->text ? path->text[0] : '\0';

    if (first && first != '/' && first != '?' && first != '{')
        config_error(e, path->at, "Write it as /orders/{body.id}.", "the path `%.80s` does not begin with /",
                     path->text);
    a->text = tl_strdup(path->text ? path->text : "");
    a->path = connector_template_new(path, true, e);
    a->headers = tl_zalloc((headers->n + 1) * sizeof *a->headers);
    a->constant = a->path && connector_template_is_constant(a->path);
    for (size_t i = 0; i < headers->n; i++) {
        struct connector_template *t = connector_template_new(headers->entries[i].value, false, e);

        if (!t)
            continue;
        a->constant &= connector_template_is_constant(t);
        a->headers[a->n_headers++] = (struct httpc_header){tl_strdup(headers->entries[i].key), t};
    }
}

void httpc__address_done(struct httpc_address *a)
{
    tl_freep(&a->text);
    connector_template_free(a->path);
    for (size_t i = 0; i < a->n_headers; i++) {
        tl_freep(&a->headers[i].name);
        connector_template_free(a->headers[i].value);
    }
    tl_free(a->headers);
}

enum tl_rc httpc__header(struct httpc_request *r, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    size_t i = 0;

    while (i < r->out.n_headers && !tl_sv_eqi(r->headers[i].name, name))
        i++;
    if (i == TL_COUNT(r->headers))
        return tl_fail(err, TL_LIMIT, "the request has more than %zu headers", TL_COUNT(r->headers));
    if (!http_is_field_value(value))
        return tl_fail(err, TL_INVALID, "the value of header %.*s has a control character", TL_SV_ARG(name));
    r->headers[i] = (struct http_header){name, value};
    if (i == r->out.n_headers)
        r->out.n_headers++;
    r->out.headers = r->headers;
    return TL_OK;
}

/* A plain text in the file is no secret, unless the header is one that carries them. */
static bool is_secret(const struct config_map_entry *en)
{
    static const char *const words[] = {"auth", "key", "token", "secret", "password", "cookie", "session", "sign"};
    const struct config_secret *s = en->value;
    struct tl_sv name = tl_sv_str(en->key);

    if (s->kind != CONFIG_SECRET_LITERAL)
        return true;
    for (size_t i = 0; i < name.n; i++)
        for (size_t k = 0; k < TL_COUNT(words); k++)
            if (tl_sv_starts_i(tl_sv_from(name, i), tl_sv_str(words[k])))
                return true;
    return false;
}

static enum tl_rc connection_headers(struct task *task, struct connector_call *call, struct httpc_request *r,
                                     struct tl_err *err)
{
    const struct httpc_connection *c = call->connection;
    enum tl_rc rc = TL_OK;

    for (size_t i = 0; i < c->headers.n && rc == TL_OK; i++) {
        const struct config_map_entry *en = &c->headers.entries[i];
        const struct config_secret *s = en->value;
        struct tl_sv value = tl_sv_str(s->name);

        if (is_secret(en))
            rc = connector_secret(task, call, s, &value, err);
        if (rc == TL_OK && !http_is_field_value(value))
            rc = tl_fail(err, TL_CONFIG, "the secret of header %s has a control character (a line end?)", en->key);
        if (rc == TL_OK)
            rc = httpc__header(r, tl_sv_str(en->key), value, err);
    }
    return rc;
}

static enum tl_rc set_tls(struct task *task, struct connector_call *call, struct httpc_request *r, struct tl_err *err)
{
    const struct httpc_tls *tls = ((const struct httpc_connection *)call->connection)->tls;

    if (!tls)
        return TL_OK;
    r->tls = (struct http_client_tls){
        .insecure = tls->insecure != HTTPC_VERIFY, .ca_file = tls->ca, .cert_file = tls->certificate};
    r->out.tls = &r->tls;
    return tls->key.kind == CONFIG_SECRET_NONE ? TL_OK : connector_secret(task, call, &tls->key, &r->tls.key_pem, err);
}

static enum tl_rc from_record(struct task *task, struct connector_call *call, const struct httpc_address *a,
                              struct json envelope, struct httpc_request *r, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    r->out.url = tl_sv_str(a->text);
    if (a->path)
        rc = connector_template_run(task, a->path, call, envelope, &r->out.url, err);

    for (size_t i = 0; i < a->n_headers && rc == TL_OK; i++) {
        struct tl_sv value;

        rc = connector_template_run(task, a->headers[i].value, call, envelope, &value, err);
        if (rc == TL_OK && value.p)
            rc = httpc__header(r, tl_sv_str(a->headers[i].name), value, err);
    }
    return rc;
}

enum tl_rc httpc__request(struct task *task, struct connector_call *call, const struct httpc_address *a,
                          struct json envelope, int64_t timeout_ms, struct httpc_request *r, bool *ret_of_record,
                          struct tl_err *err)
{
    const struct httpc_connection *c = call->connection;
    enum tl_rc rc;

    call->endpoint = tl_sv_str(a->text);
    r->out.timeout_ms = (uint32_t)(timeout_ms > 0 ? timeout_ms : c->timeout_ms);
    rc = connection_headers(task, call, r, err);
    if (rc == TL_OK)
        rc = set_tls(task, call, r, err);
    if (rc != TL_OK)
        return rc;
    rc = from_record(task, call, a, envelope, r, err);
    if (rc != TL_OK)
        *ret_of_record = true;
    return rc;
}
