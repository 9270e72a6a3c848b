# SPDX-License-Identifier: Apache-2.0
"""One dense layer in PyTorch: forward and the gradients of input and weight, in each form that might be the fastest.

Each function returns (what, useful FLOPs of one iteration, {form: function}); the worker keeps the fastest form.
"""

import torch
import torch.nn.functional as F

PRODUCTS = ("fwd", "dx", "dw")


def linear(args):
    rows, cols, batch = args.rows, args.cols, args.batch
    products = PRODUCTS if args.products == "all" else tuple(args.products.split(","))
    weight = torch.randn(rows, cols) / cols**0.5
    x, dy = torch.randn(batch, cols), torch.randn(batch, rows)
    y, dx, dw = torch.empty(batch, rows), torch.empty(batch, cols), torch.empty(rows, cols)

    def samples_in_rows():
        if "fwd" in products:
            torch.mm(x, weight.t(), out=y)
        if "dx" in products:
            torch.mm(dy, weight, out=dx)
        if "dw" in products:
            torch.mm(dy.t(), x, out=dw)

    def functional():
        if "fwd" in products:
            F.linear(x, weight)
        if "dx" in products:
            dy.mm(weight)
        if "dw" in products:
            dy.t().mm(x)

    x_t, dy_t = x.t().contiguous(), dy.t().contiguous()
    y_t, dx_t = torch.empty(rows, batch), torch.empty(cols, batch)

    def features_in_rows():
        if "fwd" in products:
            torch.mm(weight, x_t, out=y_t)
        if "dx" in products:
            torch.mm(weight.t(), dy_t, out=dx_t)
        if "dw" in products:
            torch.mm(dy_t, x_t.t(), out=dw)

    what = f"linear {rows}x{cols}, batch {batch}, {'+'.join(products)}"
    forms = {"mm": samples_in_rows, "F.linear": functional, "mm, features in rows": features_in_rows}
    return what, 2 * rows * cols * batch * len(products), forms


def conv(args):
    pad = args.kernel // 2
    weight = torch.randn(args.outputs, args.inputs, args.kernel, args.kernel) * 0.05
    x = torch.randn(args.batch, args.inputs, args.size, args.size)
    dy = torch.randn(args.batch, args.outputs, args.size, args.size)

    def form(memory_format):
        w_, x_, dy_ = (t.contiguous(memory_format=memory_format) for t in (weight, x, dy))

        def run():
            torch.ops.aten.convolution(x_, w_, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], 1)
            torch.ops.aten.convolution_backward(
                dy_, x_, w_, None, [1, 1], [pad, pad], [1, 1], False, [0, 0], 1, [True, True, False]
            )

        return run

    what = (
        f"conv {args.kernel}x{args.kernel} {args.inputs}->{args.outputs}, {args.size}x{args.size}, "
        f"batch {args.batch}, fwd+dx+dw"
    )
    flops = 3 * 2 * weight.numel() * args.batch * args.size**2
    forms = {"channels last": form(torch.channels_last), "contiguous": form(torch.contiguous_format)}
    return what, flops, forms
