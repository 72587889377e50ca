"""The recipes in CONTRIBUTING.md name files that are there, and all that an activation touches."""

import re

from tests.support.paths import ROOT

RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Recipes\n")[2]
PATH = re.compile(r"`((?:python|src|tests|\.ci)/[\w./]+)`")
WORD = re.compile(r"`(\w+)`")


def test_the_files_that_recipes_name_are_there():
    named = {path for path in PATH.findall(RECIPES) if "PARTNER" not in path}
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_an_activation_touches_what_its_recipe_lists():
    recipe = RECIPES.partition("\n### An activation\n")[2].partition("\n### ")[0]
    steps = "".join(re.findall(r"^\d\. .*\n(?:   .*\n)*", recipe, flags=re.MULTILINE))
    written = [*(ROOT / "python").rglob("*.py"), *(ROOT / "src").rglob("*.[ch]pp")]
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in written
        if re.search("mish", path.read_text(encoding="utf-8"), flags=re.IGNORECASE)
    }
    used_for_ranges = {"python/densenet/_checks/numbers.py"}  # Mish has no parameter
    assert set(PATH.findall(steps)) - used_for_ranges == naming


def test_the_names_that_recipes_mention_are_in_the_files_beside_them():
    """Private names in a step of a recipe, and names that are said to be ``of`` some file."""
    listed = r"((?:`\w+`(?:,| and|, and)\s+)*`\w+`) (?:of|in)\s+`((?:python|src|tests)/[\w./]+)`"
    named = {
        (name, (path,))
        for names, path in re.findall(listed, RECIPES)
        for name in WORD.findall(names)
    }
    for step in re.findall(r"^\d+\. .*\n(?:   .*\n)*", RECIPES, flags=re.MULTILINE):
        paths = tuple(path for path in PATH.findall(step) if (ROOT / path).is_file())
        named |= {(name, paths) for name in WORD.findall(step) if name.startswith("_")}
    assert len(named) > 30
    missing = [
        (name, paths)
        for name, paths in sorted(named)
        if paths
        and not any(
            re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")) for path in paths
        )
    ]
    assert missing == []
