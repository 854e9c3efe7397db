"""Executes a notebook in the kernel, as Jupyter does.

    python kernel_notebook.py SPATIA IN.ipynb OUT.ipynb
"""
import sys

import nbclient
import nbformat
from kernels import NBCLIENT, home

spatia, source, target = sys.argv[1:]
with home(spatia):
    book = nbformat.read(source, as_version=4)
    nbclient.NotebookClient(book, **NBCLIENT).execute()
    nbformat.write(book, target)
