/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client.c - the operator's API: over <data>/control.sock when a server runs, else the same handlers in this process on
 * the ledger opened here (which locks it).
 */
#include <curl/curl.h>
#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "cli/cli_int.h"
#include "http/http.h"

enum { MAX_ANSWER = 80 << 20, MAX_ARENA = 1 << 30, MAX_TARGET = 1 << 20 };

struct cli_client {
    struct tl_arena *arena;
    const char *data;
    char *socket;
    CURL *curl; /* NULL: local */
    struct tl_buf answer;
    int status;
    struct crypto *crypto;
    struct admin admin;
    struct queue *queue;
    struct http_router *router;
};

/* ---- where the ledger is ---- */
struct place_conf {
    const char *path;
    const struct flow_encrypt_conf *encrypt;
};
static const struct config_field place_fields[] = {
    {.name = "path",
     .type = CONFIG_FILE,
     .offset = offsetof(struct place_conf, path),
     .fallback = "./data",
     .doc = "Directory of the ledger."},
    {.name = "encrypt",
     .type = CONFIG_OBJECT_REF,
     .spec = &flow_encrypt_spec,
     .offset = offsetof(struct place_conf, encrypt),
     .doc = "Keys of the ledger."},
};
static const struct config_spec place_spec =
    CONFIG_SPEC("cli.store", struct place_conf, place_fields, "The keys of `store` that a client needs.");
static const char *const place_names[] = {"path", "encrypt"};

/* Only these are read, so that a faulty flow does not keep the operator out. */
static enum tl_rc read_place(const char *file, struct tl_arena *a, const struct place_conf **ret, struct tl_err *err)
{
    TL_CLEANUP(config_errors_freep) struct config_errors *e = config_errors_new();
    struct config_entry entries[TL_COUNT(place_names)];
    struct config_node *node, only;
    const struct config_node *store;
    void *conf;

    if (config_load(a, file, e, &node) != TL_OK)
        return config_errors_first(e, err);
    store = config_get(node, "store");
    only = *node;
    only.n = 0;
    only.entries = entries;
    for (size_t i = 0; i < TL_COUNT(place_names) && store; i++) {
        const struct config_node *v = config_get(store, place_names[i]);

        if (v)
            entries[only.n++] = (struct config_entry){place_names[i], v->at, (struct config_node *)(uintptr_t)v};
    }
    if (config_parse(a, &place_spec, &only, &(struct config_options){.allow_literal_secrets = true}, e, &conf) != TL_OK)
        return config_errors_first(e, err);
    *ret = conf;
    return TL_OK;
}

static enum tl_rc from_config(const char *file, struct tl_arena *a, const char **ret, struct tl_err *err)
{
    const struct place_conf *place = NULL;
    enum tl_rc rc = read_place(file, a, &place, err);

    if (rc == TL_OK)
        *ret = place->path;
    return rc;
}

enum tl_rc cli__data_dir(const struct cli_common *c, struct tl_arena *a, const char **ret, struct tl_err *err)
{
    const char *env = getenv("TIELINE_DATA");
    struct stat st;

    if (c->data) {
        *ret = c->data;
        return TL_OK;
    }
    if (c->config)
        return from_config(c->config, a, ret, err);
    if (env && *env) {
        *ret = env;
        return TL_OK;
    }
    if (stat("tieline.yaml", &st) == 0)
        return from_config("tieline.yaml", a, ret, err);
    return tl_fail(err, TL_NOT_FOUND,
                   "which ledger? Give --data DIR or --config FILE, set TIELINE_DATA, or go where tieline.yaml is");
}

/* ---- over the socket ---- */
static size_t take(char *p, size_t size, size_t n, void *arg)
{
    struct cli_client *c = arg;

    return tl_buf_put(&c->answer, p, size * n) ? size * n : 0;
}

static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)arg, (void)a, (void)b, (void)c, (void)d;
    return cli__is_stopped();
}

