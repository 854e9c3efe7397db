//! What a dataset says of itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Csr, Dataset, Matrix, Table, Uns, keys};
use crate::base::memory;

/// Beginnings of the names of features that instruments add to the genes as controls.
const CONTROLS: &[&str] = &[
    "NegControl",
    "NegPrb",
    "Negative",
    "SystemControl",
    "FalseCode",
    "BLANK",
    "Blank",
    "blank",
    "antisense",
    "UnassignedCodeword",
    "DeprecatedCodeword",
    "Intergenic",
];
/// What 10x calls a gene among the types of features.
const GENE: &str = "Gene Expression";
/// A spot further than this many typical spacings from all others is far from the tissue.
const FAR: f64 = 5.0;

impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (n, g) = (self.n_obs(), self.n_vars());
        let filled = self.x().nonzero() as f64 / ((n * g) as f64).max(1.0);
        let kind = if matches!(self.x(), Matrix::Sparse(_)) { "sparse" } else { "dense" };
        writeln!(
            f,
            "Dataset {n} spots x {g} genes, {:.1} % of X not zero, {kind}, {}",
            100.0 * filled,
            memory::human(self.bytes())
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
        if let Some(image) = self.tissue_image() {
            let (h, w, _) = image.pixels.dim();
            line("image", vec![format!("{}, {w} x {h} px", image.resolution)])?;
        }
        if let Ok(c) = self.coordinates() {
            let scale = c.um_per_unit.map(|u| format!(", {u:.4} um each")).unwrap_or_default();
            line("unit", vec![format!("obsm[\"spatial\"] in {}{scale}", c.unit.name())])?;
        }
        line("warning", self.warnings())
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

impl Table {
    /// Bytes of the columns and the row names.
    fn bytes(&self) -> u64 {
        let names = self.index().iter().map(|n| n.len() + size_of::<String>()).sum::<usize>();
        (self.frame().estimated_size() + names) as u64
    }
}

impl Uns {
    /// Bytes of all that is in it.
    fn bytes(&self) -> u64 {
        match self {
            Self::Map(map) => map.iter().map(|(k, v)| k.len() as u64 + v.bytes()).sum(),
            Self::Text(text) => text.len() as u64,
            Self::Int(_) | Self::Float(_) | Self::Bool(_) | Self::Null => size_of::<Self>() as u64,
            Self::Texts(a) => a.iter().map(|t| (t.len() + size_of::<String>()) as u64).sum(),
            Self::Ints(a) => a.len() as u64 * 8,
            Self::Floats(a) => a.len() as u64 * 8,
            Self::Singles(a) => a.len() as u64 * 4,
            Self::Bools(a) => a.len() as u64,
            Self::Bytes(a) => a.len() as u64,
            Self::Sparse(m) => m.bytes(),
            Self::Table(t) => t.bytes(),
        }
    }
}

impl Dataset {
    /// Bytes of X, the layers and raw; what they share counts once.
    pub fn bytes(&self) -> u64 {
        let mut bytes = 0;
        let mut sparse: Vec<&Csr> = Vec::new();
        let raw = self.raw().map(|raw| raw.x());
        for m in std::iter::once(self.x()).chain(self.layers().values()).chain(raw) {
            let Matrix::Sparse(m) = m else {
                bytes += m.bytes();
                continue;
            };
            let pattern = m.pattern_bytes();
            if !sparse.iter().any(|other| other.shares_pattern(m)) {
                bytes += pattern;
            }
            if !sparse.iter().any(|other| other.shares_values(m)) {
                bytes += m.bytes() - pattern;
            }
            sparse.push(m);
        }
        bytes
    }

    /// Bytes of all that it holds: [`bytes`](Self::bytes), and the tables, matrices, graphs and
    /// pictures beside them.
    pub fn bytes_of_all(&self) -> u64 {
        let dense = |m: &indexmap::IndexMap<String, ndarray::Array2<f64>>| {
            m.values().map(|m| m.len() * 8).sum::<usize>()
        };
        let beside = dense(self.obsm()) + dense(self.varm());
        let pairs = self.obsp().values().chain(self.varp().values()).map(Csr::bytes).sum::<u64>();
        let tables = self.obs().bytes() + self.var().bytes();
        self.bytes() + pairs + tables + self.uns().bytes() + beside as u64
    }

    /// What of this dataset will hurt later.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut warn = |n: usize, what: &str| {
            if n > 0 {
                found.push(format!("{n} {what}"));
            }
        };
        let repeated = |names: &[String]| names.len() - names.iter().collect::<BTreeSet<_>>().len();
        warn(repeated(self.obs().index()), "repeated names of spots");
        warn(repeated(self.var().index()), "repeated names of genes");
        warn(self.controls(), "control features among the genes: drop them before normalising");
        let values = self.layers().get(keys::COUNTS).unwrap_or(self.x()).csr();
        let empty = values.row_positive().iter().filter(|&&n| n == 0).count();
        warn(empty, "spots without counts: ds.filter(#{ min_counts: 1 }) drops them");
        warn(self.without_neighbours(), "spots without neighbours");
        let mut say = |so: bool, what: &str| {
            if so {
                found.push(what.to_owned());
            }
        };
        say(self.counts().is_err(), "no counts: a count model will refuse it");
        say(
            !self.obsm().contains_key(keys::SPATIAL),
            "no obsm[\"spatial\"]: no graph can be built",
        );
        let picture =
            self.obsm().contains_key(keys::IMAGE_FEATURES) || self.tissue_image().is_some();
        say(!picture, "no tissue image");
        found
    }

    /// Features that are no genes, by their type where `var` has it, else by their names.
    fn controls(&self) -> usize {
        for column in ["feature_types", "feature_type"] {
            if let Ok(types) = self.var().text(column) {
                return types.iter().flatten().filter(|t| *t != GENE).count();
            }
        }
        let is = |name: &&String| CONTROLS.iter().any(|c| name.starts_with(c));
        self.var().index().iter().filter(is).count()
    }

    /// Spots that the graph of the dataset leaves alone or, without one, that lie far from all
    /// others.
    fn without_neighbours(&self) -> usize {
        if let Some(graph) = self.obsp().get(keys::SPATIAL_CONNECTIVITIES) {
            let (indptr, ..) = graph.parts();
            return indptr.windows(2).filter(|w| w[0] == w[1]).count();
        }
        self.coordinates().map_or(0, |c| far(&c.xy.column(0).to_vec(), &c.xy.column(1).to_vec()))
    }
}

