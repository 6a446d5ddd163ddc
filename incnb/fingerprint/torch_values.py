"""Handlers for torch: tensors are device type, dtype, shape, strides, content, and what differentiation keeps on them.

A parameter counts with its gradient, which the next step of an optimizer reads. Strides count where numpy's do not:
`view` works or fails by them. Tensors on one storage are told from tensors on two. A tensor that is the result of
something to be differentiated leads to a graph that cannot be read, and is refused, as are layouts and subclasses whose
content is not in a storage of their own. Modules, optimizers and state dicts are their fields.
"""

from __future__ import annotations

import ctypes
from typing import Any

import torch

from incnb.fingerprint.encoder import Encoder
from incnb.fingerprint.objects import encode_class_of, encode_state
from incnb.fingerprint.registry import handles


def _tensor(encoder: Encoder, value: Any) -> None:
    if not encoder.first_time(value):
        return
    encoder.libraries.add("torch")
    encoder.tag("tensor")
    if type(value).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        raise encoder.refuse(f"a {type(value).__name__}, whose content only its class can tell")
    if value.grad_fn is not None:
        raise encoder.refuse("a tensor with the graph that made it; detach() it")
    encode_class_of(encoder, value)
    encode_state(encoder, value)
    encoder.encode((value.requires_grad, value.is_inference()))
    for name in ("_backward_hooks", "_post_accumulate_grad_hooks"):
        with encoder.at(f".{name}"):
            encoder.encode(getattr(value, name, None) or None)
    with torch._C.DisableTorchFunctionSubclass():
        with encoder.at(".grad"):
            encoder.encode(value.grad)
        _elements(encoder, value.detach())


def _elements(encoder: Encoder, value: Any) -> None:
    encoder.encode((value.device.type, str(value.dtype), str(value.layout), tuple(value.shape)))
    if value.is_quantized or value.is_nested:
        raise encoder.refuse("a quantized or nested tensor")
    if value.layout is torch.sparse_coo:
        encoder.encode(value.is_coalesced())
        parts: tuple[str, ...] = ("_indices", "_values")
    elif value.layout is torch.strided:
        _strided(encoder, value)
        return
    else:
        rows = value.layout in (torch.sparse_csr, torch.sparse_bsr)
        parts = ("crow_indices", "col_indices", "values") if rows else ("ccol_indices", "row_indices", "values")
    for name in parts:
        _elements(encoder, getattr(value, name)())


def _strided(encoder: Encoder, value: Any) -> None:
    encoder.encode(tuple(step if size > 1 else 0 for size, step in zip(value.shape, value.stride(), strict=True)))
    if value.device.type == "meta":
        return
    _shared_memory(encoder, value)
    plain = value.resolve_conj().resolve_neg().cpu().contiguous()
    encoder.raw(
        memory(plain.untyped_storage(), plain.storage_offset() * plain.itemsize, plain.numel() * plain.itemsize)
    )


def _shared_memory(encoder: Encoder, value: Any) -> None:
    """Write whether the tensor lies where one lies that was met before: writing to one would show in the other."""
    storage = value.untyped_storage()
    encoder.keep(storage)  # torch hands out one object for one storage as long as that object lives
    met = encoder.arrays.setdefault(id(storage), [])
    first = value.storage_offset() * value.itemsize
    reach = sum((size - 1) * step for size, step in zip(value.shape, value.stride(), strict=True)) * value.itemsize
    last = first + reach + value.itemsize if value.numel() else first
    for number, (other_first, other_last) in enumerate(met):
        if first < other_last and other_first < last:
            encoder.tag("overlaps")
            encoder.encode((number, first - other_first))
            break
    else:
        encoder.tag("own memory")
    met.append((first, last))


def memory(storage: Any, start: int, size: int) -> Any:
    """Bytes of a storage of the processor, in place; they keep the storage."""
    if not size:
        return b""
    if not storage.data_ptr():
        raise ValueError("a tensor without memory")
    found = (ctypes.c_ubyte * size).from_address(storage.data_ptr() + start)
    found.storage = storage  # type: ignore[attr-defined]
    return found


def _storage(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("storage")
        encode_class_of(encoder, value)
        encoder.encode((value.device.type, str(getattr(value, "dtype", None)), value.nbytes()))
        plain = value if isinstance(value, torch.UntypedStorage) else value.untyped()
        encoder.raw(memory(plain.cpu(), 0, plain.nbytes()))


def _generator(encoder: Encoder, value: Any) -> None:
    if encoder.first_time(value):
        encoder.tag("torch generator")
        encoder.encode(value.device.type)
        _elements(encoder, value.get_state())


def _named(encoder: Encoder, value: Any) -> None:
    encoder.tag(f"torch {type(value).__name__}")
    encoder.text(str(value))


def _size(encoder: Encoder, value: Any) -> None:
    encoder.tag("torch size")
    encoder.encode(tuple(value))


def install() -> None:
    """Register the handlers; called when the first object of torch is met."""
    handles(torch.Tensor, _tensor, subclasses=True)
    handles(torch.UntypedStorage, _storage, subclasses=True)
    handles(torch.TypedStorage, _storage, subclasses=True)
    handles(torch.Generator, _generator)
    for kind in (torch.dtype, torch.device, torch.layout, torch.memory_format):
        handles(kind, _named)
    handles(torch.Size, _size)
