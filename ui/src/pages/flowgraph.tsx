// SPDX-License-Identifier: Apache-2.0
// flowgraph.tsx - the graphs of flows with the live figures in them: all of them, from source to connection, and one of them
// with its steps.
import { useEffect, useState } from "preact/hooks";
import { api } from "../lib/api";
import { num, rate } from "../lib/format";
import { holdsFlow, meaning } from "../lib/held";
import { isProblem, recent, waiting } from "../lib/live";
import { link } from "../lib/router";
import type { Connection, Flow, FlowGraph, Status } from "../lib/types";
import { Loading, Problem, type Tone } from "../parts/bits";
import { Graph, type GraphEdge, type GraphNode } from "../parts/graph";
import type { IconName } from "../parts/icon";

interface State {
    tone: Tone;
    state: string;
    problem: boolean;
}

function stateOf(held: string | null, breaker = "closed"): State {
    if (breaker !== "closed")
        return { tone: "bad", state: "does not answer", problem: true };
    if (!held)
        return { tone: "ok", state: "flowing", problem: false };
    const m = meaning(held);
    return m.tone === "busy" ? { tone: "busy", state: `waits: ${m.word}`, problem: false } : { tone: m.tone, state: m.tone === "held" ? "paused" : m.word, problem: m.tone === "bad" };
}

function flowNode(f: Flow): GraphNode {
    const own = holdsFlow(f.held) || !isProblem(f.held);
    const s = own ? stateOf(f.held) : { tone: "busy" as Tone, state: `waits: ${meaning(f.held!).word}`, problem: false };
    const parts = [waiting(f) ? `${num(waiting(f))} wait` : "", f.counts.dead ? `${num(f.counts.dead)} dead` : ""].filter(Boolean);
    return { id: `flow:${f.name}`, kind: "flow", title: f.name, sub: f.sla?.owner ? `owner ${f.sla.owner}` : "", icon: "flows", figures: parts.join(", "), href: link(["flows", f.name]), ...s,
        ...(f.counts.dead && s.tone === "ok" ? { tone: "warn" as Tone, problem: true } : {}) };
}

function connectionNode(c: Connection): GraphNode {
    return { id: `connection:${c.name}`, kind: "connection", title: c.name, sub: c.host ?? c.type ?? "", icon: "connections", figures: c.waiting ? `${num(c.waiting)} wait` : "", href: link(["connections", c.name]), ...stateOf(c.held, c.breaker) };
}

function sourceIcon(source: string): IconName {
    return source.startsWith("webhook") ? "download" : source.startsWith("schedule") ? "clock" : "events";
}

const paused = (held: string | null) => !!held && (held.endsWith("_paused") || isProblem(held));

const NARROW = matchMedia("(max-width: 620px)");

function useNarrow(): boolean {
    const [narrow, setNarrow] = useState(NARROW.matches);
    useEffect(() => {
        const on = () => setNarrow(NARROW.matches);
        NARROW.addEventListener("change", on);
        return () => NARROW.removeEventListener("change", on);
    }, []);
    return narrow;
}

/** On a narrow screen, where all in one would be too small to read: each flow with a small graph of its own. */
function EachFlow({ flows, nodes, edges }: { flows: Flow[]; nodes: GraphNode[]; edges: GraphEdge[] }) {
    return <ul class="each-flow">{flows.map((f) => {
        const own = edges.filter((e) => e.from.endsWith(`:${f.name}`) && (e.to === `flow:${f.name}` || e.from === `flow:${f.name}`));
        const ids = new Set(own.flatMap((e) => [e.from, e.to]));
        return <li key={f.name}><Graph small label={`The path of ${f.name}`} nodes={nodes.filter((n) => ids.has(n.id))} edges={own} /></li>;
    })}</ul>;
}

export function AllFlows({ s }: { s: Status }) {
    const narrow = useNarrow();
    const nodes: GraphNode[] = [], edges: GraphEdge[] = [];
    const flows = s.flows.filter((f) => !f.removed && f.source);
    const most = Math.max(1, ...flows.map((f) => recent("delivered", f.name) ?? 0));
    for (const f of flows) {
        const into = recent("events", f.name), out = recent("delivered", f.name);
        nodes.push({ id: `source:${f.name}`, kind: "source", title: f.source!.replace(/^\w+ /, ""), sub: f.source!.split(" ")[0]!, icon: sourceIcon(f.source!), tone: "quiet", figures: `${num(f.events)} in all`, href: link(["events"], { q: `flow:${f.name}` }) });
        nodes.push(flowNode(f));
        edges.push({ from: `source:${f.name}`, to: `flow:${f.name}`, label: into ? `${rate(into)}/s` : "", weight: Math.min(1, (into ?? 0) / most) });
        for (const name of new Set(f.targets?.map((t) => t.connection)))
            edges.push({ from: `flow:${f.name}`, to: `connection:${name}`, label: out ? `${rate(out)}/s` : "", weight: Math.min(1, (out ?? 0) / most), dashed: paused(f.held) });
    }
    const used = new Set(edges.map((e) => e.to));
    nodes.push(...s.connections.filter((c) => used.has(`connection:${c.name}`)).map(connectionNode));
    if (narrow)
        return <EachFlow flows={flows} nodes={nodes} edges={edges} />;
    return <Graph label="All flows, from their sources to the connections" nodes={nodes} edges={edges} />;
}

const STEP_ICON: Record<string, IconName> = { when: "filter", map: "mapping", split: "flows", route: "right", validate: "delivered", lookup: "search", call: "external" };

export function OneFlow({ f, connections }: { f: Flow; connections: Connection[] }) {
    const [graph, setGraph] = useState<FlowGraph | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void api<FlowGraph>(`v1/flows/${encodeURIComponent(f.name)}`).then((g) => { setGraph(g); setError(null); }, setError), [f.name]);
    if (error)
        return <Problem error={error} />;
    if (!graph)
        return <Loading what="the graph" />;
    const out = recent("delivered", f.name), into = recent("events", f.name);
    const nodes = graph.nodes.map((n): GraphNode => {
        const c = n.kind === "connection" ? connections.find((x) => x.name === n.name) : undefined;
        if (c)
            return { ...connectionNode(c), id: n.id };
        if (n.kind === "source")
            return { id: n.id, kind: "source", title: n.name.replace(/^\w+ /, ""), sub: n.name.split(" ")[0]!, icon: sourceIcon(n.name), tone: "quiet", figures: `${num(f.events)} in all` };
        if (n.kind === "target")
            return { ...flowNode(f), id: n.id, kind: "target", title: n.name, sub: n.detail, icon: "right", href: link(["events"], { q: `flow:${f.name}` }) };
        return { id: n.id, kind: "step", title: n.name, sub: n.detail.replace(/\s+/g, " "), icon: STEP_ICON[n.name] ?? "mapping", tone: "quiet" };
    });
    const edges = graph.edges.map((e): GraphEdge => ({
        ...e, dashed: paused(f.held), label: e.from === "source" && into ? `${rate(into)}/s` : e.to.startsWith("connection:") && out ? `${rate(out)}/s` : "",
        weight: Math.min(1, (into ?? 0) / Math.max(1, into ?? 0, out ?? 0)) * (into ? 0.5 : 0),
    }));
    return <Graph label={`The path of ${f.name}`} nodes={nodes} edges={edges} />;
}
