"""Interrupts at random moments of a training: how long until the cell's reply, what is left after,
and whether the training goes on.

    make bench      (or: .deps/venv/bin/python benches/interrupt.py SPATIA [--times 100])

Each time the training goes on from its last checkpoint, is interrupted at a moment drawn evenly from
the time of three epochs (by message and by SIGINT in turn), and then everything that was defined before
is read. At the end the training runs to its end, and must have the epochs that it was asked for.
Fails where a reply took longer than the goal, or anything was lost.
"""
import argparse, os, random, statistics, sys, time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/python"))
from kernels import Kernel, home

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("--times", type=int, default=100)
p.add_argument("--spots", type=int, default=4000)
p.add_argument("--genes", type=int, default=2000)
p.add_argument("--seed", type=int, default=1)
p.add_argument("--each", action="store_true", help="say when each interrupt came and how long it took")
p.add_argument("--goal", type=float, default=0.5, help="seconds")
a = p.parse_args()
draw = random.Random(a.seed)


def must(ran):
    if not ran.ok:
        sys.exit(f"a cell failed:\n{ran.error}")
    return ran


with home(a.spatia) as folder, Kernel() as kernel:
    checkpoints = f"{folder}/checkpoints"
    must(kernel.run(f"""
        let ds = sim::tissue(#{{ spots: {a.spots}, genes: {a.genes}, seed: 1 }})
        let g = models::prepare(ds)
        let model = models::gvae(ds, #{{ seed: 1, device: "cpu" }})
        let kept = "what was there before"
        let options = #{{ epochs: 1000000, save_interval: 5, checkpoints: "{checkpoints}" }};
    """))
    # An epoch, after one that warms up.
    must(kernel.run("let run = train::fit(model, ds, g, options + #{ epochs: 3 });"))
    epoch = float(must(kernel.run('run.seconds / 3.0')).result)
    print(f"{a.spots} spots x {a.genes} genes, {epoch:.2f} s an epoch, {os.cpu_count()} processors, load {os.getloadavg()[0]:.2f}")

    must(kernel.run(f'options.resume = "{checkpoints}";'))
    seconds, epochs, last, early = [], [], 3, 0
    for i in range(a.times):
        asked = kernel.start('print("begun"); train::fit(model, ds, g, options)')
        kernel.until(asked, lambda m: m["msg_type"] == "stream")
        moment = draw.uniform(0, 3 * epoch)
        time.sleep(moment)
        start = time.perf_counter()
        kernel.manager.interrupt_kernel() if i % 2 == 0 else kernel.manager.signal_kernel(2)
        ran = kernel.finish(asked)
        seconds.append(time.perf_counter() - start)
        if a.each:
            print(f"  at {moment:.2f} s: {seconds[-1] * 1000:.0f} ms", flush=True)
        if ran.ok or "nterrupt" not in ran.content["ename"] + ran.content["evalue"] + ran.error:
            sys.exit(f"interrupt {i} at {moment:.2f} s did not end the training as an interrupt:\n{ran.error or ran.result}")
        start = time.perf_counter()
        said = must(kernel.run("print(`${kept} | ${ds.n_obs} | ${g.n_spots} | ${model.epoch}`)")).text().strip()
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
    must(kernel.run(f"options.epochs = {target}; run = train::fit(model, ds, g, options);"))
    done = must(kernel.run("run.history.len()")).result
    if done != str(target):
        sys.exit(f"the training was to end after {target} epochs, each with its row: {done}")

ms = sorted(s * 1000 for s in seconds)
at = lambda share: ms[min(len(ms) - 1, int(len(ms) * share))]
print(f"{len(ms)} interrupts over {last} epochs: min {ms[0]:.0f} ms, median {statistics.median(ms):.0f} ms, p95 {at(0.95):.0f} ms, max {ms[-1]:.0f} ms")
print(f"variables read after each; {early} of these cells took more than 0.1 s; the training ended after {target} epochs as asked")
over = sum(m > a.goal * 1000 for m in ms)
if over:
    sys.exit(f"{over} of {len(ms)} took longer than {a.goal * 1000:.0f} ms")
