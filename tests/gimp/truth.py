"""What tests of pixels and files share: pictures made in GIMP by plain scripts, and a PNG decoder that keeps 16 bits."""

import struct
import zlib

import numpy as np

# Python for the client's namespace in GIMP. Nothing here is the plug-in's own code
SETUP = r'''
import hashlib, os
def noise(width, height, channels, seed):
    return hashlib.shake_128(b"%d" % seed).digest(width * height * channels)
def paint(drawable, seed=1):
    width, height = drawable.get_width(), drawable.get_height()
    buffer = drawable.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, width, height), "R'G'B'A u8", noise(width, height, 4, seed))
    buffer.flush()
    drawable.update(0, 0, width, height)
def add(image, name, width, height, x=0, y=0, seed=1, alpha=True, parent=None, mode="NORMAL", opacity=100.0, gray=False):
    kind = getattr(Gimp.ImageType, ("GRAY" if gray else "RGB") + ("A_IMAGE" if alpha else "_IMAGE"))
    layer = Gimp.Layer.new(image, name, width, height, kind, opacity, getattr(Gimp.LayerMode, mode))
    image.insert_layer(layer, parent, 0)
    layer.set_offsets(x, y)
    paint(layer, seed)
    return layer
def new(width=310, height=210, gray=False, precision="U8_NON_LINEAR"):
    base = Gimp.ImageBaseType.GRAY if gray else Gimp.ImageBaseType.RGB
    return Gimp.Image.new_with_precision(width, height, base, getattr(Gimp.Precision, precision))
def export(image, path, procedure="file-png-export", **options):
    copy = image.duplicate()
    p = Gimp.get_pdb().lookup_procedure(procedure)
    c = p.create_config()
    c.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE); c.set_property("image", copy); c.set_property("file", Gio.File.new_for_path(path))
    for key, value in options.items():
        c.set_property(key.replace("_", "-"), value)
    result = p.run(c)
    assert int(result.index(0)) == int(Gimp.PDBStatusType.SUCCESS), Gimp.get_pdb().get_last_error()
    copy.delete()
def state(image):
    """What reading and exporting must leave alone, besides the dirty flag: a script's undo group sets that while it runs."""
    selection = image.get_selection()
    buffer = selection.get_buffer()
    mask = buffer.get(Gegl.Rectangle.new(0, 0, image.get_width(), image.get_height()), 1.0, "Y u8", Gegl.AbyssPolicy.NONE)
    return [hashlib.sha256(mask).hexdigest(), [l.get_id() for l in image.get_layers()], image.get_name(),
            [f.get_path() if f else None for f in (image.get_file(), image.get_xcf_file(), image.get_exported_file())],
            [c.get_visible() for c in image.get_channels()], [l.get_id() for l in image.get_selected_layers()]]
'''


def decode_png(data):
    """Pixels of a PNG, all its bits kept: (height, width, channels) of uint8 or uint16. Not interlaced; palettes are applied."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack_from(">I", data, at + 8 + length)[0]
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + length
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert interlaced == 0
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    step = max(1, channels * depth // 8)
    row_bytes = (width * channels * depth + 7) // 8
    raw = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, row_bytes + 1)
    rows = np.zeros((height, row_bytes), np.uint8)
    previous = np.zeros(row_bytes, np.int32)
    for y in range(height):
        rows[y] = previous = _unfilter(raw[y, 0], raw[y, 1:].astype(np.int32), previous, step)
    if depth < 8:
        bits = np.unpackbits(rows, axis=1).reshape(height, -1, depth)[:, :width]
        values = (bits * (1 << np.arange(depth - 1, -1, -1))).sum(axis=2)[..., None]
        scale = 1 if color == 3 else 255 // ((1 << depth) - 1)
        values = (values * scale).astype(np.uint8)
    elif depth == 16:
        values = rows.reshape(height, -1).view(">u2").astype(np.uint16).reshape(height, width, channels)
    else:
        values = rows.reshape(height, width, channels)
    if color == 3:
        palette = np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)
        pixels = palette[values[..., 0]]
        if b"tRNS" in chunks:
            alpha = np.full(len(palette), 255, np.uint8)
            alpha[: len(chunks[b"tRNS"])] = np.frombuffer(chunks[b"tRNS"], np.uint8)
            pixels = np.concatenate([pixels, alpha[values]], axis=2)
        return pixels
    return values


def _unfilter(kind, row, above, step):
    row, above = row.copy(), above.astype(np.int32)
    if kind == 0:
        return row
    if kind == 2:
        return (row + above) & 255
    for i in range(len(row)):
        left = row[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        if kind == 1:
            guess = left
        elif kind == 3:
            guess = (left + above[i]) // 2
        else:
            estimate = left + above[i] - corner
            distances = abs(estimate - left), abs(estimate - above[i]), abs(estimate - corner)
            guess = (left, above[i], corner)[distances.index(min(distances))]
        row[i] = (row[i] + guess) & 255
    return row


def pixels(reply):
    """A read_pixels stream as an array (height, width, channels)."""
    header = reply.header
    kind = np.uint8 if header["depth"] == 8 else np.uint16
    assert header["row_bytes"] == header["width"] * header["channels"] * header["depth"] // 8
    assert len(reply.data) == reply.result["stream"]["bytes"] == header["row_bytes"] * header["height"]
    return np.frombuffer(bytes(reply.data), kind).reshape(header["height"], header["width"], header["channels"])


def rgba(array):
    """Any of 1 to 4 channels as RGBA floats 0 to 1."""
    values = array.astype(np.float64) / (255 if array.dtype == np.uint8 else 65535)
    channels = values.shape[2]
    alpha = values[..., -1:] if channels in (2, 4) else np.ones_like(values[..., :1])
    color = np.repeat(values[..., :1], 3, axis=2) if channels < 3 else values[..., :3]
    return np.concatenate([color, alpha], axis=2)


def over_white(array):
    """What GIMP's flattening gives: a blend in linear light."""
    values = rgba(array)
    color, alpha = values[..., :3], values[..., 3:]
    linear = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4) * alpha + 1 - alpha
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
