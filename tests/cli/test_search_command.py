"""``tuner search`` as its user meets it: its output and its exit status."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import SMALL_STUDY, Run, small_table


def trial_numbers(database: Path) -> list[int]:
    """The numbers of the finished trials."""
    connection = sqlite3.connect(database)
    rows = connection.execute(
        "SELECT number FROM trials WHERE state IN ('COMPLETE', 'PRUNED') ORDER BY number"
    ).fetchall()
    connection.close()
    return [number for (number,) in rows]


def assert_refused(result: object, *parts: str) -> None:
    """Exit status 2, nothing on stdout, and one line on stderr that holds the parts."""
    assert result.returncode == 2, result.stderr  # type: ignore[attr-defined]
    assert result.stdout == ""  # type: ignore[attr-defined]
    lines = result.stderr.splitlines()  # type: ignore[attr-defined]
    assert len(lines) == 1, lines
    for part in parts:
        assert part in lines[0]


def test_a_search_completes_its_budget_and_says_so(small_study: Path, run: Run) -> None:
    """The first line names study, database and data; then verdict and page; the budget is exact."""
    result = run("search", "small")
    assert result.returncode == 0, result.stderr
    first = result.stdout.splitlines()[0]
    assert "small" in first
    assert str(small_study.parent / "tuner.db") in first
    assert str(small_study.parent / "small.csv") in first
    assert "best trial" in result.stdout
    assert "avoidable bias" in result.stdout
    assert "tuner report small --open" in result.stdout
    assert trial_numbers(small_study.parent / "tuner.db") == [0, 1, 2, 3]


def test_a_finished_study_is_left_alone(small_study: Path, here: Run) -> None:
    """The second search of a finished study says that there is nothing to do, and does nothing."""
    here("search", "small")
    result = here("search", "small")
    assert result.returncode == 0
    assert "nothing to do" in result.stdout
    assert trial_numbers(small_study.parent / "tuner.db") == [0, 1, 2, 3]


def test_json_is_one_object_with_the_keys_of_the_plan(small_study: Path, here: Run) -> None:
    """``--json`` prints one object on stdout, and nothing else there."""
    result = here("search", "small", "--json")
    found = json.loads(result.stdout)
    assert list(found) == ["study", "storage", "seconds", "run", "trials", "hold", "failures", "best"]
    assert found["study"] == "small"
    assert found["run"] == found["trials"]
    assert found["run"]["complete"] + found["run"]["pruned"] == 4
    assert list(found["best"]) == ["number", "dev_error", "train_error", "params"]
    assert {"lambda", "keep_prob", "alpha", "beta", "batch_size", "initializer"} <= set(found["best"]["params"])


def test_trials_adds_exactly_so_many(small_study: Path, here: Run) -> None:
    """``--trials 3`` on a finished study makes three more, whatever the budget says."""
    here("search", "small")
    found = json.loads(here("search", "small", "--trials", 3, "--json").stdout)
    assert found["run"]["complete"] + found["run"]["pruned"] == 3
    assert trial_numbers(small_study.parent / "tuner.db") == list(range(7))


def test_two_workers_share_the_budget(small_study: Path, run: Run) -> None:
    """Two processes make the budget's trials, each number once."""
    result = run("search", "small", "--workers", 2, "--total", 12, "--references", "none")
    assert result.returncode == 0, result.stderr
    assert trial_numbers(small_study.parent / "tuner.db") == list(range(12))


