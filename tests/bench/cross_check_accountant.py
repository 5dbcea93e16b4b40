# SPDX-License-Identifier: GPL-3.0-or-later
#
# Epsilon of random plans against dp_accounting's PLD: within 1e-3 relative, and never below it by more
# than 1e-4. dp_accounting's grid stays at 1e-4 where ours is refined, so where ours lies below, theirs is
# asked again on finer grids, which still gives upper bounds.
#   cross_check_accountant.py PATH/epsilon_lines [plans [seed]]

import json
import math
import random
import subprocess
import sys
import time

from dp_accounting.pld import privacy_loss_distribution as pld

ABOVE, BELOW = 1e-3, 1e-4
RELATIONS = {"zero_out": pld.NeighborRel.REPLACE_SPECIAL,
             "add_remove": pld.NeighborRel.ADD_OR_REMOVE_ONE,
             "replace_one": pld.NeighborRel.REPLACE_ONE}


def random_plan(rng):
    return {"rate": 10 ** rng.uniform(-3.5, -0.3), "noise": 10 ** rng.uniform(-0.2, 1.0),
            "steps": int(10 ** rng.uniform(0, 4)), "delta": 10 ** rng.uniform(-9, -2),
            "neighbours": rng.choice(["zero_out"] * 2 + ["add_remove"] * 2 + ["replace_one"])}


def reference(plan, interval):
    one = pld.from_gaussian_mechanism(
        plan["noise"], sampling_prob=plan["rate"], value_discretization_interval=interval,
        use_connect_dots=True, neighboring_relation=RELATIONS[plan["neighbours"]])
    return one.self_compose(plan["steps"]).get_epsilon_for_delta(plan["delta"])


def difference(ours, theirs):
    if ours == theirs:
        return 0.0
    return (ours - theirs) / max(theirs, 1e-7)


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 20240607)
    child = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    rows, ours_seconds, theirs_seconds, refined = [], 0.0, 0.0, 0
    while len(rows) < count:
        plan = random_plan(rng)
        start = time.perf_counter()
        child.stdin.write(json.dumps(plan) + "\n")
        child.stdin.flush()
        answer = json.loads(child.stdout.readline())
        ours_seconds += time.perf_counter() - start
        if "error" in answer:
            sys.exit(f"{plan}: {answer['error']}")
        ours = math.inf if answer["epsilon"] is None else answer["epsilon"]
        if ours > 60.0:  # no protection, and minutes of dp_accounting
            continue
        start = time.perf_counter()
        theirs = reference(plan, 1e-4)
        theirs_seconds += time.perf_counter() - start
        interval = 1e-4
        while difference(ours, theirs) < -BELOW and interval > 2e-7:
            interval /= 4
            theirs = min(theirs, reference(plan, interval))
            refined += 1
        rows.append((difference(ours, theirs), ours, theirs, plan))
    child.stdin.close()
    rows.sort(key=lambda row: row[0])
    print(f"{count} plans, {refined} questions on a finer grid; seconds in all: "
          f"{ours_seconds:.1f} ours, {theirs_seconds:.1f} dp_accounting at 1e-4")
    for title, part in (("lowest", rows[:5]), ("highest", rows[-5:])):
        for relative, ours, theirs, plan in part:
            print(f"{title}: {relative:+.3e}  ours {ours:.8g}  dp_accounting {theirs:.8g}  {plan}")
    bad = [row for row in rows if not -BELOW <= row[0] <= ABOVE]
    print("all within bounds" if not bad else f"{len(bad)} plans are out of bounds")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
