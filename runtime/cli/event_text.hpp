// Parser of server-sent events (HTML Living Standard, 9.2) over bytes as they come. Pure and
// bounded: exceeding a limit ends the parsing.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

namespace tayfa {

struct server_event {
  std::uint64_t number = 0; ///< its id, or that of the last event that had one
  std::string kind;         ///< "message" when the event names none
  std::string data;
};

class event_reader {
 public:
  static constexpr std::size_t event_bytes_max = std::size_t{1} << 20;

  /// False when an event exceeds the limit: stop reading.
  bool feed(std::string_view bytes);
  std::optional<server_event> next();
  /// The number of the last event, or of the head of the stream: the value for `after`.
  std::uint64_t last() const { return number_; }

 private:
  void take_line(std::string_view);

  std::string line_;
  bool after_cr_ = false;
  std::uint64_t number_ = 0;
  std::string kind_;
  std::string data_;
  bool has_data_ = false;
  std::deque<server_event> ready_;
};

} // namespace tayfa
