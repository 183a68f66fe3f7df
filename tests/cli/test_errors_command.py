"""``tuner errors``: the wrong dev rows with their lines, confusions, and labels that look wrong."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tuner
from tests.cli.conftest import place
from tests.modeling.conftest import searched
from tests.running.conftest import command
from tuner.analysis import wilson
from tuner.errors import DataError, UsageError

__all__ = ["place", "searched"]


def found(*arguments: object) -> dict[str, object]:
    """The JSON of ``tuner errors mixed ARGUMENTS``."""
    status, output, _ = command("errors", "mixed", *arguments, "--json")
    assert status == 0
    document: dict[str, object] = json.loads(output)
    return document


def test_wrong_rows_have_their_line_and_cells(place: Path) -> None:
    """What stands on the named line of the file is shown, its class is what is given, and no wrong row is left out."""
    document = found("--rows", "1000")
    lines = (place / "studies" / "mixed.csv").read_text("utf-8").splitlines()
    rows = [row for row in document["rows"] if row["given"] != row["predicted"]]  # type: ignore[attr-defined]
    for row in rows:
        cells = lines[int(row["place"].removeprefix("line ")) - 1].split(",")
        assert cells[-1] == row["given"]
        assert float(cells[0]) == row["length"]
        assert 0 < row["confidence"] <= 1
        assert 0 < row["wrong_in"] <= 1
    best = tuner.load_study("mixed").report().best
    assert best is not None
    assert document["wrong"] == len(rows) == best.networks[0].dev_wrong
    assert sum(pair["rows"] for pair in document["confusions"]) == len(rows)  # type: ignore[attr-defined]


def test_folds_and_memory(place: Path) -> None:
    """With folds every row outside the test set is judged; from Python the same is a frame, in memory too."""
    frame = tuner.load_study("folded").errors()
    assert list(frame.columns[:6]) == ["place", "given", "predicted", "confidence", "wrong_in", "suspected"]
    assert frame["place"].is_unique
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=120), "given": rng.normal(size=120)})
    study = tuner.search(
        X, target=(X["a"] + rng.normal(size=120) > 0).to_numpy(), trials=2, references="none", progress=False
    )
    own = study.errors()
    assert len(own)
    assert (own["place"].str.removeprefix("row ").astype(int).map(X["a"]) == own["a"]).all()
    assert "given_" in own.columns


def test_suspects_are_written_with_all_columns(place: Path) -> None:
    """A CSV file has the rows whose label looks wrong, each with the class it looks like; nothing is replaced."""
    status, output, _ = command("errors", "mixed", "--suspects", "--csv", "fix.csv")
    assert status == 0
    with (place / "fix.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert f"written: fix.csv ({len(rows)} row" in output
    assert len(rows) == found()["suspected"]
    assert all(row["suspected"] not in ("", row["given"]) for row in rows)
    assert command("errors", "mixed", "--suspects", "--csv", "fix.csv", "--force")[0] == 0
    status, _, errors = command("errors", "mixed", "--csv", "fix.csv")
    assert status == 2
    assert "fix.csv: already exists" in errors


def test_a_person_reads_confusions_first(place: Path) -> None:
    """Then the rows, as many as were asked for, with numbers as the file has them."""
    _, output, _ = command("errors", "mixed", "--rows", "1")
    assert output.index("given  predicted  rows") < output.index("shown: 1 of ")
    assert "look" in output
    lines = (place / "studies" / "mixed.csv").read_text("utf-8").splitlines()
    (row,) = (line.split() for line in output.splitlines() if line.startswith("line "))
    assert lines[int(row[1]) - 1].split(",")[:3] == row[7:10]


@pytest.mark.parametrize("name", ["mixed", "folded"])
def test_segments_that_are_named_add_up(place: Path, name: str) -> None:
    """Each dev row is in one, and so is each training row of a network; their errors are those of the trial."""
    file = place / "studies" / f"{name}.toml"
    file.write_text(file.read_text("utf-8") + '\n[diagnosis]\nsegments = ["color"]\n', "utf-8")
    named = json.loads(command("errors", name, "--json")[1])["segments"]["named"]
    assert named[-1]["segment"] == "color missing"
    best = tuner.load_study(name).report().best
    assert best is not None
    networks = best.networks
    dev, train = (
        sum(one[f"{kind}_error"]["value"] * one[f"{kind}_rows"] for one in named) for kind in ("dev", "train")
    )
    assert dev == pytest.approx(sum(one.dev_wrong for one in networks))
    assert train == pytest.approx(np.mean([one.train_wrong for one in networks]), abs=1)
    assert sum(one["train_rows"] for one in named) == pytest.approx(networks[0].n_train, abs=2)
    assert sum(one["share_of_error"] for one in named) == pytest.approx(1)
    assert "color = red" in command("errors", name)[1]


def test_rows_count_by_their_weights(workplace: Path) -> None:
    """In segments, tally, ceiling and eyeball, so that they add up to the errors of the report."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=300), "region": rng.choice(["north", "south"], 300)})
    frame["weight"] = np.where(frame["region"] == "south", 4, 1)
    frame["class"] = np.where(frame["a"] + rng.normal(0, 0.7, 300) > 0, "yes", "no")
    frame.to_csv("weighted.csv", index=False)
    Path("weighted.toml").write_text(
        'name = "weighted"\n[data]\nsource = "weighted.csv"\ntarget = "class"\nweight = "weight"\neyeball = 0.5\n'
        '[training]\nmax_epochs = 3\nmin_updates = 0\n[search]\ntrials = 1\n[diagnosis]\nsegments = ["region"]\n',
        "utf-8",
    )
    assert command("search", "weighted.toml", "--quiet")[0] == 0
    document = json.loads(command("errors", "weighted.toml", "--tally", "tags.csv", "--json")[1])
    best = json.loads(command("report", "weighted.toml", "--json")[1])["best"]
    named, eyeball = document["segments"]["named"], document["eyeball"]
    wrong = tuner.load_study("weighted.toml").report().wrong_rows
    assert wrong is not None
    assert wrong.segments is not None
    assert set(wrong.segments.frame["dev_error.value"]) >= {one["dev_error"]["value"] for one in named}
    assert sum(one["dev_error"]["value"] * one["share_of_rows"] for one in named) == pytest.approx(best["dev_error"])
    train = [
        one["train_error"]["value"] * one["train_rows"] * {"north": 1, "south": 4}[one["segment"][9:]] for one in named
    ]
    rows = [one["train_rows"] * {"north": 1, "south": 4}[one["segment"][9:]] for one in named]
    assert sum(train) / sum(rows) == pytest.approx(best["train_error"])
    assert named[1]["dev_error"]["low"] < named[1]["dev_error"]["value"]
    assert f"; {100 * best['dev_error']:.1f}% by weight)" in command("errors", "weighted.toml")[1]
    table = pd.read_csv("tags.csv").assign(tag=lambda rows: rows["region"])
    table.to_csv("tags.csv", index=False)
    tags = json.loads(command("errors", "weighted.toml", "--tally", "tags.csv", "--json")[1])["tally"]["tags"]
    south = table["region"].eq("south").sum() * 4
    share = {tag["tag"]: tag["share"]["value"] for tag in tags}
    assert share["south"] == pytest.approx(south / (south + table["region"].eq("north").sum()))
    assert sum(tag["ceiling"]["value"] for tag in tags) == pytest.approx(best["dev_error"])
    assert eyeball["seen"]["low"] < eyeball["seen"]["value"] < eyeball["seen"]["high"]


