/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsdl.c - a WSDL of the part of SuiteTalk that the simulator speaks, written out of the catalogue (types.c): so that a
 * client that is made from a WSDL can be tried, as the vendor's own comes from the vendor's hosts only.
 */
#include "netsuite/sim/soap.h"

enum { SIZE = 1 << 20 };

static void puts_(struct tl_buf *b, const char *s)
{
    (void)tl_buf_puts(b, s);
}

/* The namespaces of the vendor's schemas. zeep numbers them as they come (ns0, ns1, ...) and netsuitesdk names its
 * types by these numbers (ns4:SearchPreferences, ns13:Customer), so they stand in the vendor's order, also those of
 * which we have nothing. */
static const struct {
    const char *name, *group;
} schemas[] = {
    {"core", "platform"},
    {"types.core", "platform"},
    {"types.faults", "platform"},
    {"faults", "platform"},
    {"messages", "platform"},
    {"common", "platform"},
    {"types.common", "platform"},
    {"scheduling", "activities"},
    {"types.scheduling", "activities"},
    {"communication", "general"},
    {"types.communication", "general"},
    {"filecabinet", "documents"},
    {"types.filecabinet", "documents"},
    {"relationships", "lists"},
    {"types.relationships", "lists"},
    {"support", "lists"},
    {"types.support", "lists"},
    {"accounting", "lists"},
    {"types.accounting", "lists"},
    {"sales", "transactions"},
    {"types.sales", "transactions"},
    {"purchases", "transactions"},
    {"types.purchases", "transactions"},
    {"customers", "transactions"},
    {"types.customers", "transactions"},
    {"financial", "transactions"},
    {"types.financial", "transactions"},
    {"bank", "transactions"},
    {"types.bank", "transactions"},
    {"inventory", "transactions"},
    {"types.inventory", "transactions"},
    {"general", "transactions"},
    {"customization", "setup"},
    {"types.customization", "setup"},
    {"employees", "lists"},
    {"types.employees", "lists"},
    {"website", "lists"},
    {"types.website", "lists"},
    {"employees", "transactions"},
    {"types.employees", "transactions"},
};

static void schema_begin(struct tl_buf *b, const char *prefix)
{
    for (size_t i = 0; i < nsim_soap_n_spaces; i++)
        if (strcmp(nsim_soap_spaces[i].prefix, prefix) == 0)
            (void)tl_buf_printf(b, "<xs:schema elementFormDefault=\"qualified\" targetNamespace=\"%s\">",
                                nsim_soap_spaces[i].uri);
    for (size_t i = 0; i < nsim_soap_n_spaces; i++)
        if (strcmp(nsim_soap_spaces[i].prefix, prefix) != 0)
            (void)tl_buf_printf(b, "<xs:import namespace=\"%s\"/>", nsim_soap_spaces[i].uri);
}

static void schema_end(struct tl_buf *b)
{
    puts_(b, "</xs:schema>");
}

#define EL(name, type) "<xs:element name=\"" name "\" type=\"" type "\" minOccurs=\"0\"/>"
#define MANY(name, type) "<xs:element name=\"" name "\" type=\"" type "\" minOccurs=\"0\" maxOccurs=\"unbounded\"/>"
#define STATUS "<xs:element ref=\"platformCore:status\" minOccurs=\"0\"/>" /* core's, whatever it stands in */
#define TYPE(name, inner) "<xs:complexType name=\"" name "\"><xs:sequence>" inner "</xs:sequence></xs:complexType>"
#define TYPE_AT(name, inner, at)                                                                                       \
    "<xs:complexType name=\"" name "\"><xs:sequence>" inner "</xs:sequence>" at "</xs:complexType>"
#define ATT(name) "<xs:attribute name=\"" name "\" type=\"xs:string\"/>"
#define EXTENDS(name, base, inner, at)                                                                                 \
    "<xs:complexType name=\"" name "\"><xs:complexContent><xs:extension base=\"" base "\"><xs:sequence>" inner         \
    "</xs:sequence>" at "</xs:extension></xs:complexContent></xs:complexType>"
#define CUSTOM(kind, type) EXTENDS(kind "CustomFieldRef", "platformCore:CustomFieldRef", EL("value", type), "")
#define SEARCH_FIELD(kind, type)                                                                                       \
    TYPE_AT("Search" kind "Field", MANY("searchValue", type) EL("searchValue2", type), ATT("operator"))

