"""A flat picture of the codes of many patches."""

import numpy as np
from sklearn.decomposition import PCA


def principal_components(
    codes: np.ndarray, dimensions: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates of codes along their directions of largest variance.

    The sign of a direction is arbitrary; here its largest coefficient is positive, so that the same
    codes give the same picture.

    Args:
      codes: float32 [N, D], one code a patch.
      dimensions: number of directions.

    Returns:
      coordinates: float32 [N, dimensions], centred.
      explained: float32 [dimensions], each direction's share of the variance, in [0, 1].

    Raises:
      ValueError: too few codes, codes that are not finite, or codes that are all equal.

    Source: Pearson 1901; Halko et al. 2011 (scikit-learn's randomised solver for large inputs).
    """
    codes = np.asarray(codes, np.float32)
    if codes.ndim != 2:
        raise ValueError(f"codes must be a table [patches, features], not of shape {codes.shape}")
    if codes.shape[0] <= dimensions or codes.shape[1] < dimensions:
        raise ValueError(
            f"a projection on {dimensions} directions needs more than {dimensions} patches and at "
            f"least {dimensions} features; there are {codes.shape[0]} and {codes.shape[1]}"
        )
    bad = int(np.count_nonzero(~np.isfinite(codes).all(axis=1)))
    if bad:
        raise ValueError(f"the codes of {bad} of {len(codes)} patches are not finite numbers")
    if not np.ptp(codes, axis=0).any():
        raise ValueError("the codes of all patches are equal")
    analysis = PCA(n_components=dimensions, random_state=0)
    coordinates = analysis.fit_transform(codes)
    largest = np.abs(analysis.components_).argmax(axis=1)
    sign = np.where(analysis.components_[np.arange(dimensions), largest] < 0, -1.0, 1.0)
    return (
        (coordinates * sign).astype(np.float32),
        analysis.explained_variance_ratio_.astype(np.float32),
    )
