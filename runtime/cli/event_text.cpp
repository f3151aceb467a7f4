#include "runtime/cli/event_text.hpp"

#include <charconv>
#include <utility>

namespace tayfa {

bool event_reader::feed(std::string_view bytes) {
  for (const char c : bytes) {
    if (c == '\n' && std::exchange(after_cr_, false)) {
      continue; // the LF of a CR LF
    }
    after_cr_ = c == '\r';
    if (c == '\n' || c == '\r') {
      take_line(line_);
      line_.clear();
    } else {
      line_ += c;
    }
    if (line_.size() + data_.size() > event_bytes_max) {
      return false;
    }
  }
  return true;
}

void event_reader::take_line(std::string_view line) {
  if (line.empty()) {
    if (std::exchange(has_data_, false)) {
      ready_.push_back(
          {number_, kind_.empty() ? std::string{"message"} : std::exchange(kind_, {}), data_});
    }
    kind_.clear();
    data_.clear();
    return;
  }
  const std::size_t mark = std::min(line.find(':'), line.size());
  const std::string_view name = line.substr(0, mark);
  std::string_view value = line.substr(std::min(mark + 1, line.size()));
  if (value.starts_with(' ')) {
    value.remove_prefix(1);
  }
  if (name == "data") {
    data_ += has_data_ ? "\n" : "";
    data_ += value;
    has_data_ = true;
  } else if (name == "event") {
    kind_ = value;
  } else if (name == "id") {
    std::uint64_t number = 0;
    const auto [rest, ec] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (ec == std::errc{} && rest == value.data() + value.size()) {
      number_ = number;
    }
  }
}

std::optional<server_event> event_reader::next() {
  if (ready_.empty()) {
    return std::nullopt;
  }
  server_event first = std::move(ready_.front());
  ready_.pop_front();
  return first;
}

} // namespace tayfa