static enum tl_rc remote(struct cli_client *c, const char *method, const char *target, struct tl_sv body,
                         struct tl_err *err)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    char *url = tl_sprintf("http://localhost%s", target);
    enum tl_rc rc = TL_OK;
    long status = 0;
    CURLcode code;

    headers = curl_slist_append(headers, "Expect:");
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, progress);
    if (strcmp(method, "POST") == 0) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, body.n ? body.p : "");
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    }
    code = curl_easy_perform(c->curl);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    c->status = (int)status;
    if (code == CURLE_WRITE_ERROR)
        rc = tl_fail(err, TL_LIMIT, "the server's answer is larger than 80 MB; ask for less at a time");
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        rc = tl_fail(err, TL_CANCELED, "stopped while the server was asked; what it has begun it ends");
    else if (code != CURLE_OK)
        rc = tl_fail(err, TL_UNREACHABLE, "the server at %s does not answer: %s", c->socket, curl_easy_strerror(code));
    curl_slist_free_all(headers);
    tl_free(url);
    return rc;
}

/* ---- in this process ---- */
static enum tl_rc local(struct cli_client *c, const char *method, const char *target, struct tl_sv body,
                        struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(MAX_ARENA);
    struct http_param params[HTTP_PARAMS_MAX];
    const struct http_headers none = {0};
    const struct http_route *route;
    struct tl_sv allow, path, rest = tl_sv_str(target);
    struct http_req req = {.method_text = tl_sv_str(method), .target = rest, .headers = &none, .trailers = &none};
    struct http_res res;
    struct tl_err failed = {0};
    enum tl_rc rc;

    while (!cli__is_stopped() && queue_turn(c->queue)) /* jobs go on between calls */
        ;
    http_res_init(&res, a);
    (void)tl_sv_cut(&rest, '?', &path);
    req.query = rest;
    req.method = http_method_of(req.method_text);
    req.body = body;
    req.params = params;
    req.arena = a;
    req.peer_uid = UINT32_MAX;
    rc = http_path_normalize(path, a, &req.path, err);
    if (rc != TL_OK)
        return rc;
    if (http_router_find(c->router, req.method, req.method_text, req.path, &route, params, &req.n_params, a, &allow) !=
        HTTP_MATCH)
        return tl_fail(err, TL_BUG, "there is no %s %s in this version", method, target);
    req.route_arg = route->arg;
    rc = route->handler(NULL, &req, &res, route->arg, &failed);
    if (rc != TL_OK) {
        failed.rc = rc;
        http_res_rc(&res, &failed);
    }
    c->status = res.status;
    if (!tl_buf_sv(&c->answer, res.body))
        return tl_fail(err, TL_LIMIT, "the answer is larger than 80 MB; ask for less at a time");
    return TL_OK;
}

static void notice(void *arg, const char *what, struct tl_sv flow, struct tl_sv connection, const char *text)
{
    (void)arg;
    (void)what;
    (void)flow;
    (void)connection;
    (void)text;
}

static void fatal(void *arg, const struct tl_err *err)
{
    (void)arg;
    fprintf(stderr, "tieline: the ledger cannot be written: %s\n", err->text);
    _Exit(CLI_FAILED);
}

static void dispatch(void *arg, unsigned loop, struct queue_work *first)
{
    (void)arg;
    (void)loop;
    (void)first;
    assert(false && "nothing is handed out here");
}

/* The keys of an encrypted ledger, from the configuration that is at hand. Without one there are none. */
static enum tl_rc ledger_keys(const struct cli_common *common, struct cli_client *c, struct crypto_seal_key *keys,
                              size_t *ret_n, struct tl_err *err)
{
    const char *file = common->config ? common->config : "tieline.yaml";
    const struct secret_options o = secret_default_options(c->crypto);
    TL_CLEANUP(secret_box_freep) struct secret_box *box = NULL;
    const struct place_conf *place = NULL;
    struct stat st;
    enum tl_rc rc;

    if (!common->config && stat(file, &st) != 0)
        return TL_OK;
    rc = read_place(file, c->arena, &place, err);
    if (rc == TL_OK && place->encrypt)
        rc = secret_box_new(&o, &box, err);
    if (rc == TL_OK && place->encrypt)
        rc = secret_seal_keys(box, c->crypto, &place->encrypt->key, &place->encrypt->old_keys, keys, ret_n, err);
    return rc == TL_OK ? rc : tl_err_prefix(err, "store.encrypt in %s", file);
}

