#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Coppice against PyTorch at its best, in one run, interleaved.

On a shared machine neighbours slow a run by half for seconds, and no counter shows it. So both sides are processes that
take turns (cal, ours, cal, peer, cal, ...), where `cal` runs two short loops on all threads: multiply-adds on registers, and
reads from the L2, which a neighbour on the same core slows first. A sample counts when both calibrations around it nearly
reached the best rates seen; both sides are compared at the 20th percentile of the samples that count. Where too few do,
both are compared at the 5th percentile of all (as cli/sampling.cpp).

  compare.py                              every row, with 1 and 2 threads
  compare.py --rows linear-1024 --threads 2 --out rows.jsonl
  compare.py --list                       the names of the rows
  compare.py --table rows.jsonl           prints the newest measurement of each row that is in the file

The protocol of both sides is the one of bench/peers/worker.py; ours also answers `cal` with {"fma_gflops": x, "l2_gbytes": y,
"peak": {the best of both so far}}.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PERCENTILE, PERCENTILE_OF_ALL = 0.2, 0.05  # the second where too few samples are undisturbed
UNDISTURBED = {"fma_gflops": 0.96, "l2_gbytes": 0.93}  # of the best calibration, as cli/sampling.cpp
FEWEST = 9  # undisturbed samples that a side needs before time is up
# Threads of OpenMP spin for some milliseconds after their last work; the other side starts when they have parked.
PAUSE_S = 0.02

def sparse(block, *densities):
    return [f"--density {density} --block {block}" for density in densities]


DENSE = ["--density 1 --block 1x1"]

# Name, problem (arguments of both sides), what only ours is told, what stands beside the ratio: our own dense time for
# a layer, PyTorch's bf16 time for a step.
CASES = [
    (
        "linear-1024",
        "linear --rows 1024 --cols 1024 --batch 128",
        sparse("1x1", 0.1, 0.05) + sparse("16x1", 0.1, 0.05) + DENSE,
        "ours dense",
    ),
    (
        "linear-4096",
        "linear --rows 4096 --cols 4096 --batch 128",
        sparse("1x1", 0.1) + sparse("16x1", 0.1) + DENSE,
        "ours dense",
    ),
    (
        "linear-1024-batch-32",
        "linear --rows 1024 --cols 1024 --batch 32",
        sparse("1x1", 0.1) + sparse("16x1", 0.1) + DENSE,
        "ours dense",
    ),
    (
        "conv-64",
        "conv --inputs 64 --outputs 64 --size 16 --kernel 3 --batch 64",
        sparse("1x1", 0.1, 0.05) + sparse("16x1", 0.1) + DENSE,
        "ours dense",
    ),
    (
        "mlp-300-100",
        "step --model mlp:784-300-100-10 --batch 100 --optimizer adam",
        sparse("1x1", 0.1),
        "peer bf16",
    ),
    (
        "mlp-1024",
        "step --model mlp:784-1024-1024-1024-10 --batch 128 --optimizer adam",
        sparse("1x1", 0.1, 0.05) + sparse("16x1", 0.1, 0.05) + DENSE,
        "peer bf16",
    ),
    (
        "mlp-4096",
        "step --model mlp:3072-4096-4096-4096-10 --batch 128 --optimizer adam",
        sparse("1x1", 0.1) + sparse("16x1", 0.1),
        "peer bf16",
    ),
    (
        "resnet20",
        "step --model resnet20 --batch 128 --optimizer sgd",
        [f"{sparse('1x1', 0.1)[0]} --distribution {kind}" for kind in ("uniform", "erk")] + DENSE,
        "peer bf16",
    ),
]


