// SPDX-License-Identifier: Apache-2.0
// bulk.tsx - acting on many: the plan says what it would touch, a person confirms with a reason, a job does it and can be
// stopped. The job goes on when the window is closed.
import { useEffect, useState } from "preact/hooks";
import { api, ApiError, sentence } from "../lib/api";
import { num, plural } from "../lib/format";
import { status } from "../lib/live";
import type { Action, Job, Plan } from "../lib/types";
import { Act, Chip, Loading, Problem } from "./bits";
import { close, show } from "./dialog";

export interface BulkRequest {
    action: Action;
    filter: Record<string, unknown>;
    to?: string;
}

export const VERB: Record<Action, string> = { replay: "Replay", cancel: "Cancel", discard: "Discard", move: "Move", hold: "Hold", release: "Release" };
export const PAST: Record<Action, string> = { replay: "replayed", cancel: "cancelled", discard: "discarded", move: "moved", hold: "held", release: "released" };

const EFFECT: Record<Action, string> = {
    replay: "Dead deliveries go back into their queue; finished ones are sent again as new events.",
    cancel: "Nothing more is attempted. Idempotency keys are released, so that a sender may send again.",
    discard: "They leave the dead letters for good. Their payloads stay until retention removes them.",
    move: "They run under another flow from now on.",
    hold: "They are not sent until somebody releases them, whatever happens meanwhile. What is running just now is left alone.",
    release: "They go on where they stood, in the order of their keys.",
};

function Facts({ plan }: { plan: Plan }) {
    const rows: [string, number, string][] = [
        ["match", plan.matching, ""],
        [`${plan.behind === 1 ? "stands" : "stand"} behind them in the order of their keys${plan.behind_more ? ", at least" : ""}`, plan.behind, "They would wait, too."],
        ["have later deliveries of the same key", plan.superseded, "Replaying these may put an older state over a newer one."],
        ["have an attempt with unknown outcome", plan.unknown_outcome, "The other side may have them already; it decides by its idempotency key."],
        ["run right now", plan.running, "They are left alone."],
        ["are finished already", plan.final, plan.action === "replay" ? "They become new events." : "They are left alone."],
    ];
    return (
        <table class="plan">
            <tbody>{rows.filter(([, n], i) => i === 0 || n > 0).map(([what, n, note]) => (
                <tr key={what}><th scope="row" class="n">{num(n)}</th><td>{what}{note && <span class="faint"> – {note}</span>}</td></tr>
            ))}</tbody>
        </table>
    );
}

/** Who presses Stop in a hurry is not asked for another reason: that of the job is kept with it. */
export function stopJob(id: string, reason: string): Promise<unknown> {
    return api(`v1/jobs/${id}/cancel`, { json: { reason: `stopped: ${reason}`.slice(0, 200) } });
}

const SUMS = ["matching", "superseded", "unknown_outcome", "running", "final", "behind"] as const;

/** The plan comes in slices, so that counting many holds up nobody: their sum, told after each. */
async function tally(body: object, tell: (p: Plan) => void, gone: () => boolean): Promise<void> {
    let sum: Plan | null = null;
    do {
        const slice: Plan = await api<Plan>("v1/plan", { json: sum ? { ...body, last: sum.last, next: sum.next } : body });
        if (gone())
            return;
        if (sum) {
            for (const k of SUMS)
                slice[k] += sum[k];
            slice.behind_more ||= sum.behind_more;
        }
        sum = slice;
        tell(sum);
    } while (sum.next);
}

export function Progress({ id, action, planned, reason, done }: { id: string; action: Action; planned: number; reason: string; done?: () => void }) {
    const [job, setJob] = useState<Job | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => {
        let timer = 0, gone = false;
        const ask = async () => {
            try {
                const j = await api<Job>(`v1/jobs/${id}`);
                if (gone)
                    return;
                setJob(j);
                setError(null);
                if (j.ended) {
                    done?.();
                    return;
                }
            } catch (e) {
                setError(e);
                if (e instanceof ApiError && e.status === 404)
                    return;
            }
            timer = window.setTimeout(ask, 400);
        };
        void ask();
        return () => {
            gone = true;
            clearTimeout(timer);
        };
    }, [id]);
    if (error)
        return <Problem error={error} />;
    if (!job)
        return <Loading what="the job" />;
    const total = Math.max(job.total, planned);
    const part = total ? Math.min(1, job.looked / total) : 1;
    return (
        <div class="job">
            <div class="job-line">
                {job.ended ? <Chip tone={job.cancelled ? "held" : job.refused ? "warn" : "ok"} icon={job.cancelled ? "cancelled" : "delivered"}>{job.cancelled ? "stopped" : "done"}</Chip>
                    : <Chip tone="busy" icon="running">running</Chip>}
                <span>{num(job.done)} of {num(total)} {PAST[action]}{job.refused > 0 && `, ${num(job.refused)} refused`}</span>
                {!job.ended && <Act class="small" run={() => stopJob(id, reason)}>Stop the job</Act>}
            </div>
            <progress max={1} value={job.ended ? 1 : part} aria-label="Progress of the job" />
            {job.first_refusal && <p class="faint">The first refusal: {sentence(new Error(job.first_refusal))}</p>}
        </div>
    );
}

