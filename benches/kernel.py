"""The kernel beside ipykernel and, where it is installed, evcxr: seconds until it is ready, until it
first completes, and what a trivial cell costs. The kernels take turns in every round; ratios are
formed within rounds. In each round `spatia repl` starts once, too.

    make bench      (or: .deps/venv/bin/python benches/kernel.py SPATIA [--evcxr evcxr_jupyter])

What is timed is what a client sees: from starting the process to the reply to `kernel_info`; from
sending a cell to the later of its reply and "idle"; from sending the first `complete` to its reply. Of
the REPL: from starting it in a pseudo-terminal to its first prompt.
The sockets of all kernels are tried every 2 ms while they start (libzmq's own 100 ms would hide
differences).
"""
import argparse, os, pty, select, shutil, statistics, subprocess, sys, time
from pathlib import Path
from queue import Empty

import zmq
from jupyter_client.manager import KernelManager

sys.path.insert(0, str(Path(__file__).parent.parent / "tests/python"))
from kernels import answer, home

p = argparse.ArgumentParser()
p.add_argument("spatia")
p.add_argument("--evcxr", default=shutil.which("evcxr_jupyter"), help="evcxr's kernel, by default the one on the path")
p.add_argument("--rounds", type=int, default=7)
p.add_argument("--cells", type=int, default=200, help="cells a round; evcxr compiles each of its 3")
p.add_argument("--evcxr-rounds", type=int, default=3, help="evcxr takes a minute for each")
a = p.parse_args()
a.evcxr = a.evcxr and str(Path(a.evcxr).absolute())
WARM_UP = 5
GOALS = {"ready": 1.0, "cell": 0.005, "prompt": 0.4}


def idle(client, asked):
    while True:
        m = client.get_iopub_msg(timeout=300)
        if m["parent_header"].get("msg_id") == asked and m["content"].get("execution_state") == "idle":
            return


def heard(client):
    try:
        return client.get_iopub_msg(timeout=0.2)
    except Empty:
        return None


def once(name, prefix, cells):
    """One start of a kernel: seconds until ready, of each cell, of the first completion."""
    context = zmq.Context()
    context.setsockopt(zmq.RECONNECT_IVL, 2)
    manager = KernelManager(kernel_name=name, context=context)
    manager.kernel_spec  # read before the clock starts
    start = time.perf_counter()
    manager.start_kernel(stderr=subprocess.DEVNULL)
    client = manager.client()
    client.start_channels()
    try:
        answer(client, client.kernel_info(), 300)
        out = {"ready": [time.perf_counter() - start]}
        # What is published before the subscription has arrived is heard by nobody.
        while not heard(client):
            answer(client, client.kernel_info(), 300)

        start = time.perf_counter()
        reply = answer(client, client.complete(prefix, len(prefix)), 300)
        out["completion"] = [time.perf_counter() - start]
        if not reply["content"]["matches"]:
            sys.exit(f"{name} completes {prefix!r} with nothing: {reply['content']}")

        out["cell"] = []
        for i in range(cells + WARM_UP):
            start = time.perf_counter()
            asked = client.execute(f"1 + {i}", allow_stdin=False)
            reply = answer(client, asked, 300)
            idle(client, asked)
            if reply["content"]["status"] != "ok":
                sys.exit(f"{name} failed in a trivial cell: {reply['content']}")
            if i >= WARM_UP:
                out["cell"].append(time.perf_counter() - start)
        return out
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        context.destroy(linger=0)


def prompt():
    """One start of the REPL: seconds until it asks for a cell, in a terminal that answers nothing."""
    start = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update({"TERM": "xterm-256color", "NO_COLOR": "1"})
        os.execv(a.spatia, [a.spatia, "repl"])
    seen = b""
    while b"[1] > " not in seen:
        if not select.select([terminal], [], [], 60)[0]:
            sys.exit(f"the REPL shows no prompt: {seen}")
        seen += os.read(terminal, 1 << 16)
    took = time.perf_counter() - start
    os.write(terminal, b"\x04")
    while select.select([terminal], [], [], 60)[0]:
        try:
            if not os.read(terminal, 1 << 16):
                break
        except OSError:
            break
    os.waitpid(pid, 0)
    os.close(terminal)
    return took


def spread(values, unit):
    scale = 1000 if unit == "ms" else 1
    return f"{statistics.median(values) * scale:.2f} {unit} ({min(values) * scale:.2f} to {max(values) * scale:.2f})"


# evcxr calls cargo, whose home must stay the user's.
for name, folder in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")]:
    os.environ.setdefault(name, str(Path.home() / folder))

with home(a.spatia) as folder:
    # name -> what it completes, cells a round
    kernels = {"spatia": ("prin", a.cells), "python3": ("prin", a.cells)}
    titles = {"spatia": "spatia", "python3": "ipykernel", "rust": "evcxr"}
    if a.evcxr:
        done = subprocess.run([a.evcxr, "--install"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{a.evcxr} --install failed: {done.stdout}{done.stderr}")
        kernels["rust"] = ("std::vec::Ve", 3)
    else:
        print("evcxr_jupyter is not installed: not measured (--evcxr FILE)")
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.2f} before the first round, {a.rounds} rounds")
    rounds, prompts = {name: [] for name in kernels}, []
    for i in range(a.rounds):
        prompts.append(prompt())
        for name, (prefix, cells) in kernels.items():
            if name != "rust" or i < a.evcxr_rounds:
                rounds[name].append(once(name, prefix, cells))

reached = statistics.median(prompts) < GOALS["prompt"]
missed = not reached
print(f"\nREPL ready: median (least to most)\n  spatia     {spread(prompts, 's'):<36} goal {GOALS['prompt']:g} s: {'reached' if reached else 'MISSED'}")
for what, unit in [("ready", "s"), ("completion", "ms"), ("cell", "ms")]:
    title = {"ready": "kernel ready", "completion": "first completion", "cell": "trivial cell"}[what]
    print(f"\n{title}: median (least to most); theirs over ours, median of the rounds (least to most)")
    mine = [statistics.median(r[what]) for r in rounds["spatia"]]
    for name in kernels:
        values = [v for r in rounds[name] for v in r[what]]
        line = f"  {titles[name]:<10} {spread(values, unit):<36}"
        if what == "cell" and len(values) >= 100:
            line += f" p95 {sorted(values)[len(values) * 95 // 100] * 1000:.2f} ms"
        if name != "spatia":
            ratios = [statistics.median(r[what]) / m for r, m in zip(rounds[name], mine)]
            line += f" ratio {statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
        elif what in GOALS:
            reached = statistics.median(values) < GOALS[what]
            missed |= not reached
            line += f" goal {GOALS[what] * (1000 if unit == 'ms' else 1):g} {unit}: {'reached' if reached else 'MISSED'}"
        print(line)
sys.exit(1 if missed else 0)
