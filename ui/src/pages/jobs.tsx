// SPDX-License-Identifier: Apache-2.0
// jobs.tsx - what was done to many at once: by whom, why, how far it is.
import { may, sentence } from "../lib/api";
import { num } from "../lib/format";
import { usePages } from "../lib/pages";
import { link } from "../lib/router";
import type { JobEntry } from "../lib/types";
import { Act, Card, Chip, Empty, Loading, PageHead, Problem, Scroll, Time } from "../parts/bits";
import { PAST, stopJob, VERB } from "../parts/bulk";

const WORD: Record<string, string> = { fingerprint: "group", from: "since" };

/** The filter of the job as that of the events reads. */
function filterText(f: Record<string, unknown>): string {
    return Object.entries(f).filter(([k, v]) => k !== "ids" && v !== null && v !== undefined).map(([k, v]) => `${WORD[k] ?? k}:${String(v)}`).join(" ");
}

function State({ j }: { j: JobEntry }) {
    if (!j.ended)
        return <Chip tone="busy" icon="running">running</Chip>;
    if (j.cancelled)
        return <Chip tone="held" icon="cancelled">stopped</Chip>;
    return j.refused ? <Chip tone="warn" icon="warning">done in part</Chip> : <Chip tone="ok" icon="delivered">done</Chip>;
}

function JobRow({ j, reload }: { j: JobEntry; reload: () => void }) {
    const { chosen, ...filter } = j.filter; // picked one by one
    const text = chosen ? "" : filterText(filter);
    return (
        <tr>
            <td class="nowrap"><Time at={j.at} /></td>
            <td><State j={j} /></td>
            <td class="nowrap">{VERB[j.action] ?? j.action}{j.to && <> to {j.to}</>}</td>
            <td class="wide" data-name="on">{text ? <a class="mono" href={link(["events"], { q: text })}>{text}</a> : chosen ? `${num(j.total)} picked` : "everything"}
                {j.first_refusal && <p class="faint">Refused: {sentence(new Error(j.first_refusal))}</p>}</td>
            <td class="n full">{num(j.done)} {PAST[j.action]}{j.refused > 0 && <span class="faint">, {num(j.refused)} refused</span>}
                {!j.ended && <progress max={1} value={j.total ? Math.min(1, j.looked / j.total) : 0} aria-label="Progress" />}</td>
            <td class="wide" data-name="by">{j.by}<p class="faint">{j.reason}</p></td>
            <td class="row-actions">{!j.ended && may("operator") && <Act class="small" run={async () => { await stopJob(j.job, j.reason); reload(); }}>Stop</Act>}</td>
        </tr>
    );
}

export function Jobs() {
    const { rows, error, more, reload } = usePages<JobEntry>("v1/jobs", "jobs", {}, 2000);
    return <>
        <PageHead title="Jobs" sub="What was done to many at once. A job runs in small steps between other work, and goes on after a restart." />
        {error ? <Problem error={error} retry={reload} /> : !rows ? <Loading what="the jobs" /> : !rows.length
            ? <Empty title="No job so far" icon="jobs"><p>Filter <a href="#/events">events</a> or pick some, or take a group of <a href="#/dead">dead letters</a>: what is to be done with them is planned first, and then becomes a job.</p></Empty>
            : <Card><Scroll label="Jobs"><table class="grid stack named">
                <thead><tr><th scope="col">Started</th><th scope="col">State</th><th scope="col">Action</th><th scope="col" class="wide">On</th><th scope="col" class="n">Result</th><th scope="col">By, and why</th><th scope="col"><span class="sr">Actions</span></th></tr></thead>
                <tbody>{rows.map((j) => <JobRow key={j.job} j={j} reload={reload} />)}</tbody>
            </table></Scroll>{more && <div class="table-foot"><button class="small" onClick={more}>Older ones</button></div>}</Card>}
    </>;
}
