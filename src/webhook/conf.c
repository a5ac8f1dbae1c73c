/* SPDX-License-Identifier: Apache-2.0 */
/* conf.c - the `verify:` block of a webhook source: one choice a scheme, from shared fields. */
#include "webhook/webhook_int.h"

static const struct config_field secret_fields[] = {
    {.name = "value",
     .type = CONFIG_SECRET,
     .required = true,
     .offset = offsetof(struct webhook_conf_secret, value),
     .doc = "The secret, as the sender shows it.",
     .example = "${env:SHOP_SECRET}"},
    {.name = "until",
     .type = CONFIG_STRING,
     .offset = offsetof(struct webhook_conf_secret, until),
     .doc = "After this moment (RFC 3339) the secret is not good any more: for the old one in a rotation.",
     .example = "2027-01-31T00:00:00Z"},
};
static const struct config_spec secret_spec = {.name = "webhook.secret",
                                               .size = sizeof(struct webhook_conf_secret),
                                               .fields = secret_fields,
                                               .n_fields = TL_COUNT(secret_fields),
                                               .doc = "A secret that the sender signs with.",
                                               .scalar = "value"};
static const struct config_field secret_item = {.type = CONFIG_OBJECT, .spec = &secret_spec};
static const struct config_field reference_item = {.type = CONFIG_SECRET};
static const struct config_field text_item = {.type = CONFIG_STRING};

static const char *const hashes[] = {"sha256", "sha512", "sha1", NULL};
static const char *const encodings[] = {"hex", "base64", NULL};
static const char *const keys[] = {"text", "base64", "hex", "whsec", NULL};
static const char *const syntaxes[] = {"bare", "pairs", "commas", "spaces", NULL};
static const char *const convoy_hashes[] = {"sha256", "sha512", NULL}; /* as they stand in hashes */
static const char *const units[] = {"seconds", "milliseconds", "iso8601", NULL};

#define SECRET                                                                                                         \
    {                                                                                                                  \
        .name = "secret", .type = CONFIG_LIST, .item = &secret_item, .one_or_many = true, .required = true, .min = 1,  \
        .max = 16, .offset = offsetof(struct webhook_conf, secrets), .example = "${env:SHOP_SECRET}",                  \
        .doc = "The signing secret, or a list: in a rotation each of them is good."                                    \
    }
#define TOLERANCE                                                                                                      \
    {                                                                                                                  \
        .name = "tolerance", .type = CONFIG_DURATION, .offset = offsetof(struct webhook_conf, tolerance_ms),           \
        .fallback = "5m", .min = 1000, .max = 86400000, .example = "5m",                                               \
        .doc = "How far the signed time may be from ours, in the past and in the future."                              \
    }
#define TOLERANCE_FUTURE                                                                                               \
    {                                                                                                                  \
        .name = "tolerance_future", .type = CONFIG_DURATION,                                                           \
        .offset = offsetof(struct webhook_conf, tolerance_future_ms), .min = 1000, .max = 86400000, .example = "30s",  \
        .doc = "How far the signed time may be ahead of ours, where that is not the same; the default is `tolerance`." \
    }
#define PUBLIC_URL(needed)                                                                                             \
    {                                                                                                                  \
        .name = "public_url", .type = CONFIG_URL, .required = (needed),                                                \
        .offset = offsetof(struct webhook_conf, public_url), .example = "https://hooks.example.com/in/shop",           \
        .doc = "The address as it was registered at the sender, who signs it too. The request's own query is added."   \
    }
#define ID                                                                                                             \
    {                                                                                                                  \
        .name = "id", .type = CONFIG_STRING, .raw = true, .offset = offsetof(struct webhook_conf, id),                 \
        .example = "x-request-id",                                                                                     \
        .doc = "Where the delivery id is: a header, or a JSON pointer into the body (/id; XML: /order/@id)."           \
    }