function Bulk({ request, what, done }: { request: BulkRequest; what: string; done?: () => void }) {
    const [plan, setPlan] = useState<Plan | null>(null);
    const [error, setError] = useState<unknown>(null);
    const [superseded, setSuperseded] = useState(false);
    const [reason, setReason] = useState("");
    const [missing, setMissing] = useState(false);
    const [to, setTo] = useState("");
    const [job, setJob] = useState("");
    const move = request.action === "move";
    const body = { ...request, include_superseded: superseded, ...(move ? { to } : {}) };
    useEffect(() => {
        if (move && !to)
            return undefined;
        setPlan(null);
        let gone = false;
        tally(body, setPlan, () => gone).catch(setError);
        return () => { gone = true; };
    }, [superseded, to]);
    const confirm = async () => {
        if (!reason.trim()) {
            setMissing(true);
            document.getElementById("bulk-reason")?.focus();
            return;
        }
        setJob((await api<{ job: string }>("v1/jobs", { json: { ...body, last: plan!.last, matching: plan!.matching, reason: reason.trim() } })).job);
    };
    if (job)
        return <>
            <div class="dialog-body"><Progress id={job} action={request.action} planned={plan!.matching} reason={reason.trim()} done={done} /></div>
            <div class="dialog-foot"><p class="faint grow">The job goes on when this window is closed: see <a href="#/jobs" onClick={close}>Jobs</a>.</p><button class="primary" onClick={close}>Close</button></div>
        </>;
    const count = plan ? plan.matching - (superseded || request.action !== "replay" ? 0 : plan.superseded) : 0;
    return <>
        <div class="dialog-body">
            <p>{what}. {EFFECT[request.action]}</p>
            {move && <div class="field"><label for="bulk-to">To the flow</label><select id="bulk-to" value={to} onChange={(e) => setTo(e.currentTarget.value)}>
                <option value="">choose…</option>{status.value?.flows.filter((f) => !f.removed).map((f) => <option key={f.name}>{f.name}</option>)}</select></div>}
            {error ? <Problem error={error} /> : plan ? <><Facts plan={plan} />{plan.next && <p class="loading" role="status">Counting… {num(plan.matching)} so far</p>}</> : !move || to ? <Loading what="the plan" /> : null}
            {plan && request.action === "replay" && plan.superseded > 0 && (
                <label class="check"><input type="checkbox" checked={superseded} onChange={(e) => setSuperseded(e.currentTarget.checked)} /> Also those with later deliveries of their key</label>
            )}
            {plan && plan.matching > 0 && <div class="field">
                <label for="bulk-reason">Reason</label>
                <input id="bulk-reason" value={reason} maxLength={200} autocomplete="off" aria-invalid={missing} aria-describedby="bulk-reason-note"
                    onInput={(e) => { setReason(e.currentTarget.value); setMissing(false); }} />
                <p id="bulk-reason-note" class={missing ? "error" : "faint"}>{missing ? "Say in a few words why: it is kept with the change." : "Kept with the change, under your name."}</p>
            </div>}
            {plan && plan.matching === 0 && !plan.next && <p>There is nothing to do: no delivery matches any more.</p>}
        </div>
        <div class="dialog-foot">
            <button onClick={close}>Leave it</button>
            {plan && plan.matching > 0 && !plan.next && <Act class={!["cancel", "discard"].includes(request.action) ? "primary" : "danger"} run={confirm} disabled={count === 0}>{VERB[request.action]} {plural(count, "delivery", "deliveries")}</Act>}
        </div>
    </>;
}

export function bulk(request: BulkRequest, what: string, done?: () => void): void {
    show(`${VERB[request.action]}: the plan`, <Bulk request={request} what={what} done={done} />);
}
