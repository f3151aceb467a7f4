// A small process beside the runtime that ends what the runtime leaves when it is killed.
//
// Engines die with their runtime by PR_SET_PDEATHSIG; what they had started does not. The guard is
// told of each child that the runtime starts and of its end, over a socket that nobody else holds.
// When that closes without a farewell, the runtime is gone: the guard kills every process that has
// a mark of that runtime, or the group or session of a child that had not ended, and ends.
//
// Made by a fork at the very start of `tayfa serve`, while there is one thread and little memory:
// it shares the runtime's pages, starts nothing, and costs the engines nothing. It is a child of
// init, not of the runtime, holds no descriptor but the socket, and is in a session of its own, so
// that neither a terminal nor a kill of the runtime's group reaches it. When the guard itself was
// killed, the marks remain: the next runtime on the data folder finds what was left
// (leftovers.hpp).
#pragma once

#include "messages/error.hpp"
#include "runtime/base/unique_fd.hpp"

#include <sys/types.h>

namespace tayfa {

class guard {
 public:
  /// Only while this process has one thread. errc::unavailable when there is no process for it.
  static result<guard> start();
  /// The farewell: what still runs is the caller's affair. Waits until the guard has ended.
  ~guard();
  guard(guard&&) noexcept = default;
  guard& operator=(guard&&) = delete;

 private:
  explicit guard(unique_fd socket) : socket_(std::move(socket)) {}
  unique_fd socket_;
};

/// What the code that makes processes tells the guard, where there is one. Any thread.
namespace guard_link {

void tell_started(pid_t);
void tell_ended(pid_t);

} // namespace guard_link

} // namespace tayfa
