"""Peak memory from a file of counts to 50 components, against the bytes of the counts themselves.

    .deps/venv/bin/python benches/lean.py SPATIA [--spots 200000] [--genes 20000] [--density 0.05]

The file is written block by block, so that this side never holds it. The claim: under 2.5 times
the bytes of the sparse matrix (u32 columns, f32 values, usize row ends).
"""
import argparse, os, subprocess, sys, tempfile, time
from pathlib import Path

import h5py, numpy as np

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("--spots", type=int, default=200_000)
p.add_argument("--genes", type=int, default=20_000)
p.add_argument("--density", type=float, default=0.05)
p.add_argument("--folder", help="where the file goes; 0.6 GB at full size")
p.add_argument("--most", type=float, default=2.5)
a = p.parse_args()


def make(path):
    """Counts with a few programs of genes in them, gzip as anndata writes them."""
    rng = np.random.default_rng(0)
    per_row = int(a.genes * a.density)
    nnz = a.spots * per_row
    programs = [rng.permutation(a.genes) for _ in range(20)]
    with h5py.File(path, "w") as f:
        f.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = f.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [a.spots, a.genes]})
        options = dict(chunks=(1 << 16,), compression="gzip", compression_opts=1)
        data = x.create_dataset("data", (nnz,), "f4", **options)
        indices = x.create_dataset("indices", (nnz,), "i4", **options)
        x.create_dataset("indptr", data=np.arange(a.spots + 1, dtype=np.int64) * per_row)
        rows = max(1, (1 << 22) // per_row)
        for first in range(0, a.spots, rows):
            n = min(rows, a.spots - first)
            # Half of a spot's genes from its program, the rest from anywhere; each gene once.
            cols = np.empty((n, per_row), np.int32)
            for i in range(n):
                mine = programs[(first + i) % 20][: 2 * per_row]
                c = np.unique(np.concatenate([rng.choice(mine, per_row // 2), rng.integers(0, a.genes, per_row)]))
                while len(c) < per_row:
                    c = np.unique(np.concatenate([c, rng.integers(0, a.genes, per_row)]))
                cols[i] = np.sort(rng.choice(c, per_row, replace=False))
            at = slice(first * per_row, (first + n) * per_row)
            indices[at] = cols.ravel()
            data[at] = rng.geometric(0.6, n * per_row).astype("f4")
        for name, letter, n in (("obs", "s", a.spots), ("var", "g", a.genes)):
            g = f.create_group(name)
            g.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            g.attrs["column-order"] = np.array([], dtype=h5py.string_dtype())
            d = g.create_dataset("_index", data=np.array([f"{letter}{i}" for i in range(n)], dtype=object), dtype=h5py.string_dtype())
            d.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})
        for name in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
            f.create_group(name).attrs.update({"encoding-type": "dict", "encoding-version": "0.1.0"})
    return nnz * 8 + (a.spots + 1) * 8


def peak_of(command):
    """Output and VmHWM of a process, read until it ends."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    peak = 0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max([peak] + [int(l.split()[1]) * 1024 for l in status.splitlines() if l.startswith("VmHWM")])
        except (OSError, IndexError):
            pass
        time.sleep(0.02)
    return process.stdout.read(), process.returncode, peak


with tempfile.TemporaryDirectory(dir=a.folder) as folder:
    path = Path(folder, "counts.h5ad")
    start = time.perf_counter()
    size = make(path)
    print(f"{a.spots} x {a.genes}, {a.density:.1%} filled: {size / 1e9:.2f} GB as CSR, {path.stat().st_size / 1e9:.2f} GB in the file, made in {time.perf_counter() - start:.0f} s", flush=True)
    idle = peak_of([a.spatia, "--version"])[2]
    script = Path(__file__).with_name("lean.rhai")
    said, code, peak = peak_of([a.spatia, "run", str(script), "--data_path", str(path)])
    print(said)
    if code:
        sys.exit(f"spatia ended with {code}")
    print(f"peak {peak / 1e9:.2f} GB, {peak / size:.2f} times the CSR (the program alone: {idle / 1e9:.2f} GB)")
    if peak > a.most * size:
        sys.exit(f"more than {a.most} times")
