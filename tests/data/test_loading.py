"""Loading: separate files, frames and arrays, the cache, what people are told."""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.data.conftest import Load, Write, people
from tuner.data import (
    DataSettings,
    check_data_quality,
    data_checks,
    dataset_from_arrays,
    dataset_from_frame,
    describe,
    load_dataset,
)
from tuner.data import cache as cache_module
from tuner.errors import ArgumentError, DataError

ROOT = Path(__file__).parents[2]


def entries(tmp_path: Path) -> list[Path]:
    """The cache's entries, unfinished ones included."""
    return sorted((tmp_path / "cache" / "data").glob("*"))


def test_digits() -> None:
    """The data set that ships: 1,797 rows, ten classes, three pixels that never vary."""
    dataset = load_dataset(DataSettings(source="data/digits.csv.gz", target="label"), ROOT / "studies", cache=False)
    assert dataset.sizes == {"train": 1078, "dev": 360, "train_dev": 0, "test": 359}
    assert dataset.class_names == tuple("0123456789")
    assert dataset.n_features == 61
    assert dataset.path == ROOT / "studies" / "data" / "digits.csv.gz"


ADULT = """\
39, State-gov, 77516, Bachelors, 13, Never-married, <=50K
50, ?, 83311, Bachelors, 13, Married-civ-spouse, >50K
38, Private, 215646, HS-grad, 9, Divorced, <=50K
"""


def test_adult_and_its_test_file(write: Write, load: Load) -> None:
    """No header, spaces after commas, ? for missing; a test file with a junk line, a blank line and dotted labels."""
    write("adult.data", ADULT * 20 + "\n")
    write("adult.txt", "|1x3 Cross validator\n" + ADULT.replace("K\n", "K.\n") * 10 + "\n")
    dataset = load("adult.data", test="adult.txt", header=False, target=6)
    assert dataset.class_names == ("<=50K", ">50K")
    assert dataset.sizes["test"] == 30
    assert dataset.test is not None
    assert dataset.test.y.tolist() == [0, 1, 0] * 10
    assert "column_1 (missing)" in dataset.feature_names
    assert any("'|1x3 Cross validator'" in notice for notice in dataset.notices)
    assert any(
        "removed the trailing dot of the labels ('<=50K.' is read as '<=50K')" in notice for notice in dataset.notices
    )


def test_other_files_must_fit_the_source(write: Write, load: Load) -> None:
    """A test file with another column, another class, or text in a numeric column is refused by line."""
    write("a.csv", people())
    write("b.csv", people().rename(columns={"hours": "minutes"}))
    write("c.csv", people().replace({"rich": {"yes": "perhaps"}}))
    write("d.csv", people().astype({"age": object}).replace({"age": {people().age[4]: "old"}}))
    for name, message in (
        ("b.csv", "b.csv: no column 'hours', which the training file has; found"),
        ("c.csv", r"c.csv, line \d+, column 'rich': class 'perhaps' is not in the training file"),
        ("d.csv", "d.csv, line 6, column 'age': 'old' is not a number"),
    ):
        with pytest.raises(DataError, match=message):
            load("a.csv", test=name)


