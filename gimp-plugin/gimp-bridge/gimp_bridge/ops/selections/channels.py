"""Operations on channels: saved selections and components that can be painted on like a grey layer."""

from gi.repository import Babl, Gegl, Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.images import buffers
from gimp_bridge.items import colors, painting, selection as selecting, targets

COMPONENTS = {"red": "RED", "green": "GREEN", "blue": "BLUE", "gray": "GRAY", "alpha": "ALPHA"}
BAND = 128  # rows that are copied at once
LUMA = {"u8": "Y' u8", "u16": "Y' u16", "u32": "Y' u32", "half": "Y' half", "float": "Y' float", "double": "Y' double"}


@operation("create_channel")
def create_channel(call, name="Channel", source="empty", channel=None, color="black", opacity=50, visible=False):
    image = call.image
    rgba = colors.parse(color)
    made = _make(call, source, channel, name)
    made.set_color(colors.gegl_color((*rgba[:3], 1.0)))
    made.set_opacity(opacity)
    made.set_visible(visible)
    _insert(image, made, name)
    return {
        "message": f"Created channel `{made.get_name()}` from {source}",
        "channel": made.get_id(),
        "name": made.get_name(),
    }


def _insert(image, channel, name):
    """Inserts it on top and leaves the layers selected that were: operations go on where they were."""
    layers, channels = image.get_selected_layers(), image.get_selected_channels()
    painting.done(image.insert_channel(channel, None, 0), "inserting the channel")
    if channel.get_name() != name:
        channel.set_name(name)
    selecting.choose(image, layers, channels)


def _make(call, source, channel, name):
    image = call.image
    if source == "copy":
        return targets.channel(call, channel).copy()
    if channel is not None:
        raise OperationError("invalid_argument", '`channel` is for source "copy" only', "leave it out")
    if source in COMPONENTS:
        kinds = ("gray", "alpha") if targets.base_type(image) == "GRAY" else ("red", "green", "blue", "alpha")
        if source not in kinds:
            raise OperationError(
                "invalid_argument",
                f"a {targets.base_type(image)} image has no {source} component",
                f"give one of {', '.join(kinds)}",
            )
        return Gimp.Channel.new_from_component(image, getattr(Gimp.ChannelType, COMPONENTS[source]), name)
    made = Gimp.Channel.new(image, name, image.get_width(), image.get_height(), 50.0, Gegl.Color.new("black"))
    if source == "selection":
        selecting.need_some(image, "make a channel from")
        return _copied_selection(image)
    if source == "full":
        made.fill(Gimp.FillType.WHITE)
    elif source == "empty":
        _fill_black(made)
    else:
        _copy_luminosity(image, made)
    return made


def _copied_selection(image):
    return image.get_selection().copy()


def _fill_black(channel):
    buffer = channel.get_buffer()
    buffers.empty(buffer, Babl.format_get_encoding(channel.get_format()))
    buffer.flush()
    channel.update(0, 0, channel.get_width(), channel.get_height())


def _copy_luminosity(image, channel):
    """The picture's luma. The numbers are taken over as they are: a channel's are coverage, whatever its label."""
    picture = Gimp.Layer.new_from_visible(image, image, "gimp-bridge luminosity")
    try:
        target = Babl.format_get_encoding(channel.get_format())
        source, buffer = picture.get_buffer(), channel.get_buffer()
        for top in range(0, channel.get_height(), BAND):
            rows = min(BAND, channel.get_height() - top)
            rectangle = Gegl.Rectangle.new(0, top, channel.get_width(), rows)
            luma = LUMA[target.rpartition(" ")[2]]
            buffers.put_area(buffer, rectangle, target, source.get(rectangle, 1.0, luma, Gegl.AbyssPolicy.NONE))
        buffer.flush()
        channel.update(0, 0, channel.get_width(), channel.get_height())
    finally:
        picture.delete()


@operation("save_selection_to_channel")
def save_selection_to_channel(call, name="Selection", channel=None, operation="replace"):
    image = call.image
    selecting.need_some(image, "save")
    if channel is not None:
        target = targets.channel(call, channel)
        saved = _save(image)
        try:
            painting.done(target.combine_masks(saved, selecting.how(operation), 0, 0), "combining the channels")
        finally:
            _remove(image, saved)
        words = {"replace": "Saved the selection in", "add": "Added the selection to"}.get(operation)
        words = words or f"Combined the selection ({operation}) with"
        return {
            "message": f"{words} channel `{target.get_name()}`",
            "channel": target.get_id(),
            "name": target.get_name(),
        }
    if operation != "replace":
        raise OperationError(
            "invalid_argument",
            f'`operation` "{operation}" needs a `channel` to work on',
            "give `channel` or leave it out",
        )
    saved = _save(image)
    saved.set_name(name)
    return {
        "message": f"Saved the selection as channel `{saved.get_name()}`",
        "channel": saved.get_id(),
        "name": saved.get_name(),
    }


def _save(image):
    layers, channels = image.get_selected_layers(), image.get_selected_channels()
    saved = Gimp.Selection.save(image)
    painting.done(saved is not None, "saving the selection")
    selecting.choose(image, layers, channels)
    return saved


def _remove(image, channel):
    layers, channels = image.get_selected_layers(), image.get_selected_channels()
    painting.done(image.remove_channel(channel), "removing the channel")
    selecting.choose(image, layers, channels)


@operation("set_channel_properties")
def set_channel_properties(
    call, channel=None, name=None, color=None, opacity=None, visible=None, show_masked=None, position=None, select=None
):
    image, found = call.image, targets.channel(call, channel)
    given = {"name": name, "color": color, "opacity": opacity, "visible": visible, "show_masked": show_masked}
    given.update(position=position, select=select)
    changes = [key for key, value in given.items() if value is not None]
    if not changes:
        raise OperationError("invalid_argument", "nothing to set is given", f"give one of {', '.join(given)}")
    if name is not None:
        found.set_name(name)
    if color is not None:
        found.set_color(colors.gegl_color((*colors.parse(color)[:3], 1.0)))
    if opacity is not None:
        found.set_opacity(opacity)
    if visible is not None:
        found.set_visible(visible)
    if show_masked is not None:
        found.set_show_masked(show_masked)
    if position is not None:
        _need_position(position, len(image.get_channels()), "channel")
        painting.done(image.reorder_item(found, None, position), "moving the channel")
    if select:
        image.set_selected_channels([found])
    elif select is False:
        # GIMP takes no empty list of layers: the topmost one stands for "go on with layers"
        selecting.choose(image, image.get_layers()[:1], [])
    return {
        "message": f"Set {', '.join(changes)} of channel `{found.get_name()}`",
        "channel": found.get_id(),
        "name": found.get_name(),
        "color": colors.describe(found.get_color()),
        "opacity": found.get_opacity(),
        "visible": found.get_visible(),
        "show_masked": found.get_show_masked(),
        "position": image.get_item_position(found),
    }


def _need_position(position, count, what):
    if position >= count:
        raise OperationError(
            "invalid_argument",
            f"`position` {position} is beyond the {count} {what}s",
            f"give 0 (topmost) to {count - 1}",
        )


@operation("delete_channel")
def delete_channel(call, channel=None):
    found = targets.channel(call, channel)
    name, deleted = found.get_name(), found.get_id()
    _remove(call.image, found)
    return {"message": f"Deleted channel `{name}`", "deleted": deleted}
