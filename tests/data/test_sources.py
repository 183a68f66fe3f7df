"""Sources: every format read alike, every dialect found, every kind of damage refused in one line."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zstandard

from tests.data.conftest import Load, Write, people
from tuner.data import Dataset, DataSettings, Encoding, FileReader, dataset_from_frame, read_rows
from tuner.data.sources import SOURCES, Wanted, delimited, format_of, opening, read_pieces
from tuner.data.sources.delimited import SCAN
from tuner.data.sources.opening import DataFile, unpacked_size
from tuner.data.tables import number_matrix
from tuner.errors import DataError

HEADER = "age,hours,job,rich"


def lines(n: int = 200) -> list[str]:
    """The rows of ``people`` as CSV lines, after their header."""
    return people(n).to_csv(index=False).splitlines()


def changed(line: int, text: str) -> list[str]:
    """The lines with one (from 1) replaced."""
    rows = lines()
    rows[line - 1] = text
    return rows


def same(one: Dataset, other: Dataset) -> bool:
    """Whether two datasets hold the same numbers."""
    a, b = one.parts[0].train, other.parts[0].train
    return one.feature_names == other.feature_names and np.array_equal(a.X, b.X) and np.array_equal(a.y, b.y)


# --- dialects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("p.tsv", "\n".join(lines()).replace(",", "\t"), {}),
        ("p.csv", "\n".join(lines()).replace(",", "|"), {}),
        ("p.csv", "\n".join(lines()).replace(",", ";").replace(".", ","), {}),
        ("p.csv", "\n".join(lines()).replace(",", "#"), {"delimiter": "#"}),
        ("p.csv", "\r\n".join(lines()), {}),
        ("p.csv", "\r".join(lines()), {}),
        ("p.csv", "\n".join(lines()).replace(",", ",  "), {}),
        ("p.csv", "\n\n" + "\n\n".join(lines()) + "\n\n\n", {}),
        ("p.txt", "\n".join(lines()).replace("cook", '"cook"'), {}),
        ("p.data", "\n".join(lines()[1:]), {"header": False, "target": 3}),
        ("p.csv", "\n".join(lines()[1:]), {"header": False, "target": "-1"}),
        ("p.csv", "\n".join(["|1x3 Cross validator", *lines()[1:]]), {"header": False, "target": "column_3"}),
        ("p.csv", ("\n".join(lines())).encode("utf-8-sig"), {}),
        ("p.csv", ("\n".join(lines())).encode("utf-16"), {}),
        ("p.csv.gz", gzip.compress("\n".join(lines()).encode()), {}),
        ("p.csv.xz", lzma.compress("\n".join(lines()).encode()), {}),
        ("p.csv.zst", zstandard.compress("\n".join(lines()).encode()), {}),
    ],
)
def test_dialects(write: Write, load: Load, name: str, content: Any, settings: dict[str, Any]) -> None:
    """Delimiter, decimal sign, line ends, quotes, header, encoding and compression do not change what is read."""
    write("plain.csv", lines())
    write(name, content)
    found, plain = load(name, **settings), load("plain.csv")
    assert np.array_equal(found.parts[0].train.X, plain.parts[0].train.X)
    assert found.class_names == plain.class_names


def test_zstd_in_several_frames(write: Write, load: Load) -> None:
    """A zstd file of several frames, as parallel compressors write it, is read whole."""
    text = "\n".join(lines()).encode()
    write("p.csv.zst", zstandard.compress(text[:1000]) + zstandard.compress(text[1000:]))
    write("plain.csv", lines())
    assert same(load("p.csv.zst"), load("plain.csv"))


def test_windows_text_is_read_with_a_notice(write: Write, load: Load) -> None:
    """Text that is not UTF-8 is read as Windows-1252, which is said."""
    write("p.csv", "\n".join(lines()).replace("cook", "köchin").encode("cp1252"))
    dataset = load("p.csv")
    assert "job=köchin" in dataset.feature_names
    assert any("Windows-1252" in notice for notice in dataset.notices)


def test_quoted_cells_may_hold_delimiters_and_newlines(write: Write, load: Load) -> None:
    """What stands in quotes ends no cell and no line."""
    write("p.csv", "\n".join(lines()).replace("cook", '"cook, ""chef""\nof all"'))
    assert any("chef" in name for name in load("p.csv").feature_names)


def test_inch_marks_inside_cells(write: Write, load: Load) -> None:
    """A quote in the middle of a cell is a character like any other."""
    write("p.csv", "\n".join(lines()).replace("cook", '5" cook'))
    assert 'job=5" cook' in load("p.csv").feature_names


def test_scans_longer_than_a_block(write: Write, load: Load) -> None:
    """A line that is ragged beyond the first block of the scan is found, with its number."""
    wide = "x" * 200_000
    rows = [HEADER, *[f'1,2,"{wide}",no' for _ in range(SCAN // 200_000 + 2)], "3,4,a,yes", "3,4,yes"]
    write("p.csv", rows)
    with pytest.raises(DataError, match=rf"line {len(rows)}: expected 4 cells, got 3"):
        load("p.csv")


# --- damage -----------------------------------------------------------------------------------------------------------

BAD_TEXT: list[tuple[Any, dict[str, Any], str]] = [
    ("", {}, "the file is empty; expected a header and rows"),
    (" \n\n", {}, "is empty"),
    ([HEADER], {}, "no rows after the header"),
    (lines(), {"delimiter": ";"}, "line 1: only one column with delimiter ';'.*Try ','"),
    (changed(7, "1,2,cook,yes,5"), {}, "line 7: expected 4 cells, got 5"),
    (changed(9, "1,2,cook"), {}, "line 9: expected 4 cells, got 3"),
    (changed(50, '"1,2,cook'), {}, "expected a closing quote"),
    (
        changed(1, "age,age,job,rich"),
        {},
        r"duplicate column name 'age' \(columns 1 and 2\); rename one$",
    ),
    (
        changed(1, "31,0,0,yes"),
        {},
        r"duplicate column name '0' \(columns 2 and 3\).*header = false in \[data\] if line 1 is data",
    ),
    (
        changed(12, "oops,2,cook,yes"),
        {},
        "line 12, column 'age': 'oops' is not a number.*missing = .'oops'.*categorical",
    ),
    (
        changed(12, "-1e200,2,cook,yes"),
        {},
        r"line 12, column 'age': expected a number from −1e\+100 to 1e\+100 or an empty cell, got -1e\+200",
    ),
    (changed(12, "1,2,cook,"), {}, "line 12, column 'rich': the target is missing"),
    (changed(12, "1,2,cook,maybe"), {}, "line 12, column 'rich': class 'maybe' has only this example"),
    (lines(), {"target": "ritch"}, "no column 'ritch'.*did you mean 'rich'"),
    (lines(), {"target": None}, "no target. Set the column to predict with --target COLUMN"),
    (lines()[1:], {}, "line 1 looks like data, not column names: if it is, set header = false"),
    (lines(), {"columns": {"agee": "drop"}}, "no column 'agee'.*did you mean 'age'"),
    (lines(), {"columns": dict.fromkeys(["age", "hours", "job"], "drop")}, "no usable column"),
    (lines(), {"group": "family"}, r"no column 'family' \(\[data\] group\)"),
    (lines(), {"time": "job"}, "line 2, column 'job': '.*' is not a date or a number"),
    (lines(), {"encoding": "utf-99"}, "unknown encoding 'utf-99'"),
    (lines(), {"image": [2, 2]}, "expected 4 pixels .*, got 3 columns"),
    (b"PK\x03\x04\x00\x00 not text", {}, "expected text, got a binary file .byte 0x00 at offset 4"),
    (bytes(range(1, 256)) * 20, {}, "expected text, got a binary file"),
    ("\n".join(lines()).replace("cook", "köchin").encode("latin-1"), {"encoding": "utf-8"}, "is not utf-8"),
    (["rich", "yes", "no"], {}, "got one column"),
]


@pytest.mark.parametrize(("content", "settings", "message"), BAD_TEXT)
def test_bad_text(write: Write, load: Load, content: Any, settings: dict[str, Any], message: str) -> None:
    """Each kind of bad table is one line that names the file, the place, the value and what was expected."""
    path = write("p.csv", content)
    with pytest.raises(DataError, match=message) as caught:
        load("p.csv", **settings)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["same"] * 200, "every row is of class 'same'"),
        ([f"c{k}" for k in range(200)], "as many classes as rows"),
        (np.linspace(0, 1, 200).round(1).tolist() * 1, None),
        ([5.5] * 200, "every row is of class '5.5'"),
    ],
)
def test_targets(write: Write, load: Load, classes: list[Any], message: str | None) -> None:
    """A target of one class, of a class for each row, or of measured numbers is refused; few numbers are classes."""
    write("p.csv", people().assign(rich=classes))
    if message is None:
        assert load("p.csv").n_classes == 11
        return
    with pytest.raises(DataError, match=message):
        load("p.csv")


def test_many_numbers_may_be_declared_classes(write: Write, load: Load) -> None:
    """A definition can insist that numbers name classes; they are then read as text."""
    write("p.csv", people(900).assign(rich=np.arange(900) % 150))
    assert load("p.csv").class_names == ()
    assert load("p.csv", columns={"rich": "categorical"}).n_classes == 150


def test_classes_are_in_the_order_of_their_numbers(write: Write, load: Load) -> None:
    """Class 2 comes before class 10."""
    write("p.csv", people().assign(rich=np.resize([10, 2, 1], 200)))
    assert load("p.csv").class_names == ("1", "2", "10")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv.gz", gzip.compress("\n".join(lines()).encode())[:-400], "truncated or damaged .gz data"),
        ("p.csv.gz", b"hello, world", "expected gzip data because of its suffix"),
        ("p.csv.xz", lzma.compress("\n".join(lines()).encode())[:-400], "truncated or damaged .xz data"),
        ("p.csv.zst", zstandard.compress("\n".join(lines()).encode())[:-400], "truncated or damaged .zst data"),
        ("p.csv.zst", b"hello, world", "truncated or damaged .zst data"),
        ("p.npz", b"hello, world", "not an NPZ archive"),
        ("p-images-idx3-ubyte", b"hello, world", "not an IDX file; .*, got 68 65 6c 6c"),
        ("p.docx", b"hello, world", "unknown file type; expected .csv, .tsv"),
        ("p.parquet", b"hello, world", "not a Parquet file, or damaged|Parquet needs pyarrow"),
    ],
)
def test_bad_files(write: Write, load: Load, name: str, content: bytes, message: str) -> None:
    """Truncated and mistaken files are one clear line."""
    write(name, content)
    with pytest.raises(DataError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder(load: Load, tmp_path: Path) -> None:
    """A path that leads nowhere, or to a folder, is named absolutely with its key."""
    with pytest.raises(DataError, match=r"/none.csv: no such file \(\[data\] source\)"):
        load("none.csv")
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(DataError, match="expected a data file, got a folder"):
        load("d.csv")


def test_too_large_for_the_memory_is_refused_unread(load: Load, write: Write) -> None:
    """A file of a petabyte (with holes) is refused by its size, before anything is read."""
    path = write("p.csv", lines())
    with path.open("r+b") as file:
        file.truncate(1 << 43)
    with pytest.raises(DataError, match=r"need about .* GB of memory, but only .* are free"):
        load("p.csv")


def test_memory_that_runs_out_while_reading(load: Load, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the estimate was too low, the refusal is still one line that names the file."""
    path = write("p.csv", lines())

    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("tuner.data.sources.delimited.parse", exhausted)
    with pytest.raises(DataError, match=f"{path}: not enough memory"):
        load("p.csv")