def test_other_files_have_the_target_and_the_groups(write: Write, load: Load) -> None:
    """A dev file without the classes, or without the column that rows are grouped by, is refused by that name."""
    whole = people().assign(family=np.arange(200) // 4)
    write("a.csv", whole)
    write("b.csv", whole.drop(columns="rich"))
    write("c.csv", whole.drop(columns="family"))
    with pytest.raises(DataError, match=r"b\.csv: no column 'rich'"):
        load("a.csv", dev="b.csv")
    with pytest.raises(DataError, match=r"c\.csv: no column 'family', the groups of the training file"):
        load("a.csv", dev="c.csv", group="family")


def test_every_row_belongs_to_a_group(write: Write, load: Load) -> None:
    """An empty cell in the group column is refused by its line."""
    frame = people().assign(family=[f"f{k // 4}" for k in range(200)])
    frame.loc[7, "family"] = None
    write("a.csv", frame)
    with pytest.raises(DataError, match=r"a\.csv, line 9, column 'family': missing; expected a group in every row"):
        load("a.csv", group="family")


def test_pixels_are_numbers(write: Write, load: Load) -> None:
    """An image with a column of words is refused by that column."""
    write("a.csv", people()[["age", "hours", "job", "rich"]].assign(fourth=1.5))
    with pytest.raises(
        DataError, match="column 'job': expected numbers in every pixel of an image, got a categorical column"
    ):
        load("a.csv", image=[2, 2])


def test_columns_of_other_files_may_stand_in_another_order(write: Write, load: Load) -> None:
    """Columns go by name, and those of no use are left out."""
    write("a.csv", people())
    write("b.csv", people()[["rich", "job", "hours", "age"]].assign(more=1))
    assert np.array_equal(load("a.csv", test="a.csv").test.X, load("a.csv", test="b.csv").test.X)  # type: ignore[union-attr]


def test_the_fingerprint_is_of_the_contents(write: Write, load: Load) -> None:
    """Settings, times and places do not change the fingerprint; a changed cell of any file does."""
    write("a.csv", people())
    write("b.csv", people())
    write("c.csv", people(seed=1))
    one = load("a.csv").fingerprint
    assert load("b.csv", seed=3, folds=4).fingerprint == one
    assert load("c.csv").fingerprint != one
    assert load("a.csv", test="c.csv").fingerprint not in {one, load("a.csv", test="b.csv").fingerprint}


# --- frames and arrays ------------------------------------------------------------------------------------------------


def test_a_frame_is_a_file(write: Write, load: Load) -> None:
    """A frame gives the arrays that its file gives, whatever its index."""
    write("p.csv", people())
    frame = people().set_index(np.arange(200)[::-1])
    one, other = load("p.csv"), dataset_from_frame(frame, "rich")
    assert np.array_equal(one.parts[0].train.X, other.parts[0].train.X)
    assert other.path is None
    assert dataset_from_frame(people(seed=1), "rich").fingerprint != other.fingerprint


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (people().head(0), "no rows"),
        (people().assign(rich=None), "the target is missing"),
        (pd.concat([people(), people()[["age"]]], axis=1), "duplicate column name 'age'"),
        (people().assign(job=[[1]] * 200), "column 'job'"),
        (people().assign(job=1j), "expected numbers, text, booleans or dates, got complex128"),
        (
            people().assign(age=np.inf),
            r"row 0, column 'age': expected a number from .* or an empty cell, got inf",
        ),
    ],
)
def test_bad_frames(frame: pd.DataFrame, message: str) -> None:
    """What a frame can do wrong is refused with its row and column."""
    with pytest.raises(DataError, match=message):
        dataset_from_frame(frame, "rich")


def test_a_frame_with_a_file_in_its_settings() -> None:
    """Rows are handed over or named, not both."""
    with pytest.raises(ArgumentError, match=r"settings.test: expected no file with rows in memory, got 't.csv'"):
        dataset_from_frame(people(), "rich", DataSettings(test="t.csv"))


def test_arrays_and_images() -> None:
    """X and y become a dataset; X of images brings its shape."""
    rng = np.random.default_rng(0)
    flat = dataset_from_arrays(rng.normal(size=(90, 4)), np.arange(90) % 3)
    assert flat.feature_names == ("x_0", "x_1", "x_2", "x_3")
    assert flat.image is None
    image = dataset_from_arrays(rng.normal(size=(90, 4, 5, 3)), np.resize(["a", "b"], 90))
    assert image.image == (4, 5, 3)
    assert image.feature_names[:3] == ("pixel_0_0_0", "pixel_0_0_1", "pixel_0_0_2")
    channels = image.parts[0].train.X.reshape(-1, 3)
    assert channels.mean(axis=0) == pytest.approx(0, abs=1e-5)
    assert channels.std(axis=0) == pytest.approx(1, abs=1e-5)
    assert not image.notices


def test_images_that_seem_to_have_their_channels_first_are_told() -> None:
    """They are read as they say, and a notice says how they would be right."""
    image = dataset_from_arrays(np.random.default_rng(0).normal(size=(90, 3, 8, 6)), np.resize(["a", "b"], 90))
    assert image.image == (3, 8, 6)
    (notice,) = image.notices
    assert notice == (
        "x is read as images of 3 × 8 pixels with 6 channels. If it has 3 of 8 × 6 pixels, put the channels last: "
        "x.transpose(0, 2, 3, 1)"
    )


