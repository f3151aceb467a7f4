// Commands from any thread for the one thread that carries them out, which waits in a poll.
//
// Owner: the class that has the thread. Invariants: commands are taken in the order in which they
// were posted, each once; the descriptor is readable while something waits; after stop() nothing
// more is accepted, so the take() that says `stopping` has the last ones.
#pragma once

#include "runtime/base/wakeup.hpp"

#include <deque>
#include <mutex>
#include <utility>

namespace tayfa {

template <class Command>
class inbox {
 public:
  struct batch {
    std::deque<Command> commands;
    bool stopping = false;
  };

  /// False after stop(): the command is not taken. Never blocks for long.
  bool post(Command command) {
    bool first = false;
    {
      const std::lock_guard guard{mutex_};
      if (stopping_) {
        return false;
      }
      first = commands_.empty();
      commands_.push_back(std::move(command));
    }
    if (first) {
      wake_up(wakeup_);
    }
    return true;
  }

  void stop() {
    {
      const std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    wake_up(wakeup_);
  }

  /// All that waits. For the thread that carries it out.
  batch take() {
    settle_down(wakeup_);
    batch taken;
    const std::lock_guard guard{mutex_};
    taken.commands.swap(commands_);
    taken.stopping = stopping_;
    return taken;
  }

  /// To be polled for input.
  int descriptor() const { return wakeup_.get(); }

 private:
  unique_fd wakeup_ = make_wakeup();
  std::mutex mutex_;
  std::deque<Command> commands_;
  bool stopping_ = false;
};

} // namespace tayfa
