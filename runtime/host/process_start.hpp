// Early setup of a process: standard descriptors, and a test whether the system will provide the
// threads and memory that it is about to need.
//
// Some libraries that Tayfa uses do not survive a failed thread creation: CAF's actor system is
// destroyed wrongly, ZeroMQ aborts. So the threads are tried beforehand: all at once, and together
// with the memory, as the limits (RLIMIT_NPROC, a container's pids.max, RLIMIT_AS) count them
// together.
#pragma once

#include "messages/error.hpp"

#include <cstddef>

namespace tayfa {

/// Opens closed descriptors 0 to 2 as /dev/null, so that no file opened later gets their numbers
/// and receives console output.
void open_standard_descriptors();

/// Creates `count` threads at the same time, checks that `bytes` of address space are free besides
/// them, and ends them. errc::unavailable names what was available and the limits in force.
result<void> try_threads(std::size_t count, std::size_t bytes = 0);

/// With a limited address space (RLIMIT_AS), stops the allocator from reserving some for each
/// thread, which would take most of it in varying amounts. To be called before the first thread.
void bound_arenas();

} // namespace tayfa
