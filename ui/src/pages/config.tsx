// SPDX-License-Identifier: Apache-2.0
// config.tsx - the configuration in force, and reloading it: what the file would change first, then the change.
import { useEffect, useState } from "preact/hooks";
import { api, apiText, ApiError, may } from "../lib/api";
import { num, plural, words } from "../lib/format";
import { refresh } from "../lib/live";
import type { Reload } from "../lib/types";
import { Act, Card, Chip, Loading, PageHead, Problem, Prose, Scroll } from "../parts/bits";
import { Code } from "../parts/code";
import { ask } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";

/** The server answers 422 with the errors of the file: that is an answer, too. */
async function reload(dry: boolean, reason = ""): Promise<Reload> {
    try {
        return await api<Reload>(`v1/reload${dry ? "?dry_run=true" : ""}`, { json: { reason } });
    } catch (e) {
        if (e instanceof ApiError && e.status === 422 && e.body)
            return e.body as Reload;
        throw e;
    }
}

const MOST = 200; // that a comparison lists (src/main/run.c)
const TONE = { added: "ok", removed: "bad", changed: "busy" } as const;

function Changes({ r }: { r: Reload }) {
    if (r.errors)
        return <>
            <div class="notice bad"><Icon name="warning" /><div><b>The file does not work as it is</b><p>What is in force goes on. Correct these and look again.</p></div></div>
            <Scroll label="Errors"><table class="grid">
                <thead><tr><th scope="col">Where</th><th scope="col" class="wide">What</th></tr></thead>
                <tbody>{r.errors.map((e, i) => <tr key={i}><td class="nowrap mono">{e.file}:{e.line}:{e.column}</td><td class="wide"><Prose text={e.message} />{e.hint && <p class="faint"><Prose text={e.hint} /></p>}</td></tr>)}</tbody>
            </table></Scroll></>;
    if (!r.changes?.length)
        return <p class="all-well"><Icon name="delivered" /> The file says what is in force: there is nothing to reload.</p>;
    const effects = Object.entries(r.ledger ?? {}).filter(([k, n]) => n && k !== "live");
    return <>
        <Scroll label="Changes"><table class="grid">
            <thead><tr><th scope="col">Change</th><th scope="col" class="wide">Where in the configuration</th><th scope="col">File</th></tr></thead>
            <tbody>{r.changes.map((c) => <tr key={c.path}><td><Chip tone={TONE[c.change as keyof typeof TONE] ?? "quiet"} icon={c.change === "removed" ? "cross" : c.change === "added" ? "plus" : "edit"}>{c.change}</Chip></td><td class="wide mono">{c.path}</td><td class="nowrap">{c.file ? `${c.file}${c.line ? `:${c.line}` : ""}` : ""}</td></tr>)}</tbody>
        </table></Scroll>
        {r.changes.length >= MOST && <p class="pad"><b>The first {num(MOST)} changes are shown; there may be more.</b> <code>tieline check</code> looks at the whole file.</p>}
        {!!r.needs_restart?.length && <div class="notice warn"><Icon name="warning" /><div><b>In force only after a restart</b><p class="mono">{r.needs_restart.join(", ")}</p></div></div>}
        <p class="pad">{effects.length ? `In the ledger: ${effects.map(([k, n]) => `${words(k)} ${num(n)}`).join(", ")}.` : "Nothing in the ledger is held or moved by it."} Events under way are not lost; queued ones run under the new configuration.</p>
    </>;
}

export function Config() {
    const [text, setText] = useState<string | null>(null);
    const [error, setError] = useState<unknown>(null);
    const [found, setFound] = useState<Reload | null>(null);
    const [defaults, setDefaults] = useState(false);
    const load = () => apiText("v1/config").then((t) => { setText(t); setError(null); }, setError);
    useEffect(() => void load(), []);
    const apply = async () => {
        const reason = await ask({ title: "Reload the configuration", body: <p>{plural(found?.changes?.length ?? 0, "change")} of the file come into force now. No event is dropped.</p>, confirm: "Reload", reason: true });
        if (reason === null)
            return;
        const r = await reload(false, reason);
        setFound(r.applied ? null : r);
        if (r.applied) {
            toast("Reloaded");
            await Promise.all([load(), refresh()]);
        }
    };
    const shown = text === null ? "" : defaults ? text : text.split("\n").filter((l) => !/# default$/.test(l)).join("\n");
    return <>
        <PageHead title="Configuration" sub="Secrets are shown as the references that they are.">
            {may("admin") && <Act run={async () => setFound(await reload(true))}><Icon name="search" />Compare with the file</Act>}
            {may("admin") && found && !found.errors && !!found.changes?.length && <Act class="primary" run={apply}><Icon name="retrying" />Reload…</Act>}
        </PageHead>
        {found && <Card title="What the file would change" aside={<button class="ghost small" onClick={() => setFound(null)}>Close</button>}><Changes r={found} /></Card>}
        {error ? <Problem error={error} retry={load} /> : text === null ? <Loading what="the configuration" /> : (
            <Card title="In force" aside={<label class="check-inline"><input type="checkbox" checked={defaults} onChange={(e) => setDefaults(e.currentTarget.checked)} /> with defaults</label>}>
                <Code text={shown} language="yaml" label="Configuration in force" what="configuration" /></Card>
        )}
    </>;
}
