/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the `secrets:` block: how often sources are read again, and where Vault is. */
#include "secret/secret_int.h"

#define AT(type, member) .offset = offsetof(struct type, member)
#define MOUNT(fallback_text)                                                                                           \
    {                                                                                                                  \
        .name = "mount", .type = CONFIG_STRING, AT(secret_vault_login_conf, mount), .fallback = (fallback_text),       \
        .doc = "Where the login method is mounted."                                                                    \
    }
#define ROLE(field, text)                                                                                              \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_STRING, AT(secret_vault_login_conf, role), .required = true, .doc = (text)     \
    }
#define CREDENTIAL(field, need, text)                                                                                  \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_SECRET, AT(secret_vault_login_conf, credential), .required = (need),           \
        .doc = (text), .example = "${env:NAME}"                                                                        \
    }

static void check_credential(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct secret_vault_login_conf *c = conf;

    if (c->credential.kind == CONFIG_SECRET_VAULT)
        config_error(e, node->at, "Use ${env:...}, ${file:...}, ${systemd:...} or ${store:...}.",
                     "what opens Vault cannot be kept in Vault");
}

static void check_either(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct secret_vault_login_conf *c = conf;

    if (c->credential.kind == CONFIG_SECRET_NONE && c->file == NULL)
        config_error(e, node->at, "Give `jwt: REFERENCE` or `jwt_file: PATH`.",
                     "the token for Vault's login is missing");
}

static const struct config_field token_fields[] = {
    CREDENTIAL("token", true, "A token of Vault; it is renewed when it can be.")};
static const struct config_check token_checks[] = {{"token", check_credential}};
static const struct config_spec token_spec = {.name = "vault.token",
                                              .size = sizeof(struct secret_vault_login_conf),
                                              .fields = token_fields,
                                              .n_fields = TL_COUNT(token_fields),
                                              .doc = "A token that is there already.",
                                              CONFIG_CHECKS(token_checks)};
static const struct config_field approle_fields[] = {ROLE("role_id", "The AppRole's role id."),
                                                     CREDENTIAL("secret_id", true, "The AppRole's secret id."),
                                                     MOUNT("approle")};
static const struct config_check approle_checks[] = {{"secret_id", check_credential}};
static const struct config_spec approle_spec = {.name = "vault.approle",
                                                .size = sizeof(struct secret_vault_login_conf),
                                                .fields = approle_fields,
                                                .n_fields = TL_COUNT(approle_fields),
                                                .doc = "Login by AppRole.",
                                                CONFIG_CHECKS(approle_checks)};
static const struct config_field kubernetes_fields[] = {
    ROLE("role", "The role of Vault's Kubernetes login."),
    {.name = "jwt_file",
     .type = CONFIG_FILE,
     AT(secret_vault_login_conf, file),
     .fallback = "/var/run/secrets/kubernetes.io/serviceaccount/token",
     .doc = "The token of the service account; read anew at each login."},
    MOUNT("kubernetes")};
static const struct config_spec kubernetes_spec = {.name = "vault.kubernetes",
                                                   .size = sizeof(struct secret_vault_login_conf),
                                                   .fields = kubernetes_fields,
                                                   .n_fields = TL_COUNT(kubernetes_fields),
                                                   .doc = "Login by the service account of a pod."};
static const struct config_field jwt_fields[] = {ROLE("role", "The role of Vault's JWT login."),
                                                 CREDENTIAL("jwt", false, "The JWT."),
                                                 {.name = "jwt_file",
                                                  .type = CONFIG_FILE,
                                                  AT(secret_vault_login_conf, file),
                                                  .doc = "A file that holds the JWT instead; read anew at each login."},
                                                 MOUNT("jwt")};
static const struct config_check jwt_checks[] = {{"jwt", check_credential}, {"jwt jwt_file", check_either}};
static const struct config_spec jwt_spec = {.name = "vault.jwt",
                                            .size = sizeof(struct secret_vault_login_conf),
                                            .fields = jwt_fields,
                                            .n_fields = TL_COUNT(jwt_fields),
                                            .doc = "Login by a JWT that Vault trusts the issuer of.",
                                            CONFIG_CHECKS(jwt_checks)};
