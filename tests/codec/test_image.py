from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sft.codec.errors import ImageError
from napari_sft.codec.image import (
    DTYPES,
    Image,
    Layout,
    Window,
    denormalise,
    normalise,
)
from napari_sft.codec.windows import mapping_error

INTEGERS = [d for d in DTYPES if 'int' in d]


class Recorder:
    """An array that can't be read as a whole and notes what is read."""

    def __init__(self, array):
        self.array = array
        self.shape, self.dtype = array.shape, array.dtype
        self.read = []

    def __getitem__(self, index):
        block = self.array[index]
        self.read.append(block.size)
        return block

    def __array__(self, *args, **kwargs):
        raise AssertionError('the whole array was loaded')


@pytest.mark.parametrize(
    ('shape', 'dtype', 'axes'),
    [
        ((5, 6), 'uint8', 'YX'),
        ((5, 6, 3), 'uint8', 'YXS'),
        ((5, 6, 3), 'uint16', 'YXS'),
        ((5, 6, 3), 'float32', 'ZYX'),
        ((4, 5, 6), 'uint8', 'ZYX'),
        ((2, 4, 5, 6), 'uint16', 'CZYX'),
        ((2, 3, 4, 5, 6), 'uint16', 'TCZYX'),
        ((4, 5, 6, 3), 'uint8', 'ZYXS'),
    ],
)
def test_axes_are_guessed_from_shape_and_dtype(shape, dtype, axes):
    assert Image.from_array(np.zeros(shape, dtype)).layout.axes == axes


def test_rgb_flag_overrules_the_guess():
    stack = np.zeros((4, 5, 3), np.uint8)
    assert Image.from_array(stack, rgb=False).layout.axes == 'ZYX'
    colour = np.zeros((4, 5, 3), np.float32)
    assert Image.from_array(colour, rgb=True).layout.axes == 'YXS'


def test_planes_follow_the_stack_in_c_order_and_know_their_channel():
    data = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    image = Image.from_array(data, 'TCYX')
    layout = image.layout
    assert layout.plane_count == 6
    for number in range(6):
        index = layout.index_of(number)
        assert layout.plane_of(index) == number
        assert layout.channel_of(number) == index[1]
        np.testing.assert_array_equal(image.plane(number), data[index])


@given(st.permutations('CYXS'))
@settings(deadline=None)
def test_axes_in_any_order_give_the_same_planes(order):
    axes = ''.join(order)
    data = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    source = data.transpose(['CYXS'.index(a) for a in axes])
    image = Image.from_array(source, axes)
    assert image.layout == Layout('CYXS', data.shape, data.dtype)
    np.testing.assert_array_equal(image.plane(1), data[1])
    part = image.plane(1, slice(1, 3), slice(2, 5))
    np.testing.assert_array_equal(part, data[1, 1:3, 2:5])


def test_only_the_slices_asked_for_are_read():
    source = Recorder(np.zeros((3, 40, 50), np.uint8))
    image = Image.from_array(source)
    image.plane(1, slice(0, 8), slice(0, 10))
    assert source.read == [80]


def test_a_window_scan_reads_plane_by_plane():
    source = Recorder(np.zeros((3, 40, 50), np.uint16))
    Image.from_array(source).windows('minmax')
    assert source.read == [2000] * 3


def test_dask_and_zarr_arrays_give_the_same_planes():
    da = pytest.importorskip('dask.array')
    zarr = pytest.importorskip('zarr')
    data = np.arange(2 * 6 * 7, dtype=np.uint16).reshape(2, 6, 7)
    stored = zarr.array(data, chunks=(1, 4, 4))
    for source in (da.from_array(data, chunks=(1, 3, 3)), stored):
        image = Image.from_array(source)
        np.testing.assert_array_equal(image.plane(1), data[1])
        assert image.windows() == (Window(0, 83),)


def test_alpha_is_refused_unless_dropped():
    data = np.arange(4 * 5 * 4, dtype=np.uint8).reshape(4, 5, 4)
    with pytest.raises(ImageError, match='alpha="drop"'):
        Image.from_array(data)
    image = Image.from_array(data, alpha='drop')
    assert image.layout.shape == (4, 5, 3)
    np.testing.assert_array_equal(image.plane(0), data[..., :3])


