"""Sphinx's settings: pages in Markdown, docstrings by numpydoc, and a drawing of the imports."""

import sys
from pathlib import Path

from docutils import nodes
from docutils.nodes import Element
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

sys.path.insert(0, str(Path(__file__).parent))

import imports

import densenet

project = "densenet"
author = copyright = "The densenet developers"
version = release = densenet.__version__

extensions = ["sphinx.ext.autodoc", "numpydoc", "myst_parser"]
html_theme = "furo"
html_title = "densenet"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_heading_anchors = 3  # links to headings are the same here and where the repository is shown

default_role = "py:obj"  # what a docstring puts between single backticks
add_module_names = False
autodoc_default_options = {
    "members": True,
    # Members that classes of these names pass on are told elsewhere, or not for users.
    "inherited-members": "Activation, Loss, Optimizer, ClassifierMixin, RegressorMixin, "
    "BaseEstimator, _MetadataRequester, Protocol, tuple",
}
autodoc_typehints = "none"  # each parameter's type is told in words
numpydoc_show_class_members = False


class Imports(SphinxDirective):
    """Draws the rooms of ``python`` or of ``core``, from the sources as they are."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Give the drawing as a part of the page, in the colours of the page."""
        self.env.note_reread()  # the sources may have changed where the page has not
        drawing = {"python": imports.python_drawing, "core": imports.core_drawing}
        try:
            picture = imports.as_svg(*drawing[self.arguments[0]]())
        except LookupError as error:  # a new file, of which no room is known
            raise self.error(str(error)) from error
        return [nodes.raw("", picture, format="html")]


def link_from_elsewhere(
    app: Sphinx, env: BuildEnvironment, node: Element, text: Element
) -> Element | None:
    """Link a name of another module where only one object ends with it: `Network.fit`, say."""
    objects = env.domains.python_domain.objects
    ending = f".{node.get('reftarget')}"
    found = [entry for name, entry in objects.items() if name.endswith(ending)]
    if node.get("refdomain") != "py" or len(found) != 1:
        return None
    [entry] = found
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, text)


def name_the_language(
    app: Sphinx, page: str, template: str, context: dict[str, object], tree: object
) -> None:
    """Say of Spanish pages that they are Spanish, for those who have them read aloud."""
    if page.startswith("es/"):
        context["language"] = "es"


def setup(app: Sphinx) -> None:
    """Add what the pages need besides."""
    app.add_directive("imports", Imports)
    app.connect("missing-reference", link_from_elsewhere)
    app.connect("html-page-context", name_the_language)
