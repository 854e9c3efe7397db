//! Names of slots, once. They are scanpy's and squidpy's where those have one.

/// `obsm`: coordinates, [N,2], column then row (x, y).
pub const SPATIAL: &str = "spatial";
/// `obsm`: the coordinates in micrometres, [N,2], where the scale is known.
pub const SPATIAL_UM: &str = "spatial_um";
/// `uns`: what unit `obsm["spatial"]` is in, `"px"` or `"um"`, where a reader knows it.
pub const SPATIAL_UNIT: &str = "spatial_unit";
/// `uns`: micrometres a unit of `obsm["spatial"]` where that is pixels and the scale was stated;
/// 0 where it is not known, whatever the diameter of a spot.
pub const SPATIAL_UM_PER_PX: &str = "spatial_um_per_px";
/// `uns`: the column of `obs` that says which sample a spot is of; no graph joins two samples.
pub const SAMPLE_KEY: &str = "sample_key";
/// `obsp`: which spots are neighbours, as squidpy names it.
pub const SPATIAL_CONNECTIVITIES: &str = "spatial_connectivities";
/// `obsm`: scores of the principal components.
pub const X_PCA: &str = "X_pca";
/// `varm`: loadings of the principal components.
pub const PCS: &str = "PCs";
/// `obsm`: full-resolution pixels of the attached image, where `obsm["spatial"]` is something else.
/// `uns`: how they were computed.
pub const SPATIAL_PX: &str = "spatial_px";
/// `uns`: what the folder of a Xenium says beside the cells; `pixel_size_um` is the size of a pixel
/// of its DAPI image.
pub const XENIUM: &str = "xenium";
/// `obsm`: image features, [N,F].
pub const IMAGE_FEATURES: &str = "image_features";
/// `uns`: the names of the columns of `obsm["image_features"]`.
pub const IMAGE_FEATURE_NAMES: &str = "image_feature_names";
/// `layers`: counts, kept when X is normalised.
pub const COUNTS: &str = "counts";
/// `obs`: the sum of a spot's counts over the genes there were before any selection of genes.
pub const TOTAL_COUNTS: &str = "total_counts";
/// `var`: whether a gene was selected as highly variable.
pub const HIGHLY_VARIABLE: &str = "highly_variable";
/// `obs`: KL divergence of posterior from prior per spot, nats.
pub const KL: &str = "kl";
/// `obs`: planted truth of a simulation: morphology and expression disagree here.
pub const DISCORDANT: &str = "discordant";
