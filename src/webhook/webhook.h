/* SPDX-License-Identifier: Apache-2.0 */
/*
 * webhook.h - signed webhooks: verify them, answer handshakes, sign them, read CloudEvents.
 *
 * One table row a scheme (schemes.c), one engine for all of them. Pure functions: no I/O, no task, the time is passed
 * in. Stricter than the vendors' own libraries: timestamps count in both directions, a header that decides must be
 * there exactly once, where the URL is signed only the configured public URL is used, compares take constant time.
 * Several secrets are good at once, so that a rotation refuses no honest sender.
 */
#ifndef TL_WEBHOOK_WEBHOOK_H
#define TL_WEBHOOK_WEBHOOK_H

#include "config/config.h"
#include "crypto/crypto.h"

struct webhook_header { /* same members as http's: names in any case */
    struct tl_sv name, value;
};

struct webhook_peer { /* a client certificate that the server has verified */
    struct tl_sv subject, common_name, san;
    uint8_t sha256[32];
};
struct webhook_material { /* public keys of the sender, as webhook_need asked for them; borrowed */
    const struct crypto_keys *keys;
    const struct crypto_cert *cert;
};

struct webhook_request {
    struct tl_sv method;
    struct tl_sv target; /* as received: "/hooks/shop?x=1" */
    const struct webhook_header *headers;
    size_t n_headers;
    struct tl_sv body;               /* raw bytes */
    const struct webhook_peer *peer; /* NULL: none */
    struct webhook_material material;
};

/* ---- configuration: `verify: { stripe: { secret: "${env:STRIPE_SECRET}" } }` ---- */
struct webhook_conf {                 /* one struct for all schemes; a scheme's spec offers the fields that it has */
    struct config_list secrets;       /* of struct webhook_conf_secret */
    struct config_list verify_tokens; /* of struct config_secret: meta's handshake */
    const char *public_url;           /* NULL: none */
    int64_t tolerance_ms;             /* 0: the scheme's default */
    int64_t tolerance_future_ms;      /* for times ahead of ours; 0: as tolerance_ms */
    struct config_list origins;       /* const char *: cloudevents, who may ask (`*`: anyone) */
    int64_t rate;                     /* cloudevents: requests a minute we allow; 0: any */
    /* generic */
    const char *header, *prefix, *signed_text, *timestamp, *id, *event_type, *user;
    int hash, encoding, key, unit, syntax; /* indices into the choices in conf.c; convoy has the first two */
    /* jwt, google_pubsub, sns, paypal, client_certificate */
    const char *jwks_url, *email, *webhook_id, *certificate;
    struct config_list issuers, audiences, topics, names; /* of const char * */
    struct config_list algs;                              /* of int: index into the choices of `alg` */
    struct config_map claims;                             /* of const char *: each must be equal */
    int64_t skew_ms, max_age_ms;
    bool confirm;
    struct config_list organizations; /* salesforce_outbound; of const char * */
};
struct webhook_conf_secret {
    struct config_secret value;
    const char *until; /* RFC 3339: not good any more after it; NULL: no end */
};
/* The choices of `verify:` for a CONFIG_ONE_OF; the variant's name is the scheme's. */
extern const struct config_variants webhook_schemes;

/* For how long a sender of this scheme repeats a delivery that was not answered, as its vendor says; 0: it does not, or
 * does not say. Keys must be remembered longer. */
int64_t webhook_retry_span_ms(const char *scheme);

/* ---- verifying ---- */
struct webhook_secret { /* values as resolved by secret/; copied and wiped by the verifier */
    struct tl_sv value;
    int64_t until_ms; /* 0: no end */
};
struct webhook_setup {
    const char *scheme;              /* "stripe" */
    const struct webhook_conf *conf; /* copied */
    const struct webhook_secret *secrets;
    size_t n_secrets;
    const struct tl_sv *verify_tokens;
    size_t n_verify_tokens;
    struct tl_sv certificate; /* PEM, the content of conf->certificate; empty: none */
    struct tl_sv signing_key; /* PEM: a sender's private key, for webhook_sign alone; empty: none */
};
/* NULL, or a sentence: the scheme's own page asks for another length of such a secret. */
const char *webhook_secret_remark(const char *scheme, struct tl_sv value);
struct webhook_verifier; /* reference counted, immutable: any thread. Made anew when a secret changes */
/* TL_CONFIG with one sentence: no such scheme, malformed secret, public_url missing. c must outlive it. */
TL_MUST_CHECK enum tl_rc webhook_verifier_new(const struct crypto *c, const struct webhook_setup *setup,
                                              struct webhook_verifier **ret, struct tl_err *err);
