//! Groups, arrays and attributes of a store, written into an HDF5 file under the same names.

use hdf5::types::{H5Type, VarLenUnicode};
use hdf5::{Extents, File, Hyperslab, Location, Selection, SliceOrIndex};
use ndarray::{ArrayD, ArrayView, Axis, IxDyn, Slice};
use serde_json::Value;

use super::chunks::Chunks;
use super::meta::{self, Array, Attributes, Kind, Node, Plain, Type};
use super::store::{Store, join};
use crate::base::{Error, Result, interrupt, progress};
use crate::io::h5::failed;

/// A store may have so many levels, and so many groups and arrays.
const DEEPEST: usize = 64;
const MOST_NODES: usize = 100_000;

/// Copies all that a store holds.
pub(super) fn tree(store: &Store, to: &File) -> Result<()> {
    let mut absent: Option<(String, usize)> = None;
    let mut nodes = 0;
    let mut rest = vec![(String::new(), 0)];
    while let Some((key, depth)) = rest.pop() {
        interrupt::check("reading a zarr store")?;
        nodes += 1;
        if nodes > MOST_NODES || depth > DEEPEST {
            return Err(Error::new(format!("reading {key}"))
                .expected(format!("at most {MOST_NODES} groups and arrays, {DEEPEST} levels deep"))
                .found("more")
                .advice("Links between folders may lead in a circle"));
        }
        let within = |e: Error| e.within(format!("reading {key}"));
        match meta::node(store, &key) {
            Ok(Some(Node::Array(array, attributes))) => {
                match Copy::new(store, to, &key, &array).array(&attributes) {
                    Ok(0) => {}
                    Ok(n) => absent = absent.map(|(k, m)| (k, m + n)).or(Some((key, n))),
                    Err(e) => left_out(&key, e).map_err(within)?,
                }
                continue;
            }
            Ok(Some(Node::Group(attributes))) => {
                if !key.is_empty() {
                    to.create_group_builder()
                        .create_intermediate_group(true)
                        .create(key.as_str())
                        .map_err(failed("copying a group"))
                        .map_err(within)?;
                }
                let at = to.group(if key.is_empty() { "/" } else { &key });
                let at = at.map_err(failed("copying a group")).map_err(within)?;
                self::attributes(&at, &attributes).map_err(within)?;
            }
            Ok(None) => {}
            Err(e) => {
                left_out(&key, e).map_err(within)?;
                continue;
            }
        }
        let inside = store.folders(&key)?;
        rest.extend(inside.iter().rev().map(|name| (join(&key, name), depth + 1)));
    }
    if let Some((key, n)) = absent {
        progress::note(format!(
            "{n} chunks are not in the store, the first of {key}: they hold the fill value, as zarr says. \
             A store that was not copied whole looks the same"
        ));
    }
    Ok(())
}

/// What is not needed may be of a kind that is not read.
fn left_out(key: &str, e: Error) -> Result<()> {
    let spare = ["uns/", "varp/", "raw/varm/"].iter().any(|s| key.starts_with(s));
    if !spare || e.is_interrupt() {
        return Err(e);
    }
    progress::note(format!("{key}: {e}; left out"));
    Ok(())
}

fn text(value: &str) -> Result<VarLenUnicode> {
    value.parse().map_err(|_| {
        Error::new("reading a text")
            .expected("no zero byte in it")
            .found(format!("'{}'", value.escape_default()))
    })
}