def test_a_data_file_needs_no_definition(workplace: Path, here: Run) -> None:
    """``tuner search my.csv --target kind`` writes studies/my.toml and searches; the second call uses that file."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    first = here("search", "my.csv", "--target", "kind", "--trials", 1)
    assert first.returncode == 0, first.stderr
    text = (workplace / "studies" / "my.toml").read_text(encoding="utf-8")
    assert 'source = "../my.csv"' in text
    second = here("search", "my.csv", "--target", "kind", "--trials", 1)
    assert second.returncode == 0, second.stderr
    assert (workplace / "studies" / "my.toml").read_text(encoding="utf-8") == text
    assert trial_numbers(workplace / "studies" / "tuner.db") == [0, 1]


def test_fail_above_ends_with_status_4(small_study: Path, here: Run) -> None:
    """A best dev error above ``--fail-above`` is exit status 4; one below is 0."""
    assert here("search", "small", "--fail-above", "0.0001").returncode == 4
    assert here("search", "small", "--fail-above", "0.9").returncode == 0


def test_fail_above_in_another_unit_is_refused_before_anything_is_written(workplace: Path, here: Run) -> None:
    """An error of 5 is none of classes: no study file and no database come of it."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    refused = here("search", "my.csv", "--target", "kind", "--fail-above", "5")
    assert_refused(refused, "--fail-above: expected a share between 0 and 1", "got '5'")
    assert not (workplace / "studies").exists()


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("keep_prob", "keep_prop", ["studies/small.toml", "'keep_prop'", "'keep_prob'"]),
        ("[0.7, 1.0]", "[1.0, 0.7]", ["studies/small.toml", "space.keep_prob", "[1.0, 0.7]"]),
        ("[16, 32]", "[16, 33]", ["space.batch_size", "33", "power"]),
        ("{ uniform = [0.7, 1.0] }", "0", ["space.keep_prob", "> 0 and ≤ 1", "0"]),
        ("[search]", "[search", ["studies/small.toml", "TOML"]),
        ('target = "kind"', 'target = "sort"', ["'sort'", "kind"]),
        ('"small.csv"', '"gone.csv"', ["gone.csv"]),
    ],
)
def test_a_bad_definition_is_refused_and_nothing_written(
    small_study: Path, here: Run, old: str, new: str, parts: list[str]
) -> None:
    """One line, exit status 2, no database."""
    small_study.write_text(SMALL_STUDY.replace(old, new, 1), encoding="utf-8")
    assert_refused(here("search", "small"), *parts)
    assert sorted(path.name for path in small_study.parent.iterdir()) == ["small.csv", "small.toml"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ["my.csv", "empty"]),
        ("width,height,kind\n", ["my.csv"]),
        (
            small_table().replace(",c\n", ",a\n").replace(",b\n", ",a\n"),
            ["my.csv", "kind", "every row is of class 'a'"],
        ),
        (small_table() + "1.0,2.0,\n", ["my.csv", "kind", "152"]),
        (small_table() + "1.0,2.0,rare\n", ["my.csv", "'rare'", "1"]),
        (small_table(600) + "1.0,tall,a\n", ["my.csv", "height", "'tall'", "602"]),
    ],
)
def test_bad_data_is_refused_and_nothing_written(workplace: Path, here: Run, text: str, parts: list[str]) -> None:
    """One line naming the file, the row or column and the value; no definition, no database."""
    (workplace / "my.csv").write_text(text, encoding="utf-8")
    assert_refused(here("search", "my.csv", "--target", "kind"), *parts)
    assert not (workplace / "studies").exists()


