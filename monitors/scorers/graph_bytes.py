"""Small ONNX graphs as bytes, written field by field: where a monitor runs there is no package that builds them.

Protocol buffers' wire format and the field numbers of `onnx.proto3` (ONNX, ir_version 8). Left out: attributes and
constants, which no graph here has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FLOAT, INT64, BOOL = 1, 7, 9
_IR_VERSION, _OPSET = 8, 18


class Value(NamedTuple):
    """An input or output: its name, type of element and dimensions (a name is a free one)."""

    name: str
    element: int
    shape: tuple[int | str, ...]


class Node(NamedTuple):
    """An operator of ONNX's own, without attributes."""

    operator: str
    inputs: tuple[str, ...]
    output: str


def write_graph(nodes: Sequence[Node], inputs: Sequence[Value], outputs: Sequence[Value]) -> bytes:
    """Return the bytes of a model with this graph."""
    graph = b"".join(_field(1, _node(node)) for node in nodes) + _field(2, b"graph")
    graph += b"".join(_field(11, _value(value)) for value in inputs)
    graph += b"".join(_field(12, _value(value)) for value in outputs)
    return _field(1, _IR_VERSION) + _field(7, graph) + _field(8, _field(1, b"") + _field(2, _OPSET))


def _node(node: Node) -> bytes:
    names = b"".join(_field(1, name.encode()) for name in node.inputs)
    return names + _field(2, node.output.encode()) + _field(4, node.operator.encode())


def _value(value: Value) -> bytes:
    sizes = (_field(2, size.encode()) if isinstance(size, str) else _field(1, size) for size in value.shape)
    shape = b"".join(_field(1, size) for size in sizes)
    tensor = _field(1, value.element) + _field(2, shape)
    return _field(1, value.name.encode()) + _field(2, _field(1, tensor))


def _field(number: int, content: bytes | int) -> bytes:
    """A field: a whole number from 0 on, or bytes with their length before them."""
    if isinstance(content, int):
        return _varint(number << 3) + _varint(content)
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)
