/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_call.c - one call from a task: check, look up, transfer, judge.
 * When http_client_call returns, libcurl holds nothing of the call: an aborted transfer is taken out first.
 */
#include <stdio.h>

#include "http/client_int.h"

enum { MAX_BODY = 10 * 1024 * 1024, MAX_HEADERS = 64 * 1024 };

/* ---- before ---- */

static struct tl_sv method_of(const struct http_request_out *req)
{
    if (req->method.n > 0)
        return req->method;
    return req->body.n > 0 || req->source ? TL_SV("POST") : TL_SV("GET");
}

bool http_client_is_safe(const struct http_request_out *req)
{
    struct tl_sv method = method_of(req);

    return tl_sv_eqs(method, "GET") || tl_sv_eqs(method, "HEAD") || tl_sv_eqs(method, "OPTIONS");
}

/* libcurl reads 0x7f.1 and 2130706433 as IPv4 addresses; a name never ends in a number (WHATWG URL 3.5). */
static bool ends_in_number(struct tl_sv host)
{
    size_t i = host.n;
    bool digits = true;

    while (i > 0 && host.p[i - 1] != '.')
        i--;
    if (host.n - i >= 2 && host.p[i] == '0' && (host.p[i + 1] | 0x20) == 'x')
        return true;
    for (size_t k = i; k < host.n; k++)
        digits = digits && host.p[k] >= '0' && host.p[k] <= '9';
    return digits;
}

enum tl_rc http__check_url(struct tl_sv url, struct http_url *ret_url, struct tl_err *err)
{
    struct http_addr a;
    enum tl_rc rc = http_url_parse(url, ret_url, err);

    if (rc != TL_OK)
        return rc;
    if (ret_url->userinfo.p)
        return tl_fail(err, TL_INVALID, "the URL holds credentials: they belong to the connection's auth");
    if (!ret_url->host_is_v6 && ends_in_number(ret_url->host) && !http_addr_parse(ret_url->host, &a))
        return tl_fail(err, TL_INVALID, "the host of the URL is neither a name nor an address");
    return TL_OK;
}

/* What the policy allowed once it allows again, until http_client_set_egress: two dozen ranges need not be read anew
 * for every call. */
static enum tl_rc check_address(struct http_client *c, const struct http_egress *e, const struct http_addr *a,
                                struct tl_err *err)
{
    enum tl_rc rc;

    for (size_t i = 0; i < TL_COUNT(c->allowed); i++)
        if (c->allowed[i].family == a->family && memcmp(c->allowed[i].ip, a->ip, sizeof a->ip) == 0)
            return TL_OK;
    rc = http_egress_check(e, a, err);
    if (rc == TL_OK)
        c->allowed[c->n_allowed++ % TL_COUNT(c->allowed)] = *a;
    return rc;
}

enum tl_rc http__addresses(struct task *t, struct http_client *c, struct tl_sv host, const struct http_egress *e,
                           struct http_addrs *ret, struct tl_err *err)
{
    struct http_addrs found = {.n = 1};
    enum tl_rc rc = TL_OK;

    if (!http_addr_parse(host, &found.v[0]))
        rc = http__resolve(t, c->resolver, host, &found, err);
    if (rc != TL_OK)
        return rc;
    for (size_t i = 0; i < found.n; i++) {
        enum tl_rc refused = e ? check_address(c, e, &found.v[i], err) : TL_OK;

        if (refused == TL_OK)
            ret->v[ret->n++] = found.v[i];
        else
            rc = refused;
    }
    return ret->n > 0 ? TL_OK : rc; /* the last refusal stands in err */
}

static enum tl_rc locate(struct task *t, struct http_call *call, const struct http_url *url, struct tl_err *err)
{
    const struct http_client_options *opt = &call->client->opt;
    struct http_addr literal;
    struct http_url proxy;
    enum tl_rc rc;

    if (!opt->proxy)
        return http__addresses(t, call->client, url->host, &opt->egress, &call->addrs, err);
    if (http_addr_parse(url->host, &literal)) {
        rc = http_egress_check(&opt->egress, &literal, err);
        if (rc != TL_OK)
            return rc;
    }
    rc = http_url_parse(tl_sv_str(opt->proxy), &proxy, err);
    if (rc != TL_OK)
        return tl_err_prefix(err, "proxy");
    rc = http__addresses(t, call->client, proxy.host, NULL, &call->addrs, err); /* the operator named it */
    if (rc == TL_OK) {
        char line[400], text[HTTP_ADDR_TEXT];

        (void)snprintf(line, sizeof line, call->addrs.v[0].family == 6 ? "+%.*s:%u:[%s]" : "+%.*s:%u:%s",
                       TL_SV_ARG(proxy.host), (unsigned)proxy.port, http_addr_format(&call->addrs.v[0], text));
        call->resolve = curl_slist_append(NULL, line);
    }
    return rc;
}

