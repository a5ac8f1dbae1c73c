/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.c - keep-alive connections of our own for `tieline send`: one epoll loop, one request at a time on each.
 * A request whose reused connection was closed before any answer is sent again (it carries a delivery id, so that the
 * receiver can recognise it); the report counts these.
 */
#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/send/send.h"

enum { MAX_ANSWER = 1 << 20, MAX_REQUEST = 64 << 20, TRIES = 3, LAG = 16 };

struct wire_job {
    uint64_t seq;
    bool again; /* a duplicate */
    unsigned tries;
};
struct wire_conn {
    int fd; /* -1: closed */
    bool busy, connecting, used;
    struct send_secure *secure; /* NULL: plain, or not connected */
    bool shaking, wants_out;    /* TLS: its handshake; what it waits for */
    struct tl_buf out, in;
    size_t written;
    struct wire_job job;
    uint64_t started_ns;
};
struct wire {
    const struct send_plan *p;
    struct send_result *r;
    struct addrinfo *address;
    int epoll;
    struct wire_conn *conns;
    size_t n_busy;
    uint64_t next_seq, end_seq, next_dup; /* duplicates trail behind by LAG */
    struct wire_job *redo;
    size_t n_redo, cap_redo, cap_latency;
    uint64_t begun_ns, handed;
    struct tl_arena *arena;
    struct tl_buf body;
};

static uint64_t now_ns(void)
{
    return tl_clock_mono_ns(tl_clock_system());
}

/* ---- which one is next ---- */
static bool next_job(struct wire *w, struct wire_job *ret)
{
    if (w->n_redo) {
        *ret = w->redo[--w->n_redo];
        return true;
    }
    while (w->next_dup < w->next_seq && (w->next_dup + LAG <= w->next_seq || w->next_seq == w->end_seq)) {
        uint64_t seq = w->next_dup++;

        if (cli__chosen(seq - w->p->first + 1, w->p->duplicate)) {
            *ret = (struct wire_job){.seq = seq, .again = true};
            return true;
        }
    }
    if (w->next_seq < w->end_seq) {
        *ret = (struct wire_job){.seq = w->next_seq++};
        return true;
    }
    return false;
}

static bool job_left(const struct wire *w)
{
    if (w->n_redo || w->next_seq < w->end_seq)
        return true;
    for (uint64_t seq = w->next_dup; seq < w->next_seq; seq++) {
        if (cli__chosen(seq - w->p->first + 1, w->p->duplicate))
            return true;
    }
    return false;
}

static void put_back(struct wire *w, struct wire_job job)
{
    if (w->n_redo == w->cap_redo) {
        w->cap_redo = w->cap_redo ? w->cap_redo * 2 : 64;
        w->redo = tl_reallocarray(w->redo, w->cap_redo, sizeof *w->redo);
    }
    job.tries++;
    w->redo[w->n_redo++] = job;
}

/* ---- the request ---- */
static enum tl_rc make_request(struct wire *w, struct wire_conn *c, struct tl_err *err)
{
    const struct send_plan *p = w->p;
    bool malformed = cli__chosen(c->job.seq - p->first + 1, p->malformed);
    struct webhook_message m = {
        .method = TL_SV("POST"), .url = p->signed_url, .content_type = tl_sv_str(p->content_type)};
    struct webhook_signed s = {.n_headers = 0};
    struct tl_sv body;
    struct http_url to = p->url;
    char id[64];
    enum tl_rc rc = cli__body(p->bodies, c->job.seq, malformed, &w->body, err);

    tl_arena_reset(w->arena);
    m.body = tl_buf_view(&w->body);
    m.id = tl_sv_str(cli__body_id(p->bodies, c->job.seq, id));
    if (rc == TL_OK && p->verifier)
        rc = webhook_sign(p->verifier, w->arena, &m, tl_clock_wall_ms(tl_clock_system()), &s, err);
    if (rc == TL_OK && s.url.n && !tl_sv_eq(s.url, p->signed_url)) /* the scheme puts something into the query */
        rc = http_url_parse(s.url, &to, err);
    if (rc != TL_OK)
        return rc;
    body = s.body.p ? s.body : tl_buf_view(&w->body);
    tl_buf_clear(&c->out);
    (void)tl_buf_printf(&c->out, "POST %.*s%s%.*s HTTP/1.1\r\nHost: %s%.*s%s:%u\r\nUser-Agent: tieline-send/%s\r\n",
                        p->url.path.n ? (int)p->url.path.n : 1, p->url.path.n ? p->url.path.p : "/",
                        to.query.n ? "?" : "", TL_SV_ARG(to.query), p->url.host_is_v6 ? "[" : "",
                        TL_SV_ARG(p->url.host), p->url.host_is_v6 ? "]" : "", p->url.port, TIELINE_VERSION);
    (void)tl_buf_printf(&c->out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                        s.content_type ? s.content_type : p->content_type, body.n);
    for (size_t i = 0; i < s.n_headers; i++)
        (void)tl_buf_printf(&c->out, "%.*s: %.*s\r\n", TL_SV_ARG(s.headers[i].name), TL_SV_ARG(s.headers[i].value));
    (void)tl_buf_puts(&c->out, "\r\n");
    (void)tl_buf_sv(&c->out, body);
    c->written = 0;
    return c->out.failed ? tl_fail(err, TL_LIMIT, "a request is larger than 64 MB") : TL_OK;
}

