"""What a report says, whatever it is shown on: the verdict in sentences, next actions, remarks, summary."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from tuner.analysis import Action
from tuner.outcomes import Level
from tuner.reporting.advice import advise
from tuner.reporting.frames import dev_error, train_error
from tuner.reporting.notes import remarks, warned
from tuner.reporting.numbers import Numbers
from tuner.reporting.sentences import assumption, figures_sentence, gap_sentence, headline, weighted_sentence


class Content(Numbers):
    """The numbers and what they say."""

    @property
    def sentences(self) -> list[str]:
        """The verdict in plain sentences: what it is, the figures that carry it, the gaps, what is assumed."""
        told = [headline(self.diagnosis), figures_sentence(self.diagnosis, len(self.findings.judged))]
        if (weighted := self.findings.weighted) is not None:
            told.append(weighted_sentence(self.findings.metric, weighted))
        told += [
            gap_sentence(self.diagnosis, name)
            for name, gap in self.diagnosis.gaps.items()
            if name in ("avoidable_bias", "variance") or gap.level == Level.HIGH
        ]
        return [sentence for sentence in [*told, assumption(self.diagnosis)] if sentence]

    @cached_property
    def actions(self) -> list[Action]:
        """What to do next, the most useful first."""
        return advise(self)

    @property
    def warned(self) -> list[str]:
        """What makes every number doubtful, to be read before any of them is believed."""
        return warned(self)

    @cached_property
    def remarks(self) -> list[str]:
        """What else has to be known: what the dev set cannot tell, looks at the test set, what is still running."""
        return remarks(self)

    @property
    def summary(self) -> dict[str, Any]:
        """What ``summary.json`` holds and ``tuner report --json`` prints."""
        return {
            "study": self.record.name,
            "trials": self.record.count(),
            "best": self._best_dict(),
            **self.diagnosis.to_dict(),
            "actions": [action.to_dict() for action in self.actions],
            **({} if self.learning is None else {"learning_curve": self.learning.to_dict()}),
            **({} if self.news is None else {"since": self.news.to_dict()}),
        }

    def _best_dict(self) -> dict[str, Any] | None:
        best = self.best
        if best is None:
            return None
        errors: dict[str, Any] = {"dev_error": dev_error(best), "train_error": train_error(best)}
        if (weighted := self.findings.weighted) is not None:
            errors[self.findings.metric.name] = {key: getattr(weighted, key) for key in ("value", "low", "high")}
        return {"number": best.number, **errors, "params": best.params}
