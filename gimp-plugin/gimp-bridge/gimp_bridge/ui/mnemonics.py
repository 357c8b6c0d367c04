"""The letters that are pressed with Alt: each once in a window.

What a filter's author, a message's button and GIMP itself bring meets only in the window, so it is settled there. A label
whose letter is taken gets another one of its own, or none.
"""

import gi

gi.require_version("Gtk", "3.0")
from gi.repository import Gtk  # noqa: E402


def settle(window, *last):
    """GIMP's buttons keep their letters, then the fields do, from above; widgets of `last` take what is left."""
    if not window.get_mapped():  # what is seen in it is not known yet
        window.connect_after("map", _mapped, *last)
        return
    taken = set()
    labels = list(_labels(window))
    for label in sorted(labels, key=lambda label: _rank(label, last)):
        plain, letter = _parsed(label.get_label())
        if letter is not None and plain[letter].lower() in taken:
            letter = next((place for place in _by_words(plain) if plain[place].lower() not in taken), None)
            label.set_label(_written(plain, letter))
        if letter is not None:
            taken.add(plain[letter].lower())


def _mapped(window, *last):
    settle(window, *last)


def _labels(widget):
    """Those with a letter that are seen, or are once something is unfolded."""
    if not widget.get_visible():
        return
    if isinstance(widget, Gtk.Label):
        if widget.get_use_underline() and _parsed(widget.get_label())[1] is not None:
            yield widget
    elif isinstance(widget, Gtk.Container):
        children = []
        widget.forall(children.append)
        for child in children:
            yield from _labels(child)


def _rank(label, last):
    if any(label.is_ancestor(widget) for widget in last):
        return 2
    return 0 if label.get_ancestor(Gtk.ButtonBox) is not None else 1


def _by_words(plain):
    """Places of letters: those that begin a word first."""
    places = [place for place, letter in enumerate(plain) if letter.isalnum()]
    return sorted(places, key=lambda place: place > 0 and plain[place - 1].isalnum())


def _parsed(text):
    """The text as it is seen, and the place of its letter or None."""
    plain, letter, marked = [], None, False
    for character in text:
        if character == "_" and not marked:
            marked = True
            continue
        if marked and character != "_" and letter is None:
            letter = len(plain)
        plain.append(character)
        marked = False
    return "".join(plain), letter


def _written(plain, letter):
    return "".join(("_" if place == letter else "") + character.replace("_", "__") for place, character in enumerate(plain))
