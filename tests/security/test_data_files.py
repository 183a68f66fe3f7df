"""Damaged and hostile data files: every reader gives a dataset, predictions, or one line that says what is wrong."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import itertools
import json
import lzma
import math
import os
import random
import struct
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.cli.conftest import here
from tests.conftest import Run
from tests.modeling.conftest import mixed_rows, model_bytes, searched
from tests.security import SECONDS, SEED
from tests.security.test_models import HEADER_SIGNS
from tuner.data import DataSettings, check_data_quality, describe, load_dataset
from tuner.errors import InputError
from tuner.modeling import Model, evaluate_file, predict_file
from tuner.modeling.archive import unpack

__all__ = ["here", "model_bytes", "searched"]

QUICK = 60
"""Damaged files of the quick test."""
LONGEST = 1000
"""Characters of a message."""
SLOWEST = 20.0
"""Seconds that one damaged file of some kilobytes may take on a busy machine."""

CELLS = (
    b"", b" ", b"?", b"NA", b"nan", b"-inf", b"1e400", b"1e308", b"-1e-400", b"1e101", b"0x10", b"1_000",
    b"1,5", b"1.5.2",
    b"9007199254740993", b"18446744073709551616", b"-9223372036854775809", b"9" * 400, b"0001-01-01", b"9999-12-31",
    b"9999-12-31T23:59:59.999999999Z", b"1677-09-20", b"2262-04-12", b"2024-02-30", b"31.12.9999", b"12/31/0001",
    b"2024-01-01 25:61", b"2024-01-01T00:00:00+99:99", b"00000101", b"yes", b"True", b"\xff\xfe", b"\x80",
    b"\xc3", b"\xed\xa0\x80",
    b"\0", b"\x1b[2J", b"\r", b"\n", b"\r\n", b'"', b'""', b'"a', b"'", b";", b"\t", b"|", b",", b",,,",
    b"\xe2\x80\xa8", b"\x85", b"\x1a",
    b"\xef\xbb\xbf", b"x" * 3000, "é".encode(), "e\u0301".encode(), "\U0001f600".encode(), b"=1+1", b"#",
)  # fmt: skip
SETTINGS: tuple[dict[str, Any], ...] = (
    *({"encoding": name} for name in ("utf-16", "utf-16-le", "utf-32", "ascii", "cp1252", "cp037", "utf-7",
    "idna", "punycode")),
    *({"encoding": name} for name in ("unicode_escape", "raw_unicode_escape", "undefined", "rot13", "hex", "",
    "a\0b", "x" * 5000, "é", "\udcff")),
    *({"delimiter": sign} for sign in (";", "\t", " ", '"', "\n", "\r", "\0", "é", "a", "1", "\ud800", "\U0001f600")),
    *({"missing": [cell]} for cell in ("-999", "1e400", "inf", "nan", "yes", "9" * 400)),
    *({"header": False, "target": target} for target in (0, -1, 5, 10**30, "column_2", "1e5", "٣", "-" * 50,
    "9" * 5000)),
    *({key: name} for key in ("group", "time", "split_column") for name in ("width", "color", "day", "class",
    "sold", 0, -1, "no")),
    *({"columns": {name: kind}} for name in ("length", "color", "sold", "day", "x_0") for kind in ("numeric",
    "boolean", "categorical", "date", "drop")),
    *({"columns": {"length": {"fill": value}}} for value in (1e300, "mean", -0.0)),
    *({"image": shape} for shape in ([2, 2], [4, 5], [4, 5, 1], [10**6, 10**6], [1, 5])),
    {"decimal": ","}, {"folds": 3}, {"folds": 20}, {"split": {"dev": 1e300}}, {"split": {"test": 0.999}},
    {"seed": 2**200},
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A format: the files of one table, the settings that read it, the table as rows, and how it is packed."""

    name: str
    content: bytes
    settings: dict[str, Any]
    pack: Callable[[bytes], bytes] = bytes
    labels: bytes = b""


def idx(array: Any) -> bytes:
    """Return an array of bytes as IDX."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype("u1").tobytes()


def npz(save: Callable[..., None], **arrays: Any) -> bytes:
    """Return arrays as NPZ."""
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def parquet(frame: pd.DataFrame, **how: Any) -> bytes:
    """Return a frame as Parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, **how)
    return buffer.getvalue()


