// Source of all values that must not be guessed: job ids (a client that has one may ask for the
// job), generated worker names, API keys.
//
// The type is distinct from random_source: a predictable generator does not compile where a secret
// is made. The simulation has its own kind (actors/sim), so that a seed replays a run; no other
// program may name that one.
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

/// errc::io_error when the system gives no random numbers: checked once, before anything relies on
/// them.
result<void> try_secrets(secret_source&);

} // namespace tayfa
