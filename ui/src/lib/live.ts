// SPDX-License-Identifier: Apache-2.0
// live.ts - the status of the whole, kept fresh while somebody looks: by the stream, else asked for every two seconds; and a
// short history of it for the little charts.
import { computed, effect, signal } from "@preact/signals";
import { api, session, unreachable } from "./api";
import { holdsFlow, live, meaning } from "./held";
import { openStream, type Stream } from "./stream";
import type { Alerts, Connection, Flow, Status } from "./types";

export const status = signal<Status | null>(null);
export const statusError = signal<unknown>(null);
export const paused = signal(false);
/** Ticks each second, for times that are shown relative to now. */
export const now = signal(Date.now());

const EVERY_MS = 2000, KEPT = 300;

export interface Sample {
    at: number;
    flows: Record<string, { events: number; delivered: number; failures: number; waiting: number; dead: number }>;
}
export const samples = signal<Sample[]>([]);

const sum = (o: Record<string, number>) => Object.values(o).reduce((a, b) => a + b, 0);
export const waiting = (f: Flow) => f.counts.queued + f.counts.retrying; // those that run are among them

function sample(s: Status): Sample {
    const flows: Sample["flows"] = {};
    for (const f of s.flows)
        flows[f.name] = {
            events: f.events, delivered: f.counts.delivered, failures: sum(f.failed), waiting: waiting(f), dead: f.counts.dead,
        };
    return { at: Date.now(), flows };
}

function apply(s: Status): void {
    status.value = s;
    statusError.value = null;
}

export async function refresh(): Promise<void> {
    try {
        apply(await api<Status>("v1/status"));
    } catch (e) {
        statusError.value = e;
    }
}

/** Alerts come over the same stream (lib/alerts.ts). */
export const alertNews = signal<Alerts | null>(null);

export function start(): void {
    let asked = 0, stream: Stream | null = null;
    const tick = () => {
        now.value = Date.now();
        if (document.hidden || paused.value || !session.value)
            return;
        if (status.value && now.value - (samples.value[samples.value.length - 1]?.at ?? 0) >= EVERY_MS)
            samples.value = [...samples.value.slice(-KEPT + 1), sample(status.value)];
        if (!stream?.live() && now.value - asked >= EVERY_MS) {
            asked = now.value;
            void refresh();
        }
    };
    setInterval(tick, 1000);
    document.addEventListener("visibilitychange", tick);
    effect(() => {
        const watch = !!session.value && !paused.value;
        if (watch && !stream) {
            asked = Date.now();
            void refresh();
            stream = openStream({ topics: "status,alerts" }, {
                status: (d) => { unreachable.value = ""; apply(d as Status); }, alerts: (d) => (alertNews.value = d as Alerts),
            });
        } else if (!watch) {
            stream?.close();
            stream = null;
            if (!session.value)
                status.value = null;
        }
    });
}

type Figure = "events" | "delivered" | "failures" | "waiting" | "dead";

function total(s: Sample, figure: Figure, flow?: string): number {
    return flow ? s.flows[flow]?.[figure] ?? 0 : Object.values(s.flows).reduce((n, f) => n + f[figure], 0);
}

/** Of a counter: per second between samples; of a level: the level. */
export function series(figure: Figure, flow?: string): { at: number[]; values: number[] } {
    const list = samples.value, at: number[] = [], values: number[] = [];
    const level = figure === "waiting" || figure === "dead";
    for (let i = level ? 0 : 1; i < list.length; i++) {
        const s = list[i]!;
        at.push(s.at / 1000);
        if (level) {
            values.push(total(s, figure, flow));
        } else {
            const before = list[i - 1]!;
            values.push(Math.max(0, (total(s, figure, flow) - total(before, figure, flow)) / ((s.at - before.at) / 1000)));
        }
    }
    return { at, values };
}

/** Per second over the last ten seconds or so; null before there are two samples. */
export function recent(figure: "events" | "delivered" | "failures", flow?: string): number | null {
    const list = samples.value;
    if (list.length < 2)
        return null;
    const last = list[list.length - 1]!;
    const first = list.find((s) => last.at - s.at <= 11000) ?? list[0]!;
    if (first === last)
        return 0;
    return Math.max(0, (total(last, figure, flow) - total(first, figure, flow)) / ((last.at - first.at) / 1000));
}

/** By itself, not by a connection: that is counted once. A removed one with nothing left to do is no matter. */
export const heldBadly = (f: Flow) => !!f.not_ready || !!f.read_failing_since || (holdsFlow(f.held) && isProblem(f.held) && (f.held !== "flow_removed" || live(f) > 0));
export const broken = (c: Connection) => !c.removed && (isProblem(c.held) || c.breaker === "open");

export const problems = computed(() => {
    const s = status.value;
    if (!s)
        return 0;
    return s.flows.filter(heldBadly).length + s.connections.filter(broken).length;
});

/** Waiting for a rate or one's turn is daily business; these are not. */
export function isProblem(held: string | null): boolean {
    return !!held && meaning(held).tone === "bad";
}
