import numpy as np
import pytest

from jaxcell.plates.counts import as_counts
from jaxcell.plates.readers.planes import BadImage

COUNTS = np.random.default_rng(0).integers(0, 4096, (8, 9), np.uint16)


@pytest.mark.parametrize("kind", [np.uint32, np.int32, np.int64, np.float32, np.float64])
def test_whole_numbers_of_any_type_are_the_counts_they_are(kind):
    found = as_counts(COUNTS.astype(kind))
    assert found.view.dtype == np.uint16 and found.scale == 1
    np.testing.assert_array_equal(found.view, COUNTS)


def test_16_bits_are_not_touched():
    assert as_counts(COUNTS).view is COUNTS


def test_8_bits_keep_their_order_and_fill_12_bits():
    found = as_counts(np.arange(256, dtype=np.uint8)[None])
    assert found.view.max() == 4080 and (np.diff(found.view[0]) == found.scale).all()


def test_shares_of_the_full_scale_become_12_bits():
    found = as_counts((COUNTS / 4095).astype(np.float32))
    np.testing.assert_array_equal(found.view, COUNTS)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (np.float32([[1, np.inf]]), "infinite"), (np.float32([[-0.5, 1]]), "below 0"),
        (np.int16([[-1, 4]]), "below 0"), (np.uint32([[70000]]), "above 65535"),
        (np.array([[True]]), "no light"),
    ],
)  # fmt: skip
def test_what_is_no_count_is_refused(numbers, words):
    with pytest.raises(BadImage, match=words):
        as_counts(numbers)
