// An eventfd that ends another thread's poll. Any thread may wake; the polling one settles it.
//
// Invariant: it is readable from wake_up() until settle_down(), however often it was woken.
#pragma once

#include "runtime/base/unique_fd.hpp"

namespace tayfa {

/// std::system_error when the system gives none.
unique_fd make_wakeup();
void wake_up(const unique_fd&);     ///< never blocks
void settle_down(const unique_fd&); ///< never blocks

} // namespace tayfa
