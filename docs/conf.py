"""Sphinx: markdown pages, and the reference generated from the docstrings."""

from importlib.metadata import version as version_of

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
