// Waiting calls in one queue per target, and the number of running calls per target. Targets with
// something to start take turns. Owned by one thread; independent of the type of a call.
//
// Invariant: `turns_` holds exactly the targets that have a waiting call and room to run it; a
// target with neither a waiting nor a running call is erased.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace tayfa {

template <class Call>
class call_queues {
 public:
  explicit call_queues(std::size_t per_target_max) : per_target_max_(per_target_max) {}

  void push(const std::string& target, Call call) {
    target_queue& l = targets_[target];
    l.waiting.push_back(std::move(call));
    if (l.waiting.size() == 1 && l.running < per_target_max_) {
      turns_.push_back(target);
    }
  }

  /// The next call that may run; it counts as running until ended(target).
  std::optional<Call> next() {
    if (turns_.empty()) {
      return std::nullopt;
    }
    const std::string target = std::move(turns_.front());
    turns_.pop_front();
    target_queue& l = targets_.at(target);
    std::optional<Call> out{std::move(l.waiting.front())};
    l.waiting.pop_front();
    ++l.running;
    if (!l.waiting.empty() && l.running < per_target_max_) {
      turns_.push_back(target);
    }
    return out;
  }

  void ended(const std::string& target) {
    const auto at = targets_.find(target);
    target_queue& l = at->second;
    const bool was_full = l.running == per_target_max_;
    --l.running;
    if (l.waiting.empty()) {
      if (l.running == 0) {
        targets_.erase(at);
      }
    } else if (was_full) {
      turns_.push_back(target);
    }
  }

  /// Removes and returns the target's first waiting call for which `is` is true.
  template <class Is>
  std::optional<Call> take(const std::string& target, Is is) {
    const auto at = targets_.find(target);
    if (at == targets_.end()) {
      return std::nullopt;
    }
    target_queue& l = at->second;
    const auto found = std::find_if(l.waiting.begin(), l.waiting.end(), is);
    if (found == l.waiting.end()) {
      return std::nullopt;
    }
    std::optional<Call> out{std::move(*found)};
    l.waiting.erase(found);
    if (l.waiting.empty()) {
      std::erase(turns_, target);
      if (l.running == 0) {
        targets_.erase(at);
      }
    }
    return out;
  }

  /// Removes and returns all waiting calls.
  std::vector<Call> take_all() {
    std::vector<Call> out;
    for (auto& [target, l] : targets_) {
      for (auto& call : l.waiting) {
        out.push_back(std::move(call));
      }
      l.waiting.clear();
    }
    turns_.clear();
    std::erase_if(targets_, [](const auto& entry) { return entry.second.running == 0; });
    return out;
  }

  std::size_t targets() const { return targets_.size(); }

 private:
  struct target_queue {
    std::deque<Call> waiting;
    std::size_t running = 0;
  };

  std::size_t per_target_max_;
  std::unordered_map<std::string, target_queue> targets_;
  std::deque<std::string> turns_;
};

} // namespace tayfa
