"""The Python of the tests: anndata and scanpy read our files, torch runs the peers, Jupyter's clients drive the kernel.

torch is not fetched a second time: the environment looks into .deps/python after its own packages.
There the CUDA libraries are missing as a rule, and torch's Python half does not start without them,
even on a CPU. Gigabytes for nothing; so stand-ins with the same names are loaded first, whose
functions all trap.
"""
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from wheels import pip

# What torch's libraries ask for -> the prefix of its functions.
CUDA_LIBRARIES = {
    "libcublas.so.13": "cublas",
    "libcublasLt.so.13": "cublasLt",
    "libcudnn.so.9": "cudnn",
    "libcufft.so.12": "cufft",
    "libcufile.so.0": "cuFile",
    "libcurand.so.10": "curand",
    "libcusparse.so.12": "cusparse",
    "libcusparseLt.so.0": "cusparseLt",
    "libnccl.so.2": "nccl",
    "libnvshmem_host.so.3": "nvshmem",
}
ASKING = ["libtorch_cuda.so", "libtorch_python.so", "libtorch_nvshmem.so"]

# Runs when the environment's Python starts, before anything is imported.
AT_START = """
import ctypes, os, pathlib
deps = pathlib.Path(__file__).resolve().parents[4]
if not (deps / "python/nvidia/cudnn").exists():
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for library in sorted((deps / "venv/no-cuda").glob("lib*.so.*")):
        ctypes.CDLL(str(library))
"""


def make(deps, requirements):
    venv = deps / "venv"
    made_from = hashlib.sha256(requirements.read_bytes() + Path(__file__).read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / "made-from"
    if stamp.is_file() and stamp.read_text() == made_from and (venv / "bin/python").exists():
        return
    print(f"installing the Python packages that the tests compare with into {venv}", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    # pip from outside: Debian keeps the one for inside in a package of its own.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    pip("--python", venv / "bin/python", "install", "--quiet", "--only-binary=:all:", "-r", requirements)
    make_stand_ins(deps / "python/torch/lib", venv / "no-cuda")
    packages = next(venv.glob("lib/python3*/site-packages"))
    (packages / "spatia_no_cuda.py").write_text(AT_START)
    (packages / "zz_spatia.pth").write_text(f"{os.path.relpath(deps / 'python', packages)}\nimport spatia_no_cuda\n")
    modules = "torch, torch_geometric.nn, anndata, scanpy, h5py, safetensors.torch, jupyter_kernel_test, ipykernel, nbconvert, jupyter_console"
    subprocess.run([venv / "bin/python", "-c", f"import {modules}; torch.ones(2, 2) @ torch.ones(2, 2)"], check=True)
    stamp.write_text(made_from)


def make_stand_ins(torch_lib, folder):
    """One shared library for each of CUDA's, with the functions and the version tag that torch asks of it."""
    folder.mkdir()
    asked = subprocess.run(["nm", "-D", "--undefined-only", *(torch_lib / name for name in ASKING)],
                           check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    prefixes = sorted(CUDA_LIBRARIES.values(), key=len, reverse=True)
    for library, prefix in CUDA_LIBRARIES.items():
        mine = {word for word in asked if next((p for p in prefixes if word.startswith(p)), None) == prefix}
        functions = sorted({word.partition("@")[0] for word in mine})
        tag = next((word.partition("@")[2] for word in sorted(mine) if "@" in word), None)
        (folder / "stub.c").write_text("".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in functions))
        (folder / "stub.map").write_text(f"{tag} {{ global: *; }};" if tag else "{ global: *; };")
        compiler = (os.environ.get("CC") or "cc").split()
        subprocess.run([*compiler, "-w", "-shared", "-fPIC", f"-Wl,-soname,{library}", f"-Wl,--version-script={folder}/stub.map",
                        "-o", folder / library, folder / "stub.c"], check=True)
