#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""How useful the synthetic digits are: a small CNN trained on them alone, tested on real ones.

usage: digits_accuracy.py RELEASE.zip MNIST-FOLDER [--epochs 10]

RELEASE.zip is what `velamen-cli demo` writes. MNIST-FOLDER holds train-images-idx3-ubyte.gz and
train-labels-idx1-ubyte.gz. The 5,000 real digits for the test are 500 a class, taken after the first 2,000 of
each class, which are the demo's private set. Needs PyTorch, NumPy and Pillow. Not a unit test: one training of
the CNN varies by about a point."""
import argparse
import gzip
import io
import zipfile

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F


class Cnn(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 24, 5, 2, 2), nn.BatchNorm2d(24)
        self.conv2, self.norm2 = nn.Conv2d(24, 48, 3, 1, 1), nn.BatchNorm2d(48)
        self.conv3, self.norm3 = nn.Conv2d(48, 64, 3, 1, 1), nn.BatchNorm2d(64)
        self.hidden, self.out = nn.Linear(64 * 16, 128), nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        x = F.max_pool2d(F.relu(self.norm2(self.conv2(x))), 2)
        x = F.max_pool2d(F.relu(self.norm3(self.conv3(x))), 2)
        return self.out(F.dropout(F.relu(self.hidden(x.flatten(1))), 0.3, self.training))


def as_tensor(images):
    return torch.from_numpy(images).float().div(127.5).sub(1)[:, None]


def synthetic(path):
    images, labels = [], []
    with zipfile.ZipFile(path) as archive:
        for name in sorted(archive.namelist()):
            parts = name.split("/")
            if parts[0] == "images" and name.endswith(".png"):
                images.append(np.array(Image.open(io.BytesIO(archive.read(name))).convert("L")))
                labels.append(int(parts[1]))
    return np.stack(images), np.array(labels)


def real_test(folder, skip=2000, take=500):
    with gzip.open(f"{folder}/train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(f"{folder}/train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    chosen = np.concatenate([np.flatnonzero(labels == c)[skip:skip + take] for c in range(10)])
    return np.pad(images[chosen], ((0, 0), (2, 2), (2, 2))), labels[chosen].astype(np.int64)


def train_cnn(images, labels, epochs):
    torch.manual_seed(0)
    x, y, batch = as_tensor(images), torch.from_numpy(labels), 128
    model = Cnn().to(memory_format=torch.channels_last)
    steps = epochs * (len(x) // batch)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps, pct_start=0.2)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for i in range(len(x) // batch):
            chosen = order[i * batch:(i + 1) * batch]
            loss = F.cross_entropy(model(x[chosen]), y[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return model.eval()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release")
    parser.add_argument("mnist")
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()
    images, labels = synthetic(arguments.release)
    test_images, test_labels = real_test(arguments.mnist)
    test_x, test_y = as_tensor(test_images), torch.from_numpy(test_labels)
    model = train_cnn(images, labels, arguments.epochs)
    with torch.no_grad():
        correct = (model(test_x).argmax(1) == test_y).sum().item()
    print(f"{len(images)} synthetic digits, {len(test_x)} real ones: accuracy {100 * correct / len(test_x):.2f} %")


if __name__ == "__main__":
    main()
