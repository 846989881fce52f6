"""What a graph of kind `focus-eeg` takes and gives: the engine binds these tensors, whatever a folder says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.empty_pb2 import Empty
from google.protobuf.unknown_fields import UnknownFieldSet

OUTPUTS = ("logit", "spread", "ood")


class Tensor(NamedTuple):
    """One input or output; a dimension is a number, or the name of a free one."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def __str__(self) -> str:
        """Write it as the contract does: x float32 (b, c, t, 8)."""
        return f"{self.name} {self.dtype} ({', '.join(map(str, self.shape))})"

    def may_be(self, wanted: Tensor) -> bool:
        """Tell whether it takes what the engine binds: a dimension may be freer than is wanted, never narrower."""
        return (self.name, self.dtype, len(self.shape)) == (wanted.name, wanted.dtype, len(wanted.shape)) and all(
            isinstance(mine, str) or mine == size for mine, size in zip(self.shape, wanted.shape, strict=True)
        )


def contract(tokens: int, bands: int) -> dict[str, tuple[Tensor, ...]]:
    """Give `inputs` and `outputs` for so many tokens in a window and bands in a token."""
    return {
        "inputs": (
            Tensor("x", "float32", ("b", "c", tokens, bands)),
            Tensor("position_m", "float32", ("b", "c", 3)),
            Tensor("mask", "bool", ("b", "c", tokens)),
        ),
        "outputs": tuple(Tensor(name, "float32", ("b",)) for name in OUTPUTS),
    }


def misfit(side: str, found: Iterable[Tensor], wanted: Iterable[Tensor]) -> str | None:
    """Say how the inputs or outputs differ from the contract; None where they do not."""
    ours, theirs = (sorted(tensors, key=lambda tensor: tensor.name) for tensors in (wanted, found))
    if len(ours) == len(theirs) and all(one.may_be(other) for one, other in zip(theirs, ours, strict=True)):
        return None
    return f"{side} {', '.join(map(str, theirs)) or 'none'}; expected {', '.join(map(str, ours))}"


def opset_of(graph: bytes) -> int | None:
    """Read the version of ONNX's own operators that a serialised `ModelProto` was written for; None if it names none.

    Its field 8 is `opset_import`, which holds a domain (field 1, empty for ONNX's own) and a version (field 2).
    """
    for field in UnknownFieldSet(Empty.FromString(graph)):
        if field.field_number != 8:
            continue
        entry = {part.field_number: part.data for part in UnknownFieldSet(Empty.FromString(field.data))}
        if entry.get(1, b"") in (b"", b"ai.onnx"):
            return entry.get(2)
    return None