def kinds() -> list[Kind]:
    """Return a table of every kind of column in every format and dialect, and images."""
    rows = mixed_rows(80)
    text = rows.to_csv(index=False)
    target = {"target": "class"}
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 4, 5)).astype("u1"), np.arange(60, dtype="u1") % 3
    typed = rows.assign(day=pd.to_datetime(rows["day"]), sold=rows["sold"] == "yes", long=range(80))
    return [
        Kind("a.csv", text.encode(), target),
        Kind("a.tsv", rows.to_csv(index=False, sep="\t").encode(), target),
        Kind("a.txt", rows.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n").encode(), target),
        Kind("b.csv", rows.to_csv(index=False, quoting=1, lineterminator="\r").encode(), target),
        Kind("c.csv", text.encode("utf-16"), target),
        Kind("d.csv", text.replace("red", "röd").encode("cp1252"), target),
        Kind("a.data", rows.to_csv(index=False, header=False).encode(), {"header": False, "target": -1}),
        Kind("a.csv.gz", text.encode(), target, gzip.compress),
        Kind("a.csv.xz", text.encode(), target, lzma.compress),
        Kind("a.csv.zst", text.encode(), target, zstandard.compress),
        Kind("a.npz", npz(np.savez, x=x.reshape(60, 20).astype("f4"), y=y), {}),
        Kind("b.npz", npz(np.savez_compressed, x=x, y=y), {}),
        Kind("a-images-idx3-ubyte", idx(x), {}, labels=idx(y)),
        Kind("b-images-idx3-ubyte.gz", idx(x), {}, gzip.compress, labels=idx(y)),
        Kind("a.parquet", parquet(typed), target),
        Kind("b.parquet", parquet(rows, compression="gzip", row_group_size=20), target),
    ]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Return bytes changed in one to four places."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(data) + 1) if draw.random() < 0.7 else draw.randrange(min(len(data), 200) + 1)
        end = place + min(draw.choice((1, 1, 1, 2, 4, 8, 40, 400)), len(data) - place)
        way = draw.randrange(7)
        if way == 0:
            data[place:end] = draw.randbytes(end - place)
        elif way == 1:
            data[place:end] = draw.choice(CELLS)
        elif way == 2:
            data[place:place] = draw.choice(CELLS)
        elif way == 3:
            del data[place : end if draw.random() < 0.8 else len(data)]
        elif way == 4:
            data[place:place] = data[place:end] * draw.choice((1, 2, 50))
        elif way == 5 and place < len(data):
            data[place] ^= 1 << draw.randrange(8)
        elif place < len(data):
            data[place] = draw.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(data)


def hostile_cell(content: bytes, draw: random.Random) -> bytes:
    """Return text with a cell, or the same column of every row, replaced."""
    lines = content.splitlines(keepends=True)
    column, cell = draw.randrange(6), draw.choice(CELLS)
    for place in range(1, len(lines)) if draw.random() < 0.5 else [draw.randrange(len(lines))]:
        cells = lines[place].split(b",")
        if column < len(cells):
            cells[column] = cell if column < len(cells) - 1 else cell + b"\n"
        lines[place] = b",".join(cells)
    return b"".join(lines)


def files(seed: int, kinds: list[Kind]) -> Iterator[tuple[int, Kind, dict[str, Any]]]:
    """Yield damaged files and settings; each number gives the same file again."""
    number = seed
    while True:
        draw = random.Random(number)
        kind = draw.choice(kinds)
        way = draw.random()
        if way < 0.3:
            content = kind.pack(damaged(kind.content, draw))
        elif way < 0.5:
            content = kind.pack(hostile_cell(kind.content, draw))
        elif way < 0.9:
            content = damaged(kind.pack(kind.content), draw)
        else:
            content = kind.pack(kind.content)
        labels = damaged(kind.labels, draw) if draw.random() < 0.3 else kind.labels
        extra = draw.choice(SETTINGS) if way >= 0.9 or draw.random() < 0.1 else {}
        yield number, replace(kind, content=content, labels=labels), kind.settings | extra
        number += 1


def write(folder: Path, kind: Kind) -> Path:
    """Write the files of a table."""
    path = folder / kind.name
    path.write_bytes(kind.content)
    if kind.labels:
        labels = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
        labels.write_bytes(kind.labels if path.suffix != ".gz" else gzip.compress(kind.labels))
    return path


@pytest.fixture(scope="module")
def models(model_bytes: bytes, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """A model for each kind: the small study's metadata with the kind's encoding, and weights of zero."""
    metadata = Model(*unpack(model_bytes, "m.tuner")).metadata
    folder, made = tmp_path_factory.mktemp("whole"), {}
    for kind in kinds():
        write(folder, replace(kind, content=kind.pack(kind.content)))
        dataset = load_dataset(DataSettings(source=kind.name, **kind.settings), folder, cache=False)
        architecture = replace(metadata.architecture, n_features=dataset.n_features, n_classes=dataset.n_classes)
        lines = [f"{key} = {json.dumps(value)}" for key, value in kind.settings.items()]
        fitted = metadata.model_copy(
            update={
                "architecture": architecture,
                "class_names": list(dataset.class_names),
                "encodings": [dataset.reader.encodings()[0]] if dataset.reader else [],
                "definition": "\n".join(['name = "x"', "[data]", f'source = "{kind.name}"', *lines]),
            }
        )
        made[kind.name] = Model(fitted, [np.zeros(architecture.n_parameters, np.float32)])
    return made


def toml(value: Any) -> str:
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(of)}" for key, of in value.items()) + " }"
    return f"[{', '.join(map(toml, value))}]" if isinstance(value, list) else json.dumps(value)


