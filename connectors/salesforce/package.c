/* SPDX-License-Identifier: Apache-2.0 */
/*
 * package.c - the zip that the Metadata API deploys (Metadata API developer guide: "deploy()", "CustomObject",
 * "PermissionSet", "PlatformEventChannelMember"). Files are stored, not compressed: they are small
 * (APPNOTE 4.3.7, 4.3.12).
 */
#include "salesforce/prepare.h"

enum { FILES = SF_NEEDS + 2, ZIP_MOST = 4 << 20 };
#define METADATA_NS "http://soap.sforce.com/2006/04/metadata"

struct file {
    struct tl_sv name, text;
    uint32_t crc;
    size_t at;
};
struct package {
    struct tl_arena *a;
    const struct sf_need *needs;
    size_t n;
    struct file files[FILES];
    size_t n_files;
    struct tl_err *err;
    enum tl_rc rc;
};

bool sf_is_custom(struct tl_sv name)
{
    return tl_sv_ends(name, TL_SV("__c"));
}

/* ---- zip ---- */

static uint32_t crc32_of(struct tl_sv s)
{
    uint32_t crc = 0xffffffff;

    for (size_t i = 0; i < s.n; i++) {
        crc ^= (uint8_t)s.p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void put(struct tl_buf *b, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        (void)tl_buf_putc(b, (char)(v >> 8 * i & 0xff));
}

/* What a local header and an entry of the directory have in common; 1980-01-01, because a date would say nothing. */
static void put_head(struct tl_buf *b, const struct file *f)
{
    put(b, 20, 2);
    put(b, 0x800, 2); /* names are UTF-8 */
    put(b, 0, 2);     /* stored */
    put(b, 0x210000, 4);
    put(b, f->crc, 4);
    put(b, f->text.n, 4);
    put(b, f->text.n, 4);
    put(b, f->name.n, 2);
    put(b, 0, 2);
}

static bool write_zip(struct package *p, struct tl_buf *zip)
{
    size_t from, size;

    for (size_t i = 0; i < p->n_files; i++) {
        struct file *f = &p->files[i];

        f->crc = crc32_of(f->text);
        f->at = zip->n;
        put(zip, 0x04034b50, 4);
        put_head(zip, f);
        (void)tl_buf_sv(zip, f->name);
        (void)tl_buf_sv(zip, f->text);
    }
    from = zip->n;
    for (size_t i = 0; i < p->n_files; i++) {
        const struct file *f = &p->files[i];

        put(zip, 0x02014b50, 4);
        put(zip, 20, 2);
        put_head(zip, f);
        put(zip, 0, 2 + 2 + 2);
        put(zip, 0, 4);
        put(zip, f->at, 4);
        (void)tl_buf_sv(zip, f->name);
    }
    size = zip->n - from;
    put(zip, 0x06054b50, 4);
    put(zip, 0, 4);
    put(zip, p->n_files, 2);
    put(zip, p->n_files, 2);
    put(zip, size, 4);
    put(zip, from, 4);
    put(zip, 0, 2);
    return !zip->failed;
}

/* ---- files ---- */

static void add_file(struct package *p, const char *name, const char *root, struct json_builder *content)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};
    struct json_builder doc;

    if (p->rc != TL_OK || p->n_files == FILES)
        return;
    tl_buf_init(&b, 1 << 20);
    (void)json_adds(content, "@xmlns", json_str(METADATA_NS));
    json_object_begin(&doc, p->a, 1);
    (void)json_adds(&doc, root, json_end(content));
    p->rc = xml_write(json_end(&doc), XML_INDENT | XML_DECLARATION, &b, p->err);
    p->files[p->n_files] = (struct file){.name = tl_sv_str(name), .text = tl_arena_sv(p->a, tl_buf_view(&b))};
    if (p->rc == TL_OK && (!name || !p->files[p->n_files].text.p))
        p->rc = tl_fail(p->err, TL_LIMIT, "the package needs more memory than a call may have");
    p->n_files++;
}

/* "Ext_Id__c" -> "Ext Id" */
static struct json label_of(struct package *p, struct tl_sv name)
{
    char *text = tl_arena_strndup(p->a, name.p, sf_is_custom(name) ? name.n - 3 : name.n);

