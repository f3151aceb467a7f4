// Divides the process's file descriptors. Pure.
//
// Any client takes a descriptor by connecting. The store, engines, health checks and outgoing calls
// must never fail for lack of one, so theirs are reserved first, and connections get the rest:
// never more than requested, never so many that the others could run short.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>

namespace tayfa {

struct descriptor_needs {
  std::uint64_t limit = 0;         ///< RLIMIT_NOFILE
  std::size_t connections = 1'024; ///< requested: http.connections_max
  std::size_t slots = 1;
  std::size_t calls = 32;         ///< webhooks at the same time, at most
  std::size_t platform_calls = 0; ///< concurrent calls of a worker of RunPod's platform
};

struct descriptor_shares {
  std::size_t connections = 0; ///< served at the same time
  std::size_t rejected = 0;    ///< beyond them, while they are answered 503
  std::size_t health = 0;      ///< on the health address
  std::size_t calls = 0;       ///< webhooks at the same time
};

/// errc::unfit when the limit is too small for the pod itself and a few connections.
result<descriptor_shares> share_descriptors(const descriptor_needs&);

} // namespace tayfa
