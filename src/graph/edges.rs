//! The graph itself: a sorted list of edges and where it came from.

use std::fmt;

use crate::base::{Error, Result, evcxr};
use crate::data::{Csr, Unit};

/// Directed edges between spots. A message runs from source to target, so the sources of a target
/// are its neighbours. There are no self loops (a layer that wants them adds them) and no
/// duplicates; edges ascend by (target, source).
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    n_nodes: usize,
    sources: Vec<u32>,
    targets: Vec<u32>,
    /// How it was made, as in "kNN, k = 6, symmetric".
    pub rule: String,
    /// Median distance from a spot to the nearest other position; NaN without coordinates.
    pub median_spacing: f64,
    /// The unit of `median_spacing`, that of the coordinates.
    pub unit: Unit,
    /// Micrometres a unit, where that is known.
    pub um_per_unit: Option<f64>,
    /// Spots without a neighbour.
    pub isolated: usize,
}

impl Graph {
    /// Shows what the graph is in a Rust notebook.
    pub fn evcxr_display(&self) {
        evcxr::display(&[("text/plain", self.to_string().trim_end())]);
    }

    /// A graph of given edges, each `(source, target)`, in any order. Duplicates are dropped.
    ///
    /// # Errors
    /// A self loop, or a spot that is not there.
    pub fn from_edges(n_nodes: usize, edges: &[(u32, u32)]) -> Result<Self> {
        if let Some((s, t)) = edges.iter().find(|(s, t)| s == t || (*s).max(*t) as usize >= n_nodes)
        {
            return Err(Error::new("building a graph from edges")
                .expected(format!("edges between two of {n_nodes} spots"))
                .found(format!("an edge from {s} to {t}")));
        }
        Ok(Self::new(n_nodes, edges.iter().map(|&(s, t)| (t, s)).collect(), "given edges".into()))
    }

    /// From pairs `(target, source)` that are in range and no loops.
    pub(super) fn new(n_nodes: usize, pairs: Vec<(u32, u32)>, rule: String) -> Self {
        // Counted into place by target, then sorted by source among the few of each.
        let mut first = vec![0_usize; n_nodes + 1];
        pairs.iter().for_each(|p| first[p.0 as usize + 1] += 1);
        (0..n_nodes).for_each(|t| first[t + 1] += first[t]);
        let mut next = first.clone();
        let mut all = vec![0; pairs.len()];
        for (t, s) in pairs {
            all[next[t as usize]] = s;
            next[t as usize] += 1;
        }
        let (mut sources, mut targets) =
            (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
        let mut isolated = 0;
        for t in 0..n_nodes {
            let near = &mut all[first[t]..first[t + 1]];
            near.sort_unstable();
            isolated += usize::from(near.is_empty());
            let before = sources.len();
            for &s in near.iter() {
                if sources.len() == before || sources.last() != Some(&s) {
                    sources.push(s);
                    targets.push(t as u32);
                }
            }
        }
        Self {
            n_nodes,
            sources,
            targets,
            rule,
            median_spacing: f64::NAN,
            unit: Unit::Unknown,
            um_per_unit: None,
            isolated,
        }
    }

    /// A graph as it stands in `obsp`, [N,N]: row = target, column = source. Weights other than
    /// zero are edges; the diagonal is left out.
    ///
    /// # Errors
    /// A matrix that is not square.
    pub fn from_csr(m: &Csr) -> Result<Self> {
        if m.nrows() != m.ncols() {
            return Err(Error::new("taking a graph from a matrix")
                .expected("a square matrix")
                .found(format!("[{}, {}]", m.nrows(), m.ncols())));
        }
        let row = |t: usize| {
            let (sources, weights) = m.row(t);
            let edges =
                sources.iter().zip(weights).filter(move |(s, w)| **s as usize != t && **w != 0.0);
            edges.map(move |(&s, _)| (t as u32, s))
        };
        Ok(Self::new(m.nrows(), (0..m.nrows()).flat_map(row).collect(), "from obsp".into()))
    }

    /// Graphs of parts of the spots as one; each part with the places of its spots.
    pub(super) fn join(n_nodes: usize, parts: &[(Vec<usize>, Self)]) -> Self {
        let pairs = parts.iter().flat_map(|(at, g)| {
            let place = |i: u32| at[i as usize] as u32;
            g.targets.iter().zip(&g.sources).map(move |(&t, &s)| (place(t), place(s)))
        });
        let mut graph = Self::new(n_nodes, pairs.collect(), String::new());
        if let Some((_, first)) = parts.first() {
            graph.rule = format!("{}, {} samples apart", first.rule, parts.len());
            graph.unit = first.unit;
            graph.um_per_unit = first.um_per_unit;
            let mut spacings: Vec<f64> = parts.iter().map(|p| p.1.median_spacing).collect();
            spacings.sort_by(f64::total_cmp);
            graph.median_spacing = spacings[spacings.len() / 2];
        }
        graph
    }

    pub fn n_nodes(&self) -> usize {
        self.n_nodes
    }

    /// Directed edges: a symmetric graph counts each pair twice.
    pub fn n_edges(&self) -> usize {
        self.sources.len()
    }

    /// Where each edge starts, [E].
    pub fn sources(&self) -> &[u32] {
        &self.sources
    }

    /// Where each edge ends, [E], ascending.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// Neighbours of each spot (edges that end there), [N].
    pub fn degrees(&self) -> Vec<usize> {
        let mut degrees = vec![0; self.n_nodes];
        for &t in &self.targets {
            degrees[t as usize] += 1;
        }
        degrees
    }

    pub fn mean_degree(&self) -> f64 {
        self.n_edges() as f64 / (self.n_nodes as f64).max(1.0)
    }

    /// The adjacency matrix, [N,N]: row = target, column = source, 1 for an edge.
    pub fn to_csr(&self) -> Csr {
        self.weights(false)
    }

    /// The adjacency matrix with 1 for an edge, or with rows that add up to 1.
    pub fn weights(&self, row_normalized: bool) -> Csr {
        let mut rows = vec![Vec::new(); self.n_nodes];
        for (&t, &s) in self.targets.iter().zip(&self.sources) {
            rows[t as usize].push((s, 1.0));
        }
        if row_normalized {
            for row in &mut rows {
                let share = 1.0 / row.len() as f32;
                row.iter_mut().for_each(|e| e.1 = share);
            }
        }
        Csr::from_rows(self.n_nodes, rows)
    }
}

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let degrees = self.degrees();
        let (least, most) =
            (degrees.iter().min().unwrap_or(&0), degrees.iter().max().unwrap_or(&0));
        writeln!(
            f,
            "Graph {} spots, {} directed edges ({})",
            self.n_nodes,
            self.n_edges(),
            self.rule
        )?;
        write!(f, "  neighbours  {:.2} a spot, {least} to {most}", self.mean_degree())?;
        if self.isolated > 0 {
            write!(f, "; {} without any", self.isolated)?;
        }
        writeln!(f)?;
        if self.median_spacing.is_finite() {
            write!(f, "  spacing     {:.4} {} (median)", self.median_spacing, self.unit.name())?;
            match self.um_per_unit {
                Some(um) if self.unit == Unit::Px => {
                    writeln!(f, " = {:.1} um", self.median_spacing * um)?
                }
                _ => writeln!(f)?,
            }
        }
        Ok(())
    }
}