/* The same for what can be known without the secrets' values: one whose value.p is NULL is not looked at. */
TL_MUST_CHECK enum tl_rc webhook_setup_check(const struct crypto *c, const struct webhook_setup *setup,
                                             struct tl_err *err);
struct webhook_verifier *webhook_verifier_ref(struct webhook_verifier *v);
void webhook_verifier_unref(struct webhook_verifier *v);
void webhook_verifier_unrefp(struct webhook_verifier **v);
const char *webhook_verifier_scheme(const struct webhook_verifier *v);
/* The methods that events come with, as Allow has them; handshakes have their own. v may be NULL. */
struct tl_sv webhook_methods(const struct webhook_verifier *v);

#define WEBHOOK_MAX_ID 256
struct webhook_verdict {
    bool ok;
    int status;               /* 200, or what the sender gets: 400, 401 */
    const char *reason;       /* one static sentence for the sender; tells an attacker nothing new */
    const char *sentence;     /* what the sender reads in the place of reason; the arena's, NULL: reason itself */
    const char *code;         /* what its program reads; NULL: "not_verified" */
    char why[160];            /* for our log: which part failed; no secret, no signature */
    struct tl_sv delivery_id; /* default idempotency key; .n 0: look into the body (webhook_identify) or none */
    struct tl_sv event_type;  /* likewise */
    struct tl_sv same_body;   /* what stays of the body over its repetitions, found like that; .p NULL: all of it */
    int64_t timestamp_ms;     /* signed time; 0: the scheme has none */
    int64_t now_ms;           /* when webhook_verify looked, for webhook_verify_body */
    size_t secret;            /* index of the secret that matched */
    struct tl_sv confirm_url; /* SNS: verified, and to be fetched before the answer; there is no event then */
    bool no_event;            /* verified, but about the subscription and not an event */
};
/* What webhook_verify needs of the sender's public keys. False: nothing, also where the request is refused anyway. url
 * is https and of a host that the scheme or the configuration names; kid may be empty. The answer, a JWK set or a
 * certificate (PEM), goes into req->material; the caller keeps it for a while. */
enum webhook_need_kind { WEBHOOK_NEED_JWKS, WEBHOOK_NEED_CERTIFICATE };
struct webhook_need {
    enum webhook_need_kind kind;
    struct tl_sv url, kid;
};
bool webhook_need(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                  struct webhook_need *ret);
/* Views point into the request or the arena. Never fails otherwise than by a verdict. */
void webhook_verify(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                    int64_t now_ms, struct webhook_verdict *ret);
/* Complete delivery_id and event_type from the parsed body, for schemes that keep them there. */
void webhook_identify(const struct webhook_verifier *v, struct tl_arena *a, struct json body,
                      struct webhook_verdict *verdict);
/* Schemes whose proof is inside the parsed body (Microsoft Graph's clientState): call before accepting; true for
 * others. */
bool webhook_proof_is_body(const struct webhook_verifier *v); /* then a body that does not parse proves nothing */
bool webhook_verify_body(const struct webhook_verifier *v, struct json body, struct webhook_verdict *verdict);
/* Requests that say themselves which events they carry: Salesforce's outbound messages and CloudEvents, one or a batch.
 * After webhook_verify, in the place of webhook_body_parse and what follows it. Each event has a key of its own,
 * because its sender bundles them anew when it sends again. False: refused, the verdict says why. CloudEvents are
 * looked for where the scheme is `cloudevents` or has no delivery id of its own, and where nothing is verified (v
 * NULL); the event is its JSON format in every mode, its key source and id. Memory: the arena's. */
struct webhook_event {
    struct json body;
    struct tl_sv raw;  /* body as it came; .n 0: it is to be written */
    const char *fault; /* NULL, or why nothing can be made of its data: to be kept, as a body that does not parse */
    struct tl_sv delivery_id, event_type;
};
bool webhook_is_many(const struct webhook_verifier *v, const struct webhook_request *req);
bool webhook_events(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                    struct webhook_verdict *verdict, struct webhook_event **ret, size_t *ret_n);
/* Headers that must not be stored: signatures, tokens, Authorization, Cookie. */
bool webhook_header_is_secret(const struct webhook_verifier *v, struct tl_sv name); /* v may be NULL */

