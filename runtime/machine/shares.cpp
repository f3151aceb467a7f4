#include "runtime/machine/shares.hpp"

#include <algorithm>
#include <string>

namespace tayfa {

namespace {

/// Standard descriptors, log, lock, the store's files, event loops, wake-ups, sockets of the
/// engines' router, listeners, and files opened briefly: a pod without engines has 45 open.
constexpr std::size_t own = 72;
/// Pidfd, output and socket; during a start or check, the ends of its pipes.
constexpr std::size_t per_slot = 4;
/// A call's socket, and its name resolution.
constexpr std::size_t per_call = 3;
constexpr std::size_t connections_least = 8;
constexpr std::size_t few = 4;
constexpr std::size_t many = 64;

} // namespace

result<descriptor_shares> share_descriptors(const descriptor_needs& needs) {
  const std::size_t taken =
      own + needs.slots * per_slot + needs.platform_calls; // names of one host
  const std::size_t least = taken + few + few + few * per_call + connections_least;
  if (needs.limit < least) {
    return fail(errc::unfit, "too few open files: the limit is " + std::to_string(needs.limit) +
                                 ", at least " + std::to_string(least) +
                                 " are needed here; raise it (ulimit -n)");
  }
  const auto left =
      static_cast<std::size_t>(std::min<std::uint64_t>(needs.limit, 1U << 30)) - taken;
  descriptor_shares out;
  out.rejected = std::clamp<std::size_t>(left / 16, few, many);
  out.health = std::clamp<std::size_t>(left / 8, few, many);
  out.calls = std::clamp<std::size_t>(left / 32, few, std::max(needs.calls, few));
  const std::size_t others = out.rejected + out.health + out.calls * per_call;
  out.connections = std::min(needs.connections, left - std::min(left, others));
  return out;
}

} // namespace tayfa
