#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The protocol of `coppice life` once more, in PyTorch and with its random numbers: how many of so many
networks learn it. All are trained side by side; the loss counts neighbourhoods on boards drawn for each.

    studies/life/control.py --networks 256 --width 1 --density 0
"""
import argparse
import math

import torch


def neighbourhoods():
    index = torch.arange(512)
    cells = torch.stack([(index >> i) & 1 for i in range(9)], 1).float()
    around = cells.sum(1) - cells[:, 4]
    return cells, ((around == 3) | ((cells[:, 4] > 0) & (around == 2))).float()


def first_values(networks, width):
    def uniform(fan_in, *dims):
        return ((torch.rand(networks, *dims) * 2 - 1) / math.sqrt(fan_in)).requires_grad_()

    return [uniform(fan_in, *dims)
            for fan_in, outputs in ((9, 2 * width), (2 * width, width), (width, 1))
            for dims in ((fan_in, outputs), (1, outputs))]


def logits(values, cells):
    x = torch.relu(cells @ values[0] + values[1])
    x = torch.relu(x @ values[2] + values[3])
    return (x @ values[4] + values[5])[:, :, 0]


def shares(networks, density):
    """How often each neighbourhood occurs on 8 boards of 32 x 32 cells, for each network."""
    densities = torch.rand(networks, 8, 1, 1) if density == 0 else torch.full((networks, 8, 1, 1), density)
    boards = (torch.rand(networks, 8, 32, 32) < densities).int()
    index = torch.zeros_like(boards)
    for cell in range(9):
        index += torch.roll(boards, (1 - cell // 3, 1 - cell % 3), (2, 3)) << cell
    index = index.long() + 512 * torch.arange(networks).view(-1, 1, 1, 1)
    return torch.bincount(index.view(-1), minlength=512 * networks).view(networks, 512).float() / 8192


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--networks", type=int, default=256)
    arguments.add_argument("--width", type=int, default=1)
    arguments.add_argument("--density", type=float, default=0, help="0: drawn for each board")
    arguments.add_argument("--updates", type=int, default=10000)
    arguments.add_argument("--seed", type=int, default=1)
    args = arguments.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    cells, truth = neighbourhoods()
    values = first_values(args.networks, args.width)
    optimizer = torch.optim.Adam(values, lr=1e-3)
    learnt = torch.zeros(args.networks, dtype=torch.bool)
    target = truth.expand(args.networks, 512)
    for update in range(1, args.updates + 1):
        losses = torch.nn.functional.binary_cross_entropy_with_logits(logits(values, cells), target,
                                                                      reduction="none")
        optimizer.zero_grad()
        (losses * shares(args.networks, args.density)).sum().backward()
        optimizer.step()
        if update % 250 == 0:
            with torch.no_grad():
                learnt |= ((logits(values, cells) > 0) == (truth > 0)).all(1)
            print(f"{update:6} updates: {int(learnt.sum())} of {args.networks}", flush=True)


if __name__ == "__main__":
    main()
