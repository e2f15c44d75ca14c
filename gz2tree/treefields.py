"""What declares a decision tree, checked: in a tree file, or in ``config.json`` of a saved model.

There are the fields of `DecisionTree`, of its questions and of their answers. An answer that has
only a name, and a question's only parent, may be written as plain text.
"""

from __future__ import annotations

from typing import Any

from gz2tree.errors import did_you_mean, first_few, shown
from gz2tree.questions import Answer, Question, TreeError

_FIELDS = {
    "tree": ("name", "questions", "kinds", "source", "naming"),
    "question": ("name", "label", "answers", "asked_after"),
    "answer": ("name", "label", "column"),
}


def read_declaration(who: str, declared: Any) -> dict[str, Any]:
    """Make the arguments of `DecisionTree` out of what declares a tree.

    Parameters
    ----------
    who : str
        What declares it, for messages: ``"the file"``.
    declared : object
        As JSON or YAML is loaded: mappings, lists and text, if all is well.

    Returns
    -------
    arguments : dict
        By name, the questions as `Question`.

    Raises
    ------
    TreeError
        A field that is unknown or lacking, or holds something of another form; question and answer
        are named.
    """
    _check_fields("tree", who, declared, needed=("name", "questions"))
    if not isinstance(declared["questions"], list):
        raise TreeError(f"questions: expected a list, found {shown(declared['questions'])}")
    kinds = declared.get("kinds") or {}
    if not isinstance(kinds, dict):
        raise TreeError(f"kinds: expected a column ending for each kind, found {shown(kinds)}")
    questions = [_question(number, given) for number, given in enumerate(declared["questions"], 1)]
    return declared | {"questions": questions, "kinds": kinds}


def _question(number: int, given: Any) -> Question:
    who = f"question {number}"
    if isinstance(given, dict) and "name" in given:
        who = f"question {shown(given['name'])}"
    _check_fields("question", who, given, needed=("name", "answers"))
    parents = given.get("asked_after") or []
    if parents == "null" or parents == "~":  # as the base loader of YAML leaves it
        parents = []
    return Question(
        given["name"],
        [_answer(who, answer) for answer in _listed(f"{who}: answers", given["answers"])],
        [parents] if isinstance(parents, str) else _listed(f"{who}: asked_after", parents),
        given.get("label", ""),
    )


def _answer(who: str, given: Any) -> Answer | str:
    if isinstance(given, str):
        return given
    _check_fields("answer", f"{who}: an answer", given, needed=("name",))
    try:
        return Answer(given["name"], given.get("label", ""), given.get("column", ""))
    except TreeError as error:
        raise TreeError(f"{who}: {error}") from error


def _listed(what: str, given: Any) -> list[Any]:
    if not isinstance(given, list):
        raise TreeError(f"{what}: expected a list, found {shown(given)}")
    return given


def _check_fields(kind: str, who: str, given: Any, needed: tuple[str, ...]) -> None:
    known = _FIELDS[kind]
    if not isinstance(given, dict):
        raise TreeError(f"{who}: expected the fields {', '.join(known)}, found {shown(given)}")
    unknown = [str(field) for field in given if field not in known]
    if unknown:
        hint = did_you_mean(unknown[0], known) or f"; expected {', '.join(known)}"
        raise TreeError(f"{who}: unknown field {first_few(unknown)}{hint}")
    missing = [field for field in needed if field not in given]
    if missing:
        raise TreeError(f"{who}: expected the field {missing[0]!r}, found none")
