// SPDX-License-Identifier: Apache-2.0
// diff.ts - two texts line by line: the longest common subsequence, bounded.

export interface Line {
    kind: "same" | "del" | "add";
    text: string;
    a: number; // line in the first text, 0: not there
    b: number;
}

const MOST = 4_000_000; // cells of the table; beyond it the middle is shown as replaced

export function diff(before: string, after: string): Line[] {
    const a = before.split("\n"), b = after.split("\n");
    let head = 0, tail = 0;
    while (head < a.length && head < b.length && a[head] === b[head])
        head++;
    while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail])
        tail++;
    const out: Line[] = a.slice(0, head).map((text, i) => ({ kind: "same", text, a: i + 1, b: i + 1 }));
    out.push(...middle(a, b, head, a.length - tail, b.length - tail));
    for (let i = tail; i > 0; i--)
        out.push({ kind: "same", text: a[a.length - i]!, a: a.length - i + 1, b: b.length - i + 1 });
    return out;
}

function middle(a: string[], b: string[], from: number, aEnd: number, bEnd: number): Line[] {
    const n = aEnd - from, m = bEnd - from;
    const out: Line[] = [];
    const del = (i: number) => out.push({ kind: "del", text: a[from + i]!, a: from + i + 1, b: 0 });
    const add = (j: number) => out.push({ kind: "add", text: b[from + j]!, a: 0, b: from + j + 1 });
    let i = 0, j = 0;
    if (n * m <= MOST) {
        const width = m + 1;
        const length = new Uint32Array((n + 1) * width); // of the best from (i, j) on
        for (let x = n - 1; x >= 0; x--)
            for (let y = m - 1; y >= 0; y--)
                length[x * width + y] = a[from + x] === b[from + y] ? length[(x + 1) * width + y + 1]! + 1
                    : Math.max(length[(x + 1) * width + y]!, length[x * width + y + 1]!);
        while (i < n && j < m) {
            if (a[from + i] === b[from + j]) {
                out.push({ kind: "same", text: a[from + i]!, a: from + i + 1, b: from + j + 1 });
                i++;
                j++;
            } else if (length[(i + 1) * width + j]! >= length[i * width + j + 1]!)
                del(i++);
            else
                add(j++);
        }
    }
    while (i < n)
        del(i++);
    while (j < m)
        add(j++);
    return out;
}