/* ---- connections ---- */
static void drop(struct wire_conn *c)
{
    cli__secure_free(c->secure);
    c->secure = NULL;
    c->shaking = false;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    c->used = c->connecting = false;
    tl_buf_clear(&c->in);
}

static void done(struct wire *w, struct wire_conn *c)
{
    c->busy = false;
    w->n_busy--;
}

static void lost(struct wire *w, struct wire_conn *c, const char *why)
{
    bool again = c->used && c->in.n == 0 && c->job.tries < TRIES;

    if (again) {
        w->r->resent++;
        put_back(w, c->job);
    } else {
        w->r->failed++;
        if (!w->r->first_failure[0])
            snprintf(w->r->first_failure, sizeof w->r->first_failure, "%s", why);
    }
    drop(c);
    done(w, c);
}

static void watch(struct wire *w, struct wire_conn *c, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data = {.ptr = c}};

    (void)epoll_ctl(w->epoll, op, c->fd, &e);
}

static ssize_t put(struct wire_conn *c, const char *p, size_t n, char *why, size_t size)
{
    ssize_t sent;

    if (c->secure)
        return cli__secure_send(c->secure, p, n, &c->wants_out, why, size);
    c->wants_out = true;
    sent = send(c->fd, p, n, MSG_NOSIGNAL);
    if (sent < 0)
        snprintf(why, size, "%s", strerror(errno));
    return sent;
}

static ssize_t get(struct wire_conn *c, char *p, size_t n, char *why, size_t size)
{
    ssize_t got;

    if (c->secure)
        return cli__secure_recv(c->secure, p, n, &c->wants_out, why, size);
    c->wants_out = false;
    got = recv(c->fd, p, n, 0);
    if (got < 0)
        snprintf(why, size, "%s", strerror(errno));
    return got;
}

