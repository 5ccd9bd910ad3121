"""The runner: an experiment becomes a run folder, and an interrupted run goes on with the same bits."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from ..chip import ChipError
from ..chip.connect import known
from ..core.errors import DataError
from . import checkpoint, record, storage
from .chips import Chips, Opener
from .config import Experiment
from .costs import bill_of
from .session import Session, begin
from .threads import one_thread
from .versions import changes, versions
from .watch import Tick, Watcher


class Interrupted(KeyboardInterrupt):
    """A signal stopped a run after it had written a checkpoint.

    Arguments:
        folder: the run folder.
        where: how far the run is, in words.
        signal_number: of the signal.
    """

    def __init__(self, folder: Path, where: str, signal_number: int) -> None:
        self.folder, self.signal_number = folder, signal_number
        super().__init__(f"Stopped at {where}; a checkpoint is written. Go on with: memlearn resume {folder}")


def run(
    experiment: Experiment,
    out: Path,
    *,
    data_directory: Path | None = None,
    overwrite: bool = False,
    watcher: Watcher | None = None,
    chips: Mapping[str, Opener] | None = None,
) -> dict[str, Any]:
    """Train, and write the run folder.

    Arguments:
        experiment: all settings.
        out: the run folder; it must be new or empty.
        data_directory: folder of the data set's files; see `AbstractDataset.load`.
        overwrite: replace an earlier run in `out`; files that memlearn did not write stay.
        watcher: hears of the progress.
        chips: where arrays live that are not simulated, by name; each opens a chip in a folder that it is given.

    Returns:
        The figures, as result.json holds them.

    Raises:
        InputError: a setting or `out` cannot be used.
        DataError: the data is missing or damaged, or a file cannot be written.
        ChipError: a chip does not answer; `resume` goes on.
        Interrupted: Ctrl-C or a termination signal; `resume` goes on.
    """
    folder = Path(out)
    storage.check_free(folder, overwrite=overwrite)
    directory = None if data_directory is None else Path(data_directory).expanduser().absolute()
    with one_thread():
        session = begin(experiment, directory)
        known(session.main.model, chips or ())
        storage.claim(folder)
        storage.write_json(folder / storage.CONFIG, experiment.table())
        watcher = watcher or Watcher()
        with _on_chips(session, chips or {}, folder, watcher):
            _save(session, folder)
            return _train(session, folder, watcher)


def resume(
    folder: Path, *, watcher: Watcher | None = None, chips: Mapping[str, Opener] | None = None
) -> dict[str, Any]:
    """Go on with a run that was stopped or killed; a finished one just gives its figures.

    Arguments:
        folder: the run folder.
        watcher: hears of the progress.
        chips: as of `run`; the same names.

    Returns:
        The figures; all but times are those of a run that was never stopped, to the last bit.

    Raises:
        DataError: the folder holds no run, or its files or data are missing, damaged or changed.
        Interrupted: stopped again.
    """
    folder, watcher = Path(folder), watcher or Watcher()
    remedy = f"Name the folder that `memlearn run --out` wrote, or start anew with --out {folder} --overwrite."
    table = storage.read_json(folder / storage.CONFIG, remedy=remedy)
    if not isinstance(table, dict):
        raise DataError(f"{folder / storage.CONFIG}: holds no experiment. {remedy}")
    experiment = Experiment.from_table(table)
    if (folder / storage.RESULT).exists():
        watcher.note(f"{folder} is finished; there is nothing left to do.")
        return storage.read_json(folder / storage.RESULT, remedy=remedy)
    rest = checkpoint.read(folder)
    directory = rest.record["data_directory"]
    storage.clean(folder)
    with one_thread():
        session = begin(experiment, None if directory is None else Path(directory))
        with _on_chips(session, chips or {}, folder, watcher):
            session.load(rest, folder)
            if other := changes(rest.record["versions"], versions()):
                watcher.note(f"The run was begun with other versions ({other}): the last bits may differ.")
            watcher.note(f"Going on at {_where(session)}.")
            return _train(session, folder, watcher)


def _train(session: Session, folder: Path, watcher: Watcher) -> dict[str, Any]:
    """From wherever the session stands to the end."""
    epochs, every = session.experiment.training.epochs, session.experiment.training.checkpoint_every
    storage.write_lines(folder / storage.HISTORY, session.history)
    if session.experiment.start is not None and session.started is None:
        watcher.note("Training outside and programming the arrays.")
        session.prepare()
        _save(session, folder)
    elif session.chips is not None and session.chips.opened and not session.chips.programmed:
        watcher.note("Programming the chips.")
        if lost := session.chips.transfer():
            watcher.note(f"{lost} cells of the chips did not reach their targets.")
        _save(session, folder)
    session.look()
    meter = _Meter(watcher.energy_every)
    with _signals() as received:
        while session.epoch < epochs:
            order, saved = session.order(), session.image
            while session.image < len(order):
                session.train_span(order)
                watcher.tick(_tick(session, len(order), meter.energy(session)))
                if received or (session.image - saved >= every and session.image < len(order)):
                    _save(session, folder)
                    saved = session.image
                _stop(session, folder, received)
            entry = session.finish_epoch()
            entry["energy"] = None if (bill := bill_of(session)) is None else bill.energy.total
            _save(session, folder)
            storage.write_lines(folder / storage.HISTORY, session.history)
            watcher.epoch(entry, epochs)
            _stop(session, folder, received)
        figures = record.result(session)
        record.write_arrays(session, folder)
        session.snapshots.write(folder)
        storage.write_json(folder / storage.RESULT, figures)  # last: it says that the run is whole
    return figures


def _save(session: Session, folder: Path) -> None:
    """Write a checkpoint; what chips have answered before it is needed no more."""
    rest = session.checkpoint()
    checkpoint.write(folder, rest)
    if session.chips is not None:
        session.chips.forget(rest.record["chips"])


@contextmanager
def _on_chips(session: Session, chips: Mapping[str, Opener], folder: Path, watcher: Watcher) -> Iterator[None]:
    """Some of the arrays live on chips meanwhile; one that fails is reported with what is kept."""
    with closing(Chips(chips, folder, watcher.note)) as opened:
        opened.connect(session.main.model)
        session.chips = opened
        try:
            yield
        except ChipError:
            again = " ".join(["memlearn resume", str(folder), *(f"--chip {name}=COMMAND" for name in chips)])
            watcher.note(
                f"A chip has stopped the run in {_where(session)}. Nothing is lost: the chips' records go on from the "
                f"last checkpoint to their last answer. Go on with: {again}"
            )
            raise


class _Meter:
    """The energy so far, asked for only now and then: a bill takes longer than a few images."""

    def __init__(self, every: float | None) -> None:
        self._every, self._next, self._known = every, time.monotonic(), None

    def energy(self, session: Session) -> float | None:
        """J, as of the last time that it was due."""
        if self._every is not None and time.monotonic() >= self._next:
            bill = bill_of(session)
            self._known = None if bill is None else bill.energy.total
            self._next = time.monotonic() + self._every
        return self._known


def _tick(session: Session, images: int, energy: float | None) -> Tick:
    pulses = session.overall.pulses + session.main.totals.pulses
    epochs = session.experiment.training.epochs
    return Tick(session.epoch + 1, epochs, session.image, images, session.main.accuracy, pulses, energy)


def _where(session: Session) -> str:
    return f"epoch {session.epoch + 1} of {session.experiment.training.epochs}, image {session.image}"


def _stop(session: Session, folder: Path, received: list[int]) -> None:
    if received:
        raise Interrupted(folder, _where(session), received[0])


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the first interrupt or termination signal for the next quiet moment; a second one acts at once."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def receive(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    for number in before:
        signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
