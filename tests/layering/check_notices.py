#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plants one broken rule at a time into a copy of the tree; check.py must name each."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(sys.argv[1]).resolve()
LICENCE = "// SPDX-License-Identifier: GPL-3.0-or-later\n"
PLANTED = {
    "engine/core/planted.h": ('#include "engine/io/json.h"\n', "does not use io"),
    "engine/privacy/planted.cpp": ("#include <torch/torch.h>\n", "torch in a place"),
    "engine/data/planted.cpp": ("#include <QString>\n", "engine includes Qt"),
    "kernels/cpu/planted.cpp": ('#include "engine/core/result.h"\n', "kernels includes"),
    "ui/widgets/planted.cpp": ("#include <ATen/ATen.h>\n", "ui includes torch"),
    "engine/io/planted.cpp": ("int a;\n" * 601, "lines; 600 are allowed"),
    "engine/io/planted.h": ("class ThingManager {};\n", "does not say a duty"),
}
failures = 0
with tempfile.TemporaryDirectory() as folder:
    copy = pathlib.Path(folder) / "tree"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", "build", "*.zip", "*.safetensors"))
    for name, (text, expected) in PLANTED.items():
        path = copy / name
        path.write_text(LICENCE + text)
        run = subprocess.run([sys.executable, str(ROOT / "tests/layering/check.py"), str(copy)],
                             capture_output=True, text=True)
        path.unlink()
        if run.returncode == 0 or expected not in run.stdout or name not in run.stdout:
            print(f"not noticed: {name}: {expected}\n{run.stdout}{run.stderr}")
            failures += 1
print(f"{len(PLANTED) - failures} passed, {failures} failed")
sys.exit(1 if failures else 0)
