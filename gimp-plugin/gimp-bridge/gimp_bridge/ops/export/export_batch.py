"""export_batch: converts and scales the pictures of a folder, file by file, with a result for each."""

import fnmatch
import os

from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import Plan, operation
from gimp_bridge.files import export, file_names, loading, shaping
from gimp_bridge.formats import table as formats
from gimp_bridge.items.image_edits import check_size, set_interpolation
from gimp_bridge.ops.canvas.canvas import scaled_size
from gimp_bridge.ops.image import files
from gimp_bridge.policy import file_paths

MAX_LISTED = 10_000  # files of a folder that are looked at
MAX_LOSSES = 5  # kinds that the message tells
IGNORED = (".desktop",)  # a link to another file


def _plan(call, **_):
    return Plan(changes=True, images=[], isolated=True)


@operation("export_batch", plan=_plan)
def export_batch(
    call, folder, to_folder, pattern="*", format=None, name="{name}", width=None, height=None, percent=None,
    fit="contain", only_shrink=True, quality=None, convert_to_srgb=False, max_files=200, overwrite=False, stop_on_error=False,
    metadata="keep", orientation="upright",
):  # fmt: skip
    source = file_paths.check_folder(folder, False, call.settings)
    target = file_paths.check_folder(to_folder, True, call.settings)
    wanted = formats.by_name(format) if format is not None else None
    if wanted not in (None, "xcf"):
        export.find_procedure(wanted)
    names = file_names.Names(name, ("name", "index"))
    sizes = width, height, percent
    found = _listed(source, pattern)
    if not found:
        raise OperationError(
            "not_found",
            f"no picture in `{folder}` matches `{pattern}`",
            "check the folder and the pattern, such as *.jpg",
        )
    if len(found) > max_files:
        raise OperationError(
            "too_large", f"{len(found)} files match `{pattern}`, more than `max_files` {max_files}",
            "narrow the pattern, or give a larger `max_files`", files=len(found),
        )  # fmt: skip
    rows = []
    call.partial["files"] = rows  # goes with the error of a cancel or a deadline
    for number, file in enumerate(found):
        call.check()
        row = {"source": file}
        try:
            row.update(_one(call, source, target, file, wanted, names, number, sizes, fit, only_shrink, quality,
                            convert_to_srgb, overwrite, metadata, orientation))  # fmt: skip
        except (OperationError, OSError) as error:
            row["error"] = error.message if isinstance(error, OperationError) else str(error)
        rows.append(row)
        call.progress((number + 1) / len(found), file)
        if stop_on_error and "error" in row:
            break
    failed = sum("error" in row for row in rows)
    done = len(rows) - failed
    if not done:
        raise OperationError("io_error", f"none of {len(rows)} files was written: {rows[0]['error']}", "see `files`")
    message = f"Exported {done} of {len(found)} files to {target}" + _losses(rows)
    cut = [row["source"] for row in rows if row.get("complete") is False]
    if cut:
        message += f"; damaged or cut short, and so not whole: {', '.join(f'`{name}`' for name in cut[:10])}"
    return {"message": message, "folder": target, "done": done, "failed": failed, "files": rows}


def _losses(rows):
    """What the files do not hold of their pictures, each kind once."""
    by_loss = {}
    for row in rows:
        if "note" in row:
            by_loss.setdefault(row["note"], []).append(row["source"])
    shown = [
        f"; {names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {loss}"
        for loss, names in list(by_loss.items())[:MAX_LOSSES]
    ]
    return "".join(shown) + ("; the others are in `files`" if len(by_loss) > MAX_LOSSES else "")


def _listed(folder, pattern):
    """Names of the folder's own files that match, in order; hidden files are left out."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if len(found) > MAX_LISTED:
                raise OperationError("too_large", f"`{folder}` has over {MAX_LISTED} such files", "narrow the pattern")
            name = entry.name
            if name.startswith(".") or name.lower().endswith(IGNORED) or not entry.is_file():
                continue
            # Of everything only what is surely a picture; a pattern such as *.nef is taken at its word
            known = formats.by_path(name) in formats.FORMATS if pattern == "*" else formats.by_path(name) is not None
            if known and fnmatch.fnmatch(name.lower(), pattern.lower()):
                found.append(name)
    return sorted(found)


def _one(
    call, source, target, file, wanted, names, number, sizes, fit, only_shrink, quality, to_srgb, overwrite, metadata, orientation,
):  # fmt: skip
    path = file_paths.check_path(os.path.join(source, file), False, call.settings)
    name = wanted or formats.by_path(file)
    with loading.opened(call, path, orientation == "keep", file) as loaded:
        image = loaded.image
        old = image.get_width(), image.get_height()
        if any(size is not None for size in sizes):
            new, crop = scaled_size(old, *sizes, fit, only_shrink)
            check_size(*new)
            if new != old:
                set_interpolation("cubic")
                image.scale(*new)
            if crop is not None and crop != new:
                image.crop(*crop, *((a - b) // 2 for a, b in zip(new, crop)))
        if to_srgb and image.get_color_profile() is not None and not image.get_color_profile().is_gray():
            shaping.to_srgb(image)
        written = names.next(formats.ending(name), name=os.path.splitext(file)[0], index=f"{number + 1:04}")
        goal = os.path.join(target, written)
        if os.path.realpath(goal) == path:
            raise OperationError("forbidden", f"`{file}` would replace itself", "give another `to_folder` or `name`")
        facts, real = files.save(call, image, goal, name, quality, None, overwrite, metadata, more=True)
        row = {"path": real, "bytes": facts["bytes"], "width": facts["width"], "height": facts["height"], **loaded.facts()}
        opened = [loaded.said(f"Opened `{file}`")] if loaded.missing is not None or loaded.notes else []
        said = [*opened, *facts["said"]]
        return {**row, "note": "; ".join(said)} if said else row