def test_big_endian_pixels_are_read_in_native_order():
    data = np.arange(12, dtype='>u2').reshape(3, 4)
    plane = Image.from_array(data).plane(0)
    assert plane.dtype == np.dtype('uint16')
    np.testing.assert_array_equal(plane, data)


@pytest.mark.parametrize(
    ('data', 'arguments', 'message'),
    [
        (np.uint8(3), {}, '0 axes'),
        (np.zeros(5, np.uint8), {}, '1 axes'),
        (np.zeros((0, 5), np.uint8), {}, 'empty'),
        (np.zeros((3, 4), object), {}, 'object'),
        (np.zeros((3, 4), complex), {}, 'complex'),
        (np.zeros((3, 4), np.int64), {}, 'int64'),
        (np.zeros((3, 4), bool), {}, 'bool'),
        (np.zeros((3, 4, 5), np.uint8), {'axes': 'YX'}, 'name 2 axes'),
        (np.zeros((3, 4), np.uint8), {'axes': 'YY'}, 'distinct'),
        (np.zeros((3, 4), np.uint8), {'axes': 'ZX'}, 'lack Y or X'),
        (np.zeros((3, 4, 2), np.uint8), {'axes': 'YXS'}, '2 samples'),
        (np.zeros((3, 4), np.uint8), {'rgb': True}, 'last axis'),
        (
            np.zeros((3, 4, 3), np.uint8),
            {'axes': 'YXS', 'rgb': False},
            'disagree',
        ),
        (np.zeros((1,) * 9, np.uint8), {}, 'too many axes'),
    ],
)
def test_unusable_images_are_refused_with_one_line(data, arguments, message):
    with pytest.raises(ImageError, match=message) as caught:
        Image.from_array(data, **arguments)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_refused_and_located(bad):
    data = np.zeros((2, 3, 4), np.float32)
    data[1, 2, 3] = bad
    image = Image.from_array(data, 'TYX')
    image.plane(0)
    with pytest.raises(ImageError, match=r'plane 1 \(T=1\) holds NaN'):
        image.plane(1)
    with pytest.raises(ImageError, match='T=1'):
        image.windows()


@pytest.mark.parametrize('where', [-1, 2])
def test_a_plane_that_does_not_exist_is_refused(where):
    image = Image.from_array(np.zeros((2, 3, 5), np.uint8))
    with pytest.raises(ImageError, match='planes 0 to 1'):
        image.plane(where)
    with pytest.raises(ImageError, match='no plane at index'):
        image.layout.plane_of((where,))


def test_default_windows_fit_the_dtype():
    eight = np.full((4, 5), 7, np.uint8)
    assert Image.from_array(eight).windows() == (Window(0, 255),)
    twelve = np.array([[3, 4095]], np.uint16)
    assert Image.from_array(twelve).windows() == (Window(3, 4095),)
    real = np.array([[-2.5, 1e9]], np.float64)
    assert Image.from_array(real).windows() == (Window(-2.5, 1e9),)


def test_each_channel_has_its_own_window_over_time():
    data = np.zeros((2, 2, 3, 4), np.uint16)
    data[0, 0], data[1, 0] = 10, 30
    data[0, 1], data[1, 1] = 500, 400
    image = Image.from_array(data, 'TCYX')
    assert image.windows() == (Window(10, 30), Window(400, 500))


def test_rgb_samples_share_a_window():
    data = np.zeros((3, 4, 3), np.uint16)
    data[..., 0], data[..., 2] = 5, 900
    assert Image.from_array(data).windows() == (Window(0, 900),)


def test_windows_of_the_users_own_choice():
    image = Image.from_array(np.zeros((2, 3, 4), np.uint16), 'CYX')
    one, two = Window(0, 10), Window(5, 60000)
    assert image.windows((0, 10)) == (one, one)
    assert image.windows(np.array([0, 10])) == (one, one)
    assert image.windows(one) == (one, one)
    assert image.windows([one, two]) == (one, two)
    assert image.windows([(0, 10), (5, 60000)]) == (one, two)
    assert image.windows(np.array([[0, 10], [5, 60000]])) == (one, two)
    assert image.windows('dtype') == (Window(0, 65535),) * 2