#define HASH(list)                                                                                                     \
    {                                                                                                                  \
        .name = "hash", .type = CONFIG_ENUM, .choices = (list), .fallback = "sha256",                                  \
        .offset = offsetof(struct webhook_conf, hash), .doc = "The hash of the HMAC."                                  \
    }
#define ENCODING                                                                                                       \
    {                                                                                                                  \
        .name = "encoding", .type = CONFIG_ENUM, .choices = encodings, .fallback = "hex",                              \
        .offset = offsetof(struct webhook_conf, encoding), .doc = "How the signature is written."                      \
    }
#define EVENT_TYPE                                                                                                     \
    {                                                                                                                  \
        .name = "event_type", .type = CONFIG_STRING, .raw = true, .offset = offsetof(struct webhook_conf, event_type), \
        .example = "/type", .doc = "Where the kind of event is: a header, or a JSON pointer into the body."            \
    }
#define SPEC(ident, table, text)                                                                                       \
    static const struct config_spec ident = CONFIG_SPEC("webhook." #ident, struct webhook_conf, table, text)

static const struct config_field signed_fields[] = {SECRET};
SPEC(signed_spec, signed_fields, "A scheme that signs the body.");
static const struct config_field timed_fields[] = {SECRET, TOLERANCE, TOLERANCE_FUTURE};
SPEC(timed_spec, timed_fields, "A scheme that signs body and time.");
static const struct config_field url_fields[] = {SECRET, PUBLIC_URL(true)};
SPEC(url_spec, url_fields, "A scheme that signs body and URL.");
static const struct config_field timed_url_fields[] = {SECRET, PUBLIC_URL(true), TOLERANCE, TOLERANCE_FUTURE};
SPEC(timed_url_spec, timed_url_fields, "A scheme that signs body, URL and time.");
static const struct config_field convoy_fields[] = {SECRET, HASH(convoy_hashes), ENCODING};
SPEC(convoy_spec, convoy_fields, "Convoy signs the body, as the endpoint was set up there.");
static const struct config_field convoy_timed_fields[] = {SECRET, HASH(convoy_hashes), ENCODING, TOLERANCE,
                                                          TOLERANCE_FUTURE};
SPEC(convoy_timed_spec, convoy_timed_fields, "Convoy signs body and time, as the endpoint was set up there.");
static const struct config_field meta_fields[] = {
    SECRET,
    {.name = "verify_token",
     .type = CONFIG_LIST,
     .item = &reference_item,
     .one_or_many = true,
     .offset = offsetof(struct webhook_conf, verify_tokens),
     .example = "${env:META_VERIFY_TOKEN}",
     .doc = "The token given to Meta with the callback URL; without it the handshake is refused."},
};
SPEC(meta_spec, meta_fields, "Meta: app secret and verify token.");
static const struct config_field token_fields[] = {
    SECRET,
    {.name = "header",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, header),
     .example = "x-webhook-token",
     .doc = "The header that holds the token; the default is Authorization with Bearer."},
    {.name = "prefix",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, prefix),
     .example = "Token ",
     .doc = "What stands before the token in that header."},
    ID,
    EVENT_TYPE,
};
SPEC(token_spec, token_fields, "A fixed token in a header.");
static const struct config_field fixed_fields[] = {SECRET};
SPEC(fixed_spec, fixed_fields, "A fixed value that the sender repeats.");
static const struct config_field basic_fields[] = {
    {.name = "user",
     .type = CONFIG_STRING,
     .required = true,
     .offset = offsetof(struct webhook_conf, user),
     .example = "workday",
     .doc = "The user name."},
    SECRET,
    ID,
    EVENT_TYPE,
};
SPEC(basic_spec, basic_fields, "HTTP Basic credentials.");
static const struct config_field ce_fields[] = {
    SECRET,
    {.name = "origins",
     .type = CONFIG_LIST,
     .item = &text_item,
     .offset = offsetof(struct webhook_conf, origins),
     .example = "[eventmesh.example.com]",
     .doc = "Who may ask for consent (WebHook-Request-Origin); \"*\" is anyone."},
    {.name = "rate",
     .type = CONFIG_INT,
     .min = 0,
     .max = 1000000,
     .offset = offsetof(struct webhook_conf, rate),
     .example = "600",
     .doc = "Requests a minute that we allow; 0 leaves it to the sender."},
};
SPEC(ce_spec, ce_fields, "CloudEvents HTTP webhook with the OPTIONS handshake.");
static const struct config_field none_fields[] = {ID, EVENT_TYPE};
SPEC(none_spec, none_fields, "No proof at all.");
static const struct config_field generic_fields[] = {
    SECRET,
    {.name = "header",
     .type = CONFIG_STRING,
     .raw = true,
     .required = true,
     .offset = offsetof(struct webhook_conf, header),
     .example = "x-signature",
     .doc = "The header that holds the signature."},
    {.name = "prefix",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, prefix),
     .example = "sha256=",
     .doc = "What stands before the signature in the header; in a list its key (v1)."},
    {.name = "syntax",
     .type = CONFIG_ENUM,
     .choices = syntaxes,
     .fallback = "bare",
     .offset = offsetof(struct webhook_conf, syntax),
     .doc = "How signatures stand in the header. bare: one, after `prefix`; pairs: t=TIME,v1=SIG,v1=SIG; commas: "
            "v1=SIG,v1=SIG; spaces: v1,SIG v1,SIG."},
    {.name = "signed_text",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, signed_text),
     .fallback = "{timestamp}.{body}",
     .example = "\"{id}.{timestamp}.{body}\"",
     .doc = "What is signed: {id}, {timestamp}, {method}, {url}, {form}, {body}, and text between them."},
    HASH(hashes),
    ENCODING,
    {.name = "key",
     .type = CONFIG_ENUM,
     .choices = keys,
     .fallback = "text",
     .offset = offsetof(struct webhook_conf, key),
     .doc = "How the secret is written; whsec: base64 after whsec_."},
    {.name = "timestamp",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, timestamp),
     .example = "x-timestamp",
     .doc = "The header with the signed time; \"t=\" when it is in the signature header (pairs)."},
    {.name = "unit",
     .type = CONFIG_ENUM,
     .choices = units,
     .fallback = "seconds",
     .offset = offsetof(struct webhook_conf, unit),
     .doc = "How the time is written."},
    TOLERANCE,
    TOLERANCE_FUTURE,
    {.name = "public_url",
     .type = CONFIG_URL,
     .offset = offsetof(struct webhook_conf, public_url),
     .example = "https://hooks.example.com/in/shop",
     .doc = "The address as registered, where signed_text holds {url}."},
    ID,
    EVENT_TYPE,
};
SPEC(generic_spec, generic_fields, "Any HMAC scheme.");

