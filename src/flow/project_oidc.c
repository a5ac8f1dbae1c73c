/* SPDX-License-Identifier: Apache-2.0 */
/* project_oidc.c - the table of `admin: { oidc }`: a file of its own beside project.c. */
#include "flow/project.h"

#define AT(type, member) .offset = offsetof(struct type, member)

static const char *const oidc_client_auths[] = {"client_secret_basic", "client_secret_post", NULL};
static const struct config_field oidc_value = {.type = CONFIG_STRING, .min = 1, .max = 200};
#define OIDC_ROLE(role, i)                                                                                             \
    {                                                                                                                  \
        .name = (role), .type = CONFIG_LIST, .item = &oidc_value, .max = 100, AT(flow_admin_oidc_conf, roles[i]),      \
        .doc = "Values of the claim that make somebody " role "."                                                      \
    }
static const struct config_field admin_oidc_fields[] = {
    {.name = "issuer",
     .type = CONFIG_URL,
     AT(flow_admin_oidc_conf, issuer),
     .required = true,
     .doc = "The identity provider, as it calls itself.",
     .example = "https://login.example.com"},
    {.name = "client_id",
     .type = CONFIG_STRING,
     AT(flow_admin_oidc_conf, client_id),
     .required = true,
     .min = 1,
     .doc = "The client that was registered there for Tieline."},
    {.name = "client_secret",
     .type = CONFIG_SECRET,
     AT(flow_admin_oidc_conf, client_secret),
     .doc = "Its secret; none: a public client.",
     .example = "${env:OIDC_SECRET}"},
    {.name = "client_auth",
     .type = CONFIG_ENUM,
     .choices = oidc_client_auths,
     AT(flow_admin_oidc_conf, client_auth),
     .fallback = "client_secret_basic",
     .doc = "How the secret is sent."},
    {.name = "redirect_uri",
     .type = CONFIG_URL,
     AT(flow_admin_oidc_conf, redirect_uri),
     .required = true,
     .doc = "The console's address with /v1/session/oidc/callback behind it, as it is registered there.",
     .example = "https://tieline.example.com/v1/session/oidc/callback"},
    {.name = "scope",
     .type = CONFIG_STRING,
     AT(flow_admin_oidc_conf, scope),
     .fallback = "openid profile email",
     .doc = "Scopes asked for; add the one that brings the claim."},
    {.name = "claim",
     .type = CONFIG_STRING,
     AT(flow_admin_oidc_conf, claim),
     .fallback = "groups",
     .min = 1,
     .max = 200,
     .doc = "Claim of the ID token that roles follow from, a text or a list; dots lead into objects.",
     .example = "realm_access.roles"},
    OIDC_ROLE("viewer", 0),
    OIDC_ROLE("operator", 1),
    OIDC_ROLE("admin", 2),
    {.name = "name",
     .type = CONFIG_STRING,
     AT(flow_admin_oidc_conf, name),
     .fallback = "email",
     .min = 1,
     .max = 200,
     .doc = "Claim that names the person in the audit log; without it, sub."},
    {.name = "label",
     .type = CONFIG_STRING,
     AT(flow_admin_oidc_conf, label),
     .max = 60,
     .doc = "What the button says; the default is the issuer's host.",
     .example = "Example Corp"},
};
const struct config_spec flow__admin_oidc_spec =
    CONFIG_SPEC("admin.oidc", struct flow_admin_oidc_conf, admin_oidc_fields,
                "People sign in to the console at an OpenID Connect provider.");