/* Only `run` makes one: a mistyped directory must not look like an empty ledger, nor one of somebody else like none. */
static enum tl_rc find_ledger(struct cli_client *c, struct tl_err *err)
{
    const char *file = tl_arena_printf(c->arena, "%s/ledger.db", c->data);
    struct passwd *owner;
    struct stat st;

    if (access(file, R_OK | W_OK) == 0 || (errno != EACCES && errno != ENOENT && errno != ENOTDIR))
        return TL_OK; /* what else is wrong with it is said by who opens it */
    if (errno != EACCES)
        return tl_fail(err, TL_NOT_FOUND,
                       "there is no ledger in %s: `tieline run` makes it, or name another with --data", c->data);
    owner = stat(c->data, &st) == 0 && st.st_uid != geteuid() ? getpwuid(st.st_uid) : NULL;
    return tl_fail(err, TL_FORBIDDEN, "the ledger in %s: permission denied; run this as the user of the server%s%s%s",
                   c->data, owner ? " (" : "", owner ? owner->pw_name : "", owner ? ")" : "");
}

static enum tl_rc open_local(const struct cli_common *common, struct cli_client *c, struct tl_err *err)
{
    struct crypto_seal_key keys[SECRET_KEYS_MAX];
    struct queue_options o = {.path = c->data,
                              .n_loops = 1,
                              .manual = true,
                              .dispatch = dispatch,
                              .notice = notice,
                              .fatal = fatal,
                              .keys = keys};
    enum tl_rc rc = find_ledger(c, err);

    if (rc != TL_OK)
        return rc;
    rc = crypto_new(&c->crypto, err);
    if (rc == TL_OK)
        rc = ledger_keys(common, c, keys, &o.n_keys, err);
    if (rc == TL_OK)
        rc = queue_open(&o, &c->queue, err);
    tl_wipe(keys, sizeof keys);
    if (rc != TL_OK)
        return tl_err_prefix(err, "no server answers at %s, and the ledger cannot be opened here", c->socket);
    queue_set_dispatch(c->queue, false);
    c->admin = (struct admin){.queue = c->queue, .clock = tl_clock_system(), .data_path = c->data, .crypto = c->crypto};
    c->router = http_router_new();
    return admin_routes(&c->admin, c->router, err);
}

/* ---- both ---- */
static bool server_answers(struct cli_client *c)
{
    struct tl_err ignored = {0};
    struct stat st;
    bool ok;

    if (stat(c->socket, &st) != 0)
        return false;
    c->curl = curl_easy_init();
    if (!c->curl)
        return false;
    ok = remote(c, "GET", "/healthz", TL_SV(""), &ignored) == TL_OK;
    tl_buf_clear(&c->answer);
    if (!ok) {
        curl_easy_cleanup(c->curl);
        c->curl = NULL;
    }
    return ok;
}

enum tl_rc cli__open(const struct cli_common *common, struct cli_client **ret, struct tl_err *err)
{
    struct cli_client *c = tl_zalloc(sizeof *c);
    enum tl_rc rc;

    c->arena = tl_arena_new(MAX_ARENA);
    tl_buf_init(&c->answer, MAX_ANSWER);
    rc = cli__data_dir(common, c->arena, &c->data, err);
    if (rc == TL_OK) {
        c->socket = tl_sprintf("%s/control.sock", c->data);
        curl_global_init(CURL_GLOBAL_DEFAULT);
        if (!server_answers(c))
            rc = open_local(common, c, err);
    }
    if (rc == TL_OK)
        *ret = c;
    else
        cli__closep(&c);
    return rc;
}

