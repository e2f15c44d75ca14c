"""A decision tree as YAML, of which JSON is a part: loaded from a file and written to one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gz2tree.questions import Answer, Question, TreeError
from gz2tree.wholefiles import appearing

if TYPE_CHECKING:
    from gz2tree.tree import DecisionTree


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
