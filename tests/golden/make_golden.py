#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Freezes numbers of PyTorch 1.13 for a sparse MLP, a small sparse ResNet and pruning: see README.md beside this file.

Run it without arguments to write the *.safetensors files here; the same machine writes the same bytes again.
"""

import json
import math
import pathlib
import struct

import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
STEPS = 10
SGD = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
DECAY = 5e-4  # of the weights of fc1 to fc3; biases have none
ADAM = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
RESNET_SGD = {"lr": 0.05, "momentum": 0.9}
DTYPES = {torch.float32: "F32", torch.float64: "F64", torch.int32: "I32"}


def write_safetensors(path, tensors, about):
    """8 bytes: length of the header, little-endian; the header, JSON padded with blanks to 8 bytes; the data, widest types
    first, so that everything is aligned."""
    tensors = dict(sorted(tensors.items(), key=lambda item: -item[1].element_size()))
    header, at = {"__metadata__": about}, 0
    for name, tensor in tensors.items():
        end = at + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(tensor.contiguous().numpy().tobytes() for tensor in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    print(f"{path.name}: {len(tensors)} tensors, {path.stat().st_size} bytes")


def uniform(shape, scale):
    """In [-scale, scale), in multiples of scale / 2^23: the same on every CPU, unlike torch.randn."""
    return (torch.rand(shape) * 2 - 1) * scale


def block_mask(rows, cols, block_rows, density):
    """Blocks of block_rows x 1, round(density * their number) of them live, as float."""
    blocks = rows // block_rows * cols
    live = torch.randperm(blocks)[: round(density * blocks)]
    mask = torch.zeros(blocks)
    mask[live] = 1
    return mask.reshape(rows // block_rows, 1, cols).expand(-1, block_rows, -1).reshape(rows, cols)


def gradients(forward, parameters, masks, dtype):
    """Logits, loss and the gradients of fresh copies of the parameters, in dtype; dead positions are zero."""
    copies = {name: value.detach().to(dtype).requires_grad_() for name, value in parameters.items()}
    logits, loss = forward(copies, dtype)
    loss.backward()
    result = {"logits": logits.detach(), "loss": loss.detach().reshape(1)}
    for name, value in copies.items():
        mask = masks.get(name)
        result[f"grad.{name}"] = value.grad if mask is None else value.grad * mask.reshape(value.shape).to(dtype)
    return result


def train(forward, parameters, masks, make_optimizer):
    """STEPS updates on the one batch. Returns the loss before each, and the parameters after the last."""
    copies = {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}
    optimizer, losses = make_optimizer(copies), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        _, loss = forward(copies, torch.float32)
        loss.backward()
        for name, mask in masks.items():
            copies[name].grad.mul_(mask.reshape(copies[name].shape))
        optimizer.step()
        losses.append(loss.item())
    for name, mask in masks.items():
        assert not (copies[name].detach() * (1 - mask.reshape(copies[name].shape))).any(), name
    return {"losses": torch.tensor(losses), **{f"after.{name}": value.detach() for name, value in copies.items()}}


def put(tensors, prefix, result, suffix=""):
    for name, value in result.items():
        tensors[prefix + name + suffix] = value


def sgd_with_decay(parameters):
    groups = [
        {"params": [value], "weight_decay": DECAY if name.endswith(".weight") else 0.0}
        for name, value in parameters.items()
    ]
    return torch.optim.SGD(groups, **SGD)


def mlp(path, block_rows):
    """20-24-16-5 with relu; block_rows of each layer's pattern."""
    torch.manual_seed(20)
    sizes, batch, densities = (20, 24, 16, 5), 13, (0.3, 0.4, 0.5)
    parameters, masks, tensors = {}, {}, {}
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        mask = block_mask(outputs, inputs, block_rows[i], densities[i])
        bound = math.sqrt(6 / (densities[i] * inputs))
        parameters[f"fc{i + 1}.weight"] = uniform((outputs, inputs), bound) * mask
        parameters[f"fc{i + 1}.bias"] = uniform((outputs,), 0.25)
        masks[f"fc{i + 1}.weight"] = mask
    x, labels = uniform((batch, sizes[0]), 1.0), torch.randint(sizes[-1], (batch,))
    put(tensors, "", parameters)
    put(tensors, "mask.", {name: mask.to(torch.int32) for name, mask in masks.items()})
    tensors["input"], tensors["labels"] = x, labels.to(torch.int32)

    def forward_with(smoothing):
        def forward(p, dtype):
            h = x.to(dtype)
            for i in (1, 2, 3):
                h = F.linear(h, p[f"fc{i}.weight"], p[f"fc{i}.bias"])
                h = F.relu(h) if i < 3 else h
            return h, F.cross_entropy(h, labels, label_smoothing=smoothing)

        return forward

    for prefix, smoothing in (("", 0.0), ("smooth.", 0.1)):
        forward = forward_with(smoothing)
        put(tensors, prefix, gradients(forward, parameters, masks, torch.float32))
        put(tensors, prefix, gradients(forward, parameters, masks, torch.float64), ".f64")
        put(tensors, prefix + "sgd.", train(forward, parameters, masks, sgd_with_decay))
        put(tensors, prefix + "adam.", train(forward, parameters, masks, lambda p: torch.optim.Adam(p.values(), **ADAM)))
    about = {"model": "mlp:20-24-16-5, relu", "block": "fc1 {}x1, fc2 {}x1, fc3 {}x1".format(*block_rows)}
    about["sgd"] = f"{SGD}, weight decay {DECAY} of weights"
    write_safetensors(path, tensors, {**about, "adam": str(ADAM), "smooth": "label smoothing 0.1"})