def survey(folder: Path, models: dict[str, Model], kind: Kind, settings: dict[str, Any]) -> list[str]:
    """Read a file as ``search``, ``data``, ``predict`` and ``evaluate`` do; return what went wrong."""
    path = write(folder, kind)
    try:
        checked = DataSettings(source=kind.name, **settings)
    except ValueError:
        return []
    definition = "\n".join(['name = "x"', "[data]", *(f"{key} = {toml(value)}" for key, value in settings.items())])
    whole = models[kind.name]
    model = Model(whole.metadata.model_copy(update={"definition": definition}), [net.theta for net in whole.networks])

    def data() -> None:
        dataset = load_dataset(checked, folder, cache=False)
        json.dumps([describe(dataset), [finding.to_dict() for finding in check_data_quality(dataset)]])

    def predict() -> None:
        predict_file(model, path, None, io.StringIO(), probabilities=True)

    def evaluate() -> None:
        evaluate_file(model, path)

    return [f"{read.__name__}: {fault}" for read in (data, predict, evaluate) for fault in faults_of(read)]


def faults_of(read: Callable[[], None]) -> list[str]:
    """Run a reader; return warnings, errors that are not ours, messages that are no line, and too much time."""
    faults, begun = [], time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read()
        except InputError as error:
            if "\n" in str(error) or len(str(error)) > LONGEST:
                faults.append(f"message {str(error)[:LONGEST]!r}")
        except Exception as error:
            frames = [each for each in traceback.extract_tb(error.__traceback__) if "/tuner/" in each.filename]
            faults.append(f"{type(error).__name__}: {str(error)[:200]} in {frames[-1].name if frames else '?'}")
    faults += [f"warning {str(each.message)[:200]}" for each in caught]
    return faults + ([f"{time.process_time() - begun:.0f} s"] if time.process_time() - begun > SLOWEST else [])


def run(folder: Path, models: dict[str, Model], seed: int, go_on: Callable[[int], bool]) -> list[str]:
    """Read damaged files while ``go_on`` of their number; return what went wrong, with the seeds that repeat it."""
    found = []
    for count, (number, kind, settings) in enumerate(files(seed, kinds())):
        if not go_on(count):
            return found
        found += [f"{number} {kind.name} {settings}: {fault}" for fault in survey(folder, models, kind, settings)]
    return found


def test_damaged_files(tmp_path: Path, models: dict[str, Model]) -> None:
    """The first damaged files of every format, dialect and setting."""
    assert run(tmp_path, models, 0, lambda count: count < QUICK) == []


@pytest.mark.slow
def test_many_damaged_files(tmp_path: Path, models: dict[str, Model]) -> None:
    """As many other damaged files as there is time for."""
    end = time.monotonic() + SECONDS
    assert run(tmp_path, models, SEED, lambda count: time.monotonic() < end) == []


