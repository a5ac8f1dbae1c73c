// SPDX-License-Identifier: Apache-2.0
// dead.tsx - dead letters by their cause: one group for each flow and fingerprint of the error.
import { useEffect, useState } from "preact/hooks";
import { api, may, query } from "../lib/api";
import { num, plural, words } from "../lib/format";
import { status } from "../lib/live";
import { go, link, place } from "../lib/router";
import type { Group } from "../lib/types";
import { Act, Card, Chip, Empty, Loading, PageHead, Problem, Scroll } from "../parts/bits";
import { bulk } from "../parts/bulk";
import { Icon } from "../parts/icon";
import { IdText } from "./events";

const ADVICE: Record<string, string> = {
    data: "The payload or the mapping: mend it, then replay.",
    bug: "An attempt ended without an outcome: look whether the other side has it, then replay or discard.",
    transient: "All attempts were used up: see whether the other side is well again, then replay.",
    rate_limit: "All attempts were used up against a limit: replay at a quiet hour.",
    auth: "Renew the credential, then replay.",
    config: "Correct the configuration, reload, then replay.",
};

export function Dead() {
    const flow = place.value.params.get("flow") ?? "";
    const [groups, setGroups] = useState<Group[] | null>(null);
    const [error, setError] = useState<unknown>(null);
    const load = () => api<{ groups: Group[] }>("v1/dead" + query({ flow })).then((r) => { setGroups(r.groups); setError(null); }, setError);
    const dead = status.value?.flows.reduce((n, f) => n + f.counts.dead, 0);
    useEffect(() => void load(), [flow, dead]);
    const filter = (g: Group) => ({ state: "dead", flow: g.flow, fingerprint: g.fingerprint });
    const name = (g: Group) => `${plural(g.count, "dead delivery", "dead deliveries")} of ${g.flow} with “${g.reason}”`;
    const total = groups?.reduce((n, g) => n + g.count, 0) ?? 0;
    return <>
        <PageHead title="Dead letters" sub={groups ? `${plural(total, "delivery", "deliveries")} in ${plural(groups.length, "group")} by cause` : undefined}>
            <label class="picker"><span>Flow</span><select value={flow} onChange={(e) => go(link(["dead"], { flow: e.currentTarget.value }))}>
                <option value="">all</option>{status.value?.flows.map((f) => <option key={f.name}>{f.name}</option>)}</select></label>
            {may("operator") && total > 0 && <Act run={async () => bulk({ action: "replay", filter: { state: "dead", ...(flow ? { flow } : {}) } }, flow ? `All dead deliveries of ${flow}` : "All dead deliveries", load)}><Icon name="retrying" />Replay all…</Act>}
        </PageHead>
        {error ? <Problem error={error} retry={load} /> : !groups ? <Loading what="the dead letters" /> : !groups.length ? (
            <Empty title="Nothing is dead" icon="delivered"><p>Deliveries come here when their attempts are used up, or at once when the data cannot be delivered. They stay until somebody replays or discards them.</p></Empty>
        ) : <Card><Scroll label="Groups of dead letters">
            <table class="grid stack groups">
                <thead><tr><th scope="col" class="n">Count</th><th scope="col">Class</th><th scope="col" class="wide">Cause</th><th scope="col">Flow</th><th scope="col">First and last</th><th scope="col"><span class="sr">Actions</span></th></tr></thead>
                <tbody>{groups.map((g) => (
                    <tr key={g.flow + g.fingerprint}>
                        <td class="n big c-count">{num(g.count)}</td>
                        <td class="c-class"><Chip tone="bad" icon="cross">{words(g.class)}</Chip></td>
                        <td class="wide"><a href={link(["events"], { q: `state:dead flow:${g.flow} group:${g.fingerprint}` })}>{g.reason || words(g.error)}</a><p class="faint">{ADVICE[g.class] ?? ""}</p></td>
                        <td class="nowrap c-flow"><a href={link(["flows", g.flow])}>{g.flow}</a></td>
                        <td class="nowrap c-span"><a href={link(["events", g.first])}><IdText id={g.first} /></a> <span class="faint">to</span> <a href={link(["events", g.last])}><IdText id={g.last} /></a></td>
                        <td class="row-actions">{may("operator") && <>
                            <Act class="small" run={async () => bulk({ action: "replay", filter: filter(g) }, name(g), load)}>Replay…</Act>
                            <Act class="small" run={async () => bulk({ action: "discard", filter: filter(g) }, name(g), load)}>Discard…</Act></>}</td>
                    </tr>
                ))}</tbody>
            </table>
        </Scroll></Card>}
    </>;
}
