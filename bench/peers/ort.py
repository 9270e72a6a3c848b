#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime as the peer of a comparison: makes the models, and becomes ort.js, which speaks worker.py's protocol.

  ort.py apply --rows 1024 --cols 1024 --arithmetic f32 --threads 1
  ort.py apply --rows 1024 --cols 1024 --arithmetic int8 --threads 1 --empty

A layer is dense, for one sample. In 8-bit integers it takes and gives integers, as between two layers, in every form that
ONNX Runtime has a fast path for; the fastest is taken. --empty is a model that hands its input on: what a call costs.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys
import tempfile

import best

try:
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as error:
    sys.exit(f"ort.py: {error}; scripts/setup --bench installs it")

FLOAT, INT8, UINT8 = TensorProto.FLOAT, TensorProto.INT8, TensorProto.UINT8
NAMES = {FLOAT: "float32", INT8: "int8", UINT8: "uint8"}


def model_of(nodes, values, kind, cols, rows):
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", kind, [1, cols])],
        [helper.make_tensor_value_info("y", kind, [1, rows])],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def f32_form(rows, cols, random):
    weights = random.standard_normal((cols, rows)).astype(np.float32)
    bias = random.standard_normal(rows).astype(np.float32)
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["sum"]), helper.make_node("Relu", ["sum"], ["y"])]
    return "Gemm", FLOAT, model_of(nodes, {"w": weights, "b": bias}, FLOAT, cols, rows)


def int8_forms(rows, cols, random):
    weights = random.integers(-127, 128, (cols, rows)).astype(np.int8)
    scales = np.full(rows, 0.01, np.float32)
    for kind, dtype, zero in ((UINT8, np.uint8, 128), (INT8, np.int8, 0)):
        values = {
            "xs": np.float32(0.02), "xz": dtype(zero), "w": weights, "ws": scales, "wz": np.zeros(rows, np.int8),
            "ys": np.float32(0.5), "yz": dtype(zero),
        }
        integer = helper.make_node("QLinearMatMul", ["x", "xs", "xz", "w", "ws", "wz", "ys", "yz"], ["y"])
        yield f"QLinearMatMul {NAMES[kind]} x int8", kind, model_of([integer], values, kind, cols, rows)
        nodes = [
            helper.make_node("DequantizeLinear", ["x", "xs", "xz"], ["xf"]),
            helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=1),
            helper.make_node("MatMul", ["xf", "wf"], ["yf"]),
            helper.make_node("QuantizeLinear", ["yf", "ys", "yz"], ["y"]),
        ]
        yield f"QDQ {NAMES[kind]} x int8", kind, model_of(nodes, values, kind, cols, rows)


def forms_of(args):
    random = np.random.default_rng(1)
    if args.empty:
        kind = FLOAT if args.arithmetic == "f32" else INT8
        return [("Identity", kind, model_of([helper.make_node("Identity", ["x"], ["y"])], {}, kind, args.cols, args.cols))]
    return [f32_form(args.rows, args.cols, random)] if args.arithmetic == "f32" else list(int8_forms(args.rows, args.cols, random))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["apply"])
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--cols", type=int, required=True)
    parser.add_argument("--arithmetic", choices=("f32", "int8"), default="f32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--empty", action="store_true")
    args = parser.parse_args()
    node = shutil.which("node") or sys.exit("ort.py: there is no node; scripts/setup --bench installs it")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="coppice-ort-"))
    forms = []
    for number, (name, kind, model) in enumerate(forms_of(args)):
        path = folder / f"{number}.onnx"
        onnx.save(model, path)
        forms.append({"name": name, "model": str(path), "type": NAMES[kind], "size": args.cols})
    # Its weights in 2 MiB pages, as ours are: without, a large dense layer would take twice as long.
    os.environ["GLIBC_TUNABLES"] = best.GLIBC_TUNABLES
    what = f"apply {args.rows}x{args.cols}, {args.arithmetic}, dense" + (", the call alone" if args.empty else "")
    set_up = {"threads": args.threads, "what": what, "forms": forms}
    os.execv(node, [node, str(pathlib.Path(__file__).with_name("ort.js")), json.dumps(set_up)])


if __name__ == "__main__":
    main()
