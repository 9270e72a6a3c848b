# SPDX-License-Identifier: Apache-2.0
"""One dense training step in PyTorch: forward, loss, backward, optimizer, in each form that might be the fastest.

The functions return what those of layers.py return. Learning rates are so small that a thousand timed steps on one batch
do not drive the gradients to zero; the cost of a step does not depend on them.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

TINY_RATE = 1e-6


def make_optimizer(name, parameters, foreach):
    if name == "adam":
        return torch.optim.Adam(parameters, lr=TINY_RATE, foreach=foreach)
    return torch.optim.SGD(parameters, lr=TINY_RATE, momentum=0.9, foreach=foreach)


def step_forms(args, make_model, x, labels, memory_formats):
    """A step for every memory format and form of the optimizer. A model is built at the first step of its form, so that
    a form that is not run takes no memory."""

    def form(memory_format, foreach):
        made = {}

        def run():
            if not made:
                made["model"] = make_model().to(memory_format=memory_format)
                made["x"] = x.contiguous(memory_format=memory_format)
                made["optimizer"] = make_optimizer(args.optimizer, list(made["model"].parameters()), foreach)
            made["optimizer"].zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=args.bf16):
                logits = made["model"](made["x"])
                loss = F.cross_entropy(logits.float(), labels)
            loss.backward()
            made["optimizer"].step()

        return run

    names = {torch.channels_last: "channels last", torch.contiguous_format: "contiguous"}
    return {
        f"{names[memory_format]}, {'foreach' if foreach else 'loop'}": form(memory_format, foreach)
        for memory_format in memory_formats
        for foreach in (True, False)
    }


def mlp(args, sizes):
    def make_model():
        layers = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers[:-1])

    x, labels = torch.randn(args.batch, sizes[0]), torch.randint(sizes[-1], (args.batch,))
    weights = [inputs * outputs for inputs, outputs in zip(sizes, sizes[1:])]
    # The first layer needs no gradient of its input.
    flops = 2 * args.batch * (3 * sum(weights) - weights[0])
    return flops, step_forms(args, make_model, x, labels, [torch.contiguous_format])


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut without weights, that takes every other pixel and pads channels (option A)."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.extra = stride, outputs - inputs

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        if self.extra:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.extra // 2, self.extra - self.extra // 2))
        return F.relu(y + x, inplace=True)


class ResNet(nn.Module):
    """The CIFAR ResNet of 6n + 2 layers: 16, 32 and 64 channels at 32, 16 and 8 pixels."""

    def __init__(self, n):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True))
        blocks, inputs = [], 16
        for outputs, stride in ((16, 1), (32, 2), (64, 2)):
            for i in range(n):
                blocks.append(Block(inputs, outputs, stride if i == 0 else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def resnet(args, depth):
    n, x = (depth - 2) // 6, torch.randn(args.batch, 3, 32, 32)
    per_image = 2 * (16 * 27) * 1024 + 3 * 640  # the stem needs no gradient of its input
    inputs = 16
    for outputs, pixels in ((16, 1024), (32, 256), (64, 64)):
        for _ in range(n):
            per_image += 3 * 9 * (inputs * outputs + outputs * outputs) * pixels
            inputs = outputs
    labels = torch.randint(10, (args.batch,))
    forms = step_forms(args, lambda: ResNet(n), x, labels, [torch.channels_last, torch.contiguous_format])
    return 2 * args.batch * per_image, forms


def step(args):
    kind, _, sizes = args.model.partition(":")
    if kind == "mlp":
        flops, forms = mlp(args, [int(size) for size in sizes.split("-")])
    elif kind.startswith("resnet") and kind[6:].isdigit() and int(kind[6:]) % 6 == 2:
        flops, forms = resnet(args, int(kind[6:]))
    else:
        raise SystemExit(f"peer: unknown model '{args.model}'; known are mlp:A-B-... and resnetN with N = 6n + 2")
    dtype = "bf16 autocast" if args.bf16 else "f32"
    return f"step {args.model}, batch {args.batch}, {args.optimizer}, {dtype}", flops, forms
