/* SPDX-License-Identifier: Apache-2.0 */
#include "main/listen.h"

#include <arpa/inet.h>
#include <sys/stat.h>

enum { ANNOUNCE_MS = 1000 };

struct http_server_options main_server_options(const struct flow_server_conf *c)
{
    const struct flow_server_limits_conf *l = &c->limits;

    return (struct http_server_options){.limits = {.request_line = l->request_line,
                                                   .headers = (size_t)l->headers,
                                                   .header_bytes = l->header_bytes,
                                                   .chunk_ext = l->chunk_extension},
                                        .body_limit = c->body_limit,
                                        .body_memory = l->body_memory,
                                        .handshake_ms = (uint32_t)l->handshake_ms,
                                        .headers_ms = (uint32_t)l->head_ms,
                                        .body_grace_ms = (uint32_t)l->body_grace_ms,
                                        .body_rate = (uint32_t)l->body_rate,
                                        .write_ms = (uint32_t)l->write_ms,
                                        .idle_ms = (uint32_t)l->idle_ms,
                                        .drain_ms = (uint32_t)c->drain_ms,
                                        .requests_per_connection = (uint32_t)l->requests,
                                        .connections = (uint32_t)l->connections,
                                        .connections_per_address = (uint32_t)l->connections_per_address,
                                        .streams = (uint32_t)l->streams,
                                        .stream_window = (uint32_t)l->stream_window,
                                        .session_window = (uint32_t)l->session_window,
                                        .control_frames = (uint32_t)l->control_frames,
                                        .control_rate = (uint32_t)l->control_rate,
                                        .allow = (const struct http_cidr *)c->allow.items,
                                        .n_allow = c->allow.n,
                                        .trusted_proxies = (const struct http_cidr *)c->behind_proxy.items,
                                        .n_trusted_proxies = c->behind_proxy.n,
                                        .http1_only = !c->http2};
}

struct http_server_options main_public_options(const struct flow_server_conf *c)
{
    struct http_server_options o = main_server_options(c);

    o.drain_announce_ms = ANNOUNCE_MS;
    return o;
}

static uint64_t stamp_file(const char *path, uint64_t h)
{
    struct stat st;

    if (!path)
        return h;
    h = tl_hash64(path, strlen(path), h);
    if (stat(path, &st) != 0)
        return h + 1;
    h = tl_hash64(&st.st_mtim, sizeof st.st_mtim, h);
    h = tl_hash64(&st.st_ino, sizeof st.st_ino, h);
    return tl_hash64(&st.st_size, sizeof st.st_size, h);
}

static uint64_t stamp_of(const struct flow_server_conf *server)
{
    const struct flow_tls_conf *c = server->tls;
    uint64_t h = stamp_file(c->client_ca, stamp_file(c->key, stamp_file(c->certificate, 1 + server->http2)));

    for (size_t i = 0; i < c->others.n; i++) {
        const struct flow_certificate_conf *o = CONFIG_AT(c->others, struct flow_certificate_conf, i);

        h = stamp_file(o->key, stamp_file(o->certificate, h));
    }
    return h;
}

static enum tl_rc read_files(const struct flow_server_conf *server, struct http_tls *keep, struct http_tls **ret,
                             struct tl_err *err)
{
    static const char *const alpn[] = {"h2", "http/1.1"};
    struct http_tls_cert certs[FLOW_CERTIFICATES];
    struct http_tls_options t;

    flow_tls_options(server->tls, certs, &t);
    t.alpn = server->http2 ? alpn : alpn + 1;
    t.n_alpn = server->http2 ? 2 : 1;
    return http_tls_new(&t, keep, tl_clock_system(), ret, err);
}

static const char *address_text(const struct config_address *a, char host[INET6_ADDRSTRLEN], uint16_t *ret_port)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&a->addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&a->addr;

    if (a->addr.ss_family == AF_INET) {
        *ret_port = ntohs(v4->sin_port);
        return inet_ntop(AF_INET, &v4->sin_addr, host, INET6_ADDRSTRLEN);
    }
    *ret_port = ntohs(v6->sin6_port);
    return inet_ntop(AF_INET6, &v6->sin6_addr, host, INET6_ADDRSTRLEN);
}

enum tl_rc main_listen(struct main_listener *l, const struct flow_server_conf *c, struct http_server *server,
                       struct tl_err *err)
{
    struct http_listen listen = {.proxy_protocol = c->proxy_protocol};
    char host[INET6_ADDRSTRLEN];
    enum tl_rc rc = TL_OK;

    l->server = server;
    if (c->tls) {
        l->stamp = stamp_of(c);
        rc = read_files(c, NULL, &l->tls, err);
        listen.tls = l->tls;
    }
    listen.host = address_text(&c->listen, host, &listen.port);
    return rc == TL_OK ? http_server_listen(server, &listen, err) : rc;
}

void main_listen_done(struct main_listener *l)
{
    http_tls_unref(l->tls);
    l->tls = NULL;
}

struct reading {
    const struct flow_server_conf *conf;
    struct http_tls *keep, *made;
    enum tl_rc rc;
    struct tl_err err;
};

static void read_again(void *arg)
{
    struct reading *r = arg;

    r->rc = read_files(r->conf, r->keep, &r->made, &r->err);
}

enum tl_rc main_certificates(struct task *task, const struct main_listener *l, const struct flow_server_conf *c,
                             struct main_certificates *ret, struct tl_err *err)
{
    struct reading r = {.conf = c};
    enum tl_rc rc;

    *ret = (struct main_certificates){0};
    if (!l->tls || !c->tls)
        return TL_OK;
    ret->stamp = stamp_of(c); /* before they are read: what changes meanwhile is seen the next time */
    if (ret->stamp == l->stamp)
        return TL_OK;
    r.keep = http_tls_ref(l->tls); /* another reading may end first and replace it */
    rc = task_blocking(task, read_again, &r, NULL, err);
    http_tls_unref(r.keep);
    if (rc == TL_OK && r.rc != TL_OK) {
        *err = r.err;
        rc = r.rc;
    }
    if (rc == TL_OK)
        ret->tls = r.made;
    else
        http_tls_unref(r.made);
    return rc;
}

void main_certificates_use(struct main_listener *l, struct main_certificates *read)
{
    if (!read->tls)
        return;
    http_server_set_tls(l->server, 0, read->tls);
    http_tls_unref(l->tls);
    l->tls = read->tls;
    l->stamp = read->stamp;
    l->wrong = 0;
    read->tls = NULL;
}

void main_certificates_wrong(struct main_listener *l, const struct main_certificates *read)
{
    if (read->stamp && read->stamp != l->stamp && !read->tls)
        l->wrong = read->stamp;
}

void main_certificates_done(struct main_certificates *read)
{
    http_tls_unref(read->tls);
    read->tls = NULL;
}

bool main_certificates_changed(const struct main_listener *l, const struct flow_server_conf *c)
{
    uint64_t now = l->tls && c->tls ? stamp_of(c) : l->stamp;

    return now != l->stamp && now != l->wrong;
}
