#include "runtime/runpod_worker/contract.hpp"

#include "runtime/api/json_text.hpp"
#include "runtime/api/json_walk.hpp"
#include "runtime/api/object_writer.hpp"
#include "runtime/base/json_string.hpp"
#include "runtime/base/utf8.hpp"
#include "runtime/base/words.hpp"

#include <algorithm>
#include <array>
#include <openssl/evp.h>

namespace tayfa::runpod {

namespace {

constexpr std::string_view chunk_head = R"({"output": )";
constexpr std::size_t message_bytes_max = std::size_t{256} << 10;

tl::unexpected<error> too_large(std::string_view what, std::size_t most) {
  return fail(errc::payload_too_large,
              std::string{what} + " has more than " + std::to_string(most) + " bytes");
}

/// False for what is falsy in Python: null, false, zero, and empty values.
bool is_truthy(std::string_view value) {
  if (value == "null" || value == "false" || value == R"("")") {
    return false;
  }
  const char first = value.empty() ? 'n' : value.front();
  if (first == '[' || first == '{') {
    return value.find_first_not_of(" \t\r\n", 1) != value.size() - 1;
  }
  if (first == '-' || (first >= '0' && first <= '9')) {
    return value.substr(0, value.find_first_of("eE")).find_first_of("123456789") !=
           std::string_view::npos;
  }
  return true;
}

/// A handler's output object, parsed as the SDK does.
struct handler_output {
  std::string_view error;             ///< empty = none
  bool refresh = false;               ///< it had a truthy "refresh_worker"
  bool plain = true;                  ///< no member was removed: the text is sent as it is
  bool empty = true;                  ///< no member is left
  std::vector<std::string_view> kept; ///< remaining members, each from its key to the end of its
                                      ///< value
};

handler_output output_of(std::string_view object) {
  handler_output out;
  api::json_walker walk{object};
  walk.skip_space();
  walk.step(); // the brace
  walk.skip_space();
  while (walk.at('"')) {
    const std::string_view key = walk.value();
    walk.skip_space();
    walk.step(); // the colon
    walk.skip_space();
    const std::string_view value = walk.value();
    const auto name = api::json_string(key, 16);
    if (name == "error") {
      out.error = is_truthy(value) ? value : std::string_view{};
    } else if (name == "refresh_worker") {
      out.refresh = is_truthy(value);
    } else {
      const char* const end = value.data() + value.size();
      out.kept.emplace_back(key.data(), static_cast<std::size_t>(end - key.data()));
    }
    out.plain = out.plain && name != "error" && name != "refresh_worker";
    walk.skip_space();
    if (walk.at(',')) {
      walk.step();
      walk.skip_space();
    }
  }
  out.empty = out.kept.empty();
  return out;
}

/// A JSON object in the format of Python's json.dumps, with ", " and ": ".
class python_object {
 public:
  explicit python_object(std::size_t reserve) { out_.reserve(reserve); }

  /// Appends the key; the caller appends the value to the returned text.
  std::string& member(std::string_view key) {
    out_ += out_.empty() ? "{" : ", ";
    out_.append("\"").append(key).append("\": ");
    return out_;
  }
  std::string done() {
    out_ += out_.empty() ? "{}" : "}";
    return std::move(out_);
  }

