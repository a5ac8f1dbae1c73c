// SPDX-License-Identifier: Apache-2.0
// alerts.ts - the open alerts: by the stream, and asked for now and then while somebody looks.
import { signal } from "@preact/signals";
import { api, session } from "./api";
import { alertNews, now, paused } from "./live";
import type { Alerts } from "./types";

export const alerts = signal<Alerts | null>(null);
export const alertsError = signal<unknown>(null);
const EVERY_MS = 10000;

export async function refreshAlerts(): Promise<void> {
    try {
        alerts.value = await api<Alerts>("v1/alerts");
        alertsError.value = null;
    } catch (e) {
        alertsError.value = e;
    }
}

export function watchAlerts(): void {
    alertNews.subscribe((a) => {
        if (a)
            alerts.value = a;
    });
    let at = 0;
    now.subscribe((t) => {
        if (document.hidden || paused.peek() || !session.peek() || t - at < EVERY_MS)
            return;
        at = t;
        void refreshAlerts();
    });
    session.subscribe((s) => {
        if (s)
            void refreshAlerts();
        else
            alerts.value = null;
    });
}
