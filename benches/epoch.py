"""Seconds an epoch takes, beside the PyTorch peer: the same counts, graph, sizes and threads,
the two sides in turn, the ratio of each pair and its spread.

    make bench            (or: .deps/venv/bin/python benches/epoch.py SPATIA PEER [--rounds 3] [--device cuda])
"""
import argparse, importlib.util, json, statistics, subprocess, sys, tempfile
from pathlib import Path

import numpy as np

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("peer")
p.add_argument("--spots", type=int, default=4000)
p.add_argument("--genes", type=int, default=2000)
p.add_argument("--epochs", type=int, default=12)
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--device", default="cpu", help="of both sides")
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
    for_peer, for_us = Path(folder, "peer.npz"), Path(folder, "spatia.npz")
    np.savez(for_peer, counts=counts, xy=xy, img=img)
    np.savez(for_us, X=counts, spatial=xy, image_features=img)
    script = Path(__file__).with_name("epoch.rhai")
    ratios = []
    print(f"{a.spots} x {a.genes}, {(counts == 0).mean():.1%} zeros, {a.epochs} epochs a run on {a.device}, median without the first two")
    for r in range(a.rounds):
        theirs = json.loads(run(sys.executable, a.peer, "--npz", for_peer, "--epochs", a.epochs, "--device", a.device))
        said = run(a.spatia, "run", script, "--data_path", for_us, "--epochs", a.epochs, "--device", a.device)
        seconds = json.loads(next(l for l in said.splitlines() if l.startswith("seconds"))[8:])
        ours = statistics.median(seconds[2:])
        ratios.append(theirs["s_per_epoch"] / ours)
        print(f"round {r + 1}: peer {theirs['s_per_epoch']:.3f} s, spatia {ours:.3f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"peer / spatia: median {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}")
