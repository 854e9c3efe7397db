//! What the columns of a table of counts are: names, coordinates, what is known of a cell, genes.

use std::collections::HashSet;

use super::text_counts::TextCountsConfig;
use crate::base::{Error, Kind as Sort, Result, nearest, progress};

/// Pairs of columns that hold coordinates, by what writes them, and their unit where that is sure.
/// Looked for in this order, in lower case.
const PLACES: &[(&str, &str, Option<&str>)] = &[
    ("x_centroid", "y_centroid", Some("um")),
    ("aligned_x", "aligned_y", None),
    ("x_um", "y_um", Some("um")),
    ("centerx_global_px", "centery_global_px", Some("px")),
    ("center_x", "center_y", Some("um")),
    ("pxl_col_in_fullres", "pxl_row_in_fullres", Some("px")),
    ("pixel_x", "pixel_y", Some("px")),
    ("x_px", "y_px", Some("px")),
    ("imagecol", "imagerow", Some("px")),
    ("x", "y", None),
    ("x_coord", "y_coord", None),
    ("coord_x", "coord_y", None),
    ("spatial_x", "spatial_y", None),
    ("spatial1", "spatial2", None),
    ("x_position", "y_position", None),
    ("xcoord", "ycoord", None),
];

/// Columns that name the rows, in lower case.
const NAMES: &[&str] =
    &["barcode", "barcodes", "cell_id", "cellid", "cell", "spot", "spot_id", "index", "_index"];

/// What the column without a name becomes where another names the rows: R's numbers of rows.
pub(super) const ROW_NAME: &str = "row_name";

/// Columns of numbers that are known to say something of a cell, in lower case.
const KNOWN: &[&str] = &[
    "area",
    "array_col",
    "array_row",
    "cell_area",
    "cluster",
    "clusters",
    "control_codeword_counts",
    "control_probe_counts",
    "deprecated_codeword_counts",
    "donor",
    "fov",
    "genomic_control_counts",
    "in_tissue",
    "leiden",
    "library_size",
    "louvain",
    "n_counts",
    "n_genes",
    "n_genes_by_counts",
    "ncount_rna",
    "nfeature_rna",
    "nucleus_area",
    "nucleus_count",
    "pct_counts_mt",
    "perimeter",
    "replicate",
    "row_name",
    "sample",
    "seurat_clusters",
    "slice",
    "total_counts",
    "transcript_counts",
    "unassigned_codeword_counts",
    "volume",
    "z",
    "z_centroid",
];

/// Tables that are no counts: columns that tell them, what they are, what to do.
const OTHERS: &[(&[&str], &str, &str)] = &[
    (
        &["cell_id", "x_centroid", "transcript_counts"],
        "Xenium's table of cells, which has no genes",
        "Name the folder of the bundle instead, or read the table with data::read_table",
    ),
    (
        &["transcript_id", "feature_name"],
        "Xenium's table of transcripts",
        "Name the folder of the bundle instead, or read the table with data::read_table",
    ),
    (
        &["in_tissue", "array_row", "pxl_row_in_fullres"],
        "Visium's positions of spots, which have no genes",
        "Name the folder that holds spatial/ and the counts",
    ),
    (
        &["pixel_x", "new_x", "selected"],
        "the selection of a legacy ST sample",
        "Name the table of counts beside it",
    ),
];

/// What a look at the first rows says of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Numbers,
    Text,
}

/// Which column is what; each column is one thing.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub index: Option<usize>,
    pub xy: Option<(usize, usize)>,
    pub unit: Option<String>,
    pub obs: Vec<usize>,
    pub genes: Vec<usize>,
}

impl Plan {
    /// Follows the options, and where they say nothing the names and the kinds; says in a note
    /// what was concluded.
    ///
    /// # Errors
    /// Options that name no column, a table that is known to be another, no gene.
    pub fn new(
        doing: &str,
        names: &[String],
        kinds: &[Kind],
        config: &TextCountsConfig,
    ) -> Result<Self> {
        let lower: Vec<String> = names.iter().map(|n| n.to_lowercase()).collect();
        let place = |name: &str| lower.iter().position(|n| n == name);
        refuse_others(doing, &lower)?;
        let mut plan = Self { xy: coordinates(doing, names, &lower, config)?, ..Self::default() };
        plan.unit = config.unit.map(|u| u.name().to_owned()).or_else(|| {
            let (x, _) = plan.xy?;
            PLACES.iter().find(|p| p.0 == lower[x]).and_then(|p| p.2).map(str::to_owned)
        });
        plan.index = match config.index.as_deref() {
            Some("") => None,
            Some(name) => Some(named(doing, names, name, "index")?),
            None => match (lower.first().map(String::as_str), kinds.first()) {
                (Some("" | "unnamed: 0"), Some(Kind::Text)) => Some(0),
                (Some("" | "unnamed: 0"), _) => NAMES.iter().find_map(|n| place(n)).or(Some(0)),
                _ => NAMES.iter().find_map(|n| place(n)),
            },
        };
        let is_place = |i: usize| plan.xy.is_some_and(|(x, y)| i == x || i == y);
        let rest: Vec<usize> =
            (0..names.len()).filter(|&i| Some(i) != plan.index && !is_place(i)).collect();
        let (genes, obs) = rest.into_iter().partition(|&i| match (&config.genes, &config.obs) {
            (Some(genes), _) => genes.iter().any(|g| fits(g, &names[i])),
            (None, Some(obs)) => !obs.iter().any(|o| fits(o, &names[i])),
            (None, None) => {
                let first = plan.xy.map_or(0, |(x, y)| x.min(y));
                let before = i < first && first <= 20 && first < names.len() / 2;
                let nameless = i == 0 && (lower[0].is_empty() || lower[0] == "unnamed: 0");
                !(before
                    || nameless
                    || kinds[i] == Kind::Text
                    || KNOWN.contains(&lower[i].as_str()))
            }
        });
        (plan.genes, plan.obs) = (genes, obs);
        for (what, wanted, got) in
            [("genes", &config.genes, &plan.genes), ("obs", &config.obs, &plan.obs)]
        {
            for pattern in wanted.iter().flatten() {
                if !got.iter().any(|&i| fits(pattern, &names[i])) {
                    return Err(missing(doing, names, pattern, what));
                }
            }
        }
        if plan.genes.is_empty() {
            return Err(Error::new(doing)
                .expected("columns of genes")
                .found(format!("a table with {}", listed(names, &plan.obs)))
                .advice(
                    "Read it with data::read_table if it is no table of counts; else name the \
                     genes with the option genes",
                ));
        }
        plan.say(doing, names, config);
        Ok(plan)
    }

