//! What the JSON files of a store say of its groups and arrays, versions 2 and 3 alike.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::codec::{Chain, Packing, Shard};
use super::store::{Store, join};
use crate::base::{Error, Result};

/// HDF5, where arrays go, knows no more axes.
const MOST_AXES: usize = 32;
/// Characters of a text of fixed width, and bytes of a record, stay below this.
const WIDEST: usize = 1 << 16;

pub(super) type Attributes = Map<String, Value>;

pub(super) enum Node {
    Group(Attributes),
    Array(Box<Array>, Attributes),
}

pub(super) struct Array {
    pub shape: Vec<usize>,
    pub chunk: Vec<usize>,
    pub ty: Type,
    pub fill: Value,
    pub chain: Chain,
    /// What stands before the numbers of a chunk, and between them.
    pub key: (&'static str, &'static str),
}

pub(super) enum Type {
    /// Texts of any length.
    Text,
    Plain(Plain),
    Record(Vec<(String, Plain)>),
}

#[derive(Clone, Copy)]
pub(super) struct Plain {
    pub kind: Kind,
    pub bytes: usize,
    pub big_endian: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Uint,
    Float,
    /// A text of fixed width, four bytes a character.
    Utf32,
    Ascii,
}

#[derive(Deserialize)]
struct V2 {
    shape: Vec<usize>,
    chunks: Vec<usize>,
    dtype: Value,
    #[serde(default)]
    compressor: Option<Value>,
    #[serde(default)]
    filters: Option<Vec<Value>>,
    #[serde(default)]
    fill_value: Value,
    #[serde(default)]
    order: Option<String>,
    #[serde(default)]
    dimension_separator: Option<String>,
}

/// A group, or an array; consolidated metadata within is passed over.
#[derive(Deserialize)]
struct V3 {
    node_type: String,
    #[serde(default)]
    attributes: Attributes,
    #[serde(default)]
    shape: Vec<usize>,
    #[serde(default)]
    data_type: Value,
    #[serde(default)]
    chunk_grid: Value,
    #[serde(default)]
    chunk_key_encoding: Value,
    #[serde(default)]
    fill_value: Value,
    #[serde(default)]
    codecs: Vec<Value>,
}

/// The group or array at a key; `None` where neither is.
pub(super) fn node(store: &Store, key: &str) -> Result<Option<Node>> {
    if let Some(v3) = json::<V3>(store, &join(key, "zarr.json"))? {
        return match v3.node_type.as_str() {
            "array" => {
                let array = v3.array()?;
                Ok(Some(Node::Array(Box::new(array), v3.attributes)))
            }
            _ => Ok(Some(Node::Group(v3.attributes))),
        };
    }
    let attributes = || Ok(json(store, &join(key, ".zattrs"))?.unwrap_or_default());
    if let Some(v2) = json::<V2>(store, &join(key, ".zarray"))? {
        return Ok(Some(Node::Array(Box::new(v2.array()?), attributes()?)));
    }
    match store.size(&join(key, ".zgroup")) {
        Some(_) => Ok(Some(Node::Group(attributes()?))),
        None => Ok(None),
    }
}

fn json<T: DeserializeOwned>(store: &Store, key: &str) -> Result<Option<T>> {
    let Some(bytes) = store.read(key)? else { return Ok(None) };
    let failed = |e| Error::io(format!("reading {key}"), e).advice("The file is damaged");
    serde_json::from_slice(&bytes).map(Some).map_err(failed)
}

fn unread(what: &str, found: impl std::fmt::Display) -> Error {
    Error::new("reading what the array is")
        .expected(format!("a {what} that is read"))
        .found(found.to_string())
}

/// The name of a codec, grid, type or encoding of version 3, and its configuration.
fn named(v: &Value) -> (&str, &Value) {
    match v {
        Value::String(name) => (name, &Value::Null),
        v => (v["name"].as_str().unwrap_or_default(), &v["configuration"]),
    }
}

