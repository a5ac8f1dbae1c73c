/* SPDX-License-Identifier: Apache-2.0 */
/*
 * account.c - the connection: from an account id to hosts, and how it proves who it is.
 *
 * One account id has two forms, and mixing them is the usual cause of INVALID_LOGIN: 1234567_SB1 in realms and
 * signatures, 1234567-sb1 in host names. Both are made from whichever was written. An id never puts anything but
 * letters, digits and one separator into a host name.
 */
#include "netsuite/netsuite_int.h"

#include <stdio.h>

#define AT(member) .offset = offsetof(struct netsuite_connection, member)
enum { HOUR = 3600000, CONCURRENCY = 4 };

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool netsuite__account(const char *text, char ret_id[NETSUITE_ACCOUNT], char ret_host[NETSUITE_ACCOUNT])
{
    size_t n = strlen(text), separators = 0;

    if (n == 0 || n >= NETSUITE_ACCOUNT || !is_alnum(text[0]) || !is_alnum(text[n - 1]))
        return false;
    for (size_t i = 0; i <= n; i++) {
        char c = text[i];
        bool between = c == '_' || c == '-';

        separators += between;
        if (i < n && !between && !is_alnum(c))
            return false;
        ret_id[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : between ? '_' : c;
        ret_host[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : between ? '-' : c;
    }
    return separators <= 1;
}

/* ---- fields ---- */

static const struct config_field *auth_at(size_t i)
{
    static const char *const names[] = {"oauth2_client_credentials", "oauth1", "oauth2_authorization_code",
                                        "oauth2_refresh_token"};

    return i < TL_COUNT(names) ? auth_scheme_field(names[i], true) : NULL;
}
const struct config_variants netsuite_auth = {.at = auth_at};

static const char *const unknown_choices[] = {"error", "warning", "ignore", NULL};
static const struct config_field fields[] = {
    {.name = "account",
     .type = CONFIG_STRING,
     AT(account),
     .required = true,
     .identity = true,
     .max = NETSUITE_ACCOUNT - 1,
     .doc = "The account id as Setup > Company > Company Information shows it. The hosts follow from it.",
     .example = "\"1234567_SB1\""},
    {.name = "auth",
     .type = CONFIG_ONE_OF,
     .variants = &netsuite_auth,
     AT(auth),
     .required = true,
     .doc = "How requests prove who we are. Client credentials need the certificate's private key and its id (kid); "
            "oauth1 is token-based authentication (TBA), for which NetSuite takes no new integrations from 2027.1 on.",
     .example = "{ oauth2_client_credentials: { client_id: 3d1a, kid: ab12, private_key: \"${file:erp.key}\" } }"},
    {.name = "url",
     .type = CONFIG_URL,
     AT(url),
     .identity = true,
     .advanced = true,
     .doc = "One address for everything instead of the account's hosts: the simulator, a proxy.",
     .example = "http://127.0.0.1:8090"},
    {.name = "timeout",
     .type = CONFIG_DURATION,
     AT(timeout_ms),
     .fallback = "2m",
     .min = 1,
     .max = HOUR,
     .doc = "Longest wait for a whole reply; saving a record runs the account's scripts and may take long."},
    {.name = "unknown_fields",
     .type = CONFIG_ENUM,
     .choices = unknown_choices,
     AT(unknown_fields),
     .fallback = "error",
     .doc = "What NetSuite does about a field it does not know: refuse the record, or drop the field with or without a "
            "warning (which is what it does by itself)."},
};

/* RFC 3986: what is put behind an address that a person wrote. */
static bool put(char out[NETSUITE_URL], const char *base, const char *path)
{
    size_t n = strlen(base);

    while (n > 0 && base[n - 1] == '/')
        n--;
    return snprintf(out, NETSUITE_URL, "%.*s%s", (int)n, base, path) < NETSUITE_URL;
}

static void check_account(void *conf, const struct config_node *node, struct config_errors *e)
{
    struct netsuite_connection *c = conf;
    char host[NETSUITE_ACCOUNT];

    if (!netsuite__account(c->account, c->id, host))
        config_error(e, config_get(node, "account")->at, "Write it as NetSuite shows it: 1234567 or 1234567_SB1.",
                     "`%.60s` is not an account id", c->account);
}

static void check_url(void *conf, const struct config_node *node, struct config_errors *e)
{
    struct netsuite_connection *c = conf;
    char host[NETSUITE_ACCOUNT], rest[NETSUITE_URL], restlets[NETSUITE_URL], app[NETSUITE_URL];

    if (!netsuite__account(c->account, c->id, host))
        return;
    (void)snprintf(rest, sizeof rest, "https://%s.suitetalk.api.netsuite.com", host);
    (void)snprintf(restlets, sizeof restlets, "https://%s.restlets.api.netsuite.com", host);
    (void)snprintf(app, sizeof app, "https://%s.app.netsuite.com", host);
    if (!put(c->rest, c->url ? c->url : rest, "") || !put(c->restlets, c->url ? c->url : restlets, "") ||
        !put(c->token, c->url ? c->url : rest, "/services/rest/auth/oauth2/v1/token") ||
        !put(c->authorize, c->url ? c->url : app, "/app/login/oauth2/authorize.nl"))
        config_error(e, node->at, NULL, "the url is longer than %d bytes", NETSUITE_URL - 60);
}
static const struct config_check checks[] = {{"account", check_account}, {"account url", check_url}};
const struct config_spec netsuite_connection_spec = {.name = "netsuite",
                                                     .size = sizeof(struct netsuite_connection),
                                                     .fields = fields,
                                                     .n_fields = TL_COUNT(fields),
                                                     CONFIG_CHECKS(checks),
                                                     .doc = "An account of NetSuite."};

/* ---- what the host asks ---- */

void netsuite__auth_defaults(const void *connection, struct auth_defaults *ret)
{
    const struct netsuite_connection *c = connection;

    *ret = (struct auth_defaults){.token_url = c->token,
                                  .authorize_url = c->authorize,
                                  .scope = "restlets rest_webservices",
                                  .realm = c->id,
                                  .rsa_alg = CRYPTO_PS256, /* RS256 is refused */
                                  .scope_in_assertion = true};
}

const char *netsuite__base_url(const void *connection)
{
    return ((const struct netsuite_connection *)connection)->rest;
}

const char *netsuite__other_url(const void *connection, size_t i)
{
    return i == 0 ? ((const struct netsuite_connection *)connection)->restlets : NULL;
}

/* The smallest service tier has 5 for all integrations, and one may use all but one of them. */
void netsuite__budgets(const void *connection, struct guard_conf *conf)
{
    (void)connection;
    if (conf->concurrency == 0)
        conf->concurrency = CONCURRENCY;
}
