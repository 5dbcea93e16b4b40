// SPDX-License-Identifier: GPL-3.0-or-later
//
// Empty on purpose: this target exists for its precompiled header.
