"""Write docs/reference/commands.md from the help, docs/reference/study-file.md from the schema, and examples/deploy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuner.cli.app import COMMANDS, command
from tuner.study import HYPERPARAMETERS, Range, definition_schema, expected_value
from tuner.workspace.deploying import JobFile

DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"
DEPLOYED = {"churn.slurm": "slurm", "churn.yaml": "kubernetes", "tuner-churn.service": "systemd", "churn.cron": "cron"}
"""Name of an example of a job file -> its kind."""
JOB = JobFile(
    kind="",
    study="churn",
    source="studies/churn.toml",
    storage="postgresql://tuner@db.example/tuner",
    folder="/srv/churn",
    tuner="/srv/churn/.venv/bin/tuner",
    user="tuner",
    image="registry.example/churn:latest",
    workers=4,
    jobs=4,
    minutes=300,
    megabytes=1024,
    measured="tuner check: 246 MB for 4 at a time. The limit allows for a report, too.",
)

REFERENCE = Path(__file__).parent / "reference"
WIDTH = 100
NETWORK = ("hidden", "activation")
GENERATED = "<!-- Written by docs/generate.py; a test fails if it is stale. -->"

EXAMPLE = """\
```toml
#:schema ./study.schema.json
name = "churn"

[data]
source = "churn.csv"                                  # relative to this file
target = "churned"

[network]
hidden = [64, 32]

[space]                                               # a plain value fixes a hyperparameter, a table searches it
lambda = { log_uniform = [1e-3, 10.0] }
keep_prob = { uniform = [0.5, 1.0] }
alpha = { log_uniform = [1e-2, 1.0] }
beta = { one_minus_log_uniform = [0.8, 0.99] }
batch_size = { power_of_two = [16, 128] }
initializer = { choice = ["he", "xavier", "lecun"] }

[search]
trials = 100

[diagnosis]                                           # may be changed at any time
baseline_error = { wrong = 26, of = 200 }             # a person was wrong on 26 of 200 examples
material_gap = 0.02
```"""


def pages() -> dict[str, str]:
    """Each generated page by its name."""
    return {"commands.md": commands_page(), "study-file.md": study_file_page()}


def commands_page() -> str:
    """Every command with its help as ``tuner COMMAND --help`` prints it."""
    group = command()
    parts = [
        "# Commands",
        GENERATED,
        "STUDY is a study file (TOML), a data file, or the name of a study: `studies/NAME.toml` in the current folder, "
        "else a study in the database, else an included one (digits, churn). Exit status: 0 done, 1 failed, 2 wrong "
        "usage, study file or data, 4 the best dev error is above `--fail-above`, 130 and 143 stopped by a signal. "
        "Options follow the command; every command takes `--traceback`.",
        "Shell completion, of study names too: `tuner --install-completion`.",
    ]
    for name, entry in COMMANDS.items():
        parts += [f"## tuner {name}", entry.help, f"```text\n{_help(group, name)}\n```"]
    return "\n\n".join(parts) + "\n"


def _help(group: Any, name: str) -> str:
    """Without the first sentence, which stands above it, and always as wide."""
    found = group.commands[name]
    with group.make_context("tuner", [], terminal_width=WIDTH, resilient_parsing=True) as above:
        context = type(above)(found, parent=above, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
        text = found.get_help(context)
    return "\n".join(line.rstrip() for line in text.replace(f"\n  {COMMANDS[name].help}\n", "").strip().splitlines())


def study_file_page() -> str:
    """Every key of a definition, section by section."""
    schema = definition_schema()
    definitions = schema["$defs"]
    parts = [
        "# The study file",
        GENERATED,
        "A study is defined in TOML. `tuner init DATA --target COL` writes one with ranges that suit the data and a "
        "comment on every line, and `tuner check STUDY` validates one. Its first line names a JSON schema, so that "
        "editors complete and check it (`tuner schema > studies/study.schema.json` renews the schema). An unknown "
        "key is refused, with the nearest known one.",
        EXAMPLE,
        "These make a study the same study: its name, the parsed `[data]`, `[network]`, `[training]` and `[space]`, "
        "metric, sampler, pruner and seed of `[search]`, and the data's fingerprint. Comments, the budget, "
        "`[diagnosis]` and `[notify]` may change. For anything else, `--name NEW --from OLD` starts a new study with "
        "what is known: the trials of OLD that NEW could have itself, with each hyperparameter in its range, at its "
        "fixed value or, if NEW does not set it, at its default. Other trials, for example those with a choice that "
        "was taken away, are not used.",
        "## name",
        _sentence(schema["properties"]["name"]["description"]),
    ]
    for section, title in (("data", "DataSettings"), ("network", "NetworkSection"), ("training", "TrainingSection")):
        parts += [f"## [{section}]", _table(definitions[title]["properties"])]
        if section == "data":
            parts += ["### split", _table(definitions["SplitSettings"]["properties"])]
            parts += ["### columns", _table(definitions["ColumnSettings"]["properties"])]
    parts += ["## [space]", SPACE, _hyperparameters(), "### Ranges", _ranges()]
    for section, title in (("search", "SearchSection"), ("diagnosis", "DiagnosisSection"), ("notify", "NotifySection")):
        parts += [f"## [{section}]", _table(definitions[title]["properties"])]
    return "\n\n".join(parts) + "\n"


SPACE = (
    "A plain value fixes a hyperparameter, a table with one range searches it. The first six are always shown. A "
    "hyperparameter that is left out has its default. With a custom trainer the names are those of your function.\n\n"
    "`keep_prob.1 = { uniform = [0.5, 1.0] }` searches the keep_prob of the first hidden layer alone, and "
    "`keep_prob.2 = 0.9` fixes that of the second; layers without a key of their own have `keep_prob`."
)


def _hyperparameters() -> str:
    lines = ["| hyperparameter | what it is | default | ranges |", "|---|---|---|---|"]
    for name, spec in HYPERPARAMETERS.items():
        options = f": {', '.join(spec.options)}" if spec.options else ""
        default = f"`[network] {name}`" if name in NETWORK else _code(spec.default)
        lines.append(f"| `{name}` | {_sentence(spec.help)}{options} | {default} | {', '.join(spec.kinds)} |")
    return "\n".join(lines)


def _ranges() -> str:
    lines = ["| range | means |", "|---|---|"]
    lines += [f"| `{name}` | {field.description or '[low, high]'} |" for name, field in Range.model_fields.items()]
    return "\n".join(lines)


def _table(properties: Mapping[str, Any]) -> str:
    """One line per key; a key without a description is an error."""
    lines = ["| key | what it is | values | default |", "|---|---|---|---|"]
    for name, found in properties.items():
        if "description" not in found:
            raise ValueError(f"the key {name} has no description")
        default = found.get("default")
        shown = "" if default is None or isinstance(default, dict) or default == [] else _code(default)
        lines.append(f"| `{name}` | {_sentence(found['description'])} | {expected_value(found)} | {shown} |")
    return "\n".join(lines)


def _code(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def _sentence(text: str) -> str:
    return text.replace("|", "\\|").replace("``", "`").replace("\n", " ")


if __name__ == "__main__":
    for page, content in pages().items():
        (REFERENCE / page).write_text(content, encoding="utf-8")
    for name, kind in DEPLOYED.items():
        (DEPLOY / name).write_text(replace(JOB, kind=kind).text, encoding="utf-8")
