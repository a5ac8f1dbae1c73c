/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - the ports of src/auth: the loop's HTTP client, and the ledger's small values for its tokens. */
#include "main/auth.h"

#include <errno.h>

struct connector_auth *main_auth_new(void *arg, const struct connector *c, const char *name, const void *connection,
                                     struct tl_err *err)
{
    const struct main_auth *m = arg;

    return connector_auth_new(&m->world, c, name, connection, err);
}

void main_auth_free(void *arg, struct connector_auth *base)
{
    (void)arg;
    connector_auth_free(base);
}

/* ---- ports of src/auth ---- */
static enum tl_rc call_out(struct task *t, void *arg, const struct http_request_out *req, struct tl_arena *arena,
                           struct http_reply *reply, struct tl_err *err)
{
    struct main_auth *m = arg;

    return http_client_call(t, flow_engine_client(*m->engine, task_loop(t)), req, arena, reply, err);
}

static enum tl_rc disk_put(struct task *t, void *arg, struct tl_sv key, struct tl_sv value, struct tl_err *err)
{
    struct main_auth *m = arg;

    return queue_kv_put(*m->queue, t, key, value, err);
}

static enum tl_rc disk_get(struct task *t, void *arg, struct tl_sv key, struct tl_buf *ret, struct tl_err *err)
{
    struct main_auth *m = arg;

    return queue_kv_get(*m->queue, t, key, ret, err);
}

/* The key that seals tokens lies beside the ledger, readable by its owner only: a copy of the ledger alone (a snapshot,
 * a backup) gives no token away. */
static enum tl_rc seal_key(const char *data_path, struct crypto_seal_key *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *path = tl_sprintf("%s/token.key", data_path);
    unsigned char bytes[32];
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    ssize_t n;

    if (fd < 0 || fstat(fd, &st) != 0)
        return tl_fail(err, TL_IO, "cannot open %s: %s", path, strerror(errno));
    n = st.st_size == 0 ? 0 : read(fd, bytes, sizeof bytes);
    if (n == 0) {
        tl_random(bytes, sizeof bytes);
        n = write(fd, bytes, sizeof bytes) == (ssize_t)sizeof bytes && fsync(fd) == 0 ? (ssize_t)sizeof bytes : -1;
    }
    close(fd);
    if (n != (ssize_t)sizeof bytes)
        return tl_fail(err, TL_CONFIG, "%s is damaged (32 bytes are needed); delete it and connect again", path);
    if (st.st_mode & 077)
        return tl_fail(err, TL_CONFIG, "%s can be read by others; run: chmod 600 %s", path, path);
    *ret = (struct crypto_seal_key){.id = 1};
    memcpy(ret->key, bytes, sizeof bytes);
    tl_wipe(bytes, sizeof bytes);
    return TL_OK;
}

void main_auth_done(struct main_auth *m)
{
    auth_book_free(m->world.book);
    tl_wipe(&m->world.seal, sizeof m->world.seal);
    m->world.book = NULL;
}

enum tl_rc main_auth_init(struct main_auth *m, const char *data_path, const struct crypto *crypto,
                          struct secret_box *secrets, struct flow_engine **engine, struct queue **queue,
                          struct tl_err *err)
{
    m->engine = engine;
    m->queue = queue;
    m->world = (struct auth_world){.crypto = crypto,
                                   .clock = tl_clock_system(),
                                   .secrets = secrets,
                                   .http = {call_out, m},
                                   .disk = {disk_put, disk_get, m},
                                   .book = auth_book_new()};
    return seal_key(data_path, &m->world.seal, err);
}
