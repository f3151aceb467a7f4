// Where everything comes from that an outsider would gain from knowing: ids of jobs (who has one
// may ask for the job), names made up for workers, API keys.
//
// A type of its own, apart from random_source: a generator that can be computed from its own output
// does not compile where a secret is made. The simulation has its own kind (actors/sim), so that a
// seed replays a run; no other program may name that one.
#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace tayfa {

class secret_source {
 public:
  virtual ~secret_source() = default;
  /// Fills the bytes, or throws: a secret is never made of anything less. Thread safe.
  virtual void fill(std::span<std::byte>) = 0;

  /// A version 4 UUID (RFC 9562), lower case: 122 secret bits.
  std::string uuid();
};

/// getrandom(2). Waits, early in a machine's life, until the system has gathered enough; throws
/// std::system_error where it cannot give any.
class system_secrets final : public secret_source {
 public:
  void fill(std::span<std::byte>) override;
};

/// errc::io_error where the system has no random numbers: asked once, before anything relies on
/// them.
result<void> try_secrets(secret_source&);

} // namespace tayfa
