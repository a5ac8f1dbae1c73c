/* SPDX-License-Identifier: Apache-2.0 */
/* send.c - `tieline send`: sign and post sample events, as the sender of a flow would, and report. */
#include <math.h>
#include <stdlib.h>

#include "cli/send/send.h"
#include "config/config.h"

enum { MAX_KEY = 65536, MAX_INPUT = 256 << 20, MAX_CONCURRENCY = 4096, MAX_TEMPLATES = 1 << 20 };

struct send_options {
    const char *config, *url, *flow, *file, *key_field, *content_type, *scheme, *secret_env, *id_prefix, *ca, *cert,
        *key;
    uint64_t count, concurrency, keys, first, timeout;
    double rate, duplicate, malformed;
    bool json, lines, literals;
};
#define AT(member) offsetof(struct send_options, member)
static const struct cli_option send_options[] = {
    {"flow", 0, CLI_TEXT, "NAME", AT(flow), "address, scheme and secret are those of this flow's webhook"},
    {"url", 0, CLI_TEXT, "URL", AT(url), "post here instead (with --flow: signed as for the flow)"},
    {"config", 0, CLI_TEXT, "FILE", AT(config), "the configuration with the flow (tieline.yaml)"},
    {"scheme", 0, CLI_TEXT, "NAME", AT(scheme),
     "without a flow: sign by this scheme (standard_webhooks, shopify, github ...)"},
    {"secret-env", 0, CLI_TEXT, "VARIABLE", AT(secret_env), "without a flow: the variable that holds the secret"},
    {"file", 'f', CLI_TEXT, "FILE", AT(file),
     "a body, with {{seq}}, {{id}}, {{now}}, {{key}}, {{rand N}}; -: standard input; else a made-up order"},
    {"lines", 0, CLI_FLAG, NULL, AT(lines), "each line of the file is a body; they are sent in turn"},
    {"count", 'n', CLI_COUNT, "N", AT(count), "so many events (1, or the number of lines)"},
    {"first", 0, CLI_COUNT, "N", AT(first), "number of the first event (1)"},
    {"rate", 0, CLI_DECIMAL, "N", AT(rate), "requests a second (as fast as they are answered)"},
    {"concurrency", 0, CLI_COUNT, "N", AT(concurrency), "connections (16)"},
    {"duplicate", 0, CLI_PERCENT, "PERCENT", AT(duplicate), "this share is sent twice, with the same id"},
    {"malformed", 0, CLI_PERCENT, "PERCENT", AT(malformed), "this share is cut, but signed: it does not parse"},
    {"key-field", 0, CLI_TEXT, "PATH", AT(key_field), "set this field (customer.id) to one of --keys numbers"},
    {"keys", 0, CLI_COUNT, "N", AT(keys), "how many keys (100)"},
    {"id-prefix", 0, CLI_TEXT, "TEXT", AT(id_prefix), "delivery ids are TEXT-1, TEXT-2 ... (random)"},
    {"content-type", 0, CLI_TEXT, "TYPE", AT(content_type),
     "application/json; of CloudEvents application/cloudevents+json sends them in the structured mode"},
    {"ca", 0, CLI_TEXT, "FILE", AT(ca), "https: who may have signed the server's certificate (PEM; the system's)"},
    {"cert", 0, CLI_TEXT, "FILE", AT(cert), "https: a client certificate of ours (PEM)"},
    {"key", 0, CLI_TEXT, "FILE", AT(key),
     "private key (PEM): of --cert, or of a sender who signs with one (sns, paypal, jwt, google_pubsub)"},
    {"timeout", 0, CLI_COUNT, "SECONDS", AT(timeout), "longest wait for an answer (30)"},
    {"allow-literal-secrets", 0, CLI_FLAG, NULL, AT(literals), "secrets may be written in the configuration"},
    {"json", 0, CLI_FLAG, NULL, AT(json), "JSON"},
};

/* All that lives as long as the sending. */
struct sender {
    const struct send_options *o;
    struct cli_project project;
    struct crypto *crypto;
    struct webhook_verifier *verifier;
    struct tl_buf url, file, key;
    struct tl_sv *templates;
    size_t n_templates;
    struct send_plan plan;
    struct send_result result;
};

