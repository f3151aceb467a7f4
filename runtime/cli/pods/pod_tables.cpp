#include "runtime/cli/pods/pod_tables.hpp"

#include "runtime/cli/terminal_text.hpp"

#include <array>
#include <cstdio>

namespace tayfa {

namespace {

constexpr std::array columns_of_pods{
    table_column{"POD", false, 12, 9}, table_column{"STATE", false, 0, 8},
    table_column{"SLOTS", true, 0, 7}, table_column{"RUN", true, 0, 7},
    table_column{"HELD", true, 0, 5},  table_column{"HEARD", true, 0, 6},
    table_column{"TRIP", true, 0, 4},  table_column{"IN", true, 0, 3},
    table_column{"OUT", true, 0, 3},   table_column{"MODELS", false, 6, 4},
    table_column{"WHY", false, 6, 5},  table_column{"RELEASE", false, 0, 1},
    table_column{"KEY", false, 8, 1},
};

constexpr std::array columns_of_trust{
    table_column{"POD", false, 12, 9},
    table_column{"STATE", false, 0, 8},
    table_column{"BY", false, 8, 3},
    table_column{"KEY", false, 8, 7},
};

constexpr std::array columns_of_tokens{
    table_column{"TOKEN", false, 0, 9},
    table_column{"EXPIRES", true, 0, 8},
    table_column{"USED BY", false, 8, 5},
    table_column{"BY", false, 8, 3},
};

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    out += (out.empty() ? "" : ",") + clean_line(name);
  }
  return out;
}

std::string trip_text(std::uint64_t us) {
  if (us == 0) {
    return "";
  }
  std::array<char, 32> out{};
  std::snprintf(out.data(), out.size(), "%.1f ms", static_cast<double>(us) / 1'000);
  return out.data();
}

} // namespace

std::span<const table_column> pod_columns() {
  return columns_of_pods;
}

table_rows pod_rows(std::span<const pod_summary> pods) {
  table_rows rows;
  for (const auto& pod : pods) {
    rows.push_back({clean_line(pod.name), clean_line(pod.state), std::to_string(pod.slots),
                    std::to_string(pod.running), std::to_string(pod.attempts),
                    duration_text(pod.silent) + " ago", trip_text(pod.round_trip_us),
                    bytes_text(pod.bytes_in), bytes_text(pod.bytes_out), joined(pod.models),
                    clean_line(pod.why), clean_line(pod.release), clean_line(pod.key)});
  }
  return rows;
}

std::string pods_text(std::span<const pod_summary> pods, std::size_t width) {
  return pods.empty() ? "no pods have linked since this head started\n"
                      : render_table(columns_of_pods, pod_rows(pods), width);
}

std::string trust_text(const trust_list& list, std::size_t width) {
  table_rows rows;
  for (const auto& pod : list.pods) {
    rows.push_back({clean_line(pod.name), pod.trusted ? "trusted" : "revoked", clean_line(pod.by),
                    clean_line(pod.key)});
  }
  std::string out = rows.empty() ? "no pods\n" : render_table(columns_of_trust, rows, width);
  if (list.tokens.empty()) {
    return out;
  }
  rows.clear();
  for (const auto& token : list.tokens) {
    rows.push_back({clean_line(token.id),
                    token.expired ? "ended" : "in " + duration_text(token.expires_in),
                    token.used_by.empty() ? "-" : clean_line(token.used_by), clean_line(token.by)});
  }
  return out + '\n' + render_table(columns_of_tokens, rows, width);
}

} // namespace tayfa
