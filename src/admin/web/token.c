/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - where tokens come from: a file for this machine, the configuration (its secrets), the ledger (hashes, made
 * by POST /v1/tokens). A token that was made is shown once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/web/web_int.h"
#include "http/http.h"

#define LEDGER_KEY TL_SV("admin/tokens")
enum { SHORTEST = 24, LIST_MAX = 60000 };

bool admin__name_ok(struct tl_sv name)
{
    if (name.n == 0 || name.n > ADMIN__NAME)
        return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("._@-", c)))
            return false;
    }
    return true;
}

static void drop(struct admin_web *w, enum admin__token_from from)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_tokens; i++)
        if (w->tokens[i].from != from)
            w->tokens[n++] = w->tokens[i];
    w->n_tokens = n;
}

static struct admin__token *add(struct admin_web *w, enum admin__token_from from, struct tl_sv name,
                                enum admin_role role)
{
    struct admin__token *t;

    if (w->n_tokens == TL_COUNT(w->tokens))
        return NULL;
    t = &w->tokens[w->n_tokens++];
    *t = (struct admin__token){.role = role, .from = from};
    (void)snprintf(t->name, sizeof t->name, "%.*s", TL_SV_ARG(name));
    return t;
}

/* ---- the file for this machine ---- */
static enum tl_rc write_first(const char *path, char token[64], struct tl_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t n;
    bool ok;

    if (fd < 0)
        return tl_fail(err, TL_IO, "cannot write %s: %s", path, strerror(errno));
    admin__secret("tl_", token);
    n = strlen(token);
    ok = write(fd, token, n) == (ssize_t)n && write(fd, "\n", 1) == 1 && fsync(fd) == 0;
    if (close(fd) != 0 || !ok) {
        (void)unlink(path);
        return tl_fail(err, TL_IO, "cannot write %s: %s", path, strerror(errno));
    }
    return TL_OK;
}

enum tl_rc admin_web_first_token(struct admin_web *w, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *path = tl_sprintf("%s/admin.token", w->admin->data_path);
    char token[64] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st = {0};
    enum tl_rc rc = TL_OK;
    ssize_t n;

    if (fd < 0 && errno == ENOENT) {
        rc = write_first(path, token, err);
    } else if (fd < 0) {
        rc = tl_fail(err, TL_CONFIG, "cannot read %s: %s", path, strerror(errno));
    } else {
        n = read(fd, token, sizeof token - 1);
        token[n > 0 ? n : 0] = '\0';
        if (fstat(fd, &st) != 0 || st.st_mode & 077)
            rc = tl_fail(err, TL_CONFIG, "%s can be read by others; run: chmod 600 %s", path, path);
        else if (tl_sv_trim(tl_sv_str(token)).n < SHORTEST)
            rc = tl_fail(err, TL_CONFIG, "%s is damaged; delete it, and the next start makes another", path);
        close(fd);
    }
    if (rc == TL_OK) {
        struct admin__token *t;

        drop(w, ADMIN__FROM_FILE);
        t = add(w, ADMIN__FROM_FILE, TL_SV("local"), ADMIN_ADMIN);
        if (t) {
            t->loopback = true;
            admin__hash(w, tl_sv_trim(tl_sv_str(token)), t->hash);
        }
    }
    tl_wipe(token, sizeof token);
    return rc;
}

/* ---- the configuration's ---- */
static enum tl_rc conf_token(struct admin_web *w, const struct flow_admin_token_conf *c, uint8_t hash[ADMIN__HASH],
                             struct tl_err *err)
{
    TL_CLEANUP(secret_unrefp) struct secret *value = NULL;
    enum tl_rc rc = secret_get(w->admin->secrets, &c->secret, &value, NULL, err);

    if (rc == TL_BUSY) { /* Vault has not been read: what is read in a later round reloads us */
        TL_LOG(w->admin->log, TL_WARN, "admin.token_waits", err->text, KV_STR("token", c->name),
               KV_STR("what", "nobody is let in with it until it comes"));
        tl_err_clear(err);
        memset(hash, 0, ADMIN__HASH); /* of no token */
        return TL_OK;
    }
    if (rc != TL_OK)
        return tl_err_prefix(err, "admin.tokens: %s", c->name);
    if (!admin__name_ok(tl_sv_str(c->name)))
        return tl_fail(err, TL_CONFIG, "admin.tokens: a name has letters, digits and ._@- only");
    if (secret_view(value).n < SHORTEST)
        return tl_fail(err, TL_CONFIG, "admin.tokens: the secret of %s is shorter than %d characters", c->name,
                       SHORTEST);
    admin__hash(w, secret_view(value), hash);
    return TL_OK;
}