static void push(struct wire *w, struct wire_conn *c)
{
    char why[160];

    while (c->written < c->out.n) {
        ssize_t n = put(c, c->out.p + c->written, c->out.n - c->written, why, sizeof why);

        if (n < 0 && errno == EAGAIN) {
            watch(w, c, EPOLL_CTL_MOD, c->wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
            return;
        }
        if (n < 0 && errno != EINTR) { /* an early answer may still be there to read */
            lost(w, c, why);
            return;
        }
        if (n > 0)
            c->written += (size_t)n;
    }
    watch(w, c, EPOLL_CTL_MOD, EPOLLIN);
}

/* The time of a handshake is not the time of an answer. */
static void begin(struct wire *w, struct wire_conn *c)
{
    c->started_ns = now_ns();
    push(w, c);
}

static void shake(struct wire *w, struct wire_conn *c)
{
    char why[160];

    if (cli__secure_shake(c->secure, &c->wants_out, why, sizeof why) > 0) {
        c->shaking = false;
        begin(w, c);
    } else if (errno == EAGAIN) {
        watch(w, c, EPOLL_CTL_MOD, c->wants_out ? EPOLLOUT : EPOLLIN);
    } else {
        lost(w, c, why);
    }
}

static void open_conn(struct wire *w, struct wire_conn *c)
{
    const int one = 1;

    c->fd = socket(w->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        lost(w, c, strerror(errno));
        return;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, w->address->ai_addr, w->address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        lost(w, c, strerror(errno));
        return;
    }
    c->connecting = true;
    watch(w, c, EPOLL_CTL_ADD, EPOLLOUT);
}

/* ---- the answer: -1 not yet, 0 malformed, 1 complete ---- */
static int complete(const struct tl_buf *in, int *ret_status, struct tl_sv *ret_body, bool *ret_close)
{
    struct tl_sv all = tl_buf_view(in), head, line, name;
    size_t end = tl_sv_find_sv(all, TL_SV("\r\n\r\n"));
    uint64_t status = 0, length = 0;
    bool chunked = false;

    if (end == all.n)
        return all.n > 65536 ? 0 : -1;
    head = tl_sv(all.p, end);
    *ret_body = tl_sv_from(all, end + 4);
    *ret_close = false;
    if (head.n < 12 || !tl_sv_starts(head, TL_SV("HTTP/1.")) || !tl_sv_u64(tl_sv(head.p + 9, 3), &status) ||
        status >= SEND_STATUSES)
        return 0;
    *ret_status = (int)status;
    while (tl_sv_cut(&head, '\n', &line)) {
        line = tl_sv_trim(line);
        if (!tl_sv_cut(&line, ':', &name))
            continue;
        line = tl_sv_trim(line);
        if (tl_sv_eqi(name, TL_SV("content-length")) && !tl_sv_u64(line, &length))
            return 0;
        if (tl_sv_eqi(name, TL_SV("transfer-encoding")))
            chunked = true;
        if (tl_sv_eqi(name, TL_SV("connection")) && tl_sv_eqi(line, TL_SV("close")))
            *ret_close = true;
    }
    if (chunked)
        return tl_sv_ends(*ret_body, TL_SV("0\r\n\r\n")) ? 1 : -1;
    if (ret_body->n < length)
        return -1;
    ret_body->n = length;
    return 1;
}

static void answered(struct wire *w, struct wire_conn *c, int status, struct tl_sv body)
{
    struct send_result *r = w->r;

    if (r->n_latency == w->cap_latency) {
        w->cap_latency = w->cap_latency ? w->cap_latency * 2 : 4096;
        r->latency_us = tl_reallocarray(r->latency_us, w->cap_latency, sizeof *r->latency_us);
    }
    r->latency_us[r->n_latency++] = (uint32_t)((now_ns() - c->started_ns) / 1000);
    r->sent++;
    r->status[status]++;
    if (c->job.again)
        r->duplicates++;
    else
        r->unique++;
    if (!c->job.again && cli__chosen(c->job.seq - w->p->first + 1, w->p->malformed))
        r->malformed++;
    if (status >= 200 && status < 300) {
        r->accepted++;
        if (tl_sv_find_sv(body, TL_SV("\"duplicate\":true")) < body.n)
            r->known++;
    } else if (!r->first_refusal[0]) {
        snprintf(r->first_refusal, sizeof r->first_refusal, "%d %.*s", status, (int)(body.n > 250 ? 250 : body.n),
                 body.p ? body.p : "");
    }
}

static void pull(struct wire *w, struct wire_conn *c)
{
    for (;;) {
        char *room = tl_buf_reserve(&c->in, 16384);
        struct tl_sv body;
        bool close_it = false;
        int status = 0, state;
        char why[160];
        ssize_t n;

        n = room ? get(c, room, 16384, why, sizeof why) : 0;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || !c->busy) {
            if (c->busy)
                lost(w, c, n < 0 ? why : "the server closed the connection without an answer");
            else
                drop(c); /* idle: the server has had enough of it */
            return;
        }
        tl_buf_added(&c->in, (size_t)n);
        state = complete(&c->in, &status, &body, &close_it);
        if (state == 0) {
            lost(w, c, "the answer is not HTTP");
            return;
        }
        if (state < 0)
            continue;
        answered(w, c, status, body);
        tl_buf_clear(&c->in);
        c->used = true;
        if (close_it)
            drop(c);
        done(w, c);
        return;
    }
}

/* ---- the loop ---- */
static uint64_t allowed(const struct wire *w)
{
    double seconds = (double)(now_ns() - w->begun_ns) / 1e9;

    return w->p->rate > 0 ? (uint64_t)(seconds * w->p->rate) + 1 : UINT64_MAX;
}

static enum tl_rc hand_out(struct wire *w, struct tl_err *err)
{
    uint64_t may = allowed(w);

    for (size_t i = 0; i < w->p->concurrency && w->n_busy < w->p->concurrency; i++) {
        struct wire_conn *c = &w->conns[i];
        enum tl_rc rc;

        if (c->busy)
            continue;
        if (w->handed >= may || !next_job(w, &c->job))
            break;
        w->handed++;
        rc = make_request(w, c, err);
        if (rc != TL_OK)
            return rc;
        c->busy = true;
        w->n_busy++;
        c->started_ns = now_ns();
        if (c->fd < 0)
            open_conn(w, c);
        else
            push(w, c);
    }
    return TL_OK;
}

