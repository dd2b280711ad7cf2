"""Sphinx configuration: `sphinx-build -W --keep-going -b html doc doc/_build/html`.

Nothing here needs the network, nor do the pages: there is no intersphinx, and MathJax is one of
their files.
"""

import importlib.util
import re
from pathlib import Path

import skem

project = "skem"
author = "The skem developers"
copyright = "The skem developers"
version = release = skem.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "matplotlib.sphinxext.plot_directive",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
# sphinx-gallery's pages of run times would load scripts from the network.
exclude_patterns = ["_build", "examples", "**.ipynb_checkpoints", "**sg_execution_times.rst"]
plot_html_show_formats = plot_html_show_source_link = False
plot_formats = [("png", 100)]
html_theme = "pydata_sphinx_theme"
html_title = f"skem {release}"
# The package sphinx-mathjax-offline holds MathJax 3. Of its files one is enough: formulas as SVG,
# with all of TeX's extensions and fonts inside.
mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static/mathjax"
mathjax_path = "tex-svg-full.js"
html_static_path = ["_static", str(mathjax / mathjax_path)]
html_css_files = ["skem.css"]
html_show_sourcelink = False
toc_object_entries_show_parents = "hide"
html_sidebars = {"installation": [], "changelog": []}
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "search_as_you_type": True,
}

autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"member-order": "groupwise"}
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": ["examples"],
    "gallery_dirs": ["auto_examples"],
    "filename_pattern": r"/plot_",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_memory": False,
    "plot_gallery": "True",
    "min_reported_time": 1e9,  # the pages carry no run times: they differ from build to build
    "backreferences_dir": "api/generated/backreferences",
    "doc_module": ("skem",),
    "reference_url": {"skem": None},
}


def plain_scikit_learn_references(app, what, name, obj, options, lines):
    """Turn scikit-learn's labels and terms, which only its own guide knows, into plain text."""
    module = getattr(obj, "__module__", None) or ""
    inherited = not module.startswith("skem")
    for i, line in enumerate(lines):
        if inherited or "sphx_glr_" in line or "metadata_routing" in line:
            line = re.sub(r":ref:`([^`<]+?)\s*<[^`>]+>`", r"\1", line)
            line = re.sub(r":ref:`sphx_glr_[^`]+`", "scikit-learn's gallery", line)
        lines[i] = re.sub(r":term:`([^`<]+?)(\s*<[^`>]+>)?`", r"\1", line)


def setup(app):
    app.connect("autodoc-process-docstring", plain_scikit_learn_references)