static void done(struct sender *s)
{
    cli__bodies_free(s->plan.bodies);
    cli__tls_free(s->plan.tls);
    webhook_verifier_unref(s->verifier);
    cli__project_done(&s->project);
    if (s->crypto)
        crypto_free(s->crypto);
    tl_buf_done(&s->url);
    tl_buf_done(&s->file);
    if (s->key.p)
        tl_wipe(s->key.p, s->key.cap);
    tl_buf_done(&s->key);
    tl_free(s->templates);
    tl_free(s->result.latency_us);
}

/* ---- where to, and how signed ---- */
static enum tl_rc from_flow(struct sender *s, struct tl_err *err)
{
    const struct send_options *o = s->o;
    const struct flow_webhook_conf *hook = NULL;
    const struct flow_server_conf *server;
    enum tl_rc rc = cli__project_load(o->config ? o->config : "tieline.yaml",
                                      &(struct cli_project_options){.literals = o->literals, .lenient_env = true},
                                      &s->project, err);

    if (rc == TL_OK)
        rc = cli__project_verifier(&s->project, o->flow, tl_buf_view(&s->key), &hook, &s->verifier, err);
    if (rc != TL_OK)
        return rc;
    server = &flow_plan_project(s->project.plan)->server;
    if (!o->url && (!server->listen.text || !hook->path))
        return tl_fail(err, TL_CONFIG,
                       "where the server listens comes from a variable that is not set here: set it, or give --url");
    if (o->url)
        (void)tl_buf_puts(&s->url, o->url);
    else
        (void)tl_buf_printf(&s->url, "http%s://%s%s", server->tls ? "s" : "", server->listen.text, hook->path);
    s->plan.signed_url = tl_buf_view(&s->url);
    if (hook->verify.variant) {
        const struct webhook_conf *c = hook->verify.conf;

        if (c->public_url)
            s->plan.signed_url = tl_sv_str(c->public_url);
    }
    return TL_OK;
}

static enum tl_rc by_scheme(struct sender *s, struct tl_err *err)
{
    const char *value = s->o->secret_env ? getenv(s->o->secret_env) : NULL;
    struct webhook_conf conf = {.tolerance_ms = 0};
    struct webhook_secret secret = {.until_ms = 0};
    const struct webhook_setup setup = {.scheme = s->o->scheme, .conf = &conf, .secrets = &secret, .n_secrets = 1};
    enum tl_rc rc;

    (void)tl_buf_puts(&s->url, s->o->url);
    s->plan.signed_url = tl_buf_view(&s->url);
    if (!s->o->scheme)
        return TL_OK;
    if (!value || !*value)
        return tl_fail(
            err, TL_CONFIG,
            "--secret-env must name a variable that holds the secret; what needs more than that is sent with "
            "--flow and its configuration");
    secret.value = tl_sv_str(value);
    conf.public_url = s->o->url;
    rc = crypto_new(&s->crypto, err);
    return rc == TL_OK ? webhook_verifier_new(s->crypto, &setup, &s->verifier, err) : rc;
}

/* ---- what ---- */
static enum tl_rc read_bodies(struct sender *s, struct tl_err *err)
{
    const struct send_options *o = s->o;
    struct tl_sv all = tl_sv_str(cli__sample_order), line;
    char run[32];
    enum tl_rc rc = o->file ? cli__read_file(o->file, MAX_INPUT, &s->file, err) : TL_OK;

    if (rc != TL_OK)
        return rc;
    if (o->file)
        all = tl_buf_view(&s->file);
    if (o->lines) {
        while (tl_sv_cut(&all, '\n', &line)) {
            if (!tl_sv_trim(line).n)
                continue;
            if (s->n_templates % 1024 == 0)
                s->templates = tl_reallocarray(s->templates, s->n_templates + 1024, sizeof *s->templates);
            s->templates[s->n_templates++] = tl_sv_trim(line);
        }
    } else {
        s->templates = tl_alloc(sizeof *s->templates);
        s->templates[s->n_templates++] = o->file && tl_sv_trim(all).n ? tl_sv_trim(all) : all;
    }
    if (s->n_templates == 0 || s->n_templates > MAX_TEMPLATES)
        return tl_fail(err, TL_INVALID, "the file has %zu bodies; it needs 1 to %d", s->n_templates, MAX_TEMPLATES);
    snprintf(run, sizeof run, "%016llx", (unsigned long long)tl_random_u64());
    return cli__bodies_new(s->templates, s->n_templates, o->key_field, o->keys, o->id_prefix ? o->id_prefix : run,
                           tl_clock_wall_ms(tl_clock_system()), &s->plan.bodies, err);
}

