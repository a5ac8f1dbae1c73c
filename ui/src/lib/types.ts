// SPDX-License-Identifier: Apache-2.0
// types.ts - what the API answers (src/admin). Times are ISO texts in UTC, ids 13 letters and digits.

export type Role = "viewer" | "operator" | "admin";
export type State = "queued" | "running" | "retrying" | "held" | "dead" | "delivered" | "skipped" | "cancelled" | "discarded";
export type Counts = Record<State, number>;

export interface Session {
    who: string;
    role: Role;
    how: string;
    csrf: string | null;
    expires_at: string | null;
    version: string;
}

export interface Sla {
    owner: string | null;
    runbook: string | null;
    delivered: number;
    success: number | null;
    success_objective: number | null;
    error_budget_left: number | null;
    delay_p50_ms: number | null;
    delay_p95_ms: number | null;
    delay_p95_objective_ms: number | null;
    late: number;
    incidents: number;
    met: boolean | null;
}

/** One month (UTC) of all flows; months: those with figures, oldest first. */
export interface SlaMonth {
    month: string;
    months: string[];
    complete: boolean;
    flows: (Sla & { flow: string; removed: boolean; died: number; mttr_ms: number | null; mttr_objective_ms: number | null })[];
}

export interface Target {
    name?: string;
    connection: string;
    operation?: string;
}

export interface Flow {
    name: string;
    counts: Counts;
    events: number;
    duplicates: number;
    attempts: number;
    retries: number;
    failed: Record<string, number>;
    removed: boolean;
    held: string | null;
    held_reason: string;
    held_since: string | null;
    died: number;
    sla: Sla | null;
    source?: string;
    targets?: Target[];
    source_waits?: string;
    not_ready?: string | null; // a secret is not here: its senders wait
    read_failing_since?: string | null; // its source cannot be read, because of ...
    read_failure?: string | null;
    oldest_ms?: number | null;
}

export interface Budget {
    name: string;
    kind?: string;
    limit: number;
    used: number;
    remaining: number;
    resets_at: string | null;
}

/** expires_in_ms below 0: it has ended. */
export interface Credential {
    what: string;
    renews: boolean;
    since: string | null;
    age_ms: number | null;
    expires_at: string | null;
    expires_in_ms: number | null;
}

export interface Connection {
    name: string;
    type?: string;
    host?: string | null;
    credentials?: Credential[];
    breaker: string;
    waiting: number;
    running: number;
    concurrency: number;
    budgets: Budget[];
    calls: number;
    failed: Record<string, number>;
    drain_ms: number | null;
    drain_reason: string;
    removed: boolean;
    held: string | null;
    held_reason: string;
    held_since: string | null;
    next_try_at: string | null; // breaker, rate, quota: by the clock
    last_success_at?: string | null;
}

export interface Ledger {
    live: number;
    in_flight: number;
    in_window: number;
    commits: number;
    sync_us_at_start: number;
    sync_us: number;
    wal_pages: number;
    disk_free: number;
    disk_reserve: number;
    intake_stopped: boolean;
    moved: boolean;
    config_version: number;
}

export interface Status {
    version: string;
    running: boolean;
    started_at: string;
    ledger: Ledger;
    vault: { address: string; ok: boolean; waiting: number; reason: string } | null; // null: none is configured
    flows: Flow[];
    connections: Connection[];
}

export interface Row {
    id: string;
    event: string;
    flow: string;
    target?: string;
    connection?: string;
    key?: string | null;
    status?: number | null; // of the last attempt
    latency_ms?: number | null;
    state: State;
    received_at: string;
    updated_at: string;
    next_at: string | null;
    attempts: number;
    attempts_used: number;
    item: number;
    revision: number;
    bytes: number;
    expanded: boolean;
    job?: { name: string; polled_at: string; next_poll_at: string | null };
    blocks_key: boolean;
    class?: string;
    error?: string;
    fingerprint?: string;
    reason: string;
    running?: boolean;
    held: string | null; // why it waits; "event_held": a person holds it
    held_reason?: string;
    held_by?: string;
    held_at?: string;
    ahead?: string | null; // of its key
    cause: string | null;
    replay_of: string | null;
}

export interface Page {
    events: Row[];
    cursor: string | null;
    looked_until?: string | null;
}

export interface Attempt {
    attempt: number;
    started_at: string;
    ended_at: string | null;
    outcome: string;
    counted: boolean;
    status: number | null;
    latency_ms: number;
    class?: string;
    error?: string;
    reason: string;
    answer: string;
    asked?: Asked[];
    call?: string;
    call_members?: number;
}

/** One question of a step to another system. from: answer (it was asked), cache, default. */
export interface Asked {
    as: string;
    connection: string;
    operation: string;
    from: string;
    age_ms?: number; // of what was taken from the cache
    status?: number;
    latency_ms?: number;
    error?: string;
}

/** Two ids that are one thing. */
export interface Pair {
    model: string;
    from: string;
    from_id: string;
    to: string;
    to_id: string;
}

export interface Xref extends Pair {
    xref: string;
    mark: string | null; // what our last write made of the record at `to`
    at: string;
}

export interface Request {
    method?: string;
    path?: string;
    query?: Record<string, string>;
    headers?: Record<string, string>;
    format?: string; // how the body is read: json, text, ...
}

