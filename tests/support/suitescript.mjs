// SPDX-License-Identifier: Apache-2.0
// Runs a SuiteScript of ours with N/ modules that stand for NetSuite's: node suitescript.mjs FILE < {"call", "args", ...}
// prints {"result", "posts", "log"}. The modules do what the vendor's pages say, on node's crypto and a map of records.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const input = JSON.parse(readFileSync(0, "utf8"));
const posts = [], log = [], store = new Map(Object.entries(input.records ?? {}));
let next = store.size + 1, units = input.units ?? 5000;

class Rec {
  constructor(type, id, data = { values: {}, lines: {} }) { Object.assign(this, { type, id, data: structuredClone(data) }); }
  getValue({ fieldId }) { return this.data.values[fieldId] ?? ""; }
  setValue({ fieldId, value }) {
    if (fieldId === "refuse") throw Object.assign(new Error("no such field"), { name: "SSS_INVALID_FIELD" });
    this.data.values[fieldId] = value;
  }
  getLineCount({ sublistId }) { return (this.data.lines[sublistId] ?? []).length; }
  removeLine({ sublistId, line }) { this.data.lines[sublistId].splice(line, 1); }
  insertLine({ sublistId, line }) { (this.data.lines[sublistId] ??= []).splice(line, 0, {}); }
  setSublistValue({ sublistId, fieldId, line, value }) { this.data.lines[sublistId][line][fieldId] = value; }
  save() {
    units -= 20;
    this.id ??= next++;
    store.set(`${this.type}/${this.id}`, this.data);
    return this.id;
  }
}
const modules = {
  "N/record": {
    load: ({ type, id }) => new Rec(type, id, store.get(`${type}/${id}`)),
    create: ({ type }) => new Rec(type, undefined),
  },
  "N/search": {
    create: ({ type, filters }) => ({
      run: () => ({
        getRange: ({ start, end }) => [...store].filter(([k, v]) => k.startsWith(`${type}/`) && v.values.externalid === filters[0][2])
          .map(([k]) => ({ id: Number(k.split("/")[1]) })).slice(start, end),
      }),
    }),
  },
  "N/runtime": {
    executionContext: input.context ?? "USERINTERFACE",
    getCurrentUser: () => ({ id: input.user ?? 3, role: 3 }),
    getCurrentScript: () => ({ getParameter: ({ name }) => input.parameters?.[name] ?? null, getRemainingUsage: () => units }),
  },
  "N/https": {
    post: (request) => {
      if (input.unreachable) throw Object.assign(new Error("timed out"), { name: "SSS_REQUEST_TIME_EXCEEDED" });
      posts.push(request);
      return { code: 200, body: "" };
    },
  },
  "N/encode": { Encoding: { UTF_8: "utf8", BASE_64: "base64" } },
  "N/crypto": {
    HashAlg: { SHA256: "sha256" },
    createSecretKey: ({ secret, encoding }) => Buffer.from(input.secrets[secret], encoding),
    createHmac: ({ algorithm, key }) => {
      const hmac = createHmac(algorithm, key);
      return { update: ({ input: text, inputEncoding }) => void hmac.update(text, inputEncoding), digest: ({ outputEncoding }) => hmac.digest(outputEncoding) };
    },
  },
  "N/log": { error: (entry) => log.push(entry.title) },
};

let script;
const define = (names, factory) => { script = factory(...names.map((n) => modules[n])); };
new Function("define", readFileSync(process.argv[2], "utf8"))(define);

const { call, event } = input;
const result = call === "afterSubmit"
  ? script.afterSubmit({ type: event.type, UserEventType: { DELETE: "delete" },
                         newRecord: event.type === "delete" ? undefined : new Rec(event.record.type, event.record.id, event.record),
                         oldRecord: new Rec(event.record.type, event.record.id, event.record) })
  : script[call](input.body);
console.log(JSON.stringify({ result: result ?? null, posts, log, records: Object.fromEntries(store) }));