/// Points with no other in their own field of a coarse grid nor in the eight around it. The spacing
/// is that of as many points spread over the fields that a first grid finds taken.
fn far(x: &[f64], y: &[f64]) -> usize {
    let low = |v: &[f64]| v.iter().copied().fold(f64::INFINITY, f64::min);
    let high = |v: &[f64]| v.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (x0, y0) = (low(x), low(y));
    let (width, height) = (high(x) - x0, high(y) - y0);
    let n = x.len() as f64;
    if x.len() < 10 || width <= 0.0 || height <= 0.0 {
        return 0;
    }
    let grid = |side: f64| {
        let mut taken: BTreeMap<(i64, i64), usize> = BTreeMap::new();
        for (x, y) in x.iter().zip(y) {
            let field = (((x - x0) / side) as i64, ((y - y0) / side) as i64);
            *taken.entry(field).or_default() += 1;
        }
        taken
    };
    // Ten points a field on average: what is empty then is no tissue.
    let coarse = (10.0 * width * height / n).sqrt();
    let spacing = (grid(coarse).len() as f64 * coarse * coarse / n).sqrt();
    let fields = grid(FAR * spacing);
    let around = |(a, b): (i64, i64)| {
        let near = (-1..=1).flat_map(|i| (-1..=1).map(move |j| (a + i, b + j)));
        near.filter_map(|f| fields.get(&f)).sum::<usize>()
    };
    fields.keys().filter(|f| around(**f) == 1).count()
}
