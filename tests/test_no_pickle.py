"""Nothing in the package can execute what is in a file, or unpack it where it wants to be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gz2tree

PACKAGE = Path(gz2tree.__file__).parent
MODULES = {"marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "subprocess"}
BARE = {"eval", "exec", "compile", "__import__"}
CALLED = {
    "extract", "extractall", "unpack_archive", "read_pickle", "to_pickle", "read_hdf",
    "unsafe_load", "full_load", "load_all", "system", "popen", "find_class",
}  # fmt: skip
FINE = {"sep.extract"}
LOADERS = {"yaml.BaseLoader", "yaml.SafeLoader"}


def dotted(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def keyword_of(call: ast.Call, name: str) -> object:
    values = [keyword.value for keyword in call.keywords if keyword.arg == name]
    return values[0].value if values and isinstance(values[0], ast.Constant) else None


def dangers_of_call(call: ast.Call) -> Iterator[str]:
    name = dotted(call.func)
    last = name.rpartition(".")[2]
    if name in BARE or (last in CALLED and name not in FINE):
        yield name
    if name in ("torch.jit.load", "torch.hub.load"):
        yield name
    if name == "torch.load" and keyword_of(call, "weights_only") is not True:
        yield name
    if name in ("np.load", "numpy.load") and keyword_of(call, "allow_pickle") not in (None, False):
        yield name
    if name == "yaml.load" and not {dotted(argument) for argument in call.args} & LOADERS:
        yield name
    if any(keyword.arg in ("allow_pickle", "trust_remote_code") for keyword in call.keywords):
        yield name


def dangers(source: str) -> list[str]:
    """Names of what could execute or unpack a file, in a module."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            found += dangers_of_call(node)
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and node.module:
            top = node.module.split(".")[0]
            names = {alias.name for alias in node.names}
            dangerous = top in MODULES | {"pickle"} or names & (CALLED | {"load"} - FINE)
            found += [node.module] if dangerous else []
        elif isinstance(node, ast.Attribute) and dotted(node.value) == "pickle":
            found += [] if node.attr == "UnpicklingError" else [dotted(node)]
    return found


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_no_module_executes_or_unpacks_files(path: Path) -> None:
    assert dangers(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "pickle.loads(data)", "pickle.load(file)", "pickle.Unpickler(file)", "import joblib",
        "from pickle import loads", "torch.load(path)", "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=safe)", "torch.jit.load(path)", "from torch import load",
        "np.load(path, allow_pickle=True)", "np.load(path, allow_pickle=wanted)", "eval(text)",
        "yaml.load(text)", "yaml.load(text, yaml.Loader)", "yaml.unsafe_load(text)", "exec(text)",
        "zipfile.ZipFile(path).extractall(folder)", "archive.extract(member)",
        "shutil.unpack_archive(path)", "pd.read_pickle(path)", "os.system(text)",
        "create(name, trust_remote_code=True)",
    ],
)  # fmt: skip
def test_what_would_is_found(source: str) -> None:
    assert dangers(source)


@pytest.mark.parametrize(
    "source",
    [
        "torch.load(path, map_location='cpu', weights_only=True)", "np.load(path, mmap_mode='r')",
        "yaml.load(text, yaml.BaseLoader)", "yaml.safe_load(text)", "sep.extract(light, 1.5)",
        "import pickle\ntry:\n    pass\nexcept pickle.UnpicklingError:\n    pass",
        "model.eval()", "re.compile(text)",
    ],
)  # fmt: skip
def test_what_would_not_is_passed_over(source: str) -> None:
    assert dangers(source) == []
