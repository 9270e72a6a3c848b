#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Trains every recipe of a study with several seeds, and prints mean and deviation.

  studies/run.py fashion-mnist                 recipes of studies/fashion-mnist, seeds 1, 2 and 3
  studies/run.py cifar10 --seeds 1 --threads 1
  studies/run.py fashion-mnist --table         only prints what is there

Each finished run is one line of studies/NAME/rows.jsonl: the account of `coppice train --json` with recipe, seed,
commit, CPU and command. A run whose line is there is not repeated, so an interrupted study goes on where it stopped.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def cpu_name():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(args, recipe, seed):
    arguments = ["train", str(recipe.relative_to(ROOT)), "--seed", str(seed), "--threads", str(args.threads)]
    out = ROOT / "runs" / "studies" / args.study / f"{recipe.stem}-{seed}"
    command = [args.coppice, *arguments, "--json", "--out", str(out.relative_to(ROOT))]
    # A run that was cut short goes on with its own recipe.
    if (out / "recipe.toml").exists():
        command = [args.coppice, "train", "--resume", str(out.relative_to(ROOT)), "--threads", str(args.threads), "--json"]
    result = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if result.returncode != 0:
        sys.exit(f"studies: '{shlex.join(command)}' ended with code {result.returncode}")
    version = subprocess.run([args.coppice, "--version"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    return {
        "recipe": recipe.stem,
        "seed": seed,
        "threads": args.threads,
        "date": datetime.date.today().isoformat(),
        "program": version,
        "cpu": cpu_name(),
        "command": shlex.join([pathlib.Path(args.coppice).name, *arguments]),
        "account": json.loads(result.stdout),
    }


def spread(values, digits):
    mean = f"{statistics.mean(values):.{digits}f}"
    return f"{mean} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else f"{mean} (one seed)"


def table(rows):
    print("| recipe | seeds | test accuracy % | seconds | processor seconds | live weights | useful TFLOP | file kB |\n|---|---|---|---|---|---|---|---|")
    for recipe in sorted({row["recipe"] for row in rows}):
        accounts = [row["account"] for row in rows if row["recipe"] == recipe]
        print(
            f"| {recipe} | {len(accounts)} | {spread([100 * a['test']['accuracy'] for a in accounts], 2)} "
            f"| {spread([a['seconds'] for a in accounts], 0)} | {spread([a['cpu_seconds'] for a in accounts], 0)} | {accounts[0]['live_weights']:,} "
            f"| {accounts[0]['useful_flop'] / 1e12:.2f} | {accounts[0]['file_bytes'] / 1000:.0f} |"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="a folder of recipes under studies/")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print the table of the rows that are there")
    parser.add_argument("--coppice", default="build/release/coppice")
    args = parser.parse_args()

    folder = ROOT / "studies" / args.study
    recipes = sorted(folder.glob("*.toml"))
    if not recipes:
        sys.exit(f"studies: no recipes in {folder.relative_to(ROOT)}")
    path = folder / "rows.jsonl"
    if not args.table:
        done = {(row["recipe"], row["seed"]) for row in rows_of(path)}
        # Seed by seed, so that an interrupted study has compared all recipes.
        for seed in [int(seed) for seed in args.seeds.split(",")]:
            for recipe in recipes:
                if (recipe.stem, seed) in done:
                    continue
                row = run(args, recipe, seed)
                with path.open("a") as out:
                    out.write(json.dumps(row) + "\n")
                accuracy, seconds = row["account"]["test"]["accuracy"], row["account"]["seconds"]
                print(f"{recipe.stem}, seed {seed}: {100 * accuracy:.2f} % in {seconds:.0f} s", file=sys.stderr)
    table(rows_of(path))


if __name__ == "__main__":
    main()