static void core(struct tl_buf *b)
{
    schema_begin(b, "platformCore");
    puts_(b, "<xs:complexType name=\"TokenPassportSignature\"><xs:simpleContent><xs:extension base=\"xs:string\">" ATT(
                 "algorithm") "</xs:extension></xs:simpleContent></xs:complexType>");
    puts_(b, TYPE("TokenPassport", EL("account", "xs:string") EL("consumerKey", "xs:string") EL("token", "xs:string")
                                       EL("nonce", "xs:string") EL("timestamp", "xs:long")
                                           EL("signature", "platformCore:TokenPassportSignature")));
    puts_(b, TYPE("NullField", MANY("name", "xs:string")));
    puts_(b, "<xs:complexType name=\"Record\" abstract=\"true\"><xs:sequence>" EL(
                 "nullFieldList", "platformCore:NullField") "</xs:sequence></xs:complexType>");
    puts_(b, "<xs:complexType name=\"SearchRecord\" abstract=\"true\"><xs:sequence/></xs:complexType>");
    puts_(b, TYPE("BaseRef", EL("name", "xs:string")));
    puts_(b, EXTENDS("RecordRef", "platformCore:BaseRef", "", ATT("internalId") ATT("externalId") ATT("type")));
    puts_(b, TYPE_AT("ListOrRecordRef", EL("name", "xs:string"), ATT("internalId") ATT("externalId") ATT("typeId")));
    puts_(b, TYPE_AT("StatusDetail", EL("code", "xs:string") EL("message", "xs:string"), ATT("type")));
    puts_(b, TYPE_AT("Status", MANY("statusDetail", "platformCore:StatusDetail"),
                     "<xs:attribute name=\"isSuccess\" type=\"xs:boolean\"/>"));
    puts_(b, "<xs:complexType name=\"CustomFieldRef\" abstract=\"true\">" ATT("internalId")
                 ATT("scriptId") "</xs:complexType>");
    puts_(b, CUSTOM("String", "xs:string") CUSTOM("Boolean", "xs:boolean") CUSTOM("Long", "xs:long") CUSTOM(
                 "Double", "xs:double") CUSTOM("Date", "xs:dateTime") CUSTOM("Select", "platformCore:ListOrRecordRef"));
    puts_(b, TYPE("CustomFieldList", MANY("customField", "platformCore:CustomFieldRef")));
    puts_(b, SEARCH_FIELD("String", "xs:string") SEARCH_FIELD("Date", "xs:dateTime") SEARCH_FIELD("Double", "xs:double")
                 SEARCH_FIELD("Boolean", "xs:boolean") SEARCH_FIELD("MultiSelect", "platformCore:RecordRef")
                     SEARCH_FIELD("EnumMultiSelect", "xs:string"));
    puts_(b, TYPE("RecordList", MANY("record", "platformCore:Record")));
    puts_(b, TYPE("SearchResult", EL("status", "platformCore:Status") EL("totalRecords", "xs:int")
                                      EL("pageSize", "xs:int") EL("totalPages", "xs:int") EL("pageIndex", "xs:int")
                                          EL("searchId", "xs:string") EL("recordList", "platformCore:RecordList")));
    puts_(b, TYPE("GetServerTimeResult", EL("status", "platformCore:Status") EL("serverTime", "xs:dateTime")));
    puts_(b, "<xs:element name=\"status\" type=\"platformCore:Status\"/>"
             "<xs:element name=\"searchResult\" type=\"platformCore:SearchResult\"/>"
             "<xs:element name=\"getServerTimeResult\" type=\"platformCore:GetServerTimeResult\"/>");
    schema_end(b);
}

/* ---- out of the catalogue ---- */

static const char *const xs_types[] = {[NSIM_TEXT] = "xs:string",
                                       [NSIM_NUMBER] = "xs:double",
                                       [NSIM_INTEGER] = "xs:long",
                                       [NSIM_BOOL] = "xs:boolean",
                                       [NSIM_DATE] = "xs:dateTime",
                                       [NSIM_TIME] = "xs:dateTime",
                                       [NSIM_REF] = "platformCore:RecordRef",
                                       [NSIM_ENUM] = "xs:string",
                                       [NSIM_LINES] = ""};
static const char *const search_types[] = {
    [NSIM_TEXT] = "String", [NSIM_NUMBER] = "Double", [NSIM_INTEGER] = "Double",  [NSIM_BOOL] = "Boolean",
    [NSIM_DATE] = "Date",   [NSIM_TIME] = "Date",     [NSIM_REF] = "MultiSelect", [NSIM_ENUM] = "EnumMultiSelect",
    [NSIM_LINES] = ""};