@pytest.mark.parametrize(
    ('dtype', 'choice', 'message'),
    [
        ('uint8', (0, 256), 'exceeds the range of uint8'),
        ('uint8', (9, 3), 'upside down'),
        ('float32', (0, np.inf), 'not finite'),
        ('float32', 'dtype', 'no range of its own'),
        ('uint8', 'percentile', "'percentile'"),
        ('uint8', [Window(0, 1)] * 3, '2 channels'),
        ('uint8', ('a', 'b'), 'no value window'),
        ('uint8', [(0, 1), (2,)], 'no value window'),
    ],
)
def test_unusable_windows_are_refused(dtype, choice, message):
    image = Image.from_array(np.zeros((2, 3, 4), dtype), 'CYX')
    with pytest.raises(ImageError, match=message):
        image.windows(choice)


def test_uint8_maps_to_multiples_of_1_255():
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    unit = normalise(values, Window(0, 255))
    assert unit.dtype == np.float32
    np.testing.assert_array_equal(unit, values / np.float32(255))


@pytest.mark.parametrize('dtype', ['uint8', 'int8', 'uint16', 'int16'])
def test_integers_up_to_16_bits_come_back_exactly(dtype):
    limits = np.iinfo(dtype)
    values = np.arange(limits.min, limits.max + 1).astype(dtype)[None]
    for lo, hi in ((limits.min, limits.max), (3, 119), (7, 7)):
        window = Window(lo, hi)
        back = denormalise(normalise(values, window), window, dtype)
        assert back.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(back, values.clip(lo, hi))


@given(
    hnp.arrays(
        'float64',
        (3, 4),
        elements=st.floats(allow_nan=False).filter(np.isfinite),
    )
)
@settings(deadline=None)
def test_floats_of_any_range_come_back_to_24_bits(values):
    (window,) = Image.from_array(values).windows()
    unit = normalise(values, window)
    assert unit.min() >= 0
    assert unit.max() <= 1
    back = denormalise(unit, window, 'float64')
    # Halves, as the whole span may overflow.
    error = np.abs(back / 2 - values / 2)
    span = window.hi / 2 - window.lo / 2
    assert (error <= span * 2**-24 + 5e-324).all()


@given(
    st.sampled_from(DTYPES),
    st.tuples(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30)),
    st.integers(0, 2**32 - 1),
)
def test_the_mapping_costs_no_more_than_it_says(dtype, ends, seed):
    dtype = np.dtype(dtype)
    whole = np.iinfo if dtype.kind in 'iu' else np.finfo
    limits = float(whole(dtype).min), float(whole(dtype).max)
    lo, hi = sorted(np.clip(ends, *limits))
    inside = np.random.default_rng(seed).uniform(lo, hi, (8, 8))
    values = np.clip(inside, *limits).astype(dtype)
    window = Window(float(values.min()), float(values.max()))
    back = denormalise(normalise(values, window), window, dtype)
    error = np.abs(back.astype(np.longdouble) - values).max()
    assert error <= mapping_error(window, dtype)
    if dtype.kind in 'iu' and dtype.itemsize <= 2:
        assert error == 0


def test_a_map_follows_the_axes_of_its_array():
    image = Image.from_array(np.zeros((4, 3, 5, 2), np.uint8), 'XSYZ')
    whole = np.arange(40).reshape(4, 5, 2)
    assert image.ordered_map(whole).shape == (2, 5, 4)
    assert image.ordered_map(whole)[1, 3, 2] == whole[2, 3, 1]
    planar = np.zeros((5, 4))
    assert image.ordered_map(planar) is planar


@pytest.mark.parametrize('dtype', DTYPES)
def test_constant_images_come_back(dtype):
    data = np.full((3, 4), 42, dtype)
    image = Image.from_array(data)
    (window,) = image.windows('minmax')
    unit = normalise(image.plane(0), window)
    assert not unit.any()
    np.testing.assert_array_equal(denormalise(unit, window, dtype), data)


@pytest.mark.parametrize('dtype', INTEGERS)
def test_values_outside_0_1_are_clipped_to_the_window(dtype):
    unit = np.array([[-3.0, 0.0, 0.5, 1.0, 7.0]])
    back = denormalise(unit, Window(10, 21), dtype)
    assert back.tolist() == [[10, 10, 16, 21, 21]]


def test_rgb_planes_keep_their_samples():
    data = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    image = Image.from_array(data)
    (window,) = image.windows()
    unit = normalise(image.plane(0), window)
    assert unit.shape == image.layout.plane_shape == (2, 3, 3)
    np.testing.assert_array_equal(denormalise(unit, window, 'uint8'), data)
