#include "runtime/http/answer_watch.hpp"

#include "runtime/http/connection.hpp"

#include <algorithm>

namespace tayfa {

namespace {

/// Smaller answers are not counted: the number of connections already bounds them.
constexpr std::size_t counted_least = 16 * 1024;
/// Consecutive looks with an empty list after which quiet_ is called.
constexpr unsigned looks_until_quiet = 20;

} // namespace

std::optional<answer_place> place_for(byte_budget& budget, const api::response& answer) {
  if (answer.body_size() < counted_least) {
    return answer_place{};
  }
  auto places = std::make_shared<std::vector<byte_budget::place>>();
  places->reserve(answer.more.size() + 1);
  places->push_back(budget.take(answer.body.size()));
  for (const auto& piece : answer.more) {
    if (places->back() == nullptr) {
      break;
    }
    places->push_back(budget.share(piece));
  }
  if (places->back() == nullptr) {
    return std::nullopt;
  }
  return places;
}

void answer_watch::add(const std::shared_ptr<http_connection>& client) {
  if (std::find(watched_.begin(), watched_.end(), client) != watched_.end()) {
    return;
  }
  watched_.push_back(client);
  something_went();
}

void answer_watch::something_went() {
  quiet_looks_ = 0;
  if (!runs_) {
    arm();
  }
}

void answer_watch::remove(const http_connection& client) {
  std::erase_if(watched_, [&client](const auto& each) { return each.get() == &client; });
}

void answer_watch::look() {
  const auto all = watched_; // a copy: a connection that gives up removes itself from the list
  for (const auto& client : all) {
    if (!client->look()) {
      remove(*client);
    }
  }
}

void answer_watch::arm() {
  runs_ = false; // stays false if arming the timer runs out of memory
  timer_.expires_after(period);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) {
      return;
    }
    try {
      look();
    } catch (const std::exception&) {
      // Out of memory during a look; the next one may succeed.
    }
    quiet_looks_ = watched_.empty() ? quiet_looks_ + 1 : 0;
    if (quiet_looks_ < looks_until_quiet) {
      arm();
      return;
    }
    runs_ = false;
    if (quiet_) {
      quiet_();
    }
  });
  runs_ = true;
}

} // namespace tayfa