/* In the order of enum secret_vault_login, with Kubernetes last. */
static const struct config_field logins[] = {
    {.name = "token", .type = CONFIG_OBJECT_REF, .spec = &token_spec, .doc = "A token that is there already."},
    {.name = "approle", .type = CONFIG_OBJECT_REF, .spec = &approle_spec, .doc = "AppRole."},
    {.name = "jwt", .type = CONFIG_OBJECT_REF, .spec = &jwt_spec, .doc = "A JWT."},
    {.name = "kubernetes", .type = CONFIG_OBJECT_REF, .spec = &kubernetes_spec, .doc = "A Kubernetes service account."},
};
static const struct config_variants login_variants = CONFIG_VARIANTS(logins);

static void check_address(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct secret_vault_conf *c = conf;
    static const char *const near[] = {"http://127.", "http://localhost", "http://[::1]"};
    bool clear = tl_sv_starts(tl_sv_str(c->address), TL_SV("http://"));

    for (size_t i = 0; i < TL_COUNT(near); i++)
        clear = clear && !tl_sv_starts(tl_sv_str(c->address), tl_sv_str(near[i]));
    if (clear)
        config_warn(e, node->at, "Use https and, for a private authority, `ca`.",
                    "Vault's answers travel in the clear: secrets.vault.address is not https");
}

static void check_pair(void *conf, const struct config_node *node, struct config_errors *e)
{
    const struct secret_vault_conf *c = conf;

    if ((c->certificate == NULL) != (c->certificate_key == NULL))
        config_error(e, node->at, NULL, "`certificate` and `certificate_key` are given together or not at all");
}

static const struct config_field vault_fields[] = {
    {.name = "address",
     .type = CONFIG_URL,
     AT(secret_vault_conf, address),
     .required = true,
     .doc = "Where Vault or OpenBao is, without /v1.",
     .example = "https://vault.example.com:8200"},
    {.name = "namespace",
     .type = CONFIG_STRING,
     AT(secret_vault_conf, name_space),
     .doc = "Namespace of every request."},
    {.name = "login",
     .type = CONFIG_ONE_OF,
     .variants = &login_variants,
     AT(secret_vault_conf, login),
     .required = true,
     .doc = "How we prove who we are."},
    {.name = "ca",
     .type = CONFIG_FILE,
     AT(secret_vault_conf, ca),
     .must_exist = true,
     .doc = "Authorities that may have signed its certificate (PEM); default: the system's."},
    {.name = "certificate",
     .type = CONFIG_FILE,
     AT(secret_vault_conf, certificate),
     .must_exist = true,
     .doc = "Client certificate (PEM), where Vault wants one."},
    {.name = "certificate_key",
     .type = CONFIG_FILE,
     AT(secret_vault_conf, certificate_key),
     .must_exist = true,
     .doc = "Private key (PEM) of the certificate."},
    {.name = "refresh",
     .type = CONFIG_DURATION,
     AT(secret_vault_conf, refresh_ms),
     .fallback = "5m",
     .min = 1000,
     .max = 86400000,
     .doc = "A value without a lease is read again when it is older."},
    {.name = "kv",
     .type = CONFIG_INT,
     AT(secret_vault_conf, kv),
     .fallback = "2",
     .min = 1,
     .max = 2,
     .doc = "Version of KV mounts where our policies do not allow to ask Vault for it.",
     .advanced = true},
};
static const struct config_check vault_checks[] = {{"address", check_address},
                                                   {"certificate certificate_key", check_pair}};
static const struct config_spec vault_spec = {.name = "vault",
                                              .size = sizeof(struct secret_vault_conf),
                                              .fields = vault_fields,
                                              .n_fields = TL_COUNT(vault_fields),
                                              .doc = "HashiCorp Vault or OpenBao, for ${vault:mount/path#key}.",
                                              CONFIG_CHECKS(vault_checks)};
static const struct config_field secret_fields[] = {
    {.name = "every",
     .type = CONFIG_DURATION,
     AT(secret_conf, every_ms),
     .fallback = "10s",
     .min = 100,
     .max = 86400000,
     .doc = "How often files, environment and stores are read again."},
    {.name = "vault",
     .type = CONFIG_OBJECT_REF,
     .spec = &vault_spec,
     AT(secret_conf, vault),
     .doc = "Where ${vault:...} references are resolved."},
};
const struct config_spec secret_spec =
    CONFIG_SPEC("secrets", struct secret_conf, secret_fields, "Where secrets come from.");
