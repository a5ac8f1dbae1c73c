/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connect.c - `tieline connect`: the grant that needs a person, and the probe of a connection.
 * The browser comes back to a port on loopback that is open for this one answer (RFC 8252 7.3); what it brings goes to
 * the server as it is, which checks it. Where the browser is on another machine, the address it ends at is pasted.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli_int.h"

enum { WAIT_S = 600, HEAD_MAX = 7000, CLIENT_MS = 10000 };

struct connect_options {
    struct cli_common common;
    const char *redirect;
    uint64_t port;
    bool test, paste, prepare, yes;
};
static const struct cli_option connect_options[] = {
    {"test", 0, CLI_FLAG, NULL, offsetof(struct connect_options, test), "only look: who are we there, what is left"},
    {"prepare", 0, CLI_FLAG, NULL, offsetof(struct connect_options, prepare),
     "show what the flows need of the system (fields, objects, channels) and make what is missing"},
    {"yes", 0, CLI_FLAG, NULL, offsetof(struct connect_options, yes), "with --prepare: make it without asking"},
    {"port", 0, CLI_NUMBER, "PORT", offsetof(struct connect_options, port),
     "where the browser comes back to on this machine, when a fixed port is registered"},
    {"paste", 0, CLI_FLAG, NULL, offsetof(struct connect_options, paste),
     "the browser is elsewhere: read the address it ends at from the terminal"},
    {"redirect-uri", 0, CLI_TEXT, "URL", offsetof(struct connect_options, redirect),
     "the registered address the browser is sent back to; with --paste"},
    CLI_COMMON_OPTIONS(struct connect_options),
};

