"""Names of successive studies."""

import pytest

from tuner.study import next_name


@pytest.mark.parametrize(
    ("study", "following"),
    [
        ("digits", "digits-2"),
        ("digits-2", "digits-3"),
        ("studies/churn.toml", "churn-2"),
        ("churn-2026-11-01", "churn-2026-11-01-2"),
        ("churn-2026-11-12", "churn-2026-11-12-2"),
        ("churn-2026-11-12-2", "churn-2026-11-12-3"),
        ("churn-2026", "churn-2026-2"),
        ("churn-007", "churn-007-2"),
    ],
)
def test_the_next_study_has_the_next_number(study: str, following: str) -> None:
    """A number at the end is counted up; a date, a year and padded digits are not."""
    assert next_name(study) == following


def test_the_next_name_is_one_that_is_free() -> None:
    """Names that exist are skipped."""
    assert next_name("digits", {"digits", "digits-2", "digits-3"}) == "digits-4"
