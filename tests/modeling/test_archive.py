"""The model file: what was saved comes back, and everything else is refused with one line."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tuner
from tests.modeling.conftest import mixed_rows
from tuner import load_model
from tuner.errors import ModelError, TunerError
from tuner.modeling import Model
from tuner.modeling.archive import DIGEST, MARK, unpack

Members = dict[str, bytes]
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def members_of(content: bytes) -> Members:
    """The members of a model file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_checksum(content: bytes) -> bytes:
    """The bytes with a checksum that is right."""
    body = content[:-DIGEST]
    return body + hashlib.sha256(body).hexdigest().encode()


def forged(members: Members, compression: int = zipfile.ZIP_STORED) -> bytes:
    """A file of these members, checksum and all, as somebody would make it who knows the format."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        archive.comment = MARK + b"0" * DIGEST
    return with_checksum(buffer.getvalue())


def npy(array: Any, **how: Any) -> bytes:
    """An array as the bytes of an NPY file."""
    buffer = io.BytesIO()
    np.save(buffer, array, **how)
    return buffer.getvalue()


def with_card(members: Members, **changes: Any) -> Members:
    """The members with entries of ``model.json`` replaced."""
    metadata = json.loads(members["model.json"])
    return members | {"model.json": json.dumps(metadata | changes).encode()}


def with_encoding(members: Members, **changes: Any) -> Members:
    """The members with entries of the encoding replaced."""
    encodings = json.loads(members["model.json"])["encodings"]
    return with_card(members, encodings=[encodings[0] | changes])


def _column(members: Members) -> Any:
    return json.loads(members["model.json"])["encodings"][0]["columns"][0]


def _deep(levels: int) -> Any:
    return [_deep(levels - 1)] if levels else []


def test_what_was_saved_comes_back(model_bytes: bytes, tmp_path: Path) -> None:
    """A loaded model predicts the same bit for bit, and saves to the same bytes."""
    (tmp_path / "a.tuner").write_bytes(model_bytes)
    model = load_model(tmp_path / "a.tuner")
    again = load_model(model.save(tmp_path / "b.tuner"))
    rows = mixed_rows(50, seed=1)
    assert (tmp_path / "b.tuner").read_bytes() == model_bytes
    assert np.array_equal(model.predict_proba(rows), again.predict_proba(rows))
    shape = json.loads(members_of(model_bytes)["model.json"])["architecture"]
    assert {"residual", "periodic"}.isdisjoint(shape)  # older versions read it


def test_numpy_alone_can_read_the_weights(model_bytes: bytes) -> None:
    """The weights lie in the file as plain arrays, layer by layer."""
    with np.load(io.BytesIO(model_bytes), allow_pickle=False) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files if name != "model.json"}
    assert list(shapes) == ["0/W1", "0/b1", "0/W2", "0/b2"]
    assert shapes["0/W1"][1:] == shapes["0/b1"] == (6,)
    assert shapes["0/W2"] == (6, 3)


@pytest.fixture(scope="module")
def periodic_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A model file with periodic inputs."""
    path = tmp_path_factory.mktemp("periodic") / "m.tuner"
    settings = {"data": {"numeric": "periodic"}, "training": {"max_epochs": 2}, "network": {"hidden": [6]}}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path.parent)
        tuner.search(mixed_rows(90), target="class", trials=1, definition=settings).train().save(path)
    return path.read_bytes()


def test_periodic_inputs_come_back(periodic_bytes: bytes, tmp_path: Path) -> None:
    """Their waves and what units take of them are arrays of the file; a network or an encoding alone is refused."""
    (tmp_path / "a.tuner").write_bytes(periodic_bytes)
    model = load_model(tmp_path / "a.tuner")
    again = load_model(model.save(tmp_path / "b.tuner"))
    assert np.array_equal(model.predict_proba(mixed_rows(50, seed=1)), again.predict_proba(mixed_rows(50, seed=1)))
    assert (tmp_path / "b.tuner").read_bytes() == periodic_bytes
    with np.load(io.BytesIO(periodic_bytes), allow_pickle=False) as arrays:
        shapes = {name: arrays[name].shape for name in arrays.files if name != "model.json"}
    assert shapes["0/V"] == (2, 2, 48)
    assert shapes["0/U"] == (2, 49, 16)
    members = members_of(periodic_bytes)
    shape = json.loads(members["model.json"])["architecture"]
    for other, message in (
        (None, "an encoding with periodic inputs that its network does not have"),
        ({**shape["periodic"], "columns": [0]}, "an encoding with periodic inputs that its network does not have"),
        ({**shape["periodic"], "columns": [0, 500]}, "periodic: expected columns below"),
        ({**shape["periodic"], "columns": [1, 0]}, "periodic: expected rising columns"),
        ({**shape["periodic"], "waves": 2**60}, "too small for"),
        ({**shape["periodic"], "units": 0}, "periodic: units: expected"),
        ({**shape["periodic"], "code": 1}, "unknown key"),
    ):
        with pytest.raises(ModelError, match=message):
            unpack(forged(with_card(members, architecture={**shape, "periodic": other})), "m.tuner")
    with pytest.raises(ModelError, match=r"0/V\.npy is missing"):
        unpack(forged({name: data for name, data in members.items() if name != "0/V.npy"}), "m.tuner")


