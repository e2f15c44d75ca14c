"""Sphinx: markdown pages, and the reference generated from the docstrings."""

import inspect
from importlib.metadata import version as version_of
from typing import Any

project = "gz2tree"
author = "The gz2tree developers"
copyright = "The gz2tree developers"
release = version_of("gz2tree")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.doctest",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinxcontrib.programoutput",
]
html_theme = "furo"
html_title = f"gz2tree {release}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
exclude_patterns = ["_build"]

# A name in single backticks in a docstring links to what it names.
default_role = "py:obj"

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc's sections have them, with shapes and units
numpydoc_show_class_members = False
programoutput_use_ansi = False
doctest_test_doctest_blocks = ""  # pytest runs the docstrings'


def show_parameters(
    app: Any, what: str, name: str, shown: Any, options: Any, signature: str, returns: str
) -> tuple[str, str]:
    """Show a network's own parameters; autodoc would show those of the hub's ``__new__``."""
    declared = getattr(shown, "__signature__", None)
    if what != "class" or not isinstance(declared, inspect.Signature):
        return signature, returns
    plain = [each.replace(annotation=each.empty) for each in declared.parameters.values()]
    return str(declared.replace(parameters=plain)), returns


def setup(app: Any) -> None:
    """Tell Sphinx."""
    app.connect("autodoc-process-signature", show_parameters)
