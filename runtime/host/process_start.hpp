// What a program puts in order before anything else: its standard descriptors; and whether the
// system will give it the threads and the memory that it is about to need.
//
// Some of what Tayfa is built on does not survive a thread that cannot be made: CAF's actor system
// is destroyed wrongly, ZeroMQ aborts. So the threads are tried before: all at once, and together
// with the memory, as the limits (RLIMIT_NPROC, a container's pids.max, RLIMIT_AS) count them
// together.
#pragma once

#include "messages/error.hpp"

#include <cstddef>

namespace tayfa {

/// Descriptors 0 to 2 that are closed become /dev/null, so that no file opened later gets their
/// numbers and what is meant for a person.
void open_standard_descriptors();

/// Makes `count` threads that live at the same time, looks whether so much address space is to be
/// had beside them, and ends them. errc::unavailable with what there was, and the limits in force.
result<void> try_threads(std::size_t count, std::size_t bytes = 0);

/// Where address space is limited (RLIMIT_AS) the allocator shall not set some aside for each
/// thread: it would take most of what there is, now more and now less. Before the first thread.
void spare_address_space();

} // namespace tayfa
