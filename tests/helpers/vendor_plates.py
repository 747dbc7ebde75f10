"""A small plate as several microscopes would write it."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile
import zarr


class Plane(NamedTuple):
    """One image: where it is of, and its counts."""

    well: str
    field: int
    channel: int
    counts: np.ndarray
    z: int = 1
    time: int = 1

    @property
    def row(self) -> int:
        """From 1."""
        letters = self.well[:-2]
        return ord(letters[-1]) - ord("A") + 1 + 26 * (len(letters) - 1)

    @property
    def column(self) -> int:
        """From 1."""
        return int(self.well[-2:])


NAMES = ("FITC", "TexasRed")
PLATE, PIXEL_UM = "P7", 0.65
# Unequal wells: B02 has two fields, C11 one, of another size.
FIELDS = (("B02", 1, 24), ("B02", 2, 24), ("C11", 1, 20))


def planes(z: int = 1, wells=FIELDS) -> list[Plane]:
    """Two channels of each field; z planes of focus of the first channel alone."""
    draw = np.random.default_rng(5)
    return [
        Plane(well, field, channel, draw.integers(100, 4000, (side, 30), np.uint16), plane)
        for well, field, side in wells
        for channel in (1, 2)
        for plane in range(1, (z if channel == 1 else 1) + 1)
    ]


METAMORPH = (
    '<MetaData><PlaneInfo><prop id="spatial-calibration-state" type="bool" value="on"/>'
    f'<prop id="spatial-calibration-x" type="float" value="{PIXEL_UM}"/>'
    '<prop id="spatial-calibration-units" type="string" value="um"/></PlaneInfo></MetaData>'
)


def _tiff(path: Path, counts: np.ndarray, about: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    words = {"description": about, "software": "MetaSeries"} if about else {}
    tifffile.imwrite(path, counts, photometric="minisblack", metadata=None, **words)
    return path


def incell_name(plane: Plane) -> str:
    name, focus = NAMES[plane.channel - 1], f" z {plane.z}" if plane.z > 1 else ""
    where = f"{plane.well[:-2]} - {plane.column:02d}"
    return f"{PLATE} - {where}(fld {plane.field} wv {name} - {name}{focus}).tif"


def write_incell(folder: Path, some: list[Plane], listed: tuple[str, ...] = ()) -> Path:
    """IN Cell Analyzer with its .xdce; `listed` wells have a line and no file."""
    for plane in some:
        _tiff(folder / incell_name(plane), plane.counts)
    extra = [Plane(well, 1, 1, None) for well in listed]
    images = "".join(
        f'<Image filename="{incell_name(plane)}" thumbnail="{incell_name(plane)[:-4]}_thumb.tif">'
        f'<Well label="{plane.well[:-2]} - {plane.column}"><Row number="{plane.row}"/>'
        f'<Column number="{plane.column}"/></Well>'
        f'<PlatePosition_um x="{4500 * plane.column}" y="{4500 * plane.row}"/>'
        f'<OffsetFromWellCenter x="{10 * plane.field}" y="{-5 * plane.field}"/>'
        f'<Identifier field_index="{plane.field - 1}" time_index="0" '
        f'wave_index="{plane.channel - 1}" z_index="{plane.z - 1}"/></Image>'
        for plane in reversed([*some, *extra])
    )
    waves = "".join(
        f'<Wavelength index="{n}"><ExcitationFilter name="{NAMES[n]}"/></Wavelength>'
        for n in (1, 0)
    )
    xml = (
        '<?xml version="1.0" encoding="ISO-8859-1"?><ImageStack><AutoLeadAcquisitionProtocol>'
        f'<ObjectiveCalibration pixel_width="{PIXEL_UM}" pixel_height="{PIXEL_UM}"/>'
        f'<Plate rows="16" columns="24"/>{waves}</AutoLeadAcquisitionProtocol>'
        f'<Images number="{len(some)}">{images}</Images></ImageStack>'
    )
    path = folder / "run 12.xdce"
    path.write_text(xml, encoding="latin-1")
    return path


def write_imagexpress(folder: Path, some: list[Plane], listed: tuple[str, ...] = ()) -> Path:
    """ImageXpress: an .HTD whose lines stand in no order, GUIDs, thumbnails, steps of focus."""
    steps = max(plane.z for plane in some)
    guid = "0F3C2A11-1111-2222-3333-444455556666"
    for plane in some:
        home = folder / "TimePoint_1" / (f"ZStep_{plane.z}" if steps > 1 else "")
        stem = f"{PLATE}_{plane.well}_s{plane.field}_w{plane.channel}"
        _tiff(home / f"{stem}{guid}.tif", plane.counts, METAMORPH)
        _tiff(home / f"{stem}_thumb{guid}.tif", plane.counts[::4, ::4])
    wells = {plane.well for plane in some} | set(listed)
    rows = {
        row: [
            "TRUE" if f"{chr(64 + row)}{column:02d}" in wells else "FALSE"
            for column in range(1, 25)
        ]
        for row in range(1, 17)
    }
    lines = ['"HTSInfoFile", Version 1.0', f'"Description", "caf\xe9, {PLATE}"']
    lines += [f'"WaveName{n}", "{NAMES[n - 1]}"' for n in (2, 1)]
    lines += [f'"WellsSelection{row}", {", ".join(cells)}' for row, cells in reversed(rows.items())]
    lines += [
        '"XWells", 24',
        '"YWells", 16',
        f'"ZSteps", {steps}',
        '"NWavelengths", 2',
        '"EndFile"',
    ]
    path = folder / f"{PLATE}.HTD"
    path.write_bytes("\r\n".join(lines).encode("latin-1"))
    return path


def write_opera(folder: Path, some: list[Plane], listed: tuple[str, ...] = (), new=True) -> Path:
    """Opera Phenix: of newer versions channels are described once, of older with each image."""

    def about(n: int) -> str:
        return (
            f"<ChannelName>{NAMES[n - 1]}</ChannelName>"
            f'<ImageResolutionX Unit="m">{PIXEL_UM * 1e-6}</ImageResolutionX>'
        )

    images = ""
    for plane in [*some, *(Plane(well, 1, 1, None) for well in listed)]:
        name = (
            f"r{plane.row:02d}c{plane.column:02d}f{plane.field:02d}p{plane.z:02d}-ch{plane.channel}"
            "sk1fk1fl1.tiff"
        )
        if plane.counts is not None:
            _tiff(folder / "Images" / name, plane.counts)
        images += (
            f"<Image><id>x</id><State>Ok</State><URL>{name}</URL><Row>{plane.row}</Row>"
            f"<Col>{plane.column}</Col><FieldID>{plane.field}</FieldID><PlaneID>{plane.z}</PlaneID>"
            f"<TimepointID>0</TimepointID><ChannelID>{plane.channel}</ChannelID>"
            f"{'' if new else about(plane.channel)}"
            f'<PositionX Unit="m">{plane.field * 1e-4}</PositionX>'
            f'<PositionY Unit="m">{plane.field * 2e-4}</PositionY></Image>'
        )
    entries = "".join(f'<Entry ChannelID="{n}">{about(n)}</Entry>' for n in (2, 1))
    flat = '<Map><Entry ChannelID="1"><FlatfieldProfile>{a: 1}</FlatfieldProfile></Entry></Map>'
    xml = (
        '<?xml version="1.0" encoding="utf-8"?><EvaluationInputData '
        'xmlns="43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7">'
        f"<Plates><Plate><PlateID>{PLATE}</PlateID></Plate></Plates>"
        f"<Maps>{flat}{f'<Map>{entries}</Map>' if new else ''}</Maps><Images>{images}</Images>"
        "</EvaluationInputData>"
    )
    path = folder / "Images" / ("Index.xml" if new else "Index.idx.xml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(xml)
    return path


def write_cellvoyager(folder: Path, some: list[Plane], listed: tuple[str, ...] = ()) -> Path:
    """CellVoyager: list, details and settings; one record of an image that failed."""
    bts = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'
    records = ""
    for plane in [*some, *(Plane(well, 1, 1, None) for well in listed)]:
        name = (
            f"{PLATE}_{plane.well}_T0001F{plane.field:03d}L01A01Z{plane.z:02d}"
            f"C{plane.channel:02d}.tif"
        )
        if plane.counts is not None:
            _tiff(folder / name, plane.counts)
        records += (
            f'<bts:MeasurementRecord bts:Type="IMG" bts:Column="{plane.column}" '
            f'bts:Row="{plane.row}" bts:TimePoint="1" bts:FieldIndex="{plane.field}" '
            f'bts:ZIndex="{plane.z}" bts:X="{plane.field}" bts:Y="{2 * plane.field}" '
            f'bts:Ch="{plane.channel}">{name}</bts:MeasurementRecord>'
        )
    records += (
        '<bts:MeasurementRecord bts:Type="ERR" bts:Column="9" bts:Row="3">AF Error'
        "</bts:MeasurementRecord>"
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "MeasurementData.mlf"
    path.write_text(f"<bts:MeasurementData {bts}>{records}</bts:MeasurementData>")
    channels = "".join(
        f'<bts:MeasurementChannel bts:Ch="{n}" bts:HorizontalPixelDimension="{PIXEL_UM}"/>'
        for n in (1, 2)
    )
    (folder / "MeasurementDetail.mrf").write_text(
        f'<bts:MeasurementDetail {bts} bts:RowCount="16" bts:ColumnCount="24" '
        f'bts:MeasurementSettingFileName="s.mes"><bts:MeasurementSamplePlate bts:Name="{PLATE}"/>'
        f"{channels}</bts:MeasurementDetail>"
    )
    named = "".join(f'<bts:Channel bts:Ch="{n}" bts:Target="{NAMES[n - 1]}"/>' for n in (2, 1))
    (folder / "s.mes").write_text(
        f"<bts:MeasurementSetting {bts}><bts:ChannelList>{named}</bts:ChannelList>"
        "</bts:MeasurementSetting>"
    )
    return path


def write_cq1(folder: Path, some: list[Plane], listed: tuple[str, ...] = ()) -> Path:
    """CQ1: files that number their wells, and the OME-XML that says which wells these are."""
    images, wells = "", ""
    number = {well: n for n, well in enumerate(sorted({plane.well for plane in some}), 14)}
    fields = {(plane.well, plane.field): plane for plane in some}
    for well in [*number, *listed]:
        own = [key for key in fields if key[0] == well] or [(well, 1)]
        samples = ""
        for place, key in enumerate(own):
            identity = f"Image:{well}:{place}"
            samples += f'<WellSample ID="s{identity}"><ImageRef ID="{identity}"/></WellSample>'
            parts = ""
            for plane in some:
                if (plane.well, plane.field) == key:
                    name = (
                        f"Image/W{number[well]:04d}F{plane.field:04d}T0001Z{plane.z:03d}"
                        f"C{plane.channel}.tif"
                    )
                    _tiff(folder / name, plane.counts)
                    parts += (
                        f'<TiffData FirstC="{plane.channel - 1}" FirstZ="{plane.z - 1}" '
                        f'FirstT="0" IFD="0"><UUID FileName="{name}">u</UUID></TiffData>'
                    )
            gone = '<TiffData FirstC="0"><UUID FileName="Image/gone.tif">u</UUID></TiffData>'
            channels = "".join(f'<Channel ID="{n}" Name="{name}"/>' for n, name in enumerate(NAMES))
            images += (
                f'<Image ID="{identity}"><Pixels PhysicalSizeX="{PIXEL_UM}" '
                f'PhysicalSizeXUnit="µm">{channels}{parts or gone}</Pixels></Image>'
            )
        row, column = Plane(well, 1, 1, None).row - 1, int(well[-2:]) - 1
        wells += f'<Well Row="{row}" Column="{column}">{samples}</Well>'
    xml = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        f'<Plate ID="Plate:0" Name="{PLATE}">{wells}</Plate>{images}</OME>'
    )
    path = folder / "MeasurementResult.ome.xml"
    path.write_text(xml, encoding="utf-8")
    return path


def write_cytation(folder: Path, some: list[Plane]) -> Path:
    """Cytation: names alone, in a folder named as the plate; the image says its pixel."""
    for plane in some:
        focus = f"Z{plane.z - 1}" if max(each.z for each in some) > 1 else ""
        name = f"{plane.well[:-2]}{plane.column}_0{plane.channel}_1_{plane.field}{focus}"
        path = folder / PLATE / f"{name}_{NAMES[plane.channel - 1]}_001.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        width = plane.counts.shape[1]
        about = (
            f"<BTIImageMetaData><PixelWidth>{width}</PixelWidth><ImageWidthMicrons>"
            f"{width * PIXEL_UM}</ImageWidthMicrons></BTIImageMetaData>"
        )
        tifffile.imwrite(path, plane.counts, description=about, metadata=None)
    return folder / PLATE


def write_ome_zarr(
    folder: Path, some: list[Plane], listed: tuple[str, ...] = (), version: str = "0.5"
) -> Path:
    """An HCS plate of OME-Zarr, by zarr-python and the specification's words."""
    group, kind = folder / f"{PLATE}.zarr", 3 if version == "0.5" else 2

    def describe(home: Path, about: dict) -> None:
        zarr.open_group(home, mode="a", zarr_format=kind)
        if kind == 3:
            file = home / "zarr.json"
            whole = json.loads(file.read_text())
            whole["attributes"] = {"ome": {"version": version, **about}}
            file.write_text(json.dumps(whole))
        else:
            (home / ".zattrs").write_text(json.dumps(about))

    wells = sorted({plane.well for plane in some} | set(listed))
    rows = sorted({well[:-2] for well in wells}, key=lambda name: (len(name), name))
    columns = sorted({well[-2:].lstrip("0") for well in wells}, key=int)
    described = [
        {
            "path": f"{well[:-2]}/{well[-2:].lstrip('0')}",
            "rowIndex": rows.index(well[:-2]),
            "columnIndex": columns.index(well[-2:].lstrip("0")),
        }
        for well in wells
    ]
    plate = {
        "name": PLATE,
        "rows": [{"name": name} for name in rows],
        "columns": [{"name": name} for name in columns],
        "wells": described,
    }
    describe(group, {"plate": plate | ({"version": version} if kind == 2 else {})})
    for well, about in zip(wells, described):
        fields = sorted({plane.field for plane in some if plane.well == well})
        if not fields:
            continue
        home = group / about["path"]
        images = {"images": [{"path": str(field - 1)} for field in fields]}
        describe(home, {"well": images | ({"version": version} if kind == 2 else {})})
        for field in fields:
            own = [plane for plane in some if (plane.well, plane.field) == (well, field)]
            depth = max(plane.z for plane in own)
            stack = np.zeros((2, depth, *own[0].counts.shape), np.uint16)
            for plane in own:
                stack[plane.channel - 1, plane.z - 1] = plane.counts
            inner = home / str(field - 1)
            space = {"type": "space", "unit": "micrometer"}
            scales = {
                "axes": [
                    {"name": "c", "type": "channel"},
                    *({"name": name, **space} for name in "zyx"),
                ],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [1.0, 1.0, PIXEL_UM, PIXEL_UM]}
                        ],
                    }
                ],
            } | ({"version": version} if kind == 2 else {})
            omero = {
                "channels": [{"label": name, "color": "FFFFFF", "window": {
                    "start": 0, "end": 4095, "min": 0, "max": 4095}} for name in NAMES]
            }  # fmt: skip
            describe(inner, {"multiscales": [scales], "omero": omero})
            array = zarr.create_array(
                inner / "0",
                shape=stack.shape,
                dtype=stack.dtype,
                chunks=(1, 1, *(16 if side < 64 else 128 for side in stack.shape[2:])),
                zarr_format=kind,
                **({"chunk_key_encoding": {"name": "v2", "separator": "/"}} if kind == 2 else {}),
            )
            array[:] = stack
    return group
