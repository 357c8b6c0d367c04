"""The window that says what stands in a filter's way, with a button that mends it; and notes, which nobody has to answer."""

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GimpUi, GLib, Gtk  # noqa: E402

SHOWN_MS, LETTER_MS = 4000, 50  # how long a note is seen: always, and for each of its letters
EDGE = 48  # pixels between a note and the screen's edge


def ask(title, told):
    """Shows a Told; whether its button was pressed."""
    GimpUi.init("gimp-bridge")
    dialog = GimpUi.Dialog(title=title, role="gimp-bridge-message")
    dialog.add_button("_Close", Gtk.ResponseType.CLOSE)
    if told.action:
        dialog.add_button(told.button, Gtk.ResponseType.OK)
    dialog.set_default_response(Gtk.ResponseType.OK if told.action else Gtk.ResponseType.CLOSE)
    icon = Gtk.Image.new_from_icon_name("dialog-information", Gtk.IconSize.DIALOG)
    icon.set_valign(Gtk.Align.START)
    texts = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=9)
    for text in filter(None, (told.text, told.advice)):
        label = Gtk.Label(label=text, xalign=0, wrap=True, max_width_chars=60, selectable=False)
        texts.pack_start(label, False, False, 0)
    both = Gtk.Box(spacing=12, border_width=18)
    both.pack_start(icon, False, False, 0)
    both.pack_start(texts, True, True, 0)
    dialog.get_content_area().pack_start(both, True, True, 0)
    dialog.set_keep_above(True)
    dialog.show_all()
    try:
        return dialog.run() == Gtk.ResponseType.OK
    finally:
        dialog.destroy()


def mention(title, notes):
    """Shows what need not be answered for as long as it takes to read it: a line at the screen's lower edge, which takes no
    keys, and goes with a click."""
    text = " ".join(dict.fromkeys(notes))
    if not text:
        return
    GimpUi.init("gimp-bridge")
    window = Gtk.Window(title=f"Note: {title}", decorated=False, accept_focus=False, focus_on_map=False, resizable=False,
                        skip_taskbar_hint=True, type_hint=Gdk.WindowTypeHint.NOTIFICATION)  # fmt: skip
    window.set_role("gimp-bridge-note")
    window.set_keep_above(True)
    label = Gtk.Label(label=f"{title}: {text}", wrap=True, max_width_chars=80, margin=12)
    frame = Gtk.EventBox()
    frame.connect("button-press-event", lambda *_: window.destroy())
    frame.add(label)
    window.add(frame)
    timer = GLib.timeout_add(SHOWN_MS + LETTER_MS * len(text), lambda: window.destroy() and False)
    window.connect("destroy", lambda _: GLib.source_remove(timer) if GLib.MainContext.default().find_source_by_id(timer) else None)
    window.connect("size-allocate", _to_lower_edge)
    window.show_all()


def _to_lower_edge(window, allocation):
    display = window.get_display()
    monitor = display.get_monitor_at_point(*display.get_default_seat().get_pointer().get_position()[1:])
    area = monitor.get_workarea()
    window.move(area.x + (area.width - allocation.width) // 2, area.y + area.height - allocation.height - EDGE)
