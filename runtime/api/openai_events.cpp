#include "runtime/api/openai_events.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/json_walk.hpp"

#include <algorithm>
#include <utility>

namespace tayfa::api {

namespace {

/// Texts, and their characters, that may pass without showing whether they are parts of events.
constexpr std::size_t undecided_max = 64;
constexpr std::string_view last_event = "data: [DONE]\n\n";

bool ends_line(char c) {
  return c == '\n' || c == '\r';
}

enum class kind : std::uint8_t { events, other, undecided };

/// By how it begins: with a field's name, or with a part of one.
kind kind_of(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of("\r\n"), text.size()));
  for (const std::string_view field : {"data:", "event:", "id:", "retry:", ":"}) {
    if (text.starts_with(field)) {
      return kind::events;
    }
    if (field.starts_with(text)) {
      return kind::undecided;
    }
  }
  return kind::other;
}

bool says_done(std::string_view line) {
  constexpr std::string_view field = "data:";
  if (!line.starts_with(field)) {
    return false;
  }
  line.remove_prefix(field.size());
  return line == "[DONE]" || line == " [DONE]";
}

/// Calls `see` with each element of a list; false when `json` is none.
template <class See>
bool each_element(std::string_view json, See see) {
  json_walker walk{json};
  walk.skip_space();
  if (!walk.at('[')) {
    return false;
  }
  walk.step();
  walk.skip_space();
  while (!walk.at(']') && !walk.at_end()) {
    see(walk.value());
    walk.skip_space();
    if (walk.at(',')) {
      walk.step();
      walk.skip_space();
    }
  }
  return true;
}

std::optional<std::string> text_in(std::string_view json) {
  return json_string(json, json.size());
}

} // namespace

result<std::string> openai_events::take(std::string_view chunk) {
  if (!each_element(chunk, [this](std::string_view each) { take_value(each); })) {
    take_value(chunk);
  }
  std::string events = whole_events();
  if (text_.size() > event_bytes_max) {
    return fail(errc::payload_too_large, "the worker sent an event that has no end");
  }
  return events;
}

std::string openai_events::finish() {
  decide();
  end_event();
  std::string events = whole_events();
  return done_ ? events : (done_ = true, events.append(last_event));
}

void openai_events::take_value(std::string_view json) {
  begun_ = true;
  if (const auto text = text_in(json)) {
    if (writes_events_) {
      take_text(*text);
      return;
    }
    beginning_ += *text;
    const kind found = kind_of(beginning_);
    writes_events_ = found == kind::events; // the next one may be cut anywhere
    if (writes_events_) {
      take_text(std::exchange(beginning_, {}));
      undecided_.clear();
      return;
    }
    if (found == kind::undecided && undecided_.size() < undecided_max &&
        beginning_.size() < undecided_max) {
      undecided_.emplace_back(json);
      return;
    }
  }
  decide();
  end_event(); // it goes on no more
  take_as_event(json);
}

/// The undecided bytes are not the beginning of an event.
void openai_events::decide() {
  beginning_.clear();
  for (const auto& each : std::exchange(undecided_, {})) {
    take_as_event(each);
  }
}

void openai_events::take_as_event(std::string_view json) {
  if (const auto fault = openai_fault_in(json)) {
    take_text(openai_error_event(*fault));
    return;
  }
  std::string line{json};
  std::replace_if(line.begin(), line.end(), ends_line, ' '); // between values: texts have none
  take_text("data: " + line + "\n\n");
}

void openai_events::end_event() {
  if (text_.size() > whole_) {
    take_text("\n\n");
  }
}

void openai_events::take_text(std::string_view text) {
  if (done_) {
    return; // clients stop reading there
  }
  text_ += text;
  while (!done_) {
    const std::size_t end = std::min(text_.find_first_of("\r\n", looked_), text_.size());
    looked_ = end;
    if (end == text_.size() || (text_[end] == '\r' && end + 1 == text_.size())) {
      return; // the rest of the line, or of its end, is to come
    }
    const std::string_view line{text_.data() + line_, end - line_};
    const bool crlf = text_[end] == '\r' && text_[end + 1] == '\n';
    line_ = looked_ = end + (crlf ? 2 : 1);
    if (line.empty()) {
      whole_ = line_;
    } else if (says_done(line)) {
      text_.replace(line_, std::string::npos, "\n");
      whole_ = text_.size();
      done_ = true;
    }
  }
}

std::string openai_events::whole_events() {
  std::string events = text_.substr(0, whole_);
  text_.erase(0, whole_);
  line_ -= std::min(line_, whole_);
  looked_ -= std::min(looked_, whole_);
  whole_ = 0;
  return events;
}

std::optional<std::string> openai_events::whole(std::string_view output) {
  std::string beginning;
  const auto look = [&beginning](std::string_view each) {
    constexpr std::size_t enough = 64;
    if (beginning.size() < enough) {
      beginning += text_in(each).value_or("{}").substr(0, enough);
    }
  };
  if (!each_element(output, look)) {
    look(output);
  }
  if (kind_of(beginning) != kind::events) {
    return std::nullopt;
  }
  openai_events made;
  auto events = made.take(output);
  return events ? std::optional{*events + made.finish()} : std::nullopt;
}

std::string openai_error_event(const openai_fault& fault) {
  return "data: " + openai_fault_text(fault) + "\n\n";
}

} // namespace tayfa::api