def test_unpacked_size_of_gzip(write: Write) -> None:
    """The size that gzip keeps is believed where it can be true."""
    text = "\n".join(lines()).encode()
    with DataFile(write("p.csv.gz", gzip.compress(text))) as file:
        assert unpacked_size(file) == len(text)


# --- arrays -----------------------------------------------------------------------------------------------------------


def idx(array: np.ndarray) -> bytes:
    """Write an array of bytes in IDX."""
    return (
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.astype(np.uint8).tobytes()
    )


@pytest.fixture
def images(write: Write) -> np.ndarray:
    """120 made images of 4 x 5 pixels, written as IDX (gz) with their labels and as NPZ."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (120, 4, 5)), np.arange(120) % 3
    write("t-images-idx3-ubyte.gz", gzip.compress(idx(x)))
    write("t-labels-idx1-ubyte.gz", gzip.compress(idx(y)))
    np.savez(write("t.npz", b""), x=x.astype(np.uint8), y=y)
    return x


def test_idx_and_npz_are_images(images: np.ndarray, load: Load) -> None:
    """Images keep their shape, all their pixels, and one mean and deviation for all pixels."""
    one, other = load("t-images-idx3-ubyte.gz", target=None), load("t.npz", target="y")
    assert one.image == other.image == (4, 5)
    assert one.n_features == 20
    assert same(one, other)
    train = one.parts[0].train
    raw = images[train.rows].reshape(-1, 20)
    assert pytest.approx((raw - raw.mean()) / raw.std(), abs=1e-5) == train.X


def test_labels_may_be_named(write: Write, load: Load) -> None:
    """The labels' file can be named as the target where its name does not follow from the images' name."""
    x = np.random.default_rng(0).integers(0, 256, (60, 2, 2))
    write("pics.idx", idx(x))
    write("classes.idx", idx(np.arange(60) % 2))
    assert load("pics.idx", target="classes.idx").class_names == ("0", "1")
    with pytest.raises(DataError, match="no file of labels"):
        load("pics.idx", target=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bytes([0, 0, 8, 3]) + struct.pack(">3I", 2, 2, 2) + b"1234567", "expected 8 bytes for 2 × 2 × 2 .*, got 7"),
        (bytes([0, 0, 8, 3]) + b"\0\0", "expected 3 dimensions in the IDX header, got only 6 bytes"),
        (bytes([0, 0, 8, 255]) + b"\xff" * 1020, "expected at most 4 dimensions in the IDX header, got 255"),
        (idx(np.zeros((3, 2, 2))), "expected 3 labels, .*got 2"),
    ],
)
def test_bad_idx(write: Write, load: Load, content: bytes, message: str) -> None:
    """Lengths that do not fit the header are refused with both numbers."""
    write("a-images-idx3-ubyte", content)
    write("a-labels-idx1-ubyte", idx(np.array([0, 1])))
    with pytest.raises(DataError, match=message):
        load("a-images-idx3-ubyte", target=None)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": np.array([[1, "a"]], dtype=object), "y": np.array([0])},
            "expected numbers in array 'x', got Python objects",
        ),
        ({"x": np.ones((4, 2))}, "no array 'y', got x"),
        ({"x": np.ones((4, 2)), "y": np.arange(3)}, r"expected one class in y per row of x \(4\), got shape \(3,\)"),
        ({"x": np.array([["a"], ["b"]]), "y": np.arange(2)}, "expected numbers"),
        ({"x": np.ones(4), "y": np.arange(4)}, r"expected x of shape .*, got \(4,\)"),
        ({"x": np.ones((0, 2)), "y": np.arange(0)}, "no rows; expected at least two of each class"),
    ],
)
def test_bad_npz(tmp_path: Path, load: Load, arrays: dict[str, Any], message: str) -> None:
    """Objects are never unpickled; shapes and types that do not fit are refused."""
    np.savez(tmp_path / "p.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load("p.npz", target="y")


def test_labels_of_npz_may_stand_in_a_column(tmp_path: Path, load: Load) -> None:
    """Classes of shape (n, 1), as some libraries write them, are classes of shape (n,)."""
    x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
    np.savez(tmp_path / "p.npz", x=x, y=y)
    np.savez(tmp_path / "q.npz", x=x, y=y[:, None])
    assert same(load("p.npz", target="y"), load("q.npz", target="y"))


def test_columns_of_y_are_targets_by_their_names(tmp_path: Path, load: Load) -> None:
    """One or several of them, the others are no inputs; without a name there is more than one meaning."""
    x = np.random.default_rng(0).integers(-500, 500, size=(60, 3)) / 8  # that text keeps exactly
    y = np.column_stack((x[:, 0] > 0, x[:, 1], x[:, 2]))
    np.savez(tmp_path / "p.npz", x=x, y=y)
    pd.DataFrame(np.column_stack((x, y[:, 1:])), columns=["x_0", "x_1", "x_2", "y_1", "y_2"]).to_csv(
        tmp_path / "p.csv", index=False
    )
    assert same(load("p.npz", target=("y_1", "y_2")), load("p.csv", target=("y_1", "y_2")))
    one = load("p.npz", target="y_0")
    assert (one.n_classes, one.feature_names) == (2, ("x_0", "x_1", "x_2"))
    for target in (None, "y", ("y_0", "y_3")):
        with pytest.raises(DataError, match=r"y has 3 columns, y_0 to y_2. Name those to predict: --target y_0"):
            load("p.npz", target=target)


def test_what_stands_before_an_archive_is_not_skipped(tmp_path: Path, load: Load) -> None:
    """A zip file may begin with anything; one that begins with a bare array, or with text, is no table."""
    path = tmp_path / "p.npz"
    np.savez(path, x=np.ones((4, 2)), y=np.arange(4) % 2)
    archive, bare = path.read_bytes(), io.BytesIO()
    np.save(bare, np.ones((4, 2)))
    for first, message in (
        (bare.getvalue(), "expected an NPZ archive with x and y, got a single array"),
        (b"hello", "not an NPZ archive"),
    ):
        path.write_bytes(first + archive)
        with pytest.raises(DataError, match=message):
            load("p.npz", target="y")


def test_a_damaged_member_of_an_archive(tmp_path: Path, load: Load) -> None:
    """One changed byte is found by the archive's own checksum, and named by its array."""
    path = tmp_path / "p.npz"
    np.savez(path, x=np.ones((40, 2)), y=np.arange(40) % 2)
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"p\.npz: array 'x' is truncated or damaged"):
        load("p.npz", target="y")