static void ready(struct wire *w, struct wire_conn *c, uint32_t events)
{
    if (c->fd < 0)
        return;
    if (c->connecting) {
        int code = 0;
        socklen_t n = sizeof code;

        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &code, &n);
        c->connecting = false;
        if (code) {
            lost(w, c, strerror(code));
            return;
        }
        if (w->p->tls)
            c->secure = cli__secure_new(w->p->tls, c->fd);
        c->shaking = c->secure != NULL;
        if (w->p->tls && !c->secure)
            lost(w, c, "there is no memory for TLS");
        else if (c->shaking)
            shake(w, c);
        else
            begin(w, c);
        return;
    }
    if (c->shaking) {
        shake(w, c);
        return;
    }
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        pull(w, c);
    if (c->fd >= 0 && c->busy && (events & EPOLLOUT) && c->written < c->out.n)
        push(w, c);
}

static void expire(struct wire *w)
{
    uint64_t now = now_ns();

    for (size_t i = 0; i < w->p->concurrency; i++) {
        struct wire_conn *c = &w->conns[i];

        if (c->busy && now - c->started_ns > (uint64_t)w->p->timeout_ms * 1000000u) {
            c->used = false;
            lost(w, c, c->shaking ? "no TLS handshake in time" : "no answer in time");
        }
    }
}

static enum tl_rc loop(struct wire *w, struct tl_err *err)
{
    uint64_t total = w->p->count + (uint64_t)llround(floor((double)w->p->count * w->p->duplicate + 1e-9)), shown = 0;
    struct epoll_event events[256];
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK) {
        int n;

        rc = hand_out(w, err);
        if ((w->n_busy == 0 && !job_left(w)) || cli__is_stopped())
            break;
        n = epoll_wait(w->epoll, events, TL_COUNT(events), w->p->rate > 0 ? 1 : 100);
        for (int i = 0; i < n; i++)
            ready(w, events[i].data.ptr, events[i].events);
        if (now_ns() - shown > 100000000u) {
            cli__progress("sending", w->r->sent + w->r->failed, total);
            expire(w);
            shown = now_ns();
        }
        /* Nothing was ever accepted and all fails: it makes no sense to go through with it. */
        if (w->r->failed >= 50 && w->r->sent == 0)
            break;
    }
    cli__progress_end();
    return rc;
}

static enum tl_rc look_up(struct wire *w, struct tl_err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    char *host = tl_strndup(w->p->url.host.p, w->p->url.host.n), port[8];
    int code;

    snprintf(port, sizeof port, "%u", w->p->url.port);
    code = getaddrinfo(host, port, &hints, &w->address);
    if (code)
        (void)tl_fail(err, TL_UNREACHABLE, "cannot look up the host %s: %s", host, gai_strerror(code));
    tl_free(host);
    return code ? TL_UNREACHABLE : TL_OK;
}

enum tl_rc cli__send(const struct send_plan *p, struct send_result *ret, struct tl_err *err)
{
    struct wire w = {.p = p, .r = ret, .next_seq = p->first, .end_seq = p->first + p->count, .next_dup = p->first};
    enum tl_rc rc = look_up(&w, err);

    if (rc != TL_OK)
        return rc;
    w.epoll = epoll_create1(EPOLL_CLOEXEC);
    w.arena = tl_arena_new(256 << 20);
    tl_buf_init(&w.body, MAX_REQUEST);
    w.conns = tl_zalloc(p->concurrency * sizeof *w.conns);
    for (size_t i = 0; i < p->concurrency; i++) {
        w.conns[i].fd = -1;
        tl_buf_init(&w.conns[i].out, MAX_REQUEST);
        tl_buf_init(&w.conns[i].in, MAX_ANSWER);
    }
    w.begun_ns = now_ns();
    cli__hold_signals();
    rc = loop(&w, err);
    ret->seconds = (double)(now_ns() - w.begun_ns) / 1e9;
    for (size_t i = 0; i < p->concurrency; i++) {
        drop(&w.conns[i]);
        tl_buf_done(&w.conns[i].out);
        tl_buf_done(&w.conns[i].in);
    }
    tl_free(w.conns);
    tl_free(w.redo);
    tl_buf_done(&w.body);
    tl_arena_free(w.arena);
    (void)close(w.epoll);
    freeaddrinfo(w.address);
    return rc;
}
