"""numpy: what is part of an array, and what is only how it lies in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh import run

from incnb.fingerprint import Unfingerprintable, fingerprint

ONE = np.arange(6, dtype="f8").reshape(2, 3)


def padded(fill: int) -> Any:
    dtype = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    array = np.frombuffer(bytearray([fill] * dtype.itemsize * 2), dtype=dtype)
    array["a"], array["b"] = [1, 2], [3, 4]
    return array


def unaligned() -> Any:
    array = np.frombuffer(bytearray(49), dtype="u1")[1:].view("f8")
    array[:] = ONE.ravel()
    return array.reshape(2, 3)


def metadata(**more: Any) -> Any:
    return np.zeros(2, dtype=np.dtype("f8", metadata=more))


def test_the_layout_in_memory_means_nothing() -> None:
    others = {
        "copy": ONE.copy(),
        "Fortran order": np.asfortranarray(ONE),
        "strided": np.repeat(ONE, 2, axis=1)[:, ::2],
        "negative strides": ONE[::-1, ::-1].copy()[::-1, ::-1],
        "transposed": ONE.T.copy().T,
        "unaligned": unaligned(),
        "broadcast": np.broadcast_to(ONE, (2, 3)).copy(),
    }
    for name, other in others.items():
        assert fingerprint(other) == fingerprint(ONE), name
    assert fingerprint(padded(0)) == fingerprint(padded(255))
    assert fingerprint(np.zeros((0, 3))) == fingerprint(np.zeros((5, 3))[:0])


def test_what_is_part_of_an_array() -> None:
    locked = ONE.copy()
    locked.flags.writeable = False
    arrays = [
        ONE, ONE.T, ONE.ravel(), ONE.reshape(3, 2), ONE[None], ONE + 1, -ONE, ONE.astype("f4"), ONE.astype("i8"),
        ONE.astype(">f8"), ONE.astype("c16"), ONE.astype("O"), ONE.astype("g"), ONE.astype(bool), ONE.astype("U4"),
        ONE.astype("S4"), ONE.astype("m8[s]"), ONE.astype("m8[ms]"), ONE.astype("M8[s]"), ONE.view("i8"), locked,
        np.matrix(ONE), ONE.tolist(), ONE.view("V8"), ONE.view(np.recarray), masked_zeros(ONE.shape),
    ]  # fmt: skip
    assert len({fingerprint(array) for array in arrays}) == len(arrays)


def masked_zeros(shape: Any) -> Any:
    return np.ma.masked_array(np.zeros(shape))


def test_small_and_empty_arrays() -> None:
    arrays = [
        np.zeros(0),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        np.zeros(0, "i8"),
        np.array(0.0),
        np.zeros(1),
        np.zeros((1, 1)),
    ]
    arrays += [
        np.array(-0.0),
        np.array(np.nan),
        np.float64(0),
        0.0,
        np.array(None),
        np.array(0, "M8[s]"),
        np.array("", "U"),
    ]
    assert len({fingerprint(array) for array in arrays}) == len(arrays)


def test_square_transpose_and_zeros_of_other_types() -> None:
    square = np.arange(4).reshape(2, 2)
    assert fingerprint(square) != fingerprint(square.T)
    assert (
        len(
            {
                fingerprint(np.zeros(8, t))
                for t in ("f8", "i8", "u8", "M8[s]", "M8[ns]", "m8[s]", "c16", "f4", "i4", "S8")
            }
        )
        == 10
    )


def test_structured_dtypes() -> None:
    dtypes = [
        [("a", "i4"), ("b", "f4")],
        [("b", "i4"), ("a", "f4")],
        [("a", "i4"), ("b", "i4")],
        [("a", "i4", 2)],
        [("a", "i4", (2, 1))],
        [("a", [("x", "i4"), ("y", "f4")])],
        [(("title", "a"), "i4"), ("b", "f4")],
        {"names": ["a", "b"], "formats": ["i4", "f4"], "offsets": [4, 0]},
        {"names": ["a", "b"], "formats": ["i4", "f4"], "offsets": [0, 0], "itemsize": 8},
        {"names": ["a"], "formats": ["i4"], "itemsize": 8},
        {"names": [], "formats": [], "itemsize": 8},
    ]
    made = [np.dtype(d) for d in dtypes]
    assert len({fingerprint(d) for d in made}) == len(made)
    assert len({fingerprint(np.zeros(2, d)) for d in made}) == len(made)
    assert fingerprint(np.zeros(2, made[5])) != fingerprint(np.ones(2, made[5]))
    assert fingerprint(np.zeros(2, made[3])) != fingerprint(np.ones(2, made[3]))


def test_metadata_of_a_dtype_counts() -> None:
    assert fingerprint(metadata(unit="m")) != fingerprint(metadata(unit="s")) != fingerprint(np.zeros(2))
    nested = [np.zeros(1, [("a", np.dtype("f8", metadata={"unit": u}))]) for u in "ms"]
    assert fingerprint(nested[0]) != fingerprint(nested[1])


def test_object_arrays_are_their_elements() -> None:
    def array(*parts: Any) -> Any:
        made = np.empty(len(parts), object)
        made[:] = parts
        return made

    arrays = [
        array(1, 2),
        array(1, 2.0),
        array(True, 2),
        array("1", 2),
        array(None, 2),
        array(np.nan, 2),
        array((1,), 2),
    ]
    assert len({fingerprint(a) for a in arrays}) == len(arrays)
    shared: list[Any] = []
    assert fingerprint(array(shared, shared)) != fingerprint(array([], []))
    ring = array(None, 1)
    ring[0] = ring
    assert fingerprint(ring)


def test_strings_of_variable_length() -> None:
    String = np.dtypes.StringDType
    arrays = [
        np.array(["a", "b"], String()),
        np.array(["a", "c"], String()),
        np.array(["a", "b"], String(na_object=np.nan)),
    ]
    arrays += [np.array(["a", np.nan], String(na_object=np.nan)), np.array(["a", "nan"], String(na_object=np.nan))]
    arrays += [
        np.array(["a", "b"], String(na_object=None)),
        np.array(["a", "b"], String(coerce=False)),
        np.array(["a", "b"]),
    ]
    assert len({fingerprint(a) for a in arrays}) == len(arrays)


def test_scalars() -> None:
    scalars = [
        np.float64(1),
        np.float32(1),
        np.longdouble(1),
        np.int64(1),
        np.int8(1),
        np.bool_(True),
        np.str_("1"),
        np.bytes_(b"1"),
    ]
    scalars += [
        np.complex64(1),
        np.datetime64(1, "s"),
        np.datetime64(1, "ms"),
        np.timedelta64(1, "s"),
        np.array(1.0),
        1,
        1.0,
        True,
    ]
    scalars += [np.void(b"1"), np.str_("1\0"), np.zeros(1, "f8,i4")[0]]
    assert len({fingerprint(s) for s in scalars}) == len(scalars)
    book = run("import numpy as np\nclass A(np.float64): pass\nx, y = A(1), A(1)\ny.n = 1\n")
    assert len({fingerprint(book.x), fingerprint(book.y), fingerprint(np.float64(1))}) == 3


def test_masked_arrays() -> None:
    def masked(data: Any = (1.0, 2.0), mask: Any = (False, True), **more: Any) -> Any:
        return np.ma.masked_array(list(data), mask=list(mask), **more)

    arrays = [
        masked(),
        masked(mask=(True, False)),
        masked(data=(1, 2)),
        masked(data=(1.0, 3.0)),
        masked(fill_value=7.0),
    ]
    arrays += [masked(hard_mask=True), masked().data]
    assert len({fingerprint(a) for a in arrays}) == len(arrays)
    asked = masked()
    before = fingerprint(asked)
    asked.filled(), asked.fill_value, asked.mask
    assert fingerprint(asked) == before
    assert fingerprint(np.ma.masked_array([1.0])) == fingerprint(np.ma.masked_array([1.0], mask=[False]))


def test_a_mapped_file_is_its_content(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, ONE)
    one = fingerprint(np.load(file, mmap_mode="r"))
    assert fingerprint(np.load(file, mmap_mode="r")) == one
    np.save(file, ONE + 1)
    assert fingerprint(np.load(file, mmap_mode="r")) != one


def test_a_subclass_is_class_and_attributes() -> None:
    source = "import numpy as np\nclass A(np.ndarray):\n    def unit(self): return {0!r}\nx = np.zeros(2).view(A)\ny = np.zeros(2).view(A)\ny.n = 1\n"
    one, other = run(source.format("m")), run(source.format("s"))
    assert len({fingerprint(v) for v in (one.x, one.y, other.x, np.zeros(2))}) == 4


# -- arrays on one memory


def test_views_that_overlap_are_told_from_copies() -> None:
    base = np.arange(6.0)
    assert fingerprint([base, base[:2]]) != fingerprint([base, base[:2].copy()])
    assert fingerprint([base[:3], base[2:]]) != fingerprint([base[:3].copy(), base[2:].copy()])
    same = np.arange(6.0)
    assert fingerprint([base, base[:2]]) == fingerprint([same, same[:2]])
    assert fingerprint([base, base[:2]]) != fingerprint([same, base[:2]])


def test_where_views_overlap_counts() -> None:
    zeros = np.zeros(6)
    assert fingerprint([zeros, zeros[:2]]) != fingerprint([zeros, zeros[2:4]])


def test_views_that_do_not_overlap_are_as_copies() -> None:
    base = np.arange(6.0)
    assert fingerprint([base[:3], base[3:]]) == fingerprint([base[:3].copy(), base[3:].copy()])
    square = np.arange(4.0).reshape(2, 2)
    assert fingerprint([square[:, 0], square[:, 1]]) == fingerprint([square[:, 0].copy(), square[:, 1].copy()])


def test_views_of_a_locked_array_are_as_copies() -> None:
    base = np.arange(6.0)
    base.flags.writeable = False
    copy = base[:2].copy()
    copy.flags.writeable = False
    assert fingerprint([base, base[:2]]) == fingerprint([base, copy])


# -- generators and functions


def test_generators_are_their_state() -> None:
    def moved(make: Any) -> Any:
        rng = make(1)
        rng.random(3)
        return rng

    makers = [np.random.default_rng, np.random.RandomState, lambda s: np.random.Generator(np.random.MT19937(s))]
    found = {fingerprint(f) for make in makers for f in (make(1), make(2), moved(make))}
    assert len(found) == 9
    assert all(
        fingerprint(make(1)) == fingerprint(make(1)) and fingerprint(moved(make)) == fingerprint(moved(make))
        for make in makers
    )


def test_what_a_generator_has_spawned_counts() -> None:
    one, other = np.random.default_rng(1), np.random.default_rng(1)
    other.spawn(1)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(np.random.SeedSequence(1)) != fingerprint(np.random.SeedSequence(2))


def test_generators_on_one_bit_generator_are_told_from_two() -> None:
    bits, other = np.random.PCG64(1), np.random.PCG64(1)
    Generator = np.random.Generator
    assert fingerprint([Generator(bits), Generator(bits)]) != fingerprint([Generator(bits), Generator(other)])


def test_a_gauss_kept_for_later_counts() -> None:
    one, other = np.random.RandomState(1), np.random.RandomState(1)
    one.standard_normal(), other.standard_normal()
    other.set_state((*other.get_state()[:3], 0, 0.0))
    assert fingerprint(one) != fingerprint(other)


def test_functions_of_numpy() -> None:
    found = [
        np.add,
        np.multiply,
        np.add.reduce,
        np.multiply.reduce,
        np.mean,
        np.median,
        np.linalg.norm,
        np.fft.fft,
        np.sum,
    ]
    assert len({fingerprint(f) for f in found}) == len(found)
    with pytest.raises(Unfingerprintable, match="ufunc"):
        fingerprint(np.frompyfunc(lambda x: x, 1, 1))


def test_vectorized_functions_are_their_code() -> None:
    source = "import numpy as np\nf = np.vectorize(lambda x: x + {})\n"
    one, other = run(source.format(1)).f, run(source.format(2)).f
    before = fingerprint(one)
    assert before != fingerprint(other)
    one([1, 2])
    assert fingerprint(one) == before
