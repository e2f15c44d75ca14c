"""A sky to try the library on: simulated galaxies and the votes of simulated volunteers.

``SKY/images/<GalaxyID>.jpg``
    Cutouts as from the Sloan Digital Sky Survey (:mod:`gz2tree.sky.render`).
``SKY/labels.csv``
    Cumulative vote fractions in the format of the Kaggle Galaxy Challenge. Null labels arise as in
    nature: nobody was asked, or nobody chose the answer.
``SKY/catalogue.csv``
    Counts and conditional fractions in the format of the Galaxy Zoo 2 catalogue. No redshift bias
    is simulated: the debiased fractions equal the vote fractions, and every vote weighs the same.
``SKY/truth.csv``
    What infinitely many volunteers would have said, in the format of ``labels.csv``. The RMSE
    between the two is the lowest that any model can reach.
``SKY/parameters.csv``
    The physical quantities of every galaxy (:class:`gz2tree.sky.population.Galaxy`).
``SKY/sky.json``
    The options; with them the same sky comes out byte for byte.
"""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tqdm import tqdm

from gz2tree.config.sky import SkyOptions
from gz2tree.errors import InputError, first_few
from gz2tree.images.workers import available_cores
from gz2tree.probabilities import cumulative_of
from gz2tree.sky.population import draw_galaxy
from gz2tree.sky.render import render
from gz2tree.sky.tables import catalogue_table, kaggle_labels, parameter_table
from gz2tree.sky.volunteers import true_conditionals
from gz2tree.trees import GZ2, GZ2_KAGGLE
from gz2tree.votes.counts import vote
from gz2tree.wholefiles import appearing

SKY_VERSION = 1
"""Goes up whenever the same options would give another sky."""

_FIRST_ID = 100_000
_JPEG_QUALITY = 75  # that of the real cutouts
_WORTH_A_POOL = 64  # images from which on starting worker processes pays


def simulate(
    out: Path,
    n: int,
    *,
    seed: int = 0,
    size: int = 424,
    volunteers: tuple[int, int] = (28, 60),
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Simulate a sky of galaxies and the votes on them.

    An interrupted run is finished by the same call. The first galaxies of a larger sky are those of
    a smaller one, whatever the number of workers.

    Parameters
    ----------
    out : Path
        Folder of the sky; made if need be.
    n, seed, size, volunteers
        See :class:`gz2tree.config.SkyOptions`.
    workers : int, optional
        Processes; by default one for each core that this process may use. They are spawned, so a
        script that asks for more than one calls this under ``if __name__ == "__main__":``.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        An option outside its range, or `out` holds something else or a sky of other options.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sky = simulate(Path(folder), 2, size=64, progress=False)
    ...     sorted(path.name for path in sky.rglob("*.*"))
    ['100000.jpg', '100001.jpg', 'catalogue.csv', 'labels.csv', 'parameters.csv', 'sky.json',
     'truth.csv']
    """
    options = SkyOptions(n, seed, size, volunteers)
    if workers is not None and workers < 1:
        raise InputError(f"workers: expected 1 or more, found {workers}")
    out = Path(out)
    _claim(out, options)
    _photograph_all(out / "images", options, workers or available_cores(), progress)
    for name, table in _tables(options).items():
        with appearing(out / name) as unfinished:
            table.to_csv(unfinished, float_format="%.9g", lineterminator="\n")
    return out


def galaxy_id(index: int) -> str:
    """Six digits, like those of the Kaggle table.

    Examples
    --------
    >>> galaxy_id(7)
    '100007'
    """
    return str(_FIRST_ID + index)


@dataclass(frozen=True)
class _Streams:
    """Random numbers of one galaxy, apart for each purpose so that none depends on another."""

    parameters: np.random.Generator
    picture: np.random.Generator
    votes: np.random.Generator

    @classmethod
    def of(cls, seed: int, index: int) -> _Streams:
        seeds = np.random.SeedSequence(seed, spawn_key=(index,)).spawn(3)
        return cls(*(np.random.default_rng(one) for one in seeds))


def _claim(out: Path, options: SkyOptions) -> None:
    """Make the folder ours, or see that it is: never mix two skies."""
    declaration = out / "sky.json"
    expected = {"version": SKY_VERSION, **asdict(options), "volunteers": list(options.volunteers)}
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: expected a folder, found a file")
    if declaration.exists():
        try:
            found = json.loads(declaration.read_text())
        except ValueError as error:
            raise InputError(f"{declaration}: expected JSON, found {error}") from error
        if found != expected:
            raise InputError(
                f"{declaration}: expected the options {expected}, found {found}; "
                "finish that sky with its own options, or name another folder"
            )
    elif out.exists() and any(out.iterdir()):
        names = sorted(path.name for path in out.iterdir())
        raise InputError(
            f"{out}: expected an empty folder or a simulated sky, found {first_few(names)} "
            f"and no {declaration.name}"
        )
    (out / "images").mkdir(parents=True, exist_ok=True)
    with appearing(declaration) as unfinished:
        unfinished.write_text(json.dumps(expected, indent=2) + "\n", newline="\n")


def _photograph_all(folder: Path, options: SkyOptions, workers: int, progress: bool) -> None:
    """Make the images that are not there yet."""
    made = {path.name for path in folder.glob("*.jpg")}
    missing = [i for i in range(options.n) if f"{galaxy_id(i)}.jpg" not in made]
    photograph = partial(_photograph, folder, options.seed, options.size)
    bar = tqdm(
        total=options.n,
        initial=options.n - len(missing),
        unit="galaxy",
        disable=not progress,
    )
    with bar:
        if workers == 1 or len(missing) < _WORTH_A_POOL:
            for index in missing:
                photograph(index)
                bar.update()
            return
        # Spawned, since forking a process that runs threads (torch's, say) can deadlock.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            try:
                for _ in pool.map(photograph, missing, chunksize=16):
                    bar.update()
            except BaseException:
                pool.shutdown(cancel_futures=True)  # an interrupt must not wait for the rest
                raise


def _photograph(folder: Path, seed: int, size: int, index: int) -> None:
    streams = _Streams.of(seed, index)
    picture = Image.fromarray(render(draw_galaxy(streams.parameters), size, streams.picture))
    with appearing(folder / f"{galaxy_id(index)}.jpg") as unfinished:
        picture.save(unfinished, format="JPEG", quality=_JPEG_QUALITY)


def _tables(options: SkyOptions) -> dict[str, pd.DataFrame]:
    """Tables of a sky by file name."""
    galaxies, truths, votes = [], [], []
    low, high = options.volunteers
    for index in range(options.n):
        streams = _Streams.of(options.seed, index)
        galaxies.append(draw_galaxy(streams.parameters))
        truths.append(true_conditionals(galaxies[-1]))
        number = int(streams.votes.integers(low, high, endpoint=True))
        votes.append(vote(GZ2, truths[-1], number, streams.votes))
    counts = np.stack(votes)  # (n, n_answers)
    truth = cumulative_of(GZ2_KAGGLE, np.stack(truths))
    ids = pd.Index([galaxy_id(index) for index in range(options.n)], name=GZ2_KAGGLE.id_column)
    columns = list(GZ2_KAGGLE.columns)
    return {
        "labels.csv": pd.DataFrame(kaggle_labels(counts), ids, columns),
        "catalogue.csv": catalogue_table(counts, ids),
        "truth.csv": pd.DataFrame(truth, ids, columns),
        "parameters.csv": parameter_table(galaxies, ids),
    }
