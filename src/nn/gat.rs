//! Graph attention (Veličković et al., ICLR 2018), with the semantics of PyTorch Geometric's
//! `GATConv(concat=False)`: self loops added once, leaky slope 0.2, heads averaged.

use tch::{Device, Kind, Tensor};

use super::Scope;
use crate::base::{Error, Result};

const LEAKY_SLOPE: f64 = 0.2;

/// The edges of a graph as tensors, self loops among them, sorted by target then source.
#[derive(Debug)]
pub struct Edges {
    nodes: i64,
    source: Tensor,
    target: Tensor,
    /// Edges into each node, [N]; at least one, its self loop.
    degree: Tensor,
}

impl Edges {
    /// Takes directed edges, drops their self loops and adds one for each node.
    ///
    /// # Shapes
    /// `source`, `target` [E]
    ///
    /// # Errors
    /// Lengths that differ, or an edge to a node that is not there.
    pub fn new(nodes: usize, source: &[u32], target: &[u32], device: Device) -> Result<Self> {
        let doing = "building the edges of graph attention";
        if source.len() != target.len() {
            return Err(Error::new(doing)
                .expected(format!("{} targets, one a source", source.len()))
                .found(target.len().to_string()));
        }
        if let Some(n) = source.iter().chain(target).find(|&&n| n as usize >= nodes) {
            return Err(Error::new(doing)
                .expected(format!("nodes below {nodes}"))
                .found(format!("node {n}")));
        }
        let loops = (0..nodes as i64).map(|n| (n, n));
        let mut edges: Vec<(i64, i64)> = source
            .iter()
            .zip(target)
            .filter(|(s, t)| s != t)
            .map(|(&s, &t)| (i64::from(t), i64::from(s)))
            .chain(loops)
            .collect();
        edges.sort_unstable();
        let (target, source): (Vec<i64>, Vec<i64>) = edges.into_iter().unzip();
        let mut degree = vec![0i64; nodes];
        target.iter().for_each(|&t| degree[t as usize] += 1);
        Ok(Self {
            nodes: nodes as i64,
            source: Tensor::from_slice(&source).to_device(device),
            target: Tensor::from_slice(&target).to_device(device),
            degree: Tensor::from_slice(&degree).to_device(device),
        })
    }

    pub fn nodes(&self) -> i64 {
        self.nodes
    }

    /// Edges, self loops included.
    pub fn len(&self) -> i64 {
        self.source.size()[0]
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reduces values of edges [E,D] over the edges into each node, [N,D]. Edges are sorted by
    /// target, so that this is one pass in one order: the same bits each time.
    fn reduce(&self, how: &str, values: &Tensor) -> Tensor {
        Tensor::segment_reduce(values, how, Some(&self.degree), None, None, 0, true, 0.0)
    }
}

/// One layer of graph attention.
#[derive(Debug)]
pub struct Gat {
    weight: Tensor,
    att_src: Tensor,
    att_dst: Tensor,
    bias: Tensor,
    heads: i64,
    width: i64,
    dropout: f64,
}

impl Gat {
    pub fn new(mut at: Scope<'_>, inputs: i64, width: i64, heads: i64, dropout: f64) -> Self {
        // Glorot's bound, over the axes PyTorch Geometric takes it over.
        let glorot = |a: i64, b: i64| (6.0 / (a + b) as f64).sqrt();
        Self {
            att_src: at.uniform("att_src", &[1, heads, width], glorot(heads, width)),
            att_dst: at.uniform("att_dst", &[1, heads, width], glorot(heads, width)),
            bias: at.parameter("bias", Tensor::zeros([width], (Kind::Float, Device::Cpu))),
            weight: at.sub("lin").uniform(
                "weight",
                &[heads * width, inputs],
                glorot(inputs, heads * width),
            ),
            heads,
            width,
            dropout,
        }
    }

    /// # Shapes
    /// [N, inputs] -> [N, width]
    pub fn forward(&self, x: &Tensor, edges: &Edges, train: bool) -> Tensor {
        let projected =
            x.linear::<Tensor>(&self.weight, None).view([edges.nodes, self.heads, self.width]); // [N,H,D]
        let score = |att: &Tensor| (&projected * att).sum_dim_intlist(-1, false, None); // [N,H]
        let logits = leaky_relu(
            &(score(&self.att_src).index_select(0, &edges.source)
                + score(&self.att_dst).index_select(0, &edges.target)),
        ); // [E,H]
        let attention = softmax_by_target(&logits, edges).dropout(self.dropout, train); // [E,H]
        let sent = projected.index_select(0, &edges.source); // [E,H,D]
        // The mean over heads is taken on the edges: a third of the sums over neighbours.
        let sent = (attention.unsqueeze(1) / self.heads as f64).bmm(&sent).squeeze_dim(1); // [E,D]
        edges.reduce("sum", &sent) + &self.bias // [N,D]
    }
}

/// libtorch's own takes its slope from the default, 0.01, in tch.
fn leaky_relu(x: &Tensor) -> Tensor {
    x.maximum(&(x * LEAKY_SLOPE))
}

/// Softmax of `logits` [E,H] over the edges that share a target.
fn softmax_by_target(logits: &Tensor, edges: &Edges) -> Tensor {
    let largest = edges.reduce("max", &logits.detach()); // [N,H]
    let weight = (logits - largest.index_select(0, &edges.target)).exp();
    let total = edges.reduce("sum", &weight); // [N,H]
    weight / total.index_select(0, &edges.target)
}
