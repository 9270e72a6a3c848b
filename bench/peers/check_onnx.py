#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Asks ONNX's own checker and shape inference about files: check_onnx.py FILE...

Exit code 3: there is no python3-onnx, which `scripts/setup --bench` installs.
"""
import sys

try:
    import onnx
    import onnx.shape_inference
except ImportError as error:
    print(f"there is no python3-onnx: {error}", file=sys.stderr)
    sys.exit(3)


def sizes(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def main():
    for path in sys.argv[1:]:
        model = onnx.load(path)
        try:
            onnx.checker.check_model(model, full_check=True)
            # Its own sizes of the output, not those that the file says.
            said = sizes(model.graph.output[0])
            model.graph.output[0].type.tensor_type.ClearField("shape")
            inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
            found = sizes(inferred.graph.output[0])
        except Exception as error:  # of several kinds, some of them private
            sys.exit(f"{path}: {error}")
        if said != found:
            sys.exit(f"{path}: says that its output is {said}, it is {found}")


main()
