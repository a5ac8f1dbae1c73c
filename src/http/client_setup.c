/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client_setup.c - a request into the options of a libcurl handle. What is the same for all calls of a client is set
 * once and stays with the handle in the pool, unless the call is unusual: then the handle is reset after it.
 */
#include <stdio.h>

#include "http/client_int.h"

bool http_client_writes(struct tl_sv name)
{
    static const char *const reserved[] = {
        "content-length", "transfer-encoding", "connection", "expect", "upgrade", "te", "keep-alive", "trailer"};

    for (size_t i = 0; i < TL_COUNT(reserved); i++)
        if (tl_sv_eqi(name, tl_sv_str(reserved[i])))
            return true;
    return false;
}

enum tl_rc http__check_headers(const struct http_request_out *req, struct tl_err *err)
{
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct http_header *h = &req->headers[i];

        if (!http_is_token(h->name))
            return tl_fail(err, TL_INVALID, "header %zu has no valid name", i + 1);
        if (!http_is_field_value(h->value))
            return tl_fail(err, TL_INVALID, "the value of header %.*s has a control character", TL_SV_ARG(h->name));
        if (http_client_writes(h->name))
            return tl_fail(err, TL_INVALID, "header %.*s is not the caller's to set", TL_SV_ARG(h->name));
    }
    return TL_OK;
}

static void add_headers(struct http_call *call)
{
    const struct http_request_out *req = call->req;
    bool typed = false;

    call->headers = curl_slist_append(NULL, "Expect:"); /* a second round trip for nothing */
    for (size_t i = 0; i < req->n_headers; i++) {
        const struct http_header *h = &req->headers[i];
        TL_CLEANUP(tl_freep) char *line = NULL;

        typed |= tl_sv_eqi(h->name, TL_SV("content-type"));
        /* libcurl: "Name:" would remove a header, "Name;" sends it empty */
        if (tl_sv_trim(h->value).n == 0)
            line = tl_sprintf("%.*s;", TL_SV_ARG(h->name));
        else
            line = tl_sprintf("%.*s: %.*s", TL_SV_ARG(h->name), TL_SV_ARG(h->value));
        call->headers = curl_slist_append(call->headers, line);
    }
    if (!typed) /* libcurl would call every body a form */
        call->headers = curl_slist_append(call->headers, "Content-Type:");
}

static void set_blob(CURL *easy, CURLoption option, struct tl_sv pem)
{
    struct curl_blob blob = {(void *)(uintptr_t)pem.p, pem.n, CURL_BLOB_COPY};

    if (pem.n > 0)
        (void)curl_easy_setopt(easy, option, &blob);
}

static void set_file(CURL *easy, CURLoption option, const char *value)
{
    if (value)
        (void)curl_easy_setopt(easy, option, value);
}

static void set_tls(CURL *easy, const struct http_client_tls *tls)
{
    (void)curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
    (void)curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
    set_file(easy, CURLOPT_CAINFO, tls->ca_file);
    set_file(easy, CURLOPT_CAPATH, tls->ca_dir);
    set_file(easy, CURLOPT_SSLCERT, tls->cert_file);
    set_file(easy, CURLOPT_SSLKEY, tls->key_file);
    set_file(easy, CURLOPT_KEYPASSWD, tls->key_password ? tls->key_password : ""); /* or libcurl lets OpenSSL ask */
    set_blob(easy, CURLOPT_CAINFO_BLOB, tls->ca_pem);
    set_blob(easy, CURLOPT_SSLCERT_BLOB, tls->cert_pem);
    set_blob(easy, CURLOPT_SSLKEY_BLOB, tls->key_pem);
}

static void set_source(struct http_call *call)
{
    uint64_t n = call->req->source_bytes;
    CURL *easy = call->easy;

    (void)curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, n == UINT64_MAX ? (curl_off_t)-1 : (curl_off_t)n);
    (void)curl_easy_setopt(easy, CURLOPT_READFUNCTION, http__on_read);
    (void)curl_easy_setopt(easy, CURLOPT_READDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKFUNCTION, http__on_seek);
    (void)curl_easy_setopt(easy, CURLOPT_SEEKDATA, call);
}

