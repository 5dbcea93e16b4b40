// SPDX-License-Identifier: GPL-3.0-or-later
//
// One visitor from several lambdas. Internal to engine/privacy.

#pragma once

namespace velamen::privacy {

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... Call>
Overloaded(Call...) -> Overloaded<Call...>;

} // namespace velamen::privacy
