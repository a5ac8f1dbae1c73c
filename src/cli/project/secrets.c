/* SPDX-License-Identifier: Apache-2.0 */
/* secrets.c - `tieline secrets`: the local encrypted store behind ${store:NAME}. Values are never printed. */
#include <signal.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli_int.h"

enum { MAX_VALUE = 65536 };

struct secrets_options {
    const char *store, *key_file, *new_key_file, *from;
    bool json;
};
#define STORE_OPTIONS                                                                                                  \
    {"store",                                                                                                          \
     0,                                                                                                                \
     CLI_TEXT,                                                                                                         \
     "FILE",                                                                                                           \
     offsetof(struct secrets_options, store),                                                                          \
     "the store ($TIELINE_SECRETS, else secrets.tls)"},                                                                \
        {"key-file",                                                                                                   \
         0,                                                                                                            \
         CLI_TEXT,                                                                                                     \
         "FILE",                                                                                                       \
         offsetof(struct secrets_options, key_file),                                                                   \
         "file with its key, 32 bytes or their hex or base64 (else $TIELINE_SECRETS_KEY)"},                            \
    {                                                                                                                  \
        "json", 0, CLI_FLAG, NULL, offsetof(struct secrets_options, json), "JSON"                                      \
    }
static const struct cli_option common_options[] = {STORE_OPTIONS};
static const struct cli_option value_options[] = {
    {"from", 0, CLI_TEXT, "FILE", offsetof(struct secrets_options, from),
     "read the value from a file; else it is asked for, or read from standard input"},
    STORE_OPTIONS,
};
static const struct cli_option rekey_options[] = {
    {"new-key-file", 0, CLI_TEXT, "FILE", offsetof(struct secrets_options, new_key_file), "file with the new key"},
    STORE_OPTIONS,
};

struct opened {
    struct crypto *crypto;
    struct secret_store *store;
    struct crypto_seal_key key;
};

static void closep(struct opened *s)
{
    secret_store_freep(&s->store);
    if (s->crypto)
        crypto_free(s->crypto);
    tl_wipe(&s->key, sizeof s->key);
}

static void wipep(struct tl_buf *b)
{
    if (b->p)
        tl_wipe(b->p, b->cap);
    tl_buf_done(b);
}

static enum tl_rc read_key(const struct crypto *c, const char *file, struct crypto_seal_key *ret, struct tl_err *err)
{
    TL_CLEANUP(wipep) struct tl_buf b = {0};
    const char *env = getenv("TIELINE_SECRETS_KEY");
    struct tl_sv text;
    enum tl_rc rc = TL_OK;

    if (!file && (!env || !*env))
        return tl_fail(err, TL_CONFIG,
                       "no key: set TIELINE_SECRETS_KEY or give --key-file (`tieline secrets key` makes one)");
    if (file)
        rc = cli__read_file(file, MAX_VALUE, &b, err);
    if (rc != TL_OK)
        return rc;
    text = file ? tl_buf_view(&b) : tl_sv_str(env);
    if (text.n != CRYPTO_SEAL_KEY) /* 32 raw bytes may end in a line feed of their own */
        text = tl_sv_trim(text);
    return secret_store_key(c, text, ret, err);
}

static enum tl_rc open_store(const struct secrets_options *o, struct opened *s, struct tl_err *err)
{
    const char *env = getenv("TIELINE_SECRETS");
    const char *path = o->store ? o->store : env && *env ? env : "secrets.tls";
    enum tl_rc rc = crypto_new(&s->crypto, err);

    if (rc == TL_OK)
        rc = read_key(s->crypto, o->key_file, &s->key, err);
    return rc == TL_OK ? secret_store_open(s->crypto, path, &s->key, 1, &s->store, err) : rc;
}

static int finish(const struct secrets_options *o, enum tl_rc rc, const struct tl_err *err, const char *text,
                  const char *name)
{
    if (rc == TL_CANCELED) {
        (void)cli__fail(err, o->json);
        return CLI_STOPPED;
    }
    if (rc != TL_OK)
        return cli__fail(err, o->json);
    if (o->json)
        puts("{\"ok\":true}");
    else
        printf("%s%s%s\n", text, *name ? " " : "", name);
    return CLI_OK;
}

