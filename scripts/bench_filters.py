"""Called by bench-filters: runs both sides in processes of their own and prints a table.

usage: bench_filters.py BINARY FILTER THREADS "MEGAPIXELS…" "MEGAPIXELS OF THE ENGINE ALONE…"
       bench_filters.py --python MANIFEST THREADS IN OUT      (the Python side, in its own process)
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def python_side(manifest, threads, source, target):
    """What one writes in Python: the whole path, in the same tiles, since a whole picture needs 1 GB a megapixel."""
    import numpy as np
    import onnxruntime as ort
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    m = tomllib.loads(pathlib.Path(manifest).read_text())
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    # The file for the parameters that main() gives: scale 2, a clean source.
    counts = lambda f: all(set(v if isinstance(v, list) else [v]) & {2, "clean"} for v in f.get("when", {}).values())
    file = next(filter(counts, m["file"]))
    model = pathlib.Path(manifest).parent / file["path"]
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    graph = file.get("graph", "main")
    inputs = [i for i in m["input"] if i.get("graph", "main") == graph]
    scale = next(o for o in m["output"] if o.get("graph", "main") == graph).get("scale", 1)
    tile, overlap = m["size"]["tile"]["size"], m["size"]["tile"]["overlap"]
    multiple = m["size"].get("multiple", 1)
    image = np.asarray(Image.open(source).convert("RGB")).astype(np.float32) / 255
    h0, w0 = image.shape[:2]
    image = np.pad(image, ((0, -h0 % multiple), (0, -w0 % multiple), (0, 0)), mode="reflect")
    h, w = image.shape[:2]
    th, tw = min(tile, h), min(tile, w)
    starts = lambda n, t: sorted({min(i, n - t) for i in range(0, max(n - overlap, 1), t - overlap)})
    ramp = lambda n: np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1).clip(max=overlap * scale) / (overlap * scale)
    weight = (ramp(th * scale)[:, None] * ramp(tw * scale)[None])[..., None].astype(np.float32)
    total = np.zeros((h * scale, w * scale, 3), np.float32)
    weights = np.zeros((h * scale, w * scale, 1), np.float32)
    names = [i.name for i in session.get_inputs()]
    for y in starts(h, th):
        for x in starts(w, tw):
            part = np.ascontiguousarray(image[y : y + th, x : x + tw].transpose(2, 0, 1)[None])
            feed = {}
            for position, i in enumerate(inputs):
                value = part if i["source"] == "image" else np.full(i.get("shape", [1]), 30 * i.get("scale", 1), np.float32)
                feed[i.get("name") or names[position]] = value
            out = session.run(None, feed)[0][0].transpose(1, 2, 0)
            area = np.s_[y * scale : (y + th) * scale, x * scale : (x + tw) * scale]
            total[area] += out * weight
            weights[area] += weight
    out = (total / weights)[: h0 * scale, : w0 * scale]
    Image.fromarray((out.clip(0, 1) * 255 + 0.5).astype(np.uint8)).save(target, compress_level=1)


def measured(command):
    """Seconds by the clock, seconds of processor, and peak MB of a process."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]} failed: {process.stderr.read().decode()}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def undisturbed(command, threads, again):
    """As `measured`; while others held the processors for most of the time, it is run `again`, and the fastest counts."""
    runs = [measured(command)]
    while again and runs[-1][0] > 2 * runs[-1][1] / threads + 1:
        runs.append(measured(command))
        again -= 1
    return min(runs)


