#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Packed networks against ONNX Runtime at its best, in one run, interleaved, as compare.py does it. One sample at a time, or
with --batch a few of them at once; what a call costs is part of both sides' time.

Both sides run the same network: of a run it packs three files, one for each arithmetic, and exports two for ONNX Runtime,
in floats (batch norm folded by its optimiser) and in 8-bit integers (QDQ). Each row names the accuracy of its packed file.

  packed.py runs/resnet20-pruned                      1 and 2 threads
  packed.py runs/mlp runs/cnn --threads 1 --out rows.jsonl
  packed.py runs/mlp --no-judge --rows int8           networks without data: accuracy unknown; rows by name
  packed.py runs/mlp --batch 16 --batch 64            so many samples at once
  packed.py runs/cnn --runs 100000                    also single runs of all sides in turn, by the thousand: p50 and p99.9
"""

import json
import pathlib
import shlex
import subprocess
import sys
import tempfile

from compare import Worker, measure, options, percentile, row_beside, summarise

RUNS_IN_TURN = 1000

ARITHMETICS = ("float", "weights8", "int8")
PEERS = {"f32": "", "int8": "--int8"}

HEADER = (
    "| network | arithmetic | accuracy | batch | threads | ours us | ONNX Runtime f32 us | int8 us | ratio to f32 | to int8 "
    "| file kB | memory kB | load ms, ours / ONNX Runtime | samples kept |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def program(args, command):
    words = shlex.split(args.ours)[:1] + shlex.split(command)
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"packed: {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def pack(args, run, batch, folder):
    """{arithmetic: (file, what pack said)}"""
    tiles = f"--batch {batch}" if batch > 1 else ""
    packed = {}
    for arithmetic in args.arithmetics:
        file = folder / f"{arithmetic}.cpk"
        judge = "--no-judge" if args.no_judge else ""
        said = program(args, f"pack {run} -o {file} --arithmetic {arithmetic} {tiles} {judge} --json")
        packed[arithmetic] = (file, json.loads(said))
    return packed


def tails(workers, runs):
    """{name: {p50, p99.9, max}} in microseconds of so many runs of each, by turns of a thousand."""
    us = {name: [] for name in workers}
    while runs > 0:
        for name, worker in workers.items():
            us[name] += worker.ask(f"each {min(runs, RUNS_IN_TURN)}")["us"]
        runs -= RUNS_IN_TURN
    return {
        name: {"p50": percentile(times, 0.5), "p99.9": percentile(times, 0.999), "max": max(times)}
        for name, times in us.items()
        if times
    }


def tails_line(row):
    return f"{row['row']}, {row['threads']} thread(s), p50 / p99.9 / max us of {row['runs']} runs: " + "; ".join(
        f"{name} {side['p50']:.1f} / {side['p99.9']:.1f} / {side['max']:.0f}" for name, side in row["tails"].items()
    )


def measure_run(args, run, batch, threads):
    with tempfile.TemporaryDirectory(prefix="coppice-packed-") as place:
        folder = pathlib.Path(place)
        packed = pack(args, run, batch, folder)
        workers = {
            name: Worker(f"{args.ours} run {file} --threads {threads} --batch {batch} --serve")
            for name, (file, _) in packed.items()
        }
        for peer, flags in PEERS.items():
            file = folder / f"{peer}.onnx"
            program(args, f"export {run} --to {file} {flags}")
            workers[f"peer {peer}"] = Worker(f"{args.peer} {file} --threads {threads} --batch {batch}")
        first = next(iter(packed))
        samples, best = measure(workers, lambda: workers[first].ask("cal"), args.seconds)
        result, quiet = summarise(samples, best)
        tail = tails(workers, args.runs_one_by_one)
        ready = {name: worker.ready for name, worker in workers.items()}
        for worker in workers.values():
            worker.close()
    us = {name: 1000 * side["ms"] for name, side in result.items()}
    for name, (_, said) in packed.items():
        yield {
            **row_beside(f"{pathlib.Path(run).name}-{name}", threads, us[name], {peer: us[f"peer {peer}"] for peer in PEERS}, ready[name], quiet),
            "batch": batch,
            "kept": result[name],
            "runs": args.runs_one_by_one,
            "tails": {side: tail[side] for side in tail if side == name or side.startswith("peer")},
            "before": said.get("before"),
            "after": said.get("after"),
            "live_weights": said["live_weights"],
            "total_weights": said["total_weights"],
            "ours": ready[name],
            "peer": ready["peer f32"],
            "command": f"bench/compare/packed.py {run} --threads {threads}" + (f" --batch {batch}" if batch > 1 else ""),
        }


def accuracy_text(row):
    if not row["after"]:
        return "unknown"
    name, after = next(iter(row["after"].items()))
    before = row["before"][name]["value"]
    share = name in ("accuracy", "exact", "top5")
    return f"{100 * after['value']:.2f} % (was {100 * before:.2f})" if share else f"{name} {after['value']:.4g}"


def table_line(row):
    density = 100 * row["live_weights"] / row["total_weights"]
    kept = row["kept"]
    return (
        f"| {row['row'].rsplit('-', 1)[0]}, {density:.1f} % | {row['row'].rsplit('-', 1)[1]} | {accuracy_text(row)} | {row['batch']} | {row['threads']} "
        f"| {row['us']:.1f} | {row['peer_us']['f32']:.1f} | {row['peer_us']['int8']:.1f} | {row['ratio']['f32']:.1f}x "
        f"| {row['ratio']['int8']:.1f}x | {row['ours']['bytes'] / 1e3:.0f} | {row['ours']['session_bytes'] / 1e3:.0f} "
        f"| {row['ours']['load_ms']:.2f} / {row['peer']['load_ms']:.0f} "
        f"| {kept['kept']} of {kept['all']}{'' if row['undisturbed'] else ', too few: all count'} |"
    )


def main():
    parser = options(__doc__, 30, "network", "node bench/peers/time_onnx.js")
    parser.add_argument("runs", nargs="+", help="run directories")
    parser.add_argument(
        "--runs", type=int, default=0, dest="runs_one_by_one", help="so many single runs of each side: p50, p99.9, max"
    )
    parser.add_argument("--batch", type=int, action="append", help="samples at once; may be repeated (1)")
    parser.add_argument("--no-judge", action="store_true", help="do not say how accurate the packed files are")
    args = parser.parse_args()
    words = [word for word in args.rows.split(",") if word]
    args.arithmetics = [a for a in ARITHMETICS if not words or any(word in a for word in words)]
    if not args.arithmetics:
        sys.exit(f"packed: no arithmetic contains '{args.rows}'; there are {', '.join(ARITHMETICS)}")
    if args.list:
        print("\n".join(f"{pathlib.Path(run).name}-{a}" for run in args.runs for a in args.arithmetics))
        return
    print(HEADER, flush=True)
    set_ups = []
    for threads in [int(count) for count in args.threads.split(",")]:
        for run, batch in [(run, batch) for run in args.runs for batch in args.batch or [1]]:
            for row in measure_run(args, run, batch, threads):
                print(table_line(row), flush=True)
                if row["runs"]:
                    print(tails_line(row), flush=True)
                line = f"{row['cpu']}; ours {row['ours'].get('isa', '?')} at {row['commit']}; {row['peer']['library']}"
                if line not in set_ups:
                    set_ups.append(line)
                if args.out:
                    with open(args.out, "a") as out:
                        out.write(json.dumps(row) + "\n")
    print("\n" + "\n".join(set_ups))


if __name__ == "__main__":
    main()
