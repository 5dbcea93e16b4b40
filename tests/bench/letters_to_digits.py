#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private fine-tuning measured from end to end: public letters to private digits, several runs.

usage: letters_to_digits.py VELAMEN-CLI MNIST-FOLDER WORK-FOLDER [options]
  letters_to_digits.py $B/bin/velamen-cli mnist /tmp/l2d --epsilon 1 --runs 5 -- --warm-start --votes

Each run plans, trains, samples and is scored; what comes after "--" goes to `velamen-cli plan`. MNIST-FOLDER holds the
60,000 training digits (IDX, gzip): the last 10,000 are held out for the score and are in no private set, the others
are the private folder. Every run has fresh keys, hence its own noise, draws and timesteps: that is the spread.

Score: a small CNN trained on 10,000 synthetic digits only (20 epochs), tested on the held-out real ones, and the
Fréchet distance on its 128 penultimate features when it is trained on the private digits instead (not comparable with
published FID). Nothing of the score goes back into a run. One line of WORK-FOLDER/results.jsonl a run; runs that are
there are not made again. Needs PyTorch, NumPy, Pillow."""
import argparse
import gzip
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import zipfile

import numpy as np
import torch
from PIL import Image

from digits_accuracy import Cnn, as_tensor, train_cnn
from torch.nn import functional as F

HELD_OUT = 10_000


def mnist(folder):
    with gzip.open(folder / "train-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)
    with gzip.open(folder / "train-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    return np.pad(images, ((0, 0), (2, 2), (2, 2))), labels


def write_private(path, images, labels):
    aside = path.with_suffix(".part")
    with zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        for number, (image, label) in enumerate(zip(images, labels)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            archive.writestr(f"{label}/{number:05d}.png", png.getvalue())
    aside.rename(path)


@torch.no_grad()
def accuracy(model, images, labels):
    parts = [(model(as_tensor(images[i:i + 1000])).argmax(1).numpy() == labels[i:i + 1000]).sum()
             for i in range(0, len(images), 1000)]
    return 100.0 * float(sum(parts)) / len(images)


@torch.no_grad()
def features(model, images):
    kept = []
    hook = model.hidden.register_forward_hook(lambda *a: kept.append(F.relu(a[2]).double()))
    for i in range(0, len(images), 1000):
        model(as_tensor(images[i:i + 1000]))
    hook.remove()
    return torch.cat(kept).numpy()


def frechet(a, b):
    """|mean - mean|^2 + trace(A + B - 2 (A^1/2 B A^1/2)^1/2)."""
    first, second = np.cov(a.T), np.cov(b.T)
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * cross)


def run(command):
    """What a command answers in JSON, or the last of its events, and its seconds."""
    start = time.time()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    seconds = time.time() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout[-500:]}")
    try:
        return json.loads(done.stdout), seconds
    except json.JSONDecodeError:  # one object a line
        return json.loads(done.stdout.splitlines()[-1]), seconds


def one_run(options, folder, private, scorer, held_images, held_labels):
    cli = options.cli
    os.environ["XDG_DATA_HOME"] = str(folder.absolute())  # a ledger of its own: not the user's, nor a parallel run's
    plan_file, name = folder / "plan.json", folder.name
    plan, _ = run([cli, "plan", options.checkpoint, private, "--out", plan_file, "--epsilon", options.epsilon,
                   "--delta", "1e-5", "--batch", options.batch, "--steps", options.steps, "--json", *options.plan])
    log = folder / "train.jsonl"
    start = time.time()
    with open(log, "w") as file:
        training = subprocess.Popen([cli, "train", plan_file, "--run", folder / "run", "--json"], stdout=file)
        _, status, used = os.wait4(training.pid, 0)
    if status != 0:
        sys.exit(f"training failed, see {log}")
    seconds = time.time() - start
    done = json.loads(log.read_text().splitlines()[-1])
    sampled, sampling = run([cli, "sample", done["checkpoint"], "--out", folder / "images", "--count",
                             str(options.images // 10), "--guidance", options.guidance, "--json"])
    count = sampled["images"] // 10
    images = np.stack([np.array(Image.open(folder / "images" / f"{i:05}.png").convert("L"))
                       for i in range(sampled["images"])])
    labels = np.arange(sampled["images"]) // count
    model = train_cnn(images, labels, 20)
    result = {
        "name": name, "epsilon": plan["epsilon"], "noise": plan["noise"], "select": options.label,
        "trained": plan["trained_parameters"], "accuracy": accuracy(model, held_images, held_labels),
        "frechet": frechet(features(scorer, images), features(scorer, held_images)),
        "train_seconds": seconds, "sample_seconds": sampling, "steps": done["steps"],
        "train_gigabytes": used.ru_maxrss * 1024 / 1e9,
    }
    return result


def main():
    argv, extra = sys.argv[1:], []
    if "--" in argv:
        at = argv.index("--")
        argv, extra = argv[:at], argv[at + 1:]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cli", type=pathlib.Path)
    parser.add_argument("mnist", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--checkpoint", default=str(pathlib.Path(__file__).parents[2] / "resources/checkpoints/letters"))
    parser.add_argument("--epsilon", default="1")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--steps", default="100")
    parser.add_argument("--batch", default="2000")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--guidance", default="0.3")
    parser.add_argument("--label", default="", help="name of this set of runs in the results")
    options = parser.parse_args(argv)
    options.plan = extra
    options.label = options.label or "_".join([f"e{options.epsilon}", *[e.strip("-") for e in extra]])
    work = options.work
    work.mkdir(parents=True, exist_ok=True)

    images, labels = mnist(options.mnist)
    held_images, held_labels = images[-HELD_OUT:], labels[-HELD_OUT:]
    private = work / "private.zip"
    if not private.exists():
        write_private(private, images[:-HELD_OUT], labels[:-HELD_OUT])
    scorer_file = work / "scorer.pt"
    if not scorer_file.exists():
        torch.save(train_cnn(images[:-HELD_OUT], labels[:-HELD_OUT], 3).state_dict(), scorer_file)
    scorer = Cnn().to(memory_format=torch.channels_last)
    scorer.load_state_dict(torch.load(scorer_file))
    scorer.eval()

    results = work / "results.jsonl"
    known = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    for number in range(options.runs):
        name = f"{options.label}-{number}"
        if any(k["name"] == name for k in known):
            continue
        folder = work / name
        folder.mkdir(exist_ok=True)
        result = one_run(options, folder, private, scorer, held_images, held_labels)
        with open(results, "a") as file:
            file.write(json.dumps(result) + "\n")
        known.append(result)
        print(json.dumps(result), flush=True)
    mine = [k for k in known if k["select"] == options.label]
    for key in ("accuracy", "frechet", "train_seconds"):
        values = [k[key] for k in mine]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{options.label} {key}: mean {statistics.mean(values):.2f}, standard deviation {spread:.2f}, "
              f"{min(values):.2f} to {max(values):.2f} ({len(values)} runs)")


if __name__ == "__main__":
    main()
