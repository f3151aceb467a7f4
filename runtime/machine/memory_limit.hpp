// The memory limit of this process, and returning unneeded memory to the system.
#pragma once

#include <cstdint>

namespace tayfa {

/// The smallest of its address space (ulimit -v), its container's limit and the machine's memory;
/// an unreadable one is ignored.
std::uint64_t memory_limit();

/// Returns freed memory that the allocator retains to the system, if it is much. That takes
/// milliseconds: call it when idle.
void return_free_memory();

} // namespace tayfa
