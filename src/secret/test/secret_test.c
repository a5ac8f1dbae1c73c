/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define OTHER_KEY "/////////////////////////////////////////+8="

struct world {
    struct crypto *c;
    char dir[64], store[128], file[128];
    const char *env;
    struct secret_box *box;
};

static const char *env(void *arg, const char *name)
{
    struct world *w = arg;

    if (strcmp(name, "STORE_KEY") == 0)
        return KEY;
    return strcmp(name, "TOKEN") == 0 ? w->env : NULL;
}

static int given_world(void **state)
{
    struct world *w = tl_zalloc(sizeof(*w));
    struct secret_options o = {.env = env, .env_arg = w, .credentials_dir = w->dir, .store_path = w->store};

    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/secret_test.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    (void)snprintf(w->store, sizeof(w->store), "%s/store", w->dir);
    (void)snprintf(w->file, sizeof(w->file), "%s/file", w->dir);
    assert_int_equal(crypto_new(&w->c, NULL), TL_OK);
    o.crypto = w->c;
    o.store_key = (struct config_secret){.kind = CONFIG_SECRET_ENV, .name = "STORE_KEY"};
    assert_int_equal(secret_box_new(&o, &w->box, NULL), TL_OK);
    w->env = "env-secret";
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;

    secret_box_free(w->box);
    crypto_free(w->c);
    (void)unlink(w->store);
    (void)unlink(w->file);
    assert_int_equal(rmdir(w->dir), 0); /* no temporary file was left */
    tl_free(w);
    return 0;
}

static void put_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static enum tl_rc get(struct world *w, enum config_secret_kind kind, const char *name, const char *expected,
                      uint64_t *version, struct tl_err *err)
{
    struct config_secret ref = {.kind = kind, .name = name};
    struct secret *s = NULL;
    enum tl_rc rc = secret_get(w->box, &ref, &s, version, err);

    if (rc == TL_OK)
        assert_string_equal(secret_view(s).p, expected);
    secret_unref(s);
    return rc;
}

static struct secret_store *open_store(struct world *w, const char *key_text, enum tl_rc expected, const char *says)
{
    struct crypto_seal_key key;
    struct secret_store *s = NULL;
    struct tl_err err = {0};

    assert_int_equal(secret_store_key(w->c, tl_sv_str(key_text), &key, &err), TL_OK);
    assert_int_equal(secret_store_open(w->c, w->store, &key, 1, &s, &err), expected);
    if (says != NULL && strstr(err.text, says) == NULL)
        fail_msg("%s", err.text);
    return s;
}

static void each_source_gives_its_value(void **state)
{
    struct world *w = *state;
    struct secret_store *s = open_store(w, KEY, TL_OK, NULL);
    struct tl_err err;

    put_file(w->file, "file-secret\n", 0600);
    assert_int_equal(secret_store_set(s, TL_SV("db"), TL_SV("store-secret"), false, 1, &err), TL_OK);
    assert_int_equal(secret_store_save(s, &err), TL_OK);
    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret", NULL, &err), TL_OK);
    assert_int_equal(get(w, CONFIG_SECRET_FILE, w->file, "file-secret", NULL, &err), TL_OK);
    assert_int_equal(get(w, CONFIG_SECRET_SYSTEMD, "file", "file-secret", NULL, &err), TL_OK);
    assert_int_equal(get(w, CONFIG_SECRET_STORE, "db", "store-secret", NULL, &err), TL_OK);
    assert_int_equal(get(w, CONFIG_SECRET_LITERAL, "literal", "literal", NULL, &err), TL_OK);
    secret_store_free(s);
}

