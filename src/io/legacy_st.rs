//! Counts of legacy spatial transcriptomics: rows named `XxY`, and a table of the selected spots.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use ndarray::Array2;
use polars::prelude::DataFrame;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lines::{Record, Records};
use super::{table, text_counts};
use crate::base::{Error, Result, files, progress};
use crate::data::table::numbers;
use crate::data::{Dataset, Uns, frame, keys};

/// Options of the reader.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LegacyStConfig {
    /// The table of selected spots. Else `NAME_selection.tsv` beside `NAME_counts.tsv.gz`.
    pub selection: Option<String>,
    /// The image that the pixels of the selection belong to; its path is kept in
    /// `uns["image_path"]`. Else the image beside the counts whose name begins as theirs does.
    pub image: Option<String>,
    /// Micrometres between the centres of neighbouring spots: 200 for the arrays of about 1,000
    /// spots of 100 um (33 x 35 places). Not in the files, so coordinates are pixels alone
    /// unless it is given.
    pub pitch_um: Option<f64>,
}

/// Reads the counts of a section with the selection that lies beside them.
///
/// # Errors
/// As [`read_with`].
pub fn read(path: &Path) -> Result<Dataset> {
    read_with(path, &LegacyStConfig::default())
}

/// Reads the counts of a section, and joins where its spots lie by their place in the array.
///
/// Spots that the selection leaves out (`selected` 0, or absent) are dropped, and selected spots
/// without counts stay out; a note says how many. `obs` gets `array_row` and `array_col`, and
/// `obsm["spatial"]` the pixels of the image.
///
/// # Errors
/// No counts, no selection, rows that are no places, a selection without its columns or of
/// another section.
pub fn read_with(path: &Path, config: &LegacyStConfig) -> Result<Dataset> {
    let doing = format!("reading the section {}", path.display());
    let mut ds = text_counts::plain(path)?;
    let selection = match &config.selection {
        Some(given) => PathBuf::from(given),
        None => beside(path, &doing)?,
    };
    let spots = Selection::read(&selection)?;
    let places = ds.obs().index().iter().map(|name| {
        spot(name).ok_or_else(|| {
            Error::new(doing.clone())
                .expected("rows named XxY, as in 10x21")
                .found(format!("'{name}'"))
                .advice("Read other tables with data::read_counts")
        })
    });
    let places = places.collect::<Result<Vec<_>>>()?;
    let at: Vec<Option<usize>> =
        places.iter().map(|p| spots.place.get(&key(*p)).copied()).collect();
    let kept: Vec<usize> = (0..at.len()).filter(|&i| at[i].is_some()).collect();
    // Arrays share their places, so that some match whatever the section is.
    let listed = places.iter().filter(|p| spots.listed.contains(&key(**p))).count();
    if kept.is_empty() || 2 * listed < at.len() {
        return Err(Error::new(doing)
            .expected(format!("the spots of the counts in {}", selection.display()))
            .found(format!("{listed} of {} in it, {} of them selected", at.len(), kept.len()))
            .advice(
                "Is it the selection of another section? Name its own with the option selection",
            ));
    }
    let without = spots.selected.saturating_sub(kept.len());
    if without > 0 || kept.len() < at.len() {
        progress::note(format!(
            "{doing}: {} spots; {without} selected spots have no counts, {} spots with counts are \
             not selected",
            kept.len(),
            at.len() - kept.len()
        ));
    }
    ds.select_obs(&kept)?;
    let rows: Vec<usize> = kept.iter().filter_map(|&i| at[i]).collect();
    let column = |values: &[f64]| rows.iter().map(|&r| values[r]).collect::<Vec<f64>>();
    let whole =
        |values: Vec<f64>| -> Vec<i64> { values.iter().map(|v| v.round() as i64).collect() };
    for (name, values) in [("array_row", &spots.y), ("array_col", &spots.x)] {
        let values = whole(column(values));
        ds.obs_mut().set(polars::prelude::Column::new(name.into(), values))?;
    }
    let (x, y) = (column(&spots.pixel_x), column(&spots.pixel_y));
    let xy = Array2::from_shape_fn((rows.len(), 2), |(r, c)| if c == 0 { x[r] } else { y[r] });
    ds.set_obsm(keys::SPATIAL, xy)?;
    ds.uns_mut().set(&[keys::SPATIAL_UNIT], Uns::Text("px".into()));
    scale(&mut ds, &doing, &spots, config)?;
    if let Some(image) = config.image.as_ref().map(PathBuf::from).or_else(|| image(path)) {
        files::exists(&image)?;
        ds.uns_mut().set(&["image_path"], Uns::Text(image.display().to_string()));
    }
    ds.sources = vec![path.to_owned(), selection];
    Ok(ds)
}

