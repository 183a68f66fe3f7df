"""Claims: exact in number, ended with their owner, never two on one trial."""

from __future__ import annotations

import dataclasses
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.storage.conftest import DISTRIBUTIONS, drawn, make_study, outcome, take, take_and_draw
from tuner.errors import StorageError
from tuner.storage import (
    CLAIM_SECONDS,
    HEARTBEAT_SECONDS,
    Budget,
    Claim,
    Database,
    Owner,
    claim_trial,
    claims,
    delete_study,
    enqueue_trial,
    fail,
    leases,
    owner,
    read_sampled,
    read_study,
    renew,
    requeue,
    tables,
    write_outcome,
    write_sampled,
)

ELSEWHERE = Owner("elsewhere", "another boot", "another name space", 1, "1")
DEAD = dataclasses.replace(Owner.this_process(), started="1")


def owned(database: Database, claim: Claim, owner: Owner, expires_in: float = CLAIM_SECONDS) -> None:
    """Make a claim look as if another process held it."""
    mine = tables.claims.c.trial_id == claim.trial_id

    def work(connection: sa.Connection) -> None:
        values = {"owner": owner.to_json(), "expires": database.now(connection) + expires_in}
        connection.execute(tables.claims.update().where(mine).values(values))

    database.write(work)


def test_a_claim_looks_at_no_live_claims_elsewhere(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of other machines only those whose time is up, or whose clock was ahead; so a thousand workers cost no more."""
    study = make_study(database, budget=99)
    for expires_in in (CLAIM_SECONDS / 2, CLAIM_SECONDS / 2, 10 * CLAIM_SECONDS):
        owned(database, take(database, study), ELSEWHERE, expires_in)
    looked_at = []
    monkeypatch.setattr(leases, "death_of", lambda *claim: looked_at.append(claim))
    take(database, study)
    assert len(looked_at) == 1


def claim_or_none(database: Database, study_id: int, attempts: int = 3) -> Claim | None:
    """What a worker of this process gets."""
    return claim_trial(database, study_id, Budget("b"), max_attempts=attempts, owner=Owner.this_process())[0]


def claim_row(database: Database, claim: Claim) -> dict[str, Any]:
    """What is on record of a claim."""
    query = sa.select(tables.claims).where(tables.claims.c.trial_id == claim.trial_id)
    with database.reading() as connection:
        return dict(connection.execute(query).one()._mapping)


@contextmanager
def unanswered_commits(database: Database) -> Iterator[None]:
    """Every transaction's first commit takes effect, but the connection is lost before the answer is there."""
    lost = False

    def commit(connection: sa.Connection) -> None:
        nonlocal lost
        lost = not lost
        if lost:
            assert connection.connection.dbapi_connection is not None
            connection.connection.dbapi_connection.commit()
            raise OperationalError("COMMIT", {}, Exception("terminating connection due to administrator command"))

    sa.event.listen(database.engine, "commit", commit)
    yield
    sa.event.remove(database.engine, "commit", commit)


def test_a_commit_whose_answer_is_lost_takes_effect_once(database: Database) -> None:
    """A worker's writes are sent again, find themselves done, and a trial is neither taken nor told twice."""
    study = make_study(database, budget=9)
    with unanswered_commits(database):
        claim = take(database, study)
        assert write_sampled(database, claim, study, drawn(), DISTRIBUTIONS)
        assert renew(database, claim)
        write_outcome(database, claim, study, outcome())
        second = take(database, study)
        requeue(database, second)
        third = take(database, study)
        fail(database, third, "crashed")
    assert (claim.number, second.number, third.number, third.attempt) == (0, 1, 1, 1)
    first, failed = read_study(database, "made").trials
    assert (first.state, len(first.networks), first.params) == ("complete", 1, drawn().hyperparameters)
    assert failed.state == "failed"


@contextmanager
def refused_commits(database: Database) -> Iterator[None]:
    """Every transaction's first commit takes no effect, as if the server had ended before it came."""
    refused = False

    def commit(connection: sa.Connection) -> None:
        nonlocal refused
        refused = not refused
        if refused:
            assert connection.connection.dbapi_connection is not None
            connection.connection.dbapi_connection.rollback()
            raise OperationalError("COMMIT", {}, Exception("terminating connection due to administrator command"))

    sa.event.listen(database.engine, "commit", commit)
    yield
    sa.event.remove(database.engine, "commit", commit)


def test_a_commit_that_takes_no_effect_is_sent_again(database: Database) -> None:
    """A worker's writes find themselves undone, and are done."""
    study = make_study(database, budget=9)
    with refused_commits(database):
        claim = take(database, study)
        assert write_sampled(database, claim, study, drawn(), DISTRIBUTIONS)
        assert write_outcome(database, claim, study, outcome())
    assert (claim.number, claim.attempt) == (0, 1)
    assert [trial.state for trial in read_study(database, "made").trials] == ["complete"]


@pytest.mark.parametrize("ended", ["finished", "failed", "re-queued"])
def test_an_ended_claim_is_not_ended_again(database: Database, ended: str) -> None:
    """Its owner may be gone and its time be up: a trial that nobody runs stays as it is."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    if ended == "finished":
        assert write_outcome(database, claim, study, outcome())
    elif ended == "failed":
        assert fail(database, claim, "out of memory")
    else:
        assert requeue(database, claim)
    owned(database, claim, DEAD, expires_in=-1)
    before = read_study(database, "made").trials[0]
    with database.reading() as connection:
        now = database.now(connection)
    database.write(lambda connection: claims._end_dead_claims(connection, study, now, 3))
    after = read_study(database, "made").trials[0]
    assert (after.state, after.reason, after.finished) == (before.state, before.reason, before.finished)


@pytest.mark.parametrize(
    ("owner", "expires", "expected"),
    [(ELSEWHERE, 9.9, True), (ELSEWHERE, 10.0, False), (ELSEWHERE, 10.1, False), (DEAD, 10.1, True), (DEAD, 9.9, True)],
)
def test_a_claim_is_dead_once_its_time_is_up_or_its_owner_gone(owner: Owner, expires: float, expected: bool) -> None:
    """Either is enough; at the very moment of its expiry it still holds."""
    assert (leases.death_of(owner.to_json(), expires, 10.0) is not None) is expected


def test_a_trial_that_waits_was_never_started(database: Database) -> None:
    """A hand-picked trial has no start before somebody takes it."""
    study = make_study(database)
    enqueue_trial(database, study, {"alpha": 0.5}, DISTRIBUTIONS)
    assert read_study(database, "made").trials[0].started is None


def test_trials_are_numbered_from_zero_and_end_with_the_budget(database: Database) -> None:
    """Running trials count: nobody starts what would be one too many."""
    study = make_study(database, budget=3)
    assert [take(database, study).number for _ in range(3)] == [0, 1, 2]
    claim, standing = claim_trial(database, study, Budget("b"), max_attempts=3, owner=Owner.this_process())
    assert claim is None
    assert (standing.counted, standing.running, standing.allowed) == (0, 3, 3)
    assert not standing.is_complete


def test_a_finished_trial_counts_and_a_failed_one_does_not(database: Database) -> None:
    """Complete and pruned trials fill the budget; a failed one is replaced under a new number."""
    study = make_study(database, budget=2)
    first, second = take_and_draw(database, study), take_and_draw(database, study)
    assert write_outcome(database, first, study, outcome(pruned=True))
    assert fail(database, second, "out of memory")
    third = take_and_draw(database, study)
    assert third.number == 2
    assert write_outcome(database, third, study, outcome())
    assert claim_or_none(database, study) is None


def test_a_call_adds_exactly_its_own_number(database: Database) -> None:
    """``extra`` counts the trials of one call alone, beyond a full budget too."""
    study = make_study(database, budget=1)
    assert write_outcome(database, take_and_draw(database, study), study, outcome())
    for _ in range(2):
        assert write_outcome(database, take_and_draw(database, study, call="more", extra=2), study, outcome())
    claim, standing = claim_trial(database, study, Budget("more", 2), max_attempts=3, owner=Owner.this_process())
    assert claim is None
    assert (standing.counted, standing.running, standing.allowed) == (2, 0, 2)
    assert standing.is_complete


def test_a_requeued_trial_is_the_next_to_run(database: Database) -> None:
    """The same number with the same parameters and seed; the interrupted attempt does not count."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    take_and_draw(database, study)
    assert requeue(database, claim, b"checkpoint")
    again = take(database, study)
    assert (again.number, again.attempt, again.checkpoint) == (0, 1, b"checkpoint")
    assert again.token != claim.token
    assert read_sampled(database, again.trial_id, DISTRIBUTIONS) == (drawn(0), {})


def test_a_dead_process_of_this_machine_is_noticed_at_once(database: Database) -> None:
    """No expiry is waited for; the attempts are counted and the reason is kept."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, DEAD)
    again = take(database, study)
    assert (again.number, again.attempt) == (0, 2)
    reason = read_study(database, "made").trials[0].reason
    assert reason is not None
    assert "crashed" in reason
    assert f"process {DEAD.pid}" in reason


def test_a_process_elsewhere_is_trusted_until_its_claim_expires(database: Database) -> None:
    """Another machine's process may live though it is not seen here."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE)
    assert take(database, study).number == 1
    owned(database, claim, ELSEWHERE, expires_in=-1)
    assert take(database, study).number == 0


def test_a_living_process_of_this_machine_is_trusted_until_its_claim_expires(database: Database) -> None:
    """A process that was stopped for longer than the expiry loses its trial."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    assert take(database, study).number == 1
    owned(database, claim, Owner.this_process(), expires_in=-1)
    assert take(database, study).number == 0


def test_a_heartbeat_pushes_the_expiry_on(database: Database) -> None:
    """A renewed claim is good for another minute."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE, expires_in=-1)
    assert renew(database, claim)
    assert take(database, study).number == 1


def test_whoever_lost_a_claim_changes_nothing(database: Database) -> None:
    """Neither heartbeat, draw, result, failure nor putting back of the old owner touches the new one's trial."""
    study = make_study(database)
    lost = take_and_draw(database, study)
    owned(database, lost, DEAD)
    now = take(database, study)
    assert not renew(database, lost)
    assert not write_sampled(database, lost, study, drawn(5), DISTRIBUTIONS)
    assert not write_outcome(database, lost, study, outcome(0.9))
    assert not fail(database, lost, "late")
    assert not requeue(database, lost)
    assert write_outcome(database, now, study, outcome(0.1))
    assert not write_outcome(database, lost, study, outcome(0.9))
    record = read_study(database, "made").trials[0]
    assert (record.state, record.value, len(record.networks)) == ("complete", 0.1, 1)


def test_a_trial_begun_too_often_fails_with_its_reason(database: Database) -> None:
    """After ``max_attempts`` crashes the trial is told as failed, and a new number takes its place."""
    study = make_study(database, budget=1)
    for attempt in (1, 2):
        claim = take(database, study, attempts=2)
        assert (claim.number, claim.attempt) == (0, attempt)
        owned(database, claim, DEAD)
    assert take(database, study, attempts=2).number == 1
    record = read_study(database, "made").trials[0]
    assert (record.state, record.stop_reason, record.attempts) == ("failed", None, 2)
    assert record.reason is not None
    assert "attempt 2" in record.reason


def test_a_trial_that_was_drawn_and_begun_too_often_says_that_it_failed(database: Database) -> None:
    """What stopped it is on record beside its parameters; it has ended, and it is nobody's."""
    study = make_study(database, budget=1)
    claim = take_and_draw(database, study)
    owned(database, claim, DEAD)
    assert claim_or_none(database, study, attempts=1) is not None
    record = read_study(database, "made").trials[0]
    assert (record.state, record.stop_reason, record.params["alpha"]) == ("failed", "failed", 0.1)
    assert record.started is not None
    assert record.finished is not None
    assert record.started <= record.finished
    assert claim_row(database, claim)["token"] is None


def test_a_finished_trial_is_nobodys(database: Database) -> None:
    """Its claim has ended with its record, in the same transaction: a second record is refused."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    assert write_outcome(database, claim, study, outcome())
    assert (claim_row(database, claim)["token"], claim_row(database, claim)["reason"]) == (None, None)
    assert not write_outcome(database, claim, study, outcome())


def test_a_failed_trial_says_that_it_failed(database: Database) -> None:
    """The reason with its claim, the kind of end with its parameters; its checkpoint is of no use any more."""
    study = make_study(database)
    assert requeue(database, take_and_draw(database, study), b"checkpoint")
    claim = take(database, study)
    assert fail(database, claim, "out of memory")
    record = read_study(database, "made").trials[0]
    assert (record.state, record.stop_reason, record.reason) == ("failed", "failed", "out of memory")
    assert record.finished is not None
    assert {key: claim_row(database, claim)[key] for key in ("token", "checkpoint")} == {
        "token": None,
        "checkpoint": None,
    }


@pytest.mark.parametrize("ended", ["re-queued", "crashed"])
def test_a_trial_that_waits_again_has_not_started(database: Database, ended: str) -> None:
    """Its start is the next attempt's: a trial that waits has none, as one that was never begun."""
    study = make_study(database, budget=1)
    claim = take_and_draw(database, study)
    assert read_study(database, "made").trials[0].started is not None
    if ended == "re-queued":
        assert requeue(database, claim)
    else:
        owned(database, claim, DEAD)
        with database.reading() as connection:
            now = database.now(connection)
        database.write(lambda connection: claims._end_dead_claims(connection, study, now, 3))
    record = read_study(database, "made").trials[0]
    assert (record.state, record.started, record.finished) == ("waiting", None, None)
    assert record.reason is not None
    assert record.reason.startswith(ended)
    take(database, study)
    assert read_study(database, "made").trials[0].started is not None


def test_a_crash_keeps_the_checkpoint(database: Database) -> None:
    """What an earlier attempt left is where the next one goes on."""
    study = make_study(database)
    assert requeue(database, take_and_draw(database, study), b"checkpoint")
    claim = take(database, study)
    owned(database, claim, DEAD)
    again = take(database, study)
    assert (again.number, again.attempt, again.checkpoint) == (0, 2, b"checkpoint")


def test_a_finished_trial_keeps_no_checkpoint(database: Database) -> None:
    """It may be large, and nobody goes on with it."""
    study = make_study(database)
    assert requeue(database, take_and_draw(database, study), b"checkpoint")
    claim = take(database, study)
    assert write_outcome(database, claim, study, outcome())
    assert (claim_row(database, claim)["token"], claim_row(database, claim)["checkpoint"]) == (None, None)


def test_a_clock_set_back_keeps_nobody_waiting(database: Database) -> None:
    """A claim that seems to last for hours was made before the clock was set back: it is shortened."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    owned(database, claim, ELSEWHERE, expires_in=7200)
    assert take(database, study).number == 1
    query = sa.select(tables.claims.c.expires).where(tables.claims.c.trial_id == claim.trial_id)
    with database.reading() as connection:
        expires = connection.execute(query).scalar_one()
        assert 0 <= database.now(connection) + CLAIM_SECONDS - expires < CLAIM_SECONDS / 2


def test_a_process_started_later_with_the_same_number_is_another() -> None:
    """Process numbers are used again; the start time tells the two apart."""
    here = Owner.this_process()
    assert not here.is_gone()
    assert dataclasses.replace(here, started="1").is_gone()
    assert not dataclasses.replace(here, boot="another", started="1").is_gone()
    assert Owner.from_json(here.to_json()) == here


def test_a_hidden_process_is_not_taken_for_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """``/proc`` may show nothing of it (hidepid=2): one that takes a signal lives, and its claim expires or not."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    living = dataclasses.replace(Owner.this_process(), pid=process.pid)

    def hidden(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", hidden)
    assert not living.is_gone()
    process.communicate()
    assert living.is_gone()


def test_a_process_that_ended_is_gone_even_while_its_parent_has_not_noticed() -> None:
    """A zombie still has its number and its start, but runs nothing."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    started = owner._started(process.pid)
    assert started is not None
    other = dataclasses.replace(Owner.this_process(), pid=process.pid, started=started)
    assert not other.is_gone()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie until it is waited for
    assert psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE
    assert other.is_gone()
    process.communicate()
    assert other.is_gone()


def test_a_process_that_may_not_be_looked_at_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's process may be hidden: only the expiry ends its claims."""

    def hidden(self: psutil.Process) -> str:
        raise psutil.AccessDenied(self.pid)

    monkeypatch.setattr(psutil.Process, "status", hidden)
    assert not Owner.this_process().is_gone()
    assert not dataclasses.replace(Owner.this_process(), started="1").is_gone()


@pytest.mark.parametrize("field", ["boot", "started"])
def test_what_is_not_known_of_a_process_is_no_sign_of_its_end(field: str) -> None:
    """Where a system does not say, a claim ends by its expiry alone."""
    assert not dataclasses.replace(DEAD, **{field: "unknown"}).is_gone()


def test_a_process_of_another_container_is_not_gone() -> None:
    """Its number means another process here."""
    assert not dataclasses.replace(DEAD, namespace="pid:[1]").is_gone()


@pytest.mark.skipif(not psutil.LINUX, reason="compares with Linux's own table of processes")
def test_a_start_is_counted_as_the_first_version_did() -> None:
    """Owners on record are noted in clock ticks since boot; a start that is one second off is the same."""
    ticks = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    here = Owner.this_process()
    assert abs(int(here.started) - int(ticks)) <= 1
    assert not dataclasses.replace(here, started=str(int(ticks) + 100)).is_gone()
    assert dataclasses.replace(here, started=str(int(ticks) + 1000)).is_gone()


def test_an_owner_names_its_process() -> None:
    """As a person looks for it."""
    assert str(ELSEWHERE) == "process 1 on elsewhere"
    assert Owner.this_process().pid == os.getpid()
    assert Owner.this_process().host == socket.gethostname()


@pytest.mark.skipif(not psutil.LINUX, reason="compares with what Linux says of itself")
def test_an_owner_names_its_boot_and_its_name_space() -> None:
    """As the kernel names them, so that no other boot's and no other container's process is taken for it."""
    here = Owner.this_process()
    assert here.boot == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert here.namespace == os.readlink("/proc/self/ns/pid")


def test_a_deleted_study_is_a_clear_line(database: Database) -> None:
    """A worker whose study was deleted learns so."""
    study = make_study(database)
    claim = take_and_draw(database, study)
    delete_study(database, "made")
    assert not renew(database, claim)
    with pytest.raises(StorageError, match="deleted"):
        write_outcome(database, claim, study, outcome())
    with pytest.raises(StorageError, match="deleted"):
        take(database, study)


def test_a_claim_lasts_as_long_as_it_says(sqlite: Database) -> None:
    """Four heartbeats fit into an expiry."""
    study = make_study(sqlite)
    began = time.time()
    claim = take(sqlite, study)
    expires = claim_row(sqlite, claim)["expires"]
    assert began + CLAIM_SECONDS <= expires <= time.time() + CLAIM_SECONDS
    assert CLAIM_SECONDS == 4 * HEARTBEAT_SECONDS
    assert claim.attempt == 1