struct admin_access {
    struct flow_plan *plan;
    uint8_t hashes[ADMIN__CONFIGURED][ADMIN__HASH];
};

void admin_access_free(struct admin_access *a)
{
    if (!a)
        return;
    flow_plan_unref(a->plan);
    tl_free(a);
}

enum tl_rc admin_web_read(struct admin_web *w, struct flow_plan *plan, struct admin_access **ret, struct tl_err *err)
{
    const struct flow_admin_conf *conf = &flow_plan_project(plan)->admin;
    struct admin_access *a = tl_zalloc(sizeof *a);
    enum tl_rc rc = TL_OK;

    assert(conf->tokens.n <= TL_COUNT(a->hashes) && conf->certificates.n <= ADMIN__CONFIGURED);
    a->plan = flow_plan_ref(plan);
    for (size_t i = 0; i < conf->tokens.n && rc == TL_OK; i++)
        rc = conf_token(w, CONFIG_AT(conf->tokens, struct flow_admin_token_conf, i), a->hashes[i], err);
    if (rc == TL_OK)
        *ret = a;
    else
        admin_access_free(a);
    return rc;
}

void admin_web_use(struct admin_web *w, const struct admin_access *a)
{
    const struct flow_admin_conf *conf = &flow_plan_project(a->plan)->admin;

    w->session_ms = conf->session_ms;
    drop(w, ADMIN__FROM_CONFIG);
    for (size_t i = 0; i < conf->tokens.n; i++) {
        const struct flow_admin_token_conf *c = CONFIG_AT(conf->tokens, struct flow_admin_token_conf, i);
        struct admin__token *t =
            add(w, ADMIN__FROM_CONFIG, tl_sv_str(c->name), (enum admin_role)(ADMIN_VIEWER + c->role));

        if (t)
            memcpy(t->hash, a->hashes[i], ADMIN__HASH);
    }
    w->n_certificates = conf->certificates.n;
    for (size_t i = 0; i < conf->certificates.n; i++) {
        const struct flow_admin_certificate_conf *c =
            CONFIG_AT(conf->certificates, struct flow_admin_certificate_conf, i);

        w->certificates[i].role = (enum admin_role)(ADMIN_VIEWER + c->role);
        (void)snprintf(w->certificates[i].name, sizeof w->certificates[i].name, "%s", c->name);
    }
    admin__oidc_configure(w, a->plan);
    admin__sessions_sweep(w);
}

enum tl_rc admin_web_configure(struct admin_web *w, struct flow_plan *plan, struct tl_err *err)
{
    struct admin_access *a;
    enum tl_rc rc = admin_web_read(w, plan, &a, err);

    if (rc != TL_OK)
        return rc;
    admin_web_use(w, a);
    admin_access_free(a);
    return admin__tokens_of_ledger(w, NULL, err);
}

/* ---- the ledger's ---- */
static enum tl_rc read_list(struct admin *a, struct task *task, struct tl_arena *arena, struct json *ret,
                            struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct tl_sv text;
    enum tl_rc rc;

    tl_buf_init(&b, 1 << 17);
    rc = queue_kv_get(a->queue, task, LEDGER_KEY, &b, err);
    if (rc == TL_NOT_FOUND) {
        struct json_builder none;

        json_array_begin(&none, arena, 1);
        *ret = json_end(&none);
        return TL_OK;
    }
    text = tl_arena_sv(arena, tl_buf_view(&b));
    return rc == TL_OK ? json_parse(arena, text, 0, NULL, ret, err) : rc;
}

static enum tl_rc write_list(struct admin_call *c, struct json list, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, LIST_MAX);
    if (!json_write(&b, list, 0))
        return tl_fail(err, TL_LIMIT, "there are too many tokens: revoke some");
    return queue_kv_put(c->admin->queue, c->task, LEDGER_KEY, tl_buf_view(&b), err);
}

static bool is_over(struct json row, int64_t now)
{
    int64_t expires = 0;

    (void)json_int64(json_gets(row, "expires"), &expires);
    return expires && expires <= now;
}

