// SPDX-License-Identifier: Apache-2.0
// What ONNX Runtime says about samples: tests compare exported networks with it.
//   node bench/peers/run_onnx.js [--as-written] MODEL.onnx INPUT SIZES OUTPUT [MODEL.onnx INPUT SIZES OUTPUT ...]
// INPUT and OUTPUT are files of 32-bit floats, SIZES is as 5x3x32x32. --as-written: each node by itself, so
// that what lies between roundings is computed in floats. Exit code 3: there is no ONNX Runtime.
// `scripts/setup --bench` puts it into build/peers.
'use strict';
const fs = require('fs');
const path = require('path');
const { createRequire } = require('module');

const folder = path.join(__dirname, '..', '..', 'build', 'peers');
let runtime;
try {
  runtime = createRequire(path.join(folder, 'index.js'))('onnxruntime-node');
} catch (error) {
  console.error(`there is no onnxruntime-node in ${folder}: ${error.message.split('\n')[0]}`);
  process.exit(3);
}

async function run(options, model, input, sizes, output) {
  const session = await runtime.InferenceSession.create(model, { intraOpNumThreads: 1, ...options });
  const bytes = fs.readFileSync(input);
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const x = new runtime.Tensor('float32', values, sizes.split('x').map(Number));
  const said = await session.run({ [session.inputNames[0]]: x });
  const out = said[session.outputNames[0]].data;
  fs.writeFileSync(output, Buffer.from(out.buffer, out.byteOffset, out.byteLength));
}

(async () => {
  const asWritten = process.argv[2] === '--as-written';
  const options = asWritten ? { graphOptimizationLevel: 'disabled' } : {};
  const jobs = process.argv.slice(asWritten ? 3 : 2);
  if (jobs.length === 0 || jobs.length % 4 !== 0) throw new Error('takes MODEL INPUT SIZES OUTPUT');
  for (let i = 0; i < jobs.length; i += 4) {
    try {
      await run(options, ...jobs.slice(i, i + 4));
    } catch (error) {
      throw new Error(`${jobs[i]}: ${error.message}`);
    }
  }
})().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
