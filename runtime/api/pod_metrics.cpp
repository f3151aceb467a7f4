#include "runtime/api/pod_metrics.hpp"

#include <array>
#include <cstdio>

namespace tayfa::api {

namespace {

struct family {
  const char* name;
  const char* type;
  const char* help;
  double (*value)(const pod_summary&);
};

double as_number(std::uint64_t n) {
  return static_cast<double>(n);
}

constexpr std::array families{
    family{"tayfa_pod_linked", "gauge", "1 while the pod is linked to this head",
           [](const pod_summary& p) {
             return p.state == "cut" || p.state == "away" || p.state == "suspect" ? 0.0 : 1.0;
           }},
    family{"tayfa_pod_slots", "gauge", "Slots of the pod",
           [](const pod_summary& p) { return as_number(p.slots); }},
    family{"tayfa_pod_attempts", "gauge", "Attempts that the head counts at the pod",
           [](const pod_summary& p) { return as_number(p.attempts); }},
    family{"tayfa_pod_running", "gauge", "Attempts that the pod says it runs",
           [](const pod_summary& p) { return as_number(p.running); }},
    family{"tayfa_pod_models", "gauge", "Models on the pod's disk",
           [](const pod_summary& p) { return as_number(p.models.size()); }},
    family{"tayfa_pod_silent_seconds", "gauge", "Time since the pod's last message",
           [](const pod_summary& p) { return static_cast<double>(p.silent.count()) / 1e3; }},
    family{"tayfa_pod_round_trip_seconds", "gauge", "From a beat of the pod to its answer",
           [](const pod_summary& p) { return as_number(p.round_trip_us) / 1e6; }},
    family{"tayfa_pod_received_bytes_total", "counter", "Bytes of the pod's link messages",
           [](const pod_summary& p) { return as_number(p.bytes_in); }},
    family{"tayfa_pod_sent_bytes_total", "counter", "Bytes of link messages to the pod",
           [](const pod_summary& p) { return as_number(p.bytes_out); }},
};

/// The name is the pod's own word, so it may hold anything.
std::string label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') {
      out += '\\';
    }
    out += c == '\n' ? std::string{"\\n"} : std::string{c};
  }
  return out;
}

} // namespace

std::string pod_metrics(std::span<const pod_summary> pods) {
  std::string out;
  if (pods.empty()) {
    return out;
  }
  for (const auto& each : families) {
    const std::string name{each.name};
    out += "# HELP " + name + ' ' + each.help + "\n# TYPE " + name + ' ' + each.type + '\n';
    for (const auto& pod : pods) {
      std::array<char, 32> value{};
      std::snprintf(value.data(), value.size(), "%.15g", each.value(pod));
      out += name + "{pod=\"" + label(pod.name) + "\",key=\"" + label(pod.key) + "\"} " +
             value.data() + '\n';
    }
  }
  return out;
}

} // namespace tayfa::api
