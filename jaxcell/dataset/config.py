"""What a data set of patches holds."""

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from jaxcell.cells.masks import Levels
from jaxcell.measures.catalogue import TRUTHS
from jaxcell.measures.patch import check_target

SUBSETS = ("full", "dual", "dmso")
SPLITS = ("well", "plate", "random_patch", "none")
MASK_METHODS = ("two_means", "mean_sd", "instrument")
MASK_SCOPES = ("patch", "field")


@dataclasses.dataclass(kw_only=True)
class ImmuneCellsConfig(tfds.core.BuilderConfig):
    """What a data set holds.

    Attributes:
      subset: `full` (every well with cells), `dual` (the two `conditions`) or `dmso` (the vehicle
        control wells).
      conditions: the two conditions of `dual`.
      window: side of a patch in pixels.
      stride: distance between patches in pixels; 0: the window, so that patches do not overlap.
      masked: whether pixels outside the cell masks are zero.
      split_by: `well`; `plate`; `random_patch` (the reference study's: patches of one well on
        both sides, so its scores flatter); `none` (all is test: a plate to evaluate on).
      split_seed: of the split.
      mask_method: how cells are found: `two_means`, `mean_sd`, or `instrument` (the protocols of
        the IN Cell, on whole fields alone).
      mask_scope: what a mask is made from: each `patch` by itself, or the whole `field`.
      background_counts: nothing below is a stained cell, and what reaches no higher is faulty; 0:
        estimated from the images.
      minimum_contrast_counts: between cells and background; 0: a multiple of each image's noise.
      flat_field: whether fields are corrected for uneven light first, by an estimate over all
        fields of their plate; images of examples are then corrected counts.
      dark_counts: of the camera in the dark, which uneven light leaves alone; 0: estimated for
        each plate and view.
      pixel_um: µm, edge of a pixel.
      from_um: µm, edge of a pixel of the files where it is another: fields are then resampled to
        `pixel_um`; 0: the same.
      target: what is learnt, a name in `catalogue.TARGETS`; one of `TRUTHS` asks for plates whose
        truth is known, and examples then carry what masks say of it, `by_METHOD`.
    """

    subset: str = "full"
    conditions: tuple[str, str] = ("Unstimulated", "OVA")
    window: int = 192
    stride: int = 0
    masked: bool = False
    split_by: str = "well"
    split_seed: int = 0
    mask_method: str = "two_means"
    mask_scope: str = "patch"
    background_counts: float = 0.0
    minimum_contrast_counts: float = 0.0
    flat_field: bool = False
    dark_counts: float = 0.0
    pixel_um: float = 0.741
    from_um: float = 0.0
    target: str = "iou"

    def __post_init__(self):
        for name, known in (
            ("subset", SUBSETS),
            ("split_by", SPLITS),
            ("mask_method", MASK_METHODS),
            ("mask_scope", MASK_SCOPES),
        ):
            value = getattr(self, name)
            if value not in known:
                raise ValueError(f"{name} {value!r} is not one of {', '.join(known)}")
        check_target(self.target)
        if self.mask_method == "instrument" and self.mask_scope != "field":
            raise ValueError(
                "the instrument's masks are made of whole fields: dataset.mask_method instrument "
                "needs dataset.mask_scope field"
            )
        if not self.pixel_um > 0:
            raise ValueError(f"pixel_um {self.pixel_um}: give a pixel's edge, more than 0 µm")
        if not 0 <= self.from_um < np.inf:
            raise ValueError(f"a pixel of {self.from_um} µm: give its edge, more than 0 µm")
        if self.from_um and self.target in TRUTHS:
            raise ValueError(
                "the truth of a simulated plate is known at its own pixel size alone: leave "
                "--pixel-um out"
            )
        if not (
            0 <= self.background_counts < np.inf and 0 <= self.minimum_contrast_counts < np.inf
        ):
            raise ValueError("background_counts and minimum_contrast_counts: give counts from 0 on")
        if self.window < 1 or self.stride < 0:
            raise ValueError(f"window {self.window} and stride {self.stride}: use positive pixels")
        self.stride = self.stride or self.window
        self.conditions = tuple(self.conditions)
        if self.split_by == "random_patch" and self.stride < self.window:
            raise ValueError("a split by random_patch of patches that overlap would share pixels")

    @property
    def levels(self) -> Levels:
        """What masks take for background and for too little contrast."""
        return Levels(self.background_counts, self.minimum_contrast_counts)