static void what_does_not_resolve_says_what_to_do(void **state)
{
    struct world *w = *state;
    struct tl_err err;

    put_file(w->file, "x", 0640);
    assert_int_equal(get(w, CONFIG_SECRET_FILE, w->file, "", NULL, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "chmod 600 /tmp/secret_test."));
    put_file(w->file, "\n", 0600);
    assert_int_equal(get(w, CONFIG_SECRET_FILE, w->file, "", NULL, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "is empty"));
    assert_int_equal(get(w, CONFIG_SECRET_FILE, w->store, "", NULL, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "there is no file"));
    assert_int_equal(get(w, CONFIG_SECRET_FILE, w->dir, "", NULL, &err), TL_CONFIG);
    assert_int_equal(get(w, CONFIG_SECRET_ENV, "MISSING", "", NULL, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "MISSING is not set"));
    assert_int_equal(get(w, CONFIG_SECRET_SYSTEMD, "../file", "", NULL, &err), TL_CONFIG);
    assert_int_equal(get(w, CONFIG_SECRET_STORE, "nothing", "", NULL, &err), TL_NOT_FOUND);
    assert_non_null(strstr(err.text, "tieline secrets set nothing"));
    assert_int_equal(get(w, CONFIG_SECRET_VAULT, "kv/x", "", NULL, &err), TL_CONFIG);
    assert_non_null(strstr(err.text, "no vault configured"));
}

static void a_changed_source_is_taken_up_and_a_lost_one_keeps_its_value(void **state)
{
    struct world *w = *state;
    struct tl_err err;
    uint64_t version = 0;
    size_t failed = 0;

    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret", &version, &err), TL_OK);
    assert_int_equal(version, 1);
    assert_int_equal(secret_reload(w->box, &failed, &err), 0);
    w->env = "env-secret-2";
    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret", &version, &err), TL_OK);
    assert_int_equal(secret_generation(w->box), 0);
    assert_int_equal(secret_reload(w->box, &failed, &err), 1);
    assert_int_equal(secret_generation(w->box), 1);
    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret-2", &version, &err), TL_OK);
    assert_int_equal(version, 2);
    w->env = NULL;
    assert_int_equal(secret_reload(w->box, &failed, &err), 0);
    assert_int_equal(failed, 1);
    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret-2", &version, &err), TL_OK);
}

