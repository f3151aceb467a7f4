#include "cluster/program/runpod/one_shot.hpp"

namespace tayfa {

void one_shot_gateway::open(call_sink sink, std::function<void(result<std::string>)> done) {
  done(std::string{"none"});
  if (call_) {
    sink(*std::exchange(call_, std::nullopt), std::make_shared<reply>(answered_));
  }
}

} // namespace tayfa