/* Nothing that was said is dropped: it would be signed for another than was meant, or not at all. */
static enum tl_rc do_fit(const struct send_options *o, struct tl_err *err)
{
    if ((o->flow || !o->url) && (o->scheme || o->secret_env))
        return tl_fail(
            err, TL_INVALID,
            "--%s is of a send without a flow, whose own scheme and secret sign: leave it out, or give --url%s",
            o->scheme ? "scheme" : "secret-env", o->flow ? " and no --flow" : "");
    if (!o->scheme && o->secret_env)
        return tl_fail(err, TL_INVALID, "--secret-env needs --scheme: by which one is it to be signed?");
    if (!o->flow && o->url && o->config)
        return tl_fail(err, TL_INVALID, "--config is where a flow is looked up: name it with --flow, or leave it out");
    return TL_OK;
}

static enum tl_rc prepare(struct sender *s, struct tl_err *err)
{
    const struct send_options *o = s->o;
    struct send_plan *p = &s->plan;
    enum tl_rc rc = do_fit(o, err);

    tl_buf_init(&s->url, 8192);
    if (rc != TL_OK)
        return rc;
    rc = o->key && !o->cert ? cli__read_file(o->key, MAX_KEY, &s->key, err) : TL_OK;
    if (rc == TL_OK)
        rc = o->flow || !o->url ? from_flow(s, err) : by_scheme(s, err);
    if (rc == TL_OK)
        rc = http_url_parse(tl_buf_view(&s->url), &p->url, err);
    if (rc == TL_OK && p->url.tls)
        rc = cli__tls_new(&p->url, &(struct send_files){o->ca, o->cert, o->key}, &p->tls, err);
    else if (rc == TL_OK && (o->ca || o->cert))
        rc = tl_fail(err, TL_INVALID, "--%s is of https addresses; this one is http", o->ca ? "ca" : "cert");
    if (rc == TL_OK)
        rc = read_bodies(s, err);
    p->url_text = tl_buf_view(&s->url);
    p->verifier = s->verifier;
    p->content_type = o->content_type ? o->content_type : "application/json";
    p->count = o->count ? o->count : o->lines ? s->n_templates : 1;
    p->first = o->first ? o->first : 1;
    p->concurrency = o->concurrency ? o->concurrency : 16;
    if (p->concurrency > p->count)
        p->concurrency = p->count;
    p->rate = o->rate;
    p->duplicate = o->duplicate;
    p->malformed = o->malformed;
    p->timeout_ms = (int64_t)(o->timeout ? o->timeout : 30) * 1000;
    if (rc == TL_OK && p->concurrency > MAX_CONCURRENCY)
        rc = tl_fail(err, TL_INVALID, "--concurrency is %d at most", MAX_CONCURRENCY);
    return rc;
}

/* ---- the report ---- */
static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double quantile_ms(const struct send_result *r, double q)
{
    size_t i = (size_t)ceil(q * (double)r->n_latency);

    if (r->n_latency == 0)
        return 0;
    return (double)r->latency_us[i ? i - 1 : 0] / 1000;
}

static void report_json(const struct send_result *r)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(1 << 20);
    struct json_builder b, statuses, latency;

    json_object_begin(&statuses, a, 4);
    for (int i = 0; i < SEND_STATUSES; i++) {
        if (r->status[i])
            json_adds(&statuses, tl_arena_printf(a, "%d", i), json_int((int64_t)r->status[i]));
    }
    json_object_begin(&latency, a, 4);
    json_adds(&latency, "p50", json_double(quantile_ms(r, 0.5)));
    json_adds(&latency, "p95", json_double(quantile_ms(r, 0.95)));
    json_adds(&latency, "p99", json_double(quantile_ms(r, 0.99)));
    json_adds(&latency, "max", json_double(quantile_ms(r, 1)));
    json_object_begin(&b, a, 16);
    json_adds(&b, "sent", json_int((int64_t)r->sent));
    json_adds(&b, "unique", json_int((int64_t)r->unique));
    json_adds(&b, "duplicates", json_int((int64_t)r->duplicates));
    json_adds(&b, "malformed", json_int((int64_t)r->malformed));
    json_adds(&b, "accepted", json_int((int64_t)r->accepted));
    json_adds(&b, "answered_as_duplicate", json_int((int64_t)r->known));
    json_adds(&b, "refused", json_int((int64_t)(r->sent - r->accepted)));
    json_adds(&b, "failed", json_int((int64_t)r->failed));
    json_adds(&b, "resent", json_int((int64_t)r->resent));
    json_adds(&b, "status", json_end(&statuses));
    json_adds(&b, "latency_ms", json_end(&latency));
    json_adds(&b, "seconds", json_double(r->seconds));
    json_adds(&b, "rate", json_double(r->seconds > 0 ? (double)r->sent / r->seconds : 0));
    if (r->first_refusal[0])
        json_adds(&b, "first_refusal", json_str(r->first_refusal));
    if (r->first_failure[0])
        json_adds(&b, "first_failure", json_str(r->first_failure));
    cli__print_json(json_end(&b), false);
}

