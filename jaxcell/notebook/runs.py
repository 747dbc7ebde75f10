"""Trained runs, opened to predict plates and wells."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxcell.compute import backend
from jaxcell.dataset.source import resampled_from
from jaxcell.inference.plates import Predictions, predict_plates
from jaxcell.inference.trained import Run, load
from jaxcell.notebook.plates import Plate, Well, sound_plates


@dataclass(frozen=True, eq=False, repr=False)
class TrainedRun:
    """A run that was trained.

    Attributes:
      folder: of the run.
      config: what it was trained with.
      run: its networks and their history.
    """

    folder: Path
    config: Any  # ConfigDict, whose own types do not know its fields
    run: Run

    def predict(self, chosen: Plate | Well, pixel_um: float = 0.0) -> Predictions:
        """Predicts how the cells of wells interact, as `jaxcell predict` does.

        Args:
          chosen: a plate, all wells of which are predicted, or one well.
          pixel_um: µm, edge of a pixel of its images, which are resampled to the run's; 0: as their
            files say, else the same.

        Returns:
          `wells`, a table of one row a well with `predicted_mean` and `predicted_sd`, and
          `patches`, one row a patch with what is predicted of it; in the unit of the run's target.

        Raises:
          BadPlates: a view is missing, or a layout cannot be read; lists all that is wrong.
          ValueError: an image cannot be read; names plate, well and field.
        """
        plates = sound_plates(chosen)
        pixel_um = resampled_from(plates, pixel_um, self.config.plates.pixel_um)
        return predict_plates(self.run, self.config, plates, pixel_um)

    def __repr__(self) -> str:
        return f"{self.folder}: predicts {self.config.dataset.target}"


def open_run(folder: str | Path) -> TrainedRun:
    """Opens a run of the experiment `interaction`.

    JAX is set up as for the commands; one that has computed something keeps its devices.

    Args:
      folder: of the run.

    Returns:
      The run.

    Raises:
      ValueError: the folder is not such a run, or its training has not ended.
    """
    backend.set_up()
    return TrainedRun(Path(folder), *load(Path(folder)))