# --- the cache --------------------------------------------------------------------------------------------------------


def test_the_cache_is_used_and_shared(
    write: Write, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second load maps the first one's arrays, read-only, without reading the table again."""
    write("p.csv", people())
    first = load("p.csv", cache=True)
    monkeypatch.setattr("tuner.data.sources.delimited.parse", None)
    second = load("p.csv", cache=True)
    assert first.stored == second.stored == entries(tmp_path)[0]
    for dataset in (first, second):
        inputs = dataset.parts[0].train.inputs
        assert np.array_equal(inputs.array(), first.parts[0].train.X)
        for array in (inputs.numbers, inputs.flags):
            assert not array.flags.writeable
            assert isinstance(array.base, np.memmap) or array.base is not None
    assert second.encoding == first.encoding
    assert second.columns == first.columns


def test_a_changed_file_is_noticed_and_its_old_entry_removed(
    write: Write, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New contents under an old name and an old time make a new entry; the old one goes, and no other is opened."""
    path = write("p.csv", people())
    write("q.csv", people(seed=1))
    times = path.stat()
    other, before = load("q.csv", cache=True), load("p.csv", cache=True)
    read, opened = cache_module.read_beside, set()
    monkeypatch.setattr(cache_module, "read_beside", lambda folder, name: opened.add(folder) or read(folder, name))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("cook", "cock"), encoding="utf-8")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = load("p.csv", cache=True)
    assert "job=cock" in after.feature_names
    assert after.fingerprint != before.fingerprint
    assert set(entries(tmp_path)) == {after.stored, other.stored}
    assert opened == {after.stored}
    assert before.parts[0].train.X.sum() == pytest.approx(before.parts[0].train.X.sum())  # still mapped


def test_other_settings_have_entries_of_their_own(write: Write, load: Load, tmp_path: Path) -> None:
    """A split by another seed does not remove, and is not taken for, the first one."""
    write("p.csv", people())
    one, other = load("p.csv", cache=True), load("p.csv", cache=True, seed=1)
    assert len(entries(tmp_path)) == 2
    assert not np.array_equal(one.test_rows, other.test_rows)


def test_unused_entries_and_builds_left_behind_are_removed(write: Write, load: Load, tmp_path: Path) -> None:
    """Entries unused for a month go, and what a killed process left; files that are not ours stay."""
    write("p.csv", people())
    write("q.csv", people(seed=1))
    old = load("q.csv", cache=True).stored
    assert old is not None
    os.utime(old / "meta.json", (0, 0))
    left = old.parent / ".building-x"
    left.mkdir()
    os.utime(left, (0, 0))
    (old.parent / "mine").mkdir()
    os.utime(old.parent / "mine", (0, 0))
    stored = load("p.csv", cache=True).stored
    assert set(entries(tmp_path)) == {stored, old.parent / "mine"}


@pytest.mark.parametrize("damage", ["truncated", "no meta", "bad meta", "no array"])
def test_a_damaged_entry_is_made_again(write: Write, load: Load, damage: str) -> None:
    """An entry that is not whole is not used."""
    write("p.csv", people())
    before = load("p.csv", cache=True)
    assert before.stored is not None
    expected = before.parts[0].train.X.copy()
    victim = before.stored / ("meta.json" if "meta" in damage else "train0.numbers.npy")
    content = victim.read_bytes()
    victim.unlink()
    if damage in ("truncated", "bad meta"):
        victim.write_bytes(content[: len(content) // 2])
    assert np.array_equal(load("p.csv", cache=True).parts[0].train.X, expected)
    with_entry = load("p.csv", cache=True)
    assert with_entry.stored is not None
    assert np.array_equal(with_entry.parts[0].train.X, expected)


def test_arrays_lost_in_a_power_cut_are_made_again(write: Write, load: Load) -> None:
    """Arrays are compared with their checksums."""
    write("p.csv", people())
    before = load("p.csv", cache=True)
    assert before.stored is not None
    expected = before.parts[0].train.X.copy()
    assert load("p.csv", cache=True).stored == before.stored
    with (before.stored / "train0.numbers.npy").open("r+b") as file:
        file.seek(-400, os.SEEK_END)
        file.write(bytes(400))
    assert np.array_equal(load("p.csv", cache=True).parts[0].train.X, expected)


@pytest.mark.parametrize("altered", ["owner", "folder mode", "file mode", "symlink", "another entry"])
def test_an_entry_of_another_user_is_not_read(
    write: Write, load: Load, monkeypatch: pytest.MonkeyPatch, altered: str
) -> None:
    """An entry that another user owns, may write to or has exchanged is made again, whatever its checksums say."""
    write("p.csv", people())
    before = load("p.csv", cache=True)
    assert before.stored is not None
    if altered == "owner":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert cache_module.read_entry(before.stored) is None
        return
    if altered == "folder mode":
        before.stored.chmod(0o770)
    elif altered == "file mode":
        (before.stored / "dev0.numbers.npy").chmod(0o606)
    elif altered == "symlink":
        before.stored.rename(before.stored.parent / "moved")
        before.stored.symlink_to(before.stored.parent / "moved")
    else:
        other = load("p.csv", cache=True, seed=1).stored
        assert other is not None
        before.stored.rename(before.stored.parent / "moved")
        other.rename(before.stored)
    assert cache_module.read_entry(before.stored) is None
    assert np.array_equal(load("p.csv", cache=True).parts[0].train.X, before.parts[0].train.X)


@pytest.mark.parametrize("seed", range(12))
def test_any_altered_byte_of_an_entry_is_noticed(write: Write, load: Load, seed: int) -> None:
    """An altered entry is made again, or its change is outside what is read."""
    write("p.csv", people(40))
    stored, before = load("p.csv", cache=True).stored, load("p.csv")
    assert stored is not None
    rng = np.random.default_rng(seed)
    victim = stored / str(rng.choice(sorted(path.name for path in stored.iterdir())))
    content = bytearray(victim.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    victim.write_bytes(content)
    after = load("p.csv", cache=True)
    assert np.array_equal(after.parts[0].train.X, before.parts[0].train.X)
    assert np.array_equal(after.parts[0].dev.y, before.parts[0].dev.y)
    assert describe(after) == describe(before)


def test_without_a_cache_folder_arrays_stay_in_memory(
    write: Write, load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache folder that cannot be made, or a full disk, is no reason to fail."""
    write("p.csv", people())
    expected = load("p.csv").parts[0].train.X
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "file"))
    assert load("p.csv", cache=True).stored is None
    monkeypatch.setenv("TUNER_CACHE", str(tmp_path / "full"))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    dataset = load("p.csv", cache=True)
    assert dataset.stored is None
    assert np.array_equal(dataset.parts[0].train.X, expected)
    assert list((tmp_path / "full" / "data").iterdir()) == []