def make_picture(megapixels, path, hole=None):
    """Waves with some noise; a mask of 500x500 in the middle if one is wanted."""
    import numpy as np
    from PIL import Image

    side = (megapixels * 1e6 / 1.5) ** 0.5
    w, h = int(side * 1.5), int(side)
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    noise = np.random.default_rng(1).normal(0, 8, (h, w, 1)).astype(np.float32)
    waves = np.stack([np.sin(x / 37) * np.cos(y / 53), np.sin(x / 11 + y / 19), np.cos(y / 23)], -1)
    Image.fromarray((128 + 90 * waves + noise).clip(0, 255).astype(np.uint8)).save(path, compress_level=1)
    if hole:
        mask = np.zeros((h, w), np.uint8)
        mask[h // 2 - 250 : h // 2 + 250, w // 2 - 250 : w // 2 + 250] = 255
        Image.fromarray(mask).save(hole, compress_level=1)


def print_apart(a, b):
    """How far two pictures are apart, in dB."""
    import numpy as np
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    p, q = (np.asarray(Image.open(f))[::3, ::3].astype(np.float32) for f in (a, b))
    print(10 * np.log10(255**2 / max(float(np.mean((p - q) ** 2)), 1e-9)))


# What native filters may hold of 12 megapixels of 8 bits, in MB: the picture and the result (72), the program (40), and
# what src/filters/native/room.rs counts on.
NATIVE = (
    ("oil-painting", (), 72 + 40 + 12 * 30),
    ("style-from-image", ("--style", "{source}"), 72 + 40 + 12 + 100),
    ("auto-enhance", (), 72 + 40 + 12 * 6),
)


class Bounds:
    """What the project promises, held against what was measured."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, found, most):
        self.rows.append((found <= most, f"{what}: {found:.2f} of at most {most:.2f}"))

    def say(self):
        print()
        for holds, text in self.rows:
            print(f"{'holds' if holds else 'MISSED'}  {text}")
        return all(holds for holds, _ in self.rows)


def main(binary, name, threads, sizes, large):
    sizes, large = sizes.split(), large.split()
    folder = ROOT / "filters" / name
    if not folder.is_dir():
        # An installed one, where the environment says that they are.
        folder = pathlib.Path(os.environ.get("GIMP_BRIDGE_FILTERS_FOLDER", "")) / name
    manifest = folder / "manifest.toml"
    m = tomllib.loads(manifest.read_text())
    parameters = []
    for p in m.get("param", []):
        fixed = {"scale": "2", "source": "clean"}.get(p["name"], "30" if p["type"] in ("float", "int") else None)
        parameters += [f"--{p['name']}", fixed] if fixed else []
    os.environ["GIMP_BRIDGE_FILTERS_THREADS"] = threads
    # This process stays small: a child's peak memory counts what its parent had when it was forked.
    own = lambda *a: subprocess.run([sys.executable, __file__, *a], check=True, capture_output=True, text=True).stdout
    print(f"{name}, {threads} threads\n\n"
          "MP    engine s  python s  ratio  engine CPU  python CPU  ratio  engine MB  python MB  ratio  CPU/MP  dB apart")
    bounds, each = Bounds(), {}
    with tempfile.TemporaryDirectory() as work:
        source, a, b, hole = (f"{work}/{n}.png" for n in ("in", "engine", "python", "hole"))
        for size in sizes + large:
            own("--picture", size, source)
            # Large ones take long enough for disturbances to even out, and too long for doing them again.
            again = 3 if float(size) <= 12 else 0
            t1, c1, m1 = undisturbed([binary, "filters", "run", name, source, a, *parameters], int(threads), again)
            each[float(size)] = c1 / float(size)
            if size in large:
                print(f"{size:>4}  {t1:8.2f}  {'':8}  {'':5}  {c1:10.2f}  {'':10}  {'':5}  {m1:9.0f}  {'':9}  {'':5}"
                      f"  {c1 / float(size):6.2f}", flush=True)
                continue
            python = [sys.executable, __file__, "--python", str(manifest), threads, source, b]
            t2, c2, m2 = undisturbed(python, int(threads), again)
            apart = float(own("--apart", a, b))
            print(f"{size:>4}  {t1:8.2f}  {t2:8.2f}  {t1 / t2:5.2f}  {c1:10.2f}  {c2:10.2f}  {c1 / c2:5.2f}"
                  f"  {m1:9.0f}  {m2:9.0f}  {m1 / m2:5.2f}  {c1 / float(size):6.2f}  {apart:8.1f}", flush=True)
            bounds.at_most(f"{size} MP, whole path, the engine's time in Python's", t1 / t2, 1.0)
            bounds.at_most(f"{size} MP, whole path, the engine's processor time in Python's", c1 / c2, 1.0)
            if float(size) >= 12:
                bounds.at_most(f"{size} MP, the engine's memory in Python's", m1 / m2, 0.5)
        # Of the processor's seconds, which others at work on the machine change least. A small picture has its few
        # tiles to itself, and the larger ones must not do worse.
        if len(each) > 1:
            first, *others = (each[size] for size in sorted(each))
            bounds.at_most("processor time a megapixel, the larger pictures' in the smallest's", max(others) / first, 1.15)
            bounds.at_most("processor time a megapixel, largest of the larger ones in their smallest",
                           max(others) / min(others), 1.15)
        own("--picture", "12", source, hole)
        fill = [binary, "filters", "run", "remove-object", source, a, "--mask", hole]
        t, c, m = undisturbed(fill, int(threads), 3)
        print(f"\nremove-object, 500x500 in 12 MP: {t:.2f} s with reading and writing, {c:.2f} s of processor, {m:.0f} MB")
        bounds.at_most("seconds to fill 500x500 in 12 MP", t, 3.0)
        for filter, options, most in NATIVE:
            t, c, m = measured([binary, "filters", "run", filter, source, a, *(o.format(source=source) for o in options)])
            print(f"{filter}, 12 MP: {t:.2f} s, {c:.2f} s of processor, {m:.0f} MB")
            bounds.at_most(f"{filter} in 12 MP, MB", m, most)
    return 0 if bounds.say() else 1


if __name__ == "__main__":
    if sys.argv[1] == "--python":
        python_side(sys.argv[2], int(sys.argv[3]), *sys.argv[4:6])
    elif sys.argv[1] == "--picture":
        make_picture(float(sys.argv[2]), *sys.argv[3:])
    elif sys.argv[1] == "--apart":
        print_apart(*sys.argv[2:4])
    else:
        raise SystemExit(main(*sys.argv[1:]))
