// SPDX-License-Identifier: Apache-2.0
// audit.tsx - who changed what, when and why. Each entry holds a hash over itself and the one before.
import { useState } from "preact/hooks";
import { api, may } from "../lib/api";
import { num } from "../lib/format";
import { usePages } from "../lib/pages";
import type { AuditEntry } from "../lib/types";
import { Act, Card, Chip, Copy, Empty, Loading, PageHead, Problem, Scroll, Time } from "../parts/bits";
import { Icon } from "../parts/icon";

interface Verified {
    ok: boolean;
    entries: number;
    first_bad: number | null;
    last_at: string | null;
    last_hash: string | null;
}

function Verdict({ v }: { v: Verified }) {
    return v.ok ? <div class="notice ok" role="status"><Icon name="delivered" /><div><b>The chain is whole</b><p>{num(v.entries)} entries follow from one another; the last one is <span class="mono">{v.last_hash?.slice(0, 16)}…</span>{v.last_hash && <Copy text={v.last_hash} what="hash" />}</p></div></div>
        : <div class="notice bad" role="alert"><Icon name="warning" /><div><b>The chain is broken at entry {v.first_bad}</b><p>That entry, or one before it, was changed or taken out outside of Tieline. Compare with a snapshot or a backup of the ledger.</p></div></div>;
}

export function Audit() {
    const { rows, error, more, reload } = usePages<AuditEntry>("v1/audit", "entries", {}, 5000);
    const [verdict, setVerdict] = useState<Verified | null>(null);
    return <>
        <PageHead title="Audit" sub="Every change: who, what, when and why.">
            {may("operator") && <Act run={async () => setVerdict(await api<Verified>("v1/audit/verify"))}><Icon name="key" />Verify the chain</Act>}
        </PageHead>
        {verdict && <Verdict v={verdict} />}
        {error ? <Problem error={error} retry={reload} /> : !rows ? <Loading what="the audit log" /> : !rows.length
            ? <Empty title="Nobody has changed anything so far" icon="audit"><p>Whatever changes something, here, by the API or the command line, is kept with its reason.</p></Empty>
            : <Card><Scroll label="Audit log"><table class="grid stack named">
                <thead><tr><th scope="col" class="n">Entry</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Action</th><th scope="col" class="wide">On</th><th scope="col" class="wide">Reason</th><th scope="col">From</th><th scope="col">Hash</th></tr></thead>
                <tbody>{rows.map((e) => (
                    <tr key={e.entry}>
                        <td class="n" data-name="#">{num(e.entry)}</td><td class="nowrap"><Time at={e.at} /></td>
                        <td class="nowrap">{e.who} <span class="faint">{e.role}</span></td>
                        <td class="nowrap">{e.action}{e.failed && <> <Chip tone="bad" icon="cross" title={e.failed}>failed</Chip></>}</td>
                        <td class="wide" data-name="on">{e.subject}</td><td class="wide" data-name="because">{e.reason || <span class="faint">none given</span>}</td>
                        <td class="nowrap faint" data-name="by">{[e.how, e.from].filter(Boolean).join(", ")}</td><td class="mono faint nowrap" data-name="hash" title={e.hash}>{e.hash.slice(0, 8)}</td>
                    </tr>
                ))}</tbody>
            </table></Scroll>{more && <div class="table-foot"><button class="small" onClick={more}>Older ones</button></div>}</Card>}
    </>;
}
