/* SPDX-License-Identifier: Apache-2.0 */
/* message.c - a mail as text: headers of RFC 5322, words of RFC 2047, bodies in base64 (RFC 2045), so that no line is
 * too long and none begins with a dot or "From ". */
#include "smtp/smtp_int.h"

enum { LINE = 57, WORD = 39 }; /* bytes that become 76 and 52 characters of base64: a header line has at most 76 */

bool smtp__is_address(struct tl_sv s)
{
    size_t at = tl_sv_find(s, '@');

    if (at == 0 || at + 1 >= s.n || s.n > 254 || tl_sv_find(tl_sv_from(s, at + 1), '@') + at + 1 != s.n)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c <= ' ' || c == 0x7f || c == '<' || c == '>' || c == ',' || c == ';' || c == '"' || c == '\\')
            return false;
    }
    return true;
}

static bool is_plain(struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if ((unsigned char)s.p[i] < ' ' || (unsigned char)s.p[i] > '~')
            return false;
    }
    return s.n < 60 && tl_sv_find_sv(s, TL_SV("=?")) == s.n;
}

/* A header's text: as it is, or in encoded words cut at characters. Line ends cannot get through: they are encoded. */
static void put_text(struct tl_buf *b, struct tl_sv s)
{
    if (is_plain(s)) {
        tl_buf_sv(b, s);
        return;
    }
    for (size_t at = 0; at < s.n;) {
        size_t n = s.n - at < WORD ? s.n - at : WORD;

        while (at + n < s.n && n > 1 && ((unsigned char)s.p[at + n] & 0xc0) == 0x80)
            n--;
        tl_buf_puts(b, at ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        tl_base64_encode(b, s.p + at, n);
        tl_buf_puts(b, "?=");
        at += n;
    }
}

static void put_body(struct tl_buf *b, const char *type, struct tl_sv text)
{
    tl_buf_printf(b, "Content-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", type);
    for (size_t at = 0; at < text.n; at += LINE) {
        tl_base64_encode(b, text.p + at, text.n - at < LINE ? text.n - at : LINE);
        tl_buf_puts(b, "\r\n");
    }
}

static void put_id(struct tl_buf *b, const char *header, struct tl_sv id, struct tl_sv from)
{
    tl_buf_printf(b, "%s: <", header);
    for (size_t i = 0; i < id.n; i++) /* ids of ours are plain; what a mapping gives may not be */
        tl_buf_putc(b, id.p[i] > ' ' && id.p[i] <= '~' && !strchr("<>@()[]\\,;:\"", id.p[i]) ? id.p[i] : '-');
    tl_buf_printf(b, "%.*s>\r\n", TL_SV_ARG(tl_sv_from(from, tl_sv_find(from, '@'))));
}

bool smtp__message(const struct smtp_mail *m, struct tl_buf *b)
{
    char date[TL_TIME_TEXT];
    struct tl_sv day = tl_sv_str(tl_http_date_format(m->wall_ms, date));

    /* RFC 5322 3.3 wants a zone in numbers: "GMT" is the obsolete form */
    tl_buf_printf(b, "Date: %.*s+0000\r\nFrom: <%.*s>\r\nTo: ", (int)day.n - 3, day.p, TL_SV_ARG(m->from));
    for (size_t i = 0; i < m->to->n; i++)
        tl_buf_printf(b, "%s<%s>", i ? ",\r\n " : "", *CONFIG_AT(*m->to, const char *, i));
    tl_buf_puts(b, "\r\nSubject: ");
    put_text(b, m->subject);
    tl_buf_puts(b, "\r\n");
    put_id(b, "Message-ID", m->id, m->from);
    if (m->reply_to_id.n) {
        put_id(b, "In-Reply-To", m->reply_to_id, m->from);
        put_id(b, "References", m->reply_to_id, m->from);
    }
    tl_buf_puts(b,
                "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"); /* RFC 3834 5: no out-of-office answers */
    if (!m->html.n) {
        put_body(b, "plain", m->text);
        return !b->failed;
    }
    tl_buf_puts(b, "Content-Type: multipart/alternative; boundary=\"=_tieline\"\r\n\r\n--=_tieline\r\n");
    put_body(b, "plain", m->text);
    tl_buf_puts(b, "--=_tieline\r\n"); /* no line of base64 begins with -- */
    put_body(b, "html", m->html);
    tl_buf_puts(b, "--=_tieline--\r\n");
    return !b->failed;
}
