// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime as a process that waits for its turn; the protocol is that of worker.py, which starts no process of
// this kind: ort.py does, with models that it makes.
//   node bench/peers/ort.js '{"threads": 1, "what": "...", "forms": [{"name": "...", "model": "FILE", "type": "int8", "size": 1024}]}'
// Tries all forms and stays with the fastest.
'use strict';
const path = require('path');
const readline = require('readline');
const { createRequire } = require('module');

// As in worker.py.
const WARM_UP_MS = 5, SHORTEST_BURST_MS = 10, TRIALS_MS = 1000;

const folder = path.join(__dirname, '..', '..', 'build', 'peers');
const runtime = createRequire(path.join(folder, 'index.js'))('onnxruntime-node');
const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array };

async function open(form, threads) {
  const session = await runtime.InferenceSession.create(form.model, {
    intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
    enableCpuMemArena: true, enableMemPattern: true,
  });
  const data = ARRAYS[form.type].from({ length: form.size }, (_, i) => (i * 37) % 101 - (form.type === 'uint8' ? 0 : 50));
  const feeds = { x: new runtime.Tensor(form.type, data, [1, form.size]) };
  return () => session.run(feeds);
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

async function fastest(runs) {
  const best = runs.map(() => Infinity);
  const end = performance.now() + TRIALS_MS * runs.length;
  for (let round = 0; round < 3 || performance.now() < end; ++round)
    for (let i = 0; i < runs.length; ++i) best[i] = Math.min(best[i], await timed(runs[i]));
  return best.indexOf(Math.min(...best));
}

const say = (message) => console.log(JSON.stringify(message));

(async () => {
  const setUp = JSON.parse(process.argv[2]);
  const runs = [];
  for (const form of setUp.forms) runs.push(await open(form, setUp.threads));
  const chosen = await fastest(runs);
  const version = createRequire(path.join(folder, 'index.js'))('onnxruntime-node/package.json').version;
  say({ ready: true, what: setUp.what, form: setUp.forms[chosen].name, library: `ONNX Runtime ${version}`, threads: setUp.threads });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === 'go') say({ ms: await timed(runs[chosen]) });
    else if (line === 'memory') say({ peak_bytes: process.resourceUsage().maxRSS * 1024 });
    else if (line === 'quit') break;
    else say({ error: `unknown order '${line}'; known are go, memory and quit` });
  }
  process.exit(0);
})().catch((error) => {
  console.error(`ort.js: ${error.message}`);
  process.exit(1);
});
