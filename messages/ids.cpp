#include "messages/ids.hpp"

#include <algorithm>

namespace tayfa {

std::optional<job_id> job_id::parse(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (text.empty() || text.size() > max_length || !std::all_of(text.begin(), text.end(), allowed)) {
    return std::nullopt;
  }
  return job_id{std::string{text}};
}

std::string to_string(const worker_ref& w) {
  const auto node = w.node == this_node ? std::string{} : std::to_string(w.node.value) + "/";
  return node + std::to_string(w.slot.value) + "#" + std::to_string(w.incarnation);
}

std::string default_name(worker_place at) {
  const auto node =
      at.node == this_node ? std::string{} : "node-" + std::to_string(at.node.value) + "-";
  return node + "slot-" + std::to_string(at.slot.value);
}

std::string to_string(const attempt_ref& a) {
  return a.job.str() + "#" + std::to_string(a.number);
}

} // namespace tayfa
