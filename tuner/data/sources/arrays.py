"""NPZ and IDX: arrays with a shape, so that images are recognized."""

from __future__ import annotations

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.settings import DataSettings
from tuner.data.sources.memory import refuse_if_too_large
from tuner.data.sources.opening import DataFile, read_bytes, refuse_unpacking, unpacked_size
from tuner.data.sources.raw import Raw, Wanted, by_row
from tuner.errors import DataError
from tuner.formatting import message_of, quoted

# The third byte of an IDX file: the type of its numbers, big-endian.  (yann.lecun.com/exdb/mnist)
MOST_DIMENSIONS = 4
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_CHANNELS = 4  # red, green, blue and opacity


def column_names(shape: tuple[int, ...]) -> list[str]:
    """Name the columns of examples of this shape: x_0, x_1, … or pixel_ROW_COLUMN(_CHANNEL)."""
    if len(shape) == 1:
        return [f"x_{position}" for position in range(shape[0])]
    return ["pixel_" + "_".join(map(str, index)) for index in np.ndindex(shape)]


def raw_of_arrays(x: NDArray[Any], y: NDArray[Any] | None, where: str, target: str) -> Raw:
    """Make a table of x (n, …), without a copy, and y (n,).  Rows to predict have no y."""
    import pandas as pd

    if x.ndim < 2 or x.ndim > 4:
        expected = "(rows, columns) or (rows, height, width[, channels])"
        raise DataError(f"{where}: expected x of shape {expected}, got {x.shape}")
    if x.dtype.kind not in "buif":
        raise DataError(f"{where}: expected numbers in x, got {x.dtype}; a table (DataFrame, CSV) may hold text, too")
    if y is not None and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y is not None and (y.ndim != 1 or len(y) != len(x)):
        raise DataError(f"{where}: expected one class in y per row of x ({len(x)}), got shape {y.shape}")
    if not len(x):
        raise DataError(f"{where}: no rows; expected at least two of each class")
    shape = x.shape[1:]
    frame = pd.DataFrame(x.reshape(len(x), -1), columns=column_names(shape), copy=False)
    labels = None if y is None else pd.Series(y)
    notices = (_channels_first(shape),) if len(shape) == 3 and shape[0] <= MOST_CHANNELS < min(shape[1:]) else ()
    return Raw(frame, where, by_row, target, labels, image=shape if len(shape) > 1 else None, notices=notices)


def _channels_first(shape: tuple[int, ...]) -> str:
    """Say how images are read that seem to have their channels first, as other libraries store them."""
    height, width, channels = shape
    return (
        f"x is read as images of {height} × {width} pixels with {channels} channels. If it has {height} of "
        f"{width} × {channels} pixels, put the channels last: x.transpose(0, 2, 3, 1)"
    )


# --- NPZ --------------------------------------------------------------------------------------------------------------


def _member(archive: Any, path: Path, name: str) -> NDArray[Any]:
    member = next((key for key in archive.files if key.lower() == name), None)
    if member is None:
        raise DataError(f"{path}: no array {quoted(name)}, got {', '.join(archive.files) or 'none'}; expected x and y")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in the array's header, which is written as Python
            return np.asarray(archive[member])
    except ValueError as error:
        raise DataError(
            f"{path}: expected numbers in array {quoted(member)}, got Python objects ({message_of(error)})"
        ) from error
    except Exception as error:  # zipfile and zlib raise many kinds
        raise DataError(f"{path}: array {quoted(member)} is truncated or damaged ({message_of(error)})") from error


def read_npz(file: DataFile, wanted: Wanted) -> Raw:
    """Read the arrays ``x`` and ``y`` of an NPZ file; nothing pickled is ever loaded."""
    path = file.path
    try:
        archive = np.load(file.rewound(), allow_pickle=False)
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        raise DataError(f"{path}: not an NPZ archive ({message_of(error)})") from error
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError(f"{path}: expected an NPZ archive with x and y, got a single array")
    with archive:
        x = _member(archive, path, "x")
        y = _member(archive, path, "y") if wanted.labeled else None
    target = wanted.settings.target
    if y is not None and y.ndim == 2 and y.shape[1] > 1 and len(y) == len(x):
        return raw_of_arrays(x, None, str(path), "y").with_targets(_targets_of(y, path, target))
    return raw_of_arrays(x, y, str(path), target if isinstance(target, str) else "y")


