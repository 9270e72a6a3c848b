# SPDX-License-Identifier: Apache-2.0
"""PyTorch on a CPU at its best.

Its stock set-up loses a factor of 3 to 15 that has nothing to do with sparsity: a reference BLAS, an OpenBLAS that takes
an unknown CPU for an old one, 4 kB pages, memory returned to the system after every step. enter() restarts the process
with everything set, as most of it is read before main(); check() refuses a process where it did not take effect.
"""

import ctypes
import os
import platform
import sys

OPENBLAS_FOLDER = f"/usr/lib/{platform.machine()}-linux-gnu/openblas-openmp"

# malloc keeps what it got, in 2 MiB pages.
GLIBC_TUNABLES = ":".join(
    f"glibc.malloc.{key}={value}"
    for key, value in (
        ("mmap_threshold", 8 << 30),
        ("trim_threshold", 8 << 30),
        ("top_pad", 256 << 20),
        ("hugetlb", 1),
    )
)

# Cores of OpenBLAS by the vector width that their kernels use; an older core on a wider CPU is a straw man.
CORES = {
    "avx512": {"SkylakeX", "Cooperlake", "Sapphirerapids"},
    "avx2": {"Haswell", "Zen", "Excavator", "SkylakeX", "Cooperlake", "Sapphirerapids"},
}

CODE_NAMES = {
    ("GenuineIntel", 6, 85): "Skylake-SP or Cascade Lake",
    ("GenuineIntel", 6, 106): "Ice Lake-SP",
    ("GenuineIntel", 6, 143): "Sapphire Rapids",
    ("GenuineIntel", 6, 173): "Granite Rapids",
    ("GenuineIntel", 6, 207): "Emerald Rapids",
    ("AuthenticAMD", 25, 1): "Zen 3",
    ("AuthenticAMD", 25, 17): "Zen 4",
    ("AuthenticAMD", 25, 160): "Zen 4c",
}


def cpu():
    """(name, vector set): the CPU as /proc/cpuinfo tells it, with the maker's code name where it is known."""
    fields = {}
    with open("/proc/cpuinfo") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            fields.setdefault(key.strip(), value.strip())
    flags = set(fields.get("flags", "").split())
    vectors = "avx512" if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags else "avx2" if "avx2" in flags else "other"
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:
        key = (fields["vendor_id"], int(fields["cpu family"]), int(fields["model"]))
        name += f", family {key[1]} model {key[2]}"
        if key in CODE_NAMES:
            name += f" ({CODE_NAMES[key]})"
    return name, vectors


def environment(threads):
    vectors = cpu()[1]
    wanted = {
        "OMP_NUM_THREADS": str(threads),
        "OMP_DYNAMIC": "false",
        "GLIBC_TUNABLES": GLIBC_TUNABLES,
        "LD_LIBRARY_PATH": OPENBLAS_FOLDER,
    }
    if vectors != "other":
        wanted["ATEN_CPU_CAPABILITY"] = vectors
        wanted["OPENBLAS_CORETYPE"] = "SkylakeX" if vectors == "avx512" else "Zen"
    return wanted


def enter(threads):
    """Restarts this process in the environment above, once."""
    wanted = environment(threads)
    if any(os.environ.get(key) != value for key, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **wanted})


def openblas():
    """The OpenBLAS that this process has loaded, as a ctypes library."""
    with open("/proc/self/maps") as lines:
        paths = sorted({line.split()[-1] for line in lines if "openblas" in line})
    for path in paths:
        library = ctypes.CDLL(path)
        if hasattr(library, "openblas_get_corename"):
            return library
    sys.exit("peer: PyTorch runs without OpenBLAS here; install libopenblas0-openmp (scripts/setup --bench)")


def check(threads):
    """What is in force, for the ready line. Exits with a sentence where the peer is not at its best."""
    import torch

    torch.set_num_threads(threads)
    # Sums that fade to denormal numbers would cost the peer a factor that no real training shows.
    torch.set_flush_denormal(True)
    name, vectors = cpu()
    library = openblas()
    library.openblas_get_corename.restype = ctypes.c_char_p
    core = library.openblas_get_corename().decode()
    if vectors in CORES and core not in CORES[vectors]:
        sys.exit(f"peer: OpenBLAS runs its {core} kernels on a CPU with {vectors}; set OPENBLAS_CORETYPE to a newer core")
    if library.openblas_get_parallel() != 2:
        sys.exit("peer: this OpenBLAS is not the OpenMP one; install libopenblas0-openmp (scripts/setup --bench)")
    capability = torch.__config__.show().split("CPU capability usage: ")[1].split("\n")[0]
    if vectors != "other" and capability.lower() != vectors:
        sys.exit(f"peer: PyTorch uses its {capability} kernels on a CPU with {vectors}; set ATEN_CPU_CAPABILITY={vectors}")
    return {
        "library": f"PyTorch {torch.__version__}",
        "blas_core": core,
        "aten": capability,
        "threads": torch.get_num_threads(),
        "cpu": name,
    }


def memory():
    """Peak bytes of this process, and bytes that lie in 2 MiB pages."""
    import resource

    with open("/proc/self/smaps_rollup") as lines:
        huge = next((int(line.split()[1]) for line in lines if line.startswith("AnonHugePages")), 0)
    return {"peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10, "huge_page_bytes": huge << 10}
