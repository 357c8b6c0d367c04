"""The figures: each model as it is shipped, through ONNX Runtime, beside the classical methods, on the eight photos.

The protocols are those of the literature: upscaling is Y-PSNR/SSIM after bicubic reduction, `scale` pixels of border
left out; denoising and JPEG are RGB PSNR/SSIM on the photos' upper left 480x384; cutting out is IoU from a box."""

import numpy as np
import onnxruntime
from PIL import Image
from skimage.restoration import denoise_nl_means

from . import degrade, photos, selecting, subjects
from .measure import iou, luma, psnr, ssim

BICUBIC, LANCZOS = Image.Resampling.BICUBIC, Image.Resampling.LANCZOS
NLM_H = 0.6  # filter strength over sigma: did better than 0.8, and scikit-image's better than OpenCV's


def session(path, threads=1):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def run(model, picture, strength=None, multiple=1):
    """A picture of bytes through a model to bytes; padded by reflection to the multiple, as the engine does."""
    high, wide = picture.shape[:2]
    pads = ((0, -high % multiple), (0, -wide % multiple), (0, 0))
    image = np.pad(picture, pads, "reflect").astype(np.float32).transpose(2, 0, 1)[None] / 255
    feed = {"image": image} if strength is None else {"image": image, "strength": np.array([strength], np.float32)}
    answer = model.run(None, feed)[0][0].transpose(1, 2, 0)
    scale = answer.shape[0] // image.shape[2]
    return np.clip(np.round(answer[: high * scale, : wide * scale] * 255), 0, 255).astype(np.uint8)


def enlarge(picture, scale, how):
    return np.asarray(Image.fromarray(picture).resize((picture.shape[1] * scale, picture.shape[0] * scale), how))


def sources(scale):
    """What the upscaler is given, by name: a function of the photo and a random generator."""
    small = lambda photo: degrade.shrink(photo, scale)  # noqa: E731
    return {
        "bicubic": lambda photo, rng: small(photo),
        "box": lambda photo, rng: degrade.shrink(photo, scale, Image.Resampling.BOX),
        "JPEG 85": lambda photo, rng: degrade.jpeg(small(photo), 85),
        "JPEG 50": lambda photo, rng: degrade.jpeg(small(photo), 50),
        "noise 3": lambda photo, rng: degrade.gaussian_noise(rng, small(photo), 3),
    }


def upscalers(folder, scale):
    """The filter's own ways to enlarge `scale` times, by its parameter `source`; as its manifest has them."""
    double, cleaning_double = session(folder / "x2.onnx"), session(folder / "x2-compressed.onnx")
    if scale == 2:
        return {"clean": lambda p: run(double, p), "compressed": lambda p: run(cleaning_double, p)}
    four, cleaning_four = session(folder / "x4.onnx"), folder / "x4-compressed.onnx"
    if not cleaning_four.exists():  # until December 2026: enlarged twice
        return {"clean": lambda p: run(four, p), "compressed": lambda p: run(double, run(cleaning_double, p))}
    cleaning_four = session(cleaning_four)
    return {"clean": lambda p: run(four, p), "compressed": lambda p: run(cleaning_four, p)}


def upscaling(models, scale):
    """Rows of (source, method, PSNR, SSIM); `models` is name to function."""
    methods = {"bicubic": lambda p: enlarge(p, scale, BICUBIC), "Lanczos": lambda p: enlarge(p, scale, LANCZOS)}
    methods |= models
    rows = []
    for source, reduce in sources(scale).items():
        found = {name: [] for name in methods}
        for photo in photos.load(12).values():
            small, truth = reduce(photo, np.random.default_rng(3)), luma(photo)
            for name, method in methods.items():
                answer = luma(method(small))
                found[name].append((psnr(answer, truth, scale), ssim(answer, truth, scale)))
        rows += [(source, name, *np.mean(values, 0)) for name, values in found.items()]
    return rows


def restoring(methods, worn):
    """Rows of (case, method, PSNR, SSIM): `worn` is case to photos, `methods` is name to function(picture, case)."""
    clean = corners(4)
    rows = []
    for case, pictures in worn.items():
        for name, method in methods.items():
            values = []
            for photo, picture in pictures.items():
                answer = method(picture, case)
                truth = clean[photo][: answer.shape[0], : answer.shape[1]]
                values.append((psnr(answer, truth), ssim(answer, truth)))
            rows.append((case, name, *np.mean(values, 0)))
    return rows


def corners(multiple):
    return {name: photo[:384, :480] for name, photo in photos.load(multiple).items()}


def nonlocal_means(picture, sigma):
    unit = sigma / 255
    form = {"patch_size": 5, "patch_distance": 6, "fast_mode": True, "channel_axis": 2}
    answer = denoise_nl_means(picture / 255.0, h=NLM_H * unit, sigma=unit, **form)
    return np.clip(np.round(answer * 255), 0, 255).astype(np.uint8)


def denoising(model):
    rng, clean, levels = np.random.default_rng(7), corners(4), (15, 25, 50)
    worn = {sigma: {} for sigma in levels}
    for name, photo in clean.items():
        for sigma in levels:
            worn[sigma][name] = degrade.gaussian_noise(rng, photo, sigma)
    methods = {"noisy": lambda p, s: p, "NLM": nonlocal_means, "model": lambda p, s: run(model, p, s / 255, 8)}
    return [(f"sigma {row[0]}", *row[1:]) for row in restoring(methods, worn)]


def cleaning(model):
    clean = corners(8)
    worn = {q: {name: degrade.jpeg(photo, q) for name, photo in clean.items()} for q in (20, 40, 75)}
    methods = {"JPEG": lambda p, q: p, "model": lambda p, q: run(model, p, (100 - q) / 200, 8)}
    return [(f"quality {row[0]}", *row[1:]) for row in restoring(methods, worn)]


def cutting(model):
    """Rows of (kind of case, method, IoU)."""
    found = {}
    for kind, _, picture, mask, box in subjects.cases(photos.load(4)):
        whole = np.zeros(mask.shape, np.uint8)
        whole[box[1] : box[3], box[0] : box[2]] = 1
        alone, refined = selecting.cut_out(model, picture, box)
        answers = {"box": whole, "GrabCut": selecting.grabcut(picture, box), "model": alone, "model, refined": refined}
        for name, answer in answers.items():
            found.setdefault((kind, name), []).append(iou(answer, mask))
    return [(*key, np.mean(values)) for key, values in found.items()]
