// Polls, ten times a second, connections whose answers are being sent: does the client read them,
// and has it acknowledged them? Also reserves room for those answers in the byte budget. Owned by
// http_core, on its thread.
//
// Invariant: the timer runs while any connection is watched, and for two seconds after that.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/base/byte_budget.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace tayfa {

class http_connection;

/// An answer's reservation in the budget, held until it has been sent; null for small answers.
using answer_place = std::shared_ptr<const void>;
/// Empty when the budget has no room.
std::optional<answer_place> place_for(byte_budget&, const api::response&);

class answer_watch {
 public:
  answer_watch(boost::asio::io_context& io, std::function<void()> quiet)
      : timer_(io), quiet_(std::move(quiet)) {}

  static constexpr std::chrono::milliseconds period{100};

  void add(const std::shared_ptr<http_connection>&);
  void remove(const http_connection&);
  /// A large body or answer is finished: starts the timer, so that quiet is reported even when no
  /// connection was watched.
  void something_went();

 private:
  void look();
  void arm();

  boost::asio::steady_timer timer_;
  std::function<void()> quiet_;
  bool runs_ = false;
  unsigned quiet_looks_ = 0;
  std::vector<std::shared_ptr<http_connection>> watched_;
};

} // namespace tayfa
