// How answers are written.
#pragma once

#include "messages/job.hpp"
#include "runtime/api/json_text.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tayfa::api {

class body_writer;

/// Writes one JSON object, member by member. Outputs are raw JSON and go in as they are.
class object_writer {
 public:
  explicit object_writer(std::size_t reserve = 128) {
    out_.reserve(reserve);
    out_ += '{';
  }

  /// Names are our own: nothing in them has to be escaped.
  object_writer& key(std::string_view name) {
    out_ += std::exchange(first_, false) ? "\"" : ",\"";
    out_ += name;
    out_ += "\":";
    return *this;
  }
  object_writer& raw(std::string_view name, std::string_view value) {
    key(name).out_ += value;
    return *this;
  }
  object_writer& text(std::string_view name, std::string_view value) {
    append_json_string(key(name).out_, value);
    return *this;
  }
  object_writer& number(std::string_view name, std::uint64_t value) {
    return raw(name, std::to_string(value));
  }
  object_writer& time(std::string_view name, const std::optional<milliseconds>& value) {
    return value ? raw(name, std::to_string(value->count())) : *this;
  }
  object_writer& flag(std::string_view name, bool value) {
    return raw(name, value ? "true" : "false");
  }
  /// Nothing when there is nothing to say.
  object_writer& name(std::string_view name, std::string_view value) {
    return value.empty() ? *this : text(name, value);
  }
  /// JSON that write_to() leaves uncopied.
  object_writer& shared(std::string_view name, const shared_text& value) {
    holes_.emplace_back(key(name).out_.size(), value);
    return *this;
  }
  /// An object in this one's text; `fill` writes its members into this writer.
  template <class Fill>
  object_writer& object(Fill fill) {
    out_ += '{';
    const bool before = std::exchange(first_, true);
    fill();
    first_ = before;
    out_ += '}';
    return *this;
  }
  /// A list; `write` writes one item of it.
  template <class Items, class Write>
  object_writer& list(const Items& items, Write write) {
    char before = '[';
    for (const auto& item : items) {
      out_ += std::exchange(before, ',');
      write(item);
    }
    out_ += before == '[' ? "[]" : "]";
    return *this;
  }
  /// A text within a list.
  object_writer& item(std::string_view value) {
    append_json_string(out_, value);
    return *this;
  }

  std::string done();
  void write_to(body_writer&);

 private:
  std::string out_;
  bool first_ = true;                                      ///< no member yet
  std::vector<std::pair<std::size_t, shared_text>> holes_; ///< and where they belong
};

/// The handler's own text is sent unchanged, as with RunPod; the runtime's failures are named by
/// their code.
std::string failure_text(const error&);

} // namespace tayfa::api
