"""Simulated cells in brightfield beside real ones: their mean profile, its spread, and a picture.

    python -m benchmarks.brightfield FOLDER [FOLDER ...] [--picture=FILE] [--json=FILE]

Each FOLDER holds one real field with brightfield and one or both stains. Around every stained cell
that stands alone, light is relative to its surroundings. A droplet's shade is left out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy import ndimage
from scipy.spatial import cKDTree

from benchmarks.timing import arguments, keep, table
from jaxcell.cells.instrument import PROTOCOLS, protocol_mask
from jaxcell.cells.kinds import VIEWS
from jaxcell.dataset.unstained_fields import surroundings
from jaxcell.plates.folder import read_plates
from jaxcell.plates.images import read_view
from jaxcell.report.common import style
from jaxcell.simulator.field import simulate_field

ROLES = {"t_cell": "FITC", "dendritic_cell": "TexasRed", "brightfield": "Brightfield"}
REACH = 14  # pixels around a cell
ALONE = 24.0  # pixels to the next cell of its kind
AREAS = {"t_cell": (55, 130), "dendritic_cell": (90, 260)}  # pixels, of single cells
SHADE = 0.8  # of the field's usual light, below which a droplet is
EACH = 8  # cells of a row of the picture


class Around(NamedTuple):
    """Brightfield around cells, float [N, S, S], and whose they are."""

    name: str
    kind: str
    crops: np.ndarray


def around_cells(name: str, kind: str, stain: np.ndarray, view: np.ndarray) -> Around:
    """Crops of a brightfield view around single stained cells of a kind."""
    around = surroundings(view)
    light, shade = view / around, around / np.median(around)
    labels, _ = ndimage.label(protocol_mask(stain, PROTOCOLS[kind]))
    areas = np.bincount(labels.ravel())[1:]
    low, high = AREAS[kind]
    single = np.flatnonzero((areas > low) & (areas < high)) + 1
    centres = np.array(ndimage.center_of_mass(labels > 0, labels, single))
    alone = cKDTree(centres).query(centres, k=2)[0][:, 1] > ALONE
    places = np.rint(centres[alone]).astype(int)
    inside = ((places > REACH) & (places < np.array(view.shape) - REACH - 1)).all(axis=1)
    places = places[inside]
    places = places[shade[places[:, 0], places[:, 1]] > SHADE]
    steps = np.arange(-REACH, REACH + 1)
    rows, columns = (places[:, axis, None] + steps for axis in (0, 1))
    return Around(name, kind, light[rows[:, :, None], columns[:, None, :]])


def profile(crops: np.ndarray) -> list[tuple[float, float]]:
    """Mean light by distance from the centre in pixels, and SD along each ring, means of cells."""
    steps = np.arange(-REACH, REACH + 1)
    distance = np.hypot(*np.meshgrid(steps, steps))
    rings = [crops[:, (distance >= r - 0.5) & (distance < r + 0.5)] for r in range(REACH)]
    return [(float(ring.mean()), float(ring.std(axis=1).mean())) for ring in rings]


def picture(rows: Sequence[Around]) -> Figure:
    """Some cells of each row, in one scale of light."""
    figure = style.new_figure(7.2, 1.15 * len(rows))
    figure.get_layout_engine().set(hspace=0.22, rect=(0, 0, 1, 0.97))
    grid = figure.subplots(len(rows), EACH)
    for line, cells in zip(grid, rows):
        chosen = np.linspace(0, len(cells.crops) - 1, EACH).astype(int)
        for axes, crop in zip(line, cells.crops[chosen]):
            axes.imshow(crop, cmap="gray", vmin=0.4, vmax=1.5)
            axes.set(xticks=[], yticks=[])
        name = f"{cells.name} ({len(cells.crops)})"
        note = line[0].text(0, 1.06, name, size=8.5, transform=line[0].transAxes)
        note.set_in_layout(False)  # it is wider than the first cell
    return figure


def main(given: Sequence[str] | None = None) -> None:
    """Prints the profiles, keeps them, and draws the picture."""
    parser = arguments(__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="of a real field each")
    parser.add_argument("--picture", default="", help="PNG file")
    options = parser.parse_args(given)
    found = []
    for folder in options.folders:
        images = read_plates(folder, ROLES, condition="").images.set_index("role")["path"]
        views = {role: read_view(path) for role, path in images.items()}
        for kind in VIEWS:
            if kind in views:
                cells = "T cells" if kind == "t_cell" else "dendritic cells"
                name = f"{cells}, real, {folder.name}"
                found.append(around_cells(name, kind, views[kind], views["brightfield"]))
    field = simulate_field(np.random.default_rng(2), 2048, 0.1, droplet_share=0)
    for number, kind in enumerate(VIEWS):
        cells = "T cells" if kind == "t_cell" else "dendritic cells"
        stain = np.ascontiguousarray(field.views[number])
        found.append(around_cells(f"{cells}, simulated", kind, stain, field.views[2]))
    found.sort(key=lambda cells: VIEWS.index(cells.kind))
    profiles = {cells.name: profile(cells.crops) for cells in found}
    heads = ["light (SD along the ring) at px", *map(str, range(0, REACH, 2))]
    rows = [
        [name, *(f"{mean:.2f} ({sd:.2f})" for mean, sd in rings[::2])]
        for name, rings in profiles.items()
    ]
    print(table(heads, rows))
    if options.picture:
        picture(found).savefig(options.picture, dpi=150)
    keep({"profiles": profiles}, options.json)


if __name__ == "__main__":
    main()
