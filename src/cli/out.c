/* SPDX-License-Identifier: Apache-2.0 */
/* out.c - saying things: errors and their exit codes, JSON, colour, questions, progress, files. */
#include "cli/cli_int.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { MAX_PRINT = 256 << 20 };

int cli__exit_of(enum tl_rc rc)
{
    if (rc == TL_OK)
        return CLI_OK;
    if (rc == TL_NOT_FOUND)
        return CLI_NOT_FOUND;
    if (rc == TL_CONFIG || rc == TL_INVALID)
        return CLI_USAGE;
    if (rc == TL_CANCELED && cli__is_stopped())
        return CLI_STOPPED;
    if (rc == TL_UNREACHABLE || rc == TL_BUSY || rc == TL_FORBIDDEN)
        return CLI_NO_SERVER;
    return CLI_FAILED;
}

int cli__fail_with(const struct tl_err *err, bool json, const char *name, struct json more)
{
    const char *text = err->text[0] ? err->text : tl_rc_meaning(err->rc);

    if (json) {
        json_complain(tl_rc_name(err->rc), text, name, more);
        return cli__exit_of(err->rc);
    }
    fputs("tieline: ", stderr);
    cli__put_safe(stderr, tl_sv_str(text));
    fputs("\n", stderr);
    return cli__exit_of(err->rc);
}

int cli__fail(const struct tl_err *err, bool json)
{
    return cli__fail_with(err, json, NULL, JSON_NOTHING);
}

bool cli_json_wanted(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

int cli_wrong(bool json, const char *full, const char *text)
{
    char *see = tl_sprintf("tieline%s%s --help", *full ? " " : "", full);

    if (json) {
        json_complain("usage", text, "see", json_str(see));
    } else {
        fprintf(stderr, "tieline%s%s: ", *full ? " " : "", full);
        cli__put_safe(stderr, tl_sv_str(text));
        fprintf(stderr, "\nsee: %s\n", see);
    }
    tl_free(see);
    return CLI_USAGE;
}

int cli__usage(const struct cli_args *args, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return cli_wrong(args->json, args->full, text);
}

int cli__finish(int code)
{
    int failed = fflush(stdout) != 0 ? errno : 0;

    if (!failed && !ferror(stdout))
        return code;
    /* A write before this one may have failed, and only that it did is known then. */
    fprintf(stderr, "tieline: cannot write to standard output%s%s\n", failed ? ": " : "",
            failed ? strerror(failed) : "");
    return code == CLI_OK ? CLI_FAILED : code;
}

static void stop_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGTERM);
}

void cli__hold_signals(void)
{
    sigset_t set;

    stop_signals(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

bool cli__is_stopped(void)
{
    sigset_t set;

    return sigpending(&set) == 0 && (sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGTERM) == 1);
}

/* As it is but for what would steer the terminal: in JSON that stands in strings only, where \u.. means the same. */
static void put_escaped(struct tl_sv s)
{
    uint32_t cp;

    for (size_t n; s.n; s = tl_sv_from(s, n)) {
        n = tl_utf8_decode(s, &cp);
        if (n == 0)
            (void)fputs("\\ufffd", stdout);
        else if (tl_utf8_steers(cp) && cp != '\n' && cp != '\t' && cp != '\r')
            (void)printf("\\u%04x", cp);
        else
            (void)fwrite(s.p, 1, n, stdout);
        n = n ? n : 1;
    }
}

void cli__put_raw(struct tl_sv text)
{
    if (isatty(STDOUT_FILENO))
        put_escaped(text);
    else if (text.n)
        (void)fwrite(text.p, 1, text.n, stdout);
}

void cli__print_raw(struct tl_sv text)
{
    cli__put_raw(text);
    if (!text.n || text.p[text.n - 1] != '\n')
        (void)putchar('\n');
}

void cli__print_json(struct json v, bool indent)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, MAX_PRINT);
    json_write(&b, v, (indent ? JSON_WRITE_INDENT : 0) | JSON_WRITE_TERMINAL);
    cli__print_raw(tl_buf_view(&b));
}

bool cli__color(FILE *f)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return isatty(fileno(f)) && (!no || !*no) && (!term || strcmp(term, "dumb") != 0);
}

