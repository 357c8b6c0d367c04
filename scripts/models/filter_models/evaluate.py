"""The command line of measuring: prints the figures of what lies in filters/, and puts them into the model cards."""

import argparse
import re

from . import figures, golden
from .train import FILTERS

BEGIN, END = "<!-- figures: scripts/models/evaluate --write -->", "<!-- end of figures -->"


def ranked(rows, head):
    """A Markdown table with one line per case and one column per method; the best figure of each line is bold."""
    cases, methods = list(dict.fromkeys(row[0] for row in rows)), list(dict.fromkeys(row[1] for row in rows))
    cells = {(row[0], row[1]): row[2:] for row in rows}
    lines = [f"| {head} | {' | '.join(methods)} |", "|---" * (len(methods) + 1) + "|"]
    for case in cases:
        best = max(cells[case, method][0] for method in methods)
        texts = []
        for method in methods:
            values = cells[case, method]
            text = f"{values[0]:.3f}" if len(values) == 1 else f"{values[0]:.2f} / {values[1]:.4f}"
            texts.append(f"**{text}**" if values[0] == best else text)
        lines.append(f"| {case} | {' | '.join(texts)} |")
    return "\n".join(lines)


def upscale(folder):
    tables = []
    for scale in (2, 4):
        models = {f"model, {source}": model for source, model in figures.upscalers(folder, scale).items()}
        tables.append(ranked(figures.upscaling(models, scale), f"x{scale}, Y-PSNR (dB) / SSIM; source reduced by"))
    return "\n\n".join(tables)


def denoise(folder):
    return ranked(figures.denoising(figures.session(folder / "denoise.onnx")), "RGB PSNR (dB) / SSIM; noise")


def jpeg_cleanup(folder):
    return ranked(figures.cleaning(figures.session(folder / "jpeg-cleanup.onnx")), "RGB PSNR (dB) / SSIM")


def cut_out(folder):
    return ranked(figures.cutting(figures.session(folder / "cut-out.onnx")), "IoU, mean; from a box")


MEASURES = {"upscale": upscale, "denoise": denoise, "jpeg-cleanup": jpeg_cleanup, "cut-out": cut_out}


def write(card, table):
    text = card.read_text()
    block = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    assert block.search(text), f"{card} has no figures block"
    card.write_text(block.sub(lambda _: f"{BEGIN}\n{table}\n{END}", text))


def main():
    parser = argparse.ArgumentParser(description="Measures the bundled models on eight photos.")
    parser.add_argument("filters", nargs="*", metavar="FILTER", help=f"of {', '.join(MEASURES)}; default all")
    parser.add_argument("--write", action="store_true", help="put the figures into filters/*/card.md")
    parser.add_argument(
        "--golden", action="store_true", help="write tests/filters/golden/bundled anew, and measure nothing"
    )
    options = parser.parse_args()
    if options.golden:
        golden.write()
        return
    unknown = [name for name in options.filters if name not in MEASURES]
    if unknown:
        parser.error(f"no filter `{unknown[0]}`; there are {', '.join(MEASURES)}")
    for name in options.filters or MEASURES:
        table = MEASURES[name](FILTERS / name)
        print(f"\n{name}\n\n{table}", flush=True)
        if options.write:
            write(FILTERS / name / "card.md", table)


if __name__ == "__main__":
    main()