def test_a_data_file_needs_a_target(workplace: Path, here: Run) -> None:
    """Without --target nobody knows what is to be predicted."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    assert_refused(here("search", "my.csv"), "my.csv", "--target COLUMN", "width, height, kind")


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("studies/other.db", ["studies/other.db", "sqlite:///"]),
        ("mysql://host/name", ["mysql"]),
        ("sqlite:////no/such/folder/tuner.db", ["/no/such/folder/tuner.db"]),
        ("sqlite:///studies/small.toml", ["small.toml", "not a SQLite database"]),
    ],
)
def test_a_bad_storage_is_refused(small_study: Path, here: Run, url: str, parts: list[str]) -> None:
    """A database that cannot be opened is one line and exit status 2; nothing is written."""
    assert_refused(here("search", "small", "--storage", url), *parts)
    assert sorted(path.name for path in small_study.parent.iterdir()) == ["small.csv", "small.toml"]
    assert small_study.read_text(encoding="utf-8") == SMALL_STUDY


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["search", "smal"], ["'smal'", "did you mean 'small'?"]),
        (["search", "gone.toml"], ["gone.toml", "no such file"]),
        (["search", "gone.csv", "--target", "y"], ["gone.csv", "no such file"]),
        (["search", "studies/tuner.csv"], ["tuner.csv", "no such file"]),
        (["search", "small", "--timeout", "soon"], ["--timeout", "'soon'", "30m"]),
        (["search", "small", "--trials", "0"], ["--trials", "greater than or equal to 1, got '0'"]),
        (["search", "small", "--trials=-1"], ["greater than or equal to 1, got '-1'"]),
        (["search", "small", "--workers", "many"], ["--workers", "a valid integer", "got 'many'"]),
        (["search", "small", "--trials", "1", "--total", "2"], ["--trials", "--total"]),
        (["search", "small", "--wrokers", "2"], ["--wrokers", "--workers"]),
        (["search", "small", "--target", "width"], ["studies/small.toml", "predicts 'kind'", "'width'"]),
        (["search", "studies/"], ["studies/ is a folder", "study file"]),
        (["search", "."], [". is a folder"]),
        (["search"], ["STUDY", "tuner search --help"]),
        (["serach", "small"], ["'serach'", "'search'"]),
        (["report", "small"], ["small", "never searched", "tuner search small"]),
    ],
)
def test_wrong_usage_is_one_line(small_study: Path, here: Run, arguments: list[str], parts: list[str]) -> None:
    """What was typed wrong is named, with what would be right."""
    assert_refused(here(*arguments), *parts)
    assert not (small_study.parent / "tuner.db").exists()


def test_an_early_interrupt_leaves_nothing_and_says_how_to_go_on(
    workplace: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the data are judged: no study, no definition, one line with the same command."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuner.workspace.creating.check_data_quality", interrupt)
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    result = here("search", "my.csv", "--target", "kind")
    assert result.returncode == 130
    assert result.stderr.strip() == "tuner: stopped by SIGINT. Continue with: tuner search my.csv --target kind"
    assert not (workplace / "studies").exists()


def test_a_definition_is_written_before_its_study_is_stored(
    workplace: Path, here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study in the database has its definition in the folder, whenever the search was interrupted."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tuner.workspace.creating.ensure_study", interrupt)
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    assert here("search", "my.csv", "--target", "kind").returncode == 130
    assert (workplace / "studies" / "my.toml").exists()


def test_a_named_study_of_a_data_file_has_a_definition_of_its_name(workplace: Path, here: Run) -> None:
    """``--name`` names the file, too, so that one of another file's stem is not in the way; edits there are kept."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    (workplace / "my.tsv").write_text(small_table().replace(",", "\t"), encoding="utf-8")
    assert here("init", "my.csv", "--target", "kind").returncode == 0
    written = workplace / "studies" / "my.toml"
    written.write_text(written.read_text(encoding="utf-8").replace("trials = 100", "trials = 3"), encoding="utf-8")
    assert_refused(here("search", "my.tsv", "--target", "kind"), "my.toml already exists", "--name NEW")
    for file, name in (("my.tsv", "tabs"), ("my.csv", "again"), ("my.csv", "again")):
        result = here("search", file, "--target", "kind", "--name", name, "--trials", 1)
        assert result.returncode == 0, result.stderr
        text = (workplace / "studies" / f"{name}.toml").read_text(encoding="utf-8")
        assert f'name = "{name}"' in text
        assert f'source = "../{file}"' in text
        assert ("trials = 3" in text) == (name == "again")


def test_a_total_below_the_budget_is_the_number_of_trials(small_study: Path, here: Run) -> None:
    """``--total 2`` of a new study with a budget of four runs two, and the result says two of two."""
    assert "; 2 of 2 in total" in here("search", "small", "--total", 2, "--quiet").stdout


def test_submit_says_what_is_open_and_why(small_study: Path, here: Run) -> None:
    """``--trials`` comes on top of what the definition of a new study opens."""
    found = here("submit", "small", "--trials", 3).stdout
    assert "7 of 7 trials are open (a budget of 4, raised by 3)" in found
