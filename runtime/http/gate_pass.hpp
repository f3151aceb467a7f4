// One request that the gate has let in: the gate is told, once, when it is over. Lives on the
// server's thread, no longer than the gate.
#pragma once

#include "runtime/api/call.hpp"

#include <string>
#include <utility>

namespace tayfa {

class gate_pass {
 public:
  gate_pass(api::gate& door, const api::heading& asked, std::string address, api::principal who)
      : door_(door), needs_(asked.needs), route_(asked.route), endpoint_(asked.endpoint),
        worker_(asked.worker), address_(std::move(address)), who_(std::move(who)) {}
  ~gate_pass() { door_.done({needs_, route_, endpoint_, {}, address_, worker_}, who_); }
  gate_pass(const gate_pass&) = delete;
  gate_pass& operator=(const gate_pass&) = delete;

  const api::principal& who() const { return who_; }

 private:
  api::gate& door_;
  api::scope needs_;
  std::string_view route_;
  std::string endpoint_;
  std::string worker_;
  std::string address_;
  api::principal who_;
};

} // namespace tayfa
