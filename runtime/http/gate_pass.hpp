// An admitted request. Notifies the gate once, when the request is answered; until the answer is
// sent whole, recheck() asks the gate whether the request would still be admitted. Lives on the
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
  gate_pass(api::gate& gate, const api::route_match& asked, std::string address, api::principal who,
            std::size_t& open)
      : gate_(gate), open_(open), needs_(asked.needs), route_(asked.route),
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
  /// The answer was chosen: the request no longer counts as open.
  void answered() {
    if (!std::exchange(answered_, true)) {
      gate_.done(request(), who_);
    }
  }
  std::optional<api::gate::refusal> recheck() const { return gate_.recheck(request(), who_); }

 private:
  /// Without the key, which is not kept.
  api::access_request request() const { return {needs_, route_, endpoint_, {}, address_, worker_}; }

  api::gate& gate_;
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
