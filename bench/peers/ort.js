// SPDX-License-Identifier: Apache-2.0
// ONNX Runtime as a process that waits for its turn; the protocol is that of worker.py, which starts no process of
// this kind: ort.py does, with models that it makes.
//   node bench/peers/ort.js '{"threads": 1, "what": "...", "forms": [{"name": "...", "model": "FILE", "type": "int8", "size": 1024}]}'
// Tries all forms and stays with the fastest.
'use strict';
const { runtime, open: openModel, timed, serve } = require('./turns.js');

const TRIALS_MS = 1000;
const ARRAYS = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array };

async function open(form, threads) {
  const session = await openModel(form.model, threads);
  const data = ARRAYS[form.type].from({ length: form.size }, (_, i) => (i * 37) % 101 - (form.type === 'uint8' ? 0 : 50));
  const feeds = { x: new runtime.Tensor(form.type, data, [1, form.size]) };
  return () => session.run(feeds);
}

async function fastest(runs) {
  const best = runs.map(() => Infinity);
  const end = performance.now() + TRIALS_MS * runs.length;
  for (let round = 0; round < 3 || performance.now() < end; ++round)
    for (let i = 0; i < runs.length; ++i) best[i] = Math.min(best[i], await timed(runs[i]));
  return best.indexOf(Math.min(...best));
}

(async () => {
  const setUp = JSON.parse(process.argv[2]);
  const runs = [];
  for (const form of setUp.forms) runs.push(await open(form, setUp.threads));
  const chosen = await fastest(runs);
  await serve({ what: setUp.what, form: setUp.forms[chosen].name, threads: setUp.threads }, runs[chosen]);
  process.exit(0);
})().catch((error) => {
  console.error(`ort.js: ${error.message}`);
  process.exit(1);
});
