"""The runner: an experiment becomes a run folder, and an interrupted run goes on with the same bits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from ..core.errors import DataError
from . import checkpoint, record, storage
from .config import Experiment
from .session import Session, begin
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
) -> dict[str, Any]:
    """Train, and write the run folder.

    Arguments:
        experiment: all settings.
        out: the run folder; it must be new or empty.
        data_directory: folder of the data set's files; see `AbstractDataset.load`.
        overwrite: replace an earlier run in `out`; files that memlearn did not write stay.
        watcher: hears of the progress.

    Returns:
        The figures, as result.json holds them.

    Raises:
        InputError: a setting or `out` cannot be used.
        DataError: the data is missing or damaged, or a file cannot be written.
        Interrupted: Ctrl-C or a termination signal; `resume` goes on.
    """
    folder = Path(out)
    storage.check_free(folder, overwrite=overwrite)
    directory = None if data_directory is None else Path(data_directory).expanduser().absolute()
    with _one_thread():
        session = begin(experiment, directory)
        storage.claim(folder)
        storage.write_json(folder / storage.CONFIG, experiment.table())
        checkpoint.write(folder, session.checkpoint())
        return _train(session, folder, watcher or Watcher())


def resume(folder: Path, *, watcher: Watcher | None = None) -> dict[str, Any]:
    """Go on with a run that was stopped or killed; a finished one just gives its figures.

    Arguments:
        folder: the run folder.
        watcher: hears of the progress.

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
    with _one_thread():
        session = begin(experiment, None if directory is None else Path(directory))
        session.load(rest, folder)
        if other := changes(rest.record["versions"], versions()):
            watcher.note(f"The run was begun with other versions ({other}): the last bits may differ.")
        watcher.note(f"Going on at {_where(session)}.")
        return _train(session, folder, watcher)


def _train(session: Session, folder: Path, watcher: Watcher) -> dict[str, Any]:
    """From wherever the session stands to the end."""
    epochs, every = session.experiment.training.epochs, session.experiment.training.checkpoint_every
    storage.write_lines(folder / storage.HISTORY, session.history)
    with _signals() as received:
        while session.epoch < epochs:
            order, saved = session.order(), session.image
            while session.image < len(order):
                session.train_span(order)
                watcher.tick(_tick(session, len(order)))
                if received or (session.image - saved >= every and session.image < len(order)):
                    checkpoint.write(folder, session.checkpoint())
                    saved = session.image
                _stop(session, folder, received)
            entry = session.finish_epoch()
            checkpoint.write(folder, session.checkpoint())
            storage.write_lines(folder / storage.HISTORY, session.history)
            watcher.epoch(entry, epochs)
            _stop(session, folder, received)
        figures = record.result(session)
        record.write_arrays(session, folder)
        storage.write_json(folder / storage.RESULT, figures)  # last: it says that the run is whole
    return figures


def _tick(session: Session, images: int) -> Tick:
    pulses = session.overall.pulses + session.main.totals.pulses
    epochs = session.experiment.training.epochs
    return Tick(session.epoch + 1, epochs, session.image, images, session.main.accuracy, pulses)


def _where(session: Session) -> str:
    return f"epoch {session.epoch + 1} of {session.experiment.training.epochs}, image {session.image}"


def _stop(session: Session, folder: Path, received: list[int]) -> None:
    if received:
        raise Interrupted(folder, _where(session), received[0])


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread for torch, whatever the user has set: sums in another order differ in the last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
