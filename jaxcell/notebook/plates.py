"""A folder of plates as tables, and its wells by name; files are opened when they are asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jaxcell.cells.kinds import VIEWS
from jaxcell.configs import default
from jaxcell.notebook.names import from_to, not_found
from jaxcell.plates.findings import BadPlates, Finding
from jaxcell.plates.folder import IMAGE_PROBLEMS, WELL, Plates, read_tables, require_good
from jaxcell.plates.tables import well_name


class NoSuchWell(KeyError):
    """A plate or a well that a folder does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # that of a KeyError stands in quotes


@dataclass(frozen=True, eq=False, repr=False)
class Plate:
    """A folder of one plate, or of several.

    Its wells are those that have images; iterated over, it gives them by plate and name.

    Attributes:
      folder: where it lies.
      wells: one row a well, also of those without images: plate, well, condition ('' where no
        layout says), compound, concentration_um, role, stimulus_ug_per_ml.
      images: one row a grey image: plate, well, field, view, path and, of the view, role: the kind
        of cell that it shows.
      kinds: of cells that are measured -> their views, as the files name them.
      findings: what is wrong with file names and layouts. It stops nobody who does not need it: a
        well without one of its views has a condition, but no images.
    """

    folder: Path
    wells: pd.DataFrame
    images: pd.DataFrame
    findings: list[Finding]
    kinds: Mapping[str, str]

    def __getitem__(self, key: str | tuple[str, str]) -> "Well":
        """A well, as in `plate["B02"]` or, of several plates, `plate["CK19", "B02"]`.

        Raises:
          NoSuchWell: it has no images, or the folder holds several plates and none is named.
        """
        names = sorted(set(self.images["plate"]))
        if isinstance(key, str) and len(names) > 1:
            raise NoSuchWell(
                f"{self.folder} holds {len(names)} plates, {from_to(names)}: name one of them too, "
                f'as in plate["{names[0]}", "B02"]'
            )
        plate, name = (names[0], key) if isinstance(key, str) else key
        if plate not in names:
            raise NoSuchWell(f"{self.folder} has no plate {not_found(plate, names)}")
        try:
            canonical = well_name(name)
        except ValueError:
            canonical = name
        wells = sorted(set(self.images.loc[self.images["plate"] == plate, "well"]))
        if canonical not in wells:
            raise NoSuchWell(
                f"plate {plate} in {self.folder} has no images of a well {not_found(name, wells)}"
            )
        return Well(self, plate, canonical)

    def __contains__(self, key: str | tuple[str, str]) -> bool:
        try:
            return bool(self[key].name)
        except NoSuchWell:
            return False

    def __iter__(self) -> Iterator["Well"]:
        places = self.images[WELL].drop_duplicates().sort_values(WELL)
        return (Well(self, plate, name) for plate, name in places.itertuples(index=False))

    def __len__(self) -> int:
        return len(self.images[WELL].drop_duplicates())

    def __repr__(self) -> str:
        wells = [f"{well.plate} {well.name}" for well in self]
        wrong = sum(finding.fatal for finding in self.findings)
        problems = f"; {wrong} problem(s), see .findings" if wrong else ""
        return f"{self.folder}: {len(wells)} wells with images, {from_to(wells)}{problems}"


