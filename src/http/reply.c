/* SPDX-License-Identifier: Apache-2.0 */
/* reply.c - see reply.h. A head is judged when all of it is there, so that the cut of the input cannot change it. */
#include "http/reply.h"

enum { S_HEAD, S_LENGTH, S_TO_CLOSE, S_SIZE, S_CHUNK, S_CHUNK_END, S_TRAILER, S_DONE, S_BAD };
enum { CHUNK_LINE_MAX = 512 };

static enum http_step bad(struct http_reader *r, const char *why)
{
    r->state = S_BAD;
    r->reason = why;
    return HTTP_BAD;
}

static enum http_step too_large(struct http_reader *r)
{
    r->too_large = true;
    return bad(r, "the head of the reply is too large");
}

/* The next line with its end taken off; *ret_next is where the one after it begins. False: it is not whole. */
static bool cut_line(char *in, size_t n, size_t at, struct tl_sv *ret_line, size_t *ret_next)
{
    const char *lf = at < n ? memchr(in + at, '\n', n - at) : NULL;
    size_t end;

    if (!lf)
        return false;
    end = (size_t)(lf - in);
    *ret_next = end + 1;
    if (end > at && in[end - 1] == '\r')
        end--;
    *ret_line = tl_sv(in + at, end - at);
    return true;
}

/* Where the head that begins at in[0] ends, with its blank line; 0: more must come. */
static size_t head_end(char *in, size_t n)
{
    struct tl_sv line;
    size_t at = 0, next;

    while (cut_line(in, n, at, &line, &next)) {
        if (line.n == 0 && at > 0)
            return next;
        at = next;
    }
    return 0;
}

/* "HTTP/1.1 200 OK": the reason may be missing. */
static bool status_line(struct http_reader *r, struct tl_sv line)
{
    const char *p = line.p;

    if (line.n < 12 || memcmp(p, "HTTP/1.", 7) != 0 || p[7] < '0' || p[7] > '9' || p[8] != ' ')
        return false;
    for (int i = 9; i < 12; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    if (line.n > 12 && p[12] != ' ')
        return false;
    r->status = (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
    r->keep_alive = p[7] != '0';
    return r->status >= 100;
}

static bool number(struct tl_sv s, uint64_t *ret)
{
    uint64_t n = 0;

    if (s.n == 0 || s.n > 18)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret = n;
    return true;
}

/* RFC 9112 6.3, as far as it is about replies. "3, 3" is one length written twice by a careless proxy. */
static const char *framing(struct http_reader *r, bool *ret_chunked)
{
    *ret_chunked = false;
    for (size_t i = 0; i < r->headers.n; i++) {
        struct tl_sv name = r->headers.v[i].name, rest = r->headers.v[i].value, part;
        uint64_t n;

        if (tl_sv_eqs(name, "connection")) {
            r->keep_alive =
                !http_list_has(rest, TL_SV("close")) && (r->keep_alive || http_list_has(rest, TL_SV("keep-alive")));
        } else if (tl_sv_eqs(name, "transfer-encoding")) {
            if (*ret_chunked || !tl_sv_eqi(rest, TL_SV("chunked")))
                return "an unknown transfer coding";
            *ret_chunked = true;
        } else if (tl_sv_eqs(name, "content-length")) {
            while (tl_sv_cut(&rest, ',', &part)) {
                if (!number(tl_sv_trim(part), &n) || (r->has_length && n != r->length))
                    return "a Content-Length that is none, or two that differ";
                r->has_length = true;
                r->length = n;
            }
        }
    }
    return NULL;
}

/* obs-fold (RFC 9112 5.2): the line belongs to the one before it; its line end becomes spaces. */
static void unfold(char *in, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (in[i] == '\n' && (in[i + 1] == ' ' || in[i + 1] == '\t')) {
            in[i] = ' ';
            if (i > 0 && in[i - 1] == '\r')
                in[i - 1] = ' ';
        }
}

static bool read_headers(struct http_reader *r, char *in, size_t n)
{
    struct tl_sv line;
    size_t at = 0, next;

    r->headers = (struct http_headers){r->slots, 0};
    while (cut_line(in, n, at, &line, &next) && line.n > 0) {
        size_t colon = tl_sv_find(line, ':');
        struct tl_sv name = tl_sv_trim(tl_sv(line.p, colon));

        if (colon < line.n && name.n > 0) {
            char *p = in + (name.p - in);

            if (r->headers.n == r->n_slots)
                return false;
            for (size_t i = 0; i < name.n; i++)
                if (p[i] >= 'A' && p[i] <= 'Z')
                    p[i] = (char)(p[i] | 0x20);
            r->slots[r->headers.n++] = (struct http_header){name, tl_sv_trim(tl_sv_from(line, colon + 1))};
        }
        at = next;
    }
    return true;
}

static enum http_step head_done(struct http_reader *r, bool chunked)
{
    if (r->head_request || r->status == 204 || r->status == 304)
        r->state = S_DONE;
    else if (chunked)
        r->state = S_SIZE;
    else if (r->has_length)
        r->state = r->length ? S_LENGTH : S_DONE;
    else
        r->state = S_TO_CLOSE;
    if (chunked && r->has_length) { /* chunked rules; what else came through such a proxy is not to be trusted */
        r->has_length = false;
        r->keep_alive = false;
    }
    r->left = r->has_length ? r->length : 0;
    return HTTP_HEAD_DONE;
}

static enum http_step head(struct http_reader *r, char *in, size_t n, size_t *ret_used)
{
    size_t end = head_end(in, n), next = 0;
    struct tl_sv line = TL_SV_NULL;
    const char *why;
    bool chunked;

    if (n >= 5 && memcmp(in, "HTTP/", 5) != 0)
        return bad(r, "the reply is not HTTP/1.1");
    if (r->head_bytes + (end ? end : n) > r->max_head)
        return too_large(r);
    if (end == 0)
        return HTTP_MORE;
    (void)cut_line(in, end, 0, &line, &next);
    if (!status_line(r, line))
        return bad(r, "the reply is not HTTP/1.1");
    r->head_bytes += end;
    *ret_used = end;
    if (r->status == 101)
        return bad(r, "the server changed the protocol");
    if (r->status < 200)
        return HTTP_MORE;
    unfold(in + next, end - next);
    if (!read_headers(r, in + next, end - next))
        return too_large(r);
    why = framing(r, &chunked);
    return why ? bad(r, why) : head_done(r, chunked);
}

static enum http_step data(struct http_reader *r, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data)
{
    size_t take = r->state == S_TO_CLOSE || n < r->left ? n : (size_t)r->left;

    if (take == 0)
        return HTTP_MORE;
    *ret_used = take;
    *ret_data = tl_sv(in, take);
    if (r->state != S_TO_CLOSE)
        r->left -= take;
    if (r->state == S_LENGTH && r->left == 0)
        r->state = S_DONE;
    if (r->state == S_CHUNK && r->left == 0)
        r->state = S_CHUNK_END;
    return HTTP_DATA;
}

static enum http_step chunk_size(struct http_reader *r, struct tl_sv line)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < line.n && i < 16; i++) {
        char c = (char)(line.p[i] | 0x20);

        if (c >= '0' && c <= '9')
            n = n << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            n = n << 4 | (uint64_t)(c - 'a' + 10);
        else
            break;
    }
    if (i == 0 || (i < line.n && line.p[i] != ';' && line.p[i] != ' ' && line.p[i] != '\t') || n >> 62)
        return bad(r, "a malformed chunk");
    r->left = n;
    r->state = n ? S_CHUNK : S_TRAILER;
    return HTTP_MORE;
}

