# SPDX-License-Identifier: GPL-3.0-or-later
#
# Writes the image files that codec_test.cpp reads (needs Pillow and numpy). Run once; the results
# are kept beside this file.
import pathlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
halves = np.zeros((64, 64, 3), np.uint8)
halves[:, :32, 0] = 254
halves[:, 32:, 2] = 254
picture = Image.fromarray(halves)
picture.save(here / "halves.png")
picture.save(here / "halves.jpg", quality=95, subsampling=0)
picture.save(here / "halves.tif")
picture.save(here / "halves.webp", lossless=True)
picture.save(here / "halves.gif")
picture.quantize(2).save(here / "palette.png")

deep = np.full((64, 64), 0x4000, np.uint16)
deep[:, 32:] = 0xC000
Image.fromarray(deep).save(here / "deep.png")
Image.fromarray(deep).save(here / "deep.tif")

alpha = np.full((64, 64, 4), 255, np.uint8)
alpha[:, :32, 3] = 0
Image.fromarray(alpha).save(here / "alpha.png")

cmyk = np.zeros((64, 64, 4), np.uint8)
cmyk[:, 32:, 3] = 255
Image.fromarray(cmyk, "CMYK").save(here / "cmyk.jpg", quality=95)

turned = np.zeros((48, 64), np.uint8)
turned[:24] = 255
exif = Image.Exif()
exif[0x0112] = 6
Image.fromarray(turned).save(here / "turned.jpg", quality=95, exif=exif)

noise = np.random.default_rng(1).integers(0, 256, (200, 40, 3), np.uint8)
Image.fromarray(noise).save(here / "tall.png")
Image.fromarray(noise).save(here / "tall.jpg", quality=50)