/* ---- handshakes ---- */
struct webhook_answer {
    int status;
    const char *content_type; /* NULL: no body */
    struct tl_sv body;        /* arena */
    struct webhook_header headers[4];
    size_t n_headers;
    const char *refused; /* a static sentence for our log: the handshake is refused; NULL: it is not */
};
/* Before the signature is checked: Meta, Graph, Okta, X, CloudEvents. True: send the answer, there is no event. */
bool webhook_handshake(const struct webhook_verifier *v, struct tl_arena *a, const struct webhook_request *req,
                       int64_t now_ms, struct webhook_answer *ret);
/* After the signature was found good: Slack. */
bool webhook_handshake_body(const struct webhook_verifier *v, struct tl_arena *a, struct json body,
                            struct webhook_answer *ret);

/* What the sender waits for once its events are durable. False: nothing of its own. */
bool webhook_receipt(const struct webhook_verifier *v, struct webhook_answer *ret);

/* ---- signing ---- */
struct webhook_message { /* what is to be posted */
    struct tl_sv method;
    struct tl_sv url;          /* absolute; empty: where the scheme signs it, the public URL */
    struct tl_sv content_type; /* may be empty */
    struct tl_sv body;
    struct tl_sv id; /* empty: a fresh one */
};
struct webhook_signed {
    struct webhook_header headers[6]; /* arena */
    size_t n_headers;
    struct tl_sv url;         /* where to post: Twilio's JSON form puts the body's digest into it */
    struct tl_sv body;        /* what to post: Microsoft Graph, SNS and Salesforce have their proof in it */
    const char *content_type; /* of that; NULL: as it was given */
};
/* Sign with the verifier's first secret that is good (TL_CONFIG: none is; standard webhooks: with each that is good, as
 * the scheme asks for in a rotation), by setup.signing_key where senders have keys of their own (TL_CONFIG: there is
 * none). TL_INVALID: the body does not fit its content type. */
TL_MUST_CHECK enum tl_rc webhook_sign(const struct webhook_verifier *v, struct tl_arena *a,
                                      const struct webhook_message *message, int64_t now_ms, struct webhook_signed *ret,
                                      struct tl_err *err);

/* ---- bodies ---- */
enum webhook_body_kind { WEBHOOK_JSON, WEBHOOK_FORM, WEBHOOK_XML, WEBHOOK_RAW, WEBHOOK_TEXT };
enum webhook_body_kind webhook_body_kind(struct tl_sv content_type, struct tl_sv body); /* no type: looks at the body */
/* JSON: parsed. Form: an object, repeated names as lists; a single field `payload` holding JSON (GitHub, Slack) is that
 * JSON. XML: the tree of xml_parse, with the names and limits of $tl.parseXml. Raw: the text as a string, or
 * {"base64": ...} when it is not UTF-8. Text (its type is text/plain): as raw, but an object or a list that is JSON
 * from end to end is that, as SNS sends it. TL_PARSE, TL_LIMIT; TL_INVALID: XML with a document type declaration. */
TL_MUST_CHECK enum tl_rc webhook_body_parse(struct tl_arena *a, enum webhook_body_kind kind, struct tl_sv body,
                                            struct json *ret, struct tl_err *err);

/* ---- CloudEvents 1.0 (HTTP and Kafka bindings) ---- */
enum webhook_ce_mode { WEBHOOK_CE_NONE, WEBHOOK_CE_BINARY, WEBHOOK_CE_STRUCTURED, WEBHOOK_CE_BATCH };
enum webhook_ce_data { WEBHOOK_CE_NO_DATA, WEBHOOK_CE_JSON, WEBHOOK_CE_TEXT, WEBHOOK_CE_BINARY_DATA };
struct webhook_ce {
    struct json attributes; /* all context attributes, extensions and datacontenttype included */
    enum webhook_ce_data kind;
    struct json data;   /* JSON: the value; TEXT: a string */
    struct tl_sv bytes; /* BINARY_DATA */
    const char *fault;  /* NULL, or why data in binary mode is not the JSON that its type says; the bytes are kept */
};
/* Header names: ce-* (HTTP) or ce_* (Kafka). WEBHOOK_CE_NONE with TL_OK: not a CloudEvent. TL_PARSE, TL_INVALID,
 * TL_LIMIT with the attribute at fault; a batch is good as a whole or not at all. */
TL_MUST_CHECK enum tl_rc webhook_ce_parse(struct tl_arena *a, const struct webhook_header *headers, size_t n_headers,
                                          struct tl_sv body, enum webhook_ce_mode *ret_mode,
                                          struct webhook_ce **ret_events, size_t *ret_n, struct tl_err *err);
/* The event in the JSON format (structured), with data or data_base64. */
struct json webhook_ce_json(struct tl_arena *a, const struct webhook_ce *e);

#endif