fn numbers(v: &Value) -> Result<Vec<usize>> {
    Vec::<usize>::deserialize(v).map_err(|e| Error::io("reading what the array is", e))
}

impl Array {
    fn new(shape: Vec<usize>, chunk: Vec<usize>, ty: Type, chain: Chain) -> Result<Self> {
        if shape.len() > MOST_AXES || chunk.len() != shape.len() || chunk.contains(&0) {
            return Err(Error::new("reading what the array is")
                .expected("chunks of as many axes as the array, at most 32, none of them 0")
                .found(format!("shape {shape:?}, chunks {chunk:?}")));
        }
        if matches!(ty, Type::Text) != chain.innermost().text {
            return Err(unread(
                "encoding",
                "texts without the filter vlen-utf8, or it without them",
            ));
        }
        chain.check(&chunk)?;
        Ok(Self { shape, chunk, ty, fill: Value::Null, chain, key: ("", ".") })
    }
}

impl V2 {
    fn array(self) -> Result<Array> {
        let mut chain = Chain::default();
        for filter in self.filters.iter().flatten() {
            match filter["id"].as_str().unwrap_or_default() {
                "vlen-utf8" => chain.text = true,
                other => return Err(unread("filter", other)),
            }
        }
        if let Some(compressor) = &self.compressor {
            let id = compressor["id"].as_str().unwrap_or_default();
            chain.packing.push(Packing::named(id).ok_or_else(|| unread("compressor", id))?);
        }
        if self.order.as_deref() == Some("F") {
            chain.transpose = Some((0..self.shape.len()).rev().collect());
        }
        let ty = match &self.dtype {
            Value::String(s) if s == "|O" => Type::Text,
            Value::String(s) => Type::Plain(v2_type(s)?),
            Value::Array(fields) => record(fields, |t| match t {
                Value::String(s) => v2_type(s),
                other => Err(unread("type", other)),
            })?,
            other => return Err(unread("type", other)),
        };
        let key = ("", if self.dimension_separator.as_deref() == Some("/") { "/" } else { "." });
        let array = Array::new(self.shape, self.chunks, ty, chain)?;
        Ok(Array { fill: self.fill_value, key, ..array })
    }
}

/// A type as NumPy writes it: "<f4".
fn v2_type(name: &str) -> Result<Plain> {
    let unread = || unread("type", name);
    let mut chars = name.chars();
    let big_endian = match chars.next() {
        Some('<' | '|') => false,
        Some('>') => true,
        _ => return Err(unread()),
    };
    let kind = match chars.next() {
        Some('b') => Kind::Bool,
        Some('i') => Kind::Int,
        Some('u') => Kind::Uint,
        Some('f') => Kind::Float,
        Some('U') => Kind::Utf32,
        Some('S') => Kind::Ascii,
        _ => return Err(unread()),
    };
    let n: usize = chars.as_str().parse().map_err(|_| unread())?;
    plain(kind, if kind == Kind::Utf32 { n.saturating_mul(4) } else { n }, big_endian)
        .ok_or_else(unread)
}

fn v3_type(ty: &Value, big_endian: bool) -> Result<Plain> {
    let (name, configuration) = named(ty);
    let wide = || configuration["length_bytes"].as_u64().and_then(|n| usize::try_from(n).ok());
    let bits = |prefix: &str| {
        let bits: usize = name.strip_prefix(prefix)?.parse().ok()?;
        bits.is_multiple_of(8).then_some(bits / 8)
    };
    let (kind, bytes) = match name {
        "bool" => (Kind::Bool, Some(1)),
        "fixed_length_utf32" => (Kind::Utf32, wide()),
        "null_terminated_bytes" => (Kind::Ascii, wide()),
        n if n.starts_with("int") => (Kind::Int, bits("int")),
        n if n.starts_with("uint") => (Kind::Uint, bits("uint")),
        n if n.starts_with("float") => (Kind::Float, bits("float")),
        _ => (Kind::Bool, None),
    };
    bytes.and_then(|b| plain(kind, b, big_endian)).ok_or_else(|| unread("type", ty))
}

