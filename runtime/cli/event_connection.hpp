// The connection to a pod's events: GET /events through libcurl, read while waiting for other
// descriptors. One thread.
//
// Invariant: once dead(), no event comes any more; a new connection must be opened.
#pragma once

#include "runtime/base/secret.hpp"
#include "runtime/cli/event_text.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tayfa {

class event_connection {
 public:
  /// Starts connecting without blocking.
  explicit event_connection(const std::string& url, const secret_text& key = {});
  ~event_connection();
  event_connection(const event_connection&) = delete;
  event_connection& operator=(const event_connection&) = delete;

  /// Returns when bytes came, one of `others` is readable, or the time is up.
  void wait(std::chrono::milliseconds, std::span<const int> others);

  bool open() const; ///< the pod has started the stream: events from now on are received
  bool dead() const;
  unsigned status() const; ///< of the answer; 0 when there was none
  std::optional<server_event> next();
  std::uint64_t last() const; ///< pass it to a new connection to continue after it

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Waits without a connection: until one of `others` is readable or the time is up.
void wait_for(std::chrono::milliseconds, std::span<const int> others);

} // namespace tayfa
