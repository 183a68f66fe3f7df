"""``tuner init``, ``check``, ``data``, ``gradcheck`` and ``schema``: what can be known without a search."""

import json
from pathlib import Path

import pytest

from tests.conftest import SMALL_STUDY, Run, small_table
from tuner.workspace.locating import read_source

CHURN = Path(__file__).parents[2] / "studies" / "data" / "churn.csv"


def test_init_writes_a_commented_definition_once(workplace: Path, here: Run) -> None:
    """The definition can be searched as it stands; a second call does not overwrite it."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    result = here("init", "my.csv", "--target", "kind")
    assert result.returncode == 0, result.stderr
    assert "tuner search my" in result.stdout
    written = workplace / "studies" / "my.toml"
    assert read_source(written).definition.name == "my"
    text = written.read_text(encoding="utf-8")
    again = here("init", "my.csv", "--target", "kind")
    assert again.returncode == 2
    assert "studies/my.toml already exists" in again.stderr
    assert written.read_text(encoding="utf-8") == text
    assert not (workplace / "studies" / "tuner.db").exists()


@pytest.mark.parametrize(("folder", "source"), [("..", "../../my.csv"), ("../..", "{}/my.csv")])
def test_init_names_files_far_away_by_their_absolute_path(
    workplace: Path, here: Run, monkeypatch: pytest.MonkeyPatch, folder: str, source: str
) -> None:
    """Nearby ones move with the folder of studies; nobody counts five levels up."""
    deep = workplace / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    data = (deep / folder / "my.csv").resolve()
    data.write_text(small_table(), encoding="utf-8")
    assert here("init", f"{folder}/my.csv", "--target", "kind").returncode == 0
    assert read_source(deep / "studies" / "my.toml").definition.data.source == source.format(data.parent)


def test_init_keeps_how_a_data_file_is_read_and_split(workplace: Path, here: Run) -> None:
    """A file in another encoding, without a header, is read by options, which the definition then has as keys."""
    lines = small_table().replace("red", "r\N{LATIN SMALL LETTER O WITH DIAERESIS}t").splitlines()[1:]
    (workplace / "my.csv").write_text("\n".join([*lines, "1" + "\t" * lines[0].count(",")]).replace(",", "\t"), "cp850")
    last = str(lines[0].count(","))
    options = ["--encoding", "cp850", "--no-header", "--delimiter", "tab", "--missing", "-1", "--keep", "NA"]
    options += ["--drop-unlabeled", "--folds", "3", "--group", "0"]
    result = here("init", "my.csv", "--target", last, *options)
    assert result.returncode == 0, result.stderr
    assert "left out 1 row without a class" in result.stdout
    data = read_source(workplace / "studies" / "my.toml").definition.data
    assert (data.encoding, data.header, data.delimiter, data.missing) == ("cp850", False, "\t", ("-1",))
    assert (data.keep, data.drop_unlabeled, data.folds, data.group) == (("NA",), True, 3, "0")
    again = here("data", "my.csv", "--folds", "4")
    assert again.returncode == 2
    assert "studies/my.toml already exists and has folds = 3 in [data], unlike --folds 4" in again.stderr
    assert here("data", "my.csv", *options).returncode == 0
    assert here("init", "--example", "--folds", "3").returncode == 2


def test_init_names_the_schema_that_it_writes(workplace: Path, here: Run) -> None:
    """An editor that opens the definition finds the schema beside it, and finds nothing to complain of."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    here("init", "my.csv", "--target", "kind")
    first = (workplace / "studies" / "my.toml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "#:schema ./study.schema.json"
    assert (workplace / "studies" / "study.schema.json").read_text(encoding="utf-8") == here("schema").stdout


def test_init_example_puts_the_digits_here(workplace: Path, here: Run) -> None:
    """Definition, data and schema, ready to be searched; a second call does not overwrite it."""
    result = here("init", "--example")
    assert result.returncode == 0, result.stderr
    assert "tuner search digits" in result.stdout
    folder = workplace / "studies"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "data/digits.csv.gz",
        "digits.toml",
        "study.schema.json",
    ]
    assert str(folder / "data" / "digits.csv.gz") in here("check", "digits").stdout
    (folder / "digits.toml").write_text("# mine", encoding="utf-8")
    assert "studies/digits.toml already exists" in here("init", "--example").stderr
    assert (folder / "digits.toml").read_text(encoding="utf-8") == "# mine"


def test_init_example_takes_the_name_of_an_included_study(workplace: Path, here: Run) -> None:
    """``tuner init --example churn`` writes that one; another name is refused with those that exist."""
    result = here("init", "--example", "churn")
    assert result.returncode == 0, result.stderr
    assert (workplace / "studies" / "data" / "churn.csv").read_bytes() == CHURN.read_bytes()
    assert "tuner search churn" in result.stdout
    result = here("init", "--example", "my.csv")
    assert result.returncode == 2
    assert "no example is named 'my.csv': expected churn, diabetes or digits" in result.stderr


def test_init_takes_data_or_the_example(here: Run) -> None:
    """Neither is refused with both commands."""
    result = here("init")
    assert result.returncode == 2
    assert "tuner init my.csv --target COLUMN" in result.stderr
    assert "--example" in result.stderr


def test_init_writes_nothing_for_data_that_cannot_be_searched(workplace: Path, here: Run) -> None:
    """A target that is not there is refused before a file is made."""
    (workplace / "my.csv").write_text(small_table(), encoding="utf-8")
    result = here("init", "my.csv", "--target", "sort")
    assert result.returncode == 2
    assert "'sort'" in result.stderr
    assert not (workplace / "studies").exists()


