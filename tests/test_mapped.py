"""Arrays that are sent to another process are mapped there, and are those that were sent."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

from tuner.mapped import LARGE, Parcel

RECEIVER = """
import pickle, sys
import numpy as np
received = pickle.loads(sys.stdin.buffer.read())
array = received["array"]
assert isinstance(array.base, np.memmap), type(array.base)
array[0, 0] += 1
sys.stdout.write(f"{int(array.sum())} {array.dtype} {array.shape} {received['small'].tolist()}")
"""


def numbers() -> np.ndarray:
    """More than what is pickled."""
    return np.arange(LARGE, dtype=np.float32).reshape(-1, 8) % 100


def test_a_process_maps_what_it_is_sent() -> None:
    """It may write to its copy; the sender's array stays as it was."""
    array = numbers()
    parcel = Parcel({"array": array, "small": np.arange(3)})
    assert len(parcel.content) < 1000
    got = subprocess.run([sys.executable, "-c", RECEIVER], input=parcel.content, capture_output=True, check=True)
    assert got.stdout.decode() == f"{int(array.sum()) + 1} float32 {array.shape} [0, 1, 2]"
    assert array[0, 0] == 0


def test_an_array_of_a_file_is_mapped_from_it(tmp_path: Path) -> None:
    """Nothing is copied; a part of it begins where it begins in the file, and cannot be written to."""
    np.save(tmp_path / "numbers.npy", numbers())
    whole = np.load(tmp_path / "numbers.npy", mmap_mode="r").view(np.ndarray)
    parcel = Parcel(whole[100:])
    assert str(tmp_path).encode() in parcel.content
    received = pickle.loads(parcel.content)
    np.testing.assert_array_equal(received, numbers()[100:])
    assert not received.flags.writeable


def test_an_array_whose_file_is_gone_is_sent_all_the_same(tmp_path: Path) -> None:
    """A cache entry may be removed while it is mapped."""
    np.save(tmp_path / "numbers.npy", numbers())
    whole = np.load(tmp_path / "numbers.npy", mmap_mode="r")
    (tmp_path / "numbers.npy").unlink()
    parcel = Parcel(whole.view(np.ndarray))
    np.testing.assert_array_equal(pickle.loads(parcel.content), numbers())


def test_an_array_is_mapped_as_a_part_of_one_with_a_column_more(tmp_path: Path) -> None:
    """Examples are sent with the column of ones that follows them, which makes them the same array there."""
    np.save(tmp_path / "numbers.npy", numbers())
    whole = np.load(tmp_path / "numbers.npy", mmap_mode="r").view(np.ndarray)
    for array, whole_columns in ((whole[:, :-1], True), (whole[:, 1:], False), (whole[:, :3], False)):
        parcel = Parcel(array)
        received = pickle.loads(parcel.content)
        np.testing.assert_array_equal(received, array)
        assert (getattr(received.base, "shape", None) == whole.shape) == whole_columns
        assert (len(parcel.content) < 1000) == whole_columns
