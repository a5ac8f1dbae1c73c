/* SPDX-License-Identifier: Apache-2.0 */
/* init.c - `tieline init`: a small project that `tieline check` accepts, in an empty directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli_int.h"

struct init_options {
    bool json;
};
static const struct cli_option init_options[] = {
    {"json", 0, CLI_FLAG, NULL, offsetof(struct init_options, json), "JSON"},
};

static const char config[] =
    "# A Tieline project. `tieline check` finds what is wrong, `tieline run` serves it.\n"
    "version: 1\n"
    "\n"
    "# Where senders reach us. Beyond loopback add `tls:`, or name the proxy in front in `behind_proxy:`.\n"
    "server: { listen: 127.0.0.1:8080 }\n"
    "\n"
    "# The ledger: one directory, owned by one process.\n"
    "store: { path: ./data }\n"
    "\n"
    "# Calls to loopback and private addresses are refused unless this says otherwise.\n"
    "egress: { allow_private: true }\n"
    "\n"
    "# Systems on the other side. Limits belong to the connection and are shared by all flows that use it.\n"
    "connections:\n"
    "  erp:\n"
    "    type: http\n"
    "    url: http://127.0.0.1:9099      # `tieline sim http` listens there, as a target to play with\n"
    "    limits: { concurrency: 8, rate: 50/s }\n"
    "\n"
    "mappings:\n"
    "  order: { jsonata: mappings/order.jsonata }\n"
    "\n"
    "flows:\n"
    "  orders:\n"
    "    # Signed events. Other senders: stripe, github, shopify, slack ... (`tieline reference`).\n"
    "    # The secret comes from the environment: export SHOP_SECRET=whsec_...  (`tieline send` signs with it, too)\n"
    "    from: { webhook: { path: /hooks/orders, verify: { standard_webhooks: { secret: \"${env:SHOP_SECRET}\" } } } "
    "}\n"
    "    # Events with the same key are delivered in order.\n"
    "    order_by: body.customer.id\n"
    "    steps:\n"
    "      - map: order\n"
    "    to: { connection: erp, post: /orders }\n"
    "    # This is the default: 1, 2, 4, 8 s ... then the delivery is dead: `tieline dlq list`, edit, replay.\n"
    "    retry: { attempts: 8, backoff: 1s..10m }\n";

static const char mapping[] =
    "/* From the shop's order to ours. Try it: tieline map -f mappings/order.jsonata order.json */\n"
    "{\n"
    "  \"number\": $string(id),\n"
    "  \"customer\": customer.id,\n"
    "  \"email\": $lowercase(customer.email),\n"
    "  \"total\": $sum(lines.(price * quantity)),\n"
    "  \"lines\": [lines.{ \"sku\": $uppercase(sku), \"quantity\": quantity, \"price\": price }]\n"
    "}\n";

static const char cases[] =
    "# `tieline test` runs these.\n"
    "mapping: order.jsonata\n"
    "cases:\n"
    "  - name: an order with two lines\n"
    "    input:\n"
    "      id: 1001\n"
    "      customer: { id: 7, email: Ann@Example.com }\n"
    "      lines: [{ sku: a-1, quantity: 2, price: 10 }, { sku: b-2, quantity: 1, price: 5 }]\n"
    "    expected:\n"
    "      number: \"1001\"\n"
    "      customer: 7\n"
    "      email: ann@example.com\n"
    "      total: 25\n"
    "      lines: [{ sku: A-1, quantity: 2, price: 10 }, { sku: B-2, quantity: 1, price: 5 }]\n";

static enum tl_rc is_empty(const char *dir, struct tl_err *err)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    enum tl_rc rc = TL_OK;

    if (!d)
        return tl_fail(err, TL_IO, "cannot look into %s: %s", dir, strerror(errno));
    while (rc == TL_OK && (e = readdir(d)) != NULL) {
        if (e->d_name[0] != '.') /* .git may be there */
            rc = tl_fail(err, TL_EXISTS, "%s is not empty (%s is there); give a new directory", dir, e->d_name);
    }
    (void)closedir(d);
    return rc;
}

static enum tl_rc put_file(const char *dir, const char *name, const char *text, struct tl_err *err)
{
    char *path = tl_sprintf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t n = strlen(text);
    enum tl_rc rc = TL_OK;

    if (fd < 0 || write(fd, text, n) != (ssize_t)n || close(fd) != 0)
        rc = tl_fail(err, TL_IO, "cannot write %s: %s", path, strerror(errno));
    tl_free(path);
    return rc;
}

static enum tl_rc put_dir(const char *path, struct tl_err *err)
{
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return tl_fail(err, TL_IO, "cannot make %s: %s", path, strerror(errno));
    return TL_OK;
}

static int run_init(void *options, const struct cli_args *args)
{
    const struct init_options *o = options;
    const char *dir = args->n ? args->v[0] : ".";
    char *mappings = tl_sprintf("%s/mappings", dir);
    struct tl_err err = {0};
    enum tl_rc rc = put_dir(dir, &err);

    if (rc == TL_OK)
        rc = is_empty(dir, &err);
    if (rc == TL_OK)
        rc = put_dir(mappings, &err);
    if (rc == TL_OK)
        rc = put_file(dir, "tieline.yaml", config, &err);
    if (rc == TL_OK)
        rc = put_file(dir, "mappings/order.jsonata", mapping, &err);
    if (rc == TL_OK)
        rc = put_file(dir, "mappings/order.test.yaml", cases, &err);
    tl_free(mappings);
    if (rc != TL_OK)
        return cli__fail(&err, o->json);
    if (o->json) {
        puts("{\"created\":[\"tieline.yaml\",\"mappings/order.jsonata\",\"mappings/order.test.yaml\"]}");
        return CLI_OK;
    }
    printf("%s/tieline.yaml, mappings/order.jsonata and its test are there. Next:\n"
           "  tieline check                                  what is wrong\n"
           "  tieline test                                   the mapping's cases\n"
           "  tieline sim http --port 9099 &                 a target to play with\n"
           "  export SHOP_SECRET=whsec_$(head -c 24 /dev/urandom | base64)\n"
           "  tieline run &                                  serve it\n"
           "  tieline send --flow orders --count 100         signed sample events\n"
           "  tieline status\n",
           dir);
    return CLI_OK;
}

const struct cli_verb cli__init_verb = {
    .name = "init",
    .args = "[DIR]",
    .summary = "write a small project with comments into an empty directory",
    CLI_OPTIONS(init_options, struct init_options),
    .max_args = 1,
    .run = run_init,
};
