"""Jupyter's own tests of a kernel, with every sample defined, so that none of them skips.

    python kernel_conformance.py SPATIA [unittest's arguments]
"""
import sys
import unittest
from queue import Empty

import jupyter_kernel_test as jkt
from kernels import PATIENCE, home


class Conformance(jkt.KernelTests):
    kernel_name = "spatia"
    language_name = "rhai"
    file_extension = ".rhai"
    code_hello_world = 'print("hello, world")'
    code_stderr = 'eprint("to standard error")'
    code_page_something = "?print"
    code_generate_error = "no_such_variable + 1"
    code_clear_output = "clear_output()"
    code_inspect_sample = "print"
    code_history_pattern = "6 *"
    supported_history_operations = ("tail", "range", "search")
    complete_code_samples = ["1", "let a = 1", 'print("hello")', "fn f(x) {\n  x + 1\n}", "let m = #{ a: 1 }"]
    incomplete_code_samples = ["fn f(x) {", "let m = #{ a: 1,", "f(1,", "let s = `open\n", "/* no end"]
    invalid_code_samples = ["let = 5", "1 +* 2", "a b c )"]
    completion_samples = [
        {"text": "graph::del", "matches": ["delaunay"]},
        {"text": "eprin", "matches": ["eprint"]},
    ]
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": '"κόσμε 🧬".len()', "result": "7"},
        {"code": "[1, 2.5, true]", "result": "[1, 2.5, true]"},
        {"code": "#{ a: 1 }.a + 1", "result": "2"},
    ]
    code_display_data = [
        {"code": "display([1, 2])", "mime": "text/plain"},
        {"code": 'display(plot::spatial(sim::tissue(#{ spots: 60, genes: 20 }), "domain_true"))', "mime": "image/png"},
    ]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # The tests give a message 0.1 s, which on a machine that does other things as well says
        # nothing about the kernel. What does not come at all still fails.
        cls.quick = cls.kc.iopub_channel.get_msg
        cls.kc.iopub_channel.get_msg = lambda *_, timeout=None: cls.quick(timeout=PATIENCE)

    def flush_channels(self):
        for get in (self.kc.shell_channel.get_msg, self.quick):
            try:
                while True:
                    jkt.validate_message(get(timeout=0.1))
            except Empty:
                pass


class Welcome(jkt.IopubWelcomeTests):
    kernel_name = "spatia"
    support_iopub_welcome = True


if __name__ == "__main__":
    with home(sys.argv.pop(1)):
        unittest.main(verbosity=2)
