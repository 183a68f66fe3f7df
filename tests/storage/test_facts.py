"""A study's facts: typed in memory, the same JSON in the database as ever."""

import json

from tuner.outcomes import Finding
from tuner.storage import Begun, StudyFacts

WRITTEN = {
    "class_names": ["no", "yes"],
    "sizes": {"train": 60, "dev": 20, "test": 20},
    "n_features": 8,
    "folder": "/home/me/studies",
    "notices": ["column 'id' is ignored"],
    "versions": {"python": "3.11.9"},
    "honesty": [
        {
            "kind": "leakage",
            "severity": "warning",
            "text": "column 'ended' predicts the target",
            "parts": ["train"],
            "columns": ["ended"],
            "evidence": {"error": 0.01},
        }
    ],
    "from": {"study": "small", "trials": 4},
    "references": {"majority": 0.7, "logistic_regression": None},
}
"""As the first version wrote it."""


def test_facts_of_the_first_version_are_read_and_written_as_they_were() -> None:
    """Every key, in the same order, with the same values."""
    facts = StudyFacts.from_json(json.dumps(WRITTEN))
    assert facts.to_json() == json.dumps(WRITTEN)
    assert facts.exploring == "random"
    assert not facts.pooled_epoch
    assert not facts.exact_zeros
    assert not facts.weighs_classes
    assert not facts.ties_by_cost
    assert facts.begun == Begun("small", 4)
    assert facts.findings == [
        Finding(
            "leakage", "warning", "column 'ended' predicts the target", ("train",), ("ended",), evidence={"error": 0.01}
        )
    ]


def test_what_a_study_has_none_of_is_left_out() -> None:
    """A study that began with no other's trials, and whose reference models are not trained yet."""
    written = json.loads(StudyFacts(class_names=["a", "b"], sizes={"dev": 10}).to_json())
    assert [*written] == ["class_names", "sizes", "n_features", "folder", "notices", "versions", "honesty"]


def test_how_networks_are_trained_is_a_fact_of_new_studies() -> None:
    """It is written where it is so, and read again, as are the inputs of each form that trials choose from."""
    names = ("pooled_epoch", "exact_zeros", "weighs_classes", "ties_by_cost")
    facts = StudyFacts(
        class_names=["a", "b"],
        sizes={"dev": 10},
        form_features={"periodic": 9},
        form_periodic={"periodic": 4},
        **dict.fromkeys(names, True),
    )
    assert StudyFacts.from_json(facts.to_json()) == facts


def test_facts_that_are_missing_are_unknown() -> None:
    """The least that a study has: its classes and its sizes."""
    facts = StudyFacts.from_json('{"class_names": ["a"], "sizes": {}}')
    assert (facts.n_features, facts.folder, facts.findings, facts.begun, facts.references) == (None, "", [], None, None)
