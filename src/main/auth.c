/* SPDX-License-Identifier: Apache-2.0 */
/* auth.c - src/auth behind the port that connectors' hosts use; its tokens go to the ledger's small values. */
#include "main/auth.h"

#include <errno.h>

struct bound_auth {
    struct connector_auth base;
    struct auth *auth;
};

static enum tl_rc apply(struct connector_auth *base, struct task *task, struct connector_call *call,
                        struct http_request_out *req, struct tl_err *err)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);
    struct auth_request r = {.arena = call->arena, .method = req->method, .url = req->url, .body = req->body};
    struct auth_ticket ticket = {0};
    enum tl_rc rc;

    for (size_t i = 0; i < req->n_headers; i++) {
        if (tl_sv_eqi(req->headers[i].name, TL_SV("content-type")))
            r.content_type = req->headers[i].value;
        if (!auth_request_header(&r, "", req->headers[i].value))
            return tl_fail(err, TL_LIMIT, "the call needs more memory than it may have");
        r.headers[r.n_headers - 1].name = req->headers[i].name;
    }
    if (r.method.n == 0)
        r.method = r.body.n ? TL_SV("POST") : TL_SV("GET");
    rc = auth_apply(task, b->auth, &r, &ticket, err);
    if (rc != TL_OK)
        return rc;
    _Static_assert(sizeof ticket <= sizeof call->auth_note, "a ticket fits into the call");
    memcpy(call->auth_note, &ticket, sizeof ticket);
    req->url = r.url;
    req->headers = r.headers;
    req->n_headers = r.n_headers;
    if (r.tls)
        req->tls = r.tls;
    return TL_OK;
}

static bool answered(struct connector_auth *base, struct task *task, struct connector_call *call,
                     const struct http_reply *reply)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);
    struct auth_ticket ticket;

    (void)task;
    memcpy(&ticket, call->auth_note, sizeof ticket);
    if (reply->status == 401)
        return auth_rejected(b->auth, &ticket, http_header_get(&reply->headers, "date"));
    auth_accepted(b->auth, &ticket, http_header_get(&reply->headers, "date"));
    return false;
}

struct connector_auth *main_auth_new(void *arg, const struct connector *c, const char *name, const void *connection,
                                     struct tl_err *err)
{
    const struct main_auth *world = arg;
    struct auth_defaults defaults = {.rsa_alg = CRYPTO_ALG_UNSET};
    const struct config_choice *choice;
    struct bound_auth *b;

    if (!c->auth)
        return NULL;
    choice = (const struct config_choice *)(const void *)((const char *)connection + c->auth_offset);
    if (!choice->variant)
        return NULL;
    b = tl_zalloc(sizeof *b);
    b->base = (struct connector_auth){.apply = apply, .answered = answered};
    if (c->auth_defaults)
        c->auth_defaults(connection, &defaults);
    if (auth_new(&world->world, name, choice->name, choice->conf, &defaults, &b->auth, err) == TL_OK)
        return &b->base;
    tl_free(b);
    return NULL;
}

void main_auth_free(void *arg, struct connector_auth *base)
{
    struct bound_auth *b = TL_CONTAINER(base, struct bound_auth, base);

    (void)arg;
    auth_free(b->auth);
    tl_free(b);
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
                                   .disk = {disk_put, disk_get, m}};
    return seal_key(data_path, &m->world.seal, err);
}