def test_refused_data_leave_nothing_behind(write: Write, load: Load, tmp_path: Path) -> None:
    """A refusal writes nothing, not even an empty cache folder."""
    write("p.csv", people().assign(rich="yes"))
    with pytest.raises(DataError):
        load("p.csv", cache=True)
    assert not (tmp_path / "cache").exists()


def test_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without TUNER_CACHE, entries lie in the system's place for a user's caches."""
    monkeypatch.delenv("TUNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_module.cache_folder() == tmp_path / "tuner" / "data"


def test_rows_that_changed_since(write: Write, load: Load) -> None:
    """What reads the rows again notices that they are others now."""
    path = write("p.csv", people())
    dataset, kept = load("p.csv"), load("p.csv", cache=True)
    check_data_quality(kept)
    path.write_text(path.read_text(encoding="utf-8").replace("cook", "cock"), encoding="utf-8")
    for each in (dataset, kept):
        with pytest.raises(DataError, match="changed since it was loaded"):
            check_data_quality(each)


def test_rows_are_checked_once(write: Write, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they give reason to say is kept with the arrays; where that is damaged, they are read again."""
    write("p.csv", people().assign(twin=lambda frame: frame["rich"]))
    dataset = load("p.csv", cache=True)
    found = check_data_quality(dataset)
    assert [finding.kind for finding in found] == ["leakage"]
    with monkeypatch.context() as patched:
        patched.setattr(data_checks, "assembly_of", lambda _: pytest.fail("the rows are read again"))
        assert check_data_quality(load("p.csv", cache=True)) == found
    assert dataset.stored is not None
    (dataset.stored / data_checks.KEPT).write_bytes(bytes(100))
    assert check_data_quality(load("p.csv", cache=True)) == found


