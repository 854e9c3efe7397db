"""What a user sees of a crash, and what comes back: every row of the table in docs/kernel.md.

    python kernel_crash.py SPATIA [unittest's arguments]
    python kernel_crash.py SPATIA --table      prints what was seen

Each case runs three cells, brings about the crash in a fourth, and does what Jupyter does when a kernel
dies: starts it again with the same connection file.
"""
import os
import re
import resource
import signal
import sys
import time
import unittest
from pathlib import Path

from kernels import Kernel, home, wait

ROOM = 150 << 20  # bytes that a limited kernel may take beyond what it has when it is ready
SHOWN = []
MODEL = "let ds = sim::tissue(#{ spots: 100, genes: 30, seed: 1 }); models::prepare(ds); "


class Crash(unittest.TestCase):
    def kernel(self):
        kernel = Kernel()
        self.addCleanup(kernel.__exit__)
        for cell in ["let a = 41", "fn next(x) { x + 1 }", 'let words = ["kept", "too"]']:
            self.assertTrue(kernel.run(cell).ok)
        return kernel

    def limited(self, room=ROOM):
        kernel = self.kernel()
        status = Path(f"/proc/{kernel.pid}/status").read_text()
        size = 1024 * int(re.search(r"VmSize:\s*(\d+) kB", status)[1])
        resource.prlimit(kernel.pid, resource.RLIMIT_AS, (size + room, size + room))
        return kernel

    def whole(self, kernel):
        """Everything that the cells before defined is there."""
        ran = kernel.run("print(`${next(a)} ${words}`)")
        self.assertTrue(ran.ok, ran.error)
        self.assertEqual(ran.text(), '42 ["kept", "too"]\n')

    def survives(self, what, kernel, code, *said):
        pid = kernel.pid
        ran = kernel.run(code)
        self.assertFalse(ran.ok, f"{code} was to fail")
        for words in said:
            self.assertIn(words, ran.error)
        self.whole(kernel)
        self.assertEqual((kernel.pid, kernel.manager.is_alive()), (pid, True))
        SHOWN.append((what, ran.error, "the same kernel goes on with all variables"))

    def dies(self, what, kernel, crash, code='print("in" + " it"); loop {}'):
        asked = kernel.start(code)
        if crash:
            kernel.until(asked, lambda m: m["msg_type"] == "stream" and "in it" in m["content"]["text"])
            crash(kernel.pid)
        wait(lambda: not kernel.manager.is_alive(), "the kernel's death")
        kernel.manager.restart_kernel(now=True)
        kernel.client.stop_channels()
        kernel.client = kernel.connect()
        # The offer comes with the first cell, without being asked for.
        first = kernel.run("let new = 1")
        offer = first.text("stderr") + first.text() + "".join(c["data"].get("text/plain", "") for c in first.of("display_data"))
        self.assertIn(":restore", offer)
        self.assertFalse(kernel.run("a").ok, "a new kernel has no variables")
        ran = kernel.run(":restore")
        self.assertTrue(ran.ok, ran.error)
        self.whole(kernel)
        SHOWN.append((what, offer, ran.text() + (ran.result or "")))

    def test_exception_of_libtorch(self):
        # Its allocator throws; to Rust the exception is a panic in native code.
        self.survives("C++ exception of libtorch, panic of native code", self.kernel(),
                      MODEL + "models::gvae(ds, #{ hidden_dim: 10000000000, device: \"cpu\" })", "more than the machine")

    def test_panic_in_rust(self):
        # Less than the stack of a thread: Rust's library panics where a Rust cell is to have one.
        self.survives("panic in Rust", self.limited(1 << 20), "%%rust\n1",
                      "Spatia itself failed: failed to spawn thread", "The variables are still there")

    def test_endless_recursion(self):
        self.survives("endless recursion", self.kernel(), "fn f(x) { f(x + 1) + 1 } f(0)", "f(")

    def test_a_variable_that_grows_without_end(self):
        self.survives("a variable that grows without end", self.kernel(), 'let s = "x"; loop { s += s }', "grow without end")

    def test_memory_beyond_the_process_limit_in_libtorch(self):
        self.survives("memory limit, in libtorch", self.limited(),
                      MODEL + "models::gvae(ds, #{ hidden_dim: 30000, device: \"cpu\" })", "memory")

    def test_memory_beyond_the_process_limit_that_is_known_before(self):
        self.survives("memory limit, work that says what it takes", self.limited(),
                      "sim::tissue(#{ spots: 5000, genes: 4000 })", "limits of the process")

    def test_memory_beyond_the_process_limit_in_rust(self):
        self.dies("memory limit, in native code", self.limited(), None,
                  "let ds = sim::tissue(#{ spots: 1000, genes: 500 }); let many = []; for i in 0..1000 { many.push(ds) } data::concat(many)")

    def test_a_kernel_at_its_limit_answers_after_a_pause(self):
        kernel = self.limited(1 << 20)
        self.assertEqual(kernel.ask("kernel_info")["status"], "ok")
        # tokio lets a thread go that had nothing to do for 10 s.
        time.sleep(11)
        self.assertEqual(kernel.ask("kernel_info")["status"], "ok")
        self.whole(kernel)

    def test_abort(self):
        self.dies("abort", self.kernel(), lambda pid: os.kill(pid, signal.SIGABRT))

    def test_segmentation_fault(self):
        def crash(pid):
            # Rust looks first whether its stack overflowed; a real fault would come again by itself.
            os.kill(pid, signal.SIGSEGV)
            time.sleep(0.5)
            os.kill(pid, signal.SIGSEGV)

        self.dies("segmentation fault", self.kernel(), crash)

    def test_killed_for_memory(self):
        self.dies("killed by the system (SIGKILL)", self.kernel(), lambda pid: os.kill(pid, signal.SIGKILL))


if __name__ == "__main__":
    spatia = sys.argv.pop(1)
    table = "--table" in sys.argv and sys.argv.remove("--table") is None
    with home(spatia):
        program = unittest.main(verbosity=2, exit=False)
    if table:
        for what, seen, restored in SHOWN:
            print(f"\n## {what}\n{seen.strip()}\n-> {restored.strip()}")
    sys.exit(not program.result.wasSuccessful())
