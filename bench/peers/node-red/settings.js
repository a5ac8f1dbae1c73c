// SPDX-License-Identifier: Apache-2.0
// Node-RED without editor, projects and log: what a server runs.
'use strict';
const path = require('node:path');

module.exports = {
    uiPort: Number(process.env.BENCH_PORT),
    uiHost: '127.0.0.1',
    userDir: process.env.BENCH_DATA,
    flowFile: path.join(process.env.BENCH_DATA, 'flows.json'),
    httpAdminRoot: false,
    credentialSecret: false,
    disableEditor: true,
    telemetry: { enabled: false },
    functionExternalModules: false,
    functionGlobalContext: { crypto: require('node:crypto'), mapOrder: require('../order.js'), seen: new Set() },
    logging: { console: { level: 'warn', metrics: false, audit: false } },
};
