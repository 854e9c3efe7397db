//! The dataset that everything works on, laid out as AnnData lays it out.

use std::path::PathBuf;

use indexmap::IndexMap;
use ndarray::{Array2, Axis};

use super::table::labels;
use super::{Csr, Matrix, Raw, Table, Uns, compact, keys, matrix};
use crate::base::{Error, Kind, Result, nearest};

/// Spots by genes, with what is known of both. Every part has the same spots in the same order.
#[derive(Clone, Debug)]
pub struct Dataset {
    x: Matrix,
    layers: IndexMap<String, Matrix>,
    obs: Table,
    var: Table,
    obsm: IndexMap<String, Array2<f64>>,
    varm: IndexMap<String, Array2<f64>>,
    obsp: IndexMap<String, Csr>,
    varp: IndexMap<String, Csr>,
    raw: Option<Raw>,
    uns: Uns,
    /// The files it was read from, for checksums and records.
    pub sources: Vec<PathBuf>,
}

impl Dataset {
    /// # Shapes
    /// `x` [N,G], `obs` N rows, `var` G rows.
    ///
    /// # Errors
    /// Shapes that disagree.
    pub fn new(x: impl Into<Matrix>, obs: Table, var: Table) -> Result<Self> {
        let x = x.into();
        if x.shape() != (obs.len(), var.len()) {
            return Err(Error::new("building a dataset")
                .expected(format!("X of shape [{}, {}] (obs, var)", obs.len(), var.len()))
                .found(format!("[{}, {}]", x.shape().0, x.shape().1)));
        }
        Ok(Self {
            x,
            layers: IndexMap::new(),
            obs,
            var,
            obsm: IndexMap::new(),
            varm: IndexMap::new(),
            obsp: IndexMap::new(),
            varp: IndexMap::new(),
            raw: None,
            uns: Uns::default(),
            sources: Vec::new(),
        })
    }

    pub fn n_obs(&self) -> usize {
        self.obs.len()
    }

    pub fn n_vars(&self) -> usize {
        self.var.len()
    }

    /// X, [N,G].
    pub fn x(&self) -> &Matrix {
        &self.x
    }

    pub fn layers(&self) -> &IndexMap<String, Matrix> {
        &self.layers
    }

    /// One row a spot.
    pub fn obs(&self) -> &Table {
        &self.obs
    }

    /// One row a gene.
    pub fn var(&self) -> &Table {
        &self.var
    }

    /// Matrices of spots, [N,*].
    pub fn obsm(&self) -> &IndexMap<String, Array2<f64>> {
        &self.obsm
    }

    /// Matrices of genes, [G,*].
    pub fn varm(&self) -> &IndexMap<String, Array2<f64>> {
        &self.varm
    }

    /// Sparse matrices of pairs of spots, [N,N].
    pub fn obsp(&self) -> &IndexMap<String, Csr> {
        &self.obsp
    }

    /// Sparse matrices of pairs of genes, [G,G].
    pub fn varp(&self) -> &IndexMap<String, Csr> {
        &self.varp
    }

    /// The values from before the genes were chosen, with genes of their own.
    pub fn raw(&self) -> Option<&Raw> {
        self.raw.as_ref()
    }

    pub fn uns(&self) -> &Uns {
        &self.uns
    }

    pub fn obs_mut(&mut self) -> &mut Table {
        &mut self.obs
    }

    pub fn var_mut(&mut self) -> &mut Table {
        &mut self.var
    }

    pub fn uns_mut(&mut self) -> &mut Uns {
        &mut self.uns
    }

    pub fn set_x(&mut self, x: impl Into<Matrix>) -> Result<()> {
        let x = x.into();
        self.fits("X", x.shape(), (self.n_obs(), self.n_vars()))?;
        self.x = x;
        Ok(())
    }

    /// X, to be changed where it lies.
    ///
    /// Its shape must stay.
    pub(crate) fn x_mut(&mut self) -> &mut Matrix {
        &mut self.x
    }

    pub fn set_layer(&mut self, name: &str, layer: impl Into<Matrix>) -> Result<()> {
        let layer = layer.into();
        self.fits(&format!("layers[\"{name}\"]"), layer.shape(), (self.n_obs(), self.n_vars()))?;
        self.layers.insert(name.to_owned(), layer);
        Ok(())
    }

