// A small process alongside the runtime that ends leftover processes when the runtime is killed.
//
// Engines die with their runtime by PR_SET_PDEATHSIG; their own children do not. The runtime
// notifies the guard of the start and end of each child, over a socket held by no other process.
// When that closes without a farewell, the runtime is gone: the guard kills every process that has
// a mark of that runtime, or the group or session of a child that had not ended, and exits.
//
// Forked at the very start of `tayfa serve`, while there is one thread and little memory: it shares
// the runtime's pages, starts nothing, and costs the engines nothing. It is a child of init, not of
// the runtime, holds no descriptor but the socket, and is in a session of its own, so that neither
// a terminal nor a kill of the runtime's group reaches it. If the guard itself is killed, the marks
// remain: the next runtime on the data folder finds the leftovers (leftovers.hpp).
#pragma once

#include "messages/error.hpp"
#include "runtime/base/unique_fd.hpp"

#include <sys/types.h>

namespace tayfa {

class guard {
 public:
  /// Requires a single-threaded process. errc::unavailable when no process can be made.
  static result<guard> start();
  /// Sends the farewell, so that the guard kills nothing, and waits until it has exited.
  ~guard();
  guard(guard&&) noexcept = default;
  guard& operator=(guard&&) = delete;

 private:
  explicit guard(unique_fd socket) : socket_(std::move(socket)) {}
  unique_fd socket_;
};

/// Notifies the guard, if there is one, of processes that were started or ended. Any thread.
namespace guard_link {

void report_started(pid_t);
void report_ended(pid_t);

} // namespace guard_link

} // namespace tayfa
