// SPDX-License-Identifier: Apache-2.0
// index.ts - the pages in the order of the menu.
import type { ComponentChildren, FunctionComponent } from "preact";
import { may } from "../lib/api";
import type { IconName } from "../parts/icon";
import { alertBadge, Alerts } from "./alerts";
import { Audit } from "./audit";
import { Config } from "./config";
import { Connections } from "./connections";
import { Dead } from "./dead";
import { Events } from "./events";
import { Flows } from "./flows";
import { Jobs } from "./jobs";
import { lookForMappings, Mapping, mappingsThere } from "./mapping";
import { Overview } from "./overview";
import { Xrefs } from "./xrefs";

export interface PageInfo {
    path: string;
    title: string;
    icon: IconName;
    key: string; // after g
    page: FunctionComponent;
    badge?: () => ComponentChildren;
    there?: () => boolean; // whether the server has its API; absent: it has
}

export const PAGES: PageInfo[] = [
    { path: "overview", title: "Overview", icon: "overview", key: "o", page: Overview },
    { path: "flows", title: "Flows", icon: "flows", key: "f", page: Flows },
    { path: "events", title: "Events", icon: "events", key: "e", page: Events },
    { path: "dead", title: "Dead letters", icon: "dead", key: "d", page: Dead },
    { path: "jobs", title: "Jobs", icon: "jobs", key: "j", page: Jobs },
    { path: "xrefs", title: "Cross-references", icon: "link", key: "x", page: Xrefs },
    { path: "connections", title: "Connections", icon: "connections", key: "c", page: Connections },
    { path: "mapping", title: "Mapping", icon: "mapping", key: "m", page: Mapping, there: () => mappingsThere.value && may("operator") },
    { path: "alerts", title: "Alerts", icon: "alerts", key: "a", page: Alerts, badge: alertBadge },
    { path: "audit", title: "Audit", icon: "audit", key: "u", page: Audit },
    { path: "config", title: "Configuration", icon: "config", key: "s", page: Config },
];

export { lookForMappings };
