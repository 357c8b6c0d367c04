"""export_layers, export_sprite_sheet and export_animation: each layer as a picture of its own."""

import contextlib
import json
import math
import os
import re
import tempfile

from gi.repository import Gimp

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.files import export, file_names, kept_metadata, layer_frames, shaping
from gimp_bridge.formats import apng, table as formats
from gimp_bridge.items import lookup, targets
from gimp_bridge.ops.export.export_web import plan_file
from gimp_bridge.ops.image import files
from gimp_bridge.policy import file_paths

ANIMATED = {"gif": "gif", "webp": "webp", "png": "apng", "apng": "apng"}
MAX_SHEET_SIDE = 65_500  # what PNG and WebP readers take


@operation("export_layers", plan=plan_file)
def export_layers(
    call, folder, pattern="{index}-{name}", format="png", layers=None, include_hidden=False, groups="merge",
    crop="layer", quality=None, overwrite=True, metadata="keep",
):  # fmt: skip
    real = file_paths.check_folder(folder, True, call.settings)
    name = formats.by_name(format)
    export.find_procedure(name) if name != "xcf" else None
    names = file_names.Names(pattern, ("index", "name", "id", "image", "width", "height"))
    chosen = layer_frames.chosen(call, layers, include_hidden, leaves=groups == "separate")
    digits, rows, skipped, losses = len(str(len(chosen))), [], [], {}
    call.partial["files"] = rows
    image_name = os.path.splitext(lookup.image_name(call.image))[0]
    for number, layer in enumerate(chosen):
        with layer_frames.empty(call) as picture:
            with layer_frames.alone(call, [layer], picture) as alone:
                made = alone(0)
            picture.insert_layer(made, None, 0)
            box = _crop(call.image, picture, made, layer, crop)
            if box is None:
                skipped.append(layer.get_id())
                continue
            file = names.next(
                formats.ending(name), index=str(number + 1).zfill(digits), name=layer.get_name(), id=layer.get_id(),
                image=image_name, width=box[2], height=box[3],
            )  # fmt: skip
            facts, target = files.save(
                call, picture, os.path.join(real, file), name, quality, None, overwrite, metadata, call.image, more=True
            )
        losses.update(dict.fromkeys(facts["said"]))
        rows.append({
            "path": target, "layer": layer.get_id(), "name": layer.get_name(), "x": box[0], "y": box[1],
            "width": box[2], "height": box[3], "bytes": facts["bytes"],
        })  # fmt: skip
        call.progress((number + 1) / len(chosen), file)
    if skipped:
        targets.add_note(call, f"{len(skipped)} layers have nothing to see there: {', '.join(map(str, skipped[:10]))}")
    return {
        "message": "; ".join([f"Exported {len(rows)} layers as {name} to {real}", *losses]),
        "folder": real,
        "files": rows,
        "skipped": skipped,
    }


def _crop(image, picture, made, layer, crop):
    """Crops a picture of one layer; (x, y, width, height) in the image, or None where nothing would be left."""
    width, height = image.get_width(), image.get_height()
    if crop == "canvas":
        return 0, 0, width, height
    if crop == "layer":
        x, y = layer.get_offsets()[-2:]
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + layer.get_width(), width), min(y + layer.get_height(), height)
    else:
        left, top, right, bottom = content_box(picture, made)
    if right <= left or bottom <= top:
        return None
    picture.crop(right - left, bottom - top, left, top)
    return left, top, right - left, bottom - top


def content_box(picture, layer):
    """(left, top, right, bottom) of what is not transparent in a layer; equal sides where all is."""
    if not layer.has_alpha():
        return 0, 0, layer.get_width(), layer.get_height()
    picture.select_item(Gimp.ChannelOps.REPLACE, layer)  # its alpha
    _, some, left, top, right, bottom = Gimp.Selection.bounds(picture)
    Gimp.Selection.none(picture)
    return (left, top, right, bottom) if some else (0, 0, 0, 0)


