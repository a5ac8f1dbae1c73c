/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the `auth:` block of a connection: one choice a scheme, from shared fields. */
#include "auth/auth_int.h"

#define AT(member) .offset = offsetof(struct auth_conf, member)
#define TEXT(field, member, need, text)                                                                                \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_STRING, .required = (need), AT(member), .doc = (text)                          \
    }
#define SECRET(field, member, need, text)                                                                              \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_SECRET, .required = (need), AT(member), .doc = (text),                         \
        .example = "${env:NAME}"                                                                                       \
    }
#define URL(field, member, need, text)                                                                                 \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_URL, .required = (need), AT(member), .doc = (text),                            \
        .example = "https://login.example.com/oauth2/token"                                                            \
    }

static const char *const places[] = {"header", "query", "cookie", NULL};
static const char *const client_auths[] = {"client_secret_basic", "client_secret_post", "private_key_jwt", "tls", NULL};
static const char *const algs[] = {"auto",  "RS256", "PS256", "PS384", "PS512",
                                   "ES256", "ES384", "ES512", "EdDSA", NULL};
static const char *const methods[] = {"HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT", NULL};
static const char *const hashes[] = {"sha256", "sha512", "sha1", NULL};
static const char *const encodings[] = {"hex", "base64", NULL};
static const struct config_field text_item = {.type = CONFIG_STRING};

#define CERTIFICATE                                                                                                    \
    {.name = "certificate", .type = CONFIG_FILE, AT(cert_file), .doc = "Client certificate (PEM) for mutual TLS."},    \
    {                                                                                                                  \
        .name = "certificate_key", .type = CONFIG_FILE, AT(key_file), .doc = "Private key (PEM) of the certificate."   \
    }
#define TOKEN_ENDPOINT(need)                                                                                           \
    URL("token_url", token_url, need, "The token endpoint."),                                                          \
        TEXT("client_id", client_id, true, "The client's id at the authorization server."),                            \
        SECRET("client_secret", client_secret, false, "The client's secret."),                                         \
        {.name = "client_auth",                                                                                        \
         .type = CONFIG_ENUM,                                                                                          \
         .choices = client_auths,                                                                                      \
         .fallback = "client_secret_basic",                                                                            \
         AT(client_auth),                                                                                              \
         .doc =                                                                                                        \
             "How the client proves who it is; private_key_jwt where there is a private_key and no client_secret."},   \
        TEXT("scope", scope, false, "Scopes, separated by spaces."),                                                   \
        TEXT("audience", audience, false, "Whom the token is for; in an assertion its aud."),                          \
        {.name = "expires_in",                                                                                         \
         .type = CONFIG_DURATION,                                                                                      \
         AT(expires_in_ms),                                                                                            \
         .max = INT64_C(31536000000),                                                                                  \
         .example = "1h",                                                                                              \
         .doc = "Lifetime assumed where the server does not say one."},                                                \
        {.name = "parameters",                                                                                         \
         .type = CONFIG_MAP,                                                                                           \
         .item = &text_item,                                                                                           \
         AT(extra),                                                                                                    \
         .doc = "More parameters of the token request."},                                                              \
        {.name = "ca",                                                                                                 \
         .type = CONFIG_FILE,                                                                                          \
         AT(ca_file),                                                                                                  \
         .doc = "Authorities (PEM) that sign the token server's certificate; the system's if absent."},                \
        CERTIFICATE
#define PRIVATE_KEY                                                                                                    \
    SECRET("private_key", private_key, false, "Private key (PEM) that signs assertions."),                             \
        SECRET("passphrase", passphrase, false, "Passphrase of the private key."),                                     \
        TEXT("kid", kid, false, "Key id put into the assertion's header."),                                            \
    {                                                                                                                  \
        .name = "alg", .type = CONFIG_ENUM, .choices = algs, .fallback = "auto", AT(alg),                              \
        .doc = "Signature algorithm of assertions; auto: what the key and the system are made for."                    \
    }
#define SPEC(ident, text)                                                                                              \
    static const struct config_spec ident##_spec = CONFIG_SPEC("auth." #ident, struct auth_conf, ident##_fields, text)

