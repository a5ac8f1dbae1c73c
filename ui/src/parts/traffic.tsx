// SPDX-License-Identifier: Apache-2.0
// traffic.tsx - received, delivered and failed over time: live since the page was opened, or out of the day that the server
// keeps.
import { useEffect, useState } from "preact/hooks";
import { api, query } from "../lib/api";
import { rate } from "../lib/format";
import { series } from "../lib/live";
import { Tabs } from "./bits";
import { Chart } from "./chart";

type Span = "live" | "1h" | "24h";
const STEP: Record<Exclude<Span, "live">, string> = { "1h": "30s", "24h": "10m" };
const LINES = [["in", "received", "--series-1"], ["out", "delivered", "--series-2"], ["failed", "failed attempts", "--series-3"]] as const;
const DASH: Record<string, number[] | undefined> = { out: [6, 3], failed: [2, 3] };

interface SeriesAnswer {
    from: string;
    step_ms: number;
    values: (number | null)[];
}
interface Past {
    at: number[];
    values: (number | null)[][];
}

async function past(span: Exclude<Span, "live">, flow?: string): Promise<Past> {
    const answers = await Promise.all(LINES.map(([metric]) => api<SeriesAnswer>("v1/series" + query({ metric, flow, from: span, step: STEP[span] }))));
    const first = answers[0]!;
    const from = Date.parse(first.from) / 1000, step = first.step_ms / 1000;
    return { at: first.values.map((_, i) => from + i * step), values: answers.map((a) => a.values.map((v) => (v === null ? null : v / step))) };
}

export function Traffic({ flow }: { flow?: string }) {
    const [span, setSpan] = useState<Span>("live");
    const [data, setData] = useState<Past | null>(null);
    const [failed, setFailed] = useState("");
    useEffect(() => {
        if (span === "live")
            return undefined;
        const load = () => past(span, flow).then((d) => { setData(d); setFailed(""); }, (e: Error) => setFailed(e.message));
        setData(null);
        void load();
        const timer = setInterval(() => document.hidden || void load(), 30000);
        return () => clearInterval(timer);
    }, [span, flow]);
    const live = [series("events", flow), series("delivered", flow), series("failures", flow)];
    const at = span === "live" ? live[0]!.at : data?.at ?? [];
    return <>
        <Tabs label="Span of time" at={span} onPick={setSpan} tabs={[["live", "Live"], ["1h", "1 hour"], ["24h", "24 hours"]]} />
        <div class="pad">
            <Chart key={span} title={span === "live" ? "Since this page was opened" : span === "1h" ? "The last hour" : "The last 24 hours"} at={at} show={(n) => rate(n) + "/s"}
                empty={failed || (span === "live" ? "The first figures come in a few seconds." : data ? "The server keeps figures since it was started: there are none of this span so far." : "Loading…")}
                series={LINES.map(([metric, label, color], i) => ({ label, color, dash: DASH[metric], values: span === "live" ? live[i]!.values : data?.values[i] ?? [] }))} />
        </div>
    </>;
}
