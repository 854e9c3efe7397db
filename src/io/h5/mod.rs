//! HDF5 beneath the readers: opening, names, attributes, and arrays of whatever type a file holds.
//!
//! Every array is sized against its storage before memory is taken for it.

mod array;
mod chunks;
mod heap;
mod numbers;
mod write;

use std::io::Read;
use std::path::Path;

use hdf5::{Container, File, Group, Location, LocationType};

pub(super) use array::{Array, array, as_texts, f64s, fields, i64s, texts};
pub(super) use numbers::{Kind, Part, Source, f32s, some, u32s, usizes};
pub(super) use write::{LEVEL, write};

use crate::base::{Error, Result, files, memory, nearest};

/// Bytes that open an HDF5 file, at 0 or at a power of two from 512.
const SIGNATURE: &[u8; 8] = b"\x89HDF\r\n\x1a\n";
/// Deflate packs 1032 bytes into one at best; other filters a little more.
const MOST_PACKED: u64 = 4096;
/// Arrays below this many bytes are allocated without asking what they take in the file.
const SMALL: u64 = 64 << 20;

/// A member of a group.
pub(super) enum Node {
    Group(Group),
    Array(hdf5::Dataset),
}

/// Whether a file starts as HDF5 does.
pub(super) fn is_hdf5(path: &Path) -> bool {
    let mut first = [0; 8];
    let read = std::fs::File::open(path).and_then(|mut f| f.read_exact(&mut first));
    read.is_ok() && &first == SIGNATURE
}

/// Opens a file for reading.
///
/// # Errors
/// No such file, another kind of file, a file that is cut short or damaged.
pub(super) fn open(path: &Path) -> Result<File> {
    let file = glance(path)?;
    heap::check(&file, path)?;
    Ok(file)
}

/// Opens a file to look at the names in it: nothing that holds texts may be read.
pub(super) fn glance(path: &Path) -> Result<File> {
    files::exists(path)?;
    let doing = format!("opening {} as HDF5", path.display());
    let bytes = std::fs::metadata(path).map_err(|e| Error::io(&doing, e))?.len();
    if bytes == 0 {
        return Err(Error::new(doing).expected("an HDF5 file").found("an empty file"));
    }
    File::open(path).map_err(|e| {
        let whole = is_hdf5(path);
        Error::io(doing, e).advice(if whole {
            format!(
                "The file has {} and starts as HDF5 does: it is cut short or damaged. Fetch it again and compare its size",
                memory::human(bytes)
            )
        } else {
            "The file does not start as HDF5 files do: it is of another kind, or compressed".into()
        })
    })
}

/// What the HDF5 library said while `doing` this.
pub(super) fn failed(doing: impl Into<String>) -> impl FnOnce(hdf5::Error) -> Error {
    move |e| Error::io(doing, e)
}

/// Names of the members, in the order in which they were made where the file keeps it, else
/// alphabetically.
pub(super) fn names(group: &Group) -> Result<Vec<String>> {
    group.member_names().map_err(failed(format!("listing {}", group.name())))
}

/// The member of that name, if there is one.
pub(super) fn node(group: &Group, name: &str) -> Result<Option<Node>> {
    if !group.link_exists(name) {
        return Ok(None);
    }
    let doing = || format!("opening {}/{name}", group.name().trim_end_matches('/'));
    match group.loc_type_by_name(name).map_err(failed(doing()))? {
        LocationType::Group => {
            let g = group.group(name).map_err(failed(doing()))?;
            at_home(group, &g)?;
            Ok(Some(Node::Group(g)))
        }
        LocationType::Dataset => {
            let d = group.dataset(name).map_err(failed(doing()))?;
            at_home(group, &d)?;
            Ok(Some(Node::Array(d)))
        }
        other => {
            Err(Error::new(doing()).expected("a group or an array").found(format!("{other:?}")))
        }
    }
}

/// Refuses what a link leads to in another file, which [`open`] has not looked at.
fn at_home(group: &Group, member: &Location) -> Result<()> {
    let (here, there) = (group.filename(), member.filename());
    if here == there {
        return Ok(());
    }
    Err(Error::new(format!("following a link of {here}"))
        .expected("one within the file")
        .found(format!("one into {there}"))
        .advice("Copy what it leads to into the file"))
}

/// The array of that name.
///
/// # Errors
/// It is missing, with the nearest name, or a group.
pub(super) fn dataset(group: &Group, name: &str) -> Result<Container> {
    let doing = || format!("opening {}/{name}", group.name().trim_end_matches('/'));
    match node(group, name)? {
        Some(Node::Array(d)) => Ok((*d).clone()),
        Some(Node::Group(_)) => Err(Error::new(doing()).expected("an array").found("a group")),
        None => {
            let known = names(group)?;
            Err(Error::new(doing())
                .kind(crate::base::Kind::Missing)
                .expected("an array of that name")
                .found("none")
                .advice(nearest::advice(name, known.iter().map(String::as_str))))
        }
    }
}

/// A text attribute; `None` when it is absent or no text. Of several texts the first.
pub(super) fn text_attr(at: &Location, name: &str) -> Option<String> {
    texts_attr(at, name)?.into_iter().next()
}

/// An attribute of texts; `None` when it is absent or holds no text.
pub(super) fn texts_attr(at: &Location, name: &str) -> Option<Vec<String>> {
    let attribute = at.attr(name).ok()?;
    let found = array(&attribute).ok()??;
    Some(found.values.str().ok()?.iter().map(|t| t.unwrap_or_default().to_owned()).collect())
}

/// An attribute of whole numbers; `None` when it is absent or holds none.
pub(super) fn ints_attr(at: &Location, name: &str) -> Option<Vec<i64>> {
    let attribute = at.attr(name).ok()?;
    i64s(&array(&attribute).ok()??).ok()
}

fn doing(from: &Container) -> String {
    format!("reading {}", from.name())
}

fn unknown(from: &Container) -> Error {
    let ty = from
        .dtype()
        .and_then(|t| t.to_descriptor())
        .map_or_else(|e| e.to_string(), |t| t.to_string());
    Error::new(doing(from)).expected("an array of another type").found(ty)
}

/// Refuses `n` elements of an array when that is more than its storage can unfold to, or than the
/// memory there is; and chunks that no storage can fill.
fn plausible(from: &Container, n: usize, size: usize) -> Result<()> {
    let stored = from.storage_size();
    let bytes = (n as u64).saturating_mul(size as u64);
    let chunk = from.as_dataset().ok().and_then(|d| d.chunk());
    let chunk = chunk.map_or(0, |c| c.iter().fold(size as u64, |n, &c| n.saturating_mul(c as u64)));
    let most = bytes.max(chunk);
    // What is said to be stored may be damaged too.
    let file = || from.file().map_or(0, |f| f.size());
    if most > SMALL && most / MOST_PACKED > stored.min(file()) {
        return Err(Error::new(doing(from))
            .expected(format!("an array that {} in the file can unfold to", memory::human(stored)))
            .found(format!("{n} elements, {}", memory::human(most)))
            .advice("The file is damaged"));
    }
    let available = if bytes > SMALL { memory::now().available } else { 0 };
    if available > 0 && bytes > available {
        return Err(Error::new(doing(from))
            .kind(crate::base::Kind::Resource)
            .expected(format!("{} of free memory", memory::human(bytes)))
            .found(memory::human(available)));
    }
    Ok(())
}