static const struct config_field none_fields[] = {CERTIFICATE};
SPEC(none, "No credentials.");
static const struct config_field basic_fields[] = {{.name = "user",
                                                    .type = CONFIG_SECRET,
                                                    .raw = true,
                                                    .required = true,
                                                    AT(login),
                                                    .doc = "User name; a text, or a reference where it changes with "
                                                           "the password (credentials that Vault makes).",
                                                    .example = "tieline"},
                                                   SECRET("password", password, true, "Password."),
                                                   CERTIFICATE};
SPEC(basic, "HTTP Basic (RFC 7617).");
static const struct config_field api_key_fields[] = {SECRET("key", value, true, "The API key."),
                                                     {.name = "in",
                                                      .type = CONFIG_ENUM,
                                                      .choices = places,
                                                      .fallback = "header",
                                                      AT(place),
                                                      .doc = "Where the key goes."},
                                                     {.name = "name",
                                                      .type = CONFIG_STRING,
                                                      .fallback = "x-api-key",
                                                      AT(name),
                                                      .doc = "Name of the header, parameter or cookie."},
                                                     {.name = "prefix",
                                                      .type = CONFIG_STRING,
                                                      .raw = true,
                                                      AT(prefix),
                                                      .doc = "Text before the key in a header.",
                                                      .example = "Token "},
                                                     CERTIFICATE};
SPEC(api_key, "An API key.");
static const struct config_field bearer_fields[] = {SECRET("token", value, true, "The token."), CERTIFICATE};
SPEC(bearer, "A fixed bearer token (RFC 6750).");
/* Each twice: where the token endpoint must be written, and where the connector knows it (auth_scheme_field). */
#define OAUTH2(ident, text, ...)                                                                                       \
    static const struct config_field ident##_fields[] = {__VA_ARGS__};                                                 \
    SPEC(ident, text)
#define CLIENT(need) TOKEN_ENDPOINT(need), PRIVATE_KEY
#define REFRESH(need)                                                                                                  \
    SECRET("refresh_token", refresh_token, true, "The first refresh token; newer ones are kept."),                     \
        TOKEN_ENDPOINT(need), PRIVATE_KEY
#define CODE(need)                                                                                                     \
    URL("authorize_url", authorize_url, need, "Where the person agrees."), TOKEN_ENDPOINT(need), PRIVATE_KEY
#define JWT(need)                                                                                                      \
    TEXT("issuer", issuer, false, "iss of the assertion; the default is client_id."),                                  \
        TEXT("subject", subject, false, "sub of the assertion: the user it acts for."), TOKEN_ENDPOINT(need),          \
        PRIVATE_KEY
#define PASSWORD(need)                                                                                                 \
    TEXT("user", user, true, "User name."), SECRET("password", password, true, "Password."), TOKEN_ENDPOINT(need)
static const char client_doc[] = "OAuth 2.0 client credentials (RFC 6749 4.4).",
                  refresh_doc[] = "OAuth 2.0 refresh token (RFC 6749 6), with rotation.",
                  code_doc[] = "OAuth 2.0 authorization code with PKCE: `tieline connect NAME`.",
                  jwt_doc[] = "OAuth 2.0 JWT bearer (RFC 7523): Salesforce, Google service accounts.",
                  password_doc[] = "OAuth 2.0 resource owner password (RFC 6749 4.3): Salesforce only.";
OAUTH2(client, client_doc, CLIENT(true));
OAUTH2(client_known, client_doc, CLIENT(false));
OAUTH2(refresh, refresh_doc, REFRESH(true));
OAUTH2(refresh_known, refresh_doc, REFRESH(false));
OAUTH2(code, code_doc, CODE(true));
OAUTH2(code_known, code_doc, CODE(false));
OAUTH2(jwt, jwt_doc, JWT(true));
OAUTH2(jwt_known, jwt_doc, JWT(false));
OAUTH2(password, password_doc, PASSWORD(true));
OAUTH2(password_known, password_doc, PASSWORD(false));
static const struct config_field oauth1_fields[] = {
    TEXT("consumer_key", consumer_key, true, "Consumer key."),
    SECRET("consumer_secret", consumer_secret, true, "Consumer secret."),
    TEXT("token", token, false, "Token id."),
    SECRET("token_secret", token_secret, false, "Token secret."),
    TEXT("realm", realm, false, "Realm; NetSuite: the account id (1234567_SB1)."),
    {.name = "method",
     .type = CONFIG_ENUM,
     .choices = methods,
     .fallback = "HMAC-SHA256",
     AT(method),
     .doc = "Signature method."}};