export interface Detail {
    event: Row;
    attempts: Attempt[];
    deliveries: Row[];
    order_by: string | null;
    ahead: string | null;
    xrefs: (Pair & { by: string; attempt: number })[]; // which it, or a delivery of it, wrote
    request?: Request;
    body?: unknown;
    original_body?: unknown;
    masked?: boolean; // fields that a model marks with pii
}

export interface Group {
    flow: string;
    fingerprint: string;
    count: number;
    class: string;
    error: string;
    reason: string;
    first: string;
    last: string;
    more: boolean; // the count is "at least"
    first_at: string | null;
    last_at: string | null;
    state: "open" | "acknowledged" | "ignored" | "resolved";
    again: boolean; // it was resolved, and then one more died of it
    owner: string | null;
    note: string | null;
    by: string | null;
    marked_at: string | null;
}

export type Action = "replay" | "cancel" | "discard" | "move" | "hold" | "release";

export interface Plan {
    action: Action;
    matching: number;
    superseded: number;
    unknown_outcome: number;
    running: number;
    final: number;
    behind: number;
    behind_more: boolean; // at least so many
    last: string | null;
    next: string | null; // the counts are of a slice: the next one begins here
}

export interface Job {
    job: string;
    total: number;
    looked: number;
    done: number;
    refused: number;
    ended: boolean;
    cancelled: boolean;
    first_refusal: string;
}

export interface Alert {
    id: string;
    rule: string;
    severity: "page" | "ticket";
    state: "pending" | "firing" | "resolved";
    kind: "flow" | "connection" | "server";
    subject: string;
    detail: string;
    summary: string;
    cause: string;
    fix: string;
    value: number | null;
    threshold: number | null;
    unit: string;
    owner: string | null;
    runbook: string | null;
    flows: string[];
    held: number;
    drain_ms: number | null;
    drain_reason: string;
    since: string;
    fired_at: string | null;
    resolved_at: string | null;
    because: string | null;
    acknowledged: { by: string; at: string; reason: string } | null;
    silenced: { by: string; until: string; reason: string } | null;
    notified: { receiver: string; event: string; what: string }[];
}

export interface Alerts {
    enabled: boolean;
    counts: { firing: number; pending: number; page: number; ticket: number; folded: number; silenced: number };
    alerts: Alert[];
}

export interface AlertRule {
    name: string;
    kind: string;
    severity: "page" | "ticket";
    threshold: number | null;
    unit: string;
    hold_ms: number;
    off: boolean;
    doc: string;
    fix: string;
    owner: string | null;
    notify: string[];
}

export interface Auth {
    scheme: string;
    has_token: boolean;
    needs_person: boolean;
    scopes: string | null;
    expires_at: string | null;
    paused: boolean;
    reason: string;
    next_probe_at: string | null;
    refused_in_30_minutes: number;
    clock_ahead_ms: number;
}

export interface ConnectionDetail {
    connection: string;
    type: string;
    auth: Auth | null;
}

export interface TestResult extends ConnectionDetail {
    ok: boolean;
    asked: boolean;
    who: string | null;
    where: string | null;
    details: string | null;
    error: { code: string; class: string; text: string; fix: string } | null;
}

export interface Reload {
    applied: boolean;
    changes?: { change: string; path: string; file?: string; line?: number }[];
    needs_restart?: string[];
    errors?: { severity: string; file: string; line: number; column: number; message: string; hint?: string }[];
    ledger?: Record<string, number>;
}

export interface AuditEntry {
    entry: number;
    at: string;
    who: string;
    role: string;
    how: string;
    from: string;
    action: string;
    subject: string;
    reason: string;
    failed: string | null;
    hash: string;
}

export interface JobEntry extends Job {
    at: string;
    by: string;
    reason: string;
    action: Action;
    filter: Record<string, unknown>;
    to: string | null;
}

export interface FlowGraph {
    name: string;
    source: string;
    order_by: string | null;
    targets: Target[];
    nodes: { id: string; kind: "source" | "step" | "target" | "connection"; name: string; detail: string }[];
    edges: { from: string; to: string }[];
}

export interface MappingInfo {
    name: string;
    language: string;
    to: string | null;
    file: string | null;
    strict: boolean;
    flows: string[];
    source: string | null;
}

interface MappingError {
    code: string;
    text: string;
    line: number | null;
    column: number | null;
}

export interface Evaluation {
    output: unknown;
    error: MappingError | null;
    lineage: { target: string; sources: string[] }[] | null;
    us: number;
}

export interface Samples {
    file: string;
    there: boolean;
    passed: number;
    failed: number;
    samples: { name: string; ok: boolean | null; why?: string; expected?: unknown; output?: unknown; error?: string | null }[];
}

export interface Shadow {
    masked: boolean; // both saw masked payloads: who asks may not see more
    looked: number;
    same: number;
    changed: number;
    different: { id: string; before: unknown; after: unknown }[];
    failed: { id: string; error: MappingError | null }[];
}

/** A payload as it came, mapped by the configuration of now, and as it would be sent. */
export interface Payloads {
    in?: unknown;
    mapped: unknown;
    sent: { method?: string; url?: string; headers?: Record<string, string>; body?: unknown } | null;
    skipped?: unknown;
    problem?: string | null;
}
