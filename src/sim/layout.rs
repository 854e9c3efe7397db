//! Where spots lie, which domain they belong to, and where the two modalities are made to disagree.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

use super::field::Field;

/// Spots on a jittered hexagonal lattice inside an ellipse.
pub struct Lattice {
    /// Positions in um, all positive.
    pub xy: Vec<[f64; 2]>,
    /// The spots beside each spot on the lattice, up to six.
    pub beside: Vec<Vec<usize>>,
}

impl Lattice {
    /// The `n` lattice points nearest to the centre, by an ellipse a quarter wider than high.
    pub fn new(rng: &mut impl Rng, n: usize, spacing_um: f64, jitter: f64) -> Self {
        // In steps of half the spacing across and a row down, as Visium counts its columns.
        let reach = (n as f64).sqrt().ceil() as i64 * 2 + 4;
        let place = |column: i64, row: i64| {
            [column as f64 * spacing_um / 2.0, row as f64 * spacing_um * 3_f64.sqrt() / 2.0]
        };
        let mut points: Vec<(f64, i64, i64)> = Vec::new();
        for row in -reach..=reach {
            for column in (-2 * reach..=2 * reach).filter(|c| (c + row) % 2 == 0) {
                let [x, y] = place(column, row);
                points.push(((x / 1.25).hypot(y), row, column));
            }
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        points.truncate(n);
        points.sort_by_key(|&(_, row, column)| (row, column));

        let index: BTreeMap<(i64, i64), usize> =
            points.iter().enumerate().map(|(i, &(_, row, column))| ((row, column), i)).collect();
        let steps = [(-1, -1), (-1, 1), (0, -2), (0, 2), (1, -1), (1, 1)];
        let beside = |&(_, row, column): &(f64, i64, i64)| {
            steps.iter().filter_map(|(r, c)| index.get(&(row + r, column + c)).copied()).collect()
        };
        let left = points.iter().map(|p| p.2).min().unwrap_or(0) - 2;
        let top = points.iter().map(|p| p.1).min().unwrap_or(0) - 1;
        let mut shift = || jitter * spacing_um * rng.random_range(-1.0..1.0);
        let xy = points
            .iter()
            .map(|&(_, row, column)| {
                let [x, y] = place(column - left, row - top);
                [x + shift(), y + shift()]
            })
            .collect();
        Self { xy, beside: points.iter().map(beside).collect() }
    }
}

/// Shares of the domains in every spot, [N][D]; each row sums to 1.
///
/// Domains are Voronoi cells of centres spread by Lloyd's iterations, their borders bent by smooth
/// fields. A spot `border_um` away from a border holds 12 % of the domain beyond it.
pub fn domains(
    rng: &mut impl Rng,
    xy: &[[f64; 2]],
    domains: usize,
    border_um: f64,
) -> Vec<Vec<f64>> {
    let size = domain_size(xy, domains);
    let (dx, dy) = (Field::new(rng, 0.4 * size), Field::new(rng, 0.4 * size));
    let bent: Vec<[f64; 2]> =
        xy.iter().map(|&p| [p[0] + 0.2 * size * dx.at(p), p[1] + 0.2 * size * dy.at(p)]).collect();
    let centers = centers(rng, &bent, domains);
    let shares = |p: &[f64; 2]| {
        let distance: Vec<f64> = centers.iter().map(|c| apart(p, c)).collect();
        let nearest = distance.iter().copied().fold(f64::INFINITY, f64::min);
        let weight: Vec<f64> = if border_um > 0.0 {
            distance.iter().map(|d| ((nearest - d) / border_um).exp()).collect()
        } else {
            let own = distance.iter().position(|&d| d == nearest);
            (0..domains).map(|k| f64::from(own == Some(k))).collect()
        };
        let total: f64 = weight.iter().sum();
        weight.iter().map(|w| w / total).collect()
    };
    bent.iter().map(shares).collect()
}

/// How far a domain reaches, as the side of a square of its mean area.
pub fn domain_size(xy: &[[f64; 2]], domains: usize) -> f64 {
    let extent = |k: usize| {
        let (low, high) = xy
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), p| (l.min(p[k]), h.max(p[k])));
        (high - low).max(1.0)
    };
    (extent(0) * extent(1) / domains as f64).sqrt()
}

