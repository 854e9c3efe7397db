//! Sparse matrices of an `.h5ad`, whole or in part, by rows or by columns in the file.

use std::ops::Range;

use hdf5::{Container, Group};

use super::select::Picked;
use crate::base::{Error, Result, interrupt};
use crate::data::Csr;
use crate::io::h5::{self, Part};

/// A matrix of unknown height, whose columns are turned into rows, may have this many.
const MOST_ROWS: usize = 1 << 24;
/// Entries that are read at a time where only some of them are kept.
const BLOCK: usize = 1 << 23;

/// The format of a sparse group, "csr" or "csc"; `None` for other groups.
pub(super) fn format(g: &Group) -> Option<String> {
    let modern = h5::text_attr(g, "encoding-type")
        .and_then(|t| t.strip_suffix("_matrix").map(str::to_owned));
    modern.or_else(|| h5::text_attr(g, "h5sparse_format")).filter(|f| f == "csr" || f == "csc")
}

/// The rows and columns that the group says it has.
pub(super) fn shape(g: &Group) -> Result<(usize, usize)> {
    let shape = h5::ints_attr(g, "shape")
        .or_else(|| h5::ints_attr(g, "h5sparse_shape"))
        .unwrap_or_default();
    let of = |v: &i64| u32::try_from(*v).ok().map(|v| v as usize);
    match &shape[..] {
        [rows, cols] => of(rows).zip(of(cols)),
        _ => None,
    }
    .ok_or_else(|| {
        Error::new(format!("reading the shape of {}", g.name()))
            .expected("two numbers from 0, below 2^32")
            .found(format!("{shape:?}"))
    })
}

/// The picked rows and columns of a compressed sparse matrix, which is refused when it has not the
/// shape that is `expected`.
pub(super) fn read(g: &Group, expected: Option<(usize, usize)>, picked: Picked<'_>) -> Result<Csr> {
    let doing = || format!("reading the sparse matrix {}", g.name());
    let within = |e: Error| e.within(doing());
    let format = format(g).ok_or_else(|| {
        let found = h5::text_attr(g, "encoding-type").unwrap_or_else(|| "no encoding".into());
        Error::new(doing()).expected("csr_matrix or csc_matrix").found(found)
    })?;
    let shape = shape(g)?;
    if let Some(e) = expected.filter(|e| *e != shape) {
        return Err(Error::new(doing())
            .expected(format!("shape [{}, {}]", e.0, e.1))
            .found(format!("[{}, {}]", shape.0, shape.1)));
    }
    if format == "csr" {
        return part(g, shape, picked.rows, picked.cols).map_err(within);
    }
    // Turning columns into rows takes memory for each row: a damaged shape must not ask for it.
    if expected.is_none() && shape.0 > MOST_ROWS {
        return Err(Error::new(doing())
            .expected(format!("at most {MOST_ROWS} rows"))
            .found(shape.0.to_string()));
    }
    let turned = part(g, (shape.1, shape.0), picked.cols, picked.rows).map_err(within)?;
    turned.transpose().map_err(within)
}

/// Lines of a matrix of `lines` by `width`, and of these the places named.
fn part(
    g: &Group,
    (lines, width): (usize, usize),
    major: Option<&[usize]>,
    minor: Option<&[usize]>,
) -> Result<Csr> {
    let indptr = h5::usizes(&h5::dataset(g, "indptr")?)?;
    let (indices, values) = (h5::dataset(g, "indices")?, h5::dataset(g, "data")?);
    if major.is_none() && minor.is_none() {
        return Csr::new((lines, width), indptr, h5::u32s(&indices)?, h5::f32s(&values)?);
    }
    if indptr.len() != lines + 1 || !indptr.is_sorted() {
        return Err(Error::new("reading its indptr")
            .expected(format!("{} entries that ascend", lines + 1))
            .found(format!("{} entries, or a fall", indptr.len())));
    }
    let all: Vec<usize>;
    let major = match major {
        Some(m) => m,
        None => {
            all = (0..lines).collect();
            &all
        }
    };
    let mut whole = Parts { indptr: vec![0], indices: Vec::new(), values: Vec::new() };
    let mut rest = major;
    while let Some((&first, _)) = rest.split_first() {
        interrupt::check("reading a sparse matrix")?;
        // As many lines as hold a block of entries, and one at least.
        let entries = |i: usize| indptr[i + 1] - indptr[i];
        let mut sum = entries(first);
        let more = rest[1..].iter().take_while(|&&l| {
            sum = sum.saturating_add(entries(l));
            sum <= BLOCK
        });
        let (block, later) = rest.split_at(1 + more.count());
        rest = later;
        whole.append(lines_of(&indptr, &indices, &values, block, width, minor)?);
    }
    let width = minor.map_or(width, <[usize]>::len);
    Csr::new((major.len(), width), whole.indptr, whole.indices, whole.values)
}

/// The three arrays of a matrix that grows.
struct Parts {
    indptr: Vec<usize>,
    indices: Vec<u32>,
    values: Vec<f32>,
}

impl Parts {
    fn append(&mut self, m: Csr) {
        let (indptr, indices, values) = m.parts();
        let before = self.indices.len();
        self.indptr.extend(indptr.iter().skip(1).map(|p| before + p));
        self.indices.extend_from_slice(indices);
        self.values.extend_from_slice(values);
    }
}

fn lines_of(
    indptr: &[usize],
    indices: &Container,
    values: &Container,
    lines: &[usize],
    width: usize,
    minor: Option<&[usize]>,
) -> Result<Csr> {
    let mut spans: Vec<Range<usize>> = Vec::new();
    let mut local = vec![0];
    let mut sum = 0;
    for &l in lines {
        let span = indptr[l]..indptr[l + 1];
        sum += span.len();
        local.push(sum);
        match spans.last_mut() {
            Some(last) if last.end == span.start => last.end = span.end,
            _ if span.is_empty() => {}
            _ => spans.push(span),
        }
    }
    let part = Part { rows: &spans, cols: None };
    let m =
        Csr::new((lines.len(), width), local, h5::some(indices, part)?, h5::some(values, part)?)?;
    Ok(match minor {
        Some(places) => m.select_cols(places)?,
        None => m,
    })
}