/// Whether the rows or columns of a table are named as spots are.
pub(super) fn looks_like(path: &Path) -> bool {
    let spots = || -> Result<bool> {
        let mut records = Records::open(path, None)?;
        let (mut top, mut row) = (Record::default(), Record::default());
        if !(records.next(&mut top)? && records.next(&mut row)?) {
            return Ok(false);
        }
        let named = |f: &[u8]| std::str::from_utf8(f).is_ok_and(|t| spot(t).is_some());
        Ok(row.len() > 1 && (named(row.field(0)) || named(top.field(top.len() - 1))))
    };
    spots().unwrap_or(false)
}

/// Records the micrometres a pixel where the pitch is given.
fn scale(ds: &mut Dataset, doing: &str, spots: &Selection, config: &LegacyStConfig) -> Result<()> {
    let Some(pitch_um) = config.pitch_um else {
        progress::note(format!(
            "{doing}: coordinates are pixels of the image; with pitch_um, 200 for arrays of 33 x \
             35 places, they are micrometres as well"
        ));
        return Ok(());
    };
    let px = spots.pitch_px().filter(|px| *px > 0.0);
    let (Some(px), true) = (px, pitch_um.is_finite() && pitch_um > 0.0) else {
        return Err(Error::new(doing)
            .expected("a pitch above zero, and spots in more than one column of the array")
            .found(format!("pitch_um {pitch_um} and {} spots", spots.x.len())));
    };
    ds.uns_mut().set(&[keys::SPATIAL_UM_PER_PX], Uns::Float(pitch_um / px));
    Ok(())
}

/// The selected spots: places in the array, and pixels.
struct Selection {
    place: HashMap<(i64, i64), usize>,
    /// The places of all rows, selected or not.
    listed: HashSet<(i64, i64)>,
    selected: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    new_x: Vec<f64>,
    new_y: Vec<f64>,
    pixel_x: Vec<f64>,
    pixel_y: Vec<f64>,
}