SPEC(oauth1, "OAuth 1.0a (RFC 5849): NetSuite token-based authentication.");
static const struct config_field hmac_fields[] = {
    SECRET("secret", value, true, "The key of the HMAC."),
    TEXT("header", name, true, "Header for the signature."),
    {.name = "prefix",
     .type = CONFIG_STRING,
     .raw = true,
     AT(prefix),
     .doc = "Text before the signature.",
     .example = "sha256="},
    {.name = "signed_text",
     .type = CONFIG_STRING,
     .raw = true,
     .fallback = "{timestamp}.{body}",
     AT(signed_text),
     .doc = "What is signed: {method}, {url}, {path}, {timestamp}, {body}, {body_sha256}, and text between them."},
    TEXT("timestamp_header", timestamp_header, false, "Header for the signed time (seconds)."),
    {.name = "hash",
     .type = CONFIG_ENUM,
     .choices = hashes,
     .fallback = "sha256",
     AT(hash),
     .doc = "The hash of the HMAC."},
    {.name = "encoding",
     .type = CONFIG_ENUM,
     .choices = encodings,
     .fallback = "hex",
     AT(encoding),
     .doc = "How the signature is written."}};
SPEC(hmac, "Generic HMAC request signing.");
static const struct config_field standard_fields[] = {
    SECRET("secret", value, true, "The signing secret: whsec_ and base64."),
    SECRET("previous", client_secret, false, "The secret before, while it is being replaced: both sign."),
};
SPEC(standard, "Requests signed as Standard Webhooks.");
static const struct config_field mtls_fields[] = {
    {.name = "certificate", .type = CONFIG_FILE, .required = true, AT(cert_file), .doc = "Client certificate (PEM)."},
    {.name = "certificate_key",
     .type = CONFIG_FILE,
     .required = true,
     AT(key_file),
     .doc = "Private key (PEM) of the certificate."}};
SPEC(mtls, "Mutual TLS alone.");

#define CHOICE(scheme, with, text)                                                                                     \
    {                                                                                                                  \
        .name = (scheme), .type = CONFIG_OBJECT_REF, .spec = &(with), .doc = (text)                                    \
    }
static const struct config_field choices[] = {
    CHOICE("none", none_spec, "No credentials."),
    CHOICE("basic", basic_spec, "User name and password."),
    CHOICE("api_key", api_key_spec, "An API key in a header, the query or a cookie."),
    CHOICE("bearer", bearer_spec, "A fixed bearer token."),
    CHOICE("oauth2_client_credentials", client_spec, "OAuth 2.0 client credentials."),
    CHOICE("oauth2_refresh_token", refresh_spec, "OAuth 2.0 with a refresh token that is there already."),
    CHOICE("oauth2_authorization_code", code_spec, "OAuth 2.0 where a person agrees once."),
    CHOICE("oauth2_jwt_bearer", jwt_spec, "OAuth 2.0 JWT bearer."),
    CHOICE("oauth2_password", password_spec, "OAuth 2.0 with a user's password."),
    CHOICE("oauth1", oauth1_spec, "OAuth 1.0a."),
    CHOICE("hmac", hmac_spec, "Generic HMAC signing."),
    CHOICE("standard_webhooks", standard_spec, "Signed as Standard Webhooks."),
    CHOICE("mtls", mtls_spec, "Mutual TLS."),
};

static const struct config_field known[] = {
    CHOICE("oauth2_client_credentials", client_known_spec, "OAuth 2.0 client credentials."),
    CHOICE("oauth2_refresh_token", refresh_known_spec, "OAuth 2.0 with a refresh token that is there already."),
    CHOICE("oauth2_authorization_code", code_known_spec, "OAuth 2.0 where a person agrees once."),
    CHOICE("oauth2_jwt_bearer", jwt_known_spec, "OAuth 2.0 JWT bearer."),
    CHOICE("oauth2_password", password_known_spec, "OAuth 2.0 with a user's password."),
};

const struct config_variants auth_schemes = CONFIG_VARIANTS(choices);

const struct config_field *auth_scheme_field(const char *name, bool server_known)
{
    for (size_t i = 0; server_known && i < TL_COUNT(known); i++)
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
    for (size_t i = 0; i < TL_COUNT(choices); i++)
        if (strcmp(choices[i].name, name) == 0)
            return &choices[i];
    return NULL;
}