fn plain(kind: Kind, bytes: usize, big_endian: bool) -> Option<Plain> {
    let known = match kind {
        Kind::Bool => bytes == 1,
        Kind::Int | Kind::Uint => matches!(bytes, 1 | 2 | 4 | 8),
        Kind::Float => matches!(bytes, 2 | 4 | 8),
        Kind::Utf32 => bytes.is_multiple_of(4) && bytes <= WIDEST,
        Kind::Ascii => bytes <= WIDEST,
    };
    known.then_some(Plain { kind, bytes, big_endian })
}

/// A record from pairs of a name and a type.
fn record(fields: &[Value], ty: impl Fn(&Value) -> Result<Plain>) -> Result<Type> {
    let field = |f: &Value| match f.as_array().map(Vec::as_slice) {
        Some([Value::String(name), t]) => Ok((name.clone(), ty(t)?)),
        _ => Err(unread("field of a record", f)),
    };
    let fields: Vec<_> = fields.iter().map(field).collect::<Result<_>>()?;
    let bytes: usize = fields.iter().map(|f| f.1.bytes).sum();
    if bytes > WIDEST {
        Err(unread("record", format!("{bytes} bytes")))
    } else {
        Ok(Type::Record(fields))
    }
}

impl V3 {
    fn array(&self) -> Result<Array> {
        let chain = chain(&self.codecs, true)?;
        let big = chain.innermost().big_endian;
        let ty = match named(&self.data_type) {
            ("string", _) => Type::Text,
            ("structured" | "struct", c) => {
                let fields = c["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
                record(fields, |t| v3_type(t, big))?
            }
            _ => Type::Plain(v3_type(&self.data_type, big)?),
        };
        let (grid, c) = named(&self.chunk_grid);
        if grid != "regular" {
            return Err(unread("grid of chunks", grid));
        }
        let array = Array::new(self.shape.clone(), numbers(&c["chunk_shape"])?, ty, chain)?;
        let (encoding, c) = named(&self.chunk_key_encoding);
        let key = match (encoding, c["separator"].as_str()) {
            ("default", None | Some("/")) => ("c", "/"),
            ("default", Some(".")) => ("c", "."),
            ("v2", Some("/")) => ("", "/"),
            ("v2", None | Some(".")) => ("", "."),
            (other, _) => return Err(unread("naming of chunks", other)),
        };
        Ok(Array { fill: self.fill_value.clone(), key, ..array })
    }
}

/// The codecs of version 3, which are listed in the order of writing.
fn chain(codecs: &[Value], shards: bool) -> Result<Chain> {
    let mut chain = Chain::default();
    for codec in codecs {
        match named(codec) {
            ("transpose", c) if chain.transpose.is_none() && chain.shard.is_none() => {
                chain.transpose = Some(numbers(&c["order"])?);
            }
            ("bytes", c) => chain.big_endian = c["endian"] == "big",
            ("vlen-utf8", _) => chain.text = true,
            // A shard within a shard is not read: nobody writes one.
            ("sharding_indexed", c) if shards && chain.transpose.is_none() => {
                let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
                let index = self::chain(&list(&c["index_codecs"]), false)?;
                let crc = match &index.packing[..] {
                    [] => false,
                    [Packing::Crc32c] => true,
                    _ => return Err(unread("index of a shard", &c["index_codecs"])),
                };
                chain.shard = Some(Box::new(Shard {
                    chunk: numbers(&c["chunk_shape"])?,
                    chain: self::chain(&list(&c["codecs"]), false)?,
                    crc,
                    big_endian: index.big_endian,
                    first: c["index_location"] == "start",
                }));
            }
            (name, _) => {
                chain.packing.push(Packing::named(name).ok_or_else(|| unread("codec", name))?);
            }
        }
    }
    chain.packing.reverse();
    Ok(chain)
}
