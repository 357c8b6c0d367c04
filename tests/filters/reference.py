"""The manifest's meaning, written a second time in numpy and OpenCV; makes golden/ for tests/filters.rs.

usage: reference.py        (needs numpy, opencv-python-headless, onnxruntime)

Slow and whole-picture: it is here to disagree with the engine, not to be used.
"""

import math
import pathlib
import tomllib

import cv2
import numpy as np
import onnxruntime

HERE = pathlib.Path(__file__).parent
CATALOGUE = HERE.parent.parent / "filters" / "catalogue"
FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
PADS = {"reflect": cv2.BORDER_REFLECT_101, "edge": cv2.BORDER_REPLICATE, "zero": cv2.BORDER_CONSTANT}


def resized(a, w, h, kind="bilinear"):
    if a.shape[:2] == (h, w):
        return a
    shrinks = w < a.shape[1] and kind != "nearest"
    return cv2.resize(a, (w, h), interpolation=cv2.INTER_AREA if shrinks else FILTERS[kind])


def padded_to(a, bottom, right, kind):
    return cv2.copyMakeBorder(a, 0, bottom, 0, right, PADS[kind])


class Reference:
    def __init__(self, manifest, folder):
        self.m = tomllib.loads(manifest.read_text())
        self.sessions = {}
        for file in self.m["file"]:
            model = (folder / file["path"]).read_bytes()
            if file.get("patch") == "free-hw":
                model = free_hw(model)
            self.sessions[file.get("graph", "main")] = onnxruntime.InferenceSession(model)

    def feed(self, d, given):
        source = d["source"]
        if source.startswith("tensor:"):
            return given["tensors"][source[7:]]
        if source.startswith("param:"):
            return np.full(d.get("shape", [1]), given["params"][source[6:]] * d.get("scale", 1), np.float32)
        if source == "zeros":
            return np.zeros(d["shape"], np.float32)
        if source == "const":
            return np.array(d["value"], np.float32)
        if source == "size":
            return np.array(given["image"].shape[:2], np.float32)
        boxed = any(p[2] in (2, 3) for p in given["points"])
        if source == "points":
            extra = [[0, 0]] if d.get("pad_point") and not boxed else []
            return np.array([[p[:2] for p in given["points"]] + extra], np.float32)
        if source == "labels":
            return np.array([[p[2] for p in given["points"]] + ([] if boxed else [-1])], np.float32)
        a = given[source]
        if source == "mask":
            form = d.get("mask", {})
            if "threshold" in form:
                a = (a > form["threshold"]).astype(np.float32)
            if form.get("grow"):
                side = 2 * form["grow"] + 1
                a = cv2.dilate(a, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
            a = (1 - a if form.get("hole", 1) == 0 else a)[..., None]
        else:
            to = d.get("resize")
            if isinstance(to, str):
                a = resized(a, a.shape[1] * int(to[1:]), a.shape[0] * int(to[1:]), "cubic")
            elif to:
                a = resized(a, *to)
            a = np.ascontiguousarray(a, np.float32)
            if d.get("channels") == "BGR":
                a = a[..., ::-1]
            if d.get("channels") == "lab-l-rgb":
                lab = cv2.cvtColor(a, cv2.COLOR_RGB2LAB)
                lab[..., 1:] = 0
                a = cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)
        low, high = d.get("range", [0, 1])
        a = a * (high - low) + low
        if "mean" in d:
            a = (a - np.array(d["mean"]) * (high - low)) / (np.array(d["std"]) * (high - low))
        a = np.round(a).astype(np.uint8) if d.get("dtype") == "u8" else a.astype(np.float32)
        layout = d.get("layout", "NCHW")
        return {"NCHW": lambda: a.transpose(2, 0, 1)[None], "NHWC": lambda: a[None], "HWC": lambda: a}[layout]()

    def graphs(self, given):
        """All graphs in order on one tile; the first result's name and pixels."""
        results, given["tensors"] = {}, {}
        for graph, session in self.sessions.items():
            names = [i.name for i in session.get_inputs()]
            values = {}
            for position, d in enumerate(d for d in self.m["input"] if d.get("graph", "main") == graph):
                name = d.get("name") or names[d.get("index", position)]
                values[name] = np.ascontiguousarray(self.feed(d, given))
            names = [o.name for o in session.get_outputs()]
            answers = dict(zip(names, session.run(None, values)))
            scores = None
            for position, d in enumerate(d for d in self.m["output"] if d.get("graph", "main") == graph):
                a = answers[d.get("name") or names[d.get("index", position)]]
                if d["as"] == "tensor":
                    given["tensors"][d["id"]] = a
                    continue
                if d["as"] == "score":
                    scores = a.ravel()
                    continue
                if d.get("select") == "best-score":
                    a = a[:, int(np.argmax(scores[: a.shape[1]]))][:, None]
                layout = d.get("layout", "NCHW")
                a = {"NCHW": lambda: a[0].transpose(1, 2, 0), "NHWC": lambda: a[0], "NHW": lambda: a[0][..., None]}[
                    layout
                ]().astype(np.float32)
                if d.get("activation") == "sigmoid":
                    a = 1 / (1 + np.exp(-a))
                if d.get("normalize") == "minmax":
                    a = (a - a.min()) / max(a.max() - a.min(), 1e-6)
                if "threshold" in d:
                    a = (a > d["threshold"]).astype(np.float32)
                if d.get("range") not in (None, "raw"):
                    low, high = d["range"]
                    a = (a - low) / (high - low)
                if d.get("channels") == "BGR":
                    a = a[..., ::-1]
                results.setdefault(d["as"], a if d["as"] == "lab-ab" else np.clip(a, 0, 1))
        return next(iter(results.items()))

    def padded(self, image, mask, given, scale):
        """One tile, padded up to what the model takes."""
        size = self.m["size"]
        h, w = image.shape[:2]
        k, least = size.get("multiple", 1), size.get("min", 1)
        up = lambda side: max(math.ceil(side / k) * k, math.ceil(least / k) * k)
        if (up(h), up(w)) != (h, w):
            image = padded_to(image, up(h) - h, up(w) - w, size.get("pad", "reflect"))
            mask = None if mask is None else padded_to(mask, up(h) - h, up(w) - w, "zero")
        name, a = self.graphs(given | {"image": image, "mask": mask})
        times = scale if name == "image" else 1
        return name, a[: h * times, : w * times]

    def tiled(self, image, mask, given, scale, tile, overlap):
        size = self.m["size"]
        k = size.get("multiple", 1)
        h0, w0 = image.shape[:2]
        h = max(math.ceil(h0 / k) * k, tile[1] if size["policy"] == "fixed" else 0)
        w = max(math.ceil(w0 / k) * k, tile[0] if size["policy"] == "fixed" else 0)
        image = padded_to(image, h - h0, w - w0, size.get("pad", "reflect"))
        tw, th, overlap = min(tile[0] // k * k, w), min(tile[1] // k * k, h), overlap // k * k
        starts = lambda n, t: sorted({min(i, n - t) for i in range(0, max(n - overlap, 1), t - overlap)}) if n > t else [0]
        ramp = lambda n: np.minimum(np.arange(n) + 1, np.arange(n)[::-1] + 1).clip(max=overlap * scale) / (overlap * scale)
        weight = (ramp(th * scale)[:, None] * ramp(tw * scale)[None])[..., None].astype(np.float32)
        total = np.zeros((h * scale, w * scale, 3), np.float32)
        weights = np.zeros((h * scale, w * scale, 1), np.float32)
        for y in starts(h, th):
            for x in starts(w, tw):
                name, a = self.padded(image[y : y + th, x : x + tw], mask, given, scale)
                total[y * scale : (y + th) * scale, x * scale : (x + tw) * scale] += a * weight
                weights[y * scale : (y + th) * scale, x * scale : (x + tw) * scale] += weight
        return name, (total / weights)[: h0 * scale, : w0 * scale]

    def __call__(self, image, mask=None, style=None, points=(), **params):
        m, size = self.m, self.m["size"]
        whole_h, whole_w = image.shape[:2]
        params = {p["name"]: p["default"] for p in m.get("param", [])} | params
        x0 = y0 = 0
        part, hole, fit = image, mask, size.get("fit", "tile")
        if fit == "crop-to-mask":
            ys, xs = np.where(mask > 0.5)
            context = size.get("context", 1)
            side = max(np.ptp(ys) + 1, np.ptp(xs) + 1) * (1 + 2 * context)
            side = int(min(max(side, 128), max(whole_h, whole_w)))
            h, w = min(side, whole_h), min(side, whole_w)
            y0 = int(np.clip(ys.mean() - h / 2, 0, whole_h - h))
            x0 = int(np.clip(xs.mean() - w / 2, 0, whole_w - w))
            part, hole = image[y0 : y0 + h, x0 : x0 + w], mask[y0 : y0 + h, x0 : x0 + w]
        h, w = part.shape[:2]
        k = size.get("multiple", 1)
        tw, th = w, h
        if size["policy"] == "fixed" and fit != "tile":
            tw, th = size["fixed"]
        elif "short_side" in size:
            f = size["short_side"] / min(h, w)
            th, tw = round(h * f / k) * k, round(w * f / k) * k
        elif "long_side" in size or max(h, w) > size.get("max_side", math.inf):
            f = size.get("long_side", size.get("max_side")) / max(h, w)
            th, tw = round(h * f), round(w * f)
        seen = resized(part, tw, th, size.get("filter", "bilinear"))
        seen_hole = None if hole is None else resized(hole, tw, th, "nearest")
        scale = max(o.get("scale", 1) for o in m["output"])
        points = [(x * tw / whole_w, y * th / whole_h, label) for x, y, label in points]
        given = {"style": style, "points": points, "params": params}
        tile = size.get("tile", {})
        sides = size["fixed"] if size["policy"] == "fixed" and fit == "tile" else [tile.get("size", 10**9)] * 2
        if tile.get("mode") == "ok" and (size["policy"] == "fixed" or max(th, tw) > sides[0]):
            name, a = self.tiled(seen, seen_hole, given, scale, sides, tile.get("overlap", 16))
        else:
            name, a = self.padded(seen, seen_hole, given, scale)
        compose = m.get("compose", {})
        if scale == 1 or name != "image":
            a = resized(a, w, h, "cubic" if name in ("image", "lab-ab") else "bilinear")
        if compose.get("mode") == "lab-ab":
            lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
            lab[..., 1:] = a
            return np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
        if compose.get("mode") == "paste-in-mask":
            through = (hole > 0.5).astype(np.float32)
            feather = compose.get("feather", 0)
            if feather:
                wide = cv2.dilate(through, np.ones((2 * feather + 1,) * 2))
                through = np.maximum(through, cv2.GaussianBlur(wide, (0, 0), feather / 2))
            through = through[..., None]
            out = image.copy()
            out[y0 : y0 + h, x0 : x0 + w] = part * (1 - through) + np.clip(a, 0, 1) * through
            return out
        if "opacity_param" in compose:
            share = params[compose["opacity_param"]]
            a = a * share + image * (1 - share)
        return a if a.ndim == 3 and a.shape[2] == 3 else a.reshape(a.shape[:2])


def free_hw(model):
    import onnx

    graph = onnx.load_from_string(model)
    for value in [*graph.graph.input, *graph.graph.output]:
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 4:
            dims[2].dim_param, dims[3].dim_param = "h_" + value.name, "w_" + value.name
    return graph.SerializeToString()


def picture(width, height):
    """Smooth colours, an edge, fine detail; the same formula is in tests/filters.rs."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    r = 0.5 + 0.4 * np.sin(x / 9.0) * np.cos(y / 13.0)
    g = np.where(x + y < width, 0.2, 0.7) + 0.1 * np.sin(x * y / 50.0)
    b = (x * 7 + y * 3) % 32 / 40.0
    return np.floor(np.stack([r, g, b], -1) * 255 + 0.5).clip(0, 255).astype(np.uint8)


def main():
    (HERE / "golden").mkdir(exist_ok=True)
    image = picture(150, 110).astype(np.float32) / 255
    mask = np.zeros((110, 150), np.float32)
    mask[40:70, 60:100] = 1
    style = picture(60, 90)[:, ::-1].astype(np.float32) / 255
    for manifest in sorted(CATALOGUE.glob("*.toml")):
        run = Reference(manifest, HERE / "mocks")
        uses = {d["source"] for d in run.m["input"]}
        out = run(image, mask=mask if "mask" in uses else None, style=style if "style" in uses else None,
                  points=[(75, 50, 1)] if "points" in uses else ())
        out = np.clip(np.round(out * 255), 0, 255).astype(np.uint8)
        cv2.imwrite(str(HERE / "golden" / f"{manifest.stem}.png"), out[..., ::-1] if out.ndim == 3 else out)
        print(manifest.stem, out.shape)


if __name__ == "__main__":
    main()
