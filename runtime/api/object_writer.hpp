// How answers are written.
#pragma once

#include "messages/job.hpp"
#include "runtime/api/json_text.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace tayfa::api {

/// Writes one JSON object, member by member. Outputs are raw JSON and go in as they are.
class object_writer {
 public:
  explicit object_writer(std::size_t reserve = 128) { out_.reserve(reserve); }

  object_writer& raw(std::string_view key, std::string_view value) {
    out_ += out_.empty() ? '{' : ',';
    append_json_string(out_, key);
    out_ += ':';
    out_ += value;
    return *this;
  }
  object_writer& text(std::string_view key, std::string_view value) {
    raw(key, {});
    append_json_string(out_, value);
    return *this;
  }
  object_writer& number(std::string_view key, std::uint64_t value) {
    return raw(key, std::to_string(value));
  }
  object_writer& time(std::string_view key, const std::optional<milliseconds>& value) {
    return value ? raw(key, std::to_string(value->count())) : *this;
  }
  object_writer& flag(std::string_view key, bool value) {
    return raw(key, value ? "true" : "false");
  }
  /// Nothing when there is nothing to say.
  object_writer& name(std::string_view key, std::string_view value) {
    return value.empty() ? *this : text(key, value);
  }
  /// Bytes so far: where a value that is not copied belongs, after raw(key, {}).
  std::size_t size() const { return out_.size(); }
  std::string done() {
    out_ += out_.empty() ? "{}" : "}";
    return std::move(out_);
  }

 private:
  std::string out_;
};

/// The handler's own text is sent unchanged, as with RunPod; the runtime's failures are named by
/// their code.
std::string failure_text(const error&);

} // namespace tayfa::api