static void awake(int sig)
{
    (void)sig; /* only that the read ends */
}

/* From the keyboard, without echo. Ctrl-C leaves the terminal as it was. */
static enum tl_rc ask_value(struct tl_buf *ret, struct tl_err *err)
{
    const struct sigaction act = {.sa_handler = awake};
    struct sigaction int_before, term_before;
    struct termios before, quiet;
    char line[4096];
    ssize_t n;

    (void)sigaction(SIGINT, &act, &int_before);
    (void)sigaction(SIGTERM, &act, &term_before);
    (void)tcgetattr(STDIN_FILENO, &before);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    fputs("value: ", stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    n = read(STDIN_FILENO, line, sizeof line);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    (void)sigaction(SIGINT, &int_before, NULL);
    (void)sigaction(SIGTERM, &term_before, NULL);
    fputs("\n", stderr);
    if (n < 0)
        return tl_fail(err, TL_CANCELED, "no value was given; nothing was changed");
    (void)tl_buf_put(ret, line, (size_t)n);
    tl_wipe(line, sizeof line);
    return TL_OK;
}

/* A value comes from a file, a terminal without echo, or a pipe; never from the command line, where `ps` shows it. */
static enum tl_rc read_value(const struct secrets_options *o, struct tl_buf *ret, struct tl_err *err)
{
    enum tl_rc rc;

