"""Seconds an epoch takes, beside the PyTorch peer: the same counts, graph, sizes and threads,
the two sides in turn, the ratio of each pair and its spread.

    make bench            (or: .deps/venv/bin/python benches/epoch.py SPATIA PEER [--rounds 3])
"""
import argparse, importlib.util, json, statistics, subprocess, sys, tempfile
from pathlib import Path

import anndata, numpy as np, pandas as pd, scipy.sparse as sp

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("peer")
p.add_argument("--spots", type=int, default=4000)
p.add_argument("--genes", type=int, default=2000)
p.add_argument("--epochs", type=int, default=12)
p.add_argument("--rounds", type=int, default=3)
a = p.parse_args()

spec = importlib.util.spec_from_file_location("peer", a.peer)
peer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peer)
counts, xy, img = peer.synthetic(a.spots, a.genes, 1024)
counts[:, 0] += counts.sum(1) == 0  # a spot without counts is an error for Spatia


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


with tempfile.TemporaryDirectory() as folder:
    npz, h5ad = Path(folder, "data.npz"), Path(folder, "data.h5ad")
    np.savez(npz, counts=counts, xy=xy, img=img)
    names = lambda letter, n: pd.DataFrame(index=[f"{letter}{i}" for i in range(n)])
    ds = anndata.AnnData(sp.csr_matrix(counts), names("s", a.spots), names("g", a.genes))
    ds.obsm["spatial"], ds.obsm["image_features"] = xy.astype(float), img.astype(float)
    ds.write_h5ad(h5ad)
    script = Path(__file__).with_name("epoch.rhai")
    ratios = []
    print(f"{a.spots} x {a.genes}, {(counts == 0).mean():.1%} zeros, {a.epochs} epochs a run, median without the first two")
    for r in range(a.rounds):
        theirs = json.loads(run(sys.executable, a.peer, "--npz", npz, "--epochs", a.epochs))
        said = run(a.spatia, "run", script, "--data_path", h5ad, "--epochs", a.epochs)
        seconds = json.loads(next(l for l in said.splitlines() if l.startswith("seconds"))[8:])
        ours = statistics.median(seconds[2:])
        ratios.append(theirs["s_per_epoch"] / ours)
        print(f"round {r + 1}: peer {theirs['s_per_epoch']:.3f} s, spatia {ours:.3f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"peer / spatia: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
