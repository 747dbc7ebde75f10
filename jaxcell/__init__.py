"""Learning from images of interacting immune cells.

    import jaxcell
    plate = jaxcell.read_plate("FOLDER")
    well = plate["B02"]
    found = jaxcell.measure(well)
    found.show()

and `jaxcell.open_run("RUN").predict(plate)`. Nothing is imported until it is used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxcell.notebook.measurement import measure
    from jaxcell.notebook.plates import read_plate
    from jaxcell.notebook.runs import open_run

    __version__: str

__all__ = ["__version__", "measure", "open_run", "read_plate"]

_MODULES = {"measure": "measurement", "open_run": "runs", "read_plate": "plates"}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from jaxcell.storage.provenance import own_version

        return own_version()
    if name not in _MODULES:
        raise AttributeError(f"module 'jaxcell' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxcell.notebook.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
