"""Interrupts at random moments of every kind of work: how long until the cell's reply, and what is left after.

    make bench      (or: .deps/venv/bin/python benches/interrupt.py SPATIA [--times 100] [--times-each 5])

Two parts, `--only jobs` and `--only training` run one. The first has a table with a row for each kind of
work on 100,000 spots x 2,000 genes (a network: 4,000 x 2,000; a picture: 10,000 x 10,000 px). Each is run
once to its end; then it is interrupted at moments drawn evenly from that time (5 s for what has no end), by
message and by SIGINT in turn, and everything that was defined before is read and must be what it was.
In the second a training goes on from its last checkpoint each time and is interrupted within the time of
three epochs. At the end it runs to its end, and must have the epochs that it was asked for.
Fails where a reply took longer than the goal, or anything was lost.
"""
import argparse, contextlib, os, random, statistics, sys, time
from pathlib import Path
from queue import Empty

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/python"))
from kernels import Kernel, home

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("--only", choices=["jobs", "training"])
p.add_argument("--times", type=int, default=100, help="interrupts of the training")
p.add_argument("--times-each", type=int, default=5, help="interrupts of each other kind of work")
p.add_argument("--kind", help="only the kinds of work whose name has this in it")
p.add_argument("--spots", type=int, default=4000)
p.add_argument("--genes", type=int, default=2000)
p.add_argument("--large", type=int, nargs=2, default=[100_000, 2000], help="spots and genes of the table")
p.add_argument("--seed", type=int, default=1)
p.add_argument("--device", default="cpu", help="of the training")
p.add_argument("--each", action="store_true", help="say when each interrupt came and how long it took")
p.add_argument("--goal", type=float, default=0.5, help="seconds")
a = p.parse_args()
draw = random.Random(a.seed)
LONG = 900
# What Rust cells are compiled by stays where it is; the kernel gets a home of its own.
for name, folder in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")]:
    os.environ.setdefault(name, str(Path.home() / folder))

SETUP = f"""
let ds = sim::tissue(#{{ spots: {a.large[0]}, genes: {a.large[1]}, seed: 1 }})
let kept = "what was there before"
let normal = ds.copy().normalize()
let logs = normal.copy().log1p()
let g = graph::knn(ds)
let points = ds.obsm["image_features"]
let table = ds.obs.table()
let marked = logs.copy().select_hvg(#{{ flavor: "seurat", n_top: 500, subset: false }})
let small = sim::tissue(#{{ spots: {a.spots}, genes: {a.genes}, seed: 1 }})
let small_g = models::prepare(small)
let model = models::gvae(small, #{{ seed: 1, device: "cpu" }})
"""
# What was defined before, and in which state it was.
STATE = """`${kept} ${ds.n_obs} ${ds.n_vars} ${ds.layers.names()} ${ds.obs.names()} ${normal.n_vars} ${normal.var.names()} \
${logs.n_vars} ${logs.uns["log1p"]} ${marked.obsm.names()} ${marked.n_vars} ${g.n_edges} ${small.n_obs} ${model.epoch} ${table.len()}`"""


