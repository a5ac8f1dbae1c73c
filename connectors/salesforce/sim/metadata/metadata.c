/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metadata.c - deployments of the Metadata API (REST; over SOAP soap.c), as far as they make custom objects
 * and fields, members of the change-event channel and permission sets. The zip is carried out when it comes; who asks
 * sees it go on for the time that `--job` says. A deployed field is invisible until a permission set that names it is
 * assigned, as in an org.
 */
#include "salesforce/sim/sim_int.h"

#include <stdio.h>
#include <zlib.h>

enum { FILES = 1000, UNZIPPED_MOST = 16 << 20, LINE_MOST = 64 << 10 };

struct entry {
    struct tl_sv name, text;
};
struct deployment {
    const struct sfsim_req *req;
    struct entry files[FILES];
    size_t n_files, components;
    char problem[300], component[120];
};

static bool refuse(struct deployment *d, struct tl_sv component, const char *problem)
{
    (void)snprintf(d->component, sizeof d->component, "%.*s", TL_SV_ARG(component));
    (void)snprintf(d->problem, sizeof d->problem, "%s", problem);
    return false;
}

/* ---- multipart and zip ---- */

/* The content of the part with this name, or with one of these file types. */
static struct tl_sv part_of(struct tl_sv body, const char *mark)
{
    size_t at = tl_sv_find_sv(body, tl_sv_str(mark)), end;
    struct tl_sv rest, boundary = tl_sv(body.p, tl_sv_find(body, '\r'));

    if (at == body.n || boundary.n < 3)
        return TL_SV_NULL;
    rest = tl_sv_from(body, at);
    rest = tl_sv_from(rest, tl_sv_find_sv(rest, TL_SV("\r\n\r\n")) + 4);
    end = tl_sv_find_sv(rest, boundary);
    return end < rest.n && end >= 2 ? tl_sv(rest.p, end - 2) : TL_SV_NULL;
}

static uint32_t number(struct tl_sv s, size_t at, int bytes)
{
    uint32_t v = 0;

    for (int i = 0; i < bytes && at + (size_t)i < s.n; i++)
        v |= (uint32_t)(uint8_t)s.p[at + (size_t)i] << 8 * i;
    return v;
}

static bool inflate_into(struct tl_sv from, char *to, size_t n)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)from.p,
                  .avail_in = (unsigned)from.n,
                  .next_out = (unsigned char *)to,
                  .avail_out = (unsigned)n};
    bool ok;

    if (inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    ok = inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == n;
    (void)inflateEnd(&z);
    return ok;
}

/* By the central directory (APPNOTE 4.3.12). */
static bool unzip(struct deployment *d, struct tl_sv zip)
{
    struct tl_arena *a = d->req->arena;
    size_t end = zip.n >= 22 ? zip.n - 22 : 0, at;
    uint64_t total = 0;

    while (end > 0 && number(zip, end, 4) != 0x06054b50)
        end--;
    if (number(zip, end, 4) != 0x06054b50)
        return refuse(d, TL_SV("package.xml"), "the file is not a zip");
    at = number(zip, end + 16, 4);
    for (uint32_t left = number(zip, end + 10, 2); left > 0 && d->n_files < FILES; left--) {
        uint32_t packed = number(zip, at + 20, 4), plain = number(zip, at + 24, 4), from = number(zip, at + 42, 4);
        size_t name_n = number(zip, at + 28, 2), skip = name_n + number(zip, at + 30, 2) + number(zip, at + 32, 2);
        size_t data = (size_t)from + 30 + number(zip, from + 26, 2) + number(zip, from + 28, 2);
        char *text = tl_arena_alloc_unaligned(a, plain + 1);

        total += plain;
        if (number(zip, at, 4) != 0x02014b50 || at + 46 + name_n > zip.n || data + packed > zip.n ||
            total > UNZIPPED_MOST || !text)
            return refuse(d, TL_SV("package.xml"), "the zip is damaged or too large");
        if (number(zip, at + 10, 2) == 0 && packed == plain)
            memcpy(text, zip.p + data, plain);
        else if (!inflate_into(tl_sv(zip.p + data, packed), text, plain))
            return refuse(d, TL_SV("package.xml"), "a file of the zip cannot be unpacked");
        if (crc32(0, (const unsigned char *)text, plain) != number(zip, at + 16, 4))
            return refuse(d, TL_SV("package.xml"), "a file of the zip has another checksum");
        d->files[d->n_files++] = (struct entry){tl_sv(zip.p + at + 46, name_n), tl_sv(text, plain)};
        at += 46 + skip;
    }
    return true;
}

/* ---- components ---- */