def test_a_damaged_parquet_file(tmp_path: Path, load: Load) -> None:
    """Whole at its end, where the format keeps its account, and damaged in a column: one line."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "p.parquet"
    people(2000).to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[:4] + b"\xff" * 2000 + content[2004:])
    with pytest.raises(DataError, match=r"p\.parquet: damaged Parquet file") as caught:
        load("p.parquet")
    assert "\n" not in str(caught.value)


def test_a_parquet_file_without_rows(tmp_path: Path, load: Load) -> None:
    """Columns alone are nothing to learn from."""
    pytest.importorskip("pyarrow")
    people().head(0).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="no rows; expected at least two of each class"):
        load("p.parquet")


def test_without_pyarrow_parquet_says_what_to_install(
    write: Write, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line with the command."""
    write("p.parquet", b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r"Parquet needs pyarrow. Run: pip install 'tuner-search\[parquet\]'"):
        load("p.parquet")


def test_parquet(tmp_path: Path, write: Write, load: Load) -> None:
    """A Parquet file gives the same arrays as the CSV of the same table."""
    pytest.importorskip("pyarrow")
    people().to_parquet(tmp_path / "p.parquet")
    write("p.csv", people())
    assert same(load("p.parquet"), load("p.csv"))


def test_nested_parquet_is_refused(tmp_path: Path, load: Load) -> None:
    """A column of lists is no column of features."""
    pytest.importorskip("pyarrow")
    people(4).assign(tags=[[1], [2], [3], [4]]).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match="column 'tags': expected one value per row, got lists"):
        load("p.parquet")


