//! The dataset that everything works on, laid out as AnnData lays it out.

use std::path::PathBuf;

use indexmap::IndexMap;
use ndarray::{Array2, Axis};

use super::{Csr, Matrix, Raw, Table, Uns, keys};
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

    /// Keeps the spots named, in the order named, in every part.
    pub fn select_obs(&mut self, rows: &[usize]) -> Result<()> {
        self.obs = self.obs.select_rows(rows)?;
        self.x = self.x.select_rows(rows);
        for m in self.layers.values_mut() {
            *m = m.select_rows(rows);
        }
        for m in self.obsm.values_mut() {
            *m = m.select(Axis(0), rows);
        }
        for m in self.obsp.values_mut() {
            *m = m.select_rows(rows).select_cols(rows);
        }
        if let Some(raw) = &mut self.raw {
            raw.select_obs(rows);
        }
        Ok(())
    }

    /// Keeps the genes named, in the order named, in every part but `raw`, whose genes are its own.
    pub fn select_var(&mut self, cols: &[usize]) -> Result<()> {
        self.var = self.var.select_rows(cols)?;
        self.x = self.x.select_cols(cols);
        for m in self.layers.values_mut() {
            *m = m.select_cols(cols);
        }
        for m in self.varm.values_mut() {
            *m = m.select(Axis(0), cols);
        }
        for m in self.varp.values_mut() {
            *m = m.select_rows(cols).select_cols(cols);
        }
        Ok(())
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
                .advice(nearest::advice(first, self.var.index().iter().map(String::as_str))));
        }
        Ok(genes.iter().map(|g| place[g.as_str()]).collect())
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