    pub fn set_obsm(&mut self, name: &str, m: Array2<f64>) -> Result<()> {
        self.fits(&format!("obsm[\"{name}\"]"), m.dim(), (self.n_obs(), m.ncols()))?;
        self.obsm.insert(name.to_owned(), m);
        Ok(())
    }

    pub fn set_varm(&mut self, name: &str, m: Array2<f64>) -> Result<()> {
        self.fits(&format!("varm[\"{name}\"]"), m.dim(), (self.n_vars(), m.ncols()))?;
        self.varm.insert(name.to_owned(), m);
        Ok(())
    }

    pub fn set_obsp(&mut self, name: &str, m: Csr) -> Result<()> {
        self.fits(
            &format!("obsp[\"{name}\"]"),
            (m.nrows(), m.ncols()),
            (self.n_obs(), self.n_obs()),
        )?;
        self.obsp.insert(name.to_owned(), m);
        Ok(())
    }

    pub fn set_varp(&mut self, name: &str, m: Csr) -> Result<()> {
        self.fits(
            &format!("varp[\"{name}\"]"),
            (m.nrows(), m.ncols()),
            (self.n_vars(), self.n_vars()),
        )?;
        self.varp.insert(name.to_owned(), m);
        Ok(())
    }

    pub fn set_raw(&mut self, raw: Option<Raw>) -> Result<()> {
        if let Some(raw) = &raw {
            self.fits("raw", raw.x().shape(), (self.n_obs(), raw.var().len()))?;
        }
        self.raw = raw;
        Ok(())
    }

    /// X or the layer of that name.
    ///
    /// # Errors
    /// [`Kind::Missing`] with the nearest name.
    pub fn layer(&self, name: &str) -> Result<&Matrix> {
        if name == "X" {
            return Ok(&self.x);
        }
        self.layers.get(name).ok_or_else(|| {
            Error::new(format!("looking up layer '{name}'"))
                .kind(Kind::Missing)
                .expected("X or a layer of that name")
                .found("none")
                .advice(nearest::advice(
                    name,
                    std::iter::once("X").chain(self.layers.keys().map(String::as_str)),
                ))
        })
    }

    /// The matrix of spots of that name, [N,*].
    ///
    /// # Errors
    /// [`Kind::Missing`] with the nearest name.
    pub fn embedding(&self, name: &str) -> Result<&Array2<f64>> {
        self.obsm.get(name).ok_or_else(|| {
            Error::new(format!("looking up obsm[\"{name}\"]"))
                .kind(Kind::Missing)
                .expected("a matrix of that name")
                .found("none")
                .advice(nearest::advice(name, self.obsm.keys().map(String::as_str)))
        })
    }

    /// The counts: `layers["counts"]` where there is one, else X. Checked to be counts.
    ///
    /// # Errors
    /// Fractional or negative values, with the place, and which layers do hold counts.
    pub fn counts(&self) -> Result<&Matrix> {
        let (name, m) = match self.layers.get(keys::COUNTS) {
            Some(m) => ("layers[\"counts\"]", m),
            None => ("X", &self.x),
        };
        let Some((r, c, v)) = m.first_non_count() else { return Ok(m) };
        let others: Vec<&str> = self
            .layers
            .iter()
            .filter(|(_, l)| l.first_non_count().is_none())
            .map(|(n, _)| n.as_str())
            .collect();
        let advice = if self.raw.as_ref().is_some_and(Raw::is_counts) {
            "raw holds counts: ds.counts_from_raw() makes them layers[\"counts\"]".into()
        } else if others.is_empty() {
            "No layer holds counts either; a count model needs the raw counts of the experiment"
                .into()
        } else {
            format!(
                "These layers hold counts: {}. Name one as the counts, as in ds.layers[\"counts\"] = ds.layers[\"{}\"]",
                others.join(", "),
                others[0]
            )
        };
        Err(Error::new(format!("looking up the counts in {name}"))
            .expected("whole numbers, none below zero")
            .found(format!("{v} for gene {} in spot {}", self.var.index()[c], self.obs.index()[r]))
            .advice(advice))
    }