    for (char *c = text; c && *c; c++)
        *c = *c == '_' ? ' ' : *c;
    return json_str(text ? text : "");
}

static struct json field_of(struct package *p, struct tl_sv name)
{
    struct json_builder b;

    json_object_begin(&b, p->a, 8);
    (void)json_adds(&b, "fullName", json_sv(name));
    (void)json_adds(&b, "caseSensitive", json_bool(false));
    (void)json_adds(&b, "externalId", json_bool(true));
    (void)json_adds(&b, "label", label_of(p, name));
    (void)json_adds(&b, "length", json_int(80));
    (void)json_adds(&b, "type", json_str("Text"));
    (void)json_adds(&b, "unique", json_bool(true));
    return json_end(&b);
}

static bool is_made(const struct sf_need *n)
{
    return !n->there && !n->text;
}

static bool makes_object(const struct package *p, struct tl_sv object)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->needs[i].kind == SF_NEED_OBJECT && is_made(&p->needs[i]) && tl_sv_eqi(p->needs[i].object, object))
            return true;
    return false;
}

static void add_new_object(struct package *p, struct tl_sv object, struct json_builder *b)
{
    struct json_builder name;
    struct json label = label_of(p, object);

    (void)json_adds(b, "deploymentStatus", json_str("Deployed"));
    (void)json_adds(b, "label", label);
    json_object_begin(&name, p->a, 2);
    (void)json_adds(&name, "label", json_printf(p->a, "%.*s Name", TL_SV_ARG(json_view(label))));
    (void)json_adds(&name, "type", json_str("Text"));
    (void)json_adds(b, "nameField", json_end(&name));
    (void)json_adds(b, "pluralLabel", json_printf(p->a, "%.*ss", TL_SV_ARG(json_view(label))));
    (void)json_adds(b, "sharingModel", json_str("ReadWrite"));
}

/* One file an object: the object itself where it is new, and its new fields. */
static void add_object(struct package *p, size_t at, struct json_builder *objects, struct json_builder *fields)
{
    struct tl_sv object = p->needs[at].object;
    struct json_builder b, list;
    bool is_new = makes_object(p, object);

    for (size_t i = 0; i < at; i++)
        if (p->needs[i].kind <= SF_NEED_FIELD && is_made(&p->needs[i]) && tl_sv_eqi(p->needs[i].object, object))
            return; /* that one's turn has been */
    json_array_begin(&list, p->a, 4);
    for (size_t i = at; i < p->n; i++) {
        if (p->needs[i].kind != SF_NEED_FIELD || !is_made(&p->needs[i]) || !tl_sv_eqi(p->needs[i].object, object))
            continue;
        (void)json_push(&list, field_of(p, p->needs[i].name));
        (void)json_push(fields, json_printf(p->a, "%.*s.%.*s", TL_SV_ARG(object), TL_SV_ARG(p->needs[i].name)));
    }
    json_object_begin(&b, p->a, 8);
    if (is_new) {
        add_new_object(p, object, &b);
        (void)json_push(objects, json_sv(object));
    }
    (void)json_adds(&b, "fields", json_end(&list));
    add_file(p, tl_arena_printf(p->a, "objects/%.*s.object", TL_SV_ARG(object)), "CustomObject", &b);
}

static void add_channel(struct package *p, const struct sf_need *n, struct json_builder *members)
{
    struct json_builder b;
    char *name = tl_arena_printf(p->a, "ChangeEvents_%.*s", TL_SV_ARG(n->object));

    for (char *c = name; c && *c; c++)
        if (c[0] == '_' && c[1] == '_') /* a developer name has no two underscores in a row */
            memmove(c, c + 1, strlen(c));
    json_object_begin(&b, p->a, 4);
    (void)json_adds(&b, "eventChannel", json_str("ChangeEvents"));
    (void)json_adds(&b, "selectedEntity", json_sv(n->object));
    add_file(p, tl_arena_printf(p->a, "platformEventChannelMembers/%s.platformEventChannelMember", name ? name : ""),
             "PlatformEventChannelMember", &b);
    (void)json_push(members, json_str(name));
}

static struct json object_rights(struct package *p, struct tl_sv object)
{
    static const char *const rights[] = {"allowCreate", "allowDelete", "allowEdit", "allowRead"};
    struct json_builder b;

