// SPDX-License-Identifier: Apache-2.0
// The same protocol as jsonata_driver, answered by npm jsonata. "skip": the answer has no meaning outside JavaScript.
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { createRequire } from "node:module";

const jsonata = createRequire(resolve(process.argv[2]) + "/")("jsonata");

function foreign(value) {
  if (typeof value === "number") return !Number.isFinite(value);
  if (value === null || typeof value !== "object") return typeof value === "function";
  if (value._jsonata_function || value._jsonata_lambda) return true;
  return Object.values(value).some((v) => v === undefined || foreign(v));
}

async function answer({ expr, data }) {
  try {
    const result = await jsonata(expr, { timeout: 5000, stack: 400 }).evaluate(data);
    if (result === undefined) return {};
    return foreign(result) ? { skip: true } : { result };
  } catch (e) {
    return typeof e.code === "string" && /^[A-Z]\d{4}$/.test(e.code) ? { code: e.code } : { skip: true };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
}
