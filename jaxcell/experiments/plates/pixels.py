"""The config of a command, with pixels as large as the files of its plates say."""

from ml_collections import ConfigDict

from jaxcell.configs import default
from jaxcell.dataset import source


def with_own_pixels(config: ConfigDict, given: bool) -> ConfigDict:
    """Sets `plates.pixel_um` to what the files of the config's plates say.

    Args:
      config: as `configs/default.py` describes; changed in place.
      given: whether a flag named the size, which then stands; so does that of a config of one's
        own that differs from the default.

    Returns:
      The config.

    Raises:
      ValueError: the plates have pixels of different sizes.
    """
    own = config.plates.pixel_um != default.get_config().plates.pixel_um
    return source.with_own_pixels(config, given=given or own)
