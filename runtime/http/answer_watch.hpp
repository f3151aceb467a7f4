// Looks, ten times a second, at connections whose answers are on their way: whether the client
// takes them, and whether it has acknowledged them. Also the places of those answers in the budget.
// Owned by http_core, on its thread.
//
// What always holds: the timer runs while somebody is watched, and until it has been quiet for two
// seconds after that.
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

/// What an answer holds of the budget until it has left; null for small ones.
using answer_place = std::shared_ptr<const void>;
/// Nothing when the budget has no room.
std::optional<answer_place> place_for(byte_budget&, const api::response&);

class answer_watch {
 public:
  answer_watch(boost::asio::io_context& io, std::function<void()> quiet)
      : timer_(io), quiet_(std::move(quiet)) {}

  static constexpr std::chrono::milliseconds period{100};

  void add(const std::shared_ptr<http_connection>&);
  void remove(const http_connection&);
  /// Something large has gone: quiet is to be noticed, although nobody was watched.
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
