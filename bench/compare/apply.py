#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One linear layer for one sample against ONNX Runtime at its best, in one run, interleaved, as compare.py does it.

What a call costs without work is measured beside both and taken off both: ONNX Runtime is called from JavaScript.

  apply.py                         every row, with 1 and 2 threads
  apply.py --rows 1024 --threads 1 --out rows.jsonl
  apply.py --list                  the names of the rows
"""

import json
import sys

from compare import Worker, measure, options, row_beside, summarise

SIZES = (1024, 4096)
# Name, what ours is told. Each stands beside ONNX Runtime in floats and in 8-bit integers, dense.
VARIANTS = [
    ("f32-16x1", "--arithmetic f32 --density 0.1 --block 16x1"),
    ("f32-16x4", "--arithmetic f32 --density 0.1 --block 16x4"),
    ("int8-16x1", "--arithmetic int8 --density 0.1 --block 16x1"),
    ("int8-16x4", "--arithmetic int8 --density 0.1 --block 16x4"),
    ("f32-dense", "--arithmetic f32 --density 1"),
    ("int8-dense", "--arithmetic int8 --density 1"),
]
PEERS = ("f32", "int8")

HEADER = (
    "| layer | weights x activations | threads | ours us | ONNX Runtime f32 us | int8 us | ratio to f32 | to int8 | kB, ours / dense f32 "
    "| samples kept |\n|---|---|---|---|---|---|---|---|---|---|"
)


def measure_size(args, size, variants, threads):
    shape = f"apply --rows {size} --cols {size}"
    end = f" --threads {threads}"
    workers = {name: Worker(f"{args.ours} {shape} {options}{end} --serve") for name, options in variants}
    workers["ours empty"] = Worker(f"{args.ours} {shape}{end} --empty --serve")
    for peer in PEERS:
        command = f"{args.peer} {shape} --arithmetic {peer}{end}"
        workers[f"peer {peer}"] = Worker(command)
        workers[f"peer {peer} empty"] = Worker(f"{command} --empty")
    samples, best = measure(workers, lambda: workers["ours empty"].ask("cal"), args.seconds)
    result, quiet = summarise(samples, best)
    for worker in workers.values():
        worker.close()
    ready = {name: worker.ready for name, worker in workers.items()}
    us = {name: 1000 * (side["ms"] - result[empty_of(name)]["ms"]) for name, side in result.items()}
    for name, _ in variants:
        yield {
            **row_beside(f"{size}-{name}", threads, us[name], {peer: us[f"peer {peer}"] for peer in PEERS}, ready[name], quiet),
            "sides": {side: result[side] for side in result if side == name or not side.startswith(("f32", "int8"))},
            "ours": ready[name],
            "peers": {peer: ready[f"peer {peer}"] for peer in PEERS},
            "fma_peak": best["fma_gflops"],
            "l2_peak": best["l2_gbytes"],
            "command": f"bench/compare/apply.py --rows {size}-{name} --threads {threads}",
        }


def empty_of(name):
    return name if name.endswith("empty") else f"{name} empty" if name.startswith("peer") else "ours empty"


def table_line(row):
    size, arithmetic, form = row["row"].split("-")
    kept = row["sides"][f"{arithmetic}-{form}"]
    return (
        f"| {size}x{size}, {'dense' if form == 'dense' else '10 % ' + form} | {arithmetic} x {arithmetic} | {row['threads']} | {row['us']:.2f} "
        f"| {row['peer_us']['f32']:.1f} | {row['peer_us']['int8']:.1f} | {row['ratio']['f32']:.1f}x | {row['ratio']['int8']:.1f}x "
        f"| {row['ours']['bytes'] / 1e3:.0f} / {int(size) ** 2 * 4 / 1e3:.0f} "
        f"| {kept['kept']} of {kept['all']}{'' if row['undisturbed'] else ', too few: all count'} |"
    )


def set_up_line(row):
    peers = "; ".join(f"{name}: form '{peer['form']}'" for name, peer in row["peers"].items())
    return f"{row['cpu']}; ours {row['ours'].get('isa', '?')} at {row['commit']}; {row['peers']['f32']['library']}, {peers}"


def main():
    args = options(__doc__, 30, "size", "bench/peers/ort.py").parse_args()

    words = [word for word in args.rows.split(",") if word]
    wanted = {
        size: [v for v in VARIANTS if not words or any(word in f"{size}-{v[0]}" for word in words)] for size in SIZES
    }
    if args.list:
        print("\n".join(f"{size}-{name}" for size, variants in wanted.items() for name, _ in variants))
        return
    if not any(wanted.values()):
        sys.exit(f"apply: no row's name contains '{args.rows}'; --list prints them")
    print(HEADER, flush=True)
    set_ups = []
    for threads in [int(count) for count in args.threads.split(",")]:
        for size, variants in wanted.items():
            if not variants:
                continue
            for row in measure_size(args, size, variants, threads):
                print(table_line(row), flush=True)
                if (line := set_up_line(row)) not in set_ups:
                    set_ups.append(line)
                if args.out:
                    with open(args.out, "a") as out:
                        out.write(json.dumps(row) + "\n")
    print("\n" + "\n".join(set_ups))


if __name__ == "__main__":
    main()