static void report(const struct send_plan *p, const struct send_result *r)
{
    printf("sent        %llu to %.*s in %.2f s, %.0f a second%s\n", (unsigned long long)r->sent, TL_SV_ARG(p->url_text),
           r->seconds, r->seconds > 0 ? (double)r->sent / r->seconds : 0, p->verifier ? ", signed" : ", not signed");
    printf("            %llu events", (unsigned long long)r->unique);
    if (r->duplicates)
        printf(", %llu of them twice", (unsigned long long)r->duplicates);
    if (r->malformed)
        printf(", %llu malformed", (unsigned long long)r->malformed);
    printf("\naccepted    %llu", (unsigned long long)r->accepted);
    if (r->known)
        printf(", %llu of them recognised as duplicates", (unsigned long long)r->known);
    puts("");
    for (int i = 0; i < SEND_STATUSES; i++) {
        if (r->status[i] && (i < 200 || i >= 300))
            printf("status %d  %llu\n", i, (unsigned long long)r->status[i]);
    }
    if (r->resent)
        printf("resent      %llu, after the server had closed the connection\n", (unsigned long long)r->resent);
    if (r->failed)
        printf("failed      %llu\n", (unsigned long long)r->failed);
    printf("latency     p50 %.2f ms, p95 %.2f ms, p99 %.2f ms\n", quantile_ms(r, 0.5), quantile_ms(r, 0.95),
           quantile_ms(r, 0.99));
    if (r->first_refusal[0]) {
        fputs("tieline send: the first refusal: ", stderr);
        cli__put_safe(stderr, tl_sv_trim(tl_sv_str(r->first_refusal)));
        fputs("\n", stderr);
    }
    if (r->first_failure[0])
        fprintf(stderr, "tieline send: the first failure: %s\n", r->first_failure);
}

static int run_send(void *options, const struct cli_args *args)
{
    struct sender s = {.o = options};
    struct send_result *r = &s.result;
    struct tl_err err = {0};
    int code = CLI_OK;
    enum tl_rc rc;

    (void)args;
    rc = prepare(&s, &err);
    if (rc == TL_OK)
        rc = cli__send(&s.plan, r, &err);
    if (rc != TL_OK) {
        code = s.project.errors && config_errors_count(s.project.errors)
                   ? cli__config_errors(s.project.errors, s.o->json)
                   : cli__fail(&err, s.o->json);
    } else {
        if (r->n_latency)
            qsort(r->latency_us, r->n_latency, sizeof *r->latency_us, by_value);
        if (s.o->json)
            report_json(r);
        else
            report(&s.plan, r);
        if (cli__is_stopped()) {
            (void)tl_fail(&err, TL_CANCELED, "send: stopped before the end");
            code = cli__fail(&err, s.o->json);
        } else if (r->failed && !r->sent)
            code = CLI_NO_SERVER;
        else if (r->failed || r->accepted < r->sent)
            code = CLI_FAILED;
    }
    done(&s);
    return code;
}

const struct cli_verb cli__send_verb = {
    .name = "send",
    .summary = "sign and post sample events, as the sender of a flow would",
    .about = "With --flow (or when the configuration has just one) path, scheme and secret are the flow's. The same\n"
             "number gives the same body, so a duplicate is byte for byte its first one.\n",
    CLI_OPTIONS(send_options, struct send_options),
    .run = run_send,
};
