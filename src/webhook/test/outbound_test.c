/* SPDX-License-Identifier: Apache-2.0 */
/* Outbound messages of Salesforce: what is taken, what is not, and what never leaves. */
#include "webhook/webhook_int.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HEAD                                                                                                           \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                                     \
    "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "                                   \
    "xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">"          \
    "<soapenv:Body><notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">"
#define TAIL "</notifications></soapenv:Body></soapenv:Envelope>"
#define ORG "<OrganizationId>00D5i000000SiMuEAK</OrganizationId><ActionId>04k5i0000004C92AAE</ActionId>"
#define SESSION                                                                                                        \
    "<SessionId>00D5i!AQsecretSESSION</SessionId><EnterpriseUrl>https://acme.my.salesforce.com/services/Soap/c/60.0"   \
    "</EnterpriseUrl><PartnerUrl>https://acme.my.salesforce.com/services/Soap/u/60.0</PartnerUrl>"
#define ONE(id, fields)                                                                                                \
    "<Notification><Id>" id "</Id><sObject xsi:type=\"sf:Account\" "                                                   \
    "xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\"><sf:Id>001D000000000abAAA</sf:Id>" fields                     \
    "</sObject></Notification>"

struct world {
    struct crypto *c;
    struct tl_arena *a;
    struct webhook_verifier *v;
    struct webhook_verdict verdict;
    struct webhook_event *events;
    size_t n;
};

static bool take(struct world *w, const char *body, const struct webhook_peer *peer)
{
    const struct webhook_request req = {
        .method = TL_SV("POST"), .target = TL_SV("/in/sf"), .body = tl_sv_str(body), .peer = peer};

    w->verdict = (struct webhook_verdict){.ok = true};
    w->n = 0;
    webhook_verify(w->v, w->a, &req, 1, &w->verdict);
    return w->verdict.ok && webhook_events(w->v, w->a, &req, &w->verdict, &w->events, &w->n);
}

static void start(struct world *w, const char *organization, const char *name)
{
    const char *both[] = {"00D000000000001", organization};
    const char *names[] = {name};
    const struct webhook_conf conf = {.organizations = {(void *)both, 2}, .names = {(void *)names, name != NULL}};
    const struct webhook_setup setup = {.scheme = "salesforce_outbound", .conf = &conf};

    *w = (struct world){.a = tl_arena_new(16u << 20)};
    assert_int_equal(crypto_new(&w->c, NULL), TL_OK);
    assert_int_equal(webhook_verifier_new(w->c, &setup, &w->v, NULL), TL_OK);
    assert_true(webhook_is_many(w->v, &(struct webhook_request){0}));
}

static void end(struct world *w)
{
    webhook_verifier_unref(w->v);
    tl_arena_free(w->a);
    crypto_free(w->c);
}

static const char *text(struct world *w, struct json v)
{
    struct tl_buf b;
    const char *kept;

    tl_buf_init(&b, 1 << 20);
    assert_true(json_write(&b, v, 0));
    kept = tl_arena_strndup(w->a, b.p, b.n);
    tl_buf_done(&b);
    return kept;
}

static void each_notification_is_an_event_with_its_id_and_without_the_session(void **state)
{
    struct webhook_answer receipt;
    struct world w;

    (void)state;
    start(&w, "00D5i000000SiMu", NULL); /* 15 characters for the same organization */
    assert_true(take(&w,
                     HEAD ORG SESSION ONE("04l1", "<sf:Name>A &amp; B</sf:Name><sf:Revenue__c>10.50</sf:Revenue__c>")
                         ONE("04l2", "<sf:Name>C</sf:Name>") TAIL,
                     NULL));
    assert_int_equal(w.n, 2);
    assert_true(tl_sv_eqs(w.events[0].delivery_id, "04l1"));
    assert_true(tl_sv_eqs(w.events[1].delivery_id, "04l2"));
    assert_true(tl_sv_eqs(w.events[0].event_type, "Account"));
    assert_string_equal(
        text(&w, w.events[0].body),
        "{\"Id\":\"04l1\",\"OrganizationId\":\"00D5i000000SiMuEAK\",\"ActionId\":\"04k5i0000004C92AAE\","
        "\"EnterpriseUrl\":\"https://acme.my.salesforce.com/services/Soap/c/60.0\",\"PartnerUrl\":"
        "\"https://acme.my.salesforce.com/services/Soap/u/60.0\",\"sObject\":{\"type\":\"Account\","
        "\"Id\":\"001D000000000abAAA\",\"Name\":\"A & B\",\"Revenue__c\":\"10.50\"}}");
    assert_true(webhook_receipt(w.v, &receipt));
    assert_int_equal(receipt.status, 200);
    assert_true(tl_sv_find_sv(receipt.body, TL_SV("<Ack>true</Ack>")) < receipt.body.n);
    end(&w);
}