class Worker:
    """A process that speaks the protocol. Its errors end the comparison with a sentence."""

    def __init__(self, command):
        self.command = command
        try:
            self.process = subprocess.Popen(
                shlex.split(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
        except OSError as error:
            sys.exit(f"compare: '{command}' cannot be started ({error.strerror}); build it with: scripts/test")
        self.ready = self.answer()
        if not self.ready.get("ready"):
            sys.exit(f"compare: '{command}' began with {self.ready}, expected a ready line")

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"compare: '{self.command}' ended with code {self.process.wait()}; run it by hand to see why")
        return json.loads(line)

    def ask(self, order):
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def percentile(values, share):
    return sorted(values)[int(share * len(values))]


def undisturbed(samples, best):
    return [ms for ms, cal in samples if all(cal[rate] >= share * best[rate] for rate, share in UNDISTURBED.items())]


def each(choose, a, b):
    return {rate: choose(a[rate], b[rate]) for rate in UNDISTURBED}


def measure(workers, calibrate, seconds):
    """Samples of all workers in turns: ({name: [(ms, weaker calibration beside it)]}, best calibration)."""
    samples = {name: [] for name in workers}
    before = calibrate()
    start = time.monotonic()
    while True:
        for name, worker in workers.items():
            ms = worker.ask("go")["ms"]
            time.sleep(PAUSE_S)
            after = calibrate()
            best = after["peak"]
            samples[name].append((ms, each(min, before, after)))
            before = after
        elapsed = time.monotonic() - start
        few = min(len(undisturbed(side, best)) for side in samples.values()) < FEWEST
        if elapsed > 3 * seconds or (elapsed > seconds and not few):
            return samples, best


def summarise(samples, best):
    """{name: {ms, kept, all}}, and whether every side had enough undisturbed samples; if not, all samples count."""
    kept = {name: undisturbed(side, best) for name, side in samples.items()}
    quiet = all(len(side) >= FEWEST for side in kept.values())
    result = {}
    for name, side in samples.items():
        counted = kept[name] if quiet else [ms for ms, _ in side]
        low = percentile(counted, PERCENTILE if quiet else PERCENTILE_OF_ALL)
        result[name] = {"ms": low, "kept": len(kept[name]), "all": len(side)}
    return result, quiet


def row_beside(name, threads, us, peers, ready, quiet):
    """What a row of one side beside several peers begins with; us: {side: microseconds}, the peers' under their names."""
    return {
        "row": name,
        "threads": threads,
        "date": datetime.date.today().isoformat(),
        "commit": ready.get("commit", "unknown"),
        "cpu": ready.get("cpu"),
        "us": us,
        "peer_us": peers,
        "ratio": {peer: theirs / us for peer, theirs in peers.items()},
        "undisturbed": quiet,
    }


def rows_of(wanted):
    """(name, problem, ours only, beside) of the rows whose name contains one of the wanted words."""
    for name, problem, variants, beside in CASES:
        for variant in variants:
            words = variant.split()
            full = "-".join([name] + words[1::2])
            if not wanted or any(word in full for word in wanted):
                yield full, problem, variant, beside if variant not in DENSE else None


def compare_row(args, peers, row, threads):
    name, problem, variant, beside = row
    end = f" --threads {threads}"
    # Rows are published: they must not depend on what was tuned here.
    ours_end = f"{end} --cost-table default --serve"
    ours = Worker(f"{args.ours} {problem} {variant}{ours_end}")
    workers = {"ours": ours, "peer": peer_for(peers, f"{args.peer} {problem}{end}")}
    if beside == "ours dense":
        workers[beside] = Worker(f"{args.ours} {problem} {DENSE[0]}{ours_end}")
    elif beside == "peer bf16":
        workers[beside] = peer_for(peers, f"{args.peer} {problem} --bf16{end}")
    samples, best = measure(workers, lambda: ours.ask("cal"), args.seconds)
    result, quiet = summarise(samples, best)
    for side, worker in workers.items():
        if not side.startswith("peer"):
            worker.close()
    peer = workers["peer"]
    return {
        "row": name,
        "threads": threads,
        "date": datetime.date.today().isoformat(),
        "commit": ours.ready.get("commit", "unknown"),
        "cpu": peer.ready["cpu"],
        "ratio": result["peer"]["ms"] / result["ours"]["ms"],
        "gflops": ours.ready["flops"] / result["ours"]["ms"] / 1e6,
        "peer_gflops": peer.ready["flops"] / result["peer"]["ms"] / 1e6,
        "fma_peak": best["fma_gflops"],
        "l2_peak": best["l2_gbytes"],
        "undisturbed": quiet,
        "sides": result,
        "ours": ours.ready,
        "peer": peer.ready,
        "commands": {side: worker.command for side, worker in workers.items()},
        "command": f"bench/compare/compare.py --rows {name} --threads {threads}",
    }


def peer_for(peers, command):
    """Peers serve many rows and take seconds to find their fastest form, so they stay."""
    if command not in peers:
        peers[command] = Worker(command)
    return peers[command]


HEADER = (
    "| what | threads | ours ms | PyTorch ms | ratio | GFLOP/s on live weights (of FMA peak) | PyTorch GFLOP/s "
    "| peak MB, ours / PyTorch | beside | samples kept |\n|---|---|---|---|---|---|---|---|---|---|"
)


def table_line(row):
    sides = row["sides"]
    beside = "; ".join(f"{name} {side['ms']:.3g} ms" for name, side in sides.items() if name not in ("ours", "peer"))
    kept = " / ".join(f"{side['kept']} of {side['all']}" for side in sides.values())
    memory = " / ".join(f"{row[side].get('peak_bytes', 0) / 1e6:.0f}" for side in ("ours", "peer"))
    return (
        f"| {row['row']} | {row['threads']} | {sides['ours']['ms']:.3f} | {sides['peer']['ms']:.3f} "
        f"| {row['ratio']:.2f}x | {row['gflops']:.1f} ({100 * row['gflops'] / row['fma_peak']:.0f} %) "
        f"| {row['peer_gflops']:.1f} | {memory} | {beside} | {kept}{'' if row['undisturbed'] else ', too few: all count'} |"
    )


def set_up_line(row):
    ours, peer = row["ours"], row["peer"]
    pages = "in 2 MiB pages" if peer.get("huge_page_bytes") else "WITHOUT 2 MiB pages"
    return (
        f"{row['cpu']}; ours {ours.get('isa', '?')} at {row['commit']}; {peer['library']}, OpenBLAS core "
        f"{peer['blas_core']}, ATen {peer['aten']}, {pages}, form '{peer['form']}'; FMA peak {row['fma_peak']:.0f} GFLOP/s"
    )


def print_tables(results):
    """The newest of each row, in the order of CASES."""
    newest = {(result["row"], result["threads"]): result for result in results}
    names = [name for name, *_ in rows_of([])]
    chosen = sorted((key for key in newest if key[0] in names), key=lambda key: (names.index(key[0]), key[1]))
    print(HEADER)
    for key in chosen:
        print(table_line(newest[key]))
    print("\n" + "\n".join(dict.fromkeys(set_up_line(newest[key]) for key in chosen)))


def options(text, seconds, unit, peer):
    """What every comparison can be told; it takes so many seconds for each unit."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="", help="words, separated by commas; rows whose name contains one of them")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument(
        "--seconds", type=float, default=seconds, help=f"for each {unit}; up to three times that when disturbed"
    )
    parser.add_argument("--out", help="appends one JSON line for each row")
    parser.add_argument("--list", action="store_true", help="prints the names of the rows")
    parser.add_argument("--ours", default="build/release/coppice bench", help="command before the arguments of a row")
    parser.add_argument("--peer", default=peer, help="command before the arguments of a row")
    return parser


def main():
    parser = options(__doc__, 15, "row", "bench/peers/worker.py")
    parser.add_argument("--table", help="prints rows that --out has written, and measures nothing")
    args = parser.parse_args()

    if args.table:
        print_tables([json.loads(line) for line in pathlib.Path(args.table).read_text().splitlines()])
        return
    rows = list(rows_of([word for word in args.rows.split(",") if word]))
    if args.list:
        print("\n".join(name for name, *_ in rows))
        return
    if not rows:
        sys.exit(f"compare: no row's name contains '{args.rows}'; --list prints them")
    print(HEADER, flush=True)
    set_ups = []
    for threads in [int(count) for count in args.threads.split(",")]:
        peers = {}
        for row in rows:
            result = compare_row(args, peers, row, threads)
            print(table_line(result), flush=True)
            if (line := set_up_line(result)) not in set_ups:
                set_ups.append(line)
            if args.out:
                with open(args.out, "a") as out:
                    out.write(json.dumps(result) + "\n")
        for peer in peers.values():
            peer.close()
    print("\n" + "\n".join(set_ups))


if __name__ == "__main__":
    main()