@operation("export_sprite_sheet", plan=plan_file)
def export_sprite_sheet(
    call, path, atlas_path=None, layers=None, columns=None, padding=0, trim=False, power_of_two=False, order="top-down",
    overwrite=True, metadata="keep",
):  # fmt: skip
    name = formats.by_path(path)
    if name not in ("png", "webp"):
        raise OperationError(
            "invalid_argument", f"path `{path}` does not end on .png or .webp", "give one of these endings"
        )
    atlas_path = atlas_path or os.path.splitext(path)[0] + ".json"
    if formats.by_path(atlas_path) != "json":
        raise OperationError(
            "invalid_argument", f"atlas_path `{atlas_path}` does not end on .json", "give one that does"
        )
    chosen = layer_frames.chosen(call, layers)
    if order == "bottom-up":
        chosen.reverse()
    width, height = call.image.get_width(), call.image.get_height()
    with layer_frames.empty(call) as sheet:
        sprites = _sprites(call, sheet, chosen, trim)
        columns = columns or math.ceil(math.sqrt(len(sprites)))
        size = _place(sprites, columns, padding)
        if power_of_two:
            size = tuple(1 << (side - 1).bit_length() for side in size)
        layer_frames.check_pixels(*size, "a sheet")
        if max(size) > MAX_SHEET_SIDE:
            raise OperationError(
                "too_large",
                f"a sheet of {size[0]}x{size[1]} is too large",
                f"give other `columns`: {MAX_SHEET_SIDE} a side",
            )
        for sprite in sprites:
            sprite.layer.set_offsets(sprite.x, sprite.y)
        sheet.resize(*size, 0, 0)
        # The atlas first: a sheet without its atlas is of no use
        with files.new_file(call, atlas_path, overwrite, endings=("json",)) as (atlas, atlas_target):
            facts, target = files.save(
                call, sheet, path, name, None, _lossless(name), overwrite, metadata, call.image
            )
            with open(atlas, "w", encoding="utf-8") as file:
                json.dump(_atlas(sprites, size, os.path.basename(target), (width, height)), file, indent=1)
    return {
        "message": f"Exported a sheet of {len(sprites)} sprites, {size[0]}x{size[1]}, to {target}",
        "path": target, "atlas_path": atlas_target, "width": size[0], "height": size[1], "bytes": facts["bytes"],
        "columns": min(columns, len(sprites)),
        "sprites": [each.row() for each in sprites],
    }  # fmt: skip


def _lossless(name):
    return {"lossless": True} if name == "webp" else None


class _Sprite:
    """One picture on a sheet.

    `left`, `top` say where its box begins on the canvas; `x`, `y` where it goes on the sheet.
    """

    def __init__(self, name, id_, layer, box):
        self.name, self.id, self.layer = name, id_, layer
        self.left, self.top = box[:2]
        self.width, self.height = box[2] - box[0], box[3] - box[1]
        self.x = self.y = 0

    def row(self):
        return {
            "name": self.name,
            "layer": self.id,
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
        }


def _sprites(call, sheet, chosen, trim):
    """The layers' pictures on the sheet, cropped to their content where asked; the sheet's canvas is the image's."""
    sprites, names = [], set()
    whole = 0, 0, sheet.get_width(), sheet.get_height()
    with layer_frames.alone(call, chosen, sheet) as alone:
        for number, layer in enumerate(chosen):
            made = alone(number)
            sheet.insert_layer(made, None, 0)
            box = content_box(sheet, made) if trim else whole
            if box[2] <= box[0]:
                box = 0, 0, 1, 1  # an empty frame keeps its place in the order
            Gimp.Layer.resize(made, box[2] - box[0], box[3] - box[1], -box[0], -box[1])
            name, count = layer.get_name(), 1
            while name in names:
                count += 1
                name = f"{layer.get_name()} {count}"
            names.add(name)
            sprite = _Sprite(name, layer.get_id(), made, box)
            sprites.append(sprite)
            call.progress((number + 1) / len(chosen))
    return sprites


def _place(sprites, columns, padding):
    """Puts the sprites in rows, each in a cell of the widest and highest; returns the sheet's size."""
    wide, high = max(sprite.width for sprite in sprites), max(sprite.height for sprite in sprites)
    for number, sprite in enumerate(sprites):
        sprite.x = padding + number % columns * (wide + padding)
        sprite.y = padding + number // columns * (high + padding)
    rows = math.ceil(len(sprites) / columns)
    return padding + min(columns, len(sprites)) * (wide + padding), padding + rows * (high + padding)


def _atlas(sprites, size, picture, canvas):
    """The form that TexturePacker made common ("JSON hash"); Phaser, PixiJS, Unity and Godot read it."""
    rows = {
        sprite.name: {
            "frame": {"x": sprite.x, "y": sprite.y, "w": sprite.width, "h": sprite.height},
            "rotated": False,
            "trimmed": (sprite.width, sprite.height) != canvas,
            "spriteSourceSize": {"x": sprite.left, "y": sprite.top, "w": sprite.width, "h": sprite.height},
            "sourceSize": {"w": canvas[0], "h": canvas[1]},
        }
        for sprite in sprites
    }
    meta = {"app": "gimp-bridge", "version": "1.0", "image": picture, "format": "RGBA8888",
            "size": {"w": size[0], "h": size[1]}, "scale": "1"}  # fmt: skip
    return {"frames": rows, "meta": meta}


