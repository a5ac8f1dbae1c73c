/* SPDX-License-Identifier: Apache-2.0 */
/* pointer.c - RFC 6901. */
#include "json/json_int.h"

bool json_pointer_token(struct tl_sv *rest, struct tl_buf *room, struct tl_sv *ret)
{
    struct tl_sv raw;
    size_t end;

    rest->p++; /* the slash */
    rest->n--;
    end = tl_sv_find(*rest, '/');
    raw = tl_sv(rest->p, end);
    *rest = tl_sv_from(*rest, end);
    if (tl_sv_find(raw, '~') == raw.n) {
        *ret = raw;
        return true;
    }
    tl_buf_clear(room);
    for (size_t i = 0; i < raw.n; i++) {
        char c = raw.p[i];

        if (c == '~') {
            i++;
            if (i == raw.n || (raw.p[i] != '0' && raw.p[i] != '1'))
                return false;
            c = raw.p[i] == '0' ? '~' : '/';
        }
        (void)tl_buf_putc(room, c);
    }
    *ret = tl_buf_view(room);
    return !room->failed;
}

bool json_pointer_index(struct tl_sv token, uint32_t n, uint32_t *ret)
{
    uint64_t i;

    if (token.n == 0 || token.n > 10 || (token.p[0] == '0' && token.n > 1) || !tl_sv_u64(token, &i) || i >= n)
        return false;
    *ret = (uint32_t)i;
    return true;
}

enum tl_rc json_pointer_get(struct json doc, struct tl_sv pointer, struct json *ret, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf room;
    struct tl_sv rest = pointer, token;
    uint32_t i;

    tl_buf_init(&room, pointer.n);
    if (rest.n > 0 && rest.p[0] != '/')
        return tl_fail(err, TL_INVALID, "a JSON pointer begins with /");
    while (rest.n > 0) {
        size_t at = (size_t)(rest.p - pointer.p);

        if (!json_pointer_token(&rest, &room, &token))
            return tl_fail(err, TL_INVALID, "in a JSON pointer ~ must be followed by 0 or 1 (byte %zu)", at);
        if (doc.type == JSON_OBJECT)
            doc = json_get(doc, token);
        else if (doc.type == JSON_ARRAY && json_pointer_index(token, doc.n, &i))
            doc = doc.u.items[i];
        else
            doc = JSON_NOTHING;
        if (doc.type == JSON_UNDEFINED)
            return tl_fail(err, TL_NOT_FOUND, "nothing is at the part of the JSON pointer that begins at byte %zu", at);
    }
    *ret = doc;
    return TL_OK;
}
