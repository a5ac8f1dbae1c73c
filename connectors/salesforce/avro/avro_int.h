/* SPDX-License-Identifier: Apache-2.0 */
/* avro_int.h - a compiled schema; shared by avro.c, avro_read.c and avro_write.c only. */
#ifndef TL_CONNECTORS_SALESFORCE_AVRO_INT_H
#define TL_CONNECTORS_SALESFORCE_AVRO_INT_H

#include "salesforce/avro/avro.h"

enum {
    AVRO_NODES = 20000,
    AVRO_LEVELS = 32,
    AVRO_DEPTH = 64,
    AVRO_ITEMS = 200000,
    AVRO_VALUES = 1000000,
    AVRO_MEMBERS = 4096,
    AVRO_DECIMAL = 64
};

enum avro_type {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_INT,
    AVRO_LONG,
    AVRO_FLOAT,
    AVRO_DOUBLE,
    AVRO_BYTES,
    AVRO_STRING,
    AVRO_RECORD,
    AVRO_ENUM,
    AVRO_ARRAY,
    AVRO_MAP,
    AVRO_UNION,
    AVRO_FIXED
};
enum avro_logical {
    AVRO_PLAIN,
    AVRO_TIMESTAMP_MS,
    AVRO_TIMESTAMP_US,
    AVRO_LOCAL_MS,
    AVRO_LOCAL_US,
    AVRO_DATE,
    AVRO_TIME_MS,
    AVRO_TIME_US,
    AVRO_BIG_DECIMAL
};
struct avro_node {
    enum avro_type type;
    enum avro_logical logical;
    uint32_t n;               /* fields, symbols, branches; 1 of an array or map */
    uint32_t size, scale;     /* of fixed; of decimal */
    struct avro_node **child; /* of fields, branches, items */
    struct tl_sv *names;      /* of fields, symbols */
    struct json *defaults;    /* of fields; JSON_UNDEFINED: none */
};
struct sf_avro {
    struct tl_arena *arena;
    struct tl_map *named; /* full name -> node */
    size_t nodes;
    struct avro_node *root;
};
/* The record that a node is, or that is a branch of it; NULL. */
const struct avro_node *sf_avro_record(const struct avro_node *n);

#endif