def test_a_dataset_can_be_sent_to_another_process(write: Write, load: Load) -> None:
    """Datasets of files and of frames survive pickling."""
    write("p.csv", people())
    for dataset in (load("p.csv", cache=True), dataset_from_frame(people(), "rich")):
        again = pickle.loads(pickle.dumps(dataset))
        assert np.array_equal(again.parts[0].train.X, dataset.parts[0].train.X)
        assert check_data_quality(again) == check_data_quality(dataset)


# --- what people are told ---------------------------------------------------------------------------------------------


def test_describe_is_plain_json(write: Write, load: Load) -> None:
    """The description names columns, kinds, encodings, missing cells, sizes and the split."""
    frame = people().assign(same=1)
    frame.loc[::4, "hours"] = None
    write("p.csv", frame)
    shown = json.loads(json.dumps(describe(load("p.csv"))))
    assert shown["sizes"] == {"train": 120, "dev": 40, "train_dev": 0, "test": 40}
    assert shown["split"] == "drawn at random, stratified by class, seed 0"
    by_name = {column["name"]: column for column in shown["columns"]}
    assert by_name["age"] == {
        "name": "age",
        "kind": "numeric",
        "encoding": "normalized",
        "features": 1,
        "missing": 0,
        "why": "",
    }
    assert by_name["hours"]["missing"] > 20
    assert "an indicator" in by_name["hours"]["encoding"]
    assert by_name["job"]["encoding"] == "one-hot, 3 categories"
    assert by_name["same"]["why"] == "the same value in every training row"
    assert shown["features"] == 6
    assert sum(entry["rows"] for entry in shown["classes"]) == 160


def test_what_a_definition_is_made_from(write: Write, load: Load) -> None:
    """Training rows, features and classes are there to set ranges by."""
    write("p.csv", people(400).assign(rich=np.resize(["no"] * 19 + ["yes"], 400)))
    dataset = load("p.csv")
    assert (dataset.n_train, dataset.n_features, dataset.n_classes) == (240, 5, 2)
    assert dataset.class_counts.sum() == 320


def test_classes_that_a_person_would_take_for_one_are_noted(write: Write, load: Load) -> None:
    """Yes, YES and yes stay three classes, and the note names them."""
    write("p.csv", people().assign(rich=[("yes", "Yes", "YES", "no")[k % 4] for k in range(200)]))
    dataset = load("p.csv")
    assert dataset.n_classes == 4
    assert any("the classes 'YES', 'Yes' and 'yes' differ only in case" in notice for notice in dataset.notices)
    write("p.csv", people())
    assert not any("differ only" in notice for notice in load("p.csv").notices)


@pytest.mark.parametrize(
    ("first", "lowest", "kind"),
    [
        *((first, 2**60, "text") for first in (None, "", f"{2**60}.0", f"+{2**60}")),
        *((first, 10**20, "text") for first in (None, "", "1e20")),
        *((first, 2**60, "typed") for first in (None, pd.NA)),
    ],
)
def test_integers_that_differ_beyond_a_numbers_digits(
    write: Write, load: Load, first: object, lowest: int, kind: str
) -> None:
    """They are not called the same value in every row, whatever is beside them, and can be used as categories."""
    code = pd.Series([lowest + k % 3 for k in range(200)], dtype=object)
    code[0] = code[0] if first is None else first
    rows = people().assign(code=code, same=lowest)
    if kind == "text":
        name = write("p.csv", rows).name
    else:
        pytest.importorskip("pyarrow")
        buffer = io.BytesIO()
        rows.assign(code=code.astype("Int64" if first is pd.NA else "int64")).to_parquet(buffer)
        name = write("p.parquet", buffer.getvalue()).name
    why = {column.name: column.why for column in load(name).columns}
    assert "differ only after the 14th digit" in why["code"]
    assert why["same"] == "the same value in every training row"
    used = load(name, columns={"code": "categorical"})
    assert {f"code={lowest + k}" for k in range(3)} <= {*used.feature_names}