static void element(struct tl_buf *b, const char *name, const char *type, bool many)
{
    (void)tl_buf_printf(b, "<xs:element name=\"%s\" type=\"%s\" minOccurs=\"0\"%s/>", name, type,
                        many ? " maxOccurs=\"unbounded\"" : "");
}

/* Custom fields stand in customFieldList, last. */
static void elements(struct tl_buf *b, const char *prefix, const char *owner, const struct nsim_field *f, size_t n)
{
    bool custom = false;

    for (size_t i = 0; i < n; i++) {
        if (nsim_is_custom(f[i].name))
            custom = true;
        else if (f[i].kind == NSIM_LINES)
            (void)tl_buf_printf(b, "<xs:element name=\"%sList\" type=\"%s:%s_%sList\" minOccurs=\"0\"/>", f[i].name,
                                prefix, owner, f[i].name);
        else
            element(b, f[i].name, xs_types[f[i].kind], false);
    }
    if (custom)
        element(b, "customFieldList", "platformCore:CustomFieldList", false);
}

static void line_types(struct tl_buf *b, const char *prefix, const char *owner, const struct nsim_type *type)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const struct nsim_field *f = &type->fields[i];

        if (f->kind != NSIM_LINES)
            continue;
        (void)tl_buf_printf(b, "<xs:complexType name=\"%s_%s\"><xs:sequence>", owner, f->name);
        elements(b, prefix, owner, f->lines, f->n_lines);
        (void)tl_buf_printf(b,
                            "</xs:sequence></xs:complexType><xs:complexType name=\"%s_%sList\"><xs:sequence>"
                            "<xs:element name=\"%s\" type=\"%s:%s_%s\" minOccurs=\"0\" maxOccurs=\"unbounded\"/>"
                            "</xs:sequence><xs:attribute name=\"replaceAll\" type=\"xs:boolean\" default=\"true\"/>"
                            "</xs:complexType>",
                            owner, f->name, f->name, prefix, owner, f->name);
    }
}

static void search_type(struct tl_buf *b, const char *name)
{
    (void)tl_buf_printf(b,
                        "<xs:complexType name=\"%sSearch\"><xs:complexContent><xs:extension "
                        "base=\"platformCore:SearchRecord\"><xs:sequence><xs:element name=\"basic\" "
                        "type=\"platformCommon:%sSearchBasic\" minOccurs=\"0\"/></xs:sequence></xs:extension>"
                        "</xs:complexContent></xs:complexType>",
                        name, name);
}

static bool has_own_search(const struct nsim_type *type)
{
    return type->group != NSIM_TRANSACTION && type->group != NSIM_ITEM;
}

static void record_types(struct tl_buf *b, struct tl_arena *a, const char *prefix)
{
    schema_begin(b, prefix);
    for (size_t i = 0; i < nsim_n_types; i++) {
        const struct nsim_type *type = &nsim_types[i];
        const char *own = nsim_soap_prefix(type), *name;

        if (!own || strcmp(own, prefix) != 0)
            continue;
        name = nsim_soap_name(a, type).p;
        line_types(b, prefix, name, type);
        (void)tl_buf_printf(b,
                            "<xs:complexType name=\"%s\"><xs:complexContent><xs:extension base=\"platformCore:Record\">"
                            "<xs:sequence>",
                            name);
        element(b, type->group == NSIM_ENTITY ? "dateCreated" : "createdDate", "xs:dateTime", false);
        element(b, "lastModifiedDate", "xs:dateTime", false);
        elements(b, prefix, name, type->fields, type->n_fields);
        puts_(b, "</xs:sequence>" ATT("internalId")
                     ATT("externalId") "</xs:extension></xs:complexContent></xs:complexType>");
        if (has_own_search(type))
            search_type(b, name);
    }
    if (strcmp(prefix, "tranSales") == 0)
        search_type(b, "Transaction");
    if (strcmp(prefix, "listAcct") == 0)
        search_type(b, "Item");
    schema_end(b);
}

