//! The values a dataset had before its genes were chosen, as AnnData keeps them in `raw`.

use std::collections::HashMap;

use indexmap::IndexMap;
use ndarray::Array2;

use super::{Dataset, Matrix, Table, keys};
use crate::base::{Error, Kind, Result, nearest};

/// The spots of the dataset, with genes of its own: often all that were measured, in counts.
#[derive(Clone, Debug)]
pub struct Raw {
    x: Matrix,
    var: Table,
    /// Matrices of the genes of `raw`, [H,*].
    pub varm: IndexMap<String, Array2<f64>>,
}

impl Raw {
    /// # Shapes
    /// `x` [N,H], `var` H rows.
    ///
    /// # Errors
    /// Shapes that disagree.
    pub fn new(x: impl Into<Matrix>, var: Table) -> Result<Self> {
        let x = x.into();
        if x.shape().1 != var.len() {
            return Err(Error::new("building raw")
                .expected(format!("X of {} genes, as var", var.len()))
                .found(x.shape().1.to_string()));
        }
        Ok(Self { x, var, varm: IndexMap::new() })
    }

    /// The values, [N,H].
    pub fn x(&self) -> &Matrix {
        &self.x
    }

    /// One row a gene.
    pub fn var(&self) -> &Table {
        &self.var
    }

    /// Whether the values are counts.
    pub fn is_counts(&self) -> bool {
        self.x.first_non_count().is_none()
    }

    /// The same of the spots named, in the order named.
    pub(super) fn of_obs(&self, rows: &[usize]) -> Result<Self> {
        Ok(Self { x: self.x.select_rows(rows)?, var: self.var.clone(), varm: self.varm.clone() })
    }
}

impl Dataset {
    /// A dataset of its own with the values and genes of `raw`, and all that is known of the spots.
    ///
    /// # Errors
    /// [`Kind::Missing`] where there is no `raw`.
    pub fn of_raw(&self) -> Result<Self> {
        let raw = self.require_raw()?;
        let mut ds = Self::new(raw.x.clone(), self.obs().clone(), raw.var.clone())?;
        for (name, m) in self.obsm() {
            ds.set_obsm(name, m.clone())?;
        }
        for (name, m) in self.obsp() {
            ds.set_obsp(name, m.clone())?;
        }
        for (name, m) in &raw.varm {
            ds.set_varm(name, m.clone())?;
        }
        *ds.uns_mut() = self.uns().clone();
        ds.sources.clone_from(&self.sources);
        Ok(ds)
    }

    /// Sets `layers["counts"]` to the values that `raw` has for the genes of X, by their names.
    ///
    /// # Errors
    /// No `raw`, genes that it lacks or that bear one name, values that are no counts.
    pub fn counts_from_raw(&mut self) -> Result<()> {
        let doing = "taking the counts from raw";
        let raw = self.require_raw()?;
        if let Some((r, c, v)) = raw.x.first_non_count() {
            return Err(Error::new(doing)
                .expected("whole numbers, none below zero")
                .found(format!("{v} at [{r}, {c}]"))
                .advice(
                    "raw was normalised too; a count model needs the counts of the experiment",
                ));
        }
        let mut place = HashMap::new();
        for (i, gene) in raw.var.index().iter().enumerate() {
            if place.insert(gene.as_str(), i).is_some() {
                return Err(Error::new(doing)
                    .expected("each gene of raw once")
                    .found(format!("'{gene}' several times")));
            }
        }
        self.check_genes_are_unique()?;
        let of = |gene: &String| {
            place.get(gene.as_str()).copied().ok_or_else(|| {
                Error::new(doing)
                    .kind(Kind::Missing)
                    .expected("the genes of X in raw")
                    .found(format!("no '{gene}'"))
                    .advice(nearest::advice(gene, raw.var.index().iter().map(String::as_str)))
            })
        };
        let genes = self.var().index().iter().map(of).collect::<Result<Vec<_>>>()?;
        let counts = raw.x.select_cols(&genes)?;
        self.set_layer(keys::COUNTS, counts)
    }

    fn require_raw(&self) -> Result<&Raw> {
        self.raw().ok_or_else(|| {
            Error::new("looking up raw")
                .kind(Kind::Missing)
                .expected("a dataset that keeps its values from before the genes were chosen")
                .found("none")
        })
    }
}
