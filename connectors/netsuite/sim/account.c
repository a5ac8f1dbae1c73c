/* SPDX-License-Identifier: Apache-2.0 */
/* account.c - an account comes into being: keys, certificates, records to begin with. */
#include "netsuite/sim/sim_int.h"

#include <errno.h>
#include <stdio.h>

enum { NONCES = 1000000, FILE_MAX = 64 << 20 };

static enum tl_rc read_file(const char *path, struct tl_buf *b, struct tl_err *err)
{
    FILE *f = fopen(path, "rb");
    char piece[4096];
    size_t n;

    if (!f)
        return tl_fail(err, TL_CONFIG, "cannot read %s: %s", path, strerror(errno));
    tl_buf_init(b, FILE_MAX);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        (void)tl_buf_put(b, piece, n);
    (void)fclose(f);
    return b->failed ? tl_fail(err, TL_CONFIG, "%s is longer than 64 MB", path) : TL_OK;
}

static enum tl_rc one_certificate(struct nsim *s, struct tl_sv text, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf pem = {0};
    TL_CLEANUP(tl_freep) char *path = NULL;
    size_t eq = tl_sv_find(text, '=');
    struct nsim_certificate *c = &s->certificates[s->n_certificates];
    enum tl_rc rc;

    if (eq == 0 || eq >= text.n || s->n_certificates == NSIM_KEYS)
        return tl_fail(err, TL_CONFIG, "--certificates takes KID=FILE,KID=FILE, at most %d", NSIM_KEYS);
    path = tl_strndup(text.p + eq + 1, text.n - eq - 1);
    rc = read_file(path, &pem, err);
    if (rc == TL_OK)
        rc = crypto_cert_from_pem(s->crypto, tl_buf_view(&pem), &c->cert, err);
    if (rc != TL_OK)
        return rc;
    if (!crypto_cert_key(c->cert)) {
        crypto_cert_free(c->cert);
        return tl_fail(err, TL_CONFIG, "%s: a certificate needs an RSA or EC key", path);
    }
    c->kid = tl_strndup(text.p, eq);
    s->n_certificates++;
    return TL_OK;
}

static enum tl_rc certificates(struct nsim *s, struct tl_err *err)
{
    struct tl_sv rest = tl_sv_str(s->opt.certificates), one;
    enum tl_rc rc = TL_OK;

    while (rc == TL_OK && rest.n > 0 && tl_sv_cut(&rest, ',', &one))
        rc = one_certificate(s, one, err);
    return rc;
}

static enum tl_rc token_key(struct nsim *s, struct tl_err *err)
{
    struct crypto_key *key = NULL;
    uint8_t secret[32];
    enum tl_rc rc;

    tl_random(secret, sizeof secret);
    rc = crypto_key_from_secret(s->crypto, tl_sv((const char *)secret, sizeof secret), CRYPTO_HS256, &key, err);
    if (rc == TL_OK)
        s->token_keys = crypto_keys_of(&key, 1);
    crypto_key_unref(key);
    return rc;
}

static enum tl_rc first_records(struct nsim *s, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(512 << 20);
    struct nsim_fault f = {0};
    struct json all;
    enum tl_rc rc = read_file(s->opt.records, &text, err);

    if (rc == TL_OK)
        rc = json_parse(a, tl_buf_view(&text), 0, NULL, &all, err);
    if (rc == TL_OK && !nsim_seed(s, all, &f))
        rc = tl_fail(err, TL_CONFIG, "%s (%s)", f.text, f.where);
    return rc == TL_OK ? rc : tl_err_prefix(err, "%s", s->opt.records);
}

enum tl_rc nsim_new(const struct nsim_options *options, const struct tl_clock *clock, struct nsim **ret,
                    struct tl_err *err)
{
    struct nsim *s = tl_zalloc(sizeof *s);
    enum tl_rc rc;

    s->opt = *options;
    s->clock = clock;
    s->started_ns = tl_clock_mono_ns(clock);
    s->random = connector_sim_seed(options->seed);
    connector_sim_set_init(&s->nonces, NONCES);
    rc = crypto_new(&s->crypto, err);
    if (rc == TL_OK)
        rc = token_key(s, err);
    if (rc == TL_OK)
        rc = certificates(s, err);
    if (rc == TL_OK)
        rc = nsim_records_open(s, err);
    if (rc == TL_OK && options->records)
        rc = first_records(s, err);
    if (rc != TL_OK) {
        nsim_free(s);
        return rc;
    }
    *ret = s;
    return TL_OK;
}

void nsim_free(struct nsim *s)
{
    if (!s)
        return;
    nsim_records_close(s);
    for (size_t i = 0; i < s->n_certificates; i++) {
        tl_free(s->certificates[i].kid);
        crypto_cert_free(s->certificates[i].cert);
    }
    for (size_t i = 0; i < NSIM_SEARCHES; i++) {
        tl_free(s->searches[i].ids);
        tl_free(s->searches[i].types);
    }
    for (size_t i = 0; i < NSIM_AUDIT; i++)
        tl_free(s->audit[i]);
    crypto_keys_unref(s->token_keys);
    crypto_free(s->crypto);
    connector_sim_set_done(&s->nonces);
    tl_free(s);
}
