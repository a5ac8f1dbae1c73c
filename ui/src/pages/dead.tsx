// SPDX-License-Identifier: Apache-2.0
// dead.tsx - dead letters by their cause: one group for each flow and fingerprint of the error.
import { useEffect, useState } from "preact/hooks";
import { api, may, query } from "../lib/api";
import { num, plural, words } from "../lib/format";
import { status } from "../lib/live";
import { go, link, place } from "../lib/router";
import type { Group } from "../lib/types";
import { Act, Card, Chip, Empty, Loading, PageHead, Problem, Scroll, Tabs, Time } from "../parts/bits";
import { bulk } from "../parts/bulk";
import { ask } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";

const ADVICE: Record<string, string> = {
    data: "The payload or the mapping: mend it, then replay.",
    bug: "An attempt ended without an outcome: look whether the other side has it, then replay or discard.",
    transient: "All attempts were used up: see whether the other side is well again, then replay.",
    rate_limit: "All attempts were used up against a limit: replay at a quiet hour.",
    auth: "Renew the credential, then replay.",
    config: "Correct the configuration, reload, then replay.",
};

type GroupState = Group["state"];
const STATES: [GroupState, string][] = [["open", "Open"], ["acknowledged", "Acknowledged"], ["ignored", "Ignored"], ["resolved", "Resolved"]];

function GroupChip({ g }: { g: Group }) {
    if (g.state === "open")
        return g.again ? <Chip tone="warn" icon="retrying" title="It was resolved, and then one more died of it.">again</Chip> : <Chip tone="bad" icon="cross">open</Chip>;
    return g.state === "acknowledged" ? <Chip tone="busy" icon="delivered">acknowledged</Chip>
        : <Chip tone="quiet" icon={g.state === "ignored" ? "skipped" : "delivered"}>{g.state}</Chip>;
}

async function mark(g: Group): Promise<boolean> {
    let state: GroupState = g.state === "open" ? "acknowledged" : g.state, owner = g.owner ?? "";
    const reason = await ask({
        title: "Mark the group", confirm: "Mark", reason: true, body: <>
            <p>{num(g.count)}{g.more && "+"} of {g.flow} with “{g.reason}”. A group that was resolved opens again when one more dies of it.</p>
            <div class="field"><label for="mark-state">State</label><select id="mark-state" onChange={(e) => (state = e.currentTarget.value as GroupState)}>{STATES.map(([v, t]) => <option value={v} key={v} selected={v === state}>{t}</option>)}</select></div>
            <div class="field"><label for="mark-owner">Owner</label><input id="mark-owner" autocomplete="off" maxLength={100} defaultValue={owner} onInput={(e) => (owner = e.currentTarget.value)} /></div></>,
    });
    if (reason === null)
        return false;
    await api(`v1/dead/${encodeURIComponent(g.flow)}/${g.fingerprint}`, { json: { state, owner: owner.trim(), note: reason, reason } });
    toast(`Marked as ${state}`);
    return true;
}

export function Dead() {
    const flow = place.value.params.get("flow") ?? "";
    const state = place.value.params.get("state") ?? "";
    const [groups, setGroups] = useState<Group[] | null>(null);
    const [more, setMore] = useState(0);
    const [error, setError] = useState<unknown>(null);
    const load = () => api<{ groups: Group[]; more: number }>("v1/dead" + query({ flow, state })).then((r) => { setGroups(r.groups); setMore(r.more); setError(null); }, setError);
    const dead = status.value?.flows.reduce((n, f) => n + f.counts.dead, 0);
    useEffect(() => void load(), [flow, state, dead]);
    const filter = (g: Group) => ({ state: "dead", flow: g.flow, fingerprint: g.fingerprint });
    const name = (g: Group) => `${plural(g.count, "dead delivery", "dead deliveries")} of ${g.flow} with “${g.reason}”`;
    const total = groups?.reduce((n, g) => n + g.count, 0) ?? 0;
    return <>
        <PageHead title="Dead letters" sub={groups ? `${plural(total, "delivery", "deliveries")} in ${more ? "the largest " : ""}${plural(groups.length, "group")} by cause` : undefined}>
            <label class="picker"><span>Flow</span><select value={flow} onChange={(e) => go(link(["dead"], { flow: e.currentTarget.value, state }))}>
                <option value="">all</option>{status.value?.flows.map((f) => <option key={f.name}>{f.name}</option>)}</select></label>
            {may("operator") && total > 0 && !state && <Act run={async () => bulk({ action: "replay", filter: { state: "dead", ...(flow ? { flow } : {}) } }, flow ? `All dead deliveries of ${flow}, ignored groups too` : "All dead deliveries, ignored groups too", load)}><Icon name="retrying" />Replay all…</Act>}
        </PageHead>
        <div class="tab-line"><Tabs label="State of the group" at={state} onPick={(v) => go(link(["dead"], { flow, state: v }))} tabs={[["", "All"], ...STATES] as [string, string][]} /></div>
        {error ? <Problem error={error} retry={load} /> : !groups ? <Loading what="the dead letters" /> : !groups.length && state ? <Empty title={`No group is ${state}`} icon="dead"><p><a href={link(["dead"], { flow })}>Show all</a></p></Empty> : !groups.length ? (
            <Empty title="Nothing is dead" icon="delivered"><p>Deliveries come here when their attempts are used up, or at once when the data cannot be delivered. They stay until somebody replays or discards them.</p></Empty>
        ) : <Card><Scroll label="Groups of dead letters">
            <table class="grid stack groups">
                <thead><tr><th scope="col" class="n">Count</th><th scope="col">Class</th><th scope="col" class="wide">Cause</th><th scope="col">Flow</th><th scope="col">First and last</th><th scope="col">State</th><th scope="col"><span class="sr">Actions</span></th></tr></thead>
                <tbody>{groups.map((g) => (
                    <tr key={g.flow + g.fingerprint}>
                        <td class="n big c-count">{num(g.count)}{g.more && "+"}</td>
                        <td class="c-class"><Chip tone="bad" icon="cross">{words(g.class)}</Chip></td>
                        <td class="wide"><a href={link(["events"], { q: `state:dead flow:${g.flow} group:${g.fingerprint}` })}>{g.reason || words(g.error)}</a><p class="faint">{ADVICE[g.class] ?? ""}</p></td>
                        <td class="nowrap c-flow"><a href={link(["flows", g.flow])}>{g.flow}</a></td>
                        <td class="nowrap c-span"><a href={link(["events", g.first])}><Time at={g.first_at} /></a><br /><a href={link(["events", g.last])}><Time at={g.last_at} /></a></td>
                        <td class="c-state"><GroupChip g={g} />{(g.owner || g.note) && <p class="faint">{[g.owner, g.note].filter(Boolean).join(": ")}</p>}</td>
                        <td class="row-actions">{may("operator") && <>
                            <Act class="small" run={async () => bulk({ action: "replay", filter: filter(g) }, name(g), load)}>Replay…</Act>
                            <Act class="small" run={async () => bulk({ action: "discard", filter: filter(g) }, name(g), load)}>Discard…</Act>
                            <Act class="small" run={async () => { if (await mark(g)) await load(); }}>Mark…</Act></>}</td>
                    </tr>
                ))}</tbody>
            </table>
        </Scroll>{more > 0 && <p class="pad faint">{plural(more, "smaller group is", "smaller groups are")} not shown: {flow ? "replay or discard what is here first" : "choose a flow to see its own"}.</p>}</Card>}
    </>;
}