const char *cli__shade(bool color, enum cli_shade s)
{
    static const char *const escapes[] = {[CLI_PLAIN] = "",        [CLI_GOOD] = "\033[32m", [CLI_BAD] = "\033[31m",
                                          [CLI_WARN] = "\033[33m", [CLI_DIM] = "\033[2m",   [CLI_BOLD] = "\033[1m"};

    return color ? escapes[s] : "";
}

const char *cli__shade_end(bool color)
{
    return color ? "\033[0m" : "";
}

enum cli_shade cli__state_shade(struct tl_sv state)
{
    if (tl_sv_eqs(state, "dead") || tl_sv_eqs(state, "open"))
        return CLI_BAD;
    if (tl_sv_eqs(state, "delivered") || tl_sv_eqs(state, "closed"))
        return CLI_GOOD;
    if (tl_sv_eqs(state, "retrying") || tl_sv_eqs(state, "held") || tl_sv_eqs(state, "half_open"))
        return CLI_WARN;
    return CLI_PLAIN;
}

bool cli__confirm(const char *question)
{
    char answer[16];

    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
        return false;
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

void cli__progress(const char *what, uint64_t done, uint64_t total)
{
    enum { WIDTH = 30 };
    char bar[WIDTH + 1];
    uint64_t full;

    if (!isatty(STDERR_FILENO))
        return;
    if (total == 0) {
        fprintf(stderr, "\r%s %llu", what, (unsigned long long)done);
        return;
    }
    full = done >= total ? WIDTH : done * WIDTH / total;
    for (uint64_t i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = 0;
    fprintf(stderr, "\r%s [%s] %llu of %llu", what, bar, (unsigned long long)done, (unsigned long long)total);
}

void cli__progress_end(void)
{
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
}

void cli__put_safe(FILE *f, struct tl_sv text)
{
    uint32_t cp;

    for (size_t n; text.n; text = tl_sv_from(text, n)) {
        n = tl_utf8_decode(text, &cp);
        if (n == 0 || tl_utf8_steers(cp))
            (void)fputc('?', f);
        else
            (void)fwrite(text.p, 1, n, f);
        n = n ? n : 1;
    }
}

static enum tl_rc read_fd(int fd, const char *name, size_t max, struct tl_buf *ret, struct tl_err *err)
{
    char *room;
    ssize_t n;

    tl_buf_init(ret, max);
    for (;;) {
        room = tl_buf_reserve(ret, 65536);
        if (!room) {
            char extra;

            if (read(fd, &extra, 1) == 0)
                return TL_OK;
            return tl_fail(err, TL_LIMIT, "%s is larger than %zu bytes", name, max);
        }
        n = read(fd, room, 65536);
        if (n == 0)
            return TL_OK;
        if (n > 0)
            tl_buf_added(ret, (size_t)n);
        else if (errno != EINTR)
            return tl_fail(err, TL_IO, "cannot read %s: %s", name, strerror(errno));
    }
}

enum tl_rc cli__read_file(const char *path, size_t max, struct tl_buf *ret, struct tl_err *err)
{
    enum tl_rc rc;
    int fd;

    if (strcmp(path, "-") == 0)
        return read_fd(STDIN_FILENO, "standard input", max, ret, err);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return tl_fail(err, errno == ENOENT ? TL_NOT_FOUND : TL_IO, "cannot open %s: %s", path, strerror(errno));
    rc = read_fd(fd, path, max, ret, err);
    (void)close(fd);
    return rc;
}

int cli__config_errors(const struct config_errors *e, bool json)
{
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(16 << 20);
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder o;

    if (json) {
        json_object_begin(&o, a, 2);
        json_adds(&o, "ok", json_bool(config_errors_count(e) == 0));
        json_adds(&o, "errors", config_errors_json(e, a));
        cli__print_json(json_end(&o), true);
        return CLI_USAGE;
    }
    tl_buf_init(&b, 16 << 20);
    config_errors_text(e, cli__color(stderr), &b);
    (void)fwrite(b.p ? b.p : "", 1, b.n, stderr);
    return CLI_USAGE;
}