static void the_store_keeps_rotates_removes_and_rekeys(void **state)
{
    struct world *w = *state;
    struct secret_store *s = open_store(w, KEY, TL_OK, NULL);
    struct tl_arena *a = tl_arena_new(1u << 20);
    struct secret_store_item *list;
    struct crypto_seal_key other;
    struct secret *v = NULL;
    struct stat st;
    struct tl_err err;

    assert_int_equal(secret_store_set(s, TL_SV("b"), TL_SV("b1"), false, 1, &err), TL_OK);
    assert_int_equal(secret_store_set(s, TL_SV("a"), tl_sv("a\0x\xff", 4), false, 2, &err), TL_OK);
    assert_int_equal(secret_store_set(s, TL_SV("b"), TL_SV("b2"), true, 3, &err), TL_OK);
    assert_int_equal(secret_store_set(s, TL_SV("../x"), TL_SV("v"), false, 3, &err), TL_INVALID);
    assert_int_equal(secret_store_save(s, &err), TL_OK);
    assert_int_equal(stat(w->store, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    secret_store_free(s);

    s = open_store(w, KEY, TL_OK, NULL);
    assert_int_equal(secret_store_list(s, a, &list), 2);
    assert_true(tl_sv_eqs(list[0].name, "a") && !list[0].has_previous && list[1].has_previous &&
                list[1].updated_ms == 3);
    assert_int_equal(secret_store_get(s, TL_SV("b"), &v, &err), TL_OK);
    assert_string_equal(secret_view(v).p, "b2");
    secret_unref(v);
    assert_int_equal(secret_store_previous(s, TL_SV("b"), &v, &err), TL_OK);
    assert_string_equal(secret_view(v).p, "b1");
    secret_unref(v);
    assert_int_equal(secret_store_remove(s, TL_SV("a"), &err), TL_OK);
    assert_int_equal(secret_store_remove(s, TL_SV("a"), &err), TL_NOT_FOUND);
    assert_int_equal(secret_store_key(w->c, TL_SV(OTHER_KEY), &other, &err), TL_OK);
    secret_store_rekey(s, &other);
    assert_int_equal(secret_store_save(s, &err), TL_OK);
    secret_store_free(s);
    assert_null(open_store(w, KEY, TL_CONFIG, "sealed with another key"));
    secret_store_free(open_store(w, OTHER_KEY, TL_OK, NULL));
    tl_arena_free(a);
}

static void a_damaged_store_is_named_as_such(void **state)
{
    struct world *w = *state;
    struct secret_store *s = open_store(w, KEY, TL_OK, NULL);
    struct tl_err err;
    struct stat st;

    assert_int_equal(secret_store_set(s, TL_SV("a"), TL_SV("value"), false, 1, &err), TL_OK);
    assert_int_equal(secret_store_save(s, &err), TL_OK);
    secret_store_free(s);
    assert_int_equal(stat(w->store, &st), 0);
    assert_int_equal(truncate(w->store, st.st_size - 1), 0);
    assert_null(open_store(w, KEY, TL_CONFIG, "damaged or truncated"));
    assert_int_equal(truncate(w->store, 5), 0);
    assert_null(open_store(w, KEY, TL_CONFIG, "not a secret store"));
    assert_int_equal(chmod(w->store, 0644), 0);
    assert_null(open_store(w, KEY, TL_CONFIG, "chmod 600"));
}

static void known_values_are_masked_in_every_spelling(void **state)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        {"nothing here", "nothing here"},        {"token=env-secret&x", "token=***&x"},
        {"env-secretenv-secret", "******"},      {"p&ss/w\"rd+1", "***"},
        {"a=p%26ss%2Fw%22rd%2B1", "a=***"},      {"{\"k\":\"p&ss/w\\\"rd+1\"}", "{\"k\":\"***\"}"},
        {"Basic cCZzcy93InJkKzE=", "Basic ***"}, {"short", "short"},
    };
    struct world *w = *state;
    struct tl_err err;

    assert_int_equal(get(w, CONFIG_SECRET_ENV, "TOKEN", "env-secret", NULL, &err), TL_OK);
    secret_learn(w->box, TL_SV("p&ss/w\"rd+1"));
    secret_learn(w->box, TL_SV("short"));
    for (size_t i = 0; i < TL_COUNT(rows); i++) {
        struct tl_buf b;

        tl_buf_init(&b, 1000);
        tl_buf_puts(&b, rows[i].text);
        assert_int_equal(secret_mask(w->box, &b), strcmp(rows[i].text, rows[i].masked) != 0);
        if (strstr(b.p, rows[i].masked) == NULL || strncmp(b.p, rows[i].masked, strlen(rows[i].masked)) != 0)
            fail_msg("%s", b.p);
        tl_buf_done(&b);
    }
    { /* half of a value at a cut */
        struct tl_buf b;

        tl_buf_init(&b, 20);
        tl_buf_puts(&b, "a env-secret b env-s");
        assert_true(secret_mask(w->box, &b));
        assert_true(tl_sv_eqs(tl_buf_view(&b), "a *** b env-s"));
        assert_true(secret_mask_cut(w->box, &b));
        assert_true(tl_sv_eqs(tl_buf_view(&b), "a *** b ***"));
        tl_buf_done(&b);
    }
    /* Thousands of passing tokens do not push the masks out of bounds. */
    for (int i = 0; i < 3000; i++) {
        char token[32];

        (void)snprintf(token, sizeof(token), "token-number-%d", i);
        secret_learn(w->box, tl_sv_str(token));
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, given_world, end_world)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_source_gives_its_value),
        T(what_does_not_resolve_says_what_to_do),
        T(a_changed_source_is_taken_up_and_a_lost_one_keeps_its_value),
        T(the_store_keeps_rotates_removes_and_rekeys),
        T(a_damaged_store_is_named_as_such),
        T(known_values_are_masked_in_every_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
