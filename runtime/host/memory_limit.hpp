// How much memory this process may have.
#pragma once

#include <cstdint>

namespace tayfa {

/// The smallest of its address space (ulimit -v), its container's limit and the machine's memory;
/// what cannot be read does not bound it.
std::uint64_t memory_limit();

} // namespace tayfa
