"""A question, its answers, and what they may be called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gz2tree.errors import InputError, shown

# Names become keys of a state dict and columns of FITS, SQL and CSV tables.
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")


class TreeError(InputError):
    """A malformed decision tree; the message names the offender."""


@dataclass(frozen=True)
class Answer:
    """One possible answer to a question.

    Parameters
    ----------
    name : str
        Identifier, unique in the tree. In Galaxy Zoo 2 the catalogue's own name, e.g.
        ``"a01_smooth"``.
    label : str, optional
        Wording for people; the name without its number by default.
    column : str, optional
        What its column is called in the survey's catalogue, without the kind: any text in one
        line. The question's name and the answer's by default.

    Examples
    --------
    >>> Answer("a01_smooth").label
    'smooth'
    """

    name: str
    label: str = ""
    column: str = ""

    def __post_init__(self) -> None:
        check_name("answer", self.name)
        check_texts(f"answer {self.name!r}", label=self.label, column=self.column)
        if self.column and (not self.column.strip() or not self.column.isprintable()):
            raise TreeError(
                f"answer {self.name!r}: column: expected text in one line, found {self.column!r}"
            )
        if not self.label:
            text = re.sub(r"^a\d+_", "", self.name).replace("_", " ")
            object.__setattr__(self, "label", text)

    def to_dict(self) -> dict[str, str]:
        """Return the declaration as plain strings, for JSON."""
        column = {"column": self.column} if self.column else {}
        return {"name": self.name, "label": self.label} | column


@dataclass(frozen=True)
class Question:
    """A question, its answers and when it is asked.

    Parameters
    ----------
    name : str
        Identifier, unique in the tree, e.g. ``"t02_edgeon"``.
    answers : sequence of Answer or str
        At least one; a string stands for ``Answer(string)``.
    asked_after : str or sequence of str, optional
        Name of the answer that leads to this question, or names of several. Several are allowed if
        no two of them can be given of the same galaxy; their probabilities add. Empty: asked of
        everyone.
    label : str, optional
        Wording for people; derived from the name by default.

    Examples
    --------
    >>> bar = Question("t03_bar", ["bar", "none"], asked_after=["face_on"])
    >>> len(bar), bar.label
    (2, 'bar?')
    """

    name: str
    answers: tuple[Answer, ...]
    asked_after: tuple[str, ...] = ()
    label: str = ""

    def __init__(
        self,
        name: str,
        answers: Sequence[Answer | str],
        asked_after: str | Sequence[str] = (),
        label: str = "",
    ) -> None:
        check_name("question", name)
        if isinstance(answers, str):
            raise TreeError(f"question {name!r}: answers is a sequence, found the text {answers!r}")
        if not answers:
            raise TreeError(f"question {name!r} has no answers; at least one is expected")
        check_texts(f"question {name!r}", label=label)
        parents = (asked_after,) if isinstance(asked_after, str) else tuple(asked_after)
        for parent in parents:
            check_texts(f"question {name!r}", asked_after=parent)
        made = tuple(a if isinstance(a, Answer) else Answer(_answer_name(name, a)) for a in answers)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "answers", made)
        object.__setattr__(self, "asked_after", parents)
        text = label or re.sub(r"^t\d+_", "", name).replace("_", " ") + "?"
        object.__setattr__(self, "label", text)

    def __len__(self) -> int:
        return len(self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Return the declaration as plain lists and strings, for JSON."""
        return {
            "name": self.name,
            "label": self.label,
            "answers": [answer.to_dict() for answer in self.answers],
            "asked_after": list(self.asked_after),
        }


def _answer_name(question: str, given: object) -> str:
    """Refuse what is no name of an answer, saying what would be an answer."""
    if not isinstance(given, str) or not NAME.match(given):
        raise TreeError(
            f"question {question!r}: answer name: expected letters, digits and underscores "
            f"starting with a letter, found {shown(given)}; give it a name and a label: "
            f'{{name: {_a_name(given)}, label: "{given if isinstance(given, str) else "…"}"}}'
        )
    return given


def _a_name(given: object) -> str:
    """Make a name of text that is none."""
    made = re.sub(r"[^A-Za-z0-9]+", "_", given).strip("_") if isinstance(given, str) else ""
    return made if NAME.match(made) else f"answer_{made}" if made else "some_name"


def check_name(what: str, name: object) -> None:
    """Refuse what is no name: names are letters, digits and underscores after a letter.

    Parameters
    ----------
    what : str
        What is named, for the message: ``"answer"``.
    name : object
        As a file may hold it.

    Raises
    ------
    TreeError
        It is none.
    """
    if not isinstance(name, str) or not NAME.match(name):
        raise TreeError(
            f"{what} name: expected letters, digits and underscores starting with a letter, "
            f"found {shown(name)}"
        )


def check_texts(who: str, **fields: object) -> None:
    """Refuse what a file may hold in place of text, such as a list.

    Parameters
    ----------
    who : str
        What has these fields, for the message: ``"answer 'a01_smooth'"``.
    **fields : object
        By their names.

    Raises
    ------
    TreeError
        The first of them that is no text.
    """
    for field, value in fields.items():
        if not isinstance(value, str):
            raise TreeError(f"{who}: {field}: expected text, found {shown(value)}")