/// Texts, numbers, truth values, and lists of texts or whole numbers; AnnData has no others.
fn attributes(at: &Location, all: &Attributes) -> Result<()> {
    for (name, value) in all {
        let doing = || failed(format!("copying the attribute {}", name.escape_default()));
        fn one<T: H5Type>(at: &Location, name: &str, value: &T) -> hdf5::Result<()> {
            at.new_attr::<T>().create(name)?.write_scalar(value)
        }
        match value {
            _ if name.is_empty() || name.contains('\0') => {}
            Value::String(t) => one(at, name, &text(t)?).map_err(doing())?,
            Value::Bool(b) => one(at, name, b).map_err(doing())?,
            Value::Number(n) => match n.as_i64() {
                Some(i) => one(at, name, &i).map_err(doing())?,
                None => one(at, name, &n.as_f64().unwrap_or(f64::NAN)).map_err(doing())?,
            },
            Value::Array(list) if list.iter().all(Value::is_i64) => {
                let list: Vec<i64> = list.iter().filter_map(Value::as_i64).collect();
                at.new_attr_builder().with_data(&list).create(name.as_str()).map_err(doing())?;
            }
            Value::Array(list) if list.iter().all(Value::is_string) => {
                let list: Vec<VarLenUnicode> =
                    list.iter().filter_map(Value::as_str).map(text).collect::<Result<_>>()?;
                at.new_attr_builder().with_data(&list).create(name.as_str()).map_err(doing())?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// One array on its way.
struct Copy<'a> {
    from: Chunks<'a>,
    to: &'a File,
    key: &'a str,
    array: &'a Array,
}

impl<'a> Copy<'a> {
    fn new(store: &'a Store, to: &'a File, key: &'a str, array: &'a Array) -> Self {
        Self { from: Chunks { store, key, array }, to, key, array }
    }

    /// Copies the array; how many of its chunks are not stored.
    fn array(&self, attributes: &Attributes) -> Result<usize> {
        let absent = self.from.plausible()?;
        let at = match &self.array.ty {
            Type::Text => self.texts()?,
            Type::Plain(p) => self.plain(self.key, *p, 0, p.bytes)?,
            Type::Record(fields) => {
                self.record(fields)?;
                return Ok(absent);
            }
        };
        self::attributes(&at, attributes)?;
        Ok(absent)
    }

    /// A record array becomes a table with numbered rows.
    fn record(&self, fields: &[(String, Plain)]) -> Result<()> {
        let &[rows] = &self.array.shape[..] else {
            return Err(Error::new("reading a record array")
                .expected("one axis")
                .found(format!("shape {:?}", self.array.shape)));
        };
        let g = self.to.create_group(self.key).map_err(failed("copying a record array"))?;
        let stride = fields.iter().map(|f| f.1.bytes).sum();
        let mut from = 0;
        let mut columns = Vec::new();
        let mut index = None;
        for (name, p) in fields {
            if name.is_empty() || name.contains(['/', '\0']) || name == "." {
                return Err(Error::new("reading a record array")
                    .expected("fields with names")
                    .found(format!("'{}'", name.escape_default())));
            }
            self.plain(&join(self.key, name), *p, from, stride)?;
            from += p.bytes;
            match name.as_str() {
                "index" | "_index" if index.is_none() => index = Some(name.clone()),
                _ => columns.push(Value::from(name.clone())),
            }
        }
        let index = match index {
            Some(name) => name,
            None => {
                let rows = (0..rows).map(|i| text(&i.to_string())).collect::<Result<Vec<_>>>()?;
                g.new_dataset_builder()
                    .with_data(&rows)
                    .create("_index")
                    .map_err(failed("copying a record array"))?;
                "_index".into()
            }
        };
        let all = [
            ("encoding-type", Value::from("dataframe")),
            ("encoding-version", Value::from("0.2.0")),
            ("_index", Value::from(index)),
            ("column-order", Value::from(columns)),
        ];
        self::attributes(&g, &all.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }

    fn texts(&self) -> Result<hdf5::Dataset> {
        let fill = text(self.array.fill.as_str().unwrap_or_default())?;
        self.put(self.key, fill, |bytes, n| {
            let broken = || {
                Error::new("reading texts")
                    .expected(format!("{n} texts, each behind its length"))
                    .found(format!("{} bytes that are not", bytes.len()))
                    .advice("The store is damaged")
            };
            let (count, mut rest) = bytes.split_first_chunk::<4>().ok_or_else(broken)?;
            if u32::from_le_bytes(*count) as usize != n {
                return Err(broken());
            }
            let mut texts = Vec::new();
            for _ in 0..n {
                let (four, behind) = rest.split_first_chunk::<4>().ok_or_else(broken)?;
                let (now, behind) = behind
                    .split_at_checked(u32::from_le_bytes(*four) as usize)
                    .ok_or_else(broken)?;
                rest = behind;
                texts.push(text(&String::from_utf8_lossy(now))?);
            }
            Ok(texts)
        })
    }

    /// An array, or the field of a record that begins at byte `from` of `stride`.
    fn plain(&self, key: &str, p: Plain, from: usize, stride: usize) -> Result<hdf5::Dataset> {
        let float = match &self.array.fill {
            Value::String(s) if s == "NaN" => f64::NAN,
            Value::String(s) if s == "Infinity" => f64::INFINITY,
            Value::String(s) if s == "-Infinity" => f64::NEG_INFINITY,
            v => v.as_f64().unwrap_or_default(),
        };
        let int = self.array.fill.as_i64().unwrap_or_default();
        let uint = self.array.fill.as_u64().unwrap_or_default();
        let each = Each { copy: self, key, p, from, stride };
        match (p.kind, p.bytes) {
            (Kind::Bool, _) => {
                let fill = self.array.fill.as_bool().unwrap_or(uint != 0);
                each.numbers(fill, |[b]| b != 0)
            }
            (Kind::Int, 1) => each.numbers(int as i8, i8::from_le_bytes),
            (Kind::Int, 2) => each.numbers(int as i16, i16::from_le_bytes),
            (Kind::Int, 4) => each.numbers(int as i32, i32::from_le_bytes),
            (Kind::Int, _) => each.numbers(int, i64::from_le_bytes),
            (Kind::Uint, 1) => each.numbers(uint as u8, u8::from_le_bytes),
            (Kind::Uint, 2) => each.numbers(uint as u16, u16::from_le_bytes),
            (Kind::Uint, 4) => each.numbers(uint as u32, u32::from_le_bytes),
            (Kind::Uint, _) => each.numbers(uint, u64::from_le_bytes),
            (Kind::Float, 2) => each.numbers(float as f32, |b| half(u16::from_le_bytes(b))),
            (Kind::Float, 4) => each.numbers(float as f32, f32::from_le_bytes),
            (Kind::Float, _) => each.numbers(float, f64::from_le_bytes),
            (Kind::Utf32, _) => each.texts(|b| {
                b.as_chunks()
                    .0
                    .iter()
                    .map(|&c| {
                        let code = if p.big_endian {
                            u32::from_be_bytes(c)
                        } else {
                            u32::from_le_bytes(c)
                        };
                        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
                    })
                    .collect()
            }),
            (Kind::Ascii, _) => each.texts(|b| String::from_utf8_lossy(b).into_owned()),
        }
    }

    /// Writes the array, chunk by chunk, with the elements that `decode` makes of bytes.
    fn put<T: H5Type + Clone>(
        &self,
        key: &str,
        fill: T,
        decode: impl Fn(&[u8], usize) -> Result<Vec<T>>,
    ) -> Result<hdf5::Dataset> {
        let doing = || failed("copying an array");
        let shape = &self.array.shape;
        let builder =
            self.to.new_dataset_builder().obj_track_times(false).create_intermediate_group(true);
        let extents = if shape.is_empty() { Extents::Scalar } else { Extents::from(shape.clone()) };
        let d = builder.empty::<T>().shape(extents).create(key).map_err(doing())?;
        let transpose = self.array.chain.innermost().transpose.as_ref();
        self.from.pieces(|piece| {
            let valid: Vec<usize> = piece
                .origin
                .iter()
                .zip(piece.shape)
                .zip(shape)
                .map(|((o, c), s)| (*c).min(s.saturating_sub(*o)))
                .collect();
            let mut block = match piece.bytes {
                None => ArrayD::from_elem(IxDyn(&valid), fill.clone()),
                Some(bytes) => {
                    // What is stored was found to be small enough to be counted.
                    let values = decode(&bytes, piece.shape.iter().product())?;
                    let axes: Vec<usize> =
                        transpose.cloned().unwrap_or_else(|| (0..shape.len()).collect());
                    let stored: Vec<usize> = axes.iter().map(|a| piece.shape[*a]).collect();
                    let mut back = vec![0; axes.len()];
                    axes.iter().enumerate().for_each(|(i, a)| back[*a] = i);
                    ArrayD::from_shape_vec(IxDyn(&stored), values)
                        .map_err(|e| Error::io("reading a chunk", e))?
                        .permuted_axes(IxDyn(&back))
                }
            };
            for (axis, n) in valid.iter().enumerate() {
                block.slice_axis_inplace(Axis(axis), Slice::from(0..*n));
            }
            if shape.is_empty() {
                return block.iter().try_for_each(|v| d.write_scalar(v)).map_err(doing());
            }
            let slab: Vec<SliceOrIndex> =
                piece.origin.iter().zip(&valid).map(|(o, n)| (*o..o + n).into()).collect();
            let block = block.as_standard_layout();
            d.write_slice(ArrayView::from(&block), Selection::from(Hyperslab::from(slab)))
                .map_err(doing())
        })?;
        Ok(d)
    }
}

/// The elements of a plain array, or of a field of a record.
struct Each<'a> {
    copy: &'a Copy<'a>,
    key: &'a str,
    p: Plain,
    from: usize,
    stride: usize,
}

impl Each<'_> {
    /// The bytes of each element.
    fn of<'b>(&self, bytes: &'b [u8], n: usize) -> Result<impl Iterator<Item = &'b [u8]>> {
        if bytes.len() != n.saturating_mul(self.stride) {
            return Err(Error::new("reading a chunk")
                .expected(format!("{n} elements of {} bytes", self.stride))
                .found(format!("{} bytes", bytes.len()))
                .advice("The store is damaged, or was not copied whole"));
        }
        let (from, to) = (self.from, self.from + self.p.bytes);
        // Texts of no characters take no bytes.
        let elements = bytes.chunks_exact(self.stride.max(1));
        Ok(elements.map(move |e| e.get(from..to).unwrap_or_default()))
    }

    fn numbers<const N: usize, T: H5Type + Clone>(
        &self,
        fill: T,
        f: impl Fn([u8; N]) -> T,
    ) -> Result<hdf5::Dataset> {
        self.copy.put(self.key, fill, |bytes, n| {
            let number = |e: &[u8]| {
                let mut b = *e.first_chunk::<N>()?;
                if self.p.big_endian {
                    b.reverse();
                }
                Some(f(b))
            };
            Ok(self.of(bytes, n)?.filter_map(number).collect())
        })
    }

    fn texts(&self, f: impl Fn(&[u8]) -> String) -> Result<hdf5::Dataset> {
        self.copy.put(self.key, VarLenUnicode::new(), |bytes, n| {
            if self.stride == 0 {
                return Ok(vec![VarLenUnicode::new(); n]);
            }
            self.of(bytes, n)?.map(|e| text(f(e).trim_end_matches('\0'))).collect()
        })
    }
}

/// A half float.
fn half(bits: u16) -> f32 {
    let (exponent, fraction) = ((bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let value = match exponent {
        0 => fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        e => (1.0 + fraction / 1024.0) * 2f32.powi(i32::from(e) - 15),
    };
    if bits >> 15 == 1 { -value } else { value }
}
