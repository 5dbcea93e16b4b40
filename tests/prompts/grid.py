#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""One picture of what a checkpoint draws for a list of prompts, to be judged by eye.

usage: grid.py VELAMEN-CLI CHECKPOINT PROMPTS OUT.png [--count 3] [--columns 5] [-- OPTIONS OF velamen-cli sample]

PROMPTS: a text file, one a line. The first seeds are taken, none is left out. Needs Pillow and a DejaVu font."""
import argparse
import pathlib
import subprocess
import tempfile

from PIL import Image, ImageDraw, ImageFont

SCALE, GAP, LINE = 2, 10, 22
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli")
    parser.add_argument("checkpoint")
    parser.add_argument("prompts", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("options", nargs="*")
    a = parser.parse_args()
    prompts = [line for line in a.prompts.read_text().splitlines() if line.strip()]
    with tempfile.TemporaryDirectory() as folder:
        command = [a.cli, "sample", a.checkpoint, "--out", folder, "--count", str(a.count), *a.options]
        for prompt in prompts:
            command += ["--prompt", prompt]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        drawn = [Image.open(path).convert("RGB") for path in sorted(pathlib.Path(folder).glob("0*.png"))]
    side = drawn[0].width * SCALE
    width, height = a.count * side + GAP, side + LINE + GAP
    rows = -(-len(prompts) // a.columns)
    sheet = Image.new("RGB", (a.columns * width + GAP, rows * height + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.truetype(FONT, 14)
    for i, prompt in enumerate(prompts):
        x, y = GAP + i % a.columns * width, GAP + i // a.columns * height
        pen.text((x, y), f"{i + 1}. {prompt}", fill="black", font=font)
        for k in range(a.count):
            picture = drawn[i * a.count + k].resize((side, side), Image.Resampling.NEAREST)
            sheet.paste(picture, (x + k * side, y + LINE))
    sheet.save(a.out)


if __name__ == "__main__":
    main()