def kinds(folder):
    """Names of kinds of work, and a cell that does it. Copies share their arrays until they change."""
    picture = f"{folder}/picture.png"
    make_picture(picture)
    return [
        ("qc", "ds.copy().qc();"),
        ("filter", "ds.copy().filter(#{ min_counts: 10, min_spots: 10, max_spots: 90000 });"),
        ("select", "ds.copy().select(\"purity > 0.5\");"),
        ("normalize", "ds.copy().normalize();"),
        ("normalize_total", "ds.copy().normalize_total(#{ exclude_highly_expressed: true });"),
        ("log1p", "normal.copy().log1p();"),
        ("scale", "logs.copy().scale();"),
        ("HVG seurat_v3", "ds.copy().select_hvg(#{ n_top: 500 });"),
        ("HVG seurat", "logs.copy().select_hvg(#{ n_top: 500, flavor: \"seurat\" });"),
        ("HVG cell_ranger", "logs.copy().select_hvg(#{ n_top: 500, flavor: \"cell_ranger\" });"),
        ("HVG by sample", "ds.copy().select_hvg(#{ n_top: 500, batch_key: \"domain_true\" });"),
        ("PCA exact", "logs.copy().pca();"),
        ("PCA exact, scaled", "logs.copy().pca(#{ scale: true });"),
        ("PCA randomized", "logs.copy().pca(#{ solver: \"randomized\" });"),
        ("score_genes", "logs.copy().score_genes(logs.var.index().extract(0, 50));"),
        ("graph knn", "graph::knn(ds, #{ k: 15 });"),
        ("graph radius", "graph::radius(ds, #{ radius_um: 300 });"),
        ("graph delaunay", "graph::delaunay(ds);"),
        ("k-means", "cluster::kmeans(points, 12);"),
        ("GMM", "cluster::gmm(points, 12);"),
        ("moran", "g.moran(logs);"),
        ("neighbour means", "g.smooth(points);"),
        ("table filter", "table.filter(\"purity > 0.5 AND domain_true <> 'D1'\");"),
        ("table group", "for i in 0..20 { table.group(\"domain_true\", \"median(purity) AS m\") };"),
        ("table sort", "for i in 0..20 { table.sort(\"purity\") };"),
        ("concat", "data::concat([ds, ds]);"),
        ("prepare", "models::prepare(ds.copy(), #{ highly_variable_genes: 500 });"),
        ("model.extract", "for i in 0..3 { model.extract(small, small_g) };"),
        ("models::gvae", "for i in 0..30 { models::gvae(small, #{ seed: 2, device: \"cpu\" }) };"),
        ("plot png", f"plot::spatial(ds, \"purity\").save(\"{folder}/map.png\");"),
        ("plot svg", f"plot::spatial(ds, \"purity\").save(\"{folder}/map.svg\");"),
        ("plot in a cell", "plot::spatial(ds, \"purity\")"),
        ("picture thumbnail", f"image::open(\"{picture}\").thumbnail(800);"),
        ("write h5ad", f"logs.write(\"{folder}/logs.h5ad\");"),
        ("read h5ad", f"data::read(\"{folder}/logs.h5ad\");"),
        ("Rust code", "%%rust\nlet start = std::time::Instant::now();\nwhile start.elapsed().as_secs() < 3 {}"),
        ("hand to Rust", "%%rust -i ds\nlet spots = ds.x.shape.0;"),
        ("sim::tissue", f"sim::tissue(#{{ spots: {a.large[0]}, genes: {a.large[1]}, seed: 2 }});"),
        ("print for ever", "let line = \"\"; line.pad(10000, \"x\"); loop { print(line) }"),
        ("display for ever", "let figure = plot::spatial(ds, \"purity\"); loop { display(figure) }"),
    ]


def make_picture(path):
    """A png of 10,000 x 10,000 px that takes about as long to decode as a scan."""
    import numpy as np
    from PIL import Image
    tile = np.random.default_rng(1).integers(90, 250, (500, 500, 3), dtype=np.uint8)
    Image.MAX_IMAGE_PIXELS = None
    Image.fromarray(np.tile(tile, (20, 20, 1))).save(path, compress_level=1)


def must(ran):
    if not ran.ok:
        sys.exit(f"a cell failed:\n{ran.error}")
    return ran


def run(kernel, code):
    return must(kernel.finish(kernel.start(code), seconds=LONG))


def interrupt(kernel, asked, by_message):
    """Seconds until the reply."""
    start = time.perf_counter()
    kernel.manager.interrupt_kernel() if by_message else kernel.manager.signal_kernel(2)
    ran = kernel.finish(asked, seconds=LONG)
    return ran.replied - start, ran


def read(kernel, seconds):
    """Reads what a cell without an end says, as front ends do."""
    until = time.perf_counter() + seconds
    while (left := until - time.perf_counter()) > 0:
        with contextlib.suppress(Empty):
            kernel.client.get_iopub_msg(timeout=left)


def was_interrupted(ran):
    return not ran.ok and "nterrupt" in ran.content["ename"] + ran.content["evalue"] + (ran.error or "")


def jobs():
    """The table; whether all kept to the goal."""
    slow = []
    with home(a.spatia) as folder, Kernel() as kernel:
        start = time.perf_counter()
        run(kernel, SETUP)
        before = run(kernel, STATE).result
        print(f"{a.large[0]} spots x {a.large[1]} genes ready in {time.perf_counter() - start:.0f} s, {os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}")
        print("\n| work | alone, s | interrupted | median ms | max ms | reading after, max ms |\n|---|---|---|---|---|---|", flush=True)
        for name, code in kinds(folder):
            # What is read must have been written.
            if a.kind and a.kind not in name and not (name == "write h5ad" and "read" in a.kind):
                continue
            if code.startswith("%%rust"):
                run(kernel, code)  # compiles its crates
            endless = "for ever" in name
            start = time.perf_counter()
            if not endless:
                run(kernel, code)
            alone = 5 if endless else time.perf_counter() - start
            took, after = [], []
            for i in range(a.times_each):
                moment = draw.uniform(0, 0.95 * alone)
                asked = kernel.start(code)
                read(kernel, moment) if endless else time.sleep(moment)
                seconds, ran = interrupt(kernel, asked, i % 2 == 0)
                if not ran.ok and not was_interrupted(ran):
                    sys.exit(f"{name}, interrupted after {moment:.2f} s, failed otherwise:\n{ran.error}")
                if a.each:
                    print(f"  {name} at {moment:.2f} s: {seconds * 1000:.0f} ms, {'interrupted' if not ran.ok else 'had ended'}", flush=True)
                if not ran.ok:
                    took.append(seconds * 1000)
                else:
                    # The interrupt met no cell; it must not meet the next.
                    time.sleep(0.2)
                start = time.perf_counter()
                now = run(kernel, STATE).result
                after.append((time.perf_counter() - start) * 1000)
                if now != before:
                    sys.exit(f"after an interrupt of {name} at {moment:.2f} s:\n{now}\nbefore:\n{before}")
            median, most = (f"{statistics.median(took):.0f}", f"{max(took):.0f}") if took else ("-", "-")
            print(f"| {name} | {'-' if endless else f'{alone:.2f}'} | {len(took)} of {a.times_each} | {median} | {most} | {max(after):.0f} |", flush=True)
            if took and max(took) > a.goal * 1000:
                slow.append(name)
    print(f"\nvariables read after each, and as they were; over {a.goal * 1000:.0f} ms: {', '.join(slow) or 'none'}")
    return not slow


