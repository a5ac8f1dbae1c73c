// SPDX-License-Identifier: Apache-2.0
// held.ts - the words for why something waits (queue_held_name of the server), what each means, and who ends it.
import type { Connection, Flow, Row, State } from "./types";

type Tone = "bad" | "busy" | "held";
interface Meaning {
    word: string;
    tone: Tone;
    where: "flow" | "connection" | "ahead" | "here" | "server"; // what it is ended at, or depends on
    next: string; // what ends it
}

/** One that is not in the table, of a newer server, is shown as it stands. */
const MEANING: Record<string, Meaning> = {
    event_held: { word: "held", tone: "held", where: "here", next: "It goes on when somebody releases it." },
    flow_paused: { word: "flow paused", tone: "held", where: "flow", next: "Everything of the flow waits until somebody resumes it." },
    flow_tripped: { word: "tripped", tone: "bad", where: "flow", next: "Several died of one cause, so the rest is held back. Look at the flow's dead letters, mend the cause, then resume the flow." },
    flow_config: { word: "config", tone: "bad", where: "flow", next: "The flow does not work as it is configured. Correct the file and reload; it then goes on by itself." },
    flow_removed: { word: "removed", tone: "bad", where: "flow", next: "The configuration has its flow or target no longer. Move it to another flow, cancel it, or put the flow back and reload." },
    target_changed: { word: "target changed", tone: "bad", where: "flow", next: "The flow sends to another account or host than when this came in. Resume the flow if that is right, or change it back and reload." },
    connection_paused: { word: "connection paused", tone: "held", where: "connection", next: "Every flow that uses the connection waits until somebody resumes it." },
    connection_auth: { word: "auth", tone: "bad", where: "connection", next: "We are not let in. Renew the credential, then press Test at the connection; attempts are kept meanwhile." },
    identity_changed: { word: "identity changed", tone: "bad", where: "connection", next: "The connection leads to another account or host than when this came in. Resume the connection if that is right, or change it back and reload." },
    breaker: { word: "breaker", tone: "bad", where: "connection", next: "The other side does not answer. It is probed, and goes on by itself when it does; no attempt is used up." },
    quota: { word: "quota", tone: "busy", where: "connection", next: "The allowance of the connection is used up. It goes on by itself as the allowance comes back." },
    rate: { word: "rate", tone: "busy", where: "connection", next: "The connection allows only so many in a second. It goes on by itself." },
    concurrency: { word: "concurrency", tone: "busy", where: "connection", next: "All calls that the connection allows at once are under way. It is sent when one of them ends." },
    backoff: { word: "backoff", tone: "busy", where: "here", next: "It is tried again by itself." },
    key_blocked: { word: "key blocked", tone: "bad", where: "ahead", next: "A dead delivery of the same key blocks it. Replay or discard that one." },
    behind: { word: "behind", tone: "busy", where: "ahead", next: "An earlier delivery of the same key goes first." },
    disk: { word: "disk", tone: "bad", where: "server", next: "The disk is nearly full: no delivery begins before there is space on the disk of the data folder." },
    draining: { word: "draining", tone: "busy", where: "server", next: "The server is about to stop; it goes on after the start." },
};

export function meaning(held: string): Meaning {
    return MEANING[held] ?? { word: held.replace(/_/g, " "), tone: "bad", where: "server", next: "" };
}

/** What a person ends by Resume, at the flow and at the connection (as `tieline resume`). */
export const resumesFlow = (held: string | null): boolean => !!held && ["flow_paused", "flow_tripped", "flow_config", "target_changed"].includes(held);
export const resumesConnection = (held: string | null): boolean => !!held && ["connection_paused", "connection_auth", "identity_changed"].includes(held);
/** What holds the flow itself, not its connection. */
export const holdsFlow = (held: string | null): boolean => resumesFlow(held) || held === "flow_removed";
/** A removed flow or target with nothing left to do is no matter. */
export const live = (f: Flow): number => f.counts.queued + f.counts.retrying;
/** It left the configuration, and nothing of it waits for anybody. */
export const forgotten = (f: Flow): boolean => f.removed && live(f) === 0 && f.counts.dead === 0;

/** The connection that keeps a flow waiting. */
export function keptBy(f: Flow, connections: Connection[]): Connection | undefined {
    return f.held && meaning(f.held).where === "connection"
        ? connections.find((c) => c.held === f.held && f.targets?.some((t) => t.connection === c.name)) : undefined;
}

/** How long it takes until what waits has gone (null: nothing does, or nobody knows), and the connections that first somebody has to let go on. */
export function drain(connections: Connection[]): { ms: number | null; held: Connection[] } {
    const waiting = connections.filter((c) => c.waiting > 0);
    const known = waiting.filter((c) => !resumesConnection(c.held)).flatMap((c) => c.drain_ms ?? []);
    return { ms: known.length ? Math.max(...known) : null, held: waiting.filter((c) => resumesConnection(c.held)) };
}

const WAITS: State[] = ["queued", "retrying"];
/** Why a delivery waits, "" when it does not or is about to go. */
export function waitsFor(r: Row): string {
    return WAITS.includes(r.state) && !r.running && r.held ? r.held : "";
}
