// One request that the gate has let in. The gate is told, once, when it is answered; until its
// answer has left whole it can be asked whether the request would still be let in. Lives on the
// server's thread, no longer than the gate.
#pragma once

#include "runtime/api/call.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace tayfa {

class gate_pass {
 public:
  /// Counts itself in `open` while it lives.
  gate_pass(api::gate& door, const api::heading& asked, std::string address, api::principal who,
            std::size_t& open)
      : door_(door), open_(open), needs_(asked.needs), route_(asked.route),
        endpoint_(asked.endpoint), worker_(asked.worker), address_(std::move(address)),
        who_(std::move(who)) {
    ++open_;
  }
  ~gate_pass() {
    --open_;
    answered();
  }
  gate_pass(const gate_pass&) = delete;
  gate_pass& operator=(const gate_pass&) = delete;

  const api::principal& who() const { return who_; }
  /// Its answer was chosen: it counts no longer among the requests that are open.
  void answered() {
    if (!std::exchange(answered_, true)) {
      door_.done(visit(), who_);
    }
  }
  std::optional<api::gate::refusal> recheck() const { return door_.recheck(visit(), who_); }

 private:
  /// The key itself is not kept.
  api::visit visit() const { return {needs_, route_, endpoint_, {}, address_, worker_}; }

  api::gate& door_;
  std::size_t& open_;
  api::scope needs_;
  std::string_view route_;
  std::string endpoint_;
  std::string worker_;
  std::string address_;
  api::principal who_;
  bool answered_ = false;
};

} // namespace tayfa
