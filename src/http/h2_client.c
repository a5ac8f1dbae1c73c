/* SPDX-License-Identifier: Apache-2.0 */
/* h2_client.c - connecting: address, policy, TCP, TLS; each within one deadline. */
#include <errno.h>
#include <sys/socket.h>

#include "http/client_int.h"
#include "http/h2_int.h"

static void on_abort(struct async_wait *w, enum tl_rc why)
{
    (void)why;
    async_wake(w);
}

static enum tl_rc wait_for(struct task *t, struct http_h2 *c, int events, uint64_t until_ns, struct tl_err *err)
{
    struct async_wait w;
    enum tl_rc rc;

    async_wait_init(&w, t, on_abort, NULL);
    c->opening = &w;
    http__h2_listen(c, events);
    rc = async_wait(&w, until_ns, err);
    c->opening = NULL;
    http__h2_listen(c, 0);
    return rc;
}

static enum tl_rc connect_tcp(struct task *t, struct http_h2 *c, uint64_t until_ns, struct tl_err *err)
{
    enum tl_rc rc = wait_for(t, c, UV_WRITABLE, until_ns, err);
    int error = 0;
    socklen_t n = sizeof error;

    if (rc != TL_OK)
        return rc;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    return error == 0 ? TL_OK : tl_fail(err, TL_UNREACHABLE, "%s", strerror(error));
}

static enum tl_rc shake_hands(struct task *t, struct http_h2 *c, uint64_t until_ns, struct tl_err *err)
{
    int rc;

    while ((rc = http__h2_handshake(c, err)) == -EAGAIN) {
        enum tl_rc waited = wait_for(t, c, c->ssl_wants_write ? UV_WRITABLE : UV_READABLE, until_ns, err);

        if (waited != TL_OK)
            return waited;
    }
    return rc == 1 ? TL_OK : TL_UNREACHABLE;
}

struct dialing {
    struct http_client *client;
    const struct http_h2_options *options;
    const struct http_client_tls *tls;
    struct http_url url;
    SSL_CTX *ctx; /* NULL: plain */
    uint64_t until_ns;
};

static enum tl_rc dial(struct task *t, const struct dialing *d, const struct http_addr *a, struct http_h2 **ret,
                       struct tl_err *err)
{
    int fd = http__dial(a, d->url.port);
    struct http_h2 *c = fd >= 0 ? http__h2_new(d->client->loop, fd) : NULL;
    enum tl_rc rc;

    if (!c)
        return tl_fail(err, TL_UNREACHABLE, "%s", fd < 0 ? strerror(errno) : "no descriptor is free");
    rc = connect_tcp(t, c, d->until_ns, err);
    if (rc == TL_OK && d->ctx)
        rc = http__h2_ssl(d->ctx, d->tls, d->url.host, c->fd, &c->ssl, err);
    if (rc == TL_OK && d->ctx)
        rc = shake_hands(t, c, d->until_ns, err);
    if (rc != TL_OK) {
        http__h2_free(c);
        return rc;
    }
    *ret = c;
    return TL_OK;
}

static enum tl_rc dial_all(struct task *t, const struct dialing *d, struct http_h2 **ret, struct tl_err *err)
{
    struct http_addrs addrs = {.n = 0};
    enum tl_rc rc = http__addresses(t, d->client, d->url.host, &d->client->opt.egress, &addrs, err);

    if (rc != TL_OK)
        return rc;
    if (addrs.n == 0)
        return tl_fail(err, TL_UNREACHABLE, "%.*s has no address", TL_SV_ARG(d->url.host));
    for (size_t i = 0; i < addrs.n; i++) {
        rc = dial(t, d, &addrs.v[i], ret, err);
        if (rc == TL_OK || rc == TL_CANCELED || rc == TL_CONFIG || async_loop_now(d->client->loop) >= d->until_ns)
            break;
    }
    if (rc == TL_TIMEOUT)
        return tl_fail(err, rc, "%.*s: no connection within the time allowed", TL_SV_ARG(d->url.host));
    return rc == TL_OK || rc == TL_CANCELED
               ? rc
               : tl_err_prefix(err, "%.*s port %u", TL_SV_ARG(d->url.host), (unsigned)d->url.port);
}

static void configure(struct http_h2 *c, const struct dialing *d)
{
    const struct http_h2_options *o = d->options;
    bool usual = d->url.port == (d->url.tls ? 443 : 80);

    c->window = o->window ? o->window : H2_WINDOW;
    c->max_headers = o->max_headers ? o->max_headers : H2_HEADERS;
    c->ping_ms = o->ping_ms ? o->ping_ms : 30000;
    c->ping_timeout_ms = o->ping_timeout_ms ? o->ping_timeout_ms : 20000;
    c->authority = tl_sprintf(d->url.host_is_v6 ? usual ? "[%.*s]" : "[%.*s]:%u"
                              : usual           ? "%.*s"
                                                : "%.*s:%u",
                              TL_SV_ARG(d->url.host), (unsigned)d->url.port);
}

enum tl_rc http_h2_connect(struct task *t, struct http_client *client, struct tl_sv url,
                           const struct http_h2_options *options, struct http_h2 **ret, struct tl_err *err)
{
    const struct http_h2_options usual = {0};
    struct dialing d = {.client = client, .options = options ? options : &usual};
    uint32_t ms = d.options->connect_timeout_ms ? d.options->connect_timeout_ms : client->opt.connect_timeout_ms;
    struct http_h2 *c = NULL;
    struct tl_err local;
    uint64_t saved;
    enum tl_rc rc = http__check_url(url, &d.url, err);

    assert(d.options->window <= H2_WINDOW_MAX);
    err = err ? err : &local;
    if (rc != TL_OK)
        return rc;
    if (client->opt.proxy)
        return tl_fail(err, TL_UNSUPPORTED,
                       "streams over HTTP/2 do not go through a proxy; name %.*s in no proxy's way",
                       TL_SV_ARG(d.url.host));
    d.tls = d.options->tls ? d.options->tls : &client->opt.tls;
    if (d.url.tls)
        rc = http__h2_ctx(d.tls, &d.ctx, err);
    if (rc != TL_OK)
        return rc;
    d.until_ns = async_loop_now(client->loop) + (uint64_t)ms * 1000000;
    saved = task_set_deadline(t, d.until_ns);
    rc = dial_all(t, &d, &c, err);
    task_restore_deadline(t, saved);
    SSL_CTX_free(d.ctx);
    if (rc != TL_OK)
        return rc;
    configure(c, &d);
    http__h2_begin(c);
    *ret = c;
    return TL_OK;
}

void http_h2_close(struct http_h2 *c)
{
    if (!c)
        return;
    assert(c->n_streams == 0);
    if (!c->dead) {
        (void)nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
        http__h2_flush(c);
    }
    if (!c->dead && c->ssl)
        (void)SSL_shutdown(c->ssl);
    http__h2_free(c);
}