static struct tl_sv stem_of(struct tl_sv file, const char *folder, const char *suffix)
{
    size_t at = tl_sv_find_sv(file, tl_sv_str(folder));
    struct tl_sv stem = at < file.n ? tl_sv_from(file, at + strlen(folder)) : TL_SV_NULL, end = tl_sv_str(suffix);

    return stem.n > end.n && tl_sv_ends(stem, end) ? tl_sv(stem.p, stem.n - end.n) : TL_SV_NULL;
}

static bool is_true(struct json v)
{
    return tl_sv_eqs(xml_text(v), "true");
}

/* A line of the schema language (schema.c) for a field of the Metadata API. */
static bool put_field(struct deployment *d, struct tl_buf *line, struct tl_sv object, struct json field)
{
    static const struct {
        const char *api, *ours;
    } types[] = {{"Text", "string"}, {"Number", "double"},     {"Currency", "currency"}, {"Checkbox", "boolean"},
                 {"Date", "date"},   {"DateTime", "datetime"}, {"Email", "email"},       {"Url", "url"}};
    struct tl_sv name = xml_text(json_gets(field, "fullName")), type = xml_text(json_gets(field, "type"));
    struct tl_sv length = xml_text(json_gets(field, "length"));
    const char *ours = NULL;

    for (size_t i = 0; i < TL_COUNT(types); i++)
        if (tl_sv_eqs(type, types[i].api))
            ours = types[i].ours;
    if (!tl_sv_ends(name, TL_SV("__c")) || !ours)
        return refuse(d, name.n ? name : object, ours ? "a custom field's name ends in __c" : "unknown type of field");
    if (!xml_text(json_gets(field, "label")).n)
        return refuse(d, name, "Required field is missing: label");
    (void)tl_buf_printf(line, "%.*s %s", TL_SV_ARG(name), ours);
    if (strcmp(ours, "string") == 0)
        (void)tl_buf_printf(line, "(%.*s)", TL_SV_ARG(length));
    (void)tl_buf_printf(line, "%s%s hidden", is_true(json_gets(field, "externalId")) ? " external" : "",
                        is_true(json_gets(field, "unique")) ? " unique" : "");
    return true;
}

static bool add_lines(struct deployment *d, struct tl_sv component, struct tl_buf *line)
{
    struct tl_err err = {0};

    if (sfsim_schema_add(d->req->sim->schema, tl_buf_view(line), &err) != TL_OK)
        return refuse(d, component, err.text);
    d->components++;
    return true;
}

static bool object_file(struct deployment *d, struct tl_sv object, struct json root)
{
    const struct sfsim_object *o = sfsim_object(d->req->sim->schema, object);
    struct json fields = json_gets(root, "fields");
    TL_CLEANUP(tl_buf_done) struct tl_buf line = {0};

    tl_buf_init(&line, LINE_MOST);
    if (!o && (!tl_sv_ends(object, TL_SV("__c")) || !xml_text(json_gets(root, "label")).n ||
               !xml_text(json_gets(root, "pluralLabel")).n || json_gets(root, "nameField").type == JSON_UNDEFINED))
        return refuse(d, object, "no such standard object, or a custom one without label, pluralLabel, nameField");
    if (!o) {
        (void)tl_buf_printf(&line, "object %.*s:", TL_SV_ARG(object));
        if (!add_lines(d, object, &line))
            return false;
    }
    for (size_t i = 0; i < xml_count(fields); i++) {
        struct tl_sv name = xml_text(json_gets(xml_at(fields, i), "fullName"));

        o = sfsim_object(d->req->sim->schema, object);
        if (sfsim_field_any(o, name)) { /* it is there: the same again */
            d->components++;
            continue;
        }
        tl_buf_clear(&line);
        (void)tl_buf_printf(&line, "field %.*s: ", TL_SV_ARG(object));
        if (!put_field(d, &line, object, xml_at(fields, i)) || !add_lines(d, name, &line))
            return false;
    }
    return true;
}

/* A record of ours, made without the API. */
static bool keep_record(struct deployment *d, const char *object, const char *by, struct tl_sv value, struct json body)
{
    const struct sfsim_object *o = sfsim_object(d->req->sim->schema, tl_sv_str(object));
    char ids[1][SFSIM_ID18 + 1];
    struct sfsim_saved saved = {0};

    d->components++;
    if (sfsim_find(d->req->sim->db, o, sfsim_field(o, tl_sv_str(by)), value, ids, 1) > 0)
        return true;
    sfsim_create(d->req, o, body, &saved);
    return saved.ok || refuse(d, value, "it cannot be stored");
}

