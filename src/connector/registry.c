/* SPDX-License-Identifier: Apache-2.0 */
/* registry.c - the connectors that were built in, and the choices of `type:` that follow from them. */
#include "connector/host.h"

static const struct config_field *type_at(size_t i)
{
    return i < connector_registry_count ? &connector_registry[i]->variant : NULL;
}

const struct config_variants connector_types = {.at = type_at};

const struct connector *connector_find(struct tl_sv name)
{
    for (size_t i = 0; i < connector_registry_count; i++)
        if (tl_sv_eqs(name, connector_registry[i]->variant.name))
            return connector_registry[i];
    return NULL;
}

const struct connector_operation *connector_operation_find(const struct connector *c, struct tl_sv name)
{
    for (size_t i = 0; i < c->n_operations; i++)
        if (tl_sv_eqs(name, c->operations[i].name))
            return &c->operations[i];
    return NULL;
}

bool connector_has_probe(const struct connector *c, const void *connection)
{
    return c->probe && (!c->has_probe || c->has_probe(connection));
}