def test_a_segment_of_no_column_is_refused(place: Path) -> None:
    """With the nearest name."""
    file = place / "studies" / "mixed.toml"
    file.write_text(file.read_text("utf-8") + '\n[diagnosis]\nsegments = ["colors"]\n', "utf-8")
    status, _, errors = command("errors", "mixed")
    assert status == 2
    assert "segments: no column 'colors' in the data; did you mean 'color'?" in errors


def test_tags_add_up(place: Path) -> None:
    """A file of wrong rows to be tagged; filled, its tags have shares and ceilings, and it is never written again."""
    status, output, errors = command("errors", "mixed", "--tally", "tags.csv")
    assert status == 0, errors
    assert "written: tags.csv" in output
    table = pd.read_csv("tags.csv", dtype={"tag": object})
    document = found("--rows", "1000")
    assert 0 < len(table) == min(100, document["wrong"])  # type: ignore[call-overload]
    assert table["tag"].isna().all()
    assert (table["given"] != table["predicted"]).all()
    status, _, errors = command("errors", "mixed", "--tally", "tags.csv")
    assert status == 2
    assert "tags.csv: no row has a tag yet" in errors
    n = len(table)
    table["tag"] = ["blurred", *["label; blurred"] * 2, *["label"] * (n - 3)]
    table.to_csv("tags.csv", index=False, sep=";", quoting=csv.QUOTE_ALL)
    before = Path("tags.csv").read_bytes()
    tally = found("--tally", "tags.csv")["tally"]
    first, second = tally["tags"]  # type: ignore[index]
    assert (first["tag"], first["rows"], second["tag"], second["rows"]) == ("label", n - 1, "blurred", 3)
    error = document["wrong"] / document["dev_rows"]  # type: ignore[operator]
    assert first["ceiling"]["value"] == pytest.approx(error * (n - 1) / n)
    low, high = wilson(3, n)
    assert (second["share"]["low"], second["share"]["high"]) == (pytest.approx(low), pytest.approx(high))
    assert Path("tags.csv").read_bytes() == before
    assert "of the errors: without it the dev error would be" in command("errors", "mixed", "--tally", "tags.csv")[1]