/* ---- waiting for the browser ---- */
static int listen_loopback(uint16_t port, uint16_t *ret_port, struct tl_err *err)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof a;
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) != 0 || listen(fd, 8) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) != 0) {
        (void)tl_fail(err, TL_IO, "cannot listen on 127.0.0.1:%u: %s", port, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void say(int fd, const char *status, const char *text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 4096);
    tl_buf_printf(&b,
                  "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n"
                  "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n%s",
                  status, strlen(text), text);
    for (size_t done = 0; done < b.n;) {
        ssize_t n = send(fd, b.p + done, b.n - done, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

/* "GET /callback?code=...&state=... HTTP/1.1": the query, or false for a favicon and the like. */
static bool read_return(int fd, struct tl_buf *query)
{
    char head[HEAD_MAX + 1];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    size_t n = 0;
    size_t from = strlen("GET /callback?"), to;

    while (n < HEAD_MAX && !memchr(head, '\n', n)) {
        ssize_t got = poll(&p, 1, CLIENT_MS) == 1 ? read(fd, head + n, HEAD_MAX - n) : -1;

        if (got <= 0)
            return false;
        n += (size_t)got;
    }
    head[n] = '\0';
    to = from + (strncmp(head, "GET /callback?", from) == 0 ? strcspn(head + from, " \r\n") : 0);
    if (to == from || head[to] != ' ') {
        say(fd, "404 Not Found", "This is not the address that the authorization server was given.\n");
        return false;
    }
    tl_buf_put(query, head + from, to - from);
    say(fd, "200 OK", "Thank you. Tieline goes on in the terminal; this window may be closed.\n");
    return true;
}

/* What the browser goes on sending is read, or closing would cut off our answer. */
static void hang_up(int fd)
{
    char rest[1024];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    (void)shutdown(fd, SHUT_WR);
    while (poll(&p, 1, 500) == 1 && read(fd, rest, sizeof rest) > 0)
        ;
    close(fd);
}

static bool accept_one(int listener, struct tl_buf *query)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    bool ok = fd >= 0 && read_return(fd, query);

    if (fd >= 0)
        hang_up(fd);
    return ok;
}

/* The whole address or only its query. */
static bool read_pasted(struct tl_buf *query)
{
    char line[HEAD_MAX];
    struct tl_sv text;

    if (!fgets(line, sizeof line, stdin))
        return false;
    text = tl_sv_trim(tl_sv_str(line));
    if (tl_sv_find(text, '?') < text.n)
        text = tl_sv_from(text, tl_sv_find(text, '?') + 1);
    text.n = tl_sv_find(text, '#');
    return text.n > 0 && tl_buf_sv(query, text);
}

static enum tl_rc wait_for_browser(int listener, bool paste, struct tl_buf *query, struct tl_err *err)
{
    struct pollfd p[] = {{.fd = listener, .events = POLLIN}, {.fd = paste ? 0 : -1, .events = POLLIN}};
    time_t end = time(NULL) + WAIT_S;

    while (time(NULL) < end) {
        int left = (int)(end - time(NULL)) * 1000;

        if (poll(p, TL_COUNT(p), left) <= 0)
            continue;
        if (p[0].revents && accept_one(listener, query))
            return TL_OK;
        if (p[1].revents)
            return read_pasted(query) ? TL_OK : tl_fail(err, TL_INVALID, "no address was pasted");
    }
    return tl_fail(err, TL_TIMEOUT, "the browser did not come back within ten minutes; start again");
}

/* ---- showing ---- */
static void line(const char *label, struct json v)
{
    struct tl_sv s = json_text(v, TL_SV(""));

    if (!s.n)
        return;
    printf("  %-12s", label);
    cli__put_safe(stdout, s);
    puts("");
}

static void show_budgets(struct json budgets)
{
    for (uint32_t i = 0; budgets.type == JSON_ARRAY && i < budgets.n; i++) {
        struct json b = json_at(budgets, i);

        printf("  %-12s%.0f of %.0f (%.*s)", i ? "" : "left", json_number(json_gets(b, "remaining")),
               json_number(json_gets(b, "limit")), TL_SV_ARG(json_text(json_gets(b, "name"), TL_SV(""))));
        if (json_gets(b, "resets_at").type == JSON_STRING)
            printf(", new at %.*s", TL_SV_ARG(json_text(json_gets(b, "resets_at"), TL_SV(""))));
        puts("");
    }
}

/* Where a flow names what is not there. */
static bool show_findings(struct json findings)
{
    for (uint32_t i = 0; findings.type == JSON_ARRAY && i < findings.n; i++) {
        struct json f = json_at(findings, i);

        printf("  %-12sflow ", i ? "" : "wrong");
        cli__put_safe(stdout, json_text(json_gets(f, "flow"), TL_SV("")));
        fputs(": ", stdout);
        cli__put_safe(stdout, json_text(json_gets(f, "text"), TL_SV("")));
        puts("");
    }
    return findings.type == JSON_ARRAY && findings.n > 0;
}

static int show(struct json v)
{
    struct json ok = json_gets(v, "ok"), auth = json_gets(v, "auth"), error = json_gets(v, "error");
    bool good = ok.type == JSON_BOOL && ok.u.b, color = cli__color(stdout);
    struct json asked = json_gets(v, "asked");
    int64_t ahead = 0;

    printf("%s%.*s (%.*s): %s%s\n", cli__shade(color, good ? CLI_GOOD : CLI_BAD),
           TL_SV_ARG(json_text(json_gets(v, "connection"), TL_SV(""))),
           TL_SV_ARG(json_text(json_gets(v, "type"), TL_SV(""))),
           !good                                  ? "it does not let us in"
           : asked.type == JSON_BOOL && asked.u.b ? "it lets us in"
                                                  : "credentials are in hand; this type has no probe to try them with",
           cli__shade_end(color));
    line("who", json_gets(v, "who"));
    line("where", json_gets(v, "where"));
    line("details", json_gets(v, "details"));
    line("scheme", json_gets(auth, "scheme"));
    line("scopes", json_gets(auth, "scopes"));
    line("token until", json_gets(auth, "expires_at"));
    if (json_int64(json_gets(auth, "clock_ahead_ms"), &ahead) && ahead != 0)
        printf("  %-12stheirs is %lld s %s ours\n", "clock", (long long)(ahead < 0 ? -ahead : ahead) / 1000,
               ahead > 0 ? "ahead of" : "behind");
    show_budgets(json_gets(v, "budgets"));
    line("they say", json_gets(error, "text"));
    line("to do", json_gets(error, "fix"));
    line("next try", json_gets(auth, "next_probe_at"));
    return !show_findings(json_gets(v, "findings")) && good ? CLI_OK : CLI_FAILED;
}

/* ---- the command ---- */
static enum tl_rc post(struct cli_client *c, const char *name, const char *verb, const char *key, struct tl_sv value,
                       struct json *ret, struct tl_err *err)
{
    const char *rest = tl_arena_printf(cli__arena(c), "/%s", verb);
    struct json_builder body;

    json_object_begin(&body, cli__arena(c), 1);
    if (key)
        json_adds(&body, key, json_sv(value));
    return cli__call_json(c, "POST", cli__target(c, "/v1/connections/", name, rest), json_end(&body), ret, err);
}

static enum tl_rc get(struct cli_client *c, const char *name, struct json *ret, struct tl_err *err)
{
    return cli__call(c, "GET", cli__target(c, "/v1/connections/", name, ""), TL_SV(""), ret, err);
}

static enum tl_rc grant(struct cli_client *c, const struct connect_options *o, const char *name, int listener,
                        const char *redirect, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf query = {0};
    struct json answer = JSON_NOTHING;
    enum tl_rc rc = post(c, name, "connect", "redirect_uri", tl_sv_str(redirect), &answer, err);

    if (rc != TL_OK)
        return rc;
    fputs("open this address in a browser and agree there:\n\n  ", stderr);
    cli__put_safe(stderr, json_text(json_gets(answer, "url"), TL_SV("")));
    fputs(o->paste ? "\n\nthen paste the address that the browser ends at: " : "\n\nwaiting for the browser ...\n",
          stderr);
    fflush(stderr);
    tl_buf_init(&query, HEAD_MAX + 1);
    rc = wait_for_browser(listener, o->paste, &query, err);
    return rc == TL_OK ? post(c, name, "connect/finish", "query", tl_buf_view(&query), ret, err) : rc;
}

static enum tl_rc with_person(struct cli_client *c, const struct connect_options *o, const char *name, struct json *ret,
                              struct tl_err *err)
{
    TL_CLEANUP(tl_freep) char *redirect = NULL;
    uint16_t port = 0;
    int listener = -1;
    enum tl_rc rc;

    if (o->redirect && !o->paste)
        return tl_fail(err, TL_INVALID, "--redirect-uri leads elsewhere, so the answer must be pasted: add --paste");
    if (o->port > UINT16_MAX)
        return tl_fail(err, TL_INVALID, "a port is at most 65535");
    if (!o->redirect) { /* with --paste as well: the browser then ends at an error page with the right address */
        listener = listen_loopback((uint16_t)o->port, &port, err);
        if (listener < 0)
            return TL_IO;
    }
    redirect = o->redirect ? tl_strdup(o->redirect) : tl_sprintf("http://127.0.0.1:%u/callback", port);
    rc = grant(c, o, name, listener, redirect, ret, err);
    if (listener >= 0)
        close(listener);
    return rc;
}

/* ---- --prepare ---- */

/* The number of steps that we could make. */
static size_t show_steps(struct json steps)
{
    bool color = cli__color(stdout);
    size_t missing = 0;

    for (uint32_t i = 0; steps.type == JSON_ARRAY && i < steps.n; i++) {
        struct json s = steps.u.items[i], there = json_gets(s, "there");
        struct tl_sv text = json_text(json_gets(s, "text"), TL_SV(""));
        bool good = there.type == JSON_BOOL && there.u.b;

        printf("  %s%-8s%s",
               cli__shade(color, good     ? CLI_GOOD
                                 : text.n ? CLI_BAD
                                          : CLI_WARN),
               good     ? "there"
               : text.n ? "by hand"
                        : "missing",
               cli__shade_end(color));
        cli__put_safe(stdout, json_text(json_gets(s, "what"), TL_SV("")));
        puts("");
        if (!good && text.n) {
            fputs("          ", stdout);
            cli__put_safe(stdout, text);
            puts("");
        }
        missing += !good && text.n == 0;
    }
    return missing;
}

static bool agrees(size_t n)
{
    char line[16] = "";

    printf("make %s? [y/N] ", n == 1 ? "it" : "them");
    fflush(stdout);
    return fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y');
}

static enum tl_rc call_prepare(struct cli_client *c, const char *name, bool apply, struct json *ret, struct tl_err *err)
{
    return cli__call(c, apply ? "POST" : "GET", cli__target(c, "/v1/connections/", name, "/prepare"),
                     apply ? TL_SV("{}") : TL_SV(""), ret, err);
}

static int run_prepare(struct cli_client *c, const struct connect_options *o, const char *name)
{
    struct json answer = JSON_NOTHING;
    struct tl_err err = {0};
    bool ask = !o->yes && !o->common.json;
    size_t missing;
    enum tl_rc rc = call_prepare(c, name, o->common.json && o->yes, &answer, &err);

    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (o->common.json) {
        cli__print_raw(cli__raw(c));
        return CLI_OK;
    }
    missing = show_steps(json_gets(answer, "steps"));
    if (json_gets(answer, "steps").n == 0)
        puts("  the flows of this connection need nothing that could be prepared");
    if (missing == 0)
        return CLI_OK;
    if (ask && !agrees(missing)) {
        puts("nothing was changed");
        return CLI_FAILED;
    }
    rc = call_prepare(c, name, true, &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, false);
    puts("made:");
    return show_steps(json_gets(answer, "steps")) == 0 ? CLI_OK : CLI_FAILED;
}

static int run_connect(void *options, const struct cli_args *args)
{
    const struct connect_options *o = options;
    TL_CLEANUP(cli__closep) struct cli_client *c = NULL;
    struct json answer = JSON_NOTHING, person;
    struct tl_err err = {0};
    enum tl_rc rc = cli__open(&o->common, &c, &err);

    if (rc == TL_OK && o->prepare)
        return run_prepare(c, o, args->v[0]);
    if (rc == TL_OK && !o->test)
        rc = get(c, args->v[0], &answer, &err);
    person = json_gets(json_gets(answer, "auth"), "needs_person");
    if (rc == TL_OK && person.type == JSON_BOOL && person.u.b)
        rc = with_person(c, o, args->v[0], &answer, &err);
    else if (rc == TL_OK)
        rc = post(c, args->v[0], "test", NULL, TL_SV(""), &answer, &err);
    if (rc != TL_OK)
        return cli__fail(&err, o->common.json);
    if (!o->common.json)
        return show(answer);
    cli__print_raw(cli__raw(c));
    return json_gets(answer, "ok").u.b && json_gets(answer, "findings").n == 0 ? CLI_OK : CLI_FAILED;
}

const struct cli_verb cli__connect_verb = {
    .name = "connect",
    .args = "NAME",
    .summary = "let a person agree to a connection, or try it: who are we there, for how long, what is left",
    .about =
        "Where the connection's authentication begins with a person (oauth2_authorization_code), prints the\n"
        "address to open, waits for the browser on a port of this machine, and stores the grant, sealed.\n"
        "Otherwise, and with --test, asks the other side who we are, and whether it has the record types and fields\n"
        "that the flows name, where it can be asked. Exit code 1: it does not let us in, or lacks something.\n"
        "With --prepare, shows what the configured flows need there (a custom field with an external id, an object,\n"
        "a channel), asks, and makes what is missing; a second run finds nothing to do.\n",
    CLI_OPTIONS(connect_options, struct connect_options),
    .min_args = 1,
    .max_args = 1,
    .run = run_connect,
};
