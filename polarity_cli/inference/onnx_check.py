"""What a graph file holds, read from its own bytes before anything runs it. Used by `inference/onnx_engine`.

A graph may name files to take weights from, anywhere on the disk; those are refused, wherever in the graph they are named. So are
weights that are not numbers. Infinite values are left: an attention mask may hold them, and each answer is checked to be finite.

Walks the protobuf encoding by the field numbers of onnx.proto: the onnx package takes longer to import than this takes to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from polarity_cli.errors import CheckpointError

_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""For each message that can lead to a tensor, the fields that do."""
_TYPE, _FLOATS, _RAW, _DOUBLES, _OUTSIDE, _LOCATION = 2, 4, 9, 10, 13, 14
"""Fields of a tensor: its type, its values in one of three forms, and where else they are."""
_RAW_TYPES: dict[int, np.dtype[Any]] = {1: np.dtype("<f4"), 10: np.dtype("<f2"), 11: np.dtype("<f8")}
_DEEPEST = 100
"""Messages inside each other, as protobuf's own readers allow."""
_CHUNK_BYTES = 1 << 22
_Value = int | memoryview


def check_graph(graph: bytes, name: str) -> None:
    """Refuse a graph that takes weights from other files, or whose weights are not numbers.

    Raises:
        CheckpointError: one of these, or the bytes are no graph at all; `name` stands in the message.
    """
    waiting: list[tuple[str, memoryview, int]] = [("model", memoryview(graph), 0)]
    try:
        while waiting:
            kind, message, depth = waiting.pop()
            if kind == "tensor":
                _check_tensor(message, name)
                continue
            if depth > _DEEPEST:
                raise ValueError("nested too deep")
            within = _WITHIN[kind]
            waiting += [
                (within[field], value, depth + 1)
                for field, value in _read_fields(message)
                if field in within and isinstance(value, memoryview)
            ]
    except (ValueError, IndexError) as error:
        raise CheckpointError(f"{name}: no graph that can be run (its bytes are no ONNX: {error}).") from error


def _check_tensor(message: memoryview, name: str) -> None:
    kind, raw = 0, []
    for field, value in _read_fields(message):
        if field == _OUTSIDE or (field == _LOCATION and value != 0):
            raise CheckpointError(f"{name}: the graph takes weights from other files, which is not allowed.")
        if field == _TYPE and isinstance(value, int):
            kind = value
        elif field == _RAW and isinstance(value, memoryview):
            raw.append(value)
        elif field in (_FLOATS, _DOUBLES) and isinstance(value, memoryview):
            _check_numbers(value, np.dtype("<f4" if field == _FLOATS else "<f8"), name)
    for values in raw:
        if kind in _RAW_TYPES:
            _check_numbers(values, _RAW_TYPES[kind], name)


def _check_numbers(values: memoryview, dtype: np.dtype[Any], name: str) -> None:
    if len(values) % dtype.itemsize:
        raise ValueError("a tensor ends within a value")
    for start in range(0, len(values), _CHUNK_BYTES):
        if np.isnan(np.frombuffer(values[start : start + _CHUNK_BYTES], dtype)).any():
            raise CheckpointError(f"{name}: the graph's weights hold values that are not numbers.")


def _read_fields(message: memoryview) -> Iterator[tuple[int, _Value]]:
    """Yield the number and the value of each field: a number, or the bytes of all other kinds."""
    position, end = 0, len(message)
    while position < end:
        key, position = _read_varint(message, position)
        kind = key & 7
        if kind == 0:
            value, position = _read_varint(message, position)
            yield key >> 3, value
            continue
        if kind == 2:
            length, position = _read_varint(message, position)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if length > end - position:
            raise ValueError("it is torn")
        yield key >> 3, message[position : position + length]
        position += length


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Return a number of variable length, and the position behind it."""
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number is too long")
