"""Install Zoobot 2.9 in a virtual environment of its own, for bench_speed.py to measure against.

With the torch, torchvision, timm and Lightning of this environment, so that what is compared is the
two libraries and not the versions below them. About 6 GB.

    python benchmarks/zoobot_environment.py runs/zoobot
"""

from __future__ import annotations

import argparse
import subprocess
import venv
from importlib.metadata import version
from pathlib import Path

ZOOBOT = "zoobot[pytorch]==2.9.0"
SHARED = ("torch", "torchvision", "timm", "lightning")


def python_of(folder: Path) -> Path:
    """Return the interpreter of a virtual environment."""
    return folder / "bin" / "python"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the environment is made")
    folder = parser.parse_args().folder
    if not python_of(folder).exists():
        venv.create(folder, with_pip=True)
    # A local version, as of a CPU build (2.13.0+cpu), is not on the package index.
    same = [f"{name}=={version(name).partition('+')[0]}" for name in SHARED]
    subprocess.run([python_of(folder), "-m", "pip", "install", ZOOBOT, *same], check=True)


if __name__ == "__main__":
    main()
