/* SPDX-License-Identifier: Apache-2.0 */
/* io.c - reading and writing a connection, plain or TLS. No SIGPIPE: every send says MSG_NOSIGNAL, also under OpenSSL.
 */
#include <errno.h>
#include <stdlib.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "http/http_int.h"

/* ---- a BIO over a socket ---- */

static int bio_read(BIO *b, char *p, int n)
{
    int fd = (int)(intptr_t)BIO_get_data(b);
    ssize_t got = recv(fd, p, (size_t)n, 0);

    BIO_clear_retry_flags(b);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(b);
    return (int)got;
}

static int bio_write(BIO *b, const char *p, int n)
{
    int fd = (int)(intptr_t)BIO_get_data(b);
    ssize_t sent = send(fd, p, (size_t)n, MSG_NOSIGNAL);

    BIO_clear_retry_flags(b);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(b);
    return (int)sent;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    (void)b, (void)num, (void)ptr;
    return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *http__bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");

    if (!m || BIO_meth_set_read(m, bio_read) != 1 || BIO_meth_set_write(m, bio_write) != 1 ||
        BIO_meth_set_ctrl(m, bio_ctrl) != 1)
        abort(); /* only for want of memory */
    return m;
}

/* ---- TLS ---- */

/* What OpenSSL says after a call that did not succeed; its error queue is emptied here, on the same stack. */
static ssize_t ssl_verdict(struct conn *c, int rc)
{
    int why = SSL_get_error(c->ssl, rc);

    c->ssl_wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    ERR_clear_error();
    if (why == SSL_ERROR_ZERO_RETURN)
        return 0;
    c->ssl_broken = true; /* no close_notify after this: SSL_shutdown(3) */
    return -EIO;
}

static ssize_t tls_sendv(struct conn *c, const struct iovec *iov, int n)
{
    size_t sent = 0;

    for (int i = 0; i < n; i++) {
        size_t at = 0, got = 0;

        while (at < iov[i].iov_len) {
            int rc = SSL_write_ex(c->ssl, (const char *)iov[i].iov_base + at, iov[i].iov_len - at, &got);

            if (rc != 1) {
                ssize_t verdict = ssl_verdict(c, rc);

                if (verdict == 0)
                    verdict = -EIO;
                return sent ? (verdict == -EAGAIN ? (ssize_t)sent : verdict) : verdict;
            }
            at += got;
            sent += got;
        }
    }
    c->ssl_wants_write = false;
    return (ssize_t)sent;
}

int http__handshake(struct conn *c)
{
    int rc = SSL_accept(c->ssl);
    ssize_t verdict;

    if (rc == 1) {
        c->ssl_wants_write = false;
        return 1;
    }
    verdict = ssl_verdict(c, rc);
    return verdict == -EAGAIN ? -EAGAIN : -EIO;
}

/* ---- both ---- */

ssize_t http__recv(struct conn *c, void *p, size_t n)
{
    ssize_t got;

    if (c->ssl) {
        size_t read = 0;
        int rc = SSL_read_ex(c->ssl, p, n, &read);

        if (rc != 1)
            return ssl_verdict(c, rc);
        c->ssl_wants_write = false;
        return (ssize_t)read;
    }
    do
        got = recv(c->fd, p, n, 0);
    while (got < 0 && errno == EINTR);
    return got >= 0 ? got : errno == EAGAIN ? -EAGAIN : -EIO;
}

ssize_t http__sendv(struct conn *c, const struct iovec *iov, int n)
{
    struct msghdr m = {.msg_iovlen = (size_t)n};
    ssize_t sent;

    if (c->ssl)
        return tls_sendv(c, iov, n);
    memcpy(&m.msg_iov, &iov, sizeof iov); /* sendmsg does not write to it; its type is older than const */
    do
        sent = sendmsg(c->fd, &m, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0 ? sent : errno == EAGAIN ? -EAGAIN : -EIO;
}

BIO *http__bio_new(const BIO_METHOD *method, int fd)
{
    BIO *b = BIO_new(method);

    if (b) {
        BIO_set_data(b, (void *)(intptr_t)fd);
        BIO_set_init(b, 1);
    }
    return b;
}
