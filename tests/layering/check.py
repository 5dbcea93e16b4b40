#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the house that a compiler does not know: includes, sizes, names.

usage: check.py ROOT     prints each broken rule as path:line: text, exit 1 if there is one.
The arrows between modules are checked by CMake (velamen_check_layers) and, against the includes
really written, here."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1]).resolve()
CODE = {".h", ".cpp", ".cu", ".cuh"}
TOP = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "app", "engine", "kernels",
       "packaging", "resources", "tests", "ui"}
MAX_LINES = 600
TORCH = re.compile(r'#include\s*[<"](torch/|ATen/|c10/)')
QT = re.compile(r'#include\s*[<"](Q[A-Z]\w*|Qt\w+/\w+|quazip)')
TORCH_FREE = ("engine/core/", "engine/privacy/", "engine/project/", "engine/gallery/",
              "engine/text/", "engine/io/", "engine/keymap/", "engine/archive/", "engine/image/")
problems = []


def say(path, line, text):
    problems.append(f"{path}:{line}: {text}")


def folders_of_modules():
    """folder -> (module, layer, uses), read from the velamen_module() calls."""
    call = re.compile(r"velamen_module\(\s*(\w+)(.*?)\)", re.S)
    found = {}
    for path in list(ROOT.glob("engine/**/CMakeLists.txt")) + list(ROOT.glob("ui/**/CMakeLists.txt")) \
            + [ROOT / "kernels/CMakeLists.txt"]:
        for name, rest in call.findall(path.read_text()):
            words = rest.split()
            layer = int(words[words.index("LAYER") + 1])
            uses = []
            if "USES" in words:
                for word in words[words.index("USES") + 1:]:
                    if word.isupper():
                        break
                    uses.append(word)
            found[path.parent.relative_to(ROOT).as_posix()] = (name, layer, uses)
    return found


MODULES = folders_of_modules()


def module_of(path):
    if path.startswith("ui/main_window."):
        return "ui/pages"  # the window belongs to its pages
    best = None
    for folder in MODULES:
        if path.startswith(folder + "/") and (best is None or len(folder) > len(best)):
            best = folder
    return best


def reachable(name, by_name, seen):
    for used in by_name.get(name, ((), 0, ()))[2]:
        if used not in seen:
            seen.add(used)
            reachable(used, by_name, seen)
    return seen


BY_NAME = {entry[0]: entry for entry in MODULES.values()}

for name, layer, uses in MODULES.values():
    for used in uses:
        if used not in BY_NAME:
            say("engine", 1, f"module {name} uses unknown module {used}")
        elif BY_NAME[used][1] >= layer:
            say("engine", 1, f"wrong arrow: {name} (layer {layer}) uses {used} (layer {BY_NAME[used][1]})")

for entry in ROOT.iterdir():
    if not entry.name.startswith(".") and entry.name not in TOP and entry.name != "build":
        say(entry.name, 1, "not one of the top-level folders")

for path in sorted(p for p in ROOT.rglob("*") if p.suffix in CODE and ".git" not in p.parts):
    rel = path.relative_to(ROOT).as_posix()
    if rel.split("/")[0] not in TOP:
        continue
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if len(lines) > MAX_LINES:
        say(rel, MAX_LINES, f"{len(lines)} lines; {MAX_LINES} are allowed")
    if not lines[0].startswith("// SPDX-License-Identifier: GPL-3.0-or-later"):
        say(rel, 1, "the first line is not the licence line")
    is_test = rel.startswith("tests/")
    folder = module_of(rel)
    for number, line in enumerate(lines, 1):
        if re.search(r"\binstance\(\)", line):
            say(rel, number, "instance(): no singletons")
        if re.search(r"\b(class|struct)\s+\w*(Manager|Helper|Utils)\b", line):
            say(rel, number, "a name that does not say a duty (Manager, Helper, Utils)")
        if rel.startswith("engine/") and not rel.startswith("engine/archive/") and QT.search(line):
            say(rel, number, "engine includes Qt")
        if rel.startswith("engine/archive/") and path.suffix == ".h" and QT.search(line):
            say(rel, number, "a header of archive includes Qt")
        if rel.startswith("kernels/") and (QT.search(line) or TORCH.search(line) or '"engine/' in line):
            say(rel, number, "kernels includes torch, Qt or engine")
        if rel.startswith("ui/") and TORCH.search(line):
            say(rel, number, "ui includes torch")
        if TORCH.search(line) and rel.startswith(TORCH_FREE):
            say(rel, number, "torch in a place that must be free of it")
        used = re.match(r'#include "((?:engine|ui|kernels)/[^"]+)"', line)
        if used and folder and not is_test:
            target = module_of(used.group(1))
            if target is None:
                say(rel, number, f"{used.group(1)} belongs to no module")
            elif target != folder:
                mine = MODULES[folder]
                if MODULES[target][0] not in reachable(mine[0], BY_NAME, set()):
                    say(rel, number, f"{mine[0]} includes {used.group(1)} but does not use "
                                     f"{MODULES[target][0]}")

# Tensors stay behind the headers that windows, programs and torch-free modules include, however far down
# the chain of includes one would come in. Headers between modules that compute with tensors may show them.
INCLUDE = re.compile(r'#include "((?:engine|ui|kernels|app)/[^"]+)"')
SHOWS_TENSORS = ("app/velamen_cli/bench_dp_step.cpp", "app/velamen_cli/bench_forward.cpp",
                 "app/velamen_cli/bench_optimiser.cpp")


def torch_behind(rel, seen):
    """The first file that brings torch in through `rel`, or None."""
    if rel in seen or not (ROOT / rel).is_file():
        return None
    seen.add(rel)
    text = (ROOT / rel).read_text(encoding="utf-8")
    if TORCH.search(text):
        return rel
    for used in INCLUDE.findall(text):
        found = torch_behind(used, seen)
        if found:
            return found
    return None


for path in sorted(p for top in ("ui", "app", "engine") for p in (ROOT / top).rglob("*")
                   if p.suffix in CODE):
    rel = path.relative_to(ROOT).as_posix()
    if rel in SHOWS_TENSORS or not rel.startswith(("ui/", "app/", "engine/data/", "engine/release/")
                                                  + TORCH_FREE):
        continue
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        used = INCLUDE.match(line)
        found = used and torch_behind(used.group(1), set())
        if found:
            say(rel, number, f"brings in torch through {found}")

print("\n".join(problems) if problems else "layering: every rule holds")
sys.exit(1 if problems else 0)