static void add_stored(struct admin_web *w, struct json row)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hash = {0};
    struct admin__token *t;
    enum admin_role role;

    tl_buf_init(&hash, 64);
    if (is_over(row, tl_clock_wall_ms(w->admin->clock)))
        return;
    if (!admin__role_parse(json_text(json_gets(row, "role"), TL_SV("")), &role) ||
        !tl_hex_decode(&hash, json_text(json_gets(row, "sha256"), TL_SV(""))) || hash.n != ADMIN__HASH)
        return;
    t = add(w, ADMIN__FROM_LEDGER, json_text(json_gets(row, "name"), TL_SV("")), role);
    if (!t)
        return;
    memcpy(t->hash, hash.p, ADMIN__HASH);
    (void)json_int64(json_gets(row, "created"), &t->created_ms);
    (void)json_int64(json_gets(row, "expires"), &t->expires_ms);
}

enum tl_rc admin__tokens_of_ledger(struct admin_web *w, struct task *task, struct tl_err *err)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(1 << 20);
    struct json list;
    enum tl_rc rc = read_list(w->admin, task, arena, &list, err);

    if (rc != TL_OK)
        return rc;
    drop(w, ADMIN__FROM_LEDGER);
    for (uint32_t i = 0; list.type == JSON_ARRAY && i < list.n; i++)
        add_stored(w, list.u.items[i]);
    admin__sessions_sweep(w);
    return TL_OK;
}

/* ---- the API ---- */
static struct json token_json(struct tl_arena *a, struct json row)
{
    int64_t created = 0, expires = 0;
    struct json_builder b;

    (void)json_int64(json_gets(row, "created"), &created);
    (void)json_int64(json_gets(row, "expires"), &expires);
    json_object_begin(&b, a, 6);
    json_adds(&b, "name", json_gets(row, "name"));
    json_adds(&b, "role", json_gets(row, "role"));
    json_adds(&b, "from", json_str("ledger"));
    json_adds(&b, "by", json_gets(row, "by"));
    json_adds(&b, "created_at", admin__time_json(a, created));
    json_adds(&b, "expires_at", admin__time_json(a, expires));
    return json_end(&b);
}

static void push_known(struct admin_call *c, struct json_builder *list)
{
    const struct admin_web *w = c->admin->web;

    for (size_t i = 0; w && i < w->n_tokens; i++) {
        struct json_builder b;

        if (w->tokens[i].from == ADMIN__FROM_LEDGER)
            continue;
        json_object_begin(&b, c->arena, 6);
        json_adds(&b, "name", json_str_copy(c->arena, tl_sv_str(w->tokens[i].name)));
        json_adds(&b, "role", json_str(admin__role_name(w->tokens[i].role)));
        json_adds(&b, "from", json_str(w->tokens[i].from == ADMIN__FROM_FILE ? "file" : "config"));
        json_adds(&b, "by", json_null());
        json_adds(&b, "created_at", json_null());
        json_adds(&b, "expires_at", json_null());
        json_push(list, json_end(&b));
    }
}

static enum tl_rc get_tokens(struct admin_call *c, struct tl_err *err)
{
    struct json_builder list, b;
    struct json stored;
    enum tl_rc rc = read_list(c->admin, c->task, c->arena, &stored, err);

    if (rc != TL_OK)
        return rc;
    json_array_begin(&list, c->arena, 16);
    push_known(c, &list);
    for (uint32_t i = 0; i < stored.n; i++)
        json_push(&list, token_json(c->arena, stored.u.items[i]));
    json_object_begin(&b, c->arena, 1);
    json_adds(&b, "tokens", json_end(&list));
    return admin__answer(c, 200, json_end(&b), err);
}

/* The list without `name`; *ret_had: it was there. */
static struct json without(struct tl_arena *a, struct json list, struct tl_sv name, bool *ret_had)
{
    struct json_builder b;

    json_array_begin(&b, a, list.n + 1);
    *ret_had = false;
    for (uint32_t i = 0; i < list.n; i++) {
        if (tl_sv_eq(json_text(json_gets(list.u.items[i], "name"), TL_SV("")), name))
            *ret_had = true;
        else
            json_push(&b, list.u.items[i]);
    }
    return json_end(&b);
}