static void search_basic(struct tl_buf *b, const char *name, const struct nsim_type *type)
{
    (void)tl_buf_printf(b,
                        "<xs:complexType name=\"%sSearchBasic\"><xs:complexContent><xs:extension "
                        "base=\"platformCore:SearchRecord\"><xs:sequence>",
                        name);
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].kind != NSIM_LINES && !nsim_is_custom(type->fields[i].name))
            (void)tl_buf_printf(b, "<xs:element name=\"%s\" type=\"platformCore:Search%sField\" minOccurs=\"0\"/>",
                                type->fields[i].name, search_types[type->fields[i].kind]);
    puts_(b, EL("internalId", "platformCore:SearchMultiSelectField")
                 EL("lastModifiedDate", "platformCore:SearchDateField"));
    if (!has_own_search(type))
        puts_(b, EL("type", "platformCore:SearchEnumMultiSelectField"));
    puts_(b, "</xs:sequence></xs:extension></xs:complexContent></xs:complexType>");
}

static void common(struct tl_buf *b, struct tl_arena *a)
{
    schema_begin(b, "platformCommon");
    for (size_t i = 0; i < nsim_n_types; i++)
        if (nsim_soap_prefix(&nsim_types[i]) && has_own_search(&nsim_types[i]))
            search_basic(b, nsim_soap_name(a, &nsim_types[i]).p, &nsim_types[i]);
    search_basic(b, "Transaction", nsim_type_find(TL_SV("salesOrder")));
    search_basic(b, "Item", nsim_type_find(TL_SV("inventoryItem")));
    schema_end(b);
}

/* ---- messages ---- */

static const char *const operations[] = {"upsert", "upsertList",       "get",          "delete",
                                         "search", "searchMoreWithId", "getServerTime"};

static void in_element(struct tl_buf *b, const char *name, const char *inner)
{
    (void)tl_buf_printf(b,
                        "<xs:element name=\"%s\"><xs:complexType><xs:sequence>%s</xs:sequence></xs:complexType>"
                        "</xs:element>",
                        name, inner);
}

static void messages(struct tl_buf *b)
{
    schema_begin(b, "platformMsgs");
    puts_(b, "<xs:element name=\"tokenPassport\" type=\"platformCore:TokenPassport\"/>");
    puts_(b, TYPE("SearchPreferences",
                  EL("bodyFieldsOnly", "xs:boolean") EL("returnSearchColumns", "xs:boolean") EL("pageSize", "xs:int")));
    puts_(b, "<xs:element name=\"searchPreferences\" type=\"platformMsgs:SearchPreferences\"/>");
    in_element(b, "documentInfo", EL("nsId", "xs:string"));
    puts_(b, TYPE("WriteResponse", STATUS EL("baseRef", "platformCore:BaseRef")));
    puts_(b, TYPE("WriteResponseList", STATUS MANY("writeResponse", "platformMsgs:WriteResponse")));
    in_element(b, "upsert", EL("record", "platformCore:Record"));
    in_element(b, "upsertList", MANY("record", "platformCore:Record"));
    puts_(b, TYPE("ReadResponse", STATUS EL("record", "platformCore:Record")));
    in_element(b, "get", EL("baseRef", "platformCore:BaseRef"));
    in_element(b, "getResponse", EL("readResponse", "platformMsgs:ReadResponse"));
    in_element(b, "delete", EL("baseRef", "platformCore:BaseRef"));
    in_element(b, "deleteResponse", EL("writeResponse", "platformMsgs:WriteResponse"));
    in_element(b, "search", EL("searchRecord", "platformCore:SearchRecord"));
    in_element(b, "searchMoreWithId", EL("searchId", "xs:string") EL("pageIndex", "xs:int"));
    in_element(b, "getServerTime", "");
    in_element(b, "upsertResponse", EL("writeResponse", "platformMsgs:WriteResponse"));
    in_element(b, "upsertListResponse", EL("writeResponseList", "platformMsgs:WriteResponseList"));
    in_element(b, "searchResponse", "<xs:element ref=\"platformCore:searchResult\"/>");
    in_element(b, "searchMoreWithIdResponse", "<xs:element ref=\"platformCore:searchResult\"/>");
    in_element(b, "getServerTimeResponse", "<xs:element ref=\"platformCore:getServerTimeResult\"/>");
    schema_end(b);
}

