// A request in the format of the API fuzz target's seeds: the method, the target, a line for each
// relevant header, and the body after them.
#pragma once

#include "runtime/api/call.hpp"

#include <string>
#include <string_view>

namespace tayfa::fuzz {

inline api::request request_of(std::string_view text) {
  const auto cut = [&text] {
    const auto end = std::min(text.find('\n'), text.size());
    const std::string line{text.substr(0, end)};
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  api::request request;
  request.method = cut();
  request.target = cut();
  request.content_type = "application/json";
  for (const auto& [name, member] : {std::pair{"Idempotency-Key: ", &api::request::idempotency_key},
                                     std::pair{"Last-Event-ID: ", &api::request::last_event_id}}) {
    if (text.starts_with(name)) {
      request.*member = cut().substr(std::string_view{name}.size());
    }
  }
  request.body = text;
  return request;
}

} // namespace tayfa::fuzz
