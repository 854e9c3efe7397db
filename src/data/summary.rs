//! What a dataset says of itself.

use std::fmt;

use super::{Dataset, Uns, keys};
use crate::base::memory;

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, g) = (self.n_obs(), self.n_vars());
        let filled = self.x().nonzero() as f64 / ((n * g) as f64).max(1.0);
        writeln!(
            f,
            "Dataset {n} spots x {g} genes, {:.1} % of X not zero, {}",
            100.0 * filled,
            memory::human(
                self.x().bytes()
                    + self.layers().values().map(|l| l.bytes()).sum::<u64>()
                    + self.raw().map_or(0, |r| r.x().bytes())
            )
        )?;
        let mut line = |name: &str, items: Vec<String>| {
            if items.is_empty() { Ok(()) } else { writeln!(f, "  {name:<7} {}", items.join(", ")) }
        };
        let columns = |t: &super::Table| t.names().iter().map(|n| (*n).to_owned()).collect();
        let matrices = |m: &indexmap::IndexMap<String, ndarray::Array2<f64>>| {
            m.iter().map(|(k, v)| format!("{k} [{}, {}]", v.nrows(), v.ncols())).collect()
        };
        line("layers", self.layers().keys().cloned().collect())?;
        line("obs", columns(self.obs()))?;
        line("var", columns(self.var()))?;
        line("obsm", matrices(self.obsm()))?;
        line("varm", matrices(self.varm()))?;
        line("obsp", self.obsp().keys().cloned().collect())?;
        line("varp", self.varp().keys().cloned().collect())?;
        if let Some(raw) = self.raw() {
            let counts = if raw.is_counts() { "counts" } else { "no counts" };
            line("raw", vec![format!("{} genes, {counts}", raw.var().len())])?;
        }
        line("uns", self.uns().as_map().map(|m| m.keys().cloned().collect()).unwrap_or_default())?;
        if let Ok(c) = self.coordinates() {
            let scale = c.um_per_unit.map(|u| format!(", {u:.4} um each")).unwrap_or_default();
            line("unit", vec![format!("obsm[\"spatial\"] in {}{scale}", c.unit.name())])?;
        }
        let mut warnings = Vec::new();
        if self.counts().is_err() {
            warnings.push("no counts: a count model will refuse it");
        }
        if !self.obsm().contains_key(keys::SPATIAL) {
            warnings.push("no obsm[\"spatial\"]: no graph can be built");
        }
        if self.tissue_image().is_none() && !self.obsm().contains_key(keys::IMAGE_FEATURES) {
            warnings.push("no tissue image");
        }
        line("warning", warnings.into_iter().map(str::to_owned).collect())
    }
}

impl fmt::Display for Uns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Map(m) => write!(f, "{{{}}}", m.keys().cloned().collect::<Vec<_>>().join(", ")),
            Self::Text(t) => f.write_str(t),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) => write!(f, "{v}"),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Texts(a) => write!(f, "text {:?}", a.shape()),
            Self::Ints(a) => write!(f, "integers {:?}", a.shape()),
            Self::Floats(a) => write!(f, "floats {:?}", a.shape()),
            Self::Singles(a) => write!(f, "floats {:?}", a.shape()),
            Self::Bools(a) => write!(f, "booleans {:?}", a.shape()),
            Self::Bytes(a) => write!(f, "bytes {:?}", a.shape()),
            Self::Sparse(m) => write!(f, "sparse [{}, {}]", m.nrows(), m.ncols()),
            Self::Table(t) => write!(f, "table of {} rows", t.len()),
            Self::Null => f.write_str("null"),
        }
    }
}
