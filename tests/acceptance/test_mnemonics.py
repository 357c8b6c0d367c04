"""The letters that are pressed with Alt: in no window of the plug-in two that can be seen have the same, whatever is said there."""

import collections
import json
import os

from test_filter_gui import call, grainy, open_picture, pick
from test_generate_choices import declared, webui, webui_row  # noqa: F401
from test_generate_gui import FILL, LAYER, VARY, end

# Runs in the plug-in: the letters of a window as GTK knows them, also of what is folded away; as it is, and with each of the
# messages that have a button
LETTERS = '''
import gc, json
from gi.repository import Gdk, Gtk
from gimp_bridge.ui import people
def letters(widget):
    if not widget.get_visible():
        return []
    if isinstance(widget, Gtk.Label):
        key = widget.get_mnemonic_keyval()
        return [] if key == Gdk.KEY_VoidSymbol else [[chr(Gdk.keyval_to_unicode(Gdk.keyval_to_lower(key))), widget.get_text()]]
    inner = []
    if isinstance(widget, Gtk.Container):
        widget.forall(inner.append)
    return [found for each in inner for found in letters(each)]
(window,) = [each for each in Gtk.Window.list_toplevels() if each.get_visible() and each.get_title() == TITLE]
found = {"": letters(window)}
views = [each for each in gc.get_objects() if type(each).__name__ in ("FilterView", "Dialog") and hasattr(each, "_mend")]
for reason in REASONS:
    row = people.SENTENCES["reasons"][reason]
    told = people.Told(**{key: value.format(filter="x", layer="x", other="x") if key in ("text", "advice") else value for key, value in row.items()})
    for view in views:
        view._say("", told)
    found[reason] = letters(window)
print(json.dumps(found))
'''


def run(made, code, **values):
    code = "\n".join(f"{name} = {value!r}" for name, value in values.items()) + code
    return call(made, "call_api", api_path="exec", args=["pyGObject-console", [code]])["output"]


def letters(made, title, reasons=()):
    """By what is said, all [letter, label]."""
    return json.loads(run(made, LETTERS, TITLE=title, REASONS=list(reasons)).strip().splitlines()[-1])


def clashes(found):
    by = collections.defaultdict(list)
    for letter, text in found:
        by[letter].append(text)
    return {letter: texts for letter, texts in by.items() if len(texts) > 1}


def reasons():
    path = os.path.join(os.path.dirname(__file__), "..", "..", "protocol", "sentences.json")
    with open(path) as file:
        rows = json.load(file)["reasons"]
    one_each = {row["button"]: reason for reason, row in rows.items() if "button" in row}
    return sorted(one_each.values())


def filters(made):
    with open(os.path.join(made.env["GIMP_BRIDGE_STATE_DIR"], "filters.json")) as file:
        return [row["title"] for row in json.load(file)["filters"]]


def test_no_dialog_has_a_letter_twice(desk, version, webui, declared):  # noqa: F811
    made, screen = desk
    declared(webui_row(webui, "[backend.models.a]\nnative = 512\n[backend.models.b]\nnative = 768\n"))
    image = open_picture(made, grainy(400, 300))
    call(made, "create_rectangle_selection", image=image, x=60, y=50, width=100, height=90)
    screen.focus("400x300", fill=True)
    screen.key("ctrl+t")
    wrong, seen = {}, set()
    for title in [*filters(made), FILL, LAYER, VARY]:
        pick(screen, title)
        found = letters(made, title, reasons())
        assert len(found[""]) > 3 and len(found) > 10, (title, found)
        seen |= {text for rows in found.values() for _, text in rows}
        wrong.update({(title, said): clashes(rows) for said, rows in found.items() if clashes(rows)})
        screen.dismiss(f"^{title}$")
    assert {"To New Layer", "Try Again", "Enter the Key…"} <= seen, "buttons of messages were there"
    assert not wrong
    end(made, image)
