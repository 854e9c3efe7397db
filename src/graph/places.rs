//! Positions in a kd-tree. Spots that share a position share one entry of the tree, so that any
//! number of duplicates can neither overflow a leaf nor crowd a spot's neighbours out.

use std::num::NonZero;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use rayon::prelude::*;

use crate::base::{Error, Result};
use crate::data::Coordinates;

/// Neighbours that an ordinary spot has on a hexagonal grid; the suggested radius aims at it.
const USUAL_NEIGHBOURS: usize = 6;

/// Positions that the spacing is told from; more would not change it.
const MOST_PROBES: usize = 16_384;

pub(super) struct Places {
    /// Distinct positions, ascending by (x, y).
    pub xy: Vec<[f64; 2]>,
    /// Spots at each position: `members[first[p]..first[p + 1]]`, ascending.
    first: Vec<usize>,
    members: Vec<u32>,
    /// The position of each spot, [N].
    place: Vec<u32>,
    tree: ImmutableKdTree<f64, 2>,
}

impl Places {
    /// # Errors
    /// Fewer than two spots, not two columns, coordinates that are not finite.
    pub fn new(coordinates: &Coordinates, doing: &str) -> Result<Self> {
        let (n, columns) = coordinates.xy.dim();
        if columns != 2 || n < 2 {
            return Err(Error::new(doing)
                .expected("at least 2 spots with x and y")
                .found(format!("{n} spots with {columns} columns")));
        }
        if n > u32::MAX as usize / 2 {
            return Err(Error::new(doing).expected("fewer than 2^31 spots").found(n.to_string()));
        }
        // `+ 0.0` makes -0 equal 0 bit for bit.
        let xy: Vec<[f64; 2]> =
            coordinates.xy.rows().into_iter().map(|r| [r[0] + 0.0, r[1] + 0.0]).collect();
        if let Some(i) = xy.iter().position(|p| !(p[0].is_finite() && p[1].is_finite())) {
            return Err(Error::new(doing)
                .expected("finite coordinates")
                .found(format!("({}, {}) at spot {i}", xy[i][0], xy[i][1]))
                .advice("Remove spots without a position first"));
        }
        let mut members: Vec<u32> = (0..n as u32).collect();
        let at = |i: u32| xy[i as usize];
        members.sort_by(|&a, &b| {
            let (p, q) = (at(a), at(b));
            p[0].total_cmp(&q[0]).then(p[1].total_cmp(&q[1])).then(a.cmp(&b))
        });
        let (mut distinct, mut first, mut place) = (Vec::new(), Vec::new(), vec![0; n]);
        for (rank, &i) in members.iter().enumerate() {
            if distinct.last() != Some(&at(i)) {
                distinct.push(at(i));
                first.push(rank);
            }
            place[i as usize] = distinct.len() as u32 - 1;
        }
        first.push(n);
        let tree = ImmutableKdTree::new_from_slice(&distinct).map_err(|e| Error::io(doing, e))?;
        Ok(Self { xy: distinct, first, members, place, tree })
    }

    /// Spots.
    pub fn len(&self) -> usize {
        self.place.len()
    }

    /// The spots at position `p`.
    pub fn members(&self, p: usize) -> &[u32] {
        &self.members[self.first[p]..self.first[p + 1]]
    }

    /// The `k` nearest other spots of spot `i`, as (squared distance, spot), by distance and then
    /// by number: of spots equally far, the first ones are taken whatever the tree looks like.
    pub fn nearest(&self, i: usize, k: usize) -> Vec<(f64, u32)> {
        let p = self.place[i] as usize;
        // The place itself, k others, and one more to see whether the k-th is tied.
        let wanted = NonZero::new(k + 2).unwrap_or(NonZero::<usize>::MIN);
        let found =
            self.tree.query(&self.xy[p]).nearest_n::<SquaredEuclidean<f64>>(wanted).execute();
        let mut spots = self.expand(i, found.iter().map(|f| (f.distance, f.item)));
        if let (Some(kth), Some(last)) = (spots.get(k - 1).map(|s| s.0), found.last())
            && kth == last.distance
        {
            spots = self.within(i, kth);
        }
        spots.truncate(k);
        spots
    }

    /// All spots in an order in which those that follow each other are near each other, so that
    /// what one query reads is at hand for the next: along Morton's curve.
    pub fn walk(&self) -> Vec<u32> {
        let low = |axis: usize| self.xy.iter().map(|p| p[axis]).fold(f64::INFINITY, f64::min);
        let high = |axis: usize| self.xy.iter().map(|p| p[axis]).fold(f64::NEG_INFINITY, f64::max);
        let from = [low(0), low(1)];
        let size = (high(0) - from[0]).max(high(1) - from[1]).max(f64::MIN_POSITIVE);
        let spread = |v: f64| {
            // Sixteen bits, each followed by an empty one.
            let cell = ((v / size) * 65535.0) as u32;
            (0..16).fold(0_u32, |bits, b| bits | ((cell >> b) & 1) << (2 * b))
        };
        let key = |p: usize| spread(self.xy[p][0] - from[0]) | spread(self.xy[p][1] - from[1]) << 1;
        let mut places: Vec<(u32, u32)> =
            (0..self.xy.len()).into_par_iter().map(|p| (key(p), p as u32)).collect();
        places.par_sort_unstable();
        places.into_iter().flat_map(|(_, p)| self.members(p as usize).iter().copied()).collect()
    }

    /// The other spots no further from spot `i` than the root of `squared`, nearest first.
    pub fn within(&self, i: usize, squared: f64) -> Vec<(f64, u32)> {
        let p = self.place[i] as usize;
        let found = self.tree.query(&self.xy[p]).within::<SquaredEuclidean<f64>>(squared).execute();
        self.expand(i, found.iter().map(|f| (f.distance, f.item)))
    }

    fn expand(&self, i: usize, places: impl Iterator<Item = (f64, u32)>) -> Vec<(f64, u32)> {
        let mut spots: Vec<(f64, u32)> = places
            .flat_map(|(d, p)| self.members(p as usize).iter().map(move |&j| (d, j)))
            .filter(|&(_, j)| j as usize != i)
            .collect();
        spots.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        spots
    }

    /// Median over positions of the distance to the nearest other one, and a radius within which a
    /// typical position has six others. NaN when all spots lie at one position.
    pub fn spacing(&self) -> Spacing {
        let distance = |p: &[f64; 2]| {
            let wanted = NonZero::new(USUAL_NEIGHBOURS + 1).unwrap_or(NonZero::<usize>::MIN);
            let found = self.tree.query(p).nearest_n::<SquaredEuclidean<f64>>(wanted).execute();
            let first = found.get(1).map_or(f64::NAN, |f| f.distance.sqrt());
            (first, found.last().map_or(f64::NAN, |f| f.distance.sqrt()))
        };
        let step = self.xy.len().div_ceil(MOST_PROBES);
        let (nearest, sixth): (Vec<f64>, Vec<f64>) =
            self.xy.par_iter().step_by(step).map(distance).unzip();
        Spacing { median: median(nearest), radius: 1.1 * median(sixth) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Spacing {
    pub median: f64,
    pub radius: f64,
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}