static bool channel_file(struct deployment *d, struct tl_sv name, struct json root)
{
    struct tl_sv entity = xml_text(json_gets(root, "selectedEntity")), o = entity;
    struct json_builder b;

    if (tl_sv_ends(o, TL_SV("__ChangeEvent")))
        o = tl_sv_str(tl_arena_printf(d->req->arena, "%.*s__c", (int)(o.n - 13), o.p));
    else if (tl_sv_ends(o, TL_SV("ChangeEvent")))
        o.n -= 11;
    if (!sfsim_object(d->req->sim->schema, o))
        return refuse(d, name, "selectedEntity is not the change event of an object");
    json_object_begin(&b, d->req->arena, 3);
    (void)json_adds(&b, "DeveloperName", json_sv(name));
    (void)json_adds(&b, "EventChannel", json_sv(xml_text(json_gets(root, "eventChannel"))));
    (void)json_adds(&b, "SelectedEntity", json_sv(entity));
    return keep_record(d, "PlatformEventChannelMember", "SelectedEntity", entity, json_end(&b));
}

static bool is_there(void *arg, struct tl_sv text)
{
    (void)text;
    *(bool *)arg = true;
    return false;
}

static bool permission_file(struct deployment *d, struct tl_sv name, struct json root)
{
    struct json fields = json_gets(root, "fieldPermissions");
    struct sfsim *s = d->req->sim;
    struct json_builder b;
    bool assigned = false;

    for (size_t i = 0; i < xml_count(fields); i++) {
        struct tl_sv path = xml_text(json_gets(xml_at(fields, i), "field"));
        size_t dot = tl_sv_find(path, '.');
        const struct sfsim_object *o = sfsim_object(s->schema, tl_sv(path.p, dot));

        if (!o || !sfsim_field_any(o, tl_sv_from(path, dot + 1)))
            return refuse(d, name, "In field: field - no CustomField of that name found");
        sfsim_schema_grant(s->schema, path);
    }
    json_object_begin(&b, d->req->arena, 2);
    (void)json_adds(&b, "Name", json_sv(name));
    (void)json_adds(&b, "Label", json_sv(xml_text(json_gets(root, "label"))));
    if (!keep_record(d, "PermissionSet", "Name", name, json_end(&b)))
        return false;
    (void)sfsim_texts(s->db, "SELECT id FROM record WHERE type='PermissionSetAssignment' AND deleted=0", is_there,
                      &assigned, NULL);
    if (assigned) /* those who have it have the new rights too */
        sfsim_schema_show(s->schema);
    return true;
}

static const struct {
    const char *folder, *suffix, *root;
    bool (*fn)(struct deployment *d, struct tl_sv stem, struct json root);
    int round;
} kinds[] = {
    {"objects/", ".object", "CustomObject", object_file, 0},
    {"platformEventChannelMembers/", ".platformEventChannelMember", "PlatformEventChannelMember", channel_file, 1},
    {"permissionsets/", ".permissionset", "PermissionSet", permission_file, 1},
};

static bool carry_out(struct deployment *d, int round)
{
    for (size_t i = 0; i < d->n_files; i++) {
        for (size_t k = 0; k < TL_COUNT(kinds); k++) {
            struct tl_sv stem = stem_of(d->files[i].name, kinds[k].folder, kinds[k].suffix);
            struct json doc;

            if (!stem.p || kinds[k].round != round)
                continue;
            if (xml_parse(d->req->arena, d->files[i].text, XML_LOCAL, NULL, &doc, NULL) != TL_OK)
                return refuse(d, d->files[i].name, "the file is no XML");
            if (!kinds[k].fn(d, stem, json_gets(doc, kinds[k].root)))
                return false;
        }
    }
    return true;
}

/* ---- requests ---- */

static struct json result_of(const struct sfsim_req *req, struct json kept)
{
    int64_t at = 0;
    bool done;

    (void)json_int64(json_gets(kept, "closedMs"), &at);
    done = tl_clock_wall_ms(req->sim->clock) - at >= req->sim->opt.job_ms;
    kept = sfsim_with(req->arena, kept, "done", json_bool(done));
    if (!done)
        kept = sfsim_with(req->arena, kept, "status", json_str("InProgress"));
    return kept;
}

static struct json answer_of(const struct sfsim_req *req, struct json kept)
{
    struct json_builder b;

    json_object_begin(&b, req->arena, 2);
    (void)json_adds(&b, "id", json_gets(kept, "id"));
    (void)json_adds(&b, "deployResult", result_of(req, kept));
    return json_end(&b);
}

