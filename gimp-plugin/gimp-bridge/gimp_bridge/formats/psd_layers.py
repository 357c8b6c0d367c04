"""What a PSD or PSB says of its layers that GIMP may not draw, by name. Never imports Gimp."""

import struct

MAX_LAYERS = 10_000
_ADJUSTMENTS = {
    b"brit": "brightness and contrast", b"levl": "levels", b"curv": "curves", b"expA": "exposure", b"vibA": "vibrance",
    b"hue2": "hue and saturation", b"hue ": "hue and saturation", b"blnc": "colour balance", b"blwh": "black and white",
    b"phfl": "photo filter", b"mixr": "channel mixer", b"clrL": "colour lookup", b"nvrt": "invert",
    b"post": "posterize", b"thrs": "threshold", b"grdm": "gradient map", b"selc": "selective colour",
}  # fmt: skip
_FILLS = {b"SoCo": "colour fill", b"GdFl": "gradient fill", b"PtFl": "pattern fill"}
_EFFECTS = (b"lfx2", b"lrFX", b"lmfx", b"lfxs")
_VECTOR_MASKS = (b"vmsk", b"vsms")
_LONG = (b"LMsk", b"Lr16", b"Lr32", b"Layr", b"Mt16", b"Mt32", b"Mtrn", b"Alph", b"FMsk", b"lnk2", b"FEid", b"FXid", b"PxSD")
_MERGED = 1057  # the image resource that says whether the flattened picture is a real one


def read(data):
    """(number of layers, features such as "adjustment layer `x` (invert)", whether the flattened picture is real)."""
    wide = struct.unpack_from(">H", data, 4)[0] == 2
    at = 26
    at += 4 + struct.unpack_from(">I", data, at)[0]
    length = struct.unpack_from(">I", data, at)[0]
    real = _has_flattened(data, at + 4, at + 4 + length)
    at += 4 + length
    section, at = _length(data, at, wide)
    end = at + section
    if section == 0:
        return 0, [], real
    info, at = _length(data, at, wide)
    if info:
        return *_layers(data, at, wide), real
    at += 4 + struct.unpack_from(">I", data, at)[0] if at + 4 <= end else 0
    for key, body, _ in _blocks(data, at, end, wide):  # where files of 16 and 32 bits keep their layers
        if key in (b"Lr16", b"Lr32", b"Layr"):
            return *_layers(data, body, wide), real
    return 0, [], real


def _length(data, at, wide):
    return (struct.unpack_from(">Q", data, at)[0], at + 8) if wide else (struct.unpack_from(">I", data, at)[0], at + 4)


def _has_flattened(data, at, end):
    while at + 12 <= end:
        kind = struct.unpack_from(">H", data, at + 4)[0]
        at += 6
        at += (data[at] + 2) // 2 * 2
        size = struct.unpack_from(">I", data, at)[0]
        if kind == _MERGED and size >= 5:
            return data[at + 8] != 0
        at += 4 + size + size % 2
    return True


def _layers(data, at, wide):
    count = abs(struct.unpack_from(">h", data, at)[0])
    if count > MAX_LAYERS:
        raise ValueError("no PSD")
    at += 2
    found = []
    for _ in range(count):
        channels = struct.unpack_from(">H", data, at + 16)[0]
        at += 18 + channels * (10 if wide else 6)
        clipped, flags = data[at + 9], data[at + 10]
        size = struct.unpack_from(">I", data, at + 12)[0]
        at += 16
        end = at + size
        at += 4 + struct.unpack_from(">I", data, at)[0]
        at += 4 + struct.unpack_from(">I", data, at)[0]
        name = bytes(data[at + 1 : at + 1 + data[at]]).decode("latin-1")
        at += (data[at] + 4) // 4 * 4
        features = ["layer `{}` clipped to the one below"] if clipped else []
        for key, body, length in _blocks(data, at, end, wide):
            if key == b"luni":
                name = bytes(data[body + 4 : body + 4 + 2 * struct.unpack_from(">I", data, body)[0]]).decode("utf-16-be", "replace")
            elif key in _ADJUSTMENTS:
                features.append(f"adjustment layer `{{}}` ({_ADJUSTMENTS[key]})")
            elif key in _FILLS:
                features.append(f"fill layer `{{}}` ({_FILLS[key]})")
            elif key in _EFFECTS:
                features.append("effects of `{}`")
            elif key in _VECTOR_MASKS:
                features.append("vector mask of `{}`")
            elif key == b"iOpa" and data[body] != 255:
                features.append("fill opacity of `{}`")
        if not flags & 2:  # hidden layers are not in the picture
            name = name.rstrip("\0")[:60].replace("{", "").replace("}", "")
            found += dict.fromkeys(text.format(name) for text in features)
        at = end
    return count, found


def _blocks(data, at, end, wide):
    """(key, where its data begins, its length) of additional information."""
    while at + 12 <= end:
        signature, key = bytes(data[at : at + 4]), bytes(data[at + 4 : at + 8])
        if signature not in (b"8BIM", b"8B64"):
            return
        length, body = _length(data, at + 8, wide and key in _LONG)
        yield key, body, length
        at = body + length + length % 2
