/* SPDX-License-Identifier: Apache-2.0 */
/* shared.c - what connections know across reloads: a book of states by the connection's name. */
#include "auth/auth_int.h"

struct auth_book {
    pthread_mutex_t lock;
    struct auth_shared *first;
};

struct auth_book *auth_book_new(void)
{
    struct auth_book *b = tl_zalloc(sizeof(*b));

    (void)pthread_mutex_init(&b->lock, NULL);
    return b;
}

void auth_book_free(struct auth_book *b)
{
    if (b == NULL)
        return;
    while (b->first != NULL) {
        struct auth_shared *s = b->first;

        b->first = s->next;
        auth__shared_unref(s);
    }
    (void)pthread_mutex_destroy(&b->lock);
    tl_free(b);
}

void auth__shared_unref(struct auth_shared *s)
{
    if (s == NULL || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    auth__token_done(&s->token);
    (void)pthread_mutex_destroy(&s->lock);
    tl_wipe(&s->code, sizeof(s->code));
    tl_free(s->redirect_uri);
    tl_free(s->connection);
    tl_free(s);
}

static void add_reference(struct tl_buf *b, const struct config_secret *ref)
{
    if (ref->kind == CONFIG_SECRET_LITERAL)
        tl_buf_printf(b, "%llx", (unsigned long long)tl_hash64(ref->name, strlen(ref->name), 3));
    else
        (void)config_secret_show(ref, b);
    tl_buf_putc(b, '\n');
}

/* Changes when anything that a person can write in the block does. */
static uint64_t fingerprint(const struct auth *a)
{
    const struct auth_conf *c = a->conf;
    const char *const texts[] = {a->scheme->name,  c->user,    c->name,      c->prefix,      c->token_url,
                                 c->authorize_url, c->scope,   c->audience,  c->client_id,   c->kid,
                                 c->issuer,        c->subject, c->cert_file, c->key_file,    c->ca_file,
                                 c->consumer_key,  c->token,   c->realm,     c->signed_text, c->timestamp_header};
    const struct config_secret *refs[AUTH_SECRETS];
    TL_CLEANUP(secret_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 1 << 20);
    for (size_t i = 0; i < TL_COUNT(texts); i++)
        tl_buf_printf(&b, "%s\n", texts[i] != NULL ? texts[i] : "");
    auth__conf_secrets(c, refs);
    for (size_t i = 0; i < AUTH_SECRETS; i++)
        add_reference(&b, refs[i]);
    tl_buf_printf(&b, "%d %d %d %d %d %d %lld\n", c->place, c->client_auth, c->alg, c->method, c->hash, c->encoding,
                  (long long)c->expires_in_ms);
    for (size_t i = 0; i < c->extra.n; i++)
        tl_buf_printf(&b, "%s=%s\n", c->extra.entries[i].key, *(const char *const *)c->extra.entries[i].value);
    return tl_hash64(b.p, b.n, 11);
}

static struct auth_shared *shared_new(const char *connection, uint64_t configuration)
{
    struct auth_shared *s = tl_zalloc(sizeof(*s));

    s->refs = 1;
    s->connection = tl_strdup(connection);
    s->configuration = configuration;
    s->rejected = UINT64_MAX; /* none */
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

struct auth_shared *auth__shared(struct auth *a)
{
    uint64_t configuration = fingerprint(a);
    struct auth_book *b = a->w.book;
    struct auth_shared **link, *s;

    if (b == NULL)
        return shared_new(a->connection, configuration);
    (void)pthread_mutex_lock(&b->lock);
    for (link = &b->first; *link != NULL && strcmp((*link)->connection, a->connection) != 0; link = &(*link)->next)
        ;
    s = *link;
    if (s == NULL || s->configuration != configuration) {
        struct auth_shared *old = s;

        s = shared_new(a->connection, configuration);
        s->next = old != NULL ? old->next : NULL;
        *link = s;
        auth__shared_unref(old);
    }
    __atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&b->lock);
    return s;
}