bool sfsim_metadata_apply(const struct sfsim_req *req, struct tl_sv kind, struct tl_sv name, struct json root,
                          const char **ret_problem)
{
    struct deployment *d = tl_arena_zalloc(req->arena, sizeof *d);
    struct sfsim_schema_mark *mark = sfsim_schema_mark(req->sim->schema, req->arena);
    bool ok = false;

    *ret_problem = "out of memory";
    if (!d || !mark)
        return false;
    d->req = req;
    for (size_t k = 0; k < TL_COUNT(kinds); k++)
        if (tl_sv_eqs(kind, kinds[k].root))
            ok = kinds[k].fn(d, name, root);
    if (!ok)
        sfsim_schema_rewind(req->sim->schema, mark);
    *ret_problem = ok ? NULL : *d->problem ? d->problem : "components of this type are not there";
    return ok;
}

struct json sfsim_metadata_deploy(const struct sfsim_req *req, struct tl_sv zip)
{
    struct deployment *d = tl_arena_zalloc(req->arena, sizeof *d);
    struct json_builder b, details, failure, failures;
    struct sfsim_schema_mark *mark;
    char id[SFSIM_ID18 + 1];
    bool ok;

    if (!d)
        return JSON_NOTHING;
    d->req = req;
    mark = sfsim_schema_mark(req->sim->schema, req->arena);
    ok = mark && unzip(d, zip) && carry_out(d, 0) && carry_out(d, 1);
    if (mark && !ok) /* rollbackOnError */
        sfsim_schema_rewind(req->sim->schema, mark);
    sfsim_new_id(req->sim->db, "0Af", id);
    json_array_begin(&failures, req->arena, 1);
    if (!ok) {
        json_object_begin(&failure, req->arena, 4);
        (void)json_adds(&failure, "fullName", json_str(d->component));
        (void)json_adds(&failure, "problem", json_str(d->problem));
        (void)json_adds(&failure, "problemType", json_str("Error"));
        (void)json_adds(&failure, "success", json_bool(false));
        (void)json_push(&failures, json_end(&failure));
    }
    json_object_begin(&details, req->arena, 1);
    (void)json_adds(&details, "componentFailures", json_end(&failures));
    json_object_begin(&b, req->arena, 12);
    (void)json_adds(&b, "id", json_str(tl_arena_strdup(req->arena, id)));
    (void)json_adds(&b, "status", json_str(ok ? "Succeeded" : "Failed"));
    (void)json_adds(&b, "success", json_bool(ok));
    (void)json_adds(&b, "numberComponentsDeployed", json_int((int64_t)d->components));
    (void)json_adds(&b, "numberComponentErrors", json_int(!ok));
    (void)json_adds(&b, "closedMs", json_int(tl_clock_wall_ms(req->sim->clock)));
    (void)json_adds(&b, "details", json_end(&details));
    (void)sfsim_job_keep(req, json_end(&b));
    req->sim->counts.deployments++;
    return json_end(&b);
}

bool sfsim_metadata_deployed(const struct sfsim_req *req, struct tl_sv id, struct json *ret)
{
    struct tl_sv text = sfsim_job_get(req->sim->db, req->arena, id);

    if (!text.p || json_parse(req->arena, text, 0, NULL, ret, NULL) != TL_OK)
        return false;
    *ret = result_of(req, *ret);
    return true;
}

static void deploy(const struct sfsim_req *req, struct sfsim_answer *ans)
{
    struct tl_sv zip = part_of(req->text, "application/zip");

    if (zip.p)
        *ans = (struct sfsim_answer){.status = 201, .body = answer_of(req, sfsim_metadata_deploy(req, zip))};
    else
        sfsim_job_refuse(req, ans, 400, "INVALID_MULTIPART_REQUEST", "a part with the zip (application/zip) is needed");
}

void sfsim_metadata(const struct sfsim_req *req, struct tl_sv path, struct sfsim_answer *ans)
{
    struct tl_sv kind, id, text;
    struct json kept;

    if (!sfsim_segment(req->arena, &path, &kind) || !tl_sv_eqs(kind, "deployRequest")) {
        sfsim_job_refuse(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
        return;
    }
    if (!sfsim_segment(req->arena, &path, &id)) {
        deploy(req, ans);
        return;
    }
    text = sfsim_job_get(req->sim->db, req->arena, id);
    if (!text.p || json_parse(req->arena, text, 0, NULL, &kept, NULL) != TL_OK)
        sfsim_job_refuse(req, ans, 404, "NOT_FOUND", "The requested resource does not exist");
    else
        *ans = (struct sfsim_answer){.status = 200, .body = answer_of(req, kept)};
}