@operation("export_animation", plan=plan_file)
def export_animation(
    call, path, delay=100, loops=0, layers=None, order="bottom-up", dispose="replace", colors=256, dither="none",
    quality=90, overwrite=True, metadata="keep",
):  # fmt: skip
    ending = os.path.splitext(path)[1].lstrip(".").lower()
    kind = ANIMATED.get(ending)
    if kind is None:
        raise OperationError(
            "invalid_argument", f"path `{path}` does not end on .gif, .webp, .png or .apng", "give one of these endings"
        )
    chosen = layer_frames.chosen(call, layers)
    if order == "bottom-up":
        chosen.reverse()
    delays = [_delay(layer.get_name(), delay) for layer in chosen]
    width, height = call.image.get_width(), call.image.get_height()
    layer_frames.check_pixels(width, height * len(chosen), "an animation")
    name, endings = ("png", ("png", "apng")) if kind == "apng" else (kind, None)
    kept = kept_metadata.Kept(call.image, name, export.specs(export.find_procedure(name)), metadata)
    with files.new_file(call, path, overwrite, name, endings) as (temporary, target):
        if kind == "apng":
            _write_apng(call, chosen, delays, loops, dispose, kept, temporary)
        else:
            _write_by_gimp(call, kind, chosen, delays, loops, dispose, (colors, dither, quality), kept, temporary)
            if loops:
                apng.set_loops(temporary, loops)
        kept.finish(temporary)
        with open(temporary, "rb") as file:
            found = apng.read(file.read())
        written = os.path.getsize(temporary)
        if found is None or not found.frames:
            raise OperationError("io_error", f"GIMP wrote no {kind} animation", "choose another format")
    if found.frames != len(chosen):
        targets.add_note(
            call, f"the file has {found.frames} frames for {len(chosen)} layers: equal ones are written once"
        )
    return {
        "message": "; ".join(
            [f"Exported an animation of {found.frames} frames, {width}x{height}, as {kind} to {target}", *kept.said]
        ),
        "path": target, "format": kind, "bytes": written, "frames": found.frames, "delays": found.delays,
        "loops": found.loops, "width": width, "height": height,
    }  # fmt: skip


def _delay(name, default):
    """GIMP's own way to give a frame its time: "Frame 3 (250ms)"."""
    found = re.search(r"\((\d{1,5})\s*ms\)", name)
    return min(int(found.group(1)), 65_535) if found else default


@contextlib.contextmanager
def _film(call, chosen, delays, dispose):
    """A new image with a layer for each frame, the first at the bottom; named as GIMP's exporters read it."""
    with layer_frames.empty(call) as film:
        with layer_frames.alone(call, chosen, film) as alone:
            for number in range(len(chosen)):
                layer = alone(number)
                film.insert_layer(layer, None, 0)
                layer.set_name(f"Frame {number + 1} ({delays[number]}ms) ({dispose})")
                call.progress((number + 1) / len(chosen) / 2)
        yield film


def _write_by_gimp(call, kind, chosen, delays, loops, dispose, how, kept, path):
    colors, dither, quality = how
    with _film(call, chosen, delays, dispose) as film:
        if kind == "gif":
            if targets.base_type(film) != "GRAY":
                wanted = Gimp.ConvertDitherType.FS if dither == "floyd-steinberg" else Gimp.ConvertDitherType.NONE
                shaping.to_palette(film, wanted, colors)
            else:
                film.convert_precision(Gimp.Precision.U8_NON_LINEAR)
            # GIMP takes the number only where `loop`, which means for ever, is off
            values = {"as-animation": True, "loop": loops == 0, "number-of-repeats": loops if loops > 1 else 0,
                      "default-delay": delays[0], "force-delay": False, "default-dispose": dispose}  # fmt: skip
        else:
            values = {"animation": True, "animation-loop": loops == 0, "default-delay": delays[0], "force-delay": False,
                      "quality": float(quality), "lossless": quality == 100, "include-thumbnail": False}  # fmt: skip
        kept.dress(film)
        call.check()
        export.run(export.find_procedure(kind), film, path, {**kept.values, **values})


def _write_apng(call, chosen, delays, loops, dispose, kept, path):
    """GIMP writes none: its PNGs of the frames are put together."""
    procedure = export.find_procedure("png")
    with tempfile.TemporaryDirectory(prefix="gimp-bridge-") as work, _film(call, chosen, delays, dispose) as film:
        film.convert_precision(Gimp.Precision.U8_NON_LINEAR)
        stack = film.get_layers()[::-1]
        kind = "graya8" if targets.base_type(film) == "GRAY" else "rgba8"
        picture = os.path.join(work, "frame.png")
        with open(path, "wb") as file:
            writer = apng.ApngWriter(file, len(stack), loops)
            for number in range(len(stack)):
                for other, each in enumerate(stack):
                    each.set_visible(other == number or (dispose == "combine" and other < number))
                with shaping.shaped_copy(film, "png", {}) as shaped:
                    if number == 0:
                        kept.dress(shaped.image)
                    values = {**kept.values, "format": kind, "include-thumbnail": False, "time": False}
                    export.run(procedure, shaped.image, picture, values)
                with open(picture, "rb") as frame:
                    writer.add(frame.read(), delays[number])
                call.progress(0.5 + (number + 1) / len(stack) / 2)
            writer.finish()
