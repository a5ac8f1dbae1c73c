/* SPDX-License-Identifier: Apache-2.0 */
/* The text of mails; sending them is looked at with the whole program. */
#include "connector/test/connector_rig.h"
#include "smtp/smtp_int.h"

static const char *addresses[] = {"ops@example.com", "erp@example.com"};
static const struct config_list to = {addresses, 2};

static const char *written(struct smtp_mail m, struct tl_buf *b)
{
    m.from = TL_SV("tieline@example.com");
    m.to = &to;
    m.wall_ms = 1760000000000;
    tl_buf_init(b, 1 << 20);
    assert_true(smtp__message(&m, b));
    assert_true(tl_buf_putc(b, '\0'));
    return b->p;
}

static void a_mail_has_its_headers_and_a_body_that_nothing_on_the_way_changes(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const char *text = written(
        (struct smtp_mail){.subject = TL_SV("hello"), .text = TL_SV(".\nFrom here"), .id = TL_SV("e1.0.0")}, &b);

    (void)state;
    assert_non_null(strstr(text, "Date: Thu, 09 Oct 2025 08:53:20 +0000\r\n"));
    assert_non_null(strstr(text, "From: <tieline@example.com>\r\nTo: <ops@example.com>,\r\n <erp@example.com>\r\n"));
    assert_non_null(strstr(text, "Subject: hello\r\nMessage-ID: <e1.0.0@example.com>\r\n"));
    assert_non_null(strstr(text, "Auto-Submitted: auto-generated\r\n"));
    assert_non_null(strstr(text, "\r\n\r\nLgpGcm9tIGhlcmU=\r\n"));
    assert_null(strstr(text, "\n.")); /* RFC 5321 4.5.2 */
}

static void a_subject_cannot_add_a_header_and_any_language_gets_through(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0}, c = {0};
    const char *text = written(
        (struct smtp_mail){.subject = TL_SV("x\r\nBcc: evil@example.com"), .text = TL_SV("t"), .id = TL_SV("a\r\nb")},
        &b);
    char subject[300] = "";

    (void)state;
    assert_null(strstr(text, "Bcc"));
    assert_non_null(strstr(text, "Message-ID: <a--b@example.com>\r\n"));
    for (int i = 0; i < 60; i++)
        strcat(subject, "\xc3\xa4");
    text = written((struct smtp_mail){.subject = tl_sv_str(subject), .text = TL_SV("t"), .id = TL_SV("a")}, &c);
    /* 120 bytes in words of at most 39, each ending with a whole character */
    assert_non_null(
        strstr(text, "Subject: =?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6Q=?=\r\n =?UTF-8?B?"));
    for (const char *line = text, *end; (end = strstr(line, "\r\n")); line = end + 2)
        assert_true(end - line <= 76);
}

static void html_comes_beside_the_text_and_an_end_answers_its_beginning(void **state)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    const char *text = written((struct smtp_mail){.subject = TL_SV("s"),
                                                  .text = TL_SV("t"),
                                                  .html = TL_SV("<p>t</p>"),
                                                  .id = TL_SV("k.resolved"),
                                                  .reply_to_id = TL_SV("k.firing")},
                               &b);

    (void)state;
    assert_non_null(strstr(text, "In-Reply-To: <k.firing@example.com>\r\nReferences: <k.firing@example.com>\r\n"));
    assert_non_null(strstr(text, "Content-Type: text/html; charset=utf-8"));
    assert_non_null(strstr(text, "--=_tieline--\r\n"));
}

static void addresses_are_addresses(void **state)
{
    static const char *const good[] = {"a@b", "first.last+tag@mail.example.com", "j\xc3\xb6rg@example.com"};
    static const char *const bad[] = {
        "", "a", "@b", "a@", "a@b@c", "a b@c", "a@b>", "<a@b", "a@b\r\nRCPT TO:<c@d>", "a@b,c@d"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(good); i++)
        assert_true(smtp__is_address(tl_sv_str(good[i])));
    for (size_t i = 0; i < TL_COUNT(bad); i++)
        assert_false(smtp__is_address(tl_sv_str(bad[i])));
}

static void a_wrong_configuration_is_found(void **state)
{
    static const char *const bad[] = {"{ url: \"http://h\", from: a@b }", "{ url: \"smtp://h\", from: a }",
                                      "{ url: \"smtp://h\", from: a@b, user: u }"};

    (void)state;
    for (size_t i = 0; i < TL_COUNT(bad); i++) {
        struct rig r;

        rig_start(&r);
        assert_false(rig_connect(&r, connector_find(TL_SV("smtp")), bad[i]));
        rig_stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_has_its_headers_and_a_body_that_nothing_on_the_way_changes),
        cmocka_unit_test(a_subject_cannot_add_a_header_and_any_language_gets_through),
        cmocka_unit_test(html_comes_beside_the_text_and_an_end_answers_its_beginning),
        cmocka_unit_test(addresses_are_addresses),
        cmocka_unit_test(a_wrong_configuration_is_found),
    };

    return cmocka_run_group_tests(tests, rig_group_setup, NULL);
}
