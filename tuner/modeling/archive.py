"""The model file: a zip of ``model.json`` and the weights as NPY arrays, under one checksum; nothing is pickled.

Members are not compressed, so that none can unpack to more than the file's size.  Each weight matrix is a member:
``0/W1.npy`` (n_in, n_out) and ``0/b1.npy`` (n_out,) of network 0, and so on, readable with NumPy's ``load``; with
periodic inputs ``0/V.npy`` (columns, 2, waves) and ``0/U.npy`` (columns, waves + 1, units) before.  The zip's comment
is the SHA-256 of all bytes before the digest.  Saving the same model again gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from tuner.errors import ModelError
from tuner.files import open_regular
from tuner.formatting import shorten
from tuner.modeling.metadata import ModelMetadata, read_metadata
from tuner.nn import Architecture

METADATA = "model.json"
MARK = b"sha256:"
DIGEST = 64  # hexadecimal digits of a SHA-256
LARGEST = 1 << 32  # bytes: a zip without the 64-bit extensions
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold: a file's time would change its bytes
DTYPE = np.dtype("<f4")
NPY_1_0 = b"\x93NUMPY\x01\x00"

Floats = NDArray[np.float32]


def weight_names(architectures: Sequence[Architecture]) -> list[list[tuple[str, tuple[int, ...]]]]:
    """The members that hold each network's weights, with their shapes, in the order of θ."""
    names: list[list[tuple[str, tuple[int, ...]]]] = []
    for network, architecture in enumerate(architectures):
        shapes = () if architecture.periodic is None else architecture.periodic.shapes
        of_periodic = [(f"{network}/{letter}.npy", shape) for letter, shape in zip("VU", shapes, strict=False)]
        of_layers = [
            (f"{network}/{letter}{layer}.npy", shape)
            for layer, (n_in, n_out) in enumerate(pairwise(architecture.widths), start=1)
            for letter, shape in (("W", (n_in, n_out)), ("b", (n_out,)))
        ]
        names.append([*of_periodic, *of_layers])
    return names


# --- writing ----------------------------------------------------------------------------------------------------------