/* One line of the chunked coding: a size, the end of a chunk, a trailer. */
static enum http_step chunk_line(struct http_reader *r, char *in, size_t n, size_t *ret_used)
{
    struct tl_sv line;

    if (!cut_line(in, n, 0, &line, ret_used)) {
        *ret_used = 0;
        if (r->state == S_TRAILER && r->head_bytes + n > r->max_head)
            return too_large(r);
        return n > CHUNK_LINE_MAX + 2 && r->state != S_TRAILER ? bad(r, "a malformed chunk") : HTTP_MORE;
    }
    if (r->state == S_SIZE)
        return line.n > CHUNK_LINE_MAX ? bad(r, "a malformed chunk") : chunk_size(r, line);
    if (r->state == S_CHUNK_END) {
        r->state = S_SIZE;
        return line.n > 0 ? bad(r, "a malformed chunk") : HTTP_MORE;
    }
    r->head_bytes += *ret_used;
    if (r->head_bytes > r->max_head)
        return too_large(r);
    if (line.n > 0)
        return HTTP_MORE;
    r->state = S_DONE;
    return HTTP_END;
}

enum http_step http_reader_step(struct http_reader *r, char *in, size_t n, size_t *ret_used, struct tl_sv *ret_data)
{
    *ret_used = 0;
    switch (r->state) {
    case S_HEAD:
        return head(r, in, n, ret_used);
    case S_LENGTH:
    case S_TO_CLOSE:
    case S_CHUNK:
        return data(r, in, n, ret_used, ret_data);
    case S_SIZE:
    case S_CHUNK_END:
    case S_TRAILER:
        return chunk_line(r, in, n, ret_used);
    case S_DONE:
        return HTTP_END;
    default:
        return HTTP_BAD;
    }
}

bool http_reader_closed(const struct http_reader *r)
{
    return r->state == S_TO_CLOSE || r->state == S_DONE;
}