static const char *const algs[] = {"RS256", "PS256", "ES256", "EdDSA", "HS256", "RS384", "RS512", "ES384", NULL};
static const struct config_field alg_item = {.type = CONFIG_ENUM, .choices = algs};
#define TEXTS(field, member, need, text, sample)                                                                       \
    {                                                                                                                  \
        .name = (field), .type = CONFIG_LIST, .item = &text_item, .one_or_many = true, .required = (need), .max = 32,  \
        .offset = offsetof(struct webhook_conf, member), .doc = (text), .example = (sample)                            \
    }
#define JWKS(need, default_url)                                                                                        \
    {                                                                                                                  \
        .name = "jwks_url", .type = CONFIG_URL, .required = (need), .fallback = (default_url),                         \
        .offset = offsetof(struct webhook_conf, jwks_url),                                                             \
        .doc = "Where the sender publishes its public keys (a JWK set); fetched and kept, again for an unknown kid.",  \
        .example = "https://login.example.com/.well-known/jwks.json"                                                   \
    }
#define SKEW                                                                                                           \
    {                                                                                                                  \
        .name = "skew", .type = CONFIG_DURATION, .offset = offsetof(struct webhook_conf, skew_ms), .fallback = "60s",  \
        .max = 3600000, .doc = "How far the clocks may be apart."                                                      \
    }
