// SPDX-License-Identifier: Apache-2.0
// What ort.js and time_onnx.js share: ONNX Runtime, and the protocol of worker.py. For each line of its input
//   go     warms up for 5 ms, times a burst of at least 10 ms, and says {"ms": mean of one run}
//   each N the same, then {"us": [of N runs one by one]}
//   memory says {"peak_bytes": ...}
//   quit   ends (as does the end of the input)
'use strict';
const path = require('path');
const readline = require('readline');
const { createRequire } = require('module');

// As in worker.py.
const WARM_UP_MS = 5, SHORTEST_BURST_MS = 10;

const installed = createRequire(path.join(__dirname, '..', '..', 'build', 'peers', 'index.js'));
const runtime = installed('onnxruntime-node');
const library = `ONNX Runtime ${installed('onnxruntime-node/package.json').version}`;
const say = (message) => console.log(JSON.stringify(message));

// At its best.
function open(model, threads, more) {
  return runtime.InferenceSession.create(model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
    enableCpuMemArena: true, enableMemPattern: true, ...more,
  });
}

async function burst(run, shortest) {
  const start = performance.now();
  for (let iterations = 1; ; ++iterations) {
    await run();
    const elapsed = performance.now() - start;
    if (elapsed >= shortest) return elapsed / iterations;
  }
}

async function timed(run) {
  await burst(run, WARM_UP_MS);
  return burst(run, SHORTEST_BURST_MS);
}

async function each(run, count) {
  await timed(run);
  const us = new Float64Array(count);
  for (let i = 0; i < count; ++i) {
    const start = performance.now();
    await run();
    us[i] = 1000 * (performance.now() - start);
  }
  return Array.from(us);
}

async function serve(ready, run) {
  say({ ready: true, ...ready, library });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === 'go') say({ ms: await timed(run) });
    else if (line === 'memory') say({ peak_bytes: process.resourceUsage().maxRSS * 1024 });
    else if (/^each [1-9]\d*$/.test(line)) say({ us: await each(run, Number(line.slice(5))) });
    else if (line === 'quit') break;
    else say({ error: `unknown order '${line}'; known are go, each N, memory and quit` });
  }
}

module.exports = { runtime, library, say, open, timed, serve };
