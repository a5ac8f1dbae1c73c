// SPDX-License-Identifier: Apache-2.0
// sla.tsx - what each flow promises and how it did, one month at a time.
import { useEffect, useState } from "preact/hooks";
import { api, query } from "../lib/api";
import { duration, num, percent } from "../lib/format";
import { go, link, place } from "../lib/router";
import type { SlaMonth } from "../lib/types";
import { Card, Chip, Empty, Loading, Problem, Scroll } from "../parts/bits";

type Row = SlaMonth["flows"][number];
const promises = (f: Row) => f.success_objective !== null || f.delay_p95_objective_ms !== null || f.mttr_objective_ms !== null;

function Against({ got, wanted, missed }: { got: string; wanted: string | null; missed: boolean }) {
    return <>{missed ? <b class="bad-text">{got}</b> : got}{wanted !== null && <span class="faint"> of {wanted}</span>}</>;
}

export function SlaReport() {
    const month = place.value.params.get("month") ?? "";
    const [r, setR] = useState<SlaMonth | null>(null);
    const [error, setError] = useState<unknown>(null);
    const load = () => api<SlaMonth>(`v1/sla${query({ month })}`).then((x) => { setR(x); setError(null); }, setError);
    useEffect(() => void load(), [month]);
    if (error)
        return <Problem error={error} retry={load} />;
    if (!r)
        return <Loading what="the figures" />;
    if (!r.flows.length)
        return <Empty title="No flow so far" icon="flows" />;
    return <Card title={<label>Month <select aria-label="Month" value={r.month} onChange={(e) => go(link(["flows"], { show: "sla", month: e.currentTarget.value }))}>
        {[...r.months].reverse().map((m) => <option key={m} value={m} selected={m === r.month}>{m}</option>)}</select></label>}
        aside={<span class="faint">{r.complete ? "the whole month" : "so far"}, days in UTC</span>}>
        <Scroll label="Promises by flow"><table class="grid stack named">
            <thead><tr><th scope="col">Flow</th><th scope="col">Objective</th><th scope="col" class="n">Delivered</th><th scope="col" class="n">Died</th><th scope="col" class="n">Success</th>
                <th scope="col" class="n">Budget left</th><th scope="col" class="n">Delay p95</th><th scope="col" class="n">Late</th><th scope="col" class="n">Outages</th><th scope="col" class="n">Recovery</th><th scope="col">Owner</th></tr></thead>
            <tbody>{r.flows.map((f) => <tr key={f.flow}>
                <th scope="row">{f.removed ? <>{f.flow}<span class="faint"> (removed)</span></> : <a href={link(["flows", f.flow])}>{f.flow}</a>}</th>
                <td>{!promises(f) ? <span class="faint">none set</span> : f.met ? <Chip tone="ok" icon="delivered">met</Chip> : <Chip tone="warn" icon="warning">missed</Chip>}</td>
                <td class="n" data-name="delivered">{num(f.delivered)}</td>
                <td class="n" data-name="died">{num(f.died)}</td>
                <td class="n" data-name="success"><Against got={percent(f.success, 2)} wanted={f.success_objective === null ? null : percent(f.success_objective, 2)} missed={f.success !== null && f.success_objective !== null && f.success < f.success_objective} /></td>
                <td class="n" data-name="budget left">{f.error_budget_left !== null && f.error_budget_left < 0 ? <b class="bad-text">{percent(f.error_budget_left, 0)}</b> : percent(f.error_budget_left, 0)}</td>
                <td class="n" data-name="p95"><Against got={duration(f.delay_p95_ms)} wanted={f.delay_p95_objective_ms === null ? null : duration(f.delay_p95_objective_ms)} missed={f.delay_p95_objective_ms !== null && f.late * 20 > f.delivered} /></td>
                <td class="n" data-name="late">{num(f.late)}</td>
                <td class="n" data-name="outages">{num(f.incidents)}</td>
                <td class="n" data-name="recovery"><Against got={duration(f.mttr_ms)} wanted={f.mttr_objective_ms === null ? null : duration(f.mttr_objective_ms)} missed={f.mttr_ms !== null && f.mttr_objective_ms !== null && f.mttr_ms > f.mttr_objective_ms} /></td>
                <td data-name="owner">{f.owner ?? <span class="faint">none</span>}</td>
            </tr>)}</tbody>
        </table></Scroll>
    </Card>;
}
