// The line on which a pod tells its events: GET /events through libcurl, read while something else
// is waited for. One thread.
//
// Invariant: once dead(), nothing comes any more; a new line must be opened.
#pragma once

#include "cluster/program/client/event_text.hpp"
#include "runtime/base/secret.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace tayfa {

class event_line {
 public:
  /// Begins to connect; nothing is waited for.
  explicit event_line(const std::string& url, const secret_text& key = {});
  ~event_line();
  event_line(const event_line&) = delete;
  event_line& operator=(const event_line&) = delete;

  /// Until something came on the line, one of `others` is readable, or the time is up.
  void wait(std::chrono::milliseconds, std::span<const int> others);

  bool open() const; ///< the pod has answered with a stream: what happens now is told
  bool dead() const;
  unsigned status() const; ///< of the answer; 0 when there was none
  std::optional<server_event> next();
  std::uint64_t last() const; ///< ask a new line for what came after it

 private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

/// Without a line: until one of `others` is readable or the time is up.
void wait_for(std::chrono::milliseconds, std::span<const int> others);

} // namespace tayfa