/* ---- after ---- */

static uint64_t get_us(CURL *easy, CURLINFO what, uint64_t before)
{
    curl_off_t us = 0;

    (void)curl_easy_getinfo(easy, what, &us);
    return us > 0 ? before + (uint64_t)us : 0;
}

static void fill_reply(struct http_call *call)
{
    struct http_reply *r = call->reply;
    long status = 0, request = 0, connects = 0, port = 0;
    curl_off_t up = 0, down = 0;
    char *ip = NULL;
    CURL *easy = call->easy;

    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &request);
    (void)curl_easy_getinfo(easy, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &ip);
    (void)curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    (void)curl_easy_getinfo(easy, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl_easy_getinfo(easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    r->status = (int)status;
    r->sent = request > 0 || status > 0;
    r->reused = connects == 0 && r->sent;
    r->bytes_out = (uint64_t)up;
    r->bytes_in = (uint64_t)down;
    r->connect_us = get_us(easy, CURLINFO_CONNECT_TIME_T, r->dns_us);
    r->tls_us = get_us(easy, CURLINFO_APPCONNECT_TIME_T, r->dns_us);
    r->first_byte_us = get_us(easy, CURLINFO_STARTTRANSFER_TIME_T, r->dns_us);
    if (ip && http_addr_parse(tl_sv_str(ip), &r->remote))
        r->remote.port = (uint16_t)port;
}

static bool is_configuration(CURLcode code)
{
    switch ((int)code) {
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_NOT_BUILT_IN:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return true;
    default:
        return false;
    }
}

static enum tl_rc judge(struct http_call *call, const struct http_url *url, struct tl_err *err)
{
    CURLcode code = call->code;
    const char *why = call->text[0] ? call->text : curl_easy_strerror(code);
    bool sent = call->reply->sent;

    if (call->own.rc != TL_OK && code != CURLE_OK) {
        if (err)
            *err = call->own;
        return call->own.rc;
    }
    switch ((int)code) {
    case CURLE_OK:
        return TL_OK;
    case CURLE_OPERATION_TIMEDOUT: /* connecting took too long: the call's own time is the wait's deadline */
        return tl_fail(err, TL_TIMEOUT, "%.*s: %s", TL_SV_ARG(url->host), why);
    case CURLE_OUT_OF_MEMORY: /* libcurl's own bound: 100 KB for one line of a head */
        return tl_fail(err, TL_LIMIT, "%.*s: a header of the reply is too long", TL_SV_ARG(url->host));
    case CURLE_SEND_FAIL_REWIND:
        return tl_fail(err, TL_UNKNOWN_OUTCOME,
                       "%.*s: the connection ended after the request was sent; it is not sent twice",
                       TL_SV_ARG(url->host));
    case CURLE_PEER_FAILED_VERIFICATION:
        return tl_fail(err, TL_UNREACHABLE, "%.*s: its certificate is not accepted: %s", TL_SV_ARG(url->host), why);
    default:
        break;
    }
    if (code == CURLE_SSL_CERTPROBLEM)
        return tl_fail(err, TL_CONFIG,
                       "%.*s: %s (PEM is wanted, a key that fits the certificate and needs no pass phrase)",
                       TL_SV_ARG(url->host), why);
    if (is_configuration(code))
        return tl_fail(err, TL_CONFIG, "%.*s: %s", TL_SV_ARG(url->host), why);
    if (!sent)
        return tl_fail(err, TL_UNREACHABLE, "%.*s port %u: %s", TL_SV_ARG(url->host), (unsigned)url->port, why);
    return tl_fail(err, call->idempotent ? TL_UPSTREAM : TL_UNKNOWN_OUTCOME, "%.*s: the reply did not come whole: %s",
                   TL_SV_ARG(url->host), why);
}

/* ---- the transfer ---- */

void http__call_ended(struct http_call *call, CURLcode code)
{
    call->code = code;
    (void)curl_multi_remove_handle(call->client->multi, call->easy);
    async_wake(&call->wait);
}

static void on_abort(struct async_wait *w, enum tl_rc why)
{
    (void)why;
    http__call_ended(w->arg, CURLE_ABORTED_BY_CALLBACK);
}

static enum tl_rc transfer(struct task *t, struct http_call *call, const struct http_url *url, uint64_t until_ns,
                           struct tl_err *err)
{
    CURLMcode added;
    enum tl_rc rc;

    async_wait_init(&call->wait, t, on_abort, call);
    added = curl_multi_add_handle(call->client->multi, call->easy);
    if (added != CURLM_OK)
        return tl_fail(err, TL_BUG, "libcurl refuses the transfer: %s", curl_multi_strerror(added));
    rc = async_wait(&call->wait, until_ns, err);
    fill_reply(call);
    if (rc == TL_OK)
        return judge(call, url, err);
    if (rc == TL_TIMEOUT)
        return tl_fail(err, rc, "%.*s: no whole reply within the time allowed (%s)", TL_SV_ARG(url->host),
                       call->reply->sent ? "the request was sent" : "nothing was sent");
    return rc;
}

static void release(struct http_call *call)
{
    struct http_client *c = call->client;

    if (call->easy) {
        http__call_unset(call);
        if (c->pooled < EASY_POOL) {
            c->pool[c->pooled].easy = call->easy;
            c->pool[c->pooled++].warm = call->warm;
        } else {
            curl_easy_cleanup(call->easy);
        }
    }
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->resolve);
    c->calls--;
}