void cli__closep(struct cli_client **pc)
{
    struct cli_client *c = TL_STEAL(pc);

    if (!c)
        return;
    if (c->curl)
        curl_easy_cleanup(c->curl);
    http_router_unref(c->router);
    if (c->queue)
        queue_close(c->queue);
    crypto_free(c->crypto);
    tl_buf_done(&c->answer);
    tl_arena_free(c->arena);
    tl_free(c->socket);
    tl_free(c);
}

struct tl_arena *cli__arena(struct cli_client *c)
{
    return c->arena;
}

bool cli__is_local(const struct cli_client *c)
{
    return c->curl == NULL;
}

struct tl_sv cli__raw(const struct cli_client *c)
{
    return tl_buf_view(&c->answer);
}

static enum tl_rc refused(struct cli_client *c, struct json answer, struct tl_err *err)
{
    struct json e = json_gets(answer, "error");
    struct tl_sv code = json_text(json_gets(e, "code"), TL_SV("")),
                 text = json_text(json_gets(e, "message"), TL_SV(""));
    char *name = tl_strndup(code.p ? code.p : "", code.n);
    enum tl_rc rc = TL_BUG;

    if (!tl_rc_parse(name, &rc) || rc == TL_OK)
        rc = c->status == 422 ? TL_CONFIG : c->status == 404 ? TL_NOT_FOUND : TL_UPSTREAM;
    tl_free(name);
    if (text.n)
        return tl_fail(err, rc, "%.*s", TL_SV_ARG(text));
    return tl_fail(err, rc, "the server refused this with status %d", c->status);
}

static bool is_text(const char *target)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf plain = {0};

    tl_buf_init(&plain, strlen(target) + 1);
    return tl_percent_decode(&plain, tl_sv_str(target), false) &&
           tl_utf8_valid(tl_buf_view(&plain)) == tl_buf_view(&plain).n;
}

enum tl_rc cli__call(struct cli_client *c, const char *method, const char *target, struct tl_sv body, struct json *ret,
                     struct tl_err *err)
{
    struct json answer = JSON_NOTHING;
    struct tl_sv text;
    enum tl_rc rc;

    tl_buf_clear(&c->answer);
    if (strstr(target, "%2F") && !strchr(target, '?')) /* cli__target: the API would speak of its paths */
        return tl_fail(err, TL_NOT_FOUND, "there is no such id or name: none has a slash");
    if (!is_text(target)) /* likewise */
        return tl_fail(err, TL_INVALID, "an id or name is not UTF-8");
    rc = c->curl ? remote(c, method, target, body, err) : local(c, method, target, body, err);
    if (rc != TL_OK)
        return rc;
    text = tl_arena_sv(c->arena, tl_buf_view(&c->answer));
    if (!text.p)
        return tl_fail(err, TL_LIMIT, "the answers need too much memory");
    if (json_parse(c->arena, text, 0, NULL, &answer, err) != TL_OK && c->status < 400)
        return tl_err_prefix(err, "the server's answer is not JSON");
    *ret = answer;
    return c->status >= 400 ? refused(c, answer, err) : TL_OK;
}

enum tl_rc cli__call_json(struct cli_client *c, const char *method, const char *target, struct json body,
                          struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, MAX_ANSWER);
    if (!json_write(&b, body, 0))
        return tl_fail(err, TL_LIMIT, "the request is too large");
    return cli__call(c, method, target, tl_buf_view(&b), ret, err);
}

const char *cli__target(struct cli_client *c, const char *base, const char *name, const char *rest)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, MAX_TARGET); /* a word of the command line has 128 KB at most: execve(2) */
    (void)tl_buf_puts(&b, base);
    (void)tl_percent_encode(&b, tl_sv_str(name));
    (void)tl_buf_puts(&b, rest);
    return tl_arena_strndup(c->arena, b.p, b.n);
}

void cli__query(struct tl_buf *b, const char *name, const char *value)
{
    if (!value)
        return;
    (void)tl_buf_puts(b, name);
    (void)tl_buf_putc(b, '=');
    (void)tl_percent_encode(b, tl_sv_str(value));
    (void)tl_buf_putc(b, '&');
}