def test_altered_array_headers(tmp_path: Path, models: dict[str, Model]) -> None:
    """Each place of an NPZ member's header, the archive's checksums right."""
    kind = next(kind for kind in kinds() if kind.name == "a.npz")
    with zipfile.ZipFile(io.BytesIO(kind.content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for place, signs in itertools.product(range(10, 80, 7), HEADER_SIGNS):
        data = bytearray(members["x.npy"])
        data[place : place + len(signs)] = signs
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in (members | {"x.npy": bytes(data)}).items():
                archive.writestr(name, content)
        assert survey(tmp_path, models, replace(kind, content=buffer.getvalue()), {}) == [], (place, signs)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_files_that_cannot_be_opened_are_named(
    here: Run, model_bytes: bytes, workplace: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name too long, a folder, a pipe, a missing file, and one without permission: status 2 and one line."""
    (workplace / "m.tuner").write_bytes(model_bytes)
    (workplace / "folder.csv").mkdir()
    (workplace / "rows.csv").write_text("a,b\n1,2\n")
    os.mkfifo(workplace / "pipe.csv")
    for name in ("x" * 300 + ".csv", "folder.csv", "pipe.csv", "none.csv", "rows.csv"):
        with monkeypatch.context() as patched:
            if name == "rows.csv":
                patched.setattr("tuner.data.sources.opening.open_regular", refused)
            found = here(command, "m.tuner", name)
        assert found.returncode == 2, found.stderr
        last = found.stderr.splitlines()[-1]
        assert last.startswith("tuner: ")
        assert name[:100] in last
        assert "internal error" not in last


def refused(path: Path) -> None:
    """Refuse to open a file, as the system does."""
    raise PermissionError(13, "Permission denied", str(path))


def parquet_columns() -> dict[str, pa.Array]:
    """Columns of 80 cells of every Arrow type that a table may have, at the ends of their ranges."""
    n, whole, ends = 80, pa.array(range(80), pa.int64()), pa.array([2**62, -(2**62)] * 40, pa.int64())
    first_last = pa.array([dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59)] * 40, pa.timestamp("us"))
    texts = pa.array([f"s{i % 3}" for i in range(n)])
    zones = (None, "UTC", "Asia/Kolkata", "America/New_York")
    numbers = (pa.int8(), pa.uint16(), pa.int32(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(38, 10))
    return {
        **{str(kind): whole.cast(pa.float64()).cast(kind, safe=False) for kind in numbers},
        **{f"{unit} {zone}": ends.cast(pa.timestamp(unit, zone)) for unit in ("ms", "us", "ns") for zone in zones},
        **{f"first and last {zone}": first_last.cast(pa.timestamp("ms", zone)) for zone in zones},
        **{f"time {unit}": whole.cast(pa.time64(unit)) for unit in ("us", "ns")},
        **{f"duration {unit}": ends.cast(pa.duration(unit)) for unit in ("s", "ns")},
        "no such zone": whole.cast(pa.timestamp("us", "No/Where")),
        "days": pa.array([dt.date(1, 1, 1), dt.date(9999, 12, 31)] * 40),
        "nothing": pa.nulls(n),
        "large": pa.array([None, *range(2**64 - n, 2**64 - 1)], pa.uint64()),
        "small": pa.array([None, *range(-(2**63), -(2**63) + n - 1)], pa.int64()),
        "wide": pa.array([Decimal(10) ** 60 + i for i in range(n)], pa.decimal256(76, 2)),
        "flags": pa.array([None, True] * 40),
        "bytes": pa.array([bytes([255, i]) for i in range(n)]),
        "text": texts.cast(pa.large_string()),
        "dictionary": texts.dictionary_encode(),
        "not UTF-8": pa.array([b"\xed\xa0\x80"] * n, pa.binary()).view(pa.string()),
        "not finite": pa.array([math.nan, math.inf] * 40),
    }


KINDS = ("numeric", "categorical", "boolean", "date")


@pytest.mark.parametrize(
    "settings", [{}, *(pytest.param({"columns": {"c": kind}}, marks=pytest.mark.slow) for kind in KINDS)], ids=str
)
def test_every_type_of_a_parquet_column(settings: dict[str, Any], tmp_path: Path) -> None:
    """As an input read as any kind, or as the target: a dataset or one line, and no warning."""
    for name, column in parquet_columns().items():
        for target in ("y", "c"):
            table = pa.table({"c": column, "y": ["a", "b"] * 40, "x": np.linspace(0, 1, 80)})
            pq.write_table(table, tmp_path / "a.parquet")
            refused = ""
            with warnings.catch_warnings(record=True) as shown:
                warnings.simplefilter("always")
                try:
                    read = DataSettings(source="a.parquet", target=target, **settings)
                    dataset = load_dataset(read, tmp_path, cache=False)
                    describe(dataset)
                    check_data_quality(dataset)
                except InputError as error:
                    refused = str(error)
            assert "\n" not in refused, (name, target)
            assert not shown, (name, target, [str(each.message) for each in shown])