static void take_handle(struct http_call *call)
{
    struct http_client *c = call->client;

    if (c->pooled > 0) {
        call->easy = c->pool[--c->pooled].easy;
        call->warm = c->pool[c->pooled].warm;
    } else {
        call->easy = curl_easy_init();
        assert(call->easy);
    }
}

static enum tl_rc run(struct task *t, struct http_call *call, struct tl_sv method, uint64_t begin, struct tl_err *err)
{
    uint32_t ms = call->req->timeout_ms ? call->req->timeout_ms : call->client->opt.timeout_ms;
    uint64_t until = begin + (uint64_t)ms * 1000000, saved;
    struct http_url url;
    enum tl_rc rc = http__check_url(call->req->url, &url, err);

    if (rc != TL_OK)
        return rc;
    saved = task_set_deadline(t, until);
    if (!http__direct_can(call, &url))
        rc = http__start_curl(t, call->client, err);
    if (rc == TL_OK)
        rc = locate(t, call, &url, err);
    task_restore_deadline(t, saved);
    call->reply->dns_us = (async_loop_now(call->client->loop) - begin) / 1000;
    if (rc != TL_OK)
        return rc;
    rc = http__check_headers(call->req, err);
    if (rc != TL_OK)
        return rc;
    if (http__direct_can(call, &url))
        return http__direct(t, call, method, &url, until, err);
    take_handle(call);
    http__call_setup(call, method, &url);
    return transfer(t, call, &url, until, err);
}

enum tl_rc http_client_call(struct task *t, struct http_client *c, const struct http_request_out *req,
                            struct tl_arena *arena, struct http_reply *reply, struct tl_err *err)
{
    bool has_body = req->body.n > 0 || req->source;
    struct tl_sv method = method_of(req);
    uint64_t begin = async_loop_now(c->loop);
    struct http_call call = {
        .client = c,
        .req = req,
        .arena = arena,
        .reply = reply,
        .begin_ns = begin,
        .idempotent = req->idempotent || http_client_is_safe(req),
        .source_left = req->source ? req->source_bytes : 0,
        .max_body = req->max_body ? req->max_body
                    : req->sink   ? UINT64_MAX
                                  : MAX_BODY,
        .max_headers = req->max_headers ? req->max_headers : MAX_HEADERS,
    };
    enum tl_rc rc;

    assert(task_loop(t) == c->loop);
    memset(reply, 0, sizeof *reply);
    if (!http_is_token(method) || tl_sv_eqs(method, "CONNECT"))
        return tl_fail(err, TL_INVALID, "not a request method");
    if (tl_sv_eqs(method, "HEAD") && has_body)
        return tl_fail(err, TL_INVALID, "a HEAD request has no body");
    c->calls++;
    rc = run(t, &call, method, begin, err);
    release(&call);
    reply->total_us = (async_loop_now(c->loop) - begin) / 1000;
    return rc;
}
