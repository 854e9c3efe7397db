"""A kernel to drive: installed into a folder of its own, with a home of its own, so that no test meets
what a user, or another test, has installed or done before. Shared by the tests and the benches."""
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

from jupyter_client.manager import KernelManager
from jupyter_client.session import Session

PATIENCE = 240  # seconds: a guard against hanging, also where ten tests share two cores; not a measure
# nbclient's own limits, which lose outputs (4 s) where the machine is busy.
NBCLIENT = {"timeout": PATIENCE, "iopub_timeout": PATIENCE, "startup_timeout": PATIENCE}


@contextlib.contextmanager
def home(spatia):
    """Points Jupyter, IPython and Spatia at a new home in which `spatia kernel install` has run."""
    with tempfile.TemporaryDirectory(prefix="spatia-kernel-") as folder:
        folder = Path(folder)
        mine = {
            "HOME": folder,
            "JUPYTER_PATH": folder / "prefix/share/jupyter",
            "JUPYTER_CONFIG_DIR": folder / "config",
            "JUPYTER_DATA_DIR": folder / "data",
            "JUPYTER_RUNTIME_DIR": folder / "runtime",
            "IPYTHONDIR": folder / "ipython",
            "XDG_STATE_HOME": folder / "state",
            "XDG_CACHE_HOME": folder / "cache",
            "XDG_DATA_HOME": folder / "share",
            "XDG_CONFIG_HOME": folder / "xdg",
        }
        before = {name: os.environ.get(name) for name in mine}
        os.environ.update({name: str(path) for name, path in mine.items()})
        try:
            if spatia:
                install(spatia, folder / "prefix")
            yield folder
        finally:
            for name, value in before.items():
                os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def install(spatia, prefix, name="spatia"):
    done = subprocess.run([spatia, "kernel", "install", "--prefix", prefix, "--name", name], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"spatia kernel install failed ({done.returncode}):\n{done.stdout}{done.stderr}")


class Ran:
    """What became of a cell: its reply, when it came, and what all clients heard of it, in order."""

    def __init__(self, reply, heard, replied):
        self.content, self.heard, self.replied = reply["content"], heard, replied
        self.ok = self.content["status"] == "ok"

    def of(self, kind):
        return [m["content"] for m in self.heard if m["msg_type"] == kind]

    def text(self, stream="stdout"):
        return "".join(c["text"] for c in self.of("stream") if c["name"] == stream)

    @property
    def result(self):
        """The text of the cell's value."""
        found = self.of("execute_result")
        return found[-1]["data"]["text/plain"] if found else None

    @property
    def error(self):
        found = self.of("error")
        return "\n".join(found[-1]["traceback"]) if found else None


class Kernel:
    """A kernel that runs, and one client of it."""

    def __init__(self, name="spatia"):
        self.manager = KernelManager(kernel_name=name)
        self.manager.start_kernel(stderr=subprocess.DEVNULL)
        self.client = self.connect()

    def connect(self, **channels):
        # With the manager's session all clients would have one name, and replies would go to any of them.
        client = self.manager.client(session=Session(key=self.manager.session.key))
        client.start_channels(**channels)
        client.wait_for_ready(timeout=PATIENCE)
        return client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    @property
    def pid(self):
        return self.manager.provisioner.pid

    def start(self, code, client=None, **options):
        """Sends a cell without waiting for anything; `finish` waits."""
        return (client or self.client).execute(code, allow_stdin=False, **options)

    def finish(self, asked, client=None, seconds=PATIENCE):
        client = client or self.client
        reply, replied = answer(client, asked, seconds), time.perf_counter()
        heard = []
        while True:
            message = client.get_iopub_msg(timeout=seconds)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "status":
                if message["content"]["execution_state"] == "idle":
                    return Ran(reply, heard, replied)
            elif message["msg_type"] != "execute_input":
                heard.append(message)

    def run(self, code, client=None, **options):
        return self.finish(self.start(code, client, **options), client)

    def ask(self, request, *arguments, **options):
        """Any other request (`complete`, `inspect`, `history`, ...), and the content of its reply."""
        return answer(self.client, getattr(self.client, request)(*arguments, **options))["content"]

    def until(self, asked, wanted):
        """The first message that a request brings about and that is `wanted`."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == asked and wanted(message):
                return message


def answer(client, asked, seconds=PATIENCE):
    """The reply to a request; replies to others are passed over."""
    while True:
        reply = client.get_shell_msg(timeout=seconds)
        if reply["parent_header"].get("msg_id") == asked:
            return reply


def silent(client, seconds):
    """Whether the kernel says nothing on the shell channel for a while."""
    try:
        client.get_shell_msg(timeout=seconds)
    except Empty:
        return True
    return False


def wait(condition, what, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