@QUICK
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_altered_byte_is_found(model_bytes: bytes, place: float, flip: int) -> None:
    """The checksum detects any changed byte."""
    content = bytearray(model_bytes)
    content[int(place * len(content))] ^= flip
    with pytest.raises(ModelError):
        unpack(bytes(content), "m.tuner")


@QUICK
@given(share=st.floats(0, 1, exclude_max=True))
def test_any_truncation_is_found(model_bytes: bytes, share: float) -> None:
    """A file that ends too early is refused wherever it ends."""
    with pytest.raises(ModelError):
        unpack(model_bytes[: int(share * len(model_bytes))], "m.tuner")


@QUICK
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=4),
)
def test_an_altered_file_with_a_right_checksum_does_no_harm(model_bytes: bytes, flips: list[tuple[float, int]]) -> None:
    """A changed file with a valid checksum gives one of our errors, or a model that predicts."""
    content = bytearray(model_bytes)
    for place, flip in flips:
        content[int(place * len(content))] ^= flip
    try:
        model = Model(*unpack(with_checksum(bytes(content)), "m.tuner"))
        answers = model.predict_proba(mixed_rows(20))
    except TunerError:
        return
    assert answers.shape == (20, len(model.classes_))


def _nan(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flat[0] = np.nan
    return array


FORGERIES: dict[str, tuple[Callable[[Members], Members], str]] = {
    "no metadata": (lambda m: {k: v for k, v in m.items() if k != "model.json"}, "no model.json"),
    "a path that climbs out": (lambda m: m | {"../../x.npy": b"x"}, r"unexpected member \.\./\.\./x\.npy"),
    "an absolute path": (lambda m: m | {"/etc/passwd": b"x"}, "unexpected member /etc/passwd"),
    "weights missing": (lambda m: {k: v for k, v in m.items() if k != "0/b2.npy"}, "0/b2.npy is missing"),
    "objects": (
        lambda m: m | {"0/b2.npy": npy(np.array([{}, 1, 2], object), allow_pickle=True)},
        r"expected the header .*, got \{'descr': '\|O'",
    ),
    "doubles": (lambda m: m | {"0/b2.npy": npy(np.zeros(3))}, r"expected the header .*, got \{'descr': '<f8'"),
    "another shape": (
        lambda m: m | {"0/b2.npy": npy(np.zeros(4, "f4"))},
        r"expected .*\(3,\), \} .*, got .*\(4,\)",
    ),
    "a shape of 2^60": (
        lambda m: m | {"0/b2.npy": npy(np.zeros(3, "f4")).replace(b"(3,), ", b"(1152921504606846976,), ")},
        "expected the header",
    ),
    "too few bytes": (lambda m: m | {"0/b2.npy": npy(np.zeros(3, "f4"))[:-4]}, "expected 12 bytes of weights, got 8"),
    "NaN": (lambda m: m | {"0/b2.npy": npy(_nan(np.zeros(3, "f4")))}, "expected finite weights, got nan"),
    "a pickle": (lambda m: m | {"0/b2.npy": b"\x80\x04K\x01."}, "not an NPY array"),
    "no JSON": (lambda m: m | {"model.json": b"{"}, "is not JSON"),
    "a list": (lambda m: m | {"model.json": b"[]"}, "invalid model.json"),
    "NaN in JSON": (lambda m: m | {"model.json": b'{"format": NaN}'}, "is not JSON"),
    "a deep JSON": (lambda m: m | {"model.json": b"[" * 200_000}, "is not JSON"),
    "a later format": (lambda m: with_card(m, format=2), "has format 2, expected 1"),
    "an unknown key": (lambda m: with_card(m, code="import os"), "unknown key code"),
    "no classes": (lambda m: with_card(m, class_names=[]), "class_names"),
    "classes that do not fit": (lambda m: with_card(m, class_names=["a", "b"]), "2 class_names for a network of 3"),
    "a million networks": (lambda m: with_card(m, updates=[1] * 1_000_000), "updates: expected at most 10000 items"),
    "an unknown activation": (
        lambda m: with_card(m, architecture=json.loads(m["model.json"])["architecture"] | {"activation": "exec"}),
        "activation: expected one of",
    ),
    "a million missing cells": (
        lambda m: with_encoding(m, missing=["x"] * 1_000_000),
        "missing: expected at most 1000",
    ),
    "an infinite number": (
        lambda m: {**m, "model.json": m["model.json"].replace(b'"seed": ', b'"seed": 1e400')},
        "JSON",
    ),
    "half of a surrogate pair": (lambda m: with_card(m, class_names=["a\ud800", "b", "c"]), "is not JSON"),
    "a class of a megabyte": (
        lambda m: with_card(m, class_names=["a" * 10**6, "b", "c"]),
        "class_names.0: expected at most 1000 characters",
    ),
    "a deep value": (lambda m: with_card(m, params={"a": _deep(900)}), "is not JSON"),
    "a date format": (
        lambda m: with_encoding(m, columns=[_column(m) | {"date_format": "%"}]),
        "unknown date format '%'",
    ),
    "a network of 10^300 weights": (
        lambda m: with_card(m, architecture=json.loads(m["model.json"])["architecture"] | {"hidden": [10**300]}),
        "too small for",
    ),
    "a network of 2^60 weights": (
        lambda m: with_card(m, architecture=json.loads(m["model.json"])["architecture"] | {"hidden": [2**55]}),
        "too small for",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_is_refused(model_bytes: bytes, name: str) -> None:
    """A forged file with a valid checksum is refused with a one-line message."""
    forge, message = FORGERIES[name]
    with pytest.raises(ModelError, match=message) as caught:
        unpack(forged(forge(members_of(model_bytes))), "m.tuner")
    assert str(caught.value).startswith("m.tuner")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "path",
    [
        "encodings.0.columns.0.overruled",
        "encodings.0.columns.0.features.0.level",
        "encodings.0.version",
        "architecture.output",
    ],
)
def test_every_key_is_required(model_bytes: bytes, path: str) -> None:
    """A key with a default, too, of a column, a feature, an encoding or the architecture."""
    members = members_of(model_bytes)
    metadata = json.loads(members["model.json"])
    *parts, last = path.split(".")
    table = metadata
    for part in parts:
        table = table[int(part) if part.isdigit() else part]
    del table[last]
    with pytest.raises(ModelError, match=f"invalid model.json: {path} is missing"):
        unpack(forged(members | {"model.json": json.dumps(metadata).encode()}), "m.tuner")


def test_a_feature_outside_the_inputs_is_refused(model_bytes: bytes) -> None:
    """An encoding cannot write outside the networks' inputs."""
    members = members_of(model_bytes)
    encodings = json.loads(members["model.json"])["encodings"]
    encodings[0]["columns"][0]["features"][0]["position"] = 10**6
    with pytest.raises(ModelError, match=r"expected \d+ features at different places"):
        unpack(forged(with_card(members, encodings=encodings)), "m.tuner")


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        (
            0,
            "kind",
            "exec",
            "kind: expected 'numeric', 'boolean', 'categorical', 'target_encoded', 'date' or 'drop', got 'exec'",
        ),
        (0, "kind", "categorical", "column 'length' of kind categorical cannot have a feature 'value'"),
        (2, "kind", "drop", "column 'color' of kind drop cannot have a feature 'level'"),
        (4, "fill", None, "column 'day': expected a number in fill, got none"),
    ],
)
def test_a_column_that_its_encoder_does_not_make_is_refused(
    model_bytes: bytes, place: int, key: str, value: str | None, message: str
) -> None:
    """An unknown kind, features of another kind, and numbers that cannot be filled."""
    members = members_of(model_bytes)
    encodings = json.loads(members["model.json"])["encodings"]
    encodings[0]["columns"][place][key] = value
    with pytest.raises(ModelError, match=message):
        unpack(forged(with_card(members, encodings=encodings)), "m.tuner")