impl Selection {
    fn read(path: &Path) -> Result<Self> {
        let doing = format!("reading the selection {}", path.display());
        let table = table::read(path)?;
        let all = |name: &str| -> Result<Vec<f64>> {
            numbers(frame::column(&table, name)?).map_err(|e| e.within(&doing))
        };
        let wanted = |name: &str| {
            all(name).map_err(|e| {
                e.within(&doing)
                    .expected("columns x, y, pixel_x and pixel_y, as of the ST spot detector")
            })
        };
        let or = |name: &str, other: &str| if has(&table, name) { all(name) } else { all(other) };
        let (x, y) = (wanted("x")?, wanted("y")?);
        let (pixel_x, pixel_y) = (wanted("pixel_x")?, wanted("pixel_y")?);
        let (new_x, new_y) = (or("new_x", "x")?, or("new_y", "y")?);
        let selected = match has(&table, "selected") {
            true => all("selected")?,
            false => vec![1.0; x.len()],
        };
        if let Some(i) =
            (0..x.len()).find(|&i| !(pixel_x[i] + pixel_y[i] + x[i] + y[i]).is_finite())
        {
            return Err(Error::new(doing)
                .expected("numbers in x, y, pixel_x and pixel_y")
                .found(format!("none in row {i}")));
        }
        let mut place = HashMap::new();
        for i in (0..x.len()).filter(|&i| selected[i] != 0.0) {
            if place.insert(key((x[i], y[i])), i).is_some() {
                return Err(Error::new(doing)
                    .expected("each place of the array once")
                    .found(format!("{}x{} twice", x[i], y[i])));
            }
        }
        let count = place.len();
        let all = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| key((*x, *y))).collect();
        let mut listed: HashSet<(i64, i64)> = all(&x, &y);
        listed.extend(all(&new_x, &new_y));
        // Some tables of counts are named by the adjusted places.
        for i in (0..x.len()).filter(|&i| selected[i] != 0.0 && new_x[i].is_finite()) {
            let adjusted = key((new_x[i], new_y[i]));
            if adjusted.0 % 1000 != 0 || adjusted.1 % 1000 != 0 {
                place.entry(adjusted).or_insert(i);
            }
        }
        Ok(Self { place, listed, selected: count, x, y, new_x, new_y, pixel_x, pixel_y })
    }

    /// Pixels from a column of the array to the next, and from a row to the next: the mean of the
    /// slopes of pixels over places.
    fn pitch_px(&self) -> Option<f64> {
        let x = slope(&self.new_x, &self.pixel_x);
        let y = slope(&self.new_y, &self.pixel_y);
        match (x, y) {
            (Some(x), Some(y)) => Some((x.abs() + y.abs()) / 2.0),
            (one, other) => one.or(other).map(f64::abs),
        }
    }
}

fn has(table: &DataFrame, name: &str) -> bool {
    table.get_column_index(name).is_some()
}

/// The slope of least squares; `None` where all `x` are the same.
fn slope(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let (mx, my) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let both: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let one: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    Some(both / one).filter(|s| s.is_finite())
}

/// The place in the array that a name such as `10x21` or `10.02x21.1` says.
pub(super) fn spot(name: &str) -> Option<(f64, f64)> {
    let (x, y) = name.trim().split_once('x')?;
    let number =
        |t: &str| t.bytes().all(|b| b.is_ascii_digit() || b == b'.').then(|| t.parse().ok());
    Some((number(x)??, number(y)??))
}

/// A place as thousandths, to compare by.
fn key((x, y): (f64, f64)) -> (i64, i64) {
    ((x * 1000.0).round() as i64, (y * 1000.0).round() as i64)
}

/// What stands before `_counts` in the name of the counts.
fn stem(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    match name.find("_counts") {
        Some(end) => name[..end].to_owned(),
        None => name.split('.').next().unwrap_or_default().to_owned(),
    }
}

fn beside(path: &Path, doing: &str) -> Result<PathBuf> {
    let names = ["_selection.tsv", "_selection.tsv.gz", "_selection.csv", "_selection.txt"];
    let stem = stem(path);
    let found =
        names.iter().map(|n| path.with_file_name(format!("{stem}{n}"))).find(|p| p.is_file());
    found.ok_or_else(|| {
        Error::new(doing)
            .expected(format!("{stem}_selection.tsv beside the counts, which says where spots lie"))
            .found("none")
            .advice(
                "Name it with the option selection; data::read_counts reads counts without places",
            )
    })
}

fn image(path: &Path) -> Option<PathBuf> {
    let stem = stem(path);
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .map(|e| e.path())
        .filter(|p| {
            let name = p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let end = name.rsplit_once('.').map(|(_, e)| e.to_lowercase()).unwrap_or_default();
            name.starts_with(&stem) && ["jpg", "jpeg", "png", "tif", "tiff"].contains(&end.as_str())
        })
        .collect();
    found.sort();
    found.into_iter().next()
}
