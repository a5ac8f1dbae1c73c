// SPDX-License-Identifier: Apache-2.0
// api.ts - calls of the API and who is signed in. Paths are relative, so that a proxy may put the console anywhere.
import { signal } from "@preact/signals";
import type { Role, Session } from "./types";

export class ApiError extends Error {
    constructor(public status: number, public code: string, message: string, public body: unknown = null) {
        super(message);
    }
}

/** undefined: not known so far; null: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Where people sign in without a token, as the server's 401 says. */
export const signInElsewhere = signal<{ path: string; label?: string } | null>(null);
/** The last thing that kept us from reaching the server; "" while it answers. */
export const unreachable = signal("");

const RANK: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 };
export function may(role: Role): boolean {
    const s = session.value;
    return !!s && RANK[s.role] >= RANK[role];
}

interface Options {
    method?: string;
    json?: unknown;
    raw?: string;
    signal?: AbortSignal;
}

function problem(status: number, body: unknown, text: string): ApiError {
    const e = (body as { error?: { code?: string; message?: string } } | null)?.error;
    return new ApiError(status, e?.code ?? "", e?.message ?? (text.slice(0, 300) || `the server answered ${status}`), body);
}

async function send(path: string, o: Options): Promise<Response> {
    const headers: Record<string, string> = {};
    const method = o.method ?? (o.json !== undefined || o.raw !== undefined ? "POST" : "GET");
    if (o.json !== undefined || o.raw !== undefined)
        headers["Content-Type"] = "application/json";
    if (method !== "GET" && session.value?.csrf)
        headers["X-Tieline-CSRF"] = session.value.csrf;
    try {
        const r = await fetch(path, {
            method, headers, signal: o.signal, credentials: "same-origin", cache: "no-store",
            body: o.raw ?? (o.json !== undefined ? JSON.stringify(o.json) : undefined),
        });
        unreachable.value = "";
        return r;
    } catch (e) {
        if (o.signal?.aborted)
            throw e;
        unreachable.value = "Tieline does not answer. Is it running, and can this computer reach it?";
        throw new ApiError(0, "unreachable", unreachable.value);
    }
}

/** The text of an answer; ApiError with the server's own sentence when it is none of 2xx. */
export async function apiText(path: string, o: Options = {}): Promise<string> {
    const r = await send(path, o);
    const text = await r.text();
    if (r.ok)
        return text;
    let body: unknown = null;
    try {
        body = JSON.parse(text);
    } catch { /* not JSON: the text itself is shown */ }
    if (r.status === 401) {
        signInElsewhere.value = (body as { sign_in?: { oidc: { path: string; label?: string } | null } } | null)?.sign_in?.oidc ?? null;
        if (session.value)
            session.value = null;
    }
    throw problem(r.status, body, text);
}

export async function api<T>(path: string, o: Options = {}): Promise<T> {
    const text = await apiText(path, o);
    return (text ? JSON.parse(text) : {}) as T;
}

export async function whoAmI(): Promise<void> {
    try {
        session.value = await api<Session>("v1/session");
    } catch (e) {
        if (e instanceof ApiError && e.status === 401)
            session.value = null;
        else
            throw e;
    }
}

export async function signIn(token: string): Promise<void> {
    session.value = await api<Session>("v1/session", { json: { token } });
}

export async function signOut(): Promise<void> {
    await api("v1/session", { method: "DELETE" }).catch(() => undefined);
    await whoAmI().catch(() => (session.value = null)); // nobody, and how to sign in again
}

export function query(params: Record<string, string | number | null | undefined>): string {
    const parts = Object.entries(params)
        .filter(([, v]) => v !== null && v !== undefined && v !== "")
        .map(([k, v]) => `${encodeURIComponent(k)}=${encodeURIComponent(String(v))}`);
    return parts.length ? "?" + parts.join("&") : "";
}

export function sentence(e: unknown): string {
    const text = e instanceof Error ? e.message : String(e);
    return text ? text[0]!.toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".") : "";
}