    fn say(&self, doing: &str, names: &[String], config: &TextCountsConfig) {
        let mut said = Vec::new();
        if let (Some((x, y)), None) = (self.xy, &config.x) {
            let unit =
                self.unit.as_deref().map_or("no known unit".into(), |u| format!("the unit {u}"));
            said.push(format!(
                "coordinates are '{}' and '{}', in {unit} (options x, y, unit)",
                names[x], names[y]
            ));
        }
        match (self.index, &config.index) {
            (None, None) => {
                said.push("no column names the rows, so they are numbered (option index)".into());
            }
            (Some(i), None) if i > 0 => {
                said.push(format!("'{}' names the rows (option index)", names[i]));
            }
            _ => {}
        }
        if !self.obs.is_empty() && config.obs.is_none() && config.genes.is_none() {
            said.push(format!(
                "no genes but columns of obs: {} (options obs, genes)",
                listed(names, &self.obs)
            ));
        }
        if !said.is_empty() {
            progress::note(format!("{doing}: {}", said.join("; ")));
        }
    }
}

fn refuse_others(doing: &str, lower: &[String]) -> Result<()> {
    let known: HashSet<&str> = lower.iter().map(String::as_str).collect();
    match OTHERS.iter().find(|(told, ..)| told.iter().all(|t| known.contains(t))) {
        Some((_, what, advice)) => {
            Err(Error::new(doing).expected("a table of counts").found(*what).advice(*advice))
        }
        None => Ok(()),
    }
}

fn coordinates(
    doing: &str,
    names: &[String],
    lower: &[String],
    config: &TextCountsConfig,
) -> Result<Option<(usize, usize)>> {
    match (config.x.as_deref(), config.y.as_deref()) {
        (Some(""), None | Some("")) | (None, Some("")) => Ok(None),
        (Some(x), Some(y)) => {
            Ok(Some((named(doing, names, x, "x")?, named(doing, names, y, "y")?)))
        }
        (None, None) => {
            let place = |name: &str| lower.iter().position(|n| n == name);
            Ok(PLACES.iter().find_map(|(x, y, _)| place(x).zip(place(y))))
        }
        _ => Err(Error::new(doing).expected("both options x and y").found("one of them")),
    }
}

fn named(doing: &str, names: &[String], name: &str, option: &str) -> Result<usize> {
    let found = names.iter().position(|n| n == name);
    found.ok_or_else(|| missing(doing, names, name, option))
}

fn missing(doing: &str, names: &[String], name: &str, option: &str) -> Error {
    Error::new(doing)
        .kind(Sort::Missing)
        .expected(format!("a column '{name}', as the option {option} says"))
        .found("none")
        .advice(nearest::advice(name, names.iter().map(String::as_str)))
}

/// Whether a name is that of a pattern, in which `*` stands for any letters.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut rest) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

/// Some columns for a message.
fn listed(names: &[String], columns: &[usize]) -> String {
    let name = |i: usize| if names[i].is_empty() { ROW_NAME } else { names[i].as_str() };
    let shown: Vec<String> =
        columns.iter().take(8).map(|&i| format!("'{}'", super::lines::short(name(i)))).collect();
    let more = columns.len().saturating_sub(8);
    match (shown.is_empty(), more) {
        (true, _) => "no columns".into(),
        (_, 0) => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Says which names of genes Excel took for dates; they stay as they are, since which gene
/// `1-Mar` was is not known.
pub(super) fn note_dates(doing: &str, genes: &[String]) {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let is_date = |name: &&String| {
        let Some((a, b)) = name.split_once('-') else { return false };
        let day = |t: &str| t.len() <= 2 && t.parse::<u8>().is_ok_and(|d| (1..=31).contains(&d));
        let month = |t: &str| MONTHS.contains(&t.to_lowercase().as_str());
        day(a) && month(b) || month(a) && day(b)
    };
    let dates: Vec<&str> = genes.iter().filter(is_date).map(String::as_str).take(4).collect();
    if !dates.is_empty() {
        progress::note(format!(
            "{doing}: names such as {} are dates that Excel made of genes (MARCH1, SEPT2, DEC1); \
             they stay as they are",
            dates.join(", ")
        ));
    }
}