@pytest.mark.parametrize("suffix", SOURCES)
def test_every_suffix_leads_to_its_source(suffix: str) -> None:
    """The table's suffixes are found, in capitals too, and below a compression where that is possible."""
    assert format_of(Path(f"a{suffix}")) is SOURCES[suffix]
    assert format_of(Path(f"A{suffix.upper()}")) is SOURCES[suffix]
    if SOURCES[suffix].compressed:
        assert format_of(Path(f"a{suffix}.gz")) is SOURCES[suffix]


# --- hostile files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)]
)
def test_a_file_that_unpacks_to_too_much_is_refused(
    write: Write, load: Load, monkeypatch: pytest.MonkeyPatch, suffix: str, pack: Any
) -> None:
    """Unpacking stops at 100 times the packed size, or at the least that any file may have."""
    monkeypatch.setattr(opening, "UNPACKED", 1 << 20)
    path = write(f"p.csv{suffix}", pack(b"a,b\n" + b"1,2\n" * (1 << 21)))
    for reads in (lambda: load(path.name, target="b"), lambda: list(read_pieces(path, Wanted(DataSettings())))):
        with pytest.raises(DataError, match=rf"{path}: unpacks to more than .*unpack it, and name the unpacked file"):
            reads()


def test_a_npz_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sizes that the archive states are enough to refuse it."""
    monkeypatch.setattr(opening, "UNPACKED", 1 << 20)
    np.savez_compressed(tmp_path / "p.npz", x=np.zeros((1 << 20, 2)), y=np.zeros(1 << 20))
    with pytest.raises(DataError, match="unpacks to more than"):
        load("p.npz", target="y")


def test_a_file_changed_while_it_is_read(write: Write, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file is hashed and then parsed; a write in between is noticed though its time was set back."""
    path = write("p.csv", lines())
    monkeypatch.setattr(opening, "IN_MEMORY", 100)
    parse = delimited.parse

    def meanwhile(*arguments: Any) -> Any:
        times = path.stat()
        content = path.read_bytes()
        with path.open("r+b") as file:
            file.write(content.replace(b"cook", b"cock"))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        return parse(*arguments)

    monkeypatch.setattr(delimited, "parse", meanwhile)
    with pytest.raises(DataError, match="changed while it was being read"):
        load("p.csv")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x" * 300 + ".csv", "cannot be read: File name too long"),
        ("\udcff.csv", "the path is not UTF-8 text; rename"),
        ("~nosuchuser/p.csv", "no such file"),
        ("a\0b.csv", "the path is not UTF-8 text; rename"),
        ("pipe.csv", "no such file"),
    ],
)
def test_names_that_cannot_be_opened(tmp_path: Path, load: Load, name: str, message: str) -> None:
    """Too long, not UTF-8, of an unknown user, with a zero byte, or a pipe: one line each, and no waiting."""
    os.mkfifo(tmp_path / "pipe.csv")
    for reads in (lambda: load(name), lambda: list(read_pieces(tmp_path / name, Wanted(DataSettings())))):
        with pytest.raises(DataError, match=message) as caught:
            reads()
        assert str(caught.value).isprintable()


