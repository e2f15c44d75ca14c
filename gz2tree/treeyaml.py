"""A decision tree as YAML, of which JSON is a part: its fields, read and written.

They are the fields of `DecisionTree`, of its questions and of their answers, as in the
``config.json`` of a saved model. An answer that has only a name, and a question's only parent, may
be written as plain text.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gz2tree.errors import first_few, shown
from gz2tree.questions import Answer, Question, TreeError
from gz2tree.wholefiles import appearing

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree

_FIELDS = {
    "tree": ("name", "naming", "kinds", "source", "questions"),
    "question": ("name", "label", "answers", "asked_after"),
    "answer": ("name", "label", "column"),
}


def read_yaml(path: str | Path) -> Any:
    """Read what a file declares, whatever that is: lists, mappings and text.

    Raises
    ------
    TreeError
        No such file, or no YAML.
    """
    import yaml

    if not Path(path).is_file():
        raise TreeError(f"{path}: expected a tree file, found none")
    try:
        # The base loader makes text of everything: `yes`, `no` and `1` are answers, not values.
        return yaml.load(Path(path).read_text(encoding="utf-8"), yaml.BaseLoader)
    except RecursionError as error:
        raise TreeError(f"{path}: expected YAML or JSON: it is nested too deep") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise TreeError(f"{path}: expected YAML or JSON: {reason}") from error


def write_yaml(tree: DecisionTree, path: str | Path) -> None:
    """Write a tree with no more fields than it needs.

    Raises
    ------
    TreeError
        A folder that does not exist.
    """
    import yaml

    path = Path(path)
    if not path.parent.is_dir():
        raise TreeError(f"{path}: expected an existing folder, found none at {path.parent}")
    declared = {**tree.to_dict(), "questions": [_shortened(q) for q in tree.questions]}
    if tree.naming == "catalogue":
        del declared["naming"]
    text = yaml.safe_dump(declared, sort_keys=False, allow_unicode=True, width=100)
    with appearing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def arguments_of(declared: Any) -> dict[str, Any]:
    """Arguments of `DecisionTree` from what a file declares.

    Raises
    ------
    TreeError
        A field that is unknown or lacking; question and answer are named.
    """
    _check_fields("tree", "the file", declared, needed=("name", "questions"))
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
    return Question(
        given["name"],
        [_answer(who, answer) for answer in _listed(f"{who}: answers", given["answers"])],
        [parents] if isinstance(parents, str) else _listed(f"{who}: asked_after", parents),
        given.get("label", ""),
    )


def _answer(who: str, given: Any) -> Answer:
    if isinstance(given, str):
        return Answer(given)
    _check_fields("answer", f"{who}: an answer", given, needed=("name",))
    return Answer(given["name"], given.get("label", ""), given.get("column", ""))


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
        near = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; expected {', '.join(known)}"
        raise TreeError(f"{who}: unknown field {first_few(unknown)}{hint}")
    missing = [field for field in needed if field not in given]
    if missing:
        raise TreeError(f"{who}: expected the field {missing[0]!r}, found none")


def _shortened(question: Question) -> dict[str, Any]:
    """Write a question with no more fields than it needs."""
    short: dict[str, Any] = {"name": question.name}
    if question.label != Question(question.name, ["any"]).label:
        short["label"] = question.label
    if question.asked_after:
        several = len(question.asked_after) > 1
        short["asked_after"] = list(question.asked_after) if several else question.asked_after[0]
    answers: list[Any] = []
    for answer in question.answers:
        written = {"name": answer.name}
        if answer.label != Answer(answer.name).label:
            written["label"] = answer.label
        if answer.column:
            written["column"] = answer.column
        answers.append(answer.name if len(written) == 1 else written)
    return short | {"answers": answers}