static bool known_elsewhere(const struct admin_web *w, struct tl_sv name)
{
    for (size_t i = 0; w && i < w->n_tokens; i++)
        if (w->tokens[i].from != ADMIN__FROM_LEDGER && tl_sv_eqs(name, w->tokens[i].name))
            return true;
    return false;
}

struct wanted {
    struct tl_sv name;
    enum admin_role role;
    int64_t expires_ms;
};
static enum tl_rc read_wanted(struct admin_call *c, struct wanted *w, struct tl_err *err)
{
    struct tl_sv role, expires;
    struct json v;
    int64_t span;
    enum tl_rc rc = admin__body(c, &v, err);

    if (rc != TL_OK)
        return rc;
    *w = (struct wanted){.name = json_text(json_gets(v, "name"), TL_SV(""))};
    role = json_text(json_gets(v, "role"), TL_SV("viewer"));
    expires = json_text(json_gets(v, "expires"), TL_SV(""));
    if (!admin__name_ok(w->name))
        return tl_fail(err, TL_INVALID, "name must be 1 to %d letters, digits and ._@-", ADMIN__NAME);
    if (!admin__role_parse(role, &w->role))
        return tl_fail(err, TL_INVALID, "role must be viewer, operator or admin");
    if (expires.n && (!tl_duration_parse(expires, &span) || span < 1000))
        return tl_fail(err, TL_INVALID, "expires must be a duration (90d)");
    if (expires.n)
        w->expires_ms = tl_clock_wall_ms(c->admin->clock) + span;
    return TL_OK;
}

static struct json stored_json(struct admin_call *c, const struct wanted *w, const char *token)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf hex = {0};
    struct tl_sv part = tl_sv_str(token);
    uint8_t digest[CRYPTO_MAX_DIGEST];
    struct json_builder b;

    (void)crypto_digest(c->admin->crypto, CRYPTO_SHA256, &part, 1, digest);
    tl_buf_init(&hex, 2 * ADMIN__HASH);
    (void)tl_hex_encode(&hex, digest, ADMIN__HASH);
    json_object_begin(&b, c->arena, 6);
    json_adds(&b, "name", json_sv(w->name));
    json_adds(&b, "role", json_str(admin__role_name(w->role)));
    json_adds(&b, "sha256", json_str_copy(c->arena, tl_buf_view(&hex)));
    json_adds(&b, "by", json_str(c->caller.who));
    json_adds(&b, "created", json_int(tl_clock_wall_ms(c->admin->clock)));
    json_adds(&b, "expires", json_int(w->expires_ms));
    return json_end(&b);
}

/* One change of the list at a time; then it is read again, so that it counts at once. */
static enum tl_rc change_list(struct admin_call *c,
                              enum tl_rc (*change)(struct admin_call *c, struct json *list, void *arg,
                                                   struct tl_err *err),
                              void *arg, struct tl_err *err)
{
    struct admin_web *w = c->admin->web;
    struct json list;
    enum tl_rc rc = w && c->task ? async_lock(c->task, &w->changing, err) : TL_OK;

    if (rc != TL_OK)
        return rc;
    rc = read_list(c->admin, c->task, c->arena, &list, err);
    if (rc == TL_OK)
        rc = change(c, &list, arg, err);
    if (rc == TL_OK)
        rc = write_list(c, list, err);
    if (rc == TL_OK && w)
        rc = admin__tokens_of_ledger(w, c->task, err);
    if (w && c->task)
        async_unlock(&w->changing);
    return rc;
}

struct addition {
    struct wanted w;
    char token[64];
};
static enum tl_rc add_one(struct admin_call *c, struct json *list, void *arg, struct tl_err *err)
{
    struct addition *a = arg;
    struct json_builder b;
    size_t alive = 0;
    bool had;

    for (uint32_t i = 0; i < list->n; i++)
        alive += !is_over(list->u.items[i], tl_clock_wall_ms(c->admin->clock));
    if (alive >= ADMIN__TOKENS)
        return tl_fail(err, TL_LIMIT, "there are %d tokens already: revoke those that nobody uses", ADMIN__TOKENS);
    (void)without(c->arena, *list, a->w.name, &had);
    if (had || known_elsewhere(c->admin->web, a->w.name))
        return tl_fail(err, TL_EXISTS, "there is a token '%.*s' already: revoke it first", TL_SV_ARG(a->w.name));
    json_array_begin(&b, c->arena, list->n + 1);
    for (uint32_t i = 0; i < list->n; i++)
        json_push(&b, list->u.items[i]);
    json_push(&b, stored_json(c, &a->w, a->token));
    *list = json_end(&b);
    return TL_OK;
}

