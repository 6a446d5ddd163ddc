"""Tensors, modules, optimizers and generators of torch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from fresh import run

from incnb.fingerprint import Unfingerprintable, fingerprint

torch = pytest.importorskip("torch")


def distinct(values: list[Any]) -> None:
    assert len({fingerprint(value) for value in values}) == len(values)


def test_what_a_tensor_is() -> None:
    distinct(
        [
            torch.tensor([1, 2, 3]),
            torch.tensor([1, 2, 4]),
            torch.tensor([1, 2, 3], dtype=torch.int32),
            torch.tensor([1.0, 2, 3]),
            torch.tensor([1.0, 2, 3], requires_grad=True),
            torch.tensor([[1, 2, 3]]),
            torch.tensor([[1], [2], [3]]),
            torch.nn.Parameter(torch.tensor([1.0, 2, 3])),
            torch.nn.Parameter(torch.tensor([1.0, 2, 3]), requires_grad=False),
            torch.tensor([1, 2, 3], device="meta"),
            torch.tensor([1, 2, 3]).to_sparse(),
            torch.tensor([1, 0, 3]).to_sparse(),
            torch.tensor([[1, 0, 3]]).to_sparse_csr(),
            torch.tensor([[1, 0, 3]]).to_sparse_csc(),
            torch.tensor([[1, 0, 4]]).to_sparse_csr(),
            torch.tensor([]),
            torch.zeros(0, 3),
            torch.tensor(1),
            torch.tensor(True),
            torch.tensor(1, dtype=torch.uint8),
            torch.tensor(1, dtype=torch.bfloat16),
            torch.tensor(1, dtype=torch.float16),
            torch.tensor(1 + 2j),
            torch.tensor(1 + 2j).conj(),
            torch.tensor(float("nan")),
        ]
    )


def test_slices_and_copies_are_equal_and_strides_count() -> None:
    base = torch.arange(12.0).reshape(3, 4)
    assert fingerprint(base[1]) == fingerprint(base[1].clone()) == fingerprint(torch.tensor([4.0, 5, 6, 7]))
    assert fingerprint(base[1:]) == fingerprint(base[1:].clone())
    assert fingerprint(base.T) != fingerprint(base.T.contiguous())  # one can be viewed in another shape
    assert fingerprint(torch.tensor([1 - 2j])) == fingerprint(torch.tensor([1 + 2j]).conj())


def test_what_shares_memory_is_told() -> None:
    base = torch.arange(6.0)
    distinct([[base, base], [base, base[:]], [base, base.clone()]])
    assert fingerprint([base[:3], base[3:]]) == fingerprint([base[:3].clone(), base[3:].clone()])
    distinct([[base, base[0:3]], [base, base[3:6]], [base, base[0:3].clone()]])


def test_differentiation_counts() -> None:
    weight = torch.ones(2, requires_grad=True)
    before = fingerprint(weight)
    loss = (weight * 3).sum()
    assert fingerprint(weight) == before
    with pytest.raises(Unfingerprintable, match="graph") as error:
        fingerprint({"loss": loss})
    assert error.value.path == "['loss']"
    assert fingerprint(loss.detach()) == fingerprint(torch.tensor(6.0))
    loss.backward()
    assert fingerprint(weight) != before
    weight.grad = None
    assert fingerprint(weight) == before
    weight.register_hook(lambda gradient: gradient * 2)
    assert fingerprint(weight) != before


def test_attributes_of_a_tensor_count() -> None:
    tensor = torch.ones(2)
    before = fingerprint(tensor)
    tensor.note = 1
    assert fingerprint(tensor) != before


def test_tensors_that_only_their_class_can_read_are_refused() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        fake = torch.ones(3)
    quantized = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    for value in (fake, quantized):
        with pytest.raises(Unfingerprintable):
            fingerprint([value])


def model(seed: int = 0, width: int = 4) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(3, width), torch.nn.Dropout(0.1), torch.nn.BatchNorm1d(width))


def test_modules_are_parameters_buffers_and_mode() -> None:
    assert fingerprint(model()) == fingerprint(model()) == fingerprint(copy.deepcopy(model()))
    evaluated, run_once, tied = model(), model(), model()
    evaluated.eval()
    run_once(torch.ones(2, 3))  # the statistics of the batch
    tied.append(tied[0])
    distinct([model(), model(1), model(width=5), evaluated, run_once, tied])
    assert fingerprint(model().state_dict()) == fingerprint(model().state_dict()) != fingerprint(model(1).state_dict())


def test_a_module_of_ours_is_its_code_too() -> None:
    source = """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.w = torch.nn.Parameter(torch.ones(2))
            def forward(self, x): return x * self.w + {}
    """
    one, same, other = (run(source.format(n)).Net() for n in (1, 1, 2))
    assert fingerprint(one) == fingerprint(same) != fingerprint(other)


def test_optimizers_are_their_state() -> None:
    def trained(steps: int, rate: float = 0.1) -> Any:
        net = model()
        optimizer = torch.optim.Adam(net.parameters(), lr=rate)
        for _ in range(steps):
            optimizer.zero_grad()
            net(torch.ones(2, 3)).sum().backward()
            optimizer.step()
        return [net, optimizer]

    distinct([trained(0), trained(1), trained(2), trained(0, 0.2)])


def test_generators_are_their_state() -> None:
    generator = torch.Generator().manual_seed(3)
    before = fingerprint(generator)
    assert fingerprint(torch.Generator().manual_seed(3)) == before != fingerprint(torch.Generator().manual_seed(4))
    torch.rand(1, generator=generator)
    assert fingerprint(generator) != before


def test_names_of_torch() -> None:
    distinct(
        [
            torch.float32,
            torch.float64,
            torch.device("cpu"),
            torch.device("cuda", 0),
            torch.device("cuda", 1),
            torch.strided,
            torch.channels_last,
            torch.Size([1, 2]),
            (1, 2),
            torch.ones(2).untyped_storage(),
            torch.zeros(2).untyped_storage(),
        ]
    )
