"""There is one list of kinds of cells, and everything that has an order or a name follows it."""

import pytest

from jaxcell.cells.instrument import PROTOCOLS
from jaxcell.cells.kinds import KINDS, VIEWS, kind_called
from jaxcell.plates.folder import REQUIRED_ROLES
from jaxcell.simulator.field import CELL_TYPES


def test_views_protocols_plates_and_simulation_share_one_order():
    assert [kind.view for kind in KINDS.values()] == list(range(len(VIEWS)))
    assert all(key == kind.key == kind_called(key).key for key, kind in KINDS.items())
    # These rooms stand on the ground and import no other, so their order is written there again.
    assert VIEWS == tuple(PROTOCOLS) == REQUIRED_ROLES == CELL_TYPES


def test_what_is_no_kind_of_the_list_is_called_by_its_key():
    assert kind_called("nucleus").plural == "nuclei"
    assert kind_called("b_cell")[:4] == ("b_cell", "B cell", "B cells", "B-cell")


@pytest.mark.parametrize(
    "key, one, plural, counts",
    [
        ("t_cell", "a T cell", "T cells", "t_cells"),
        ("nk_cell", "an NK cell", "NK cells", "nk_cells"),
        ("cd8_t_cell", "a CD8 T cell", "CD8 T cells", "cd8_t_cells"),
        ("eosinophil", "an eosinophil", "eosinophils", "eosinophils"),
        ("antibody", "an antibody", "antibodies", "antibodies"),
        ("nucleus", "a nucleus", "nuclei", "nuclei"),
    ],
)
def test_words_of_a_kind_follow_from_its_name(key, one, plural, counts):
    kind = kind_called(key)
    assert (kind.one, kind.plural, kind.counts) == (one, plural, counts)