    /// The counts, or X where it and not `layers["counts"]` is what holds none, and whether they
    /// are counts: what is computed of both says that it took other values.
    ///
    /// # Errors
    /// As [`Self::counts`], where `layers["counts"]` holds none, another layer or raw holds
    /// counts, X is known to hold logarithms, or a
    /// value of X is not finite.
    pub fn counts_or_x(&self) -> Result<(&Matrix, bool)> {
        let e = match self.counts() {
            Ok(counts) => return Ok((counts, true)),
            Err(e) => e,
        };
        let infinite = self.x.any(|v| !v.is_finite());
        let elsewhere = self.raw.as_ref().is_some_and(Raw::is_counts)
            || self.layers.values().any(|l| l.first_non_count().is_none());
        let other = elsewhere
            || self.layers.contains_key(keys::COUNTS)
            || self.uns.get(&["log1p"]).is_some();
        if other || infinite { Err(e) } else { Ok((&self.x, false)) }
    }

    /// Keeps the spots named, in the order named, in every part.
    pub fn select_obs(&mut self, rows: &[usize]) -> Result<()> {
        self.select(Some(rows), None)
    }

    /// Keeps the genes named, in the order named, in every part but `raw`, whose genes are its own.
    pub fn select_var(&mut self, cols: &[usize]) -> Result<()> {
        self.select(None, Some(cols))
    }

    /// Keeps spots and genes in one pass; `None` keeps all of them. X and layers are shortened
    /// where they lie, as far as no other dataset shares them.
    ///
    /// # Errors
    /// An interrupt; the dataset is then as it was.
    pub fn select(&mut self, rows: Option<&[usize]>, cols: Option<&[usize]>) -> Result<()> {
        let obs = rows.map(|r| self.obs.select_rows(r)).transpose()?;
        let var = cols.map(|c| self.var.select_rows(c)).transpose()?;
        let obsp = rows.map(|r| pairs(&self.obsp, r)).transpose()?;
        let varp = cols.map(|c| pairs(&self.varp, c)).transpose()?;
        let raw = match (rows, &self.raw) {
            (Some(rows), Some(raw)) => Some(raw.of_obs(rows)?),
            _ => None,
        };
        let mut dense = Vec::new();
        for m in std::iter::once(&self.x).chain(self.layers.values()) {
            if let Matrix::Dense(m) = m {
                dense.push(matrix::select(m, rows, cols)?);
            }
        }
        let all = std::iter::once(&mut self.x).chain(self.layers.values_mut());
        let mut sparse: Vec<&mut Csr> = all.filter_map(Matrix::as_sparse_mut).collect();
        // From here on all of it changes.
        compact::select(&mut sparse, rows, cols)?;
        let old = std::iter::once(&mut self.x).chain(self.layers.values_mut());
        let old = old.filter(|m| matches!(m, Matrix::Dense(_)));
        old.zip(dense).for_each(|(old, new)| *old = Matrix::Dense(new));
        let kept = [(&mut self.obsm, rows), (&mut self.varm, cols)];
        for (all, kept) in kept {
            if let Some(kept) = kept {
                all.values_mut().for_each(|m| *m = m.select(Axis(0), kept));
            }
        }
        if let (Some(obs), Some(obsp)) = (obs, obsp) {
            (self.obs, self.obsp) = (obs, obsp);
        }
        if let (Some(var), Some(varp)) = (var, varp) {
            (self.var, self.varp) = (var, varp);
        }
        if raw.is_some() {
            self.raw = raw;
        }
        Ok(())
    }

    /// The spots of each group of a column of `obs`, groups in the order of their categories (or
    /// of the alphabet), without those that have no spot.
    ///
    /// # Errors
    /// No such column, one of measurements; a spot without a group.
    pub fn groups(&self, key: &str) -> Result<Vec<(String, Vec<usize>)>> {
        let (names, codes) = match self.obs.codes(key)? {
            Some(found) => found,
            None => {
                let values = labels(self.obs.column(key)?)?;
                let known: std::collections::BTreeSet<&String> = values.iter().flatten().collect();
                let names: Vec<String> = known.into_iter().cloned().collect();
                let place = |v: &String| names.binary_search(v).ok().map(|i| i as u32);
                let codes = values.iter().map(|v| v.as_ref().and_then(place)).collect();
                (names, codes)
            }
        };
        let mut groups: Vec<(String, Vec<usize>)> =
            names.into_iter().map(|n| (n, Vec::new())).collect();
        for (i, code) in codes.into_iter().enumerate() {
            match code.and_then(|c| groups.get_mut(c as usize)) {
                Some(group) => group.1.push(i),
                None => {
                    return Err(Error::new(format!("grouping spots by obs[\"{key}\"]"))
                        .expected("a group for every spot")
                        .found(format!("none at spot {i} ({})", self.obs.index()[i]))
                        .advice("Drop these spots, or give them a group"));
                }
            }
        }
        groups.retain(|(_, spots)| !spots.is_empty());
        Ok(groups)
    }