def test_the_report_shows_tags(place: Path) -> None:
    """Page, Markdown, JSON, terminal and Python have the tally of a file; what cannot be added up is refused."""
    command("errors", "mixed", "--tally", "tags.csv")
    pd.read_csv("tags.csv").assign(tag="torn <label>").to_csv("tags.csv", index=False)
    status, output, errors = command("report", "mixed", "--tally", "tags.csv")
    assert status == 0, errors
    folder = place / "reports" / "mixed"
    page, text, summary = ((folder / name).read_text("utf-8") for name in ("report.html", "report.md", "summary.json"))
    assert "torn <label> is 100.0% of the errors" in " ".join(output.split())
    assert "<h3>Tally</h3>" in page
    assert '<th scope="row">torn &lt;label&gt;</th>' in page
    assert r"| torn \<label\> |" in text
    (tag,) = json.loads(summary)["wrong_rows"]["tally"]["tags"]
    tally = tuner.load_study("mixed").report(tally="tags.csv").tally
    assert tally is not None
    assert tag["share"]["low"] == tally.tags[0].share[1] == tally.frame["share.low"].item() < 1
    for arguments, message in (
        (("mixed", "--tally", "gone.csv"), "gone.csv: no such file; tuner errors mixed --tally gone.csv writes it"),
        (("mixed", "folded", "--tally", "tags.csv"), "--tally: expected one study, got a comparison"),
    ):
        status, _, errors = command("report", *arguments, "--output", "other")
        assert (status, message in errors) == (2, True), errors
        assert not Path("other").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "line 1: no column 'tag'; expected a file that tuner errors --tally wrote"),
        ("tag,given\nx,good\n", "line 1: no column 'place'"),
        ("tag,place,given\nx,{place},other\n", "made for other data: 1 of 1 tagged row with other cells than in"),
        ("tag,place,price\nx,{place},3\n", "made for other data: 1 of 1 tagged row with other cells than in"),
        ("tag,place\nx,line 9999\n", "none of its tagged rows (line 9999) is among those that trial"),
        ("\ufffe\n".encode("utf-16").decode("latin-1"), "no column 'tag'"),
    ],
)
def test_a_file_that_is_no_tally_is_refused(place: Path, text: str, message: str) -> None:
    """And left as it is."""
    wrong = found("--rows", "1")["rows"][0]["place"]  # type: ignore[index]
    text, message = (each.replace("{place}", wrong) for each in (text, message))
    Path("tags.csv").write_text(text, "utf-8")
    status, _, errors = command("errors", "mixed", "--tally", "tags.csv")
    assert status == 2
    assert message in errors
    assert Path("tags.csv").read_text("utf-8") == text


def test_a_share_of_the_dev_rows_is_looked_at(place: Path) -> None:
    """The others are in no list, the study stays the same, and both errors add up to that of all."""
    file = place / "studies" / "mixed.toml"
    every = found("--rows", "1000")
    file.write_text(file.read_text("utf-8").replace("[data]", "[data]\neyeball = 0.3"), "utf-8")
    document = found("--rows", "1000")
    places = {row["place"] for row in document["rows"]}  # type: ignore[attr-defined]
    assert places < {row["place"] for row in every["rows"]}  # type: ignore[attr-defined]
    eyeball = document["eyeball"]
    seen, other = eyeball["seen"], eyeball["black_box"]  # type: ignore[index]
    assert seen["n"] == round(0.3 * document["dev_rows"])  # type: ignore[operator]
    assert seen["value"] * seen["n"] == sum(
        row["given"] != row["predicted"]
        for row in document["rows"]  # type: ignore[attr-defined]
    )
    assert seen["value"] * seen["n"] + other["value"] * other["n"] == pytest.approx(document["wrong"])
    assert command("search", "mixed")[0] == 0
    assert command("report", "mixed")[0] == 0
    assert "of the dev rows are shown (eyeball)" in (place / "reports" / "mixed" / "report.md").read_text("utf-8")


