"""Arrays, frames and figures come back as they were: memory, flags, order and all."""

import pickle
from typing import Any

import pytest

from incnb.store import BlobRef, Store, Unpicklable, dump, load

numpy = pytest.importorskip("numpy")
pandas = pytest.importorskip("pandas")

BIG = 300_000


def again(value: Any, **options: Any) -> Any:
    pickled = dump(value, **options)
    return load(pickled.data, [bytearray(buffer) for buffer in pickled.buffers])


ARRAYS = {
    "empty": numpy.array([]),
    "zero-dim": numpy.array(5),
    "ints": numpy.arange(5),
    "fortran": numpy.asfortranarray(numpy.arange(6).reshape(2, 3)),
    "big-endian": numpy.arange(5, dtype=">i2"),
    "strings": numpy.array(["a", "bcd"]),
    "objects": numpy.array([1, "x", None, [2]], dtype=object),
    "records": numpy.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
    "dates": numpy.array(["2020-01-01"], dtype="M8[ns]"),
    "strided": numpy.arange(20)[::3],
    "negative": numpy.arange(20)[::-1],
    "broadcast": numpy.broadcast_to(numpy.arange(3), (2, 3)),
    "no rows": numpy.zeros((0, 3), "f4"),
    "big": numpy.arange(BIG, dtype="f8"),
    "big fortran": numpy.asfortranarray(numpy.arange(BIG, dtype="f8").reshape(300, 1000)),
    "big strided": numpy.arange(3 * BIG, dtype="f8")[::2],
    "big dates": numpy.arange(BIG).astype("M8[s]"),
    "big records": numpy.zeros(BIG, dtype=[("a", "i4"), ("b", "f8")]),
    "big objects": numpy.array([None] * BIG),
    "masked": numpy.ma.masked_array([1, 2], [True, False]),
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("writeable", [True, False])
def test_arrays_come_back_with_their_flags(name: str, writeable: bool) -> None:
    array = ARRAYS[name].copy(order="K") if name != "big strided" else ARRAYS[name]
    if name != "masked":
        array = array if array.flags.writeable == writeable else array.copy(order="K")
        array.flags.writeable = writeable
    restored = again([array])[0]
    assert type(restored) is type(array)
    assert restored.dtype == array.dtype and restored.shape == array.shape
    assert restored.tolist() == array.tolist()
    assert restored.flags.writeable == array.flags.writeable
    assert restored.flags.f_contiguous == array.flags.f_contiguous or name == "big strided"


def test_a_small_array_can_be_resized() -> None:
    array = again(numpy.arange(10))
    assert array.flags.owndata
    array.resize(20)
    assert array.shape == (20,)


def test_big_buffers_stay_outside_without_a_copy() -> None:
    array = numpy.arange(BIG, dtype="f8")
    pickled = dump({"a": array, "b": array})
    assert len(pickled.data) < 1000
    (buffer,) = pickled.buffers
    assert numpy.shares_memory(numpy.frombuffer(buffer, "f8"), array)
    assert dump(numpy.arange(10)).buffers == ()


def test_a_big_array_goes_through_the_store_and_can_be_written_to(store: Store) -> None:
    array = numpy.arange(BIG, dtype="f8")
    pickled = dump([array])
    refs = [store.put_blob(buffer) for buffer in pickled.buffers]
    restored: Any = load(pickled.data, [store.read(ref, raw=True) for ref in refs])
    restored[0][:] = -1
    store.check(refs[0])
    assert numpy.frombuffer(store.read(refs[0], raw=True), "f8").tolist() == array.tolist()
    assert BlobRef.of(array) == refs[0]
    # What lies on a map of ours is saved like any other array.
    assert again(restored)[0][5] == -1


def test_a_read_only_buffer_gives_a_writeable_array() -> None:
    pickled = dump(numpy.zeros(BIG))
    restored: Any = load(pickled.data, [bytes(buffer) for buffer in pickled.buffers])
    assert restored.flags.writeable


VIEWS = {
    "slice": lambda base: base[2:5],
    "step": lambda base: base[::2],
    "reversed": lambda base: base[::-1],
    "both": lambda base: base[::-2, 1:],
    "transposed": lambda base: base.T,
    "flat": lambda base: base.ravel(order="K"),
    "cell": lambda base: base[1:2, 1:2],
    "scalar view": lambda base: base[1, 1, ...],
    "other type": lambda base: base.view("u1"),
    "view of a view": lambda base: base[1:][1:],
    "window": lambda base: numpy.lib.stride_tricks.sliding_window_view(base, 2, axis=0, writeable=True),
    "nothing": lambda base: base[:0],
}


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("rows", [10, 30_000])
@pytest.mark.parametrize("name", VIEWS)
def test_views_and_their_base_share_memory_again(name: str, rows: int, order: str) -> None:
    base = numpy.array(numpy.arange(rows * 5.0).reshape(rows, 5), order=order)
    if name == "other type" and order == "F":
        pytest.skip("numpy cannot make this view")
    view = VIEWS[name](base)
    for value in ({"base": base, "view": view}, {"view": view, "base": base}):
        restored = again(value, shares=lambda array: array is base)
        new_base, new_view = restored["base"], restored["view"]
        assert new_view.dtype == view.dtype and new_view.shape == view.shape
        assert new_view.tolist() == view.tolist()
        assert view.size <= 1 or new_view.strides == view.strides
        if view.size:
            assert numpy.shares_memory(new_base, new_view)
            new_base[...] = 7
            assert new_view.tolist() == VIEWS[name](new_base).tolist()


def test_a_view_without_a_shared_base_comes_back_alone() -> None:
    base = numpy.arange(10)
    restored = again({"view": base[2:5]}, shares=lambda array: False)["view"]
    assert restored.flags.owndata and restored.tolist() == [2, 3, 4]


@pytest.mark.parametrize("base_writeable", [True, False])
@pytest.mark.parametrize("view_writeable", [True, False])
def test_views_keep_their_own_flags(base_writeable: bool, view_writeable: bool) -> None:
    base = numpy.arange(10)
    view = base[2:]
    view.flags.writeable = view_writeable
    base.flags.writeable = base_writeable
    restored = again([base, view], shares=lambda array: True)
    assert [array.flags.writeable for array in restored] == [base_writeable, view_writeable]
    assert numpy.shares_memory(*restored)


def test_a_view_that_reaches_beyond_its_base_is_refused() -> None:
    base = numpy.arange(10)
    wild = numpy.lib.stride_tricks.as_strided(base[5:], (10,), (8,))
    with pytest.raises(Unpicklable, match="beyond the memory"):
        dump([base, wild], shares=lambda array: array is base)


def test_frames_come_back() -> None:
    frame = pandas.DataFrame(
        {
            "i": range(5),
            "f": [0.5, None, 1, 2, 3],
            "s": list("abcde"),
            "o": [1, "x", None, [2], {}],
            "c": pandas.Categorical(list("aabbc")),
            "t": pandas.date_range("2020", periods=5, tz="UTC"),
            "n": pandas.array([1, None, 2, 3, 4], dtype="Int64"),
        },
        index=pandas.MultiIndex.from_product([[1], list("vwxyz")], names=["a", "b"]),
    )
    frame.attrs["unit"] = "m"
    restored = again({"frame": frame, "column": frame["f"]})
    pandas.testing.assert_frame_equal(restored["frame"], frame)
    assert restored["frame"].attrs == {"unit": "m"}
    restored["frame"].loc[:, "f"] = 1.0
    pandas.testing.assert_series_equal(restored["column"], frame["f"])


def test_a_big_frame_comes_back_writeable() -> None:
    frame = pandas.DataFrame(numpy.zeros((BIG, 3)), columns=list("abc"))
    restored = again(frame)
    restored.loc[0, "a"] = 5
    restored.iloc[1:3, 1] += 1
    assert restored.sum().tolist() == [5, 2, 0]


def test_the_way_into_an_object_column_is_named() -> None:
    frame = pandas.DataFrame({"a": [1, 2], "b": [None, (n for n in ())]})
    with pytest.raises(Unpicklable) as error:
        dump({"frame": frame, "array": 1}, root="")
    assert error.value.path == "frame['b'][1]"
    with pytest.raises(Unpicklable) as error:
        dump(numpy.array([[None, (n for n in ())]], dtype=object), root="array")
    assert error.value.path == "array[0, 1]"


def test_generators_of_random_numbers_come_back() -> None:
    generator = numpy.random.default_rng(3)
    generator.random()
    assert again(generator).random() == generator.random()


def test_a_figure_does_not_show_up_again() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots()
    axes.plot([1, 2])
    try:
        pickled, marked = dump([figure]), pickle.dumps(figure)
        for open_one in (True, False):
            if not open_one:
                pyplot.close("all")
            before = pyplot.get_fignums()
            restored: Any = load(pickled.data)
            assert len(restored[0].axes[0].lines) == 1
            assert pyplot.get_fignums() == before
            load(marked)
            assert pyplot.get_fignums() == before
            assert not open_one or pyplot.figure(figure.number) is figure
    finally:
        pyplot.close("all")
