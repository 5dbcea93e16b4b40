// SPDX-License-Identifier: GPL-3.0-or-later
//
// How the programs get their memory from the system. What they do with it is not decided here.

#pragma once

namespace velamen::app {

/// Lets freed memory serve the next step instead of going back to the system, and takes large
/// blocks in large pages: fetching every activation anew was up to a fifth of a training step on
/// one thread, less on two. The first line of main(), before other threads and before the first
/// tensor. What a user has set in the environment stays.
void keepMemoryForReuse();

} // namespace velamen::app
