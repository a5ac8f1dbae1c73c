/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vault_http.c - Vault through our HTTP client: TLS verified, bounded in time and size, nothing kept of an answer.
 * It has a client of its own: its address is the operator's, so private ranges are allowed whatever `egress:` says.
 */
#include "http/client.h"
#include "secret/vault_int.h"

enum { TIMEOUT_MS = 10000, MAX_ANSWER = 1024 * 1024 };

struct vault_http {
    struct http_client *client;
    struct http_client_tls tls; /* strings owned */
    char *config;               /* what it was made from */
};

static void wipe_answer(void *arg)
{
    struct tl_sv *body = arg;

    tl_wipe((void *)(uintptr_t)body->p, body->n);
}

static enum tl_rc call(struct task *t, void *arg, const struct secret_vault_request *r, struct tl_arena *arena,
                       int *ret_status, struct tl_sv *ret_body, struct tl_err *err)
{
    struct vault_http *h = arg;
    struct http_header headers[4] = {{TL_SV("x-vault-request"), TL_SV("true")}};
    struct http_request_out req = {.method = tl_sv_str(r->method),
                                   .url = tl_sv_str(r->url),
                                   .headers = headers,
                                   .n_headers = 1,
                                   .body = r->body,
                                   .idempotent = true,
                                   .timeout_ms = TIMEOUT_MS,
                                   .max_body = MAX_ANSWER};
    struct http_reply reply;
    struct tl_sv *kept;
    enum tl_rc rc;

    if (r->token.n > 0)
        headers[req.n_headers++] = (struct http_header){TL_SV("x-vault-token"), r->token};
    if (r->name_space != NULL)
        headers[req.n_headers++] = (struct http_header){TL_SV("x-vault-namespace"), tl_sv_str(r->name_space)};
    if (r->body.n > 0)
        headers[req.n_headers++] = (struct http_header){TL_SV("content-type"), TL_SV("application/json")};
    rc = http_client_call(t, h->client, &req, arena, &reply, err);
    if (rc != TL_OK)
        return rc;
    *ret_status = reply.status;
    *ret_body = reply.body;
    kept = tl_arena_must(arena, sizeof(*kept));
    *kept = reply.body;
    if (kept->n > 0)
        tl_arena_on_free(arena, wipe_answer, kept);
    return TL_OK;
}

static void http_free(void *arg)
{
    struct vault_http *h = arg;

    http_client_free(h->client);
    tl_free((void *)(uintptr_t)h->tls.ca_file);
    tl_free((void *)(uintptr_t)h->tls.cert_file);
    tl_free((void *)(uintptr_t)h->tls.key_file);
    tl_free(h->config);
    tl_free(h);
}

static const char *text(const char *s)
{
    return s != NULL ? s : "";
}

/* Equal texts: nothing has changed. References are no secrets. */
static char *describe(const struct secret_vault_conf *c)
{
    const struct secret_vault_login_conf *l = c->login.conf;
    TL_CLEANUP(tl_buf_done) struct tl_buf ref = {0};

    tl_buf_init(&ref, 8192);
    if (l->credential.kind == CONFIG_SECRET_LITERAL)
        tl_buf_puts(&ref, l->credential.name);
    else
        (void)config_secret_show(&l->credential, &ref);
    return tl_sprintf("%s\n%s\n%s\n%s\n%s\n%s %s %s %s %.*s\n%lld %lld", c->address, text(c->name_space), text(c->ca),
                      text(c->certificate), text(c->certificate_key), c->login.name, text(l->mount), text(l->role),
                      text(l->file), (int)ref.n, ref.p, (long long)c->refresh_ms, (long long)c->kv);
}

static char *copy(const char *s)
{
    return s != NULL ? tl_strdup(s) : NULL;
}

enum tl_rc secret_vault_use(struct secret_vault *v, const struct secret_vault_conf *conf, struct async_loop *loop,
                            struct tl_err *err)
{
    const struct secret_vault_login_conf *l = conf->login.conf;
    struct secret_vault_options o = {.address = conf->address,
                                     .name_space = conf->name_space,
                                     .login = conf->login.index == 0   ? SECRET_VAULT_TOKEN
                                              : conf->login.index == 1 ? SECRET_VAULT_APPROLE
                                                                       : SECRET_VAULT_JWT,
                                     .mount = l->mount,
                                     .role = l->role,
                                     .credential = l->credential,
                                     .credential_file = l->credential.kind == CONFIG_SECRET_NONE ? l->file : NULL,
                                     .kv1 = conf->kv == 1,
                                     .refresh_ms = conf->refresh_ms};
    struct http_client_options client = {.egress = {.allow_private = true}, .timeout_ms = TIMEOUT_MS};
    TL_CLEANUP(tl_freep) char *config = describe(conf);
    TL_CLEANUP(tl_freep) char *address = tl_strdup(conf->address);
    struct secret_vault_http port = {.call = call};
    struct vault_http *h;
    enum tl_rc rc;

    if (v->http_free == http_free && strcmp(((struct vault_http *)v->http.arg)->config, config) == 0)
        return TL_OK;
    for (size_t n = strlen(address); n > 0 && address[n - 1] == '/'; n--)
        address[n - 1] = '\0';
    o.address = address;
    h = tl_zalloc(sizeof(*h));
    h->tls = (struct http_client_tls){
        .ca_file = copy(conf->ca), .cert_file = copy(conf->certificate), .key_file = copy(conf->certificate_key)};
    client.tls = h->tls;
    rc = http_client_new(loop, &client, &h->client, err);
    if (rc != TL_OK) {
        http_free(h);
        return tl_err_prefix(err, "secrets.vault");
    }
    h->config = TL_STEAL(&config);
    port.arg = h;
    secret_vault_configure(v, &o, &port, http_free);
    return TL_OK;
}
