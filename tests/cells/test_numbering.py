"""Numbers of label images of other programs: closed up, wrapped, of a mask, of fragments."""

import numpy as np
import pytest
from skimage.segmentation import relabel_sequential

from jaxcell.cells.numbering import check_numbers, close_up, in_two_places


def _grid(count, side=6, step=9, width=20):
    """Squares row by row, numbered from 1."""
    rows = -(-count // width)
    labels = np.zeros((rows * step, width * step), np.uint32)
    for number in range(count):
        y, x = (step * place for place in divmod(number, width))
        labels[y : y + side, x : x + side] = number + 1
    return labels


@pytest.mark.parametrize("largest", [50, 10**9, 2**32 - 1])
def test_numbers_are_closed_up_as_scikit_image_does(largest):
    random = np.random.default_rng(0)
    labels = random.choice([0, 1, 7, 23, largest], (40, 50)).astype(np.uint32)
    closed, numbers = close_up(labels)
    expected, _, inverse = relabel_sequential(labels.astype(np.int64) % (2**31 - 1))
    if largest < 2**31:
        np.testing.assert_array_equal(closed, expected)
    assert closed.dtype == np.int32 and list(numbers) == [1, 7, 23, largest]
    np.testing.assert_array_equal(np.append(0, numbers)[closed], labels)


def test_images_without_cells_and_without_ground():
    assert close_up(np.zeros((3, 4), np.uint8))[0].shape == (3, 4)
    closed, numbers = close_up(np.full((3, 4), 9, np.uint32))
    assert (closed == 1).all() and list(numbers) == [9]
    for value in (0, 9, 2**31):
        check_numbers(np.full((3, 4), value, np.uint32))


@pytest.mark.parametrize("bits", [8, 16])
def test_numbers_that_wrapped_are_refused(bits):
    count = 2**bits + (44 if bits == 8 else 3)
    labels = _grid(count, 3, 5, 300 if bits == 16 else 20)
    assert len(check_numbers(labels)[1]) == count
    wrapped = labels % 2**bits
    with pytest.raises(ValueError, match=f"largest is {2**bits - 1}.*wrapped in {bits} bits"):
        check_numbers(wrapped)
    # Whoever saves them again with more bits does not mend them.
    with pytest.raises(ValueError, match="wrapped"):
        check_numbers(wrapped.astype(np.uint64))


def test_numbers_clipped_at_255_are_refused():
    with pytest.raises(ValueError, match=r"\(255\).*wrapped"):
        check_numbers(np.minimum(_grid(300), 255))


def test_255_and_65535_cells_fit():
    for count in (254, 255, 256, 65535):
        assert len(check_numbers(_grid(count, 2, 4, 256))[1]) == count


def test_masks_and_maps_of_classes_are_refused():
    labels = _grid(100)
    for wrong in ((labels > 0) * 1, (labels > 0) * 255, labels % 3 + (labels > 0)):
        with pytest.raises(ValueError, match="Connected Components|wrapped"):
            check_numbers(wrong.astype(np.uint32))


def test_fragments_of_one_cell_are_one_cell():
    labels = _grid(40)
    labels[2, :] = 0  # cuts through every cell of a row
    closed, numbers = check_numbers(labels)
    assert len(numbers) == 40 and not len(in_two_places(closed))
    # A speck far away is a slip of the brush.
    labels[-1, -1] = 1
    assert len(check_numbers(labels)[1]) == 40
    # Of 40 cells one in two places is too many; of 400 it is not.
    labels[labels == 40] = 1
    with pytest.raises(ValueError, match="1 of its 39 numbers"):
        check_numbers(labels)
    many = _grid(400)
    many[many == 400] = 1
    assert len(check_numbers(many)[1]) == 399


def test_touching_cells_at_a_corner_keep_their_numbers():
    labels = np.kron(np.arange(1, 401).reshape(20, 20), np.ones((4, 4), int)).astype(np.uint32)
    assert not len(in_two_places(close_up(labels)[0]))
