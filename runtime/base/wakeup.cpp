#include "runtime/base/wakeup.hpp"

#include <cerrno>
#include <cstdint>
#include <sys/eventfd.h>
#include <system_error>
#include <unistd.h>

namespace tayfa {

unique_fd make_wakeup() {
  unique_fd fd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  if (!fd) {
    throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  return fd;
}

void wake_up(const unique_fd& fd) {
  const std::uint64_t one = 1;
  (void)!::write(fd.get(), &one, sizeof one);
}

void settle_down(const unique_fd& fd) {
  std::uint64_t count = 0;
  (void)!::read(fd.get(), &count, sizeof count);
}

} // namespace tayfa
