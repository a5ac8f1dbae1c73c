// SPDX-License-Identifier: Apache-2.0
// waits.tsx - why a delivery waits: a line for tables, and a notice that says what ends it and until when it may take.
import type { ComponentChildren } from "preact";
import { duration } from "../lib/format";
import { meaning, resumesConnection, waitsFor } from "../lib/held";
import { now, status } from "../lib/live";
import { link } from "../lib/router";
import type { Connection, Row } from "../lib/types";
import { Chip, Time } from "./bits";
import { Icon } from "./icon";

/** A step may wait for another connection than that of the target: the server's reason names it. */
const nameOf = (r: Row) => r.held_reason?.match(/^connection ([^\s:]+)/)?.[1] ?? r.connection;
const connection = (r: Row): Connection | undefined => status.value?.connections.find((c) => c.name === nameOf(r));

/** When the next attempt is, or how long it may take; null where nobody can say. */
function Until({ r, held }: { r: Row; held: string }) {
    const c = connection(r);
    if (r.next_at && Date.parse(r.next_at) > now.value)
        return <>{held === "backoff" ? "again" : "not before"} <Time at={r.next_at} /></>;
    if (!c || c.held !== held)
        return null;
    return <>{c.next_try_at && <>the next one {held === "breaker" ? "is tried" : "goes"} <Time at={c.next_try_at} /></>}
        {c.drain_ms ? <>{c.next_try_at && "; "}about {duration(c.drain_ms)} for all that wait{resumesConnection(held) && ", once it goes on"}</> : null}</>;
}

const TIMED = ["quota", "rate", "backoff"]; // these say when

/** For a cell of a table; nothing for one that does not wait. */
export function Waits({ r }: { r: Row }) {
    const held = waitsFor(r);
    if (!held)
        return null;
    const m = meaning(held);
    const why = held === "event_held" && r.held_by ? `${r.held_by}: ${r.held_reason ?? ""}` : r.held_reason;
    return <span class="waits" title={[why, m.next].filter(Boolean).join("\n")}><Chip tone={m.tone} icon={m.tone === "held" ? "held" : m.tone === "bad" ? "warning" : "clock"}>{m.word}</Chip>
        {why ? <span class="reason">{why}</span> : !TIMED.includes(held) && <span class="faint">{m.next}</span>}<span class="faint"><Until r={r} held={held} /></span></span>;
}

/** What is to be opened for it. */
function Where({ r, held }: { r: Row; held: string }): ComponentChildren {
    switch (meaning(held).where) {
        case "flow": return <>{held === "flow_tripped" && <><a href={link(["dead"], { flow: r.flow })}>Dead letters of {r.flow}</a> · </>}<a href={link(["flows", r.flow])}>Flow {r.flow}</a></>;
        case "connection": return nameOf(r) ? <a href={link(["connections", nameOf(r)!])}>Connection {nameOf(r)}</a> : null;
        case "ahead": return r.ahead ? <a href={link(["events", r.ahead])}>The one ahead of it</a> : null;
        default: return null;
    }
}

/** On the page of one delivery. */
export function WaitsNotice({ r }: { r: Row }) {
    const held = waitsFor(r);
    if (!held)
        return null;
    const m = meaning(held);
    const where = <Where r={r} held={held} />;
    return <div class={`notice waits-for ${m.tone === "busy" ? "quiet" : m.tone}`}><Icon name={m.tone === "held" ? "held" : m.tone === "bad" ? "warning" : "clock"} />
        <div><b>{held === "event_held" ? `Held by ${r.held_by ?? "a person"}` : `Waits: ${m.word}`}</b> <span class="faint">{held === "event_held" ? <Time at={r.held_at} empty="" /> : <Until r={r} held={held} />}</span>
            {r.held_reason && <p>{r.held_reason}</p>}<p>{m.next} {where}</p></div></div>;
}
