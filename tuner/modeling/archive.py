"""The model file: a zip of ``model.json`` and the weights as NPY arrays, under one checksum; nothing is pickled.

Members lie in it as they are (no compression, so that none can unpack to more than the file holds), each weight
matrix by itself: ``0/W1.npy`` (n_in, n_out) and ``0/b1.npy`` (n_out,) of network 0, and so on; NumPy's own ``load``
reads them.  The zip's comment is the SHA-256 of all bytes before the digest.  The same model is the same bytes,
whenever it is saved.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from tuner.errors import ModelError
from tuner.formatting import shorten
from tuner.modeling.metadata import Card, read_card
from tuner.nn import Architecture

CARD = "model.json"
MARK = b"sha256:"
DIGEST = 64  # hexadecimal digits of a SHA-256
LARGEST = 1 << 32  # bytes: a zip without the 64-bit extensions
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time that a zip can hold: a file's time would change its bytes
DTYPE = np.dtype("<f4")

Floats = NDArray[np.float32]


def weight_names(architecture: Architecture, n_networks: int) -> list[tuple[str, tuple[int, ...]]]:
    """The members that hold weights, with their shapes, in the order of θ."""
    layers = [(n, m) for n, m in zip(architecture.widths, architecture.widths[1:], strict=False)]
    return [
        (f"{network}/{letter}{layer}.npy", shape)
        for network in range(n_networks)
        for layer, (n_in, n_out) in enumerate(layers, start=1)
        for letter, shape in (("W", (n_in, n_out)), ("b", (n_out,)))
    ]


# --- writing ----------------------------------------------------------------------------------------------------------


def pack(card: Card, thetas: Sequence[Floats]) -> bytes:
    """The bytes of a model file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        text = json.dumps(card.model_dump(), ensure_ascii=False, allow_nan=False, indent=1)
        archive.writestr(zipfile.ZipInfo(CARD, EPOCH), text.encode())
        architecture = card.architecture
        arrays = [part for theta in thetas for pair in architecture.views(theta) for part in pair]
        for (name, _), array in zip(weight_names(architecture, len(thetas)), arrays, strict=True):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array, dtype=DTYPE), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(name, EPOCH), member.getvalue())
        archive.comment = MARK + b"0" * DIGEST
    content = buffer.getvalue()[:-DIGEST]
    return content + hashlib.sha256(content).hexdigest().encode()


# --- reading: everything that a file says is doubted ------------------------------------------------------------------


def read_archive(path: Path) -> tuple[Card, list[Floats]]:
    """A model file's card and each network's θ.  Raises ModelError with one line."""
    try:
        if path.stat().st_size > LARGEST:
            raise ModelError(f"{path}: {path.stat().st_size:,} bytes, expected a model file of at most {LARGEST:,}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; expected a model written by tuner train") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from None
    return unpack(content, str(path))


def unpack(content: bytes, where: str) -> tuple[Card, list[Floats]]:
    """The inverse of :func:`pack`."""
    check_digest(content, where)
    members = read_members(content, where)
    if CARD not in members:
        raise ModelError(f"{where}: no {CARD} in it, expected a model written by tuner train")
    card = read_card(_parse(members.pop(CARD), where), where)
    architecture = card.architecture
    n_networks = len(card.updates)
    if 4 * n_networks * architecture.n_parameters > len(content):
        raise ModelError(
            f"{where}: {n_networks} networks of {architecture.n_parameters:,} weights do not fit into "
            f"{len(content):,} bytes"
        )
    expected = weight_names(architecture, n_networks)
    unknown = sorted(set(members) - {name for name, _ in expected})
    if unknown:
        raise ModelError(f"{where}: holds {_shown(unknown[0])}, which no model does")
    parts = [_array(members.get(name), shape, f"{where}: {name}") for name, shape in expected]
    flat = np.concatenate([part.ravel() for part in parts])
    return card, list(flat.reshape(n_networks, architecture.n_parameters))


def check_digest(content: bytes, where: str) -> None:
    """Refuse a file that is not as it was written."""
    if not content.startswith(b"PK"):
        raise ModelError(f"{where}: no model file (no zip), expected one written by tuner train")
    body, digest = content[:-DIGEST], content[-DIGEST:]
    if not body.endswith(MARK):
        raise ModelError(f"{where}: truncated, or no model file: no checksum at its end; expected one by tuner train")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ModelError(f"{where}: damaged or altered: its checksum does not match; make it again with tuner train")


def read_members(content: bytes, where: str) -> dict[str, bytes]:
    """The members of the zip by name; only those that lie in it as they are, so that none is larger than the file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if len({info.filename for info in infos}) < len(infos):
                raise ModelError(f"{where}: a member stands in it twice, expected each once")
            if sum(info.file_size for info in infos) > len(content):
                raise ModelError(f"{where}: its members claim to hold more than the file, expected no compression")
            for info in infos:
                if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                    raise ModelError(f"{where}: {_shown(info.filename)} is compressed, expected members as they are")
                if info.flag_bits & 1:
                    raise ModelError(f"{where}: {_shown(info.filename)} is encrypted, expected a plain one")
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise ModelError(f"{where}: not a zip that can be read ({_shown(str(error))})") from None


def _parse(text: bytes, where: str) -> Any:
    """JSON as the standard has it: no NaN, no infinity."""

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} in it")

    try:
        return json.loads(text.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{where}: {CARD} is not JSON ({_shown(str(error))})") from None


def _array(data: bytes | None, shape: tuple[int, ...], where: str) -> Floats:
    """One NPY array of the shape that the architecture asks for."""
    if data is None:
        raise ModelError(f"{where} is missing")
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ModelError(f"{where}: NPY version {version[0]}.{version[1]}, expected 1.0")
        found, fortran, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
    except (ValueError, EOFError, SyntaxError, TypeError, RecursionError) as error:
        raise ModelError(f"{where} is no NPY array ({_shown(str(error))})") from None
    if dtype != DTYPE or fortran:
        order = " in Fortran order" if fortran else ""
        raise ModelError(f"{where} holds {_shown(str(dtype))}{order}, expected float32")
    if found != shape:
        raise ModelError(f"{where} has shape {_shown(str(found))}, expected {shape} (its architecture)")
    body = data[file.tell() :]
    if len(body) != 4 * int(np.prod(shape)):
        raise ModelError(f"{where}: {len(body):,} bytes of weights, expected {4 * int(np.prod(shape)):,}")
    array: Floats = np.frombuffer(body, dtype=DTYPE).astype(np.float32).reshape(shape)
    if not np.isfinite(array).all():
        raise ModelError(f"{where} holds {array[~np.isfinite(array)][0]}, expected finite weights")
    return array


def _shown(text: str) -> str:
    """A foreign text for a message: quoted where it holds what a terminal would act on, and not too long."""
    return shorten(text if text.isprintable() else ascii(text))