static enum tl_rc post_token(struct admin_call *c, struct tl_err *err)
{
    struct addition a;
    struct json_builder b;
    enum tl_rc rc = read_wanted(c, &a.w, err);

    if (rc != TL_OK)
        return rc;
    rc = admin__act(c, err, "token %.*s, %s", TL_SV_ARG(a.w.name), admin__role_name(a.w.role));
    if (rc != TL_OK)
        return rc;
    admin__secret("tl_", a.token);
    rc = change_list(c, add_one, &a, err);
    if (rc == TL_OK) {
        json_object_begin(&b, c->arena, 4);
        json_adds(&b, "name", json_sv(a.w.name));
        json_adds(&b, "role", json_str(admin__role_name(a.w.role)));
        json_adds(&b, "token", json_str_copy(c->arena, tl_sv_str(a.token)));
        json_adds(&b, "expires_at", admin__time_json(c->arena, a.w.expires_ms));
        rc = admin__answer(c, 201, json_end(&b), err);
    }
    tl_wipe(a.token, sizeof a.token);
    return rc;
}

static enum tl_rc remove_one(struct admin_call *c, struct json *list, void *arg, struct tl_err *err)
{
    const struct tl_sv *name = arg;
    bool had;

    *list = without(c->arena, *list, *name, &had);
    if (had)
        return TL_OK;
    return known_elsewhere(c->admin->web, *name)
               ? tl_fail(err, TL_CONFLICT, "token '%.*s' is kept in a file: delete it there", TL_SV_ARG(*name))
               : tl_fail(err, TL_NOT_FOUND, "there is no token '%.*s'", TL_SV_ARG(*name));
}

static enum tl_rc delete_token(struct admin_call *c, struct tl_err *err)
{
    struct tl_sv name = http_req_param(c->req, "name");
    enum tl_rc rc = admin__act(c, err, "token %.*s", TL_SV_ARG(name));

    if (rc == TL_OK)
        rc = change_list(c, remove_one, &name, err);
    return rc == TL_OK ? admin__done(c, err) : rc;
}

static const struct admin__route routes[] = {
    {.methods = "GET",
     .pattern = "/v1/tokens",
     .fn = get_tokens,
     .doc = "Tokens, never their values.",
     .role = ADMIN_ADMIN},
    {.methods = "POST",
     .pattern = "/v1/tokens",
     .fn = post_token,
     .doc = "Make a token; shown once.",
     .body = (const struct admin__field[]){{"name", "string", "Letters, digits and ._@-.", true},
                                           {"role", "string", "viewer, operator or admin; viewer when absent.", false},
                                           {"expires", "string", "A duration (90d).", false},
                                           {0}},
     .act = "make token",
     .role = ADMIN_ADMIN},
    {.methods = "DELETE",
     .pattern = "/v1/tokens/{name}",
     .fn = delete_token,
     .doc = "Revoke a token.",
     .act = "revoke token",
     .role = ADMIN_ADMIN},
};
const struct admin__table admin__token_table = {routes, TL_COUNT(routes)};

/* ---- the whole ---- */
enum tl_rc admin_web_new(struct admin *a, struct admin_web **ret_web, struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *where = realpath(a->data_path, NULL);
    struct admin_web *w;

    if (!where)
        return tl_fail(err, TL_IO, "cannot find %s: %s", a->data_path, strerror(errno));
    w = tl_zalloc(sizeof *w);
    w->admin = a;
    tl_random(w->going.key, sizeof w->going.key);
    tl_buf_init(&w->status, 8 << 20);
    /* Cookies know no ports: two installations on one machine must not overwrite each other's. */
    (void)snprintf(w->cookie, sizeof w->cookie, "tieline_%08x", (unsigned)tl_hash64(where, strlen(where), 1));
    *ret_web = w;
    return TL_OK;
}

void admin_web_free(struct admin_web *w)
{
    if (!w)
        return;
    admin__oidc_done(w);
    tl_buf_done(&w->status);
    tl_free(w);
}
