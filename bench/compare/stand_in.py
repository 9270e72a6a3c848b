#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A worker with known times, to check compare.py itself: every third stretch of 0.3 s is 'disturbed', and there all times
and the calibration are worse by half.

  stand_in.py --ms 2.5 ANY ARGUMENTS OF A ROW

Check that the ratio printed by this is 4.00x, although a third of the samples is disturbed:
  compare.py --rows linear-1024-0.1-1x1 --seconds 3 \\
    --ours 'bench/compare/stand_in.py --ms 2' --peer 'bench/compare/stand_in.py --ms 8'
"""

import argparse
import json
import sys
import time


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ms", type=float, required=True)
    args, _ = parser.parse_known_args()

    def factor():
        return 1.5 if int(time.time() / 0.3) % 3 == 0 else 1.0

    ready = {"ready": True, "what": "stand-in", "flops": 1e9, "cpu": "none", "isa": "none", "commit": "none"}
    ready.update({"library": "stand-in", "blas_core": "none", "aten": "none", "form": "none", "huge_page_bytes": 1, "peak_bytes": 1e6})
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        if line.strip() == "quit":
            break
        answer = {"ms": args.ms * factor()} if line.strip() == "go" else {"fma_gflops": 100 / factor(), "l2_gbytes": 100, "peak": {"fma_gflops": 100, "l2_gbytes": 100}}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
