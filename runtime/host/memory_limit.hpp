// How much memory this process may have, and giving back what it does not need.
#pragma once

#include <cstdint>

namespace tayfa {

/// The smallest of its address space (ulimit -v), its container's limit and the machine's memory;
/// what cannot be read does not bound it.
std::uint64_t memory_limit();

/// What was freed and the allocator keeps goes back to the system, if it is much. Takes
/// milliseconds then: for a quiet moment.
void return_free_memory();

} // namespace tayfa
