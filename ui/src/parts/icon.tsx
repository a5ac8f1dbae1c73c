// SPDX-License-Identifier: Apache-2.0
// icon.tsx - our icons: 16 by 16, one path each, drawn with the colour of the text.

const PATHS = {
    overview: "M2.5 2.5h4.5v6h-4.5zM9 2.5h4.5v3.5h-4.5zM9 8.5h4.5v5h-4.5zM2.5 11h4.5v2.5h-4.5z",
    flows: "M2 4.5h3.5c3 0 2 7 5 7h3.5M2 11.5h3.5M10.5 4.5h3.5M12 2.5l2 2-2 2M12 9.5l2 2-2 2",
    events: "M2.5 4h11M2.5 8h11M2.5 12h7",
    dead: "M2 9.5l2-6.5h8l2 6.5v3.5h-12zM2 9.5h3.5l1 1.5h3l1-1.5h3.5",
    jobs: "M2.5 4.5l1.2 1.2 2-2.2M2.5 9.5l1.2 1.2 2-2.2M8 4.5h5.5M8 9.8h5.5M8 13.3h3",
    connections: "M6 2.5v3M10 2.5v3M4 5.5h8v2.5a4 4 0 0 1-8 0zM8 12v2",
    mapping: "M2.5 4h3l5 8h3M2.5 12h3l1.4-2.2M9.1 6.2L10.5 4h3",
    alerts: "M4 11.5V7a4 4 0 0 1 8 0v4.5l1 .5H3zM6.8 14h2.4",
    audit: "M4 2.5h6l2.5 2.5v8.5H4zM6 7.5h4.5M6 10.3h4.5",
    config: "M2.5 4.5h7M12 4.5h1.5M2.5 11.5h2M7 11.5h6.5M9.5 3v3M4.5 10v3",
    queued: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2 1.3",
    running: "M5 3.5l7.5 4.5L5 12.5z",
    retrying: "M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3",
    delivered: "M3 8.5l3.3 3.3L13 4.8",
    cross: "M4 4l8 8M12 4l-8 8",
    skipped: "M3 4l5 4-5 4zM9 4l5 4-5 4z",
    cancelled: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M4.2 4.2l7.6 7.6",
    discarded: "M3 4.5h10M6 4.5v-2h4v2M4.5 4.5l.6 9h5.8l.6-9",
    held: "M5.5 3.5v9M10.5 3.5v9",
    warning: "M8 2.5l6 11H2zM8 6.5v3.3M8 11.4v.4",
    info: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 7.3v3.5M8 5v.4",
    search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3l3.4 3.4",
    copy: "M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1",
    menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
    right: "M6 3.5L10.5 8 6 12.5",
    down: "M3.5 6L8 10.5 12.5 6",
    left: "M10 3.5L5.5 8l4.5 4.5",
    sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1.5v1.5M8 13v1.5M1.5 8h1.5M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1",
    moon: "M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5",
    system: "M2 3h12v8H2zM6 13.5h4",
    keyboard: "M1.5 4.5h13v7h-13zM4 7h.4M7 7h.4M10 7h.4M12.5 7h.3M5 9.3h6",
    out: "M6.5 3h-4v10h4M6 8h7.5M10.5 5l3 3-3 3",
    edit: "M3 13l.6-2.9L10.8 3l2.2 2.2-7.1 7.2z",
    filter: "M2.5 3.5h11L9.5 8.5v4l-3 1v-5z",
    live: "M3 8a5 5 0 0 1 1.5-3.5M13 8a5 5 0 0 0-1.5-3.5M13 8a5 5 0 0 1-1.5 3.5M3 8a5 5 0 0 0 1.5 3.5M8 7.3a.7.7 0 1 0 0 1.4.7.7 0 0 0 0-1.4",
    link: "M6.8 9.2a2.6 2.6 0 0 1 0-3.7l2-2a2.6 2.6 0 0 1 3.7 3.7l-1.3 1.3M9.2 6.8a2.6 2.6 0 0 1 0 3.7l-2 2a2.6 2.6 0 0 1-3.7-3.7l1.3-1.3",
    external: "M9 3h4v4M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
    clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2 1.3",
    key: "M5.5 7.5a2.8 2.8 0 1 0 2.3 4.4L8.5 11h1.5V9.5h1.5V8H13l.5-.5V5.5h-2L7.7 8.6M5 10.9v.3",
    plus: "M8 3v10M3 8h10",
    download: "M8 2.5v7.5M5 7.2L8 10l3-2.8M3 13.5h10",
} as const;
export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
    return (
        <svg class={`icon icon-${name}`} width={size} height={size} viewBox="0 0 16 16" fill="none" stroke="currentColor"
            stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
            <path d={PATHS[name]} />
        </svg>
    );
}
