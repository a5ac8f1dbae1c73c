// SPDX-License-Identifier: Apache-2.0
// graph.tsx - a layered graph from left to right: dagre places it, we draw it. The layout follows from what is connected, not
// from the figures, so nothing jumps while they change. Nodes are links; arrows walk along the edges, n and p to problems.
import { Graph as Layout, layout } from "@dagrejs/dagre";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go } from "../lib/router";
import type { Tone } from "./bits";
import { Icon, type IconName } from "./icon";

export interface GraphNode {
    id: string;
    kind: string;
    title: string;
    sub: string;
    icon: IconName;
    tone: Tone;
    state?: string; // the word for the tone
    figures?: string;
    href?: string;
    problem?: boolean;
}
export interface GraphEdge {
    from: string;
    to: string;
    label?: string;
    weight?: number; // 0 to 1: how thick
    dashed?: boolean;
}

const WIDTH = 196, HEIGHT = 64;

interface Placed {
    width: number;
    height: number;
    at: Record<string, { x: number; y: number }>;
    paths: string[];
    labels: { x: number; y: number }[];
}

/** One line of nodes without a fork: on a narrow screen it goes down instead of to the right. */
function isLine(nodes: GraphNode[], edges: GraphEdge[]): boolean {
    return nodes.every((n) => edges.filter((e) => e.from === n.id).length <= 1 && edges.filter((e) => e.to === n.id).length <= 1);
}

function place(nodes: GraphNode[], edges: GraphEdge[], down: boolean): Placed {
    const g = new Layout();
    g.setGraph({ rankdir: down ? "TB" : "LR", nodesep: 18, ranksep: down ? 30 : 78, marginx: 6, marginy: 6 });
    g.setDefaultEdgeLabel(() => ({}));
    for (const n of nodes)
        g.setNode(n.id, { width: WIDTH, height: HEIGHT });
    for (const e of edges)
        g.setEdge(e.from, e.to, { width: 56, height: 16, labelpos: "c" });
    layout(g);
    const at: Placed["at"] = {};
    for (const n of nodes) {
        const p = g.node(n.id) as { x: number; y: number };
        at[n.id] = { x: p.x, y: p.y };
    }
    const labels: Placed["labels"] = [];
    const paths = edges.map((e) => {
        const a = at[e.from]!, b = at[e.to]!;
        if (down) {
            const y1 = a.y + HEIGHT / 2, y2 = b.y - HEIGHT / 2;
            labels.push({ x: (a.x + b.x) / 2 + 34, y: (y1 + y2) / 2 + 9 });
            return `M${a.x} ${y1}C${a.x} ${(y1 + y2) / 2} ${b.x} ${(y1 + y2) / 2} ${b.x} ${y2}`;
        }
        const x1 = a.x + WIDTH / 2, x2 = b.x - WIDTH / 2, mid = (x1 + x2) / 2;
        labels.push({ x: mid, y: (a.y + b.y) / 2 });
        return `M${x1} ${a.y}C${mid} ${a.y} ${mid} ${b.y} ${x2} ${b.y}`;
    });
    const size = g.graph() as { width?: number; height?: number };
    return { width: size.width ?? 100, height: size.height ?? 60, at, paths, labels };
}

/** Letters of the state (bold) that fit before the figures on the same line of a node. */
const roomBeside = (figures: string) => Math.max(4, Math.floor((WIDTH - 26 - 6.3 * figures.length) / 6.8));

function clip(text: string, most: number): string {
    return text.length > most ? text.slice(0, most - 1) + "…" : text;
}

function NodeBox({ n, x, y }: { n: GraphNode; x: number; y: number }) {
    return (
        <a class={`node ${n.tone}${n.problem ? " problem" : ""}`} href={n.href ?? "#"} data-node={n.id} onClick={(e) => { e.preventDefault(); if (n.href) go(n.href); }}>
            {(n.title.length > 23 || n.sub.length > 31) && <title>{`${n.title}\n${n.sub}`}</title>}
            <rect class="box" x={x - WIDTH / 2} y={y - HEIGHT / 2} width={WIDTH} height={HEIGHT} rx="7" />
            <rect class="bar" x={x - WIDTH / 2} y={y - HEIGHT / 2 + 7} width="4" height={HEIGHT - 14} rx="2" />
            <g transform={`translate(${x - WIDTH / 2 + 13} ${y - HEIGHT / 2 + 9})`} class="node-icon"><Icon name={n.icon} size={14} /></g>
            <text class="node-title" x={x - WIDTH / 2 + 33} y={y - HEIGHT / 2 + 21}>{clip(n.title, 23)}</text>
            <text class="node-sub" x={x - WIDTH / 2 + 13} y={y - HEIGHT / 2 + 38}>{clip(n.sub, 31)}</text>
            <text class="node-state" x={x - WIDTH / 2 + 13} y={y - HEIGHT / 2 + 54}>{clip(n.state ?? "", roomBeside(n.figures ?? ""))}</text>
            <text class="node-figures" x={x + WIDTH / 2 - 10} y={y - HEIGHT / 2 + 54} text-anchor="end">{n.figures}</text>
        </a>
    );
}

