// SPDX-License-Identifier: Apache-2.0
// chart.tsx - a time series by uPlot with a caption and the same as a table, and the tiny lines of tables.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { painted } from "../lib/prefs";

export interface Series {
    label: string;
    values: (number | null)[];
    color: string; // name of a CSS variable
    dash?: number[];
}

/** A colour as it is now, light or dark. */
function css(name: string): string {
    const probe = document.createElement("i");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const color = getComputedStyle(probe).color;
    probe.remove();
    return color;
}

function options(width: number, height: number, series: Series[], show: (n: number) => string): uPlot.Options {
    const axis = { stroke: css("--text-2"), grid: { stroke: css("--line-soft"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
    return {
        width, height,
        legend: { show: false },
        cursor: { y: false, points: { size: 6 } },
        padding: [8, 8, 0, 0],
        scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
        axes: [
            { ...axis, size: 24, space: 70, values: [[3600, "{HH}:{mm}"], [60, "{HH}:{mm}"], [1, "{HH}:{mm}:{ss}"]] as uPlot.Axis.Values },
            { ...axis, size: 44, space: 32, values: (_u, ticks) => ticks.map(show) },
        ],
        series: [{}, ...series.map((s) => ({ label: s.label, stroke: css(s.color), width: 1.5, dash: s.dash, points: { show: false } }))],
    };
}

export function Chart({ title, at, series, show, empty, height = 150 }: { title: string; at: number[]; series: Series[]; show: (n: number) => string; empty: string; height?: number }) {
    const box = useRef<HTMLDivElement>(null);
    const plot = useRef<uPlot | null>(null);
    const [table, setTable] = useState(false);
    const few = at.length < 2 || series.every((s) => s.values.every((v) => v === null));
    const shape = series.map((s) => s.label + s.color).join() + painted.value;
    useEffect(() => {
        if (table || few || !box.current)
            return undefined;
        const el = box.current;
        plot.current = new uPlot(options(el.clientWidth || 300, height, series, show), [at, ...series.map((s) => s.values)] as uPlot.AlignedData, el);
        const watch = new ResizeObserver(() => el.clientWidth && plot.current?.setSize({ width: el.clientWidth, height }));
        watch.observe(el);
        return () => {
            watch.disconnect();
            plot.current?.destroy();
            plot.current = null;
        };
    }, [shape, table, few]);
    useEffect(() => plot.current?.setData([at, ...series.map((s) => s.values)] as uPlot.AlignedData), [at.length, at[at.length - 1], series[0]?.values[at.length - 1]]);
    const last = (s: Series) => [...s.values].reverse().find((v) => v !== null) ?? null;
    return (
        <figure class="chart">
            <figcaption>
                <span class="chart-title">{title}</span>
                <span class="legend">
                    {series.map((s) => <span class="legend-item" key={s.label}><i class={`swatch sw${s.color.slice(1)}`} aria-hidden="true" />{s.label} <b>{last(s) === null ? "–" : show(last(s)!)}</b></span>)}
                </span>
                <button class="ghost small" aria-pressed={table} onClick={() => setTable(!table)}>{table ? "Chart" : "Table"}</button>
            </figcaption>
            {table ? <ChartTable at={at} series={series} show={show} /> : few ? <p class="plot faint">{empty}</p> : <div ref={box} class="plot" role="img" aria-label={`${title}: ${series.map((s) => `${s.label} now ${last(s) === null ? "unknown" : show(last(s)!)}`).join(", ")}`} />}
        </figure>
    );
}

function ChartTable({ at, series, show }: { at: number[]; series: Series[]; show: (n: number) => string }) {
    const step = Math.max(1, Math.ceil(at.length / 12));
    const rows = at.map((_, i) => i).filter((i) => (at.length - 1 - i) % step === 0).reverse();
    return (
        <table class="plain">
            <thead><tr><th scope="col">Time</th>{series.map((s) => <th scope="col" class="n" key={s.label}>{s.label}</th>)}</tr></thead>
            <tbody>{rows.map((i) => (
                <tr key={i}><td>{new Date(at[i]! * 1000).toLocaleTimeString()}</td>
                    {series.map((s) => <td class="n" key={s.label}>{s.values[i] === null || s.values[i] === undefined ? "–" : show(s.values[i]!)}</td>)}</tr>
            ))}</tbody>
        </table>
    );
}

export function Spark({ values, label, width = 96, height = 22, tone = "accent" }: { values: (number | null)[]; label: string; width?: number; height?: number; tone?: string }) {
    const known = values.filter((v): v is number => v !== null).slice(-60);
    const most = Math.max(...known, 0) || 1;
    const x = (i: number) => (known.length < 2 ? 0 : 1 + (i / (known.length - 1)) * (width - 2));
    const y = (v: number) => height - 2 - (v / most) * (height - 4);
    const line = known.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
    return (
        <svg class={`spark ${tone}`} width={width} height={height} role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`}>
            {known.length > 1 && <path class="area" d={`${line}L${width - 1} ${height - 1}L1 ${height - 1}Z`} />}
            {known.length > 1 ? <path class="line" d={line} /> : <path class="none" d={`M1 ${height - 2}H${width - 1}`} />}
        </svg>
    );
}

/** How much of a limit is used, with the figures beside it. */
export function Gauge({ used, limit, label }: { used: number; limit: number; label: string }) {
    const part = limit > 0 ? Math.min(1, Math.max(0, used / limit)) : 0;
    return (
        <svg class={`gauge ${part >= 0.9 ? "bad" : part >= 0.7 ? "warn" : ""}`} viewBox="0 0 100 8" preserveAspectRatio="none" role="img"
            aria-label={`${label}: ${Math.round(part * 100)} % used`}>
            <rect class="track" width="100" height="8" rx="2" /><rect class="fill" width={part * 100} height="8" rx="2" />
        </svg>
    );
}