def test_a_file_without_permission(write: Write, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is one line that names the file."""
    path = write("p.csv", lines())

    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    for place in ("tuner.data.sources.opening.open_regular", "pathlib.Path.is_file"):
        with monkeypatch.context() as patched:
            patched.setattr(place, refused)
            with pytest.raises(DataError, match=f"{path.name}: cannot be read: Permission denied"):
                load("p.csv")


@pytest.mark.parametrize("year", ["0001", "1500", "9999"])
def test_dates_outside_the_range_of_nanoseconds(write: Write, load: Load, year: str) -> None:
    """Years that 64-bit nanoseconds do not reach are dates as others are."""
    rows = people().assign(day=[f"{year if k % 3 else 2024}-01-{k % 28 + 1:02}" for k in range(200)])
    write("p.csv", rows)
    assert next(column.kind for column in load("p.csv").columns if column.name == "day") == "date"


@pytest.mark.parametrize("encoding", ["undefined", "idna", "unicode_escape", "rot13", "a\0b", "x" * 500])
def test_encodings_that_tables_cannot_have(write: Write, load: Load, encoding: str) -> None:
    """Codecs that are not encodings of text are refused, also where a model predicts."""
    path = write("p.csv", lines())
    wanted = Wanted(DataSettings(encoding=encoding))
    for reads in (lambda: load("p.csv", encoding=encoding), lambda: list(read_pieces(path, wanted))):
        with pytest.raises(DataError, match=r"encoding.*expected a name like utf-8"):
            reads()


def test_pieces_have_the_encoding_of_the_whole_file(write: Write, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte that is not UTF-8 near the end makes all of it Windows-1252, as where a search reads it."""
    monkeypatch.setattr(delimited, "HEAD", 100)
    monkeypatch.setattr("tuner.data.sources.PIECE", 1000)
    text = "\n".join(lines()).replace("cook", "köchin").encode()
    path = write("p.csv", text + "\n1,2,j\xf6rg,yes\n3,4,j\xf6rg,no\n".encode("latin-1"))
    pieces = pd.concat([raw.frame for raw in read_pieces(path, Wanted(DataSettings()))])
    whole = FileReader(DataSettings(source="p.csv", target="rich"), path.parent).raws()["source"].frame
    assert pieces["job"].tolist() == whole["job"].tolist()
    assert "kÃ¶chin" in set(pieces["job"])


# --- quotes that do not enclose cells, and names with blanks ----------------------------------------------------------


@pytest.mark.parametrize("cells", [['"big', '5" pipe', "tube"], ['"big', 'wide"', "tube"], ["tube", '"big']])
def test_lone_quotes_are_characters(write: Write, load: Load, cells: list[str]) -> None:
    """A file whose quotes enclose nothing is read as it stands, all rows of it, whole and in pieces."""
    rows = [f"{k % 7}\t{cells[k % len(cells)]}\t{'yes' if k % 2 else 'no'}" for k in range(60)]
    path = write("data.tsv", ["x\twhat\trich", *rows])
    dataset = load("data.tsv")
    assert sum(dataset.sizes.values()) == 60
    assert {f"what={cell}" for cell in cells} <= set(dataset.feature_names)
    assert "data.tsv: quotes are read as characters, since they do not enclose cells" in dataset.notices
    settings = DataSettings(source="data.tsv", target="rich")
    pieces = list(read_rows(path, [Encoding.from_json(dataset.encoding)], settings))
    assert sum(len(frame) for frame, _ in pieces) == 60


def test_quoted_cells_with_newlines_stay_one_cell(write: Write, load: Load) -> None:
    """They are quoted, though one of them spans two lines."""
    cells = ("very\nbig", "big")
    rows = [f'{k % 7},"{cells[k % 2]}",{("no", "yes")[k % 2]}' for k in range(60)]
    write("data.csv", ["x,what,rich", *rows])
    assert sum(load("data.csv").sizes.values()) == 60


def test_outer_blanks_of_names_do_not_matter(write: Write, load: Load) -> None:
    """A model of a frame with blanks in its names reads a CSV file, and the other way round."""
    table = people()
    blanks = table.rename(columns={"age": "age ", "job": " job"})
    encoding = Encoding.from_json(dataset_from_frame(blanks, "rich", cache=False).encoding)
    assert encoding.source_columns == ("age", "hours", "job", "rich")
    assert np.array_equal(encoding.transform(blanks), encoding.transform(table))
    old = replace(encoding, columns=tuple(replace(column, name=f"{column.name} ") for column in encoding.columns))
    assert np.array_equal(old.transform(table), encoding.transform(table))
    write("data.csv", blanks)
    assert load("data.csv").feature_names == dataset_from_frame(table, "rich", cache=False).feature_names


def test_the_index_of_a_parquet_file_is_no_column(tmp_path: Path, load: Load) -> None:
    """Pandas keeps an index without a name as a column; the rows that a program reads do not have it."""
    table = people()
    table[table["hours"] > 5].to_parquet(tmp_path / "data.parquet")
    dataset = load("data.parquet")
    encoding = Encoding.from_json(dataset.encoding)
    assert "__index_level_0__" not in encoding.source_columns
    assert encoding.transform(table).shape == (200, encoding.n_features)


@pytest.mark.parametrize("names", ["abc", "ai", "b", "bi", "aibf", "anb", "n", ""])
def test_a_matrix_of_numbers_has_the_type_of_all(names: str) -> None:
    """That of NumPy for its own types, but float64 for booleans beside numbers and for what may be missing."""
    n = np.arange(3)
    columns = {"a": n / 7, "b": n > 1, "c": n / 3, "i": n, "f": n.astype(np.float32), "n": pd.array([1, None, 3])}
    frame = pd.DataFrame({**columns, "text": "x"})
    matrix = number_matrix(frame, list(names))
    expected = frame[list(names)].to_numpy(dtype=np.float64, na_value=np.nan)
    assert np.array_equal(matrix.values, expected, equal_nan=True)
    assert matrix.values.dtype == {"b": np.bool_}.get(names, np.float64)
