// SPDX-License-Identifier: Apache-2.0
// The same protocol as jsonata_driver, answered by npm jsonata. "skip": the answer has no meaning outside JavaScript.
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { createRequire } from "node:module";

const jsonata = createRequire(resolve(process.argv[2]) + "/")("jsonata");

// The functions of the library are objects that all expressions share, and keep the place of their last call: forget it.
const names = "sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse each error assert type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl eval toMillis fromMillis clone now millis".split(" ");
const library = await Promise.all(names.map((name) => jsonata("$" + name).evaluate()));

function foreign(value) {
  if (typeof value === "number") return !Number.isFinite(value);
  if (value === null || typeof value !== "object") return typeof value === "function";
  if (value._jsonata_function || value._jsonata_lambda) return true;
  return Object.values(value).some((v) => v === undefined || foreign(v));
}

async function answer({ expr, data }) {
  for (const f of library) delete f.token, delete f.position;
  try {
    const result = await jsonata(expr, { timeout: 5000, stack: 400 }).evaluate(data);
    if (result === undefined) return {};
    return foreign(result) ? { skip: true } : { result };
  } catch (e) {
    if (typeof e.code !== "string" || !/^[A-Z]\d{4}$/.test(e.code)) return { skip: true };
    return { code: e.code, ...(e.token !== undefined && !foreign(e.token) && { token: String(e.token) }), ...(e.position >= 0 && { position: e.position }) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
}
