/* SPDX-License-Identifier: Apache-2.0 */
#include "salesforce/test/listening.h"

void listening_start(struct sf_rig *s)
{
    sf_start(s, NULL, NULL);
    sf_connect(s, NULL, tl_arena_printf(s->rig.conf, "timeout: 5s, pubsub: \"%s\"", s->streams));
    s->sim->opt.hold_ms = 50;
    s->rig.clock.wall_ms = tl_clock_wall_ms(tl_clock_system()) + 60000;
}

void listening_target(struct sf_rig *s, const char *yaml)
{
    sf_target(s, yaml, LISTEN);
}

void listening_add(struct sf_rig *s, int n)
{
    (void)sf_add(s, "Account", tl_arena_printf(s->rig.conf, "{\"Name\":\"n%d\",\"ERP_Id__c\":\"%d\"}", n, n));
}

void listening_patch(struct sf_rig *s, const char *id, const char *json)
{
    struct sfsim_req req = {.sim = s->sim, .arena = s->rig.conf, .version = 60};
    const struct sfsim_object *o = sfsim_object(s->sim->schema, TL_SV("Account"));
    struct sfsim_saved saved;

    assert_int_equal(json_parse(s->rig.conf, tl_sv_str(json), 0, NULL, &req.body, NULL), TL_OK);
    assert_true(sfsim_begin(s->sim->db));
    sfsim_update(&req, o, tl_sv_str(id), req.body, &saved);
    assert_true(sfsim_commit(s->sim->db) && saved.ok);
}

void listening_add_old(struct sf_rig *s)
{
    static const char event[] =
        "{\"schema\":\"x\",\"payload\":{\"ChangeEventHeader\":{\"entityName\":\"Account\",\"recordIds\":"
        "[\"0015i0000000old000\"],\"changeType\":\"CREATE\",\"changeOrigin\":\"\",\"transactionKey\":\"old\","
        "\"sequenceNumber\":1,\"commitTimestamp\":1700000000000,\"commitNumber\":1,\"commitUser\":\"005\","
        "\"nulledFields\":[],\"diffFields\":[],\"changedFields\":[]},\"Name\":\"old\"}}";

    assert_true(sfsim_event_add(s->sim->db, "/data/AccountChangeEvent", tl_sv_str(event)));
    s->sim->published++;
}

void listening_for(struct sf_rig *s, size_t records)
{
    s->stop_at = s->n_emitted + records;
    s->fail_emit_at = records == 0 ? s->emits + 1 : 0;
    sf_read(s);
    s->stop_at = s->fail_emit_at = 0;
}

void listening_emits(struct sf_rig *s, size_t emits)
{
    s->fail_emit_at = s->emits + emits;
    sf_read(s);
    s->fail_emit_at = 0;
}

static enum tl_rc stop(struct sf_rig *s)
{
    s->on_emit = NULL;
    return TL_STALE;
}

void listening_once(struct sf_rig *s)
{
    s->on_emit = stop;
    sf_read(s);
}

void listening_set_position(struct sf_rig *s, const char *position)
{
    tl_free(s->position);
    s->position = position ? tl_strdup(position) : NULL;
}

void listening_ended(struct sf_rig *s, enum tl_rc rc, const char *text)
{
    if (s->rig.rc != rc || (text && !strstr(s->rig.err.text, text)))
        fail_msg("%s: %s", tl_rc_name(s->rig.rc), s->rig.err.text);
}