static void what_is_not_ours_or_no_message_is_refused_with_the_reason(void **state)
{
    static const struct {
        const char *body, *why;
        int status;
    } cases[] = {
        {HEAD "<OrganizationId>00D5i000000OtheEAK</OrganizationId>" ONE("04l1", "") TAIL, "OrganizationId", 401},
        {HEAD "<OrganizationId>00D5i000000SiM</OrganizationId>" ONE("04l1", "") TAIL, "OrganizationId", 401},
        {HEAD ONE("04l1", "") TAIL, "OrganizationId", 401},
        {HEAD ORG TAIL, "1 to 100", 400},
        {HEAD ORG "<Notification><Id>04l1</Id></Notification>" TAIL, "no sObject", 400},
        {HEAD ORG "<Notification><sObject><Id>1</Id></sObject></Notification>" TAIL, "no Id", 400},
        {"<!DOCTYPE x [<!ENTITY a \"b\">]>" HEAD ORG ONE("04l1", "") TAIL, "", 400},
        {"{\"OrganizationId\":\"00D5i000000SiMuEAK\"}", "", 400},
        {HEAD ORG ONE("04l1", "<sf:Name>A"), "", 400},
        {"<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\"><soapenv:Body>"
         "<notifications xmlns=\"urn:other\">" ORG ONE("04l1", "") TAIL,
         "", 400},
    };
    struct world w;

    (void)state;
    start(&w, "00D5i000000SiMuEAK", NULL);
    for (size_t i = 0; i < TL_COUNT(cases); i++) {
        if (take(&w, cases[i].body, NULL) || w.verdict.status != cases[i].status ||
            !strstr(w.verdict.why, cases[i].why))
            fail_msg("case %zu: %d %s", i, w.verdict.status, w.verdict.why);
        assert_false(w.verdict.ok);
        assert_null(strstr(w.verdict.why, "secretSESSION"));
    }
    end(&w);
}

static void the_certificate_counts_where_one_is_named(void **state)
{
    struct webhook_peer peer = {.subject = TL_SV("CN=proxy.salesforce.com"),
                                .common_name = TL_SV("proxy.salesforce.com"),
                                .san = TL_SV("dns:proxy.salesforce.com")};
    struct world w;

    (void)state;
    start(&w, "00D5i000000SiMuEAK", "proxy.salesforce.com");
    assert_false(take(&w, HEAD ORG ONE("04l1", "") TAIL, NULL));
    assert_int_equal(w.verdict.status, 401);
    assert_true(take(&w, HEAD ORG ONE("04l1", "") TAIL, &peer));
    peer.common_name = TL_SV("proxy.example.com");
    peer.san = TL_SV("");
    assert_false(take(&w, HEAD ORG ONE("04l1", "") TAIL, &peer));
    end(&w);
}

static void more_than_a_hundred_notifications_are_too_many(void **state)
{
    struct world w;
    struct tl_buf b;

    (void)state;
    start(&w, "00D5i000000SiMuEAK", NULL);
    for (int n = 100; n <= 101; n++) {
        tl_buf_init(&b, 1 << 20);
        tl_buf_puts(&b, HEAD ORG);
        for (int i = 0; i < n; i++)
            tl_buf_puts(&b, ONE("04l1", "<sf:Name>n</sf:Name>"));
        tl_buf_puts(&b, TAIL);
        assert_int_equal(take(&w, tl_arena_strndup(w.a, b.p, b.n), NULL), n == 100);
        tl_buf_done(&b);
    }
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_notification_is_an_event_with_its_id_and_without_the_session),
        cmocka_unit_test(what_is_not_ours_or_no_message_is_refused_with_the_reason),
        cmocka_unit_test(the_certificate_counts_where_one_is_named),
        cmocka_unit_test(more_than_a_hundred_notifications_are_too_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
