"""The folders of the plug-in's package: what each may import, as its own text says."""

import ast
import json
import re

import pytest
from conftest import PLUGIN, ROOT

PACKAGE = PLUGIN / "gimp_bridge"
NEVER_GIMP = {"core", "net", "formats", "scripting"}


def module_name(path):
    parts = path.relative_to(PLUGIN).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
# The sub-folders of `ops` are one folder with it: they follow the catalogue's files
FOLDERS = sorted(name for name, path in MODULES.items() if path.stem == "__init__" and name.count(".") >= 1 and ".ops." not in name)


def imports(name):
    """What a module imports, at its beginning or later: our modules by their names, others by their first part."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} has a relative import"
            within = [f"{node.module}.{alias.name}" for alias in node.names]
            package = node.module in MODULES and MODULES[node.module].stem == "__init__"
            assert not package or set(within) <= set(MODULES), f"{name}: not all of {within} are there"
            names = [full if full in MODULES else node.module for full in within]
        else:
            continue
        found |= {full if full in MODULES else full.partition(".")[0] for full in names}
    return found


IMPORTS = {name: imports(name) for name in MODULES}


def folder(module):
    """The folder that a module of ours is in, as the texts name it; "" for what stands above all of them."""
    inside = module if module in FOLDERS else module.rpartition(".")[0]
    if inside.startswith("gimp_bridge.ops"):
        return "ops"
    return inside.removeprefix("gimp_bridge").removeprefix(".")


def text(name):
    return ast.get_docstring(ast.parse(MODULES[name].read_text(encoding="utf-8")))


def may_import(name):
    allowed = re.search(r"^May import: (.+)\.$", text(name), re.M).group(1)
    return set() if allowed == "-" else set(allowed.split(", "))


@pytest.mark.parametrize("name", FOLDERS)
def test_a_folder_imports_what_its_text_names_and_nothing_else(name):
    here = folder(name)
    used = {}
    for module in MODULES:
        if folder(module) == here:
            for other in IMPORTS[module] & set(MODULES):
                used.setdefault(folder(other), []).append(f"{module} imports {other}")
    used.pop(here, None)
    allowed = may_import(name)
    assert not {other: why for other, why in used.items() if other not in allowed}
    assert allowed == set(used), f"`{here}` needs {sorted(allowed - set(used))} no more"


def test_each_folder_imports_only_those_before_it_in_reading_order():
    order = re.findall(r"[a-z.]+", re.search(r"text names:\n(.*?)\.\n`app", text("gimp_bridge"), re.S).group(1))
    assert sorted(order) == sorted(folder(name) for name in FOLDERS)
    for name in FOLDERS:
        here = folder(name)
        assert {other for other in may_import(name) if order.index(other) >= order.index(here)} == set(), here


def test_no_module_imports_itself_through_others():
    done, path = set(), []

    def visit(name):
        assert name not in path, " → ".join([*path[path.index(name) :], name])
        if name not in done:
            path.append(name)
            for other in IMPORTS[name] & set(MODULES):
                visit(other)
            done.add(path.pop())

    for name in MODULES:
        visit(name)


def test_folders_that_never_import_gimp_do_not_do_so_through_others_either():
    def reach(name, seen):
        for other in IMPORTS[name] & set(MODULES) - seen:
            reach(other, seen | {name})
        assert "gi" not in IMPORTS[name], f"{name} imports GIMP, for {sorted(seen)}"

    for name in MODULES:
        if folder(name) in NEVER_GIMP:
            reach(name, set())
    said = {folder(name) for name in FOLDERS if "Never GIMP" in text(name)}
    assert said == NEVER_GIMP


def test_an_operation_is_in_the_module_or_folder_of_its_catalogue_file():
    wanted = {}
    for path in (ROOT / "protocol" / "ops").glob("*.json"):
        for entry in json.loads(path.read_text(encoding="utf-8")).get("operations", ()):
            wanted[entry["name"]] = path.stem
    found = {}
    for name, path in MODULES.items():
        if name.startswith("gimp_bridge.ops."):
            for operation in re.findall(r'^@operation\(\s*"(\w+)"', path.read_text(encoding="utf-8"), re.M):
                found[operation] = name.split(".")[2]
    assert found and found == {operation: wanted[operation] for operation in found}


def test_nothing_but_the_entry_and_the_package_is_on_the_path_that_gimp_sets():
    assert {path.relative_to(PLUGIN).parts[0] for path in PLUGIN.rglob("*.py")} == {"gimp-bridge.py", "gimp_bridge"}
