"""Altered model files with a right checksum: each is refused in one line, or predicts."""

from __future__ import annotations

import itertools
import json
import random
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from tests.modeling.conftest import mixed_rows, model_bytes, searched
from tests.modeling.test_archive import forged, members_of, npy, with_checksum
from tests.security import SECONDS, SEED
from tuner.errors import TunerError
from tuner.modeling import Model
from tuner.modeling.archive import unpack

__all__ = ["model_bytes", "searched"]

QUICK = 75
"""Altered files of the quick test."""
HEADER_SIGNS = (b"(", b"[", b"{", b"'", b"#", b"\n", b"\x00", b"L", b"\\e", b"0L", b"\\x", b"\xff", b"\\N{", b"1_0")
"""What Python's grammar gives a meaning, or warns of."""
SLOWEST = 10.0
"""Seconds that one file of some kilobytes may take on a busy machine."""
LONGEST = 600
"""Characters of a message."""
ROWS = mixed_rows(5)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e-320, 1e30, 1e308, -1e308),
    *("", "x", "\x00", "\x1b[2J", "é", "=1+1", "%", "\U0001f600", "a\nb", "x" * 20_000, "1", "mixed", "ISO8601"),
    *([], {}, [[]], [1], ["x"], ["x", "x"], ["x"] * 5000, list(range(5000)), {"x": 1}, {"a\u2028b": {}}),
)
TEXTS = (b"NaN", b"Infinity", b"1e400", b'"\\ud800"', b'"\\u0000"', b"[" * 3000, b"9" * 5000, b"\xff", b"//", b"}")


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield each container of a JSON value with each of its keys."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])


def altered_card(text: bytes, draw: random.Random) -> bytes:
    """Return ``model.json`` with one to three values exchanged, left out, repeated or added, or its text altered."""
    metadata = json.loads(text)
    for _ in range(draw.randint(1, 3)):
        container, key = draw.choice(list(places(metadata)))
        way = draw.randrange(6)
        if way == 0:
            del container[key]
        elif way == 1 and isinstance(container, list):
            container.insert(key, json.loads(json.dumps(container[draw.randrange(len(container))])))
        elif way == 2:
            other, its = draw.choice(list(places(metadata)))
            container[key] = json.loads(json.dumps(other[its]))
        elif way == 3 and isinstance(container, dict):
            container[str(draw.choice(VALUES))[:5000]] = json.loads(json.dumps(draw.choice(VALUES)))
        elif way == 4 and isinstance(container[key], str):
            cut = draw.randrange(len(container[key]) + 1)
            container[key] = container[key][:cut] + str(draw.choice(VALUES))[:20_000] + container[key][cut:]
        else:
            container[key] = json.loads(json.dumps(draw.choice(VALUES)))
    made = json.dumps(metadata).encode()
    if draw.random() < 0.2:
        cut = draw.randrange(len(made))
        made = made[:cut] + draw.choice(TEXTS) + made[cut + draw.randrange(3) :]
    return made


def altered(content: bytes, draw: random.Random) -> bytes:
    """Return a model file with its bytes, its members or its metadata altered, and a right checksum."""
    way = draw.random()
    if way < 0.25:
        data = bytearray(content)
        for _ in range(draw.randint(1, 6)):
            data[draw.randrange(len(data))] = draw.choice((0, 1, 0x7F, 0x80, 0xFF, draw.randrange(256)))
        return with_checksum(bytes(data))
    members = members_of(content)
    if way < 0.4:
        name = draw.choice([name for name in members if name.endswith(".npy")])
        weights = np.frombuffer(members[name][128:], "f4").copy()
        if draw.random() < 0.5:
            weights *= np.float32(draw.choice((1e10, 1e30, 1e37, -1e37, 0, 1e-40)))
            members[name] = members[name][:128] + weights.tobytes()
        else:
            members[name] = npy(draw.choice((weights.astype("f8"), weights[:1], np.zeros((0, 3), "f4"), weights[None])))
        return forged(members)
    return forged(members | {"model.json": altered_card(members["model.json"], draw)})


def fault_of(content: bytes) -> str | None:
    """Load a model file and predict with it; return what went wrong."""
    begun = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = Model(*unpack(content, "m.tuner"))
            json.dumps([model.metadata.described(), model.errors, model.classes_.tolist()])
            found = model.predict_proba(ROWS)
            if found.shape != (len(ROWS), len(model.classes_)) or not np.isfinite(found).all():
                return f"probabilities {found}"
        except TunerError as error:
            if "\n" in str(error) or len(str(error)) > LONGEST:
                return f"message {str(error)!r:.{LONGEST}}"
        except Exception as error:
            return f"{type(error).__name__}: {str(error)[:200]}"
    if caught:
        return f"warning {caught[0].message}"
    seconds = time.process_time() - begun
    return f"{seconds:.0f} s" if seconds > SLOWEST else None


def run(content: bytes, seed: int, go_on: Callable[[int], bool]) -> list[str]:
    """Load altered files while ``go_on`` of their number; return what went wrong, with the seeds that repeat it."""
    found, count = [], 0
    while go_on(count):
        if (fault := fault_of(altered(content, random.Random(seed + count)))) is not None:
            found.append(f"{seed + count}: {fault}")
        count += 1
    return found


def test_altered_models(model_bytes: bytes) -> None:
    """The first altered files."""
    assert run(model_bytes, 0, lambda count: count < QUICK) == []


@pytest.mark.slow
def test_many_altered_models(model_bytes: bytes) -> None:
    """As many other altered files as there is time for."""
    end = time.monotonic() + SECONDS
    assert run(model_bytes, SEED, lambda count: time.monotonic() < end) == []


def test_altered_array_headers(model_bytes: bytes) -> None:
    """Each place of a header."""
    members = members_of(model_bytes)
    name = next(name for name in members if name.endswith(".npy"))
    for place, signs in itertools.product(range(10, 80), HEADER_SIGNS):
        data = bytearray(members[name])
        data[place : place + len(signs)] = signs
        assert fault_of(forged(members | {name: bytes(data)})) is None
