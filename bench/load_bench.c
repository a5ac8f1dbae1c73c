/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_bench.c - both ends of a comparison: a sender of signed orders and a target that counts what arrives.
 *
 *   load_bench send PORT PATH SECRET FIRST-ID SECONDS CONNECTIONS MARKS   closed loop; prints JSON
 *   load_bench target PORT MARKS                                              until SIGTERM
 *
 * MARKS is a file both may share with the caller: one byte an order, by its id. The sender writes 1 for sent and 2 for
 * answered 2xx; the target counts receipts up to 255. So the caller sees at any time, and after any crash of what lies
 * between, which acknowledged order never arrived and which came twice. Eight 64-bit counters precede the bytes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { IDS = 8 << 20, KEYS = 10000, CONNECTIONS_MAX = 1024, BUFFER = 16384, SAMPLES = 8 << 20, BODY = 1024 };

struct marks {
    atomic_uint_least64_t total, answered, refused, first_ns, last_ns, broken, spare[2];
    unsigned char of[IDS];
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct marks *map_marks(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *p;

    if (fd < 0 || ftruncate(fd, sizeof(struct marks)) != 0)
        die(path);
    p = mmap(NULL, sizeof(struct marks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die(path);
    close(fd);
    return p;
}

static void watch(int epoll, int op, int fd, void *who)
{
    struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = who}};

    if (epoll_ctl(epoll, op, fd, &e) != 0)
        die("epoll_ctl");
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 10);

    if (end == text || *end) {
        (void)fprintf(stderr, "load_bench: not a number: %s\n", text);
        exit(2);
    }
    return n;
}

/* A whole message at the beginning of p: its length, and where its body begins. 0: more must come. */
static size_t whole(const char *p, size_t n, size_t *ret_body)
{
    const char *end = memmem(p, n, "\r\n\r\n", 4), *at;
    size_t body, length = 0;

    if (!end)
        return 0;
    body = (size_t)(end - p) + 4;
    for (at = p; at && at < end; at = memmem(at, (size_t)(end - at) + 1, "\r\n", 2)) {
        at += *at == '\r' ? 2 : 0;
        if (strncasecmp(at, "content-length:", 15) == 0)
            length = strtoul(at + 15, NULL, 10);
        at++;
    }
    *ret_body = body;
    return n >= body + length ? body + length : 0;
}

/* ---- the target ---- */

struct peer {
    int fd;
    size_t n;
    char in[BUFFER];
};

static void count(struct marks *m, const char *body, size_t n)
{
    const char *at = memmem(body, n, "\"externalId\":\"", 14);
    uint64_t id = at && at + 26 < body + n ? strtoull(at + 14, NULL, 10) : IDS, now = now_ns();

    if (m->total++ == 0)
        m->first_ns = now;
    m->last_ns = now;
    if (id >= IDS)
        m->broken++;
    else if (m->of[id] < 255)
        m->of[id]++;
}

/* False: the connection is over. */
static bool serve(struct marks *m, struct peer *p)
{
    static const char answer[] = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
                                 "{\"ok\":true}";
    ssize_t got = recv(p->fd, p->in + p->n, sizeof p->in - p->n, 0);
    size_t used, body;

    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    p->n += (size_t)got;
    while ((used = whole(p->in, p->n, &body)) > 0) {
        count(m, p->in + body, used - body);
        if (send(p->fd, answer, sizeof answer - 1, MSG_NOSIGNAL) < 0)
            return false;
        p->n -= used;
        memmove(p->in, p->in + used, p->n);
    }
    return p->n < sizeof p->in;
}

static void take(int epoll, int listening)
{
    int one = 1, fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct peer *p;

    if (fd < 0)
        return;
    p = calloc(1, sizeof *p);
    if (!p)
        die("calloc");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    p->fd = fd;
    watch(epoll, EPOLL_CTL_ADD, fd, p);
}

static int target(char **arg)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)number(arg[0])), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int one = 1, listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), epoll = epoll_create1(EPOLL_CLOEXEC);
    struct marks *m = map_marks(arg[1]);
    struct epoll_event events[128];

    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&a, sizeof a) != 0 || listen(listening, 1024) != 0)
        die("bind");
    watch(epoll, EPOLL_CTL_ADD, listening, NULL);
    for (;;) {
        int n = epoll_wait(epoll, events, 128, -1);

        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;

            if (!p) {
                take(epoll, listening);
            } else if (!serve(m, p)) {
                close(p->fd);
                free(p);
            }
        }
    }
}

/* ---- the sender ---- */

struct sender {
    int fd;
    uint64_t id, began_ns;
    size_t n;
    char in[BUFFER];
};

