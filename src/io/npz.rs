//! NumPy's `.npz`: a zip of arrays, and what `scipy.sparse.save_npz` makes of a sparse matrix.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, ArrayView1};
use ndarray_npy::WriteNpyExt;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::npy::{Element, Header};
use crate::base::{Error, Kind, Result, files, memory, nearest};
use crate::data::Csr;

/// What deflate makes of a byte at most.
const INFLATION: u64 = 1032;

/// A zip of arrays, open for reading.
pub(super) struct Npz {
    path: PathBuf,
    zip: ZipArchive<BufReader<File>>,
    bytes: u64,
}

impl Npz {
    /// # Errors
    /// No zip; members that unpack to more than deflate can hold, as in a zip bomb.
    pub fn open(path: &Path) -> Result<Self> {
        files::exists(path)?;
        let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::io(format!("opening {}", path.display()), e)
                .expected("a zip of arrays, as numpy.savez writes it")
        };
        let file = File::open(path).map_err(|e| failed(e.into()))?;
        let bytes = file.metadata().map(|m| m.len()).unwrap_or(0);
        let zip = ZipArchive::new(BufReader::new(file)).map_err(|e| failed(e.into()))?;
        let mut npz = Self { path: path.to_owned(), zip, bytes };
        let mut total = 0u64;
        for i in 0..npz.zip.len() {
            let member = npz.zip.by_index_raw(i).map_err(|e| failed(e.into()))?;
            let most = member.compressed_size().min(bytes).saturating_mul(INFLATION) + 1024;
            total = total.saturating_add(member.size());
            if member.size() > most || total > bytes.saturating_mul(INFLATION) + 1024 {
                let (name, size) = (member.name().to_owned(), memory::human(member.size()));
                return Err(Error::new(format!("opening {}", path.display()))
                    .expected(format!("arrays that {} can hold", memory::human(bytes)))
                    .found(format!("'{name}' of {size}"))
                    .advice("The file is damaged, or made to fill the memory"));
            }
        }
        Ok(npz)
    }

    /// The names of the arrays, in order.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.zip.file_names().map(str::to_owned).collect();
        names.iter_mut().for_each(|n| *n = n.strip_suffix(".npy").unwrap_or(n).to_owned());
        names.sort();
        names
    }

    pub fn has(&self, name: &str) -> bool {
        self.zip.index_for_name(&format!("{name}.npy")).is_some()
    }

    /// As many elements as a file of this size may hold.
    pub fn most(&self) -> u64 {
        self.bytes.saturating_mul(INFLATION)
    }

    /// Reads an array: `read` gets its header and its values, which end where they should.
    pub fn array<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&Header, &mut dyn Read) -> Result<T>,
    ) -> Result<T> {
        let doing = format!("reading '{name}' of {}", self.path.display());
        let known = self.names();
        let member = self.zip.by_name(&format!("{name}.npy")).map_err(|e| {
            Error::io(doing.clone(), e)
                .kind(Kind::Missing)
                .advice(nearest::advice(name, known.iter().map(String::as_str)))
        })?;
        let size = member.size();
        let mut from = BufReader::with_capacity(1 << 16, member.take(size));
        let header = Header::read(&mut from).map_err(|e| e.within(&doing))?;
        if header.bytes().is_none_or(|b| b as u64 > size) {
            return Err(cut(&doing, &header));
        }
        read(&header, &mut from).map_err(|e| e.within(&doing))
    }

    /// A header alone.
    pub fn header(&mut self, name: &str) -> Result<Header> {
        self.array(name, |h, _| Ok(h.clone()))
    }

    /// All values of an array of numbers, in the order in which they lie.
    pub fn numbers(&mut self, name: &str) -> Result<Vec<f64>> {
        self.array(name, |h, from| {
            let mut all = Vec::new();
            values(h, from, &mut |v| {
                all.push(v);
                Ok(())
            })?;
            Ok(all)
        })
    }

    /// Whole numbers from 0.
    pub fn places(&mut self, name: &str) -> Result<Vec<usize>> {
        let numbers = self.numbers(name)?;
        let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 9e15).then_some(v as usize);
        numbers
            .into_iter()
            .map(|v| whole(v).ok_or(v))
            .collect::<std::result::Result<_, f64>>()
            .map_err(|v| {
                Error::new(format!("reading '{name}'"))
                    .expected("whole numbers from 0")
                    .found(v.to_string())
            })
    }

    /// All texts of an array; numbers as they are written.
    pub fn texts(&mut self, name: &str) -> Result<Vec<String>> {
        self.array(name, |h, from| {
            let mut all = Vec::new();
            elements(h, from, &mut |e, bytes| {
                all.push(e.text(bytes));
                Ok(())
            })?;
            Ok(all)
        })
    }
}

/// An error of an array whose values end before they should.
pub(super) fn cut(doing: &str, header: &Header) -> Error {
    Error::new(doing)
        .expected(format!("values of shape {:?}", header.shape))
        .found("fewer")
        .advice("The file is cut short: copy or save it again")
}

