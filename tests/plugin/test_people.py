"""What GIMP's windows say: whole sentences, without ids, parameters, commands and options, and each with what helps."""

import ast
import json
import re
import sys
import tomllib

import pytest
from conftest import PLUGIN, ROOT
from gimp_bridge.core.errors import CODES, OperationError
from gimp_bridge.ui import people

SENTENCES = json.loads((ROOT / "protocol" / "sentences.json").read_text())
ROWS = [(place, name, row) for place in ("reasons", "kinds") for name, row in SENTENCES[place].items()]
WORDS = re.compile(r"--|`|[A-Za-z0-9]_[A-Za-z0-9]|\b(ids?|JSON|MCP|API|PDB|parameters?|arguments?|stderr|None)\b|\bauto\b")


def strange(text):
    """What a person should not have to read, or None."""
    found = WORDS.search(text)
    return found.group() if found else None


def sentences(text):
    return text[:1].upper() == text[:1] and text.endswith((".", "!", "?"))


@pytest.mark.parametrize("place, name, row", ROWS, ids=[f"{place}-{name}" for place, name, _ in ROWS])
def test_a_sentence_is_written_for_people(place, name, row):
    assert set(row) <= {"text", "advice", "button", "action"}
    for text in filter(None, (row["text"], row.get("advice"))):
        assert strange(text) is None and sentences(text) and not set(re.findall(r"{(\w+)}", text)) - {"filter", "layer", "other"}, text
    assert ("button" in row) == ("action" in row)
    if "button" in row:
        assert "_c" not in row["button"].lower(), "that closes the window"
        assert row["button"].count("_") == 1, "one letter to press"
        assert re.search(rf"^def {row['action']}\(run\):", (PLUGIN / "gimp_bridge/ui/mend/actions.py").read_text(), re.M), row["action"]


def test_every_kind_of_error_has_a_sentence_and_every_reason_is_given_somewhere():
    assert set(SENTENCES["kinds"]) == set(CODES)
    given = set(re.findall(r'reason="(\w+)"', "\n".join(path.read_text() for path in PLUGIN.rglob("*.py"))))
    given |= set(re.findall(r'^    \w+ "(\w+)" "', (ROOT / "src/error/reason.rs").read_text(), re.M))
    assert given == set(SENTENCES["reasons"])


def test_an_error_becomes_its_reason_s_sentence_and_keeps_its_own_words_to_itself():
    error = OperationError("invalid_argument", "`x` has no `layer_id` 7", "run gimp-bridge --help", reason="covers_all")
    told = people.told(error, "Remove object", "Sky_2")
    assert told.text == "The selection covers the whole layer “Sky_2”, so nothing is left to fill it from."
    unknown = people.told(OperationError("io_error", "`/tmp/x`: errno 5", reason="of a newer daemon"), "Denoise", "")
    assert unknown.whole().startswith("A file could not be read or written. ")
    assert people.told(OperationError("busy", "x", reason="already_running", other="Upscale"), "Denoise", "").text == "“Upscale” is still running."


def test_a_note_is_a_sentence_without_what_is_for_a_shell():
    note = "the subject was found by `u2netp`; there is a better one (`gimp-bridge filters add isnet-small`)"
    assert people.note(note) == "The subject was found by u2netp; there is a better one."
    assert people.note("strength was measured as 2.20") == "Strength was measured as 2.20."


def texts_of_manifests():
    for path in sorted((ROOT / "filters").rglob("*.toml")):
        manifest = tomllib.loads(path.read_text())
        for row in [manifest, *manifest.get("param", [])]:
            yield from (row[key] for key in ("help", "label") if isinstance(row.get(key), str))


def texts_of_windows():
    """What the modules that draw windows say: constants with words in them, and not docstrings or names."""
    for name in ("message", "progress_window", "status", "filters/dialog", "filters/menu", "filters/surface", "filters/view",
                 "generate/dialog", "generate/form", "generate/kinds", "generate/menu", "generate/sight", "mend/generator_setup"):
        tree = ast.parse((PLUGIN / f"gimp_bridge/ui/{name}.py").read_text())
        quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        raised = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "OperationError"]
        quiet |= {id(each) for node in raised for each in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value and id(node) not in quiet:
                yield re.sub(r"(^|[\s>])_|(?<=St)_", r"\1", node.value)  # the letters to press


def test_dialogs_say_nothing_that_only_programs_know():
    said = [*texts_of_manifests(), *texts_of_windows()]
    assert len(said) > 60
    assert not {text: strange(people.note(text)) for text in said if strange(people.note(text))}


if __name__ == "__main__":  # the whole table, to be read
    for place, name, row in ROWS:
        print(f"{place[:-1]} {name}: {row['text']} {row.get('advice', '')}", f"[{row['button'].replace('_', '')}]" if "button" in row else "", file=sys.stdout)
