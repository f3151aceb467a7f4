// Who may use how many of the process's file descriptors. Pure.
//
// Strangers take descriptors by connecting. The store, engines, health checks and calls that the
// pod makes must never fail for want of one, so theirs are set aside first, and connections get
// what is left: never more than was asked for, never so many that the others could run short.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>

namespace tayfa {

struct descriptor_needs {
  std::uint64_t limit = 0;         ///< RLIMIT_NOFILE
  std::size_t connections = 1'024; ///< asked for: http.connections_max
  std::size_t slots = 1;
  std::size_t calls = 32;         ///< webhooks at the same time, at most
  std::size_t platform_calls = 0; ///< open at the same time, of a worker of RunPod's platform
};

struct descriptor_shares {
  std::size_t connections = 0; ///< served at the same time
  std::size_t turned_away = 0; ///< beyond them, while they are being told so
  std::size_t health = 0;      ///< on the second address
  std::size_t calls = 0;       ///< webhooks at the same time
};

/// errc::unfit when the limit is too small for the pod itself and a few connections.
result<descriptor_shares> share_descriptors(const descriptor_needs&);

} // namespace tayfa
