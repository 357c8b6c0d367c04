"""Operations on how an image keeps its colours: mode, precision, colour profile."""

import difflib

from gi.repository import Gimp, Gio, GLib

from gimp_bridge.core import enums
from gimp_bridge.core.errors import OperationError
from gimp_bridge.dispatch.registry import operation
from gimp_bridge.items import targets
from gimp_bridge.items.image_edits import Contents, all_layers, refused, remove_profile
from gimp_bridge.ops.image.image import precision_fields
from gimp_bridge.policy import file_paths

DITHERS = {
    "none": "NONE", "floyd-steinberg": "FS", "floyd-steinberg-low-bleed": "FS_LOWBLEED", "positioned": "FIXED",
}  # fmt: skip
PALETTES = {"generate": "GENERATE", "web": "WEB", "mono": "MONO", "custom": "CUSTOM"}
PROFILES = {
    "srgb": "new_rgb_srgb", "srgb-linear": "new_rgb_srgb_linear", "adobe-rgb": "new_rgb_adobe",
    "gray": "new_d65_gray_srgb_trc", "gray-linear": "new_d65_gray_linear",
}  # fmt: skip


@operation("convert_image_mode")
def convert_image_mode(
    call, mode, palette="generate", colors=256, palette_name=None, dither="none", dither_alpha=False,
    remove_unused=False,
):  # fmt: skip
    image, here = call.image, targets.base_type(call.image)
    if (palette_name is not None) != (palette == "custom"):
        raise OperationError(
            "invalid_argument",
            f'`palette` is "{palette}" {"with" if palette_name else "without"} `palette_name`',
            '`palette_name` goes with `palette`: "custom"',
        )
    if mode == here:
        return {"message": f"The image is {mode} already", **_mode_fields(image)}
    with Contents(call) as contents:
        if mode == "INDEXED":
            _to_indexed(call, palette, colors, palette_name, dither, dither_alpha, remove_unused)
        elif not (image.convert_rgb() if mode == "RGB" else image.convert_grayscale()):
            raise refused(f"convert the image to {mode}")
    contents.say()
    return {"message": f"Converted image from {here} to {mode}", **_mode_fields(image)}


def _to_indexed(call, palette, count, palette_name, dither, dither_alpha, remove_unused):
    image = call.image
    if any(isinstance(layer, Gimp.GroupLayer) for layer in all_layers(image.get_layers())):
        raise OperationError(
            "unsupported", "an indexed image has no layer groups", "merge them first with merge_layers"
        )
    precision = enums.name(Gimp.Precision, image.get_precision())
    if not precision.startswith("U8_"):
        raise OperationError(
            "unsupported",
            f"an indexed image has 8 bits, and this one is {precision}",
            'convert it first with convert_image_precision (precision "u8")',
        )
    if palette_name is not None and Gimp.Palette.get_by_name(palette_name) is None:
        names = [found.get_name() for found in Gimp.palettes_get_list("")]
        near = difflib.get_close_matches(palette_name, names, 3, 0.4) or names[:5]
        raise OperationError(
            "not_found", f"there is no palette `{palette_name}`", f"there are {', '.join(near)} and others"
        )
    done = image.convert_indexed(
        getattr(Gimp.ConvertDitherType, DITHERS[dither]),
        getattr(Gimp.ConvertPaletteType, PALETTES[palette]),
        count,
        dither_alpha,
        remove_unused,
        palette_name or "",
    )
    if not done:
        raise refused("convert the image to INDEXED")


def _mode_fields(image):
    fields = {"base_type": targets.base_type(image)}
    if fields["base_type"] == "INDEXED":
        fields["colors"] = len(image.get_palette().get_colors())
    return fields


@operation("convert_image_precision")
def convert_image_precision(call, precision, linear=None):
    image = call.image
    targets.need_mode(call, ("RGB", "GRAY"), "a precision other than 8 bits")
    before = precision_fields(image)
    curve = before["precision_exact"].partition("_")[2] if linear is None else "LINEAR" if linear else "NON_LINEAR"
    exact = f"{precision.upper()}_{curve}"
    if exact == before["precision_exact"]:
        return {"message": f"The image is {before['precision']} already", **before}
    if not image.convert_precision(getattr(Gimp.Precision, exact)):
        raise refused(f"convert the image to {exact}")
    after = precision_fields(image)
    light = "linear light" if after["linear"] else "perceptual gamma"
    return {"message": f"Converted image to {after['precision']}, {light}", **after}


@operation("set_color_profile")
def set_color_profile(call, action, profile="srgb", intent="perceptual", black_point_compensation=True):
    image = call.image
    before = image.get_effective_color_profile()
    if action == "remove":
        had = image.get_color_profile()
        if had is None:
            return {"message": "The image has no colour profile of its own", "profile": _profile_name(before)}
        remove_profile(image)
        return {
            "message": f"Removed colour profile {had.get_label()}",
            "profile": _profile_name(image.get_effective_color_profile()),
        }
    wanted = _load(call, profile)
    gray = targets.base_type(image) == "GRAY"
    if not (wanted.is_gray() if gray else wanted.is_rgb()):
        kind = "GRAY" if wanted.is_gray() else "RGB" if wanted.is_rgb() else "CMYK or other"
        raise OperationError(
            "invalid_argument",
            f"profile `{wanted.get_label()}` is for {kind} images, and image `{image.get_id()}` is "
            f"{targets.base_type(image)}",
            'give a profile for that mode ("srgb", "gray"), or convert the image with convert_image_mode',
        )
    if action == "assign":
        done = image.set_color_profile(wanted)
    else:
        kind = getattr(Gimp.ColorRenderingIntent, intent.replace("-", "_").upper())
        done = image.convert_color_profile(wanted, kind, black_point_compensation)
    if not done:
        raise refused(f"{action} the colour profile")
    verb = "Assigned" if action == "assign" else "Converted image to"
    message = f"{verb} colour profile {wanted.get_label()}"
    return {"message": message, "profile": _profile_name(image.get_effective_color_profile())}


def _profile_name(profile):
    return profile.get_label() if profile is not None else None


def _load(call, profile):
    if profile in PROFILES:
        return getattr(Gimp.ColorProfile, PROFILES[profile])()
    if "/" not in profile and "\\" not in profile:
        raise OperationError(
            "invalid_argument",
            f"there is no built-in profile `{profile}`",
            f"give one of {', '.join(PROFILES)}, or the path of an ICC file",
        )
    path = file_paths.check_path(profile, False, call.settings, file_paths.DATA)
    try:
        found = Gimp.ColorProfile.new_from_file(Gio.File.new_for_path(path))
    except GLib.Error as error:
        raise OperationError("invalid_argument", f"`{profile}` is no ICC profile: {error.message}") from error
    if found is None:
        raise OperationError("invalid_argument", f"`{profile}` is no ICC profile", "name an .icc or .icm file")
    return found
