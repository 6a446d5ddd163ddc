"""Properties that hold for any value."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from incnb.fingerprint import fingerprint
from incnb.store import dump, load

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=5),
    st.binary(max_size=5),
)
hashable = st.recursive(
    atoms, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)), max_leaves=5
)
values = st.recursive(
    st.one_of(atoms, hashable),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(hashable, max_size=4),
    ),
    max_leaves=12,
)
arrays = hnp.arrays(
    st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes(max_size=3)),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
numbers = hnp.arrays(hnp.integer_dtypes() | hnp.floating_dtypes(), hnp.array_shapes(max_dims=3, max_side=4))
QUICK = settings(max_examples=120, deadline=None)


def spelled(value: Any) -> str:
    """A text that two values share exactly when they are alike, type for type; sets in the order of their texts."""
    cls = type(value)
    if cls in (list, tuple):
        return f"{cls.__name__}({','.join(map(spelled, value))})"
    if cls in (set, frozenset):
        return f"{cls.__name__}({','.join(sorted(map(spelled, value)))})"
    if cls is dict:
        return f"dict({','.join(f'{spelled(k)}:{spelled(v)}' for k, v in value.items())})"
    if cls in (float, complex):
        parts = np.array([value], dtype=complex if cls is complex else float)
        return f"{cls.__name__}({parts.tobytes().hex()})"
    return f"{cls.__name__}({value!r})"


@QUICK
@given(values, values)
def test_two_values_have_one_fingerprint_exactly_when_they_are_alike(one: Any, other: Any) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (spelled(one) == spelled(other))


@QUICK
@given(values)
def test_a_copy_and_a_restored_value_are_the_same(value: Any) -> None:
    before = fingerprint(value)
    assert fingerprint(copy.deepcopy(value)) == before
    saved = dump(value)
    assert fingerprint(load(saved.data, saved.buffers)) == before


@QUICK
@given(st.lists(hashable, unique_by=spelled, max_size=6), st.randoms(use_true_random=False))
def test_the_order_in_which_a_set_was_filled_means_nothing(items: list[Any], rng: random.Random) -> None:
    shuffled = list(items)
    rng.shuffle(shuffled)
    one, other = set(items), set(shuffled)
    assume(spelled(one) == spelled(other))  # of 1 and True, the first one stays
    assert fingerprint(one) == fingerprint(other)
    assert fingerprint([one, one]) == fingerprint([other, other])


@QUICK
@given(values, values)
def test_parts_do_not_run_into_each_other(one: Any, other: Any) -> None:
    pairs = [
        [one, other],
        [[one], other],
        [[one, other]],
        [one, [other]],
        (one, other),
        {0: one, 1: other},
        [one, other, None],
    ]
    assert len({fingerprint(pair) for pair in pairs}) == len(pairs)


@QUICK
@given(arrays)
def test_the_layout_of_an_array_means_nothing(array: Any) -> None:
    before = fingerprint(array)
    assert fingerprint(array.copy()) == before
    assert fingerprint(np.asfortranarray(array).reshape(array.shape)) == before
    if array.ndim:
        assert fingerprint(np.repeat(array, 2, axis=-1)[..., ::2]) == before
    saved = dump(array)
    assert fingerprint(load(saved.data, saved.buffers)) == before


@QUICK
@given(numbers, st.data())
def test_every_element_of_an_array_counts(array: Any, data: Any) -> None:
    assume(array.size)
    other = array.copy()
    at = data.draw(st.integers(0, array.size - 1))
    other.flat[at] = 1 if other.flat[at] != 1 else 2
    assert fingerprint(other) != fingerprint(array)
    assert fingerprint(array.reshape(-1)) != fingerprint(array.reshape(1, -1))
