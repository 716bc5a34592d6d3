"""The site's configuration, for Sphinx. tools/site.py lays out the pages and builds them."""

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]

project = "How diffusion models work"
author = PROJECT["authors"][0]["name"]
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
    "sphinxext.opengraph",
]
root_doc = "index"

# Notebooks are shown as they were committed.
nb_execution_mode = "off"
nb_merge_streams = True
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

# The library's docstrings are plain text with code in single backticks.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"members": True, "show-inheritance": True}

# Everything is on the site: nothing is fetched from elsewhere.
mathjax_path = "mathjax/tex-chtml.js"
mathjax_options = {"async": "async"}
html_theme = "sphinx_book_theme"
html_title = project
html_favicon = "favicon.svg"
html_css_files = ["style.css"]
html_extra_path = ["playground.html"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # a page from disk may not read another one
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navbar_persistent": [],
    "repository_url": REPOSITORY,
    "repository_branch": "HEAD",
    "footer_content_items": [],
    "use_repository_button": True,
    "use_download_button": False,
    "home_page_in_toc": False,
    "show_toc_level": 2,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "colab_url": "https://colab.research.google.com",
        "notebook_interface": "jupyterlab",
    },
}

OWNER, NAME = REPOSITORY.removeprefix("https://github.com/").split("/")
ogp_site_url = f"https://{OWNER}.github.io/{NAME}/"


def setup(app):
    app.config.html_static_path = [str(app.srcdir / "_static")]
    app.connect("autodoc-process-docstring", plain)


def plain(app, what, name, obj, options, lines):
    """|a| is a distance here, and no substitution."""
    lines[:] = [line.replace("|", "\\|") for line in lines]