def test_a_zip_bomb_is_not_unpacked(model_bytes: bytes) -> None:
    """A member of a few kilobytes that claims a gigabyte is refused before a byte of it is unpacked."""
    members = members_of(model_bytes) | {"0/b2.npy": b"\0" * 50_000_000}
    bomb = forged(members, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 200_000
    with pytest.raises(ModelError, match="members are larger than the file"):
        unpack(bomb, "m.tuner")


def test_a_member_that_stands_twice_is_refused(model_bytes: bytes) -> None:
    """Two members of one name: nobody can tell which is meant."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("model.json", b"{}")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("model.json", b"{}")
        archive.comment = MARK + b"0" * DIGEST
    with pytest.raises(ModelError, match="duplicate member"):
        unpack(with_checksum(buffer.getvalue()), "m.tuner")


@pytest.mark.parametrize("content", [b"", b"PK", b"a,b\n1,2\n", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_model_is_told_so(tmp_path: Path, content: bytes) -> None:
    """Another file, an empty one, an empty zip; and one that is not there, or a folder."""
    (tmp_path / "m.tuner").write_bytes(content)
    for path in (tmp_path / "m.tuner", tmp_path / "none.tuner", tmp_path):
        with pytest.raises(ModelError, match=r"expected|cannot be read|not a model file"):
            load_model(path)


def test_hostile_names_do_not_reach_the_terminal(model_bytes: bytes) -> None:
    """An escape sequence in a name is shown as text."""
    with pytest.raises(ModelError) as caught:
        unpack(forged(members_of(model_bytes) | {"\x1b[2J": b"x"}), "m.tuner")
    assert "\x1b" not in str(caught.value)


def test_frames_may_have_no_rows(model_bytes: bytes) -> None:
    """No rows in, no rows out."""
    model = Model(*unpack(model_bytes, "m.tuner"))
    assert model.predict_proba(pd.DataFrame(mixed_rows().iloc[:0])).shape == (0, 3)