/// Gives each number of an array to `take`, in the order in which they lie.
///
/// # Errors
/// An array of texts, values that end too early, what `take` returns.
pub(super) fn values(
    header: &Header,
    from: &mut dyn Read,
    take: &mut dyn FnMut(f64) -> Result<()>,
) -> Result<()> {
    if !header.element.is_number() {
        return Err(Error::new("reading values").expected("numbers").found("texts"));
    }
    elements(header, from, &mut |e, bytes| take(e.number(bytes)))
}

fn elements(
    header: &Header,
    from: &mut dyn Read,
    take: &mut dyn FnMut(Element, &[u8]) -> Result<()>,
) -> Result<()> {
    let size = header.element.size();
    let mut left = header.len().unwrap_or(0);
    if size == 0 {
        // Texts without letters take no bytes, however many there are said to be.
        return match left <= 1 << 20 {
            true => (0..left).try_for_each(|_| take(header.element, &[])),
            false => Err(cut("reading values", header)),
        };
    }
    let mut block = vec![0; size * (1 << 16).min(left)];
    while left > 0 {
        crate::base::interrupt::check("reading an array")?;
        let n = left.min(block.len() / size);
        let Some(part) = block.get_mut(..n * size) else { break };
        from.read_exact(part).map_err(|e| match e.kind() {
            std::io::ErrorKind::UnexpectedEof => cut("reading values", header),
            _ => Error::io("reading values", e),
        })?;
        part.chunks_exact(size).try_for_each(|bytes| take(header.element, bytes))?;
        left -= n;
    }
    Ok(())
}

/// Writes a sparse matrix as `scipy.sparse.save_npz` does, whole or not at all.
///
/// # Errors
/// A place that cannot be written.
pub fn write_sparse(path: &Path, m: &Csr) -> Result<()> {
    let (indptr, indices, values) = m.parts();
    // scipy wants both of one type, and takes 32 bits where they do.
    let small = indptr.len().max(m.nnz()).max(m.ncols()) <= i32::MAX as usize;
    write(path, |zip| {
        if small {
            zip.array(
                "indices",
                &ArrayView1::from(&indices.iter().map(|&i| i as i32).collect::<Vec<_>>()),
            )?;
            zip.array(
                "indptr",
                &ArrayView1::from(&indptr.iter().map(|&i| i as i32).collect::<Vec<_>>()),
            )?;
        } else {
            zip.array(
                "indices",
                &ArrayView1::from(&indices.iter().map(|&i| i64::from(i)).collect::<Vec<_>>()),
            )?;
            zip.array(
                "indptr",
                &ArrayView1::from(&indptr.iter().map(|&i| i as i64).collect::<Vec<_>>()),
            )?;
        }
        // An array of bytes without axes, which ndarray-npy has no type for.
        let dict = "{'descr': '|S3', 'fortran_order': False, 'shape': (), }";
        zip.raw("format", format!("{dict:<117}\ncsr").as_bytes())?;
        zip.array("shape", &ArrayView1::from(&[m.nrows() as i64, m.ncols() as i64]))?;
        zip.array("data", &ArrayView1::from(values))
    })
}

/// Writes arrays by name as `numpy.savez_compressed` does, whole or not at all.
///
/// # Errors
/// A place that cannot be written.
pub fn write_arrays(path: &Path, arrays: &[(String, ArrayD<f32>)]) -> Result<()> {
    write(path, |zip| arrays.iter().try_for_each(|(name, a)| zip.array(name, a)))
}

struct Writer(ZipWriter<BufWriter<File>>);

impl Writer {
    fn start(&mut self, name: &str) -> Result<()> {
        let options = SimpleFileOptions::default().large_file(true);
        self.0
            .start_file(format!("{name}.npy"), options)
            .map_err(|e| Error::io(format!("writing '{name}'"), e))
    }

    fn array(&mut self, name: &str, values: &impl WriteNpyExt) -> Result<()> {
        self.start(name)?;
        values.write_npy(&mut self.0).map_err(|e| Error::io(format!("writing '{name}'"), e))
    }

    fn raw(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        self.start(name)?;
        let start = b"\x93NUMPY\x01\x00\x76\x00";
        self.0
            .write_all(start)
            .and_then(|()| self.0.write_all(bytes))
            .map_err(|e| Error::io(format!("writing '{name}'"), e))
    }
}

fn write(path: &Path, fill: impl FnOnce(&mut Writer) -> Result<()>) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    files::atomic(path, |tmp| {
        let file = File::create(tmp).map_err(|e| Error::io(doing(), e))?;
        let mut zip = Writer(ZipWriter::new(BufWriter::new(file)));
        fill(&mut zip).map_err(|e| e.within(doing()))?;
        let mut file = zip.0.finish().map_err(|e| Error::io(doing(), e))?;
        file.flush().map_err(|e| Error::io(doing(), e))
    })
}