@dataclass(frozen=True, eq=False, repr=False)
class Well:
    """A well of a plate; its files are read when they are asked for.

    Attributes:
      source: the folder that it lies in.
      plate: id of its plate.
      name: such as 'B02'.
    """

    source: Plate
    plate: str
    name: str

    @cached_property
    def images(self) -> dict[int, np.ndarray]:
        """Field -> uint16 [H, W, K], raw counts of T cells and of dendritic cells, or of the
        plate's own kinds.

        Read once, and not to be written to, since `measure` reads the files: change a copy.

        Raises:
          BadPlates: a view is missing or there twice.
          ValueError: an image cannot be read; names plate, well and file.
        """
        from jaxcell.dataset.fields import read_field  # slow to import, and tables need it not

        read = {}
        fields = self.fields
        for number, row in zip(fields["field"].tolist(), fields.itertuples()):
            try:
                views = read_field(row, {}, kinds=tuple(self.source.kinds))
            except ValueError as error:
                raise ValueError(f"{self.plate} {self.name}, field {number}: {error}") from error
            views.flags.writeable = False
            read[number] = views
        return read

    @property
    def fields(self) -> pd.DataFrame:
        """One row a field: plate, well, field, and the path of each kind of cells, such as
        `t_cell` and `dendritic_cell`."""
        self._stop([found for found in self.findings if found.problem in IMAGE_PROBLEMS])
        images = self._rows(self.source.images)
        paths = images.pivot(index=[*WELL, "field"], columns="role", values="path")
        return paths[list(self.source.kinds)].reset_index()

    @property
    def plates(self) -> Plates:
        """Its images and its row of the wells table, as the rest of the package takes them."""
        return Plates(self._rows(self.source.images), self._rows(self.source.wells), [])

    @property
    def condition(self) -> str:
        """What its cells were stimulated with; '' where no layout says."""
        return self._layout["condition"]

    @property
    def compound(self) -> str:
        """The compound in it; '' for none."""
        return self._layout["compound"]

    @property
    def concentration_um(self) -> float:
        """Of the compound, in µM; NaN where there is none."""
        return float(self._layout["concentration_um"])

    @property
    def role(self) -> str:
        """One of sample, vehicle, untreated and empty."""
        return self._layout["role"]

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with it, or with its whole plate."""
        return [
            found
            for found in self.source.findings
            if found.plate in ("", self.plate) and found.well in ("", self.name)
        ]

    @property
    def _layout(self) -> dict:
        """Its row of the wells table, unless its layout cannot be trusted."""
        row = self._rows(self.source.wells).iloc[0].to_dict()
        said = [found for found in self.findings if found.problem not in IMAGE_PROBLEMS]
        # What is wrong with a whole layout leaves those wells without condition that it concerns.
        self._stop([found for found in said if found.well or not row["condition"]])
        return row

    def _rows(self, table: pd.DataFrame) -> pd.DataFrame:
        return table[(table["plate"] == self.plate) & (table["well"] == self.name)]

    def _stop(self, findings: list[Finding]) -> None:
        if any(found.fatal for found in findings):
            raise BadPlates(found for found in findings if found.fatal)

    def __repr__(self) -> str:
        row = self._rows(self.source.wells).iloc[0]
        compound = f"compound {row['compound']}" if row["compound"] else ""
        dose = f"{row['concentration_um']:g} µM" if row["concentration_um"] >= 0 else ""
        words = (row["condition"], compound, dose, row["role"])
        return f"{self.plate} {self.name}: {', '.join(filter(None, words))}"


def read_plate(
    folder: str | Path,
    views: Mapping[str, str] | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Plate:
    """Reads the tables of a folder of plates; no image is opened, and no layout is needed.

    Args:
      folder: one plate's folder, or one that holds several.
      views: kind of cell -> the view that shows it, as the files name it. Those that are not given
        are {'t_cell': 'FITC', 'dendritic_cell': 'TexasRed', 'brightfield': 'Brightfield'}; a kind
        whose view is '' is not there.
      kinds: of other cells -> their views, such as {'b_cell': 'GFP', 'macrophage': 'Cy5'}, in place
        of T cells and dendritic cells; of a pair the first is the one that is in contact.

    Returns:
      The plate or plates.

    Raises:
      ValueError: `views` names a kind that there is not.
      BadPlates: there is no such folder, or none of its images has one of the views.
    """
    from jaxcell.measures.population import make_population  # slow to import

    config: Any = default.get_config()
    known = {kind: config.plates.views[kind] for kind in (*VIEWS, "brightfield")}
    if kinds is not None:
        known = {"brightfield": known["brightfield"]} | dict(kinds)
    for kind in views or {}:
        if kind not in known:
            raise ValueError(
                f"views: there is no kind {not_found(kind, list(known))}; other kinds of cells are "
                "named by kinds="
            )
    known |= views or {}
    shown = {kind: view for kind, view in known.items() if view and kind != "brightfield"}
    make_population(tuple(shown))  # names that cannot be are refused here
    plates = read_tables(Path(folder), known, condition="")
    if plates.images.empty:
        raise BadPlates(finding for finding in plates.findings if finding.fatal)
    wells = plates.wells.sort_values(WELL, ignore_index=True)
    return Plate(Path(folder), wells, plates.images, plates.findings, shown)


def sound_plates(chosen: Plate | Well) -> Plates:
    """A plate or a well as networks of interaction take it, which know two stains.

    With a well come all images of its plate: how unevenly it is lit shows in them. Kinds of cells
    of other names take the places of T cells and dendritic cells, in their order.

    Raises:
      BadPlates: there is something wrong with it.
      ValueError: the plate is of one kind of cells, or of more than two.
    """
    source = chosen if isinstance(chosen, Plate) else chosen.source
    if len(source.kinds) != len(VIEWS):
        raise ValueError(
            f"a network of interaction knows two stains, and this plate was read with "
            f"{len(source.kinds)} kind(s) of cells: read it with the two that are meant, kinds="
        )
    named = set(source.kinds) == set(VIEWS)
    places = dict(zip(VIEWS if named else source.kinds, VIEWS, strict=True))
    images = source.images.assign(role=source.images["role"].replace(places))
    if isinstance(chosen, Plate):
        return require_good(Plates(images, source.wells, source.findings))
    images, wells = (table[table["plate"] == chosen.plate] for table in (images, source.wells))
    return require_good(Plates(images, wells[wells["well"] == chosen.name], chosen.findings))
