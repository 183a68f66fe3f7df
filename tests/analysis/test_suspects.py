"""Labels that look wrong: hand-worked cases, planted ones, and none where the networks agree with the labels."""

from __future__ import annotations

import numpy as np

from tuner.analysis import suspected_labels


def test_by_hand() -> None:
    """Rows of class 0 give it 0.9 and 0.2, the usual of class 1 is 0.8: one row claims class 1, by 0.6 more."""
    found = suspected_labels(np.array([0, 0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.2, 0.8]]))
    assert found.rows.tolist() == [1]
    assert found.classes.tolist() == [1]
    np.testing.assert_allclose(found.margins, [0.6])


def test_a_class_that_networks_are_rarely_sure_of_needs_less() -> None:
    """0.5 of the class whose own rows have 0.45 on the mean is a claim, 0.5 of one whose rows have 0.9 is none."""
    sure, unsure = [0.9, 0.05, 0.05], [0.1, 0.45, 0.45]
    y = np.array([0, 0, 1, 1, 2, 2])
    p = np.array([sure, sure, unsure, [0.5, 0.4, 0.1], unsure, [0.1, 0.5, 0.4]])
    assert suspected_labels(y, p).rows.tolist() == [5]


def test_planted_labels_are_found() -> None:
    """Of 5% of labels that were changed at least three quarters are among the suspects, and few others are."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 2000)
    logits = 3 * np.eye(4)[truth] + rng.normal(size=(2000, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    changed = rng.random(2000) < 0.05
    y = np.where(changed, (truth + rng.integers(1, 4, 2000)) % 4, truth)
    found = suspected_labels(y, p).rows
    assert changed[found].sum() >= 0.75 * changed.sum()
    assert changed[found].mean() >= 0.6
    assert changed[found[:50]].mean() >= 0.95


def test_nothing_is_suspected_where_all_agree() -> None:
    """Also not where a class has no row, or all probabilities are equal."""
    y = np.array([0, 1, 0, 1])
    for p in (np.eye(3)[y], np.full((4, 3), 1 / 3)):
        assert len(suspected_labels(y, p).rows) == 0
