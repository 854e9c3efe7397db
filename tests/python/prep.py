"""What scanpy makes of an .h5ad file that Spatia wrote: figures as JSON, for tests/prep.rs."""
import json, sys, types, warnings

warnings.filterwarnings("ignore")
import anndata, numpy as np, scanpy as sc, scipy.sparse as sp


class Loess:
    """A stand-in for scikit-misc, which is not installed: quadratics at the corners of a k-d tree
    of one dimension, cubics between them (Cleveland and Grosse 1991), written apart from ours."""

    def __init__(self, x, y, span, degree):
        assert degree == 2
        self.x, self.y, self.span = np.asarray(x), np.asarray(y), span

    def fit(self):
        x, y = self.x, self.y
        n, s = len(x), np.sort(x)
        most, q = int(n * self.span * 0.2), min(n, int(n * self.span + 1e-5))
        margin = 0.005 * (s[-1] - s[0])
        lo, hi = s[0] - margin, s[-1] + margin
        corners, todo = {lo, hi}, [(s, lo, hi)]
        while todo:
            part, a, b = todo.pop()
            if len(part) <= most:
                continue
            m = (len(part) + 1) // 2
            tries = [m] + [m + sign * d for d in range(1, len(part)) for sign in (1, -1)]
            m = next((t for t in tries if 1 <= t < len(part) and part[t - 1] != part[t]), m)
            cut = part[m - 1]
            if cut in (a, b):
                continue
            corners.add(cut)
            todo += [(part[:m], a, cut), (part[m:], cut, b)]
        corners = np.array(sorted(corners))
        fits = []
        for c in corners:
            d = np.abs(x - c)
            near = np.argsort(d, kind="stable")[:q]
            w = np.sqrt(np.clip(1 - (d[near] / d[near].max()) ** 3, 0, None) ** 3)
            design = np.vander(x[near] - c, 3, increasing=True) * w[:, None]
            fits.append(np.linalg.lstsq(design, y[near] * w, rcond=None)[0][:2])
        from scipy.interpolate import CubicHermiteSpline

        value, slope = np.array(fits).T
        fitted = CubicHermiteSpline(corners, value, slope)(x)
        self.outputs = types.SimpleNamespace(fitted_values=fitted)


module = types.ModuleType("skmisc.loess")
module.loess = Loess
sys.modules["skmisc"], sys.modules["skmisc.loess"] = types.ModuleType("skmisc"), module

adata = anndata.read_h5ad(sys.argv[1])
adata.X = adata.X.astype(np.float32)
out = {}
numbers = lambda v: [None if np.isnan(x) else float(x) for x in np.asarray(v, dtype=float)]
names = lambda mask: [str(n) for n in adata.var_names[np.asarray(mask, dtype=bool)]]

qc = adata.copy()
qc.var["mt"] = qc.var_names.str.startswith("RP")
sc.pp.calculate_qc_metrics(qc, qc_vars=["mt"], inplace=True)
new = lambda after, before: [c for c in after.columns if c not in before.columns]
out["qc_obs"] = {c: numbers(qc.obs[c]) for c in new(qc.obs, adata.obs)}
out["qc_var"] = {c: numbers(qc.var[c]) for c in new(qc.var, adata.var) if c != "mt"}

for name, options in {"median": {}, "excluded": {"exclude_highly_expressed": True, "max_fraction": 0.02}}.items():
    n = sc.pp.normalize_total(adata, inplace=False, **options)["X"]
    out["normalized_" + name] = numbers(n.data)

v3 = sc.pp.highly_variable_genes(adata, flavor="seurat_v3", n_top_genes=1000, inplace=False)
out["seurat_v3"] = names(v3.highly_variable)
out["seurat_v3_norm"] = numbers(v3.variances_norm)
v3 = sc.pp.highly_variable_genes(adata, flavor="seurat_v3", n_top_genes=1000, batch_key="batch", inplace=False)
out["seurat_v3_batch"] = names(v3.highly_variable)
out["seurat_v3_batch_norm"] = numbers(v3.variances_norm)

log = adata.copy()
sc.pp.normalize_total(log, target_sum=1e4)
sc.pp.log1p(log)
out["log1p"] = numbers(log.X.data)
for flavor in ("seurat", "cell_ranger"):
    for key in (None, "batch"):
        found = sc.pp.highly_variable_genes(log, flavor=flavor, n_top_genes=1000, batch_key=key, inplace=False)
        name = flavor + ("_batch" if key else "")
        out[name] = names(found.highly_variable)
        out[name + "_norm"] = numbers(found.dispersions_norm)
        if key:
            out[name + "_n"] = numbers(found.highly_variable_nbatches)

scaled = log.copy()
sc.pp.scale(scaled, zero_center=False, max_value=5)
out["scaled"] = numbers(scaled.X.data)

genes = list(adata.var_names[5:60:6])
sc.tl.score_genes(log, genes, ctrl_size=10**6)
out["score"] = numbers(log.obs["score"])
sc.tl.score_genes(log, genes, ctrl_size=50)
out["score_drawn"] = numbers(log.obs["score"])

found = sc.pp.highly_variable_genes(log, flavor="seurat", n_top_genes=1000, inplace=False)
log.var["highly_variable"] = found.highly_variable.to_numpy()
sc.pp.pca(log, n_comps=20)
out["pca_variance"] = numbers(log.uns["pca"]["variance"])
out["pca_ratio"] = numbers(log.uns["pca"]["variance_ratio"])
out["pca_scores"] = [numbers(c) for c in log.obsm["X_pca"].T]

graph = sp.csr_matrix(adata.obsp["spatial_connectivities"]).astype(float)
out["moran"] = numbers(sc.metrics.morans_i(graph, log.X[:, :300].T.tocsr()))
print(json.dumps(out))
