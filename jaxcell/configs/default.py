"""The default experiment: every field, with its unit and where it comes from.

    jaxcell train --config=default --workdir=runs/default

trains on your plates (`--plates=FOLDER`) or, without any, on simulated ones. Expect RMSE / SD of
truth below 0.1 on held-out simulated wells; docs/results has the figures.

A run is its data set, its `model` and its `training`: all other settings may change between two
calls of the same run.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the default configuration."""
    config = ConfigDict()
    config.experiment = "interaction"  # the kind: a folder in jaxcell/experiments
    config.plates = ConfigDict(
        {
            "folder": "",  # of plates; empty: simulated plates
            # kind of cell -> view that shows it, as the microscope names it (IN Cell: after `wv`)
            "views": {
                "t_cell": "FITC",  # T cells
                "dendritic_cell": "TexasRed",  # dendritic cells
                "brightfield": "Brightfield",  # both; may be missing
            },
            "on_bad_image": "stop",  # or `skip`: leave bad fields and wells out and list them
            "pixel_um": 0.741,  # um, edge of a pixel: a bar of 200 um is 270 pixels
            # Of plates that are simulated
            "simulate": {
                "plates": 5,  # how many
                "rows": 8,  # of wells
                "columns": 9,  # of wells
                "fields": 1,  # a well
                "field_size": 1152,  # pixels, side of a field; the real ones are 2048
                "seed": 0,  # of compounds, cells, light and noise
                # Conditions in `blocks` of columns as laboratories set them, or all by `lot`
                "layout": "blocks",
                "doses_um": (10.0,),  # uM, of the compounds
                # Lamps, stains, focus and camera of each plate in turn: `base`, `defocus`, `dim`,
                # `uneven`, or `varied`, every field of its own from a wide range
                "light": ("base", "defocus", "dim", "uneven", "varied"),
            },
        }
    )
    config.dataset = ConfigDict(
        {
            "subset": "full",  # `full`, `dual` (the two conditions below) or `dmso` (vehicle wells)
            "conditions": ("Unstimulated", "OVA"),  # of `dual`
            "window": 192,  # pixels, side of a patch; 142 um (reference study)
            "stride": 0,  # pixels between patches; 0: the window
            "masked": False,  # background outside the cell masks set to zero
            # How cells are found: `two_means`, the exact two-class optimum (Otsu 1979); `mean_sd`,
            # mean + SD (reference study); `instrument`, the IN Cell's protocols, of fields alone
            "mask_method": "two_means",
            "mask_scope": "patch",  # a mask is made from each patch (the study's) or the `field`
            # Counts of one camera, below which nothing is a stained cell (what shows no more is
            # faulty), and between cells and background; 0: by the median and noise of each image
            "background_counts": 0.0,  # counts
            "minimum_contrast_counts": 0.0,  # counts
            # Fields corrected for uneven light, estimated over each plate; the study did not
            "flat_field": False,
            "dark_counts": 0.0,  # counts of the camera in the dark, unshaded; 0: estimated too
            # To learn: the truth of simulated plates (`true_iou`, `true_overlap_share`,
            # `true_contact_share`, `bound_share`), or what masks say, a measure of interaction
            # (`iou`) or of cells (`t_cell_area_um2`); jaxcell/measures/catalogue.py has all names
            "target": "true_iou",
            "split_by": "well",  # `well`, `plate`, or `random_patch` (leaky; reference study)
            "split_seed": 0,  # of the split
        }
    )
    config.model = ConfigDict(
        {
            "architecture": "residual",  # or `plain`, the reference study's
            "latent_dim": 0,  # size of a dense bottleneck; 0: the spatial code, 12 x 12 x 8
            # Sizes k for which the first k numbers of one dense code are a code: it is ordered
            "nested_sizes": (),
            "dtype": "float32",  # or bfloat16: of the arithmetic, parameters stay float32
            "autoencoder": {
                "patch": 8,  # pixels; squares moved into channels first
                "features": (48, 96),  # channels of each stage
                "blocks": 1,  # residual blocks a stage
                "code_features": 8,  # channels of the spatial code
            },
            # Estimates the truth; or `dense`, the reference study's; or `soft_overlap`, which
            # answers iou and overlap_share from histograms alone
            "regression": "interaction_unet",
            "regressor": {"features": (32, 48)},  # channels of each stage
        }
    )
    config.training = ConfigDict(
        {
            "seed": 0,  # of parameters, batch order and dropout
            "autoencoder": {
                "epochs": 4,  # at most
                "batch_size": 16,  # patches
                "checkpoint_every_steps": 200,  # besides the end of each epoch; 0: never
                "early_stopping_epochs": 8,  # without progress; 0: never
                "augment": True,  # the eight symmetries of the square
                "loss": "cross_entropy",  # or squared_error
                "optimizer": {
                    "name": "adamw",  # `adam`, `adamw` or `muon`
                    "learning_rate": 3e-3,  # the highest
                    "weight_decay": 1e-4,  # of kernels alone
                    "warmup_steps": 20,  # of linear rise from zero
                    "decay": "cosine",  # to zero at the last step; or constant
                    "clip_global_norm": 1.0,  # largest norm of all gradients; 0: any
                },
            },
            "regressor": {
                "epochs": 22,  # at most
                "batch_size": 16,  # patches
                "checkpoint_every_steps": 400,  # besides the end of each epoch; 0: never
                "early_stopping_epochs": 0,  # without progress; 0: never
                "augment": True,  # the eight symmetries of the square
                "relit": True,  # each patch in another light: blur, lamp, crosstalk, noise, depth
                "optimizer": {
                    "name": "muon",  # `adam`, `adamw` or `muon`
                    "learning_rate": 3e-3,  # the highest
                    "weight_decay": 1e-4,  # of kernels alone
                    "warmup_steps": 50,  # of linear rise from zero
                    "decay": "cosine",  # to zero at the last step; or constant
                    "clip_global_norm": 1.0,  # largest norm of all gradients; 0: any
                },
            },
        }
    )
    config.evaluation = ConfigDict(
        {
            "batch_size": 32,  # patches
            # Codes of patches: of the `autoencoder`, or all that the `regressor`, one that learns
            # the truth, estimates of them
            "codes": "autoencoder",
            "projections": ("PCA", "t-SNE", "UMAP"),  # of codes and of raw pixels
            "coverage": 0.9,  # of prediction intervals
            # Codes standardised plate by plate on control wells (vehicle, untreated) first
            "standardise": False,
            "colours": "magenta_green",  # of cell images; or red_green, the study's
        }
    )
    config.machine = ConfigDict(
        {
            "folder": "data",  # where simulated plates and data sets are kept between runs
            # Data sets up to this size are held on the device, on each core of a CPU, others
            # streamed
            "memory_gib": 4.0,
        }
    )
    return config


def in_usual_light(config: ConfigDict) -> ConfigDict:
    """The same on two plates in usual light, where a light that varies is not the question."""
    config.plates.simulate.update({"plates": 2, "light": ("base",)})
    return config


def with_label_of_masks(config: ConfigDict) -> ConfigDict:
    """The same in usual light with the study's label: the overlap of masks made from each patch."""
    config.dataset.target = "iou"
    config.training.regressor.relit = False
    config.training.regressor.optimizer.name = "adamw"
    return in_usual_light(config)
