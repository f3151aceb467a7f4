#include "runtime/host/memory_limit.hpp"

#include <algorithm>
#include <cstddef>
#include <dlfcn.h>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

namespace tayfa {

namespace {

constexpr std::size_t worth_returning = std::size_t{32} << 20;
constexpr auto unbounded = std::numeric_limits<std::uint64_t>::max();

/// "max", a missing file and nonsense are no bound.
std::uint64_t number_in(const char* path) {
  std::ifstream in{path};
  std::uint64_t number = 0;
  return in >> number && number > 0 ? number : unbounded;
}

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
  for (const char* const path :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    least = std::min(least, number_in(path));
  }
  return least;
}

void return_free_memory() {
  // Of the allocator that is preloaded in the image, if it is there.
  if (auto* const found = ::dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory")) {
    reinterpret_cast<void (*)()>(found)();
    return;
  }
  if (::mallinfo2().fordblks > worth_returning) {
    ::malloc_trim(0);
  }
}

} // namespace tayfa