static void set_method(struct http_call *call, struct tl_sv method)
{
    const struct http_request_out *req = call->req;
    bool bare = tl_sv_eqs(method, "GET") || tl_sv_eqs(method, "DELETE") || tl_sv_eqs(method, "OPTIONS") ||
                tl_sv_eqs(method, "TRACE");
    TL_CLEANUP(tl_freep) char *text = tl_strndup(method.p, method.n);
    CURL *easy = call->easy;

    if (tl_sv_eqs(method, "HEAD")) {
        (void)curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    if (req->source) {
        set_source(call);
    } else if (req->body.n > 0 || !bare) { /* head and body leave in one piece; without a body, Content-Length: 0 */
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.n);
        (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, req->body.n > 0 ? req->body.p : "");
    } else {
        (void)curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    (void)curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, text);
}

/* "+host:port:addr,addr": what was checked, so that libcurl has nothing to look up. */
static void set_addresses(struct http_call *call, const struct http_url *url)
{
    char line[300 + HTTP_LOOKUP_MAX * (HTTP_ADDR_TEXT + 3)], text[HTTP_ADDR_TEXT];
    struct http_addr literal;
    int n;

    if (call->client->opt.proxy) { /* the proxy's line was made with its look-up */
        (void)curl_easy_setopt(call->easy, CURLOPT_RESOLVE, call->resolve);
        return;
    }
    if (http_addr_parse(url->host, &literal))
        return;
    n = snprintf(line, sizeof line, "+%.*s:%u:", TL_SV_ARG(url->host), (unsigned)url->port);
    for (size_t i = 0; i < call->addrs.n && n > 0 && (size_t)n < sizeof line; i++)
        n += snprintf(line + n, sizeof line - (size_t)n, call->addrs.v[i].family == 6 ? "%s[%s]" : "%s%s",
                      i > 0 ? "," : "", http_addr_format(&call->addrs.v[i], text));
    call->resolve = curl_slist_append(NULL, line);
    (void)curl_easy_setopt(call->easy, CURLOPT_RESOLVE, call->resolve);
}

static void set_callbacks(CURL *easy, struct http_client *c)
{
    (void)curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http__on_header);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http__on_body);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, http__on_request);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http__on_socket);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http__on_close);
    (void)curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, c);
}

static void point_at(CURL *easy, struct http_call *call)
{
    (void)curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    (void)curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call ? call->text : NULL);
    (void)curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    (void)curl_easy_setopt(easy, CURLOPT_HTTPHEADER, call ? call->headers : NULL);
}

static void set_usual(CURL *easy, struct http_client *c)
{
    set_callbacks(easy, c);
    (void)curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    (void)curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);                          /* what was signed is what is sent */
    (void)curl_easy_setopt(easy, CURLOPT_PROXY, c->opt.proxy ? c->opt.proxy : ""); /* "": no look at the environment */
    (void)curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    (void)curl_easy_setopt(easy, CURLOPT_USERAGENT, c->opt.user_agent);
    (void)curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->opt.connect_timeout_ms);
    (void)curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 600L); /* longer than a call waits for its turn */
    set_tls(easy, &c->opt.tls);
}

void http__call_setup(struct http_call *call, struct tl_sv method, const struct http_url *url)
{
    const struct http_request_out *req = call->req;
    TL_CLEANUP(tl_freep) char *text = tl_strndup(req->url.p, req->url.n);
    CURL *easy = call->easy;

    add_headers(call);
    if (!call->warm)
        set_usual(easy, call->client);
    call->warm = !req->jar && !req->compressed && !req->tls && !req->source && !tl_sv_eqs(method, "HEAD");
    point_at(easy, call);
    (void)curl_easy_setopt(easy, CURLOPT_URL, text);
    if (req->jar) {
        (void)curl_easy_setopt(easy, CURLOPT_SHARE, http__jar_share(req->jar));
        (void)curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""); /* starts the cookie engine, reads nothing */
    }
    if (req->compressed)
        (void)curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (req->tls)
        set_tls(easy, req->tls);
    set_method(call, method);
    set_addresses(call, url);
}

void http__call_unset(struct http_call *call)
{
    CURL *easy = call->easy;

    if (!call->warm) {
        /* the handle must not keep the jar, nor point into the call */
        (void)curl_easy_setopt(easy, CURLOPT_SHARE, NULL);
        (void)curl_easy_setopt(easy, CURLOPT_COOKIEFILE, NULL); /* the reset would leak it (7.88.1) */
        curl_easy_reset(easy);
        return;
    }
    point_at(easy, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    (void)curl_easy_setopt(easy, CURLOPT_RESOLVE, NULL);
}
