#include "runtime/machine/memory_limit.hpp"

#include "runtime/machine/container.hpp"

#include <algorithm>
#include <cstddef>
#include <dlfcn.h>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr std::size_t worth_returning = std::size_t{32} << 20;
constexpr auto unbounded = std::numeric_limits<std::uint64_t>::max();

} // namespace

std::uint64_t memory_limit() {
  std::uint64_t least = unbounded;
  rlimit space{};
  if (::getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    least = std::min<std::uint64_t>(least, space.rlim_cur);
  }
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  const long size = ::sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0) {
    least = std::min(least, static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(size));
  }
  return std::min(least, read_memory_room().container_limit.value_or(unbounded));
}

void return_free_memory() {
  // For the allocator that the image preloads, if present.
  if (auto* const found = ::dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory")) {
    reinterpret_cast<void (*)()>(found)();
    return;
  }
  if (::mallinfo2().fordblks > worth_returning) {
    ::malloc_trim(0);
  }
}

} // namespace tayfa
