//! Averages over neighbours in space.

use ndarray::{Array2, ArrayView2};

use crate::base::{Error, Result, interrupt};
use crate::graph::Graph;

/// The mean of each spot's neighbours, and of the spot itself with `include_self`. A spot without
/// a neighbour keeps its own values.
///
/// # Shapes
/// `x` [N,D] to [N,D].
///
/// # Errors
/// A graph of another number of spots.
pub fn neighbour_mean(
    x: ArrayView2<'_, f64>,
    graph: &Graph,
    include_self: bool,
) -> Result<Array2<f64>> {
    let doing = "averaging over neighbours";
    if graph.n_nodes() != x.nrows() {
        return Err(Error::new(doing)
            .expected(format!("a graph of {} spots", x.nrows()))
            .found(graph.n_nodes().to_string()));
    }
    let degrees = graph.degrees();
    let mut out = Array2::zeros(x.dim());
    for (&t, &s) in graph.targets().iter().zip(graph.sources()) {
        interrupt::check(doing)?;
        let mut row = out.row_mut(t as usize);
        row += &x.row(s as usize);
    }
    for (i, mut row) in out.rows_mut().into_iter().enumerate() {
        let own = include_self || degrees[i] == 0;
        if own {
            row += &x.row(i);
        }
        row /= (degrees[i] + usize::from(own)) as f64;
    }
    Ok(out)
}