def test_the_report_has_the_rows(place: Path) -> None:
    """Page, Markdown, JSON and Python, without the data's columns where programs read."""
    assert command("report", "mixed")[0] == 0
    folder = place / "reports" / "mixed"
    wrong = json.loads((folder / "summary.json").read_text("utf-8"))["wrong_rows"]
    page, text = ((folder / name).read_text("utf-8") for name in ("report.html", "report.md"))
    assert '<section id="wrong-rows">' in page
    assert "## Wrong rows" in text
    first = wrong["rows"][0]
    assert list(first) == ["place", "given", "predicted", "confidence", "wrong_in", "suspected"]
    assert first["place"] in page
    assert first["place"] in text
    study = tuner.load_study("mixed")
    assert study.report().errors()["place"].tolist() == study.errors()["place"].tolist()


def test_a_report_says_why_it_has_no_rows(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a large file the command that reads it; of a changed one what changed.  Tags of the rows are refused."""
    monkeypatch.setattr("tuner.reporting.report.LARGEST_DATA", 1000)
    folder = place / "reports" / "mixed"
    assert command("report", "mixed")[0] == 0
    text = (folder / "report.md").read_text("utf-8").replace("\\", "")
    assert re.search(r"Not shown: mixed\.csv has [\d.]+ kB, and a report reads at most 1 kB again\.", text)
    assert "tuner errors mixed --html reads all of it" in text
    assert "Not shown: mixed.csv has" in (folder / "report.html").read_text("utf-8")
    Path("tags.csv").write_text("tag,place\nx,line 2\n", "utf-8")
    status, _, errors = command("report", "mixed", "--tally", "tags.csv")
    assert status == 2
    assert "tags.csv: cannot be added up in the report: mixed.csv has" in errors
    (place / "studies" / "mixed.csv").write_text("length,class\n1,good\n", "utf-8")
    assert command("report", "mixed")[0] == 0
    assert "Not shown: " in (folder / "report.md").read_text("utf-8")


def test_a_page_has_the_rows(place: Path) -> None:
    """One file, replaced by the next, that loads nothing; cells of the data are text in it."""
    assert command("errors", "mixed", "--html", "--rows", "2")[0] == 0
    _, output, _ = command("errors", "mixed", "--html", "--output", "mine", "--json")
    assert json.loads(output)["html"] == "mine/mixed/errors.html"
    page = (place / "mine" / "mixed" / "errors.html").read_text("utf-8")
    assert len(page) > len((place / "reports" / "mixed" / "errors.html").read_text("utf-8"))
    assert not re.search(r"(src|href)=\"(?!https://tuner-search)|<script|<img", page)
    assert "mixed.csv" in page


def test_what_cannot_be_shown_is_said(place: Path) -> None:
    """A trial that is not there or kept, and data that changed since."""
    with pytest.raises(UsageError, match="no predictions of trial 99 are kept, but of the best: 0, 1"):
        tuner.load_study("mixed").errors(trial=99)
    best = tuner.load_study("mixed").best.number
    with closing(sqlite3.connect(place / "studies" / "tuner.db")) as connection:
        connection.execute(
            "DELETE FROM tuner_predictions WHERE trial_id = (SELECT trial_id FROM trials WHERE number = ?)", [best]
        )
        connection.commit()
        with pytest.raises(UsageError, match=f"no predictions of trial {best} are kept, but of the best: {1 - best}"):
            tuner.load_study("mixed").errors()
        connection.execute("DELETE FROM tuner_predictions")
        connection.commit()
    status, _, errors = command("errors", "mixed")
    assert status == 2
    assert "no predictions of the dev rows are kept" in errors
    table = place / "studies" / "mixed.csv"
    table.write_text(table.read_text("utf-8").replace("red", "blue"), "utf-8")
    with pytest.raises(DataError, match="changed since study 'mixed' was searched"):
        tuner.load_study("mixed").errors()