def pack(metadata: ModelMetadata, thetas: Sequence[Floats]) -> bytes:
    """The bytes of a model file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(metadata.to_dict(), ensure_ascii=False, allow_nan=False, indent=1)
        archive.writestr(zipfile.ZipInfo(METADATA, EPOCH), text.encode())
        shapes = metadata.architectures
        for names, theta in zip(weight_names(shapes), thetas, strict=True):
            start = 0
            for name, of_name in names:
                part = theta[start : (start := start + math.prod(of_name))].reshape(of_name)
                member = io.BytesIO()
                np.lib.format.write_array(member, np.ascontiguousarray(part, dtype=DTYPE), allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(name, EPOCH), member.getvalue())
        archive.comment = MARK + b"0" * DIGEST
    content = buffer.getvalue()[:-DIGEST]
    return content + hashlib.sha256(content).hexdigest().encode()


# --- reading: nothing in the file is trusted ------------------------------------------------------------------


def read_archive(path: Path) -> tuple[ModelMetadata, list[Floats]]:
    """Read a model file's metadata and each network's θ.  Raises ModelError."""
    try:
        with open_regular(path) as file:
            if (size := os.fstat(file.fileno()).st_size) > LARGEST:
                raise ModelError(f"{path}: expected a model file of at most {LARGEST:,} bytes, got {size:,}")
            content = file.read()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; expected a model written by tuner train") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:  # a zero byte or half of a surrogate pair
        raise ModelError(f"{str(path)!a}: the path is not UTF-8 text; expected a model's file") from None
    return unpack(content, str(path))


def unpack(content: bytes, where: str) -> tuple[ModelMetadata, list[Floats]]:
    """The inverse of :func:`pack`."""
    check_digest(content, where)
    members = read_members(content, where)
    if METADATA not in members:
        raise ModelError(f"{where}: no {METADATA} in it; expected a model written by tuner train")
    metadata = read_metadata(_parse(members.pop(METADATA), where), where)
    if metadata.architecture is None:
        raise ModelError(f"{where}: no architecture in {METADATA}; expected a model of tuner's own network")
    shapes = metadata.architectures
    n_weights = sum(shape.n_parameters for shape in shapes)
    if 4 * n_weights > len(content):
        raise ModelError(
            f"{where}: too small for {len(shapes)} networks of {shorten(f'{n_weights:,}')} weights in all, "
            f"got {len(content):,} bytes"
        )
    expected = weight_names(shapes)
    unknown = sorted(set(members) - {name for names in expected for name, _ in names})
    if unknown:
        raise ModelError(f"{where}: unexpected member {_shown(unknown[0])}")
    return metadata, [
        np.concatenate([_array(members.get(name), shape, f"{where}: {name}").ravel() for name, shape in names])
        for names in expected
    ]


def check_digest(content: bytes, where: str) -> None:
    """Refuse a file that was changed after it was written."""
    if not content.startswith(b"PK"):
        raise ModelError(f"{where}: not a model file (not a zip); expected one written by tuner train")
    body, digest = content[:-DIGEST], content[-DIGEST:]
    if not body.endswith(MARK):
        raise ModelError(
            f"{where}: truncated or not a model file (no checksum at its end). Train the model again with tuner train"
        )
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ModelError(
            f"{where}: damaged or changed (its checksum does not match). Train the model again with tuner train"
        )


def read_members(content: bytes, where: str) -> dict[str, bytes]:
    """Return the members of the zip by name; refuse compressed ones, so that none is larger than the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if len({info.filename for info in infos}) < len(infos):
                raise ModelError(f"{where}: duplicate member; expected each once")
            if sum(info.file_size for info in infos) > len(content):
                raise ModelError(f"{where}: expected no compression, but its members are larger than the file")
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                    raise ModelError(f"{where}: expected no compression, but {_shown(info.filename)} is compressed")
                if info.flag_bits & 1:
                    raise ModelError(f"{where}: expected no encryption, but {_shown(info.filename)} is encrypted")
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{where}: not a readable zip ({_shown(str(error))})") from None


def _parse(text: bytes, where: str) -> Any:
    """Parse standard JSON: no NaN, no infinity, no half of a surrogate pair, not too deep."""
    try:
        plain = from_json(text, allow_inf_nan=False)
        json.dumps(plain, allow_nan=False)  # 1e400 is infinite
    except ValueError as error:
        raise ModelError(f"{where}: {METADATA} is not JSON ({_shown(str(error))})") from None
    return plain


def _array(data: bytes | None, shape: tuple[int, ...], where: str) -> Floats:
    """Read an NPY array of the architecture's shape."""
    if data is None:
        raise ModelError(f"{where} is missing")
    starts = len(NPY_1_0) + 2 + int.from_bytes(data[len(NPY_1_0) :][:2], "little")
    header = data[len(NPY_1_0) + 2 : starts].decode("latin-1").rstrip(" \n")
    expected = f"{{'descr': '{DTYPE.str}', 'fortran_order': False, 'shape': {shape}, }}"
    if not data.startswith(NPY_1_0):
        raise ModelError(f"{where}: not an NPY array of version 1.0")
    if header != expected:  # compared, not parsed: it is written as Python
        raise ModelError(f"{where}: expected the header {expected} (its architecture), got {_shown(header)}")
    body = data[starts:]
    if len(body) != 4 * int(np.prod(shape)):
        raise ModelError(f"{where}: expected {4 * int(np.prod(shape)):,} bytes of weights, got {len(body):,}")
    array: Floats = np.frombuffer(body, dtype=DTYPE).astype(np.float32).reshape(shape)
    if not np.isfinite(array).all():
        raise ModelError(f"{where}: expected finite weights, got {array[~np.isfinite(array)][0]}")
    return array


def _shown(text: str) -> str:
    """Shorten untrusted text for a message, and escape control characters."""
    return shorten(text if text.isprintable() else ascii(text))
