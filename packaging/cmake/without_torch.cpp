// SPDX-License-Identifier: GPL-3.0-or-later
//
// Empty on purpose: stands in for the sources of a module in a build without LibTorch.
