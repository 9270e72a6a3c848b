// SPDX-License-Identifier: Apache-2.0
// How long ONNX Runtime takes for a sample, or a batch of them, of any .onnx file with one input of 32-bit floats:
//   node bench/peers/time_onnx.js MODEL.onnx [--threads N] [--batch N] [--runs N] [--no-spinning] [--profile PREFIX]
// Without --runs it waits for its turn (turns.js).
// With --runs it times every one of N runs by itself and says p50, p99, p99.9, max and min in milliseconds.
'use strict';
const path = require('path');
const { runtime, library, say, open, serve } = require('./turns.js');

// After them the runtime has its arena and the machine its clock.
const WARM_UP_RUNS = 200;

function argumentsOf(words) {
  const told = { model: '', threads: 1, batch: 1, runs: 0, spinning: true, profile: '' };
  const number = (flag, text) => {
    if (!/^[1-9]\d*$/.test(text || '')) throw new Error(`${flag}: takes a number of at least 1`);
    return Number(text);
  };
  for (let i = 0; i < words.length; ++i) {
    if (words[i] === '--threads') told.threads = number('--threads', words[++i]);
    else if (words[i] === '--batch') told.batch = number('--batch', words[++i]);
    else if (words[i] === '--runs') told.runs = number('--runs', words[++i]);
    else if (words[i] === '--no-spinning') told.spinning = false;
    else if (words[i] === '--profile') told.profile = words[++i] || 'profile';
    else if (told.model === '' && !words[i].startsWith('--')) told.model = words[i];
    else throw new Error(`'${words[i]}' is no argument that it knows; it takes MODEL.onnx, --threads, --batch, --runs, --no-spinning, --profile`);
  }
  if (told.model === '') throw new Error('takes MODEL.onnx');
  return told;
}

// The first size is the batch, which has to be open unless it is 1; other open sizes are 1.
function sizesOf(session, batch) {
  const [input, ...others] = session.inputMetadata;
  if (others.length > 0 || input.type !== 'float32')
    throw new Error(`'${session.inputNames}' is not one input of 32-bit floats`);
  const known = input.shape.map((size) => (typeof size === 'number' && size > 0 ? size : 0));
  if (batch > 1 && known[0] !== 0) throw new Error(`'${session.inputNames}' takes batches of ${known[0]} only`);
  return known.map((size, axis) => (size > 0 ? size : axis === 0 ? batch : 1));
}

async function prepare(told) {
  const session = await open(told.model, told.threads, {
    extra: { session: { intra_op: { allow_spinning: told.spinning ? '1' : '0' } } },
    ...(told.profile ? { enableProfiling: true, profileFilePrefix: told.profile } : {}),
  });
  const sizes = sizesOf(session, told.batch);
  const count = sizes.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101 - 50) / 25);
  const feeds = { [session.inputNames[0]]: new runtime.Tensor('float32', data, sizes) };
  return { sizes, session, run: () => session.run(feeds) };
}

async function distribution(run, runs) {
  for (let i = 0; i < WARM_UP_RUNS; ++i) await run();
  const times = new Float64Array(runs);
  for (let i = 0; i < runs; ++i) {
    const start = performance.now();
    await run();
    times[i] = performance.now() - start;
  }
  times.sort();
  const at = (share) => times[Math.min(runs - 1, Math.ceil(share * runs) - 1)];
  return { runs, p50: at(0.5), p99: at(0.99), 'p99.9': at(0.999), max: times[runs - 1], min: times[0] };
}

(async () => {
  const told = argumentsOf(process.argv.slice(2));
  const start = performance.now();
  const { sizes, session, run } = await prepare(told);
  await run();
  const setUp = { load_ms: performance.now() - start, what: path.basename(told.model), threads: told.threads, input: sizes };
  if (told.runs > 0) {
    say({ ...setUp, library, unit: 'ms', ...(await distribution(run, told.runs)) });
    if (told.profile) session.endProfiling();
    process.exit(0);
  }
  await serve(setUp, run);
  process.exit(0);
})().catch((error) => {
  console.error(`time_onnx.js: ${error.message}`);
  process.exit(1);
});