const STEPS = [0.5, 0.65, 0.8, 1, 1.25, 1.5];

/** small: one of many on a narrow screen; it goes down, and needs no tools. */
export function Graph({ label, nodes, edges, small = false }: { label: string; nodes: GraphNode[]; edges: GraphEdge[]; small?: boolean }) {
    const shape = nodes.map((n) => n.id).join() + "|" + edges.map((e) => `${e.from}>${e.to}`).join();
    const box = useRef<HTMLDivElement>(null);
    const [room, setRoom] = useState(0);
    const down = small || (room > 0 && room < 500 && isLine(nodes, edges));
    const placed = useMemo(() => place(nodes, edges, down), [shape, down]);
    const [zoom, setZoom] = useState(0); // 0: as large as fits
    const fit = room ? Math.min(1, Math.max(0.5, (room - 30) / placed.width)) : 1;
    const scale = zoom || fit;
    useEffect(() => {
        const el = box.current!;
        const watch = new ResizeObserver(() => setRoom(el.clientWidth));
        watch.observe(el);
        return () => watch.disconnect();
    }, []);
    const step = (up: boolean) => setZoom(up ? STEPS.find((s) => s > scale + 0.01) ?? 1.5 : [...STEPS].reverse().find((s) => s < scale - 0.01) ?? 0.5);
    const focus = (id: string | undefined) => id && box.current?.querySelector<SVGElement>(`[data-node="${CSS.escape(id)}"]`)?.focus();
    const key = (e: KeyboardEvent) => {
        const at = (e.target as Element).closest("[data-node]")?.getAttribute("data-node") ?? "";
        const near = (ids: string[], dy: number) => [...ids].filter((i) => (placed.at[i]!.y - (placed.at[at]?.y ?? 0)) * dy > 0).sort((a, b) => dy * (placed.at[a]!.y - placed.at[b]!.y))[0];
        const column = nodes.filter((n) => Math.abs(placed.at[n.id]!.x - (placed.at[at]?.x ?? -1)) < 5 && n.id !== at).map((n) => n.id);
        const bad = nodes.filter((n) => n.problem).map((n) => n.id);
        const turn = (by: number) => bad[(bad.indexOf(at) + by + bad.length + (bad.indexOf(at) < 0 && by < 0 ? 1 : 0)) % Math.max(1, bad.length)];
        const to: Record<string, () => void> = {
            ArrowRight: () => focus(edges.find((x) => x.from === at)?.to), ArrowLeft: () => focus(edges.find((x) => x.to === at)?.from),
            ArrowDown: () => focus(near(column, 1)), ArrowUp: () => focus(near(column, -1)),
            n: () => focus(turn(1)), p: () => focus(turn(-1)), "+": () => step(true), "-": () => step(false), "0": () => setZoom(1), "1": () => setZoom(0),
        };
        const run = to[e.key];
        if (run && !e.ctrlKey && !e.metaKey && !e.altKey) {
            e.preventDefault();
            e.stopPropagation();
            run();
        }
    };
    return (
        <div class="graph" role="group" aria-label={label} onKeyDown={key}>
            {!small && <div class="graph-tools">
                <button class="small" onClick={() => step(false)} aria-label="Smaller" title="Smaller (-)">−</button>
                <button class="small" onClick={() => step(true)} aria-label="Larger" title="Larger (+)">+</button>
                <button class="small" onClick={() => setZoom(0)} title="As large as fits (1)">Fit</button>
            </div>}
            <div class="graph-room" ref={box} onWheel={(e) => { if (e.ctrlKey) { e.preventDefault(); step(e.deltaY < 0); } }}>
                <svg width={placed.width * scale} height={placed.height * scale} viewBox={`0 0 ${placed.width} ${placed.height}`}>
                    <g aria-hidden="true">{edges.map((e, i) => (
                        <g key={`${e.from}>${e.to}`}>
                            <path class={`edge${e.dashed ? " dashed" : ""}`} d={placed.paths[i]} stroke-width={1.2 + 3 * (e.weight ?? 0)} />
                            {e.label && <text class="edge-label" x={placed.labels[i]!.x} y={placed.labels[i]!.y - 5} text-anchor="middle">{e.label}</text>}
                        </g>
                    ))}</g>
                    {nodes.map((n) => <NodeBox key={n.id} n={n} x={placed.at[n.id]!.x} y={placed.at[n.id]!.y} />)}
                </svg>
            </div>
        </div>
    );
}