    tl_buf_init(ret, MAX_VALUE);
    if (o->from || !isatty(STDIN_FILENO))
        rc = cli__read_file(o->from ? o->from : "-", MAX_VALUE, ret, err);
    else
        rc = ask_value(ret, err);
    if (rc == TL_OK && ret->n && ret->p[ret->n - 1] == '\n')
        ret->n--;
    if (rc == TL_OK && ret->n && ret->p[ret->n - 1] == '\r')
        ret->n--;
    if (rc == TL_OK && ret->n == 0)
        rc = tl_fail(err, TL_INVALID, "the value is empty; nothing was changed");
    return rc;
}

static int put(const struct secrets_options *o, const char *name, bool rotate)
{
    TL_CLEANUP(closep) struct opened s = {0};
    TL_CLEANUP(wipep) struct tl_buf value = {0};
    TL_CLEANUP(secret_unrefp) struct secret *old = NULL;
    struct tl_err err = {0};
    enum tl_rc rc = open_store(o, &s, &err);

    if (rc == TL_OK && rotate)
        rc = secret_store_get(s.store, tl_sv_str(name), &old, &err);
    if (rc == TL_OK)
        rc = read_value(o, &value, &err);
    if (rc == TL_OK)
        rc = secret_store_set(s.store, tl_sv_str(name), tl_buf_view(&value), rotate,
                              tl_clock_wall_ms(tl_clock_system()), &err);
    if (rc == TL_OK)
        rc = secret_store_save(s.store, &err);
    return finish(o, rc, &err, rotate ? "rotated, the old value is kept as the previous one:" : "stored", name);
}
static int run_set(void *options, const struct cli_args *args)
{
    return put(options, args->v[0], false);
}
static int run_rotate(void *options, const struct cli_args *args)
{
    return put(options, args->v[0], true);
}

static int run_rm(void *options, const struct cli_args *args)
{
    const struct secrets_options *o = options;
    TL_CLEANUP(closep) struct opened s = {0};
    struct tl_err err = {0};
    enum tl_rc rc = open_store(o, &s, &err);

    if (rc == TL_OK)
        rc = secret_store_remove(s.store, tl_sv_str(args->v[0]), &err);
    if (rc == TL_OK)
        rc = secret_store_save(s.store, &err);
    return finish(o, rc, &err, "removed", args->v[0]);
}

static int run_list(void *options, const struct cli_args *args)
{
    static const char *const heads[] = {"name", "changed", "previous"};
    const struct secrets_options *o = options;
    TL_CLEANUP(closep) struct opened s = {0};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct secret_store_item *items = NULL;
    struct json_builder list, row, doc;
    struct cli_table *t;
    struct tl_err err = {0};
    size_t n;

    (void)args;
    if (open_store(o, &s, &err) != TL_OK)
        return cli__fail(&err, o->json);
    n = secret_store_list(s.store, a, &items);
    t = cli__table_new(heads, TL_COUNT(heads));
    json_array_begin(&list, a, n);
    for (size_t i = 0; i < n; i++) {
        char *when = tl_arena_must(a, TL_TIME_TEXT);

        tl_time_format(items[i].updated_ms, when);
        cli__table_cell(t, items[i].name, CLI_PLAIN);
        cli__table_cell(t, tl_sv_str(when), CLI_PLAIN);
        cli__table_cell(t, items[i].has_previous ? TL_SV("kept") : TL_SV("-"), CLI_PLAIN);
        json_object_begin(&row, a, 3);
        json_adds(&row, "name", json_sv(items[i].name));
        json_adds(&row, "updated_at", json_str(when));
        json_adds(&row, "previous", json_bool(items[i].has_previous));
        json_push(&list, json_end(&row));
    }
    json_object_begin(&doc, a, 1);
    json_adds(&doc, "secrets", json_end(&list));
    if (o->json)
        cli__print_json(json_end(&doc), false);
    else
        cli__table_print(t);
    cli__table_free(t);
    return CLI_OK;
}

static int run_rekey(void *options, const struct cli_args *args)
{
    const struct secrets_options *o = options;
    TL_CLEANUP(closep) struct opened s = {0};
    struct crypto_seal_key key;
    struct tl_err err = {0};
    enum tl_rc rc;

    if (!o->new_key_file)
        return cli__usage(args, "--new-key-file FILE is missing");
    rc = open_store(o, &s, &err);
    if (rc == TL_OK)
        rc = read_key(s.crypto, o->new_key_file, &key, &err);
    if (rc == TL_OK) {
        secret_store_rekey(s.store, &key);
        rc = secret_store_save(s.store, &err);
        tl_wipe(&key, sizeof key);
    }
    return finish(o, rc, &err, "the store is sealed with the new key", "");
}

static int run_key(void *options, const struct cli_args *args)
{
    const struct secrets_options *o = options;
    TL_CLEANUP(wipep) struct tl_buf b = {0};
    uint8_t key[CRYPTO_SEAL_KEY];

    (void)args;
    tl_buf_init(&b, 256);
    tl_random(key, sizeof key);
    (void)tl_base64_encode(&b, key, sizeof key);
    tl_wipe(key, sizeof key);
    printf(o->json ? "{\"key\":\"%s\"}\n" : "%s\n", b.p);
    return CLI_OK;
}

#define ONE(verb, words, options, fn, text)                                                                            \
    {                                                                                                                  \
        .name = (verb), .args = (words), .summary = (text), CLI_OPTIONS(options, struct secrets_options),              \
        .min_args = 1, .max_args = 1, .run = (fn)                                                                      \
    }
static const struct cli_verb subs[] = {
    ONE("set", "NAME", value_options, run_set, "store a value (from a file, a pipe or the keyboard)"),
    {.name = "list",
     .summary = "names and the times of their last change; never values",
     CLI_OPTIONS(common_options, struct secrets_options),
     .run = run_list},
    ONE("rm", "NAME", common_options, run_rm, "remove a value"),
    ONE("rotate", "NAME", value_options, run_rotate, "store a new value and keep the old one as the previous"),
    {.name = "rekey",
     .summary = "seal the store with another key",
     CLI_OPTIONS(rekey_options, struct secrets_options),
     .run = run_rekey},
    {.name = "key",
     .summary = "print a fresh key for a store",
     CLI_OPTIONS(common_options, struct secrets_options),
     .run = run_key},
};
const struct cli_verb cli__secrets_verb = {
    .name = "secrets", .summary = "the local encrypted store: set, list, rm, rotate, rekey, key", CLI_SUBS(subs)};
