"""What is printed on terminals that lack some of its characters."""

from __future__ import annotations

import codecs
import sys

_ASCII = {"├": "|", "└": "`", "─": "-", "│": "|", "→": "->", "×": "x", "…": "...", "–": "-"}
_HANDLER = "gz2tree.ascii"


def spell_in_ascii() -> None:
    """Print the branches of trees as ASCII where the encoding of the output has no others.

    As in a terminal set to Latin-1: what is printed there would end in a `UnicodeEncodeError`.
    """
    codecs.register_error(_HANDLER, _spelled)
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=_HANDLER)


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in lacking), error.end
