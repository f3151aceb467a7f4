// The chunks of a job as server-sent events for a client of OpenAI's API.
//
// Owner: the answer of one streamed call. A worker's chunk is a text of events ("data: {…}\n\n",
// several, or a part of one), one JSON value, or a list of either. Only whole events leave, so that
// a heartbeat or an error may follow whatever has left. Invariant: the last event of a stream that
// finish() ended is `data: [DONE]`, once.
#pragma once

#include "runtime/api/openai.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tayfa::api {

class openai_events {
 public:
  /// Longest event that is waited for; a worker's chunk has 1 MB.
  static constexpr std::size_t event_bytes_max = std::size_t{2} << 20;

  /// The events that are whole with this chunk (JSON text). errc::payload_too_large when an event
  /// has no end.
  result<std::string> take(std::string_view chunk);
  /// Nothing follows: what is left, and [DONE] unless the worker has said so.
  std::string finish();
  /// Something came, be it half an event.
  bool begun() const { return begun_; }
  /// The worker has said [DONE]: clients read no further.
  bool done() const { return done_; }

  /// All events of an output that is a text of events, or a list of such texts; nothing when it is
  /// anything else.
  static std::optional<std::string> whole(std::string_view output);

 private:
  void take_value(std::string_view json);
  void take_text(std::string_view text);
  void take_as_event(std::string_view json);
  void decide();
  void end_event();
  std::string whole_events();

  bool begun_ = false;
  bool writes_events_ = false;         ///< its texts are parts of events
  std::string beginning_;              ///< the texts so far, while they may be the beginning of one
  std::vector<std::string> undecided_; ///< likewise, each as it came
  bool done_ = false;                  ///< [DONE] has been seen
  std::string text_;                   ///< what has not left
  std::size_t whole_ = 0;              ///< of it, up to the end of an event
  std::size_t line_ = 0;               ///< of it, up to the end of a line
  std::size_t looked_ = 0;             ///< of it, up to where no more line ends
};

/// An error as an event.
std::string openai_error_event(const openai_fault&);

} // namespace tayfa::api
