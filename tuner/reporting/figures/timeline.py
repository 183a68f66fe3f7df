"""When each trial ran, and how many ran side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuner.formatting import count, duration, share
from tuner.outcomes import StopReason, TrialState
from tuner.reporting.figures.figure import Figure
from tuner.reporting.svg import Plot, cut, label_width, number, tag
from tuner.storage import Owner, TrialRecord

if TYPE_CHECKING:
    from tuner.reporting.report import Report

LANE, MOST_LANES = 18, 24
UNITS = (("days", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))
STATES = (TrialState.COMPLETE, TrialState.PRUNED, StopReason.DIVERGED, TrialState.FAILED)


def timeline(report: Report) -> Figure | None:
    """Draw one bar per trial, in a lane for each worker; of many workers, in as many as trials ran at once."""
    ran = sorted(
        (t for t in report.record.trials if t.started and t.finished and t.finished > t.started),
        key=lambda t: (t.started.timestamp() if t.started else 0.0, t.number),
    )
    if len(ran) < 2:
        return None
    begin = min(_seconds(trial)[0] for trial in ran)
    end = max(_seconds(trial)[1] for trial in ran)
    at_once = _lanes(ran)
    n_at_once = max(at_once.values()) + 1
    workers = list(dict.fromkeys(trial.worker for trial in ran))
    by_worker = None not in workers and len(workers) <= MOST_LANES
    lanes = {trial.number: workers.index(trial.worker) for trial in ran} if by_worker else at_once
    names = _names(workers) if by_worker else [str(lane + 1) for lane in range(n_at_once)]
    shown = min(len(names), MOST_LANES)
    unit, size = next((unit for unit in UNITS if end - begin >= 2 * unit[1]), UNITS[-1])
    plot = Plot(width=960, height=LANE * shown + 74, margins=(18, 20, 44, max(label_width(names), 60)))
    x = plot.x_scale(0, (end - begin) / size)
    plot.x_axis(x, f"time since the first trial, {unit}", lambda v: f"{v:g}")
    paths: dict[str, list[str]] = {}
    for trial in ran:
        if lanes[trial.number] >= shown:
            continue
        left, right = ((at - begin) / size for at in _seconds(trial))
        y = plot.top + LANE * (lanes[trial.number] + 0.5)
        a, b = float(x(left)), float(x(right))
        paths.setdefault(_state(trial), []).append(f"M{number(a)} {number(y)}h{number(max(b - a - 0.6, 0.6))}")
    for state, path in paths.items():
        plot.parts.append(tag("path", d="".join(path), class_=f"span {state}"))
    for lane in range(shown):
        plot.text(plot.left - 8, plot.top + LANE * (lane + 0.5) + 4, cut(names[lane], plot.left), "tick", "end")
    plot.text(2, plot.top - 6, "worker" if by_worker else "side by side", "axis")
    busy = sum(end - start for start, end in map(_seconds, ran))
    more = f" {len(names) - shown} more lanes are left out." if shown < len(names) else ""
    by = f" by {count(len(workers), 'worker')}" if by_worker else ""
    return Figure(
        title="When the trials ran",
        sentence=(
            f"{count(len(ran), 'trial')}{by} in {duration(end - begin)}, up to {n_at_once} at the same time; the lanes "
            f"were busy {share(busy / max((end - begin) * len(names), 1e-9))} of the time. Gaps are times without a "
            f"worker; long bars at the end keep the others waiting.{more}"
        ),
        svg=plot.svg("timeline", f"{count(len(ran), 'trial')} in {len(names)} lanes over {duration(end - begin)}"),
        legend=tuple((str(state), str(state)) for state in STATES if str(state) in paths),
        wide=True,
    )


def _names(workers: Sequence[Owner | None]) -> list[str]:
    """Name each worker by its process, and by its machine if there are several."""
    known = [worker for worker in workers if worker is not None]
    one_machine = len({worker.host for worker in known}) == 1
    return [f"process {worker.pid}" if one_machine else f"{worker.pid} on {worker.host}" for worker in known]


def _seconds(trial: TrialRecord) -> tuple[float, float]:
    assert trial.started is not None
    assert trial.finished is not None
    return trial.started.timestamp(), trial.finished.timestamp()


def _state(trial: TrialRecord) -> str:
    return str(StopReason.DIVERGED if trial.has_diverged else trial.state)


def _lanes(ran: list[TrialRecord]) -> dict[int, int]:
    """Return the first lane that is free when each trial starts."""
    free_at: list[float] = []
    lanes = {}
    for trial in ran:
        start, end = _seconds(trial)
        lane = next((k for k, free in enumerate(free_at) if free <= start), len(free_at))
        free_at[lane : lane + 1] = [end]
        lanes[trial.number] = lane
    return lanes