struct load {
    struct marks *marks;
    EVP_MAC_CTX *mac;
    const char *path;
    uint64_t next_id, random;
    uint32_t *samples; /* microseconds */
    size_t n_samples;
    double zipf[KEYS];
    char body[BODY];
    size_t at_id, at_number, at_customer;
};

static uint64_t draw(struct load *l) /* xorshift64*: Vigna 2016 */
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return l->random * 2685821657736338717u;
}

/* Rank r has the weight 1 / r. */
static void make_zipf(struct load *l)
{
    double sum = 0;

    for (int i = 0; i < KEYS; i++)
        l->zipf[i] = sum += 1.0 / (i + 1);
    for (int i = 0; i < KEYS; i++)
        l->zipf[i] /= sum;
}

static int draw_key(struct load *l)
{
    double x = (double)(draw(l) >> 11) / 9007199254740992.0;
    int low = 0, high = KEYS - 1;

    while (low < high) {
        int mid = (low + high) / 2;

        if (l->zipf[mid] < x)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void make_body(struct load *l)
{
    static const char order[] =
        "{\"id\":\"000000000000\",\"number\":\"N00000000\",\"customer\":{\"id\":\"c00000\",\"first\":\"Ada\",\"last\":"
        "\"Lovelace\",\"email\":\"Ada.Lovelace@Example.COM\",\"phone\":\"+44 20 7946 0000\"},\"currency\":\"EUR\","
        "\"placed_at\":\"2026-03-01T12:34:56Z\",\"channel\":\"web\",\"ship\":{\"country\":\"GB\",\"city\":\"London\","
        "\"zip\":\"W1J 7NT\",\"street\":\"12 St James's "
        "Square\",\"method\":\"express\"},\"lines\":[{\"sku\":\"A-1001\","
        "\"title\":\"Punched cards, box of 1000\",\"price\":12.5,\"qty\":4},{\"sku\":\"B-2002\",\"title\":\"Brass gear "
        "wheel, 40 teeth\",\"price\":7.25,\"qty\":10},{\"sku\":\"C-3003\",\"title\":\"Lamp oil, one litre\",\"price\":"
        "3.1,\"qty\":2}],\"discount\":5,\"shipping\":9.9,\"paid\":true,\"tags\":[\"returning\",\"newsletter\"],"
        "\"note\":\"";
    static const char tail[] = "\"}";
    size_t n = sizeof order - 1;

    memcpy(l->body, order, n);
    memset(l->body + n, 'x', BODY - n);
    memcpy(l->body + BODY - (sizeof tail - 1), tail, sizeof tail - 1);
    l->at_id = (size_t)(strstr(order, "000000000000") - order);
    l->at_number = (size_t)(strstr(order, "N00000000") - order) + 1;
    l->at_customer = (size_t)(strstr(order, "c00000") - order) + 1;
}

static void put_digits(char *to, int width, uint64_t n)
{
    for (int i = width - 1; i >= 0; i--, n /= 10)
        to[i] = (char)('0' + n % 10);
}

static void sign(struct load *l, char hex[65])
{
    unsigned char tag[32];
    size_t n = 0;

    if (EVP_MAC_init(l->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(l->mac, (unsigned char *)l->body, BODY) != 1 ||
        EVP_MAC_final(l->mac, tag, &n, sizeof tag) != 1)
        die("hmac");
    for (size_t i = 0; i < sizeof tag; i++)
        (void)snprintf(hex + 2 * i, 3, "%02x", tag[i]);
}

static bool send_one(struct load *l, struct sender *s)
{
    char out[BODY + 512], hex[65];
    int n;

    s->id = l->next_id++;
    if (s->id >= IDS)
        return false;
    put_digits(l->body + l->at_id, 12, s->id);
    put_digits(l->body + l->at_number, 8, s->id);
    put_digits(l->body + l->at_customer, 5, (uint64_t)draw_key(l));
    sign(l, hex);
    n = snprintf(out, sizeof out - BODY,
                 "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nX-GitHub-Event: order\r\n"
                 "X-GitHub-Delivery: d%llu\r\nX-Hub-Signature-256: sha256=%s\r\nContent-Length: %d\r\n\r\n",
                 l->path, (unsigned long long)s->id, hex, BODY);
    memcpy(out + n, l->body, BODY);
    l->marks->of[s->id] = 1;
    l->marks->total++;
    s->began_ns = now_ns();
    return send(s->fd, out, (size_t)n + BODY, MSG_NOSIGNAL) == (ssize_t)((size_t)n + BODY);
}

/* -1: over; 0: not yet; 1: answered. */
static int receive(struct load *l, struct sender *s)
{
    ssize_t got = recv(s->fd, s->in + s->n, sizeof s->in - s->n, 0);
    uint64_t now = now_ns();
    size_t used, body;

    if (got <= 0)
        return got < 0 && errno == EAGAIN ? 0 : -1;
    s->n += (size_t)got;
    used = whole(s->in, s->n, &body);
    if (used == 0)
        return s->n < sizeof s->in ? 0 : -1;
    if (s->n > 9 && s->in[9] == '2') {
        l->marks->of[s->id] = 2;
        l->marks->answered++;
        l->marks->last_ns = now;
    } else {
        l->marks->refused++;
    }
    if (l->n_samples < SAMPLES)
        l->samples[l->n_samples++] = (uint32_t)((now - s->began_ns) / 1000);
    s->n = 0;
    return 1;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static double percentile_ms(const struct load *l, double p)
{
    return l->n_samples ? l->samples[(size_t)(p * (double)(l->n_samples - 1))] / 1000.0 : 0;
}

static bool dial(struct sender *s, const struct sockaddr_in *a)
{
    int one = 1;

    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(s->fd, (const struct sockaddr *)a, sizeof *a) != 0)
        return false;
    s->n = 0;
    return fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0;
}

/* A server may end a kept connection between two requests; one that refuses connections is dead. */
static bool again(struct load *l, int epoll, struct sender *s, const struct sockaddr_in *a)
{
    close(s->fd);
    l->marks->broken++;
    if (!dial(s, a))
        return false;
    watch(epoll, EPOLL_CTL_ADD, s->fd, s);
    return send_one(l, s);
}

static void run_load(struct load *l, const struct sockaddr_in *a, struct sender *all, int n, uint64_t until)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), live = 0;
    struct epoll_event events[128];

    l->marks->first_ns = now_ns();
    for (int i = 0; i < n; i++) {
        if (!dial(&all[i], a))
            continue;
        watch(epoll, EPOLL_CTL_ADD, all[i].fd, &all[i]);
        live += send_one(l, &all[i]);
    }
    while (live > 0) {
        int ready = epoll_wait(epoll, events, 128, 100);
        uint64_t now = now_ns();

        if (now > until + 10000000000u)
            break; /* answers that do not come */
        for (int i = 0; i < ready; i++) {
            struct sender *s = events[i].data.ptr;
            int r = receive(l, s);

            if (r == 0)
                continue;
            if (now >= until || (r > 0 && !send_one(l, s)) || (r < 0 && !again(l, epoll, s, a))) {
                close(s->fd);
                live--;
            }
        }
    }
    close(epoll);
}

static int send_orders(char **arg)
{
    static struct sender all[CONNECTIONS_MAX];
    static struct load l;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end()};
    uint64_t connections = number(arg[5]), begin = now_ns();
    double seconds;

    a.sin_port = htons((uint16_t)number(arg[0]));
    l.path = arg[1];
    l.mac = EVP_MAC_CTX_new(hmac);
    if (EVP_MAC_init(l.mac, (unsigned char *)arg[2], strlen(arg[2]), params) != 1)
        die("hmac");
    l.next_id = number(arg[3]);
    l.random = 88172645463325252u + l.next_id;
    l.marks = map_marks(arg[6]);
    l.samples = malloc(SAMPLES * sizeof *l.samples);
    if (!l.samples || connections < 1 || connections > CONNECTIONS_MAX)
        die("connections");
    make_zipf(&l);
    make_body(&l);
    run_load(&l, &a, all, (int)connections, begin + (uint64_t)(atof(arg[4]) * 1e9));
    seconds = (double)(l.marks->last_ns - l.marks->first_ns) / 1e9;
    qsort(l.samples, l.n_samples, sizeof *l.samples, by_size);
    (void)printf(
        "{\"sent\":%llu,\"answered\":%llu,\"refused\":%llu,\"broken\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,"
        "\"p50_ms\":%.3f,\"p95_ms\":%.3f,\"p99_ms\":%.3f,\"max_ms\":%.3f,\"first_ns\":%llu,\"next_id\":%llu}\n",
        (unsigned long long)l.marks->total, (unsigned long long)l.marks->answered, (unsigned long long)l.marks->refused,
        (unsigned long long)l.marks->broken, seconds, seconds > 0 ? (double)l.marks->answered / seconds : 0,
        percentile_ms(&l, 0.5), percentile_ms(&l, 0.95), percentile_ms(&l, 0.99), percentile_ms(&l, 1),
        (unsigned long long)l.marks->first_ns, (unsigned long long)l.next_id);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 9 && strcmp(argv[1], "send") == 0)
        return send_orders(argv + 2);
    if (argc == 4 && strcmp(argv[1], "target") == 0)
        return target(argv + 2);
    (void)fprintf(stderr, "usage: load_bench send PORT PATH SECRET FIRST-ID SECONDS CONNECTIONS MARKS\n"
                          "       load_bench target PORT MARKS\n");
    return 2;
}