/// Centres far apart: each next one the farthest from those before, then evened out.
fn centers(rng: &mut impl Rng, points: &[[f64; 2]], n: usize) -> Vec<[f64; 2]> {
    let mut centers = vec![points[rng.random_range(0..points.len())]];
    while centers.len() < n {
        let gap = |p: &[f64; 2]| centers.iter().map(|c| apart(p, c)).fold(f64::INFINITY, f64::min);
        let farthest = points.iter().max_by(|a, b| gap(a).total_cmp(&gap(b)));
        centers.push(*farthest.unwrap_or(&points[0]));
    }
    for _ in 0..10 {
        let mut sums = vec![[0.0; 3]; n];
        for p in points {
            let own = argmax(centers.iter().map(|c| -apart(p, c)));
            sums[own] = [sums[own][0] + p[0], sums[own][1] + p[1], sums[own][2] + 1.0];
        }
        for (c, s) in centers.iter_mut().zip(sums).filter(|(_, s)| s[2] > 0.0) {
            *c = [s[0] / s[2], s[1] / s[2]];
        }
    }
    // Lloyd alone makes cells alike; real domains are not.
    let push = domain_size(points, n) * 0.1;
    for c in &mut centers {
        for v in c {
            let z: f64 = StandardNormal.sample(rng);
            *v += push * z;
        }
    }
    centers
}

fn apart(a: &[f64; 2], b: &[f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The place of the largest value, the first of equals.
pub fn argmax(values: impl IntoIterator<Item = f64>) -> usize {
    let best = |best: (usize, f64), (i, v)| if v > best.1 { (i, v) } else { best };
    values.into_iter().enumerate().fold((0, f64::NEG_INFINITY), best).0
}

/// Chooses `wanted` spots in connected patches of about `size`, as alike as can be, each inside one
/// domain and apart from every other patch as long as there is room. Returns the patches.
pub fn patches(
    rng: &mut impl Rng,
    lattice: &Lattice,
    label: &[usize],
    wanted: usize,
    size: usize,
) -> Vec<Vec<usize>> {
    let mut free = vec![true; label.len()];
    let mut apart = vec![true; label.len()];
    let mut order: Vec<usize> = (0..label.len()).collect();
    order.shuffle(rng);
    let (mut patches, mut left) = (Vec::<Vec<usize>>::new(), wanted);
    let planned = ((wanted as f64 / size as f64).round() as usize).max(1);
    // First full patches with a gap around them, then full ones, then what still fits.
    for (gap, whole) in [(true, true), (false, true), (false, false)] {
        for &start in &order {
            let target = match planned.checked_sub(patches.len()) {
                Some(more) if more > 0 => left.div_ceil(more),
                _ => size.min(left),
            };
            if target == 0 {
                return patches;
            }
            let open = |i: usize| free[i] && (!gap || apart[i]);
            let patch = grow(lattice, start, target, |i| open(i) && label[i] == label[start]);
            if patch.is_empty() || (whole && patch.len() < target) {
                continue;
            }
            left -= patch.len();
            for &i in &patch {
                free[i] = false;
                apart[i] = false;
                for &j in &lattice.beside[i] {
                    apart[j] = false;
                }
            }
            patches.push(patch);
        }
    }
    patches
}

/// Up to `target` spots around `start`, nearest by steps on the lattice first.
fn grow(
    lattice: &Lattice,
    start: usize,
    target: usize,
    open: impl Fn(usize) -> bool,
) -> Vec<usize> {
    if !open(start) {
        return Vec::new();
    }
    let (mut patch, mut queue) = (vec![start], VecDeque::from([start]));
    let mut taken = BTreeSet::from([start]);
    while let Some(i) = queue.pop_front() {
        for &j in &lattice.beside[i] {
            if patch.len() == target {
                return patch;
            }
            if open(j) && taken.insert(j) {
                patch.push(j);
                queue.push_back(j);
            }
        }
    }
    patch
}
