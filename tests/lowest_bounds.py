"""Install the lowest versions that setup.cfg allows, and see whether the package still works.

``python tests/lowest_bounds.py --resolve-only`` only asks whether such an environment exists for
each supported Python; without the option it is made, for the Python that runs this, in a temporary
folder (some 5 GB with torch), and a smoke test runs in it. Both are done without the extras, and
with them: these ask for a newer torch. Needs uv, of the extra ``reliability``.
"""

from __future__ import annotations

import argparse
import configparser
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What runs the smoke test needs no lowest version of itself.
RUNNERS = ("pytest>=8", "hypothesis>=6.100")
EXTRAS = ("entmax", "onnx")
SMOKE = (
    "test_tree", "test_treefile", "test_graph", "test_labels", "test_losses", "test_tables",
    "test_store", "test_model", "test_prediction", "test_evaluation", "test_export", "test_demo",
)  # fmt: skip


def declared(extras: Sequence[str]) -> tuple[list[str], list[str]]:
    """Requirements with their lower bounds, and the versions of Python, of setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    texts = [config["options"]["install_requires"]]
    texts += [config["options.extras_require"][extra] for extra in extras]
    requirements = [line for text in texts for line in text.split("\n") if line.strip()]
    unbound = [line for line in requirements if ">=" not in line]
    if unbound:
        sys.exit(f"error: setup.cfg: expected a lower bound, found none: {', '.join(unbound)}")
    versions = re.findall(r"Python :: (3\.\d+)", config["metadata"]["classifiers"])
    return requirements, versions


def resolve(requirements: Sequence[str], version: str, out: Path) -> bool:
    """Write the lowest versions for a Python, that have wheels; False if there are none."""
    source = out.with_suffix(".in")
    source.write_text("\n".join(requirements) + "\n")
    # Versions without a wheel would be compiled, which says little of the bound.
    command = [
        "uv", "pip", "compile", str(source), "--resolution", "lowest-direct",
        "--python-version", version, "--only-binary", ":all:", "--no-header", "--no-annotate",
        "--quiet", "--output-file", str(out),
    ]  # fmt: skip
    return subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode == 0


def smoke(lowest: Path, folder: Path) -> int:
    """Make the environment and run the smoke test in it; pytest's exit code."""
    python = folder / "venv" / "bin" / "python"
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    for command in (
        ["uv", "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
        [*install, "--requirement", str(lowest)],
        [*install, "--constraint", str(lowest), *RUNNERS],
        [*install, "--no-deps", "--editable", str(ROOT)],
    ):
        subprocess.run(command, check=True)
    # Old versions warn of what was deprecated since; only what fails counts.
    files = [str(ROOT / "tests" / f"{name}.py") for name in SMOKE]
    run = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", *files]
    return subprocess.run(run, check=False, cwd=ROOT).returncode


def main(argv: Sequence[str] | None = None) -> int:
    """Resolve for every Python, or run the smoke test under this one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--resolve-only", action="store_true", help="install nothing")
    arguments = parser.parse_args(argv)
    failed = 0
    for extras in ((), EXTRAS):
        requirements, versions = declared(extras)
        if not arguments.resolve_only:
            versions = [f"{sys.version_info.major}.{sys.version_info.minor}"]
        with tempfile.TemporaryDirectory() as name:
            lowest = Path(name) / "lowest.txt"
            for version in versions:
                asked = f"Python {version}, extras: {', '.join(extras) or 'none'}"
                if not resolve(requirements, version, lowest):
                    print(f"error: {asked}: the lower bounds of setup.cfg do not resolve")
                    return 1
                print(f"{asked}:", " ".join(lowest.read_text().split("\n")), flush=True)
            if not arguments.resolve_only:
                failed |= smoke(lowest, Path(name))
    return failed


if __name__ == "__main__":
    sys.exit(main())
