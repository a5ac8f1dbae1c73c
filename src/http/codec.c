/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.c - see codec.h. Invariant: a decision is made on complete lines only (or when a limit is passed, which is
 * decided the same way whether or not the line's end is there yet), so that the cut of the input into pieces cannot
 * change it.
 */
#include "http/codec.h"

#include "http/chars.h"
#include "http/url.h"

enum {
    S_REQUEST_LINE,
    S_FIELDS,
    S_BODY_START,
    S_LENGTH,
    S_CHUNK_SIZE,
    S_CHUNK_SPACE,
    S_CHUNK_EXT,
    S_CHUNK_SIZE_LF,
    S_CHUNK_DATA,
    S_CHUNK_CR,
    S_CHUNK_LF,
    S_TRAILERS,
    S_END,
    S_BAD,
};

enum { CONN_CLOSE = 1, CONN_KEEP_ALIVE = 2, CONN_UPGRADE = 4, HAS_UPGRADE = 8 };

const struct http_limits http_limits_default = {
    .request_line = 8192, .headers = 100, .header_bytes = 65536, .trailer_bytes = 8192, .chunk_ext = 256};

void http_codec_init(struct http_codec *c, const struct http_limits *limits, struct http_header *slots)
{
    *c = (struct http_codec){.limits = limits ? limits : &http_limits_default, .slots = slots};
    http_codec_next_message(c);
}

void http_codec_next_message(struct http_codec *c)
{
    const struct http_limits *limits = c->limits;
    struct http_header *slots = c->slots;

    *c = (struct http_codec){.limits = limits, .slots = slots, .state = S_REQUEST_LINE};
    c->head.headers.v = slots;
    c->trailers.v = slots + limits->headers;
}

bool http_codec_at_end(const struct http_codec *c)
{
    return c->state == S_END || (c->state == S_BODY_START && !c->head.chunked && c->head.length == 0) ||
           (c->state == S_LENGTH && c->left == 0);
}

static enum http_step bad(struct http_codec *c, uint16_t status, const char *reason)
{
    c->state = S_BAD;
    c->status = status;
    c->reason = reason;
    return HTTP_BAD;
}

/* ---- lines ---- */

static void move_view(struct tl_sv *s, const char *from, const char *to)
{
    if (s->p)
        s->p = to + (s->p - from);
}

/* The caller's buffer moved while the head (or the trailers) was incomplete: take the views along. */
static void rebase(struct http_codec *c, const char *in)
{
    const char *from = c->base;
    struct http_headers *h = c->state == S_TRAILERS ? &c->trailers : &c->head.headers;

    c->base = in;
    if (!from || from == in)
        return;
    for (size_t i = 0; i < h->n; i++) {
        move_view(&h->v[i].name, from, in);
        move_view(&h->v[i].value, from, in);
    }
    if (c->state == S_TRAILERS)
        return;
    move_view(&c->head.method_text, from, in);
    move_view(&c->head.target, from, in);
    move_view(&c->head.authority, from, in);
    move_view(&c->head.path, from, in);
    move_view(&c->head.query, from, in);
    move_view(&c->host, from, in);
    move_view(&c->coding, from, in);
    move_view(&c->length_text, from, in);
    move_view(&c->expect, from, in);
}

/* Offset of the LF that ends the current line, or n. */
static size_t line_end(struct http_codec *c, const char *in, size_t n)
{
    const char *lf = c->scan < n ? memchr(in + c->scan, '\n', n - c->scan) : NULL;

    if (!lf) {
        c->scan = n;
        return n;
    }
    return (size_t)(lf - in);
}

static bool has_zero_or_control(uint64_t w)
{
    const uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
    uint64_t below_space = (w - ones * 0x20) & ~w & highs;
    uint64_t x = w ^ (ones * 0x7f);
    uint64_t del = (x - ones) & ~x & highs;

    return (below_space | del) != 0;
}

bool http_is_field_value(struct tl_sv s)
{
    size_t i = 0;

    while (i < s.n) {
        uint64_t w;

        if (s.n - i >= sizeof w) {
            memcpy(&w, s.p + i, sizeof w);
            if (!has_zero_or_control(w)) {
                i += sizeof w;
                continue;
            }
        }
        for (size_t end = i + sizeof w < s.n ? i + sizeof w : s.n; i < end; i++) {
            uint8_t ch = (uint8_t)s.p[i];

            if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
                return false;
        }
    }
    return true;
}

bool http_is_token(struct tl_sv s)
{
    return s.n > 0 && http_chars_all(s, HTTP_C_TOKEN);
}

/* ---- the request line ---- */

enum http_method http_method_of(struct tl_sv s)
{
    static const struct {
        const char *name;
        enum http_method method;
    } table[] = {{"GET", HTTP_GET},         {"POST", HTTP_POST},       {"PUT", HTTP_PUT},
                 {"HEAD", HTTP_HEAD},       {"PATCH", HTTP_PATCH},     {"DELETE", HTTP_DELETE},
                 {"OPTIONS", HTTP_OPTIONS}, {"CONNECT", HTTP_CONNECT}, {"TRACE", HTTP_TRACE}};

    for (size_t i = 0; i < TL_COUNT(table); i++)
        if (tl_sv_eqs(s, table[i].name))
            return table[i].method;
    return HTTP_OTHER;
}

bool http_methods_have(struct tl_sv methods, struct tl_sv method)
{
    struct tl_sv one;

    while (tl_sv_cut(&methods, ',', &one))
        if (tl_sv_eq(tl_sv_trim(one), method))
            return true;
    return false;
}

const char *http__split_path(struct http_head *h, struct tl_sv s)
{
    size_t q = tl_sv_find(s, '?');

    h->path = tl_sv(s.p, q);
    h->query = q < s.n ? tl_sv_from(s, q + 1) : TL_SV_NULL;
    if (!http_chars_all(h->path, HTTP_C_PATH) || !http_chars_all(h->query, HTTP_C_QUERY))
        return "a character that a request target may not have";
    return NULL;
}

/* RFC 9112 3.2: origin, absolute, authority (CONNECT only) and asterisk (OPTIONS only) form. NULL: fine. */
static const char *parse_target(struct http_head *h)
{
    struct tl_sv t = h->target;
    size_t skip = tl_sv_starts_i(t, TL_SV("http://")) ? 7 : tl_sv_starts_i(t, TL_SV("https://")) ? 8 : 0, end;
    struct tl_sv host;
    uint16_t port;
    bool v6;

    h->query = TL_SV_NULL;
    if (h->method == HTTP_CONNECT) {
        h->authority = t;
        h->path = tl_sv(t.p, 0);
        return http_authority_parse(t, &host, &port, &v6) && port ? NULL : "CONNECT needs host:port";
    }
    if (t.n && t.p[0] == '/')
        return http__split_path(h, t);
    if (tl_sv_eqs(t, "*")) {
        h->path = t;
        return h->method == HTTP_OPTIONS ? NULL : "only OPTIONS may ask for *";
    }
    if (!skip)
        return "the request target is neither a path nor an http URL";
    for (end = skip; end < t.n && t.p[end] != '/' && t.p[end] != '?'; end++)
        ;
    h->authority = tl_sv(t.p + skip, end - skip);
    if (!http_authority_parse(h->authority, &host, &port, &v6))
        return "the host in the request target is malformed";
    return http__split_path(h, tl_sv_from(t, end));
}

static enum http_step request_line(struct http_codec *c, struct tl_sv s)
{
    struct http_head *h = &c->head;
    size_t sp = tl_sv_find(s, ' '), sp2;
    struct tl_sv rest = tl_sv_from(s, sp + 1), version;
    const char *why;

    h->method_text = tl_sv(s.p, sp);
    if (!http_is_token(h->method_text) || sp > 32)
        return bad(c, 400, "the method is not a token");
    h->method = http_method_of(h->method_text);
    sp2 = tl_sv_find(rest, ' ');
    h->target = tl_sv(rest.p, sp2);
    version = tl_sv_from(rest, sp2 + 1);
    if (h->target.n == 0 || sp2 == rest.n || !http_chars_all(h->target, HTTP_C_VISIBLE))
        return bad(c, 400, "the request line is not METHOD SP TARGET SP VERSION");
    if (version.n != 8 || memcmp(version.p, "HTTP/", 5) != 0 || version.p[5] < '0' || version.p[5] > '9' ||
        version.p[6] != '.' || version.p[7] < '0' || version.p[7] > '9')
        return bad(c, 400, "the version is malformed");
    if (version.p[5] != '1' || version.p[7] > '1')
        return bad(c, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    h->minor = (uint8_t)(version.p[7] - '0');
    why = parse_target(h);
    return why ? bad(c, 400, why) : HTTP_MORE;
}

/* ---- header fields ---- */

bool http_list_has(struct tl_sv value, struct tl_sv token)
{
    struct tl_sv part;

    while (tl_sv_cut(&value, ',', &part))
        if (tl_sv_eqi(tl_sv_trim(part), token))
            return true;
    return false;
}

static void note_connection(struct http_codec *c, struct tl_sv value)
{
    if (tl_sv_eqi(value, TL_SV("keep-alive"))) {
        c->conn |= CONN_KEEP_ALIVE;
        return;
    }
    if (http_list_has(value, TL_SV("close")))
        c->conn |= CONN_CLOSE;
    if (http_list_has(value, TL_SV("keep-alive")))
        c->conn |= CONN_KEEP_ALIVE;
    if (http_list_has(value, TL_SV("upgrade")))
        c->conn |= CONN_UPGRADE;
}

static uint8_t more(uint8_t n)
{
    return n < 2 ? (uint8_t)(n + 1) : n;
}

/* Remember the fields that decide framing; judged when the head is complete. */
static void note_field(struct http_codec *c, struct tl_sv name, struct tl_sv value)
{
    switch (name.n) {
    case 4:
        if (memcmp(name.p, "host", 4) == 0) {
            c->host = value;
            c->n_host = more(c->n_host);
        }
        break;
    case 6:
        if (memcmp(name.p, "expect", 6) == 0) {
            c->expect = value;
            c->n_expect = more(c->n_expect);
        }
        break;
    case 7:
        if (memcmp(name.p, "upgrade", 7) == 0)
            c->conn |= HAS_UPGRADE;
        break;
    case 10:
        if (memcmp(name.p, "connection", 10) == 0)
            note_connection(c, value);
        break;
    case 14:
        if (memcmp(name.p, "content-length", 14) == 0) {
            c->length_text = value;
            c->n_length = more(c->n_length);
        }
        break;
    case 17:
        if (memcmp(name.p, "transfer-encoding", 17) == 0) {
            c->coding = value;
            c->n_coding = more(c->n_coding);
        }
        break;
    default:
        break;
    }
}

/* name ":" OWS value OWS (RFC 9112 5.1), the line without CRLF. NULL: fine. */
static const char *parse_field(char *p, size_t n, struct http_header *ret)
{
    size_t i = 0, end = n;

    for (; i < n && http_char_is(p[i], HTTP_C_TOKEN); i++)
        if (p[i] >= 'A' && p[i] <= 'Z')
            p[i] = (char)(p[i] | 0x20);
    if (i == n)
        return "a header line has no colon";
    if (i == 0 && (p[0] == ' ' || p[0] == '\t'))
        return "a folded header line";
    if (i == 0 || p[i] != ':')
        return "a header name has a character that it may not have";
    ret->name = tl_sv(p, i);
    for (i++; i < end && (p[i] == ' ' || p[i] == '\t'); i++)
        ;
    while (end > i && (p[end - 1] == ' ' || p[end - 1] == '\t'))
        end--;
    ret->value = tl_sv(p + i, end - i);
    return http_is_field_value(ret->value) ? NULL : "a control character in a header value";
}

/* ---- framing: RFC 9112 6, nothing lenient ---- */

static bool known_shape_of_codings(struct tl_sv list, bool *ret_other)
{
    struct tl_sv part;
    bool any = false;

    *ret_other = false;
    while (tl_sv_cut(&list, ',', &part)) {
        size_t semicolon = tl_sv_find(part, ';');
        struct tl_sv name = tl_sv_trim(tl_sv(part.p, semicolon));

        if (!http_is_token(name))
            return false;
        any = true;
        if (semicolon < part.n || !tl_sv_eqi(name, TL_SV("chunked")))
            *ret_other = true;
    }
    return any;
}

static enum http_step coding(struct http_codec *c)
{
    bool other;

    if (c->n_length)
        return bad(c, 400, "Content-Length and Transfer-Encoding together");
    if (c->head.minor == 0)
        return bad(c, 400, "Transfer-Encoding in HTTP/1.0");
    if (c->n_coding > 1)
        return bad(c, 400, "Transfer-Encoding twice");
    if (tl_sv_eqi(c->coding, TL_SV("chunked"))) {
        c->head.chunked = true;
        return HTTP_MORE;
    }
    if (!known_shape_of_codings(c->coding, &other) || !other)
        return bad(c, 400, "Transfer-Encoding is malformed");
    return bad(c, 501, "a transfer coding other than chunked");
}

static enum http_step host(struct http_codec *c)
{
    struct http_head *h = &c->head;
    struct tl_sv a, b;
    uint16_t pa = 0, pb = 0, fallback;
    bool v6;

    if (c->n_host > 1)
        return bad(c, 400, "Host twice");
    if (c->n_host == 0)
        return h->minor == 0 ? HTTP_MORE : bad(c, 400, "no Host");
    if (!http_authority_parse(c->host, &b, &pb, &v6))
        return bad(c, 400, "Host is malformed");
    if (h->authority.p) {
        fallback = h->method == HTTP_CONNECT ? 0 : tl_sv_starts_i(h->target, TL_SV("https:")) ? 443 : 80;
        (void)http_authority_parse(h->authority, &a, &pa, &v6);
        pa = pa ? pa : fallback;
        pb = pb ? pb : fallback;
        if (!tl_sv_eqi(a, b) || (pa != pb && pb != 0))
            return bad(c, 400, "Host and the request target disagree");
    }
    h->authority = c->host;
    return HTTP_MORE;
}

static enum http_step head_done(struct http_codec *c)
{
    struct http_head *h = &c->head;

    if (host(c) == HTTP_BAD)
        return HTTP_BAD;
    if (c->n_coding) {
        if (coding(c) == HTTP_BAD)
            return HTTP_BAD;
    } else if (c->n_length) {
        /* 19 digits: 2^63 and more is refused along with what overflows */
        if (c->n_length > 1)
            return bad(c, 400, "Content-Length twice");
        if (c->length_text.n > 19 || !tl_sv_u64(c->length_text, &h->length) || h->length > INT64_MAX)
            return bad(c, 400, "Content-Length is not a number");
        h->has_length = true;
    }
    if (c->n_expect && h->minor == 1) {
        if (c->n_expect > 1 || !tl_sv_eqi(c->expect, TL_SV("100-continue")))
            return bad(c, 417, "an expectation other than 100-continue");
        h->expect_continue = h->chunked || h->length > 0;
    }
    h->keep_alive = !(c->conn & CONN_CLOSE) && (h->minor == 1 || (c->conn & CONN_KEEP_ALIVE));
    h->upgrade = (c->conn & CONN_UPGRADE) && (c->conn & HAS_UPGRADE) && h->minor == 1;
    if (h->path.n == 0 && h->method != HTTP_CONNECT)
        h->path = TL_SV("/"); /* an absolute target without a path; only now, when no view is moved any more */
    c->state = S_BODY_START;
    return HTTP_HEAD_DONE;
}

/* ---- the head ---- */

/* The line's length without CRLF in *ret_n; false: its end is not CRLF. */
static bool line_length(const struct http_codec *c, const char *in, size_t end, size_t *ret_n)
{
    if (end == c->line || in[end - 1] != '\r')
        return false;
    *ret_n = end - 1 - c->line;
    return true;
}

static enum http_step step_request_line(struct http_codec *c, char *in, size_t n)
{
    for (;;) {
        size_t end = line_end(c, in, n), len;
        enum http_step step = HTTP_MORE;

        /* the line with its CR; when the LF has not come yet, as if it came next */
        if (end - c->line > c->limits->request_line + 1)
            return bad(c, 414, "the request line is too long");
        if (end == n)
            return HTTP_MORE;
        if (!line_length(c, in, end, &len))
            return bad(c, 400, "a bare LF");
        if (len == 0 && !c->blank_seen) {
            c->blank_seen =
                true; /* RFC 9112 2.2: one empty line before a request, as some clients end a body with CRLF */
        } else {
            step = request_line(c, tl_sv(in + c->line, len));
            c->state = step == HTTP_BAD ? S_BAD : S_FIELDS;
        }
        c->line = c->scan = end + 1;
        c->first = c->line;
        if (c->state != S_REQUEST_LINE)
            return step;
    }
}

/* Fields up to the empty line, for the head and for trailers. HTTP_END: the empty line was there. */
static enum http_step step_fields(struct http_codec *c, char *in, size_t n, struct http_headers *h, size_t max_bytes)
{
    for (;;) {
        size_t end = line_end(c, in, n), len;
        const char *why;

        if (end + 1 - c->first > max_bytes)
            return bad(c, 431, "too many bytes of headers");
        if (end == n)
            return HTTP_MORE;
        if (!line_length(c, in, end, &len))
            return bad(c, 400, "a bare LF");
        if (len > 0) {
            if (h->n == c->limits->headers)
                return bad(c, 431, "too many headers");
            why = parse_field(in + c->line, len, &h->v[h->n]);
            if (why)
                return bad(c, 400, why);
            if (c->state == S_FIELDS)
                note_field(c, h->v[h->n].name, h->v[h->n].value);
            h->n++;
        }
        c->line = c->scan = end + 1;
        if (len == 0)
            return HTTP_END;
    }
}

static enum http_step step_head(struct http_codec *c, char *in, size_t n, size_t *ret_used)
{
    enum http_step step = HTTP_MORE;

    rebase(c, in);
    if (c->state == S_REQUEST_LINE)
        step = step_request_line(c, in, n);
    if (step == HTTP_BAD || c->state != S_FIELDS)
        return step;
    step = step_fields(c, in, n, &c->head.headers, c->limits->header_bytes);
    if (step != HTTP_END)
        return step;
    *ret_used = c->line;
    return head_done(c);
}

static enum http_step step_trailers(struct http_codec *c, char *in, size_t n, size_t *ret_used)
{
    enum http_step step;

    rebase(c, in);
    step = step_fields(c, in, n, &c->trailers, c->limits->trailer_bytes);
    if (step != HTTP_END)
        return step;
    /* RFC 9110 6.5.1: fields of framing and routing have no meaning here; taking them is how smuggling starts */
    if (http_header_count(&c->trailers, "content-length") || http_header_count(&c->trailers, "transfer-encoding") ||
        http_header_count(&c->trailers, "host"))
        return bad(c, 400, "a framing field in the trailers");
    *ret_used = c->line;
    c->state = S_END;
    return HTTP_END;
}

/* ---- the body ---- */

static enum http_step give(struct http_codec *c, const char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data)
{
    size_t take = c->left < n ? (size_t)c->left : n;

    if (take == 0)
        return HTTP_MORE;
    *ret_data = tl_sv(in, take);
    *ret_used += take;
    c->left -= take;
    c->body_seen += take;
    return HTTP_DATA;
}

/* One byte of a chunk's size line. NULL: fine. */
static const char *chunk_size_byte(struct http_codec *c, char ch)
{
    switch (c->state) {
    case S_CHUNK_SIZE:
        if (http_char_is(ch, HTTP_C_HEX)) {
            if (++c->digits > 16 || c->left > (uint64_t)INT64_MAX >> 4)
                return "a chunk size is too large";
            c->left = c->left << 4 | http_hex_value(ch);
            return NULL;
        }
        if (c->digits == 0)
            return "a chunk size is not a hexadecimal number";
        c->ext = 0;
        c->state = ch == '\r' ? S_CHUNK_SIZE_LF : S_CHUNK_SPACE;
        return ch == '\r' ? NULL : chunk_size_byte(c, ch);
    case S_CHUNK_SPACE: /* RFC 9112 7.1.1: BWS before ';' only */
        if (++c->ext > c->limits->chunk_ext)
            return "a chunk extension is too long";
        if (ch == ';')
            c->state = S_CHUNK_EXT;
        return ch == ';' || ch == ' ' || ch == '\t' ? NULL : "a chunk size is not a hexadecimal number";
    case S_CHUNK_EXT:
        if (ch == '\r') {
            c->state = S_CHUNK_SIZE_LF;
            return NULL;
        }
        if (++c->ext > c->limits->chunk_ext)
            return "a chunk extension is too long";
        return http_is_field_value(tl_sv(&ch, 1)) ? NULL : "a control character in a chunk extension";
    default:
        if (ch != '\n')
            return "a bare CR after a chunk size";
        c->state = c->left ? S_CHUNK_DATA : S_TRAILERS;
        return NULL;
    }
}

static enum http_step step_chunks(struct http_codec *c, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data)
{
    while (*ret_used < n) {
        const char *why = NULL;
        enum http_step step;
        char ch;

        if (c->state == S_CHUNK_DATA) {
            step = give(c, in + *ret_used, n - *ret_used, ret_used, ret_data);
            if (c->left == 0)
                c->state = S_CHUNK_CR;
            return step;
        }
        ch = in[(*ret_used)++];
        if (c->state == S_CHUNK_CR) {
            why = ch == '\r' ? NULL : "chunk data longer than its size";
            c->state = S_CHUNK_LF;
        } else if (c->state == S_CHUNK_LF) {
            why = ch == '\n' ? NULL : "a bare CR after chunk data";
            c->state = S_CHUNK_SIZE;
            c->digits = 0;
        } else {
            why = chunk_size_byte(c, ch);
        }
        if (why)
            return bad(c, 400, why);
        if (c->state == S_TRAILERS) {
            c->base = NULL;
            c->line = c->scan = c->first = 0;
            return HTTP_MORE;
        }
    }
    return HTTP_MORE;
}

static enum http_step body_start(struct http_codec *c)
{
    if (c->head.chunked)
        c->state = S_CHUNK_SIZE;
    else if (c->head.length)
        c->state = S_LENGTH;
    else
        c->state = S_END;
    c->left = c->head.length;
    c->digits = 0;
    return c->state == S_END ? HTTP_END : HTTP_MORE;
}

enum http_step http_codec_step(struct http_codec *c, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data)
{
    size_t used = 0;
    enum http_step step = HTTP_MORE;

    *ret_used = 0;
    *ret_data = TL_SV_NULL;
    if (c->state <= S_FIELDS)
        return step_head(c, in, n, ret_used);
    if (c->state == S_BODY_START)
        step = body_start(c);
    if (c->state == S_LENGTH) {
        step = give(c, in, n, ret_used, ret_data);
        if (c->left == 0)
            c->state = S_END;
        return step;
    }
    if (c->state >= S_CHUNK_SIZE && c->state <= S_CHUNK_LF) {
        step = step_chunks(c, in, n, ret_used, ret_data);
        used = *ret_used;
    }
    if (c->state == S_TRAILERS) {
        step = step_trailers(c, in + used, n - used, ret_used);
        *ret_used += step == HTTP_END ? used : 0;
        if (step != HTTP_END)
            *ret_used = used;
    }
    if (c->state == S_END)
        return HTTP_END;
    return c->state == S_BAD ? HTTP_BAD : step;
}

/* ---- header lists ---- */

struct tl_sv http_header_get(const struct http_headers *h, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < h->n; i++)
        if (h->v[i].name.n == n && memcmp(h->v[i].name.p, name, n) == 0)
            return h->v[i].value;
    return TL_SV_NULL;
}

size_t http_header_count(const struct http_headers *h, const char *name)
{
    size_t n = strlen(name), count = 0;

    for (size_t i = 0; i < h->n; i++)
        count += h->v[i].name.n == n && memcmp(h->v[i].name.p, name, n) == 0;
    return count;
}
