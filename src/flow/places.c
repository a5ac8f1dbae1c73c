/* SPDX-License-Identifier: Apache-2.0 */
/* places.c - where in the text of a mapping something stands that its language tells of in ways of its own. */
#include "flow/flow_int.h"

#include <stdlib.h>

void flow__step_back(struct tl_sv text, int32_t *line, int32_t *column)
{
    struct tl_sv rest = text, last = TL_SV(""), before = last;
    int32_t n = 0;

    for (struct tl_sv next; tl_sv_cut(&rest, '\n', &next); n++) {
        before = last;
        last = next;
    }
    if (last.n == 0 && n > 1 && *line == n) {
        *line = n - 1;
        *column = (int32_t)tl_utf8_count(before) + 1;
    }
}

void flow__find_call(struct tl_sv text, struct tl_sv name, int32_t *ret_line, int32_t *ret_column)
{
    int32_t line = 1;
    size_t start = 0;

    *ret_line = *ret_column = 0;
    for (size_t i = 0; i + name.n < text.n; i++) {
        if (text.p[i] == '$' && tl_sv_starts(tl_sv_from(text, i + 1), name) &&
            (i + 1 + name.n == text.n || strchr("( \t\n", text.p[i + 1 + name.n]))) {
            *ret_line = line;
            *ret_column = (int32_t)tl_utf8_count(tl_sv(text.p + start, i - start)) + 1;
            return;
        }
        if (text.p[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
}

int32_t flow__line_in(const char *words)
{
    const char *at = strstr(words, ", line ");

    return at ? (int32_t)strtol(at + 7, NULL, 10) : 0;
}
