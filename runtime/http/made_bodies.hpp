// Bodies that were asked for when the turns of their calls came, on their way to the poster's
// thread. The poster owns it together with everyone who is to bring a body, so these may outlive
// the poster. Thread safe.
//
// What always holds: each call that asked gets one answer, also when whoever was to make its body
// forgets it; after close() nothing is woken any more.
#pragma once

#include "runtime/http/poster.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace tayfa {

class made_bodies : public std::enable_shared_from_this<made_bodies> {
 public:
  struct made {
    call_ticket ticket = 0;
    std::optional<outgoing_call::pieces> body; ///< nothing: it will not be made
  };

  explicit made_bodies(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// What the maker of that call's body is to call.
  outgoing_call::body_taker taker(call_ticket);
  std::vector<made> take();
  void close();

 private:
  class ticket_holder;
  void bring(made);

  std::mutex mutex_; // guards what follows
  std::function<void()> wake_;
  std::vector<made> made_;
};

} // namespace tayfa