#define CERTIFICATE                                                                                                    \
    {                                                                                                                  \
        .name = "certificate", .type = CONFIG_FILE, .must_exist = true,                                                \
        .offset = offsetof(struct webhook_conf, certificate), .advanced = true,                                        \
        .doc = "The sender's certificate (PEM), used instead of fetching the one that the request names."              \
    }
static const struct config_field jwt_fields[] = {
    JWKS(false, NULL),
    {.name = "secret",
     .type = CONFIG_LIST,
     .item = &secret_item,
     .one_or_many = true,
     .max = 16,
     .offset = offsetof(struct webhook_conf, secrets),
     .example = "${file:sender.pem}",
     .doc = "Instead of jwks_url: public keys (PEM), or with HS256 shared secrets."},
    {.name = "alg",
     .type = CONFIG_LIST,
     .item = &alg_item,
     .one_or_many = true,
     .min = 1,
     .max = 8,
     .fallback = "[RS256]",
     .offset = offsetof(struct webhook_conf, algs),
     .doc = "Algorithms that are taken; what the token itself says decides nothing."},
    TEXTS("issuer", issuers, false, "iss must be one of these.", "https://login.example.com/"),
    TEXTS("audience", audiences, true, "aud must name one of these: the token is for us.", "https://hooks.example.com"),
    {.name = "claims",
     .type = CONFIG_MAP,
     .item = &text_item,
     .offset = offsetof(struct webhook_conf, claims),
     .example = "{ sub: billing }",
     .doc = "Claims that must be there with exactly this text."},
    {.name = "max_age",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct webhook_conf, max_age_ms),
     .max = INT64_C(31536000000),
     .doc = "The token may be no older than this."},
    SKEW,
    {.name = "header",
     .type = CONFIG_STRING,
     .raw = true,
     .offset = offsetof(struct webhook_conf, header),
     .example = "x-token",
     .doc = "The header that holds the token; the default is Authorization with Bearer."},
    ID,
    EVENT_TYPE,
};
SPEC(jwt_spec, jwt_fields, "A JWT of the sender.");
static const struct config_field pubsub_fields[] = {
    TEXTS("audience", audiences, true, "The audience of the push subscription; by default its push endpoint.",
          "https://hooks.example.com/in/pubsub"),
    {.name = "email",
     .type = CONFIG_STRING,
     .required = true,
     .offset = offsetof(struct webhook_conf, email),
     .example = "push@my-project.iam.gserviceaccount.com",
     .doc = "The service account of the push subscription."},
    SKEW,
    JWKS(false, "https://www.googleapis.com/oauth2/v3/certs"),
};
SPEC(pubsub_spec, pubsub_fields, "Google Pub/Sub push with an OIDC token.");
static const struct config_field sns_fields[] = {
    TEXTS("topic", topics, true, "ARNs of the topics that may send here; others are not even confirmed.",
          "arn:aws:sns:eu-west-1:123456789012:orders"),
    {.name = "confirm",
     .type = CONFIG_BOOL,
     .fallback = "true",
     .offset = offsetof(struct webhook_conf, confirm),
     .doc = "Confirm subscriptions of these topics by ourselves."},
    {.name = "tolerance",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct webhook_conf, tolerance_ms),
     .fallback = "1h",
     .min = 1000,
     .max = 86400000,
     .doc = "How far the signed time may be from ours."},
    CERTIFICATE,
};
SPEC(sns_spec, sns_fields, "Amazon SNS over HTTPS.");
static const struct config_field paypal_fields[] = {
    {.name = "webhook_id",
     .type = CONFIG_STRING,
     .required = true,
     .offset = offsetof(struct webhook_conf, webhook_id),
     .example = "1JE4291016473214C",
     .doc = "The id of this webhook in PayPal's dashboard; it is signed."},
    CERTIFICATE,
};
SPEC(paypal_spec, paypal_fields, "PayPal webhooks.");
static const struct config_field peer_fields[] = {
    TEXTS("name", names, true,
          "Common name, first DNS or URI name, or SHA-256 fingerprint (sha256:hex) of the client's certificate.",
          "erp.partner.example"),
    ID,
    EVENT_TYPE,
};
SPEC(peer_spec, peer_fields, "A client certificate.");

