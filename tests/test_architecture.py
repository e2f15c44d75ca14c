"""How the package is built: what imports what, what loading a module loads, how long things are."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import gz2tree

PACKAGE = Path(gz2tree.__file__).parent
LINES_OF_A_MODULE = 300
LINES_OF_A_FUNCTION = 50  # without its docstring
LONGER_FUNCTIONS: dict[str, str] = {}
"""By ``module.function``, with the reason why they are."""

# From the bottom up: a module imports from its own rung and from those before it in this list.
LADDER = {
    # Packages that hold modules and nothing else.
    "folders": "tables sky images votes labelling science networks runs catalogues commands",
    "errors": "errors version records wholefiles quiet positions",
    "tree": "questions treechecks treefields treetext treeyaml tree trees treenames",
    "the tree in numbers": "probabilities",
    "options": (
        "images.stretch config config.choices config.cutouts config.figures config.images "
        "config.labels config.processes config.prediction config.samples config.sky config.training"
    ),
    "tables": (
        "tables.columnnotes tables.tableformat tables.astropytables tables.astropyfiles "
        "tables.parquet tables.csvtables tables.opened tables.files tables.wholetables "
        "tables.idcolumns tables.usertable"
    ),
    "probabilities": (
        "activations jumps treetable graph losses votes.likelihoods votes.calibration votes.counts"
    ),
    "uncertainty": "votes.betas votes.uncertainty votes.information",
    "labels": (
        "labels splits labelling.galaxydatasets labelling.whichtree labelling.layout "
        "labelling.labelcolumns labelling.labeltable "
        "labelling.matching labelling.surveys labelling.regression science.samples "
        "science.classstrings science.explaining science.onegalaxy"
    ),
    "images": (
        "images.imagenames images.radii images.given images.fitsimages images.decoding "
        "images.workers cutouts images.photometry"
    ),
    "store": "storeformat storewriter store images.byid",
    "streams": "images.streams images.listed images.tars images.opening",
    "dataset": "augment dataset runs.loaders",
    "sky": (
        "sky.population sky.visibility sky.volunteers sky.frame sky.galaxy sky.camera sky.render "
        "sky.tables simulate"
    ),
    "network": (
        "networks.hub networks.weights networks.backbones networks.imagechecks networks.pooling "
        "networks.strength networks.heads "
        "networks.card networks.seenimages networks.saved networks.typicality "
        "networks.network flat model "
        "networks.finetuning networks.learning_rates networks.export"
    ),
    "processes": "processes",
    "predictor": "networks.untrained networks.precision networks.predictor networks.batches",
    "training": (
        "runs.faults runs.run runs.typical runs.callbacks runs.interrupts runs.progress "
        "runs.trainable runs.steps training"
    ),
    "prediction": (
        "catalogues.flags catalogues.uncertainty catalogues.catalogue prediction embedding"
    ),
    "shards": (
        "catalogues.identity catalogues.shardformat catalogues.shards catalogues.shardtasks "
        "catalogues.sharded_prediction"
    ),
    "evaluation": (
        "scores calibrationcurve evaluation analysis science.binned science.purity "
        "science.coverage science.quantities"
    ),
    "plots": (
        "plots plots.style plots.layout plots.correlations plots.galaxies plots.history "
        "plots.predictions plots.curves plots.trees"
    ),
    "what commands are given": "commands.models commands.inputs commands.labelled commands.sources",
    "report": ("report report.figures report.galaxies report.page report.pictures report.writing"),
    "commands": (
        "commands.preparing commands.training commands.typifying commands.calibrating "
        "commands.evaluating commands.predicting commands.embedding commands.exporting "
        "commands.reporting commands.selecting commands.figures_of_data "
        "commands.figures_of_predictions commands.figures commands.demo"
    ),
    "command line": (
        "cli cli.parsing cli.printing cli.sky cli.training cli.prediction cli.samples "
        "cli.viewing __main__"
    ),
    "public names": "__init__",
}
RUNG_OF = {
    module: rung for rung, modules in enumerate(LADDER.values()) for module in modules.split()
}


def modules() -> dict[str, ast.Module]:
    """Every module of the package, by its name within it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = ast.parse(path.read_text())
    return found


