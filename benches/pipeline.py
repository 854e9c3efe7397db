"""Seconds from files to components beside scanpy and anndata: the same files, the two sides in
turn, the quickest of some repeats a round, the ratio of each round and its spread.

    make bench      (or: .deps/venv/bin/python benches/pipeline.py SPATIA DATA [--rounds 3])

Imports are not counted on either side and said apart. Where scanpy lacks a step (no scikit-misc)
only Spatia's seconds stand. Positions of the Xenium cells are drawn, because the tests' Python
reads no parquet; both sides get the same.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time
from pathlib import Path

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("data")
p.add_argument("--rounds", type=int, default=3)
p.add_argument("--repeats", type=int, default=3)
p.add_argument("--only", help="a part of the name of the one sample to run")
a = p.parse_args()
here = Path(__file__).parent
SAMPLES = {
    "dlpfc/151673, 3639 x 8474": "dlpfc/151673/filtered_feature_bc_matrix.h5",
    "xenium_bone_marrow, 84518 x 477": "xenium_bone_marrow/cell_feature_matrix.h5",
}


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{command} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def prepare(tenx, h5ad):
    """The counts of the genes, with positions, as both sides will read them."""
    import numpy as np, scanpy as sc

    ds = sc.read_10x_h5(tenx)
    ds.var_names_make_unique()
    if (folder := tenx.parent / "spatial").is_dir():
        import pandas as pd

        at = pd.read_csv(folder / "tissue_positions_list.csv", header=None, index_col=0)
        xy = at.loc[ds.obs_names, [5, 4]].to_numpy(float)
    else:
        xy = np.random.default_rng(0).uniform(0, 10 * ds.n_obs**0.5, (ds.n_obs, 2))
    ds.obsm["spatial"] = xy
    ds.write_h5ad(h5ad, compression="gzip")
    return min(300, ds.n_vars)


print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} before the first round")
for title, path in SAMPLES.items():
    if a.only and a.only not in title:
        continue
    with tempfile.TemporaryDirectory() as folder:
        tenx, h5ad = Path(a.data, path), Path(folder, "counts.h5ad")
        genes = prepare(tenx, h5ad)
        ours, theirs, imports = {}, {}, []
        for _ in range(a.rounds):
            said = run(sys.executable, here / "pipeline_scanpy.py", tenx, h5ad, folder, a.repeats, genes)
            peer = json.loads(said.splitlines()[-1])
            imports.append(peer["imports"])
            for step, seconds in peer["steps"].items():
                theirs.setdefault(step, []).append(seconds)
            said = run(a.spatia, "run", here / "pipeline.rhai", "--tenx", tenx, "--h5ad", h5ad,
                       "--folder", folder, "--repeats", a.repeats, "--genes", genes)
            line = next(l for l in said.splitlines() if l.startswith("seconds"))
            for step, seconds in json.loads(line[8:]).items():
                ours.setdefault(step, []).append(seconds)
        start = time.perf_counter()
        run(a.spatia, "--version")
        print(f"\n{title}: imports {statistics.median(imports):.1f} s, start of spatia {time.perf_counter() - start:.1f} s, {a.rounds} rounds")
        print(f"{'step':<20}{'scanpy s':>10}{'spatia s':>10}{'ratio':>8}   from  to")
        for step in ours:
            mine = statistics.median(ours[step])
            if step not in theirs:
                print(f"{step:<20}{'-':>10}{mine:>10.4f}")
                continue
            ratios = [t / o for t, o in zip(theirs[step], ours[step])]
            print(f"{step:<20}{statistics.median(theirs[step]):>10.4f}{mine:>10.4f}{statistics.median(ratios):>8.1f}   {min(ratios):.1f}  {max(ratios):.1f}")
