/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan_int.h - what the files share that make a plan of a configuration: plan.c, plan_expr.c, plan_connection.c,
 * plan_flow.c, plan_step.c. None of it suspends; all run on one thread, and files are read where they are named.
 *
 * Errors go into l->e, each with its place; a NULL or false that comes back means that it was said there, or that it
 * follows from a fault that was. What is made lives as long as the plan.
 */
#ifndef TL_FLOW_PLAN_INT_H
#define TL_FLOW_PLAN_INT_H

#include "flow/flow_int.h"

struct flow_loader {
    struct flow_plan *plan;
    const struct flow_load_options *opt;
    struct config_errors *e;
    bool whole; /* all files could be read */
};

/* ---- plan.c ---- */
/* Is a name nowhere? Not where it stands with a fault of its own, or may stand in what could not be read. */
bool flow__is_missing(const struct flow_loader *l, const char *section, const char *name);

/* ---- plan_expr.c ---- */
void flow__load_mappings(struct flow_loader *l);
/* An expression; NULL also where there is none. */
struct mapping *flow__compile(struct flow_loader *l, const struct config_text *t);
/* The mapping that a step or target names or holds. map: the node that c was read from. */
struct mapping *flow__use_map(struct flow_loader *l, const struct flow_map_conf *c, const struct config_node *map,
                              struct config_place at);

/* ---- plan_connection.c ---- */
void flow__load_connections(struct flow_loader *l);
/* NULL also where it is there, but of no type that is known. */
const struct flow_connection *flow__find_connection(struct flow_loader *l, const struct config_text *name);
/* The part of a target, source or step that is not its operation's, as far as it can be read; NULL: no memory. */
void *flow__parse_common(struct flow_loader *l, const struct config_node *node, const struct config_spec *spec);
/* Is the node a map? What else it is gets told with `what` ("a target") and the hint, unless its reader told it. */
bool flow__is_map(struct flow_loader *l, const struct config_node *node, const char *what, const char *hint);
/* The part that is: one operation of those kinds (bits by enum connector_kind), with its fields, and what the connector
 * made of them. False: it is at fault. */
struct flow_use {
    const struct connector_operation *operation;
    const void *conf;
    void *prepared;
    bool sound; /* the connection too: its other functions, which rely on what is required, may look at it */
};
bool flow__choose(struct flow_loader *l, const struct flow_connection *c, const struct config_node *node,
                  const struct config_spec *common_spec, unsigned kinds, struct flow_use *ret);

/* ---- plan_step.c ---- */
/* One step of f, whose targets are loaded. c: as it is written. */
void flow__load_step(struct flow_loader *l, struct flow *f, struct flow_step *s, const struct config_choice *c);
void flow__check_all_own(struct flow_loader *l); /* steps that look for own writes, when all flows are known */

/* ---- plan_flow.c ---- */
void flow__load_flows(struct flow_loader *l); /* receivers of alerts too */
/* Could all receivers of alerts be read? Else a name that is not among them may be right. */
bool flow__knows_receivers(const struct flow_loader *l);

#endif
