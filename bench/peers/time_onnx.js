// SPDX-License-Identifier: Apache-2.0
// How long ONNX Runtime takes for a sample of any .onnx file with one input of 32-bit floats:
//   node bench/peers/time_onnx.js MODEL.onnx [--threads N] [--runs N] [--no-spinning] [--profile PREFIX]
// Without --runs it waits for its turn, by the protocol of worker.py: a line that says it is ready, then for each
// line of its input
//   go     warms up for 5 ms, times a burst of at least 10 ms, and says {"ms": mean of one run}
//   cal    says {"ms": time of a loop of fixed work outside ONNX Runtime}: how fast the machine is now
//   memory says {"peak_bytes": ...}
//   quit   ends (as does the end of the input)
// With --runs it times every one of N runs by itself and says p50, p99, p99.9, max and min in milliseconds.
'use strict';
const path = require('path');
const readline = require('readline');
const { createRequire } = require('module');

// As in worker.py.
const WARM_UP_MS = 5, SHORTEST_BURST_MS = 10;
// After them the runtime has its arena and the machine its clock.
const WARM_UP_RUNS = 200;

const folder = path.join(__dirname, '..', '..', 'build', 'peers');
const say = (message) => console.log(JSON.stringify(message));

function argumentsOf(words) {
  const told = { model: '', threads: 1, runs: 0, spinning: true, profile: '' };
  const number = (flag, text) => {
    if (!/^[1-9]\d*$/.test(text || '')) throw new Error(`${flag}: takes a number of at least 1`);
    return Number(text);
  };
  for (let i = 0; i < words.length; ++i) {
    if (words[i] === '--threads') told.threads = number('--threads', words[++i]);
    else if (words[i] === '--runs') told.runs = number('--runs', words[++i]);
    else if (words[i] === '--no-spinning') told.spinning = false;
    else if (words[i] === '--profile') told.profile = words[++i] || 'profile';
    else if (told.model === '' && !words[i].startsWith('--')) told.model = words[i];
    else throw new Error(`'${words[i]}' is no argument that it knows; it takes MODEL.onnx, --threads, --runs, --no-spinning, --profile`);
  }
  if (told.model === '') throw new Error('takes MODEL.onnx');
  return told;
}

// Of one sample: open sizes are 1.
function sizesOf(session) {
  const [input, ...others] = session.inputMetadata;
  if (others.length > 0 || input.type !== 'float32')
    throw new Error(`'${session.inputNames}' is not one input of 32-bit floats`);
  return input.shape.map((size) => (typeof size === 'number' && size > 0 ? size : 1));
}

async function open(told) {
  const runtime = createRequire(path.join(folder, 'index.js'))('onnxruntime-node');
  const session = await runtime.InferenceSession.create(told.model, {
    intraOpNumThreads: told.threads, interOpNumThreads: 1, executionMode: 'sequential', graphOptimizationLevel: 'all',
    enableCpuMemArena: true, enableMemPattern: true,
    extra: { session: { intra_op: { allow_spinning: told.spinning ? '1' : '0' } } },
    ...(told.profile ? { enableProfiling: true, profileFilePrefix: told.profile } : {}),
  });
  const sizes = sizesOf(session);
  const count = sizes.reduce((product, size) => product * size, 1);
  const data = Float32Array.from({ length: count }, (_, i) => ((i * 37) % 101 - 50) / 25);
  const feeds = { [session.inputNames[0]]: new runtime.Tensor('float32', data, sizes) };
  return { sizes, session, run: () => session.run(feeds) };
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

function calibration() {
  const start = performance.now();
  let x = 1;
  for (let i = 0; i < 4e6; ++i) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return { ms: performance.now() - start, check: x };
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
  const { sizes, session, run } = await open(told);
  const version = createRequire(path.join(folder, 'index.js'))('onnxruntime-node/package.json').version;
  const setUp = { what: path.basename(told.model), library: `ONNX Runtime ${version}`, threads: told.threads, input: sizes };
  if (told.runs > 0) {
    say({ ...setUp, unit: 'ms', ...(await distribution(run, told.runs)) });
    if (told.profile) session.endProfiling();
    process.exit(0);
  }
  await run();
  say({ ready: true, ...setUp });
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === 'go') say({ ms: await timed(run) });
    else if (line === 'cal') say({ ms: calibration().ms });
    else if (line === 'memory') say({ peak_bytes: process.resourceUsage().maxRSS * 1024 });
    else if (line === 'quit') break;
    else say({ error: `unknown order '${line}'; known are go, cal, memory and quit` });
  }
  process.exit(0);
})().catch((error) => {
  console.error(`time_onnx.js: ${error.message}`);
  process.exit(1);
});