# Convolutions of the ResNet: name, inputs, outputs, stride. All 3x3, padding 1, without bias.
CONVS = (
    ("conv1", 3, 8, 1),
    ("block1.conv1", 8, 8, 1),
    ("block1.conv2", 8, 8, 1),
    ("block2.conv1", 8, 16, 2),
    ("block2.conv2", 16, 16, 1),
)


def norm_of(conv):
    return conv.replace("conv", "bn")


def resnet_forward(x, labels, state):
    """Training mode. `state` holds the running means and variances; each float32 forward pass updates it."""

    def forward(p, dtype):
        # float32: the state itself, which batch_norm updates; float64: a copy, which is dropped.
        stats = {name: value.to(dtype) for name, value in state.items()}

        def conv_norm(h, conv, stride):
            norm = norm_of(conv)
            h = F.conv2d(h, p[f"{conv}.weight"], stride=stride, padding=1)
            mean, variance = stats[f"{norm}.running_mean"], stats[f"{norm}.running_var"]
            return F.batch_norm(h, mean, variance, p[f"{norm}.weight"], p[f"{norm}.bias"], training=True)

        def block(h, name, stride, extra):
            y = F.relu(conv_norm(h, f"{name}.conv1", stride))
            y = conv_norm(y, f"{name}.conv2", 1)
            # Every stride-th pixel; zero channels before and after.
            shortcut = F.pad(h[:, :, ::stride, ::stride], (0, 0, 0, 0, extra // 2, extra - extra // 2))
            return F.relu(y + shortcut)

        h = F.relu(conv_norm(x.to(dtype), "conv1", 1))
        h = block(h, "block1", 1, 0)
        h = block(h, "block2", 2, 8)
        logits = F.linear(h.mean((2, 3)), p["fc.weight"], p["fc.bias"])
        return logits, F.cross_entropy(logits, labels)

    return forward


def resnet(path):
    torch.manual_seed(8)
    batch, classes, density = 6, 10, 0.5
    parameters, masks, state, tensors = {}, {}, {}, {}
    for conv, inputs, outputs, _ in CONVS:
        mask = block_mask(outputs, inputs * 9, 1, density)
        weight = uniform((outputs, inputs * 9), math.sqrt(6 / (density * inputs * 9))) * mask
        parameters[f"{conv}.weight"] = weight.reshape(outputs, inputs, 3, 3)
        masks[f"{conv}.weight"] = mask
        norm = norm_of(conv)
        parameters[f"{norm}.weight"], parameters[f"{norm}.bias"] = 1 + uniform((outputs,), 0.5), uniform((outputs,), 0.25)
        state[f"{norm}.running_mean"], state[f"{norm}.running_var"] = torch.zeros(outputs), torch.ones(outputs)
    parameters["fc.weight"], parameters["fc.bias"] = uniform((classes, 16), 0.5), uniform((classes,), 0.25)
    x, labels = uniform((batch, 3, 8, 8), 1.0), torch.randint(classes, (batch,))
    put(tensors, "", parameters)
    put(tensors, "mask.", {name: mask.reshape(parameters[name].shape).to(torch.int32) for name, mask in masks.items()})
    tensors["input"], tensors["labels"] = x, labels.to(torch.int32)

    def fresh():
        return {name: value.clone() for name, value in state.items()}

    stats = fresh()
    put(tensors, "", gradients(resnet_forward(x, labels, stats), parameters, masks, torch.float32))
    put(tensors, "one.", stats)
    put(tensors, "", gradients(resnet_forward(x, labels, fresh()), parameters, masks, torch.float64), ".f64")
    stats = fresh()
    forward = resnet_forward(x, labels, stats)
    put(tensors, "sgd.", train(forward, parameters, masks, lambda p: torch.optim.SGD(p.values(), **RESNET_SGD)))
    put(tensors, "sgd.after.", stats)
    about = {"model": "conv1, block1 8->8, block2 8->16 stride 2, mean, fc", "sgd": str(RESNET_SGD)}
    write_safetensors(path, tensors, {**about, "batch norm": "momentum 0.1, epsilon 1e-5, training mode"})


def top(scores, count):
    """The mask of the `count` largest scores. They stand clear of the rest: float32 ranks them as float64 does."""
    order = torch.sort(scores.flatten(), descending=True)
    if 0 < count < scores.numel():
        assert order.values[count - 1] > order.values[count] * (1 + 1e-6), "nearly a tie: choose another seed"
    mask = torch.zeros(scores.numel())
    mask[order.indices[:count]] = 1
    return mask.reshape(scores.shape)


def top_of_all(scores, count):
    """The same among the scores of all weights together."""
    flat = top(torch.cat([score.flatten() for score in scores.values()]), count)
    parts = flat.split([score.numel() for score in scores.values()])
    return {name: part.reshape(scores[name].shape) for (name, part) in zip(scores, parts)}


def cosine(fraction, step, end):
    return fraction / 2 * (1 + math.cos(math.pi * step / end))


def sparsify(path):
    """Scores of SNIP and SynFlow, and one edit of RigL, SET and GraNet, at update 4 of 40."""
    torch.manual_seed(32)
    sizes, batch, step, steps = (20, 24, 16, 5), 13, 4, 40
    parameters, tensors = {}, {}
    for i, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        parameters[f"fc{i + 1}.weight"] = uniform((outputs, inputs), math.sqrt(6 / inputs))
        parameters[f"fc{i + 1}.bias"] = uniform((outputs,), 0.25)
    weights = [name for name in parameters if name.endswith(".weight")]
    masks = {name: block_mask(*parameters[name].shape, 1, 0.6) for name in weights}
    x, labels = uniform((batch, sizes[0]), 1.0), torch.randint(sizes[-1], (batch,))
    put(tensors, "", parameters)
    put(tensors, "mask.", {name: mask.to(torch.int32) for name, mask in masks.items()})
    tensors["input"], tensors["labels"] = x, labels.to(torch.int32)
    total = sum(parameters[name].numel() for name in weights)
    double = {name: value.to(torch.float64) for name, value in parameters.items()}

    def outputs_of(h, p):
        for i in (1, 2, 3):
            h = F.linear(h, p[f"fc{i}.weight"], p[f"fc{i}.bias"])
            h = F.relu(h) if i < 3 else h
        return h

    def slopes(p, result_of):
        copies = {name: value.clone().requires_grad_() for name, value in p.items()}
        result = result_of(copies)
        result.backward()
        return result.item(), {name: copies[name].grad for name in weights}

    def loss_slopes(p):
        return slopes(p, lambda q: F.cross_entropy(outputs_of(x.double(), q), labels))[1]

    gradient = loss_slopes(double)
    put(tensors, "snip.", {name: (double[name] * gradient[name]).abs() for name in weights})

    def flow_scores(left):
        positive = {name: (value * left[name] if name in left else value).abs() for name, value in double.items()}
        ones = torch.ones(1, sizes[0], dtype=torch.float64)
        flow, gradient = slopes(positive, lambda q: outputs_of(ones, q).sum())
        return {name: positive[name] * gradient[name].abs() / flow for name in weights}

    left = {name: torch.ones_like(masks[name]) for name in weights}
    put(tensors, "synflow.", flow_scores(left))
    for round_number in range(1, 101):
        left = top_of_all(flow_scores(left), round(0.1 ** (round_number / 100) * total))
    put(tensors, "synflow.mask.", {name: mask.to(torch.int32) for name, mask in left.items()})

    sparse = {name: value * masks[name] if name in masks else value for name, value in double.items()}
    gradient = loss_slopes(sparse)

    def move(live, fraction):
        """What is left when that share of each layer is dropped by magnitude, and after as many grew by gradient."""
        kept, moved = {}, {}
        for name in weights:
            alive = int(live[name].sum())
            dropped = int(fraction * alive)
            kept[name] = top((sparse[name] * live[name]).abs(), alive - dropped)
            moved[name] = kept[name] + top(gradient[name].abs() * (1 - kept[name]), dropped)
        return kept, moved

    def put_masks(prefix, patterns):
        put(tensors, prefix, {name: mask.to(torch.int32) for name, mask in patterns.items()})

    put_masks("rigl.mask.", move(masks, cosine(0.3, step, 0.75 * steps))[1])
    put_masks("set.kept.", move(masks, 0.3)[0])
    density = 0.2 + (0.5 - 0.2) * (1 - step / (0.7 * steps)) ** 3
    magnitudes = {name: sparse[name].abs() for name in weights}
    put_masks("granet.mask.", move(top_of_all(magnitudes, round(density * total)), cosine(0.5, step, steps))[1])
    about = {"model": "mlp:20-24-16-5, relu", "edits": f"before update {step} of {steps}"}
    write_safetensors(path, tensors, {**about, "granet": "0.5 to 0.2", "synflow": "to 0.1"})


def main():
    torch.set_num_threads(1)
    mlp(HERE / "mlp.safetensors", (1, 1, 1))
    mlp(HERE / "mlp_blocks.safetensors", (4, 16, 1))
    resnet(HERE / "resnet.safetensors")
    sparsify(HERE / "sparsify.safetensors")


if __name__ == "__main__":
    main()