    json_object_begin(&b, p->a, 8);
    for (size_t i = 0; i < TL_COUNT(rights); i++)
        (void)json_adds(&b, rights[i], json_bool(true));
    (void)json_adds(&b, "modifyAllRecords", json_bool(false));
    (void)json_adds(&b, "object", json_sv(object));
    (void)json_adds(&b, "viewAllRecords", json_bool(false));
    return json_end(&b);
}

/* Nobody sees a deployed field before he is given the right. All custom ones, not only new ones: what a permission set
 * does not name when it is deployed again, it may lose. */
static void add_permissions(struct package *p)
{
    struct json_builder b, fields, objects;

    json_array_begin(&fields, p->a, 8);
    json_array_begin(&objects, p->a, 8);
    for (size_t i = 0; i < p->n; i++) {
        const struct sf_need *n = &p->needs[i];
        struct json_builder f;

        if (n->kind == SF_NEED_OBJECT && sf_is_custom(n->object) && !n->text)
            (void)json_push(&objects, object_rights(p, n->object));
        if (n->kind != SF_NEED_FIELD || !sf_is_custom(n->name) || n->text)
            continue;
        json_object_begin(&f, p->a, 4);
        (void)json_adds(&f, "editable", json_bool(true));
        (void)json_adds(&f, "field", json_printf(p->a, "%.*s.%.*s", TL_SV_ARG(n->object), TL_SV_ARG(n->name)));
        (void)json_adds(&f, "readable", json_bool(true));
        (void)json_push(&fields, json_end(&f));
    }
    json_object_begin(&b, p->a, 4);
    (void)json_adds(&b, "fieldPermissions", json_end(&fields));
    (void)json_adds(&b, "hasActivationRequired", json_bool(false));
    (void)json_adds(&b, "label", json_str(SF_PERMISSION_SET));
    (void)json_adds(&b, "objectPermissions", json_end(&objects));
    add_file(p, "permissionsets/" SF_PERMISSION_SET ".permissionset", "PermissionSet", &b);
}

static void add_types(struct package *p, struct json_builder *types, const char *name, struct json members)
{
    struct json_builder b;

    if (members.n == 0)
        return;
    json_object_begin(&b, p->a, 2);
    (void)json_adds(&b, "members", members);
    (void)json_adds(&b, "name", json_str(name));
    (void)json_push(types, json_end(&b));
}

enum tl_rc sf_package(struct tl_arena *a, const char *version, const struct sf_need *needs, size_t n,
                      struct tl_buf *zip, bool *ret_any, struct tl_err *err)
{
    struct package *p = tl_arena_zalloc(a, sizeof *p);
    struct json_builder objects, fields, members, sets, types, b;

    if (!p)
        return tl_fail(err, TL_LIMIT, "the package needs more memory than a call may have");
    p->a = a;
    p->needs = needs;
    p->n = n;
    p->err = err;
    json_array_begin(&objects, a, 8);
    json_array_begin(&fields, a, 8);
    json_array_begin(&members, a, 8);
    json_array_begin(&sets, a, 1);
    for (size_t i = 0; i < n; i++) {
        if (needs[i].kind <= SF_NEED_FIELD && is_made(&needs[i]))
            add_object(p, i, &objects, &fields);
        if (needs[i].kind == SF_NEED_CHANNEL && is_made(&needs[i]))
            add_channel(p, &needs[i], &members);
    }
    *ret_any = p->n_files > 0;
    if (json_end(&objects).n + json_end(&fields).n > 0) {
        add_permissions(p);
        (void)json_push(&sets, json_str(SF_PERMISSION_SET));
    }
    json_array_begin(&types, a, 4);
    add_types(p, &types, "CustomObject", json_end(&objects));
    add_types(p, &types, "CustomField", json_end(&fields));
    add_types(p, &types, "PlatformEventChannelMember", json_end(&members));
    add_types(p, &types, "PermissionSet", json_end(&sets));
    json_object_begin(&b, a, 3);
    (void)json_adds(&b, "types", json_end(&types));
    (void)json_adds(&b, "version", json_str(version));
    add_file(p, "package.xml", "Package", &b);
    if (p->rc == TL_OK && !write_zip(p, zip))
        p->rc = tl_fail(err, TL_LIMIT, "the package is larger than 4 MB");
    return p->rc;
}
