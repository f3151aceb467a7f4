// Outgoing calls of actors under test: kept until the script answers them.
#pragma once

#include "runtime/http_client/poster.hpp"

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tayfa::testing {

class scripted_poster final : public http_poster {
 public:
  struct sent {
    outgoing_call call;
    std::function<void(result<outgoing_answer>)> done; ///< empty: it is answered
    std::optional<std::chrono::milliseconds> dropped;  ///< with this linger
  };

  call_ticket send(outgoing_call call, std::function<void(result<outgoing_answer>)> done) override {
    calls_.push_back({std::move(call), std::move(done), std::nullopt});
    return calls_.size();
  }
  void drop(call_ticket ticket, std::chrono::milliseconds linger) override {
    calls_.at(ticket - 1).dropped = linger;
  }

  /// The latest call whose URL contains this; null = there was none.
  sent* latest(const std::string& part) {
    for (auto it = calls_.rbegin(); it != calls_.rend(); ++it) {
      if (it->call.url.find(part) != std::string::npos) {
        return &*it;
      }
    }
    return nullptr;
  }
  /// Calls made so far whose URL contains this.
  std::size_t count(const std::string& part) const {
    std::size_t n = 0;
    for (const auto& each : calls_) {
      n += each.call.url.find(part) != std::string::npos ? 1 : 0;
    }
    return n;
  }
  /// Answers the latest such call; false when there is none that waits.
  bool answer(const std::string& part, result<outgoing_answer> what) {
    auto* const one = latest(part);
    if (one == nullptr || !one->done) {
      return false;
    }
    std::exchange(one->done, nullptr)(std::move(what));
    return true;
  }

 private:
  std::deque<sent> calls_;
};

} // namespace tayfa::testing
