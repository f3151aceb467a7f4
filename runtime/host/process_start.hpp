// What a program puts in order before anything else: its standard descriptors; and whether the
// system will give it the threads and the memory that it is about to need.
//
// Some of what Tayfa is built on does not survive a thread that cannot be made: CAF's actor system
// is destroyed wrongly, ZeroMQ aborts. So the threads are tried before: all at once, as the limits
// (RLIMIT_NPROC, a container's pids.max, RLIMIT_AS) count them together.
#pragma once

#include "messages/error.hpp"

#include <cstddef>

namespace tayfa {

/// Descriptors 0 to 2 that are closed become /dev/null, so that no file opened later gets their
/// numbers and what is meant for a person.
void open_standard_descriptors();

/// Makes `count` threads that live at the same time, and ends them. errc::unavailable with the
/// number that could be made and the limits that are in force.
result<void> try_threads(std::size_t count);

/// Whether so much address space is to be had at once. errc::unavailable naming the limit.
result<void> try_memory(std::size_t bytes);

} // namespace tayfa