    /// Places of genes by name, in the order asked for.
    ///
    /// # Errors
    /// The names that are not there, with the nearest name of the first.
    pub fn gene_positions(&self, genes: &[String]) -> Result<Vec<usize>> {
        self.check_genes_are_unique()?;
        let place: std::collections::HashMap<&str, usize> =
            self.var.index().iter().enumerate().map(|(i, g)| (g.as_str(), i)).collect();
        let missing: Vec<&str> =
            genes.iter().map(String::as_str).filter(|g| !place.contains_key(g)).collect();
        if let Some(first) = missing.first() {
            return Err(Error::new("looking up genes by name")
                .kind(Kind::Missing)
                .expected(format!("{} genes", genes.len()))
                .found(format!("{} missing, the first '{first}'", missing.len()))
                .advice(self.gene_advice(&missing)));
        }
        Ok(genes.iter().map(|g| place[g.as_str()]).collect())
    }

    /// The values of a gene in X, [N].
    ///
    /// # Errors
    /// As [`Self::gene_positions`].
    pub fn gene(&self, name: &str) -> Result<Vec<f32>> {
        let at = self.gene_positions(&[name.to_owned()])?;
        Ok(at.first().map(|&g| self.x.column(g)).unwrap_or_default())
    }

    /// What to do about names of genes that are not there.
    pub fn gene_advice(&self, missing: &[&str]) -> String {
        let first = missing.first().copied().unwrap_or_default();
        let near = || nearest::advice(first, self.var.index().iter().map(String::as_str));
        self.other_names(missing).unwrap_or_else(near)
    }

    /// What to do where genes are asked for by a name of another sort: by id where `var` is named
    /// by symbol or the other way round, or in other letters' case.
    pub fn other_names(&self, missing: &[&str]) -> Option<String> {
        let say = |stands: String, name: &str, count: usize| {
            let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
            format!("{stands}{more}. Ask for the gene as var is named: '{name}'")
        };
        let found = |names: &std::collections::HashMap<String, usize>,
                     change: fn(&str) -> String| {
            let all = missing.iter().filter_map(|m| Some((*m, *names.get(&change(m))?)));
            let all: Vec<(&str, usize)> = all.collect();
            all.first().map(|&(asked, at)| (asked.to_owned(), at, all.len()))
        };
        let index = self.var.index();
        let lower = index.iter().enumerate().map(|(i, g)| (g.to_lowercase(), i)).collect();
        if let Some((asked, at, count)) = found(&lower, str::to_lowercase) {
            return Some(say(format!("'{asked}' is there in other case"), &index[at], count));
        }
        for column in self.var.names().into_iter().filter(|c| self.var.is_groups(c)) {
            let names = self.var.text(column).ok()?.into_iter().enumerate();
            let names = names.filter_map(|(i, name)| Some((name?, i))).collect();
            if let Some((asked, at, count)) = found(&names, str::to_owned) {
                let stands = format!("'{asked}' stands in var[\"{column}\"]");
                return Some(say(stands, &index[at], count));
            }
        }
        None
    }

    /// Refuses genes of the same name, which could not be told apart by it.
    pub fn check_genes_are_unique(&self) -> Result<()> {
        let mut seen = std::collections::HashSet::new();
        let twice: Vec<&str> =
            self.var.index().iter().map(String::as_str).filter(|g| !seen.insert(*g)).collect();
        let Some(first) = twice.first() else { return Ok(()) };
        Err(Error::new("looking at the names of the genes")
            .expected("each name once")
            .found(format!("{} repeated, the first '{first}'", twice.len()))
            .advice(
                "Rename or drop the duplicates, as Python's adata.var_names_make_unique() does",
            ))
    }

    fn fits(&self, what: &str, found: (usize, usize), expected: (usize, usize)) -> Result<()> {
        if found == expected {
            return Ok(());
        }
        Err(Error::new(format!("setting {what} of a dataset"))
            .expected(format!("shape [{}, {}]", expected.0, expected.1))
            .found(format!("[{}, {}]", found.0, found.1)))
    }
}

/// Matrices of pairs of those named.
fn pairs(all: &IndexMap<String, Csr>, kept: &[usize]) -> Result<IndexMap<String, Csr>> {
    all.iter().map(|(name, m)| Ok((name.clone(), m.select(Some(kept), Some(kept))?))).collect()
}
