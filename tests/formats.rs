//! Every folder of the real data opens by `io::read`: shape, unit of the coordinates, labels.

use spatia::data::Unit;
use spatia::io;

use crate::common;

struct Opens {
    path: &'static str,
    shape: (usize, usize),
    /// The unit of `obsm["spatial"]`; `None` where there are no coordinates.
    unit: Option<Unit>,
    /// The column of labels, and how many there are.
    labels: Option<(&'static str, usize)>,
    /// Whether there is a tissue image.
    image: bool,
}

const fn opens(path: &'static str, shape: (usize, usize)) -> Opens {
    Opens { path, shape, unit: None, labels: None, image: false }
}

impl Opens {
    const fn at(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    const fn labels(self, column: &'static str, groups: usize) -> Self {
        Self { labels: Some((column, groups)), ..self }
    }

    const fn image(self) -> Self {
        Self { image: true, ..self }
    }
}

#[rustfmt::skip]
const DATA: &[Opens] = &[
    opens("dlpfc/151673", (3639, 8474)).at(Unit::Px).labels("layer", 7).image(),
    opens("dlpfc/151674", (3673, 5000)).at(Unit::Px).labels("layer", 7).image(),
    opens("dlpfc/151673.h5ad", (3639, 8474)).at(Unit::Px).labels("layer", 7).image(),
    opens("her2st/C2/C2_counts.tsv.gz", (187, 15706)).at(Unit::Px),
    opens("her2st/C3/C3_counts.tsv.gz", (180, 15821)).at(Unit::Px),
    opens("her2st/C4/C4_counts.tsv.gz", (184, 15842)).at(Unit::Px),
    opens("xenium_bone_marrow", (84_518, 477)).at(Unit::Um),
    opens("breast_visium_xenium/visium_eevee.csv.gz", (709, 18_085)).at(Unit::Unknown),
    opens("breast_visium_xenium/xenium_pikachu.csv.gz", (17_136, 313)).at(Unit::Unknown),
    opens("starmap_mpfc/starmap_mpfc_BZ5.h5ad", (1049, 166)).at(Unit::Unknown).labels("cell_type", 15),
    opens("starmap_mpfc/starmap_mpfc_BZ9.h5ad", (1053, 166)).at(Unit::Unknown).labels("layer", 4),
    opens("merfish_hypothalamus/merfish_hypothalamus_animal1.h5ad", (11_162, 161)).at(Unit::Unknown).labels("Cell_class", 16),
    opens("osmfish/osmFISH_SScortex_mouse_all_cells.loom", (6471, 33)).at(Unit::Unknown).labels("Region", 12),
    opens("visium_tiny", (100, 100)).at(Unit::Px).image(),
    opens("squidpy_tiny/test_data.h5ad", (49, 1999)).at(Unit::Px).labels("leiden", 5).image(),
    opens("anndata_archives/v0.5.0.h5ad", (700, 765)),
    opens("anndata_archives/v0.7.8.h5ad", (30, 20)),
    opens("anndata_archives/v0.11.4.h5ad", (10, 20)),
    opens("anndata_archives/v0.7.8.zarr.zip", (30, 20)),
    opens("tenx_tiny/v2.h5", (12, 343)),
    opens("tenx_tiny/v3.h5", (1107, 507)),
    opens("tenx_tiny/v3_mex", (1107, 507)),
];

#[test]
fn the_real_data_opens_with_its_shapes_units_and_labels() {
    for row in DATA {
        let Some(path) = common::data(row.path) else { continue };
        let ds = io::read(&path).unwrap_or_else(|e| panic!("{}: {e}", row.path));
        assert_eq!((ds.n_obs(), ds.n_vars()), row.shape, "{}", row.path);
        assert_eq!(ds.coordinates().ok().map(|c| c.unit), row.unit, "{}", row.path);
        assert_eq!(ds.tissue_image().is_some(), row.image, "{}", row.path);
        if let Some((column, groups)) = row.labels {
            let (known, _) = ds.obs().codes(column).unwrap().unwrap();
            assert_eq!(known.len(), groups, "{}: {known:?}", row.path);
        }
    }
}