def imported(node: ast.AST) -> Iterator[str]:
    """What a module imports of the package, within functions as well; not what only types need."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        children: list[ast.AST] = list(node.orelse)
    else:
        children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: a relative import"
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in children:
        yield from imported(child)


def dependencies(trees: Mapping[str, ast.Module]) -> dict[str, set[str]]:
    """Which modules of the package each of them imports."""

    def module_of(name: str) -> str | None:
        """The module that ``gz2tree.module.attribute`` is in."""
        parts = name.split(".")
        if parts[0] != "gz2tree":
            return None
        within = (".".join(parts[1:end]) for end in range(len(parts), 1, -1))
        return next((module for module in within if module in trees), "__init__")

    found = {}
    for name, tree in trees.items():
        needs = {module_of(each) for each in imported(tree)}
        found[name] = {module for module in needs if module is not None} - {name}
    return found


def upward(needs: Mapping[str, set[str]], rung_of: Mapping[str, int]) -> list[str]:
    """Imports of what lies above the importer."""
    return [
        f"{module} imports {needed}"
        for module, of_module in needs.items()
        for needed in sorted(of_module)
        if rung_of[needed] > rung_of[module]
    ]


def circles(needs: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other: what is left when those without needs are taken away."""
    left = {module: set(of_module) for module, of_module in needs.items()}
    while ready := {module for module, of_module in left.items() if not of_module & left.keys()}:
        left = {module: of_module for module, of_module in left.items() if module not in ready}
    return sorted(left)


def function_lines(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Functions of a module, and how many lines each has without its docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            docstring = _lines(node.body[0]) if documented else 0
            yield node.name, _lines(node) - docstring


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_module_is_on_one_rung() -> None:
    declared = [module for of_rung in LADDER.values() for module in of_rung.split()]
    assert sorted(declared) == sorted(modules())


def test_imports_go_down_the_ladder() -> None:
    assert upward(dependencies(modules()), RUNG_OF) == []


def test_no_modules_import_each_other() -> None:
    assert circles(dependencies(modules())) == []


def test_nothing_imports_the_public_names() -> None:
    """They are for users: within the package a name is imported from its room."""
    needs = dependencies(modules())
    assert [module for module, of_module in needs.items() if "__init__" in of_module] == []


@pytest.mark.parametrize(
    "text",
    [
        "import gz2tree.model",
        "from gz2tree.model import GalaxyTreeNet",
        "from gz2tree import model",
        "def declare():\n    from gz2tree.model import GalaxyTreeNet",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import gz2tree.model",
    ],
)
def test_an_import_upward_is_found(text: str) -> None:
    needs = dependencies(modules() | {"tree": ast.parse(text)})
    assert upward(needs, RUNG_OF) == ["tree imports model"]
    assert {"tree", "model"} <= set(circles(needs))


def test_an_import_for_types_alone_is_none() -> None:
    text = "if TYPE_CHECKING:\n    from gz2tree.model import GalaxyTreeNet"
    assert dependencies({"tree": ast.parse(text), "model": ast.parse("")})["tree"] == set()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("gz2tree", "torch numpy pandas"),
        ("gz2tree.tree", "torch numpy pandas yaml"),
        ("gz2tree.trees", "torch numpy pandas yaml"),
        ("gz2tree.config", "torch numpy pandas jsonargparse"),
        ("gz2tree.cli", "torch numpy pandas lightning matplotlib PIL"),
        ("gz2tree.probabilities", "torch pandas"),
        ("gz2tree.labels", "torch pandas"),
        ("gz2tree.simulate", "torch matplotlib"),
        ("gz2tree.store", "lightning matplotlib pyarrow astropy torchvision pandas"),
        ("gz2tree.evaluation", "lightning timm matplotlib astropy"),
    ],
)
def test_a_module_loads_no_more_than_it_needs(module: str, heavy: str) -> None:
    script = f"import sys, {module}; print(*sorted(set({heavy.split()}) & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_a_folder_of_its_name_does_not_hide_the_package(tmp_path: Path) -> None:
    """As in the folder around a clone, where most people start Python."""
    (tmp_path / "gz2tree").mkdir()
    script = "import gz2tree; print(gz2tree.DecisionTree.__name__)"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert run.stdout.split() == ["DecisionTree"]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_module_is_long(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES_OF_A_MODULE


def test_no_function_is_long() -> None:
    long = {
        f"{module}.{name}"
        for module, tree in modules().items()
        for name, lines in function_lines(tree)
        if lines > LINES_OF_A_FUNCTION
    }
    assert long == set(LONGER_FUNCTIONS)


def test_lines_of_a_function_are_those_without_its_docstring() -> None:
    text = 'def f(\n    x,\n):\n    """Say.\n\n    More.\n    """\n    x += 1\n    return x\n'
    assert list(function_lines(ast.parse(text))) == [("f", 5)]
