/* SPDX-License-Identifier: Apache-2.0 */
/* blocks.c - an alert in Slack's blocks. Limits (docs.slack.dev/reference/block-kit): header 150 characters, section
 * 3,000, field 2,000, button text 75, url 3,000. Texts are escaped as docs.slack.dev/messaging/formatting-message-text.
 */
#include <stdio.h>

#include "slack/slack_int.h"

enum { HEADER = 150, SECTION = 2900 };

static void put_escaped(struct tl_buf *b, struct tl_sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '&')
            tl_buf_puts(b, "&amp;");
        else if (s.p[i] == '<')
            tl_buf_puts(b, "&lt;");
        else if (s.p[i] == '>')
            tl_buf_puts(b, "&gt;");
        else
            tl_buf_putc(b, s.p[i]);
    }
}

static struct json text_object(struct tl_arena *a, const char *type, struct tl_sv text)
{
    struct json_builder b;

    json_object_begin(&b, a, 2);
    json_adds(&b, "type", json_str(type));
    json_adds(&b, "text", json_str_copy(a, text));
    return json_end(&b);
}

static void field(struct json_builder *list, const char *name, struct tl_sv value)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    if (!value.n)
        return;
    tl_buf_init(&b, SECTION);
    tl_buf_printf(&b, "*%s*\n", name);
    put_escaped(&b, tl_utf8_cut(value, 300));
    json_push(list, text_object(list->arena, "mrkdwn", tl_buf_view(&b)));
}

static void button(struct json_builder *list, const char *name, struct tl_sv url)
{
    struct json_builder b;

    if (!tl_sv_starts(url, TL_SV("https://")) && !tl_sv_starts(url, TL_SV("http://")))
        return;
    json_object_begin(&b, list->arena, 3);
    json_adds(&b, "type", json_str("button"));
    json_adds(&b, "text", text_object(list->arena, "plain_text", tl_sv_str(name)));
    json_adds(&b, "url", json_str_copy(list->arena, tl_utf8_cut(url, 3000)));
    json_push(list, json_end(&b));
}

static void block(struct json_builder *blocks, const char *type, const char *member, struct json value)
{
    struct json_builder b;

    json_object_begin(&b, blocks->arena, 2);
    json_adds(&b, "type", json_str(type));
    json_adds(&b, member, value);
    json_push(blocks, json_end(&b));
}

static struct tl_sv headline(struct tl_arena *a, const struct connector_notice *n)
{
    return tl_sv_str(tl_arena_printf(a, "%s %.*s",
                                     n->resolved ? "\xe2\x9c\x85 Resolved:"
                                     : n->page   ? "\xf0\x9f\x9a\xa8"
                                                 : "\xe2\x9a\xa0\xef\xb8\x8f",
                                     TL_SV_ARG(n->summary)));
}

struct json slack__blocks(struct tl_arena *a, const struct connector_notice *n, const char *channel)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf text = {0};
    struct json_builder message, blocks, fields, buttons;
    struct tl_sv head = headline(a, n);
    char waiting[32];

    (void)snprintf(waiting, sizeof waiting, "%lld deliveries", (long long)n->held);
    json_array_begin(&blocks, a, 4);
    block(&blocks, "header", "text", text_object(a, "plain_text", tl_utf8_cut(head, HEADER)));
    tl_buf_init(&text, 3 * SECTION);
    tl_buf_puts(&text, "*Cause*  ");
    put_escaped(&text, tl_utf8_cut(n->cause, 500));
    if (!n->resolved) {
        tl_buf_puts(&text, "\n*What to do*  ");
        put_escaped(&text, tl_utf8_cut(n->fix, 500));
    }
    block(&blocks, "section", "text", text_object(a, "mrkdwn", tl_buf_view(&text)));
    json_array_begin(&fields, a, 4);
    field(&fields, "Owner", n->owner);
    field(&fields, "Waiting", n->held > 0 ? tl_sv_str(waiting) : TL_SV(""));
    field(&fields, "Drained in", n->held > 0 ? n->drain : TL_SV(""));
    field(&fields, "Since", n->since);
    if (json_end(&fields).n)
        block(&blocks, "section", "fields", json_end(&fields));
    json_array_begin(&buttons, a, 2);
    button(&buttons, "Open", n->link);
    button(&buttons, "Runbook", n->runbook);
    if (json_end(&buttons).n)
        block(&blocks, "actions", "elements", json_end(&buttons));
    json_object_begin(&message, a, 3);
    json_adds(&message, "channel", json_str(channel));
    json_adds(&message, "text", json_sv(head)); /* what notifications and screen readers say */
    json_adds(&message, "blocks", json_end(&blocks));
    return json_end(&message);
}
