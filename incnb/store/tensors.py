"""Tensors: what torch's own pickling loses comes back.

torch pickles a tensor without its gradient and without the graph that made it, gives two tensors on one storage a
storage each, and copies their bytes into the pickle. Here a tensor is saved as a view of its storage, the storage as
a buffer outside the pickle where it is big, and the gradient beside it; a tensor with a graph is refused. So is one on
memory that is not torch's own (numpy's or another process's): it would come back cut off from it.

Tensors of other devices, layouts and classes are left to torch, with their gradient. torch is imported
by loading only: no tensor exists while it is not there.
"""

from __future__ import annotations

import ctypes
import importlib
import pickle
import sys
from typing import Any

from incnb.store.byvalue import Reduction, Refused


def is_tensor(cls: type) -> bool:
    """Whether instances of `cls` are tensors of torch."""
    found = getattr(sys.modules.get("torch"), "Tensor", None)
    return found is not None and issubclass(cls, found)


def is_storage(cls: type) -> bool:
    """Whether instances of `cls` are the memory of tensors."""
    found = getattr(sys.modules.get("torch"), "UntypedStorage", None)
    return found is not None and issubclass(cls, found)


def tensor(obj: Any) -> Reduction:
    """A tensor or a parameter."""
    torch = sys.modules["torch"]
    if obj.grad_fn is not None:
        raise Refused(obj, "a tensor with the graph that made it; detach() it")
    if obj._backward_hooks or getattr(obj, "_post_accumulate_grad_hooks", None):
        raise Refused(obj, "a tensor with hooks")
    plain = type(obj) in (torch.Tensor, torch.nn.Parameter) and not obj.is_quantized and not obj.is_inference()
    plain = plain and obj.layout is torch.strided and obj.device.type == "cpu"
    if not plain or obj.is_conj() or obj.is_neg():
        reduction = obj.__reduce_ex__(5)
        if obj.grad is None or len(reduction) > 2:
            return reduction  # type: ignore[no-any-return]
        return *reduction, obj.grad, None, None, set_gradient
    seen = obj.detach()
    view = (seen.untyped_storage(), obj.dtype, seen.storage_offset(), tuple(seen.size()), seen.stride())
    state = (obj.grad, dict(vars(obj))) if obj.grad is not None or vars(obj) else None
    return restored_tensor, (type(obj), *view, obj.requires_grad), state, None, None, set_state


def storage(obj: Any) -> Reduction:
    """The memory of tensors."""
    if obj.device.type != "cpu":
        return obj.__reduce_ex__(5)  # type: ignore[no-any-return]
    size = obj.nbytes()
    if size and (not obj.resizable() or obj.is_shared()):
        raise Refused(obj, "a tensor on memory that is not its own; clone() it")
    if not size:
        return restored_storage, (b"",)
    memory = (ctypes.c_ubyte * size).from_address(obj.data_ptr())
    memory.storage = obj  # whoever holds the bytes holds what they lie in
    return restored_storage, (pickle.PickleBuffer(memory),)


# -- loading: these names stand in what was saved


def restored_storage(data: Any) -> Any:
    torch = importlib.import_module("torch")
    size = memoryview(data).nbytes
    made = torch.empty(size, dtype=torch.uint8)
    if size:
        writable = data if not memoryview(data).readonly else bytearray(data)
        made.copy_(torch.frombuffer(writable, dtype=torch.uint8))
    return made.untyped_storage()


def restored_tensor(
    cls: Any, storage: Any, dtype: Any, offset: int, size: Any, stride: Any, requires_grad: bool
) -> Any:
    torch = sys.modules["torch"]
    made = torch.empty(0, dtype=dtype).set_(storage, offset, size, stride)
    if cls is not torch.Tensor:
        return cls(made, requires_grad)
    made.requires_grad = requires_grad
    return made


def set_state(obj: Any, state: Any) -> None:
    if state is not None:
        gradient, fields = state
        obj.grad = gradient
        vars(obj).update(fields)


def set_gradient(obj: Any, gradient: Any) -> None:
    obj.grad = gradient
