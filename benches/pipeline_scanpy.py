"""The steps of pipeline.rhai as scanpy, anndata and scikit-learn do them. Prints the seconds of
each step, and of the imports apart."""
import sys, time

start = time.perf_counter()
import json, warnings

warnings.filterwarnings("ignore")
import anndata, numpy as np, scanpy as sc, scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

imports = time.perf_counter() - start
tenx, h5ad, folder, repeats, genes = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
best = {}


def timed(name, step):
    start = time.perf_counter()
    result = step()
    best[name] = min(best.get(name, 1e9), time.perf_counter() - start)
    return result


def knn(xy, k=6):
    """As squidpy: the nearest by scikit-learn, and edges back."""
    near = NearestNeighbors(n_neighbors=k, metric="euclidean").fit(xy).kneighbors_graph()
    return near.maximum(near.T).tocsr()


def logged(a):
    sc.pp.normalize_total(a, target_sum=1e4)
    sc.pp.log1p(a)


counts = anndata.read_h5ad(h5ad)
counts.X = sp.csr_matrix(counts.X).astype(np.float32)
small = counts[:300].copy()  # numba compiles what it has not compiled before
logged(small)
sc.metrics.morans_i(knn(small.obsm["spatial"]).astype(float), small.X[:, :5].T.tocsr())
for _ in range(repeats):
    timed("read 10x h5", lambda: sc.read_10x_h5(tenx))
    timed("read h5ad", lambda: anndata.read_h5ad(h5ad))
    timed("write h5ad", lambda: counts.write_h5ad(folder + "/out.h5ad", compression="gzip"))
    a = counts.copy()
    a.layers["counts"] = a.X.copy()
    timed("normalise, log1p", lambda: logged(a))
    try:
        timed("HVG seurat_v3", lambda: sc.pp.highly_variable_genes(a, flavor="seurat_v3", layer="counts", n_top_genes=2000))
    except ImportError:
        pass  # scikit-misc is not installed
    timed("HVG seurat", lambda: sc.pp.highly_variable_genes(a, flavor="seurat", n_top_genes=2000))
    timed("PCA 50", lambda: sc.pp.pca(a, n_comps=50))
    graph = timed("kNN graph", lambda: knn(a.obsm["spatial"]))
    some = a.X[:, :genes].T.tocsr()
    timed("Moran's I", lambda: sc.metrics.morans_i(graph.astype(float), some))
print(json.dumps({"imports": imports, "steps": best}))