 private:
  std::string out_;
};

void append_all(std::string& out, const std::vector<std::string_view>& members) {
  std::string_view between = "{";
  for (const std::string_view member : members) {
    out.append(between).append(member);
    between = ", ";
  }
  out += '}';
}

result<std::string> within_bounds(std::string body) {
  if (body.size() > result_bytes_max) {
    return too_large("the result", result_bytes_max);
  }
  return body;
}

void append_ascii(std::string& out, std::string_view text) {
  text::append_json_string(out, text, text::json_escapes::non_ascii);
}

} // namespace

result<std::string> output_body(const shared_text& output, bool refresh) {
  const std::string_view text = output.empty() ? std::string_view{"null"} : output.view();
  if (text.size() > result_bytes_max) {
    return too_large("the result", result_bytes_max);
  }
  handler_output read;
  read.empty = false;
  if (text[std::min(text.find_first_not_of(" \t\r\n"), text.size() - 1)] == '{') {
    read = output_of(text);
  }
  python_object body{text.size() + 64};
  if (!read.empty && read.plain) {
    body.member("output") += text;
  } else if (!read.empty) {
    append_all(body.member("output"), read.kept);
  }
  if (!read.error.empty()) {
    body.member("error") += read.error;
  }
  if (read.refresh || refresh) {
    body.member("stopPod") += "true";
  }
  return within_bounds(body.done());
}

result<std::string> stream_end_body(std::span<const chunk> chunks, bool aggregate, bool refresh) {
  std::size_t bytes = 64;
  for (const chunk& c : chunks) {
    bytes += aggregate ? c.size() + 2 : 0;
  }
  if (bytes > result_bytes_max + 64) {
    return too_large("the stream's result", result_bytes_max);
  }
  python_object body{bytes};
  std::string& out = body.member("output");
  out += '[';
  std::string_view between;
  for (const chunk& c : aggregate ? chunks : std::span<const chunk>{}) {
    out.append(between).append(c.view());
    between = ", ";
  }
  out += ']';
  if (refresh) {
    body.member("stopPod") += "true";
  }
  return within_bounds(body.done());
}

std::string error_body(const settings& s, const error& e, bool refresh) {
  const std::string message = api::failure_text(e);
  python_object inner{256 + message.size()};
  append_ascii(inner.member("error_type"), to_string(e.code));
  append_ascii(inner.member("error_message"), text::utf8_prefix(message, message_bytes_max));
  append_ascii(inner.member("error_traceback"), {});
  append_ascii(inner.member("hostname"), s.hostname);
  append_ascii(inner.member("worker_id"), s.worker_id);
  append_ascii(inner.member("runpod_version"), contract_version);
  const std::string text = inner.done();
  python_object body{text.size() + text.size() / 4};
  text::append_json_string(body.member("error"), text);
  if (refresh) {
    body.member("stopPod") += "true";
  }
  return body.done();
}

std::string progress_body(const shared_text& progress) {
  python_object body{progress.size() + 64};
  body.member("status") += R"("IN_PROGRESS")";
  body.member("output") += progress.empty() ? std::string_view{"null"} : progress.view();
  return body.done();
}

std::string chunk_error_body(const error& e) {
  const std::string message = api::failure_text(e);
  std::string body{R"({"output": {"error": )"};
  text::append_json_string(body, text::utf8_prefix(message, message_bytes_max));
  body += "}}";
  return body;
}

// ---- chunks ------------------------------------------------------------------------------------

namespace {

std::string chunk_body(std::string_view open, std::string_view part, std::string_view close) {
  std::string body;
  body.reserve(chunk_head.size() + open.size() + part.size() + close.size() + 1);
  body.append(chunk_head).append(open).append(part).append(close).append("}");
  return body;
}

/// Length in bytes of the indivisible unit at `i` of a JSON string literal: a character, an escape,
/// or the two escapes of a surrogate pair.
std::size_t unit_length(std::string_view text, std::size_t i) {
  if (text[i] == '\\') {
    const bool wide = i + 1 < text.size() && text[i + 1] == 'u';
    const bool high = wide && i + 3 < text.size() && (text[i + 2] == 'd' || text[i + 2] == 'D') &&
                      (text[i + 3] == '8' || text[i + 3] == '9' || (text[i + 3] | 0x20) == 'a' ||
                       (text[i + 3] | 0x20) == 'b');
    return high ? 12 : wide ? 6 : 2;
  }
  std::size_t length = 1;
  while (i + length < text.size() && text::is_continuation(text[i + length])) {
    ++length;
  }
  return length;
}

std::vector<std::string> text_bodies(std::string_view literal, std::size_t room) {
  const std::string_view text = literal.substr(1, literal.size() - 2);
  std::vector<std::string> bodies;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = std::min(i + unit_length(text, i), text.size());
    if (end - begin > room) {
      bodies.push_back(chunk_body("\"", text.substr(begin, i - begin), "\""));
      begin = i;
    }
    i = end;
  }
  bodies.push_back(chunk_body("\"", text.substr(begin), "\""));
  return bodies;
}

result<std::vector<std::string>> list_bodies(std::string_view list, std::size_t room) {
  std::vector<std::string> bodies;
  api::json_walker walk{list};
  walk.step(); // the bracket
  walk.skip_space();
  std::string_view part; // elements collected for the next body, with the commas between them
  while (!walk.at_end() && !walk.at(']')) {
    const std::string_view element = walk.value();
    if (element.empty() || element.size() > room) {
      return too_large("an element of a chunk", room);
    }
    const auto whole =
        part.empty() ? element.size()
                     : static_cast<std::size_t>(element.data() + element.size() - part.data());
    if (whole > room) {
      bodies.push_back(chunk_body("[", part, "]"));
      part = element;
    } else {
      part = {part.empty() ? element.data() : part.data(), whole};
    }
    walk.skip_space();
    if (walk.at(',')) {
      walk.step();
      walk.skip_space();
    }
  }
  bodies.push_back(chunk_body("[", part, "]"));
  return bodies;
}

} // namespace

result<std::vector<std::string>> chunk_bodies(const chunk& c) {
  constexpr std::size_t room = chunk_bytes_max - chunk_head.size() - 1; // minus the closing brace
  std::string_view value = c.empty() ? std::string_view{"null"} : c.view();
  if (value.size() <= room) {
    return std::vector<std::string>{chunk_body({}, value, {})};
  }
  value = text::trimmed(value);
  if (value.size() > 2 && value.front() == '"') {
    return text_bodies(value, room - 2);
  }
  if (value.size() > 2 && value.front() == '[') {
    return list_bodies(value, room - 2);
  }
  return too_large("a chunk that is neither text nor list", chunk_bytes_max);
}

// ---- ids ---------------------------------------------------------------------------------------

job_id local_id(const std::string& platform_id) {
  if (auto id = job_id::parse(platform_id)) {
    return std::move(*id);
  }
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  if (EVP_Digest(platform_id.data(), platform_id.size(), digest.data(), &length, EVP_sha256(),
                 nullptr) != 1) {
    // Unreachable: without SHA-256 no TLS call could have received this id.
    std::abort();
  }
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string text{"rp-"};
  for (const unsigned char byte : digest) {
    text += digits[byte >> 4U];
    text += digits[byte & 0xFU];
  }
  return job_id{std::move(text)};
}

} // namespace tayfa::runpod
