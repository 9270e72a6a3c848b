#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The peer of a comparison, as a process that waits for its turn.

Prints one JSON line {"ready": true, ...} with its set-up, then answers each line of its input:
  go     runs for 5 ms to warm up, then times a burst of at least 10 ms; prints {"ms": mean of one iteration}
  memory prints {"peak_bytes": ..., "huge_page_bytes": ...}
  quit   ends (as does the end of the input)

  worker.py linear --rows 1024 --cols 1024 --batch 128 --threads 2
  worker.py conv --inputs 64 --outputs 64 --size 16 --batch 64 --threads 2
  worker.py step --model mlp:784-300-100-10 --batch 100 --optimizer adam --threads 2
"""

import argparse
import json
import os
import sys
import time

import best

# As in cli/sampling.cpp: a core that slept needs some milliseconds to get back its clock and its caches.
WARM_UP_S, SHORTEST_BURST_S = 0.005, 0.01
TRIALS_S = 1.0  # for each form, to find the fastest


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    linear = kinds.add_parser("linear")
    linear.add_argument("--rows", type=int, required=True)
    linear.add_argument("--cols", type=int, required=True)
    linear.add_argument("--products", default="all", help="all, or some of fwd,dx,dw")
    conv = kinds.add_parser("conv")
    conv.add_argument("--inputs", type=int, required=True)
    conv.add_argument("--outputs", type=int, required=True)
    conv.add_argument("--size", type=int, required=True, help="height and width of the image")
    conv.add_argument("--kernel", type=int, default=3)
    step = kinds.add_parser("step")
    step.add_argument("--model", required=True)
    step.add_argument("--optimizer", choices=("sgd", "adam"), required=True)
    step.add_argument("--bf16", action="store_true")
    for kind in (linear, conv, step):
        kind.add_argument("--batch", type=int, required=True)
        kind.add_argument("--threads", type=int, required=True)
        kind.add_argument("--form", help="skips the search for the fastest form")
    return parser.parse_args()


def burst(run, shortest_s):
    """Mean seconds of an iteration, over a burst of at least shortest_s."""
    start, iterations = time.perf_counter(), 0
    while True:
        run()
        iterations += 1
        elapsed = time.perf_counter() - start
        if elapsed >= shortest_s:
            return elapsed / iterations


def timed(run):
    burst(run, WARM_UP_S)
    return burst(run, SHORTEST_BURST_S)


def fastest(forms):
    """The form with the smallest time, tried in turns, so that a disturbance meets all of them."""
    times = {name: [] for name in forms}
    end = time.perf_counter() + TRIALS_S * len(forms)
    while time.perf_counter() < end or len(next(iter(times.values()))) < 3:
        for name, run in forms.items():
            times[name].append(timed(run))
    return min(forms, key=lambda name: min(times[name]))


def say(message):
    print(json.dumps(message), flush=True)


def main():
    args = parse()
    best.enter(args.threads)
    setup = best.check(args.threads)
    import layers
    import steps

    what, flops, forms = {"linear": layers.linear, "conv": layers.conv, "step": steps.step}[args.kind](args)
    if not args.form:
        # A fresh process, so that its peak of memory is that of the fastest form alone.
        os.execv(sys.executable, [sys.executable, *sys.argv, "--form", fastest(forms)])
    run = forms[args.form]
    run()
    say({"ready": True, "what": what, "form": args.form, "flops": flops, **setup, **best.memory()})
    for line in sys.stdin:
        order = line.strip()
        if order == "go":
            say({"ms": 1e3 * timed(run)})
        elif order == "memory":
            say(best.memory())
        elif order == "quit":
            break
        else:
            say({"error": f"unknown order '{order}'; known are go, memory and quit"})


if __name__ == "__main__":
    main()