def test_check_estimates_time_and_memory_and_writes_nothing(small_study: Path, here: Run) -> None:
    """One epoch is trained, and multiplied by what the definition allows."""
    result = here("check", "small", "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["trials"] == 4
    assert found["n_parameters"] == 2 * 4 + 4 + 4 * 3 + 3
    assert found["seconds_at_most"] == pytest.approx(4 * 6 * found["epoch_seconds"])
    assert 0 < found["seconds_at_least"] <= found["seconds_at_most"]
    assert found["peak_bytes"] > found["data_bytes"] > 0
    assert 1 < found["reference_seconds_at_most"] < 2
    text = here("check", "small").stdout
    assert "memory" in text
    assert "reference models: at most about 1" in text
    assert not (small_study.parent / "tuner.db").exists()


@pytest.mark.parametrize("command", ["check", "search"])
def test_a_weight_of_no_class_is_refused(command: str, small_study: Path, here: Run) -> None:
    """With the classes there are, before anything is written."""
    text = small_study.read_text(encoding="utf-8").replace("[training]", "[training]\nclass_weight = { d = 5 }")
    small_study.write_text(text, encoding="utf-8")
    result = here(command, "small")
    assert result.returncode == 2
    assert result.stderr == "tuner: training.class_weight: no class 'd'; the classes are a, b, c\n"
    assert not (small_study.parent / "tuner.db").exists()


def test_what_is_to_know_of_the_data_is_told_everywhere(workplace: Path, here: Run) -> None:
    """``init`` passes it on, ``check`` validates it, and the search that makes the study says it once, on stderr."""
    (workplace / "my.csv").write_text(small_table().partition("\n")[2], encoding="utf-8")
    said = "my.csv: line 1 is read as column names, though some are numbers"
    assert said in here("init", "my.csv", "--target", "-1").stdout
    assert said in here("check", "my").stdout
    assert said in str(json.loads(here("check", "my", "--json").stdout)["notices"])
    assert said in here("search", "my", "--trials", 1).stderr
    assert said not in here("search", "my", "--trials", 1).stderr


def test_data_shows_columns_splits_and_findings(small_study: Path, here: Run) -> None:
    """Every column with its kind, the sizes of the splits, and the notices."""
    text = small_table().replace("width,height,kind", "width,height,kind,same").replace("\n", ",1\n")
    text = text.replace("same,1", "same")
    (small_study.parent / "small.csv").write_text(text, encoding="utf-8")
    shown = here("data", "small").stdout
    for part in (
        "width",
        "numeric",
        "train 90",
        "dev 30",
        "test 30",
        "same: numeric, not used: the same value in every training row",
    ):
        assert part in shown
    found = json.loads(here("data", "small", "--json").stdout)
    assert found["sizes"] == {"train": 90, "dev": 30, "train_dev": 0, "test": 30}
    assert [column["name"] for column in found["columns"]] == ["width", "height", "same"]


def test_gradcheck_passes_on_our_network(small_study: Path, here: Run) -> None:
    """Both points are great, keep_prob is forced to 1 and said so, the penalty is included."""
    result = here("gradcheck", "small")
    assert result.returncode == 0, result.stderr
    assert "keep_prob forced to 1" in result.stdout
    assert "penalty included" in result.stdout
    found = json.loads(here("gradcheck", "small", "--json").stdout)
    assert found["passed"]
    assert found["verdict"] == "great"
    assert [point["updates"] > 0 for point in found["points"]] == [False, True]


def test_gradcheck_exits_1_on_a_wrong_gradient(small_study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gradient that is twice too large is found, and is exit status 1."""
    from typer.testing import CliRunner

    from tuner.cli.app import app
    from tuner.nn.cohort import Cohort

    right = Cohort.first_gradient
    monkeypatch.setattr(Cohort, "first_gradient", lambda self: right(self) * 2)
    result = CliRunner().invoke(app, ["gradcheck", "small"])
    assert result.exit_code == 1
    assert "wrong" in result.stdout


def test_schema_knows_the_sections_and_keys(here: Run) -> None:
    """What is printed is a JSON schema with every section of a definition."""
    schema = json.loads(here("schema").stdout)
    sections = {"data", "network", "training", "space", "search", "diagnosis", "notify"}
    assert set(schema["properties"]) == {"name", *sections}
    assert "patience" in json.dumps(schema)


def test_the_schema_that_ships_is_the_one_that_is_printed(here: Run) -> None:
    """``tuner schema > studies/study.schema.json`` renews it; the shipped study names it."""
    folder = Path(__file__).parents[2] / "studies"
    kept, printed = (folder / "study.schema.json").read_text(encoding="utf-8"), here("schema").stdout
    assert kept == printed, "renew it with: tuner schema > studies/study.schema.json"
    assert (folder / "digits.toml").read_text(encoding="utf-8").startswith("#:schema ./study.schema.json\n")


def test_an_augmentation_needs_an_image(small_study: Path, here: Run) -> None:
    """A strength without ``data.image`` is refused by its key."""
    small_study.write_text(SMALL_STUDY.replace("[space]", "[space]\nshift = 1"), encoding="utf-8")
    result = here("check", "small")
    assert result.returncode == 2
    assert "space.shift" in result.stderr
    assert "data.image" in result.stderr