def training():
    """Interrupts of a training; whether all kept to the goal."""
    with home(a.spatia) as folder, Kernel() as kernel:
        checkpoints = f"{folder}/checkpoints"
        run(kernel, f"""
            let ds = sim::tissue(#{{ spots: {a.spots}, genes: {a.genes}, seed: 1 }})
            let g = models::prepare(ds)
            let model = models::gvae(ds, #{{ seed: 1, device: "{a.device}" }})
            let kept = "what was there before"
            let options = #{{ epochs: 1000000, save_interval: 5, checkpoints: "{checkpoints}" }};
        """)
        # An epoch, after one that warms up.
        run(kernel, "let run = train::fit(model, ds, g, options + #{ epochs: 3 });")
        epoch = float(run(kernel, "run.seconds / 3.0").result)
        print(f"training of {a.spots} spots x {a.genes} genes, {epoch:.3f} s an epoch on {a.device}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}")

        run(kernel, f'options.resume = "{checkpoints}";')
        seconds, fresh, epochs, last, early = [], [], [], 3, 0
        for i in range(a.times):
            asked = kernel.start('print("begun"); train::fit(model, ds, g, options)')
            kernel.until(asked, lambda m: m["msg_type"] == "stream")
            moment = draw.uniform(0, 3 * epoch)
            time.sleep(moment)
            took, ran = interrupt(kernel, asked, i % 2 == 0)
            seconds.append(took)
            if a.each:
                print(f"  at {moment:.2f} s: {took * 1000:.0f} ms", flush=True)
            if not was_interrupted(ran):
                sys.exit(f"interrupt {i} at {moment:.2f} s did not end the training as an interrupt:\n{ran.error or ran.result}")
            # A new network waits for the draws of the pass that was left behind.
            start = time.perf_counter()
            run(kernel, f'models::gvae(ds, #{{ seed: 1, device: "{a.device}" }});')
            fresh.append(time.perf_counter() - start)
            start = time.perf_counter()
            said = run(kernel, "print(`${kept} | ${ds.n_obs} | ${g.n_spots} | ${model.epoch}`)").text().strip()
            text, spots, nodes, now = said.split(" | ")
            now = int(now)
            early += time.perf_counter() - start > 0.1
            if (text, int(spots), int(nodes)) != ("what was there before", a.spots, a.spots) or now < last:
                sys.exit(f"after interrupt {i}: {said}, epoch {last} before")
            last = now
            epochs.append(now)
            if i % 10 == 9:
                print(f"  {i + 1} interrupts, the slowest {max(seconds) * 1000:.0f} ms, epoch {now}", flush=True)

        target = last + 2
        run(kernel, f"options.epochs = {target}; run = train::fit(model, ds, g, options);")
        done = run(kernel, "run.history.len()").result
        if done != str(target):
            sys.exit(f"the training was to end after {target} epochs, each with its row: {done}")

    ms = sorted(s * 1000 for s in seconds)
    at = lambda share: ms[min(len(ms) - 1, int(len(ms) * share))]
    print(f"{len(ms)} interrupts over {last} epochs: min {ms[0]:.0f} ms, median {statistics.median(ms):.0f} ms, p95 {at(0.95):.0f} ms, max {ms[-1]:.0f} ms")
    print(f"variables read after each; {early} of these cells took more than 0.1 s; the training ended after {target} epochs as asked")
    print(f"a new network directly after: median {statistics.median(fresh) * 1000:.0f} ms, max {max(fresh) * 1000:.0f} ms")
    over = sum(m > a.goal * 1000 for m in ms)
    if over:
        print(f"{over} of {len(ms)} took longer than {a.goal * 1000:.0f} ms")
    return not over


parts = {"jobs": jobs, "training": training}
good = [part() for name, part in parts.items() if a.only in (None, name)]
sys.exit(0 if all(good) else 1)