def _targets_of(y: NDArray[Any], path: Path, target: object) -> dict[str, NDArray[Any]]:
    """Return the columns of y (n, k) that are to be predicted, by name."""
    columns = {f"y_{place}": values for place, values in enumerate(y.T)}
    names = target if isinstance(target, tuple) else (target,)
    if not columns.keys() >= {*names}:
        raise DataError(
            f"{path}: y has {y.shape[1]} columns, y_0 to y_{y.shape[1] - 1}. Name those to predict: --target y_0 "
            '--target y_1 (in a study file: target = ["y_0", "y_1"] in [data])'
        )
    return {name: columns[name] for name in names}


def measure_npz(file: DataFile, settings: DataSettings) -> None:
    """Refuse an archive whose arrays do not fit in memory."""
    try:
        with zipfile.ZipFile(file.rewound()) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise DataError(f"{file.path}: not an NPZ archive ({message_of(error)})") from error
    refuse_unpacking(file.path, file.size, size)
    refuse_if_too_large(str(file.path), 2 * size, "its arrays")


# --- IDX --------------------------------------------------------------------------------------------------------------


def _idx_header(path: Path, file: IO[bytes]) -> tuple[str, tuple[int, ...]]:
    magic = read_bytes(path, file, 4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in IDX_TYPES or not magic[3]:
        shown = " ".join(f"{byte:02x}" for byte in magic) or "nothing"
        raise DataError(
            f"{path}: not an IDX file; expected 00 00, a type (08 to 0e) and a rank at its start, got {shown}"
        )
    if magic[3] > MOST_DIMENSIONS:
        raise DataError(f"{path}: expected at most {MOST_DIMENSIONS} dimensions in the IDX header, got {magic[3]}")
    sizes = read_bytes(path, file, 4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{path}: expected {magic[3]} dimensions in the IDX header, got only {4 + len(sizes)} bytes")
    return IDX_TYPES[magic[2]], tuple(int(size) for size in np.frombuffer(sizes, dtype=">u4"))


def _idx_array(file: DataFile) -> NDArray[Any]:
    with file.unpacked() as opened:
        dtype, shape = _idx_header(file.path, opened)
        data = read_bytes(file.path, opened)
    expected = math.prod(shape) * np.dtype(dtype).itemsize
    if len(data) != expected:
        why = f"expected {expected} bytes for {' × '.join(map(str, shape))} (the IDX header)"
        raise DataError(f"{file.path}: {why}, got {len(data)}")
    array = np.frombuffer(data, dtype=dtype).reshape(shape)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def labels_path(path: Path, target: object) -> Path:
    """Return the labels' file of an images' file: the target if it names a file, else images-idx3 -> labels-idx1."""
    if isinstance(target, str) and (path.parent / target).is_file():
        named = path.parent / target
    else:
        named = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1"))
    if named == path or not named.is_file():
        raise DataError(
            f"{path}: no file of labels; expected {named.name} in the same folder, or its name in [data] target"
        )
    return named


def read_idx(file: DataFile, wanted: Wanted) -> Raw:
    """Read images in MNIST's format together with the file of their labels."""
    x = _idx_array(file)
    if file.labels is None:
        return raw_of_arrays(x, None, str(file.path), "label")
    y = _idx_array(file.labels)
    if y.ndim != 1 or len(y) != len(x):
        why = f"expected {len(x)} labels, one per example of {file.path.name}, got {len(y)}"
        raise DataError(f"{file.labels.path}: {why}")
    return raw_of_arrays(x, y, str(file.path), "label")


def measure_idx(file: DataFile, settings: DataSettings) -> None:
    """Refuse a file that, by its header and size, does not fit in memory."""
    with file.unpacked() as opened:
        dtype, shape = _idx_header(file.path, opened)
    size = min(math.prod(shape), max(unpacked_size(file), 1)) * (1 + 4 / np.dtype(dtype).itemsize)
    refuse_if_too_large(str(file.path), size, f"{' × '.join(map(str, shape))} numbers")
