"""Fuzz one sort of file, guided by coverage: ``python -m fuzz TARGET [libFuzzer's options]``.

Run it from the folder ``tests``. New inputs are kept in ``fuzz-corpus/TARGET`` under the current
folder, findings as ``fuzz-corpus/TARGET-crash-…``; a finding belongs into ``findings/TARGET`` here.
"""

from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path

import atheris

# The readers written in Python; those in C are fuzzed through them, without guidance.
INSTRUMENTED = ["gz2tree", "yaml", "json", "astropy.io.fits"]

with atheris.instrument_imports(include=INSTRUMENTED):
    from fuzz.targets import TARGETS, quietly

FINDINGS = Path(__file__).parent / "findings"


def main() -> None:
    """Seed the corpus and hand over to libFuzzer, which does not return."""
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {{{','.join(TARGETS)}}} [-max_total_time=60 …]")
    name = sys.argv[1]
    corpus = Path("fuzz-corpus") / name
    corpus.mkdir(parents=True, exist_ok=True)
    found = sorted((FINDINGS / name).glob("*"))
    for content in (*TARGETS[name].seeds(), *(file.read_bytes() for file in found)):
        (corpus / hashlib.sha1(content).hexdigest()).write_bytes(content)
    quietly()
    warnings.simplefilter("ignore")
    options = [f"-artifact_prefix=fuzz-corpus/{name}-", "-max_len=8000", "-timeout=60"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[2:], str(corpus)], TARGETS[name].read)
    atheris.Fuzz()


main()