static const struct config_field outbound_fields[] = {
    TEXTS("organization", organizations, true,
          "Ids of the organizations that may send here (Setup > Company Information).", "00D5i000000AbCd"),
    TEXTS("name", names, false,
          "Mutual TLS (server.tls.client_ca): common name, first DNS name, or SHA-256 fingerprint (sha256:hex) of the "
          "certificate that the org sends with. Without it anybody who knows the organization's id can send: then let "
          "`allow` name the addresses of Salesforce.",
          "proxy.salesforce.com"),
};
SPEC(outbound_spec, outbound_fields, "Salesforce outbound messages.");

#define CHOICE(scheme, with, text)                                                                                     \
    {                                                                                                                  \
        .name = (scheme), .type = CONFIG_OBJECT_REF, .spec = &(with), .doc = (text)                                    \
    }
static const struct config_field choices[] = {
    CHOICE("standard_webhooks", timed_spec, "Standard Webhooks: v1 (whsec_...) and v1a (whpk_...)."),
    CHOICE("svix", timed_spec, "Svix."),
    CHOICE("stripe", timed_spec, "Stripe."),
    CHOICE("github", signed_spec, "GitHub."),
    CHOICE("shopify", signed_spec, "Shopify."),
    CHOICE("slack", timed_spec, "Slack, with its url_verification handshake."),
    CHOICE("hubspot", timed_url_spec, "HubSpot, signature version 3."),
    CHOICE("hubspot_v2", url_spec, "HubSpot, signature version 2 (old apps)."),
    CHOICE("hubspot_v1", signed_spec, "HubSpot, signature version 1 (old apps)."),
    CHOICE("twilio", url_spec, "Twilio."),
    CHOICE("zendesk", timed_spec, "Zendesk."),
    CHOICE("square", url_spec, "Square."),
    CHOICE("meta", meta_spec, "Meta: Graph API, WhatsApp, Messenger."),
    CHOICE("pagerduty", signed_spec, "PagerDuty webhooks v3."),
    CHOICE("convoy", convoy_spec, "Convoy, simple signatures."),
    CHOICE("convoy_advanced", convoy_timed_spec, "Convoy, advanced signatures."),
    CHOICE("outpost", signed_spec, "Outpost."),
    CHOICE("hookdeck", signed_spec, "Hookdeck."),
    CHOICE("x", signed_spec, "X (Twitter) account activity."),
    CHOICE("okta", fixed_spec, "Okta event hooks: the Authorization value given to Okta."),
    CHOICE("microsoft_graph", fixed_spec, "Microsoft Graph: the clientState of the subscription."),
    CHOICE("cloudevents", ce_spec, "CloudEvents HTTP webhook, SAP Event Mesh."),
    CHOICE("sns", sns_spec, "Amazon SNS."),
    CHOICE("paypal", paypal_spec, "PayPal."),
    CHOICE("google_pubsub", pubsub_spec, "Google Pub/Sub push, OIDC."),
    CHOICE("jwt", jwt_spec, "A JWT, by a JWK set or configured keys."),
    CHOICE("client_certificate", peer_spec, "Mutual TLS: the client's certificate."),
    CHOICE("salesforce_outbound", outbound_spec, "Salesforce outbound messages, SOAP."),
    CHOICE("basic", basic_spec, "HTTP Basic: ServiceNow, Workday, Datadog and others without signatures."),
    CHOICE("token", token_spec, "A fixed token in a header."),
    CHOICE("generic", generic_spec, "Any HMAC scheme, every part settable."),
    CHOICE("none", none_spec, "No verification."),
};

const struct config_variants webhook_schemes = CONFIG_VARIANTS(choices);
