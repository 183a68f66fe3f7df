"""The figures of how networks trained: norms by layer, norms against the penalty, time and noise of a batch size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.reporting.building import make_study
from tuner.reporting import build_report
from tuner.reporting.figures.batches import batches
from tuner.reporting.figures.layers import layers
from tuner.reporting.figures.weights import weights
from tuner.storage import NetworkRecord, StudyRecord


@pytest.fixture(scope="module")
def study() -> StudyRecord:
    """Twelve trials that recorded everything."""
    return make_study(12)


def changed(study: StudyRecord, **changes: object) -> StudyRecord:
    """The study with these fields in all of its networks."""

    def network(of: NetworkRecord) -> NetworkRecord:
        return replace(of, **changes)  # type: ignore[arg-type]

    trials = [replace(trial, networks=[network(of) for of in trial.networks]) for trial in study.trials]
    return replace(study, trials=trials)


def test_every_layer_is_a_line(study: StudyRecord) -> None:
    """Two drawings, with a line and a name for each layer."""
    figure = layers(build_report(study))
    assert figure is not None
    assert figure.svg.count("<svg") == 2
    assert figure.svg.count('class="smooth shade') == 6
    assert [name for _, name in figure.legend] == ["layer 1", "layer 2", "output layer"]


def test_each_trial_is_a_dot_of_its_norm(study: StudyRecord) -> None:
    """Along lambda, the one penalty that is searched."""
    report = build_report(study)
    figure = weights(report)
    assert figure is not None
    assert figure.svg.count("<svg") == 1
    assert f"Norm of the weights of {len(report.findings.judged)} trials along lambda" in figure.svg


def test_what_an_older_version_did_not_record_is_not_drawn(study: StudyRecord) -> None:
    """Trials of 0.1 have no layers, those of 0.2 no norm of the weights."""
    of_0_2 = [replace(one, weight_norm=np.nan) for one in study.trials[0].networks[0].layers]
    assert weights(build_report(changed(study, layers=of_0_2))) is None
    report = build_report(changed(study, layers=[]))
    assert weights(report) is None
    assert layers(report) is None


def test_noise_is_what_the_train_error_does_from_epoch_to_epoch(study: StudyRecord) -> None:
    """Up and down by 1 pp around a steady fall: each bend is 4 pp, a noise of 4/√6 = 1.63 pp."""
    steady = {name: np.ones(12) for name in study.trials[0].networks[0].curve}
    swinging = steady | {"train_error": 0.5 - 0.01 * np.arange(12) + 0.01 * (-1.0) ** np.arange(12)}
    drawn = batches(build_report(changed(study, curve=swinging)))
    assert drawn is not None
    assert "Seconds per epoch" in drawn.svg
    noise = drawn.svg.rpartition("<svg")[2]
    assert "Noise of train error, pp" in noise
    assert ">1.5<" in noise
    assert ">2<" not in noise
