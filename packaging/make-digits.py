#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Makes resources/demo/digits.zip, the private images of the demo, from the MNIST training files:
# the first 2,000 images of each digit in the order of the file, 28 x 28 with two pixels of black
# around, as grey PNG in folders 0/ ... 9/. Standard library only; equal input gives equal bytes
# (with the same zlib).
#
#   packaging/make-digits.py FOLDER-WITH-IDX-FILES digits.zip [--index FILE.json]
#
# --index writes which training images were taken, {"0": [indices], ...}, so that others can test on
# the rest.

import argparse
import gzip
import json
import pathlib
import struct
import zipfile
import zlib

PER_CLASS = 2000
BORDER = 2


def read_idx(path, magic):
    data = gzip.decompress(path.read_bytes())
    dims = data[3]
    if struct.unpack(">I", data[:4])[0] != magic:
        raise SystemExit(f"{path} is not the IDX file it should be")
    shape = struct.unpack(f">{dims}I", data[4 : 4 + 4 * dims])
    return shape, data[4 + 4 * dims :]


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(rows):
    width, height = len(rows[0]), len(rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)
            + chunk(b"IEND", b""))


def padded(pixels, width, height):
    side = bytes(BORDER)
    empty = bytes(width + 2 * BORDER)
    rows = [side + pixels[y * width : (y + 1) * width] + side for y in range(height)]
    return [empty] * BORDER + rows + [empty] * BORDER


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--index", type=pathlib.Path)
    args = parser.parse_args()

    (count, height, width), images = read_idx(args.folder / "train-images-idx3-ubyte.gz", 0x803)
    (labels_count,), labels = read_idx(args.folder / "train-labels-idx1-ubyte.gz", 0x801)
    if count != labels_count:
        raise SystemExit("images and labels differ in number")

    taken = {digit: [] for digit in range(10)}
    for index, label in enumerate(labels):
        if len(taken[label]) < PER_CLASS:
            taken[label].append(index)

    aside = args.out.with_name(args.out.name + ".part")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for digit, indices in taken.items():
            if len(indices) < PER_CLASS:
                raise SystemExit(f"there are only {len(indices)} images of {digit}")
            for number, index in enumerate(indices):
                start = index * width * height
                rows = padded(images[start : start + width * height], width, height)
                info = zipfile.ZipInfo(f"{digit}/{number:05d}.png", (1980, 1, 1, 0, 0, 0))
                info.create_system = 3
                info.external_attr = 0o100644 << 16
                archive.writestr(info, png(rows))
    aside.replace(args.out)
    if args.index:
        args.index.write_text(json.dumps({str(digit): indices for digit, indices in taken.items()}))
    print(f"{args.out}: {sum(map(len, taken.values()))} images, "
          f"{args.out.stat().st_size} bytes, training images up to index "
          f"{max(map(max, taken.values()))}")


if __name__ == "__main__":
    main()