#define HEADER(part) "<soap:header message=\"tns:headers\" part=\"" part "\" use=\"literal\"/>"
static void port(struct tl_buf *b, struct tl_sv base)
{
    puts_(b, "<message name=\"headers\"><part name=\"tokenPassport\" element=\"platformMsgs:tokenPassport\"/>"
             "<part name=\"searchPreferences\" element=\"platformMsgs:searchPreferences\"/>"
             "<part name=\"documentInfo\" element=\"platformMsgs:documentInfo\"/></message>");
    for (size_t i = 0; i < TL_COUNT(operations); i++)
        (void)tl_buf_printf(
            b,
            "<message name=\"%sRequest\"><part name=\"parameters\" element=\"platformMsgs:%s\"/></message>"
            "<message name=\"%sResponse\"><part name=\"parameters\" "
            "element=\"platformMsgs:%sResponse\"/></message>",
            operations[i], operations[i], operations[i], operations[i]);
    puts_(b, "<portType name=\"NetSuitePortType\">");
    for (size_t i = 0; i < TL_COUNT(operations); i++)
        (void)tl_buf_printf(b,
                            "<operation name=\"%s\"><input message=\"tns:%sRequest\"/><output "
                            "message=\"tns:%sResponse\"/></operation>",
                            operations[i], operations[i], operations[i]);
    puts_(b, "</portType><binding name=\"NetSuiteBinding\" type=\"tns:NetSuitePortType\"><soap:binding "
             "style=\"document\" transport=\"http://schemas.xmlsoap.org/soap/http\"/>");
    for (size_t i = 0; i < TL_COUNT(operations); i++)
        (void)tl_buf_printf(b,
                            "<operation name=\"%s\"><soap:operation soapAction=\"%s\"/><input>" HEADER("tokenPassport")
                                HEADER("searchPreferences") "<soap:body use=\"literal\"/></input><output>" HEADER(
                                    "documentInfo") "<soap:body use=\"literal\"/></output></operation>",
                            operations[i], operations[i]);
    (void)tl_buf_printf(b,
                        "</binding><service name=\"NetSuiteService\"><port name=\"NetSuitePort\" "
                        "binding=\"tns:NetSuiteBinding\"><soap:address location=\"%.*s" NSIM_SOAP_PATH
                        "\"/></port></service>",
                        TL_SV_ARG(base));
}

/* Schema `i` of the list. */
static void schema(struct tl_buf *b, struct tl_arena *a, size_t i)
{
    const char *prefix = "", *uri = tl_arena_printf(a, "urn:%s_2025_2.%s.webservices.netsuite.com", schemas[i].name,
                                                    schemas[i].group);

    for (size_t k = 0; uri && k < nsim_soap_n_spaces; k++)
        if (strcmp(nsim_soap_spaces[k].uri, uri) == 0)
            prefix = nsim_soap_spaces[k].prefix;
    if (strcmp(prefix, "platformCore") == 0)
        core(b);
    else if (strcmp(prefix, "platformCommon") == 0)
        common(b, a);
    else if (strcmp(prefix, "platformMsgs") == 0)
        messages(b);
    else if (strncmp(prefix, "list", 4) == 0 || strncmp(prefix, "tran", 4) == 0)
        record_types(b, a, prefix);
    else
        (void)tl_buf_printf(b, "<xs:schema targetNamespace=\"%s\"/>", uri ? uri : "");
}

enum tl_rc nsim_wsdl_route(struct task *task, struct http_req *req, struct http_res *res, void *arg, struct tl_err *err)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    (void)task, (void)arg;
    tl_buf_init(&b, SIZE);
    puts_(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<definitions xmlns=\"http://schemas.xmlsoap.org/wsdl/\" "
              "xmlns:soap=\"http://schemas.xmlsoap.org/wsdl/soap/\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" "
              "xmlns:tns=\"urn:platform_2025_2.webservices.netsuite.com\" "
              "targetNamespace=\"urn:platform_2025_2.webservices.netsuite.com\"");
    for (size_t i = 0; i < nsim_soap_n_spaces; i++)
        (void)tl_buf_printf(&b, " xmlns:%s=\"%s\"", nsim_soap_spaces[i].prefix, nsim_soap_spaces[i].uri);
    puts_(&b, "><types>");
    for (size_t i = 0; i < TL_COUNT(schemas); i++)
        schema(&b, req->arena, i);
    puts_(&b, "</types>");
    port(&b, nsim_base(req));
    puts_(&b, "</definitions>\n");
    if (b.failed)
        return tl_fail(err, TL_LIMIT, "the WSDL is larger than we thought");
    http_res_set(res, 200, "text/xml; charset=utf-8", tl_arena_sv(req->arena, tl_buf_view(&b)));
    return TL_OK;
}
